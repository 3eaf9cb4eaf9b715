//! One call as a state machine: ringing, talking, over. Pure: events in, effects out.
use crate::limit::{HOLD_MS, RING_MS};
use std::collections::BTreeSet;
use wardline_protocol::wire::call_state::EndReason;
use wardline_protocol::{AccountId, CallId, ConversationId, DeviceId};

/// One call between a caller's device and the devices of another account.
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) conversation_id: ConversationId,
    pub(crate) caller: Side,
    pub(crate) callee_account: AccountId,
    pub(crate) started_ms: u64,
    /// Placed as a video call: for ringing only. The media plane knows by itself what is sent.
    pub(crate) video: bool,
    state: State,
}

/// A device that takes part, and whether it can be reached.
pub(crate) struct Side {
    pub(crate) device_id: DeviceId,
    pub(crate) account_id: AccountId,
    session_lost: bool,
    media_lost: bool,
    lost_at_ms: Option<u64>,
}

enum State {
    /// The callee's devices that were told and have not declined or vanished.
    Ringing {
        told: BTreeSet<DeviceId>,
        rings: bool,
    },
    Talking {
        callee: Side,
        since_ms: u64,
    },
}

/// What follows from an event, to be carried out in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Tell {
        device_id: DeviceId,
        news: News,
    },
    AllowSending(DeviceId),
    Disconnect(DeviceId),
    /// The call is over: its room is closed and it is forgotten.
    Over,
}

/// What a device hears of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Incoming,
    Ringing,
    Accepted { answering: DeviceId },
    PeerLost,
    PeerResumed,
    Ended { reason: EndReason, answering: Option<DeviceId>, talked_ms: u64 },
}

/// Why an event was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The device has no part in this call.
    NotYours,
    /// Not in this state.
    WrongState,
}

impl Side {
    fn new(device_id: DeviceId, account_id: AccountId) -> Self {
        Side { device_id, account_id, session_lost: false, media_lost: false, lost_at_ms: None }
    }

    /// Whether it just became lost, or just came back.
    fn update(&mut self, now_ms: u64) -> Option<News> {
        let lost = self.session_lost || self.media_lost;
        match (lost, self.lost_at_ms) {
            (true, None) => {
                self.lost_at_ms = Some(now_ms);
                Some(News::PeerLost)
            }
            (false, Some(_)) => {
                self.lost_at_ms = None;
                Some(News::PeerResumed)
            }
            _ => None,
        }
    }
}

impl Call {
    /// A call starts: every connected device of the callee hears of it.
    pub(crate) fn start(
        id: CallId,
        conversation_id: ConversationId,
        caller: (DeviceId, AccountId),
        callee_account: AccountId,
        callee_devices: BTreeSet<DeviceId>,
        now_ms: u64,
        video: bool,
    ) -> (Self, Vec<Effect>) {
        let effects = callee_devices.iter().map(|id| tell(*id, News::Incoming)).collect();
        let call = Call {
            id,
            conversation_id,
            caller: Side::new(caller.0, caller.1),
            callee_account,
            started_ms: now_ms,
            video,
            state: State::Ringing { told: callee_devices, rings: false },
        };
        (call, effects)
    }

    pub(crate) fn is_talking(&self) -> bool {
        matches!(self.state, State::Talking { .. })
    }

    /// Whether this device is the caller, is being rung, or has answered.
    pub(crate) fn involves(&self, device_id: DeviceId) -> bool {
        self.caller.device_id == device_id
            || match &self.state {
                State::Ringing { told, .. } => told.contains(&device_id),
                State::Talking { callee, .. } => callee.device_id == device_id,
            }
    }

    /// Whether the account takes part or is being rung.
    pub(crate) fn concerns(&self, account_id: AccountId) -> bool {
        self.caller.account_id == account_id || self.callee_account == account_id
    }

    /// When the call needs [`Call::expire`].
    pub(crate) fn deadline_ms(&self) -> u64 {
        let caller = self.caller.lost_at_ms.map(|at_ms| at_ms + HOLD_MS);
        let other = match &self.state {
            State::Ringing { .. } => Some(self.started_ms + RING_MS),
            State::Talking { callee, .. } => callee.lost_at_ms.map(|at_ms| at_ms + HOLD_MS),
        };
        caller.into_iter().chain(other).min().unwrap_or(u64::MAX)
    }

    pub(crate) fn expire(&mut self, now_ms: u64) -> Vec<Effect> {
        if now_ms < self.deadline_ms() {
            return Vec::new();
        }
        let ringing_over = !self.is_talking() && now_ms >= self.started_ms + RING_MS;
        self.end(if ringing_over { EndReason::NoAnswer } else { EndReason::PeerLost }, now_ms)
    }

    /// A callee's device came online, or signed in again, while it rings.
    pub(crate) fn callee_device_online(&mut self, device_id: DeviceId) -> Vec<Effect> {
        match &mut self.state {
            State::Ringing { told, .. } => {
                told.insert(device_id);
                vec![tell(device_id, News::Incoming)]
            }
            State::Talking { .. } => Vec::new(),
        }
    }

    pub(crate) fn rings(&mut self, device_id: DeviceId) -> Result<Vec<Effect>, Refusal> {
        if !self.involves(device_id) {
            return Err(Refusal::NotYours);
        }
        match &mut self.state {
            State::Ringing { told, rings } if told.contains(&device_id) => {
                let first = !std::mem::replace(rings, true);
                Ok(if first { vec![tell(self.caller.device_id, News::Ringing)] } else { Vec::new() })
            }
            _ => Ok(Vec::new()),
        }
    }

