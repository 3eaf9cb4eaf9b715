//! What becomes of a session's outcome: datagrams, events, and packets forwarded to the others of the room.
use super::driver::Mutation;
use super::line::{self, Line, Refused};
use super::numbers::Tally;
use super::packet::Packet;
use super::room::{Connection, Room, Source};
use super::supply::Supply;
use super::view::{View, Wish};
use super::{CONSENT, Core, LOST_AFTER, Output, Place, Remote, Transmit, Transport, stun};
use crate::{DropCause, Event, RoomId};
use std::time::Instant;
use str0m::media::{Mid, Rid};
use str0m::net::Protocol;
use str0m::rtp::{RtpPacket, RtpWrite};

/// Receivers of a batch at once; the others are next, when what goes to these was taken. It bounds the datagrams that wait to be handed to the kernel: with 64 packets of
/// 1,200 bytes at most to each, 20 megabytes.
const RECEIVERS_MAX: usize = 256;

/// Packets of one sender on their way to its receivers.
pub(super) struct Batch {
    from: Place,
    room: RoomId,
    // The permission that they came under.
    allowed_since: Option<Instant>,
    packets: Vec<Packet>,
    pub(super) since: Instant,
    next: usize,
    went_out: bool,
}

impl Core {
    /// Acts on `self.outcome`, which is that of `place`.
    pub(super) fn finish(&mut self, now: Instant, place: Place) {
        self.send();
        if self.outcome.connected {
            self.connected(now, place);
        }
        if let Some(bit_s) = self.outcome.estimate_bit_s
            && let Some(connection) = self.places.connection_mut(place)
        {
            connection.path.estimated(now, bit_s);
        }
        if let Some(connection) = self.places.connection_mut(place) {
            connection.path.reported(&self.outcome.reports);
        }
        let judge = self.outcome.estimate_bit_s.is_some() || !self.outcome.reports.is_empty();
        if !self.outcome.packets.is_empty() || !self.outcome.key_frames_wanted.is_empty() {
            // Forwarding drives other sessions, each with its own outcome.
            let spare = std::mem::take(&mut self.spare_outcome);
            let mut outcome = std::mem::replace(&mut self.outcome, spare);
            if !outcome.packets.is_empty() {
                self.heard(now, place);
            }
            for (mid, rid, packet) in outcome.packets.drain(..) {
                self.take(now, place, (mid, rid), packet);
            }
            for mid in outcome.key_frames_wanted.drain(..) {
                self.pass_key_frame_request(now, place, mid);
            }
            self.spare_outcome = std::mem::replace(&mut self.outcome, outcome);
        }
        if self.outcome.closed {
            self.gone(place);
        }
        if judge {
            self.judge(now, place);
        }
        self.schedule(place);
    }

    // Hands out the datagrams of the outcome.
    pub(super) fn send(&mut self) {
        let transmits = self.outcome.transmits.drain(..).map(|transmit| {
            let transport = if transmit.proto == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
            Output::Transmit(Transmit {
                transport,
                source: transmit.source,
                destination: transmit.destination,
                contents: transmit.contents.into(),
            })
        });
        self.outputs.extend(transmits);
    }

    fn connected(&mut self, now: Instant, place: Place) {
        let Some(seat) = self.places.get_mut(place) else { return };
        let Some(connection) = &mut seat.connection else { return };
        connection.connected = true;
        connection.heard_at = now;
        seat.lost = false;
        self.outputs.push_back(Output::Event(Event::Connected { room: seat.room, participant: seat.participant }));
    }

    /// Notes that something came that only the participant can have made.
    pub(super) fn heard(&mut self, now: Instant, place: Place) {
        let Some(seat) = self.places.get_mut(place) else { return };
        let Some(connection) = &mut seat.connection else { return };
        connection.heard_at = now;
        if seat.lost && connection.connected {
            seat.lost = false;
            self.outputs.push_back(Output::Event(Event::Resumed { room: seat.room, participant: seat.participant }));
        }
    }

