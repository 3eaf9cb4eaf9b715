//! Which simulcast layer a viewer gets. A pure function of what is known; nothing here knows of sessions or packets.
//!
//! What is known of a viewer's way: its own estimate of the bitrate (REMB, draft-alvestrand-rmcat-remb) and the loss that it reports. An estimator at the receiving
//! end says no more than one and a half times what arrives, so a viewer on a low layer cannot say that a high one fits. So the way up is a *trial*: the next
//! layer is sent after a while without trouble, and taken back at once when loss or a falling estimate follows. What failed is tried again later each time, up to
//! a bound. The way down has no delay. Audio comes first: it is taken off the estimate before anything else, and when the lowest layer does not fit beside it,
//! there is no video.
use std::time::{Duration, Instant};

/// More loss than this is a way that does not carry what is sent (the same limit as in draft-ietf-rmcat-gcc-02 section 6).
pub const OVERUSE_LOSS: f32 = 0.10;

/// Up to this loss a way is clean: radio loses some packets at any rate, and they are sent again.
pub const CLEAN_LOSS: f32 = 0.06;

/// How long a way has to be clean before the next layer is tried.
pub const CLEAN_FOR: Duration = Duration::from_secs(2);

/// How long at most, whatever has failed: after relief the top has to be back within 10 s, and each of two steps up waits for a report and a key frame beside.
pub const CLEAN_FOR_MAX: Duration = Duration::from_millis(4_500);

/// How long at most where there is sound only: a trial costs sound most there.
pub const SOUND_FOR_MAX: Duration = Duration::from_secs(5);

/// When a trial has gone well for so long, the next one may follow.
const WELL_FOR: Duration = Duration::from_millis(1_500);

/// How long before a layer is taken that the estimate carries without a trial.
const CARRIED_FOR: Duration = Duration::from_secs(1);

/// Reports in the first moments after a change are about what was sent before it.
const REPORT_LAG: Duration = Duration::from_millis(900);

/// After so long an estimate that goes on falling is one of the layer that is sent now.
const DRAINED: Duration = Duration::from_millis(250);

/// Whether the lowest layer fits is not decided before so long: for a moment the way is still busy with what was sent before.
const LAST_LAG: Duration = Duration::from_millis(1_600);

/// The lowest layer is given up for an estimate below so much of what it takes, in percent, or for loss. An estimator goes by what is sent, so what
/// it says of a stream that fits may be a little less than that.
const LAST_PERCENT: u64 = 75;

/// A layer is taken without a trial, or its trial is over, when the estimate is so much more than it takes, in percent.
const ROOM_PERCENT: u64 = 110;

/// An estimate that falls below this much of its highest during a trial ends it, in percent. An overused way makes an estimator go down to 85 %.
const FALL_PERCENT: u64 = 92;

/// A fallen estimate is a mean over a second of which most was before the fall: so much of it is counted on, in percent. Who falls too far is up again in two seconds, and who falls
/// too little loses the next layer's key frame in a full queue.
const CAREFUL_PERCENT: u64 = 45;

/// What an overused way's estimator goes down to, in percent of what came through.
const OVERUSE_PERCENT: u64 = 85;

/// A layer that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Its index with its sender.
    pub layer: usize,
    /// Bits in a second.
    pub bit_s: u64,
}

/// What is known when a choice is made.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The time.
    pub now: Instant,
    /// The layers that are sent, the smallest first.
    pub ladder: &'a [Rung],
    /// What has to fit beside: audio, and the video of others. Bits in a second.
    pub beside_bit_s: u64,
    /// The viewer's estimate of its way, bits in a second.
    pub estimate_bit_s: Option<u64>,
    /// Part of the packets that was lost, 0 to 1, when the viewer has reported since the last choice.
    pub loss: Option<f32>,
}

/// A choice, and what the next one has to know of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    rung: Option<Rung>,
    /// Since when the choice is this one, or is in effect.
    since: Instant,
    clean_since: Instant,
    trial: Option<Trial>,
    failed: u32,
    // The last change was to less.
    fell: bool,
}

