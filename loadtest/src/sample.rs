//! Looks at a run four times a second: what node and generator use, what has been counted, what the network has dropped. Shows it while it
//! goes on, and keeps it for the report's plots.
//!
//! A thread of its own: a generator that is short of CPU must not look at itself less often.
use crate::live::{Count, Live};
use crate::machine;
use serde::Serialize;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often it is looked.
pub const EVERY: Duration = Duration::from_millis(250);

/// How often a line is printed where it cannot be overwritten.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// CPU time is told in steps of 10 ms, so that its share is taken over this many looks.
const CPU_OVER: usize = 4;

/// One look. Counts are totals since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds since the run began.
    pub at_s: f64,
    /// Cores that the node used, over the last second.
    pub node_cores: f64,
    /// Cores that the generator used.
    pub load_cores: f64,
    /// Memory that the node holds.
    pub node_bytes: u64,
    /// Memory that the generator holds.
    pub load_bytes: u64,
    /// Devices signed in.
    pub connected: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages delivered, once for each receiver.
    pub delivered: u64,
    /// UDP datagrams received by anybody in this network namespace: the node and the generator.
    pub datagrams: u64,
    /// Of these, dropped because a socket's buffer was full.
    pub datagrams_dropped: u64,
}

/// Looks until it is told to stop.
#[derive(Debug)]
pub struct Sampler {
    stop: Sender<()>,
    thread: JoinHandle<Vec<Sample>>,
}

impl Sampler {
    /// Starts to look at the node, this process, and `live`; `shown`: also says on standard error how it goes.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(live: Arc<Live>, node: Option<u32>, shown: bool) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let mut watcher = Watcher::new(live, node, shown);
        let thread = std::thread::Builder::new().name("sampler".into()).spawn(move || {
            while matches!(stopped.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
                watcher.look();
            }
            watcher.end()
        })?;
        Ok(Self { stop, thread })
    }

    /// Every look.
    pub fn end(self) -> Vec<Sample> {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

struct Watcher {
    live: Arc<Live>,
    node: Option<u32>,
    cpu: Vec<(f64, Duration, Duration)>,
    samples: Vec<Sample>,
    datagrams_before: (u64, u64),
    show: Option<Show>,
}

impl Watcher {
    fn new(live: Arc<Live>, node: Option<u32>, shown: bool) -> Self {
        let show = shown.then(|| Show { terminal: std::io::stderr().is_terminal(), last: None, phase: String::new() });
        Self { live, node, cpu: Vec::new(), samples: Vec::new(), datagrams_before: machine::datagrams(), show }
    }

    fn look(&mut self) {
        let at_s = self.live.seconds();
        // A node that is gone uses nothing; the workload says that it is gone.
        let node_cpu = self.node.and_then(|node| machine::cpu_time(node).ok()).unwrap_or_default();
        let own_cpu = machine::cpu_time(std::process::id()).unwrap_or_default();
        self.cpu.push((at_s, node_cpu, own_cpu));
        let (since, node_before, own_before) =
            self.cpu.iter().rev().nth(CPU_OVER).or(self.cpu.first()).copied().unwrap_or_default();
        let share = |now: Duration, before: Duration| match at_s - since {
            elapsed if elapsed > 0.0 => now.saturating_sub(before).as_secs_f64() / elapsed,
            _ => 0.0,
        };
        let (received, dropped) = machine::datagrams();
        let sample = Sample {
            at_s,
            node_cores: share(node_cpu, node_before),
            load_cores: share(own_cpu, own_before),
            node_bytes: self.node.and_then(|node| machine::resident_bytes(node).ok()).unwrap_or_default(),
            load_bytes: machine::resident_bytes(std::process::id()).unwrap_or_default(),
            connected: self.live.connected(),
            sent: self.live.counted(Count::Sent),
            delivered: self.live.counted(Count::Delivered),
            datagrams: received.saturating_sub(self.datagrams_before.0),
            datagrams_dropped: dropped.saturating_sub(self.datagrams_before.1),
        };
        if let Some(show) = &mut self.show {
            let before = self.samples.iter().rev().nth(CPU_OVER - 1).copied().unwrap_or_default();
            show.say(&self.live.now(), self.live.counted(Count::Failed), &sample, &before);
        }
        self.samples.push(sample);
    }

    fn end(mut self) -> Vec<Sample> {
        self.look();
        if let Some(show) = self.show {
            show.end();
        }
        self.samples
    }
}

/// Standard error: one line that changes on a terminal, else a line now and then.
struct Show {
    terminal: bool,
    last: Option<Instant>,
    phase: String,
}

impl Show {
    fn say(&mut self, phase: &str, failed: u64, now: &Sample, before: &Sample) {
        let new_phase = self.phase != phase;
        let due = self.last.is_none_or(|last| last.elapsed() >= LINE_EVERY);
        if !self.terminal && !new_phase && !due {
            return;
        }
        phase.clone_into(&mut self.phase);
        self.last = Some(Instant::now());
        let line = line(phase, failed, now, before);
        // Nobody is there to be told that standard error is closed.
        let _ = match self.terminal {
            true => write!(std::io::stderr(), "\r\x1b[2K{line}"),
            false => writeln!(std::io::stderr(), "{line}"),
        };
    }

    fn end(self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

fn line(phase: &str, failed: u64, now: &Sample, before: &Sample) -> String {
    let per_s = (now.delivered.saturating_sub(before.delivered)) as f64 / (now.at_s - before.at_s).max(0.001);
    let mut line = format!(
        "{:>5.0} s  {phase:<22} {:>6} connected  {:>7} sent  {:>8} delivered ({per_s:.0}/s)  node {:.2} cores {:.0} MB  generator {:.2} cores",
        now.at_s,
        now.connected,
        now.sent,
        now.delivered,
        now.node_cores,
        now.node_bytes as f64 / 1e6,
        now.load_cores
    );
    if failed > 0 {
        line.push_str(&format!("  {failed} FAILED"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_and_counted_is_in_the_samples() {
        let live = Arc::new(Live::default());
        live.count_many(Count::Delivered, 7);
        let sampler = Sampler::start(live.clone(), Some(std::process::id()), false).unwrap();
        let until = Instant::now() + EVERY * 5;
        let mut sum = 0_u64;
        while Instant::now() < until {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let samples = sampler.end();
        let last = samples.last().unwrap();
        assert!(samples.len() >= 3, "{}", samples.len());
        assert!(last.node_cores > 0.1 && last.load_cores > 0.1, "{last:?}");
        assert!(last.node_bytes > 1_000_000);
        assert_eq!(last.delivered, 7);
        assert!(samples.is_sorted_by(|one, next| one.at_s < next.at_s));
    }

    #[test]
    fn the_line_says_what_fails() {
        let (now, before) = (Sample { at_s: 3.0, delivered: 40, ..Sample::default() }, Sample::default());
        assert!(!line("measuring", 0, &now, &before).contains("FAILED"));
        let said = line("measuring", 2, &now, &before);
        assert!(said.contains("2 FAILED") && said.contains("40 delivered (13/s)"), "{said}");
    }
}
