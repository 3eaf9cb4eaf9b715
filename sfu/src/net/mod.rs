//! Shard threads with their sockets, and the handle that the node holds.
//!
//! Absent: a lock that a packet could wait for, an async runtime, and any log line of a shard's thread.
mod addresses;
mod directory;
mod gather;
mod lane;
mod relay;
mod shard;
mod socket;
mod tcp;

use crate::core::{self, Core, sdp};
use crate::{Busy, Config, ConnectError, DropCause, Event, ParticipantId, RoomId, RoomStats, StartError, Stats};
use directory::Directory;
use lane::{Command, Sender};
use mio::{Poll, Waker};
use relay::{Lanes, ToShard};
use shard::{LANE, Listener, Shard};
use socket::Socket;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tcp::Tcp;

/// The running media plane: a handle for the node. Cloning it gives another handle to the same plane, which ends when the last
/// handle is gone or at [`Sfu::shutdown`].
#[derive(Clone)]
pub struct Sfu {
    plane: Arc<Plane>,
}

struct Plane {
    shards: Vec<Handle>,
    directory: Arc<Directory>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Handle {
    sender: Sender,
    bound: SocketAddr,
    totals: Arc<Totals>,
    relay: ToShard,
}

/// One shard's numbers, written by it alone.
#[derive(Default)]
struct Totals {
    packets_in: AtomicU64,
    packets_out: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    send_failed: AtomicU64,
    forwarded: AtomicU64,
    dropped: [AtomicU64; DropCause::ALL.len()],
    rooms: AtomicU64,
}

impl Sfu {
    /// Binds the sockets and starts the shards. `events` is called on a shard's thread: it must only hand the event on, never
    /// block, nor call back into the handle. Errors name the setting to change.
    pub fn start(config: Config, events: impl Fn(Event) + Send + Sync + 'static) -> Result<Sfu, StartError> {
        addresses::check(&config)?;
        let directory = Arc::new(Directory::new(config.shards, config.shard_viewers, config.room_participants_max));
        let listener: Listener = Arc::new(events);
        let mut prepared = Vec::new();
        for (index, address) in config.bind.iter().enumerate() {
            prepared.push(prepare(&config, index, *address, &directory, &listener)?);
        }
        let lanes: Vec<_> = prepared.iter().map(|(handle, _): &(Handle, Shard)| handle.relay.clone()).collect();
        prepared.iter_mut().for_each(|(_, shard)| shard.lanes = Lanes::new(lanes.clone()));
        let cores = if config.pin_cores { core_affinity::get_core_ids().unwrap_or_default() } else { Vec::new() };
        let (mut shards, mut threads) = (Vec::new(), Vec::new());
        for (handle, shard) in prepared {
            // From the last core down: the first ones usually serve interrupts and the rest of the node.
            let core = cores.iter().rev().cycle().nth(shard.index).copied();
            threads.push(spawn(shard, core)?);
            shards.push(handle);
        }
        Ok(Sfu { plane: Arc::new(Plane { shards, directory, threads: Mutex::new(threads) }) })
    }

    /// Connects a participant by its SDP offer; `reply` gets the SDP answer, on the shard's thread, and must not block. The first
    /// connect of a room chooses its shard; participants who only receive may be put on further ones ([`Config::shard_viewers`]). A participant's further offer continues its session when it comes from the same peer
    /// connection (an ICE restart: the answer names the same shard), and replaces the connection otherwise.
    pub fn connect(
        &self,
        room: RoomId,
        participant: ParticipantId,
        offer_sdp: String,
        reply: impl FnOnce(Result<String, ConnectError>) + Send + 'static,
    ) -> Result<(), Busy> {
        let Some(way) = self.plane.directory.connecting(room, participant, sdp::receives_only(&offer_sdp)) else {
            let home = self.plane.directory.shards(room).first().copied().unwrap_or(0);
            let shard = self.plane.shards.get(home).ok_or(Busy)?;
            return shard.sender.offer(Command::Refuse { reply: Box::new(reply) });
        };
        if let Some(left) = way.left.and_then(|left| self.plane.shards.get(left)) {
            left.sender.demand(Command::Disconnect { room, participant });
        }
        let command = Command::Connect { room, participant, home: way.home, offer_sdp, reply: Box::new(reply) };
        let offered = self.plane.shards.get(way.shard).ok_or(Busy).and_then(|shard| shard.sender.offer(command));
        if offered.is_err() {
            self.plane.directory.refused(room, participant);
        }
        offered
    }

    /// Allows or forbids that a participant's packets are forwarded. Forbidden until the first call; survives reconnects.
    pub fn set_sending(&self, room: RoomId, participant: ParticipantId, allowed: bool) {
        self.demand(room, participant, Command::SetSending { room, participant, allowed });
    }

    /// Closes a participant's connection and frees its place.
    pub fn disconnect(&self, room: RoomId, participant: ParticipantId) {
        self.demand(room, participant, Command::Disconnect { room, participant });
    }

    /// Disconnects everybody in a room.
    pub fn close_room(&self, room: RoomId) {
        for shard in self.plane.directory.shards(room) {
            if let Some(shard) = self.plane.shards.get(shard) {
                shard.sender.demand(Command::CloseRoom { room });
            }
        }
    }

    fn demand(&self, room: RoomId, participant: ParticipantId, command: Command) {
        let shard = self.plane.directory.find(room, participant).and_then(|shard| self.plane.shards.get(shard));
        if let Some(shard) = shard {
            shard.sender.demand(command);
        }
    }

