//! What the jitter buffer learns from arrival times: the fastest path, and how much slower packets are than it.

use std::time::Duration;

/// The fastest path is that of this many spans...
const SPANS: usize = 8;
/// ...of this many microseconds each. Longer would follow a drifting clock too late, shorter would take a pause for a path.
const SPAN_US: i64 = 1_000_000;
/// Width of a histogram's bucket in microseconds.
const BUCKET_US: i64 = 2_000;
/// Buckets: delays up to 200 ms are told apart.
const BUCKETS: usize = 100;
/// How much a former packet's weight shrinks with each packet: half after 3.5 seconds.
const FORGETTING: f32 = 0.996;
/// This part of packets should come in time; the others are concealed.
const QUANTILE: f32 = 0.98;
/// Added for the reader's own lateness.
const MARGIN: Duration = Duration::from_millis(10);
/// Least delay: a lost packet's successor is then there in time for its FEC, 20 ms later.
pub const TARGET_MIN: Duration = Duration::from_millis(30);
/// Most delay: above it a conversation suffers more than from missing frames.
pub const TARGET_MAX: Duration = Duration::from_millis(200);

/// The least transit time of the last seconds. Transit = arrival minus media time, on clocks that need not agree.
pub struct FastestPath {
    spans: [i64; SPANS],
    /// Number of the span that is being filled.
    current: i64,
}

impl Default for FastestPath {
    fn default() -> Self {
        Self { spans: [i64::MAX; SPANS], current: i64::MIN }
    }
}

impl FastestPath {
    /// Takes one packet's transit time.
    pub fn add(&mut self, arrival_us: i64, transit_us: i64) {
        let span = arrival_us / SPAN_US;
        if span > self.current {
            // Spans in which nothing arrived say nothing.
            let passed = span.saturating_sub(self.current.max(span - SPANS as i64));
            for skipped in 0..passed {
                if let Some(slot) = self.spans.get_mut((span - skipped).rem_euclid(SPANS as i64) as usize) {
                    *slot = i64::MAX;
                }
            }
            self.current = span;
        }
        if let Some(slot) = self.spans.get_mut(span.rem_euclid(SPANS as i64) as usize) {
            *slot = transit_us.min(*slot);
        }
    }

    /// The least transit time; 0 before the first packet.
    pub fn micros(&self) -> i64 {
        self.spans.iter().copied().min().filter(|least| *least != i64::MAX).unwrap_or(0)
    }
}

/// How much slower than the fastest path packets were, older ones counting less.
pub struct DelayHistogram {
    weights: [f32; BUCKETS],
    target: Duration,
}

impl Default for DelayHistogram {
    fn default() -> Self {
        Self { weights: [0.0; BUCKETS], target: TARGET_MIN }
    }
}

impl DelayHistogram {
    /// Takes one packet's delay. One that no buffer could make up for says nothing about the best size of a buffer: the path
    /// or the stream has changed.
    pub fn add(&mut self, delay_us: i64) {
        if delay_us >= BUCKETS as i64 * BUCKET_US {
            return;
        }
        self.weights.iter_mut().for_each(|weight| *weight *= FORGETTING);
        let bucket = usize::try_from(delay_us / BUCKET_US).unwrap_or(0);
        if let Some(weight) = self.weights.get_mut(bucket) {
            *weight += 1.0;
        }
        let enough = self.weights.iter().sum::<f32>() * QUANTILE;
        let mut sum = 0.0;
        let reached = self.weights.iter().position(|weight| {
            sum += weight;
            sum >= enough
        });
        let quantile_us = (reached.unwrap_or(BUCKETS - 1) as u64 + 1) * BUCKET_US as u64;
        self.target = (Duration::from_micros(quantile_us) + MARGIN).clamp(TARGET_MIN, TARGET_MAX);
    }

    /// The delay that lets nearly all packets come in time.
    pub fn target(&self) -> Duration {
        self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_path_forgets_after_some_seconds() {
        let mut path = FastestPath::default();
        assert_eq!(path.micros(), 0);
        path.add(0, -500);
        path.add(20_000, 300);
        assert_eq!(path.micros(), -500);
        for second in 1..8 {
            path.add(second * SPAN_US, 300);
        }
        assert_eq!(path.micros(), -500);
        path.add(8 * SPAN_US, 300);
        assert_eq!(path.micros(), 300);
        path.add(1_000 * SPAN_US, 900);
        assert_eq!(path.micros(), 900, "a long pause leaves nothing behind");
    }

    #[test]
    fn the_target_follows_the_jitter_up_and_down() {
        let mut delays = DelayHistogram::default();
        (0..500).for_each(|_| delays.add(3_000));
        assert_eq!(delays.target(), TARGET_MIN);
        (0..500).for_each(|packet| delays.add(if packet % 10 == 0 { 80_000 } else { 3_000 }));
        assert_eq!(delays.target(), Duration::from_millis(92));
        (0..3_000).for_each(|_| delays.add(3_000));
        assert_eq!(delays.target(), TARGET_MIN);
        (0..500).for_each(|_| delays.add(900_000));
        assert_eq!(delays.target(), TARGET_MIN, "that is no jitter");
        (0..500).for_each(|_| delays.add(199_000));
        assert_eq!(delays.target(), TARGET_MAX);
        delays.add(-1);
    }
}