/// The estimate does not carry what is sent, yet; or not for sure.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Trial {
    // It is of more than was sent before; else of what is left after something failed.
    upward: bool,
    estimate_highest: Option<u64>,
}

impl Choice {
    /// The first choice for a viewer of whom nothing is known: the lowest layer there is, whose group is the smallest to catch up with. What
    /// the way carries shows within seconds.
    pub fn first(now: Instant, ladder: &[Rung]) -> Self {
        let trial = Some(Trial { upward: true, estimate_highest: None });
        Self { rung: ladder.first().copied(), since: now, clean_since: now, trial, failed: 0, fell: false }
    }

    /// The layer to send; `None`: no video.
    pub fn layer(&self) -> Option<usize> {
        self.rung.map(|rung| rung.layer)
    }

    /// Whether more is sent than the viewer has said it can take.
    pub fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// Notes that the layer arrives now: a choice waits for a key frame.
    pub fn in_effect(&mut self, now: Instant) {
        self.since = now;
        self.clean_since = now;
    }

    fn clean_for(&self) -> Duration {
        let most = if self.rung.is_some() { CLEAN_FOR_MAX } else { SOUND_FOR_MAX };
        (CLEAN_FOR * (1 << self.failed.min(8))).min(most)
    }
}

// Places on the ladder are counted from 0, which is no video.
struct Ladder<'a>(&'a Input<'a>);

impl Ladder<'_> {
    fn rung(&self, place: usize) -> Option<Rung> {
        self.0.ladder.get(place.checked_sub(1)?).copied()
    }

    /// What has to fit for this place.
    fn cost(&self, place: usize) -> u64 {
        self.0.beside_bit_s + self.rung(place).map_or(0, |rung| rung.bit_s)
    }

    fn top(&self) -> usize {
        self.0.ladder.len()
    }

    /// The highest place that fits.
    fn carried_by(&self, bit_s: u64) -> usize {
        (1..=self.top()).rev().find(|place| self.cost(*place) <= bit_s).unwrap_or(0)
    }

    /// The place to fall to when an estimate has fallen to this.
    fn fall_to(&self, bit_s: u64) -> usize {
        let careful = self.carried_by(bit_s.saturating_mul(CAREFUL_PERCENT) / 100);
        careful.max(self.carried_by(bit_s).min(1))
    }

    /// Where a layer is; when it is not sent any more, the highest that is no larger.
    fn place(&self, of: Option<Rung>) -> usize {
        let Some(of) = of else { return 0 };
        let at = self.0.ladder.iter().position(|rung| rung.layer == of.layer);
        at.map(|at| at + 1).unwrap_or_else(|| {
            let lower = self.0.ladder.iter().rposition(|rung| rung.bit_s <= of.bit_s);
            lower.map_or(self.top().min(1), |at| at + 1)
        })
    }
}

