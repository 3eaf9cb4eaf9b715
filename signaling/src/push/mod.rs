//! Web Push: which devices can be woken, and when they are. That something came, and whether it rings, is all that is ever said; who and what the
//! device learns from the node, when it has connected.
//!
//! Absent on purpose: sending, encryption and the VAPID key, which are the shell's (`relay`).
mod endpoint;

pub use endpoint::{Endpoint, PushServices};

use crate::input::Output;
use crate::plane::{Plane, Reply};
use crate::session::{Caller, done, done_when_durable};
use crate::store::{PushRow, Write};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use wardline_protocol::limit::{PUSH_AUTH_BYTES, PUSH_P256DH_BYTES};
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, WireError, wire};

/// What a browser gives out so that its device can be woken. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PushSubscription {
    /// Where a push is sent to, as the browser gave it.
    pub endpoint: String,
    /// The browser's key: a point of P-256, not compressed (RFC 8291 section 2.1).
    pub p256dh: [u8; PUSH_P256DH_BYTES],
    /// The browser's secret (RFC 8291 section 2.2).
    pub auth: [u8; PUSH_AUTH_BYTES],
}

impl fmt::Debug for PushSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PushSubscription(redacted)")
    }
}

/// Why a device is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushKind {
    /// There is at least one message that it has not got.
    Message,
    /// It rings.
    Call,
}

/// One push to be sent. Nothing waits for it, and none of it is repeated by the plane.
#[derive(Clone, Debug)]
pub struct Push {
    /// Who is woken.
    pub device_id: DeviceId,
    /// How.
    pub subscription: Arc<PushSubscription>,
    /// Why.
    pub kind: PushKind,
}

/// What the plane knows of one device's pushes.
#[derive(Default)]
pub(crate) struct Waking {
    subscription: Option<Arc<PushSubscription>>,
    /// A message push went out since it was last connected: a further one would say nothing new.
    message_pushed: bool,
    /// The newest message of each conversation that went to its session and that it has not said to have stored. Kept for devices that can be woken.
    unheard: BTreeMap<ConversationId, u64>,
}

impl Waking {
    /// The device is here.
    pub(crate) fn connected(&mut self) {
        self.message_pushed = false;
        self.unheard.clear(); // it is told how far each conversation is
    }
}

impl Plane {
    pub(crate) fn open_pushes(&mut self, rows: &[PushRow]) {
        for PushRow { device_id, subscription } in rows {
            if let Some(device) = self.devices.get_mut(device_id) {
                device.waking.subscription = Some(Arc::new(subscription.clone()));
            }
        }
    }

    pub(crate) fn register_push(&mut self, caller: Caller, request: wire::RegisterPush) -> Result<Reply, WireError> {
        let malformed = || WireError::new(Code::Malformed, "a push subscription's keys have another length");
        let subscription = PushSubscription {
            p256dh: request.p256dh.as_ref().try_into().map_err(|_| malformed())?,
            auth: request.auth.as_ref().try_into().map_err(|_| malformed())?,
            endpoint: request.endpoint,
        };
        let Some(services) = &self.limits.push else {
            return Err(WireError::new(Code::Forbidden, "this node sends no pushes"));
        };
        if Endpoint::parse(&subscription.endpoint, services).is_none() {
            return Err(WireError::new(Code::Forbidden, "this node sends no pushes to this browser's push service"));
        }
        let Some(device) = self.devices.get_mut(&caller.device_id) else { return Ok(done()) };
        if device.waking.subscription.as_deref() == Some(&subscription) {
            return Ok(done_when_durable()); // perhaps the first time is not durable yet
        }
        device.waking.subscription = Some(Arc::new(subscription.clone()));
        self.take_from_others(caller.device_id, &subscription.endpoint);
        self.write(Write::Push(PushRow { device_id: caller.device_id, subscription }));
        Ok(done_when_durable())
    }

