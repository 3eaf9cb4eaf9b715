//! Bulk streams: one attachment's ciphertext, one way, beside a session. The same on every road; docs/adr/0009-attachments.md.
//!
//! Never more than [`BULK_WINDOW_BYTES`] are on their way beyond what the receiver has taken, so that an alert on the same connection waits for
//! that much at most.
use super::Shared;
use super::road::{Inlet, Outlet};
use crate::attachments::{Grant, not_on_disk};
use crate::node::FromSession;
use bytes::Bytes;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wardline_protocol::limit::{BULK_CHUNK_BYTES, BULK_FRAME_BYTES_MAX, BULK_WINDOW_BYTES};
use wardline_protocol::wire::{Bulk, Done, bulk::Body};
use wardline_protocol::{Code, WireError, frame};
use wardline_signaling::{Direction, Transfer};

/// How long a stream may take to present its ticket, and later to move at all.
pub const STALLED_MAX: Duration = Duration::from_secs(30);

/// How long the client may take to read the last frame.
const FAREWELL: Duration = Duration::from_secs(5);

/// A stream in both directions, cut into frames.
struct Stream<I, O> {
    inlet: I,
    outlet: O,
    decoder: frame::Decoder,
}

/// Why a transfer ends early.
enum Broken {
    /// The client is gone, or its session is over: there is nobody to tell.
    Gone,
    /// It is told.
    Refused(WireError),
}

impl From<WireError> for Broken {
    fn from(error: WireError) -> Self {
        Self::Refused(error)
    }
}

/// Serves one stream to its end. `admitted` is called once its ticket was good.
pub(crate) async fn serve<I: Inlet, O: Outlet>(inlet: I, outlet: O, shared: &Shared, admitted: impl FnOnce() + Send) {
    let mut stream = Stream { inlet, outlet, decoder: frame::Decoder::new(BULK_FRAME_BYTES_MAX) };
    let last = match transfer(&mut stream, shared, admitted).await {
        Ok(()) => Body::Done(Done {}),
        Err(Broken::Gone) => return,
        Err(Broken::Refused(error)) => {
            shared.metrics.transfer_refused(error.code.number());
            tracing::debug!(code = error.code.number(), "a transfer ended early");
            Body::Error(error.into())
        }
    };
    let goodbye = async {
        stream.send(last).await?;
        stream.outlet.finish(&WireError::new(Code::ShuttingDown, "goodbye")).await.map_err(|_| Broken::Gone)
    };
    if tokio::time::timeout(FAREWELL, goodbye).await.is_err() {
        tracing::debug!("a client did not read the end of its transfer");
    }
}

async fn transfer<I: Inlet, O: Outlet>(
    stream: &mut Stream<I, O>,
    shared: &Shared,
    admitted: impl FnOnce() + Send,
) -> Result<(), Broken> {
    let Body::Ticket(ticket) = stream.next().await? else {
        return Err(WireError::new(Code::OutOfOrder, "a bulk stream begins with its ticket").into());
    };
    let mut grant = shared.attachments.redeem(&ticket)?;
    admitted();
    let transfer = grant.transfer.clone();
    let from_byte = grant.from_byte;
    let moved = async {
        match transfer.direction {
            Direction::Up { sealed_sha256 } => upload(stream, shared, &transfer, from_byte, sealed_sha256).await,
            Direction::Down { .. } => download(stream, shared, &transfer, from_byte).await,
        }
    };
    tokio::select! {
        moved = moved => moved,
        () = revoked(&mut grant) => Err(Broken::Gone),
    }
}

async fn revoked(grant: &mut Grant<'_>) {
    grant.revoked().await;
    tracing::debug!(session = grant.transfer.session.0, "a transfer ends with its session");
}

