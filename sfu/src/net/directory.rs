//! Which shard has whom of which room. Asked when somebody connects or is revoked, never for a packet.
use crate::{ParticipantId, RoomId};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) struct Directory {
    rooms: Mutex<HashMap<RoomId, Room>>,
    loads: Vec<AtomicUsize>,
    /// Viewers of one room on one shard before further ones go elsewhere.
    shard_viewers: usize,
    room_participants_max: usize,
}

struct Room {
    /// Where it began, and where everybody is who sends.
    home: usize,
    seats: HashMap<ParticipantId, Seat>,
    // How many of the seats are where.
    counts: Vec<usize>,
}

struct Seat {
    shard: usize,
    // Connects on their way to the shard. While there are any the seat is kept, though the shard may not know of it yet.
    connecting: usize,
    // As the shard last said.
    there: bool,
}

/// Where somebody who connects goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) shard: usize,
    pub(super) home: usize,
    /// Where it was before, when that is another shard.
    pub(super) left: Option<usize>,
}

impl Directory {
    pub(super) fn new(shards: usize, shard_viewers: usize, room_participants_max: usize) -> Self {
        let loads = (0..shards).map(|_| AtomicUsize::new(0)).collect();
        Self { rooms: Mutex::default(), loads, shard_viewers, room_participants_max }
    }

    /// The shard for somebody who connects to a room: the one that it is on; for a new room the one with the fewest participants; else the room's home, or for somebody
    /// who only receives (`views`) and finds home well filled a further shard. `None`: the room is full.
    /// Must be followed by [`Directory::connected`], or [`Directory::refused`].
    pub(super) fn connecting(&self, room: RoomId, participant: ParticipantId, views: bool) -> Option<Way> {
        let mut rooms = self.rooms();
        if !rooms.contains_key(&room) {
            let home = (0..self.loads.len()).min_by_key(|shard| self.load(&rooms, *shard)).unwrap_or(0);
            rooms.insert(room, Room { home, seats: HashMap::new(), counts: vec![0; self.loads.len()] });
        }
        let at = rooms.get(&room).and_then(|state| state.seats.get(&participant)).map(|seat| seat.shard);
        let state = rooms.get(&room)?;
        let home = state.home;
        let shard = match at {
            // Who begins to send moves home.
            Some(at) if views || at == home => at,
            Some(_) => home,
            None if state.seats.len() >= self.room_participants_max => return None,
            None if views && state.count(home) >= self.shard_viewers => self.further(&rooms, state),
            None => home,
        };
        let state = rooms.get_mut(&room)?;
        let seat = state.seats.entry(participant).or_insert(Seat { shard, connecting: 0, there: false });
        seat.connecting += 1;
        seat.shard = shard;
        if let Some(count) = state.counts.get_mut(shard).filter(|_| at != Some(shard)) {
            *count += 1;
        }
        let left = at.filter(|at| *at != shard);
        if let Some(count) = left.and_then(|left| state.counts.get_mut(left)) {
            *count = count.saturating_sub(1);
        }
        Some(Way { shard, home, left })
    }

    // A shard that has some of the room's viewers and room for more; else the one with the fewest of them, and then the least loaded.
    fn further(&self, rooms: &HashMap<RoomId, Room>, state: &Room) -> usize {
        let all = 0..self.loads.len();
        let begun = all.clone().find(|shard| (1..self.shard_viewers).contains(&state.count(*shard)));
        let fewest = || all.min_by_key(|shard| (state.count(*shard), self.load(rooms, *shard)));
        begun.or_else(fewest).unwrap_or(state.home)
    }

    fn load(&self, rooms: &HashMap<RoomId, Room>, shard: usize) -> usize {
        // Small: only new rooms have anybody on the way for long.
        let on_their_way: usize = rooms
            .values()
            .filter(|room| room.count(shard) > 0)
            .map(|room| room.seats.values().filter(|seat| seat.shard == shard && !seat.there).count())
            .sum();
        self.loads.get(shard).map_or(usize::MAX, |load| load.load(Relaxed) + on_their_way)
    }

    /// The connect never reached the shard.
    pub(super) fn refused(&self, room: RoomId, participant: ParticipantId) {
        self.settle(room, participant, |seat| seat.connecting = seat.connecting.saturating_sub(1));
    }

    /// The shard has dealt with a connect.
    pub(super) fn connected(&self, room: RoomId, participant: ParticipantId, there: bool) {
        self.settle(room, participant, |seat| {
            seat.connecting = seat.connecting.saturating_sub(1);
            seat.there = there;
        });
    }

    /// Somebody left a shard.
    pub(super) fn left(&self, room: RoomId, participant: ParticipantId, shard: usize) {
        self.settle(room, participant, |seat| seat.there &= seat.shard != shard);
    }

