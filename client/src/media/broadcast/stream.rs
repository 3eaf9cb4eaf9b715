//! From a file's frames to sealed packets: one track, or one layer of it.

use std::time::Duration;

use bytes::Bytes;
use rtc::rtp;
use wardline_e2ee::media::{self, MediaEpoch};

use super::super::MediaError;
use super::super::connection::{OPUS_PAYLOAD_TYPE, VP8_PAYLOAD_TYPE};
use super::super::vp8::{self, Packetizer};
use super::statistics::Sent;

/// The sending side of one track or layer. Goes on from connection to connection.
pub(super) struct Stream {
    /// None once the keys of an epoch could not be used: sealing with the former ones would let a removed member watch.
    sealer: Option<media::Sender>,
    kind: Kind,
    number: u16,
    /// RTP timestamp of the programme's beginning.
    begin: u32,
    sent: Sent,
}

enum Kind {
    Sound,
    Video(Packetizer),
}

impl Stream {
    /// Sound, packet by packet. `context_id` was never used by this device before.
    pub(super) fn sound(keys: MediaEpoch, context_id: u32) -> Result<Self, MediaError> {
        Self::new(keys, context_id, |_| Kind::Sound)
    }

    /// Video, frame by frame. `context_id` was never used by this device before.
    pub(super) fn video(keys: MediaEpoch, context_id: u32) -> Result<Self, MediaError> {
        Self::new(keys, context_id, |picture_id| Kind::Video(Packetizer::new(picture_id)))
    }

    fn new(keys: MediaEpoch, context_id: u32, kind: impl FnOnce(u16) -> Kind) -> Result<Self, MediaError> {
        let mut start = [0; 8];
        getrandom::fill(&mut start).map_err(|error| MediaError::Connection(error.to_string()))?;
        let [n0, n1, p0, p1, begin @ ..] = start;
        Ok(Self {
            sealer: Some(media::Sender::new(keys, context_id).map_err(|_| MediaError::Sealing)?),
            kind: kind(u16::from_be_bytes([p0, p1])),
            // In the lower half: an SFU counts roll-overs from the first packet that reaches it.
            number: u16::from_be_bytes([n0, n1]) >> 1,
            begin: u32::from_be_bytes(begin),
            sent: Sent::default(),
        })
    }

    /// Seals with the keys of the next epoch from the next frame on.
    ///
    /// # Errors
    /// [`MediaError::Sealing`] when they cannot be used; nothing is sealed any more.
    pub(super) fn update_keys(&mut self, keys: MediaEpoch) -> Result<(), MediaError> {
        let updated = self.sealer.as_mut().is_some_and(|sealer| sealer.update(keys).is_ok());
        if !updated {
            self.sealer = None;
            return Err(MediaError::Sealing);
        }
        Ok(())
    }

    /// The packets of the next frame, which is due so long after the programme's beginning. Their source is set by the
    /// connection that sends them.
    pub(super) fn packets(&mut self, time: Duration, frame: &[u8]) -> Result<Vec<rtp::Packet>, MediaError> {
        let clear = match self.kind {
            Kind::Sound => 0,
            Kind::Video(_) => vp8::clear_bytes(frame),
        };
        let sealed =
            self.sealer.as_mut().and_then(|sealer| sealer.seal(frame, clear).ok()).ok_or(MediaError::Sealing)?;
        let (payload_type, rate, payloads) = match &mut self.kind {
            Kind::Sound => (OPUS_PAYLOAD_TYPE, 48_000, vec![Bytes::from(sealed)]),
            Kind::Video(packetizer) => (VP8_PAYLOAD_TYPE, 90_000, packetizer.cut(&sealed)),
        };
        // The marker begins a stretch of sound (RFC 3551 section 4.1), and ends a frame of video (RFC 7741 section 4.1).
        let marked = if rate == 48_000 { self.sent.frames == 0 } else { true };
        let timestamp = self.begin.wrapping_add(ticks(time, rate));
        let count = payloads.len();
        self.sent.frames += 1;
        self.sent.key_frames += u64::from(rate == 90_000 && vp8::is_key(frame));
        self.sent.packets += count as u64;
        let packets = payloads.into_iter().enumerate().map(|(index, payload)| {
            self.sent.payload_bytes += payload.len() as u64;
            let sequence_number = self.number;
            self.number = self.number.wrapping_add(1);
            let marker = marked && index + 1 == count;
            let header = rtp::header::Header {
                version: 2,
                marker,
                payload_type,
                sequence_number,
                timestamp,
                ..Default::default()
            };
            rtp::Packet { header, payload }
        });
        Ok(packets.collect())
    }

    /// What was sent.
    pub(super) fn sent(&self) -> Sent {
        self.sent
    }
}

/// A time on an RTP clock, to the nearest tick; it goes round.
fn ticks(time: Duration, rate: u32) -> u32 {
    ((time.as_nanos() * u128::from(rate) + 500_000_000) / 1_000_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_ticks_without_drift() {
        assert_eq!(ticks(Duration::from_millis(20), 48_000), 960);
        // A frame of 30 a second, in nanoseconds rounded down, after a day.
        let frames = 30 * 86_400_u64;
        assert_eq!(ticks(Duration::from_nanos(frames * 1_000_000_000 / 30 - 1), 90_000), (frames * 3_000) as u32);
    }
}
