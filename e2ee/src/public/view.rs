//! Following one group.
use super::nowhere::Nowhere;
use super::{Committer, Refused, Staged};
use crate::codec::{self, NotDecodable};
use crate::credential::{self, Member};
use crate::engine::config;
use crate::error::Refusal;
use crate::facts::{self, Facts, Maker};
use crate::roster;
use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::{
    ConfirmationTag, Extensions, ExternalProposal, ExternalSender, GroupContext, LeafNodeIndex,
    OpenMlsSignaturePublicKey, ProcessedMessageContent, Proposal, ProposalStore, PublicGroup, PublicMessageIn, Sender,
    SenderExtensionIndex, StagedCommit, Verifiable,
};
use openmls_rust_crypto::{OpenMlsRustCrypto, RustCrypto};
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;
use std::fmt;
use wardline_directory::key::{ProposerKey, PublicKey};
use wardline_protocol::ConversationId;
use wardline_protocol::wire::Roster;

/// A group as the node sees it: members, roster, epoch, the tree, and the newest GroupInfo.
pub struct PublicView {
    group: PublicGroup,
    crypto: RustCrypto,
    members: Vec<Member>,
    roster: Roster,
    external_senders: Vec<PublicKey>,
    group_info: Vec<u8>,
}

impl fmt::Debug for PublicView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicView(epoch {}, {} members)", self.epoch(), self.members.len())
    }
}

impl PublicView {
    /// Opens a group from a GroupInfo and its tree: a new one, or one that the node stored.
    pub fn open(id: ConversationId, group_info: &[u8], ratchet_tree: &[u8]) -> Result<Self, Refused> {
        let info = codec::group_info(group_info)?;
        let tree = codec::ratchet_tree(ratchet_tree)?;
        if info.group_id().as_slice() != id.as_bytes() {
            return Err(Refused::Malformed);
        }
        check_joinable(&info)?;
        let crypto = RustCrypto::default();
        let opened = PublicGroup::from_external(&crypto, &Nowhere, tree, info, ProposalStore::new());
        let (group, _) = opened.map_err(invalid)?;
        let extensions = group.group_context().extensions();
        facts::check_new_context(extensions)?;
        let members = credential::members(group.members())?;
        let leaves = members.iter().filter_map(|member| group.leaf(LeafNodeIndex::new(member.leaf)));
        facts::check_tree(leaves, &members)?;
        let (roster, external_senders) = (roster::of(extensions)?, sender_keys(extensions)?);
        Ok(Self { crypto, members, roster, external_senders, group_info: group_info.to_vec(), group })
    }

    /// Verifies a commit, the proposals it takes in by reference, and that `group_info` describes the epoch it leads to (context,
    /// confirmation tag, signer, signature). The view is the same before and after.
    pub fn check(&mut self, proposals: &[Vec<u8>], commit: &[u8], group_info: &[u8]) -> Result<Staged, Refused> {
        let mut references = Vec::new();
        let result = self.check_with(proposals, commit, group_info, &mut references);
        for reference in references {
            // `Nowhere` cannot fail.
            let Ok(()) = self.group.remove_proposal(&Nowhere, &reference);
        }
        result
    }

    fn check_with(
        &mut self,
        proposals: &[Vec<u8>],
        commit: &[u8],
        group_info: &[u8],
        references: &mut Vec<openmls::prelude::hash_ref::ProposalRef>,
    ) -> Result<Staged, Refused> {
        let commit = self.message(commit)?;
        let tag = commit.confirmation_tag().ok_or(Refused::Malformed)?.clone();
        for proposal in proposals {
            let message = self.message(proposal)?;
            let processed = self.group.process_message(&self.crypto, message).map_err(invalid)?;
            let by_external = matches!(processed.sender(), Sender::External(_));
            match processed.into_content() {
                ProcessedMessageContent::ProposalMessage(queued)
                    if by_external && matches!(queued.proposal(), Proposal::Remove(_)) =>
                {
                    references.push(queued.proposal_reference_ref().clone());
                    let Ok(()) = self.group.add_proposal(&Nowhere, *queued);
                }
                _ => return Err(Refusal::ExternalProposal.into()),
            }
        }
        let processed = self.group.process_message(&self.crypto, commit).map_err(invalid)?;
        let sender = processed.sender().clone();
        let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
            return Err(Refused::Malformed);
        };
        let facts = Facts::read(&self.group, &staged, &sender)?;
        let (Maker::Member(maker) | Maker::Outside(maker)) = &facts.maker;
        check_group_info(group_info, &staged, tag, maker, &self.crypto)?;
        Ok(stage(facts, staged, group_info))
    }

    /// Moves to the epoch of a commit that [`Self::check`] accepted. Errors with `Stale` when another one was applied since.
    pub fn apply(&mut self, staged: Staged) -> Result<(), Refused> {
        if staged.epoch != self.epoch() + 1 {
            return Err(Refused::Stale);
        }
        self.group.merge_commit(&Nowhere, *staged.commit).map_err(invalid)?;
        self.members = staged.members;
        if let Some(roster) = staged.roster {
            self.roster = roster;
        }
        self.group_info = staged.group_info;
        Ok(())
    }

    /// The present epoch.
    pub fn epoch(&self) -> u64 {
        self.group.group_context().epoch().as_u64()
    }

    /// The members in leaf order.
    pub fn members(&self) -> Vec<Member> {
        self.members.clone()
    }

    /// The accounts that may be in it.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The keys whose removal proposals the members accept. They never change after the group was created.
    pub fn external_senders(&self) -> &[PublicKey] {
        &self.external_senders
    }

    /// The hash of the tree (RFC 9420 section 7.8): equal for everybody in the same epoch.
    pub fn tree_hash(&self) -> &[u8] {
        self.group.group_context().tree_hash()
    }

    /// The hash over the commits that led here (RFC 9420 section 8.2): equal for everybody in the same history; empty before the first.
    pub fn confirmed_transcript_hash(&self) -> &[u8] {
        self.group.group_context().confirmed_transcript_hash()
    }

    /// The tree, for those who join.
    pub fn ratchet_tree(&self) -> Result<Vec<u8>, Refused> {
        Ok(codec::encode_tree(&self.group.export_ratchet_tree())?)
    }

    /// The GroupInfo that came with the newest commit.
    pub fn group_info(&self) -> &[u8] {
        &self.group_info
    }

    /// A proposal to remove a member, as MLSMessage(PublicMessage) of the present epoch. Errors with `Invalid` when the leaf is empty
    /// or the key is not one of the group's external senders.
    pub fn propose_removal(&self, leaf: u32, proposer: &ProposerKey) -> Result<Vec<u8>, Refused> {
        let index = self.external_senders.iter().position(|key| *key == proposer.public());
        let index =
            index.and_then(|index| u32::try_from(index).ok()).ok_or_else(|| invalid("not an external sender"))?;
        if !self.members.iter().any(|member| member.leaf == leaf) {
            return Err(invalid("no member at this leaf"));
        }
        let (group_id, epoch) = (self.group.group_id().clone(), self.group.group_context().epoch());
        let proposal = ExternalProposal::new_remove::<OpenMlsRustCrypto>(
            LeafNodeIndex::new(leaf),
            group_id,
            epoch,
            &ProposerSigner(proposer),
            SenderExtensionIndex::new(index),
        );
        Ok(codec::encode(&proposal.map_err(invalid)?)?)
    }

    /// A PublicMessage of this group and epoch.
    fn message(&self, bytes: &[u8]) -> Result<PublicMessageIn, Refused> {
        let message = codec::public_message(bytes)?;
        if message.group_id() != self.group.group_id() {
            return Err(Refused::Malformed);
        }
        match message.epoch().as_u64().cmp(&self.epoch()) {
            std::cmp::Ordering::Less => Err(Refused::Stale),
            std::cmp::Ordering::Greater => Err(Refused::Future),
            std::cmp::Ordering::Equal => Ok(message),
        }
    }
}

