//! Who was in a group when, from what the node made durable: what each device is owed, whatever the node and the devices remember.
use std::collections::BTreeMap;
use wardline_protocol::{ConversationId, DeviceId};
use wardline_signaling::Write;

/// A device in a group, from one entry to another.
#[derive(Clone, Debug)]
pub struct Time {
    /// Which device.
    pub device: DeviceId,
    /// The first entry that is for it.
    pub first_seq: u64,
    /// The last entry, if it is over.
    pub last_seq: Option<u64>,
    /// It was taken out before it had taken its Welcome: the Welcome is withdrawn, so it was never really in.
    pub withdrawn: bool,
}

/// All of them, by conversation.
#[derive(Default)]
pub struct Times {
    heads: BTreeMap<ConversationId, u64>,
    times: BTreeMap<ConversationId, Vec<Time>>,
}

impl Times {
    /// The times in one conversation, in the order in which they began.
    pub fn of(&self, conversation: &ConversationId) -> &[Time] {
        self.times.get(conversation).map(Vec::as_slice).unwrap_or_default()
    }

    /// Takes in what became durable, but for devices' leaving.
    pub fn follow(&mut self, write: &Write) {
        match write {
            Write::Entry(entry) => {
                self.heads.insert(ConversationId::parse(&entry.conversation_id).unwrap(), entry.seq);
            }
            Write::MemberJoined { conversation_id, device_id, first_seq } => {
                let times = self.times.entry(*conversation_id).or_default();
                // Joined again from outside: the earlier time ends with the commit that did it.
                if let Some(open) = open(times, *device_id) {
                    open.last_seq = Some(first_seq - 1);
                }
                times.push(Time { device: *device_id, first_seq: *first_seq, last_seq: None, withdrawn: false });
            }
            _ => {}
        }
    }

    /// The newest entry is the commit that removed the device, which had applied the log up to `cursor`.
    pub fn left(&mut self, conversation: ConversationId, device: DeviceId, welcome_waits: bool, cursor: u64) {
        let head = self.heads.get(&conversation).copied();
        let Some(time) = open(self.times.entry(conversation).or_default(), device) else { return };
        time.withdrawn = welcome_waits && cursor + 1 < time.first_seq;
        time.last_seq = head;
    }
}

fn open(times: &mut [Time], device: DeviceId) -> Option<&mut Time> {
    times.iter_mut().find(|time| time.device == device && time.last_seq.is_none())
}
