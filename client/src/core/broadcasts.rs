//! Broadcasts as one device sees them. The node says who is live; the group decides who can be heard, so one by somebody who does not speak in the
//! channel is not shown.
use super::request::Request;
use super::{Body, Core, Event, Failure, Misbehaviour, Reply, Token};
use std::collections::BTreeMap;
use wardline_protocol::limit::BROADCAST_TITLE_BYTES_MAX;
use wardline_protocol::wire::broadcast_state::{EndReason, State};
use wardline_protocol::wire::client_frame::Body as Frame;
use wardline_protocol::wire::{self, ConversationKind, response};
use wardline_protocol::{AccountId, CallId, Code, ConversationId, DeviceId, WireError};

/// Broadcasts that one device follows at once; further ones are not shown.
const BROADCASTS_MAX: usize = 64;

/// A broadcast as the node last told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// Its id: that of its media room and the context of its keys.
    pub id: CallId,
    /// The channel.
    pub conversation: ConversationId,
    /// Who sends.
    pub sender: AccountId,
    /// From which device.
    pub device: DeviceId,
    /// When it began, by the node's clock (Unix milliseconds).
    pub started_at_ms: u64,
    /// How many watch. Told only to who watches or sends.
    pub viewers: u32,
    /// Live, interrupted, or over.
    pub state: State,
    /// Why it is over.
    pub reason: EndReason,
}

/// A broadcast that is not over.
pub(super) struct Followed {
    told: Broadcast,
    /// This device sends or watches.
    takes_part: bool,
    /// The node has named it on this connection.
    named: bool,
    /// The person has heard of it.
    announced: bool,
}

impl Core {
    pub(super) fn start_broadcast(
        &mut self,
        conversation: ConversationId,
        title: String,
        offer_sdp: String,
        token: Token,
    ) {
        let is_channel =
            self.conversations.get(&conversation).is_some_and(|known| known.record.kind == ConversationKind::Channel);
        if !is_channel || self.engine.epoch(conversation).is_none() {
            return self.done(token, Err(Failure::UnknownConversation));
        }
        if !self.may_speak(&conversation) {
            return self.done(token, Err(Failure::NotOperator));
        }
        if title.len() > BROADCAST_TITLE_BYTES_MAX {
            return self.done(token, Err(Failure::TooLong));
        }
        if self.session.is_none() {
            return self.done(token, Err(Failure::Offline));
        }
        let id = self.ids.call();
        let told = Broadcast {
            id,
            conversation,
            sender: self.identity.account,
            device: self.identity.device,
            started_at_ms: self.now_ms,
            viewers: 0,
            state: State::Live,
            reason: EndReason::Unspecified,
        };
        self.broadcasts.insert(id, Followed { told, takes_part: true, named: true, announced: false });
        let (broadcast_id, conversation_id) = (id.to_bytes(), conversation.to_bytes());
        let start = wire::StartBroadcast { broadcast_id, conversation_id, offer_sdp };
        self.send(Frame::StartBroadcast(start), Request::StartBroadcast { id, title, token });
    }

    pub(super) fn broadcast_started(
        &mut self,
        id: CallId,
        title: String,
        token: Token,
        result: Result<response::Result, WireError>,
    ) {
        let failure = match (result, self.broadcasts.get(&id).map(|known| known.told.clone())) {
            (Ok(response::Result::MediaAnswer(answer)), Some(told)) => {
                let Broadcast { conversation, started_at_ms, .. } = told;
                let notice = Body::Broadcast { broadcast: id, started_at_ms, title };
                if let Err(error) = self.send_body(conversation, notice) {
                    tracing::warn!(broadcast = %id, %error, "a broadcast's title was not told");
                }
                return self.done(token, Ok(Reply::Call { call: id, answer_sdp: Some(answer.answer_sdp) }));
            }
            (Ok(_), _) => {
                Failure::Refused(WireError::new(Code::Malformed, "the node answered the broadcast with something else"))
            }
            (Err(error), _) => Failure::Refused(error),
        };
        // The node may hold a broadcast of which only its media was refused.
        if self.broadcasts.remove(&id).is_some() {
            self.send(Frame::StopBroadcast(wire::StopBroadcast { broadcast_id: id.to_bytes() }), Request::Unanswered);
        }
        self.done(token, Err(failure));
    }

    pub(super) fn join_broadcast(&mut self, id: CallId, offer_sdp: String, token: Token) {
        if let Some(known) = self.usable_broadcast(id, token) {
            known.takes_part = true;
            let join = wire::JoinBroadcast { broadcast_id: id.to_bytes(), offer_sdp };
            self.send(Frame::JoinBroadcast(join), Request::JoinBroadcast(id, token));
        }
    }

    pub(super) fn broadcast_joined(&mut self, id: CallId, token: Token, result: Result<response::Result, WireError>) {
        let failure = match result {
            Ok(response::Result::MediaAnswer(answer)) => return self.done(token, Ok(Reply::Media(answer.answer_sdp))),
            Ok(_) => WireError::new(Code::Malformed, "the node answered the offer with something else"),
            Err(error) => error,
        };
        if failure.code == Code::UnknownCall {
            self.broadcast_over(id, EndReason::Unspecified);
        } else if let Some(known) = self.broadcasts.get_mut(&id) {
            known.takes_part = known.told.device == self.identity.device;
        }
        self.done(token, Err(Failure::Refused(failure)));
    }

