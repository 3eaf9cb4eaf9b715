//! A shard: one thread, one socket, one core. It owns its rooms; others send it commands.
use super::lane::{Command, Lane};
use super::relay::{FromShards, Lanes};
use super::socket::{Received, Socket};
use super::tcp::Tcp;
use super::{Directory, Totals};
use crate::core::{Core, Output, Remote, Transmit, Transport};
use crate::{ConnectError, Event};
use mio::{Events, Interest, Poll, Token};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

pub(super) const SOCKET: Token = Token(0);
pub(super) const LANE: Token = Token(1);

/// Events taken from the kernel at once; the others come in the next round.
const EVENTS: usize = 64;

/// Commands done before the shard looks at its socket again.
const COMMANDS_MAX: usize = 64;

/// Messages of other shards taken before the shard looks at its socket again.
const MESSAGES_MAX: usize = 256;

/// The shard sleeps no longer than this, timers or not.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// The shard looks at its socket so soon again while part of a frame waits for the rest.
const PAUSE: Duration = Duration::from_micros(60);

/// Where a shard tells its events.
pub(super) type Listener = Arc<dyn Fn(Event) + Send + Sync>;

pub(super) struct Shard {
    pub(super) index: usize,
    pub(super) core: Core,
    pub(super) socket: Socket,
    pub(super) tcp: Option<Tcp>,
    pub(super) poll: Poll,
    pub(super) lane: Lane,
    pub(super) lanes: Lanes,
    pub(super) from_shards: FromShards,
    pub(super) directory: Arc<Directory>,
    pub(super) totals: Arc<Totals>,
    pub(super) listener: Listener,
    pub(super) transmits: Vec<Transmit>,
}

