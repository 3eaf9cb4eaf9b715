//! Token buckets with the time as an argument.

const HOUR_MS: u64 = 3_600_000;

/// So many an hour, all of them at once if saved up.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    milli_tokens: u64,
    updated_ms: u64,
}

impl Bucket {
    pub(crate) fn full(per_hour: u32, now_ms: u64) -> Self {
        Self { milli_tokens: u64::from(per_hour) * 1000, updated_ms: now_ms }
    }

    /// Takes `count` tokens, or says after how many milliseconds they would be there.
    pub(crate) fn take(&mut self, count: u32, per_hour: u32, now_ms: u64) -> Result<(), u32> {
        let capacity = u64::from(per_hour) * 1000;
        let elapsed_ms = now_ms.saturating_sub(self.updated_ms);
        let earned = elapsed_ms.saturating_mul(capacity) / HOUR_MS;
        self.milli_tokens = capacity.min(self.milli_tokens + earned);
        self.updated_ms = now_ms;
        let cost = u64::from(count) * 1000;
        if self.milli_tokens >= cost {
            self.milli_tokens -= cost;
            return Ok(());
        }
        let missing = cost - self.milli_tokens;
        Err(u32::try_from(missing.saturating_mul(HOUR_MS) / capacity.max(1)).unwrap_or(u32::MAX).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_when_empty_and_refills_with_time() {
        let mut bucket = Bucket::full(2, 0);
        assert!(bucket.take(1, 2, 0).is_ok());
        assert!(bucket.take(1, 2, 0).is_ok());
        let wait_ms = bucket.take(1, 2, 0).unwrap_err();
        assert_eq!(wait_ms, 1_800_000);
        assert!(bucket.take(1, 2, u64::from(wait_ms)).is_ok());
    }
}
