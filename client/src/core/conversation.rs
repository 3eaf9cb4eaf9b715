//! What a device knows of one conversation while it runs.
use super::Token;
use super::changes::{ConversationRecord, Membership};
use super::commit::{InFlight, Lease, Plan};
use super::outbox::Outgoing;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wardline_e2ee::Engine;
use wardline_protocol::wire::{ConversationKind, Entry};
use wardline_protocol::{ConversationId, MessageId};

/// Entries held for one conversation while an earlier one is missing. Full: further ones are dropped and fetched later.
pub(super) const BUFFERED_ENTRIES_MAX: usize = 1_000;

/// Message ids remembered of one conversation, to show no message twice.
pub const SEEN_MESSAGES_MAX: usize = 10_000;

/// Times that a device joins a conversation again within [`HEAL_WINDOW_MS`]. Beyond: a message that does not decrypt is told as
/// unreadable, and a place that is lost is taken again later.
pub const HEALS_MAX: usize = 3;

/// See [`HEALS_MAX`].
pub const HEAL_WINDOW_MS: u64 = 600_000;

/// How far this device is in getting into the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not in the group, and no reason to be.
    Absent,
    /// Not in the group, and it should be: joins from outside when nothing else is under way.
    Wanted,
    /// Asked for the node's group state.
    Fetching,
    /// Sent the external commit.
    Joining,
    /// Made here; the node has not confirmed it.
    Creating,
    /// In the group.
    Joined,
}

/// Why entries wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Until statements have been fetched; `retried` when that happened once already for the same entry.
    Directory { retried: bool },
    /// For good: the log holds what no client may accept.
    Refused,
}

/// When this device joined again. Each time costs every member a commit, so a member or a node that makes it join in a loop is met with
/// patience.
#[derive(Default)]
pub(super) struct Heals {
    at_ms: VecDeque<u64>,
}

impl Heals {
    /// It happens now.
    pub(super) fn note(&mut self, now_ms: u64) {
        if self.at_ms.len() == HEALS_MAX {
            self.at_ms.pop_front();
        }
        self.at_ms.push_back(now_ms);
    }

    /// When the next time may be: `now_ms` unless it was too often.
    pub(super) fn wait_until_ms(&self, now_ms: u64) -> u64 {
        match self.at_ms.front() {
            Some(oldest) if self.at_ms.len() == HEALS_MAX => now_ms.max(oldest + HEAL_WINDOW_MS),
            _ => now_ms,
        }
    }
}

pub(super) struct Conversation {
    pub(super) record: ConversationRecord,
    pub(super) stage: Stage,
    /// The creation was sent on this connection and is not answered.
    pub(super) creating: bool,
    /// The node's newest entry, as far as this session knows.
    pub(super) head_seq: u64,
    /// Named by the node since sign-in.
    pub(super) named: bool,
    /// The node's epoch, when an answer said that this device is behind.
    pub(super) wanted_epoch: u64,
    pub(super) buffered: BTreeMap<u64, Entry>,
    pub(super) fetching: bool,
    pub(super) fetch_wanted: bool,
    /// Since when the cursor stands still behind the head: after a while the log is fetched.
    pub(super) behind_since_ms: Option<u64>,
    pub(super) hold: Option<Hold>,
    /// The entry for which the directory was fetched already.
    pub(super) retried_seq: u64,
    pub(super) outgoing: VecDeque<Outgoing>,
    pub(super) plans: VecDeque<Plan>,
    pub(super) lease: Option<Lease>,
    pub(super) in_flight: Option<InFlight>,
    /// A commit of an earlier session or process may be in the log or not: known once the log has been read to its head.
    pub(super) unsure: bool,
    seen: BTreeSet<MessageId>,
    seen_order: VecDeque<MessageId>,
    pub(super) acknowledged: (u64, u64),
    pub(super) join_attempts: u32,
    pub(super) healing: bool,
    pub(super) heals: Heals,
    /// This device was taken out of the group, or is about to be: it reads to its removal and sends nothing.
    pub(super) former: bool,
    /// It has applied its removal and is not back yet: what comes meanwhile is not for it.
    pub(super) removed: bool,
    /// It was added again, and takes that Welcome once it has read to its removal.
    pub(super) welcome_waits: bool,
    /// An end of its time in the group, read or out of reach, that the node is to be told of; 0: none.
    pub(super) ended_seq: u64,
    /// Nothing is asked of the node for this conversation before.
    pub(super) retry_at_ms: u64,
    /// Commands that wait until this device is in the conversation.
    pub(super) waiting: Vec<Token>,
}

