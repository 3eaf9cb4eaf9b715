//! What a device may still read of a group it is out of: everything from its first entry to the commit that removed it.
//!
//! A device that was behind when it was taken out asks for the rest when it is back. Each of its times in the group is kept apart,
//! since it may have been added again meanwhile; a time is forgotten once the device says that it has stored its end.
use super::{Conversation, head};
use crate::limit::FORMER_TIMES_MAX;
use crate::plane::{Plane, Reply};
use crate::session::Caller;
use crate::store::{FormerRow, Query, Write};
use std::collections::{BTreeMap, BTreeSet};
use wardline_protocol::wire::{self, response};
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, WireError};

/// The times in the group of devices that are out of it: the last seq by the first one.
#[derive(Default)]
pub(super) struct Former {
    times: BTreeMap<DeviceId, BTreeMap<u64, u64>>,
}

impl Former {
    pub(super) fn open(rows: &[FormerRow]) -> Self {
        let mut former = Self::default();
        for row in rows {
            former.times.entry(row.device_id).or_default().insert(row.first_seq, row.left_seq);
        }
        former
    }

    /// The end of the time that `seq` lies in.
    fn end_of(&self, device_id: DeviceId, seq: u64) -> Option<u64> {
        let (_, left_seq) = self.times.get(&device_id)?.range(..=seq).next_back()?;
        Some(*left_seq).filter(|left_seq| *left_seq >= seq)
    }

    /// The first entry at or after `from_seq` that lies in one of the device's times.
    fn next_within(&self, device_id: DeviceId, from_seq: u64) -> Option<u64> {
        let mut times = self.times.get(&device_id)?.iter();
        times.find(|(_, left_seq)| **left_seq >= from_seq).map(|(first_seq, _)| from_seq.max(*first_seq))
    }

    /// The end of the device's last time; 0 when nothing is kept for it.
    pub(super) fn newest_end(&self, device_id: DeviceId) -> u64 {
        self.times.get(&device_id).and_then(|times| times.last_key_value()).map_or(0, |(_, left_seq)| *left_seq)
    }

    /// Notes a time that ended. False when the device has too many already: it has not come for the oldest yet, and the Welcomes of
    /// the later ones are gone, so the new one is what it could read least.
    fn keep(&mut self, device_id: DeviceId, first_seq: u64, left_seq: u64) -> bool {
        let times = self.times.entry(device_id).or_default();
        let room = times.len() < FORMER_TIMES_MAX;
        if room {
            times.insert(first_seq, left_seq);
        }
        room
    }

    /// Drops the times that ended by `seq`. Gives whether there were any, and whether more are left.
    fn forget(&mut self, device_id: DeviceId, seq: u64) -> (bool, bool) {
        let Some(times) = self.times.get_mut(&device_id) else { return (false, false) };
        let before = times.len();
        times.retain(|_, left_seq| *left_seq > seq);
        let (any, more) = (times.len() < before, !times.is_empty());
        if !more {
            self.times.remove(&device_id);
        }
        (any, more)
    }

    fn devices(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.times.keys().copied()
    }
}

impl Plane {
    /// Indexes what was loaded: which conversations a device was in.
    pub(super) fn open_former(&mut self, conversation_id: ConversationId, conversation: &Conversation) {
        for device_id in conversation.former.devices() {
            if let Some(device) = self.devices.get_mut(&device_id) {
                device.former.insert(conversation_id);
            }
        }
    }

    /// The commit at `left_seq` took the device out. A revoked device and one of a deleted account never sign in again.
    pub(super) fn keep_former(
        &mut self,
        conversation_id: ConversationId,
        device_id: DeviceId,
        first_seq: u64,
        left_seq: u64,
    ) {
        let Some(device) = self.devices.get_mut(&device_id).filter(|device| !device.revoked) else { return };
        let deleted = self.directory.account(&device.account_id).is_none_or(|record| record.deleted);
        let Some(conversation) = self.conversations.get_mut(&conversation_id).filter(|_| !deleted) else { return };
        if conversation.former.keep(device_id, first_seq, left_seq) {
            device.former.insert(conversation_id);
            self.write(Write::FormerMember { conversation_id, device_id, first_seq, left_seq });
        }
    }

