//! When a frame of a programme is sent.
//!
//! A machine that was busy is behind: what is due is then sent at once, so that nothing is left out, which a decoder could not
//! bear. One that was very far behind, for example because it slept, does not send minutes of video at once: the rest of the programme is later.

use std::time::{Duration, Instant};

/// Further behind than this, the rest of the programme is later.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// The clock of one programme.
pub(super) struct Clock {
    begin: Instant,
}

impl Clock {
    pub(super) fn new(begin: Instant) -> Self {
        Self { begin }
    }

    /// When a frame is sent that is due so long after the beginning of the programme.
    pub(super) fn at(&self, due: Duration) -> Instant {
        self.begin + due
    }

    /// A frame is sent at `now`.
    pub(super) fn sending(&mut self, due: Duration, now: Instant) {
        let behind = now.saturating_duration_since(self.at(due));
        if behind > BEHIND_MAX {
            self.begin += behind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_delay_is_made_up_and_a_long_one_is_not() {
        let begin = Instant::now();
        let mut clock = Clock::new(begin);
        let ms = Duration::from_millis;
        clock.sending(ms(40), begin + ms(900));
        assert_eq!(clock.at(ms(80)), begin + ms(80), "due already");
        clock.sending(ms(80), begin + ms(5_080));
        assert_eq!(clock.at(ms(120)), begin + ms(5_120));
    }
}
