//! A room on more than one shard. Who sends is at *home*, the shard where the room began; viewers beyond a number are on further ones. A packet goes once to each of those, and
//! is forwarded there as if its sender were there: a stand-in without a connection has the sender's layers and kept groups. Key-frame requests go home.
//!
//! Absent: media from a further shard to home. Who sends is at home.
use super::packet::Packet;
use super::room::{Place as Seat, Room};
use super::{Core, Output, Place};
use crate::{ParticipantId, RoomId};
use std::sync::Arc;
use std::time::Instant;
use str0m::media::Rid;

/// What one shard tells another about a room.
#[derive(Clone)]
pub struct Message {
    room: RoomId,
    content: Content,
}

#[derive(Clone)]
enum Content {
    /// To home: this shard has viewers now.
    Attach { shard: usize },
    /// To home: and has none any more.
    Detach { shard: usize },
    /// To home: a key frame is wanted of somebody's layer.
    KeyFrame { sender: ParticipantId, line: usize, rid: Option<Rid>, awaited: bool },
    /// From home: packets of somebody. One list for all shards.
    Packets { sender: ParticipantId, packets: Arc<[Relayed]> },
    /// From home: what is kept of somebody, for who comes now.
    Kept { sender: ParticipantId, packets: Arc<[Relayed]> },
    /// From home: somebody may not send any more.
    Forbidden { sender: ParticipantId },
    /// From home: somebody is gone.
    Gone { sender: ParticipantId },
}

/// A packet, with the name of its layer: each shard numbers layers by itself.
struct Relayed {
    rid: Option<Rid>,
    packet: Packet,
}

/// What a message is worth when the way to a shard is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worth {
    /// Given up first; a viewer asks for a key frame and goes on with that.
    Video,
    /// Sound, given up last.
    Audio,
    /// Never given up.
    Order,
}

impl Message {
    /// The room.
    pub fn room(&self) -> RoomId {
        self.room
    }

    /// What it is worth.
    pub fn worth(&self) -> Worth {
        match &self.content {
            Content::Packets { packets, .. } => {
                let audio = packets.iter().any(|relayed| relayed.packet.track.kind.is_audio());
                if audio { Worth::Audio } else { Worth::Video }
            }
            Content::Kept { .. } => Worth::Video,
            _ => Worth::Order,
        }
    }

    /// An empty one.
    #[cfg(test)]
    pub(crate) fn of_worth(worth: Worth) -> Self {
        let (room, sender) = (RoomId::from_bytes([0; 16]), ParticipantId::from_bytes([0; 16]));
        let track = |kind| super::room::Track::for_tests(kind);
        let packets = |kind| {
            let packet = Packet::for_tests(track(kind), 1, false);
            Arc::from([Relayed { rid: None, packet }])
        };
        let content = match worth {
            Worth::Order => Content::Gone { sender },
            Worth::Audio => Content::Packets { sender, packets: packets(str0m::media::MediaKind::Audio) },
            Worth::Video => Content::Packets { sender, packets: packets(str0m::media::MediaKind::Video) },
        };
        Self { room, content }
    }

    /// Packets in it.
    pub fn packets(&self) -> u64 {
        match &self.content {
            Content::Packets { packets, .. } | Content::Kept { packets, .. } => packets.len() as u64,
            _ => 0,
        }
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({}, {:?})", self.room, self.worth())
    }
}

impl Core {
    /// Says that a room is at home on another shard, and that this one is `own`. To be said before somebody connects to it here.
    pub fn belongs_to(&mut self, room: RoomId, home: usize, own: usize) {
        let state = self.rooms.entry(room).or_default();
        if state.home.is_none() {
            state.home = Some((home, own));
            self.tell(home, room, Content::Attach { shard: own });
        }
    }

    /// Takes what another shard says.
    pub fn handle_message(&mut self, now: Instant, message: Message) {
        let Message { room, content } = message;
        match content {
            Content::Attach { shard } => self.attach(room, shard),
            Content::Detach { shard } => {
                if let Some(state) = self.rooms.get_mut(&room) {
                    state.further.retain(|further| *further != shard);
                    self.forget_if_empty(room);
                }
            }
            Content::KeyFrame { sender, line, rid, awaited } => {
                let Some(place) = self.find(room, sender) else { return };
                let Some(supply) = self.places.get_mut(place).and_then(|seat| seat.supplies.get_mut(line)) else {
                    return;
                };
                if let Some(layer) = supply.layer_of(rid) {
                    self.want_key_frame(now, place, (line, layer), awaited);
                }
            }
            Content::Packets { sender, packets } => {
                if let Some(place) = self.stand_in(room, sender) {
                    packets.iter().for_each(|relayed| {
                        if let Some(packet) = self.of_stand_in(place, relayed) {
                            self.take_in(now, place, packet);
                        }
                    });
                }
            }
            Content::Kept { sender, packets } => {
                if let Some(place) = self.stand_in(room, sender) {
                    packets.iter().for_each(|relayed| self.keep(now, place, relayed));
                }
            }
            Content::Forbidden { sender } => {
                let place = self.rooms.get(&room).and_then(|state| state.stand_ins.get(&sender)).copied();
                if let Some(seat) = place.and_then(|place| self.places.get_mut(place)) {
                    seat.forbid();
                }
            }
            Content::Gone { sender } => {
                let place = self.rooms.get_mut(&room).and_then(|state| state.stand_ins.remove(&sender));
                if let Some(place) = place {
                    self.places.remove(place);
                    self.stand_ins -= 1;
                    self.detach(room, place);
                }
            }
        }
    }

