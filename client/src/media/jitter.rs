//! The adaptive jitter buffer: packets in as the network brings them, one of them (or the news of its absence) out every 20 ms.
//!
//! Pure: arrival and playing times are arguments. It knows timestamps and arrival times, not sound: the listener decodes,
//! conceals, and says when a frame is quiet enough to be left out or repeated.
//!
//! The delay is counted from the fastest path seen in the last seconds, so the clocks of both ends need not agree and may
//! drift. The wanted delay follows the measured jitter. Missing packets do not move it: a slot that was concealed while
//! nothing was there counts for the packet that turns out lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::FRAME_SAMPLES;
use super::delay::{DelayHistogram, FastestPath};

/// Samples of a frame as the timestamps count them.
const FRAME: i64 = FRAME_SAMPLES as i64;
/// A timestamp that is this far from the one expected still names the same slot: a source that was replaced counts from
/// another place.
const SLOT_TOLERANCE: i64 = FRAME / 2;
/// Most packets that wait: one second. More drop the oldest.
pub const PACKETS_MAX: usize = 50;
/// Timestamps that jump further than this begin a new stream.
const JUMP_MAX: i64 = 2 * super::SAMPLE_RATE as i64;
/// So many late packets in a row begin a new stream: its timestamps went back.
const LATE_RUN_MAX: u32 = 25;
/// So many frames without any packet end the stream until one arrives: concealment has faded out by then.
const HOLD_MAX: i64 = 5;
/// A gap longer than this, in frames, is jumped over.
const GAP_MAX: i64 = 25;
/// A delay this much above the wanted one is worth leaving a quiet frame out.
const SURPLUS: Duration = Duration::from_millis(25);
/// A delay this much above the wanted one is worth leaving out any frame.
const FAR_SURPLUS: Duration = Duration::from_millis(100);
/// A delay this much below the wanted one is worth repeating a quiet frame.
const DEFICIT: Duration = Duration::from_millis(10);

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits for its time.
    Queued,
    /// Its slot is taken.
    Duplicate,
    /// Its time is over.
    Late,
}

/// What to play in the next slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// Nothing yet: silence of this many samples, 1 to 960, then ask again.
    Silence(usize),
    /// The slot's packet.
    Packet(Vec<u8>),
    /// The slot's packet is lost; this is the packet after it, which may carry FEC. It stays in the buffer.
    Recover(Vec<u8>),
    /// The slot's packet is not here.
    Conceal,
}

/// How the delay is, compared with the wanted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Too short: repeat a quiet frame.
    Deficit,
    /// As wanted, or nothing can be done now.
    Even,
    /// Too long: leave a quiet frame out.
    Surplus,
    /// Far too long: leave any frame out.
    FarSurplus,
}

#[derive(Clone, Copy)]
enum State {
    /// No sound until a packet's time has come.
    Waiting,
    /// So many slots were concealed before the next one while nothing was there.
    Playing { held: i64 },
}

