//! A packet of a sender, with what its receivers have to know of it. Made once, read for every receiver.
//!
//! Of a payload only what RTP says about it is read: the payload descriptor, and whether it begins a key frame. Both are in clear by design; the rest is
//! SFrame ciphertext.
use super::room::Track;
use std::sync::Arc;
use std::time::Instant;
use str0m::format::Codec;
use str0m::rtp::{ExtensionValues, RtpPacket, VideoOrientation, Vp8Descriptor};

/// What a packet weighs beside its payload when bitrates are measured: RTP header and extensions, and the tag of SRTP.
const OVERHEAD_BYTES: usize = 40;

/// A packet as it came.
#[derive(Clone)]
pub(super) struct Packet {
    pub(super) track: Track,
    /// Extended sequence number.
    pub(super) seq: u64,
    pub(super) time: u32,
    pub(super) marker: bool,
    audio_level: Option<i8>,
    voice_activity: Option<bool>,
    orientation: Option<VideoOrientation>,
    /// Shared by all receivers, and by the group that is kept for later ones.
    pub(super) payload: Arc<[u8]>,
    pub(super) arrived: Instant,
    /// The payload descriptor of a VP8 packet (RFC 7741 section 4.2).
    pub(super) descriptor: Option<Vp8Descriptor>,
    /// It begins a key frame.
    pub(super) key: bool,
}

impl Packet {
    pub(super) fn new(track: Track, packet: RtpPacket) -> Self {
        let payload = packet.payload;
        let codec = track.payload.spec().codec;
        let descriptor = (codec == Codec::Vp8).then(|| Vp8Descriptor::parse(&payload).ok()).flatten();
        let key = match codec {
            Codec::Vp8 => descriptor.is_some_and(|descriptor| descriptor.starts_keyframe(&payload)),
            Codec::H264 => h264_starts_key_frame(&payload),
            _ => false,
        };
        let values = packet.header.ext_vals;
        Self {
            track,
            seq: *packet.seq_no,
            time: packet.header.timestamp,
            marker: packet.header.marker,
            audio_level: values.audio_level,
            voice_activity: values.voice_activity,
            orientation: values.video_orientation,
            payload,
            arrived: packet.timestamp,
            descriptor,
            key,
        }
    }

    /// A packet of some stream.
    #[cfg(test)]
    pub(super) fn for_tests(track: Track, seq: u64, key: bool) -> Self {
        Self {
            track,
            seq,
            time: 3_000 * seq as u32,
            marker: true,
            audio_level: None,
            voice_activity: None,
            orientation: None,
            payload: Arc::from([0; 1_000]),
            arrived: Instant::now(),
            descriptor: None,
            key,
        }
    }

    /// The header extensions to send. Only what describes the media goes on; the others belong to the hop.
    pub(super) fn extensions(&self) -> ExtensionValues {
        ExtensionValues {
            audio_level: self.audio_level,
            voice_activity: self.voice_activity,
            video_orientation: self.orientation,
            ..Default::default()
        }
    }

    /// Its weight on the wire.
    pub(super) fn bytes(&self) -> usize {
        self.payload.len() + OVERHEAD_BYTES
    }
}

// Whether an H264 payload begins a key frame: parameter sets or the first slice of one, alone, aggregated, or in parts (RFC 6184 section 5).
fn h264_starts_key_frame(payload: &[u8]) -> bool {
    const SLICE_OF_KEY_FRAME: u8 = 5;
    const PARAMETERS: u8 = 7;
    const AGGREGATE: u8 = 24;
    const PART: u8 = 28;
    const FIRST_PART: u8 = 0x80;
    let kind = |byte: &u8| byte & 0x1f;
    let begins = |kind: u8| kind == SLICE_OF_KEY_FRAME || kind == PARAMETERS;
    match payload.first().map(kind) {
        Some(AGGREGATE) => payload.get(3).map(kind).is_some_and(begins),
        Some(PART) => payload.get(1).is_some_and(|head| head & FIRST_PART != 0 && kind(head) == SLICE_OF_KEY_FRAME),
        Some(kind) => begins(kind),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_of_h264_are_recognised_however_they_are_packed() {
        let starts: [&[u8]; 4] = [&[0x67, 1, 2], &[0x65, 1], &[0x78, 0, 9, 0x67, 1], &[0x7c, 0x85, 1]];
        for payload in starts {
            assert!(h264_starts_key_frame(payload), "{payload:x?}");
        }
        let others: [&[u8]; 5] = [&[], &[0x41, 1], &[0x78, 0, 9, 0x41], &[0x7c, 0x05, 1], &[0x7c, 0x81]];
        for payload in others {
            assert!(!h264_starts_key_frame(payload), "{payload:x?}");
        }
    }
}
