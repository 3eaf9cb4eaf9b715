//! The jitter buffer on made-up networks, with a clock that is only a number.
use super::*;
use crate::media::delay::{TARGET_MAX, TARGET_MIN};
use proptest::prelude::*;

const FRAME_TIME: Duration = Duration::from_millis(20);

/// What was heard in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Frame(u32),
    /// Recovered from the FEC of the packet after it.
    Recovered(u32),
    Nothing,
    Silence,
}

/// A network: which packets arrive when (microseconds after the first is sent), and how fast the reader's clock runs.
struct Run {
    arrivals: Vec<(u64, u32)>,
    /// Length of a reader's frame in nanoseconds; 20,000,000 when both clocks agree.
    frame_ns: u64,
    first_timestamp: u32,
    slots: usize,
    quiet: bool,
}

impl Run {
    fn new(mut arrivals: Vec<(u64, u32)>, slots: usize) -> Self {
        arrivals.sort();
        Self { arrivals, frame_ns: 20_000_000, first_timestamp: u32::MAX - 5_000, slots, quiet: false }
    }

    /// Plays all of it; returns what was heard, with the delay of each frame in milliseconds, and the buffer.
    fn play(&self) -> (Vec<(Heard, i64)>, JitterBuffer) {
        let start = Instant::now();
        let mut buffer = JitterBuffer::new();
        let mut waiting = self.arrivals.iter().peekable();
        let mut heard = Vec::new();
        let mut repeat = false;
        let mut played_ns = 0;
        while heard.len() < self.slots {
            while let Some((at_us, index)) = waiting.next_if(|(at_us, _)| at_us * 1_000 <= played_ns) {
                let timestamp = self.first_timestamp.wrapping_add(index * 960);
                buffer.push(start + Duration::from_micros(*at_us), timestamp, index.to_be_bytes().to_vec());
            }
            let now = start + Duration::from_nanos(played_ns);
            let playing_ns = played_ns;
            let delay_ms = |index: u32| playing_ns as i64 / 1_000_000 - i64::from(index) * 20;
            played_ns += self.frame_ns;
            if std::mem::take(&mut repeat) {
                heard.push((Heard::Nothing, 0));
                continue;
            }
            heard.push(match buffer.pull(now) {
                Pulled::Silence(samples) => {
                    played_ns -= self.frame_ns - self.frame_ns * samples as u64 / 960;
                    (Heard::Silence, 0)
                }
                Pulled::Conceal => (Heard::Nothing, 0),
                Pulled::Recover(after) => (Heard::Recovered(index_of(&after) - 1), 0),
                Pulled::Packet(packet) => {
                    if self.quiet {
                        match buffer.balance(now) {
                            Balance::Surplus | Balance::FarSurplus => drop(buffer.pull(now)),
                            Balance::Deficit => repeat = true,
                            Balance::Even => {}
                        }
                    }
                    let index = index_of(&packet);
                    (Heard::Frame(index), delay_ms(index))
                }
            });
        }
        (heard, buffer)
    }
}

fn index_of(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload.try_into().unwrap())
}

fn frames(heard: &[(Heard, i64)]) -> Vec<u32> {
    heard.iter().filter_map(|(heard, _)| if let Heard::Frame(index) = heard { Some(*index) } else { None }).collect()
}

fn missing(heard: &[(Heard, i64)]) -> usize {
    heard.iter().filter(|(heard, _)| *heard == Heard::Nothing).count()
}

/// Numbers that look random, the same every time.
fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % below.max(1)
    }
}

#[test]
fn a_quiet_network_has_the_least_delay_and_no_gap() {
    let arrivals = (0..500).map(|index| (u64::from(index) * 20_000 + 3_000, index)).collect();
    let (heard, buffer) = Run::new(arrivals, 480).play();
    assert_eq!(buffer.target(), TARGET_MIN);
    assert_eq!(missing(&heard), 0);
    assert_eq!(frames(&heard)[..400], (0..400).collect::<Vec<_>>());
    let first = heard.iter().position(|(heard, _)| *heard == Heard::Frame(0)).unwrap();
    assert_eq!(heard[first].1, 33, "3 ms on the way, then the least delay");
}

#[test]
fn a_lost_packet_is_recovered_from_the_next_and_costs_no_delay() {
    let arrivals = (0..500).filter(|index| index % 20 != 7).map(|index| (u64::from(index) * 20_000, index)).collect();
    let (heard, _) = Run::new(arrivals, 480).play();
    assert_eq!(missing(&heard), 0);
    assert!(heard.contains(&(Heard::Recovered(7), 0)) && heard.contains(&(Heard::Recovered(467), 0)));
    assert!(heard.iter().all(|(_, delay_ms)| *delay_ms == 30 || *delay_ms == 0), "no frame is later than the first");
}

