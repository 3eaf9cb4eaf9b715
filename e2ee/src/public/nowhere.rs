//! The storage of the node's view: none. A view is opened again from the GroupInfo and the tree, which the node keeps itself.
use openmls_traits::public_storage::PublicStorageProvider;
use openmls_traits::storage::{CURRENT_VERSION, traits};
use std::convert::Infallible;

/// Keeps nothing and holds nothing.
pub(super) struct Nowhere;

impl PublicStorageProvider<CURRENT_VERSION> for Nowhere {
    type PublicError = Infallible;

    fn write_tree<GroupId: traits::GroupId<CURRENT_VERSION>, TreeSync: traits::TreeSync<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
        _: &TreeSync,
    ) -> Result<(), Infallible> {
        Ok(())
    }

    fn write_interim_transcript_hash<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        InterimTranscriptHash: traits::InterimTranscriptHash<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        _: &InterimTranscriptHash,
    ) -> Result<(), Infallible> {
        Ok(())
    }

    fn write_context<GroupId: traits::GroupId<CURRENT_VERSION>, GroupContext: traits::GroupContext<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
        _: &GroupContext,
    ) -> Result<(), Infallible> {
        Ok(())
    }

    fn write_confirmation_tag<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ConfirmationTag: traits::ConfirmationTag<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        _: &ConfirmationTag,
    ) -> Result<(), Infallible> {
        Ok(())
    }

    fn tree<GroupId: traits::GroupId<CURRENT_VERSION>, TreeSync: traits::TreeSync<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<Option<TreeSync>, Infallible> {
        Ok(None)
    }

    fn group_context<GroupId: traits::GroupId<CURRENT_VERSION>, GroupContext: traits::GroupContext<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<Option<GroupContext>, Infallible> {
        Ok(None)
    }

    fn interim_transcript_hash<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        InterimTranscriptHash: traits::InterimTranscriptHash<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<InterimTranscriptHash>, Infallible> {
        Ok(None)
    }

    fn confirmation_tag<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ConfirmationTag: traits::ConfirmationTag<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<ConfirmationTag>, Infallible> {
        Ok(None)
    }

    fn delete_tree<GroupId: traits::GroupId<CURRENT_VERSION>>(&self, _: &GroupId) -> Result<(), Infallible> {
        Ok(())
    }

    fn delete_confirmation_tag<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), Infallible> {
        Ok(())
    }

    fn delete_context<GroupId: traits::GroupId<CURRENT_VERSION>>(&self, _: &GroupId) -> Result<(), Infallible> {
        Ok(())
    }

    fn delete_interim_transcript_hash<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), Infallible> {
        Ok(())
    }

    fn remove_proposal<GroupId: traits::GroupId<CURRENT_VERSION>, ProposalRef: traits::ProposalRef<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
        _: &ProposalRef,
    ) -> Result<(), Infallible> {
        Ok(())
    }

    fn queue_proposal<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ProposalRef: traits::ProposalRef<CURRENT_VERSION>,
        QueuedProposal: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        _: &ProposalRef,
        _: &QueuedProposal,
    ) -> Result<(), Infallible> {
        Ok(())
    }

    fn queued_proposals<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ProposalRef: traits::ProposalRef<CURRENT_VERSION>,
        QueuedProposal: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Vec<(ProposalRef, QueuedProposal)>, Infallible> {
        Ok(Vec::new())
    }

    fn clear_proposal_queue<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ProposalRef: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<(), Infallible> {
        Ok(())
    }
}