    pub(crate) fn accept(&mut self, device_id: DeviceId, now_ms: u64) -> Result<Vec<Effect>, Refusal> {
        let told = match &self.state {
            State::Ringing { told, .. } if told.contains(&device_id) => told.clone(),
            State::Talking { callee, .. } if callee.device_id == device_id => return Ok(Vec::new()), // said twice
            _ if self.caller.device_id == device_id => return Err(Refusal::WrongState),
            _ => return Err(Refusal::NotYours),
        };
        let accepted = News::Accepted { answering: device_id };
        let elsewhere = News::Ended { reason: EndReason::AcceptedElsewhere, answering: Some(device_id), talked_ms: 0 };
        let mut effects = vec![
            Effect::AllowSending(device_id),
            Effect::AllowSending(self.caller.device_id),
            tell(self.caller.device_id, accepted),
            tell(device_id, accepted),
        ];
        for other in told.into_iter().filter(|other| *other != device_id) {
            effects.push(tell(other, elsewhere));
            effects.push(Effect::Disconnect(other));
        }
        let callee = Side::new(device_id, self.callee_account);
        self.state = State::Talking { callee, since_ms: now_ms };
        Ok(effects)
    }

    /// A device of the callee does not want it: the person has decided, for all devices.
    pub(crate) fn decline(&mut self, device_id: DeviceId, now_ms: u64) -> Result<Vec<Effect>, Refusal> {
        match &self.state {
            State::Ringing { told, .. } if told.contains(&device_id) => {
                let elsewhere =
                    News::Ended { reason: EndReason::DeclinedElsewhere, answering: Some(device_id), talked_ms: 0 };
                let others: Vec<Effect> =
                    told.iter().filter(|id| **id != device_id).map(|id| tell(*id, elsewhere)).collect();
                let ended = News::Ended { reason: EndReason::Declined, answering: None, talked_ms: 0 };
                let mut effects = vec![tell(self.caller.device_id, ended), tell(device_id, ended)];
                effects.extend(others);
                effects.push(Effect::Over);
                Ok(effects)
            }
            State::Talking { callee, .. } if callee.device_id == device_id => Ok(self.end(EndReason::HungUp, now_ms)),
            _ if self.caller.device_id == device_id => Err(Refusal::WrongState),
            _ => Err(Refusal::NotYours),
        }
    }

    pub(crate) fn hang_up(&mut self, device_id: DeviceId, now_ms: u64) -> Result<Vec<Effect>, Refusal> {
        match &self.state {
            State::Ringing { .. } if self.caller.device_id == device_id => Ok(self.end(EndReason::Cancelled, now_ms)),
            State::Ringing { .. } => self.decline(device_id, now_ms),
            State::Talking { .. } if self.involves(device_id) => Ok(self.end(EndReason::HungUp, now_ms)),
            State::Talking { .. } => Err(Refusal::NotYours),
        }
    }

    /// Ends it for everybody who knows of it.
    pub(crate) fn end(&mut self, reason: EndReason, now_ms: u64) -> Vec<Effect> {
        let (mut devices, talked_ms) = match &self.state {
            State::Ringing { told, .. } => (told.iter().copied().collect::<Vec<_>>(), 0),
            State::Talking { callee, since_ms } => (vec![callee.device_id], now_ms.saturating_sub(*since_ms)),
        };
        devices.push(self.caller.device_id);
        let ended = News::Ended { reason, answering: None, talked_ms };
        devices.into_iter().map(|id| tell(id, ended)).chain([Effect::Over]).collect()
    }

    pub(crate) fn session_changed(&mut self, device_id: DeviceId, lost: bool, now_ms: u64) -> Vec<Effect> {
        self.side_changed(device_id, now_ms, |side| side.session_lost = lost)
    }

    pub(crate) fn media_changed(&mut self, device_id: DeviceId, lost: bool, now_ms: u64) -> Vec<Effect> {
        self.side_changed(device_id, now_ms, |side| side.media_lost = lost)
    }

    fn side_changed(&mut self, device_id: DeviceId, now_ms: u64, change: impl FnOnce(&mut Side)) -> Vec<Effect> {
        let caller_device = self.caller.device_id;
        match &mut self.state {
            // A ringing device that vanishes simply rings no more; it is told again when it comes back.
            State::Ringing { .. } if device_id != caller_device => Vec::new(),
            State::Ringing { .. } => {
                change(&mut self.caller);
                self.caller.update(now_ms);
                Vec::new()
            }
            State::Talking { callee, .. } => {
                let (side, other) = if device_id == caller_device {
                    (&mut self.caller, callee.device_id)
                } else if device_id == callee.device_id {
                    (callee, caller_device)
                } else {
                    return Vec::new();
                };
                change(side);
                side.update(now_ms).map(|news| tell(other, news)).into_iter().collect()
            }
        }
    }

    /// What a device that signs in again needs to hear to be up to date.
    pub(crate) fn news_for(&self, device_id: DeviceId) -> Option<News> {
        match &self.state {
            State::Talking { callee, .. } if self.involves(device_id) => {
                Some(News::Accepted { answering: callee.device_id })
            }
            State::Ringing { rings: true, .. } if self.caller.device_id == device_id => Some(News::Ringing),
            _ => None,
        }
    }

    /// Whether what this device sends is forwarded.
    pub(crate) fn may_send(&self, device_id: DeviceId) -> bool {
        self.is_talking() && self.involves(device_id)
    }
}

fn tell(device_id: DeviceId, news: News) -> Effect {
    Effect::Tell { device_id, news }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
