//! A device without its hands: the MLS engine, the directory, conversations, outbox and calls of one device, sans-IO.
//!
//! Inputs go in with [`Core::handle`], outputs come out of [`Core::poll`]. The rule on the type: after any number of `handle`, drain `poll`
//! until it gives `None`, and perform the outputs in the order in which they come; a [`Output::Persist`] must be durable before
//! anything after it is performed. So no ciphertext leaves before the ratchet that made it is stored, and nothing is acknowledged or shown that a crash could lose.
//!
//! Each conversation is *level-triggered*: handlers only note what is now true, and [`advance`](conversation) decides what to do next.
//! A lost connection therefore needs no special paths: requests are forgotten, and the next sign-in finds out again what is missing.
//!
//! Absent on purpose: sockets, files, clocks, threads, and randomness other than keys made inside MLS.
mod advance;
mod apply;
mod broadcasts;
mod calls;
mod change;
mod changes;
mod channel;
mod command;
mod commit;
mod conversation;
mod devices;
mod event;
mod file;
mod former;
mod ids;
mod join;
mod outbox;
mod request;
mod sync;
mod upload;

pub use broadcasts::Broadcast;
pub use changes::{Changes, ConversationRecord, Counter, Membership, OutboxRecord, Saved};
pub use command::{Command, Failure, PushSubscription, Reply, Token};
pub use conversation::{HEAL_WINDOW_MS, HEALS_MAX, SEEN_MESSAGES_MAX};
pub use event::{Body, Event, Message, Misbehaviour, Notice, is_final};
pub use file::{About, File, Location, Position};
pub use outbox::OUTBOX_MAX;
pub use upload::{UPLOADS_AT_ONCE, UploadEnd, UploadOrder};

use broadcasts::Followed;
use calls::Call;
use conversation::Conversation;
use ids::IdSource;
use request::Request;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use sync::Session;
use wardline_directory::Directory;
use wardline_directory::key::{DeviceKey, PublicKey};
use wardline_e2ee::media::MediaEpoch;
use wardline_e2ee::{DeviceIdentity, Engine, EngineError, Suite};
use wardline_protocol::wire::{self, ClientFrame, ServerFrame, client_frame};
use wardline_protocol::{AccountId, AttachmentId, CallId, ConversationId, DeviceId, Incarnation, NO_RESPONSE};

/// Who this device is.
pub struct Identity {
    /// The hospital's root, from the enrolment code or the link grant.
    pub root: PublicKey,
    /// Whose device this is.
    pub account: AccountId,
    /// Its id.
    pub device: DeviceId,
    /// Its key.
    pub key: DeviceKey,
    /// Its certificates.
    pub chain: wire::DeviceChain,
}

/// What happened.
pub enum Input {
    /// Signed in.
    Connected {
        /// The account that the node says this is.
        account: AccountId,
        /// The node's newest statement.
        directory_version: u64,
        /// Which life of the node's database this is.
        incarnation: Incarnation,
        /// Key packages of this device that the node has left.
        key_packages: u32,
    },
    /// The connection is gone.
    Disconnected,
    /// A frame of the node.
    Frame(ServerFrame),
    /// A wish of the person or the program.
    Command(Command, Token),
    /// An upload's bulk stream has ended.
    UploadEnded(AttachmentId, UploadEnd),
    /// Time has passed; only `now_ms` counts.
    Tick,
}

/// What to do, strictly in this order.
pub enum Output {
    /// Make durable in one transaction, before anything that follows.
    Persist(Changes),
    /// Send on the control stream.
    Send(ClientFrame),
    /// Move a file's ciphertext to the node, meanwhile going on; then give [`Input::UploadEnded`].
    Upload(UploadOrder),
    /// Tell the person.
    Event(Event),
    /// Answer a command.
    Done(Token, Result<Reply, Failure>),
    /// Give a [`Input::Tick`] at this time (replaces the earlier wish).
    WakeAt(u64),
}

