//! The node's clock: Unix milliseconds that never go back.
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads the system's clock and holds it when it is set back.
#[derive(Debug, Default)]
pub struct Clock {
    newest_ms: u64,
}

impl Clock {
    /// The time.
    pub fn now_ms(&mut self) -> u64 {
        self.hold(system_ms())
    }

    fn hold(&mut self, system_ms: u64) -> u64 {
        self.newest_ms = self.newest_ms.max(system_ms);
        self.newest_ms
    }
}

/// The system's clock, as it is.
pub fn system_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_back() {
        let mut clock = Clock::default();
        assert_eq!([10, 5, 11].map(|system_ms| clock.hold(system_ms)), [10, 10, 11]);
    }
}
