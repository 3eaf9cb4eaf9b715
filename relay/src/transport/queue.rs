//! A session's outbound queue: bounded in frames and bytes, with the policy of each frame's [`Class`].
//!
//! The plane's thread pushes and never waits; the session's writer takes batches. Both sides hold the lock for a few instructions.
use bytes::Bytes;
use prost::Message;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore};
use wardline_protocol::wire::{ServerFrame, server_frame::Body};
use wardline_protocol::{Code, WireError};
use wardline_signaling::Class;

/// Frames that wait for one session beyond which pushes are dropped.
pub const SESSION_QUEUE_PUSH_FRAMES: usize = 1024;

/// Frames that wait for one session beyond which it is closed. Pushes leave this room to answers, so that a session that is only behind
/// keeps its line.
pub const SESSION_QUEUE_FRAMES: usize = 2 * SESSION_QUEUE_PUSH_FRAMES;

/// Bytes of frames that wait for one session beyond which pushes are dropped.
pub const SESSION_QUEUE_PUSH_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of frames that wait for one session beyond which it is closed.
pub const SESSION_QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// Requests of one session without an answer on the wire; the node reads no further request beyond them (back-pressure).
pub const IN_FLIGHT_MAX: usize = 256;

/// A frame on its way to one session.
#[derive(Debug)]
pub enum Outgoing {
    /// For this session alone; its own task encodes it.
    Frame(ServerFrame),
    /// The same for many, encoded with its prefix.
    Encoded(Bytes),
}

impl Outgoing {
    fn size(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.encoded_len(),
            Self::Encoded(bytes) => bytes.len(),
        }
    }

    fn is_response(&self) -> bool {
        matches!(self, Self::Frame(ServerFrame { body: Some(Body::Response(_)) }))
    }
}

impl From<ServerFrame> for Outgoing {
    fn from(frame: ServerFrame) -> Self {
        Self::Frame(frame)
    }
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits.
    Queued,
    /// There was no room, and its class allows that.
    Dropped,
    /// There was no room, and its class does not allow that: the session is being closed.
    Overflowed,
    /// The session is over.
    Closed,
}

/// What the writer is to do next.
#[derive(Debug)]
pub struct Batch {
    /// The frames were the last ones before which pushes had been dropped: the plane wants to know.
    pub drained: bool,
    /// After these frames, say goodbye for this reason.
    pub closing: Option<WireError>,
}

/// The queue, shared by the plane's thread and the session's tasks.
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
    closing: Notify,
    signed_in: Notify,
    authenticated: AtomicBool,
    in_flight: Semaphore,
}

#[derive(Default)]
struct State {
    frames: VecDeque<(Outgoing, usize)>,
    bytes: usize,
    dropped: bool,
    closing: Option<WireError>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            closing: Notify::new(),
            signed_in: Notify::new(),
            authenticated: AtomicBool::new(false),
            in_flight: Semaphore::new(IN_FLIGHT_MAX),
        }
    }
}

impl Queue {
    /// Adds a frame, or does with it what its class says. Never waits.
    pub fn push(&self, frame: impl Into<Outgoing>, class: Class) -> Pushed {
        let frame = frame.into();
        let size = frame.size();
        let mut state = self.state();
        if state.closing.is_some() {
            return Pushed::Closed;
        }
        let (frames_max, bytes_max) = match class {
            Class::Required => (SESSION_QUEUE_FRAMES, SESSION_QUEUE_BYTES),
            Class::Entry | Class::Ephemeral => (SESSION_QUEUE_PUSH_FRAMES, SESSION_QUEUE_PUSH_BYTES),
        };
        if state.frames.len() < frames_max && (state.bytes + size <= bytes_max || state.frames.is_empty()) {
            state.bytes += size;
            state.frames.push_back((frame, size));
            drop(state);
            self.changed.notify_one();
            return Pushed::Queued;
        }
        match class {
            Class::Ephemeral => Pushed::Dropped,
            Class::Entry => {
                state.dropped = true;
                Pushed::Dropped
            }
            Class::Required => {
                state.frames.clear();
                state.bytes = 0;
                drop(state);
                self.close(WireError::retry(
                    Code::RateLimited,
                    "this session takes its frames too slowly: reconnect",
                    1_000,
                ));
                Pushed::Overflowed
            }
        }
    }

