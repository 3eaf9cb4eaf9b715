//! One broadcast as a state machine: live, its sender lost for a while, over; and who watches. Pure: events in, effects out.
use crate::limit::{HOLD_MS, VIEWERS_TOLD_EVERY_MS};
use std::collections::{BTreeMap, BTreeSet};
use wardline_protocol::wire::broadcast_state::EndReason;
use wardline_protocol::{AccountId, CallId, ConversationId, DeviceId};

/// One device sends, the others of a channel watch.
pub(crate) struct Broadcast {
    pub(crate) id: CallId,
    pub(crate) conversation_id: ConversationId,
    pub(crate) sender: DeviceId,
    pub(crate) sender_account: AccountId,
    pub(crate) started_ms: u64,
    sender_lost_at_ms: Option<u64>,
    viewers: BTreeMap<DeviceId, Viewer>,
    /// Viewers whose media is silent, by the time at which their places are given up.
    silent: BTreeSet<(u64, DeviceId)>,
    connected: usize,
    told: Told,
}

#[derive(Default)]
struct Viewer {
    connected: bool,
    silent_until_ms: Option<u64>,
}

/// What was said of the number of viewers.
struct Told {
    count: usize,
    at_ms: u64,
}

/// What follows from an event, to be carried out in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Every device in the channel hears the state.
    TellChannel,
    /// Who watches and who sends hear it: how many watch has changed.
    TellViewers,
    /// This viewer's media ends.
    Disconnect(DeviceId),
    /// It is over: everybody hears why, its room is closed, and it is forgotten.
    Over(EndReason),
}

impl Broadcast {
    /// A broadcast begins; its sender's media is on its way.
    pub(crate) fn start(
        id: CallId,
        conversation_id: ConversationId,
        (sender, sender_account): (DeviceId, AccountId),
        now_ms: u64,
    ) -> Self {
        Broadcast {
            id,
            conversation_id,
            sender,
            sender_account,
            started_ms: now_ms,
            sender_lost_at_ms: None,
            viewers: BTreeMap::new(),
            silent: BTreeSet::new(),
            connected: 0,
            told: Told { count: 0, at_ms: now_ms },
        }
    }

    /// Whether its sender is lost at the moment.
    pub(crate) fn is_sender_lost(&self) -> bool {
        self.sender_lost_at_ms.is_some()
    }

    /// Viewers whose media is connected.
    pub(crate) fn connected(&self) -> usize {
        self.connected
    }

    /// Everybody who has a place to watch from.
    pub(crate) fn viewers(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.viewers.keys().copied()
    }

    /// A device wants to watch; its media will be connected.
    pub(crate) fn join(&mut self, device_id: DeviceId) {
        self.viewers.entry(device_id).or_default();
    }

    /// A device does not watch any more, or may not.
    pub(crate) fn leave(&mut self, device_id: DeviceId, now_ms: u64) -> Vec<Effect> {
        if self.forget(device_id) { self.counted(now_ms, vec![Effect::Disconnect(device_id)]) } else { Vec::new() }
    }

    fn forget(&mut self, device_id: DeviceId) -> bool {
        let Some(viewer) = self.viewers.remove(&device_id) else { return false };
        self.connected -= usize::from(viewer.connected);
        if let Some(until_ms) = viewer.silent_until_ms {
            self.silent.remove(&(until_ms, device_id));
        }
        true
    }

    /// Somebody's media is up, or silent.
    pub(crate) fn media_changed(&mut self, device_id: DeviceId, lost: bool, now_ms: u64) -> Vec<Effect> {
        if device_id == self.sender {
            let was_lost = self.sender_lost_at_ms.is_some();
            self.sender_lost_at_ms = lost.then(|| self.sender_lost_at_ms.unwrap_or(now_ms));
            return if lost == was_lost { Vec::new() } else { vec![Effect::TellChannel] };
        }
        let Some(viewer) = self.viewers.get_mut(&device_id) else { return Vec::new() };
        self.connected -= usize::from(std::mem::replace(&mut viewer.connected, !lost));
        self.connected += usize::from(!lost);
        if let Some(until_ms) = viewer.silent_until_ms.take() {
            self.silent.remove(&(until_ms, device_id));
        }
        if lost {
            let until_ms = now_ms + HOLD_MS;
            viewer.silent_until_ms = Some(until_ms);
            self.silent.insert((until_ms, device_id));
        }
        self.counted(now_ms, Vec::new())
    }

    // How many watch is told at once when it was not told for a while, and with the next wake otherwise.
    fn counted(&mut self, now_ms: u64, mut effects: Vec<Effect>) -> Vec<Effect> {
        if self.count_due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            self.told = Told { count: self.connected, at_ms: now_ms };
            effects.push(Effect::TellViewers);
        }
        effects
    }

    fn count_due_ms(&self) -> Option<u64> {
        (self.told.count != self.connected).then_some(self.told.at_ms + VIEWERS_TOLD_EVERY_MS)
    }

    /// When it needs [`Broadcast::expire`].
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        let sender = self.sender_lost_at_ms.map(|at_ms| at_ms + HOLD_MS);
        let viewer = self.silent.first().map(|(until_ms, _)| *until_ms);
        [sender, viewer, self.count_due_ms()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Vec<Effect> {
        if self.sender_lost_at_ms.is_some_and(|at_ms| at_ms + HOLD_MS <= now_ms) {
            return vec![Effect::Over(EndReason::SenderLost)];
        }
        let mut effects = Vec::new();
        while let Some((until_ms, device_id)) = self.silent.first().copied()
            && until_ms <= now_ms
        {
            self.forget(device_id);
            effects.push(Effect::Disconnect(device_id));
        }
        self.counted(now_ms, effects)
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
