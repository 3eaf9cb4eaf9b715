//! Pushes that wait to be sent. Pure: the time is an argument.
//!
//! At most [`PUSHES_MAX`] wait. When one more comes, the oldest message's is dropped: who has been told nothing still sees everything on opening
//! the page. Only when nothing but calls wait, the oldest of those is dropped: it is the one that rings the least longer.
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;
use wardline_signaling::{Push, PushKind};

/// Pushes that wait, those that are tried again included.
pub const PUSHES_MAX: usize = 4_096;

/// One push on its way.
pub(super) struct Job {
    pub(super) push: Push,
    /// After this it says nothing of worth any more.
    pub(super) until: Instant,
    /// How often it was tried.
    pub(super) attempts: u32,
}

impl Job {
    fn is_call(&self) -> bool {
        self.push.kind == PushKind::Call
    }
}

/// What is to be done next.
pub(super) enum Next {
    /// Send this one; it may have so long.
    Send(Job, Duration),
    /// This one waited too long.
    Late,
    /// Nothing before this time, or before something is added.
    Wait(Option<Instant>),
}

/// Calls first, then messages, each in their order.
#[derive(Default)]
pub(super) struct Line {
    calls: VecDeque<Job>,
    messages: VecDeque<Job>,
    /// To be tried again, by time.
    later: BTreeMap<(Instant, u64), Job>,
    next_number: u64,
}

impl Line {
    /// Puts one at the end. Says whether another one was dropped for it.
    pub(super) fn add(&mut self, job: Job) -> bool {
        let full = self.len() >= PUSHES_MAX;
        if full {
            self.drop_one();
        }
        self.lane(&job).push_back(job);
        full
    }

    /// To be sent again, not before `at`. Says whether another one was dropped for it.
    pub(super) fn again(&mut self, job: Job, at: Instant) -> bool {
        let full = self.len() >= PUSHES_MAX;
        if full {
            self.drop_one();
        }
        self.next_number += 1;
        self.later.insert((at, self.next_number), job);
        full
    }

    pub(super) fn next(&mut self, now: Instant) -> Next {
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let job = entry.remove();
            self.lane(&job).push_front(job);
        }
        match self.calls.pop_front().or_else(|| self.messages.pop_front()) {
            Some(job) if job.until > now => {
                let left = job.until - now;
                Next::Send(job, left)
            }
            Some(_) => Next::Late,
            None => Next::Wait(self.later.first_key_value().map(|((at, _), _)| *at)),
        }
    }

    fn lane(&mut self, job: &Job) -> &mut VecDeque<Job> {
        if job.is_call() { &mut self.calls } else { &mut self.messages }
    }

    fn len(&self) -> usize {
        self.calls.len() + self.messages.len() + self.later.len()
    }

    fn drop_one(&mut self) {
        if self.messages.pop_front().is_some() {
            return;
        }
        let message = self.later.iter().find(|(_, job)| !job.is_call()).map(|(key, _)| *key);
        let dropped = match message {
            Some(key) => self.later.remove(&key),
            None => self.calls.pop_front().or_else(|| self.later.pop_first().map(|(_, job)| job)),
        };
        drop(dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use wardline_protocol::DeviceId;
    use wardline_signaling::PushSubscription;

    fn job(now: Instant, number: usize, kind: PushKind) -> Job {
        let subscription =
            PushSubscription { endpoint: format!("https://push.example/{number}"), p256dh: [4; 65], auth: [7; 16] };
        let push = Push { device_id: DeviceId::from_bytes([0; 16]), subscription: Arc::new(subscription), kind };
        Job { push, until: now + Duration::from_secs(45), attempts: 0 }
    }

    fn sent(line: &mut Line, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| match line.next(now) {
            Next::Send(job, _) => Some(job.push.subscription.endpoint.rsplit('/').next().unwrap().to_owned()),
            Next::Late | Next::Wait(_) => None,
        })
        .collect()
    }

    #[test]
    fn calls_go_first() {
        let (mut line, now) = (Line::default(), Instant::now());
        line.add(job(now, 1, PushKind::Message));
        line.add(job(now, 2, PushKind::Call));
        line.add(job(now, 3, PushKind::Message));
        line.add(job(now, 4, PushKind::Call));
        assert_eq!(sent(&mut line, now), ["2", "4", "1", "3"]);
    }

    #[test]
    fn a_full_line_drops_the_oldest_message_and_keeps_calls() {
        let (mut line, now) = (Line::default(), Instant::now());
        assert!(!line.add(job(now, 0, PushKind::Message)));
        for number in 1..PUSHES_MAX {
            assert!(!line.add(job(now, number, PushKind::Call)));
        }
        assert!(line.add(job(now, PUSHES_MAX, PushKind::Message)), "the message is dropped for another");
        assert!(line.add(job(now, PUSHES_MAX + 1, PushKind::Call)), "and that one for a call");
        assert!(line.add(job(now, PUSHES_MAX + 2, PushKind::Call)), "now the oldest call");
        let sent = sent(&mut line, now);
        assert_eq!(sent.len(), PUSHES_MAX);
        assert_eq!((sent[0].as_str(), sent.last().unwrap()), ("2", &(PUSHES_MAX + 2).to_string()));
    }

    #[test]
    fn those_that_wait_for_their_time_count_and_are_dropped_like_the_others() {
        let (mut line, now) = (Line::default(), Instant::now());
        let later = now + Duration::from_secs(5);
        line.again(job(now, 0, PushKind::Call), later);
        for number in 1..PUSHES_MAX {
            line.again(job(now, number, PushKind::Message), later);
        }
        assert!(line.add(job(now, PUSHES_MAX, PushKind::Call)));
        assert_eq!(sent(&mut line, now), [PUSHES_MAX.to_string()]);
        let Next::Wait(Some(at)) = line.next(now) else { panic!("something waits") };
        assert_eq!(at, later);
        let sent = sent(&mut line, later);
        assert_eq!((sent.len(), sent[0].as_str()), (PUSHES_MAX - 1, "0"), "the call is kept, and goes first");
        assert!(!sent.contains(&"1".to_owned()), "the oldest message was dropped");
    }

    #[test]
    fn what_waited_too_long_is_not_sent() {
        let (mut line, now) = (Line::default(), Instant::now());
        line.add(job(now, 1, PushKind::Call));
        assert!(matches!(line.next(now + Duration::from_secs(45)), Next::Late));
        assert!(matches!(line.next(now), Next::Wait(None)));
    }
}
