//! CPU and allocations per forwarded packet: one sends, many receive, over loopback sockets and real cryptography.
//!
//! `cargo run --release -p wardline-sfu --example fanout [sound|video|layers] [RECEIVERS] [SECONDS]`. `sound` is a voice, `video` one stream of 30 frames of 8 packets in a
//! second, `layers` a camera in three layers of which everybody comes to have the top one. The shard's own CPU time (kernel included) is read from `/proc/self/task`, and
//! allocations are counted on its thread; the receivers run on another one and are not counted. Receivers of video answer checks and open no packet, so the cost of their
//! reports is not in it.
#[path = "../tests/it/support/camera.rs"]
#[expect(clippy::unwrap_used, dead_code, reason = "it belongs to the tests, which use all of it")]
mod camera;
#[path = "../tests/it/support/peer.rs"]
#[expect(clippy::unwrap_used, dead_code, reason = "it belongs to the tests, which use all of it")]
mod peer;

use camera::Camera;
use peer::Peer;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::error::Error;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use str0m::media::{Direction, MediaKind};
use wardline_sfu::{Config, ParticipantId, RoomId, Sfu};

const ROOM: RoomId = RoomId::from_bytes([1; 16]);
const VOICE_BYTES: usize = 100;
const VIDEO_BYTES: usize = 1_150;
const PACKETS_OF_FRAME: usize = 8;
const LAYERS: [(&str, usize); 3] = [("h", 1_500_000), ("m", 500_000), ("l", 150_000)];
/// Until everybody has the top layer.
const CLIMB: Duration = Duration::from_secs(8);

/// Counts what the shard's thread allocates.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    if COUNTED.try_with(Cell::get).unwrap_or(false) {
        ALLOCATIONS.fetch_add(1, Relaxed);
    }
}

#[expect(unsafe_code, reason = "an allocator is; it only counts and passes on")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Sound,
    Video,
    Layers,
}

struct Device {
    peer: Peer,
    socket: UdpSocket,
    opens: bool,
}

impl Device {
    fn join(sfu: &Sfu, n: u16, offer: impl FnOnce(&mut Peer) -> String) -> Result<Self, Box<dyn Error>> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let mut peer = Peer::new(Instant::now(), socket.local_addr()?);
        let offer = offer(&mut peer);
        let (reply, answer) = channel();
        sfu.connect(ROOM, participant(n), offer, move |result| {
            // The receiver waits for exactly this.
            let _received = reply.send(result);
        })?;
        peer.answer(Instant::now(), &answer.recv()??);
        Ok(Self { peer, socket, opens: true })
    }

    fn serve(&mut self) {
        let mut buffer = [0; 2_000];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            let is_media = (128..192).contains(&buffer[0]);
            if self.opens || !is_media {
                self.peer.handle(Instant::now(), from, &buffer[..length]);
            }
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

fn participant(n: u16) -> ParticipantId {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    ParticipantId::from_bytes(bytes)
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

/// Sends for a while, on time.
fn send(what: What, devices: &mut [Device], camera: &mut Camera, length: Duration) {
    let every = Duration::from_micros(if what == What::Sound { 20_000 } else { 33_333 });
    let start = Instant::now();
    for n in 0..(length.as_micros() / every.as_micros()) as u32 {
        while Instant::now() < start + every * n {
            devices.iter_mut().for_each(Device::serve);
        }
        let (now, sender) = (Instant::now(), &mut devices[0].peer);
        match what {
            What::Sound => sender.speak(now, &[7; VOICE_BYTES]),
            What::Layers => camera.shoot(now, sender),
            What::Video => {
                sender.time = sender.time.wrapping_add(3_000);
                for part in 0..PACKETS_OF_FRAME {
                    let mut payload = [1; VIDEO_BYTES];
                    payload[0] = if part == 0 { 0x10 } else { 0 };
                    sender.send_on(now, 0, &payload, part + 1 == PACKETS_OF_FRAME);
                }
            }
        }
        devices[0].serve();
    }
}

#[expect(clippy::print_stdout, reason = "its figures are its output")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let what = match arguments.peek().map(String::as_str) {
        Some("video") => What::Video,
        Some("layers") => What::Layers,
        _ => What::Sound,
    };
    arguments.next_if(|argument| argument.parse::<u64>().is_err());
    let receivers = arguments.next().map_or(Ok(50), |argument| argument.parse::<u16>())?;
    let seconds = arguments.next().map_or(Ok(10), |argument| argument.parse::<u64>())?;
    let bind = vec!["127.0.0.1:0".parse()?];
    let config = Config { bind, pin_cores: true, room_participants_max: usize::MAX, ..Config::default() };
    let sfu = Sfu::start(config, |_| COUNTED.set(true))?;
    let now = Instant::now();
    let sender_offer = |peer: &mut Peer| match what {
        What::Sound => peer.call_offer(now),
        What::Video => peer.offer(now, &[(MediaKind::Video, Direction::SendOnly)]),
        What::Layers => peer.broadcast_offer(now, &LAYERS.map(|(rid, _)| rid)),
    };
    let receiver_offer = |peer: &mut Peer| match what {
        What::Sound => peer.call_offer(now),
        What::Video => peer.offer(now, &[(MediaKind::Video, Direction::RecvOnly)]),
        What::Layers => peer.viewer_offer(now),
    };
    let mut devices = vec![Device::join(&sfu, 0, sender_offer)?];
    for n in 1..=receivers {
        devices.push(Device::join(&sfu, n, receiver_offer)?);
        devices.iter_mut().for_each(Device::serve);
    }
    while !devices.iter().all(|device| device.peer.connected) {
        devices.iter_mut().for_each(Device::serve);
    }
    devices.iter_mut().skip(1).for_each(|device| device.opens = what == What::Sound);
    sfu.set_sending(ROOM, participant(0), true);
    let mut camera = Camera::new(&LAYERS);
    send(what, &mut devices, &mut camera, if what == What::Layers { CLIMB } else { Duration::from_secs(1) });
    let (before, cpu_before, allocations) = (sfu.stats(), shard_cpu()?, ALLOCATIONS.load(Relaxed));
    send(what, &mut devices, &mut camera, Duration::from_secs(seconds));
    std::thread::sleep(Duration::from_millis(50));
    let (cpu, after) = (shard_cpu()? - cpu_before, sfu.stats());
    let allocations = ALLOCATIONS.load(Relaxed) - allocations;
    devices.iter_mut().for_each(Device::serve);
    let forwarded = after.forwarded - before.forwarded;
    println!("1 to {receivers}, {seconds} s: forwarded {forwarded}, {} a second", forwarded / seconds.max(1));
    println!(
        "shard CPU {cpu:?}: {:.2} us, and {:.2} allocations, per forwarded packet",
        cpu.as_secs_f64() * 1e6 / forwarded as f64,
        allocations as f64 / forwarded as f64
    );
    sfu.shutdown();
    Ok(())
}