    pub(super) fn leave_broadcast(&mut self, id: CallId, token: Token) {
        if let Some(known) = self.usable_broadcast(id, token) {
            known.takes_part = false;
            let leave = wire::LeaveBroadcast { broadcast_id: id.to_bytes() };
            self.send(Frame::LeaveBroadcast(leave), Request::Plain(token));
        }
    }

    pub(super) fn stop_broadcast(&mut self, id: CallId, token: Token) {
        if self.usable_broadcast(id, token).is_some() {
            let stop = wire::StopBroadcast { broadcast_id: id.to_bytes() };
            self.send(Frame::StopBroadcast(stop), Request::Plain(token));
        }
    }

    pub(super) fn fetch_broadcast_report(&mut self, id: CallId, token: Token) {
        if self.usable_broadcast(id, token).is_some() {
            let fetch = wire::FetchBroadcastReport { broadcast_id: id.to_bytes() };
            self.send(Frame::FetchBroadcastReport(fetch), Request::BroadcastReport(token));
        }
    }

    pub(super) fn broadcast_reported(&mut self, token: Token, result: Result<response::Result, WireError>) {
        let result = match result {
            Ok(response::Result::BroadcastReport(report)) => Ok(Reply::BroadcastReport(Box::new(report))),
            Ok(_) => Err(WireError::new(Code::Malformed, "the node answered the question with something else")),
            Err(error) => Err(error),
        };
        self.done(token, result.map_err(Failure::Refused));
    }

    fn usable_broadcast(&mut self, id: CallId, token: Token) -> Option<&mut Followed> {
        let failure = match (self.session.is_some(), self.broadcasts.contains_key(&id)) {
            (_, false) => Failure::UnknownCall,
            (false, true) => Failure::Offline,
            (true, true) => return self.broadcasts.get_mut(&id),
        };
        self.done(token, Err(failure));
        None
    }

    pub(super) fn broadcast_state(&mut self, state: &wire::BroadcastState) {
        let (Ok(id), Ok(conversation), Ok(sender), Ok(device)) = (
            CallId::parse(&state.broadcast_id),
            ConversationId::parse(&state.conversation_id),
            AccountId::parse(&state.sender_account_id),
            DeviceId::parse(&state.sender_device_id),
        ) else {
            return;
        };
        let told = Broadcast {
            id,
            conversation,
            sender,
            device,
            started_at_ms: state.started_at_ms,
            viewers: state.viewers,
            state: state.state(),
            reason: state.reason(),
        };
        let known = self.broadcasts.get_mut(&id);
        // Whose it is does not change while it is live.
        if known.as_ref().is_some_and(|known| (known.told.conversation, known.told.device) != (conversation, device)) {
            return;
        }
        if told.state == State::Ended {
            return self.broadcast_over(id, told.reason);
        }
        match known {
            Some(known) => {
                known.named = true;
                if known.told == told && known.announced {
                    return;
                }
                (known.told, known.announced) = (told.clone(), true);
            }
            None => {
                if self.engine.epoch(conversation).is_some() && self.engine.is_call_spent(conversation, &id) {
                    return self.event(Event::NodeRefused(Misbehaviour::ReplayedCall));
                }
                if self.broadcasts.len() >= BROADCASTS_MAX || !self.is_heard(conversation, sender) {
                    return;
                }
                let followed = Followed { told: told.clone(), takes_part: false, named: true, announced: true };
                self.broadcasts.insert(id, followed);
            }
        }
        self.event(Event::Broadcast(told));
    }

    fn broadcast_over(&mut self, id: CallId, reason: EndReason) {
        let Some(known) = self.broadcasts.remove(&id) else { return };
        self.spend_call(known.told.conversation, &id);
        self.event(Event::Broadcast(Broadcast { state: State::Ended, reason, ..known.told }));
    }

    /// A new connection: what is live is told again.
    pub(super) fn broadcasts_unsure(&mut self) {
        self.broadcasts.values_mut().for_each(|known| known.named = false);
    }

    /// The node has said what is live: the rest is over.
    pub(super) fn broadcasts_told(&mut self) {
        let over: Vec<CallId> = self.broadcasts.iter().filter(|(_, known)| !known.named).map(|(id, _)| *id).collect();
        for id in over {
            self.broadcast_over(id, EndReason::Unspecified);
        }
    }

    /// Where the keys of a broadcast come from, if this device may use them: its sender speaks in the channel.
    pub(super) fn broadcast_keys_of(&self, id: &CallId) -> Option<ConversationId> {
        let told = &self.broadcasts.get(id)?.told;
        self.is_heard(told.conversation, told.sender).then_some(told.conversation)
    }

    /// Broadcasts of a conversation in which this device takes part.
    pub(super) fn broadcasts_here(&self, conversation: ConversationId) -> Vec<CallId> {
        let here = |known: &&Followed| known.takes_part && known.told.conversation == conversation;
        self.broadcasts.values().filter(here).map(|known| known.told.id).collect()
    }

    /// Broadcasts that are not over, as the node last told them.
    pub fn broadcasts(&self) -> BTreeMap<CallId, Broadcast> {
        self.broadcasts.iter().map(|(id, known)| (*id, known.told.clone())).collect()
    }
}
