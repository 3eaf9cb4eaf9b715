//! Calls in the plane: who may call whom, who is busy, and carrying out what the call machine says.

mod machine;

use crate::input::{Class, MediaCommand, MediaEvent, Output, SdpOffer};
use crate::plane::{Plane, Reply};
use crate::session::{Caller, done};
use machine::{Call, Effect, News, Refusal};
use std::collections::BTreeMap;
use wardline_protocol::wire::call_state::{EndReason, State};
use wardline_protocol::wire::{self, response, server_frame};
use wardline_protocol::{AccountId, CallId, Code, ConversationId, DeviceId, WireError, limit as wire_limit};

/// The calls there are.
#[derive(Default)]
pub(crate) struct Calls {
    calls: BTreeMap<CallId, Call>,
}

impl Calls {
    pub(crate) fn next_wake_ms(&self) -> Option<u64> {
        self.calls.values().map(Call::deadline_ms).filter(|at_ms| *at_ms != u64::MAX).min()
    }

    /// Ringing and talking.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let talking = self.calls.values().filter(|call| call.is_talking()).count();
        (self.calls.len() - talking, talking)
    }

    pub(crate) fn contains(&self, id: CallId) -> bool {
        self.calls.contains_key(&id)
    }

    fn ids(&self, wanted: impl Fn(&Call) -> bool) -> Vec<CallId> {
        self.calls.iter().filter(|(_, call)| wanted(call)).map(|(id, _)| *id).collect()
    }
}

impl Plane {
    pub(crate) fn start_call(&mut self, caller: Caller, request: wire::StartCall) -> Result<Reply, WireError> {
        let call_id = CallId::parse(&request.call_id)?;
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let offer = checked_offer(request.offer_sdp)?;
        if self.calls.contains(call_id) || self.broadcasts.contains(call_id) {
            return Err(WireError::new(Code::WrongCallState, "this call id is taken"));
        }
        let callee = self.peer_in_direct(caller.account_id, conversation_id)?;
        if let Some(own) = self.calls.ids(|call| call.concerns(caller.account_id)).first() {
            let error = WireError::new(Code::Busy, "you are in a call already");
            return Err(WireError { existing_id: own.as_bytes().to_vec(), ..error });
        }
        let online = self.accounts.get(&callee).map(|account| account.online.clone()).unwrap_or_default();
        let busy = !self.calls.ids(|call| call.concerns(callee)).is_empty();
        // A device that is woken comes online, and rings then: so the call waits for it as long as for one that rings.
        let woken = !busy && self.wake_for_call(callee);
        let unreachable = (online.is_empty() && !woken) || self.account_usable(callee).is_err();

        let (call, effects) = Call::start(
            call_id,
            conversation_id,
            (caller.device_id, caller.account_id),
            callee,
            if busy || unreachable { Default::default() } else { online },
            self.now_ms,
            request.video,
        );
        self.calls.calls.insert(call_id, call);
        if busy || unreachable {
            self.answer(caller.session, caller.request_id, Ok(done()));
            self.end_call(call_id, if busy { EndReason::Busy } else { EndReason::Unreachable });
            return Ok(Reply::Later);
        }
        self.connect(caller, call_id, offer);
        self.carry_out(call_id, effects);
        Ok(Reply::Later)
    }

    pub(crate) fn connect_media(&mut self, caller: Caller, request: wire::ConnectMedia) -> Result<Reply, WireError> {
        let call_id = CallId::parse(&request.call_id)?;
        let offer = checked_offer(request.offer_sdp)?;
        let call = self.call_for(caller, call_id)?;
        let may_send = call.may_send(caller.device_id);
        self.connect(caller, call_id, offer);
        if may_send {
            self.output(Output::Media(MediaCommand::AllowSending { call: call_id, device: caller.device_id }));
        }
        Ok(Reply::Later)
    }

    fn connect(&mut self, caller: Caller, call: CallId, offer: SdpOffer) {
        let Caller { session, request_id, device_id, .. } = caller;
        self.output(Output::Media(MediaCommand::Connect { session, request_id, call, device: device_id, offer }));
    }