impl Shard {
    /// Serves until the command to stop, or until the handles are gone.
    pub(super) fn run(mut self) -> std::io::Result<()> {
        // The thread logs nothing: str0m would write addresses of participants, at some levels. What the node needs to know are
        // events and counters.
        let _silence = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::default());
        self.poll.registry().register(&mut self.socket.io, SOCKET, Interest::READABLE)?;
        if let Some(tcp) = &mut self.tcp {
            tcp.register(self.poll.registry())?;
        }
        let mut events = Events::with_capacity(EVENTS);
        let mut more = false;
        loop {
            let sleep = if more || !self.lanes.is_empty() || self.paused() { Duration::ZERO } else { self.sleep() };
            match self.poll.poll(&mut events, Some(sleep)) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            if let Some(tcp) = &mut self.tcp {
                let connections =
                    events.iter().map(|event| event.token()).filter(|token| *token != SOCKET && *token != LANE);
                connections.for_each(|token| tcp.ready(token, self.poll.registry()));
            }
            if !self.commands() {
                self.core.close(Instant::now());
                self.flush();
                self.count();
                return Ok(());
            }
            more = self.receive()?;
            let now = Instant::now();
            self.messages(now);
            while self.core.forward(now) {
                self.flush();
            }
            if self.core.poll_timeout().is_some_and(|at| at <= now) {
                self.core.handle_timeout(now);
            }
            self.flush();
            more |= !self.lane.is_empty() || !self.from_shards.is_empty();
            self.count();
        }
    }

    // Where part of a frame is there, waits for the rest: a poll cannot wait for less than a millisecond, and a call for each part costs more than the pause.
    fn paused(&self) -> bool {
        let left = self.core.forward_due().map(|at| at.saturating_duration_since(Instant::now()).min(PAUSE));
        if let Some(left) = left {
            std::thread::sleep(left);
        }
        left.is_some()
    }

    fn sleep(&self) -> Duration {
        let due = self.core.poll_timeout();
        due.map_or(SLEEP_MAX, |at| at.saturating_duration_since(Instant::now()).min(SLEEP_MAX))
    }

    fn receive(&mut self) -> std::io::Result<bool> {
        let Self { socket, tcp, poll, core, totals, .. } = self;
        let now = Instant::now();
        let (mut packets, mut bytes) = (0, 0);
        let received = socket.receive(|source, destination, datagram| {
            packets += 1;
            bytes += datagram.len() as u64;
            core.handle_datagram(now, source, destination, datagram);
        });
        let over_tcp = tcp.as_mut().is_some_and(|tcp| {
            tcp.receive(now, poll.registry(), |address, destination, datagram| {
                packets += 1;
                bytes += datagram.len() as u64;
                let source = Remote { transport: Transport::Tcp, address };
                core.handle_datagram(now, source, destination, datagram);
            })
        });
        totals.packets_in.fetch_add(packets, Relaxed);
        totals.bytes_in.fetch_add(bytes, Relaxed);
        Ok(matches!(received?, Received::More) || over_tcp)
    }

    // Takes in what other shards say.
    fn messages(&mut self, now: Instant) {
        for _ in 0..MESSAGES_MAX {
            let Some(message) = self.from_shards.next() else { return };
            self.core.handle_message(now, message);
        }
    }

    // Hands out what the core wants done.
    fn flush(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Transmit(transmit) => self.transmits.push(transmit),
                Output::Event(event) => (self.listener)(event),
                Output::Relay { shard, message } => {
                    if let Some(dropped) = self.lanes.pass(shard, message) {
                        self.core.note_not_passed_on(dropped.room(), dropped.packets());
                    }
                }
            }
        }
        self.lanes.flush();
        if self.transmits.is_empty() {
            return;
        }
        if let Some(tcp) = &mut self.tcp {
            for transmit in self.transmits.extract_if(.., |transmit| transmit.transport == Transport::Tcp) {
                let (sent, failed) = if tcp.send(&transmit, self.poll.registry()) { (1, 0) } else { (0, 1) };
                self.totals.packets_out.fetch_add(sent, Relaxed);
                self.totals.bytes_out.fetch_add(sent * transmit.contents.len() as u64, Relaxed);
                self.totals.send_failed.fetch_add(failed, Relaxed);
            }
        }
        let sent = self.socket.send(&mut self.transmits);
        self.totals.packets_out.fetch_add(sent.packets, Relaxed);
        self.totals.bytes_out.fetch_add(sent.bytes, Relaxed);
        self.totals.send_failed.fetch_add(sent.failed, Relaxed);
    }

    // Does what is asked. False: stop.
    fn commands(&mut self) -> bool {
        for _ in 0..COMMANDS_MAX {
            let Some(command) = self.lane.next() else { return true };
            let now = Instant::now();
            match command {
                Command::Connect { room, participant, home, offer_sdp, reply } => {
                    if home != self.index {
                        self.core.belongs_to(room, home, self.index);
                    }
                    let answer = self.core.connect(now, room, participant, &offer_sdp);
                    self.core.forget_if_empty(room);
                    // Before the answer: the caller's next room is placed by a load that counts this one.
                    self.directory.set_load(self.index, self.core.participants());
                    self.directory.connected(room, participant, self.core.has_participant(room, participant));
                    reply(answer);
                }
                Command::Refuse { reply } => reply(Err(ConnectError::RoomFull)),
                Command::SetSending { room, participant, allowed } => {
                    self.core.set_sending(now, room, participant, allowed);
                }
                Command::Disconnect { room, participant } => {
                    self.core.disconnect(now, room, participant);
                    self.directory.left(room, participant, self.index);
                }
                Command::CloseRoom { room } => {
                    self.core.close_room(now, room);
                    self.directory.closed(room, self.index);
                }
                Command::RoomStats { room, part } => part.give(self.core.room_stats(now, room)),
                Command::Stop => return false,
            }
        }
        true
    }

    fn count(&self) {
        let counters = self.core.counters();
        self.totals.forwarded.store(counters.forwarded, Relaxed);
        for (total, count) in self.totals.dropped.iter().zip(counters.dropped) {
            total.store(count, Relaxed);
        }
        self.totals.rooms.store(self.core.rooms() as u64, Relaxed);
        self.directory.set_load(self.index, self.core.participants());
    }
}
