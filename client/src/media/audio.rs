//! Where sound comes from and goes to: 48 kHz mono samples between -1 and 1.

use super::MediaError;

/// Samples per second of all sound inside the client (RFC 7587 section 4.1: Opus in RTP always counts at 48 kHz).
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples of one frame of 20 ms.
pub const FRAME_SAMPLES: usize = 960;

/// A microphone, or something that stands for one.
///
/// It is handed over before the call is accepted, so it must take no sample until [`AudioSource::start`].
pub trait AudioSource: Send {
    /// Starts to take samples. Called once, when the call is accepted.
    fn start(&mut self) -> Result<(), MediaError> {
        Ok(())
    }

    /// Fills `frame` with the next samples without waiting, and returns how many are real; the caller silences the
    /// rest. Called every 20 ms. 0 for a source that has ended or has nothing now.
    fn read(&mut self, frame: &mut [f32; FRAME_SAMPLES]) -> usize;
}

/// A speaker, or a recording.
pub trait AudioSink: Send {
    /// Takes the next samples that are heard; they follow the earlier ones without a gap, silence included. At most
    /// [`FRAME_SAMPLES`] at once. An error ends the playing, not the call.
    fn write(&mut self, samples: &[f32]) -> Result<(), MediaError>;

    /// Called once when no more samples come.
    fn finish(&mut self) -> Result<(), MediaError> {
        Ok(())
    }
}
