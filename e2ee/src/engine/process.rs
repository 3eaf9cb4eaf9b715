//! Applying commits from the log.
use super::Engine;
use crate::credential::DeviceRef;
use crate::error::ProcessError;
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
    /// Members whose account is deleted or expired by the directory at `now_ms`: the log may be older than the directory, so they are
    /// not refused here; they are to be removed.
    pub ended: Vec<DeviceRef>,
}

impl Engine {
    /// Applies a commit entry.
    pub fn process_commit(
        &mut self,
        _id: ConversationId,
        _proposals: &[Vec<u8>],
        _commit: &[u8],
        _directory: &Directory,
        _now_ms: u64,
    ) -> Result<CommitApplied, ProcessError> {
        Err(ProcessError::UnknownConversation)
    }
}