/// One device. See the module for the rule of use.
pub struct Core {
    identity: Identity,
    engine: Engine,
    directory: Directory,
    ids: IdSource,
    now_ms: u64,
    session: Option<Session>,
    incarnation: Option<Incarnation>,
    directory_floor: Option<(u64, [u8; 32])>,
    conversations: BTreeMap<ConversationId, Conversation>,
    calls: BTreeMap<CallId, Call>,
    broadcasts: BTreeMap<CallId, Followed>,
    counters: BTreeMap<Counter, u64>,
    watched: Vec<AccountId>,
    requests: BTreeMap<u64, Request>,
    next_request_id: u64,
    dirty: BTreeSet<ConversationId>,
    staged: Changes,
    /// Channels that this device has tried to open on this connection.
    tried_channels: BTreeSet<ConversationId>,
    outputs: VecDeque<Output>,
    woken_at_ms: Option<u64>,
}

/// Request ids below this are the handshake's.
const FIRST_REQUEST_ID: u64 = 1_000;

/// Commands that may wait for the node at once; more are refused with [`Failure::Full`].
pub const WAITING_COMMANDS_MAX: usize = 10_000;

/// Why a stored device cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A stored statement does not verify: the state was damaged or tampered with.
    #[error("the stored directory does not verify: {0}")]
    Directory(wardline_directory::Refusal),
    /// The stored MLS state cannot be read.
    #[error("the stored encryption state cannot be read: {0}")]
    Engine(#[from] EngineError),
}

impl Core {
    /// Opens a device from what it stored (a default [`Saved`] for a new one). `seed` feeds the ids and must be fresh each time.
    pub fn new(identity: Identity, suite: Suite, saved: Saved, seed: [u8; 32]) -> Result<Self, LoadError> {
        let mut directory = Directory::new(identity.root);
        for statement in &saved.statements {
            directory.apply(statement).map_err(LoadError::Directory)?;
        }
        let mls_identity = DeviceIdentity::new(DeviceKey::from_seed(*identity.key.seed()), &identity.chain)?;
        let engine = Engine::load(mls_identity, suite, saved.cells)?;
        let mut conversations: BTreeMap<ConversationId, Conversation> = saved
            .conversations
            .into_iter()
            .map(|(id, record)| (id, Conversation::load(record, &engine, &id)))
            .collect();
        for (id, message) in saved.seen {
            if let Some(conversation) = conversations.get_mut(&id) {
                conversation.remember(message);
            }
        }
        for record in saved.outbox {
            if let Some(conversation) = conversations.get_mut(&record.message.conversation) {
                conversation.outgoing.push_back(outbox::Outgoing::left_over(record));
            }
        }
        Ok(Self {
            identity,
            engine,
            directory,
            ids: IdSource::new(seed),
            now_ms: 0,
            session: None,
            incarnation: saved.incarnation,
            directory_floor: saved.directory_floor,
            conversations,
            calls: BTreeMap::new(),
            broadcasts: BTreeMap::new(),
            counters: saved.counters,
            watched: Vec::new(),
            requests: BTreeMap::new(),
            next_request_id: FIRST_REQUEST_ID,
            dirty: BTreeSet::new(),
            staged: Changes::default(),
            tried_channels: BTreeSet::new(),
            outputs: VecDeque::new(),
            woken_at_ms: None,
        })
    }

    /// Takes one input in. `now_ms` is Unix time and does not go back.
    pub fn handle(&mut self, now_ms: u64, input: Input) {
        self.now_ms = self.now_ms.max(now_ms);
        match input {
            Input::Connected { account, directory_version, incarnation, key_packages } => {
                self.connected(account, directory_version, incarnation, key_packages);
            }
            Input::Disconnected => self.disconnected(),
            Input::Frame(frame) => self.frame(frame),
            Input::Command(command, token) => self.command(command, token),
            Input::UploadEnded(attachment, end) => self.upload_ended(attachment, end),
            Input::Tick => self.tick(),
        }
        self.advance_all();
        self.announce_ready();
    }

