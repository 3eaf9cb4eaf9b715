//! Which bytes of a file were written since its last sync.

/// Half-open byte ranges, sorted, neither touching nor overlapping.
#[derive(Default)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds the bytes from `start` up to but not including `end`.
    pub fn add(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let first = self.0.partition_point(|&(_, e)| e < start);
        let last = self.0.partition_point(|&(s, _)| s <= end);
        let (mut low, mut high) = (start, end);
        for &(s, e) in self.0.get(first..last).unwrap_or_default() {
            low = low.min(s);
            high = high.max(e);
        }
        self.0.splice(first..last, [(low, high)]);
    }

    /// All ranges, leaving none.
    pub fn take(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_equal_a_set_of_bytes() {
        // A small generator in place of a dependency: a linear congruential one (Numerical Recipes).
        let mut state = 1u32;
        let mut next = |bound: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u64::from((state >> 16) % bound)
        };
        for _ in 0..200 {
            let mut ranges = Ranges::default();
            let mut set = std::collections::BTreeSet::new();
            for _ in 0..12 {
                let start = next(60);
                let end = start + next(9);
                ranges.add(start, end);
                set.extend(start..end);
            }
            let got = ranges.take();
            assert!(got.windows(2).all(|pair| pair[0].1 < pair[1].0), "{got:?}");
            assert_eq!(got.iter().flat_map(|&(s, e)| s..e).collect::<Vec<_>>(), set.into_iter().collect::<Vec<_>>());
        }
    }
}
