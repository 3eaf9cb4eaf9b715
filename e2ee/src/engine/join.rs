//! Coming into a conversation: by a Welcome, or from outside.
use super::{Engine, group_id, key};
use crate::cells::CellError;
use crate::error::JoinError;
use crate::storage::Label;
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
#[derive(Clone, Debug)]
pub struct Floor {
    /// The epoch.
    pub epoch: u64,
    /// Its authenticator (RFC 9420 section 8.7).
    pub authenticator: Vec<u8>,
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

pub(super) fn pending_key(id: ConversationId) -> Result<Vec<u8>, CellError> {
    key(Label::PendingJoin, &group_id(id))
}

impl Engine {
    /// Joins by a Welcome.
    pub fn join_welcome(
        &mut self,
        _id: ConversationId,
        _welcome: &[u8],
        _ratchet_tree: &[u8],
        _directory: &Directory,
    ) -> Result<Joined, JoinError> {
        Err(JoinError::NoKeyPackage)
    }

    /// Makes an external commit.
    #[allow(clippy::too_many_arguments)]
    pub fn join_external(
        &mut self,
        _id: ConversationId,
        _group_info: &[u8],
        _ratchet_tree: &[u8],
        _floor: Option<Floor>,
        _directory: &Directory,
        _now_ms: u64,
    ) -> Result<PendingJoin, JoinError> {
        Err(JoinError::NoKeyPackage)
    }

    /// The node accepted the external commit.
    pub fn confirm_join(&mut self, _id: ConversationId) -> Result<Joined, JoinError> {
        Err(JoinError::NoKeyPackage)
    }

    /// The node refused the external commit.
    pub fn abandon_join(&mut self, _id: ConversationId) -> Result<(), JoinError> {
        Ok(())
    }
}
