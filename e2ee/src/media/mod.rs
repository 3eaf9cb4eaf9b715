//! SFrame (RFC 9605) keyed from MLS.

mod epoch;
mod kid;
mod receiver;
mod sender;
mod window;

pub use epoch::MediaEpoch;
pub use receiver::{OLD_EPOCH_KEEP_MS, Opened, Receiver};
pub use sender::Sender;

/// A frame could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// Of an epoch that is not kept (any more): expected for some frames around a commit.
    #[error("of an epoch that is not kept")]
    UnknownEpoch,
    /// Its key id names a leaf that is not a device of the peer.
    #[error("not from the peer")]
    WrongSender,
    /// Opened before, or too old to tell.
    #[error("opened before")]
    Replayed,
    /// Does not authenticate: forged, damaged, or of another call.
    #[error("does not authenticate")]
    Forged,
    /// Not a frame of ours.
    #[error("malformed")]
    Malformed,
    /// The leaf index or the counter does not fit.
    #[error("out of range")]
    OutOfRange,
}

/// RFC 9605 appendix C.3, suite 4 (AES_128_GCM_SHA256_128).
#[cfg(test)]
mod testing {
    use super::MediaEpoch;
    use crate::credential::Member;
    use wardline_directory::key::PublicKey;
    use wardline_protocol::{AccountId, DeviceId};
    use zeroize::Zeroizing;

    pub(super) const METADATA: &[u8] = b"IETF SFrame WG";
    pub(super) const PLAINTEXT: &[u8] = b"draft-ietf-sframe-enc";
    /// Header (key id 0x123, counter 0x4567), ciphertext and tag.
    pub(super) const SEALED: &[u8] = &[
        0x99, 0x01, 0x23, 0x45, 0x67, 0xb7, 0x41, 0x2c, 0x25, 0x13, 0xa1, 0xb6, 0x6d, 0xbb, 0x48, 0x84, 0x1b, 0xba,
        0xf1, 0x7f, 0x59, 0x87, 0x51, 0x17, 0x6a, 0xd8, 0x47, 0x68, 0x1a, 0x69, 0xc6, 0xd0, 0xb0, 0x91, 0xc0, 0x70,
        0x18, 0xce, 0x4a, 0xdb, 0x34, 0xeb,
    ];

    /// The vector's base key, in the epoch that its key id names, with the peer at leaf 0.
    pub(super) fn epoch(peer: AccountId) -> MediaEpoch {
        let device_id = DeviceId::from_bytes([1; 16]);
        let member = Member { leaf: 0, account_id: peer, device_id, public_key: PublicKey::from_bytes([0; 32]) };
        MediaEpoch { epoch: 0x123, own_leaf: 0, base_key: Zeroizing::new((0..16).collect()), leaves: vec![member] }
    }
}
