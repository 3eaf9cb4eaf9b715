//! The verified state of the chain. It only ever moves forward, one statement at a time, and is unchanged when one is refused.
use crate::check::{self, Meaning};
use crate::key::PublicKey;
use crate::record::{AccountRecord, ChannelRecord, EnrolmentKeyRecord, GroupRecord, NodeRecord};
use crate::{Refusal, limit, statement};
use std::collections::BTreeMap;
use std::fmt;
use wardline_protocol::wire::{self, Level};
use wardline_protocol::{AccountId, ConversationId, GroupId, NodeId};

/// What a statement changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Another operational key signs from now on.
    OperationalKey(PublicKey),
    /// An account is new.
    AccountCreated(AccountId),
    /// An account's name, role, level or end is another one.
    AccountChanged(AccountId),
    /// An account was given another code, and nothing else.
    AccountInvited(AccountId),
    /// An account was deleted, and left its groups.
    AccountDeleted(AccountId),
    /// A group was created or renamed.
    Group(GroupId),
    /// A group was deleted.
    GroupDeleted(GroupId),
    /// Members came or went; only those for whom that was news.
    Membership {
        /// Which group.
        group_id: GroupId,
        /// Who came.
        added: Vec<AccountId>,
        /// Who went.
        removed: Vec<AccountId>,
    },
    /// A node was added, changed or deleted.
    Node(NodeId),
    /// A channel was added, changed or deleted.
    Channel(ConversationId),
}

/// Where a (version, hash) that somebody else saw stands to this directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This directory holds the same statement at that version.
    Known,
    /// Not reached yet: fetch statements.
    Newer,
    /// Another statement holds that version here: two directories exist, and somebody lies.
    Fork,
}

/// Who is who, as the hospital's root and the operational keys it named have signed.
#[derive(Clone)]
pub struct Directory {
    pub(crate) root: PublicKey,
    /// `hashes[v - 1]` is the hash of the statement at version `v`.
    hashes: Vec<[u8; 32]>,
    /// Operational keys with the version that named them, in order.
    operational_keys: Vec<(u64, PublicKey)>,
    accounts: BTreeMap<AccountId, AccountRecord>,
    handles: BTreeMap<String, AccountId>,
    enrolment_keys: BTreeMap<PublicKey, AccountId>,
    groups: BTreeMap<GroupId, GroupRecord>,
    nodes: BTreeMap<NodeId, NodeRecord>,
    channels: BTreeMap<ConversationId, ChannelRecord>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Directory(root {:?}, version {})", self.root, self.version())
    }
}

impl Directory {
    /// The empty directory of a hospital.
    pub fn new(root: PublicKey) -> Self {
        Self {
            root,
            hashes: Vec::new(),
            operational_keys: Vec::new(),
            accounts: BTreeMap::new(),
            handles: BTreeMap::new(),
            enrolment_keys: BTreeMap::new(),
            groups: BTreeMap::new(),
            nodes: BTreeMap::new(),
            channels: BTreeMap::new(),
        }
    }

    /// The hospital's root.
    pub fn root(&self) -> PublicKey {
        self.root
    }

    /// The version of the newest statement; 0 when there is none.
    pub fn version(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// The hash of the newest statement; zeros when there is none.
    pub fn head_hash(&self) -> [u8; 32] {
        self.hashes.last().copied().unwrap_or_default()
    }

    /// The hash of the statement at a version; zeros for 0, `None` above the head.
    pub fn hash_at(&self, version: u64) -> Option<[u8; 32]> {
        match version.checked_sub(1) {
            None => Some([0; 32]),
            Some(index) => self.hashes.get(usize::try_from(index).ok()?).copied(),
        }
    }

    /// Compares what somebody else saw, e.g. the version and hash in a message's content.
    pub fn standing(&self, version: u64, hash: &[u8]) -> Standing {
        match self.hash_at(version) {
            None => Standing::Newer,
            Some(own) if own == hash => Standing::Known,
            Some(_) => Standing::Fork,
        }
    }

    /// The key that signs statements now.
    pub fn operational_key(&self) -> Option<PublicKey> {
        self.operational_keys.last().map(|(_, key)| *key)
    }

    /// An account, deleted ones included.
    pub fn account(&self, id: &AccountId) -> Option<&AccountRecord> {
        self.accounts.get(id)
    }

    /// An account that is not deleted, by its handle.
    pub fn account_by_handle(&self, handle: &str) -> Option<&AccountRecord> {
        self.handles.get(handle).and_then(|id| self.accounts.get(id))
    }

    /// Every account by id, deleted ones included.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountRecord> {
        self.accounts.values()
    }

