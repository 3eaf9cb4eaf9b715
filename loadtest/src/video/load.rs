//! The load: senders that send at fixed times whatever comes of it, and receivers that account for every packet.
use super::device::{Device, Devices, unix_now};
use super::frames::{Keys, Ledger, Opener, Sent, Sizes, Source};
use super::{Plan, System, profile};
use crate::live::Live;
use crate::machine;
use crate::report::Times;
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use str0m::media::MediaKind;

/// How long one participant may take to be connected.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// How long after the last packet is still received: time for a loss to be noticed and repaired.
const DRAIN: Duration = Duration::from_millis(800);

/// Packets that the ledger remembers.
const LEDGER_PACKETS: u64 = 20_000;

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// Packets that every receiver was to get, summed up over receivers.
    pub expected: u64,
    /// Those that came.
    pub delivered: u64,
    /// Those that came twice.
    pub duplicates: u64,
    /// Packets that are none of those sent.
    pub altered: u64,
    /// From the sender's send call to the arrival at the receiver's socket.
    pub latency: Times,
    /// How late the senders sent.
    pub late: Times,
    /// Frames that the sample opened.
    pub opened: u64,
    /// Complete frames of the sample that did not open.
    pub undecryptable: u64,
    /// Frames of the sample of which something never came.
    pub incomplete: u64,
    /// The system's CPU time while it was measured.
    pub server_cpu: Duration,
    /// The generator's.
    pub load_cpu: Duration,
    /// The system's memory with everybody in and the load on, less what it was before anybody was.
    pub grown_bytes: i64,
    /// Participants, senders included.
    pub participants: u64,
    /// What it took to let everybody in: the system's CPU time.
    pub join_cpu: Duration,
    /// SRTP profiles with the number of connections.
    pub profiles: BTreeMap<&'static str, u64>,
}

impl Outcome {
    /// CPU time of the system for each packet that it delivered, in microseconds.
    pub fn cpu_us_per_packet(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.delivered.max(1) as f64
    }

    /// Delivered of expected.
    pub fn delivered_ratio(&self) -> f64 {
        self.delivered as f64 / self.expected.max(1) as f64
    }
}

struct Room {
    ledger: Ledger,
    keys: Keys,
}

/// What one receiver got.
struct Account {
    room: usize,
    seen: Vec<u64>,
    opener: Option<Opener>,
}