    /// Counts packets that did not go to another shard.
    pub fn note_not_passed_on(&mut self, room: RoomId, packets: u64) {
        if let Some(state) = self.rooms.get_mut(&room) {
            state.traffic.not_passed_on += packets;
        }
    }

    fn tell(&mut self, shard: usize, room: RoomId, content: Content) {
        self.outputs.push_back(Output::Relay { shard, message: Message { room, content } });
    }

    fn tell_further(&mut self, room: RoomId, content: Content) {
        let further = self.rooms.get(&room).map(|state| state.further.clone()).unwrap_or_default();
        for shard in further {
            self.tell(shard, room, content.clone());
        }
    }

    // A shard has viewers now: it gets what is kept, and everything from here on.
    fn attach(&mut self, room: RoomId, shard: usize) {
        let state = self.rooms.entry(room).or_default();
        if !state.further.contains(&shard) {
            state.further.push(shard);
        }
        for member in state.members().to_vec() {
            let Some(seat) = self.places.get(member) else { continue };
            let sender = seat.participant;
            let kept: Vec<Relayed> =
                seat.supplies.iter().flat_map(|supply| supply.layers()).flat_map(relayed).collect();
            if !kept.is_empty() {
                self.tell(shard, room, Content::Kept { sender, packets: kept.into() });
            }
        }
    }

    /// Passes packets of a participant on to the further shards of its room. Says whether there are any.
    pub(super) fn pass_on(&mut self, from: Place, packets: &[Packet]) -> bool {
        let Some(seat) = self.places.get(from) else { return false };
        let (room_id, sender) = (seat.room, seat.participant);
        let Some(room) = self.rooms.get(&room_id).filter(|room| !room.further.is_empty()) else { return false };
        let relayed = |packet: &Packet| {
            let layer = seat.supplies.get(packet.track.line).and_then(|supply| supply.layers().get(packet.track.layer));
            Relayed { rid: layer.and_then(|layer| layer.rid), packet: packet.clone() }
        };
        let packets: Arc<[Relayed]> = packets.iter().map(relayed).collect();
        for shard in &room.further {
            let content = Content::Packets { sender, packets: packets.clone() };
            self.outputs.push_back(Output::Relay { shard: *shard, message: Message { room: room_id, content } });
        }
        true
    }

    // Who stands for somebody who is at home.
    fn stand_in(&mut self, room: RoomId, sender: ParticipantId) -> Option<Place> {
        let state = self.rooms.get_mut(&room)?;
        state.home?;
        if let Some(place) = state.stand_ins.get(&sender) {
            return Some(*place);
        }
        let place = self.places.insert(Seat::new(room, sender));
        state.stand_ins.insert(sender, place);
        self.stand_ins += 1;
        Some(place)
    }

    fn of_stand_in(&mut self, place: Place, relayed: &Relayed) -> Option<Packet> {
        let mut packet = relayed.packet.clone();
        packet.track.layer = self.places.get_mut(place)?.supply(packet.track.line).layer_of(relayed.rid)?;
        Some(packet)
    }

    fn keep(&mut self, now: Instant, place: Place, relayed: &Relayed) {
        let Some(packet) = self.of_stand_in(place, relayed) else { return };
        let Some(seat) = self.places.get_mut(place) else { return };
        let supply = seat.supply(packet.track.line);
        supply.keep_groups(true);
        supply.take(now, &packet);
    }

    /// Asks home for a key frame of somebody for whom another stands here. Says whether it is so.
    pub(super) fn ask_home(&mut self, stand_in: Place, line: usize, rid: Option<Rid>) -> bool {
        let Some(seat) = self.places.get(stand_in) else { return false };
        let (room, sender) = (seat.room, seat.participant);
        let Some(state) = self.rooms.get(&room) else { return false };
        let Some((home, _)) = state.home.filter(|_| state.stand_ins.get(&sender) == Some(&stand_in)) else {
            return false;
        };
        self.tell(home, room, Content::KeyFrame { sender, line, rid, awaited: true });
        true
    }

    /// Somebody may not send any more.
    pub(super) fn tell_forbidden(&mut self, room: RoomId, sender: ParticipantId) {
        self.tell_further(room, Content::Forbidden { sender });
    }

    /// Somebody is gone who sent.
    pub(super) fn tell_gone(&mut self, room: RoomId, sender: ParticipantId) {
        self.tell_further(room, Content::Gone { sender });
    }

    /// Forgets a room that nobody is in any more.
    pub(crate) fn forget_if_empty(&mut self, room: RoomId) {
        if !self.rooms.get(&room).is_some_and(|state| state.members().is_empty() && state.further.is_empty()) {
            return;
        }
        let Some(state) = self.rooms.remove(&room) else { return };
        self.leave_home(room, &state);
    }

    /// Says home that nobody is left here, and dismisses who stood in.
    pub(super) fn leave_home(&mut self, room: RoomId, state: &Room) {
        for place in state.stand_ins.values() {
            self.places.remove(*place);
            self.stand_ins -= 1;
        }
        if let Some((home, own)) = state.home {
            self.tell(home, room, Content::Detach { shard: own });
        }
    }
}

fn relayed(layer: &super::supply::Layer) -> impl Iterator<Item = Relayed> + '_ {
    layer.group.packets().iter().map(|packet| Relayed { rid: layer.rid, packet: packet.clone() })
}
