//! Bulk streams of a native client: further streams of its connection, so that messages and alerts overtake files.
use super::{ConnectionError, Link, READ_BYTES};
use crate::bulk::{Receiving, Sending};
use bytes::Bytes;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A stream on which the node says nothing for so long is given up.
const STALLED_MAX: Duration = Duration::from_secs(30);

/// Behind the control stream.
const PRIORITY: i32 = -1;

/// Why a file did not get over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BulkError {
    /// The way to the node, or its refusal.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The ciphertext cannot be read or written here.
    #[error("the file cannot be read or written: {0}")]
    Local(#[from] io::Error),
}

struct Stream {
    send: quinn::SendStream,
    receive: quinn::RecvStream,
    link: Link,
}

impl Stream {
    async fn open(link: &Link, first: Bytes) -> Result<Self, ConnectionError> {
        let (send, receive) = link.connection.open_bi().await.map_err(|_| link.reason())?;
        // Fails on a stream that is over, where the next write says so.
        let _ = send.set_priority(PRIORITY);
        let mut stream = Self { send, receive, link: link.clone() };
        stream.write(first).await?;
        Ok(stream)
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), ConnectionError> {
        self.send.write_chunk(bytes).await.map_err(|_| self.link.reason())
    }

    async fn read(&mut self) -> Result<Bytes, ConnectionError> {
        match tokio::time::timeout(STALLED_MAX, self.receive.read_chunk(READ_BYTES, true)).await {
            Ok(Ok(Some(chunk))) => Ok(chunk.bytes),
            Ok(Ok(None) | Err(_)) => Err(self.link.reason()),
            Err(_) => Err(ConnectionError::TimedOut),
        }
    }
}

impl Link {
    /// Sends `bytes` bytes of `source`. Returns once the node has everything and its hash is right.
    ///
    /// # Errors
    /// [`BulkError::Connection`] with the node's refusal in it, or [`BulkError::Local`].
    pub async fn upload(&self, ticket: &[u8], bytes: u64, mut source: impl AsyncRead + Unpin) -> Result<(), BulkError> {
        let (mut sending, first) = Sending::new(ticket, bytes);
        let mut stream = Stream::open(self, first).await?;
        let mut chunk = Vec::new();
        while !sending.is_done() {
            match sending.wants() {
                0 => sending.heard(&stream.read().await?).map_err(ConnectionError::Refused)?,
                wanted => {
                    chunk.resize(wanted, 0);
                    source.read_exact(&mut chunk).await?;
                    stream.write(sending.chunk(&chunk).map_err(ConnectionError::Refused)?).await?;
                }
            }
        }
        Ok(())
    }

    /// Fetches `bytes` bytes into `target`, and flushes it.
    ///
    /// # Errors
    /// As [`upload`](Self::upload). What came before is in `target`.
    pub async fn download(
        &self,
        ticket: &[u8],
        bytes: u64,
        mut target: impl AsyncWrite + Unpin,
    ) -> Result<(), BulkError> {
        let (mut receiving, first) = Receiving::new(ticket, bytes);
        let mut stream = Stream::open(self, first).await?;
        while !receiving.is_done() {
            for chunk in receiving.heard(&stream.read().await?).map_err(ConnectionError::Refused)? {
                target.write_all(&chunk).await?;
            }
            if let Some(taken) = receiving.tell() {
                target.flush().await?;
                stream.write(taken).await?;
            }
        }
        Ok(())
    }
}
