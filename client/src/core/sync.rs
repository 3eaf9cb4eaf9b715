//! From a new connection to being level with the node: directory first, then welcomes, then every conversation's log.
//!
//! The order matters: a welcome or a commit may name devices that only the newest statements prove.
use super::advance::BEHIND_MS_MAX;
use super::conversation::{Conversation, Hold, Stage};
use super::request::Request;
use super::{Core, Counter, Event, Input, Membership, Misbehaviour, Notice};
use std::collections::BTreeSet;
use wardline_directory::{Change, Refusal, Standing};
use wardline_protocol::limit::{KEY_PACKAGES_LOW, KEY_PACKAGES_PER_DEVICE};
use wardline_protocol::wire::client_frame::Body;
use wardline_protocol::wire::{self, response};
use wardline_protocol::{AccountId, ConversationId, Incarnation, WireError};

/// Before a passed deadline is looked at again.
const LOOK_AGAIN_MS: u64 = 100;

/// What lives as long as a connection.
pub(super) struct Session {
    pub(super) phase: Phase,
    /// The node did what it must not; its frames are ignored.
    pub(super) refused: bool,
    /// The node's database is another one than when this device last saw it: it may be behind.
    pub(super) restored: bool,
    /// Which life of the node's database this is.
    incarnation: Incarnation,
    fetching_statements: bool,
    statements_wanted: u64,
    fetching_welcomes: bool,
    welcomes_again: bool,
    heads: Vec<wire::ConversationHead>,
    heads_complete: bool,
    named: BTreeSet<ConversationId>,
    /// All heads have come once, and what was not named has been left.
    heads_done: bool,
    /// `Event::Ready` has been told.
    announced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Statements are being fetched.
    Directory,
    /// Welcomes are being fetched for the first time.
    Welcomes,
    /// Everything is being worked on.
    Ready,
}

impl Core {
    pub(super) fn connected(
        &mut self,
        account: AccountId,
        directory_version: u64,
        incarnation: Incarnation,
        key_packages: u32,
    ) {
        if self.session.is_some() {
            self.disconnected();
        }
        let restored = self.incarnation.is_some_and(|known| known != incarnation);
        self.session = Some(Session {
            phase: Phase::Directory,
            refused: false,
            restored,
            incarnation,
            fetching_statements: false,
            statements_wanted: directory_version,
            fetching_welcomes: false,
            welcomes_again: false,
            heads: Vec::new(),
            heads_complete: false,
            named: BTreeSet::new(),
            heads_done: false,
            announced: false,
        });
        if account != self.identity.account {
            return self.refuse_node(Misbehaviour::ForgedDevice);
        }
        if directory_version < self.directory.version() && !restored {
            return self.refuse_node(Misbehaviour::OldDirectory);
        }
        if restored {
            self.event(Event::SecurityNotice(Notice::NodeRestored));
            self.counters.insert(Counter::LastResortUploaded, 0);
        }
        self.broadcasts_unsure();
        self.upload_key_packages(key_packages);
        if directory_version > self.directory.version() {
            self.fetch_statements();
        } else {
            self.directory_level();
        }
        if !self.watched.is_empty() {
            let account_ids = self.watched.iter().map(AccountId::to_bytes).collect();
            self.send(Body::WatchPresence(wire::WatchPresence { account_ids }), Request::Unanswered);
        }
    }

    pub(super) fn disconnected(&mut self) {
        self.session = None;
        self.tried_channels.clear();
        for request in std::mem::take(&mut self.requests).into_values() {
            self.request_lost(&request);
        }
        let ids: Vec<ConversationId> = self.conversations.keys().copied().collect();
        for id in ids {
            if let Some(conversation) = self.conversations.get_mut(&id) {
                conversation.disconnected();
            }
        }
        self.dirty.clear();
        self.woken_at_ms = None;
    }

    // ---- the directory ----

    pub(super) fn directory_changed(&mut self, version: u64) {
        if let Some(session) = &mut self.session {
            session.statements_wanted = session.statements_wanted.max(version);
        }
        if version > self.directory.version() {
            self.fetch_statements();
        }
    }

    /// Asks for what comes after the own version, one page at a time.
    pub(super) fn fetch_statements(&mut self) {
        let Some(session) = &mut self.session else { return };
        if !std::mem::replace(&mut session.fetching_statements, true) {
            let after_version = self.directory.version();
            self.send(Body::FetchStatements(wire::FetchStatements { after_version }), Request::Statements);
        }
    }

