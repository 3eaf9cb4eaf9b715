//! Packets of one stream in their order. What is missing is waited for, for a while and up to a bound, and then given up.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

/// Numbers that jump further than this belong to a new stream.
const JUMP_MAX: i64 = 3_000;
/// Packets that wait behind a missing one: over a second of the largest layer. When there are more, the missing one is given up.
const WAITING_MAX: usize = 1_024;

/// The buffer.
pub(super) struct Reorder<T> {
    patience: Duration,
    /// The number that comes out next, unwrapped; none before the first packet.
    next: Option<i64>,
    waiting: BTreeMap<i64, (Instant, T)>,
    counts: Counts,
}

/// What was counted.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) missing: u64,
    pub(super) late: u64,
    pub(super) duplicate: u64,
}

/// What comes out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// The next packet.
    Packet(T),
    /// Packets were given up before the one that comes next.
    Gap,
}

impl<T> Reorder<T> {
    /// A buffer in which packets wait so long for a missing one.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, next: None, waiting: BTreeMap::new(), counts: Counts::default() }
    }

    /// Takes a packet that arrived at `now`.
    pub(super) fn push(&mut self, now: Instant, number: u16, packet: T) {
        let next = *self.next.get_or_insert(i64::from(number));
        let step = i64::from(number.wrapping_sub(next as u16) as i16);
        if step.abs() > JUMP_MAX {
            self.restart();
            self.next = Some(i64::from(number));
            self.waiting.insert(number.into(), (now, packet));
            return;
        }
        if step < 0 {
            self.counts.late += 1;
        } else if let Entry::Vacant(place) = self.waiting.entry(next + step) {
            place.insert((now, packet));
        } else {
            self.counts.duplicate += 1;
        }
    }

    /// What comes next at `now`; `None` when it must be waited for.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Next<T>> {
        let (first, arrived) = self.waiting.first_key_value().map(|(place, (arrived, _))| (*place, *arrived))?;
        let next = self.next?;
        if first > next {
            let given_up = now.saturating_duration_since(arrived) >= self.patience || self.waiting.len() > WAITING_MAX;
            if !given_up {
                return None;
            }
            self.counts.missing += u64::try_from(first - next).unwrap_or(0);
            self.next = Some(first);
            return Some(Next::Gap);
        }
        self.next = Some(first + 1);
        self.waiting.pop_first().map(|(_, (_, packet))| Next::Packet(packet))
    }

    /// Another stream begins. What waits is gone.
    pub(super) fn restart(&mut self) {
        self.waiting.clear();
        self.next = None;
    }

    /// What was counted, over all streams.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATIENCE: Duration = Duration::from_millis(500);

    fn out(buffer: &mut Reorder<u16>, now: Instant) -> Vec<Option<u16>> {
        std::iter::from_fn(|| buffer.pop(now))
            .map(|next| match next {
                Next::Packet(packet) => Some(packet),
                Next::Gap => None,
            })
            .collect()
    }

    #[test]
    fn a_missing_packet_is_waited_for_and_then_given_up() {
        let (mut buffer, now) = (Reorder::new(PATIENCE), Instant::now());
        for number in [65_534, 0, 65_535, 2, 3] {
            buffer.push(now, number, number);
        }
        assert_eq!(out(&mut buffer, now), [Some(65_534), Some(65_535), Some(0)]);
        buffer.push(now, 3, 3);
        assert_eq!(out(&mut buffer, now + PATIENCE - Duration::from_millis(1)), []);
        assert_eq!(out(&mut buffer, now + PATIENCE), [None, Some(2), Some(3)]);
        buffer.push(now + PATIENCE, 1, 1);
        assert_eq!(out(&mut buffer, now + PATIENCE), []);
        assert_eq!(buffer.counts(), Counts { missing: 1, late: 1, duplicate: 1 });
    }

    #[test]
    fn it_does_not_grow_beyond_its_bound() {
        let (mut buffer, now) = (Reorder::new(PATIENCE), Instant::now());
        buffer.push(now, 0, 0);
        for number in 2..=WAITING_MAX as u16 + 2 {
            buffer.push(now, number, number);
        }
        assert_eq!(out(&mut buffer, now).len(), WAITING_MAX + 3, "one gap, and all that waited");
        assert_eq!(buffer.counts().missing, 1);
    }

    #[test]
    fn a_far_jump_is_a_new_stream() {
        let (mut buffer, now) = (Reorder::new(PATIENCE), Instant::now());
        buffer.push(now, 10, 10);
        buffer.push(now, 30_000, 30_000);
        assert_eq!(out(&mut buffer, now), [Some(30_000)]);
        assert_eq!(buffer.counts(), Counts::default());
    }

    proptest! {
        #[test]
        fn each_packet_comes_out_once_in_order_or_is_counted(
            begin: u16,
            // For each packet: how far it is delayed behind the others, and how often it comes.
            fates in proptest::collection::vec((0_usize..40, 0_usize..3), 1..300),
        ) {
            let mut sent: Vec<(usize, u16)> = Vec::new();
            for (at, (delay, times)) in fates.iter().enumerate().skip(1) {
                let number = begin.wrapping_add(at as u16);
                (0..*times).for_each(|again| sent.push((at + delay + again, number)));
            }
            sent.sort_by_key(|(at, _)| *at);
            // The first comes first: where a stream begins is where it is first seen.
            sent.insert(0, (0, begin));
            let (mut buffer, now) = (Reorder::new(PATIENCE), Instant::now());
            let mut came = Vec::new();
            for (_, number) in &sent {
                buffer.push(now, *number, *number);
                came.extend(out(&mut buffer, now));
            }
            came.extend(out(&mut buffer, now + PATIENCE));
            let places: Vec<u16> = came.iter().flatten().map(|number| number.wrapping_sub(begin)).collect();
            prop_assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
            let counts = buffer.counts();
            prop_assert_eq!(places.len() as u64 + counts.late + counts.duplicate, sent.len() as u64);
            let newest = places.last().copied().unwrap_or_default();
            prop_assert_eq!(places.len() as u64 + counts.missing, u64::from(newest) + 1);
        }
    }
}
