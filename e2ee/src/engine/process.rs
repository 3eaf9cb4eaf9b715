//! Applying commits from the log.
use super::{Engine, message};
use crate::cells::CellError;
use crate::codec::{self, NotDecodable};
use crate::credential::DeviceRef;
use crate::error::{EngineError, JoinError, ProcessError, Refusal};
use crate::facts::{Facts, Maker};
use crate::rules;
use crate::storage::Provider;
use openmls::group::{StageCommitError, ValidationError};
use openmls::prelude::{MlsGroup, ProcessMessageError, ProcessedMessageContent, Proposal, PublicMessageIn, Sender};
use openmls_traits::OpenMlsProvider;
use std::collections::BTreeSet;
use wardline_directory::Directory;
use wardline_protocol::ConversationId;

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitApplied {
    /// The epoch this device is at now.
    pub epoch: u64,
    /// Who made it.
    pub committer: DeviceRef,
    /// Devices that joined.
    pub added: Vec<DeviceRef>,
    /// Devices that left. One that is also in `added` rejoined.
    pub removed: Vec<DeviceRef>,
    /// Whether the roster is another one.
    pub roster_changed: bool,
    /// This device's own pending commit or join.
    pub own: bool,
    /// This device is no longer a member; only `forget` and a new join are left.
    pub removed_self: bool,
    /// Members whose account is deleted or expired by the directory at `now_ms`: the log may be older than the directory, so they
    /// are not refused here; they are to be removed.
    pub ended: Vec<DeviceRef>,
}

impl CommitApplied {
    fn new(facts: &Facts, directory: &Directory, now_ms: u64) -> Self {
        let (Maker::Member(maker) | Maker::Outside(maker)) = &facts.maker;
        Self {
            epoch: 0,
            committer: maker.device(),
            added: facts.joiners.iter().map(|joiner| joiner.member.device()).collect(),
            removed: facts.leavers.iter().map(|leaver| leaver.member.device()).collect(),
            roster_changed: facts.roster_before != facts.roster_after,
            own: false,
            removed_self: false,
            ended: rules::ended(&facts.members, directory, now_ms),
        }
    }
}

impl Engine {
    /// Applies a commit entry of the log: `proposals` and `commit` as they stand in it. Merges this device's pending commit when it is
    /// the one, and drops it when another commit of its epoch came first; confirms its pending join likewise.
    ///
    /// On an error nothing has changed. `Stale` and `Future` compare epochs; `Orphaned` means that this device's history is not the
    /// one of the log; `Forbidden` that the commit breaks a rule.
    pub fn process_commit(
        &mut self,
        id: ConversationId,
        proposals: &[Vec<u8>],
        commit: &[u8],
        directory: &Directory,
        now_ms: u64,
    ) -> Result<CommitApplied, ProcessError> {
        if self.is_pending_join(id, commit)? {
            return self.apply_own_join(id, directory, now_ms);
        }
        let group = self.groups.get(&id).ok_or(ProcessError::UnknownConversation)?;
        if !group.is_active() {
            return Err(ProcessError::Removed);
        }
        let message = public_message(commit, group)?;
        self.atomically(id, |engine| engine.apply_commit(id, proposals, message, directory, now_ms))
    }

    fn apply_commit(
        &mut self,
        id: ConversationId,
        proposals: &[Vec<u8>],
        commit: PublicMessageIn,
        directory: &Directory,
        now_ms: u64,
    ) -> Result<CommitApplied, ProcessError> {
        let Self { provider, groups, .. } = self;
        let group = groups.get_mut(&id).ok_or(ProcessError::UnknownConversation)?;
        store_removals(group, provider, proposals)?;
        let processed = group.process_message(provider, commit).map_err(refused)?;
        let sender = processed.sender().clone();
        let mut applied;
        match processed.into_content() {
            ProcessedMessageContent::StagedCommitMessage(staged) => {
                let facts = Facts::read(group.public_group(), &staged, &sender)?;
                rules::check(&facts, id, directory)?;
                applied = CommitApplied::new(&facts, directory, now_ms);
                applied.removed_self = staged.self_removed();
                group.merge_staged_commit(provider, *staged).map_err(invalid)?;
            }
            ProcessedMessageContent::OwnPendingCommit => {
                // The rules were checked when it was made.
                let staged = group.pending_commit().ok_or(ProcessError::Orphaned)?;
                let facts = Facts::read(group.public_group(), staged, &sender)?;
                applied = CommitApplied { own: true, ..CommitApplied::new(&facts, directory, now_ms) };
                group.merge_pending_commit(provider).map_err(invalid)?;
            }
            _ => return Err(ProcessError::Malformed),
        }
        // Merging emptied the proposal store, of those that were not committed too: none is left that would stop this device from sending.
        applied.epoch = group.epoch().as_u64();
        Ok(applied)
    }