#[test]
fn a_burst_of_losses_costs_its_own_time_only() {
    let lost = |index: &u32| (100..104).contains(index);
    let arrivals = (0..300).filter(|index| !lost(index)).map(|index| (u64::from(index) * 20_000, index)).collect();
    let (heard, _) = Run::new(arrivals, 280).play();
    assert_eq!(missing(&heard) + heard.iter().filter(|(heard, _)| matches!(heard, Heard::Recovered(_))).count(), 4);
    assert_eq!(heard.last().unwrap().1, 30);
}

#[test]
fn the_delay_grows_with_jitter_and_shrinks_in_pauses() {
    let mut random = random(1);
    let arrivals: Vec<(u64, u32)> = (0..3_000)
        .map(|index| {
            let jitter_us = if (500..1_500).contains(&index) { random(80_000) } else { random(2_000) };
            (u64::from(index) * 20_000 + jitter_us, index)
        })
        .collect();
    let run = Run { quiet: true, ..Run::new(arrivals, 2_950) };
    let (heard, buffer) = run.play();
    let delays = |from: usize, to: usize| {
        let part = heard[from..to].iter().filter(|(heard, _)| matches!(heard, Heard::Frame(_)));
        part.map(|(_, delay_ms)| *delay_ms).max().unwrap()
    };
    assert!(delays(100, 480) <= 60, "{}", delays(100, 480));
    let missing_in_jitter = missing(&heard[1_000..1_480]);
    assert!(missing_in_jitter < 15, "{missing_in_jitter} of 480 frames missed once the jitter was known");
    assert!((70..=150).contains(&delays(1_000, 1_480)), "{}", delays(1_000, 1_480));
    assert!(delays(2_800, 2_950) <= 60, "{}", delays(2_800, 2_950));
    assert_eq!(buffer.target(), TARGET_MIN);
}

#[test]
fn a_delay_that_has_become_too_short_is_told() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::new();
    let mut balances = Vec::new();
    for index in 0..200_u32 {
        // From packet 100 on, one in ten comes late by more than the delay.
        let late_ms = if index > 100 && index % 10 == 0 { 60 } else { 0 };
        let now = start + FRAME_TIME * index;
        if let Pulled::Packet(_) = buffer.pull(now) {
            balances.push(buffer.balance(now));
        }
        buffer.push(now + Duration::from_millis(late_ms), index * 960, vec![]);
    }
    assert!(balances[..90].iter().all(|balance| *balance == Balance::Even));
    assert_eq!(balances.last(), Some(&Balance::Deficit));
}

#[test]
fn what_nobody_plays_is_bounded_by_one_second_and_the_oldest_goes_first() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::new();
    for index in 0..80_u32 {
        buffer.push(start + FRAME_TIME * index, index * 960, index.to_be_bytes().to_vec());
        assert!(buffer.len() <= PACKETS_MAX);
    }
    assert_eq!(buffer.pull(start + FRAME_TIME * 80), Pulled::Packet(30_u32.to_be_bytes().to_vec()));
    assert_eq!(buffer.balance(start + FRAME_TIME * 80), Balance::FarSurplus);
}

#[test]
fn clocks_that_drift_apart_never_add_up() {
    for frame_ns in [19_980_000, 20_020_000] {
        let mut random = random(2);
        let arrivals = (0..15_000).map(|index| (u64::from(index) * 20_000 + random(3_000), index)).collect();
        let run = Run { frame_ns, quiet: true, ..Run::new(arrivals, 14_800) };
        let (heard, buffer) = run.play();
        // The reader's clock is the test's, so a frame's true delay is not in `heard`; what waits is.
        assert!(buffer.len() <= 4, "{frame_ns} ns: {} packets wait", buffer.len());
        let played = frames(&heard).len();
        assert!(played > 14_700, "{frame_ns} ns: {played} of 14,800 frames played");
        assert!(missing(&heard) < 40, "{frame_ns} ns: {} made up", missing(&heard));
    }
}

