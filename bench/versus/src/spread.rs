//! Medians and spreads of a few runs.
use serde::Serialize;

/// Several runs' figures of one thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// How many.
    pub runs: usize,
}

impl Spread {
    /// Of these figures; of none, zeros.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let runs = sorted.len();
        let middle = if runs == 0 { 0.0 } else { (at(runs / 2) + at((runs - 1) / 2)) / 2.0 };
        Self { median: middle, min: at(0), max: at(runs.saturating_sub(1)), runs }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2})", self.median, self.min, self.max)
    }
}

/// The ratios of runs that were made side by side.
pub fn ratio(ours: &[f64], theirs: &[f64]) -> Spread {
    Spread::of(ours.iter().zip(theirs).filter(|(_, theirs)| **theirs > 0.0).map(|(ours, theirs)| ours / theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_odd_and_even() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0, runs: 3 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(Spread::of([]).runs, 0);
    }

    #[test]
    fn ratios_are_of_neighbours() {
        let spread = ratio(&[1.0, 6.0, 2.0], &[2.0, 6.0, 2.0]);
        assert_eq!((spread.median, spread.min, spread.max), (1.0, 0.5, 1.0));
    }
}
