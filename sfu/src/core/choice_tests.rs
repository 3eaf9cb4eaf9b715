//! What holds whatever the viewer's way does, and what happens on a way that is modelled.
use super::*;
use proptest::prelude::*;

const AUDIO: u64 = 45_000;
const TICK: Duration = Duration::from_millis(100);
const REPORT_TICKS: u32 = 10;

fn ladder(bit_s: &[u64]) -> Vec<Rung> {
    // The layers' own order is another one.
    bit_s.iter().enumerate().map(|(n, bit_s)| Rung { layer: 7 - n, bit_s: *bit_s }).collect()
}

fn usual() -> Vec<Rung> {
    ladder(&[165_000, 545_000, 1_650_000])
}

fn place(ladder: &[Rung], choice: &Choice) -> usize {
    choice.layer().map_or(0, |layer| ladder.iter().position(|rung| rung.layer == layer).unwrap() + 1)
}

fn cost(ladder: &[Rung], choice: &Choice) -> u64 {
    AUDIO + place(ladder, choice).checked_sub(1).map_or(0, |at| ladder[at].bit_s)
}

/// A way with a bottleneck, its queue, and what a browser at its end makes of it.
struct Way {
    capacity_bit_s: u64,
    queue_bits: u64,
    estimates: bool,
    estimate: Option<u64>,
    said: Option<u64>,
    arrived: Vec<u64>,
    sent: u64,
    lost: u64,
    ticks: u32,
    queued_before: u64,
}

impl Way {
    const QUEUE: Duration = Duration::from_millis(300);

    fn new(capacity_bit_s: u64, estimates: bool) -> Self {
        Self {
            capacity_bit_s,
            queue_bits: 0,
            estimates,
            estimate: None,
            said: None,
            arrived: Vec::new(),
            sent: 0,
            lost: 0,
            ticks: 0,
            queued_before: 0,
        }
    }

    /// Sends for a tick. The loss, when a report is due.
    fn pass(&mut self, bit_s: u64) -> Option<f32> {
        let per_tick = |bit_s: u64| bit_s * TICK.as_millis() as u64 / 1_000;
        self.ticks += 1;
        let sent = per_tick(bit_s);
        let room = self.capacity_bit_s * Self::QUEUE.as_millis() as u64 / 1_000;
        let waiting = self.queue_bits + sent;
        let arrived = waiting.min(per_tick(self.capacity_bit_s));
        let left = waiting - arrived;
        self.queue_bits = left.min(room);
        self.sent += sent;
        self.lost += left - self.queue_bits;
        self.arrived.push(arrived);
        let second = &self.arrived[self.arrived.len().saturating_sub(10)..];
        let arrives: u64 = second.iter().sum::<u64>() * 10 / second.len() as u64;
        let delay_ms = self.queue_bits * 1_000 / self.capacity_bit_s.max(1);
        let overused = delay_ms > 80 && delay_ms >= self.queued_before;
        self.queued_before = delay_ms;
        if self.estimates && (overused || self.ticks > 50) {
            let before = self.estimate;
            self.estimate = Some(match before {
                _ if overused => before.unwrap_or(u64::MAX).min(arrives * 85 / 100),
                None => arrives,
                Some(before) if delay_ms > 80 => before,
                Some(before) => (before + before * 8 / 1_000).min((arrives * 3 / 2 + 10_000).max(before)),
            });
            let fell = self.said.zip(self.estimate).is_some_and(|(said, now)| now < said * 97 / 100);
            if fell || self.ticks.is_multiple_of(REPORT_TICKS) {
                self.said = self.estimate;
            }
        }
        if !self.ticks.is_multiple_of(REPORT_TICKS) || self.sent == 0 {
            return None;
        }
        let loss = self.lost as f32 / self.sent as f32;
        (self.sent, self.lost) = (0, 0);
        Some(loss)
    }
}

