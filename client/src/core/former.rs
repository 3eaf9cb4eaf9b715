//! Out of a conversation: this device reads what was sent while it was a member, to the commit that removed it, and nothing is sent meanwhile.
//!
//! A device may have been taken out while it was behind. The node keeps what it has not stored yet; only once that is read (or the node has
//! it no more) does the device leave, join again from outside, or take the Welcome of whoever added it again.
use super::conversation::Stage;
use super::request::Request;
use super::{Core, Event, Membership};
use wardline_protocol::wire::client_frame::Body;
use wardline_protocol::{Code, ConversationId, WireError, wire};

impl Core {
    /// The account is out, by its own wish or as the node says: the person can send no more; what was sent until the removal still comes.
    pub(super) fn resigned(&mut self, id: ConversationId) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if conversation.stage != Stage::Joined {
            return self.left(id);
        }
        conversation.former = true;
        conversation.fetch_wanted = true;
        self.tell_left(id);
        self.touch(id);
    }

    /// The node does not have this device in the group: what was sent before its removal is read first, then it joins again.
    pub(super) fn not_in_group(&mut self, id: ConversationId) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if conversation.stage == Stage::Joined {
            conversation.former = true;
            conversation.fetch_wanted = true;
            self.dirty.insert(id);
        }
    }

    /// The commit at `seq` removed this device and was applied.
    pub(super) fn removed(&mut self, id: ConversationId, seq: u64) {
        let on_roster = self.roster(&id).contains(&self.identity.account);
        let epoch = self.engine.epoch(id);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.record.cursor = seq;
        conversation.end_read(seq);
        let welcomed = std::mem::take(&mut conversation.welcome_waits);
        if on_roster && conversation.record.state == Membership::Joined {
            // Taken out for a time, e.g. while its account was locked. What comes until it is back is not for it.
            // Of the epoch that the removal led to it knows the number only.
            conversation.record.floor = epoch.map(|epoch| (epoch, Vec::new())).or(conversation.record.floor.take());
            conversation.begin_joining_again();
            conversation.removed = true;
            self.touch(id);
        } else {
            self.left(id);
        }
        if welcomed {
            self.fetch_welcomes();
        }
    }

    /// What comes next of an earlier time in the group is not kept any more.
    pub(super) fn rest_is_gone(&mut self, id: ConversationId) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if !std::mem::take(&mut conversation.welcome_waits) {
            return self.heal(id);
        }
        conversation.stage = Stage::Absent;
        conversation.former = false;
        conversation.buffered.clear();
        self.fetch_welcomes();
    }

    /// This device is out of the conversation, and has read of it what it could.
    pub(super) fn left(&mut self, id: ConversationId) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.stage = Stage::Absent;
        conversation.former = false;
        conversation.removed = false;
        conversation.healing = false;
        conversation.hold = None;
        conversation.buffered.clear();
        conversation.lease = None;
        conversation.in_flight = None;
        let outgoing = std::mem::take(&mut conversation.outgoing);
        self.forget_group(id);
        self.touch(id);
        // Only now is it known of each that it does not stand in the log: an answer may have been lost.
        for message in outgoing.into_iter().map(|outgoing| outgoing.record.message.message) {
            self.staged.outbox_done.push(message);
            self.event(Event::MessageFailed { conversation: id, message, error: not_a_member() });
        }
        self.tell_left(id);
    }

    /// Tells once that the person is out.
    fn tell_left(&mut self, id: ConversationId) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if conversation.record.state == Membership::Left {
            return;
        }
        conversation.record.state = Membership::Left;
        let plans = std::mem::take(&mut conversation.plans);
        let waiting = std::mem::take(&mut conversation.waiting);
        for token in plans.into_iter().filter_map(|plan| plan.token).chain(waiting) {
            self.done(token, Err(super::Failure::UnknownConversation));
        }
        self.event(Event::ConversationLeft { conversation: id });
    }

    /// The node names an end of this device's time that it has passed, or can never reach: it need not be kept.
    pub(super) fn end_is_read(&mut self, id: ConversationId, left_seq: u64) {
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.end_read(left_seq);
        } else {
            let acknowledge =
                wire::Acknowledge { conversation_id: id.to_bytes(), delivered_seq: left_seq, read_seq: 0 };
            self.send(Body::Acknowledge(acknowledge), Request::Unanswered);
        }
    }
}

pub(super) fn not_a_member() -> WireError {
    WireError::new(Code::UnknownConversation, "this device is not in the conversation any more")
}
