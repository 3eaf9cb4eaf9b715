//! What a commit does, read from openmls' staged form, and the shape that every commit must have.
//!
//! Shared by devices and the node. Absent: the directory, and who may do what; see [`crate::rules`] for devices.
use crate::credential::{self, Claim, Member};
use crate::engine::config;
use crate::error::Refusal;
use crate::roster;
use openmls::prelude::{
    Extension, Extensions, GroupContext, LeafNode, LeafNodeIndex, Proposal, ProposalOrRefType, PublicGroup,
    QueuedProposal, Sender, StagedCommit,
};
use openmls::treesync::LeafNodeSource;
use std::collections::BTreeSet;
use wardline_protocol::limit::{ADDS_PER_COMMIT, MEMBERS_MAX};
use wardline_protocol::wire::Roster;

/// A device that joins, at the leaf it takes.
pub(crate) struct Joiner {
    pub member: Member,
    pub claim: Claim,
}

/// A member that leaves.
pub(crate) struct Leaver {
    pub member: Member,
    /// An external sender proposed it; otherwise the committer did.
    pub proposed: bool,
}

/// Who made the commit.
pub(crate) enum Maker {
    Member(Member),
    /// The joiner is the only one in `joiners`.
    Outside(Member),
}

/// A commit's effects.
pub(crate) struct Facts {
    pub maker: Maker,
    pub joiners: Vec<Joiner>,
    pub leavers: Vec<Leaver>,
    /// The members after it, unsorted.
    pub members: Vec<Member>,
    pub roster_before: Roster,
    pub roster_after: Roster,
}

impl Facts {
    /// Reads a commit that openmls found valid in `group`, which is still in the epoch before it.
    pub(crate) fn read(group: &PublicGroup, staged: &StagedCommit, sender: &Sender) -> Result<Self, Refusal> {
        let before = credential::members(group.members())?;
        let (old, new) = (group.group_context().extensions(), staged.group_context().extensions());
        check_context(old, new)?;
        let leavers = leavers(&before, staged)?;
        let left: BTreeSet<u32> = leavers.iter().map(|leaver| leaver.member.leaf).collect();
        let mut members: Vec<Member> = before.iter().filter(|member| !left.contains(&member.leaf)).copied().collect();
        let (maker, joiners) = match sender {
            Sender::Member(index) => {
                check_member_proposals(staged, *index)?;
                let maker = *before.iter().find(|member| member.leaf == index.u32()).ok_or(Refusal::ProposalKind)?;
                if let Some(leaf) = staged.update_path_leaf_node() {
                    let old = group.leaf(*index).ok_or(Refusal::IdentityChanged)?;
                    check_own_update(old, leaf)?;
                }
                (Maker::Member(maker), joiners(&members, staged)?)
            }
            Sender::NewMemberCommit => {
                let joiner = outside(group, staged, &leavers)?;
                (Maker::Outside(joiner.member), vec![joiner])
            }
            _ => return Err(Refusal::ExternalProposal),
        };
        members.extend(joiners.iter().map(|joiner| joiner.member));
        check_members(&members, joiners.len())?;
        Ok(Self { maker, joiners, leavers, members, roster_before: roster::of(old)?, roster_after: roster::of(new)? })
    }
}

/// Checks a tree that is not the result of a commit seen: of a Welcome, of a GroupInfo.
pub(crate) fn check_tree<'a>(leaves: impl Iterator<Item = &'a LeafNode>, members: &[Member]) -> Result<(), Refusal> {
    leaves.into_iter().try_for_each(check_leaf)?;
    check_members(members, 0)
}

/// Nothing that a leaf says may make it expire, and every leaf knows the roster extension.
pub(crate) fn check_leaf(leaf: &LeafNode) -> Result<(), Refusal> {
    if let LeafNodeSource::KeyPackage(lifetime) = leaf.leaf_node_source()
        && !config::is_lasting(lifetime)
    {
        return Err(Refusal::Lifetime);
    }
    let extensions = leaf.capabilities().extensions();
    if config::required().extension_types().iter().all(|needed| extensions.contains(needed)) {
        Ok(())
    } else {
        Err(Refusal::Capabilities)
    }
}

/// A new group context must hold exactly the extensions of this system.
pub(crate) fn check_new_context(extensions: &Extensions<GroupContext>) -> Result<(), Refusal> {
    let required = extensions.required_capabilities() == Some(&config::required());
    let known = extensions.iter().all(is_known);
    if required && known { roster::of(extensions).map(|_| ()) } else { Err(Refusal::ContextChanged) }
}

