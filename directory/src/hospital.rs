//! The signing side: the operational key, the chain it signs, and the acts of an IT admin as statements.
//!
//! Used by `wardline-admin`, by the demo hospital and by tests. Each act checks itself by applying its own statements, so
//! nothing leaves here that a node or a device would refuse. Storing and publishing the statements is the caller's.
use crate::invitation::Invitation;
use crate::key::{self, OperationalKey, PublicKey, RootKey};
use crate::{AccountRecord, ChannelRecord, Directory, GroupRecord, NodeRecord, Refusal, limit, statement};
use std::collections::BTreeSet;
use std::fmt;
use wardline_protocol::wire;
use wardline_protocol::wire::statement_body::Content;
use wardline_protocol::{AccountId, ConversationId, GroupId, NodeId};

/// How long a code is good for unless said otherwise: 72 hours.
pub const CODE_LIFETIME_MS: u64 = 72 * 60 * 60 * 1000;

/// A hospital as its IT admin holds it. The root is not part of it: it is taken out only to replace the operational key.
pub struct Hospital {
    operational: OperationalKey,
    directory: Directory,
    statements: Vec<wire::Statement>,
}

/// What an IT admin says about an account.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The short unique name.
    pub handle: String,
    /// The name people read.
    pub display_name: String,
    /// What the person does, and where.
    pub role: String,
    /// Internal, guest or archive.
    pub level: wire::Level,
    /// Unix time in ms; `None`: never.
    pub expires_at_ms: Option<u64>,
}

impl Person {
    /// Somebody of the staff, without an end.
    pub fn internal(handle: impl Into<String>, display_name: impl Into<String>, role: impl Into<String>) -> Self {
        Self {
            handle: handle.into(),
            display_name: display_name.into(),
            role: role.into(),
            level: wire::Level::Internal,
            expires_at_ms: None,
        }
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(redacted)")
    }
}

impl From<&AccountRecord> for Person {
    fn from(record: &AccountRecord) -> Self {
        Self {
            handle: record.handle.clone(),
            display_name: record.display_name.clone(),
            role: record.role.clone(),
            level: record.level,
            expires_at_ms: record.expires_at_ms,
        }
    }
}

/// What an IT admin says about a channel.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ChannelPlan {
    /// The name people read.
    pub name: String,
    /// Whether every internal account is in the audience.
    pub everyone: bool,
    /// Whose members are in the audience.
    pub groups: BTreeSet<GroupId>,
    /// Who speaks.
    pub operators: BTreeSet<AccountId>,
}

impl fmt::Debug for ChannelPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelPlan(redacted)")
    }
}

impl From<&ChannelRecord> for ChannelPlan {
    fn from(record: &ChannelRecord) -> Self {
        let ChannelRecord { name, everyone, groups, operators, .. } = record.clone();
        Self { name, everyone, groups, operators }
    }
}

impl fmt::Debug for Hospital {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hospital({:?})", self.directory)
    }
}

impl Hospital {
    /// A new hospital: the root signs its first operational key.
    pub fn found(root: &RootKey, operational: OperationalKey, now_ms: u64) -> Result<Self, Refusal> {
        Self::take_over(root, operational, &[], now_ms)
    }

    /// A hospital whose operational key is new: `statements` is its chain so far, to which the root adds the new key.
    pub fn take_over(
        root: &RootKey,
        operational: OperationalKey,
        statements: &[wire::Statement],
        now_ms: u64,
    ) -> Result<Self, Refusal> {
        let mut directory = Directory::new(root.public());
        directory.apply_all(statements).map_err(|(_, refusal)| refusal)?;
        let mut hospital = Self { operational, directory, statements: statements.to_vec() };
        let next = statement::operational_key(&hospital.directory, hospital.operational.public(), now_ms, root);
        hospital.push(next)?;
        Ok(hospital)
    }

    /// A hospital from its stored chain. Errors with `WrongKey` when `operational` is not the key in force.
    pub fn open(
        root: PublicKey,
        operational: OperationalKey,
        statements: Vec<wire::Statement>,
    ) -> Result<Self, Refusal> {
        let mut directory = Directory::new(root);
        directory.apply_all(&statements).map_err(|(_, refusal)| refusal)?;
        if directory.operational_key() != Some(operational.public()) {
            return Err(Refusal::WrongKey);
        }
        Ok(Self { operational, directory, statements })
    }

