//! Broadcasts in the plane: who may go live in a channel, who may watch, who hears of it; and carrying out what the machine says.

mod machine;

use crate::call::checked_offer;
use crate::input::{Class, MediaCommand, Output, SdpOffer, SessionId};
use crate::plane::{Plane, Reply};
use crate::session::{Caller, done};
use machine::{Broadcast, Effect};
use std::collections::BTreeMap;
use wardline_protocol::wire::broadcast_state::{EndReason, State};
use wardline_protocol::wire::{self, server_frame};
use wardline_protocol::{CallId, Code, ConversationId, DeviceId, WireError};

/// The broadcasts there are.
#[derive(Default)]
pub(crate) struct Broadcasts {
    live: BTreeMap<CallId, Broadcast>,
}

impl Broadcasts {
    pub(crate) fn next_wake_ms(&self) -> Option<u64> {
        self.live.values().filter_map(Broadcast::deadline_ms).min()
    }

    /// Broadcasts, and viewers of all of them.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.live.len(), self.live.values().map(Broadcast::connected).sum())
    }

    pub(crate) fn contains(&self, id: CallId) -> bool {
        self.live.contains_key(&id)
    }

    fn ids(&self, wanted: impl Fn(&Broadcast) -> bool) -> Vec<CallId> {
        self.live.values().filter(|broadcast| wanted(broadcast)).map(|broadcast| broadcast.id).collect()
    }
}

impl Plane {
    pub(crate) fn start_broadcast(
        &mut self,
        caller: Caller,
        request: wire::StartBroadcast,
    ) -> Result<Reply, WireError> {
        let id = CallId::parse(&request.broadcast_id)?;
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let offer = checked_offer(request.offer_sdp)?;
        self.check_broadcaster(caller, conversation_id)?;
        if self.broadcasts.contains(id) || self.calls.contains(id) {
            return Err(WireError::new(Code::WrongCallState, "this broadcast id is taken"));
        }
        if let Some(own) = self.broadcasts.ids(|live| live.conversation_id == conversation_id).first() {
            let error = WireError::new(Code::Busy, "a broadcast is live in this channel already");
            return Err(WireError { existing_id: own.as_bytes().to_vec(), ..error });
        }
        let sender = (caller.device_id, caller.account_id);
        self.broadcasts.live.insert(id, Broadcast::start(id, conversation_id, sender, self.now_ms));
        self.connect_to_broadcast(caller, id, offer);
        self.output(Output::Media(MediaCommand::AllowSending { call: id, device: caller.device_id }));
        self.carry_out_broadcast(id, vec![Effect::TellChannel]);
        Ok(Reply::Later)
    }

    pub(crate) fn join_broadcast(&mut self, caller: Caller, request: wire::JoinBroadcast) -> Result<Reply, WireError> {
        let id = CallId::parse(&request.broadcast_id)?;
        let offer = checked_offer(request.offer_sdp)?;
        let broadcast = self.broadcasts.live.get(&id).ok_or_else(unknown)?;
        let (sends, conversation_id) = (broadcast.sender == caller.device_id, broadcast.conversation_id);
        self.check_viewer(caller, conversation_id)?;
        if !sends && let Some(broadcast) = self.broadcasts.live.get_mut(&id) {
            broadcast.join(caller.device_id);
        }
        self.connect_to_broadcast(caller, id, offer);
        if sends {
            self.output(Output::Media(MediaCommand::AllowSending { call: id, device: caller.device_id }));
        }
        Ok(Reply::Later)
    }

    fn connect_to_broadcast(&mut self, caller: Caller, call: CallId, offer: SdpOffer) {
        let Caller { session, request_id, device_id: device, .. } = caller;
        self.output(Output::Media(MediaCommand::Connect { session, request_id, call, device, offer }));
    }

    pub(crate) fn leave_broadcast(&mut self, caller: Caller, id: &[u8]) -> Result<Reply, WireError> {
        let id = CallId::parse(id)?;
        // That it is over by now, or left already, is as good.
        self.for_broadcasts(|live| live.id == id, |live, now_ms| live.leave(caller.device_id, now_ms));
        Ok(done())
    }

    pub(crate) fn stop_broadcast(&mut self, caller: Caller, id: &[u8]) -> Result<Reply, WireError> {
        let id = self.operated_broadcast(caller, id)?;
        self.carry_out_broadcast(id, vec![Effect::Over(EndReason::Stopped)]);
        Ok(done())
    }

    pub(crate) fn fetch_broadcast_report(&mut self, caller: Caller, id: &[u8]) -> Result<Reply, WireError> {
        let call = self.operated_broadcast(caller, id)?;
        let Caller { session, request_id, .. } = caller;
        self.output(Output::Media(MediaCommand::Report { session, request_id, call }));
        Ok(Reply::Later)
    }

    /// A live broadcast of a channel in which the caller is an operator.
    fn operated_broadcast(&self, caller: Caller, id: &[u8]) -> Result<CallId, WireError> {
        let broadcast = self.broadcasts.live.get(&CallId::parse(id)?).ok_or_else(unknown)?;
        self.check_broadcaster(caller, broadcast.conversation_id)?;
        Ok(broadcast.id)
    }

    // ---- sessions, media and rights come and go ----

    /// A device has signed in: it hears of what is live in its channels.
    pub(crate) fn tell_live_broadcasts(&mut self, device_id: DeviceId, session: SessionId) {
        for id in self.broadcasts.ids(|_| true) {
            let Some(broadcast) = self.broadcasts.live.get(&id) else { continue };
            if self.is_in(broadcast.conversation_id, device_id) {
                let state = state_of(broadcast, None);
                self.send(session, server_frame::Body::BroadcastState(state), Class::Required);
            }
        }
    }