    pub(crate) fn report_ringing(&mut self, caller: Caller, call_id: &[u8]) -> Result<Reply, WireError> {
        self.call_event(caller, call_id, |call, device_id, _| call.rings(device_id))
    }

    pub(crate) fn accept_call(&mut self, caller: Caller, call_id: &[u8]) -> Result<Reply, WireError> {
        self.call_event(caller, call_id, Call::accept)
    }

    pub(crate) fn decline_call(&mut self, caller: Caller, call_id: &[u8]) -> Result<Reply, WireError> {
        self.call_event(caller, call_id, Call::decline)
    }

    pub(crate) fn hang_up(&mut self, caller: Caller, call_id: &[u8]) -> Result<Reply, WireError> {
        self.call_event(caller, call_id, Call::hang_up)
    }

    fn call_event(
        &mut self,
        caller: Caller,
        call_id: &[u8],
        event: impl FnOnce(&mut Call, DeviceId, u64) -> Result<Vec<Effect>, Refusal>,
    ) -> Result<Reply, WireError> {
        let call_id = CallId::parse(call_id)?;
        let now_ms = self.now_ms;
        let call = self.calls.calls.get_mut(&call_id).ok_or_else(unknown_call)?;
        let effects = event(call, caller.device_id, now_ms).map_err(|refusal| match refusal {
            Refusal::NotYours => unknown_call(),
            Refusal::WrongState => WireError::new(Code::WrongCallState, "not possible in the call's present state"),
        })?;
        // The answer first: who accepts hears of success before the call's news.
        self.answer(caller.session, caller.request_id, Ok(done()));
        self.carry_out(call_id, effects);
        Ok(Reply::Later)
    }

    fn call_for(&self, caller: Caller, call_id: CallId) -> Result<&Call, WireError> {
        self.calls.calls.get(&call_id).filter(|call| call.involves(caller.device_id)).ok_or_else(unknown_call)
    }

    // ---- sessions and media come and go ----

    /// Whether a call rings at this device and nobody has answered.
    pub(crate) fn rings_at(&self, device_id: DeviceId) -> bool {
        let rings = |call: &Call| !call.is_talking() && call.caller.device_id != device_id && call.involves(device_id);
        !self.calls.ids(rings).is_empty()
    }

    pub(crate) fn call_session_lost(&mut self, device_id: DeviceId) {
        self.for_calls(|call| call.involves(device_id), |call, now_ms| call.session_changed(device_id, true, now_ms));
    }

    pub(crate) fn call_session_back(&mut self, device_id: DeviceId, account_id: AccountId) {
        for call_id in self.calls.ids(|call| call.involves(device_id)) {
            let news = self.calls.calls.get(&call_id).and_then(|call| call.news_for(device_id));
            if let Some(news) = news {
                self.tell_call(call_id, device_id, news);
            }
        }
        self.for_calls(|call| call.involves(device_id), |call, now_ms| call.session_changed(device_id, false, now_ms));
        self.for_calls(|call| call.callee_account == account_id, |call, _| call.callee_device_online(device_id));
    }

