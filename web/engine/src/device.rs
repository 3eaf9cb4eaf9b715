//! A device with its line to the node.
use crate::line::{self, Heard, Line, Purpose};
use crate::output::{Output, Reply, ShownConfirmation, ShownReport};
use crate::shown::{self, ShownAccount, ShownConversation, ShownDevice, ShownEvent};
use crate::stored::{Changes, Saved, StoredIdentity};
use crate::{Ask, Failed, UploadEnd, ask};
use std::collections::VecDeque;
use wardline_client::core::{self, Core, Input, Token};
use wardline_directory::key::{DeviceKey, PublicKey};
use wardline_e2ee::Suite;
use wardline_protocol::wire::{self, DeviceChain};
use wardline_protocol::{AccountId, DeviceId, Incarnation, WireError};

/// One device of this browser profile. After every call of a method that takes `now_ms`, drain [`poll`](Self::poll).
pub struct Device {
    core: Core,
    line: Line,
    root: PublicKey,
    device: DeviceId,
    chain: DeviceChain,
    signing: DeviceKey,
    enrolled: bool,
    outputs: VecDeque<Output>,
}

impl Device {
    /// A new device's identity by an enrolment link or code. Store it before it is opened and presented.
    pub fn invited(code: &str, now_ms: u64) -> Result<StoredIdentity, Failed> {
        let identity = wardline_client::entry::Invited::read(code)?.device(now_ms)?;
        Ok(StoredIdentity::of(&identity, false))
    }

    /// Opens what was stored. `seed` must be fresh randomness each time.
    pub fn open(stored: &StoredIdentity, saved: Saved, seed: [u8; 32], origin: &str) -> Result<Self, Failed> {
        let identity = stored.read()?;
        let signing = DeviceKey::from_seed(*identity.key.seed());
        let (root, device, chain) = (identity.root, identity.device, identity.chain.clone());
        let core = Core::new(identity, Suite::default(), saved.read()?, seed)
            .map_err(|error| Failed::new("storage", error.to_string()))?;
        let line = Line::new(Purpose::SignIn(device), origin);
        Ok(Self { core, line, root, device, chain, signing, enrolled: stored.enrolled, outputs: VecDeque::new() })
    }

    /// A connection to the node is there.
    pub fn opened(&mut self) {
        let purpose = if self.enrolled { Purpose::SignIn(self.device) } else { Purpose::Enrol(self.chain.clone()) };
        let hello = self.line.opened(purpose);
        self.say(hello);
    }

    /// Bytes arrived on it.
    pub fn received(&mut self, now_ms: u64, bytes: &[u8]) {
        self.line.push(bytes);
        loop {
            match self.line.next(&self.signing) {
                Ok(Heard::Nothing) => return,
                Ok(Heard::Frame(frame)) => self.core.handle(now_ms, Input::Frame(*frame)),
                Ok(Heard::Say(bytes)) => self.outputs.push_back(Output::Send { bytes }),
                Ok(Heard::SignedIn(challenge, authenticated)) => self.signed_in(now_ms, &challenge, &authenticated),
                Ok(Heard::Enrolled) => {
                    self.enrolled = true;
                    return self.outputs.push_back(Output::Enrolled);
                }
                Ok(Heard::Granted(_)) => {}
                Err(error) => return self.give_up(error),
            }
        }
    }

    /// It is gone.
    pub fn closed(&mut self, now_ms: u64) {
        if self.line.is_open() {
            self.core.handle(now_ms, Input::Disconnected);
        }
        self.line.closed();
    }

    /// The page wants something. Answered by exactly one [`Output::Done`] with this token.
    pub fn ask(&mut self, now_ms: u64, token: u64, ask: Ask) {
        match ask.read() {
            Ok(command) => self.core.handle(now_ms, Input::Command(command, Token(token))),
            Err(failed) => self.outputs.push_back(Output::Done { token, reply: None, failed: Some(failed) }),
        }
    }

    /// An [`Output::Upload`] is over.
    pub fn upload_ended(&mut self, now_ms: u64, attachment: &str, end: UploadEnd) -> Result<(), Failed> {
        let attachment = crate::files::attachment_id(attachment)?;
        self.core.handle(now_ms, Input::UploadEnded(attachment, end.read()));
        Ok(())
    }

