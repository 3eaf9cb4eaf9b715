//! Application messages.
use super::config::PAST_EPOCHS;
use super::process::{invalid, refused};
use super::{Engine, mls};
use crate::cells::CellError;
use crate::codec;
use crate::credential::{Claim, DeviceRef};
use crate::error::{EngineError, ProcessError};
use openmls::framing::errors::{MessageDecryptionError, SecretTreeError};
use openmls::group::ValidationError;
use openmls::prelude::{ContentType, ProcessMessageError, ProcessedMessageContent};
use std::fmt;
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

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Received({:?}, epoch {}, {} bytes)", self.sender, self.epoch, self.plaintext.len())
    }
}

impl Engine {
    /// Encrypts in the present epoch, padded to a multiple of 64 bytes. Errors with `UnknownConversation` or `Removed`.
    pub fn encrypt(&mut self, id: ConversationId, plaintext: &[u8]) -> Result<Encrypted, EngineError> {
        self.member_group(id)?;
        let Self { identity, provider, groups, .. } = self;
        let group = groups.get_mut(&id).ok_or(EngineError::UnknownConversation)?;
        let message = group.create_message(&*provider, &*identity, plaintext).map_err(mls)?;
        Ok(Encrypted { epoch: group.epoch().as_u64(), ciphertext: codec::encode(&message)? })
    }

    /// Decrypts a message from the log. Messages of the last 3 epochs can still be read.
    ///
    /// `Stale` beyond those, `Future` when commits are missing, `OwnMessage` for one of this device, `Duplicate` for one that was
    /// decrypted before (or so late that its key is gone), `Orphaned` when the keys of its epoch do not fit.
    pub fn process_message(
        &mut self,
        id: ConversationId,
        ciphertext: &[u8],
        directory: &Directory,
    ) -> Result<Received, ProcessError> {
        let Self { provider, groups, .. } = self;
        let group = groups.get_mut(&id).ok_or(ProcessError::UnknownConversation)?;
        if !group.is_active() {
            return Err(ProcessError::Removed);
        }
        let message = codec::private_message(ciphertext)?;
        if message.group_id() != group.group_id() || message.content_type() != ContentType::Application {
            return Err(ProcessError::Malformed);
        }
        compare_epochs(message.epoch().as_u64(), group.epoch().as_u64())?;
        let processed = group.process_message(&*provider, message).map_err(undecryptable)?;
        let epoch = processed.epoch().as_u64();
        let claim = Claim::of_credential(processed.credential())?;
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => {
                let sender = claim.verify(directory)?;
                Ok(Received { sender, epoch, plaintext: message.into_bytes() })
            }
            ProcessedMessageContent::OwnPrivateMessage => Err(ProcessError::OwnMessage),
            _ => Err(ProcessError::Malformed),
        }
    }
}

/// `Future` for an epoch that is not reached, `Stale` for one whose secrets are gone.
pub(super) fn compare_epochs(made_in: u64, at: u64) -> Result<(), ProcessError> {
    if made_in > at {
        Err(ProcessError::Future)
    } else if at - made_in > PAST_EPOCHS as u64 {
        Err(ProcessError::Stale)
    } else {
        Ok(())
    }
}

fn undecryptable(error: ProcessMessageError<CellError>) -> ProcessError {
    use MessageDecryptionError as D;
    match error {
        ProcessMessageError::ValidationError(ValidationError::NoPastEpochData) => ProcessError::Stale,
        ProcessMessageError::ValidationError(ValidationError::UnableToDecrypt(why)) => match why {
            D::SecretTreeError(SecretTreeError::SecretReuseError | SecretTreeError::TooDistantInThePast) => {
                ProcessError::Duplicate
            }
            D::AeadError => ProcessError::Orphaned,
            other => invalid(other),
        },
        other => refused(other),
    }
}
