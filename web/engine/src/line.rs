//! One connection to the node, from its first byte to the signed-in session: bytes in, frames out.
use prost::Message as _;
use wardline_directory::key::DeviceKey;
use wardline_directory::session;
use wardline_protocol::wire::{self, ClientFrame, DeviceChain, ServerFrame, client_frame, response, server_frame};
use wardline_protocol::{Code, DeviceId, PROTOCOL_VERSION, Rendezvous, WireError, frame, limit};

/// What this program calls itself toward the node.
const PROGRAM: &str = concat!("wardline-web/", env!("CARGO_PKG_VERSION"));

/// Why the connection is made.
pub enum Purpose {
    /// To sign in.
    SignIn(DeviceId),
    /// To present a new device.
    Enrol(DeviceChain),
    /// To wait for an existing device's grant.
    AwaitLink(Rendezvous),
}

/// What a frame meant.
pub enum Heard {
    /// Nothing yet.
    Nothing,
    /// To be sent.
    Say(Vec<u8>),
    /// Signed in: from now on every frame is the core's.
    SignedIn(wire::Challenge, wire::Authenticated),
    /// The new device is the account's now.
    Enrolled,
    /// The sealed grant of an existing device.
    Granted(Vec<u8>),
    /// For the core.
    Frame(Box<ServerFrame>),
}

enum Stage {
    Closed,
    Challenging,
    Answering(wire::Challenge),
    Open,
}

/// The connection's state.
pub struct Line {
    purpose: Purpose,
    binding: [u8; 32],
    decoder: frame::Decoder,
    stage: Stage,
    request_id: u64,
}

impl Line {
    /// `origin` is the page's.
    pub fn new(purpose: Purpose, origin: &str) -> Self {
        let decoder = frame::Decoder::new(limit::FRAME_BYTES_MAX);
        Self { purpose, binding: session::web_binding(origin), decoder, stage: Stage::Closed, request_id: 0 }
    }

    /// A new connection is there. Gives the first bytes.
    pub fn opened(&mut self, purpose: Purpose) -> Result<Vec<u8>, WireError> {
        self.purpose = purpose;
        self.decoder = frame::Decoder::new(limit::FRAME_BYTES_MAX);
        self.stage = Stage::Challenging;
        let hello = wire::Hello { protocol_version: PROTOCOL_VERSION, client: PROGRAM.into() };
        self.say(client_frame::Body::Hello(hello))
    }

    /// It is gone.
    pub fn closed(&mut self) {
        self.stage = Stage::Closed;
    }

    /// Whether signing in is done.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// Presents the device on a connection that waited for its grant.
    pub fn enrol(&mut self, chain: DeviceChain, key: &DeviceKey) -> Result<Vec<u8>, WireError> {
        let Stage::Answering(challenge) = &self.stage else { return Err(out_of_order()) };
        let nonce = challenge.nonce.clone();
        self.purpose = Purpose::Enrol(chain.clone());
        self.say_enrol(chain, key, &nonce)
    }

    /// Bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    /// The next thing that was heard; [`Heard::Nothing`] until more bytes arrive.
    pub fn next(&mut self, key: &DeviceKey) -> Result<Heard, WireError> {
        let Some(frame) = self.decoder.next_message::<ServerFrame>()? else { return Ok(Heard::Nothing) };
        if self.is_open() {
            return Ok(Heard::Frame(Box::new(frame)));
        }
        match frame.body {
            Some(server_frame::Body::Response(answer)) if answer.request_id == self.request_id => match answer.result {
                Some(response::Result::Error(error)) => Err(error.into()),
                Some(result) => self.answered(result, key),
                None => Err(out_of_order()),
            },
            Some(server_frame::Body::Goodbye(goodbye)) => Err(goodbye.error.map_or_else(out_of_order, Into::into)),
            _ => Err(out_of_order()),
        }
    }

    fn answered(&mut self, result: response::Result, key: &DeviceKey) -> Result<Heard, WireError> {
        match (std::mem::replace(&mut self.stage, Stage::Closed), result) {
            (Stage::Challenging, response::Result::Challenge(challenge)) => {
                let nonce = challenge.nonce.clone();
                self.stage = Stage::Answering(challenge);
                match &self.purpose {
                    Purpose::SignIn(device) => {
                        let signature = session::sign_device(key, &nonce, &self.binding).to_vec().into();
                        let authenticate = wire::Authenticate { device_id: device.to_bytes(), signature };
                        self.say(client_frame::Body::Authenticate(authenticate))
                    }
                    Purpose::Enrol(chain) => self.say_enrol(chain.clone(), key, &nonce),
                    Purpose::AwaitLink(rendezvous) => {
                        let rendezvous = rendezvous.to_bytes();
                        self.say(client_frame::Body::AwaitLink(wire::AwaitLink { rendezvous }))
                    }
                }
                .map(Heard::Say)
            }
            (Stage::Answering(challenge), response::Result::Authenticated(authenticated)) => {
                self.stage = Stage::Open;
                Ok(Heard::SignedIn(challenge, authenticated))
            }
            (Stage::Answering(_), response::Result::Enrolled(_)) => Ok(Heard::Enrolled),
            (Stage::Answering(challenge), response::Result::SealedLinkGrant(grant)) => {
                self.stage = Stage::Answering(challenge);
                Ok(Heard::Granted(grant.sealed.to_vec()))
            }
            _ => Err(out_of_order()),
        }
    }

    fn say_enrol(&mut self, chain: DeviceChain, key: &DeviceKey, nonce: &[u8]) -> Result<Vec<u8>, WireError> {
        let signature = session::sign_device(key, nonce, &self.binding).to_vec().into();
        self.say(client_frame::Body::Enrol(wire::Enrol { chain: Some(chain), signature }))
    }

    fn say(&mut self, body: client_frame::Body) -> Result<Vec<u8>, WireError> {
        self.request_id += 1;
        encode(&ClientFrame { request_id: self.request_id, body: Some(body) })
    }
}

/// A frame with its length in front.
pub fn encode(frame: &ClientFrame) -> Result<Vec<u8>, WireError> {
    debug_assert!(frame.encoded_len() <= limit::FRAME_BYTES_MAX);
    Ok(frame::encode(frame, limit::FRAME_BYTES_MAX)?.to_vec())
}

fn out_of_order() -> WireError {
    WireError::new(Code::OutOfOrder, "the node does not follow the protocol: reload the page")
}