async fn upload<I: Inlet, O: Outlet>(
    stream: &mut Stream<I, O>,
    shared: &Shared,
    transfer: &Transfer,
    from_byte: u64,
    sealed_sha256: [u8; 32],
) -> Result<(), Broken> {
    let files = shared.attachments.files();
    let mut file = files.go_on(transfer.attachment_id, from_byte).await.map_err(not_on_disk)?;
    let wanted = transfer.sealed_bytes - from_byte;
    let (mut taken, mut told) = (0, 0);
    while taken < wanted {
        let Body::Chunk(chunk) = stream.next().await? else {
            return Err(WireError::new(Code::OutOfOrder, "an upload is chunks until it is complete").into());
        };
        taken += chunk.len() as u64;
        if chunk.is_empty() || chunk.len() > BULK_CHUNK_BYTES || taken > wanted {
            return Err(
                WireError::new(Code::TooLarge, "a chunk is empty, too large, or more than was announced").into()
            );
        }
        file.write_all(&chunk).await.map_err(unwritten)?;
        if taken == wanted || taken - told >= BULK_WINDOW_BYTES / 2 {
            told = taken;
            stream.send(Body::Taken(taken)).await?;
        }
        shared.metrics.transferred_in(chunk.len());
    }
    file.flush().await.map_err(unwritten)?;
    drop(file);
    files.complete(transfer.attachment_id, sealed_sha256).await.map_err(not_on_disk)?;
    let uploaded = FromSession::Uploaded { session: transfer.session, attachment_id: transfer.attachment_id };
    shared.plane.send(uploaded).await.map_err(|_| Broken::Gone)
}

async fn download<I: Inlet, O: Outlet>(
    stream: &mut Stream<I, O>,
    shared: &Shared,
    transfer: &Transfer,
    from_byte: u64,
) -> Result<(), Broken> {
    let file = shared.attachments.files().read(transfer.attachment_id, from_byte).await;
    let mut file = file.map_err(not_on_disk)?;
    let wanted = transfer.sealed_bytes - from_byte;
    let (mut sent, mut taken) = (0, 0);
    while taken < wanted {
        while sent < wanted && sent - taken < BULK_WINDOW_BYTES {
            let chunk = read_chunk(&mut file, wanted - sent).await?;
            sent += chunk.len() as u64;
            shared.metrics.transferred_out(chunk.len());
            stream.send(Body::Chunk(chunk)).await?;
        }
        match stream.next().await? {
            Body::Taken(bytes) if bytes > taken && bytes <= sent => taken = bytes,
            _ => return Err(WireError::new(Code::OutOfOrder, "a download is answered with what was taken").into()),
        }
    }
    Ok(())
}

async fn read_chunk(file: &mut File, left: u64) -> Result<Bytes, Broken> {
    let mut chunk = vec![0; BULK_CHUNK_BYTES.min(usize::try_from(left).unwrap_or(BULK_CHUNK_BYTES))];
    let read = file.read_exact(&mut chunk).await;
    read.map_err(unwritten)?;
    Ok(chunk.into())
}

fn unwritten(error: std::io::Error) -> WireError {
    not_on_disk(error.into())
}

impl<I: Inlet, O: Outlet> Stream<I, O> {
    /// The next frame. Meanwhile the road looks whether the client is still there.
    async fn next(&mut self) -> Result<Body, Broken> {
        loop {
            if let Some(frame) = self.decoder.next_message::<Bulk>()? {
                return frame.body.ok_or_else(|| WireError::new(Code::Malformed, "an empty frame").into());
            }
            let bytes = tokio::select! {
                bytes = self.inlet.read() => bytes.ok_or(Broken::Gone)?,
                _gone = self.outlet.quiet() => return Err(Broken::Gone),
                () = tokio::time::sleep(STALLED_MAX) => return Err(Broken::Gone),
            };
            self.decoder.push(&bytes);
        }
    }

    async fn send(&mut self, body: Body) -> Result<(), Broken> {
        let bytes = frame::encode(&Bulk { body: Some(body) }, BULK_FRAME_BYTES_MAX)?;
        let written = tokio::time::timeout(STALLED_MAX, self.outlet.write(&mut vec![bytes])).await;
        written.map_err(|_| Broken::Gone)?.map_err(|_| Broken::Gone)
    }
}

#[cfg(test)]
#[path = "bulk_tests.rs"]
mod tests;
