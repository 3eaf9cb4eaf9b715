//! What can go wrong with media, and what to do about it.

use super::file::FileError;

/// Why media could not be set up or carried on. No variant holds a key or the name of a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The WebRTC stack refused; the text is its own.
    #[error("media connection: {0}")]
    Connection(String),
    /// No usable local address: the machine has no network, or the wrong address was asked for.
    #[error("no local address for media: connect to a network, then try again")]
    NoLocalAddress,
    /// Gathering local candidates did not end in time.
    #[error("gathering local addresses took too long: try again")]
    GatheringTimedOut,
    /// The node's answer is not an answer to the offer.
    #[error("the node's media answer does not fit: {0}")]
    BadAnswer(String),
    /// The voice codec refused.
    #[error("voice codec: {0}")]
    Codec(#[from] opus::Error),
    /// A decrypted packet is not one 20 ms frame of Opus.
    #[error("a voice packet that is not one frame")]
    BadPacket,
    /// A frame could not be sealed: the keys are not those of this device.
    #[error("a frame could not be encrypted")]
    Sealing,
    /// The sound source cannot be used, e.g. a file of a kind that is not supported.
    #[error("sound source: {0}")]
    Source(String),
    /// The sound sink cannot be used, e.g. a full disk.
    #[error("sound sink: {0}")]
    Sink(String),
    /// A file cannot be played.
    #[error("{path} {why}")]
    File {
        /// The file's name.
        path: String,
        /// What is wrong with it.
        why: FileError,
    },
    /// A broadcast has neither video nor sound.
    #[error("nothing to broadcast: name a file of video or of sound")]
    NothingToPlay,
    /// Each track and layer of a broadcast needs a context id of its own.
    #[error("a broadcast of {needed} tracks and layers got {given} context ids")]
    ContextIds {
        /// As many as there are tracks and layers.
        needed: usize,
        /// As many as came, doubles not counted.
        given: usize,
    },
    /// The session was started before, or closed.
    #[error("this media was already started")]
    AlreadyStarted,
}

impl From<webrtc::error::Error> for MediaError {
    fn from(error: webrtc::error::Error) -> Self {
        Self::Connection(error.to_string())
    }
}
