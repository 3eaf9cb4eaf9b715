//! What becomes of a session's outcome: datagrams, events, and packets forwarded to the others of the room.
use super::driver::Mutation;
use super::line::{self, Refused};
use super::room::{Connection, Source, Track};
use super::{CONSENT, Core, LOST_AFTER, Output, Place, Remote, Transmit, Transport, stun};
use crate::{DropCause, Event, RoomId};
use std::time::Instant;
use str0m::media::Mid;
use str0m::net::Protocol;
use str0m::rtp::{RtpPacket, RtpWrite};

impl Core {
    /// Acts on `self.outcome`, which is that of `place`.
    pub(super) fn finish(&mut self, now: Instant, place: Place) {
        self.send();
        if self.outcome.connected {
            self.connected(now, place);
        }
        if !self.outcome.packets.is_empty() || !self.outcome.key_frames_wanted.is_empty() {
            // Forwarding drives other sessions, each with its own outcome.
            let spare = std::mem::take(&mut self.spare_outcome);
            let mut outcome = std::mem::replace(&mut self.outcome, spare);
            if !outcome.packets.is_empty() {
                self.heard(now, place);
            }
            for (mid, packet) in outcome.packets.drain(..) {
                self.take(now, place, mid, packet);
            }
            for mid in outcome.key_frames_wanted.drain(..) {
                self.pass_key_frame_request(now, place, mid);
            }
            self.spare_outcome = std::mem::replace(&mut self.outcome, outcome);
        }
        if self.outcome.closed {
            self.gone(place);
        }
        self.schedule(place);
    }

    // Hands out the datagrams of the outcome.
    fn send(&mut self) {
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
    fn take(&mut self, now: Instant, from: Place, mid: Mid, packet: RtpPacket) {
        let Some(seat) = self.places.get_mut(from) else { return };
        if seat.allowed_since.is_none() {
            return self.drop_packet(DropCause::NotAllowed);
        }
        let Some(track) = seat.connection.as_mut().and_then(|c| c.track(mid, &packet, &mut self.next_serial)) else {
            return self.drop_packet(DropCause::NoLine);
        };
        if seat.waiting.push(now, track, packet) {
            self.waiting.push_back(from);
        }
    }

    /// Forwards what is complete, or has waited for the rest of its frame for long enough. To be called when everything that is there was taken in:
    /// the more packets leave together, the less each costs.
    pub fn forward(&mut self, now: Instant) {
        for _ in 0..self.waiting.len() {
            let Some(from) = self.waiting.pop_front() else { return };
            let Some(seat) = self.places.get_mut(from) else { continue };
            let Some(due) = seat.waiting.due() else { continue };
            if due > now {
                self.waiting.push_back(from);
                continue;
            }
            let room = seat.room;
            let mut packets = seat.waiting.take();
            self.forward_all(now, from, room, &packets);
            packets.clear();
            if let Some(seat) = self.places.get_mut(from) {
                seat.waiting.packets = packets;
            }
        }
    }

    fn forward_all(&mut self, now: Instant, from: Place, room: RoomId, packets: &[(Track, RtpPacket)]) {
        let Some(members) = self.rooms.get_mut(&room).map(std::mem::take) else { return };
        let mut writes = std::mem::take(&mut self.writes);
        let mut forwarded = 0;
        for to in members.iter().copied().filter(|to| *to != from) {
            forwarded += self.forward_to(now, from, packets, to, &mut writes);
        }
        self.writes = writes;
        if let Some(slot) = self.rooms.get_mut(&room) {
            *slot = members;
        }
        self.counters.forwarded += forwarded;
        if forwarded > 0 {
            self.tell_first_packet(now, from);
        }
    }

    // Forwards packets to one participant; gives how many.
    fn forward_to(
        &mut self,
        now: Instant,
        from: Place,
        packets: &[(Track, RtpPacket)],
        to: Place,
        writes: &mut Vec<(Mid, RtpWrite)>,
    ) -> u64 {
        let ready = |c: &&mut Connection| c.connected && now.saturating_duration_since(c.heard_at) < CONSENT;
        let Some(receiver) = self.places.connection_mut(to).filter(ready) else {
            packets.iter().for_each(|_| self.drop_packet(DropCause::ReceiverNotReady));
            return 0;
        };
        // Hardly ever more than one: a line gets its source once.
        let mut fresh = None;
        for (track, packet) in packets {
            let source = Source { place: from, line: track.line };
            let cause = match line::assign(&mut receiver.lines, source, track.kind) {
                None => DropCause::NoLine,
                Some(assigned) => {
                    if assigned.fresh && track.kind.is_video() {
                        fresh = Some(track.line);
                    }
                    let mid = assigned.line.mid;
                    match assigned.line.outgoing(now, track, packet, &receiver.driver) {
                        Ok(write) => {
                            writes.push((mid, write));
                            continue;
                        }
                        Err(Refused::NoCodec) => DropCause::NoLine,
                        Err(Refused::Stale) => DropCause::Stale,
                    }
                }
            };
            if let Some(count) = self.counters.dropped.get_mut(cause as usize) {
                *count += 1;
            }
        }
        let forwarded = writes.len() as u64;
        if forwarded > 0 {
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
        if let Some(line) = fresh {
            self.ask_key_frame(now, from, line);
        }
        forwarded
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

    // A receiver wants a key frame on a line: the track's sender is asked for one.
    fn pass_key_frame_request(&mut self, now: Instant, receiver: Place, mid: Mid) {
        let lines = self.places.connection(receiver).map(|connection| connection.lines.as_slice()).unwrap_or_default();
        if let Some(source) = lines.iter().find(|line| line.mid == mid).and_then(|line| line.source()) {
            self.ask_key_frame(now, source.place, source.line);
        }
    }

    fn ask_key_frame(&mut self, now: Instant, sender: Place, line: usize) {
        let Some(connection) = self.places.connection_mut(sender) else { return };
        let Some(mid) = connection.lines.get(line).map(|line| line.mid) else { return };
        if !connection.connected || !connection.may_ask_key_frame(now) {
            return;
        }
        self.drive(now, sender, Mutation::KeyFrame(mid));
        self.send();
        self.schedule(sender);
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
        let Some(connection) = self.places.get_mut(place).and_then(|seat| seat.connection.take()) else { return };
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
        let Some(members) = self.rooms.get_mut(&seat.room) else { return };
        members.retain(|member| *member != place);
        for member in members.clone() {
            let Some(connection) = self.places.connection_mut(member) else { continue };
            for line in &mut connection.lines {
                if line.source().is_some_and(|source| source.place == place) {
                    line.detach();
                }
            }
        }
        if self.rooms.get(&seat.room).is_some_and(Vec::is_empty) {
            self.rooms.remove(&seat.room);
        }
    }
}
