//! The bitrate of a stream.
use std::time::{Duration, Instant};

/// Bytes are counted in steps of this length.
const STEP: Duration = Duration::from_millis(250);

/// How fast the mean follows: a step counts a twelfth, which makes it the mean of about three seconds. A shorter one would jump with every key frame, which are
/// some seconds apart, and the layers of receivers with it.
const SMOOTHING: u64 = 12;

/// After so many steps without a packet the mean is as good as zero.
const STEPS_MAX: u128 = 100;

/// An exponentially weighted mean of bits in a second.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    step_since: Option<Instant>,
    step_bits: u64,
    steps: u64,
    bit_s: u64,
}

impl Meter {
    pub(super) fn count(&mut self, now: Instant, bytes: usize) {
        self.pass(now);
        self.step_bits += bytes as u64 * 8;
    }

    /// Bits in a second; zero in the first step.
    pub(super) fn bit_s(&mut self, now: Instant) -> u64 {
        self.pass(now);
        self.bit_s
    }

    // Ends the steps that are over.
    fn pass(&mut self, now: Instant) {
        let Some(since) = self.step_since else {
            self.step_since = Some(now);
            return;
        };
        let passed = now.saturating_duration_since(since).as_micros() / STEP.as_micros();
        if passed == 0 {
            return;
        }
        for _ in 0..passed.min(STEPS_MAX) {
            let rate = self.step_bits * 1_000 / STEP.as_millis() as u64;
            self.steps += 1;
            // At first the mean of what there was.
            let weight = self.steps.min(SMOOTHING);
            self.bit_s = (self.bit_s * (weight - 1) + rate) / weight;
            self.step_bits = 0;
        }
        self.step_since = Some(since + STEP * u32::try_from(passed).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_is_known_after_a_step_and_forgotten_when_it_ends() {
        let (mut meter, mut now) = (Meter::default(), Instant::now());
        for n in 0..200 {
            meter.count(now, 1_000);
            now += Duration::from_millis(20);
            if n > 30 {
                let rate = meter.bit_s(now);
                assert!((360_000..440_000).contains(&rate), "{rate}");
            }
        }
        now += Duration::from_secs(30);
        assert!(meter.bit_s(now) < 1_000);
    }

    #[test]
    fn one_key_frame_moves_the_mean_little() {
        let (mut meter, mut now) = (Meter::default(), Instant::now());
        for n in 0..300 {
            meter.count(now, if n == 200 { 50_000 } else { 5_000 });
            now += Duration::from_millis(33);
        }
        let rate = meter.bit_s(now);
        assert!((1_100_000..1_400_000).contains(&rate), "{rate}");
    }
}
