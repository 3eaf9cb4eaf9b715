//! When the next frame is sent: a clock of 20 ms that does not drift and does not burst.
//!
//! A machine that was busy is behind. A short delay is made up with frames at half the distance, so that no burst fills the
//! network's queues; after a long one the frames in between are left out, so that the call does not stay late for good.

use std::time::{Duration, Instant};

/// Length of a frame.
pub const FRAME: Duration = Duration::from_millis(20);
/// Distance of frames while catching up.
const CATCH_UP: Duration = Duration::from_millis(10);
/// Further behind than this, frames are skipped.
const BEHIND_MAX: Duration = Duration::from_millis(100);

/// The clock of one sender.
pub struct Pacer {
    /// When the next frame should be sent had there never been a delay.
    due: Instant,
    /// Earliest time of the next frame.
    next: Instant,
}

impl Pacer {
    /// The first frame is due one frame after `start`: a microphone needs that long to fill it.
    pub fn new(start: Instant) -> Self {
        Self { due: start + FRAME, next: start + FRAME }
    }

    /// When to send next.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Says that a frame is being sent at `now`. Returns how many frames before it are to be left out.
    pub fn sending(&mut self, now: Instant) -> u32 {
        let behind = now.saturating_duration_since(self.due);
        let skipped = if behind > BEHIND_MAX { (behind.as_nanos() / FRAME.as_nanos()) as u32 } else { 0 };
        self.due += FRAME * skipped + FRAME;
        self.next = self.due.max(now + CATCH_UP);
        skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends `count` frames on a machine that wakes up the given milliseconds late; returns the times.
    fn run(late_ms: &[u64], count: usize) -> (Instant, Vec<Instant>, u32) {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        let (mut times, mut skipped, mut now) = (Vec::new(), 0, start);
        for index in 0..count {
            now = now.max(pacer.next()) + Duration::from_millis(late_ms.get(index).copied().unwrap_or(0));
            skipped += pacer.sending(now);
            times.push(now);
        }
        (start, times, skipped)
    }

    #[test]
    fn small_delays_do_not_add_up() {
        let (start, times, skipped) = run(&[3; 500], 500);
        assert_eq!(skipped, 0);
        assert_eq!(*times.last().unwrap(), start + FRAME * 500 + Duration::from_millis(3));
    }

    #[test]
    fn a_delay_is_made_up_without_a_burst() {
        let (start, times, skipped) = run(&[0, 0, 80], 20);
        assert_eq!(skipped, 0);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= CATCH_UP));
        assert_eq!(times[19], start + FRAME * 20, "back in time");
    }

    #[test]
    fn a_long_delay_leaves_frames_out() {
        let (start, times, skipped) = run(&[0, 1_000], 10);
        assert_eq!(skipped, 50);
        assert_eq!(times[9], start + FRAME * 60);
    }

    proptest! {
        #[test]
        fn never_bursts_and_never_stays_late(late_ms in proptest::collection::vec(0_u64..400, 0..50)) {
            let count = late_ms.len() + 20;
            let (start, times, skipped) = run(&late_ms, count);
            prop_assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= CATCH_UP));
            // Frames sent and frames left out together are the time that passed.
            prop_assert_eq!(times[count - 1], start + FRAME * (count as u32 + skipped));
        }
    }
}