/// The buffer of one stream.
pub struct JitterBuffer {
    packets: BTreeMap<i64, Vec<u8>>,
    state: State,
    /// Timestamp of the slot to play next; what is older is never played. The least number before the first.
    next: i64,
    /// Arrival times are counted from here.
    origin: Option<Instant>,
    /// The newest timestamp, unwrapped.
    newest: Option<i64>,
    fastest: FastestPath,
    delays: DelayHistogram,
    late_run: u32,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl JitterBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self {
            packets: BTreeMap::new(),
            state: State::Waiting,
            next: i64::MIN,
            origin: None,
            newest: None,
            fastest: FastestPath::default(),
            delays: DelayHistogram::default(),
            late_run: 0,
        }
    }

    /// Takes a packet that arrived at `now`; `timestamp` is the RTP timestamp (48 kHz, wraps).
    pub fn push(&mut self, now: Instant, timestamp: u32, payload: Vec<u8>) -> Pushed {
        let stamp = self.unwrap(timestamp);
        let arrival_us = self.micros(now);
        let transit_us = arrival_us - micros_of(stamp);
        self.fastest.add(arrival_us, transit_us);
        self.delays.add(transit_us - self.fastest.micros());

        if stamp < self.next.saturating_sub(SLOT_TOLERANCE) {
            self.late_run += 1;
            if self.late_run < LATE_RUN_MAX {
                return Pushed::Late;
            }
            self.begin_again(timestamp);
            return self.push(now, timestamp, payload);
        }
        self.late_run = 0;
        if self.packets.range(stamp - SLOT_TOLERANCE + 1..stamp + SLOT_TOLERANCE).next().is_some() {
            return Pushed::Duplicate;
        }
        self.packets.insert(stamp, payload);
        if self.packets.len() > PACKETS_MAX {
            self.packets.pop_first();
            if let (State::Playing { .. }, Some(first)) = (self.state, self.first()) {
                self.next = self.next.max(first);
            }
        }
        Pushed::Queued
    }

    /// The stream is continued by another one, whose timestamps have nothing to do with the former.
    pub fn restart(&mut self) {
        self.packets.clear();
        self.state = State::Waiting;
        self.next = i64::MIN;
        self.newest = None;
        self.fastest = FastestPath::default();
        self.late_run = 0;
    }

    /// What to play at `now`. Called once for every 960 samples of sound, or as many as `Silence` said.
    pub fn pull(&mut self, now: Instant) -> Pulled {
        let now_us = self.micros(now);
        let held = match (self.state, self.first()) {
            (State::Waiting, None) => return Pulled::Silence(FRAME_SAMPLES),
            (State::Waiting, Some(first)) => {
                let wait_samples = (self.due_us(first) - now_us).saturating_mul(6) / 125;
                if wait_samples > 0 {
                    return Pulled::Silence(wait_samples.min(FRAME) as usize);
                }
                self.next = first;
                0
            }
            (State::Playing { held }, None) => {
                self.state = if held < HOLD_MAX { State::Playing { held: held + 1 } } else { State::Waiting };
                return Pulled::Conceal;
            }
            (State::Playing { held }, Some(_)) => held,
        };
        self.state = State::Playing { held: 0 };
        let Some(entry) = self.packets.first_entry() else { return Pulled::Conceal };
        let first = *entry.key();
        let mut gap = (first - self.next + SLOT_TOLERANCE).div_euclid(FRAME).max(0);
        // Slots that were concealed while nothing was there were those of lost packets.
        let absorbed = held.min(gap);
        gap -= absorbed;
        self.next += absorbed * FRAME;
        if gap == 0 || gap > GAP_MAX {
            self.next = first + FRAME;
            return Pulled::Packet(entry.remove());
        }
        self.next += FRAME;
        if gap == 1 { Pulled::Recover(entry.get().clone()) } else { Pulled::Conceal }
    }

    /// How the delay of the frame pulled for `now` was. A surplus is only told while the next packet is here.
    pub fn balance(&self, now: Instant) -> Balance {
        let State::Playing { held: 0 } = self.state else { return Balance::Even };
        let late_us = self.micros_at(now) - self.due_us(self.next - FRAME);
        let next_here = self.first().is_some_and(|first| first < self.next + SLOT_TOLERANCE);
        if late_us < -(DEFICIT.as_micros() as i64) {
            Balance::Deficit
        } else if next_here && late_us > FAR_SURPLUS.as_micros() as i64 {
            Balance::FarSurplus
        } else if next_here && late_us > SURPLUS.as_micros() as i64 {
            Balance::Surplus
        } else {
            Balance::Even
        }
    }

    /// The wanted delay.
    pub fn target(&self) -> Duration {
        self.delays.target()
    }

    /// Packets waiting.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// When the slot of `stamp` should be heard.
    fn due_us(&self, stamp: i64) -> i64 {
        self.fastest.micros() + micros_of(stamp) + self.target().as_micros() as i64
    }

    /// Timestamp of the oldest packet that waits.
    fn first(&self) -> Option<i64> {
        self.packets.keys().next().copied()
    }

    fn unwrap(&mut self, timestamp: u32) -> i64 {
        let Some(newest) = self.newest else {
            self.begin_again(timestamp);
            return i64::from(timestamp);
        };
        let step = i64::from(timestamp.wrapping_sub(newest as u32) as i32);
        if step.abs() > JUMP_MAX {
            self.begin_again(timestamp);
            return i64::from(timestamp);
        }
        self.newest = Some(newest.max(newest + step));
        newest + step
    }

    fn begin_again(&mut self, timestamp: u32) {
        self.restart();
        self.newest = Some(i64::from(timestamp));
    }

    fn micros(&mut self, now: Instant) -> i64 {
        self.origin.get_or_insert(now);
        self.micros_at(now)
    }

    fn micros_at(&self, now: Instant) -> i64 {
        let since = self.origin.map_or(Duration::ZERO, |origin| now.saturating_duration_since(origin));
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

/// The media time of a timestamp: 48 samples are 1,000 microseconds.
fn micros_of(stamp: i64) -> i64 {
    stamp * 125 / 6
}

#[cfg(test)]
#[path = "jitter_tests.rs"]
mod tests;