/// The places that were chosen, tick by tick.
fn drive(way: &mut Way, choice: &mut Choice, now: &mut Instant, ladder: &[Rung], length: Duration) -> Vec<usize> {
    let mut places = Vec::new();
    for _ in 0..length.as_millis() / TICK.as_millis() {
        let loss = way.pass(cost(ladder, choice));
        *now += TICK;
        let input = Input { now: *now, ladder, beside_bit_s: AUDIO, estimate_bit_s: way.said, loss };
        *choice = choose(*choice, &input);
        places.push(place(ladder, choice));
    }
    places
}

#[test]
fn at_300_kbit_a_viewer_is_on_the_low_layer_within_two_seconds() {
    let ladder = usual();
    for estimates in [true, false] {
        let mut now = Instant::now();
        let mut choice = Choice::first(now, &ladder);
        let mut way = Way::new(20_000_000, estimates);
        let up = drive(&mut way, &mut choice, &mut now, &ladder, Duration::from_secs(12));
        assert_eq!(up.last(), Some(&3), "{estimates}");
        way.capacity_bit_s = 300_000;
        let down = drive(&mut way, &mut choice, &mut now, &ladder, Duration::from_secs(2));
        assert_eq!(down.last(), Some(&1), "{estimates}: {down:?}");
        let long = drive(&mut way, &mut choice, &mut now, &ladder, Duration::from_secs(60));
        let low = long.iter().filter(|place| **place == 1).count();
        assert!(low * 10 > long.len() * 7, "{estimates}: {low} of {}", long.len());
        way.capacity_bit_s = 20_000_000;
        let relief = drive(&mut way, &mut choice, &mut now, &ladder, Duration::from_secs(10));
        assert_eq!(relief.last(), Some(&3), "{estimates}: {relief:?}");
    }
}

#[test]
fn where_nothing_fits_beside_sound_there_is_hardly_ever_more() {
    let ladder = usual();
    for estimates in [true, false] {
        let mut now = Instant::now();
        let mut choice = Choice::first(now, &ladder);
        let mut way = Way::new(90_000, estimates);
        drive(&mut way, &mut choice, &mut now, &ladder, Duration::from_secs(6));
        let places = drive(&mut way, &mut choice, &mut now, &ladder, Duration::from_secs(60));
        let video = places.iter().filter(|place| **place > 0).count();
        assert!(video * 4 < places.len(), "{estimates}: {video} of {}", places.len());
    }
}

#[test]
fn a_layer_that_is_not_sent_any_more_is_replaced_by_the_next_smaller() {
    let ladder = usual();
    let now = Instant::now();
    let mut choice = Choice::first(now, &ladder[2..]);
    let input = Input { now, ladder: &ladder[..2], beside_bit_s: AUDIO, estimate_bit_s: None, loss: None };
    choice = choose(choice, &input);
    assert_eq!(choice.layer(), Some(ladder[1].layer));
    choice = choose(choice, &Input { ladder: &ladder[..1], ..input });
    assert_eq!(choice.layer(), Some(ladder[0].layer));
}

#[derive(Clone, Debug)]
struct Seen {
    after_ms: u64,
    estimate: Option<u64>,
    loss: Option<f32>,
}

fn seen() -> impl Strategy<Value = Seen> {
    let estimate = prop_oneof![1 => Just(None), 4 => (20_000u64..4_000_000).prop_map(Some)];
    let loss = prop_oneof![3 => Just(None), 2 => Just(Some(0.0)), 2 => (0.0f32..1.0).prop_map(Some)];
    (10u64..1_500, estimate, loss).prop_map(|(after_ms, estimate, loss)| Seen { after_ms, estimate, loss })
}

fn rungs() -> impl Strategy<Value = Vec<Rung>> {
    prop::collection::vec(50_000u64..3_000_000, 1..=4).prop_map(|mut bit_s| {
        bit_s.sort_unstable();
        ladder(&bit_s)
    })
}

