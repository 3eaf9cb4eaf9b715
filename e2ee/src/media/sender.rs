//! Sealing one track's frames.
use super::MediaError;
use super::epoch::{MediaEpoch, SUITE};
use super::kid::Kid;
use sframe::frame::{MediaFrameView, MonotonicCounter};
use sframe::key::EncryptionKey;
use std::fmt;
use subtle::ConstantTimeEq;

/// Seals the frames of one sender session and track.
///
/// The counter starts at 0 with every key, so a context id must never be used twice by a device in an epoch: the caller takes it from
/// a number that it makes durable before use.
pub struct Sender {
    context_id: u32,
    epoch: MediaEpoch,
    key: EncryptionKey,
    counter: MonotonicCounter,
}

impl Sender {
    /// Errors with `OutOfRange` when the leaf index has more than 16 bits.
    pub fn new(epoch: MediaEpoch, context_id: u32) -> Result<Self, MediaError> {
        let key = derive(&epoch, context_id)?;
        Ok(Self { context_id, epoch, key, counter: MonotonicCounter::default() })
    }

    /// Switches to the keys of a new epoch at once. The same epoch again changes nothing: its counter must not restart.
    pub fn update(&mut self, epoch: MediaEpoch) -> Result<(), MediaError> {
        let same = epoch.epoch == self.epoch.epoch
            && epoch.own_leaf == self.epoch.own_leaf
            && bool::from(epoch.base_key.as_slice().ct_eq(self.epoch.base_key.as_slice()));
        if !same {
            *self = Self::new(epoch, self.context_id)?;
        }
        Ok(())
    }

    /// The epoch whose key seals the next frame.
    pub fn epoch(&self) -> u64 {
        self.epoch.epoch
    }

    /// Seals an encoded frame. Its first `clear_len` bytes stay readable and are authenticated. The result is those bytes, the SFrame
    /// header, the ciphertext and the tag: at most 33 bytes longer than `payload`.
    pub fn seal(&mut self, payload: &[u8], clear_len: usize) -> Result<Vec<u8>, MediaError> {
        let (clear, secret) = payload.split_at_checked(clear_len).ok_or(MediaError::Malformed)?;
        let frame = MediaFrameView::try_with_meta_data(&mut self.counter, secret, clear);
        let mut sealed = Vec::with_capacity(payload.len() + 33);
        frame
            .and_then(|frame| frame.encrypt_into(&self.key, &mut sealed).map(|_| ()))
            .map_err(|_| MediaError::OutOfRange)?;
        Ok(sealed)
    }
}

fn derive(epoch: &MediaEpoch, context_id: u32) -> Result<EncryptionKey, MediaError> {
    let kid = Kid::new(context_id, epoch.own_leaf, epoch.epoch).ok_or(MediaError::OutOfRange)?;
    EncryptionKey::derive_from(SUITE, kid.to_u64(), epoch.base_key.as_slice()).map_err(|_| MediaError::OutOfRange)
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender(context {}, epoch {}, secret)", self.context_id, self.epoch.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, METADATA, PLAINTEXT, SEALED};
    use super::*;
    use wardline_protocol::AccountId;

    #[test]
    fn rfc_9605_test_vector() {
        let mut sender = Sender::new(testing::epoch(AccountId::from_bytes([1; 16])), 0).unwrap();
        sender.counter = MonotonicCounter::with_start_value(0x4567, u64::MAX);
        let sealed = sender.seal(&[METADATA, PLAINTEXT].concat(), METADATA.len()).unwrap();
        assert_eq!(sealed, [METADATA, SEALED].concat());
    }

    #[test]
    fn the_last_counter_is_not_used_twice() {
        let mut sender = Sender::new(testing::epoch(AccountId::from_bytes([1; 16])), 0).unwrap();
        sender.counter = MonotonicCounter::with_start_value(u64::MAX, u64::MAX);
        sender.seal(b"last", 0).unwrap();
        assert_eq!(sender.seal(b"too many", 0), Err(MediaError::OutOfRange));
    }
}
