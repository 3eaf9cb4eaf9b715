//! Application messages.
use super::Engine;
use crate::credential::DeviceRef;
use crate::error::{EngineError, ProcessError};
use wardline_directory::Directory;
use wardline_protocol::ConversationId;

/// A message for the node.
#[derive(Clone, Debug)]
pub struct Encrypted {
    /// The epoch it was made in.
    pub epoch: u64,
    /// MLSMessage(PrivateMessage).
    pub ciphertext: Vec<u8>,
}

/// A message from another device.
pub struct Received {
    /// Who signed it.
    pub sender: DeviceRef,
    /// The epoch it was made in.
    pub epoch: u64,
    /// What was encrypted.
    pub plaintext: Vec<u8>,
}

impl Engine {
    /// Encrypts in the present epoch.
    pub fn encrypt(&mut self, _id: ConversationId, _plaintext: &[u8]) -> Result<Encrypted, EngineError> {
        Err(EngineError::UnknownConversation)
    }

    /// Decrypts a message from the log.
    pub fn process_message(
        &mut self,
        _id: ConversationId,
        _ciphertext: &[u8],
        _directory: &Directory,
    ) -> Result<Received, ProcessError> {
        Err(ProcessError::UnknownConversation)
    }
}
