//! Calls as one device sees them. The node is the authority on their state; this keeps what the device must know itself.
use super::commit::PlanKind;
use super::request::Request;
use super::{Body, Core, Counter, Event, Failure, Membership, Misbehaviour, Reply, Token};
use std::collections::BTreeMap;
use wardline_e2ee::SPENT_CALLS_MAX;
use wardline_protocol::wire::call_state::{EndReason, State};
use wardline_protocol::wire::client_frame::Body as Frame;
use wardline_protocol::wire::{self, ConversationKind, response};
use wardline_protocol::{AccountId, CallId, Code, ConversationId, DeviceId, WireError};

/// Calls that one device follows at once: one that is talked in, and the ones that ring meanwhile. Further ones are not shown.
const CALLS_MAX: usize = 16;

/// With so many calls noted in one epoch the device renews its keys.
const SPENT_CALLS_RENEW: usize = SPENT_CALLS_MAX / 2;

/// A call that is not over.
pub(super) struct Call {
    conversation: ConversationId,
    /// This device placed it: it writes the record when it is over.
    own: bool,
    answered: bool,
    started_at_ms: u64,
    video: bool,
}

impl Core {
    pub(super) fn start_call(&mut self, conversation: ConversationId, offer_sdp: String, video: bool, token: Token) {
        let direct = self.conversations.get(&conversation).is_some_and(|known| {
            known.record.kind == ConversationKind::Direct && known.record.state == Membership::Joined
        });
        if !direct {
            return self.done(token, Err(Failure::UnknownConversation));
        }
        if self.session.is_none() {
            return self.done(token, Err(Failure::Offline));
        }
        let call = self.ids.call();
        let started_at_ms = self.now_ms;
        self.calls.insert(call, Call { conversation, own: true, answered: false, started_at_ms, video });
        let start =
            wire::StartCall { call_id: call.to_bytes(), conversation_id: conversation.to_bytes(), offer_sdp, video };
        self.send(Frame::StartCall(start), Request::StartCall(call, token));
    }

    pub(super) fn call_started(&mut self, call: CallId, token: Token, result: Result<response::Result, WireError>) {
        let failure = match result {
            Ok(response::Result::MediaAnswer(answer)) => {
                return self.done(token, Ok(Reply::Call { call, answer_sdp: Some(answer.answer_sdp) }));
            }
            Ok(response::Result::Done(_)) => return self.done(token, Ok(Reply::Call { call, answer_sdp: None })),
            Ok(_) => {
                Failure::Refused(WireError::new(Code::Malformed, "the node answered the call with something else"))
            }
            Err(error) => Failure::Refused(error),
        };
        self.calls.remove(&call);
        self.done(token, Err(failure));
    }

    pub(super) fn connect_media(&mut self, call: CallId, offer_sdp: String, token: Token) {
        if self.usable(call, token) {
            let connect = wire::ConnectMedia { call_id: call.to_bytes(), offer_sdp };
            self.send(Frame::ConnectMedia(connect), Request::Media(call, token));
        }
    }

    pub(super) fn media_answered(&mut self, call: CallId, token: Token, result: Result<response::Result, WireError>) {
        match result {
            Ok(response::Result::MediaAnswer(answer)) => self.done(token, Ok(Reply::Media(answer.answer_sdp))),
            Ok(_) => {
                let error = WireError::new(Code::Malformed, "the node answered the offer with something else");
                self.done(token, Err(Failure::Refused(error)));
            }
            Err(error) => {
                if error.code == Code::UnknownCall {
                    // It ended while this device was away.
                    self.call_over(call, EndReason::PeerLost, None, 0);
                }
                self.done(token, Err(Failure::Refused(error)));
            }
        }
    }

    pub(super) fn report_ringing(&mut self, call: CallId, token: Token) {
        if self.usable(call, token) {
            self.send(Frame::ReportRinging(wire::ReportRinging { call_id: call.to_bytes() }), Request::Plain(token));
        }
    }

    pub(super) fn accept_call(&mut self, call: CallId, token: Token) {
        if self.usable(call, token) {
            self.send(Frame::AcceptCall(wire::AcceptCall { call_id: call.to_bytes() }), Request::Plain(token));
        }
    }

    pub(super) fn decline_call(&mut self, call: CallId, token: Token) {
        if self.usable(call, token) {
            self.send(Frame::DeclineCall(wire::DeclineCall { call_id: call.to_bytes() }), Request::Plain(token));
        }
    }

    pub(super) fn hang_up(&mut self, call: CallId, token: Token) {
        if self.usable(call, token) {
            self.send(Frame::HangUp(wire::HangUp { call_id: call.to_bytes() }), Request::Plain(token));
        }
    }

    fn usable(&mut self, call: CallId, token: Token) -> bool {
        if !self.calls.contains_key(&call) {
            self.done(token, Err(Failure::UnknownCall));
            return false;
        }
        if self.session.is_none() {
            self.done(token, Err(Failure::Offline));
            return false;
        }
        true
    }

