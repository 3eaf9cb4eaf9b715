//! Following one group.
use super::{Refused, Staged};
use crate::credential::Member;
use wardline_directory::key::ProposerKey;
use wardline_protocol::ConversationId;
use wardline_protocol::wire::Roster;

/// A group as the node sees it.
pub struct PublicView {
    epoch: u64,
    roster: Roster,
    group_info: Vec<u8>,
}

impl PublicView {
    /// Opens.
    pub fn open(_id: ConversationId, _group_info: &[u8], _ratchet_tree: &[u8]) -> Result<Self, Refused> {
        Err(Refused::Malformed)
    }

    /// Checks.
    pub fn check(&mut self, _proposals: &[Vec<u8>], _commit: &[u8], _group_info: &[u8]) -> Result<Staged, Refused> {
        Err(Refused::Malformed)
    }

    /// Applies.
    pub fn apply(&mut self, _staged: Staged) -> Result<(), Refused> {
        Ok(())
    }

    /// The epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Members.
    pub fn members(&self) -> Vec<Member> {
        Vec::new()
    }

    /// Roster.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The tree.
    pub fn ratchet_tree(&self) -> Result<Vec<u8>, Refused> {
        Ok(Vec::new())
    }

    /// The GroupInfo.
    pub fn group_info(&self) -> &[u8] {
        &self.group_info
    }

    /// Proposes.
    pub fn propose_removal(&self, _leaf: u32, _proposer: &ProposerKey) -> Result<Vec<u8>, Refused> {
        Ok(Vec::new())
    }
}