    /// The next thing to do. Everything that is staged becomes durable before whatever was put out with it.
    pub fn poll(&mut self) -> Option<Output> {
        let mls = self.engine.take_changes();
        self.staged.cells.extend(mls.put);
        self.staged.deleted_cells.extend(mls.deleted);
        if !self.staged.is_empty() {
            return Some(Output::Persist(std::mem::take(&mut self.staged)));
        }
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if self.acknowledge() {
            return self.poll();
        }
        let next = self.next_deadline_ms();
        if next != self.woken_at_ms {
            self.woken_at_ms = next;
            return next.map(Output::WakeAt);
        }
        None
    }

    /// The own account.
    pub fn account(&self) -> AccountId {
        self.identity.account
    }

    /// The own device.
    pub fn device(&self) -> DeviceId {
        self.identity.device
    }

    /// The verified directory.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Signed in.
    pub fn is_connected(&self) -> bool {
        self.session.is_some()
    }

    /// Every conversation, as it is stored.
    pub fn conversations(&self) -> impl Iterator<Item = (&ConversationId, &ConversationRecord)> {
        self.conversations.iter().map(|(id, conversation)| (id, &conversation.record))
    }

    /// The accounts on a conversation's roster.
    pub fn roster(&self, conversation: &ConversationId) -> Vec<AccountId> {
        let roster = self.engine.roster(*conversation);
        let entries = roster.iter().flat_map(|roster| &roster.entries);
        entries.filter_map(|entry| AccountId::parse(&entry.account_id).ok()).collect()
    }

    /// The devices in a conversation's group.
    pub fn members(&self, conversation: &ConversationId) -> Vec<(AccountId, DeviceId)> {
        self.engine.members(*conversation).iter().map(|member| (member.account_id, member.device_id)).collect()
    }

    /// A conversation's epoch and its authenticator (RFC 9420 section 8.7): equal on devices that agree.
    pub fn epoch(&self, conversation: &ConversationId) -> Option<(u64, Vec<u8>)> {
        Some((self.engine.epoch(*conversation)?, self.engine.epoch_authenticator(*conversation)?))
    }

    /// Messages that wait for the node to store them.
    pub fn waiting_messages(&self) -> usize {
        self.conversations.values().map(|conversation| conversation.outgoing.len()).sum()
    }

    /// The direct conversation with an account, if this device is in one.
    pub fn direct_with(&self, account: &AccountId) -> Option<ConversationId> {
        self.conversations.iter().find(|(id, _)| self.is_direct_with(id, account)).map(|(id, _)| *id)
    }

    /// Media keys of a call in the conversation's present epoch.
    pub fn media_epoch(&self, conversation: &ConversationId, call: &CallId) -> Option<MediaEpoch> {
        self.engine.media_epoch(*conversation, call).ok()
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn done(&mut self, token: Token, result: Result<Reply, Failure>) {
        self.outputs.push_back(Output::Done(token, result));
    }

    /// Sends a request and remembers what its answer means. Only while connected; else the request is dropped, since the next sign-in starts over.
    fn send(&mut self, body: client_frame::Body, request: Request) {
        if self.session.is_none() {
            return;
        }
        let silent = matches!(body, client_frame::Body::Acknowledge(_) | client_frame::Body::ShowTyping(_));
        let request_id = if silent && matches!(request, Request::Unanswered) {
            NO_RESPONSE
        } else {
            self.next_request_id += 1;
            self.requests.insert(self.next_request_id - 1, request);
            self.next_request_id - 1
        };
        self.outputs.push_back(Output::Send(ClientFrame { request_id, body: Some(body) }));
    }

    /// Stages a conversation's record and looks at it again before the input is done.
    fn touch(&mut self, id: ConversationId) {
        if let Some(conversation) = self.conversations.get(&id) {
            self.staged.conversations.insert(id, conversation.record.clone());
        }
        self.dirty.insert(id);
    }

    fn count(&mut self, counter: Counter) -> u64 {
        let value = self.counters.entry(counter).or_insert(0);
        *value += 1;
        self.staged.counters.insert(counter, *value);
        *value
    }
}