    /// A room's numbers, of all shards that have participants of it. `reply` gets them on a shard's thread, and must not block. For a room that there is not it
    /// gets the default, at once.
    pub fn room_stats(&self, room: RoomId, reply: impl FnOnce(RoomStats) + Send + 'static) {
        let shards = self.plane.directory.shards(room);
        let parts = gather::parts(shards.len(), Box::new(reply));
        for (shard, part) in shards.into_iter().zip(parts) {
            if let Some(shard) = self.plane.shards.get(shard) {
                shard.sender.demand(Command::RoomStats { room, part });
            }
        }
    }

    /// Counters of all shards. They lag behind by at most one round of a shard.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats { participants: self.plane.directory.participants(), ..Stats::default() };
        for Handle { totals, .. } in &self.plane.shards {
            stats.packets_in += totals.packets_in.load(Relaxed);
            stats.packets_out += totals.packets_out.load(Relaxed);
            stats.bytes_in += totals.bytes_in.load(Relaxed);
            stats.bytes_out += totals.bytes_out.load(Relaxed);
            stats.forwarded += totals.forwarded.load(Relaxed);
            stats.rooms += totals.rooms.load(Relaxed);
            for (sum, count) in stats.dropped.iter_mut().zip(&totals.dropped) {
                *sum += count.load(Relaxed);
            }
            if let Some(sum) = stats.dropped.get_mut(DropCause::SendFailed as usize) {
                *sum += totals.send_failed.load(Relaxed);
            }
        }
        stats
    }

    /// The bound address of each shard.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.plane.shards.iter().map(|shard| shard.bound).collect()
    }

    /// Closes every connection and ends the threads. Returns when they have ended. Must not be called from `events` or `reply`.
    pub fn shutdown(self) {
        self.plane.stop();
    }
}

impl Plane {
    fn stop(&self) {
        for shard in &self.shards {
            shard.sender.demand(Command::Stop);
        }
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A shard that panicked has said so on its own.
            let _ended = thread.join();
        }
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        for shard in &self.shards {
            shard.sender.demand(Command::Stop);
        }
    }
}

fn prepare(
    config: &Config,
    index: usize,
    address: SocketAddr,
    directory: &Arc<Directory>,
    listener: &Listener,
) -> Result<(Handle, Shard), StartError> {
    let system = |doing| move |source| StartError::System { doing, source };
    let (socket, tcp) = bind(address, config.tcp).map_err(|source| StartError::Bind { address, source })?;
    let bound = socket.local_addr().map_err(system("reading the bound address"))?;
    let candidates = addresses::advertised(bound, config.advertised.get(index).copied())?;
    let core = Core::new(core::Config {
        candidates: candidates.clone(),
        tcp: config.tcp,
        room_participants_max: config.room_participants_max,
    })?;
    let tcp = tcp.map(|listener| Tcp::new(listener, candidates.clone())).transpose();
    let tcp = tcp.map_err(system("setting up the TCP listener"))?;
    let socket =
        Socket::new(socket, candidates, config.socket_buffer_bytes).map_err(system("setting up the socket"))?;
    let poll = Poll::new().map_err(system("making a poll"))?;
    let waker = Arc::new(Waker::new(poll.registry(), LANE).map_err(system("making a waker"))?);
    let (sender, lane) = lane::lane(config.command_queue, waker.clone());
    let (relay, from_shards) = relay::lane(waker);
    let totals = Arc::new(Totals::default());
    let handle = Handle { sender, bound, totals: totals.clone(), relay };
    let (directory, listener) = (directory.clone(), listener.clone());
    let shard = Shard {
        index,
        core,
        socket,
        tcp,
        poll,
        lane,
        lanes: Lanes::default(),
        from_shards,
        directory,
        totals,
        listener,
        transmits: Vec::new(),
    };
    Ok((handle, shard))
}

/// Free ports tried for a pair of sockets; a port may be free for UDP and taken for TCP.
const FREE_PORTS_TRIED: usize = 16;

/// The shard's UDP socket, and a TCP listener on the same port.
fn bind(address: SocketAddr, tcp: bool) -> std::io::Result<(UdpSocket, Option<TcpListener>)> {
    let mut tries = if address.port() == 0 { FREE_PORTS_TRIED } else { 1 };
    loop {
        tries -= 1;
        let socket = UdpSocket::bind(address)?;
        if !tcp {
            return Ok((socket, None));
        }
        match TcpListener::bind(socket.local_addr()?) {
            Ok(listener) => return Ok((socket, Some(listener))),
            Err(error) if tries == 0 => return Err(error),
            Err(_) => {}
        }
    }
}

fn spawn(shard: Shard, core: Option<core_affinity::CoreId>) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new()
        .name(format!("sfu-{}", shard.index))
        .spawn(move || {
            if let Some(core) = core
                && !core_affinity::set_for_current(core)
            {
                tracing::warn!(shard = shard.index, "sfu: the shard's thread could not be pinned to a core");
            }
            let (index, listener) = (shard.index, shard.listener.clone());
            // Nothing of the shard is used after it: what a panic left half done goes with it.
            match std::panic::catch_unwind(AssertUnwindSafe(|| shard.run())) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => {
                    tracing::error!(shard = index, kind = ?error.kind(), "sfu: a shard ended; its calls are lost");
                }
                Err(_) => tracing::error!(shard = index, "sfu: a shard panicked; its calls are lost"),
            }
            listener(Event::ShardEnded { shard: index });
        })
        .map_err(|source| StartError::System { doing: "starting a shard's thread", source })
}
