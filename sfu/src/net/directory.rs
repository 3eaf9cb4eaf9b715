//! Which shard has which room. Asked when somebody connects or is revoked, never for a packet.
use crate::RoomId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) struct Directory {
    rooms: Mutex<HashMap<RoomId, Home>>,
    loads: Vec<AtomicUsize>,
}

struct Home {
    shard: usize,
    // Connects on their way to the shard. While there are any the room stays where it is, though it may be empty.
    connecting: usize,
    // As the shard last said.
    occupied: bool,
}

impl Directory {
    pub(super) fn new(shards: usize) -> Self {
        Self { rooms: Mutex::default(), loads: (0..shards).map(|_| AtomicUsize::new(0)).collect() }
    }

    /// The shard for a connect to a room: its own, or for a new room the one with the fewest participants.
    /// Must be followed by [`Directory::connected`], or [`Directory::refused`].
    pub(super) fn connecting(&self, room: RoomId) -> usize {
        let mut rooms = self.rooms();
        let per_shard = |shard| {
            let on_their_way: usize =
                rooms.values().filter(|home| home.shard == shard).map(|home| home.connecting).sum();
            self.loads.get(shard).map_or(usize::MAX, |load| load.load(Relaxed) + on_their_way)
        };
        let shard = match rooms.get(&room) {
            Some(home) => home.shard,
            None => (0..self.loads.len()).min_by_key(|shard| per_shard(*shard)).unwrap_or(0),
        };
        rooms.entry(room).or_insert(Home { shard, connecting: 0, occupied: false }).connecting += 1;
        shard
    }

    /// The connect never reached the shard.
    pub(super) fn refused(&self, room: RoomId) {
        self.settle(room, |home| home.connecting = home.connecting.saturating_sub(1));
    }

    /// The shard has dealt with a connect.
    pub(super) fn connected(&self, room: RoomId, occupied: bool) {
        self.settle(room, |home| {
            home.connecting = home.connecting.saturating_sub(1);
            home.occupied = occupied;
        });
    }

    /// Somebody left a room.
    pub(super) fn left(&self, room: RoomId, occupied: bool) {
        self.settle(room, |home| home.occupied = occupied);
    }

    fn settle(&self, room: RoomId, change: impl FnOnce(&mut Home)) {
        let mut rooms = self.rooms();
        let Some(home) = rooms.get_mut(&room) else { return };
        change(home);
        if home.connecting == 0 && !home.occupied {
            rooms.remove(&room);
        }
    }

    pub(super) fn find(&self, room: RoomId) -> Option<usize> {
        self.rooms().get(&room).map(|home| home.shard)
    }

    pub(super) fn set_load(&self, shard: usize, participants: usize) {
        if let Some(load) = self.loads.get(shard) {
            load.store(participants, Relaxed);
        }
    }

    pub(super) fn participants(&self) -> u64 {
        self.loads.iter().map(|load| load.load(Relaxed) as u64).sum()
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, Home>> {
        // Every update is complete when the lock is given back, so a panic elsewhere leaves nothing half done.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: RoomId = RoomId::from_bytes([1; 16]);
    const B: RoomId = RoomId::from_bytes([2; 16]);

    #[test]
    fn a_room_stays_on_its_shard_and_a_new_one_goes_to_the_least_loaded() {
        let directory = Directory::new(2);
        assert_eq!(directory.connecting(A), 0);
        assert_eq!(directory.connecting(A), 0, "a room lives on one shard");
        assert_eq!(directory.connecting(B), 1);
        directory.connected(A, true);
        directory.set_load(0, 5);
        assert_eq!(directory.connecting(A), 0);
    }

    #[test]
    fn an_empty_room_is_forgotten_but_not_under_somebody_who_is_coming() {
        let directory = Directory::new(2);
        directory.connecting(A);
        directory.connected(A, true);
        directory.connecting(A);
        directory.left(A, false);
        assert_eq!(directory.find(A), Some(0));
        directory.connected(A, true);
        directory.left(A, false);
        assert_eq!(directory.find(A), None);
        directory.connecting(A);
        directory.connected(A, false);
        assert_eq!(directory.find(A), None, "its first connect failed");
        directory.connecting(A);
        directory.refused(A);
        assert_eq!(directory.find(A), None, "it never came to its first connect");
    }
}