    fn apply_own_join(
        &mut self,
        id: ConversationId,
        directory: &Directory,
        now_ms: u64,
    ) -> Result<CommitApplied, ProcessError> {
        let rejoined = self.members(id).iter().any(|member| member.device() == self.device());
        let joined = self.confirm_join(id).map_err(|error| match error {
            JoinError::Cells(error) => ProcessError::Cells(error),
            other => invalid(other),
        })?;
        let own = self.device();
        Ok(CommitApplied {
            epoch: joined.epoch,
            committer: own,
            added: vec![own],
            removed: if rejoined { vec![own] } else { vec![] },
            roster_changed: false,
            own: true,
            removed_self: false,
            ended: rules::ended(&self.members(id), directory, now_ms),
        })
    }
}

/// Stores the node's Remove proposals so that a commit can refer to them, and returns the leaves they remove. Whoever calls this
/// clears them again: with proposals stored a device cannot send. Anything else than a Remove of an external sender is refused.
pub(super) fn store_removals(
    group: &mut MlsGroup,
    provider: &Provider,
    proposals: &[Vec<u8>],
) -> Result<BTreeSet<u32>, ProcessError> {
    let mut leaves = BTreeSet::new();
    for bytes in proposals {
        let message = public_message(bytes, group)?;
        if !matches!(message.sender(), Sender::External(_)) {
            return Err(Refusal::ExternalProposal.into());
        }
        let processed = group.process_message(provider, message).map_err(refused)?;
        let ProcessedMessageContent::ProposalMessage(queued) = processed.into_content() else {
            return Err(Refusal::ExternalProposal.into());
        };
        let Proposal::Remove(remove) = queued.proposal() else {
            return Err(Refusal::ExternalProposal.into());
        };
        leaves.insert(remove.removed().u32());
        group.store_pending_proposal(provider.storage(), *queued)?;
    }
    Ok(leaves)
}

/// A PublicMessage of this group's present epoch.
fn public_message(bytes: &[u8], group: &MlsGroup) -> Result<PublicMessageIn, ProcessError> {
    let message = codec::public_message(bytes)?;
    if message.group_id() != group.group_id() {
        return Err(ProcessError::Malformed);
    }
    message::compare_epochs(message.epoch().as_u64(), group.epoch().as_u64())?;
    if message.epoch() < group.epoch() { Err(ProcessError::Stale) } else { Ok(message) }
}

/// Sorts openmls' refusals by what a device can do about them.
pub(super) fn refused(error: ProcessMessageError<CellError>) -> ProcessError {
    use ValidationError as V;
    match error {
        ProcessMessageError::StorageError(error) => ProcessError::Cells(error),
        // The tags and secrets of this epoch do not fit: not the history that the sender is in.
        ProcessMessageError::ValidationError(V::InvalidMembershipTag | V::UnknownMember)
        | ProcessMessageError::InvalidCommit(
            StageCommitError::ConfirmationTagMismatch
            | StageCommitError::OwnCommitMismatch
            | StageCommitError::UpdatePathError(_)
            | StageCommitError::MissingDecryptionKey,
        ) => ProcessError::Orphaned,
        ProcessMessageError::ValidationError(V::UnauthorizedExternalSender | V::NoExternalSendersExtension)
        | ProcessMessageError::UnsupportedProposalType
        | ProcessMessageError::UnauthorizedExternalCommitMessage => ProcessError::Forbidden(Refusal::ExternalProposal),
        ProcessMessageError::GroupStateError(_) => ProcessError::Removed,
        other => invalid(other),
    }
}

pub(super) fn invalid(error: impl std::fmt::Display) -> ProcessError {
    ProcessError::Invalid(error.to_string())
}

impl From<NotDecodable> for ProcessError {
    fn from(_: NotDecodable) -> Self {
        ProcessError::Malformed
    }
}

impl From<EngineError> for ProcessError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Cells(error) => ProcessError::Cells(error),
            EngineError::Forbidden(refusal) => ProcessError::Forbidden(refusal),
            EngineError::UnknownConversation => ProcessError::UnknownConversation,
            EngineError::Removed => ProcessError::Removed,
            other => invalid(other),
        }
    }
}
