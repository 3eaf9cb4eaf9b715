//! The plane itself: what it owns, how inputs are dispatched, and how "durable before said" is kept.
use crate::attachment::Attachments;
use crate::broadcast::Broadcasts;
use crate::call::Calls;
use crate::conversation::Conversation;
use crate::identity::{Account, Device};
use crate::input::{BatchId, Class, Input, NodeIdentity, Output, SessionId};
use crate::limit::{LAZY_WRITE_MS, LAZY_WRITES_MAX, Limits};
use crate::session::{LinkWaiter, Session};
use crate::store::{Snapshot, Write};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wardline_directory::Directory;
use wardline_directory::key::PublicKey;
use wardline_protocol::wire::{self, response, server_frame};
use wardline_protocol::{AccountId, ConversationId, DeviceId, Rendezvous, WireError};

/// The signaling plane of one node.
///
/// Order of calls: [`Plane::open`] once, then [`Plane::handle`] for everything that happens, performing the outputs it appends in order, and
/// with [`Input::Tick`] when [`Plane::next_wake_ms`] has come. There is no other way to change it.
pub struct Plane {
    pub(crate) now_ms: u64,
    pub(crate) limits: Limits,
    pub(crate) node: NodeIdentity,
    pub(crate) directory: Directory,
    pub(crate) statements: Vec<wire::Statement>,
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    pub(crate) used_enrolment_keys: BTreeSet<[u8; 32]>,
    pub(crate) expiring: BTreeSet<(u64, AccountId)>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) watchers: BTreeMap<AccountId, BTreeSet<SessionId>>,
    pub(crate) links: BTreeMap<Rendezvous, LinkWaiter>,
    pub(crate) conversations: BTreeMap<ConversationId, Conversation>,
    pub(crate) direct: BTreeMap<(AccountId, AccountId), ConversationId>,
    pub(crate) leases: BTreeSet<(u64, ConversationId)>,
    pub(crate) calls: Calls,
    pub(crate) broadcasts: Broadcasts,
    pub(crate) attachments: Attachments,
    pub(crate) next_key_package_id: u64,
    pub(crate) shutting_down: bool,
    next_batch: u64,
    writes: Vec<Write>,
    cursors: Cursors,
    after: Vec<After>,
    deferred: VecDeque<(BatchId, Vec<After>)>,
    out: Vec<Output>,
}

/// How far devices have received and people have read, on its way to disk: with the next batch, or after [`LAZY_WRITE_MS`]. What a crash
/// loses of it the devices say again when they sign in, so it is not worth an fsync of its own.
#[derive(Default)]
struct Cursors {
    delivered: BTreeMap<(ConversationId, DeviceId), u64>,
    read: BTreeMap<(ConversationId, AccountId), u64>,
    due_ms: Option<u64>,
}

impl Cursors {
    fn take(&mut self) -> impl Iterator<Item = Write> + use<> {
        let Self { delivered, read, .. } = std::mem::take(self);
        let delivered = delivered.into_iter().map(|((conversation_id, device_id), seq)| Write::Delivered {
            conversation_id,
            device_id,
            seq,
        });
        delivered.chain(read.into_iter().map(|((conversation_id, account_id), seq)| Write::ReadUpTo {
            conversation_id,
            account_id,
            seq,
        }))
    }

    fn len(&self) -> usize {
        self.delivered.len() + self.read.len()
    }
}

/// Said only once everything written before it is durable.
pub(crate) enum After {
    Send { session: SessionId, frame: wire::ServerFrame, class: Class },
    Entry { entry: wire::Entry, conversation_id: ConversationId, also: Vec<DeviceId> },
    WelcomeWaiting { device_id: DeviceId, conversation_id: ConversationId },
    LeftOut { device_id: DeviceId, conversation_id: ConversationId },
    DirectoryChanged,
}

/// A request's outcome.
pub(crate) enum Reply {
    Now(response::Result),
    Durable(response::Result),
    Later,
}

/// The stored state contradicts itself: restore a backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant's comment says what its fields are, and their types do")]
pub enum OpenError {
    /// The stored directory does not verify under the hospital's root.
    #[error("statement {version} of the stored directory does not verify: {reason}")]
    Directory { version: u64, reason: String },
    /// A stored device has a chain that does not parse.
    #[error("stored device {0} is damaged")]
    Device(DeviceId),
    /// A stored group does not open.
    #[error("stored conversation {conversation_id} does not open: {reason}")]
    Conversation { conversation_id: ConversationId, reason: String },
}

