//! What a broadcast did so far, in numbers.

use std::time::Duration;

use super::Layer;

/// What was sent of one track or layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Frames; of sound, packets of Opus.
    pub frames: u64,
    /// Of these, key frames.
    pub key_frames: u64,
    /// RTP packets, those that were sent again not counted.
    pub packets: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
}

/// Counts of a publisher since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublisherStatistics {
    /// Of the sound.
    pub sound: Sent,
    /// Of each layer of the video.
    pub video: Vec<(Layer, Sent)>,
    /// Frames that could not be sent because there was no connection, or no key.
    pub unsent: u64,
    /// How often a key frame was asked for. It cannot be made: the viewers wait for the next one in the file.
    pub key_frames_asked_for: u64,
    /// Packets that were asked for again.
    pub packets_asked_for: u64,
}

/// What came of one track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// RTP packets, doubles and late ones included.
    pub packets: u64,
    /// Frames that came whole.
    pub frames: u64,
    /// Of these, those that were opened, and so are the publisher's.
    pub opened: u64,
    /// Of these, those that did not open. Some that may only have come before their keys are not counted yet.
    pub undecryptable: u64,
    /// Frames of which a part is missing.
    pub incomplete: u64,
    /// Packets that did not come, not even when they were asked for again.
    pub missing: u64,
    /// Packets whose turn was over when they came: given up, or doubles of one that was there in time.
    pub late: u64,
    /// Doubles of packets whose turn had not come.
    pub duplicate: u64,
}

/// Counts of a viewer since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ViewerStatistics {
    /// Of the video.
    pub video: Received,
    /// Of the sound.
    pub sound: Received,
    /// From the start to the first key frame that was opened: when a picture would be there.
    pub first_key_frame_after: Option<Duration>,
    /// Width and height of the newest key frame, in pixels.
    pub size: Option<(u16, u16)>,
    /// How often the size changed: the node chose another layer.
    pub size_changes: u64,
    /// How often a key frame was asked for.
    pub key_frames_asked_for: u64,
}