    /// Whether a check looks recorded and sent again by somebody else. Checks carry no time and no counter, so the integrity of a
    /// recorded one is right, and str0m would send the participant's media to wherever it seems to come from.
    pub(super) fn is_replay(&self, now: Instant, place: Place, source: Remote, datagram: &[u8]) -> bool {
        let Some(connection) = self.places.connection(place) else { return false };
        let recent = |holder: &Connection| now.saturating_duration_since(holder.heard_at) < LOST_AFTER;
        let holder = self.addresses.get(&source).filter(|holder| **holder != place);
        // Nobody moves to where another participant is being heard.
        holder.and_then(|holder| self.places.connection(*holder)).is_some_and(recent)
            || stun::transaction(datagram)
                .is_some_and(|transaction| connection.checked_from_elsewhere(transaction, source))
    }

    /// Notes where a participant was heard from, and by which check.
    pub(super) fn learn_address(&mut self, place: Place, address: Remote, check: Option<stun::Transaction>) {
        let known = self.addresses.get(&address) == Some(&place);
        let Some(connection) = self.places.connection_mut(place) else { return };
        if let Some(check) = check {
            connection.note_check(check, address);
        }
        if known {
            return;
        }
        let forgotten = connection.learn(address);
        if let Some(forgotten) = forgotten.filter(|f| self.addresses.get(f) == Some(&place)) {
            self.addresses.remove(&forgotten);
        }
        // A silent holder's before: a network gave the address to somebody else, who has just proved to be there.
        self.addresses.insert(address, place);
    }

    // Takes a packet of a participant in; it leaves with [`Core::forward`].
    fn take(&mut self, now: Instant, from: Place, (mid, rid): (Mid, Option<Rid>), packet: RtpPacket) {
        let Some(seat) = self.places.get_mut(from) else { return };
        if seat.allowed_since.is_none() {
            return self.drop_packet(DropCause::NotAllowed);
        }
        let Some(track) = seat.track(mid, rid, &packet, &mut self.next_serial) else {
            return self.drop_packet(DropCause::NoLine);
        };
        self.take_in(now, from, Packet::new(track, packet));
    }

    /// Takes a packet in that is known to be of the participant.
    pub(super) fn take_in(&mut self, now: Instant, from: Place, packet: Packet) {
        let Some(seat) = self.places.get_mut(from) else { return };
        if seat.waiting.push(now, packet) {
            self.waiting.push_back(from);
        }
    }

    /// Forwards what is complete, or has waited for the rest of its frame for long enough. To be called when everything that is there was taken in:
    /// the more packets leave together, the less each costs. True: there is more to forward now, once the outputs so far are taken.
    pub fn forward(&mut self, now: Instant) -> bool {
        if let Some(batch) = self.sending.take()
            && self.forward_on(now, batch)
        {
            return true;
        }
        for _ in 0..self.waiting.len() {
            let Some(from) = self.waiting.pop_front() else { return false };
            let Some(seat) = self.places.get_mut(from) else { continue };
            let Some(due) = seat.waiting.due() else { continue };
            if due > now {
                self.waiting.push_back(from);
                continue;
            }
            let (room, allowed_since, packets) = (seat.room, seat.allowed_since, seat.waiting.take());
            let passed_on = self.note(now, from, room, &packets);
            let batch = Batch { from, room, allowed_since, packets, since: now, next: 0, went_out: passed_on };
            if self.forward_on(now, batch) {
                return true;
            }
        }
        false
    }

