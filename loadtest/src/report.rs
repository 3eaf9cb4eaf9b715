//! What a run measured.
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Longest time that is told apart, in microseconds; what takes longer counts as this.
const MICROS_MAX: u64 = 600_000_000;

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
        Self::Value { unit, value: (value * 1e3).round() / 1e3 }
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

    /// So many of them (0 to 1) took no longer, in milliseconds.
    pub fn millis(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e3
    }

    /// In milliseconds.
    pub fn metric(&self) -> Metric {
        let millis = |micros: u64| (micros as f64 / 10.0).round() / 100.0;
        Metric::Distribution {
            unit: "ms",
            count: self.0.len(),
            p50: millis(self.0.value_at_quantile(0.5)),
            p99: millis(self.0.value_at_quantile(0.99)),
            max: millis(self.0.max()),
        }
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
}
