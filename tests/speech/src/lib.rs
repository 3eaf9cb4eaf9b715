//! Real speech for tests of sound, and measures of how much of it arrived.
//!
//! [`speak`] makes speech with espeak-ng, so no recording lies in the repository; [`stoi`] says how well a degraded copy can be
//! understood, [`align`] where it lies in time, [`first_speech_ms`] when it begins.
//!
//! Absent on purpose: anything of Wardline. The measures must not share code, or errors, with what they measure.

mod align;
mod fft;
mod onset;
mod resample;
mod speak;
mod stoi;

pub use align::{Alignment, align, aligned};
pub use onset::first_speech_ms;
pub use resample::resample;
pub use speak::{SpeakError, TEN_SECONDS_TEXT, speak, ten_seconds};
pub use stoi::stoi;

/// Samples per second of all speech made here.
pub const SAMPLE_RATE: u32 = 48_000;