    /// The verified state.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The whole chain, version 1 first.
    pub fn statements(&self) -> &[wire::Statement] {
        &self.statements
    }

    /// The statements above a version: what a node at that version lacks.
    pub fn statements_after(&self, version: u64) -> &[wire::Statement] {
        let from = usize::try_from(version).unwrap_or(usize::MAX).min(self.statements.len());
        &self.statements[from..]
    }

    /// The key that signs, e.g. to open the IT admin's session.
    pub fn operational(&self) -> &OperationalKey {
        &self.operational
    }

    /// Signs and takes in one statement. Errors as [`Directory::apply`] does; then nothing has changed.
    pub fn state(&mut self, content: Content, now_ms: u64) -> Result<(), Refusal> {
        self.push(statement::next(&self.directory, content, now_ms, &self.operational))
    }

    /// Takes in statements that follow the newest one, signed elsewhere with the same key. All or none.
    ///
    /// Errors with `WrongKey` when they replace the operational key: this one signs nothing more then.
    pub fn take_in(&mut self, statements: &[wire::Statement]) -> Result<(), Refusal> {
        self.all_or_none(|hospital| {
            for statement in statements {
                hospital.push(statement.clone())?;
            }
            match hospital.directory.operational_key() == Some(hospital.operational.public()) {
                true => Ok(()),
                false => Err(Refusal::WrongKey),
            }
        })
    }

    fn push(&mut self, statement: wire::Statement) -> Result<(), Refusal> {
        self.directory.apply(&statement)?;
        self.statements.push(statement);
        Ok(())
    }

    /// Runs several acts of which all or none take effect.
    pub fn all_or_none<T, E>(&mut self, acts: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let (directory, length) = (self.directory.clone(), self.statements.len());
        let outcome = acts(self);
        if outcome.is_err() {
            self.directory = directory;
            self.statements.truncate(length);
        }
        outcome
    }

    /// Creates an account with its first code, good for [`CODE_LIFETIME_MS`].
    pub fn add_account(&mut self, person: &Person, now_ms: u64) -> Result<Invitation, Refusal> {
        let id = AccountId::from_bytes(*key::random()?);
        let invitation = Invitation::generate(id, now_ms.saturating_add(CODE_LIFETIME_MS))?;
        self.state_account(id, person, Some(&invitation), false, now_ms)?;
        Ok(invitation)
    }

    /// Changes what is said about an account; its codes and devices stay.
    pub fn change_account(&mut self, id: AccountId, person: &Person, now_ms: u64) -> Result<(), Refusal> {
        self.directory.account(&id).ok_or(Refusal::UnknownAccount)?;
        self.state_account(id, person, None, false, now_ms)
    }

    /// Gives an account another code, e.g. for a lost device.
    pub fn invite(&mut self, id: AccountId, expires_at_ms: u64, now_ms: u64) -> Result<Invitation, Refusal> {
        let person = Person::from(self.directory.account(&id).ok_or(Refusal::UnknownAccount)?);
        let invitation = Invitation::generate(id, expires_at_ms)?;
        self.state_account(id, &person, Some(&invitation), false, now_ms)?;
        Ok(invitation)
    }

    /// Deletes an account, for good. Its handle is free again.
    pub fn delete_account(&mut self, id: AccountId, now_ms: u64) -> Result<(), Refusal> {
        let person = Person::from(self.directory.account(&id).ok_or(Refusal::UnknownAccount)?);
        self.state_account(id, &person, None, true, now_ms)
    }

    fn state_account(
        &mut self,
        id: AccountId,
        person: &Person,
        invitation: Option<&Invitation>,
        deleted: bool,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let account = wire::Account {
            account_id: id.to_bytes(),
            handle: person.handle.clone(),
            display_name: person.display_name.clone(),
            role: person.role.clone(),
            level: person.level.into(),
            expires_at_ms: person.expires_at_ms.unwrap_or(0),
            enrolment_public_key: invitation.map(|one| one.public_key().to_bytes()).unwrap_or_default(),
            enrolment_expires_at_ms: invitation.map_or(0, |one| one.expires_at_ms),
            deleted,
        };
        self.state(Content::Account(account), now_ms)
    }

    /// Creates a group.
    pub fn add_group(&mut self, name: &str, now_ms: u64) -> Result<GroupId, Refusal> {
        let id = GroupId::from_bytes(*key::random()?);
        self.state(Content::Group(wire::Group { group_id: id.to_bytes(), name: name.into(), deleted: false }), now_ms)?;
        Ok(id)
    }

