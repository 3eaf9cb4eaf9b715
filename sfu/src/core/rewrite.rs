//! Rewrites sequence numbers and timestamps, so that a receiver sees one continuous RTP stream (RFC 3550 section 5.1) although
//! the packets come from one source after another, or from one that paused.
//!
//! An outgoing sequence number is never used twice under one SSRC: the SRTP keystream and the AEAD nonce are made from it
//! (RFC 3711 section 4.1.1, RFC 7714 section 8.1).
use std::time::{Duration, Instant};

/// The first sequence number of a stream. Below 65,536, because a new SRTP receiver assumes the rollover counter 0
/// (RFC 3711 section 3.3.1); above 0, so that packets overtaken by the first one have a place.
const FIRST_SEQ: u64 = 1_000;

/// How many packets before the first one of a stream are still let through.
const EARLIER_MAX: u64 = 64;

/// A longer gap in the incoming numbers is closed. Half of 2^16 unseen numbers would make a receiver guess a wrong rollover
/// counter, after which it could open nothing any more (RFC 3711 section 3.3.1).
const GAP_MAX: u64 = 8_192;

/// Sequence numbers that the window remembers.
const WINDOW: u64 = 1_024;

/// The least step of time at a change of source: one packet of Opus at 20 ms.
const STEP_MIN: Duration = Duration::from_millis(20);

/// What to write into the outgoing packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Extended sequence number; the low 16 bits travel.
    pub seq: u64,
    /// RTP timestamp in units of the clock rate.
    pub time: u32,
    /// The packet is the first of another source, or the first after a long gap.
    pub switched: bool,
}

/// The rewriter of one outgoing stream.
#[derive(Debug)]
pub struct Rewriter {
    clock_rate_hz: u32,
    current: Option<Current>,
    last: Option<Last>,
    used: Window,
}

#[derive(Debug)]
struct Current {
    serial: u64,
    // Outgoing minus incoming number, modulo 2^64.
    offset: u64,
    time_offset: u32,
    highest_in: u64,
    // Outgoing numbers below belong to what came before.
    floor: u64,
}

#[derive(Debug)]
struct Last {
    seq: u64,
    time: u32,
    at: Instant,
}

impl Rewriter {
    /// A rewriter for a stream whose timestamps run at `clock_rate_hz`.
    pub fn new(clock_rate_hz: u32) -> Self {
        Self { clock_rate_hz, current: None, last: None, used: Window::new() }
    }

    /// Forgets the source: the next packet begins a new one, whatever its serial.
    pub fn detach(&mut self) {
        self.current = None;
    }

    /// Rewrites a packet of the source `serial`: its extended sequence number and its timestamp. Serials only grow: a lower one
    /// than the current is a straggler. `None`: the packet must not be sent (straggler, duplicate, or too old to know).
    pub fn rewrite(&mut self, now: Instant, serial: u64, seq: u64, time: u32) -> Option<Rewritten> {
        let (continues, straggler) = match &self.current {
            Some(c) => (c.serial == serial && seq <= c.highest_in.saturating_add(GAP_MAX), serial < c.serial),
            None => (false, false),
        };
        if straggler {
            return None;
        }
        if !continues {
            self.switch(now, serial, seq, time);
        }
        let current = self.current.as_mut()?;
        let out = seq.wrapping_add(current.offset);
        if out < current.floor || out > u64::MAX / 2 || !self.used.insert(out) {
            return None;
        }
        let time = time.wrapping_add(current.time_offset);
        if seq >= current.highest_in {
            current.highest_in = seq;
            self.last = Some(Last { seq: out, time, at: now });
        }
        Some(Rewritten { seq: out, time, switched: !continues })
    }

    fn switch(&mut self, now: Instant, serial: u64, seq: u64, time: u32) {
        let same_source = self.current.as_ref().filter(|c| c.serial == serial).map(|c| c.time_offset);
        let (first, floor, time_offset) = match &self.last {
            None => (FIRST_SEQ, FIRST_SEQ - EARLIER_MAX, 0),
            Some(last) => {
                let first = last.seq + 1;
                // A source that paused kept its own clock; another one is placed on the receiver's by the time that passed.
                let time_offset = same_source.unwrap_or_else(|| {
                    let passed = now.saturating_duration_since(last.at).max(STEP_MIN);
                    let units = (passed.as_micros() * u128::from(self.clock_rate_hz) / 1_000_000) as u32;
                    last.time.wrapping_add(units).wrapping_sub(time)
                });
                (first, first, time_offset)
            }
        };
        self.current = Some(Current { serial, offset: first.wrapping_sub(seq), time_offset, highest_in: seq, floor });
    }
}

/// Which of the last [`WINDOW`] numbers were used.
#[derive(Debug)]
struct Window {
    highest: Option<u64>,
    bits: [u64; (WINDOW / 64) as usize],
}

impl Window {
    fn new() -> Self {
        Self { highest: None, bits: [0; (WINDOW / 64) as usize] }
    }

