//! A core, its peers and the network between them, under one clock that only the test moves.
use super::peer::Peer;
use super::{ROOM, participant};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use wardline_sfu::core::{Config, Core, Output};
use wardline_sfu::{ConnectError, DropCause, Event, ParticipantId};

pub const SERVER: &str = "192.0.2.1:7000";
pub const SECOND_SERVER: &str = "192.0.2.1:7001";

/// How bad the network is. The first that goes through is always the seed's.
#[derive(Clone, Copy)]
pub struct Link {
    pub latency: Duration,
    pub jitter: Duration,
    pub loss_percent: u64,
}

impl Link {
    pub const GOOD: Link = Link { latency: Duration::from_millis(5), jitter: Duration::ZERO, loss_percent: 0 };
    pub const BAD: Link =
        Link { latency: Duration::from_millis(20), jitter: Duration::from_millis(50), loss_percent: 10 };
}

/// A way to one peer that has a bottleneck with a queue.
#[derive(Clone, Copy)]
pub struct Narrow {
    /// What it carries, in bits in a second.
    pub bit_s: u64,
    /// What waits at most; more is lost.
    pub queue: Duration,
    pub loss_percent: u64,
    free_at: Option<Instant>,
}

impl Narrow {
    pub fn new(bit_s: u64) -> Self {
        Self { bit_s, queue: Duration::from_millis(300), loss_percent: 0, free_at: None }
    }

    /// A way without a bottleneck that loses packets.
    pub fn lossy(loss_percent: u64) -> Self {
        Self { loss_percent, ..Self::new(1_000_000_000) }
    }

    // How long a datagram takes; `None`: it is lost.
    fn take(&mut self, now: Instant, bytes: usize, fate: u64) -> Option<Duration> {
        let free_at = self.free_at.unwrap_or(now).max(now);
        if fate % 100 < self.loss_percent || free_at - now > self.queue {
            return None;
        }
        let done = free_at + Duration::from_micros((bytes as u64 + 28) * 8 * 1_000_000 / self.bit_s);
        self.free_at = Some(done);
        Some(done - now)
    }
}

struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

pub struct World {
    pub start: Instant,
    pub now: Instant,
    pub core: Core,
    pub server: SocketAddr,
    /// Another shard, with viewers of a room that is at home on the first.
    pub second: Option<Core>,
    /// Messages between the two, and whether they are lost.
    pub between: u64,
    pub between_cut: bool,
    pub peers: Vec<Peer>,
    pub link: Link,
    /// Peers whose datagrams do not get through, either way.
    pub cut: Vec<SocketAddr>,
    /// Ways to peers that carry less than the others.
    pub narrow: BTreeMap<SocketAddr, Narrow>,
    pub events: Vec<(Instant, Event)>,
    /// Datagrams that arrived at the server.
    pub arrived: Vec<(SocketAddr, Vec<u8>)>,
    flying: BTreeMap<(Instant, u64), Datagram>,
    sent: u64,
    random: u64,
}

impl World {
    pub fn new(seed: u64, link: Link) -> Self {
        Self::with_room_for(8, seed, link)
    }

    pub fn with_room_for(room_participants_max: usize, seed: u64, link: Link) -> Self {
        let server: SocketAddr = SERVER.parse().unwrap();
        let core = Core::new(Config { candidates: vec![server], tcp: false, room_participants_max }).unwrap();
        let now = Instant::now();
        Self {
            start: now,
            now,
            core,
            server,
            second: None,
            between: 0,
            between_cut: false,
            peers: Vec::new(),
            link,
            cut: Vec::new(),
            narrow: BTreeMap::new(),
            events: Vec::new(),
            arrived: Vec::new(),
            flying: BTreeMap::new(),
            sent: 0,
            random: seed.wrapping_mul(2) + 1,
        }
    }

    /// xorshift64*.
    pub fn random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A device that takes part in the room as participant `n`.
    pub fn join(&mut self, n: u8) -> usize {
        let mut peer = self.device(n);
        let offer = peer.call_offer(self.now);
        self.enter(n, peer, &offer).unwrap()
    }

    pub fn device(&mut self, n: u8) -> Peer {
        let port = 5_000 + self.peers.len() as u16;
        Peer::new(self.now, SocketAddr::from(([198, 51, 100, n], port)))
    }

    pub fn enter(&mut self, n: u8, peer: Peer, offer: &str) -> Result<usize, ConnectError> {
        self.enter_as(participant(n), peer, offer)
    }

    pub fn enter_as(&mut self, who: ParticipantId, mut peer: Peer, offer: &str) -> Result<usize, ConnectError> {
        let answer = self.core.connect(self.now, ROOM, who, offer)?;
        self.collect();
        peer.answer(self.now, &answer);
        self.peers.push(peer);
        Ok(self.peers.len() - 1)
    }

    /// As [`World::enter`], on the second shard.
    pub fn enter_second(&mut self, n: u8, mut peer: Peer, offer: &str) -> Result<usize, ConnectError> {
        let candidates = vec![SECOND_SERVER.parse().unwrap()];
        let config = Config { candidates, tcp: false, room_participants_max: 1_000 };
        let second = self.second.get_or_insert_with(|| Core::new(config).unwrap());
        second.belongs_to(ROOM, 0, 1);
        let answer = second.connect(self.now, ROOM, participant(n), offer)?;
        self.collect();
        peer.answer(self.now, &answer);
        self.peers.push(peer);
        Ok(self.peers.len() - 1)
    }