fn after(choice: Choice, now: &mut Instant, ladder: &[Rung], seen: &Seen) -> Choice {
    *now += Duration::from_millis(seen.after_ms);
    let input = Input { now: *now, ladder, beside_bit_s: AUDIO, estimate_bit_s: seen.estimate, loss: seen.loss };
    choose(choice, &input)
}

proptest! {
    #[test]
    fn never_more_than_the_estimate_carries_but_in_a_trial(ladder in rungs(), all in prop::collection::vec(seen(), 1..200)) {
        let mut now = Instant::now();
        let mut choice = Choice::first(now, &ladder);
        for seen in all {
            choice = after(choice, &mut now, &ladder, &seen);
            if let Some(estimate) = seen.estimate && choice.layer().is_some() && !choice.is_trial() {
                prop_assert!(cost(&ladder, &choice) <= estimate);
            }
        }
    }

    #[test]
    fn more_estimate_is_never_less_layer(
        ladder in rungs(),
        all in prop::collection::vec(seen(), 0..100),
        last in seen(),
        low in 20_000u64..4_000_000,
        more in 0u64..4_000_000,
    ) {
        let mut now = Instant::now();
        let mut choice = Choice::first(now, &ladder);
        for seen in all {
            choice = after(choice, &mut now, &ladder, &seen);
        }
        let with = |estimate| after(choice, &mut now.clone(), &ladder, &Seen { estimate: Some(estimate), ..last.clone() });
        prop_assert!(place(&ladder, &with(low)) <= place(&ladder, &with(low + more)));
    }

    #[test]
    fn trouble_on_a_trial_takes_it_back_at_once(ladder in rungs(), all in prop::collection::vec(seen(), 0..100), loss in 0.11f32..1.0) {
        let mut now = Instant::now();
        let mut choice = Choice::first(now, &ladder);
        for seen in all {
            choice = after(choice, &mut now, &ladder, &seen);
        }
        let before = place(&ladder, &choice);
        let trouble = Seen { after_ms: 1_700, estimate: None, loss: Some(loss) };
        let next = after(choice, &mut now, &ladder, &trouble);
        prop_assert!(before == 0 || place(&ladder, &next) < before);
    }

    #[test]
    fn from_anywhere_a_clean_way_leads_to_the_top_in_ten_seconds(
        all in prop::collection::vec(seen(), 0..100),
        estimates: bool,
    ) {
        let ladder = usual();
        let mut now = Instant::now();
        let mut choice = Choice::first(now, &ladder);
        for seen in all {
            choice = after(choice, &mut now, &ladder, &seen);
        }
        let mut way = Way::new(20_000_000, estimates);
        let places = drive(&mut way, &mut choice, &mut now, &ladder, Duration::from_secs(10));
        prop_assert_eq!(places.last(), Some(&3));
    }

    #[test]
    fn a_steady_way_is_a_steady_picture(capacity in 60_000u64..3_000_000, estimates: bool) {
        let ladder = usual();
        let mut now = Instant::now();
        let mut choice = Choice::first(now, &ladder);
        let mut way = Way::new(capacity, estimates);
        drive(&mut way, &mut choice, &mut now, &ladder, Duration::from_secs(20));
        let places = drive(&mut way, &mut choice, &mut now, &ladder, Duration::from_secs(120));
        let window = (Duration::from_secs(10).as_millis() / TICK.as_millis()) as usize;
        for stretch in places.windows(window) {
            let switches = stretch.windows(2).filter(|pair| pair[0] != pair[1]).count();
            prop_assert!(switches <= 6, "{} in ten seconds at {}: {:?}", switches, capacity, stretch);
        }
        let per_minute = places.windows(2).filter(|pair| pair[0] != pair[1]).count() / 2;
        prop_assert!(per_minute <= 32, "{} a minute at {}", per_minute, capacity);
    }
}
