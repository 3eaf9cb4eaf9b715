//! Sample rate conversion with the filter of Octave's `resample`, which the reference implementation of STOI uses too.

/// Filter design: rejection in dB, and how steep.
const REJECTION_DB: f64 = 60.0;

/// `samples` at `to_hz` instead of `from_hz`, without a shift in time.
pub fn resample(samples: &[f64], from_hz: u32, to_hz: u32) -> Vec<f64> {
    if from_hz == to_hz {
        return samples.to_vec();
    }
    let common = greatest_common_divisor(from_hz, to_hz);
    let (up, down) = ((to_hz / common) as usize, (from_hz / common) as usize);
    let filter = filter(up, down);
    let half = filter.len() / 2;
    let sum: f64 = filter.iter().sum();
    let gain = up as f64 / sum;
    let count = (samples.len() * up).div_ceil(down);
    (0..count)
        .map(|out| {
            // The sample at k lies under the tap half + out * down - k * up.
            let centre = half + out * down;
            let first = (centre + 1).saturating_sub(filter.len()).div_ceil(up);
            let last = (centre / up).min(samples.len().saturating_sub(1));
            let taps = (first..=last).map(|at| samples[at] * filter[centre - at * up]);
            taps.sum::<f64>() * gain
        })
        .collect()
}

fn filter(up: usize, down: usize) -> Vec<f64> {
    let cutoff = 1.0 / (2.0 * up.max(down) as f64);
    let roll_off = cutoff / 10.0;
    let half = ((REJECTION_DB - 8.0) / (28.714 * roll_off)).ceil();
    let beta = 0.1102 * (REJECTION_DB - 8.7);
    let count = 2 * half as usize + 1;
    (0..count)
        .map(|tap| {
            let t = tap as f64 - half;
            let x = std::f64::consts::PI * 2.0 * cutoff * t;
            let sinc = if x == 0.0 { 1.0 } else { x.sin() / x };
            let place = t / half;
            bessel(beta * (1.0 - place * place).max(0.0).sqrt()) / bessel(beta) * sinc
        })
        .collect()
}

/// The modified Bessel function of the first kind and order 0, for the Kaiser window.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..60 {
        let half = x / (2.0 * f64::from(k));
        term *= half * half;
        sum += term;
    }
    sum
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_and_place() {
        let tone = |rate: u32| -> Vec<f64> {
            (0..rate).map(|at| (std::f64::consts::TAU * 700.0 * f64::from(at) / f64::from(rate)).sin()).collect()
        };
        for (from, to) in [(48_000, 10_000), (22_050, 48_000)] {
            let converted = resample(&tone(from), from, to);
            let wanted = tone(to);
            assert_eq!(converted.len(), wanted.len());
            let worst = (to as usize / 10..to as usize * 9 / 10).map(|at| (converted[at] - wanted[at]).abs());
            assert!(worst.fold(0.0, f64::max) < 2e-3, "{from} to {to}");
        }
    }
}
