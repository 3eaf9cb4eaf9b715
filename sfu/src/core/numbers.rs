//! A room's numbers for the status page.
use super::meter::Meter;
use super::room::Connection;
use super::{Core, Place};
use crate::{LayerStats, RoomId, RoomStats};
use std::time::Instant;
use str0m::media::MediaKind;

/// What went out of a room, or did not.
#[derive(Default)]
pub(super) struct Traffic {
    pub(super) forwarded: u64,
    pub(super) dropped: u64,
    /// Packets that another shard did not get.
    pub(super) not_passed_on: u64,
    out: Meter,
}

/// What became of some packets.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) forwarded: u64,
    pub(super) dropped: u64,
    pub(super) bytes: usize,
}

impl Traffic {
    pub(super) fn count(&mut self, now: Instant, tally: Tally) {
        self.forwarded += tally.forwarded;
        self.dropped += tally.dropped;
        self.out.count(now, tally.bytes);
    }
}

impl Core {
    /// A room's numbers; `None`: there is no such room.
    pub fn room_stats(&mut self, now: Instant, room: RoomId) -> Option<RoomStats> {
        let state = self.rooms.get_mut(&room)?;
        let mut stats = RoomStats {
            participants: state.participants() as u64,
            forwarded: state.traffic.forwarded,
            dropped: state.traffic.dropped,
            dropped_between_shards: state.traffic.not_passed_on,
            out_bit_s: state.traffic.out.bit_s(now),
            shards: 1,
            ..RoomStats::default()
        };
        let members = state.members().to_vec();
        let mut senders = members.clone();
        senders.extend(state.stand_ins.values());
        // The same order on every shard, however they came.
        senders.sort_by_key(|place| self.places.get(*place).map(|seat| seat.participant));
        // Where each layer is in the list: of whom, on which line, which one.
        let mut layers = Vec::new();
        for member in &senders {
            self.count_sent(now, *member, &mut stats, &mut layers);
        }
        let mut losses = 0.0;
        for member in &members {
            let Some(connection) = self.places.connection(*member).filter(|c| c.connected && c.views) else { continue };
            stats.viewers += 1;
            losses += connection.path.loss;
            stats.loss_worst = stats.loss_worst.max(connection.path.loss);
            count_shown(connection, &mut stats, &layers);
        }
        if stats.viewers > 0 {
            stats.loss_mean = losses / stats.viewers as f32;
        }
        stats.layers.sort_by_key(|layer| (layer.sender, layer.bit_s));
        Some(stats)
    }

    fn count_sent(
        &mut self,
        now: Instant,
        member: Place,
        stats: &mut RoomStats,
        layers: &mut Vec<(Place, usize, usize)>,
    ) {
        let Some(seat) = self.places.get_mut(member).filter(|seat| !seat.supplies.is_empty()) else { return };
        let senders = stats.layers.iter().map(|layer| layer.sender + 1).max().unwrap_or(0);
        for (line, supply) in seat.supplies.iter_mut().enumerate() {
            if supply.kind() != Some(MediaKind::Video) {
                stats.audio_bit_s += supply.bit_s(now);
                continue;
            }
            for layer in 0..supply.layers().len() {
                let Some(state) = supply.layer_mut(layer) else { continue };
                layers.push((member, line, layer));
                stats.layers.push(LayerStats {
                    sender: senders,
                    rid: state.rid.map(|rid| rid.to_string()),
                    bit_s: state.bit_s(now).unwrap_or(0),
                    packets: state.count.packets,
                    lost: state.count.lost(),
                    viewers: 0,
                    key_frames_wanted: state.count.key_frames_wanted,
                    key_frames_asked: state.count.key_frames_asked,
                });
            }
        }
    }
}

// Counts what a viewer is shown.
fn count_shown(connection: &Connection, stats: &mut RoomStats, layers: &[(Place, usize, usize)]) {
    let mut sources = 0;
    let (mut shown, mut paused) = (0, 0);
    for line in connection.lines.iter().filter(|line| line.kind == MediaKind::Video) {
        let Some(source) = line.source() else { continue };
        sources += 1;
        let (layer, chosen) = match &line.view {
            Some(view) => (view.current(), view.chosen()),
            None => (Some(0), Some(0)),
        };
        match layer {
            Some(layer) => {
                shown += 1;
                let at = layers.iter().position(|known| *known == (source.place, source.line, layer));
                if let Some(layer) = at.and_then(|at| stats.layers.get_mut(at)) {
                    layer.viewers += 1;
                }
            }
            None if chosen.is_none() => paused += 1,
            None => {}
        }
    }
    match () {
        () if shown > 0 => {}
        () if sources == 0 => stats.viewers_audio_only += 1,
        () if paused > 0 => stats.viewers_paused += 1,
        () => stats.viewers_waiting += 1,
    }
}