    /// Time has passed.
    pub fn tick(&mut self, now_ms: u64) {
        self.core.handle(now_ms, Input::Tick);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            let output = match self.core.poll()? {
                core::Output::Persist(changes) => Output::Persist { changes: Box::new(Changes::of(&changes)) },
                core::Output::Send(frame) => match line::encode(&frame) {
                    Ok(bytes) => Output::Send { bytes },
                    Err(error) => Output::Close { failed: error.into(), last: false },
                },
                core::Output::Event(event) => match ShownEvent::of(&event) {
                    Some(event) => Output::Event { event },
                    None => continue,
                },
                core::Output::Done(token, result) => match result {
                    Ok(reply) => Output::Done { token: token.0, reply: Some(self.reply(reply)), failed: None },
                    Err(failure) => Output::Done { token: token.0, reply: None, failed: Some(failure.into()) },
                },
                core::Output::Upload(order) => Output::Upload {
                    message: order.message.to_string(),
                    conversation: order.conversation.to_string(),
                    attachment: order.attachment.to_string(),
                    ticket: order.ticket,
                    from_byte: order.from_byte,
                    sealed_bytes: order.sealed_bytes,
                },
                core::Output::WakeAt(ms) => Output::WakeAt { ms },
            };
            return Some(output);
        }
    }

    /// Every account of the directory.
    pub fn accounts(&self) -> Vec<ShownAccount> {
        shown::accounts(&self.core)
    }

    /// The node's name in the directory.
    pub fn hospital(&self) -> Option<String> {
        shown::hospital(&self.core)
    }

    /// A conversation as it is now.
    pub fn conversation(&self, id: &str) -> Option<ShownConversation> {
        ShownConversation::of(&self.core, &ask::conversation_id(id).ok()?)
    }

    /// 60 digits, the same on the other's screen.
    pub fn safety_number(&self, account: &str) -> Result<String, Failed> {
        let account = ask::id(account, AccountId::parse_hex)?;
        shown::safety_number(&self.core, &self.root, &account)
            .ok_or_else(|| Failed::new("unknown", "this account is not in the hospital's directory"))
    }

    /// The present media keys of a call, for [`crate::Sealer`] and [`crate::Opener`].
    pub fn media_epoch(&self, conversation: &str, call: &str) -> Option<Vec<u8>> {
        shown::media_epoch(&self.core, &ask::conversation_id(conversation).ok()?, &ask::call_id(call).ok()?)
    }

    fn reply(&self, reply: core::Reply) -> Reply {
        match reply {
            core::Reply::Conversation(id) => Reply::Conversation { conversation: id.to_string() },
            core::Reply::Message(id) => Reply::Message { message: id.to_string() },
            core::Reply::Call { call, answer_sdp } => Reply::Call { call: call.to_string(), answer_sdp },
            core::Reply::Media(answer_sdp) => Reply::Media { answer_sdp },
            core::Reply::MediaKeys { epoch, context_id } => {
                Reply::MediaKeys { epoch: epoch.to_bytes().to_vec(), context_id }
            }
            core::Reply::Download { ticket, sealed_bytes } => Reply::Download { ticket, sealed_bytes },
            core::Reply::Devices(devices) => Reply::Devices {
                devices: devices.iter().filter_map(|device| ShownDevice::of(&self.core, device)).collect(),
            },
            core::Reply::Confirmations(found) => Reply::Confirmations {
                confirmations: found
                    .into_iter()
                    .map(|(account, at_ms)| ShownConfirmation { account: account.to_string(), at_ms })
                    .collect(),
            },
            core::Reply::BroadcastReport(report) => Reply::BroadcastReport { report: ShownReport::of(*report) },
            _ => Reply::Done,
        }
    }

    fn signed_in(&mut self, now_ms: u64, challenge: &wire::Challenge, authenticated: &wire::Authenticated) {
        let parsed = AccountId::parse(&authenticated.account_id)
            .and_then(|account| Ok((account, Incarnation::parse(&challenge.node_incarnation)?)));
        match parsed {
            Ok((account, incarnation)) => {
                self.outputs.push_back(Output::SignedIn);
                self.core.handle(
                    now_ms,
                    Input::Connected {
                        account,
                        directory_version: authenticated.directory_version,
                        incarnation,
                        key_packages: authenticated.key_packages,
                    },
                );
            }
            Err(error) => self.give_up(error),
        }
    }

    fn say(&mut self, bytes: Result<Vec<u8>, WireError>) {
        match bytes {
            Ok(bytes) => self.outputs.push_back(Output::Send { bytes }),
            Err(error) => self.give_up(error),
        }
    }

    fn give_up(&mut self, error: WireError) {
        let last = core::is_final(&error);
        self.outputs.push_back(Output::Close { failed: error.into(), last });
    }
}