    /// Deletes a group, for good.
    pub fn delete_group(&mut self, id: GroupId, now_ms: u64) -> Result<(), Refusal> {
        let name =
            self.directory.group(&id).map(|group: &GroupRecord| group.name.clone()).ok_or(Refusal::UnknownGroup)?;
        self.state(Content::Group(wire::Group { group_id: id.to_bytes(), name, deleted: true }), now_ms)
    }

    /// Adds and removes members, in as many statements as it takes; all or none. Who is in or out already is passed over.
    pub fn change_members(
        &mut self,
        id: GroupId,
        added: &[AccountId],
        removed: &[AccountId],
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let group = self.directory.group(&id).ok_or(Refusal::UnknownGroup)?;
        let added: Vec<_> = added.iter().filter(|one| !group.members.contains(*one)).copied().collect();
        let removed: Vec<_> = removed.iter().filter(|one| group.members.contains(*one)).copied().collect();
        self.all_or_none(|hospital| {
            for part in added.chunks(limit::MEMBERS_PER_STATEMENT) {
                hospital.state_members(id, part, &[], now_ms)?;
            }
            for part in removed.chunks(limit::MEMBERS_PER_STATEMENT) {
                hospital.state_members(id, &[], part, now_ms)?;
            }
            Ok(())
        })
    }

    fn state_members(
        &mut self,
        id: GroupId,
        added: &[AccountId],
        removed: &[AccountId],
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let bytes = |ids: &[AccountId]| ids.iter().map(AccountId::to_bytes).collect();
        let membership = wire::GroupMembership {
            group_id: id.to_bytes(),
            added_account_ids: bytes(added),
            removed_account_ids: bytes(removed),
        };
        self.state(Content::GroupMembership(membership), now_ms)
    }

    /// Creates a channel.
    pub fn add_channel(&mut self, plan: &ChannelPlan, now_ms: u64) -> Result<ConversationId, Refusal> {
        let id = ConversationId::from_bytes(*key::random()?);
        self.state_channel(id, plan, false, now_ms)?;
        Ok(id)
    }

    /// Replaces what is said about a channel.
    pub fn change_channel(&mut self, id: ConversationId, plan: &ChannelPlan, now_ms: u64) -> Result<(), Refusal> {
        self.directory.channel(&id).ok_or(Refusal::UnknownChannel)?;
        self.state_channel(id, plan, false, now_ms)
    }

    /// Deletes a channel, for good.
    pub fn delete_channel(&mut self, id: ConversationId, now_ms: u64) -> Result<(), Refusal> {
        let plan = ChannelPlan::from(self.directory.channel(&id).ok_or(Refusal::UnknownChannel)?);
        self.state_channel(id, &plan, true, now_ms)
    }

    fn state_channel(
        &mut self,
        id: ConversationId,
        plan: &ChannelPlan,
        deleted: bool,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let channel = wire::Channel {
            channel_id: id.to_bytes(),
            name: plan.name.clone(),
            everyone: plan.everyone,
            audience_group_ids: plan.groups.iter().map(GroupId::to_bytes).collect(),
            operator_account_ids: plan.operators.iter().map(AccountId::to_bytes).collect(),
            deleted,
        };
        self.state(Content::Channel(channel), now_ms)
    }

    /// Adds a node or replaces what is said of it. `node.deleted` is not looked at.
    pub fn add_node(&mut self, node: &NodeRecord, now_ms: u64) -> Result<(), Refusal> {
        self.state(Content::Node(wire_node(node, false)), now_ms)
    }

    /// Deletes a node, for good.
    pub fn delete_node(&mut self, id: NodeId, now_ms: u64) -> Result<(), Refusal> {
        let node = wire_node(self.directory.node(&id).ok_or(Refusal::UnknownNode)?, true);
        self.state(Content::Node(node), now_ms)
    }

    /// The node that codes send new devices to: the first one that is not deleted.
    pub fn node(&self) -> Option<&NodeRecord> {
        self.directory.nodes().find(|node| !node.deleted)
    }
}

fn wire_node(node: &NodeRecord, deleted: bool) -> wire::Node {
    wire::Node {
        node_id: node.node_id.to_bytes(),
        name: node.name.clone(),
        addresses: node.addresses.clone(),
        certificate_sha256: node.certificate_sha256.to_vec().into(),
        proposer_public_key: node.proposer_public_key.to_bytes(),
        deleted,
    }
}
