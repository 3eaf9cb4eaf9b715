//! A line that carries little: what comes leaves it at its rate, waits in a short queue, and is dropped when that is full. Pure: takes the time as an argument.
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The longest that something waits in the line, as in the queue of a small router.
const QUEUE_MAX: Duration = Duration::from_millis(300);

/// Bytes of IP and UDP around each datagram.
const HEADER_BYTES: usize = 28;

/// The line to one receiver.
pub struct Narrow {
    bytes_per_s: f64,
    /// When what waits is through.
    free_at: Instant,
    waiting: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
}

impl Narrow {
    /// A line of this rate.
    pub fn new(now: Instant, kbps: u32) -> Self {
        Self { bytes_per_s: f64::from(kbps) * 125.0, free_at: now, waiting: VecDeque::new() }
    }

    /// A datagram comes to the line; what does not fit into the queue is dropped.
    pub fn push(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let begins = self.free_at.max(now);
        if begins - now > QUEUE_MAX {
            return;
        }
        let takes = Duration::from_secs_f64((datagram.len() + HEADER_BYTES) as f64 / self.bytes_per_s);
        self.free_at = begins + takes;
        self.waiting.push_back((self.free_at, from, datagram.to_vec()));
    }

    /// A datagram that is through by now.
    pub fn pop(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        self.waiting.pop_front_if(|(due, ..)| *due <= now).map(|(_, from, datagram)| (from, datagram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_carries_its_rate_and_drops_what_is_too_much() {
        let (start, from) = (Instant::now(), SocketAddr::from(([127, 0, 0, 1], 9)));
        let mut line = Narrow::new(start, 80);
        // 10 kB/s: each of 972 bytes takes a tenth of a second. 100 come in a second, ten times what fits.
        let (mut through, mut longest) = (0, Duration::ZERO);
        for n in 0..100_u64 {
            let now = start + Duration::from_millis(10 * n);
            line.push(now, from, &[0; 972]);
            while line.pop(now).is_some() {
                through += 1;
            }
            longest = longest.max(line.free_at - now);
        }
        assert!((9..=10).contains(&through), "{through}");
        assert!(longest <= QUEUE_MAX + Duration::from_millis(100), "{longest:?}");
    }
}
