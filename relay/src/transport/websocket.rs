//! The browser's road over TCP, for networks that block UDP: binary messages that each hold any part of the stream.
//!
//! A peer that falls silent is found as fast as over QUIC: the node pings, and counts every byte that comes as an answer. What waits for a slow
//! peer is in the session's queue, where its bound is, and not in the kernel: the listener keeps the socket's send buffer small.
use super::pulse::Pulse;
use super::road::{Gone, Inlet, Outlet, Road};
use super::session::GOODBYE_WAIT;
use super::tls::{IDLE_TIMEOUT_MS, KEEP_ALIVE};
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout, timeout_at};
use wardline_protocol::limit::{WEBSOCKET_CLIENT_MESSAGE_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX};
use wardline_protocol::{Code, WireError};

/// A connection from which no byte has come for so long is over.
pub const IDLE: Duration = Duration::from_millis(IDLE_TIMEOUT_MS as u64);

/// Bytes read from TCP at once.
const READ_BYTES: usize = 16 * 1024;

/// Bytes of messages that are handed to TCP at once.
const WRITE_BYTES: usize = 64 * 1024;

/// Close codes for applications begin here (RFC 6455 section 7.4.2); an error's number is added.
pub const CLOSE_CODE_BASE: u16 = 4_000;

/// Bytes of a close frame's reason (RFC 6455 section 5.5: 125 with the code).
const CLOSE_REASON_BYTES_MAX: usize = 123;

/// The bounds of a WebSocket, set before it is taken.
pub(crate) fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .max_message_size(WEBSOCKET_CLIENT_MESSAGE_BYTES_MAX)
        .max_frame_size(WEBSOCKET_CLIENT_MESSAGE_BYTES_MAX)
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
}

/// A browser's WebSocket.
pub(crate) struct Socket {
    socket: Option<WebSocket>,
    pulse: Arc<Pulse>,
}

impl Socket {
    /// `pulse` is that of the TCP connection below.
    pub(crate) fn new(socket: WebSocket, pulse: Arc<Pulse>) -> Self {
        Self { socket: Some(socket), pulse }
    }
}

impl Road for Socket {
    type Inlet = Messages;
    type Outlet = Sender;

    async fn control(&mut self) -> Result<(Messages, Sender), Gone> {
        let (sink, stream) = self.socket.take().ok_or(Gone)?.split();
        let ended = Arc::new(Notify::new());
        let mut pings = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let messages = Messages { stream, pulse: self.pulse.clone(), ended: ended.clone() };
        Ok((messages, Sender { sink, pings, ended }))
    }

    /// Bulk has WebSockets of its own.
    async fn bulk(&mut self) -> Result<(Messages, Sender), Gone> {
        std::future::pending().await
    }

    /// A session that got as far as its control stream has said its reason there.
    async fn close(self, reason: &WireError) {
        if let Some(mut socket) = self.socket
            && timeout(GOODBYE_WAIT, socket.send(Message::Close(Some(close_frame(reason))))).await.is_err()
        {
            tracing::debug!("a WebSocket did not take its close frame");
        }
    }
}

/// What comes.
pub(crate) struct Messages {
    stream: SplitStream<WebSocket>,
    pulse: Arc<Pulse>,
    ended: Arc<Notify>,
}

impl Messages {
    async fn next(&mut self) -> Option<Bytes> {
        // While the session was not reading, the peer had no way to show a sign of life.
        let began = Instant::now();
        loop {
            let deadline = self.pulse.heard().max(began) + IDLE;
            match timeout_at(deadline, self.stream.next()).await {
                Ok(Some(Ok(Message::Binary(bytes)))) => return Some(bytes),
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                Ok(Some(Ok(Message::Close(_)))) => {
                    // The answer to it goes out while the end is read.
                    while let Ok(Some(Ok(_))) = timeout(GOODBYE_WAIT, self.stream.next()).await {}
                    return None;
                }
                // Text is no part of any stream.
                Ok(Some(Ok(Message::Text(_)) | Err(_)) | None) => return None,
                // Parts of a longer message may have come.
                Err(_) if self.pulse.heard().max(began) + IDLE > Instant::now() => {}
                Err(_) => return None,
            }
        }
    }
}

impl Inlet for Messages {
    async fn read(&mut self) -> Option<Bytes> {
        let bytes = self.next().await;
        if bytes.is_none() {
            self.ended.notify_one();
        }
        bytes
    }
}

/// What goes.
pub(crate) struct Sender {
    sink: SplitSink<WebSocket, Message>,
    pings: Interval,
    ended: Arc<Notify>,
}