/// How much there is, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub sessions: usize,
    pub accounts: usize,
    pub accounts_online: usize,
    pub devices: usize,
    pub conversations: usize,
    pub calls_ringing: usize,
    pub calls_talking: usize,
    pub broadcasts: usize,
    pub broadcast_viewers: usize,
    pub uploads_open: usize,
    pub attachment_bytes: u64,
    pub batches_not_durable: usize,
}

impl Plane {
    /// Builds the plane from durable state. Errors when that state contradicts itself.
    pub fn open(
        mut snapshot: Snapshot,
        root: PublicKey,
        node: NodeIdentity,
        limits: Limits,
        now_ms: u64,
    ) -> Result<Self, OpenError> {
        let mut plane = Plane {
            now_ms,
            limits,
            node,
            directory: Directory::new(root),
            statements: Vec::new(),
            accounts: BTreeMap::new(),
            devices: BTreeMap::new(),
            used_enrolment_keys: BTreeSet::new(),
            expiring: BTreeSet::new(),
            sessions: BTreeMap::new(),
            watchers: BTreeMap::new(),
            links: BTreeMap::new(),
            conversations: BTreeMap::new(),
            direct: BTreeMap::new(),
            leases: BTreeSet::new(),
            calls: Calls::default(),
            broadcasts: Broadcasts::default(),
            attachments: Attachments::open(&mut snapshot),
            next_key_package_id: 1,
            shutting_down: false,
            next_batch: 1,
            writes: Vec::new(),
            cursors: Cursors::default(),
            after: Vec::new(),
            deferred: VecDeque::new(),
            out: Vec::new(),
        };
        plane.open_identities(&snapshot)?;
        plane.open_conversations(snapshot)?;
        Ok(plane)
    }

    /// Takes in what happened at `now_ms` (Unix time; a clock that goes back is held) and appends what is to be done to `out`.
    pub fn handle(&mut self, now_ms: u64, input: Input, out: &mut Vec<Output>) {
        self.now_ms = self.now_ms.max(now_ms);
        match input {
            Input::Opened { session, nonce, exporter } => self.session_opened(session, nonce, exporter),
            Input::Frame { session, frame } => self.frame(session, frame),
            Input::Closed { session } => self.session_lost(session),
            Input::Drained { session } => self.send_heads(session),
            Input::Durable { batch } => self.durable(batch),
            Input::Answered { session, request_id, answer } => self.answered(session, request_id, answer),
            Input::TransferOpened { session, request_id, opened } => {
                self.transfer_opened(session, request_id, opened);
            }
            Input::Uploaded { session, attachment_id } => self.uploaded(session, attachment_id),
            Input::PushGone { device_id, endpoint } => self.push_gone(device_id, &endpoint),
            Input::Media(event) => self.media_event(event),
            Input::Tick => self.tick(),
            Input::Shutdown => self.shut_down(),
        }
        self.flush();
        out.append(&mut self.out);
    }

    /// When [`Input::Tick`] is due next, in Unix milliseconds.
    pub fn next_wake_ms(&self) -> Option<u64> {
        let expiry = self.expiring.first().map(|(at_ms, _)| *at_ms);
        let lease = self.leases.first().map(|(at_ms, _)| *at_ms);
        let link = self.links.values().map(|waiter| waiter.until_ms).min();
        let uploads = self.attachments.next_wake_ms();
        let media = [self.calls.next_wake_ms(), self.broadcasts.next_wake_ms()].into_iter().flatten().min();
        [expiry, lease, link, media, uploads, self.cursors.due_ms].into_iter().flatten().min()
    }

    /// How much there is of everything.
    pub fn counts(&self) -> Counts {
        let (calls_ringing, calls_talking) = self.calls.counts();
        let (broadcasts, broadcast_viewers) = self.broadcasts.counts();
        let (uploads_open, attachment_bytes) = self.attachments.counts();
        Counts {
            sessions: self.sessions.len(),
            accounts: self.directory.accounts().filter(|account| !account.deleted).count(),
            accounts_online: self.accounts.values().filter(|account| !account.online.is_empty()).count(),
            devices: self.devices.values().filter(|device| !device.revoked).count(),
            conversations: self.conversations.len(),
            calls_ringing,
            calls_talking,
            broadcasts,
            broadcast_viewers,
            uploads_open,
            attachment_bytes,
            batches_not_durable: self.deferred.len(),
        }
    }

    fn tick(&mut self) {
        self.expire_accounts();
        self.expire_links();
        self.expire_leases();
        self.expire_calls();
        self.expire_broadcasts();
        self.expire_uploads();
    }

    fn shut_down(&mut self) {
        self.shutting_down = true;
        self.writes.extend(self.cursors.take());
        self.end_all_calls(wire::call_state::EndReason::ShuttingDown);
        self.end_all_broadcasts(wire::broadcast_state::EndReason::ShuttingDown);
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for session in sessions {
            self.close(
                session,
                WireError::retry(wardline_protocol::Code::ShuttingDown, "the node is restarting: reconnect", 1_000),
            );
        }
    }

