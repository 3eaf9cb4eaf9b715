//! Puts together what several shards say of one room.
use crate::RoomStats;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) type Reply = Box<dyn FnOnce(RoomStats) + Send>;

struct Gathering {
    parts: Vec<Option<RoomStats>>,
    reply: Option<Reply>,
}

/// One shard's part. The last one that is given, or dropped by a shard that ended, replies.
pub(super) struct Part {
    index: usize,
    gathering: Arc<Finish>,
}

struct Finish(Mutex<Gathering>);

/// So many parts of one reply. The first is that of the room's home. Without parts the reply is the default, at once.
pub(super) fn parts(count: usize, reply: Reply) -> Vec<Part> {
    let parts = (0..count).map(|_| None).collect();
    let gathering = Arc::new(Finish(Mutex::new(Gathering { parts, reply: Some(reply) })));
    (0..count).map(|index| Part { index, gathering: gathering.clone() }).collect()
}

impl Part {
    pub(super) fn give(self, stats: Option<RoomStats>) {
        let mut gathering = self.gathering.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = gathering.parts.get_mut(self.index) {
            *part = stats;
        }
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let gathering = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut parts = gathering.parts.drain(..).flatten();
        let mut sum = parts.next().unwrap_or_default();
        parts.for_each(|part| sum.add(part));
        if let Some(reply) = gathering.reply.take() {
            reply(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn the_reply_comes_with_the_last_part_also_when_a_shard_does_not_give_one() {
        let (reply, received) = channel();
        let mut parts = parts(3, Box::new(move |stats| reply.send(stats).unwrap())).into_iter();
        let part = |viewers| Some(RoomStats { viewers, shards: 1, ..RoomStats::default() });
        parts.next().unwrap().give(part(3));
        drop(parts.next());
        assert!(received.try_recv().is_err());
        parts.next().unwrap().give(part(4));
        let stats = received.try_recv().unwrap();
        assert_eq!((stats.viewers, stats.shards), (7, 2));
    }
}