impl Conversation {
    pub(super) fn new(kind: ConversationKind, stage: Stage) -> Self {
        let record = ConversationRecord {
            kind,
            title: None,
            cursor: 0,
            read_seq: 0,
            state: Membership::Known,
            needs_directory: 0,
            floor: None,
            receipts: BTreeMap::new(),
        };
        Self {
            record,
            stage,
            creating: false,
            head_seq: 0,
            named: false,
            wanted_epoch: 0,
            buffered: BTreeMap::new(),
            fetching: false,
            fetch_wanted: false,
            behind_since_ms: None,
            hold: None,
            retried_seq: 0,
            outgoing: VecDeque::new(),
            plans: VecDeque::new(),
            lease: None,
            in_flight: None,
            unsure: false,
            seen: BTreeSet::new(),
            seen_order: VecDeque::new(),
            acknowledged: (0, 0),
            join_attempts: 0,
            healing: false,
            heals: Heals::default(),
            former: false,
            removed: false,
            welcome_waits: false,
            ended_seq: 0,
            retry_at_ms: 0,
            waiting: Vec::new(),
        }
    }

    /// From its stored record. A group that the engine does not have is joined again when the node names it.
    pub(super) fn load(record: ConversationRecord, engine: &Engine, id: &ConversationId) -> Self {
        let joined = record.state != Membership::Known && engine.is_member(*id);
        let mut conversation = Self::new(record.kind, if joined { Stage::Joined } else { Stage::Absent });
        conversation.former = joined && record.state == Membership::Left;
        conversation.removed = !joined && record.state == Membership::Joined && engine.epoch(*id).is_some();
        conversation.healing = conversation.removed;
        conversation.record = record;
        conversation.unsure = joined;
        conversation
    }

    /// Forgets what belonged to the connection.
    pub(super) fn disconnected(&mut self) {
        self.named = false;
        // What the node told of its log holds for this connection: one that is longer than it is would be waited for without end.
        self.head_seq = self.record.cursor;
        self.wanted_epoch = 0;
        self.former &= self.record.state == Membership::Left;
        self.welcome_waits = false;
        self.creating = false;
        self.fetching = false;
        self.fetch_wanted = false;
        self.behind_since_ms = None;
        self.buffered.clear();
        self.lease = None;
        self.retry_at_ms = 0;
        self.join_attempts = 0;
        self.unsure |= self.stage == Stage::Joined;
        if matches!(self.stage, Stage::Fetching | Stage::Joining) {
            self.stage = Stage::Wanted;
        }
        for outgoing in &mut self.outgoing {
            outgoing.interrupted();
        }
        for plan in &mut self.plans {
            plan.fetching = false;
        }
        // Judged again by what the next connection shows; only statements that a member knows of stay wanted.
        self.hold = (self.record.needs_directory > 0).then_some(Hold::Directory { retried: false });
    }

    /// It is to join from outside: what belonged to its place in the group is over, what waits to be sent is kept.
    pub(super) fn begin_joining_again(&mut self) {
        self.healing = true;
        self.former = false;
        self.stage = Stage::Wanted;
        self.buffered.clear();
        self.fetching = false;
        self.fetch_wanted = false;
        self.wanted_epoch = 0;
        self.unsure = false;
        self.in_flight = None;
        self.lease = None;
        for outgoing in &mut self.outgoing {
            outgoing.interrupted();
        }
    }

    /// A time in the group ended at `seq`, and nothing more is read of it.
    pub(super) fn end_read(&mut self, seq: u64) {
        self.ended_seq = self.ended_seq.max(seq);
    }

    /// Whether this device has applied the log as far as the node has told of it.
    pub(super) fn is_level(&self) -> bool {
        self.named && self.record.cursor >= self.head_seq && !self.fetching && !self.fetch_wanted
    }

    /// When an upload that broke is tried again.
    pub(super) fn next_upload_ms(&self) -> Option<u64> {
        let uploads = self.outgoing.iter().filter_map(|outgoing| outgoing.upload.as_ref());
        uploads.map(|upload| upload.retry_at_ms).filter(|at_ms| *at_ms != 0).min()
    }

    /// Whether a message of this id was sent or received here, among the newest [`SEEN_MESSAGES_MAX`].
    pub(super) fn knows(&self, message: &MessageId) -> bool {
        self.seen.contains(message)
    }

    /// Notes a message id; false when it was there already.
    pub(super) fn remember(&mut self, message: MessageId) -> bool {
        if !self.seen.insert(message) {
            return false;
        }
        self.seen_order.push_back(message);
        if self.seen_order.len() > SEEN_MESSAGES_MAX
            && let Some(oldest) = self.seen_order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}
