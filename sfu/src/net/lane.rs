//! The command lane into a shard.
//!
//! Bound: [`crate::Config::command_queue`] connects may wait; more are refused with [`Busy`]. The other commands take away rather
//! than add (revocation is among them) and must not be lost: they have as much room again, and past that their caller waits
//! until the shard has caught up, which takes it well under a millisecond per command.
use super::gather::Part;
use crate::{Busy, ConnectError, ParticipantId, RoomId};
use mio::Waker;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

pub(super) type Reply = Box<dyn FnOnce(Result<String, ConnectError>) + Send>;

pub(super) enum Command {
    /// `home`: the shard where the room is at home.
    Connect {
        room: RoomId,
        participant: ParticipantId,
        home: usize,
        offer_sdp: String,
        reply: Reply,
    },
    /// The room is full.
    Refuse {
        reply: Reply,
    },
    SetSending {
        room: RoomId,
        participant: ParticipantId,
        allowed: bool,
    },
    Disconnect {
        room: RoomId,
        participant: ParticipantId,
    },
    CloseRoom {
        room: RoomId,
    },
    RoomStats {
        room: RoomId,
        part: Part,
    },
    Stop,
}

/// The callers' end.
pub(super) struct Sender {
    commands: SyncSender<Command>,
    waiting: Arc<AtomicUsize>,
    connects_max: usize,
    waker: Arc<Waker>,
}

/// The shard's end.
pub(super) struct Lane {
    commands: Receiver<Command>,
    waiting: Arc<AtomicUsize>,
}

pub(super) fn lane(connects_max: usize, waker: Arc<Waker>) -> (Sender, Lane) {
    let (sender, receiver) = sync_channel(connects_max.saturating_mul(2));
    let waiting = Arc::new(AtomicUsize::new(0));
    let lane = Lane { commands: receiver, waiting: waiting.clone() };
    (Sender { commands: sender, waiting, connects_max, waker }, lane)
}

impl Sender {
    /// Queues a connect, or refuses it.
    pub(super) fn offer(&self, command: Command) -> Result<(), Busy> {
        if self.waiting.fetch_add(1, AcqRel) >= self.connects_max {
            self.waiting.fetch_sub(1, AcqRel);
            return Err(Busy);
        }
        if self.commands.try_send(command).is_err() {
            self.waiting.fetch_sub(1, AcqRel);
            return Err(Busy);
        }
        self.wake();
        Ok(())
    }

    /// Queues a command that must not be lost. Does nothing when the shard has stopped: then there is nothing left to do.
    pub(super) fn demand(&self, command: Command) {
        self.waiting.fetch_add(1, AcqRel);
        let sent = match self.commands.try_send(command) {
            Ok(()) => true,
            Err(TrySendError::Full(command)) => {
                self.wake();
                self.commands.send(command).is_ok()
            }
            Err(TrySendError::Disconnected(_)) => false,
        };
        if !sent {
            self.waiting.fetch_sub(1, AcqRel);
        }
        self.wake();
    }

    fn wake(&self) {
        // Fails only without file descriptors left, and the shard looks at its lane at least once a second anyway.
        let _woken = self.waker.wake();
    }
}

impl Lane {
    pub(super) fn next(&mut self) -> Option<Command> {
        match self.commands.try_recv() {
            Ok(command) => {
                self.waiting.fetch_sub(1, AcqRel);
                Some(command)
            }
            Err(std::sync::mpsc::TryRecvError::Empty) => None,
            // Nobody can ask for anything any more.
            Err(std::sync::mpsc::TryRecvError::Disconnected) => Some(Command::Stop),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Poll, Token};

    fn connect() -> Command {
        let (room, participant) = (RoomId::from_bytes([0; 16]), ParticipantId::from_bytes([0; 16]));
        Command::Connect { room, participant, home: 0, offer_sdp: String::new(), reply: Box::new(|_| ()) }
    }

    #[test]
    fn a_full_lane_refuses_connects_and_still_takes_revocations() {
        let poll = Poll::new().unwrap();
        let (sender, mut lane) = lane(2, Arc::new(Waker::new(poll.registry(), Token(0)).unwrap()));
        assert!(sender.offer(connect()).is_ok() && sender.offer(connect()).is_ok());
        assert_eq!(sender.offer(connect()), Err(Busy));
        sender.demand(Command::CloseRoom { room: RoomId::from_bytes([0; 16]) });
        assert_eq!(sender.offer(connect()), Err(Busy));
        assert!(matches!(lane.next(), Some(Command::Connect { .. })));
        assert!(matches!(lane.next(), Some(Command::Connect { .. })));
        assert!(matches!(lane.next(), Some(Command::CloseRoom { .. })));
        assert!(lane.next().is_none() && lane.is_empty());
        assert!(sender.offer(connect()).is_ok());
        drop(lane);
        assert_eq!(sender.offer(connect()), Err(Busy));
        sender.demand(Command::Stop);
    }
}
