//! Storage of places, and their timers.
use super::room::{self, Connection};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Names a place; free again when its participant leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(usize);

/// All places of a core.
#[derive(Default)]
pub(super) struct Places {
    all: Vec<Option<room::Place>>,
    free: Vec<usize>,
}

impl Places {
    pub(super) fn insert(&mut self, place: room::Place) -> Place {
        match self.free.pop().and_then(|index| Some((index, self.all.get_mut(index)?))) {
            Some((index, slot)) => {
                *slot = Some(place);
                Place(index)
            }
            None => {
                self.all.push(Some(place));
                Place(self.all.len() - 1)
            }
        }
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<room::Place> {
        let removed = self.all.get_mut(place.0)?.take()?;
        self.free.push(place.0);
        Some(removed)
    }

    pub(super) fn get(&self, place: Place) -> Option<&room::Place> {
        self.all.get(place.0)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut room::Place> {
        self.all.get_mut(place.0)?.as_mut()
    }

    pub(super) fn connection(&self, place: Place) -> Option<&Connection> {
        self.get(place)?.connection.as_ref()
    }

    pub(super) fn connection_mut(&mut self, place: Place) -> Option<&mut Connection> {
        self.get_mut(place)?.connection.as_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }
}

/// Deadlines, the earliest first. A deadline that moved later stays until it is due and is then set anew: packets move deadlines
/// all the time, and this way they cost nothing. At most one is valid for each place ([`room::Place::scheduled`]).
#[derive(Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Instant, Place)>>);

impl Timers {
    pub(super) fn push(&mut self, at: Instant, place: Place) {
        self.0.push(Reverse((at, place)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, Place)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse(due)| due)
    }
}
