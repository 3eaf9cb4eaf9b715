//! What a viewer is shown of a source: which layer, and from where.
//!
//! A layer changes at a key frame of the other one. The way down is in two steps: what is too much ends at once, and the smaller layer begins with its
//! next key frame, or with its kept group when that is only just begun; between them the viewer has sound and a still picture for about a round trip to the sender. On the way up the smaller layer goes on until then.
//! A new viewer begins with the group that is kept: its packets come at a bounded rate, and those that arrive meanwhile line up behind them.
use super::choice::{Choice, Input, choose};
use super::packet::Packet;
use super::supply::Supply;
use std::time::{Duration, Instant};

/// Packets of a kept group that leave together. They are a few batches for the kernel, and no more than a phone's buffer takes.
const BURST_PACKETS: usize = 16;

/// The time between two such bursts: with them some 8 Mbit/s. A group of the lowest layer is out within 100 ms, and its key frame with the first burst.
const BURST_EVERY: Duration = Duration::from_millis(20);

/// How often a view is judged of which nobody reports: who sends too leaves the estimate to the other end. It climbs to the top, and nothing brings it down.
const JUDGE_EVERY: Duration = Duration::from_millis(500);

/// How much faster than it was sent a kept group is shown: its pictures up to the present one are decoded, and shown for a moment at most.
const HASTE: u32 = 32;

/// A viewer's view of one source.
pub(super) struct View {
    /// Only where there is something to choose.
    choice: Option<Choice>,
    current: Option<usize>,
    awaited: Option<usize>,
    backlog: Option<Backlog>,
    /// When it is judged next, where nobody reports.
    judged_at: Option<Instant>,
}

/// What of a kept group is not sent yet.
struct Backlog {
    layer: usize,
    generation: u64,
    next: usize,
    /// The time of the newest packet when it began, and when that came.
    edge: (u32, Instant),
    due: Instant,
}

/// What a view wants after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing.
    Nothing,
    /// A key frame of this layer.
    KeyFrame(usize),
}

/// One packet of a group as it is sent.
pub(super) struct Late<'a> {
    pub(super) packet: &'a Packet,
    /// Its time, squeezed.
    pub(super) time: u32,
    /// The wall-clock time that this is.
    pub(super) at: Instant,
}

impl View {
    /// A view that begins now, with a kept group where there is one. `reports`: the viewer reports of its way.
    pub(super) fn start(now: Instant, supply: &mut Supply, reports: bool) -> (Self, Wish) {
        let mut ladder = Vec::new();
        supply.ladder(now, &mut ladder);
        let ready = |layer: usize| supply.layers().get(layer).is_some_and(|layer| layer.group.is_ready(now));
        // The smallest of which there is a picture to show; else the smallest.
        let at = ladder.iter().position(|rung| ready(rung.layer)).unwrap_or(0);
        let ladder = ladder.get(at..).unwrap_or_default();
        let layer = ladder.first().map(|rung| rung.layer);
        let choice = supply.is_simulcast().then(|| Choice::first(now, ladder));
        let backlog = layer.filter(|layer| ready(*layer)).and_then(|layer| Backlog::new(now, layer, supply));
        let judged_at = choice.filter(|_| !reports).map(|_| now + JUDGE_EVERY);
        let mut view = Self { choice, current: layer, awaited: None, backlog, judged_at };
        let wish = match layer {
            Some(layer) if view.backlog.is_none() => {
                if view.choice.is_some() {
                    (view.current, view.awaited) = (None, Some(layer));
                }
                Wish::KeyFrame(layer)
            }
            _ => Wish::Nothing,
        };
        (view, wish)
    }

    /// Whether a packet that came now goes out now.
    pub(super) fn shows(&mut self, now: Instant, packet: &Packet) -> bool {
        if self.backlog.is_some() {
            return false;
        }
        let layer = packet.track.layer;
        if packet.key && self.awaited == Some(layer) {
            (self.current, self.awaited) = (Some(layer), None);
            if let Some(choice) = &mut self.choice {
                choice.in_effect(now);
            }
        }
        self.current == Some(layer)
    }