    /// A browser that enrolled anew kept its address: who had it before is gone, and what comes for it must not be announced to somebody else.
    fn take_from_others(&mut self, owner: DeviceId, endpoint: &str) {
        let others = self.devices.iter().filter(|(device_id, device)| {
            **device_id != owner && device.waking.subscription.as_ref().is_some_and(|other| other.endpoint == endpoint)
        });
        for device_id in others.map(|(device_id, _)| *device_id).collect::<Vec<_>>() {
            self.forget_push(device_id);
        }
    }

    pub(crate) fn unregister_push(&mut self, caller: Caller) -> Reply {
        self.forget_push(caller.device_id);
        done_when_durable()
    }

    /// The device is not woken any more.
    pub(crate) fn forget_push(&mut self, device_id: DeviceId) {
        let had = self.devices.get_mut(&device_id).and_then(|device| device.waking.subscription.take());
        if had.is_some() {
            self.write(Write::DropPush { device_id });
        }
    }

    /// The push service does not know this address any more. The device may have registered another one since.
    pub(crate) fn push_gone(&mut self, device_id: DeviceId, endpoint: &str) {
        let device = self.devices.get(&device_id);
        if device.and_then(|device| device.waking.subscription.as_ref()).is_some_and(|own| own.endpoint == endpoint) {
            self.forget_push(device_id);
        }
    }

    /// Wakes a device for a durable message, unless it is connected, knows already, or its own person wrote it.
    pub(crate) fn wake_for_message(
        &mut self,
        device_id: DeviceId,
        conversation_id: ConversationId,
        entry: &wire::Entry,
    ) {
        let Some(device) = self.devices.get_mut(&device_id) else { return };
        if device.account_id.as_bytes().as_slice() == entry.sender_account_id {
            return;
        }
        if device.session.is_none() {
            self.wake_once(device_id);
        } else if device.waking.subscription.is_some() {
            device.waking.unheard.insert(conversation_id, entry.seq);
        }
    }

    /// The device has stored a conversation so far.
    pub(crate) fn heard(&mut self, device_id: DeviceId, conversation_id: ConversationId, delivered_seq: u64) {
        let Some(device) = self.devices.get_mut(&device_id) else { return };
        if device.waking.unheard.get(&conversation_id).is_some_and(|seq| *seq <= delivered_seq) {
            device.waking.unheard.remove(&conversation_id);
        }
    }

    /// The device's connection is gone, perhaps for some time already: a phone that falls asleep says nothing. What was sent to it meanwhile, and what
    /// rings, it is woken for now.
    pub(crate) fn wake_after_loss(&mut self, device_id: DeviceId) {
        if self.rings_at(device_id) {
            self.wake(device_id, PushKind::Call);
        }
        let unheard = self.devices.get_mut(&device_id).map(|device| std::mem::take(&mut device.waking.unheard));
        if unheard.is_some_and(|unheard| !unheard.is_empty()) {
            self.wake_once(device_id);
        }
    }

    fn wake_once(&mut self, device_id: DeviceId) {
        let told = self.devices.get(&device_id).is_none_or(|device| device.waking.message_pushed);
        if !told
            && self.wake(device_id, PushKind::Message)
            && let Some(device) = self.devices.get_mut(&device_id)
        {
            device.waking.message_pushed = true;
        }
    }

    /// Wakes every device of the account that is not connected; says whether there was one.
    pub(crate) fn wake_for_call(&mut self, account_id: AccountId) -> bool {
        let devices = self.accounts.get(&account_id).map(|account| account.devices.clone()).unwrap_or_default();
        devices.into_iter().filter(|device_id| self.wake(*device_id, PushKind::Call)).count() > 0
    }

    fn wake(&mut self, device_id: DeviceId, kind: PushKind) -> bool {
        let asleep = self.devices.get(&device_id).filter(|device| device.session.is_none());
        let subscription = asleep.and_then(|device| device.waking.subscription.clone());
        match subscription.filter(|_| self.limits.push.is_some() && self.device_usable(device_id)) {
            Some(subscription) => {
                self.output(Output::Push(Push { device_id, subscription, kind }));
                true
            }
            None => false,
        }
    }
}
