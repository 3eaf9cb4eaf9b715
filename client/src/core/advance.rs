//! What a conversation needs next, from what is true of it now.
use super::conversation::{Hold, Stage};
use super::request::Request;
use super::{Core, Event, Failure, Misbehaviour, Reply, Token};
use wardline_protocol::wire::client_frame::Body;
use wardline_protocol::wire::{self, response};
use wardline_protocol::{AccountId, ConversationId, WireError};

/// Pushes may be dropped by a full queue: after standing still behind the head for this long, the log is asked for.
pub(super) const BEHIND_MS_MAX: u64 = 1_000;

impl Core {
    pub(super) fn advance_all(&mut self) {
        while let Some(id) = self.dirty.pop_first() {
            if self.is_ready() {
                self.advance(id);
            }
        }
    }

    fn advance(&mut self, id: ConversationId) {
        self.apply_buffered(id);
        let now_ms = self.now_ms;
        let awaits_welcomes = self.awaits_welcomes();
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if conversation.retry_at_ms != 0 && conversation.retry_at_ms <= now_ms {
            conversation.retry_at_ms = 0;
        }
        if conversation.lease.as_ref().is_some_and(|lease| lease.until_ms <= now_ms) {
            conversation.lease = None;
        }
        if conversation.hold.is_some() {
            return;
        }
        match conversation.stage {
            Stage::Wanted if conversation.healing && conversation.heals.wait_until_ms(now_ms) > now_ms => {
                conversation.retry_at_ms = conversation.heals.wait_until_ms(now_ms);
                return;
            }
            Stage::Wanted if conversation.retry_at_ms == 0 && !awaits_welcomes => {
                conversation.stage = Stage::Fetching;
                if self.engine.has_pending_join(id).unwrap_or(false) {
                    return self.look_up_lost_join(id);
                }
                let fetch = wire::FetchGroupInfo { conversation_id: id.to_bytes() };
                return self.send(Body::FetchGroupInfo(fetch), Request::GroupInfo(id));
            }
            Stage::Creating if !conversation.creating => return self.creation_lost(id),
            Stage::Joined => {}
            _ => return,
        }
        if !conversation.named {
            return;
        }
        self.catch_up(id);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if conversation.former {
            return;
        }
        if conversation.unsure && conversation.is_level() {
            // Whatever commit an earlier session left pending is not in the log, else it would have been merged by now.
            conversation.unsure = false;
            if conversation.in_flight.take().is_some() || !conversation.plans.is_empty() {
                tracing::debug!(conversation = %id, "a commit was lost with the connection and is made again");
            }
            self.discard_pending(id);
        }
        self.pump_commits(id);
        self.pump_uploads(id);
        self.pump_messages(id);
    }

    /// Asks for the log when something is known to be missing.
    fn catch_up(&mut self, id: ConversationId) {
        let now_ms = self.now_ms;
        let epoch = self.engine.epoch(id).unwrap_or(0);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let cursor = conversation.record.cursor;
        let gap = conversation.buffered.first_key_value().is_some_and(|(seq, _)| *seq > cursor + 1);
        let behind = conversation.head_seq > cursor || conversation.wanted_epoch > epoch;
        conversation.behind_since_ms = match conversation.behind_since_ms {
            _ if !behind => None,
            None => Some(now_ms),
            since => since,
        };
        let overdue = conversation.behind_since_ms.is_some_and(|since| since + BEHIND_MS_MAX <= now_ms);
        if conversation.fetching || conversation.retry_at_ms != 0 || !(gap || overdue || conversation.fetch_wanted) {
            return;
        }
        conversation.fetching = true;
        conversation.fetch_wanted = false;
        conversation.behind_since_ms = behind.then_some(now_ms);
        let fetch = wire::FetchLog { conversation_id: id.to_bytes(), from_seq: cursor + 1 };
        self.send(Body::FetchLog(fetch), Request::Log(id));
    }

    /// Says how far this device has stored, for every conversation where that moved. Gives whether anything was said.
    pub(super) fn acknowledge(&mut self) -> bool {
        if !self.is_ready() {
            return false;
        }
        let mut said = Vec::new();
        for (id, conversation) in &mut self.conversations {
            let now = (conversation.record.cursor, conversation.record.read_seq);
            let ended_seq = std::mem::take(&mut conversation.ended_seq);
            if conversation.stage == Stage::Joined && conversation.named && now != conversation.acknowledged {
                conversation.acknowledged = now;
                said.push(wire::Acknowledge { conversation_id: id.to_bytes(), delivered_seq: now.0, read_seq: now.1 });
            } else if ended_seq > 0 {
                said.push(wire::Acknowledge {
                    conversation_id: id.to_bytes(),
                    delivered_seq: ended_seq,
                    read_seq: now.1,
                });
            }
        }
        let any = !said.is_empty();
        for acknowledge in said {
            self.send(Body::Acknowledge(acknowledge), Request::Unanswered);
        }
        any
    }

    /// Whether joining again is still an answer to what does not decrypt.
    pub(super) fn may_heal(&self, id: ConversationId) -> bool {
        let now_ms = self.now_ms;
        self.conversations.get(&id).is_some_and(|conversation| conversation.heals.wait_until_ms(now_ms) <= now_ms)
    }

    /// This device lost its place in the group's chain: it joins again from outside, which replaces its leaf.
    pub(super) fn heal(&mut self, id: ConversationId) {
        let own = self.epoch(&id);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.record.floor = own.or(conversation.record.floor.take());
        conversation.begin_joining_again();
        self.touch(id);
    }

    /// The log holds what no client may accept: nothing further of this conversation is taken in.
    pub(super) fn refuse_conversation(&mut self, id: ConversationId, why: Misbehaviour) {
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.hold = Some(Hold::Refused);
        }
        self.event(Event::NodeRefused(why));
    }

    pub(super) fn fetch_receipts(&mut self, id: ConversationId, token: Token) {
        if !self.is_connected() {
            return self.done(token, Ok(Reply::Done)); // what is shown is as old as what else is
        }
        let fetch = wire::FetchReceipts { conversation_id: id.to_bytes() };
        self.send(Body::FetchReceipts(fetch), Request::Receipts(token));
    }

    pub(super) fn receipts_fetched(&mut self, token: Token, result: Result<response::Result, WireError>) {
        match result {
            Ok(response::Result::Receipts(fetched)) => {
                fetched.receipts.iter().for_each(|receipt| self.receipt(receipt));
                self.done(token, Ok(Reply::Done));
            }
            Ok(_) => self.done(token, Ok(Reply::Done)),
            Err(error) => self.done(token, Err(Failure::Refused(error))),
        }
    }

    pub(super) fn receipt(&mut self, receipt: &wire::Receipt) {
        let (Ok(id), Ok(account)) =
            (ConversationId::parse(&receipt.conversation_id), AccountId::parse(&receipt.account_id))
        else {
            return;
        };
        let (delivered_seq, read_seq) = (receipt.delivered_seq, receipt.read_seq);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if conversation.record.receipts.insert(account, (delivered_seq, read_seq)) != Some((delivered_seq, read_seq)) {
            self.staged.conversations.insert(id, conversation.record.clone());
            self.event(Event::Receipt { conversation: id, account, delivered_seq, read_seq });
        }
    }
}
