//! The node's view of a group: it follows every commit and holds no secret.
//!
//! It reports facts and refuses what is not valid MLS; who may do what is the plane's to judge, chains included.

mod nowhere;
mod view;

use crate::credential::Member;
pub use view::PublicView;
use wardline_protocol::wire::Roster;

/// Who made a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committer {
    /// A member, at its leaf before the commit.
    Member(Member),
    /// A device that joins from outside, at the leaf it takes.
    External(Member),
}

/// Why a commit, a GroupInfo or a tree is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Made in an epoch that is over.
    #[error("made in an epoch that is over")]
    Stale,
    /// Made in an epoch not reached.
    #[error("made in an epoch not reached yet")]
    Future,
    /// Does not decode.
    #[error("malformed")]
    Malformed,
    /// Does not verify, or uses what this system does not.
    #[error("does not verify: {0}")]
    Invalid(String),
    /// The GroupInfo does not describe the epoch that the commit leads to.
    #[error("the GroupInfo does not describe the epoch that the commit leads to")]
    GroupInfo,
}

/// A commit that verifies, and what it does.
#[derive(Debug)]
pub struct Staged {
    pub(crate) commit: Box<openmls::prelude::StagedCommit>,
    pub(crate) group_info: Vec<u8>,
    pub(crate) members: Vec<Member>,
    /// Who made it.
    pub committer: Committer,
    /// Devices that join, at their new leaves; an external joiner included.
    pub added: Vec<Member>,
    /// Members that leave, at their leaves before.
    pub removed: Vec<Member>,
    /// Of those, the leaves that an external sender proposed to remove.
    pub removed_by_proposal: Vec<u32>,
    /// The new roster when it is another one.
    pub roster: Option<Roster>,
    /// The epoch it leads to.
    pub epoch: u64,
}
