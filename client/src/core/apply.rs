//! The log, entry by entry, strictly in order.
use super::conversation::{BUFFERED_ENTRIES_MAX, Hold, Stage};
use super::{Body, Core, Event, Membership, Message, Misbehaviour};
use prost::Message as _;
use wardline_directory::Refusal as DirectoryRefusal;
use wardline_e2ee::{CommitApplied, ProcessError, Refusal};
use wardline_protocol::wire::{self, Entry, entry, response};
use wardline_protocol::{Code, ConversationId, MessageId, WireError};

/// What became of an entry.
enum Outcome {
    /// Taken in, or known to be of no use.
    Applied,
    /// It waits for statements.
    Held,
    /// Nothing further can be applied now: this device joins again, or is out, or refuses.
    Stopped,
}

impl Core {
    pub(super) fn entry_pushed(&mut self, entry: Entry) {
        let Ok(id) = ConversationId::parse(&entry.conversation_id) else { return };
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.head_seq = conversation.head_seq.max(entry.seq);
        if entry.seq > conversation.record.cursor && conversation.buffered.len() < BUFFERED_ENTRIES_MAX {
            conversation.buffered.insert(entry.seq, entry);
        }
        self.dirty.insert(id);
    }

    pub(super) fn log_fetched(&mut self, id: ConversationId, result: Result<response::Result, WireError>) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if !conversation.fetching {
            return;
        }
        conversation.fetching = false;
        self.dirty.insert(id);
        match result {
            Ok(response::Result::Log(log)) => {
                conversation.head_seq = conversation.head_seq.max(log.head_seq);
                let next = conversation.record.cursor + 1;
                let first = log.entries.first().map_or(0, |entry| entry.seq);
                let reached = log.entries.last().map_or(0, |entry| entry.seq);
                if first > next {
                    // What lies between was before this device's time in the group, as the node sees it.
                    return self.rest_is_gone(id);
                }
                if reached < next {
                    // Nothing new: what is missing is asked for again after a while, not at once.
                    conversation.buffered.clear();
                }
                for entry in log.entries {
                    if entry.seq > conversation.record.cursor && entry.conversation_id == id.as_bytes().as_slice() {
                        conversation.buffered.insert(entry.seq, entry);
                    }
                }
                conversation.fetch_wanted |= reached > conversation.record.cursor && reached < log.head_seq;
            }
            Ok(_) => {}
            Err(error) => match error.code {
                Code::Orphaned => self.rest_is_gone(id),
                Code::UnknownConversation | Code::Forbidden => self.left(id),
                _ => {
                    conversation.fetch_wanted = true;
                    self.retry_later(id, &error);
                }
            },
        }
    }

    /// Applies what follows the cursor, as far as it goes.
    pub(super) fn apply_buffered(&mut self, id: ConversationId) {
        let mut moved = false;
        loop {
            let Some(conversation) = self.conversations.get_mut(&id) else { return };
            if conversation.stage != Stage::Joined || conversation.hold.is_some() {
                break;
            }
            let next = conversation.record.cursor + 1;
            conversation.buffered = conversation.buffered.split_off(&next);
            let Some(entry) = conversation.buffered.remove(&next) else { break };
            match self.apply(id, &entry) {
                Outcome::Applied => {
                    if let Some(conversation) = self.conversations.get_mut(&id) {
                        conversation.record.cursor = next;
                        conversation.behind_since_ms = None;
                        moved = true;
                    }
                }
                Outcome::Held => {
                    if let Some(conversation) = self.conversations.get_mut(&id) {
                        conversation.buffered.insert(next, entry);
                    }
                    break;
                }
                Outcome::Stopped => break,
            }
        }
        if moved && let Some(conversation) = self.conversations.get(&id) {
            self.staged.conversations.insert(id, conversation.record.clone());
        }
    }

    fn apply(&mut self, id: ConversationId, entry: &Entry) -> Outcome {
        match &entry.content {
            Some(entry::Content::Message(message)) => self.apply_message(id, entry, message),
            Some(entry::Content::Commit(commit)) => self.apply_commit(id, entry, commit),
            // A kind of entry that a newer version made.
            None => Outcome::Applied,
        }
    }

    fn apply_message(&mut self, id: ConversationId, entry: &Entry, message: &wire::Message) -> Outcome {
        let Ok(message_id) = MessageId::parse(&message.message_id) else { return self.unreadable(id) };
        let received = match self.engine.process_message(id, &message.ciphertext, &self.directory) {
            Ok(received) => received,
            Err(ProcessError::OwnMessage) => {
                self.stored(id, message_id, entry.seq);
                return Outcome::Applied;
            }
            // Any member can make one that does not decrypt: joining again is no answer to the next and the next.
            Err(ProcessError::Future | ProcessError::Orphaned) if self.may_heal(id) => {
                self.heal(id);
                return Outcome::Stopped;
            }
            Err(error) => {
                tracing::warn!(conversation = %id, seq = entry.seq, %error, "a message cannot be read");
                return self.unreadable(id);
            }
        };
        let Ok(content) = wire::Content::decode(received.plaintext.as_slice()) else { return self.unreadable(id) };
        if content.message_id != message.message_id {
            return self.unreadable(id);
        }
        if !self.is_heard(id, received.sender.account_id) {
            tracing::warn!(conversation = %id, seq = entry.seq, "somebody spoke in a channel who is no operator of it: not shown");
            return Outcome::Applied;
        }
        self.check_standing(id, content.directory_version, &content.directory_hash);
        let fresh = self.conversations.get_mut(&id).is_some_and(|conversation| conversation.remember(message_id));
        let Some(body) = content.body.and_then(Body::from_wire).filter(|_| fresh) else { return Outcome::Applied };
        if let Body::Title(title) = &body {
            self.title_told(id, title);
        }
        if let Body::Call { call, .. } = &body {
            self.spend_call(id, call);
        }
        let message = Message {
            conversation: id,
            message: message_id,
            seq: entry.seq,
            sender: received.sender.account_id,
            device: received.sender.device_id,
            sent_at_ms: content.sent_at_ms,
            body,
        };
        self.staged.history.push(message.clone());
        self.event(Event::MessageReceived(message));
        Outcome::Applied
    }

    fn unreadable(&mut self, id: ConversationId) -> Outcome {
        self.event(Event::Unreadable { conversation: id, count: 1 });
        Outcome::Applied
    }

    fn apply_commit(&mut self, id: ConversationId, entry: &Entry, commit: &wire::CommitContent) -> Outcome {
        let proposals: Vec<Vec<u8>> = commit.proposals.iter().map(|proposal| proposal.to_vec()).collect();
        let result = self.engine.process_commit(id, &proposals, &commit.commit, &self.directory, self.now_ms);
        match result {
            Ok(applied) => self.commit_applied(id, entry.seq, &applied),
            // An epoch has one commit, and this device begins after the one that brought it in: an old one takes a newer entry's place.
            Err(ProcessError::Stale | ProcessError::Duplicate) => {
                self.refuse_conversation(id, Misbehaviour::BrokenLog);
                Outcome::Stopped
            }
            Err(ProcessError::Future | ProcessError::Orphaned) => {
                self.heal(id);
                Outcome::Stopped
            }
            Err(ProcessError::Forbidden(refusal)) => self.commit_refused(id, entry.seq, &refusal),
            Err(error) => {
                tracing::warn!(conversation = %id, seq = entry.seq, %error, "a commit cannot be applied");
                self.refuse_conversation(id, Misbehaviour::ForbiddenCommit);
                Outcome::Stopped
            }
        }
    }

    /// A member that this device's directory does not prove may be proved by newer statements: asked once.
    fn commit_refused(&mut self, id: ConversationId, seq: u64, refusal: &Refusal) -> Outcome {
        let Some(conversation) = self.conversations.get_mut(&id) else { return Outcome::Stopped };
        if needs_newer_directory(refusal) && conversation.retried_seq != seq {
            conversation.retried_seq = seq;
            conversation.hold = Some(Hold::Directory { retried: true });
            self.fetch_statements();
            return Outcome::Held;
        }
        tracing::warn!(conversation = %id, seq, %refusal, "a commit is refused");
        let why = if matches!(refusal, Refusal::Chain(_) | Refusal::NotOnRoster | Refusal::NotInAudience) {
            Misbehaviour::ForgedMember
        } else {
            Misbehaviour::ForbiddenCommit
        };
        self.refuse_conversation(id, why);
        Outcome::Stopped
    }

    fn commit_applied(&mut self, id: ConversationId, seq: u64, applied: &CommitApplied) -> Outcome {
        if applied.removed_self {
            self.removed(id, seq);
            return Outcome::Stopped;
        }
        self.commit_landed(id, applied);
        let pairs =
            |devices: &[wardline_e2ee::DeviceRef]| devices.iter().map(|d| (d.account_id, d.device_id)).collect();
        let (added, removed): (Vec<_>, Vec<_>) = (pairs(&applied.added), pairs(&applied.removed));
        if !added.is_empty() || !removed.is_empty() {
            self.event(Event::MembersChanged { conversation: id, added, removed });
        }
        if applied.roster_changed {
            self.tell_changed(id);
        }
        self.media_epoch_changed(id);
        Outcome::Applied
    }

    /// A group's title, as a member told it.
    fn title_told(&mut self, id: ConversationId, title: &str) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if conversation.record.title.as_deref() != Some(title) {
            conversation.record.title = Some(title.to_owned());
            self.tell_changed(id);
        }
    }

    pub(super) fn tell_changed(&mut self, id: ConversationId) {
        let accounts = self.roster(&id);
        let title = self.title(&id);
        self.event(Event::ConversationChanged { conversation: id, title, accounts });
    }

    /// This device is in the group now, at the entry `seq`.
    pub(super) fn joined(&mut self, id: ConversationId, seq: u64) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.stage = Stage::Joined;
        conversation.record.state = Membership::Joined;
        conversation.record.floor = None;
        conversation.record.cursor = seq;
        conversation.head_seq = conversation.head_seq.max(seq);
        conversation.named = true;
        conversation.fetch_wanted = conversation.head_seq > seq;
        conversation.join_attempts = 0;
        conversation.unsure = false;
        conversation.healing = false;
        conversation.former = false;
        conversation.removed = false;
        conversation.welcome_waits = false;
        let kind = conversation.record.kind;
        let waiting = std::mem::take(&mut conversation.waiting);
        self.touch(id);
        self.event(Event::ConversationJoined { conversation: id, kind });
        self.tell_changed(id);
        for token in waiting {
            self.done(token, Ok(super::Reply::Conversation(id)));
        }
        self.media_epoch_changed(id);
    }
}

/// Whether statements that this device does not have yet could make the refused thing right.
pub(super) fn needs_newer_directory(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NotInAudience
            | Refusal::Chain(DirectoryRefusal::UnknownAccount | DirectoryRefusal::UnknownEnrolmentKey)
    )
}
