//! CPU per forwarded packet: one speaks, many listen, over loopback sockets and real cryptography.
//!
//! `cargo run --release -p wardline-sfu --example fanout [LISTENERS] [SECONDS]`. The shard's own CPU time (kernel included) is read
//! from `/proc/self/task`; the clients run on other threads and are not counted.
#[path = "../tests/it/support/peer.rs"]
#[expect(clippy::unwrap_used, dead_code, reason = "it belongs to the tests, which use all of it")]
mod peer;

use peer::Peer;
use std::error::Error;
use std::net::UdpSocket;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use wardline_sfu::{Config, ParticipantId, RoomId, Sfu};

const ROOM: RoomId = RoomId::from_bytes([1; 16]);
const PAYLOAD_BYTES: usize = 100;

struct Device {
    peer: Peer,
    socket: UdpSocket,
}

impl Device {
    fn join(sfu: &Sfu, n: u8) -> Result<Self, Box<dyn Error>> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let mut peer = Peer::new(Instant::now(), socket.local_addr()?);
        let offer = peer.call_offer(Instant::now());
        let (reply, answer) = channel();
        sfu.connect(ROOM, ParticipantId::from_bytes([n; 16]), offer, move |result| {
            // The receiver waits for exactly this.
            let _received = reply.send(result);
        })?;
        peer.answer(Instant::now(), &answer.recv()??);
        Ok(Self { peer, socket })
    }

    fn serve(&mut self) {
        let mut buffer = [0; 2_000];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            self.peer.handle(Instant::now(), from, &buffer[..length]);
        }
        let now = Instant::now();
        if self.peer.timeout() <= now {
            self.peer.handle_timeout(now);
        }
        for transmit in std::mem::take(&mut self.peer.transmits) {
            let _sent = self.socket.send_to(&transmit.contents, transmit.destination);
        }
    }
}

/// CPU time that the shards' threads have used.
fn shard_cpu() -> Result<Duration, Box<dyn Error>> {
    let mut used = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.starts_with("sfu-") {
            let schedstat = std::fs::read_to_string(task.join("schedstat"))?;
            used += Duration::from_nanos(schedstat.split(' ').next().unwrap_or_default().parse()?);
        }
    }
    Ok(used)
}

#[expect(clippy::print_stdout, reason = "its figures are its output")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>()).collect::<Result<Vec<_>, _>>()?;
    let listeners = u8::try_from(arguments.first().copied().unwrap_or(50))?;
    let seconds = arguments.get(1).copied().unwrap_or(10);
    let bind = vec!["127.0.0.1:0".parse()?];
    let config = Config { bind, pin_cores: true, room_participants_max: 255, ..Config::default() };
    let sfu = Sfu::start(config, |_| ())?;
    let mut devices: Vec<Device> = (0..=listeners).map(|n| Device::join(&sfu, n)).collect::<Result<_, _>>()?;
    while !devices.iter().all(|device| device.peer.connected) {
        devices.iter_mut().for_each(Device::serve);
    }
    sfu.set_sending(ROOM, ParticipantId::from_bytes([0; 16]), true);
    let (start, before, cpu_before) = (Instant::now(), sfu.stats(), shard_cpu()?);
    let packets = seconds * 50;
    for n in 0..packets {
        while Instant::now() < start + Duration::from_millis(20 * n) {
            devices.iter_mut().for_each(Device::serve);
        }
        devices[0].peer.speak(Instant::now(), &[7; PAYLOAD_BYTES]);
        devices[0].serve();
    }
    std::thread::sleep(Duration::from_millis(50));
    let (cpu, after) = (shard_cpu()? - cpu_before, sfu.stats());
    devices.iter_mut().for_each(Device::serve);
    let forwarded = after.forwarded - before.forwarded;
    let heard: usize = devices.iter().map(|device| device.peer.heard.len()).sum();
    println!("1 to {listeners}, {packets} packets of {PAYLOAD_BYTES} B: forwarded {forwarded}, heard {heard}");
    println!("shard CPU {cpu:?}: {:.2} us per forwarded packet", cpu.as_secs_f64() * 1e6 / forwarded as f64);
    sfu.shutdown();
    Ok(())
}