impl Account {
    // Whether it is the first time.
    fn first(&mut self, index: u64) -> bool {
        let (word, bit) = (usize::try_from(index / 64).unwrap_or_default(), 1 << (index % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let Some(seen) = self.seen.get_mut(word) else { return false };
        let first = *seen & bit == 0;
        *seen |= bit;
        first
    }
}

#[derive(Default)]
struct Received {
    delivered: u64,
    duplicates: u64,
    altered: u64,
    latency: Times,
    opened: u64,
    undecryptable: u64,
    incomplete: u64,
}

#[derive(Default)]
struct SentAll {
    /// Packets of the measured frames, by room.
    measured: Vec<u64>,
    late: Times,
}

/// Puts the plan on a system.
///
/// # Errors
/// What kept it from being run as it is written.
pub fn run(plan: &Plan, system: &mut dyn System, live: &Live) -> Result<Outcome> {
    live.phase("connecting");
    let process = system.process();
    profile::take();
    let (memory_before, cpu_before) = (machine::resident_bytes(process)?, machine::cpu_time_exact(process)?);
    let kind = if matches!(plan.sizes, Sizes::Voice { .. }) { MediaKind::Audio } else { MediaKind::Video };
    let (senders, viewers) = connect(plan, system, kind)?;
    let join_cpu = machine::cpu_time_exact(process)? - cpu_before;
    let rooms: Arc<Vec<Room>> = Arc::new(
        (0..plan.rooms)
            .map(|_| Ok(Room { ledger: Ledger::default(), keys: Keys::generate()? }))
            .collect::<Result<_>>()?,
    );
    for room in 0..plan.rooms {
        system.let_send(room)?;
    }

    let over = Arc::new(AtomicBool::new(false));
    let start = Instant::now() + Duration::from_millis(200);
    let participants = senders.len() + viewers.len();
    let receiving: Vec<_> = split(viewers, plan.threads)
        .into_iter()
        .map(|(first, devices)| {
            let (plan, rooms, over) = (plan.clone(), rooms.clone(), over.clone());
            thread("receivers", plan.core, move || receive(&plan, &rooms, devices, first, &over))
        })
        .collect::<Result<_>>()?;
    let sending = {
        let (plan, rooms) = (plan.clone(), rooms.clone());
        thread("senders", plan.core, move || send(&plan, &rooms, senders, start))?
    };

    live.phase("warming up");
    let begin = start + plan.frame_time(plan.warm_up_frames());
    sleep_until(begin);
    live.phase("measuring");
    let (server, load) = (machine::cpu_time_exact(process)?, machine::cpu_time_exact(std::process::id())?);
    sleep_until(begin + plan.frame_time(plan.measured_frames()));
    let (server, load) =
        (machine::cpu_time_exact(process)? - server, machine::cpu_time_exact(std::process::id())? - load);
    let grown_bytes = machine::resident_bytes(process)? as i64 - memory_before as i64;
    let sent = sending.join().map_err(|_| anyhow::anyhow!("the senders' thread panicked"))??;
    sleep_until(Instant::now() + DRAIN);
    over.store(true, Relaxed);
    let mut all = Received::default();
    for thread in receiving {
        let one = thread.join().map_err(|_| anyhow::anyhow!("a receivers' thread panicked"))??;
        all.delivered += one.delivered;
        all.duplicates += one.duplicates;
        all.altered += one.altered;
        all.latency.merge(&one.latency);
        all.opened += one.opened;
        all.undecryptable += one.undecryptable;
        all.incomplete += one.incomplete;
    }
    Ok(Outcome {
        expected: sent.measured.iter().sum::<u64>() * u64::from(plan.viewers),
        delivered: all.delivered,
        duplicates: all.duplicates,
        altered: all.altered,
        latency: all.latency,
        late: sent.late,
        opened: all.opened,
        undecryptable: all.undecryptable,
        incomplete: all.incomplete,
        server_cpu: server,
        load_cpu: load,
        grown_bytes,
        participants: participants as u64,
        join_cpu,
        profiles: profile::take(),
    })
}

fn thread<T: Send + 'static>(
    name: &str,
    core: Option<usize>,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<std::thread::JoinHandle<T>> {
    let name = format!("load-{name}");
    Ok(std::thread::Builder::new().name(name).spawn(move || {
        if let Some(core) = core {
            // Where it cannot be tied down it runs where it may; the figures say what it used.
            core_affinity::set_for_current(core_affinity::CoreId { id: core });
        }
        run()
    })?)
}

fn sleep_until(at: Instant) {
    std::thread::sleep(at.saturating_duration_since(Instant::now()));
}

// Everybody into their rooms. Receivers are in the order of rooms.
fn connect(plan: &Plan, system: &mut dyn System, kind: MediaKind) -> Result<(Vec<Device>, Vec<Device>)> {
    let (mut senders, mut viewers) = (Vec::new(), Vec::new());
    for room in 0..plan.rooms {
        let mut device = Device::new(plan.address)?;
        system.connect_sender(room, kind, &mut device.peer).context("the sender")?;
        senders.push(until_connected(device).context("the sender")?);
        for viewer in 1..=plan.viewers {
            let mut device = Device::new(plan.address)?;
            system.connect_viewer(room, viewer, kind, &mut device.peer).with_context(|| format!("viewer {viewer}"))?;
            viewers.push(until_connected(device).with_context(|| format!("viewer {viewer}"))?);
            // The others must go on being heard: a session without a word for some seconds is over.
            if viewers.len() % 20 == 0 {
                viewers = serve_once(viewers)?;
                senders = serve_once(senders)?;
            }
        }
    }
    Ok((senders, viewers))
}

fn serve_once(devices: Vec<Device>) -> Result<Vec<Device>> {
    let mut devices = Devices::new(devices)?;
    devices.serve(Duration::ZERO, |_, _, _| true, |_, _, _| Ok(()))?;
    Ok(devices.release())
}

fn until_connected(mut device: Device) -> Result<Device> {
    let until = Instant::now() + CONNECT_MAX;
    device.flush();
    let mut one = Devices::new(vec![device])?;
    while one.all.iter().any(|device| !device.peer.connected) {
        ensure!(Instant::now() < until, "not connected within {CONNECT_MAX:?}");
        ensure!(one.all.iter().all(|device| !device.peer.closed), "closed while it connected");
        one.serve(Duration::from_millis(2), |_, _, _| true, |_, _, _| Ok(()))?;
    }
    one.release().pop().context("the device")
}

// Devices by thread, each with the number of the first.
fn split(devices: Vec<Device>, threads: usize) -> Vec<(usize, Vec<Device>)> {
    let each = devices.len().div_ceil(threads.max(1)).max(1);
    let mut parts: Vec<(usize, Vec<Device>)> = Vec::new();
    for (index, device) in devices.into_iter().enumerate() {
        match parts.last_mut() {
            Some((_, part)) if part.len() < each => part.push(device),
            _ => parts.push((index, vec![device])),
        }
    }
    parts
}

fn send(plan: &Plan, rooms: &[Room], senders: Vec<Device>, start: Instant) -> Result<SentAll> {
    let mut devices = Devices::new(senders)?;
    let mut sources: Vec<Source> =
        rooms.iter().map(|room| Source::new(plan.sizes.clone(), &room.keys)).collect::<Result<_>>()?;
    let mut all = SentAll { measured: vec![0; rooms.len()], late: Times::default() };
    let voice = matches!(plan.sizes, Sizes::Voice { .. });
    let clock_rate: u32 = if voice { 48_000 } else { 90_000 };
    let frames = plan.warm_up_frames() + plan.measured_frames();
    for frame in 0..frames {
        for (index, (room, source)) in rooms.iter().zip(&mut sources).enumerate() {
            // Spread evenly, so that many rooms are not one burst.
            let phase = plan.frame_time(1).mul_f64(index as f64 / rooms.len() as f64);
            let due = start + plan.frame_time(frame) + phase;
            let packets = source.next_frame()?;
            wait(&mut devices, due)?;
            if frame >= plan.warm_up_frames() {
                all.late.add(due.elapsed());
                if let Some(measured) = all.measured.get_mut(index) {
                    *measured += packets.len() as u64;
                }
            }
            let time = (frame * u64::from(clock_rate) / u64::from(plan.frames_per_s)) as u32;
            let device = devices.all.get_mut(index).context("a sender for each room")?;
            for mut sent in packets {
                let (payload, last) = (sent.payload.clone(), sent.part.0 + 1 == sent.part.1);
                sent.at_ns = unix_ns();
                if sent.index % 1_000 == 0 {
                    room.ledger.forget_before(sent.index.saturating_sub(LEDGER_PACKETS));
                }
                room.ledger.note(sent);
                device.peer.write(Instant::now(), payload, time, last && !voice, !voice)?;
                device.flush();
            }
        }
    }
    // What is asked for again is still sent.
    wait(&mut devices, Instant::now() + DRAIN)?;
    Ok(all)
}

pub(crate) fn unix_ns() -> u64 {
    u64::try_from(unix_now().as_nanos()).unwrap_or(u64::MAX)
}

// Serves the senders until `due`; the last part of a millisecond, which a poll cannot wait for, is slept.
pub(crate) fn wait(devices: &mut Devices, due: Instant) -> Result<()> {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left <= Duration::from_millis(1) {
            sleep_until(due);
            return Ok(());
        }
        devices.serve(left - Duration::from_millis(1), |_, _, _| true, |_, _, _| Ok(()))?;
    }
}

fn receive(plan: &Plan, rooms: &[Room], devices: Vec<Device>, first: usize, over: &AtomicBool) -> Result<Received> {
    let mut devices = Devices::new(devices)?;
    let viewers = plan.viewers as usize;
    let mut accounts: Vec<Account> = (first..first + devices.all.len())
        .map(|number| {
            let room = number / viewers;
            let opens = number < plan.openers;
            let opener = rooms.get(room).filter(|_| opens).map(|room| Opener::new(&room.keys, &plan.sizes));
            Account { room, seen: Vec::new(), opener }
        })
        .collect();
    let mut all = Received::default();
    let frames = plan.warm_up_frames()..plan.warm_up_frames() + plan.measured_frames();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15 ^ first as u64);
    while !over.load(Relaxed) {
        let keep = |_: usize, _: SocketAddr, datagram: &[u8]| {
            plan.drop_percent == 0.0 || !is_rtp(datagram) || !chance.hits(plan.drop_percent)
        };
        devices.serve(Duration::from_millis(5), keep, |index, peer, arrived| {
            let Some(account) = accounts.get_mut(index) else { return Ok(()) };
            let Some(room) = rooms.get(account.room) else { return Ok(()) };
            for packet in peer.packets.drain(..) {
                let Some(sent) = room.ledger.find(&packet.payload) else {
                    all.altered += 1;
                    continue;
                };
                count(&mut all, account, &sent, &frames, arrived);
            }
            Ok(())
        })?;
    }
    for opener in accounts.iter().filter_map(|account| account.opener.as_ref()) {
        all.opened += opener.opened;
        all.undecryptable += opener.undecryptable;
        all.incomplete += opener.incomplete();
    }
    Ok(all)
}

fn count(all: &mut Received, account: &mut Account, sent: &Sent, frames: &std::ops::Range<u64>, arrived: Duration) {
    if !account.first(sent.index) {
        all.duplicates += 1;
        return;
    }
    if let Some(opener) = &mut account.opener {
        opener.take(sent);
    }
    if frames.contains(&sent.frame) {
        all.delivered += 1;
        all.latency.add(arrived.saturating_sub(Duration::from_nanos(sent.at_ns)));
    }
}

// RTP by its first byte (RFC 7983 section 7), and not RTCP by the second (RFC 5761 section 4).
pub(crate) fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, second, ..] if (128..192).contains(first) && !(64..96).contains(&(second & 0x7f)))
}

/// The same sequence of chances in every run (xorshift64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn hits(&mut self, percent: f64) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % 100_000) as f64 / 1_000.0 < percent
    }
}
