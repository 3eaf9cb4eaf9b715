//! When a TCP connection was last heard: the bytes below TLS and WebSocket, so that half a message counts as a sign of life too.
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The times of a connection's last bytes; cheap to share.
#[derive(Debug)]
pub(crate) struct Pulse {
    began: Instant,
    read_ms: AtomicU64,
    written_ms: AtomicU64,
}

impl Pulse {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), read_ms: AtomicU64::new(0), written_ms: AtomicU64::new(0) })
    }

    /// When bytes last came.
    pub(crate) fn heard(&self) -> Instant {
        self.began + Duration::from_millis(self.read_ms.load(Ordering::Relaxed))
    }

    /// When bytes last moved, in either direction.
    pub(crate) fn moved(&self) -> Instant {
        self.heard().max(self.began + Duration::from_millis(self.written_ms.load(Ordering::Relaxed)))
    }

    /// Waits until nothing has moved for so long.
    pub(crate) async fn stopped(&self, quiet: Duration) {
        loop {
            let until = self.moved() + quiet;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn mark(&self, time_ms: &AtomicU64) {
        let elapsed_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        time_ms.store(elapsed_ms, Ordering::Relaxed);
    }
}

/// A stream that keeps its pulse.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.pulse.mark(&self.pulse.read_ms);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.pulse.mark(&self.pulse.written_ms);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, parts))?;
        self.pulse.mark(&self.pulse.written_ms);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn bytes_are_a_sign_of_life_and_silence_is_found() {
        let (near, mut far) = tokio::io::duplex(64);
        let pulse = Pulse::new();
        let mut watched = Watched::new(near, pulse.clone());
        let (quiet, grain) = (Duration::from_millis(30), Duration::from_millis(1));
        let silent = async || {
            let since = Instant::now();
            pulse.stopped(quiet).await;
            since.elapsed()
        };

        silent().await;
        let before = Instant::now();
        far.write_all(b"x").await.unwrap();
        watched.read_u8().await.unwrap();
        assert!(pulse.heard() + grain >= before);
        assert_eq!(pulse.moved(), pulse.heard());
        assert!(silent().await + grain >= quiet, "a byte that came does not count");

        let heard = pulse.heard();
        watched.write_all(b"y").await.unwrap();
        assert_eq!(pulse.heard(), heard, "what goes is no sign of life");
        assert!(pulse.moved() > heard);
        assert!(silent().await + grain >= quiet, "a byte that went does not count");
    }
}
