//! Making conversations, key packages and commits.
use super::Engine;
use crate::error::EngineError;
use wardline_directory::Directory;
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
    /// New single-use key packages.
    pub fn key_packages(&mut self, count: usize) -> Result<Vec<Vec<u8>>, EngineError> {
        let _ = count;
        Err(EngineError::UnknownConversation)
    }

    /// A key package that can be used again and again.
    pub fn last_resort_key_package(&mut self) -> Result<Vec<u8>, EngineError> {
        Err(EngineError::UnknownConversation)
    }

    /// Creates a conversation whose only member is this device.
    pub fn create(
        &mut self,
        _id: ConversationId,
        _roster: Roster,
        _directory: &Directory,
    ) -> Result<Created, EngineError> {
        Err(EngineError::UnknownConversation)
    }

    /// Makes a commit.
    pub fn commit(
        &mut self,
        _id: ConversationId,
        _change: Change,
        _directory: &Directory,
        _now_ms: u64,
    ) -> Result<PendingCommit, EngineError> {
        Err(EngineError::UnknownConversation)
    }

    /// Drops the pending commit, if there is one.
    pub fn discard_pending(&mut self, _id: ConversationId) -> Result<(), EngineError> {
        Ok(())
    }
}