    /// Everybody of a room left a shard.
    pub(super) fn closed(&self, room: RoomId, shard: usize) {
        let mut rooms = self.rooms();
        let Some(state) = rooms.get_mut(&room) else { return };
        let gone = |seat: &Seat| seat.shard == shard && seat.connecting == 0;
        let before = state.seats.len();
        state.seats.retain(|_, seat| !gone(seat));
        state.seats.values_mut().filter(|seat| seat.shard == shard).for_each(|seat| seat.there = false);
        if let Some(count) = state.counts.get_mut(shard) {
            *count = count.saturating_sub(before - state.seats.len());
        }
        if state.seats.is_empty() {
            rooms.remove(&room);
        }
    }

    fn settle(&self, room: RoomId, participant: ParticipantId, change: impl FnOnce(&mut Seat)) {
        let mut rooms = self.rooms();
        let Some(state) = rooms.get_mut(&room) else { return };
        let Some(seat) = state.seats.get_mut(&participant) else { return };
        change(seat);
        if seat.connecting == 0 && !seat.there {
            let shard = seat.shard;
            state.seats.remove(&participant);
            if let Some(count) = state.counts.get_mut(shard) {
                *count = count.saturating_sub(1);
            }
        }
        if state.seats.is_empty() {
            rooms.remove(&room);
        }
    }

    /// The shard that a participant is on.
    pub(super) fn find(&self, room: RoomId, participant: ParticipantId) -> Option<usize> {
        self.rooms().get(&room)?.seats.get(&participant).map(|seat| seat.shard)
    }

    /// The shards that a room is on, its home first.
    pub(super) fn shards(&self, room: RoomId) -> Vec<usize> {
        let rooms = self.rooms();
        let Some(state) = rooms.get(&room) else { return Vec::new() };
        let others: BTreeSet<_> =
            state.seats.values().map(|seat| seat.shard).filter(|shard| *shard != state.home).collect();
        std::iter::once(state.home).chain(others).collect()
    }

    pub(super) fn set_load(&self, shard: usize, participants: usize) {
        if let Some(load) = self.loads.get(shard) {
            load.store(participants, Relaxed);
        }
    }

    pub(super) fn participants(&self) -> u64 {
        self.loads.iter().map(|load| load.load(Relaxed) as u64).sum()
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, Room>> {
        // Every update is complete when the lock is given back, so a panic elsewhere leaves nothing half done.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn count(&self, shard: usize) -> usize {
        self.counts.get(shard).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: RoomId = RoomId::from_bytes([1; 16]);
    const B: RoomId = RoomId::from_bytes([2; 16]);

    fn who(n: u8) -> ParticipantId {
        ParticipantId::from_bytes([n; 16])
    }

    fn shard(directory: &Directory, room: RoomId, n: u8) -> usize {
        directory.connecting(room, who(n), false).unwrap().shard
    }

    #[test]
    fn a_room_stays_on_its_shard_and_a_new_one_goes_to_the_least_loaded() {
        let directory = Directory::new(2, 100, 100);
        assert_eq!(shard(&directory, A, 1), 0);
        assert_eq!(shard(&directory, A, 2), 0, "a call lives on one shard");
        assert_eq!(shard(&directory, B, 3), 1);
        directory.connected(A, who(1), true);
        directory.set_load(0, 5);
        assert_eq!(shard(&directory, A, 1), 0);
    }

    #[test]
    fn an_empty_room_is_forgotten_but_not_under_somebody_who_is_coming() {
        let directory = Directory::new(2, 100, 100);
        let find = || directory.shards(A).first().copied();
        shard(&directory, A, 1);
        directory.connected(A, who(1), true);
        shard(&directory, A, 2);
        directory.left(A, who(1), 0);
        assert_eq!(find(), Some(0));
        directory.connected(A, who(2), true);
        directory.left(A, who(2), 0);
        assert_eq!(find(), None);
        shard(&directory, A, 1);
        directory.connected(A, who(1), false);
        assert_eq!(find(), None, "its first connect failed");
        shard(&directory, A, 1);
        directory.refused(A, who(1));
        assert_eq!(find(), None, "it never came to its first connect");
    }

    #[test]
    fn further_viewers_go_to_further_shards_and_stay_there() {
        let directory = Directory::new(3, 4, 13);
        let views = |n| directory.connecting(A, who(n), true).map(|way| way.shard);
        assert_eq!(shard(&directory, A, 1), 0);
        let shards: Vec<_> = (2..=12).map(|n| views(n).unwrap()).collect();
        assert_eq!(shards, [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
        assert_eq!(directory.shards(A), [0, 1, 2]);
        (1..=12).for_each(|n| directory.connected(A, who(n), true));
        assert_eq!(views(6), Some(1), "an ICE restart comes to the same port");
        assert_eq!(directory.find(A, who(6)), Some(1));
        assert_eq!(views(13), Some(0), "all are filled: to the least");
        assert_eq!(views(14), None, "the room is full");
        let moved = directory.connecting(A, who(6), false).unwrap();
        assert_eq!(moved, Way { shard: 0, home: 0, left: Some(1) }, "who begins to send goes home");
        directory.closed(A, 2);
        assert_eq!(directory.shards(A), [0, 1]);
    }
}