    // False when the number was used, or is too old to know.
    fn insert(&mut self, seq: u64) -> bool {
        match self.highest {
            None => self.highest = Some(seq),
            Some(highest) if seq > highest => {
                if seq - highest >= WINDOW {
                    self.bits = [0; (WINDOW / 64) as usize];
                } else {
                    for passed in highest + 1..=seq {
                        *self.word(passed) &= !(1 << (passed % 64));
                    }
                }
                self.highest = Some(seq);
            }
            Some(highest) => {
                if highest - seq >= WINDOW || *self.word(seq) & (1 << (seq % 64)) != 0 {
                    return false;
                }
            }
        }
        *self.word(seq) |= 1 << (seq % 64);
        true
    }

    fn word(&mut self, seq: u64) -> &mut u64 {
        // In bounds: the remainder of WINDOW / 64 words.
        &mut self.bits[((seq % WINDOW) / 64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const OPUS_HZ: u32 = 48_000;

    fn rewriter() -> (Rewriter, Instant) {
        (Rewriter::new(OPUS_HZ), Instant::now())
    }

    #[test]
    fn starts_below_the_first_rollover_whatever_the_source_counts() {
        let (mut r, now) = rewriter();
        let out = r.rewrite(now, 1, 7_000_000, 42).unwrap();
        assert_eq!(out, Rewritten { seq: FIRST_SEQ, time: 42, switched: true });
    }

    #[test]
    fn a_change_of_source_is_continuous_in_number_and_time() {
        let (mut r, now) = rewriter();
        r.rewrite(now, 1, 65_535, u32::MAX - 10).unwrap();
        let a = r.rewrite(now, 1, 65_536, 949).unwrap();
        let b = r.rewrite(now + Duration::from_millis(60), 2, 9, 123_456).unwrap();
        assert_eq!(b, Rewritten { seq: a.seq + 1, time: a.time.wrapping_add(60 * 48), switched: true });
        assert_eq!(r.rewrite(now, 1, 65_537, 1_909), None, "a straggler of the source before");
        assert_eq!(r.rewrite(now, 2, 8, 122_496), None, "would take a number that the source before used");
        let c = r.rewrite(now + Duration::from_millis(80), 2, 10, 123_456 + 960).unwrap();
        assert_eq!(c, Rewritten { seq: b.seq + 1, time: b.time + 960, switched: false });
    }

    #[test]
    fn a_long_gap_is_closed_and_keeps_the_clock() {
        let (mut r, now) = rewriter();
        let a = r.rewrite(now, 1, 10, 0).unwrap();
        let b = r.rewrite(now, 1, 10 + GAP_MAX + 1, 960_000).unwrap();
        assert_eq!(b, Rewritten { seq: a.seq + 1, time: 960_000, switched: true });
    }

    #[test]
    fn packets_overtaken_by_the_first_one_have_a_place() {
        let (mut r, now) = rewriter();
        r.rewrite(now, 1, 500, 0).unwrap();
        assert_eq!(r.rewrite(now, 1, 499, 0).unwrap().seq, FIRST_SEQ - 1);
        assert_eq!(r.rewrite(now, 1, 500 - EARLIER_MAX - 1, 0), None);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Next { skip: u64 },
        Earlier { by: u64 },
        Switch { seq: u64, time: u32 },
        Detach,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (1u64..5).prop_map(|skip| Step::Next { skip }),
            2 => (0u64..2_000).prop_map(|by| Step::Earlier { by }),
            1 => prop_oneof![Just(60_000u64), Just(40_000), Just(9_000)].prop_map(|skip| Step::Next { skip }),
            1 => (0u64..1 << 40, any::<u32>()).prop_map(|(seq, time)| Step::Switch { seq, time }),
            1 => Just(Step::Detach),
        ]
    }

    proptest! {
        #[test]
        fn never_repeats_never_jumps_and_keeps_distances(first in 0u64..200_000, steps in prop::collection::vec(step(), 1..400)) {
            let (mut r, mut now) = rewriter();
            let (mut serial, mut seq, mut time) = (1, first, 0u32);
            let mut seen = HashSet::new();
            let mut highest: Option<u64> = None;
            let mut previous: Option<(u64, u64, Rewritten)> = None;
            for step in steps {
                now += Duration::from_millis(20);
                let sent = match step {
                    Step::Next { skip } => { seq += skip; time = time.wrapping_add(960 * skip as u32); seq }
                    Step::Earlier { by } => seq.saturating_sub(by),
                    Step::Switch { seq: s, time: t } => { serial += 1; seq = s; time = t; seq }
                    Step::Detach => { r.detach(); serial += 1; seq += 1; seq }
                };
                let Some(out) = r.rewrite(now, serial, sent, time) else { continue };
                prop_assert!(seen.insert(out.seq), "number {} twice", out.seq);
                if let Some(h) = highest {
                    // A quarter of the number space, whatever GAP_MAX says.
                    prop_assert!(out.seq <= h + (1 << 14), "jump from {h} to {}", out.seq);
                    if out.switched { prop_assert_eq!(out.seq, h + 1); }
                } else {
                    prop_assert!(out.seq < 65_536);
                }
                if let Some((s, i, o)) = previous && s == serial && !out.switched {
                    prop_assert_eq!(out.seq.wrapping_sub(o.seq), sent.wrapping_sub(i));
                }
                highest = Some(highest.map_or(out.seq, |h| h.max(out.seq)));
                previous = Some((serial, sent, out));
            }
        }
    }
}
