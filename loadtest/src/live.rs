//! What a run is doing at this moment: counted by the workload, read by whoever watches it ([`crate::sample`]).
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What is counted while a workload runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Devices that came to be signed in.
    Connected,
    /// Devices that were, and are not any more.
    Disconnected,
    /// Messages handed to the clients for sending, or calls placed.
    Sent,
    /// Messages that reached one receiver each, or calls that were heard.
    Delivered,
    /// What went wrong so far.
    Failed,
}

const COUNTS: usize = 5;

/// The state of a run. Shared by everything in it.
#[derive(Debug)]
pub struct Live {
    began: Instant,
    counts: [AtomicU64; COUNTS],
    phases: Mutex<Vec<Phase>>,
}

/// A part of the run: setting up, warming up, measuring ...
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phase {
    /// For a person, e.g. "signing in".
    pub name: String,
    /// When it began.
    pub at_s: f64,
}

impl Default for Live {
    fn default() -> Self {
        Self { began: Instant::now(), counts: Default::default(), phases: Mutex::default() }
    }
}

impl Live {
    /// When the run began: the zero of every time in its report.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Seconds since then.
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Counts one.
    pub fn count(&self, what: Count) {
        self.count_many(what, 1);
    }

    /// Counts several.
    pub fn count_many(&self, what: Count, many: u64) {
        // Only ever shown, and never together with other memory.
        self.counts[what as usize].fetch_add(many, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn counted(&self, what: Count) -> u64 {
        self.counts[what as usize].load(Ordering::Relaxed)
    }

    /// Devices signed in now.
    pub fn connected(&self) -> u64 {
        self.counted(Count::Connected).saturating_sub(self.counted(Count::Disconnected))
    }

    /// The next part of the run begins.
    pub fn phase(&self, name: impl Into<String>) {
        let at_s = self.seconds();
        self.lock().push(Phase { name: name.into(), at_s });
    }

    /// Every part so far.
    pub fn phases(&self) -> Vec<Phase> {
        self.lock().clone()
    }

    /// What it is doing now.
    pub fn now(&self) -> String {
        self.lock().last().map(|phase| phase.name.clone()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Phase>> {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_is_its_own() {
        let live = Live::default();
        live.count_many(Count::Connected, 3);
        live.count(Count::Disconnected);
        live.count(Count::Failed);
        assert_eq!((live.connected(), live.counted(Count::Failed), live.counted(Count::Sent)), (2, 1, 0));
        live.phase("one");
        live.phase("two");
        assert_eq!(live.now(), "two");
        assert_eq!(live.phases().len(), 2);
    }
}
