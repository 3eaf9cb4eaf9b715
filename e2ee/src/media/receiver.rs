//! Opening the frames of one peer.
use super::MediaError;
use super::epoch::{MediaEpoch, SUITE};
use super::kid::{self, Kid};
use super::window::Window;
use sframe::frame::EncryptedFrameView;
use sframe::key::DecryptionKey;
use std::collections::HashMap;
use std::fmt;
use subtle::ConstantTimeEq;
use wardline_protocol::AccountId;

/// How long the keys of an epoch are kept after the next one began: frames sealed before the sender saw the commit are on their way.
pub const OLD_EPOCH_KEEP_MS: u64 = 5_000;

/// Epochs kept at once. Commits that follow each other faster push the oldest out early.
const EPOCHS_MAX: usize = 4;

/// Key ids of the peer (tracks and sender sessions) in one epoch.
const KEY_IDS_MAX: usize = 256;

/// A frame that was opened.
pub struct Opened {
    /// The sender's leaf: a device of the peer.
    pub leaf: u32,
    /// Which of its sender sessions and tracks.
    pub context_id: u32,
    /// The epoch whose key it was sealed with.
    pub epoch: u64,
    /// Its place among the frames of that key.
    pub counter: u64,
    /// The encoded frame, its clear bytes included.
    pub payload: Vec<u8>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, at) = (self.payload.len(), (self.leaf, self.context_id, self.epoch, self.counter));
        write!(f, "Opened({at:?}, {bytes} bytes)")
    }
}

/// One key id's key and what was opened with it.
struct Track {
    key: DecryptionKey,
    window: Window,
}

struct Kept {
    epoch: MediaEpoch,
    /// `None` for the present epoch.
    until_ms: Option<u64>,
    tracks: HashMap<u64, Track>,
}

/// Opens the frames of one peer account in one call, from any of its devices.
pub struct Receiver {
    peer: AccountId,
    /// The present epoch last.
    epochs: Vec<Kept>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({}, {} epochs, secret)", self.peer, self.epochs.len())
    }
}

impl Receiver {
    /// Opens nothing until the first [`Self::update`].
    pub fn new(peer: AccountId) -> Self {
        Self { peer, epochs: Vec::new() }
    }

    /// Takes the keys of a new epoch; those before stay for [`OLD_EPOCH_KEEP_MS`]. The same epoch again changes nothing: what was
    /// opened with it must not open again.
    pub fn update(&mut self, epoch: MediaEpoch, now_ms: u64) {
        self.expire(now_ms);
        let known = |kept: &Kept| {
            kept.epoch.epoch == epoch.epoch
                && bool::from(kept.epoch.base_key.as_slice().ct_eq(epoch.base_key.as_slice()))
        };
        if self.epochs.last().is_some_and(known) {
            return;
        }
        for kept in &mut self.epochs {
            kept.until_ms.get_or_insert(now_ms.saturating_add(OLD_EPOCH_KEEP_MS));
        }
        if self.epochs.len() == EPOCHS_MAX {
            self.epochs.remove(0);
        }
        self.epochs.push(Kept { epoch, until_ms: None, tracks: HashMap::new() });
    }

    /// Opens what [`super::Sender::seal`] made with the same `clear_len`.
    pub fn open(&mut self, frame: &[u8], clear_len: usize, now_ms: u64) -> Result<Opened, MediaError> {
        self.expire(now_ms);
        let (clear, sealed) = frame.split_at_checked(clear_len).ok_or(MediaError::Malformed)?;
        let view = EncryptedFrameView::try_with_meta_data(sealed, clear).map_err(|_| MediaError::Malformed)?;
        if view.cipher_text().len() < SUITE.auth_tag_len() {
            return Err(MediaError::Malformed);
        }
        let (raw_kid, counter) = (view.header().key_id(), view.header().counter());
        let kid = Kid::from_u64(raw_kid);
        // The newest first: two epochs 65,536 apart are never kept together, so at most one fits.
        let kept = self.epochs.iter_mut().rev().find(|kept| kid::low(kept.epoch.epoch) == kid.epoch_low);
        let kept = kept.ok_or(MediaError::UnknownEpoch)?;
        let leaf = u32::from(kid.leaf);
        if !kept.epoch.leaves.iter().any(|member| member.leaf == leaf && member.account_id == self.peer) {
            return Err(MediaError::WrongSender);
        }
        let epoch = kept.epoch.epoch;
        let mut payload = Vec::with_capacity(frame.len());
        match kept.tracks.get_mut(&raw_kid) {
            Some(track) => {
                if !track.window.is_new(counter) {
                    return Err(MediaError::Replayed);
                }
                view.decrypt_into(&track.key, &mut payload).map_err(|_| MediaError::Forged)?;
                track.window.record(counter);
            }
            None => {
                if kept.tracks.len() >= KEY_IDS_MAX {
                    return Err(MediaError::OutOfRange);
                }
                let key = DecryptionKey::derive_from(SUITE, raw_kid, kept.epoch.base_key.as_slice());
                let key = key.map_err(|_| MediaError::Forged)?;
                view.decrypt_into(&key, &mut payload).map_err(|_| MediaError::Forged)?;
                // Only a frame that authenticates may take up memory.
                let mut window = Window::default();
                window.record(counter);
                kept.tracks.insert(raw_kid, Track { key, window });
            }
        }
        Ok(Opened { leaf, context_id: kid.context_id, epoch, counter, payload })
    }

    fn expire(&mut self, now_ms: u64) {
        self.epochs.retain(|kept| kept.until_ms.is_none_or(|until_ms| now_ms < until_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, METADATA, PLAINTEXT, SEALED};
    use super::*;

    #[test]
    fn rfc_9605_test_vector() {
        let peer = AccountId::from_bytes([1; 16]);
        let mut receiver = Receiver::new(peer);
        receiver.update(testing::epoch(peer), 0);
        let frame = [METADATA, SEALED].concat();
        let opened = receiver.open(&frame, METADATA.len(), 0).unwrap();
        assert_eq!(opened.payload, [METADATA, PLAINTEXT].concat());
        assert_eq!((opened.leaf, opened.context_id, opened.epoch, opened.counter), (0, 0, 0x123, 0x4567));
        assert_eq!(receiver.open(&frame, METADATA.len(), 0).unwrap_err(), MediaError::Replayed);
    }

    #[test]
    fn a_peer_cannot_fill_the_memory_with_key_ids() {
        let peer = AccountId::from_bytes([1; 16]);
        let mut receiver = Receiver::new(peer);
        receiver.update(testing::epoch(peer), 0);
        for context_id in 0..=KEY_IDS_MAX as u32 {
            let mut sender = super::super::Sender::new(testing::epoch(peer), context_id).unwrap();
            let opened = receiver.open(&sender.seal(b"frame", 0).unwrap(), 0, 0);
            assert_eq!(opened.is_ok(), context_id < KEY_IDS_MAX as u32);
        }
    }
}