#[test]
fn a_pause_of_the_sender_or_the_network_is_silence_then_goes_on() {
    let arrivals =
        (0..200).map(|index| (u64::from(index) * 20_000 + if index < 100 { 0 } else { 700_000 }, index)).collect();
    let (heard, _) = Run::new(arrivals, 240).play();
    assert_eq!(missing(&heard[..200]), HOLD_MAX as usize + 1, "concealed first");
    assert!(heard.iter().filter(|(heard, _)| *heard == Heard::Silence).count() > 20, "then silence");
    assert_eq!(frames(&heard).len(), 200, "nothing is left out");
}

#[test]
fn another_stream_takes_over_at_any_timestamp() {
    let start = Instant::now();
    for jump in [3_000_000_000_u32, 0x8000_0000, 96_001, 96_000 * 400] {
        let mut buffer = JitterBuffer::new();
        for index in 0..50_u32 {
            let now = start + FRAME_TIME * index;
            let stamp = if index < 25 { 1_000 + index * 960 } else { jump.wrapping_add(index * 960) };
            assert_eq!(buffer.push(now, stamp, vec![index as u8]), Pushed::Queued, "{jump} {index}");
            let pulled = buffer.pull(now + Duration::from_millis(10));
            if index > 30 {
                assert!(matches!(pulled, Pulled::Packet(_)), "{jump} {index} {pulled:?}");
            }
        }
    }
}

#[test]
fn timestamps_that_went_back_a_little_recover_within_half_a_second() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::new();
    let mut played = 0;
    for index in 0..200_u32 {
        let now = start + FRAME_TIME * index;
        let stamp = if index < 100 { 100_000 + index * 960 } else { 100_000 + index * 960 - 48_000 };
        buffer.push(now, stamp, vec![]);
        if matches!(buffer.pull(now + Duration::from_millis(10)), Pulled::Packet(_)) && index >= 100 {
            played += 1;
        }
    }
    assert!(played > 70, "{played}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the network does, no frame is heard twice or out of order, and nothing comes from nowhere.
    #[test]
    fn frames_are_heard_in_order_and_once(
        packets in proptest::collection::vec((0_u64..150_000, 0_u8..20), 1..300)
    ) {
        let mut arrivals = Vec::new();
        for (index, (jitter_us, fate)) in packets.iter().enumerate() {
            let at = (index as u64 * 20_000 + jitter_us, index as u32);
            match fate {
                0 => {}
                1 => arrivals.extend([at, (at.0 + 30_000, at.1)]),
                _ => arrivals.push(at),
            }
        }
        let sent: std::collections::BTreeSet<u32> = arrivals.iter().map(|(_, index)| *index).collect();
        let slots = packets.len() + 30;
        let (heard, buffer) = Run { quiet: true, ..Run::new(arrivals, slots) }.play();
        let order = frames(&heard);
        prop_assert!(order.windows(2).all(|pair| pair[0] < pair[1]), "{order:?}");
        prop_assert!(order.iter().all(|index| sent.contains(index)));
        prop_assert!((TARGET_MIN..=TARGET_MAX).contains(&buffer.target()));
    }

    /// Jitter below the least delay, reordering included, is not heard at all.
    #[test]
    fn reordering_within_the_delay_is_not_heard(jitter_us in proptest::collection::vec(0_u64..25_000, 60..200)) {
        let arrivals: Vec<_> =
            jitter_us.iter().enumerate().map(|(index, jitter)| (index as u64 * 20_000 + jitter, index as u32)).collect();
        let slots = arrivals.len() + 2;
        let (heard, _) = Run::new(arrivals, slots).play();
        let order = frames(&heard);
        // What arrives before the first one is due is played; the first may be one that overtook.
        let first = order[0];
        prop_assert!(first <= 1);
        prop_assert_eq!(&order, &(first..first + order.len() as u32).collect::<Vec<_>>());
        prop_assert_eq!(missing(&heard[..jitter_us.len()]), 0);
    }

    /// Any packets at any time: no panic, bounded memory, silence of a sensible length.
    #[test]
    fn nonsense_is_bounded(steps in proptest::collection::vec((any::<u32>(), 0_u64..100_000, any::<bool>()), 0..400)) {
        let mut now = Instant::now();
        let mut buffer = JitterBuffer::new();
        for (timestamp, wait_us, pull) in steps {
            now += Duration::from_micros(wait_us);
            if pull {
                if let Pulled::Silence(samples) = buffer.pull(now) {
                    prop_assert!((1..=960).contains(&samples));
                }
                buffer.balance(now);
            } else {
                buffer.push(now, timestamp % 200_000, vec![0]);
            }
            prop_assert!(buffer.len() <= PACKETS_MAX);
        }
    }
}
