//! Key-frame requests: many viewers want one, the sender is asked once.
use super::driver::Mutation;
use super::{Core, Place};
use std::time::Instant;
use str0m::media::Mid;

impl Core {
    /// A receiver wants a key frame on a line: the sender of what it is shown there is asked for one.
    pub(super) fn pass_key_frame_request(&mut self, now: Instant, receiver: Place, mid: Mid) {
        let lines = self.places.connection(receiver).map(|connection| connection.lines.as_slice()).unwrap_or_default();
        let Some(line) = lines.iter().find(|line| line.mid == mid) else { return };
        let layer = match &line.view {
            Some(view) => view.current(),
            None => Some(0),
        };
        if let (Some(source), Some(layer)) = (line.source(), layer) {
            self.want_key_frame(now, source.place, (source.line, layer), false);
        }
    }

    /// Somebody wants a key frame of a sender's layer. `awaited`: and has no picture until it comes.
    pub(super) fn want_key_frame(&mut self, now: Instant, sender: Place, (line, layer): (usize, usize), awaited: bool) {
        let Some(seat) = self.places.get_mut(sender) else { return };
        // Wanted of somebody of whom nothing was forwarded: there is nothing to ask for.
        let Some(state) = seat.supplies.get_mut(line).and_then(|supply| supply.layer_mut(layer)) else { return };
        if state.want_key_frame(now, awaited) {
            self.ask_key_frame(now, sender, line, layer);
        }
        self.schedule(sender);
    }

    /// Asks for what was found to be wanted while packets were forwarded.
    pub(super) fn ask_what_is_wished(&mut self, now: Instant) {
        while let Some((sender, line, layer)) = self.asks.pop() {
            self.ask_key_frame(now, sender, line, layer);
        }
    }

    /// Asks again for key frames that somebody waits for and that did not come.
    pub(super) fn ask_again(&mut self, now: Instant, sender: Place) {
        let Some(seat) = self.places.get_mut(sender) else { return };
        for (line, supply) in seat.supplies.iter_mut().enumerate() {
            for layer in 0..supply.layers().len() {
                if supply.layer_mut(layer).is_some_and(|layer| layer.ask_again(now)) {
                    self.asks.push((sender, line, layer));
                }
            }
        }
        self.ask_what_is_wished(now);
    }

    fn ask_key_frame(&mut self, now: Instant, sender: Place, line: usize, layer: usize) {
        let Some(seat) = self.places.get(sender) else { return };
        let Some(rid) = seat.supplies.get(line).and_then(|supply| supply.layers().get(layer)).map(|layer| layer.rid)
        else {
            return;
        };
        if self.ask_home(sender, line, rid) {
            return;
        }
        let Some(connection) = self.places.connection(sender).filter(|connection| connection.connected) else { return };
        let Some(mid) = connection.lines.get(line).map(|line| line.mid) else { return };
        self.drive(now, sender, Mutation::KeyFrame(mid, rid));
        self.send();
        self.schedule(sender);
    }
}
