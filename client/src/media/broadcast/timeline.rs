//! RTP timestamps as times from the first frame on, over the seams between connections.

use std::time::{Duration, Instant};

/// The times of one track.
pub(super) struct Timeline {
    rate: u32,
    newest: Option<Newest>,
}

#[derive(Clone, Copy)]
struct Newest {
    source: u32,
    timestamp: u32,
    arrival: Instant,
    ticks: u64,
}

impl Timeline {
    /// Of a clock with so many ticks a second.
    pub(super) fn new(rate: u32) -> Self {
        Self { rate, newest: None }
    }

    /// The time of a frame with this timestamp. Frames come in their order; each is later than the one before, even where the
    /// timestamps say otherwise. A new source has a clock of its own: its first frame is as much later as it came later.
    pub(super) fn time(&mut self, source: u32, timestamp: u32, arrival: Instant) -> Duration {
        let ticks = match self.newest {
            None => 0,
            Some(newest) if newest.source == source => {
                let step = i64::from(timestamp.wrapping_sub(newest.timestamp) as i32);
                newest.ticks + u64::try_from(step).unwrap_or(0).max(1)
            }
            Some(newest) => {
                let passed = arrival.saturating_duration_since(newest.arrival);
                let step = passed.as_nanos() * u128::from(self.rate) / 1_000_000_000;
                newest.ticks + u64::try_from(step).unwrap_or(0).max(1)
            }
        };
        self.newest = Some(Newest { source, timestamp, arrival, ticks });
        let (seconds, rest) = (ticks / u64::from(self.rate), ticks % u64::from(self.rate));
        Duration::from_secs(seconds) + Duration::from_nanos(rest * 1_000_000_000 / u64::from(self.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_on_over_the_wrap_and_over_another_source() {
        let (mut timeline, now) = (Timeline::new(90_000), Instant::now());
        let ms = Duration::from_millis;
        assert_eq!(timeline.time(1, u32::MAX - 3_599, now), ms(0));
        assert_eq!(timeline.time(1, 0, now + ms(41)), ms(40));
        assert_eq!(timeline.time(1, 3_600, now + ms(80)), ms(80));
        assert_eq!(timeline.time(2, 77, now + ms(2_080)), ms(2_080));
        assert_eq!(timeline.time(2, 77 + 3_600, now + ms(2_100)), ms(2_120));
        assert!(timeline.time(2, 77, now + ms(2_140)) > ms(2_120), "never back");
    }
}
