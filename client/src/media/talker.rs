//! From sound to sealed packets: encodes, seals, numbers.

use bytes::Bytes;
use rtc::rtp;
use wardline_e2ee::media::{self, MediaEpoch};

use super::codec::Encoder;
use super::connection::OPUS_PAYLOAD_TYPE;
use super::{FRAME_SAMPLES, MediaError};

/// The sending side of a call.
pub struct Talker {
    encoder: Encoder,
    /// None once the keys of an epoch could not be used: sealing with the former ones would let a removed member listen.
    sealer: Option<media::Sender>,
    number: u16,
    timestamp: u32,
    /// The next packet begins a stretch of sound (RFC 3551 section 4.1).
    marker: bool,
}

impl Talker {
    /// Talks with these keys; `context_id` was never used by this device before.
    pub fn new(keys: MediaEpoch, context_id: u32) -> Result<Self, MediaError> {
        let mut start = [0; 6];
        getrandom::fill(&mut start).map_err(|error| MediaError::Connection(error.to_string()))?;
        let [a, b, rest @ ..] = start;
        Ok(Self {
            encoder: Encoder::new()?,
            sealer: Some(media::Sender::new(keys, context_id).map_err(|_| MediaError::Sealing)?),
            // In the lower half: an SFU counts roll-overs from the first packet that reaches it.
            number: u16::from_be_bytes([a, b]) >> 1,
            timestamp: u32::from_be_bytes(rest),
            marker: true,
        })
    }

    /// Seals with the keys of the next epoch from the next packet on.
    ///
    /// # Errors
    /// [`MediaError::Sealing`] when they cannot be used; nothing is sealed any more.
    pub fn update_keys(&mut self, keys: MediaEpoch) -> Result<(), MediaError> {
        let updated = self.sealer.as_mut().is_some_and(|sealer| sealer.update(keys).is_ok());
        if !updated {
            self.sealer = None;
            return Err(MediaError::Sealing);
        }
        Ok(())
    }

    /// The packet of the next frame. The source's id is set by the connection that sends it.
    pub fn packet(&mut self, frame: &[f32; FRAME_SAMPLES]) -> Result<rtp::Packet, MediaError> {
        let voice = self.encoder.encode(frame)?;
        let sealed = self.sealer.as_mut().and_then(|sealer| sealer.seal(voice, 0).ok()).ok_or(MediaError::Sealing)?;
        let packet = rtp::Packet {
            header: rtp::header::Header {
                version: 2,
                marker: std::mem::take(&mut self.marker),
                payload_type: OPUS_PAYLOAD_TYPE,
                sequence_number: self.number,
                timestamp: self.timestamp,
                ..Default::default()
            },
            payload: Bytes::from(sealed),
        };
        self.number = self.number.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        Ok(packet)
    }

    /// Leaves out frames: their time passes, their numbers do not.
    pub fn skip(&mut self, frames: u32) {
        self.timestamp = self.timestamp.wrapping_add(frames.wrapping_mul(FRAME_SAMPLES as u32));
        self.marker |= frames > 0;
    }
}