/// The next choice.
pub fn choose(before: Choice, input: &Input<'_>) -> Choice {
    let ladder = Ladder(input);
    let now = input.now;
    let place = ladder.place(before.rung);
    let mut next = Choice { rung: ladder.rung(place), ..before };
    let in_effect_for = now.saturating_duration_since(before.since);
    // Without more than what was left of a higher one.
    let last = place == 1 && !next.trial.is_some_and(|trial| trial.upward);
    let doubtful = in_effect_for < if last { LAST_LAG } else { REPORT_LAG };
    let loss = input.loss.filter(|_| !doubtful).unwrap_or(0.0);
    let below = |percent: u64| {
        let least = ladder.cost(place).saturating_mul(percent) / 100;
        input.estimate_bit_s.is_some_and(|bit_s| bit_s < least)
    };
    if last && next.trial.is_none() && below(100) && (doubtful || !below(LAST_PERCENT)) {
        next.trial = Some(Trial { upward: false, estimate_highest: None });
    }
    // Of whatever it is.
    if input.loss.is_some_and(|loss| loss > CLEAN_LOSS) {
        next.clean_since = now;
    }
    // What came through of what was sent.
    let through = (loss > OVERUSE_LOSS).then(|| (ladder.cost(place) as f64 * f64::from(1.0 - loss)) as u64);
    let target = match next.trial.as_mut() {
        Some(trial) => {
            let fell = match (input.estimate_bit_s, trial.estimate_highest) {
                _ if last => !doubtful && below(LAST_PERCENT),
                // Lower already, and it goes on falling: still too much.
                (Some(now), Some(highest)) if !trial.upward => {
                    in_effect_for >= DRAINED && now.saturating_mul(100) < highest.saturating_mul(OVERUSE_PERCENT)
                }
                (Some(now), Some(highest)) => {
                    below(100) && now.saturating_mul(100) < highest.saturating_mul(FALL_PERCENT)
                }
                _ => false,
            };
            trial.estimate_highest = trial.estimate_highest.max(input.estimate_bit_s);
            // A trial that just began leads back to where it began from: that was good a moment ago, and the measures are mostly of it. Of a layer that
            // went well for a while they are of the layer, and a fall says what came through.
            let just_begun = trial.upward && in_effect_for < WELL_FOR;
            let fallen = input.estimate_bit_s.filter(|_| fell).map(|bit_s| bit_s.saturating_mul(100) / OVERUSE_PERCENT);
            let failed = |to: Option<usize>| match to {
                None => place,
                Some(_) if just_begun => place.saturating_sub(1),
                Some(to) => to.min(place.saturating_sub(1)),
            };
            let fallen = fallen.map(|bit_s| ladder.fall_to(bit_s));
            failed(fallen).min(failed(through.map(|bit_s| ladder.carried_by(bit_s))))
        }
        None => {
            let carried = match input.estimate_bit_s.filter(|_| below(100)) {
                Some(bit_s) => ladder.fall_to(bit_s),
                None => place,
            };
            let limit = through.map_or(place, |bit_s| ladder.carried_by(bit_s).min(place.saturating_sub(1)));
            place.min(carried).min(limit)
        }
    };
    if target < place {
        next.failed = if next.trial.is_some() { next.failed.saturating_add(1) } else { next.failed };
        move_to(&mut next, &ladder, target);
        return next;
    }
    let room = |place: usize| ladder.cost(place).saturating_mul(ROOM_PERCENT) / 100;
    let clean = now.saturating_duration_since(next.clean_since);
    let went_well = next.trial.is_some_and(|trial| trial.upward) && clean >= WELL_FOR;
    if went_well {
        // Whatever the estimate says.
        next.failed = 0;
    }
    if let Some(trial) = next.trial
        && (trial.upward || !doubtful)
        && input.estimate_bit_s.is_some_and(|bit_s| bit_s >= room(place))
    {
        next.trial = None;
        if trial.upward {
            next.failed = 0;
        }
    }
    if place < ladder.top() {
        let carried = input
            .estimate_bit_s
            .map_or(0, |bit_s| (place + 1..=ladder.top()).rev().find(|place| room(*place) <= bit_s).unwrap_or(0));
        // An estimate from before a fall is not believed so soon.
        let carried_for = if next.fell { CLEAN_FOR } else { CARRIED_FOR };
        if carried > place && clean >= carried_for {
            move_to(&mut next, &ladder, carried);
        } else if went_well || clean >= next.clean_for() {
            move_to(&mut next, &ladder, place + 1);
        }
    } else if clean >= CLEAN_FOR_MAX {
        next.failed = 0;
    }
    next
}

fn move_to(choice: &mut Choice, ladder: &Ladder<'_>, place: usize) {
    let upward = place > ladder.place(choice.rung);
    choice.fell = !upward;
    choice.rung = ladder.rung(place);
    choice.in_effect(ladder.0.now);
    let estimate = ladder.0.estimate_bit_s;
    // Nobody has to say that nothing fits. And on the way down it has to show that the estimate stands.
    let carried = place == 0 || (upward && estimate.is_some_and(|bit_s| ladder.cost(place) <= bit_s));
    choice.trial = (!carried).then_some(Trial { upward, estimate_highest: estimate });
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
