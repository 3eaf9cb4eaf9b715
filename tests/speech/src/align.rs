//! Where a copy of a sound lies in time, by cross-correlation.

use crate::fft::{Complex, transform};

/// How a copy lies to its original.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alignment {
    /// Samples by which the copy is later; negative when it is earlier.
    pub offset_samples: i64,
    /// The same in milliseconds.
    pub offset_ms: f64,
    /// Correlation where both overlap: 1 for the same sound at any loudness, about 0 for another sound.
    pub correlation: f64,
}

/// Finds `original` in `copy`; both mono at `rate` hertz. Correlation 0 when one of them is silent or empty.
pub fn align(original: &[f32], copy: &[f32], rate: u32) -> Alignment {
    let size = (original.len() + copy.len()).next_power_of_two().max(2);
    let spectrum = |samples: &[f32]| {
        let mut data = vec![Complex::default(); size];
        data.iter_mut().zip(samples).for_each(|(to, from)| to.re = f64::from(*from));
        transform(&mut data);
        data
    };
    let (a, b) = (spectrum(original), spectrum(copy));
    // Conjugating before and after makes the transform its own inverse but for a factor.
    let mut product: Vec<Complex> = a.iter().zip(&b).map(|(a, b)| a.conjugate().times(*b).conjugate()).collect();
    transform(&mut product);
    let best = (0..size).max_by(|a, b| product[*a].re.total_cmp(&product[*b].re)).unwrap_or(0);
    let offset_samples = if best < copy.len() { best as i64 } else { best as i64 - size as i64 };
    let (original, copy) = aligned(original, copy, offset_samples);
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let loudness = (dot(original, original) * dot(copy, copy)).sqrt();
    let correlation = if loudness > 0.0 { dot(original, copy) / loudness } else { 0.0 };
    Alignment { offset_samples, offset_ms: offset_samples as f64 * 1_000.0 / f64::from(rate), correlation }
}

/// The parts of both that overlap when the copy is `offset_samples` later.
pub fn aligned<'sound>(
    original: &'sound [f32],
    copy: &'sound [f32],
    offset_samples: i64,
) -> (&'sound [f32], &'sound [f32]) {
    let skipped = usize::try_from(offset_samples.unsigned_abs()).unwrap_or(usize::MAX);
    let (original, copy) = if offset_samples >= 0 {
        (original, copy.get(skipped..).unwrap_or_default())
    } else {
        (original.get(skipped..).unwrap_or_default(), copy)
    };
    let count = original.len().min(copy.len());
    (&original[..count], &copy[..count])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u32, count: usize) -> Vec<f32> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state as f32 / u32::MAX as f32 - 0.5
            })
            .collect()
    }

    #[test]
    fn finds_a_later_and_an_earlier_copy() {
        let sound = noise(1, 5_000);
        let mut later = vec![0.0; 480];
        later.extend(sound.iter().map(|sample| sample * 0.3));
        let found = align(&sound, &later, 48_000);
        assert_eq!((found.offset_samples, found.offset_ms), (480, 10.0));
        assert!(found.correlation > 0.999);
        let found = align(&sound, &sound[700..], 48_000);
        assert_eq!(found.offset_samples, -700);
        assert!(found.correlation > 0.999);
    }

    #[test]
    fn another_sound_does_not_correlate() {
        assert!(align(&noise(1, 20_000), &noise(2, 20_000), 48_000).correlation < 0.1);
        assert_eq!(align(&noise(1, 100), &[0.0; 100], 48_000).correlation, 0.0);
        assert_eq!(align(&[], &[], 48_000).correlation, 0.0);
    }
}