    pub(crate) fn broadcast_media_changed(&mut self, id: CallId, device_id: DeviceId, lost: bool) {
        self.for_broadcasts(|live| live.id == id, |live, now_ms| live.media_changed(device_id, lost, now_ms));
    }

    pub(crate) fn expire_broadcasts(&mut self) {
        self.for_broadcasts(|_| true, |live, now_ms| live.expire(now_ms));
    }

    /// A device may do nothing any more.
    pub(crate) fn revoke_from_broadcasts(&mut self, device_id: DeviceId) {
        for id in self.broadcasts.ids(|live| live.sender == device_id) {
            self.carry_out_broadcast(id, vec![Effect::Over(EndReason::Revoked)]);
        }
        self.for_broadcasts(|_| true, |live, now_ms| live.leave(device_id, now_ms));
    }

    /// The statements have changed, or a channel's group: who may not watch any more is out at once, and who may not send.
    pub(crate) fn broadcasts_follow_rights(&mut self) {
        for id in self.broadcasts.ids(|_| true) {
            let Some(live) = self.broadcasts.live.get(&id) else { continue };
            let conversation_id = live.conversation_id;
            if !self.may_broadcast(live.sender, conversation_id) {
                self.carry_out_broadcast(id, vec![Effect::Over(EndReason::Revoked)]);
                continue;
            }
            let out: Vec<DeviceId> =
                live.viewers().filter(|device_id| !self.may_watch(*device_id, conversation_id)).collect();
            for device_id in out {
                self.for_broadcasts(|live| live.id == id, |live, now_ms| live.leave(device_id, now_ms));
            }
        }
    }

    /// Devices have come into a channel: they hear of what is live in it.
    pub(crate) fn tell_newcomers_of_broadcasts(&mut self, conversation_id: ConversationId, added: &[DeviceId]) {
        for id in self.broadcasts.ids(|live| live.conversation_id == conversation_id) {
            let Some(broadcast) = self.broadcasts.live.get(&id) else { continue };
            let state = state_of(broadcast, None);
            for device_id in added {
                self.push_to_device(*device_id, server_frame::Body::BroadcastState(state.clone()), Class::Required);
            }
        }
    }

    pub(crate) fn end_all_broadcasts(&mut self, reason: EndReason) {
        for id in self.broadcasts.ids(|_| true) {
            self.carry_out_broadcast(id, vec![Effect::Over(reason)]);
        }
    }

    fn for_broadcasts(
        &mut self,
        wanted: impl Fn(&Broadcast) -> bool,
        mut event: impl FnMut(&mut Broadcast, u64) -> Vec<Effect>,
    ) {
        let now_ms = self.now_ms;
        for id in self.broadcasts.ids(wanted) {
            let effects = self.broadcasts.live.get_mut(&id).map(|live| event(live, now_ms)).unwrap_or_default();
            self.carry_out_broadcast(id, effects);
        }
    }

    // ---- carrying out ----

    fn carry_out_broadcast(&mut self, id: CallId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::TellChannel => self.tell_channel(id, None),
                Effect::TellViewers => {
                    let Some(live) = self.broadcasts.live.get(&id) else { continue };
                    let devices: Vec<DeviceId> = live.viewers().chain([live.sender]).collect();
                    self.tell_broadcast(state_of(live, None), devices, Class::Ephemeral);
                }
                Effect::Disconnect(device) => {
                    self.output(Output::Media(MediaCommand::Disconnect { call: id, device }));
                }
                Effect::Over(reason) => {
                    self.tell_channel(id, Some(reason));
                    self.broadcasts.live.remove(&id);
                    self.output(Output::Media(MediaCommand::CloseRoom { call: id }));
                }
            }
        }
    }

    fn tell_channel(&mut self, id: CallId, end: Option<EndReason>) {
        let Some(live) = self.broadcasts.live.get(&id) else { return };
        let devices = self.devices_in(live.conversation_id);
        self.tell_broadcast(state_of(live, end), devices, Class::Required);
    }

    fn tell_broadcast(&mut self, state: wire::BroadcastState, devices: Vec<DeviceId>, class: Class) {
        let session = |device_id: &DeviceId| self.devices.get(device_id).and_then(|device| device.session);
        let sessions: Vec<SessionId> = devices.iter().filter_map(session).collect();
        if !sessions.is_empty() {
            let frame = wire::ServerFrame { body: Some(server_frame::Body::BroadcastState(state)) };
            self.output(Output::FanOut { sessions, frame, class });
        }
    }
}

fn state_of(live: &Broadcast, end: Option<EndReason>) -> wire::BroadcastState {
    let state = match end {
        Some(_) => State::Ended,
        None if live.is_sender_lost() => State::SenderLost,
        None => State::Live,
    };
    wire::BroadcastState {
        broadcast_id: live.id.to_bytes(),
        conversation_id: live.conversation_id.to_bytes(),
        sender_account_id: live.sender_account.to_bytes(),
        sender_device_id: live.sender.to_bytes(),
        started_at_ms: live.started_ms,
        viewers: live.connected() as u32, // bounded by MEMBERS_MAX
        state: state.into(),
        reason: end.unwrap_or_default().into(),
    }
}

fn unknown() -> WireError {
    WireError::new(Code::UnknownCall, "no such broadcast, or it is over")
}
