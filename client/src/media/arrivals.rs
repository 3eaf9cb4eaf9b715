//! How many packets of a stream were sent and how many came, from sequence numbers (RFC 3550 appendix A.1 and A.3).

/// Sequence numbers that jump further than this belong to a new stream.
const JUMP_MAX: i64 = 3_000;
/// Packets this far back are told apart from duplicates.
const WINDOW: i64 = 128;

/// The counts of one stream, or of several that follow each other.
#[derive(Default)]
pub struct Arrivals {
    /// Newest number, unwrapped, and the first one of the stream.
    newest: Option<i64>,
    first: i64,
    /// Bit n: `newest - n` has come.
    seen: u128,
    /// Packets of this stream, duplicates not counted.
    unique: u64,
    /// Lost in streams that are over.
    lost_before: u64,
}

impl Arrivals {
    /// Takes a packet's number. False when it came before.
    pub fn add(&mut self, number: u16) -> bool {
        let Some(newest) = self.newest else {
            self.begin(number);
            return true;
        };
        let step = i64::from(number.wrapping_sub(newest as u16) as i16);
        if step.abs() > JUMP_MAX {
            self.restart();
            self.begin(number);
            return true;
        }
        if step > 0 {
            self.seen = if step < WINDOW { self.seen << step | 1 } else { 1 };
            self.newest = Some(newest + step);
        } else if step > -WINDOW {
            let bit = 1_u128 << -step;
            if self.seen & bit != 0 {
                return false;
            }
            self.seen |= bit;
            self.first = self.first.min(newest + step);
        }
        self.unique += 1;
        true
    }

    /// The stream is over; the next packet begins another.
    pub fn restart(&mut self) {
        self.lost_before = self.lost();
        self.newest = None;
        self.unique = 0;
    }

    /// Packets sent that did not come (so far).
    pub fn lost(&self) -> u64 {
        let sent = self.newest.map_or(0, |newest| u64::try_from(newest - self.first + 1).unwrap_or(0));
        self.lost_before + sent.saturating_sub(self.unique)
    }

    fn begin(&mut self, number: u16) {
        self.newest = Some(i64::from(number));
        self.first = i64::from(number);
        self.seen = 1;
        self.unique = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_losses_and_duplicates_across_the_wrap() {
        let mut arrivals = Arrivals::default();
        let new = [65_533_u16, 65_535, 0, 65_534, 3, 0, 2].map(|number| arrivals.add(number));
        assert_eq!(new, [true, true, true, true, true, false, true]);
        assert_eq!(arrivals.lost(), 1, "65533..=3 are 7 numbers; 1 is missing");
        assert!(arrivals.add(1));
        assert!(!arrivals.add(1));
        assert_eq!(arrivals.lost(), 0);
    }

    #[test]
    fn a_new_stream_is_counted_apart() {
        let mut arrivals = Arrivals::default();
        arrivals.add(10);
        arrivals.add(12);
        arrivals.add(40_000);
        arrivals.add(40_003);
        assert_eq!(arrivals.lost(), 3);
        arrivals.restart();
        arrivals.add(40_100);
        assert_eq!(arrivals.lost(), 3);
    }
}