fn stage(facts: Facts, commit: Box<StagedCommit>, group_info: &[u8]) -> Staged {
    let committer = match facts.maker {
        Maker::Member(member) => Committer::Member(member),
        Maker::Outside(member) => Committer::External(member),
    };
    let mut members = facts.members;
    members.sort_by_key(|member| member.leaf);
    Staged {
        committer,
        added: facts.joiners.iter().map(|joiner| joiner.member).collect(),
        removed: facts.leavers.iter().map(|leaver| leaver.member).collect(),
        removed_by_proposal: facts
            .leavers
            .iter()
            .filter(|leaver| leaver.proposed)
            .map(|leaver| leaver.member.leaf)
            .collect(),
        roster: (facts.roster_before != facts.roster_after).then_some(facts.roster_after),
        epoch: commit.group_context().epoch().as_u64(),
        members,
        group_info: group_info.to_vec(),
        commit,
    }
}

/// Everything but the external public key, which nobody outside can check, is known: so the GroupInfo is built again and compared.
fn check_group_info(
    bytes: &[u8],
    staged: &StagedCommit,
    tag: ConfirmationTag,
    maker: &Member,
    crypto: &RustCrypto,
) -> Result<(), Refused> {
    let info = codec::group_info(bytes).map_err(|_| Refused::GroupInfo)?;
    check_joinable(&info).map_err(|_| Refused::GroupInfo)?;
    let expected = VerifiableGroupInfo::new(
        staged.group_context().clone(),
        info.extensions().clone(),
        tag,
        LeafNodeIndex::new(maker.leaf),
        info.signature().clone(),
    );
    if expected != info {
        return Err(Refused::GroupInfo);
    }
    let key = OpenMlsSignaturePublicKey::new(maker.public_key.as_bytes().to_vec().into(), SignatureScheme::ED25519);
    let key = key.map_err(|_| Refused::GroupInfo)?;
    info.verify(crypto, &key).map(|_| ()).map_err(|_| Refused::GroupInfo)
}

/// A GroupInfo lets devices join from outside, and carries no tree: that is delivered apart.
fn check_joinable(info: &VerifiableGroupInfo) -> Result<(), Refused> {
    let extensions = info.extensions();
    if extensions.external_pub().is_some() && extensions.iter().count() == 1 { Ok(()) } else { Err(Refused::GroupInfo) }
}

fn sender_keys(extensions: &Extensions<GroupContext>) -> Result<Vec<PublicKey>, Refused> {
    config::external_senders(extensions).iter().map(sender_key).collect()
}

/// openmls does not show an external sender's key, so it is cut out of the encoded form: a length byte, then the key.
fn sender_key(sender: &ExternalSender) -> Result<PublicKey, Refused> {
    let bytes = sender.tls_serialize_detached().map_err(|_| Refused::Malformed)?;
    let key = bytes.get(1..33).and_then(|key| PublicKey::parse(key).ok()).ok_or(Refused::Malformed)?;
    if config::external_sender(&key) == *sender { Ok(key) } else { Err(Refused::Malformed) }
}

struct ProposerSigner<'a>(&'a ProposerKey);

impl Signer for ProposerSigner<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload).to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

fn invalid(error: impl fmt::Display) -> Refused {
    Refused::Invalid(error.to_string())
}

impl From<NotDecodable> for Refused {
    fn from(_: NotDecodable) -> Self {
        Refused::Malformed
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Refused::Invalid(refusal.to_string())
    }
}