    pub(super) fn statements_fetched(&mut self, result: Result<response::Result, WireError>) {
        if let Some(session) = &mut self.session {
            session.fetching_statements = false;
        }
        let Ok(response::Result::Statements(page)) = result else {
            // Nothing goes on without the directory; the next sign-in asks again.
            return;
        };
        let before = self.directory.version();
        for statement in page.statements {
            let change = match self.directory.apply(&statement) {
                Ok(change) => change,
                Err(Refusal::Fork { .. } | Refusal::BadPrevious) => {
                    return self.refuse_node(Misbehaviour::ForkedDirectory);
                }
                Err(_) => return self.refuse_node(Misbehaviour::ForgedStatement),
            };
            self.staged.statements.push((self.directory.version(), statement));
            // A device that was never level has shown nobody's name yet.
            if let Change::AccountChanged(account) = change
                && self.incarnation.is_some()
            {
                self.event(Event::SecurityNotice(Notice::AccountRenamed(account)));
            }
            if let Change::Channel(id) = change
                && self.conversations.contains_key(&id)
            {
                self.tell_changed(id);
            }
        }
        let version = self.directory.version();
        if version > before {
            self.event(Event::DirectoryChanged { version });
        }
        let wanted = self.session.as_ref().map_or(0, |session| session.statements_wanted).max(page.head_version);
        if version < wanted && version > before {
            return self.fetch_statements();
        }
        if version < wanted {
            return self.refuse_node(Misbehaviour::WithheldStatements);
        }
        self.directory_level();
    }

    /// The directory is as new as the node's.
    fn directory_level(&mut self) {
        if let Some((version, hash)) = self.directory_floor {
            match self.directory.standing(version, &hash) {
                Standing::Known => {}
                Standing::Newer => return self.refuse_node(Misbehaviour::OldDirectory),
                Standing::Fork => return self.refuse_node(Misbehaviour::ForkedDirectory),
            }
        }
        let first = self.session.as_mut().is_some_and(|session| {
            let first = session.phase == Phase::Directory;
            if first {
                session.phase = Phase::Welcomes;
            }
            first
        });
        if first || self.session.as_ref().is_some_and(|session| session.welcomes_again) {
            self.fetch_welcomes();
        }
        let version = self.directory.version();
        let ids: Vec<ConversationId> = self.conversations.keys().copied().collect();
        for id in ids {
            let Some(conversation) = self.conversations.get_mut(&id) else { continue };
            if conversation.lease.is_some() {
                self.dirty.insert(id);
            }
            if !matches!(conversation.hold, Some(Hold::Directory { .. })) {
                continue;
            }
            if conversation.record.needs_directory > version {
                self.event(Event::NodeRefused(Misbehaviour::WithheldStatements));
                continue;
            }
            conversation.hold = None;
            self.dirty.insert(id);
        }
        self.open_channels();
    }

