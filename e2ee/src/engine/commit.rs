//! Making conversations, key packages and commits.
use super::{Engine, config, group_id, join, mls, process};
use crate::cells::CellError;
use crate::codec::{self, NotDecodable};
use crate::credential::{self, Claim};
use crate::error::{EngineError, ProcessError, Refusal};
use crate::facts::{self, Facts};
use crate::storage::Provider;
use crate::{roster, rules};
use openmls::prelude::{Extensions, GroupContext, KeyPackage, LeafNodeIndex, MlsGroup, ProtocolVersion, Sender};
use openmls_traits::OpenMlsProvider;
use std::collections::BTreeSet;
use wardline_directory::Directory;
use wardline_protocol::limit::ADDS_PER_COMMIT;
use wardline_protocol::wire::Roster;
use wardline_protocol::{ConversationId, DeviceId};

/// A new conversation, for the node.
#[derive(Clone, Debug)]
pub struct Created {
    /// MLSMessage(GroupInfo) of epoch 0.
    pub group_info: Vec<u8>,
    /// The tree, which has one leaf.
    pub ratchet_tree: Vec<u8>,
}

/// What a commit shall do. Empty: a self update.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// MLSMessage(KeyPackage) of the devices to add.
    pub add_key_packages: Vec<Vec<u8>>,
    /// Devices to remove.
    pub remove_devices: Vec<DeviceId>,
    /// The new roster.
    pub roster: Option<Roster>,
    /// The node's Remove proposals, taken in by reference.
    pub proposals: Vec<Vec<u8>>,
}

/// A commit that waits for its place in the log.
#[derive(Clone, Debug)]
pub struct PendingCommit {
    /// The epoch it was made in.
    pub epoch: u64,
    /// The node's proposals that it takes in.
    pub proposals: Vec<Vec<u8>>,
    /// MLSMessage(PublicMessage).
    pub commit: Vec<u8>,
    /// MLSMessage(Welcome) when it adds devices.
    pub welcome: Option<Vec<u8>>,
    /// MLSMessage(GroupInfo) of the epoch it leads to.
    pub group_info: Vec<u8>,
}

impl Engine {
    /// New single-use key packages, each an MLSMessage(KeyPackage).
    pub fn key_packages(&mut self, count: usize) -> Result<Vec<Vec<u8>>, EngineError> {
        (0..count).map(|_| self.key_package(false)).collect()
    }

    /// A key package that can be used again and again: MLSMessage(KeyPackage).
    pub fn last_resort_key_package(&mut self) -> Result<Vec<u8>, EngineError> {
        self.key_package(true)
    }

    fn key_package(&mut self, last_resort: bool) -> Result<Vec<u8>, EngineError> {
        let builder = KeyPackage::builder()
            .key_package_lifetime(config::lifetime())
            .leaf_node_capabilities(config::capabilities(self.suite));
        let builder = if last_resort { builder.mark_as_last_resort() } else { builder };
        let credential = self.identity.credential_with_key();
        let bundle =
            builder.build(self.suite.ciphersuite(), &self.provider, &self.identity, credential).map_err(mls)?;
        Ok(codec::encode(&bundle.into_key_package().into())?)
    }

    /// Creates a conversation whose only member is this device. The directory's nodes become its external senders. Errors with
    /// `AlreadyExists`, or `Forbidden` when the roster is not well-formed or lacks this account.
    pub fn create(
        &mut self,
        id: ConversationId,
        roster: Roster,
        directory: &Directory,
    ) -> Result<Created, EngineError> {
        roster::check(&roster)?;
        rules::check_channel(id, &roster, directory)?;
        if !roster::contains(&roster, self.account_id()) {
            return Err(Refusal::NotOnRoster.into());
        }
        if self.groups.contains_key(&id) {
            return Err(EngineError::AlreadyExists);
        }
        let extensions = config::extensions(&roster, config::proposers(directory))?;
        self.atomically(id, |engine| engine.create_group(id, extensions))
    }

    fn create_group(
        &mut self,
        id: ConversationId,
        extensions: Extensions<GroupContext>,
    ) -> Result<Created, EngineError> {
        let config = config::create_config(self.suite, extensions);
        let credential = self.identity.credential_with_key();
        let group = MlsGroup::new_with_group_id(&self.provider, &self.identity, &config, group_id(id), credential);
        let group = group.map_err(mls)?;
        let info = group.export_group_info(self.provider.crypto(), &self.identity, false).map_err(mls)?;
        let created = Created {
            group_info: codec::encode(&info)?,
            ratchet_tree: codec::encode_tree(&group.export_ratchet_tree())?,
        };
        self.groups.insert(id, group);
        Ok(created)
    }

    /// Makes a commit. It is pending until [`Engine::process_commit`] meets it in the log (and applies it), or another commit of that
    /// epoch (and drops it), or until [`Engine::discard_pending`]. Meanwhile messages are encrypted in the present epoch.
    ///
    /// Errors with `Pending` when a commit or join is pending already, `Forbidden` when it would break a rule that the others hold
    /// it to, `Malformed` when a key package or proposal does not decode or a device to remove is not a member.
    pub fn commit(
        &mut self,
        id: ConversationId,
        change: Change,
        directory: &Directory,
        now_ms: u64,
    ) -> Result<PendingCommit, EngineError> {
        let group = self.member_group(id)?;
        if group.pending_commit().is_some() || self.has_pending_join(id)? {
            return Err(EngineError::Pending);
        }
        if change.add_key_packages.len() > ADDS_PER_COMMIT {
            return Err(Refusal::TooMany.into());
        }
        self.atomically(id, |engine| engine.make_commit(id, change, directory, now_ms))
    }