fn is_known(extension: &Extension) -> bool {
    match extension {
        Extension::RequiredCapabilities(_) | Extension::ExternalSenders(_) => true,
        Extension::Unknown(kind, _) => *kind == roster::EXTENSION_TYPE,
        _ => false,
    }
}

/// Only the roster may change: whoever could name an external sender could have anybody removed.
fn check_context(old: &Extensions<GroupContext>, new: &Extensions<GroupContext>) -> Result<(), Refusal> {
    check_new_context(new)?;
    if old.external_senders() == new.external_senders() { Ok(()) } else { Err(Refusal::ContextChanged) }
}

fn check_members(members: &[Member], joiners: usize) -> Result<(), Refusal> {
    if joiners > ADDS_PER_COMMIT || members.len() > MEMBERS_MAX {
        return Err(Refusal::TooMany);
    }
    let devices: BTreeSet<_> = members.iter().map(|member| member.device_id).collect();
    if devices.len() == members.len() { Ok(()) } else { Err(Refusal::DeviceTwice) }
}

/// A member commits Add, Remove and GroupContextExtensions of its own, and Remove of an external sender; nothing else.
fn check_member_proposals(staged: &StagedCommit, committer: LeafNodeIndex) -> Result<(), Refusal> {
    staged.queued_proposals().try_for_each(|queued| match (queued.sender(), queued.proposal()) {
        (Sender::Member(by), Proposal::Add(_) | Proposal::Remove(_) | Proposal::GroupContextExtensions(_))
            if *by == committer && is_inline(queued) =>
        {
            Ok(())
        }
        (Sender::External(_), Proposal::Remove(_)) => Ok(()),
        (Sender::External(_), _) => Err(Refusal::ExternalProposal),
        _ => Err(Refusal::ProposalKind),
    })
}

fn is_inline(queued: &QueuedProposal) -> bool {
    queued.proposal_or_ref_type() == ProposalOrRefType::Proposal
}

fn leavers(before: &[Member], staged: &StagedCommit) -> Result<Vec<Leaver>, Refusal> {
    let removals = staged.queued_proposals().filter_map(|queued| match queued.proposal() {
        Proposal::Remove(remove) => Some((remove.removed().u32(), matches!(queued.sender(), Sender::External(_)))),
        _ => None,
    });
    removals
        .map(|(leaf, proposed)| {
            let member = before.iter().find(|member| member.leaf == leaf).ok_or(Refusal::ProposalKind)?;
            Ok(Leaver { member: *member, proposed })
        })
        .collect()
}

fn check_own_update(old: &LeafNode, new: &LeafNode) -> Result<(), Refusal> {
    if old.credential() != new.credential() || old.signature_key() != new.signature_key() {
        return Err(Refusal::IdentityChanged);
    }
    check_leaf(new)
}

/// Adds take the leftmost free leaf each (RFC 9420 section 12.1.1).
fn joiners(staying: &[Member], staged: &StagedCommit) -> Result<Vec<Joiner>, Refusal> {
    let mut taken: BTreeSet<u32> = staying.iter().map(|member| member.leaf).collect();
    let mut next = 0;
    staged
        .add_proposals()
        .map(|add| {
            let leaf = add.add_proposal().key_package().leaf_node();
            check_leaf(leaf)?;
            let claim = Claim::of_leaf(leaf)?;
            while !taken.insert(next) {
                next += 1;
            }
            Ok(Joiner { member: Member::new(next, &claim), claim })
        })
        .collect()
}

/// An external commit joins its own device and may take out that device's earlier leaf.
fn outside(group: &PublicGroup, staged: &StagedCommit, leavers: &[Leaver]) -> Result<Joiner, Refusal> {
    let (mut inits, mut removals) = (0, 0);
    for queued in staged.queued_proposals() {
        match queued.proposal() {
            Proposal::ExternalInit(_) if is_inline(queued) => inits += 1,
            Proposal::Remove(_) if is_inline(queued) => removals += 1,
            _ => return Err(Refusal::ExternalJoin),
        }
    }
    if inits != 1 || removals > 1 {
        return Err(Refusal::ExternalJoin);
    }
    let leaf = staged.update_path_leaf_node().ok_or(Refusal::ExternalJoin)?;
    check_leaf(leaf)?;
    let claim = Claim::of_leaf(leaf)?;
    if leavers.iter().any(|leaver| leaver.member.device() != claim.device) {
        return Err(Refusal::ExternalJoin);
    }
    let index = group.ext_commit_sender_index(staged).map_err(|_| Refusal::ExternalJoin)?;
    Ok(Joiner { member: Member::new(index.u32(), &claim), claim })
}
