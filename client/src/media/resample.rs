//! Sample rate conversion of whole recordings by windowed sinc interpolation.

use std::f64::consts::PI;

/// Zero crossings of the sinc on each side: about 80 dB of stop band with the window below.
const ZERO_CROSSINGS: f64 = 24.0;
/// Where the low pass begins to fall, relative to the lower of both half rates.
const PASS_BAND: f64 = 0.97;

/// Converts from one sample rate to another.
pub(super) struct Resampler {
    /// Input samples and output samples of one period, reduced: e.g. 147 and 160 for 44.1 to 48 kHz.
    from: usize,
    to: usize,
    /// One row of filter taps for each place that an output sample can have between two input samples.
    rows: Vec<Vec<f32>>,
    /// Taps of a row before the input sample that is at or before the output sample.
    before: usize,
}

impl Resampler {
    /// A converter between two rates in hertz, neither of them 0.
    pub(super) fn new(from_hz: u32, to_hz: u32) -> Self {
        let common = greatest_common_divisor(from_hz, to_hz).max(1);
        let (from, to) = ((from_hz / common) as usize, (to_hz / common) as usize);
        let cutoff = PASS_BAND * 1.0_f64.min(f64::from(to_hz) / f64::from(from_hz));
        let half_width = ZERO_CROSSINGS / cutoff;
        let before = half_width.floor() as usize;
        let row = |phase: usize| {
            let centre = phase as f64 / to as f64;
            (0..2 * before + 2).map(|tap| kernel(tap as f64 - before as f64 - centre, cutoff, half_width)).collect()
        };
        let rows = if from == to { Vec::new() } else { (0..to).map(row).collect() };
        Self { from, to, rows, before }
    }

    /// The whole recording at the other rate, without a shift in time.
    pub(super) fn convert(&self, samples: &[f32]) -> Vec<f32> {
        if self.rows.is_empty() {
            return samples.to_vec();
        }
        let count = (samples.len() * self.to).div_ceil(self.from);
        let mut converted = Vec::with_capacity(count);
        let (mut at, mut phase) = (0, 0);
        for _ in 0..count {
            let row = self.rows.get(phase).map(Vec::as_slice).unwrap_or_default();
            // At the beginning the first taps lie before the recording.
            let missing = self.before.saturating_sub(at);
            let first = at.saturating_sub(self.before);
            let heard = samples.get(first..).unwrap_or_default();
            converted.push(row.iter().skip(missing).zip(heard).map(|(tap, sample)| tap * sample).sum());
            phase += self.from;
            at += phase / self.to;
            phase %= self.to;
        }
        converted
    }
}

/// The low pass at `offset` samples from its centre: sinc under a Blackman-Harris window.
fn kernel(offset: f64, cutoff: f64, half_width: f64) -> f32 {
    if offset.abs() >= half_width {
        return 0.0;
    }
    let x = PI * offset * cutoff;
    let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
    let phase = PI * (offset / half_width + 1.0);
    let window = 0.358_75 - 0.488_29 * phase.cos() + 0.141_28 * (2.0 * phase).cos() - 0.011_68 * (3.0 * phase).cos();
    (sinc * cutoff * window) as f32
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, count: usize) -> Vec<f32> {
        (0..count).map(|at| (2.0 * PI * hertz * at as f64 / f64::from(rate)).sin() as f32 * 0.5).collect()
    }

    #[test]
    fn a_tone_keeps_pitch_and_place_at_every_common_rate() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 96_000] {
            let converted = Resampler::new(rate, 48_000).convert(&tone(rate, 1_000.0, rate as usize));
            let wanted = tone(48_000, 1_000.0, 48_000);
            assert_eq!(converted.len(), wanted.len(), "{rate} Hz");
            let worst = converted[2_000..46_000]
                .iter()
                .zip(&wanted[2_000..46_000])
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 2e-3, "{rate} Hz: {worst}");
        }
    }

    #[test]
    fn what_the_new_rate_cannot_hold_is_taken_out() {
        let converted = Resampler::new(96_000, 48_000).convert(&tone(96_000, 30_000.0, 96_000));
        let loudest = converted[2_000..46_000].iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
        assert!(loudest < 1e-3, "{loudest}");
    }
}
