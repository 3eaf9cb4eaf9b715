//! What a call's media did so far, in numbers.

use std::time::Instant;

/// Counts since the start of the sound; one call, both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct MediaStatistics {
    /// Packets sent.
    pub sent: u64,
    /// Frames that were not sent because the machine was too late for them.
    pub skipped: u64,
    /// Packets received, undecryptable ones included.
    pub received: u64,
    /// Packets that the peer sent and that have not arrived, or could not be decrypted (RFC 3550 appendix A.3).
    pub lost: u64,
    /// Frames heard that were made up because their packet was not there.
    pub concealed: u64,
    /// Frames heard that were recovered from the next packet's in-band FEC.
    pub recovered: u64,
    /// Packets that came after their time to be heard.
    pub late: u64,
    /// Packets that came more than once.
    pub duplicate: u64,
    /// Packets that could not be decrypted or were not from the peer: they are not heard. Up to 10 that may only have come
    /// before their keys are not counted yet.
    pub undecryptable: u64,
    /// Frames put in or left out to follow the network's jitter or the sender's clock.
    pub stretched: u64,
    /// Wanted time between a packet's arrival on the fastest path and its playing, in milliseconds.
    pub jitter_buffer_ms: u64,
    /// When the first sound sent by the peer that is not silence began to play.
    pub first_speech_at: Option<Instant>,
    /// When the first packet of the peer arrived that could be decrypted.
    pub first_packet_at: Option<Instant>,
}