    /// The device has stored everything up to `seq`: what ended by then is not kept for it any more.
    pub(super) fn forget_former(&mut self, conversation_id: ConversationId, device_id: DeviceId, seq: u64) {
        let Some(conversation) = self.conversations.get_mut(&conversation_id) else { return };
        let (any, more) = conversation.former.forget(device_id, seq);
        if !more && let Some(device) = self.devices.get_mut(&device_id) {
            device.former.remove(&conversation_id);
        }
        if any {
            self.write(Write::ForgetFormer { conversation_id, device_id, up_to_seq: seq });
        }
    }

    /// The device was revoked: nothing is kept for it. The store drops it with the device.
    pub(crate) fn drop_former(&mut self, device_id: DeviceId) {
        let Some(device) = self.devices.get_mut(&device_id) else { return };
        for conversation_id in std::mem::take(&mut device.former) {
            if let Some(conversation) = self.conversations.get_mut(&conversation_id) {
                conversation.former.forget(device_id, u64::MAX);
            }
        }
    }

    /// A conversation this device is in, or was in with something left to read. Its account may have left it.
    pub(crate) fn readable(&self, caller: Caller, conversation_id: ConversationId) -> Result<&Conversation, WireError> {
        let readable = self.conversations.get(&conversation_id).filter(|conversation| {
            let device_id = caller.device_id;
            conversation.members.contains_key(&device_id) || conversation.former.newest_end(device_id) > 0
        });
        match readable {
            Some(conversation) => Ok(conversation),
            None => self.conversation_of(caller.account_id, conversation_id),
        }
    }

    pub(crate) fn fetch_log(&mut self, caller: Caller, request: &wire::FetchLog) -> Result<Reply, WireError> {
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let conversation = self.readable(caller, conversation_id)?;
        let from_seq = if let Some(within) = conversation.former.next_within(caller.device_id, request.from_seq) {
            within
        } else if conversation.members.contains_key(&caller.device_id)
            && let Some(first_seq) = conversation.first_seq.get(&caller.device_id)
        {
            request.from_seq.max(*first_seq)
        } else {
            // Whose account may not join from outside hears that there is nothing for it.
            self.conversation_of(caller.account_id, conversation_id)?;
            return Err(WireError::new(Code::Orphaned, "this device is not in the group: join from outside"));
        };
        Ok(self.read(caller, Query::Log { conversation_id, from_seq }))
    }

    /// A page as this device may see it: nothing behind its removal, which may have come while the store was reading.
    pub(crate) fn log_read(&self, device_id: Option<DeviceId>, mut entries: Vec<wire::Entry>) -> Reply {
        let first = entries.first().map_or(0, |entry| entry.seq);
        let conversation = entries
            .first()
            .and_then(|entry| ConversationId::parse(&entry.conversation_id).ok())
            .and_then(|id| self.conversations.get(&id));
        let durable_seq = conversation.map_or(0, |conversation| conversation.durable_seq);
        let end = conversation.zip(device_id).and_then(|(conversation, id)| conversation.former.end_of(id, first));
        let head_seq = end.map_or(durable_seq, |end| end.min(durable_seq));
        if end.is_some() {
            entries.retain(|entry| entry.seq <= head_seq);
        }
        Reply::Now(response::Result::Log(wire::Log { entries, head_seq }))
    }

    /// Heads of what is not on the account's list any more: where this device has something left to read.
    pub(super) fn former_heads(&self, device_id: DeviceId) -> Vec<wire::ConversationHead> {
        let Some(device) = self.devices.get(&device_id) else { return Vec::new() };
        let listed = self.accounts.get(&device.account_id).map(|account| &account.conversations);
        let departing = listed.into_iter().flatten();
        let ids: BTreeSet<ConversationId> = departing.chain(&device.former).copied().collect();
        ids.into_iter()
            .filter(|id| self.conversation_of(device.account_id, *id).is_err())
            .filter_map(|id| former_head(id, self.conversations.get(&id)?, device.account_id, device_id))
            .collect()
    }
}

/// Who is off the roster is not told how the conversation went on.
fn former_head(
    conversation_id: ConversationId,
    conversation: &Conversation,
    account_id: AccountId,
    device_id: DeviceId,
) -> Option<wire::ConversationHead> {
    if conversation.members.contains_key(&device_id) {
        return Some(wire::ConversationHead {
            former: true,
            ..head(conversation_id, conversation, account_id, device_id)
        });
    }
    let left_seq = conversation.former.newest_end(device_id);
    (left_seq > 0).then(|| wire::ConversationHead {
        conversation_id: conversation_id.to_bytes(),
        kind: conversation.kind().into(),
        head_seq: left_seq.min(conversation.durable_seq),
        left_seq,
        former: true,
        ..Default::default()
    })
}
