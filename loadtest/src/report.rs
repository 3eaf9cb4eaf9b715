//! What a run measured.
use crate::live::Phase;
use crate::sample::Sample;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// Longest time that is told apart, in microseconds; what takes longer counts as this.
const MICROS_MAX: u64 = 600_000_000;

/// Points of a distribution's curve each time that the share above it is halved.
const STEPS_PER_HALVING: u32 = 4;

fn millis(micros: u64) -> f64 {
    (micros as f64 / 10.0).round() / 100.0
}

/// The report of one run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The workload's name.
    pub workload: String,
    /// The commit of the checkout it ran in.
    pub commit: String,
    /// The machine and the build.
    pub machine: String,
    /// What was measured, by name.
    pub metrics: BTreeMap<String, Metric>,
    /// What went wrong, counted; empty when nothing did.
    pub errors: BTreeMap<String, u64>,
    /// What the HTML report draws.
    #[serde(skip)]
    pub plots: Plots,
}

/// The data of a report's plots.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plots {
    /// Why the workload exists.
    pub reason: String,
    /// What was set, as TOML.
    pub settings: String,
    /// The parts of the run.
    pub phases: Vec<Phase>,
    /// The looks at node and generator.
    pub samples: Vec<Sample>,
    /// Of each distribution: (share of all, the longest time of that share in ms).
    pub curves: BTreeMap<String, Vec<(f64, f64)>>,
    /// Of each distribution that is told over time: its seconds.
    pub over_time: BTreeMap<String, Vec<Second>>,
}

/// A distribution in one second of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Second {
    /// Seconds since the run began.
    pub at_s: u64,
    /// How many were measured.
    pub count: u64,
    /// Half took no longer, in milliseconds.
    pub p50: f64,
    /// 99 of 100 took no longer, in milliseconds.
    pub p99: f64,
}

/// One figure, or a distribution.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Metric {
    /// A distribution.
    Distribution {
        /// Unit of the percentiles.
        unit: &'static str,
        /// How many were measured.
        count: u64,
        /// Half took no longer.
        p50: f64,
        /// 99 of 100 took no longer.
        p99: f64,
        /// The longest.
        max: f64,
    },
    /// A single figure.
    Value {
        /// Its unit.
        unit: &'static str,
        /// The figure.
        value: f64,
    },
}

impl Metric {
    /// A single figure.
    pub fn value(unit: &'static str, value: f64) -> Self {
        // Shares below 1 keep more: 0.9999 of the messages is not all of them.
        let steps = if value.abs() < 1.0 { 1e6 } else { 1e3 };
        Self::Value { unit, value: (value * steps).round() / steps }
    }
}

/// Times, told apart to three digits.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "the bounds are constants that hdrhistogram takes")]
        Self(Histogram::new_with_max(MICROS_MAX, 3).expect("constant bounds"))
    }
}

impl Times {
    /// Counts one.
    pub fn add(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(MICROS_MAX));
    }

    /// Counts another's.
    pub fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so nothing can be refused.
        let _ = self.0.add(&other.0);
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The whole distribution: (share of all, the longest time of that share in ms), denser towards the tail.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let steps = self.0.iter_quantiles(STEPS_PER_HALVING);
        steps.map(|step| (step.quantile(), millis(step.value_iterated_to()))).collect()
    }

    /// So many of them (0 to 1) took no longer, in milliseconds.
    pub fn millis(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e3
    }

    /// In milliseconds.
    pub fn metric(&self) -> Metric {
        Metric::Distribution {
            unit: "ms",
            count: self.0.len(),
            p50: millis(self.0.value_at_quantile(0.5)),
            p99: millis(self.0.value_at_quantile(0.99)),
            max: millis(self.0.max()),
        }
    }
}

/// Times by the second in which they began.
#[derive(Clone, Debug)]
pub struct OverTime {
    began: Instant,
    seconds: BTreeMap<u64, Histogram<u64>>,
}

impl OverTime {
    /// Seconds are counted from `began`.
    pub fn new(began: Instant) -> Self {
        Self { began, seconds: BTreeMap::new() }
    }

    /// Counts one that began at `at`.
    pub fn add(&mut self, at: Instant, time: Duration) {
        let second = at.saturating_duration_since(self.began).as_secs();
        let histogram = self.seconds.entry(second).or_insert_with(|| {
            #[expect(clippy::expect_used, reason = "the bounds are constants that hdrhistogram takes")]
            Histogram::new_with_max(MICROS_MAX, 2).expect("constant bounds")
        });
        histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(MICROS_MAX));
    }

    /// Second by second.
    pub fn seconds(&self) -> Vec<Second> {
        let second = |(at_s, times): (&u64, &Histogram<u64>)| Second {
            at_s: *at_s,
            count: times.len(),
            p50: millis(times.value_at_quantile(0.5)),
            p99: millis(times.value_at_quantile(0.99)),
        };
        self.seconds.iter().map(second).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} at {} on {}", self.workload, self.commit, self.machine)?;
        for (name, metric) in &self.metrics {
            match metric {
                Metric::Distribution { unit, count, p50, p99, max } => {
                    writeln!(f, "  {name:<28} p50 {p50} {unit}, p99 {p99} {unit}, max {max} {unit} ({count})")?;
                }
                Metric::Value { unit, value } => writeln!(f, "  {name:<28} {value} {unit}")?,
            }
        }
        for (name, count) in &self.errors {
            writeln!(f, "  error: {name:<21} {count}")?;
        }
        Ok(())
    }
}

impl Report {
    /// What went wrong, in one line; `None` when nothing did.
    pub fn wrong(&self) -> Option<String> {
        let named: Vec<String> = self.errors.iter().map(|(name, count)| format!("{name} {count}")).collect();
        (!named.is_empty()).then(|| named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_times() {
        let mut times = Times::default();
        (1..=100).for_each(|ms| times.add(Duration::from_millis(ms)));
        let mut other = Times::default();
        other.add(Duration::from_secs(3_600));
        times.merge(&other);
        let Metric::Distribution { count, p50, p99, max, .. } = times.metric() else { panic!("a distribution") };
        assert_eq!(count, 101);
        assert!((50.9..=51.1).contains(&p50), "{p50}");
        assert!((99.9..=100.2).contains(&p99), "{p99}");
        assert!(max >= 599_000.0, "{max}: longer than can be told apart counts as the longest");
    }

    #[test]
    fn the_curve_goes_to_the_longest() {
        let mut times = Times::default();
        (1..=1_000).for_each(|ms| times.add(Duration::from_millis(ms)));
        let curve = times.curve();
        assert!(curve.len() > 20 && curve.is_sorted_by(|one, next| one.0 <= next.0 && one.1 <= next.1), "{curve:?}");
        let last = curve.last().unwrap();
        assert!(last.0 == 1.0 && (999.0..=1_001.0).contains(&last.1), "{last:?}");
    }

    #[test]
    fn seconds_are_told_apart() {
        let began = Instant::now();
        let mut over_time = OverTime::new(began);
        over_time.add(began, Duration::from_millis(10));
        over_time.add(began + Duration::from_millis(2_500), Duration::from_millis(500));
        let seconds = over_time.seconds();
        assert_eq!(seconds.iter().map(|second| (second.at_s, second.count)).collect::<Vec<_>>(), [(0, 1), (2, 1)]);
        assert!(seconds[0].p99 < 11.0 && seconds[1].p50 > 490.0, "{seconds:?}");
    }
}