impl Outlet for Sender {
    async fn write(&mut self, chunks: &mut Vec<Bytes>) -> Result<(), Gone> {
        for message in messages(chunks) {
            self.sink.feed(Message::Binary(message)).await.map_err(|_| Gone)?;
        }
        self.sink.flush().await.map_err(|_| Gone)
    }

    /// The peer answers a close frame with its own once it has read everything before it.
    async fn finish(&mut self, reason: &WireError) -> Result<(), Gone> {
        self.sink.send(Message::Close(Some(close_frame(reason)))).await.map_err(|_| Gone)?;
        self.ended.notified().await;
        Ok(())
    }

    async fn quiet(&mut self) -> Gone {
        loop {
            self.pings.tick().await;
            // The ping is answered by the browser, which says nothing of it to the page. The empty message, no byte of any stream, tells the page
            // that the connection lives.
            for message in [Message::Ping(Bytes::new()), Message::Binary(Bytes::new())] {
                if self.sink.send(message).await.is_err() {
                    return Gone;
                }
            }
        }
    }
}

/// Small chunks together and large ones in parts, without copying the large ones.
fn messages(chunks: &mut Vec<Bytes>) -> impl Iterator<Item = Bytes> {
    let mut chunks = chunks.drain(..).peekable();
    std::iter::from_fn(move || {
        let first = chunks.peek_mut()?;
        if first.len() > WEBSOCKET_MESSAGE_BYTES_MAX {
            return Some(first.split_to(WEBSOCKET_MESSAGE_BYTES_MAX));
        }
        let first = chunks.next()?;
        let fits = |next: &Bytes, bytes: usize| bytes + next.len() <= WEBSOCKET_MESSAGE_BYTES_MAX;
        if chunks.peek().is_none_or(|next| !fits(next, first.len())) {
            return Some(first);
        }
        let mut message = BytesMut::with_capacity(WEBSOCKET_MESSAGE_BYTES_MAX);
        message.extend_from_slice(&first);
        while let Some(next) = chunks.next_if(|next| fits(next, message.len())) {
            message.extend_from_slice(&next);
        }
        Some(message.freeze())
    })
}

fn close_frame(reason: &WireError) -> CloseFrame {
    let number = u16::try_from(reason.code.number()).ok().filter(|number| *number < 1_000);
    let code = CLOSE_CODE_BASE + number.unwrap_or(Code::Internal.number() as u16);
    let end = reason.message.floor_char_boundary(CLOSE_REASON_BYTES_MAX);
    CloseFrame { code, reason: Utf8Bytes::from(reason.message.get(..end).unwrap_or_default()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(lengths: &[usize]) -> Vec<usize> {
        let mut chunks: Vec<Bytes> = lengths.iter().map(|&length| Bytes::from(vec![7; length])).collect();
        messages(&mut chunks).map(|message| message.len()).collect()
    }

    #[test]
    fn messages_hold_several_small_frames_or_a_part_of_a_large_one() {
        const MAX: usize = WEBSOCKET_MESSAGE_BYTES_MAX;
        assert_eq!(cut(&[]), [0; 0]);
        assert_eq!(cut(&[5]), [5]);
        assert_eq!(cut(&[5, 6, 7]), [18]);
        assert_eq!(cut(&[MAX]), [MAX]);
        assert_eq!(cut(&[MAX, 1]), [MAX, 1]);
        assert_eq!(cut(&[MAX + 1]), [MAX, 1]);
        assert_eq!(cut(&[1, MAX + 1, 2, 3]), [1, MAX, 6]);
        assert_eq!(cut(&[3 * MAX + 9, 4]), [MAX, MAX, MAX, 13]);
    }

    #[test]
    fn messages_keep_the_bytes_in_order() {
        let whole: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
        let mut chunks = Vec::new();
        let mut rest = Bytes::from(whole.clone());
        for length in [1, 200, 40_000, 3, 16_384, 16_385, 27_027] {
            chunks.push(rest.split_to(length));
        }
        assert!(rest.is_empty());
        let joined: Vec<u8> = messages(&mut chunks).flat_map(|message| message.to_vec()).collect();
        assert_eq!(joined, whole);
    }

    #[test]
    fn a_close_frame_holds_the_number_and_what_fits_of_the_text() {
        let frame = close_frame(&WireError::new(Code::AccountLocked, "locked"));
        assert_eq!((frame.code, frame.reason.as_str()), (4_203, "locked"));
        let frame = close_frame(&WireError::new(Code::Unknown(70_000), "ä".repeat(100)));
        assert_eq!((frame.code, frame.reason.len()), (4_190, 122));
    }
}