    /// Chooses anew.
    pub(super) fn judge(&mut self, input: &Input<'_>) -> Wish {
        let Some(choice) = &mut self.choice else { return Wish::Nothing };
        self.judged_at = self.judged_at.map(|_| input.now + JUDGE_EVERY);
        // Nothing is sent, or nothing is measured yet.
        if input.ladder.iter().all(|rung| rung.bit_s == 0) {
            return Wish::Nothing;
        }
        let before = choice.layer();
        *choice = choose(*choice, input);
        let after = choice.layer();
        if after == before {
            return Wish::Nothing;
        }
        let bit_s = |layer: Option<usize>| {
            let rung = layer.and_then(|layer| input.ladder.iter().find(|rung| rung.layer == layer));
            rung.map_or(0, |rung| rung.bit_s)
        };
        if after == self.current {
            self.awaited = None;
            return Wish::Nothing;
        }
        if bit_s(after) < bit_s(self.current) || after.is_none() {
            self.current = None;
            self.backlog = None;
        }
        self.awaited = after;
        after.map_or(Wish::Nothing, Wish::KeyFrame)
    }

    /// Begins with the kept group of the layer that it waits for, where that is a smaller one than before and the group is young. True: it did.
    pub(super) fn begin_with_group(&mut self, now: Instant, supply: &Supply) -> bool {
        let Some(layer) = self.awaited.filter(|_| self.current.is_none()) else { return false };
        if !supply.layers().get(layer).is_some_and(|layer| layer.group.is_young(now)) {
            return false;
        }
        self.backlog = Backlog::new(now, layer, supply);
        if self.backlog.is_none() {
            return false;
        }
        (self.current, self.awaited) = (Some(layer), None);
        if let Some(choice) = &mut self.choice {
            choice.in_effect(now);
        }
        true
    }

    /// Whether it has something to choose.
    pub(super) fn chooses(&self) -> bool {
        self.choice.is_some()
    }

    /// The layer that is shown; `None`: none at present.
    pub(super) fn current(&self) -> Option<usize> {
        self.current
    }

    /// The layer that is meant to be shown; `None`: sound only.
    pub(super) fn chosen(&self) -> Option<usize> {
        self.choice.as_ref().map_or(self.current, Choice::layer)
    }

    /// When more of the backlog is due.
    pub(super) fn late_due(&self) -> Option<Instant> {
        self.backlog.as_ref().map(|backlog| backlog.due)
    }

    /// When it is to be judged, though nothing was learnt.
    pub(super) fn judge_due(&self) -> Option<Instant> {
        self.judged_at
    }

    /// The next packets of the backlog, when they are due. True: they are the first of a group.
    pub(super) fn late<'a>(&mut self, now: Instant, supply: &'a Supply) -> Option<(bool, Vec<Late<'a>>)> {
        let backlog = self.backlog.as_mut().filter(|backlog| backlog.due <= now)?;
        let Some(group) = supply.layers().get(backlog.layer).map(|layer| &layer.group) else {
            self.backlog = None;
            return None;
        };
        let other = group.generation() != backlog.generation;
        if other {
            (backlog.generation, backlog.next) = (group.generation(), 0);
            if let Some(newest) = group.packets().last() {
                backlog.edge = (newest.time, newest.arrived);
            }
        }
        let anew = backlog.next == 0;
        let rest = group.packets().get(backlog.next..).unwrap_or_default();
        let burst = rest.get(..BURST_PACKETS).unwrap_or(rest);
        let late = burst.iter().map(|packet| backlog.late(packet)).collect();
        backlog.next += burst.len();
        backlog.due = now + BURST_EVERY;
        let lost = group.packets().is_empty();
        if burst.len() == rest.len() {
            self.backlog = None;
        }
        if lost {
            // It was dropped while it was sent: nothing to go on with before the next key frame.
            (self.awaited, self.current) = (self.current, None);
        }
        Some((anew, late))
    }
}

impl Backlog {
    fn new(now: Instant, layer: usize, supply: &Supply) -> Option<Self> {
        let group = &supply.layers().get(layer)?.group;
        let newest = group.packets().last()?;
        let edge = (newest.time, newest.arrived);
        Some(Self { layer, generation: group.generation(), next: 0, edge, due: now })
    }

    fn late<'a>(&self, packet: &'a Packet) -> Late<'a> {
        let (edge, at) = self.edge;
        let before = edge.wrapping_sub(packet.time);
        // What came after it began keeps its time.
        if before > u32::MAX / 2 {
            return Late { packet, time: packet.time, at: packet.arrived };
        }
        Late { packet, time: edge.wrapping_sub(before / HASTE), at }
    }
}