    /// Ends the queue: what waits is still sent, then a goodbye with this reason. The first reason holds.
    pub fn close(&self, error: WireError) {
        self.state().closing.get_or_insert(error);
        self.changed.notify_one();
        self.closing.notify_one();
        self.in_flight.close();
    }

    /// Whether [`Queue::close`] was called.
    pub fn is_closing(&self) -> bool {
        self.state().closing.is_some()
    }

    /// Waits until [`Queue::close`] was called; why. One task at a time may wait.
    pub async fn closed(&self) -> WireError {
        loop {
            if let Some(reason) = self.state().closing.clone() {
                return reason;
            }
            self.closing.notified().await;
        }
    }

    /// Waits for frames and moves some into `out`, at most `bytes_max` bytes but at least one; or says that it is time to close.
    pub async fn next(&self, bytes_max: usize, out: &mut Vec<Outgoing>) -> Batch {
        loop {
            if let Some(batch) = self.take(bytes_max, out) {
                return batch;
            }
            self.changed.notified().await;
        }
    }

    fn take(&self, bytes_max: usize, out: &mut Vec<Outgoing>) -> Option<Batch> {
        let mut state = self.state();
        let mut taken_bytes = 0;
        while let Some((_, size)) = state.frames.front()
            && (taken_bytes + size <= bytes_max || taken_bytes == 0)
            && let Some((frame, size)) = state.frames.pop_front()
        {
            taken_bytes += size.max(1);
            state.bytes -= size;
            out.push(frame);
        }
        if state.frames.is_empty() && state.closing.is_some() {
            return Some(Batch { drained: false, closing: state.closing.clone() });
        }
        if out.is_empty() {
            return None;
        }
        let room = state.frames.len() <= SESSION_QUEUE_PUSH_FRAMES / 2 && state.bytes <= SESSION_QUEUE_PUSH_BYTES / 2;
        let drained = room && std::mem::take(&mut state.dropped);
        Some(Batch { drained, closing: None })
    }

    /// From now on larger frames are read from this session.
    pub fn set_authenticated(&self) {
        self.authenticated.store(true, Ordering::Release);
        self.signed_in.notify_one();
    }

    /// Waits until the session has signed in. One task at a time may wait.
    pub async fn authenticated(&self) {
        while !self.is_authenticated() {
            self.signed_in.notified().await;
        }
    }