    pub fn allow(&mut self, n: u8, allowed: bool) {
        self.core.set_sending(self.now, ROOM, participant(n), allowed);
        self.collect();
    }

    /// Two participants in a call, connected and allowed to speak.
    pub fn call(seed: u64, link: Link) -> Self {
        let mut world = Self::new(seed, link);
        world.join(1);
        world.join(2);
        world.run_until(|world| world.peers.iter().all(|peer| peer.connected));
        world.run(Duration::from_millis(500));
        world.allow(1, true);
        world.allow(2, true);
        world
    }

    /// Everybody of `who` speaks a packet every 20 ms, `count` times.
    pub fn speak(&mut self, who: &[usize], count: usize) {
        for n in 0..count {
            for index in who {
                let payload = format!("{index}:{n}:{}", self.peers[*index].seq);
                let now = self.now;
                self.peers[*index].speak(now, payload.as_bytes());
            }
            self.run(Duration::from_millis(20));
        }
    }

    pub fn run(&mut self, length: Duration) {
        let until = self.now + length;
        self.advance(until, |_| false);
        self.now = until;
    }

    /// Panics when it does not happen within 30 s of the world's time.
    pub fn run_until(&mut self, happened: impl Fn(&World) -> bool) {
        let until = self.now + Duration::from_secs(30);
        assert!(self.advance(until, happened), "did not happen within 30 s");
    }

    fn advance(&mut self, until: Instant, happened: impl Fn(&World) -> bool) -> bool {
        loop {
            self.collect();
            if happened(self) {
                return true;
            }
            let next = self.next_time();
            if next > until {
                return false;
            }
            self.now = self.now.max(next);
            let now = self.now;
            while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= now) {
                let datagram = entry.remove();
                self.deliver(datagram);
            }
            for core in std::iter::once(&mut self.core).chain(&mut self.second) {
                if core.poll_timeout().is_some_and(|at| at <= now) {
                    core.handle_timeout(now);
                }
            }
            for peer in &mut self.peers {
                if peer.timeout() <= now {
                    peer.handle_timeout(now);
                }
            }
        }
    }

    fn next_time(&self) -> Instant {
        let peers = self.peers.iter().map(Peer::timeout);
        let flying = self.flying.keys().next().map(|key| key.0);
        let second = self.second.as_ref().and_then(Core::poll_timeout);
        peers.chain(flying).chain(self.core.poll_timeout()).chain(second).map(Reverse).max().unwrap().0
    }

    /// What `from` sends to the server without being a peer.
    pub fn inject(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.core.handle_datagram(self.now, from, self.server, bytes);
        self.collect();
    }

    fn deliver(&mut self, datagram: Datagram) {
        if datagram.to == self.server {
            self.core.handle_datagram(self.now, datagram.from, datagram.to, &datagram.bytes);
            self.arrived.push((datagram.from, datagram.bytes));
            return;
        }
        let now = self.now;
        if let Some(second) = &mut self.second
            && datagram.to == SECOND_SERVER.parse().unwrap()
        {
            return second.handle_datagram(now, datagram.from, datagram.to, &datagram.bytes);
        }
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.address == datagram.to) {
            peer.handle(now, datagram.from, &datagram.bytes);
        }
    }

    fn collect(&mut self) {
        loop {
            let first = self.core.poll_output().map(|output| (0, output));
            let output = first.or_else(|| Some((1, self.second.as_mut()?.poll_output()?)));
            let Some((from, output)) = output else { break };
            match output {
                Output::Transmit(transmit) => {
                    assert_eq!(transmit.source.port(), 7_000 + from);
                    self.fly(transmit.source, transmit.destination, transmit.contents);
                }
                Output::Event(event) => self.events.push((self.now, event)),
                Output::Relay { shard, message } => {
                    self.between += 1;
                    let now = self.now;
                    let to = if shard == 0 { Some(&mut self.core) } else { self.second.as_mut() };
                    if let Some(to) = to.filter(|_| !self.between_cut) {
                        to.handle_message(now, message);
                        to.forward(now);
                    }
                }
                _ => {}
            }
        }
        for index in 0..self.peers.len() {
            for transmit in std::mem::take(&mut self.peers[index].transmits) {
                self.fly(transmit.source, transmit.destination, transmit.contents.to_vec());
            }
        }
    }

    fn fly(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let (fate, jitter) = (self.random(), self.random());
        if fate % 100 < self.link.loss_percent || self.cut.contains(&from) || self.cut.contains(&to) {
            return;
        }
        let queued = match self.narrow.get_mut(&to) {
            Some(narrow) => narrow.take(self.now, bytes.len(), fate / 100),
            None => Some(Duration::ZERO),
        };
        let Some(queued) = queued else { return };
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.address == to) {
            peer.estimator.note(self.now + self.link.latency + queued, bytes.len(), queued);
        }
        let jitter_us = self.link.jitter.as_micros() as u64;
        let late = Duration::from_micros(if jitter_us == 0 { 0 } else { jitter % jitter_us });
        self.sent += 1;
        self.flying.insert((self.now + self.link.latency + late + queued, self.sent), Datagram { from, to, bytes });
    }

    pub fn dropped(&self, cause: DropCause) -> u64 {
        self.core.counters().dropped[cause as usize]
    }

    pub fn count(&self, event: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(_, e)| event(e)).count()
    }
}
