//! A store in memory: for tests, which can also make it forget what was not durable. A hospital's node uses the one of `relay`.
use crate::limit::RECENT_MESSAGES;
use crate::push::PushSubscription;
use crate::store::{
    Answer, AttachmentRow, ConversationRow, DeviceRow, FormerRow, FoundKeyPackage, MemberRow, PushRow, Query, Snapshot,
    Store, StoreError, WelcomeRow, Write,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use wardline_protocol::wire::{self, entry};
use wardline_protocol::{AccountId, AttachmentId, ConversationId, DeviceId, MessageId, limit as wire_limit};

/// See the module.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    statements: Vec<wire::Statement>,
    devices: BTreeMap<DeviceId, DeviceRow>,
    locked: BTreeSet<AccountId>,
    second_uses: BTreeMap<AccountId, u32>,
    key_packages: BTreeMap<u64, (DeviceId, Bytes)>,
    last_resorts: BTreeMap<DeviceId, Bytes>,
    conversations: BTreeMap<ConversationId, Kept>,
    attachments: BTreeMap<AttachmentId, AttachmentRow>,
    confirmed: BTreeMap<(ConversationId, u64), BTreeMap<AccountId, u64>>,
    pushes: BTreeMap<DeviceId, PushSubscription>,
}

#[derive(Default)]
struct Kept {
    group_info: Bytes,
    ratchet_tree: Bytes,
    log: Vec<wire::Entry>,
    members: BTreeMap<DeviceId, MemberRow>,
    departed: BTreeSet<AccountId>,
    /// The last seq of a time in the group, by device and first seq.
    former: BTreeMap<(DeviceId, u64), u64>,
    read: BTreeMap<AccountId, u64>,
    welcomes: BTreeMap<DeviceId, wire::WelcomeFor>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Store::load`], at once.
    pub fn load_now(&self) -> Snapshot {
        self.with(|state| state.snapshot())
    }

    /// As [`Store::apply`], at once.
    pub fn apply_now(&self, writes: Vec<Write>) {
        self.with(|state| writes.into_iter().for_each(|write| state.apply(write)));
    }

    /// As [`Store::read`], at once.
    pub fn read_now(&self, query: &Query) -> Answer {
        self.with(|state| state.read(query))
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Store for MemoryStore {
    async fn load(&self) -> Result<Snapshot, StoreError> {
        Ok(self.load_now())
    }

    async fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.apply_now(writes);
        Ok(())
    }

    async fn read(&self, query: Query) -> Result<Answer, StoreError> {
        Ok(self.read_now(&query))
    }
}

impl State {
    fn kept(&mut self, id: ConversationId) -> &mut Kept {
        self.conversations.entry(id).or_default()
    }

    fn apply(&mut self, write: Write) {
        match write {
            Write::Statement { statement, .. } => self.statements.push(statement),
            Write::Device(row) => {
                self.devices.insert(row.device_id, row);
            }
            Write::RevokeDevice { device_id } => {
                if let Some(device) = self.devices.get_mut(&device_id) {
                    device.revoked = true;
                }
                self.key_packages.retain(|_, (owner, _)| *owner != device_id);
                self.last_resorts.remove(&device_id);
                self.pushes.remove(&device_id);
                self.conversations.values_mut().for_each(|kept| {
                    kept.welcomes.remove(&device_id);
                    kept.former.retain(|(id, _), _| *id != device_id);
                });
            }
            Write::LockAccount { account_id, locked: true } => {
                self.locked.insert(account_id);
            }
            Write::LockAccount { account_id, locked: false } => {
                self.locked.remove(&account_id);
            }
            Write::SecondUseRefused { account_id } => *self.second_uses.entry(account_id).or_default() += 1,
            Write::LastSeen { device_id, at_ms } => {
                if let Some(device) = self.devices.get_mut(&device_id) {
                    device.last_seen_ms = at_ms;
                }
            }
            Write::KeyPackages { device_id, packages } => {
                self.key_packages.extend(packages.into_iter().map(|row| (row.id, (device_id, row.key_package))));
            }
            Write::LastResort { device_id, key_package } => {
                self.last_resorts.insert(device_id, key_package);
            }
            Write::DropKeyPackages { ids } => self.key_packages.retain(|id, _| !ids.contains(id)),
            Write::CreateConversation { conversation_id, group_info, ratchet_tree } => {
                let kept = self.kept(conversation_id);
                kept.group_info = group_info;
                kept.ratchet_tree = ratchet_tree;
            }
            Write::Entry(entry) => {
                if let Ok(id) = ConversationId::parse(&entry.conversation_id) {
                    self.kept(id).log.push(entry);
                }
            }
            Write::Group { conversation_id, group_info, ratchet_tree, .. } => {
                let kept = self.kept(conversation_id);
                kept.group_info = group_info;
                kept.ratchet_tree = ratchet_tree;
            }
            Write::MemberJoined { conversation_id, device_id, first_seq } => {
                let row = MemberRow { device_id, first_seq, delivered_seq: 0 };
                self.kept(conversation_id).members.insert(device_id, row);
            }
            Write::MemberLeft { conversation_id, device_id } => {
                let kept = self.kept(conversation_id);
                kept.members.remove(&device_id);
                kept.welcomes.remove(&device_id);
            }
            Write::FormerMember { conversation_id, device_id, first_seq, left_seq } => {
                self.kept(conversation_id).former.insert((device_id, first_seq), left_seq);
            }
            Write::ForgetFormer { conversation_id, device_id, up_to_seq } => {
                let former = &mut self.kept(conversation_id).former;
                former.retain(|(id, _), left_seq| *id != device_id || *left_seq > up_to_seq);
            }
            Write::Welcomes { conversation_id, device_ids, seq, epoch, welcome, ratchet_tree } => {
                let kept = self.kept(conversation_id);
                for device_id in device_ids {
                    let welcome = wire::WelcomeFor {
                        conversation_id: conversation_id.to_bytes(),
                        seq,
                        epoch,
                        welcome: welcome.clone(),
                        ratchet_tree: ratchet_tree.clone(),
                    };
                    kept.welcomes.insert(device_id, welcome);
                }
            }
            Write::DropWelcome { conversation_id, device_id } => {
                self.kept(conversation_id).welcomes.remove(&device_id);
            }
            Write::Departed { conversation_id, account_id, departed: true } => {
                self.kept(conversation_id).departed.insert(account_id);
            }
            Write::Departed { conversation_id, account_id, departed: false } => {
                self.kept(conversation_id).departed.remove(&account_id);
            }
            Write::Delivered { conversation_id, device_id, seq } => {
                if let Some(member) = self.kept(conversation_id).members.get_mut(&device_id) {
                    member.delivered_seq = seq;
                }
            }
            Write::Confirmed { conversation_id, seq, account_id, at_ms } => {
                self.confirmed.entry((conversation_id, seq)).or_default().entry(account_id).or_insert(at_ms);
            }
            Write::Attachment(row) => {
                self.attachments.insert(row.attachment_id, row);
            }
            Write::DropAttachment { attachment_id } => {
                self.attachments.remove(&attachment_id);
            }
            Write::Push(PushRow { device_id, subscription }) => {
                self.pushes.insert(device_id, subscription);
            }
            Write::DropPush { device_id } => {
                self.pushes.remove(&device_id);
            }
            Write::ReadUpTo { conversation_id, account_id, seq } => {
                self.kept(conversation_id).read.insert(account_id, seq);
            }
        }
    }

    fn read(&self, query: &Query) -> Answer {
        match query {
            Query::Log { conversation_id, from_seq } => {
                let log = self.conversations.get(conversation_id).map(|kept| kept.log.as_slice()).unwrap_or_default();
                let start = usize::try_from(from_seq.saturating_sub(1)).unwrap_or(usize::MAX);
                let mut bytes = 0;
                let page = log.iter().skip(start).take(wire_limit::ENTRIES_PER_PAGE).take_while(|entry| {
                    let first = bytes == 0;
                    bytes += prost::Message::encoded_len(*entry);
                    first || bytes <= wire_limit::PAGE_BYTES_MAX
                });
                Answer::Log(page.cloned().collect())
            }
            Query::Welcomes { device_id } => Answer::Welcomes(
                self.conversations.values().filter_map(|kept| kept.welcomes.get(device_id)).cloned().collect(),
            ),
            Query::KeyPackages { ids, last_resort_of } => {
                let single = ids.iter().filter_map(|id| {
                    let (device_id, key_package) = self.key_packages.get(id)?;
                    Some(FoundKeyPackage {
                        single_use_id: Some(*id),
                        device_id: *device_id,
                        key_package: key_package.clone(),
                    })
                });
                let reusable = last_resort_of.iter().filter_map(|device_id| {
                    let key_package = self.last_resorts.get(device_id)?.clone();
                    Some(FoundKeyPackage { single_use_id: None, device_id: *device_id, key_package })
                });
                Answer::KeyPackages(single.chain(reusable).collect())
            }
            Query::Confirmations { conversation_id, seq, of } => {
                let found = self.confirmed.get(&(*conversation_id, *seq)).into_iter().flatten();
                let found = found.filter(|(account_id, _)| of.is_none_or(|of| of == **account_id));
                Answer::Confirmations(found.map(|(account_id, at_ms)| (*account_id, *at_ms)).collect())
            }
            Query::Attachment { attachment_id, wish } => {
                let found = self.attachments.get(attachment_id).cloned();
                Answer::Attachment { attachment_id: *attachment_id, wish: wish.clone(), found }
            }
            Query::FindMessage { conversation_id, message_id } => {
                let log = self.conversations.get(conversation_id).map(|kept| kept.log.as_slice()).unwrap_or_default();
                let found = log.iter().find(|entry| message_of(entry) == Some(*message_id));
                Answer::FindMessage(found.map(|entry| (entry.seq, entry.accepted_at_ms)))
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        let conversations = self.conversations.iter().map(|(id, kept)| ConversationRow {
            conversation_id: *id,
            group_info: kept.group_info.clone(),
            ratchet_tree: kept.ratchet_tree.clone(),
            head_seq: kept.log.len() as u64,
            members: kept.members.values().cloned().collect(),
            departed: kept.departed.iter().copied().collect(),
            former: kept
                .former
                .iter()
                .map(|((device_id, first_seq), left_seq)| FormerRow {
                    device_id: *device_id,
                    first_seq: *first_seq,
                    left_seq: *left_seq,
                })
                .collect(),
            read: kept.read.iter().map(|(account, seq)| (*account, *seq)).collect(),
            recent: recent(&kept.log),
        });
        let welcomes = self.conversations.iter().flat_map(|(conversation_id, kept)| {
            kept.welcomes
                .keys()
                .map(|device_id| WelcomeRow { conversation_id: *conversation_id, device_id: *device_id })
        });
        let pushes = self.pushes.iter();
        let pushes = pushes.map(|(id, subscription)| PushRow { device_id: *id, subscription: subscription.clone() });
        let mut attachment_bytes = BTreeMap::new();
        for row in self.attachments.values() {
            *attachment_bytes.entry(row.account_id).or_default() += row.sealed_bytes;
        }
        Snapshot {
            statements: self.statements.clone(),
            devices: self.devices.values().cloned().collect(),
            locked: self.locked.iter().copied().collect(),
            second_uses: self.second_uses.iter().map(|(id, count)| (*id, *count)).collect(),
            key_packages: self.key_packages.iter().map(|(id, (device, _))| (*id, *device)).collect(),
            last_resorts: self.last_resorts.keys().copied().collect(),
            conversations: conversations.collect(),
            welcomes: welcomes.collect(),
            uploads: self.attachments.values().filter(|row| !row.complete).cloned().collect(),
            attachment_bytes: attachment_bytes.into_iter().collect(),
            pushes: pushes.collect(),
        }
    }
}

fn message_of(entry: &wire::Entry) -> Option<MessageId> {
    match &entry.content {
        Some(entry::Content::Message(message)) => MessageId::parse(&message.message_id).ok(),
        _ => None,
    }
}

/// Of an id that was used twice, the first place counts.
fn recent(log: &[wire::Entry]) -> Vec<(MessageId, u64, u64)> {
    let mut known = BTreeSet::new();
    let first: Vec<_> = log
        .iter()
        .filter_map(|entry| Some((message_of(entry)?, entry.seq, entry.accepted_at_ms)))
        .filter(|(id, ..)| known.insert(*id))
        .collect();
    first[first.len().saturating_sub(RECENT_MESSAGES)..].to_vec()
}
