//! Video (or voice) from one sender to many receivers, through a media plane that is a process of its own.
//!
//! The node's calls have two sides; a room with many receivers comes with broadcasts. Until then this workload drives the media plane itself
//! ([`process`]): the same code, threads and sockets that the node runs, asked for its answers over a pipe instead of the control stream. Everything
//! after that is real: ICE, DTLS, SRTP, NACK and resends, transport-wide feedback, and payloads sealed by the product's SFrame. Receivers are str0m,
//! many to a thread. Every one compares each packet to the last byte with what was sent; a stated number of them opens every frame.
//!
//! Absent: MLS. The SFrame base key is random where a call has it from the MLS exporter.
pub mod device;
pub mod frames;
pub mod load;
pub mod peer;
pub mod process;
pub mod profile;

use crate::live::Live;
use crate::report::Metric;
use crate::run::Figures;
use crate::workload::{FrameSizes, Video};
use anyhow::{Context as _, Result};
use frames::Sizes;
use load::Outcome;
use peer::Peer;
use process::Process;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use str0m::media::MediaKind;

/// Where the media plane and its clients are.
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A media plane under load, ours or another's.
pub trait System {
    /// What reports call it.
    fn name(&self) -> &'static str;

    /// Its process.
    fn process(&self) -> u32;

    /// Negotiates the connection of a room's sender.
    ///
    /// # Errors
    /// When it refuses.
    fn connect_sender(&mut self, room: u32, kind: MediaKind, peer: &mut Peer) -> Result<()>;

    /// Negotiates the connection of a receiver, 1 and up, in a room whose sender is connected.
    ///
    /// # Errors
    /// When it refuses.
    fn connect_viewer(&mut self, room: u32, viewer: u32, kind: MediaKind, peer: &mut Peer) -> Result<()>;

    /// From now on the room's sender is forwarded.
    ///
    /// # Errors
    /// When it refuses.
    fn let_send(&mut self, room: u32) -> Result<()>;
}

/// What is put on a system.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rooms, each with one sender.
    pub rooms: u32,
    /// Receivers in each.
    pub viewers: u32,
    /// What is sent.
    pub sizes: Sizes,
    /// How often, in each room.
    pub frames_per_s: u32,
    /// Seconds before anything is measured.
    pub warm_up_seconds: u64,
    /// Seconds that are measured.
    pub seconds: u64,
    /// Receivers that open every frame, from the first one on.
    pub openers: usize,
    /// Media packets that are lost on the way to each receiver, in percent.
    pub drop_percent: f64,
    /// Receivers' threads.
    pub threads: usize,
    /// Where the clients are; the system is reached there too.
    pub address: IpAddr,
    /// The core that the load is tied to.
    pub core: Option<usize>,
}

impl Plan {
    /// How long so many frames take.
    pub fn frame_time(&self, frames: u64) -> Duration {
        Duration::from_secs(1).mul_f64(frames as f64 / f64::from(self.frames_per_s.max(1)))
    }

    fn warm_up_frames(&self) -> u64 {
        self.warm_up_seconds * u64::from(self.frames_per_s)
    }

    fn measured_frames(&self) -> u64 {
        self.seconds * u64::from(self.frames_per_s)
    }
}

/// Which core the system is tied to and which the load, where there are at least two.
pub fn cores() -> (Option<usize>, Option<usize>) {
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() >= 2 => (Some(1), Some(0)),
        _ => (None, None),
    }
}

/// The product's media plane, in a process of its own.
///
/// # Errors
/// When it does not start.
pub fn media_plane() -> Result<Process> {
    let command = process::command(&process::program()?, &[&ADDRESS.to_string()], cores().0);
    Process::start("wardline", command)
}

/// Runs the workload on a media plane.
///
/// # Errors
/// What kept it from being run as it is written.
pub fn run(workload: &Video, system: &mut Process, live: &Live) -> Result<Figures> {
    let bytes = workload.payload_bytes;
    let sizes = match workload.frames {
        FrameSizes::Equal => Sizes::Equal { packets: workload.packets_per_frame, bytes },
        FrameSizes::Vp8 => Sizes::vp8(bytes)?,
        FrameSizes::Voice => Sizes::Voice { bytes },
    };
    let plan = Plan {
        rooms: workload.rooms,
        viewers: workload.viewers,
        sizes,
        frames_per_s: workload.frames_per_s,
        warm_up_seconds: workload.warm_up_seconds,
        seconds: workload.seconds,
        openers: workload.openers,
        drop_percent: workload.drop_percent,
        threads: 1,
        address: ADDRESS,
        core: cores().1,
    };
    let outcome = load::run(&plan, system, live).context("the media plane under load")?;
    Ok(figures(&outcome))
}

fn figures(outcome: &Outcome) -> Figures {
    let mut figures = Figures::default();
    let participants = outcome.participants.max(1) as f64;
    let value = |unit, value| Metric::value(unit, value);
    // Not rounded: one packet of a million lost must not read as none.
    figures.metric("delivered_ratio", Metric::Value { unit: "ratio", value: outcome.delivered_ratio() });
    figures.metric("delivered_packets", value("packets", outcome.delivered as f64));
    figures.times("added_latency_ms", &outcome.latency);
    figures.times("sent_late_ms", &outcome.late);
    figures.metric("server_cpu_us_per_packet", value("us", outcome.cpu_us_per_packet()));
    let load_us = outcome.load_cpu.as_secs_f64() * 1e6 / outcome.delivered.max(1) as f64;
    figures.metric("load_cpu_us_per_packet", value("us", load_us));
    figures.metric("server_cpu_ms_per_join", value("ms", outcome.join_cpu.as_secs_f64() * 1e3 / participants));
    figures.metric("server_kb_per_participant", value("kB", outcome.grown_bytes as f64 / 1e3 / participants));
    figures.metric("frames_opened", value("frames", outcome.opened as f64));
    figures.metric("undecryptable_frames", value("frames", outcome.undecryptable as f64));
    for (profile, connections) in &outcome.profiles {
        figures.metric(&format!("srtp_{}", profile.to_lowercase()), value("connections", *connections as f64));
    }
    figures.errors("packets_altered", outcome.altered);
    figures.errors("packets_twice", outcome.duplicates);
    figures.errors("packets_lost", outcome.expected.saturating_sub(outcome.delivered));
    figures.errors("frames_undecryptable", outcome.undecryptable);
    figures.errors("frames_incomplete", outcome.incomplete);
    figures
}