    // ---- durable before said ----

    pub(crate) fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    pub(crate) fn write_delivered(&mut self, conversation_id: ConversationId, device_id: DeviceId, seq: u64) {
        self.cursors.delivered.insert((conversation_id, device_id), seq);
        self.cursors.due_ms.get_or_insert(self.now_ms + LAZY_WRITE_MS);
    }

    pub(crate) fn write_read(&mut self, conversation_id: ConversationId, account_id: AccountId, seq: u64) {
        self.cursors.read.insert((conversation_id, account_id), seq);
        self.cursors.due_ms.get_or_insert(self.now_ms + LAZY_WRITE_MS);
    }

    /// A cursor of a device that is no longer in the conversation must not be written after its leaving.
    pub(crate) fn forget_cursor(&mut self, conversation_id: ConversationId, device_id: DeviceId) {
        self.cursors.delivered.remove(&(conversation_id, device_id));
    }

    pub(crate) fn after(&mut self, after: After) {
        self.after.push(after);
    }

    fn flush(&mut self) {
        let due = self.cursors.due_ms.is_some_and(|due_ms| due_ms <= self.now_ms);
        if due || !self.writes.is_empty() || self.cursors.len() >= LAZY_WRITES_MAX {
            self.writes.extend(self.cursors.take());
        }
        if !self.writes.is_empty() {
            let batch = BatchId(self.next_batch);
            self.next_batch += 1;
            self.out.push(Output::Write { batch, writes: std::mem::take(&mut self.writes) });
            self.deferred.push_back((batch, std::mem::take(&mut self.after)));
        } else if !self.after.is_empty() {
            let after = std::mem::take(&mut self.after);
            // What waits for an earlier batch keeps its place in line: it may speak of what that batch holds.
            match self.deferred.back_mut() {
                Some((_, waiting)) => waiting.extend(after),
                None => self.release(after),
            }
        }
    }

    fn durable(&mut self, batch: BatchId) {
        while self.deferred.front().is_some_and(|(front, _)| *front <= batch) {
            if let Some((_, after)) = self.deferred.pop_front() {
                self.release(after);
            }
        }
    }

    fn release(&mut self, after: Vec<After>) {
        for after in after {
            match after {
                After::Send { session, frame, class } => self.out.push(Output::Send { session, frame, class }),
                After::Entry { entry, conversation_id, also } => self.push_entry(conversation_id, entry, &also),
                After::WelcomeWaiting { device_id, conversation_id } => {
                    let frame = wire::WelcomeWaiting { conversation_id: conversation_id.to_bytes() };
                    self.push_to_device(device_id, server_frame::Body::WelcomeWaiting(frame), Class::Required);
                }
                After::LeftOut { device_id, conversation_id } => self.push_left_out(device_id, conversation_id),
                After::DirectoryChanged => self.push_directory_changed(),
            }
        }
    }

    // ---- speaking ----

    pub(crate) fn output(&mut self, output: Output) {
        self.out.push(output);
    }

    pub(crate) fn send(&mut self, session: SessionId, body: server_frame::Body, class: Class) {
        if self.sessions.contains_key(&session) {
            self.out.push(Output::Send { session, frame: wire::ServerFrame { body: Some(body) }, class });
        }
    }

    pub(crate) fn push_to_device(&mut self, device_id: DeviceId, body: server_frame::Body, class: Class) {
        if let Some(session) = self.devices.get(&device_id).and_then(|device| device.session) {
            self.send(session, body, class);
        }
    }

    pub(crate) fn answer(&mut self, session: SessionId, request_id: u64, result: Result<Reply, WireError>) {
        let (result, durable) = match result {
            Ok(Reply::Now(result)) => (result, false),
            Ok(Reply::Durable(result)) => (result, true),
            Ok(Reply::Later) => return,
            Err(error) => (response::Result::Error(error.into()), false),
        };
        let body = server_frame::Body::Response(wire::Response { request_id, result: Some(result) });
        let frame = wire::ServerFrame { body: Some(body) };
        if durable {
            self.after(After::Send { session, frame, class: Class::Required });
        } else if self.sessions.contains_key(&session) {
            self.out.push(Output::Send { session, frame, class: Class::Required });
        }
    }

    /// Ends a session; the shell says `Goodbye` and reports it closed. The plane forgets its rights at once.
    pub(crate) fn close(&mut self, session: SessionId, error: WireError) {
        if self.sessions.contains_key(&session) {
            self.session_closed(session);
            self.out.push(Output::Close { session, error });
        }
    }
}