    pub(crate) fn media_event(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Answered { session, request_id, answer } => {
                let reply = answer
                    .map(|answer_sdp| Reply::Now(response::Result::MediaAnswer(wire::MediaAnswer { answer_sdp })));
                self.answer(session, request_id, reply);
            }
            MediaEvent::Reported { session, request_id, report } => {
                let reply = Reply::Now(response::Result::BroadcastReport(report));
                self.answer(session, request_id, Ok(reply));
            }
            MediaEvent::Connected { call, device } if self.broadcasts.contains(call) => {
                self.broadcast_media_changed(call, device, false);
            }
            MediaEvent::Lost { call, device } if self.broadcasts.contains(call) => {
                self.broadcast_media_changed(call, device, true);
            }
            MediaEvent::Connected { call, device } => {
                self.for_calls(|c| c.id == call, |c, now_ms| c.media_changed(device, false, now_ms));
            }
            MediaEvent::Lost { call, device } => {
                self.for_calls(|c| c.id == call, |c, now_ms| c.media_changed(device, true, now_ms));
            }
        }
    }

    pub(crate) fn expire_calls(&mut self) {
        self.for_calls(|_| true, |call, now_ms| call.expire(now_ms));
    }

    pub(crate) fn revoke_from_calls(&mut self, device_id: DeviceId) {
        let affected = self.calls.ids(|call| call.involves(device_id));
        for call_id in affected {
            self.output(Output::Media(MediaCommand::Disconnect { call: call_id, device: device_id }));
            self.end_call(call_id, EndReason::Revoked);
        }
    }

    pub(crate) fn end_all_calls(&mut self, reason: EndReason) {
        for call_id in self.calls.ids(|_| true) {
            self.end_call(call_id, reason);
        }
    }

    fn end_call(&mut self, call_id: CallId, reason: EndReason) {
        self.for_calls(|call| call.id == call_id, |call, now_ms| call.end(reason, now_ms));
    }

    fn for_calls(&mut self, wanted: impl Fn(&Call) -> bool, mut event: impl FnMut(&mut Call, u64) -> Vec<Effect>) {
        let now_ms = self.now_ms;
        for call_id in self.calls.ids(wanted) {
            let effects = self.calls.calls.get_mut(&call_id).map(|call| event(call, now_ms)).unwrap_or_default();
            self.carry_out(call_id, effects);
        }
    }

    // ---- carrying out ----

    fn carry_out(&mut self, call_id: CallId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Tell { device_id, news } => self.tell_call(call_id, device_id, news),
                Effect::AllowSending(device) => {
                    self.output(Output::Media(MediaCommand::AllowSending { call: call_id, device }));
                }
                Effect::Disconnect(device) => {
                    self.output(Output::Media(MediaCommand::Disconnect { call: call_id, device }));
                }
                Effect::Over => {
                    self.calls.calls.remove(&call_id);
                    self.output(Output::Media(MediaCommand::CloseRoom { call: call_id }));
                }
            }
        }
    }

    fn tell_call(&mut self, call_id: CallId, device_id: DeviceId, news: News) {
        let Some(call) = self.calls.calls.get(&call_id) else { return };
        let body = match news {
            News::Incoming => server_frame::Body::IncomingCall(wire::IncomingCall {
                call_id: call_id.to_bytes(),
                conversation_id: call.conversation_id.to_bytes(),
                caller_account_id: call.caller.account_id.to_bytes(),
                caller_device_id: call.caller.device_id.to_bytes(),
                started_at_ms: call.started_ms,
                video: call.video,
            }),
            news => server_frame::Body::CallState(call_state(call_id, news)),
        };
        self.push_to_device(device_id, body, Class::Required);
    }
}

fn call_state(call_id: CallId, news: News) -> wire::CallState {
    let call_id = call_id.to_bytes();
    let state = |state: State| wire::CallState { call_id: call_id.clone(), state: state.into(), ..Default::default() };
    match news {
        News::Incoming | News::Ringing => state(State::Ringing),
        News::Accepted { answering } => {
            wire::CallState { answering_device_id: answering.to_bytes(), ..state(State::Accepted) }
        }
        News::PeerLost => state(State::PeerLost),
        News::PeerResumed => state(State::PeerResumed),
        News::Ended { reason, answering, talked_ms } => wire::CallState {
            reason: reason.into(),
            answering_device_id: answering.map(|id| id.to_bytes()).unwrap_or_default(),
            talked_ms,
            ..state(State::Ended)
        },
    }
}

pub(crate) fn checked_offer(offer_sdp: String) -> Result<SdpOffer, WireError> {
    if offer_sdp.len() > wire_limit::SDP_BYTES_MAX {
        return Err(WireError::new(Code::TooLarge, "the media offer is too large"));
    }
    Ok(SdpOffer(offer_sdp))
}

fn unknown_call() -> WireError {
    WireError::new(Code::UnknownCall, "no such call, or it is over")
}
