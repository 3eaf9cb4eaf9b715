//! Into a conversation: by a Welcome, or from outside with the node's group state.
use super::apply::needs_newer_directory;
use super::commit::roster_kind;
use super::conversation::{Conversation, Hold, Stage};
use super::request::Request;
use super::{Core, Event, Failure, Membership, Misbehaviour, Notice};
use wardline_e2ee::{Floor, JoinError, Refusal};
use wardline_protocol::wire::client_frame::Body;
use wardline_protocol::wire::{self, response};
use wardline_protocol::{Code, ConversationId, WireError};

/// Between two attempts to join from outside: doubled each time, up to the second number.
const JOIN_BACKOFF_MS: (u64, u64) = (100, 10_000);

/// Between two attempts of anything else, when the node names no time.
const RETRY_MS: u64 = 1_000;

impl Core {
    pub(super) fn welcome(&mut self, welcome: wire::WelcomeFor) {
        let Ok(id) = ConversationId::parse(&welcome.conversation_id) else { return };
        let stage = self.conversations.get(&id).map(|conversation| conversation.stage);
        if stage == Some(Stage::Joined) && self.engine.epoch(id).is_some_and(|epoch| epoch >= welcome.epoch) {
            return self.drop_welcome(id);
        }
        if matches!(stage, Some(Stage::Joining | Stage::Creating)) {
            // Only one of the two is in the log. If it is the join, the Welcome is dropped after the next sign-in.
            if let Some(conversation) = self.conversations.get_mut(&id) {
                conversation.welcome_waits = true;
            }
            return;
        }
        if stage == Some(Stage::Joined)
            && let Some(conversation) = self.conversations.get_mut(&id)
        {
            // Taken out and added again: what came before the removal is read before the new time begins.
            conversation.welcome_waits = true;
            return self.not_in_group(id);
        }
        match self.engine.join_welcome(id, &welcome.welcome, &welcome.ratchet_tree, &self.directory) {
            Ok(joined) => {
                let kind = roster_kind(&joined.roster);
                let conversation =
                    self.conversations.entry(id).or_insert_with(|| Conversation::new(kind, Stage::Absent));
                conversation.record.kind = kind;
                conversation.hold = None;
                self.joined(id, welcome.seq);
                // What was said since the commit may have been pushed already, while this device knew of no such conversation.
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    conversation.fetch_wanted = true;
                }
                self.drop_welcome(id);
            }
            Err(JoinError::NoKeyPackage | JoinError::AlreadyJoined | JoinError::Malformed(_)) => {
                self.drop_welcome(id);
                self.want(id);
            }
            Err(JoinError::Forbidden(refusal)) if needs_newer_directory(&refusal) => self.welcome_needs_directory(id),
            Err(error) => {
                tracing::warn!(conversation = %id, %error, "a welcome is refused");
                self.refuse_conversation(id, misbehaviour(&error));
            }
        }
    }

    /// Newer statements may prove the members: asked once, then it is refused.
    fn welcome_needs_directory(&mut self, id: ConversationId) {
        let conversation = self
            .conversations
            .entry(id)
            .or_insert_with(|| Conversation::new(wire::ConversationKind::Unspecified, Stage::Absent));
        if conversation.join_attempts > 0 {
            return self.refuse_conversation(id, Misbehaviour::ForgedMember);
        }
        conversation.join_attempts = 1;
        self.fetch_statements();
        self.welcomes_after_directory();
    }

    fn drop_welcome(&mut self, id: ConversationId) {
        self.send(Body::DropWelcome(wire::DropWelcome { conversation_id: id.to_bytes() }), Request::Unanswered);
    }

    /// This device should be in the conversation and is not.
    pub(super) fn want(&mut self, id: ConversationId) {
        let conversation = self
            .conversations
            .entry(id)
            .or_insert_with(|| Conversation::new(wire::ConversationKind::Unspecified, Stage::Absent));
        if conversation.stage == Stage::Absent {
            conversation.stage = Stage::Wanted;
        }
        self.dirty.insert(id);
    }

    pub(super) fn group_info_fetched(&mut self, id: ConversationId, result: Result<response::Result, WireError>) {
        let restored = self.session.as_ref().is_some_and(|session| session.restored);
        let awaits_welcomes = self.awaits_welcomes();
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if conversation.stage != Stage::Fetching {
            return;
        }
        conversation.stage = Stage::Wanted;
        self.dirty.insert(id);
        if awaits_welcomes {
            return;
        }
        let group_info = match result {
            Ok(response::Result::GroupInfo(group_info)) => group_info,
            Ok(_) => return,
            Err(error) => return self.join_refused(id, &error),
        };
        conversation.head_seq = group_info.head_seq;
        // A restored node is honestly behind. What it may then not do is checked when the join is confirmed: show a member that this device knows to be gone.
        let floor = conversation.record.floor.clone().filter(|_| !restored);
        let floor = floor.map(|(epoch, authenticator)| Floor { epoch, authenticator });
        let joined = self.engine.join_external(
            id,
            &group_info.group_info,
            &group_info.ratchet_tree,
            floor,
            &self.directory,
            self.now_ms,
        );
        match joined {
            Ok(pending) => {
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    conversation.stage = Stage::Joining;
                }
                let submit = wire::SubmitCommit {
                    conversation_id: id.to_bytes(),
                    proposals: Vec::new(),
                    commit: pending.commit.into(),
                    welcome: bytes::Bytes::new(),
                    group_info: pending.group_info.into(),
                };
                self.send(Body::SubmitCommit(submit), Request::Join(id));
            }
            Err(JoinError::AlreadyJoined | JoinError::Pending) => {
                self.abandon_join(id);
                self.join_later(id, 0);
            }
            Err(JoinError::Forbidden(refusal)) if needs_newer_directory(&refusal) => {
                let Some(conversation) = self.conversations.get_mut(&id) else { return };
                conversation.join_attempts += 1;
                if conversation.join_attempts > 1 {
                    return self.refuse_conversation(id, Misbehaviour::ForgedMember);
                }
                conversation.hold = Some(Hold::Directory { retried: true });
                self.fetch_statements();
            }
            Err(error) => {
                tracing::warn!(conversation = %id, %error, "a group state is refused");
                self.refuse_conversation(id, misbehaviour(&error));
            }
        }
    }

    pub(super) fn join_answered(&mut self, id: ConversationId, result: Result<response::Result, WireError>) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if conversation.stage != Stage::Joining {
            return;
        }
        let committed = match result {
            Ok(response::Result::Committed(committed)) => committed,
            Ok(_) => return,
            Err(error) => {
                conversation.stage = Stage::Wanted;
                let welcomed = std::mem::take(&mut conversation.welcome_waits);
                self.abandon_join(id);
                self.dirty.insert(id);
                if welcomed {
                    self.fetch_welcomes();
                }
                return self.join_refused(id, &error);
            }
        };
        self.join_accepted(id, committed.seq);
    }

    /// An earlier session sent an external commit and heard no answer. If it is in the log this device is a member since then, and must
    /// not lose the keys of that place by joining once more.
    pub(super) fn look_up_lost_join(&mut self, id: ConversationId) {
        let Some(conversation) = self.conversations.get(&id) else { return };
        let fetch = wire::FetchLog { conversation_id: id.to_bytes(), from_seq: conversation.record.cursor + 1 };
        self.send(Body::FetchLog(fetch), Request::JoinLog(id));
    }

    /// A time in the group that began from outside begins with the commit that did it.
    pub(super) fn lost_join_looked_up(&mut self, id: ConversationId, result: Result<response::Result, WireError>) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if conversation.stage != Stage::Fetching {
            return;
        }
        conversation.stage = Stage::Wanted;
        self.dirty.insert(id);
        let entries = match result {
            Ok(response::Result::Log(log)) => log.entries,
            Ok(_) => return self.abandon_join(id),
            Err(error) if matches!(error.code, Code::Orphaned | Code::UnknownConversation | Code::Forbidden) => {
                return self.abandon_join(id);
            }
            Err(error) => return self.retry_later(id, &error),
        };
        let Some(first) = entries.first() else {
            // The node has it and may not say so yet.
            return self.join_later(id, 0);
        };
        let own = match &first.content {
            Some(wire::entry::Content::Commit(commit)) => {
                self.engine.is_pending_join(id, &commit.commit).unwrap_or(false)
            }
            _ => false,
        };
        if !own {
            return self.abandon_join(id);
        }
        let seq = first.seq;
        self.join_accepted(id, seq);
        if let Some(conversation) = self.conversations.get_mut(&id).filter(|c| c.stage == Stage::Joined) {
            conversation.fetch_wanted = true;
        }
    }

    /// The own external commit is in the log at `seq`.
    fn join_accepted(&mut self, id: ConversationId, seq: u64) {
        let known = self.engine.members(id);
        if let Err(error) = self.engine.confirm_join(id) {
            tracing::error!(conversation = %id, %error, "a join that the node accepted cannot be taken in");
            self.abandon_join(id);
            return self.join_later(id, 0);
        }
        let restored = self.session.as_ref().is_some_and(|session| session.restored);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let (healing, removed, cursor) = (conversation.healing, conversation.removed, conversation.record.cursor);
        if healing {
            conversation.heals.note(self.now_ms);
        }
        if healing && restored {
            let revived =
                self.engine.members(id).iter().any(|member| !known.iter().any(|old| old.device_id == member.device_id));
            if revived && !known.is_empty() {
                self.forget_group(id);
                return self.refuse_conversation(id, Misbehaviour::OldGroupInfo);
            }
        }
        if let Some(roster) = self.engine.roster(id)
            && let Some(conversation) = self.conversations.get_mut(&id)
        {
            conversation.record.kind = roster_kind(&roster);
        }
        let missed = seq.saturating_sub(cursor + 1);
        self.joined(id, seq);
        if healing && !removed {
            self.event(Event::SecurityNotice(Notice::Healed(id)));
            if missed > 0 {
                self.event(Event::Unreadable { conversation: id, count: missed });
            }
        }
    }

    fn join_refused(&mut self, id: ConversationId, error: &WireError) {
        match error.code {
            Code::UnknownConversation | Code::Forbidden | Code::UnknownAccount => {
                let Some(conversation) = self.conversations.get_mut(&id) else { return };
                conversation.stage = Stage::Absent;
                let waiting = std::mem::take(&mut conversation.waiting);
                let was_member = conversation.record.state == Membership::Joined;
                for token in waiting {
                    self.done(token, Err(Failure::Refused(error.clone())));
                }
                if was_member {
                    self.left(id);
                }
            }
            _ => self.join_later(id, error.retry_after_ms.into()),
        }
    }

    fn join_later(&mut self, id: ConversationId, after_ms: u64) {
        let now_ms = self.now_ms;
        if let Some(conversation) = self.conversations.get_mut(&id) {
            let (first, most) = JOIN_BACKOFF_MS;
            let wait = first.saturating_mul(1 << conversation.join_attempts.min(10)).min(most).max(after_ms);
            conversation.join_attempts += 1;
            conversation.stage = Stage::Wanted;
            conversation.retry_at_ms = now_ms + wait;
        }
    }

    pub(super) fn abandon_join(&mut self, id: ConversationId) {
        if let Err(error) = self.engine.abandon_join(id) {
            tracing::warn!(conversation = %id, %error, "a join cannot be abandoned");
        }
    }

    pub(super) fn forget_group(&mut self, id: ConversationId) {
        if let Err(error) = self.engine.forget(id) {
            tracing::debug!(conversation = %id, %error, "nothing to forget");
        }
    }

    /// The node cannot do it now: nothing is asked for this conversation until later.
    pub(super) fn retry_later(&mut self, id: ConversationId, error: &WireError) {
        let now_ms = self.now_ms;
        if let Some(conversation) = self.conversations.get_mut(&id) {
            let wait = if error.retry_after_ms == 0 { RETRY_MS } else { error.retry_after_ms.into() };
            conversation.retry_at_ms = now_ms + wait;
        }
    }
}

fn misbehaviour(error: &JoinError) -> Misbehaviour {
    match error {
        JoinError::BelowFloor => Misbehaviour::OldGroupInfo,
        JoinError::Forbidden(Refusal::Chain(_) | Refusal::NotOnRoster | Refusal::BadCredential) => {
            Misbehaviour::ForgedMember
        }
        JoinError::Forbidden(_) => Misbehaviour::ForbiddenCommit,
        _ => Misbehaviour::BrokenLog,
    }
}