    /// Keys for a new sender. The context id is durable before it is given out, so it is never used twice, whatever crashes.
    pub(super) fn media_keys(&mut self, call: CallId, token: Token) {
        let in_call = self.calls.get(&call).map(|known| known.conversation);
        let Some(conversation) = in_call.or_else(|| self.broadcast_keys_of(&call)) else {
            return self.done(token, Err(Failure::UnknownCall));
        };
        let epoch = match self.engine.media_epoch(conversation, &call) {
            Ok(epoch) => epoch,
            Err(error) => return self.done(token, Err(Failure::Engine(error.to_string()))),
        };
        // A broadcast is gone on with after a restart: it is noted when it is over.
        if in_call.is_some() {
            self.spend_call(conversation, &call);
        }
        let Ok(context_id) = u32::try_from(self.count(Counter::MediaContext)) else {
            return self.done(token, Err(Failure::Engine("this device has used up its media contexts".into())));
        };
        self.done(token, Ok(Reply::MediaKeys { epoch, context_id }));
    }

    pub(super) fn incoming_call(&mut self, incoming: &wire::IncomingCall) {
        let (Ok(call), Ok(conversation), Ok(caller), Ok(device)) = (
            CallId::parse(&incoming.call_id),
            ConversationId::parse(&incoming.conversation_id),
            AccountId::parse(&incoming.caller_account_id),
            DeviceId::parse(&incoming.caller_device_id),
        ) else {
            return;
        };
        if !self.calls.contains_key(&call)
            && self.engine.epoch(conversation).is_some()
            && self.engine.is_call_spent(conversation, &call)
        {
            return self.event(Event::NodeRefused(Misbehaviour::ReplayedCall));
        }
        // The node says who calls; MLS decides who can be heard. A caller who is not in the conversation is not shown.
        if self.calls.len() >= CALLS_MAX
            || self.calls.contains_key(&call)
            || !self.is_direct_with(&conversation, &caller)
        {
            return;
        }
        let (started_at_ms, video) = (incoming.started_at_ms, incoming.video);
        self.calls.insert(call, Call { conversation, own: false, answered: false, started_at_ms, video });
        self.event(Event::IncomingCall { call, conversation, caller, device, video });
    }

    pub(super) fn call_state(&mut self, told: &wire::CallState) {
        let Ok(call) = CallId::parse(&told.call_id) else { return };
        let Some(known) = self.calls.get_mut(&call) else { return self.forgotten_call(call, told.state()) };
        let answering_device = DeviceId::parse(&told.answering_device_id).ok();
        match told.state() {
            State::Ended => self.call_over(call, told.reason(), answering_device, told.talked_ms),
            state => {
                known.answered |= state == State::Accepted;
                let reason = EndReason::Unspecified;
                self.event(Event::CallState { call, state, reason, answering_device, talked_ms: 0 });
            }
        }
    }

    /// The node holds a call for this device that a program before this one was in, or whose start got no answer. It cannot go on here, since
    /// its receivers are gone: the other side hears that now, and not when the node's patience ends.
    fn forgotten_call(&mut self, call: CallId, state: State) {
        if matches!(state, State::Ringing | State::Accepted) {
            self.send(Frame::HangUp(wire::HangUp { call_id: call.to_bytes() }), Request::Unanswered);
        }
    }

    fn call_over(&mut self, id: CallId, reason: EndReason, answering_device: Option<DeviceId>, talked_ms: u64) {
        let Some(call) = self.calls.remove(&id) else { return };
        self.spend_call(call.conversation, &id);
        if call.own {
            let Call { started_at_ms, answered, video, .. } = call;
            let record = Body::Call { call: id, started_at_ms, talked_ms, answered, video };
            if let Err(error) = self.send_body(call.conversation, record) {
                tracing::warn!(call = %id, %error, "the call's record was not written");
            }
        }
        self.event(Event::CallState { call: id, state: State::Ended, reason, answering_device, talked_ms });
    }

    /// The call does not ring here again in this epoch: what was recorded of it would be heard as if it were said now.
    pub(super) fn spend_call(&mut self, conversation: ConversationId, call: &CallId) {
        match self.engine.spend_call(conversation, call) {
            // The next epoch has room again.
            Ok(Some(SPENT_CALLS_RENEW)) => self.plan(conversation, PlanKind::Refresh, None),
            Ok(_) => {}
            Err(error) => tracing::error!(%conversation, %call, %error, "a call cannot be noted"),
        }
    }

    /// A commit landed: whoever talks in this conversation needs the new epoch's keys.
    pub(super) fn media_epoch_changed(&mut self, conversation: ConversationId) {
        let here = |(_, call): &(&CallId, &Call)| call.conversation == conversation;
        let calls: Vec<CallId> = self.calls.iter().filter(here).map(|(id, _)| *id).collect();
        for call in calls {
            // Its keys of the new epoch are used as well.
            self.spend_call(conversation, &call);
            self.event(Event::MediaEpochChanged { call, conversation });
        }
        for call in self.broadcasts_here(conversation) {
            self.event(Event::MediaEpochChanged { call, conversation });
        }
    }

    /// Calls that are not over, with their conversations: what is resumed after a lost connection.
    pub fn calls(&self) -> BTreeMap<CallId, ConversationId> {
        self.calls.iter().map(|(id, call)| (*id, call.conversation)).collect()
    }
}
