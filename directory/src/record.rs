//! What the directory knows of an account, a group, a node: parsed once, so that it cannot be wrong.
use crate::key::PublicKey;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use wardline_protocol::wire::Level;
use wardline_protocol::{AccountId, ConversationId, GroupId, NodeId};

/// An account as the newest statement about it says.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its id, for good.
    pub account_id: AccountId,
    /// The short unique name.
    pub handle: String,
    /// The name people read.
    pub display_name: String,
    /// What the person does, and where.
    pub role: String,
    /// Internal, guest or archive; never unspecified.
    pub level: Level,
    /// Unix time in ms; `None`: never.
    pub expires_at_ms: Option<u64>,
    /// Final.
    pub deleted: bool,
    /// Every enrolment key ever stated for it, the newest last.
    pub enrolment_keys: Vec<EnrolmentKeyRecord>,
    /// The version of the newest statement about it.
    pub version: u64,
}

impl AccountRecord {
    /// Whether its time is over at `now_ms`.
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|end| now_ms >= end)
    }

    /// Whether it may act at all at `now_ms`: neither deleted nor expired. (Locking is the node's, and not in the directory.)
    pub fn is_active(&self, now_ms: u64) -> bool {
        !self.deleted && !self.is_expired(now_ms)
    }
}

impl fmt::Debug for AccountRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountRecord({}, {:?}, deleted: {}, redacted)", self.account_id, self.level, self.deleted)
    }
}

/// An enrolment key and until when it may certify a first device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnrolmentKeyRecord {
    /// Whose seed is in the one-time code.
    pub public_key: PublicKey,
    /// Unix time in ms.
    pub expires_at_ms: u64,
}

/// A group of accounts: a ward, a team.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupRecord {
    /// Its id, for good.
    pub group_id: GroupId,
    /// The name people read; unique among groups that are not deleted.
    pub name: String,
    /// Accounts in it, none of them deleted.
    pub members: BTreeSet<AccountId>,
    /// Final.
    pub deleted: bool,
}

impl fmt::Debug for GroupRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, members) = (self.group_id, self.members.len());
        write!(f, "GroupRecord({id}, {members} members, deleted: {}, redacted)", self.deleted)
    }
}

/// A conversation in which operators speak and an audience reads.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelRecord {
    /// Its id, for good, and that of its conversation.
    pub channel_id: ConversationId,
    /// The name people read; unique among channels that are not deleted.
    pub name: String,
    /// Whether every internal account is in the audience.
    pub everyone: bool,
    /// Whose members are in the audience.
    pub groups: BTreeSet<GroupId>,
    /// Who speaks; in the audience as well.
    pub operators: BTreeSet<AccountId>,
    /// Final.
    pub deleted: bool,
    /// Whoever was in the audience at some version, and whether as an operator.
    pub(crate) ever: BTreeMap<AccountId, bool>,
}

impl ChannelRecord {
    /// Whether the account was in the audience at some version. An old commit is judged by what held when it was made, which whoever reads it later
    /// does not know.
    pub fn was_in_audience(&self, account: &AccountId) -> bool {
        self.ever.contains_key(account)
    }

    /// Whether the account was an operator at some version.
    pub fn was_operator(&self, account: &AccountId) -> bool {
        self.ever.get(account).is_some_and(|operator| *operator)
    }
}

impl fmt::Debug for ChannelRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, groups) = (self.channel_id, self.groups.len());
        write!(
            f,
            "ChannelRecord({id}, everyone: {}, {groups} groups, deleted: {}, redacted)",
            self.everyone, self.deleted
        )
    }
}

/// A server of the hospital.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Its id, for good.
    pub node_id: NodeId,
    /// The name people read.
    pub name: String,
    /// `host:port`, the preferred one first.
    pub addresses: Vec<String>,
    /// SHA-256 of its DER certificate.
    pub certificate_sha256: [u8; 32],
    /// Signs its removal proposals.
    pub proposer_public_key: PublicKey,
    /// Final.
    pub deleted: bool,
}

impl fmt::Debug for NodeRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeRecord({}, deleted: {}, redacted)", self.node_id, self.deleted)
    }
}
