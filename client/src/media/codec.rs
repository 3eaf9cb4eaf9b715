//! Opus as the calls use it: 48 kHz mono, 20 ms, constant bit rate without DTX (packet sizes must not reveal speech), in-band FEC.

use opus::{Application, Bitrate, Channels, Signal};

use super::{FRAME_SAMPLES, MediaError, SAMPLE_RATE};

/// Bits per second of voice; with 50 packets a second, 80 bytes each.
pub const BITRATE: i32 = 32_000;
/// Loss that the encoder prepares for, in percent: how much it spends on FEC.
const EXPECTED_LOSS_PERCENT: i32 = 10;
/// Largest packet that the encoder may make, in bytes (RFC 6716 section 3.2.1 allows 1275).
const PACKET_BYTES_MAX: usize = 1_275;

/// Makes one packet of every frame.
pub struct Encoder {
    opus: opus::Encoder,
    packet: [u8; PACKET_BYTES_MAX],
}

impl Encoder {
    /// An encoder at the beginning of a call.
    pub fn new() -> Result<Self, MediaError> {
        let mut opus = opus::Encoder::new(SAMPLE_RATE, Channels::Mono, Application::Voip)?;
        opus.set_bitrate(Bitrate::Bits(BITRATE))?;
        opus.set_vbr(false)?;
        opus.set_dtx(false)?;
        opus.set_signal(Signal::Voice)?;
        opus.set_inband_fec(true)?;
        opus.set_packet_loss_perc(EXPECTED_LOSS_PERCENT)?;
        Ok(Self { opus, packet: [0; PACKET_BYTES_MAX] })
    }

    /// The packet of the next frame; always of the same size.
    pub fn encode(&mut self, frame: &[f32; FRAME_SAMPLES]) -> Result<&[u8], MediaError> {
        let bytes = self.opus.encode_float(frame, &mut self.packet)?;
        Ok(self.packet.get(..bytes).unwrap_or_default())
    }
}

/// Makes sound of packets, and of their absence.
pub struct Decoder {
    opus: opus::Decoder,
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub fn new() -> Result<Self, MediaError> {
        Ok(Self { opus: opus::Decoder::new(SAMPLE_RATE, Channels::Mono)? })
    }

    /// The frame of a packet. Errors when it is not one frame of Opus.
    pub fn decode(&mut self, packet: &[u8]) -> Result<[f32; FRAME_SAMPLES], MediaError> {
        // An empty packet would mean "lost" to libopus.
        if packet.is_empty() || opus::packet::get_nb_samples(packet, SAMPLE_RATE)? != FRAME_SAMPLES {
            return Err(MediaError::BadPacket);
        }
        self.run(packet, false)
    }

    /// The frame before `packet`, from the FEC that it carries; concealment where it carries none.
    pub fn recover(&mut self, packet: &[u8]) -> Result<[f32; FRAME_SAMPLES], MediaError> {
        self.run(packet, true)
    }

    /// A frame that continues the sound as well as can be guessed, fading out over some frames.
    pub fn conceal(&mut self) -> Result<[f32; FRAME_SAMPLES], MediaError> {
        self.run(&[], false)
    }

    fn run(&mut self, packet: &[u8], fec: bool) -> Result<[f32; FRAME_SAMPLES], MediaError> {
        let mut frame = [0.0; FRAME_SAMPLES];
        self.opus.decode_float(packet, &mut frame, fec)?;
        Ok(frame)
    }
}
