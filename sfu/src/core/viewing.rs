//! Viewers: which layer each gets, and what is kept for those who come late.
use super::choice::Input;
use super::numbers::Tally;
use super::view::Wish;
use super::{Core, Place};
use std::time::Instant;

impl Core {
    /// Chooses anew for a viewer, of whose way something was learnt.
    pub(super) fn judge(&mut self, now: Instant, viewer: Place) {
        let Some(connection) = self.places.connection_mut(viewer) else { return };
        let estimate_bit_s = connection.path.estimate_bit_s(now);
        let loss = connection.path.take_loss();
        for index in 0..connection_lines(self, viewer) {
            let Some(source) = self.chooses(viewer, index) else { continue };
            let beside_bit_s = self.beside(now, viewer, index);
            let mut ladder = std::mem::take(&mut self.rungs);
            ladder.clear();
            if let Some(supply) = self.places.get_mut(source.place).and_then(|seat| seat.supplies.get_mut(source.line))
            {
                supply.ladder(now, &mut ladder);
            }
            let input = Input { now, ladder: &ladder, beside_bit_s, estimate_bit_s, loss };
            let line = self.places.connection_mut(viewer).and_then(|connection| connection.lines.get_mut(index));
            let wish = line.and_then(|line| line.view.as_mut()).map_or(Wish::Nothing, |view| view.judge(&input));
            self.rungs = ladder;
            if let Wish::KeyFrame(layer) = wish
                && !self.begin_with_group(now, viewer, index)
            {
                self.want_key_frame(now, source.place, (source.line, layer), true);
            }
        }
    }

    // Where a smaller layer has a young group, the viewer begins with that.
    fn begin_with_group(&mut self, now: Instant, viewer: Place, index: usize) -> bool {
        let line = self.places.connection(viewer).and_then(|connection| connection.lines.get(index));
        let Some(source) = line.and_then(|line| line.source()) else { return false };
        // Taken out for the moment: sender and viewer are two places of one store.
        let Some(seat) = self.places.get_mut(source.place) else { return false };
        let supplies = std::mem::take(&mut seat.supplies);
        let line = self.places.connection_mut(viewer).and_then(|connection| connection.lines.get_mut(index));
        let begins = match (line, supplies.get(source.line)) {
            (Some(line), Some(supply)) => line.view.as_mut().is_some_and(|view| view.begin_with_group(now, supply)),
            _ => false,
        };
        if let Some(seat) = self.places.get_mut(source.place) {
            seat.supplies = supplies;
        }
        begins
    }

    /// Chooses for a viewer of whose way nobody says anything, when it is time.
    pub(super) fn judge_unasked(&mut self, now: Instant, viewer: Place) {
        let due = |connection: &super::room::Connection| connection.judge_due().is_some_and(|due| due <= now);
        if self.places.connection(viewer).is_some_and(due) {
            self.judge(now, viewer);
        }
    }

    // The source of a line on which there is something to choose.
    fn chooses(&self, viewer: Place, index: usize) -> Option<super::room::Source> {
        let line = self.places.connection(viewer)?.lines.get(index)?;
        line.view.as_ref().filter(|view| view.chooses())?;
        line.source()
    }

    // What goes to a viewer beside one of its lines, in bits in a second.
    fn beside(&mut self, now: Instant, viewer: Place, except: usize) -> u64 {
        let mut sum = 0;
        for index in 0..connection_lines(self, viewer) {
            if index == except {
                continue;
            }
            let line = self.places.connection(viewer).and_then(|connection| connection.lines.get(index));
            let Some(line) = line else { continue };
            let shown = line.view.as_ref().map(|view| view.current());
            let Some(source) = line.source() else { continue };
            let Some(seat) = self.places.get_mut(source.place) else { continue };
            let Some(supply) = seat.supplies.get_mut(source.line) else { continue };
            sum += match shown {
                None => supply.bit_s(now),
                Some(layer) => {
                    let layer = layer.and_then(|layer| supply.layer_mut(layer));
                    layer.and_then(|layer| layer.bit_s(now)).unwrap_or(0)
                }
            };
        }
        sum
    }

    /// Sends what is due of kept groups to a viewer.
    pub(super) fn send_late(&mut self, now: Instant, viewer: Place) {
        let due = |connection: &super::room::Connection| connection.late_due().is_some_and(|due| due <= now);
        if !self.places.connection(viewer).is_some_and(due) {
            return;
        }
        let mut writes = std::mem::take(&mut self.writes);
        let mut bytes = 0;
        for index in 0..connection_lines(self, viewer) {
            let line = self.places.connection(viewer).and_then(|connection| connection.lines.get(index));
            let Some(source) = line.filter(|line| line.view.is_some()).and_then(|line| line.source()) else { continue };
            // Taken out for the moment: sender and viewer are two places of one store.
            let Some(seat) = self.places.get_mut(source.place) else { continue };
            let supplies = std::mem::take(&mut seat.supplies);
            if let Some(connection) = self.places.connection_mut(viewer)
                && let Some(line) = connection.lines.get_mut(index)
                && let Some(supply) = supplies.get(source.line)
                && let Some((anew, late)) = line.view.as_mut().and_then(|view| view.late(now, supply))
            {
                if anew {
                    line.skip();
                }
                for late in late {
                    if let Ok(write) = line.outgoing_at(now, late.packet, (late.time, late.at), &connection.driver) {
                        bytes += late.packet.bytes();
                        writes.push((line.mid, write));
                    }
                }
            }
            if let Some(seat) = self.places.get_mut(source.place) {
                seat.supplies = supplies;
            }
        }
        let forwarded = writes.len() as u64;
        self.counters.forwarded += forwarded;
        let room = self.places.get(viewer).map(|seat| seat.room);
        if let Some(room) = room.and_then(|room| self.rooms.get_mut(&room)) {
            room.traffic.count(now, Tally { forwarded, dropped: 0, bytes });
        }
        if writes.is_empty() {
            self.schedule(viewer);
        } else {
            self.write(now, viewer, &mut writes);
        }
        self.writes = writes;
    }
}

fn connection_lines(core: &Core, place: Place) -> usize {
    core.places.connection(place).map_or(0, |connection| connection.lines.len())
}