    /// A group, deleted ones included.
    pub fn group(&self, id: &GroupId) -> Option<&GroupRecord> {
        self.groups.get(id)
    }

    /// A group that is not deleted, by its name.
    pub fn group_by_name(&self, name: &str) -> Option<&GroupRecord> {
        self.groups.values().find(|group| !group.deleted && group.name == name)
    }

    /// Every group by id, deleted ones included.
    pub fn groups(&self) -> impl Iterator<Item = &GroupRecord> {
        self.groups.values()
    }

    /// A node, deleted ones included.
    pub fn node(&self, id: &NodeId) -> Option<&NodeRecord> {
        self.nodes.get(id)
    }

    /// Every node by id, deleted ones included.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeRecord> {
        self.nodes.values()
    }

    /// A channel, deleted ones included.
    pub fn channel(&self, id: &ConversationId) -> Option<&ChannelRecord> {
        self.channels.get(id)
    }

    /// A channel that is not deleted, by its name.
    pub fn channel_by_name(&self, name: &str) -> Option<&ChannelRecord> {
        self.channels.values().find(|channel| !channel.deleted && channel.name == name)
    }

    /// Every channel by id, deleted ones included.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelRecord> {
        self.channels.values()
    }

    /// Who is to be in a channel now, and whether as an operator; nobody in one that is deleted.
    pub fn audience(&self, channel: &ChannelRecord) -> BTreeMap<AccountId, bool> {
        let everyone = self.accounts.keys().filter(|_| channel.everyone);
        let groups = channel.groups.iter().filter_map(|id| self.groups.get(id)).flat_map(|group| &group.members);
        let candidates = everyone.chain(groups).chain(&channel.operators);
        candidates.filter_map(|id| Some((*id, self.part_in(channel, id)?))).collect()
    }

    /// Whether an account is to be in a channel now: as an operator or not.
    pub fn part_in(&self, channel: &ChannelRecord, account: &AccountId) -> Option<bool> {
        let record = self.accounts.get(account)?;
        if channel.deleted || record.deleted || record.level == Level::Archive {
            return None;
        }
        let operator = channel.operators.contains(account);
        let of_group = |id| self.groups.get(id).is_some_and(|group| group.members.contains(account));
        let reads = channel.everyone && record.level == Level::Internal || channel.groups.iter().any(of_group);
        (operator || reads).then_some(operator)
    }

    /// Keeps on record who came into the audience of a channel.
    fn note_audiences(&mut self, change: &Change) {
        let mut channels = std::mem::take(&mut self.channels);
        for channel in channels.values_mut() {
            let new: Vec<(AccountId, bool)> = match change {
                Change::AccountCreated(id) | Change::AccountChanged(id) => {
                    self.part_in(channel, id).map(|operator| (*id, operator)).into_iter().collect()
                }
                Change::Membership { added, .. } => {
                    added.iter().filter_map(|id| Some((*id, self.part_in(channel, id)?))).collect()
                }
                Change::Channel(id) if *id == channel.channel_id => self.audience(channel).into_iter().collect(),
                _ => continue,
            };
            for (account, operator) in new {
                *channel.ever.entry(account).or_default() |= operator;
            }
        }
        self.channels = channels;
    }

    /// Whose enrolment key this is.
    pub(crate) fn enrolment_account(&self, key: &PublicKey) -> Option<&AccountId> {
        self.enrolment_keys.get(key)
    }

    /// Verifies one statement and takes it in. On an error nothing has changed.
    ///
    /// Checked in this order: it decodes; its version is the next (an older one that differs and is validly signed is a
    /// [`Refusal::Fork`]); it is signed by the key that may sign it at that place; it names the newest statement's hash; what it says is possible.
    pub fn apply(&mut self, statement: &wire::Statement) -> Result<Change, Refusal> {
        if statement.body.len() > limit::STATEMENT_BODY_BYTES_MAX {
            return Err(Refusal::Malformed("the statement is too large"));
        }
        let body = statement::body(statement)?;
        let expected = self.version() + 1;
        if body.version == 0 || body.version > expected {
            return Err(Refusal::OutOfOrder { expected });
        }
        self.check_signature(statement, &body)?;
        let hash = statement::hash(statement);
        if body.version < expected {
            return Err(match self.standing(body.version, &hash) {
                Standing::Known => Refusal::OutOfOrder { expected },
                _ => Refusal::Fork { version: body.version },
            });
        }
        if *body.previous != self.head_hash() {
            return Err(Refusal::BadPrevious);
        }
        let meaning = check::read(self, body)?;
        self.hashes.push(hash);
        let change = self.take(meaning);
        self.note_audiences(&change);
        Ok(change)
    }

    /// Applies all of them or, on an error, none. The error comes with the index of the statement it is about.
    pub fn apply_all(&mut self, statements: &[wire::Statement]) -> Result<Vec<Change>, (usize, Refusal)> {
        let mut next = self.clone();
        let changes = statements.iter().enumerate().map(|(i, one)| next.apply(one).map_err(|refusal| (i, refusal)));
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        *self = next;
        Ok(changes)
    }

    /// The root signs operational keys; the operational key that was in force before this version signs all else.
    fn check_signature(&self, statement: &wire::Statement, body: &wire::StatementBody) -> Result<(), Refusal> {
        let by_root = matches!(body.content, Some(wire::statement_body::Content::OperationalKey(_)));
        let in_force = self.operational_keys.iter().rev().find(|(since, _)| *since < body.version).map(|(_, key)| *key);
        let signed = statement::signed_bytes(&statement.body);
        let right = if by_root { Some(self.root) } else { in_force };
        if right.is_some_and(|key| key.verify(&signed, &statement.signature)) {
            return Ok(());
        }
        // Which of the two it is matters to whoever looks for the cause: a key out of force, or damage.
        let known = self.operational_keys.iter().map(|(_, key)| *key).chain([self.root]);
        match known.into_iter().any(|key| key.verify(&signed, &statement.signature)) {
            true => Err(Refusal::WrongKey),
            false if right.is_none() => Err(Refusal::NoOperationalKey),
            false => Err(Refusal::BadSignature),
        }
    }

    /// Whether a key was ever an operational key: one that was replaced never comes back.
    pub(crate) fn was_operational(&self, key: &PublicKey) -> bool {
        self.operational_keys.iter().any(|(_, used)| used == key)
    }

    /// Takes in what was checked; cannot fail.
    fn take(&mut self, meaning: Meaning) -> Change {
        match meaning {
            Meaning::OperationalKey(key) => {
                self.operational_keys.push((self.version(), key));
                Change::OperationalKey(key)
            }
            Meaning::Account { record, enrolment_key } => self.take_account(record, enrolment_key),
            Meaning::Group { group_id, name, deleted } => {
                let new = || GroupRecord { group_id, name: String::new(), members: Default::default(), deleted: false };
                let group = self.groups.entry(group_id).or_insert_with(new);
                group.deleted = deleted;
                if deleted {
                    group.members.clear();
                    return Change::GroupDeleted(group_id);
                }
                group.name = name;
                Change::Group(group_id)
            }
            Meaning::Membership { group_id, mut added, mut removed } => {
                if let Some(group) = self.groups.get_mut(&group_id) {
                    added.retain(|id| group.members.insert(*id));
                    removed.retain(|id| group.members.remove(id));
                }
                Change::Membership { group_id, added, removed }
            }
            Meaning::Node(node) => {
                let id = node.node_id;
                match self.nodes.get_mut(&id) {
                    Some(known) if node.deleted => known.deleted = true,
                    _ => drop(self.nodes.insert(id, node)),
                }
                Change::Node(id)
            }
            Meaning::Channel(mut channel) => {
                let id = channel.channel_id;
                if let Some(known) = self.channels.remove(&id) {
                    channel.ever = known.ever;
                }
                self.channels.insert(id, channel);
                Change::Channel(id)
            }
        }
    }

    fn take_account(&mut self, mut record: AccountRecord, enrolment_key: Option<EnrolmentKeyRecord>) -> Change {
        let id = record.account_id;
        record.version = self.version();
        let before = self.accounts.remove(&id);
        let created = before.is_none();
        let looks = |record: &AccountRecord| {
            let (name, role) = (record.display_name.clone(), record.role.clone());
            (record.handle.clone(), name, role, record.level, record.expires_at_ms)
        };
        let same = before.as_ref().is_some_and(|before| looks(before) == looks(&record));
        if let Some(before) = before {
            self.handles.remove(&before.handle);
            record.enrolment_keys = before.enrolment_keys;
        }
        if let Some(key) = enrolment_key {
            record.enrolment_keys.retain(|known| known.public_key != key.public_key);
            record.enrolment_keys.push(key);
            self.enrolment_keys.insert(key.public_key, id);
        }
        let deleted = record.deleted;
        if deleted {
            for group in self.groups.values_mut() {
                group.members.remove(&id);
            }
        } else {
            self.handles.insert(record.handle.clone(), id);
        }
        self.accounts.insert(id, record);
        match (deleted, created) {
            (true, _) => Change::AccountDeleted(id),
            (false, true) => Change::AccountCreated(id),
            (false, false) if same => Change::AccountInvited(id),
            (false, false) => Change::AccountChanged(id),
        }
    }
}