    fn make_commit(
        &mut self,
        id: ConversationId,
        change: Change,
        directory: &Directory,
        now_ms: u64,
    ) -> Result<PendingCommit, EngineError> {
        let Self { identity, provider, groups, .. } = self;
        let group = groups.get_mut(&id).ok_or(EngineError::UnknownConversation)?;
        let epoch = group.epoch().as_u64();
        let proposed = process::store_removals(group, provider, &change.proposals).map_err(made_by_node)?;
        let adds = change
            .add_key_packages
            .iter()
            .map(|bytes| added_key_package(bytes, provider, directory, now_ms))
            .collect::<Result<Vec<_>, _>>()?;
        let removals = leaves_of(group, &change.remove_devices, &proposed)?;
        let senders = config::external_senders(group.extensions()).to_vec();
        let mut builder = group.commit_builder().propose_adds(adds).propose_removals(removals);
        if let Some(roster) = &change.roster {
            roster::check(roster)?;
            builder = builder.propose_group_context_extensions(config::extensions(roster, senders)?).map_err(mls)?;
        }
        let bundle = builder
            .load_psks(provider.storage())
            .map_err(mls)?
            .create_group_info(true)
            .build(provider.rand(), provider.crypto(), &*identity, |_| true)
            .map_err(mls)?
            .stage_commit(&*provider)
            .map_err(mls)?;
        // The staged commit has its own copy; proposals left in the store would stop this device from sending.
        group.clear_pending_proposals(provider.storage())?;
        let staged = group.pending_commit().ok_or(EngineError::Pending)?;
        let facts = Facts::read(group.public_group(), staged, &Sender::Member(group.own_leaf_index()))?;
        rules::check(&facts, id, directory)?;
        let (commit, welcome, group_info) = bundle.into_messages();
        let group_info = group_info.ok_or(EngineError::Malformed("no GroupInfo was made"))?;
        Ok(PendingCommit {
            epoch,
            proposals: change.proposals,
            commit: codec::encode(&commit)?,
            welcome: welcome.as_ref().map(codec::encode).transpose()?,
            group_info: codec::encode(&group_info)?,
        })
    }

    /// Drops the pending commit, if there is one. Only after the node refused it: when the node accepted it after all, this device
    /// can no longer follow and must join from outside.
    pub fn discard_pending(&mut self, id: ConversationId) -> Result<(), EngineError> {
        let Self { provider, groups, .. } = self;
        let group = groups.get_mut(&id).ok_or(EngineError::UnknownConversation)?;
        Ok(group.clear_pending_commit(provider.storage())?)
    }

    /// Whether a commit of this device waits for its place in the log.
    pub fn has_pending_commit(&self, id: ConversationId) -> bool {
        self.groups.get(&id).is_some_and(|group| group.pending_commit().is_some())
    }

    /// Whether an external commit of this device waits for the node's answer.
    pub fn has_pending_join(&self, id: ConversationId) -> Result<bool, CellError> {
        Ok(self.provider.cells.get_bytes(&join::pending_key(id)?).is_some())
    }
}

impl From<NotDecodable> for EngineError {
    fn from(_: NotDecodable) -> Self {
        EngineError::Malformed("not an MLS message of the expected kind")
    }
}

/// A key package of somebody else, with everything checked that the other members will check.
fn added_key_package(
    bytes: &[u8],
    provider: &Provider,
    directory: &Directory,
    now_ms: u64,
) -> Result<KeyPackage, EngineError> {
    let key_package = codec::key_package(bytes)?.validate(provider.crypto(), ProtocolVersion::Mls10).map_err(mls)?;
    facts::check_leaf(key_package.leaf_node())?;
    let device = Claim::of_leaf(key_package.leaf_node())?.verify(directory)?;
    let active = directory.account(&device.account_id).is_some_and(|record| record.is_active(now_ms));
    if active { Ok(key_package) } else { Err(Refusal::AccountEnded.into()) }
}

/// The leaves of devices to remove, without those that the node's proposals remove.
fn leaves_of(
    group: &MlsGroup,
    devices: &[DeviceId],
    proposed: &BTreeSet<u32>,
) -> Result<Vec<LeafNodeIndex>, EngineError> {
    let members = credential::members(group.public_group().members())?;
    let leaves = devices.iter().map(|device| {
        let member = members.iter().find(|member| member.device_id == *device);
        member.map(|member| member.leaf).ok_or(EngineError::Malformed("a device to remove is not a member"))
    });
    let leaves = leaves.collect::<Result<BTreeSet<_>, _>>()?;
    Ok(leaves.difference(proposed).map(|leaf| LeafNodeIndex::new(*leaf)).collect())
}

/// The node's proposals do not suit: the lease was of another epoch, or breaks a rule.
fn made_by_node(error: ProcessError) -> EngineError {
    match error {
        ProcessError::Forbidden(refusal) => refusal.into(),
        ProcessError::Cells(error) => error.into(),
        other => mls(other),
    }
}
