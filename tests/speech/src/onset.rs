//! When speech begins.

/// Windows of 5 ms are looked at.
const WINDOWS_PER_SECOND: u32 = 200;
/// Loudness (root mean square) that counts as speech: -40 dBFS.
const SPEECH: f32 = 0.01;

/// When the first speech begins, in milliseconds from the start, exact to 5 ms. None when there is only silence.
pub fn first_speech_ms(samples: &[f32], rate: u32) -> Option<f64> {
    let window = (rate / WINDOWS_PER_SECOND).max(1) as usize;
    let loud =
        |part: &[f32]| (part.iter().map(|sample| sample * sample).sum::<f32>() / part.len() as f32).sqrt() > SPEECH;
    let first = samples.chunks(window).position(loud)?;
    Some(first as f64 * window as f64 * 1_000.0 / f64::from(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_beginning_and_is_not_deceived_by_noise() {
        let mut samples = vec![0.001; 4_800];
        samples.extend([0.2; 4_800]);
        assert_eq!(first_speech_ms(&samples, 48_000), Some(100.0));
        assert_eq!(first_speech_ms(&samples[..4_800], 48_000), None);
        assert_eq!(first_speech_ms(&[], 48_000), None);
    }
}