    // Forwards a batch to its next receivers. True: there are more.
    fn forward_on(&mut self, now: Instant, mut batch: Batch) -> bool {
        let from = batch.from;
        // Gone or revoked meanwhile: what is left of it goes to nobody.
        let Some(seat) = self.places.get_mut(from).filter(|s| s.allowed_since == batch.allowed_since) else {
            return false;
        };
        let mut supplies = std::mem::take(&mut seat.supplies);
        let Some(mut room) = self.rooms.get_mut(&batch.room).map(std::mem::take) else { return false };
        let mut writes = std::mem::take(&mut self.writes);
        let mut tally = Tally::default();
        let end = batch.next.saturating_add(RECEIVERS_MAX).min(room.members().len());
        for to in room.members().get(batch.next..end).unwrap_or_default().iter().copied().filter(|to| *to != from) {
            self.forward_to(now, from, &batch.packets, to, (&mut supplies, &mut writes, &mut tally));
        }
        let more = end < room.members().len();
        self.writes = writes;
        room.traffic.count(now, tally);
        self.counters.forwarded += tally.forwarded;
        if let Some(slot) = self.rooms.get_mut(&batch.room) {
            // Who was found to be gone meanwhile.
            room.viewers += slot.viewers;
            *slot = room;
        }
        batch.went_out |= tally.forwarded > 0;
        batch.next = end;
        if batch.went_out {
            self.tell_first_packet(now, from);
        }
        let seat = self.places.get_mut(from);
        if let Some(seat) = seat {
            seat.supplies = supplies;
        }
        if more {
            self.sending = Some(batch);
        } else if let Some(seat) = self.places.get_mut(from) {
            // The list is used again.
            batch.packets.clear();
            seat.waiting.packets = batch.packets;
        }
        self.ask_what_is_wished(now);
        more
    }

    // Takes note of packets before they are forwarded, and passes them on to other shards. True: there are such.
    fn note(&mut self, now: Instant, from: Place, room: RoomId, packets: &[Packet]) -> bool {
        let (Some(seat), Some(room)) = (self.places.get_mut(from), self.rooms.get(&room)) else { return false };
        let has_viewers = room.viewers > 0 || !room.further.is_empty();
        // Elsewhere it is home that keeps key frames coming.
        let renews = has_viewers && room.home.is_none();
        for packet in packets {
            let (line, layer) = (packet.track.line, packet.track.layer);
            let supply = seat.supply(line);
            if packet.track.kind.is_video() {
                supply.keep_groups(has_viewers || supply.is_simulcast());
            }
            supply.take(now, packet);
            if renews && packet.track.kind.is_video() && supply.layer_mut(layer).is_some_and(|layer| layer.renew(now)) {
                self.asks.push((from, line, layer));
            }
        }
        self.pass_on(from, packets)
    }

    // Forwards packets to one participant.
    fn forward_to(
        &mut self,
        now: Instant,
        from: Place,
        packets: &[Packet],
        to: Place,
        (supplies, writes, tally): (&mut [Supply], &mut Vec<(Mid, RtpWrite)>, &mut Tally),
    ) {
        let ready = |c: &&mut Connection| c.connected && now.saturating_duration_since(c.heard_at) < CONSENT;
        let Some(receiver) = self.places.connection_mut(to).filter(ready) else {
            tally.dropped += packets.len() as u64;
            packets.iter().for_each(|_| self.drop_packet(DropCause::ReceiverNotReady));
            return;
        };
        let mut begins = false;
        for packet in packets {
            let track = &packet.track;
            let source = Source { place: from, line: track.line };
            let cause = match line::assign(&mut receiver.lines, source, track.kind) {
                None => DropCause::NoLine,
                Some(assigned) => {
                    let line = assigned.line;
                    if assigned.fresh
                        && track.kind.is_video()
                        && let Some(supply) = supplies.get_mut(track.line)
                    {
                        let wish = begin(now, line, receiver.views, supply);
                        begins = true;
                        let layer = match wish {
                            Wish::KeyFrame(layer) => supply.layer_mut(layer).map(|state| (layer, state)),
                            Wish::Nothing => None,
                        };
                        // Without layers everything is shown meanwhile, and whoever cannot make anything of it asks again.
                        let awaited = line.view.as_ref().is_some_and(View::chooses);
                        if let Some((layer, state)) = layer
                            && state.want_key_frame(now, awaited)
                        {
                            self.asks.push((from, track.line, layer));
                        }
                    }
                    if let Some(view) = &mut line.view {
                        let paused = view.current().is_none();
                        if !view.shows(now, packet) {
                            continue;
                        }
                        if paused {
                            // What it was not shown is no loss.
                            receiver.path.resumed(line.mid);
                            line.skip();
                        }
                    }
                    match line.outgoing(now, packet, &receiver.driver) {
                        Ok(write) => {
                            tally.bytes += packet.bytes();
                            writes.push((line.mid, write));
                            continue;
                        }
                        Err(Refused::NoCodec) => DropCause::NoLine,
                        Err(Refused::Stale) => DropCause::Stale,
                    }
                }
            };
            tally.dropped += 1;
            if let Some(count) = self.counters.dropped.get_mut(cause as usize) {
                *count += 1;
            }
        }
        tally.forwarded += writes.len() as u64;
        if !writes.is_empty() {
            self.write(now, to, writes);
        } else if begins {
            self.schedule(to);
        }
    }

