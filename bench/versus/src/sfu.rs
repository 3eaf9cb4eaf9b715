//! Media planes side by side: the same senders and receivers on each, in turns.
use crate::janus::{self, Janus};
use crate::limit;
use crate::report::{OURS, Report, Round};
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use wardline_loadtest::live::Live;
use wardline_loadtest::machine;
use wardline_loadtest::video::frames::Sizes;
use wardline_loadtest::video::load::{self, Outcome};
use wardline_loadtest::video::process::{self, Process};
use wardline_loadtest::video::{Plan, System, cores};

/// Bytes of an RTP payload of video.
const VIDEO_BYTES: usize = 1_150;

/// Bytes of an RTP payload of voice: Opus at 32 kbit/s and 20 ms, sealed.
const VOICE_BYTES: usize = 110;

/// Packets of a frame of video, where frames are equal: 2.2 Mbit/s at 30 frames a second.
const VIDEO_PACKETS: usize = 8;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// One sender of equal video packets to many viewers
    Video,
    /// The same with packets as a real encoder makes them
    Vp8,
    /// One speaker to many listeners
    Voice,
    /// Many rooms of one sender and one viewer, equal video packets
    Pairs,
}

/// How it is run.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// What is compared
    #[arg(long, value_enum, default_value = "video")]
    pub scenario: Scenario,
    /// Viewers in the room; with `pairs`, rooms
    #[arg(long, default_value_t = 100)]
    pub viewers: u32,
    /// Rounds, each with every system once
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Seconds that are measured in each
    #[arg(long, default_value_t = 8)]
    pub seconds: u64,
    /// Systems, in turns
    #[arg(long, value_delimiter = ',', default_value = "wardline,janus,naive")]
    pub systems: Vec<String>,
    /// Another build of our media plane (its `wardline-loadtest-sfu`), as the system `before`
    #[arg(long, value_name = "FILE")]
    pub before: Option<PathBuf>,
    /// Address of the servers and their clients; Janus takes none of 127.0.0.0/8
    #[arg(long)]
    pub address: IpAddr,
}

impl Arguments {
    fn plan(&self, core: Option<usize>) -> Result<Plan> {
        let (sizes, frames_per_s) = match self.scenario {
            Scenario::Video | Scenario::Pairs => (Sizes::Equal { packets: VIDEO_PACKETS, bytes: VIDEO_BYTES }, 30),
            Scenario::Vp8 => (Sizes::vp8(VIDEO_BYTES)?, 30),
            Scenario::Voice => (Sizes::Voice { bytes: VOICE_BYTES }, 50),
        };
        let (rooms, viewers) = if self.scenario == Scenario::Pairs { (self.viewers, 1) } else { (1, self.viewers) };
        Ok(Plan {
            rooms,
            viewers,
            sizes,
            frames_per_s,
            warm_up_seconds: 2,
            seconds: self.seconds,
            openers: 10,
            drop_percent: 0.0,
            threads: 1,
            address: self.address,
            core,
        })
    }

    fn what(&self) -> String {
        let viewers = self.viewers;
        match self.scenario {
            Scenario::Video => format!("1 sender to {viewers} viewers, 30 frames/s of 8 packets of 1,150 B"),
            Scenario::Vp8 => format!("1 sender to {viewers} viewers, VP8 at 2 Mbit/s as libvpx makes it"),
            Scenario::Voice => format!("1 speaker to {viewers} listeners, 50 packets/s of {VOICE_BYTES} B"),
            Scenario::Pairs => format!("{viewers} rooms of 1 sender and 1 viewer, 30 frames/s of 8 packets of 1,150 B"),
        }
    }
}

/// Runs it.
///
/// # Errors
/// What kept a system from being measured.
pub fn run(arguments: &Arguments) -> Result<Report> {
    let (system_core, load_core) = cores();
    let plan = arguments.plan(load_core)?;
    let name = format!("{:?}-{}", arguments.scenario, arguments.viewers).to_lowercase();
    let (mut rounds, mut limits) = (Vec::new(), Vec::new());
    for round in 0..arguments.rounds {
        limits.push(limit::measure(arguments.address)?);
        // In turns, and every other round backwards, so that nobody always comes after the same.
        let mut systems = arguments.systems.clone();
        if round % 2 == 1 {
            systems.reverse();
        }
        for name in systems {
            let mut system = start(&name, arguments, system_core)?;
            let outcome = load::run(&plan, system.as_mut(), &Live::default())
                .with_context(|| format!("{name}, round {round}"))?;
            eprintln!(
                "round {round}: {name:<9} {:.2} us a packet, delivered {:.5}",
                outcome.cpu_us_per_packet(),
                outcome.delivered_ratio()
            );
            rounds.push(Round {
                system: system.name(),
                figures: figures(&outcome),
                protection: outcome.profiles.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            });
        }
    }
    let mut report = Report {
        name,
        what: arguments.what(),
        commit: machine::commit(),
        machine: machine::description(),
        peers: vec![janus::version()],
        limits,
        rounds,
        ratios: BTreeMap::new(),
    };
    report.compare();
    Ok(report)
}

fn start(name: &str, arguments: &Arguments, core: Option<usize>) -> Result<Box<dyn System>> {
    let at = arguments.address.to_string();
    Ok(match name {
        OURS => Box::new(Process::start(OURS, process::command(&process::program()?, &[&at], core))?),
        "before" => {
            let program = arguments.before.as_deref().context("say with --before which build `before` is")?;
            Box::new(Process::start("before", process::command(program, &[&at], core))?)
        }
        "naive" => {
            let this = std::env::current_exe()?;
            Box::new(Process::start("naive", process::command(&this, &["serve-naive", &at], core))?)
        }
        "janus" => Box::new(Janus::start(core)?),
        other => anyhow::bail!("{other} is none of wardline, janus, naive and before"),
    })
}

fn figures(outcome: &Outcome) -> BTreeMap<&'static str, f64> {
    let (delivered, participants) = (outcome.delivered.max(1) as f64, outcome.participants.max(1) as f64);
    BTreeMap::from([
        ("cpu_us_per_packet", outcome.cpu_us_per_packet()),
        ("delivered_ratio", outcome.delivered_ratio()),
        ("frames_opened", outcome.opened as f64),
        ("frames_undecryptable", (outcome.undecryptable + outcome.incomplete) as f64),
        ("join_cpu_ms", outcome.join_cpu.as_secs_f64() * 1e3 / participants),
        ("latency_p50_ms", outcome.latency.millis(0.5)),
        ("latency_p99_ms", outcome.latency.millis(0.99)),
        ("latency_max_ms", outcome.latency.millis(1.0)),
        ("load_cpu_us_per_packet", outcome.load_cpu.as_secs_f64() * 1e6 / delivered),
        ("memory_kb_per_participant", outcome.grown_bytes as f64 / 1e3 / participants),
    ])
}
