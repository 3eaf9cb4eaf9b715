//! A bare client of the wire: frames in and out, no engine behind it.
use crate::line::Line;
use bytes::Bytes;
use quinn::ConnectionError;
use rustls::crypto::CryptoProvider;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use wardline_directory::certificate::issue_by_enrolment;
use wardline_directory::key::{DeviceKey, EnrolmentKey};
use wardline_directory::session::sign_device;
use wardline_protocol::code::parse_enrolment;
use wardline_protocol::wire::client_frame::Body as Request;
use wardline_protocol::wire::server_frame::Body as Push;
use wardline_protocol::wire::{
    Authenticate, ClientFrame, DeviceChain, Enrol, Hello, ServerFrame, response::Result as Answer,
};
use wardline_protocol::{AccountId, Code, DeviceId, frame, limit};
use wardline_relay::dev;
use wardline_relay::node::Running;
use wardline_relay::node::clock::system_ms;

/// Nothing here takes longer.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A connection with its control stream.
pub struct Client {
    pub line: Line,
    /// What signatures are bound to.
    pub binding: [u8; 32],
    decoder: frame::Decoder,
    next_request: u64,
    nonce: Vec<u8>,
}

/// A device that was enrolled.
pub struct Device {
    pub id: DeviceId,
    pub key: DeviceKey,
}

/// What the demo hospital in `dir` is started with.
pub fn options(dir: &std::path::Path) -> dev::Options {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    dev::Options { dir: dir.to_owned(), listen: any, web: any, ops: any, ready_file: None, channel: false }
}

/// Starts the demo hospital's node in `dir`.
pub async fn node(dir: &std::path::Path) -> (Running, dev::Ready) {
    dev::start(&options(dir)).await.unwrap()
}

impl Device {
    /// Its secret, as a careless log line would show it.
    pub fn key_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&*self.key.seed())
    }
}

impl Client {
    /// A client on a connection, whose page is of `origin` if it is a browser's.
    pub fn on(line: Line, origin: &str) -> Self {
        let binding = line.binding(origin);
        let decoder = frame::Decoder::new(limit::FRAME_BYTES_MAX);
        Self { line, binding, decoder, next_request: 1, nonce: Vec::new() }
    }

    pub async fn connect(ready: &dev::Ready) -> Self {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Self::try_connect(ready, provider, wardline_protocol::ALPN).await.unwrap()
    }

    pub async fn try_connect(
        ready: &dev::Ready,
        provider: CryptoProvider,
        alpn: &[u8],
    ) -> Result<Self, ConnectionError> {
        Ok(Self::on(Line::quic(ready, provider, alpn).await?, ""))
    }

    /// Connects and says hello.
    pub async fn greeted(ready: &dev::Ready) -> Self {
        Self::connect(ready).await.greet().await
    }

    /// Says hello.
    pub async fn greet(mut self) -> Self {
        let hello = Hello { protocol_version: 1, client: "test".into() };
        let Answer::Challenge(challenge) = self.request(Request::Hello(hello)).await else { panic!("no challenge") };
        self.nonce = challenge.nonce.to_vec();
        self
    }

    /// The client's own UDP port.
    pub fn local_port(&self) -> u16 {
        self.line.local_port()
    }

    /// What the node's challenge was.
    pub fn nonce(&self) -> &[u8] {
        &self.nonce
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.line.send(Bytes::copy_from_slice(bytes)).await;
    }

    /// Sends a request and returns its number.
    pub async fn start(&mut self, body: Request) -> u64 {
        let request_id = self.next_request;
        self.next_request += 1;
        let frame = ClientFrame { request_id, body: Some(body) };
        let bytes = frame::encode(&frame, limit::FRAME_BYTES_MAX).unwrap();
        self.line.send(bytes).await;
        request_id
    }

    /// Sends a request and waits for its answer; pushes in between are passed over.
    pub async fn request(&mut self, body: Request) -> Answer {
        let request_id = self.start(body).await;
        loop {
            match self.next().await.expect("the stream ended before the answer") {
                Push::Response(response) if response.request_id == request_id => return response.result.unwrap(),
                Push::Goodbye(goodbye) => panic!("goodbye: {:?}", goodbye.error),
                _ => {}
            }
        }
    }

    /// The next frame; `None` when the node ended the stream or the connection.
    pub async fn next(&mut self) -> Option<Push> {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(frame) = self.decoder.next_message::<ServerFrame>().unwrap() {
                    return frame.body;
                }
                let bytes = self.line.receive().await?;
                self.decoder.push(&bytes);
            }
        })
        .await
        .expect("nothing came")
    }

    /// Waits for the goodbye and then the close of the connection; the codes of both, and the errors answered before.
    pub async fn ended(&mut self) -> (Option<Code>, u64, Vec<(u64, Code)>) {
        let (mut goodbye, mut errors) = (None, Vec::new());
        while let Some(push) = self.next().await {
            match push {
                Push::Goodbye(last) => goodbye = Some(Code::from_number(last.error.unwrap().code)),
                Push::Response(response) => {
                    if let Some(Answer::Error(error)) = response.result {
                        errors.push((response.request_id, Code::from_number(error.code)));
                    }
                }
                _ => {}
            }
        }
        let close_code = tokio::time::timeout(PATIENCE, self.line.closed()).await.expect("not closed");
        (goodbye, close_code, errors)
    }

    /// A new device and what it sends to be enrolled.
    pub fn enrolment(&self, link: &str) -> (Device, Request) {
        let code = parse_enrolment(link).unwrap();
        let account = AccountId::parse(&code.account_id).unwrap();
        let enrolment = EnrolmentKey::from_code_seed(&code.seed.as_ref().try_into().unwrap());
        let key = DeviceKey::generate().unwrap();
        let id = DeviceId::from_bytes(rand::random());
        let certificate = issue_by_enrolment(&enrolment, account, id, key.public(), system_ms());
        let signature = sign_device(&key, &self.nonce, &self.binding).to_vec().into();
        let chain = Some(DeviceChain { certificates: vec![certificate] });
        (Device { id, key }, Request::Enrol(Enrol { chain, signature }))
    }

    /// Uses an enrolment link for a new device.
    pub async fn enrol(&mut self, link: &str) -> (Device, Answer) {
        let (device, request) = self.enrolment(link);
        let answer = self.request(request).await;
        (device, answer)
    }

    /// What `authenticate` sends.
    pub fn proof(&self, device: &Device) -> Request {
        let signature = sign_device(&device.key, &self.nonce, &self.binding).to_vec().into();
        Request::Authenticate(Authenticate { device_id: device.id.to_bytes(), signature })
    }

    /// Signs in.
    pub async fn authenticate(&mut self, device: &Device) -> Answer {
        let proof = self.proof(device);
        self.request(proof).await
    }
}

/// A new device of an account, signed in.
pub async fn signed_in(ready: &dev::Ready, handle: &str) -> (Client, Device) {
    let mut client = Client::greeted(ready).await;
    let (device, answer) = client.enrol(&ready.enrolment[handle]).await;
    assert!(matches!(answer, Answer::Enrolled(_)), "{answer:?}");
    assert!(matches!(client.authenticate(&device).await, Answer::Authenticated(_)));
    (client, device)
}
