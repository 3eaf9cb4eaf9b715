//! What is wrong with a file that should be played or written.

/// Why a file cannot be played. Read after the file's name: "news.webm has ...".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refuses.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// Its first bytes are none that are known.
    #[error("is neither IVF, WebM nor Ogg")]
    UnknownKind,
    /// Of a codec that is not sent.
    #[error("has {found}; video must be VP8 and sound Opus")]
    Codec {
        /// What it calls its codec.
        found: String,
    },
    /// Nothing of that kind is in it.
    #[error("has no {0}")]
    NoTrack(&'static str),
    /// It ends where more must follow.
    #[error("ends too early, at byte {at}: copy or make it again")]
    Truncated {
        /// How many bytes there are.
        at: u64,
    },
    /// It does not read.
    #[error("does not read at byte {at}: {what}")]
    Malformed {
        /// Where, in bytes.
        at: u64,
        /// What does not read.
        what: &'static str,
    },
    /// A frame is larger than any that is sent.
    #[error("has a frame of {bytes} bytes, {bytes_max} at most can be sent: use a lower bit rate")]
    FrameTooLarge {
        /// Its bytes.
        bytes: u64,
        /// How many there may be.
        bytes_max: usize,
    },
    /// Who watches from the start would see nothing.
    #[error("does not begin with a key frame")]
    NoKeyFrameFirst,
    /// Who begins to watch would wait too long.
    #[error(
        "has no key frame for longer than {seconds_max} s after second {after_s}: make it with more of them (ffmpeg: -g)"
    )]
    KeyFramesTooFar {
        /// The last key frame before, in seconds from the start.
        after_s: u64,
        /// The longest distance that is played, in seconds.
        seconds_max: u64,
    },
    /// A frame is to be shown before the one ahead of it.
    #[error("has a frame at {at_ms} ms that is not later than the one before it")]
    TimesGoBack {
        /// The frame's time.
        at_ms: u64,
    },
    /// Nobody has a file of such a length.
    #[error("says that it is longer than {hours_max} hours")]
    TooLong {
        /// The longest that is played.
        hours_max: u64,
    },
    /// It has no frame.
    #[error("is empty")]
    Empty,
}

/// A name out of a file, fit to be shown: printable ASCII, and short.
pub(super) fn shown(name: &[u8]) -> String {
    const SHOWN_MAX: usize = 24;
    name.iter().take(SHOWN_MAX).map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
}
