//! Speech from text, by espeak-ng.

use std::process::Command;

use crate::SAMPLE_RATE;
use crate::resample::resample;

/// Text that takes more than ten seconds to say.
pub const TEN_SECONDS_TEXT: &str = "The patient in room twelve has a fever of thirty nine degrees. Please send a nurse with the \
    second dose at once. Doctor Jensen was called to ward seven and asks for the blood results. The lift beside the emergency \
    room is out of order, so use the one near the garden.";

/// Why there is no speech.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpeakError {
    /// The program is not there.
    #[error("espeak-ng was not found; install it with: apt-get install espeak-ng")]
    Missing,
    /// The program failed.
    #[error("espeak-ng failed: {0}")]
    Failed(String),
    /// Its sound could not be read.
    #[error("the sound of espeak-ng could not be read: {0}")]
    Sound(#[from] hound::Error),
}

/// The text spoken in English, mono at [`SAMPLE_RATE`], between -1 and 1. The same text always gives the same sound on one machine.
///
/// # Errors
/// [`SpeakError::Missing`] names the Debian package to install.
pub fn speak(text: &str) -> Result<Vec<f32>, SpeakError> {
    let output = Command::new("espeak-ng")
        .args(["-v", "en-us", "-s", "150", "--stdout", "--", text])
        .output()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => SpeakError::Missing,
            _ => SpeakError::Failed(error.to_string()),
        })?;
    if !output.status.success() {
        return Err(SpeakError::Failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    // Into a pipe the program cannot write how long the sound is: the header says more than there is.
    let mut wav = output.stdout;
    let data_bytes = u32::try_from(wav.len().saturating_sub(44)).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(field) = wav.get_mut(40..44) {
        field.copy_from_slice(&data_bytes);
    }
    let mut reader = hound::WavReader::new(wav.as_slice())?;
    let rate = reader.spec().sample_rate;
    let samples: Vec<f64> = reader
        .samples::<i16>()
        .map(|sample| sample.map(|value| f64::from(value) / 32_768.0))
        .collect::<Result<_, _>>()?;
    Ok(resample(&samples, rate, SAMPLE_RATE).into_iter().map(|sample| sample as f32).collect())
}

/// Exactly ten seconds of speech.
///
/// # Errors
/// As [`speak`].
pub fn ten_seconds() -> Result<Vec<f32>, SpeakError> {
    let mut samples = speak(TEN_SECONDS_TEXT)?;
    samples.resize(10 * SAMPLE_RATE as usize, 0.0);
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seconds_are_full_of_speech() {
        let samples = ten_seconds().unwrap();
        assert_eq!(samples.len(), 480_000);
        for second in samples.chunks(48_000) {
            assert!(second.iter().any(|sample| sample.abs() > 0.05), "no second is silent");
        }
        assert!(samples.iter().all(|sample| sample.abs() <= 1.0));
    }
}