    /// Whether the session has signed in.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.load(Ordering::Acquire)
    }

    /// Waits until a further request may be read. False: the session is over.
    pub async fn request_starts(&self) -> bool {
        match self.in_flight.acquire().await {
            Ok(permit) => {
                permit.forget();
                true
            }
            Err(_) => false,
        }
    }

    /// Frames went out: their requests are answered.
    pub fn sent(&self, frames: &[Outgoing]) {
        let answered = frames.iter().filter(|frame| frame.is_response()).count();
        let room = IN_FLIGHT_MAX.saturating_sub(self.in_flight.available_permits());
        self.in_flight.add_permits(answered.min(room));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held left whole values behind: nothing in the critical sections can stop half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wardline_protocol::wire::{DirectoryChanged, Done, Response, response};

    fn push() -> ServerFrame {
        ServerFrame { body: Some(Body::DirectoryChanged(DirectoryChanged { version: 7 })) }
    }

    fn response(request_id: u64) -> ServerFrame {
        let result = Some(response::Result::Done(Done {}));
        ServerFrame { body: Some(Body::Response(Response { request_id, result })) }
    }

    fn fill(queue: &Queue) {
        for _ in 0..SESSION_QUEUE_PUSH_FRAMES {
            assert_eq!(queue.push(push(), Class::Entry), Pushed::Queued);
        }
    }

    #[tokio::test]
    async fn a_full_queue_drops_entries_and_tells_once_when_it_has_drained() {
        let queue = Queue::default();
        fill(&queue);
        assert_eq!(queue.push(push(), Class::Entry), Pushed::Dropped);
        let (mut out, mut drained, mut taken) = (Vec::new(), 0, 0);
        while taken < SESSION_QUEUE_PUSH_FRAMES {
            let batch = queue.next(64, &mut out).await;
            taken += out.len();
            out.clear();
            if batch.drained {
                drained += 1;
                assert!(taken >= SESSION_QUEUE_PUSH_FRAMES / 2, "told too early, after {taken}");
            }
        }
        assert_eq!(drained, 1);
        assert_eq!(queue.push(push(), Class::Entry), Pushed::Queued);
        assert!(!queue.next(64, &mut out).await.drained, "nothing was dropped since");
    }

    #[tokio::test]
    async fn dropped_ephemeral_frames_are_not_told() {
        let queue = Queue::default();
        fill(&queue);
        assert_eq!(queue.push(push(), Class::Ephemeral), Pushed::Dropped);
        let mut out = Vec::new();
        while out.len() < SESSION_QUEUE_PUSH_FRAMES {
            assert!(!queue.next(1 << 20, &mut out).await.drained);
        }
    }

    #[tokio::test]
    async fn a_required_frame_without_room_closes_the_session() {
        let queue = Queue::default();
        fill(&queue);
        // Pushes do not crowd out the answers to a session that is only behind.
        for n in SESSION_QUEUE_PUSH_FRAMES..SESSION_QUEUE_FRAMES {
            assert_eq!(queue.push(response(n as u64), Class::Required), Pushed::Queued);
        }
        assert_eq!(queue.push(response(1), Class::Required), Pushed::Overflowed);
        assert_eq!(queue.push(response(2), Class::Required), Pushed::Closed);
        let mut out = Vec::new();
        let batch = queue.next(1 << 20, &mut out).await;
        assert!(out.is_empty());
        assert_eq!(batch.closing.unwrap().code, Code::RateLimited);
        assert_eq!(queue.closed().await.code, Code::RateLimited);
        assert!(!queue.request_starts().await);
    }

    #[tokio::test]
    async fn what_was_queued_is_sent_before_the_goodbye() {
        let queue = Queue::default();
        queue.push(response(1), Class::Required);
        queue.close(WireError::new(Code::AccountLocked, "locked"));
        queue.close(WireError::new(Code::Internal, "later"));
        let mut out = Vec::new();
        let batch = queue.next(1 << 20, &mut out).await;
        assert_eq!(out.len(), 1);
        assert_eq!(batch.closing.unwrap().code, Code::AccountLocked);
    }

    #[tokio::test]
    async fn bytes_are_bounded_apart_from_frames() {
        let queue = Queue::default();
        let large = || {
            let sealed = vec![0u8; 3 * 1024 * 1024].into();
            let result = Some(response::Result::SealedLinkGrant(wardline_protocol::wire::SealedLinkGrant { sealed }));
            ServerFrame { body: Some(Body::Response(Response { request_id: 1, result })) }
        };
        assert_eq!(queue.push(large(), Class::Required), Pushed::Queued);
        assert_eq!(queue.push(large(), Class::Entry), Pushed::Dropped);
        for _ in 0..9 {
            assert_eq!(queue.push(large(), Class::Required), Pushed::Queued);
        }
        assert_eq!(queue.push(large(), Class::Required), Pushed::Overflowed);
    }

    #[tokio::test]
    async fn requests_in_flight_are_bounded_and_an_answer_makes_room() {
        let queue = Queue::default();
        for _ in 0..IN_FLIGHT_MAX {
            assert!(queue.request_starts().await);
        }
        let mut waiting = Box::pin(queue.request_starts());
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("one too many"),
            () = std::future::ready(()) => {}
        }
        queue.sent(&[push().into(), response(1).into()]);
        assert!(waiting.await);
    }
}
