//! Coming into a conversation: by a Welcome, or from outside.
use super::{Engine, config, group_id, key};
use crate::cells::{Cell, CellError};
use crate::codec::{self, NotDecodable};
use crate::credential::{self, Claim, DeviceRef};
use crate::error::{JoinError, Refusal};
use crate::storage::{Label, Provider};
use crate::{facts, roster, rules};
use openmls::group::{StagedWelcome, WelcomeError};
use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::prelude::{LeafNodeIndex, LeafNodeParameters, MlsGroup, RatchetTreeIn};
use openmls_traits::OpenMlsProvider;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use wardline_directory::Directory;
use wardline_protocol::ConversationId;
use wardline_protocol::wire::Roster;

/// What a join gave.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The epoch this device is at.
    pub epoch: u64,
    /// The accounts of the conversation.
    pub roster: Roster,
}

/// A GroupInfo older than this is refused.
#[derive(Clone)]
pub struct Floor {
    /// The epoch.
    pub epoch: u64,
    /// Its authenticator (RFC 9420 section 8.7).
    pub authenticator: Vec<u8>,
}

impl std::fmt::Debug for Floor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Floor({})", self.epoch)
    }
}

/// An external commit that waits for the node's answer.
#[derive(Clone, Debug)]
pub struct PendingJoin {
    /// The epoch it was made in.
    pub epoch: u64,
    /// MLSMessage(PublicMessage).
    pub commit: Vec<u8>,
    /// MLSMessage(GroupInfo) of the epoch it leads to.
    pub group_info: Vec<u8>,
}

/// What is stored of a pending join: the commit's hash, and the cells of the group it leads to.
#[derive(Serialize, Deserialize)]
struct Pending {
    commit_sha256: [u8; 32],
    cells: Vec<Cell>,
}

pub(super) fn pending_key(id: ConversationId) -> Result<Vec<u8>, CellError> {
    key(Label::PendingJoin, &group_id(id))
}

impl Engine {
    /// Joins by a Welcome: every leaf's chain, the roster and the signer are verified, and the key package is used up (unless it is
    /// the last-resort one). A conversation that is there already is replaced when the Welcome leads to a later epoch, or when this
    /// device was removed from it.
    pub fn join_welcome(
        &mut self,
        id: ConversationId,
        welcome: &[u8],
        ratchet_tree: &[u8],
        directory: &Directory,
    ) -> Result<Joined, JoinError> {
        let welcome = codec::welcome(welcome)?;
        let tree = codec::ratchet_tree(ratchet_tree)?;
        self.atomically(id, |engine| {
            let builder = StagedWelcome::build_from_welcome(&engine.provider, &config::join_config(), welcome);
            let builder = builder.map_err(unwelcome)?;
            let info = builder.processed_welcome().unverified_group_info();
            if *info.group_id() != group_id(id) {
                return Err(JoinError::OtherConversation);
            }
            let epoch = info.epoch().as_u64();
            if engine.groups.get(&id).is_some_and(|old| old.is_active() && old.epoch().as_u64() >= epoch) {
                return Err(JoinError::AlreadyJoined);
            }
            let staged = builder.with_ratchet_tree(tree).skip_lifetime_validation().replace_old_group().build();
            let staged = staged.map_err(unwelcome)?;
            if let Some(mut old) = engine.groups.remove(&id) {
                old.delete(engine.provider.storage())?;
            }
            let group = staged.into_group(&engine.provider).map_err(unwelcome)?;
            let joined = check_group(&group, id, engine.device(), directory)?;
            engine.provider.cells.delete(&pending_key(id)?);
            engine.groups.insert(id, group);
            Ok(joined)
        })
    }

    /// Makes an external commit that joins this device, and takes its earlier leaf out when there is one (heals). Pending until
    /// [`Engine::confirm_join`], [`Engine::abandon_join`], or [`Engine::process_commit`] meets it in the log; a conversation that is
    /// there already stays in use until then.
    ///
    /// Errors with `Pending` when there is one, and with `BelowFloor` when the GroupInfo is older than `floor`, or of its epoch and of
    /// another history as far as this device can tell: only when it still holds the conversation in that very epoch.
    pub fn join_external(
        &mut self,
        id: ConversationId,
        group_info: &[u8],
        ratchet_tree: &[u8],
        floor: Option<Floor>,
        directory: &Directory,
        now_ms: u64,
    ) -> Result<PendingJoin, JoinError> {
        if self.has_pending_join(id)? {
            return Err(JoinError::Pending);
        }
        let info = codec::group_info(group_info)?;
        let tree = codec::ratchet_tree(ratchet_tree)?;
        if *info.group_id() != group_id(id) {
            return Err(JoinError::OtherConversation);
        }
        if let Some(floor) = floor {
            self.check_floor(id, &info, &floor)?;
        }
        let account = directory.account(&self.account_id());
        if !account.is_some_and(|record| record.is_active(now_ms)) {
            return Err(Refusal::AccountEnded.into());
        }
        let epoch = info.epoch().as_u64();
        // The group after the commit lives in cells of its own until the node has accepted it.
        let apart = Provider::default();
        let (group, commit, group_info) = self.external_commit(&apart, info, tree)?;
        check_group(&group, id, self.device(), directory)?;
        let pending = Pending { commit_sha256: Sha256::digest(&commit).into(), cells: apart.cells.all() };
        self.provider.cells.put(pending_key(id)?, &pending)?;
        Ok(PendingJoin { epoch, commit, group_info })
    }

