//! What a participant sends on one of its lines: the simulcast layers, how much each is, and the last key-frame group of each.
//!
//! A stream without simulcast is one layer. It belongs to the participant's place and outlives its connection.
use super::choice::Rung;
use super::group::Group;
use super::meter::Meter;
use super::packet::Packet;
use std::time::{Duration, Instant};
use str0m::media::{MediaKind, Rid};

/// Layers of one line that are taken; browsers send three.
pub(super) const LAYERS_MAX: usize = 4;

/// A key frame of a layer is asked for no more often, however many viewers want one: each costs its sender some ten times the bits of another frame.
pub(super) const KEY_FRAME_EVERY: Duration = Duration::from_secs(1);

/// A layer of which nothing came for this long is not sent at present: browsers stop the upper ones when their way up is narrow.
const SILENT_AFTER: Duration = Duration::from_millis(1_500);

/// The layers of one line.
#[derive(Default)]
pub(super) struct Supply {
    layers: Vec<Layer>,
    kind: Option<MediaKind>,
    // Somebody may come late.
    keeps_groups: bool,
}

/// One layer.
pub(super) struct Layer {
    pub(super) rid: Option<Rid>,
    meter: Meter,
    heard_at: Option<Instant>,
    pub(super) group: Group,
    asked_at: Option<Instant>,
    // Somebody waits for a key frame and cannot go on without.
    awaited: bool,
    pub(super) count: Count,
}

/// What was counted of a layer since its participant came.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) packets: u64,
    pub(super) key_frames_wanted: u64,
    pub(super) key_frames_asked: u64,
    // Of the present stream, by its numbers.
    serial: u64,
    first: u64,
    highest: u64,
    received: u64,
    lost_before: u64,
}

impl Count {
    fn packet(&mut self, packet: &Packet) {
        self.packets += 1;
        if self.serial != packet.track.serial {
            self.lost_before = self.lost();
            (self.serial, self.first, self.highest, self.received) = (packet.track.serial, packet.seq, packet.seq, 0);
        }
        self.first = self.first.min(packet.seq);
        self.highest = self.highest.max(packet.seq);
        self.received += 1;
    }

    /// Packets that never came, not even sent again.
    pub(super) fn lost(&self) -> u64 {
        let expected = if self.serial == 0 { 0 } else { self.highest - self.first + 1 };
        self.lost_before + expected.saturating_sub(self.received)
    }
}

impl Layer {
    fn new(rid: Option<Rid>) -> Self {
        Self {
            rid,
            meter: Meter::default(),
            heard_at: None,
            group: Group::default(),
            asked_at: None,
            awaited: false,
            count: Count::default(),
        }
    }

    /// Bits in a second; none while it is not sent.
    pub(super) fn bit_s(&mut self, now: Instant) -> Option<u64> {
        let heard = self.heard_at.is_some_and(|heard| now.saturating_duration_since(heard) < SILENT_AFTER);
        heard.then(|| self.meter.bit_s(now))
    }

    /// Somebody wants a key frame; `awaited`: and shows nothing until it comes. True: the sender is to be asked now.
    pub(super) fn want_key_frame(&mut self, now: Instant, awaited: bool) -> bool {
        self.count.key_frames_wanted += 1;
        self.awaited |= awaited;
        self.ask(now)
    }

    /// Whether one that is awaited has to be asked for again.
    pub(super) fn ask_again(&mut self, now: Instant) -> bool {
        self.awaited && self.ask(now)
    }

    fn ask(&mut self, now: Instant) -> bool {
        let due = self.asked_at.is_none_or(|asked| now.saturating_duration_since(asked) >= KEY_FRAME_EVERY);
        if due {
            self.asked_at = Some(now);
            self.count.key_frames_asked += 1;
        }
        due
    }

    fn ask_again_at(&self) -> Option<Instant> {
        self.asked_at.filter(|_| self.awaited).map(|asked| asked + KEY_FRAME_EVERY)
    }

    /// The renewal of the group for later viewers: true when the sender is to be asked for a key frame now.
    pub(super) fn renew(&mut self, now: Instant) -> bool {
        let asks = self.group.wants_key_frame(now) && self.ask(now);
        self.count.key_frames_wanted += u64::from(asks);
        asks
    }
}

impl Supply {
    /// Which layer a packet with this name is of; a new one gets the next place.
    pub(super) fn layer_of(&mut self, rid: Option<Rid>) -> Option<usize> {
        let known = self.layers.iter().position(|layer| layer.rid == rid);
        known.or_else(|| {
            (self.layers.len() < LAYERS_MAX).then(|| {
                self.layers.push(Layer::new(rid));
                self.layers.len() - 1
            })
        })
    }

    /// Takes note of a packet.
    pub(super) fn take(&mut self, now: Instant, packet: &Packet) {
        let keeps_groups = self.keeps_groups;
        self.kind = Some(packet.track.kind);
        let Some(layer) = self.layers.get_mut(packet.track.layer) else { return };
        layer.heard_at = Some(now);
        layer.meter.count(now, packet.bytes());
        layer.count.packet(packet);
        if packet.key {
            layer.awaited = false;
        }
        if keeps_groups {
            layer.group.push(now, packet);
        }
    }

    /// Whether groups are kept. A call has no use for them.
    pub(super) fn keep_groups(&mut self, keep: bool) {
        if self.keeps_groups && !keep {
            self.forget_groups();
        }
        self.keeps_groups = keep;
    }

    /// The participant may not send any more: what is kept of it is not shown to anybody who comes now.
    pub(super) fn forget_groups(&mut self) {
        self.layers.iter_mut().for_each(|layer| layer.group.clear());
    }

    pub(super) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    pub(super) fn layer_mut(&mut self, layer: usize) -> Option<&mut Layer> {
        self.layers.get_mut(layer)
    }

    /// Sound or pictures; none before the first packet.
    pub(super) fn kind(&self) -> Option<MediaKind> {
        self.kind
    }

    /// Whether it is a simulcast: only then there is a choice.
    pub(super) fn is_simulcast(&self) -> bool {
        self.layers.iter().any(|layer| layer.rid.is_some())
    }

    /// The layers that are sent now, the smallest first. The measure decides: browsers name and order them as they like.
    pub(super) fn ladder(&mut self, now: Instant, rungs: &mut Vec<Rung>) {
        rungs.clear();
        let sent = self.layers.iter_mut().enumerate();
        rungs.extend(sent.filter_map(|(layer, state)| state.bit_s(now).map(|bit_s| Rung { layer, bit_s })));
        // Before there is a measure: the first in the offer is the one that is liked best (RFC 8853 section 5.2).
        rungs.sort_by_key(|rung| (rung.bit_s, std::cmp::Reverse(rung.layer)));
    }

    /// Bits in a second of all layers.
    pub(super) fn bit_s(&mut self, now: Instant) -> u64 {
        self.layers.iter_mut().filter_map(|layer| layer.bit_s(now)).sum()
    }

    /// When a key frame that did not come is asked for again.
    pub(super) fn ask_again_at(&self) -> Option<Instant> {
        self.layers.iter().filter_map(Layer::ask_again_at).min()
    }
}
