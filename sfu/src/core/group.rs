//! The last key-frame group of a layer: its packets since the last key frame, still encrypted, for viewers who come later.
use super::packet::Packet;
use std::time::{Duration, Instant};

/// What a group holds at most. At 2.5 Mbit/s, which is what a top layer has, it is six seconds.
pub(super) const BYTES_MAX: usize = 2 * 1024 * 1024;

/// Packets of a group at most, for streams of small ones.
const PACKETS_MAX: usize = 4_096;

/// How old a group becomes at most. A later viewer gets all of it at once, so an old group is much to send for little.
pub(super) const AGE_MAX: Duration = Duration::from_secs(6);

/// A group that began no longer ago is as good as a new key frame, which could not be asked for again so soon.
const YOUNG: Duration = super::supply::KEY_FRAME_EVERY;

/// A new key frame is due from here, so that there is one before the group is dropped.
const RENEW_AGE: Duration = Duration::from_secs(4);
const RENEW_BYTES: usize = BYTES_MAX / 4 * 3;

/// The packets since the last key frame. Over a bound it is dropped until the next one.
#[derive(Default)]
pub(super) struct Group {
    /// Tells groups apart; grows.
    generation: u64,
    packets: Vec<Packet>,
    bytes: usize,
    began: Option<Instant>,
}

impl Group {
    /// Takes a packet in, a key frame as the beginning of a new group.
    pub(super) fn push(&mut self, now: Instant, packet: &Packet) {
        if packet.key {
            // Of a key frame that came in disorder the later packets are here before its first.
            let (serial, seq) = (packet.track.serial, packet.seq);
            self.packets.retain(|early| early.track.serial == serial && early.seq > seq && early.time == packet.time);
            self.packets.insert(0, packet.clone());
            self.bytes = self.packets.iter().map(Packet::bytes).sum();
            self.began = Some(now);
            self.generation += 1;
            return;
        }
        let Some(first) = self.packets.first() else { return };
        // Of what came before the key frame nobody needs the rest.
        if packet.track.serial != first.track.serial || packet.seq < first.seq {
            return;
        }
        if self.overflows(now, packet.bytes()) {
            return self.clear();
        }
        self.bytes += packet.bytes();
        self.packets.push(packet.clone());
    }

    fn overflows(&self, now: Instant, more: usize) -> bool {
        self.bytes + more > BYTES_MAX
            || self.packets.len() >= PACKETS_MAX
            || self.began.is_none_or(|began| now.saturating_duration_since(began) >= AGE_MAX)
    }

    pub(super) fn clear(&mut self) {
        self.packets = Vec::new();
        self.bytes = 0;
        self.began = None;
        self.generation += 1;
    }

    /// Whether it is time for a new key frame, or there is no group at all.
    pub(super) fn wants_key_frame(&self, now: Instant) -> bool {
        self.began.is_none_or(|began| now.saturating_duration_since(began) >= RENEW_AGE)
            || self.bytes >= RENEW_BYTES
            || self.packets.len() >= PACKETS_MAX / 4 * 3
    }

    /// Whether a viewer could start with it now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        !self.packets.is_empty() && !self.overflows(now, 0)
    }

    /// Whether it began so short a time ago that it is nearly the present.
    pub(super) fn is_young(&self, now: Instant) -> bool {
        self.began.is_some_and(|began| now.saturating_duration_since(began) < YOUNG)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn packets(&self) -> &[Packet] {
        &self.packets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::room::Track;
    use str0m::media::MediaKind;

    fn packet(seq: u64, key: bool) -> Packet {
        Packet::for_tests(Track::for_tests(MediaKind::Video), seq, key)
    }

    fn numbers(group: &Group) -> Vec<u64> {
        group.packets().iter().map(|packet| packet.seq).collect()
    }

    #[test]
    fn it_begins_with_a_key_frame_and_ends_with_the_next() {
        let (mut group, now) = (Group::default(), Instant::now());
        group.push(now, &packet(1, false));
        assert!(!group.is_ready(now) && group.wants_key_frame(now));
        for seq in 2..6 {
            group.push(now, &packet(seq, seq == 2));
        }
        assert_eq!(numbers(&group), [2, 3, 4, 5]);
        assert!(group.is_ready(now) && !group.wants_key_frame(now));
        let before = group.generation();
        group.push(now, &packet(6, true));
        group.push(now, &packet(5, false));
        assert_eq!(numbers(&group), [6], "and nothing that came late of the one before");
        assert!(group.generation() > before);
    }

    #[test]
    fn a_key_frame_that_came_in_disorder_is_whole() {
        let (mut group, now) = (Group::default(), Instant::now());
        group.push(now, &packet(1, true));
        let mut second = packet(4, false);
        second.time = packet(3, true).time;
        group.push(now, &packet(2, false));
        group.push(now, &second);
        group.push(now, &packet(3, true));
        assert_eq!(numbers(&group), [3, 4]);
    }

    #[test]
    fn it_is_bounded_in_bytes_and_in_age_and_says_so_before() {
        let (mut group, now) = (Group::default(), Instant::now());
        group.push(now, &packet(1, true));
        let mut seq = 1;
        while group.is_ready(now) {
            seq += 1;
            group.push(now, &packet(seq, false));
            assert!(group.bytes <= BYTES_MAX);
            assert!(group.bytes < RENEW_BYTES || group.wants_key_frame(now));
        }
        assert!(seq as usize * packet(1, false).bytes() > BYTES_MAX && numbers(&group).is_empty());
        group.push(now, &packet(9_000, true));
        assert!(!group.wants_key_frame(now + RENEW_AGE - Duration::from_millis(1)));
        assert!(group.wants_key_frame(now + RENEW_AGE) && group.is_ready(now + RENEW_AGE));
        assert!(!group.is_ready(now + AGE_MAX), "nobody begins with so old a one");
        group.push(now + AGE_MAX, &packet(9_001, false));
        assert!(numbers(&group).is_empty());
    }
}