    fn external_commit(
        &self,
        provider: &Provider,
        info: VerifiableGroupInfo,
        tree: RatchetTreeIn,
    ) -> Result<(MlsGroup, Vec<u8>, Vec<u8>), JoinError> {
        let leaf = LeafNodeParameters::builder().with_capabilities(config::capabilities(self.suite)).build();
        let (group, bundle) = MlsGroup::external_commit_builder()
            .with_ratchet_tree(tree)
            .with_config(config::join_config())
            .skip_lifetime_validation()
            .build_group(provider, info, self.identity.credential_with_key())
            .map_err(invalid)?
            .leaf_node_parameters(leaf)
            .load_psks(provider.storage())
            .map_err(invalid)?
            .create_group_info(true)
            .build(provider.rand(), provider.crypto(), &self.identity, |_| true)
            .map_err(invalid)?
            .finalize(provider)
            .map_err(invalid)?;
        let (commit, _, group_info) = bundle.into_messages();
        let group_info = group_info.ok_or(JoinError::Malformed("no GroupInfo was made"))?;
        Ok((group, codec::encode(&commit)?, codec::encode(&group_info)?))
    }

    fn check_floor(&self, id: ConversationId, info: &VerifiableGroupInfo, floor: &Floor) -> Result<(), JoinError> {
        let epoch = info.epoch().as_u64();
        if epoch < floor.epoch {
            return Err(JoinError::BelowFloor);
        }
        let Some(own) = self.groups.get(&id).filter(|own| own.epoch().as_u64() == epoch && epoch == floor.epoch) else {
            return Ok(());
        };
        let ours = own.epoch_authenticator().as_slice().ct_eq(floor.authenticator.as_slice());
        if bool::from(ours) && own.public_group().group_context() != info.group_context() {
            return Err(JoinError::BelowFloor);
        }
        Ok(())
    }

    /// The node accepted the external commit: from now on this device is a member. Errors with `NotPending`.
    pub fn confirm_join(&mut self, id: ConversationId) -> Result<Joined, JoinError> {
        self.atomically(id, |engine| {
            let cell = pending_key(id)?;
            let pending: Pending = engine.provider.cells.get(&cell)?.ok_or(JoinError::NotPending)?;
            if let Some(mut old) = engine.groups.remove(&id) {
                old.delete(engine.provider.storage())?;
            }
            for (key, value) in pending.cells {
                engine.provider.cells.put_bytes(key, value);
            }
            engine.provider.cells.delete(&cell);
            engine.reload(id)?;
            let group = engine.groups.get(&id).ok_or(CellError)?;
            Ok(Joined { epoch: group.epoch().as_u64(), roster: roster::of(group.extensions())? })
        })
    }

    /// The node refused the external commit, or another commit came first.
    pub fn abandon_join(&mut self, id: ConversationId) -> Result<(), JoinError> {
        self.provider.cells.delete(&pending_key(id)?);
        Ok(())
    }

    /// Whether the commit is the one of the pending join.
    pub fn is_pending_join(&self, id: ConversationId, commit: &[u8]) -> Result<bool, CellError> {
        let pending: Option<Pending> = self.provider.cells.get(&pending_key(id)?)?;
        Ok(pending.is_some_and(|pending| pending.commit_sha256 == <[u8; 32]>::from(Sha256::digest(commit))))
    }
}

/// Verifies everything that a joiner takes over unseen: each leaf, the context, and that the roster covers the members.
fn check_group(
    group: &MlsGroup,
    id: ConversationId,
    own: DeviceRef,
    directory: &Directory,
) -> Result<Joined, JoinError> {
    facts::check_new_context(group.extensions())?;
    let roster = roster::of(group.extensions())?;
    rules::check_channel(id, &roster, directory)?;
    let members = credential::members(group.public_group().members())?;
    let leaves = members.iter().filter_map(|member| group.public_group().leaf(LeafNodeIndex::new(member.leaf)));
    facts::check_tree(leaves, &members)?;
    for member in group.public_group().members() {
        Claim::of_member(&member)?.verify(directory)?;
    }
    rules::check_members(&members, &roster)?;
    let own_leaf = group.own_leaf_index().u32();
    if !members.iter().any(|member| member.leaf == own_leaf && member.device() == own) {
        return Err(Refusal::IdentityChanged.into());
    }
    Ok(Joined { epoch: group.epoch().as_u64(), roster })
}

fn unwelcome(error: WelcomeError<CellError>) -> JoinError {
    match error {
        WelcomeError::NoMatchingKeyPackage
        | WelcomeError::PrivateInitKeyNotFound
        | WelcomeError::JoinerSecretNotFound
        | WelcomeError::NoMatchingEncryptionKey => JoinError::NoKeyPackage,
        WelcomeError::StorageError(error) => JoinError::Cells(error),
        other => invalid(other),
    }
}

fn invalid(error: impl std::fmt::Display) -> JoinError {
    JoinError::Invalid(error.to_string())
}

impl From<NotDecodable> for JoinError {
    fn from(_: NotDecodable) -> Self {
        JoinError::Malformed("not what an MLS join needs")
    }
}