    /// Sends packets to a participant. They are taken out.
    pub(super) fn write(&mut self, now: Instant, to: Place, writes: &mut Vec<(Mid, RtpWrite)>) {
        self.drive(now, to, Mutation::Write(writes));
        // What a session that broke did not take goes to nobody else.
        writes.clear();
        let closed = self.outcome.closed;
        self.send();
        if closed {
            self.gone(to);
        }
        self.schedule(to);
    }

    fn tell_first_packet(&mut self, now: Instant, from: Place) {
        let Some(seat) = self.places.get_mut(from) else { return };
        let Some(allowed_since) = seat.allowed_since.filter(|_| !seat.first_packet_told) else { return };
        seat.first_packet_told = true;
        self.outputs.push_back(Output::Event(Event::FirstPacket {
            room: seat.room,
            participant: seat.participant,
            after_allowed: now.saturating_duration_since(allowed_since),
        }));
    }

    // The session ended by itself: its place is kept.
    fn gone(&mut self, place: Place) {
        self.drop_connection(place);
        let Some(seat) = self.places.get_mut(place) else { return };
        if !seat.lost {
            seat.lost = true;
            self.outputs.push_back(Output::Event(Event::Lost { room: seat.room, participant: seat.participant }));
        }
    }

    /// Forgets a place's connection and everything that leads to it.
    pub(super) fn drop_connection(&mut self, place: Place) {
        let Some(seat) = self.places.get_mut(place) else { return };
        let Some(connection) = seat.connection.take() else { return };
        if connection.views
            && let Some(room) = self.rooms.get_mut(&seat.room)
        {
            room.viewers -= 1;
        }
        if self.names.get(&connection.ufrag) == Some(&place) {
            self.names.remove(&connection.ufrag);
        }
        for address in &connection.addresses {
            if self.addresses.get(address) == Some(&place) {
                self.addresses.remove(address);
            }
        }
    }

    /// Says goodbye to a participant and frees its place.
    pub(super) fn remove(&mut self, now: Instant, place: Place) {
        self.drive(now, place, Mutation::Close);
        self.send();
        self.drop_connection(place);
        let Some(seat) = self.places.remove(place) else { return };
        let Some(room) = self.rooms.get_mut(&seat.room) else { return };
        room.remove(seat.participant, place);
        if !seat.supplies.is_empty() {
            self.detach(seat.room, place);
            self.tell_gone(seat.room, seat.participant);
        }
        self.forget_if_empty(seat.room);
    }

    // Frees the lines on which somebody was sent who is gone.
    pub(super) fn detach(&mut self, room: RoomId, gone: Place) {
        let members = self.rooms.get(&room).map(Room::members).unwrap_or_default();
        for member in members {
            let Some(connection) = self.places.connection_mut(*member) else { continue };
            for line in &mut connection.lines {
                if line.source().is_some_and(|source| source.place == gone) {
                    line.detach();
                }
            }
        }
    }
}

// What a receiver's line shows at first of a source.
fn begin(now: Instant, line: &mut Line, views: bool, supply: &mut Supply) -> Wish {
    if !views && !supply.is_simulcast() {
        return Wish::KeyFrame(0);
    }
    let (view, wish) = View::start(now, supply, views);
    line.view = Some(view);
    wish
}
