//! The head of an Opus stream (RFC 7845 section 5.1), and how long a packet sounds.

use crate::media::SAMPLE_RATE;

/// How it begins.
pub(super) const MAGIC: &[u8] = b"OpusHead";
/// Longest packet, in samples: 120 ms (RFC 6716 section 3.2.5).
const SAMPLES_MAX: usize = 5_760;

/// Whether a stream with this head is mono or stereo, of a version that is known.
pub(super) fn is_playable(head: &[u8]) -> bool {
    // Version below 16, one or two channels, mapping family 0.
    matches!(
        head.strip_prefix(MAGIC),
        Some([version, channels, _, _, _, _, _, _, _, _, 0, ..]) if version >> 4 == 0 && (1..=2).contains(channels)
    )
}

/// The head of a stream that came from the network: nothing is left out at its start.
pub(super) fn make(channels: u8) -> Vec<u8> {
    let rate = SAMPLE_RATE.to_le_bytes();
    [MAGIC, &[1, channels, 0, 0], &rate, &[0, 0, 0]].concat()
}

/// Samples of a packet at 48 kHz; `None` when it is not Opus.
pub fn samples(packet: &[u8]) -> Option<u32> {
    let samples = opus::packet::get_nb_samples(packet, SAMPLE_RATE).ok()?;
    u32::try_from(samples).ok().filter(|_| (1..=SAMPLES_MAX).contains(&samples))
}

/// Channels that a packet was made for.
pub fn channels(packet: &[u8]) -> u8 {
    // RFC 6716 section 3.1: the third bit from the right of the first byte.
    if packet.first().is_some_and(|toc| toc & 4 != 0) { 2 } else { 1 }
}
