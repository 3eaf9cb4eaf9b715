//! Which counters of one key were opened.

const WORD_BITS: u64 = u64::BITS as u64;
const WORDS: usize = 16;

/// Counters behind the newest that can still be told apart: 20 s of 20 ms frames.
const WINDOW: u64 = WORDS as u64 * WORD_BITS;

/// A sliding window over counters, as in RFC 4303 appendix A2.
#[derive(Default)]
pub(super) struct Window {
    /// One above the highest counter recorded; 0 when none was.
    next: u64,
    /// A ring of bits, indexed by the counter modulo [`WINDOW`].
    seen: [u64; WORDS],
}

impl Window {
    /// Whether the counter was not recorded and is not older than the window.
    pub(super) fn is_new(&self, counter: u64) -> bool {
        if counter >= self.next {
            return counter != u64::MAX;
        }
        self.next - counter <= WINDOW && self.seen[word(counter)] & bit(counter) == 0
    }

    /// Records a counter that [`Self::is_new`] accepted and whose frame authenticated.
    pub(super) fn record(&mut self, counter: u64) {
        if counter >= self.next {
            if counter - self.next >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                for skipped in self.next..counter {
                    self.seen[word(skipped)] &= !bit(skipped);
                }
            }
            self.next = counter.saturating_add(1);
        }
        self.seen[word(counter)] |= bit(counter);
    }
}

fn word(counter: u64) -> usize {
    (counter % WINDOW / WORD_BITS) as usize
}

fn bit(counter: u64) -> u64 {
    1 << (counter % WORD_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn no_counter_passes_twice_and_recent_ones_pass_once(steps in proptest::collection::vec(0u64..3000, 1..400)) {
            let (mut window, mut seen, mut highest) = (Window::default(), HashSet::new(), 0u64);
            for counter in steps {
                let expected = !seen.contains(&counter) && (seen.is_empty() || counter + WINDOW > highest);
                prop_assert_eq!(window.is_new(counter), expected, "{} {}", counter, highest);
                if expected {
                    window.record(counter);
                    seen.insert(counter);
                    highest = highest.max(counter);
                }
            }
        }
    }

    #[test]
    fn the_far_end_does_not_wrap() {
        let mut window = Window::default();
        assert!(window.is_new(u64::MAX - 1));
        window.record(u64::MAX - 1);
        assert!(!window.is_new(u64::MAX - 1));
        assert!(!window.is_new(u64::MAX), "the last counter would wrap the window");
        assert!(!window.is_new(3));
    }
}