    /// A member said which statement it knows: fetches what is missing, and finds a node that shows different directories.
    pub(super) fn check_standing(&mut self, id: ConversationId, version: u64, hash: &[u8]) {
        match self.directory.standing(version, hash) {
            Standing::Known => {}
            Standing::Newer => {
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    conversation.record.needs_directory = conversation.record.needs_directory.max(version);
                    conversation.hold.get_or_insert(Hold::Directory { retried: false });
                }
                self.touch(id);
                self.fetch_statements();
            }
            _ => self.event(Event::NodeRefused(Misbehaviour::ForkedDirectory)),
        }
    }

    // ---- key packages ----

    pub(super) fn upload_key_packages(&mut self, left: u32) {
        let left = left as usize;
        let last_resort = self.counters.get(&Counter::LastResortUploaded).copied().unwrap_or(0) == 0;
        let count = if left <= KEY_PACKAGES_LOW { KEY_PACKAGES_PER_DEVICE.saturating_sub(left) } else { 0 };
        if count == 0 && !last_resort {
            return;
        }
        let Ok(key_packages) = self.engine.key_packages(count) else { return };
        let last = if last_resort { self.engine.last_resort_key_package().unwrap_or_default() } else { Vec::new() };
        let upload = wire::UploadKeyPackages {
            key_packages: key_packages.into_iter().map(Into::into).collect(),
            last_resort_key_package: last.into(),
        };
        self.send(Body::UploadKeyPackages(upload), Request::UploadKeyPackages { last_resort });
    }

    pub(super) fn key_packages_uploaded(&mut self, last_resort: bool, error: Option<WireError>) {
        if last_resort && error.is_none() {
            self.counters.insert(Counter::LastResortUploaded, 1);
            self.staged.counters.insert(Counter::LastResortUploaded, 1);
        }
    }

    // ---- welcomes and heads ----

    pub(super) fn fetch_welcomes(&mut self) {
        let Some(session) = &mut self.session else { return };
        if session.phase == Phase::Directory || session.fetching_welcomes {
            session.welcomes_again = true;
            return;
        }
        session.fetching_welcomes = true;
        session.welcomes_again = false;
        self.send(Body::FetchWelcomes(wire::FetchWelcomes {}), Request::Welcomes);
    }

    /// A Welcome may be among them: until they are here this device joins nothing from outside, since that would cost it what the
    /// Welcome lets it read.
    pub(super) fn awaits_welcomes(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.fetching_welcomes)
    }

    /// Welcomes that need newer statements are asked for again when those are here.
    pub(super) fn welcomes_after_directory(&mut self) {
        if let Some(session) = &mut self.session {
            session.welcomes_again = true;
        }
    }

    pub(super) fn welcomes_fetched(&mut self, result: Result<response::Result, WireError>) {
        let Some(session) = &mut self.session else { return };
        session.fetching_welcomes = false;
        let again = session.welcomes_again;
        if let Ok(response::Result::Welcomes(welcomes)) = result {
            for welcome in welcomes.welcomes {
                self.welcome(welcome);
            }
        }
        if again {
            self.fetch_welcomes();
        }
        self.dirty.extend(self.conversations.keys().copied());
        let Some(session) = &mut self.session else { return };
        if session.phase == Phase::Welcomes {
            session.phase = Phase::Ready;
        }
        let heads = std::mem::take(&mut session.heads);
        for head in heads {
            self.head(&head);
        }
        self.heads_complete();
    }

    pub(super) fn heads(&mut self, heads: wire::Heads) {
        let Some(session) = &mut self.session else { return };
        session.heads_complete |= heads.complete;
        session.named.extend(heads.conversations.iter().filter_map(|h| ConversationId::parse(&h.conversation_id).ok()));
        if session.phase != Phase::Ready {
            session.heads.extend(heads.conversations);
            return;
        }
        for head in heads.conversations {
            self.head(&head);
        }
        self.heads_complete();
    }

    fn head(&mut self, head: &wire::ConversationHead) {
        let Ok(id) = ConversationId::parse(&head.conversation_id) else { return };
        let restored = self.session.as_ref().is_some_and(|session| session.restored);
        let own_epoch = self.engine.epoch(id);
        if head.former && !self.conversations.contains_key(&id) {
            // Added and taken out again before it ever came.
            return self.end_is_read(id, head.left_seq);
        }
        let kind = head.kind();
        let conversation = self.conversations.entry(id).or_insert_with(|| Conversation::new(kind, Stage::Absent));
        conversation.named = true;
        conversation.record.kind = kind;
        conversation.head_seq = if restored { head.head_seq } else { conversation.head_seq.max(head.head_seq) };
        for receipt in &head.receipts {
            if let Ok(account) = AccountId::parse(&receipt.account_id) {
                conversation.record.receipts.insert(account, (receipt.delivered_seq, receipt.read_seq));
            }
        }
        let cursor = conversation.record.cursor;
        let own = self.identity.account.to_bytes();
        let own = head.receipts.iter().find(|receipt| receipt.account_id == own).cloned().unwrap_or_default();
        if own.delivered_seq < cursor || own.read_seq < conversation.record.read_seq {
            // The node died before it had written down what this device had said.
            conversation.acknowledged = (0, 0);
        }
        match conversation.stage {
            Stage::Absent if head.former => {
                conversation.end_read(head.left_seq);
                if conversation.record.state == Membership::Joined {
                    self.left(id);
                }
            }
            Stage::Absent => {
                // Named by the node and not here: this device may be in it, but its Welcome is gone or was never made.
                conversation.stage = Stage::Wanted;
            }
            Stage::Joined if head.former && !head.joined && head.left_seq <= cursor => self.left(id),
            Stage::Joined if head.former || head.left_seq > cursor => {
                // Taken out while it was behind: first what was sent until then.
                conversation.former = true;
                conversation.fetch_wanted |= head.head_seq > cursor;
            }
            Stage::Joined => {
                let behind = head.head_seq > cursor;
                let unreachable = behind && cursor + 1 < head.first_seq;
                // Another history under the same number, and neither side notices by numbers alone.
                let forked = own_epoch == Some(head.epoch)
                    && !head.confirmed_transcript_hash.is_empty()
                    && self
                        .engine
                        .confirmed_transcript_hash(id)
                        .is_some_and(|own| own != head.confirmed_transcript_hash);
                let node_behind = head.head_seq < cursor || own_epoch.is_some_and(|epoch| head.epoch < epoch);
                if !head.joined || unreachable || ((node_behind || forked) && restored) {
                    self.heal(id);
                } else if forked {
                    self.refuse_conversation(id, Misbehaviour::BrokenLog);
                } else if node_behind {
                    self.event(Event::NodeRefused(Misbehaviour::BrokenLog));
                } else {
                    conversation.fetch_wanted |= behind;
                }
            }
            Stage::Wanted | Stage::Fetching | Stage::Joining | Stage::Creating => {}
        }
        self.touch(id);
    }

    /// After the last frame of heads: what was not named is not this device's any more.
    fn heads_complete(&mut self) {
        let Some(session) = &mut self.session else { return };
        if !session.heads_complete || session.phase != Phase::Ready {
            return;
        }
        session.heads_complete = false;
        // The node tells what is live before the heads.
        self.broadcasts_told();
        let Some(session) = &mut self.session else { return };
        let named = std::mem::take(&mut session.named);
        if std::mem::replace(&mut session.heads_done, true) {
            return;
        }
        let gone: Vec<ConversationId> = self
            .conversations
            .iter()
            .filter(|(id, conversation)| {
                let joined = conversation.record.state == Membership::Joined || conversation.stage == Stage::Joined;
                let had = joined && conversation.stage != Stage::Creating;
                had && !conversation.named && !named.contains(id)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.left(id);
        }
        // What was being made when the connection broke is offered again.
        self.dirty.extend(self.conversations.keys().copied());
        self.open_channels();
    }

    /// The node has named every conversation of this device.
    pub(super) fn heads_are_done(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.heads_done)
    }

    /// Tells once that this device is level with the node. What cannot go on now (held, refused, to be tried later) is not waited for.
    pub(super) fn announce_ready(&mut self) {
        let Some(session) = &mut self.session else { return };
        if session.announced || session.refused || !session.heads_done || session.fetching_welcomes {
            return;
        }
        let settled = |conversation: &Conversation| match conversation.stage {
            _ if conversation.hold.is_some() || conversation.retry_at_ms != 0 => true,
            Stage::Joined => !conversation.named || conversation.is_level(),
            Stage::Wanted | Stage::Fetching | Stage::Joining => false,
            Stage::Absent | Stage::Creating => true,
        };
        if self.conversations.values().all(settled) {
            session.announced = true;
            // Not before: a line that breaks while conversations are being made good must find the node restored again.
            let incarnation = session.incarnation;
            if self.incarnation != Some(incarnation) {
                self.incarnation = Some(incarnation);
                self.staged.incarnation = Some(incarnation);
            }
            self.event(Event::Ready);
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.phase == Phase::Ready && !session.refused)
    }

    // ---- time ----

    pub(super) fn tick(&mut self) {
        let now_ms = self.now_ms;
        // Whoever keeps the time has used up the earlier wish.
        self.woken_at_ms = None;
        for (id, conversation) in &self.conversations {
            let retry = conversation.retry_at_ms != 0 && conversation.retry_at_ms <= now_ms;
            let behind = conversation.behind_since_ms.is_some_and(|since| since + BEHIND_MS_MAX <= now_ms);
            let lease = conversation.lease.as_ref().is_some_and(|lease| lease.until_ms <= now_ms);
            let upload = conversation.next_upload_ms().is_some_and(|at_ms| at_ms <= now_ms);
            if retry || behind || lease || upload {
                self.dirty.insert(*id);
            }
        }
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        self.session.as_ref()?;
        let deadlines = self.conversations.values().flat_map(|conversation| {
            let retry = (conversation.retry_at_ms != 0).then_some(conversation.retry_at_ms);
            let waits = conversation.fetching || conversation.hold.is_some() || conversation.stage != Stage::Joined;
            let behind = conversation.behind_since_ms.filter(|_| !waits).map(|since| since + BEHIND_MS_MAX);
            let lease = conversation.lease.as_ref().map(|lease| lease.until_ms);
            let upload = conversation.next_upload_ms().filter(|_| !waits);
            [retry, behind, lease, upload].into_iter().flatten()
        });
        // A deadline that has passed and could not be acted on waits for what it depends on; looking again soon is enough.
        deadlines.min().map(|at_ms| if at_ms <= self.now_ms { self.now_ms + LOOK_AGAIN_MS } else { at_ms })
    }
}

impl Input {
    /// The input's name: what logs may say.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "connected",
            Self::Disconnected => "disconnected",
            Self::Frame(_) => "frame",
            Self::Command(..) => "command",
            Self::UploadEnded(..) => "upload_ended",
            Self::Tick => "tick",
        }
    }
}
