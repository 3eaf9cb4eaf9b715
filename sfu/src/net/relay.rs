//! The lanes between shards, on which a room's packets go to the further shards that have viewers of it, and orders go back.
//!
//! Bound: [`MESSAGES_MAX`] messages wait for one shard, of which one is what arrived of a sender at once, mostly a frame. The policy: from half of it on, video is dropped and
//! counted, from three quarters on sound too; orders (somebody is gone, a key frame is wanted) have the rest, and past that wait with the sender of the message, as there are
//! only a few for each room.
use crate::core::{Message, Worth};
use mio::Waker;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Messages that wait for one shard. A camera and a microphone make about a hundred in a second, so it is ten seconds of one sender; a shard that is behind by half of this has lost its viewers anyway.
const MESSAGES_MAX: usize = 1_024;
const VIDEO_MAX: usize = MESSAGES_MAX / 2;
const AUDIO_MAX: usize = MESSAGES_MAX / 4 * 3;

/// Orders that wait with their sender; the oldest is dropped. More than this is a shard that does not live any more.
const ORDERS_MAX: usize = 4_096;

/// The end that other shards have of a shard.
#[derive(Clone)]
pub(super) struct ToShard {
    messages: SyncSender<Message>,
    waiting: Arc<AtomicUsize>,
    waker: Arc<Waker>,
}

/// The shard's own end.
pub(super) struct FromShards {
    messages: Receiver<Message>,
    waiting: Arc<AtomicUsize>,
}

pub(super) fn lane(waker: Arc<Waker>) -> (ToShard, FromShards) {
    let (sender, receiver) = sync_channel(MESSAGES_MAX);
    let waiting = Arc::new(AtomicUsize::new(0));
    let own = FromShards { messages: receiver, waiting: waiting.clone() };
    (ToShard { messages: sender, waiting, waker }, own)
}

impl ToShard {
    /// Sends a message, or gives it back.
    fn send(&self, message: Message) -> Result<(), Message> {
        let most = match message.worth() {
            Worth::Video => VIDEO_MAX,
            Worth::Audio => AUDIO_MAX,
            Worth::Order => MESSAGES_MAX,
        };
        if self.waiting.fetch_add(1, AcqRel) >= most {
            self.waiting.fetch_sub(1, AcqRel);
            return Err(message);
        }
        if let Err(refused) = self.messages.try_send(message) {
            self.waiting.fetch_sub(1, AcqRel);
            let (std::sync::mpsc::TrySendError::Full(message) | std::sync::mpsc::TrySendError::Disconnected(message)) =
                refused;
            return Err(message);
        }
        Ok(())
    }

    fn wake(&self) {
        // Fails only without file descriptors left, and a shard looks at its lanes at least once a second anyway.
        let _woken = self.waker.wake();
    }
}

impl FromShards {
    pub(super) fn next(&mut self) -> Option<Message> {
        let message = self.messages.try_recv().ok()?;
        self.waiting.fetch_sub(1, AcqRel);
        Some(message)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(Acquire) == 0
    }
}

/// The lanes to all shards, as one of them has them.
#[derive(Default)]
pub(super) struct Lanes {
    to: Vec<ToShard>,
    // Orders that found no room, for which shard.
    orders: VecDeque<(usize, Message)>,
    written: Vec<bool>,
}

impl Lanes {
    pub(super) fn new(to: Vec<ToShard>) -> Self {
        let written = vec![false; to.len()];
        Self { to, orders: VecDeque::new(), written }
    }

    /// Passes a message on; gives it back when it is dropped.
    pub(super) fn pass(&mut self, shard: usize, message: Message) -> Option<Message> {
        let lane = self.to.get(shard)?;
        // Orders keep their order.
        let behind = message.worth() == Worth::Order && !self.orders.is_empty();
        let refused = if behind { Some(message) } else { lane.send(message).err() };
        let Some(message) = refused else {
            self.mark(shard);
            return None;
        };
        if message.worth() != Worth::Order {
            return Some(message);
        }
        self.orders.push_back((shard, message));
        if self.orders.len() > ORDERS_MAX { self.orders.pop_front().map(|(_, oldest)| oldest) } else { None }
    }

    fn mark(&mut self, shard: usize) {
        if let Some(written) = self.written.get_mut(shard) {
            *written = true;
        }
    }

    /// Tries again what waits, and wakes who got something: once, however much it is.
    pub(super) fn flush(&mut self) {
        while let Some((shard, message)) = self.orders.pop_front() {
            match self.to.get(shard).map(|lane| lane.send(message)) {
                Some(Err(message)) => {
                    self.orders.push_front((shard, message));
                    break;
                }
                _ => self.mark(shard),
            }
        }
        for (lane, written) in self.to.iter().zip(&mut self.written) {
            if std::mem::take(written) {
                lane.wake();
            }
        }
    }

    /// Whether orders wait here.
    pub(super) fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Message;
    use mio::{Poll, Token};

    #[test]
    fn a_full_lane_gives_up_video_first_then_sound_and_never_orders() {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let (to, mut own) = lane(waker);
        let mut lanes = Lanes::new(vec![to]);
        let passes = |lanes: &mut Lanes, worth| {
            (0..MESSAGES_MAX).filter(|_| lanes.pass(0, Message::of_worth(worth)).is_none()).count()
        };
        assert_eq!(passes(&mut lanes, Worth::Video), VIDEO_MAX);
        assert_eq!(passes(&mut lanes, Worth::Audio), AUDIO_MAX - VIDEO_MAX);
        assert_eq!(passes(&mut lanes, Worth::Video), 0);
        assert_eq!(passes(&mut lanes, Worth::Order), MESSAGES_MAX, "some of them wait here");
        let mut worths = Vec::new();
        while let Some(message) = own.next() {
            worths.push(message.worth());
        }
        lanes.flush();
        while let Some(message) = own.next() {
            worths.push(message.worth());
            lanes.flush();
        }
        assert!(worths.is_sorted(), "in their order");
        assert_eq!(worths.iter().filter(|worth| **worth == Worth::Order).count(), MESSAGES_MAX);
        assert!(lanes.is_empty() && own.is_empty());
    }
}
