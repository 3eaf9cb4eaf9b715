//! The road of native clients: the first bidirectional stream of a QUIC connection, and further ones for bulk.
use super::close_code;
use super::road::{Gone, Inlet, Outlet, Road};
use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};
use wardline_protocol::WireError;

/// Bytes taken from QUIC at once.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// Before bulk streams, whose priority is 0.
pub(super) const CONTROL_PRIORITY: i32 = 1;

/// A native client's connection.
pub(super) struct Quic(pub Connection);

impl Road for Quic {
    type Inlet = RecvStream;
    type Outlet = SendStream;

    async fn control(&mut self) -> Result<(RecvStream, SendStream), Gone> {
        let (send, receive) = self.0.accept_bi().await.map_err(|_| Gone)?;
        // Fails on a stream that is over already, where it does not matter.
        let _ = send.set_priority(CONTROL_PRIORITY);
        Ok((receive, send))
    }

    async fn bulk(&mut self) -> Result<(RecvStream, SendStream), Gone> {
        let (send, receive) = self.0.accept_bi().await.map_err(|_| Gone)?;
        Ok((receive, send))
    }

    async fn close(self, reason: &WireError) {
        self.0.close(close_code(reason.code), reason.message.as_bytes());
    }
}

impl Inlet for RecvStream {
    async fn read(&mut self) -> Option<Bytes> {
        self.read_chunk(READ_BYTES, true).await.ok().flatten().map(|chunk| chunk.bytes)
    }
}

impl Outlet for SendStream {
    async fn write(&mut self, chunks: &mut Vec<Bytes>) -> Result<(), Gone> {
        self.write_all_chunks(chunks).await.map_err(|_| Gone)
    }

    /// The close of the connection throws away what has not arrived, so that is waited for.
    async fn finish(&mut self, _reason: &WireError) -> Result<(), Gone> {
        if SendStream::finish(self).is_ok() && self.stopped().await.is_err() {
            return Err(Gone);
        }
        Ok(())
    }
}
