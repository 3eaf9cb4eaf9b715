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
