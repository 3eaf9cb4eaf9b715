//! The browser's road over QUIC: a WebTransport session (HTTP/3, ALPN `h3`) on the native clients' own port, with
//! bidirectional streams that the client opens: the first for control, further ones for bulk.
//!
//! Absent on purpose: datagrams, which nothing uses yet; several sessions on one connection, which browsers do not make
//! for connections that they accept by hash.
use super::quic::{CONTROL_PRIORITY, READ_BYTES};
use super::road::{Gone, Inlet, Outlet, Road};
use crate::web::origin;
use bytes::Bytes;
use quinn::Connection;
use std::time::Duration;
use tokio::time::timeout;
use wardline_directory::session::web_binding;
use wardline_protocol::{SESSION_PATH, WireError};
use web_transport_quinn::http::StatusCode;
use web_transport_quinn::{RecvStream, Request, SendStream, Session};

/// How long the HTTP/3 part of the handshake may take.
pub const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// A browser's connection with its session.
pub(super) struct WebTransport(Session);

/// Why there is no session, as a metric label.
pub(super) type Refused = &'static str;

/// Takes the session that the browser asks for, if its page may have one; with it, what its signature is bound to.
pub(super) async fn accept(
    connection: Connection,
    allowed: &origin::Allowed,
) -> Result<(WebTransport, [u8; 32]), Refused> {
    let accepted = timeout(HANDSHAKE_WAIT, answer(connection, allowed)).await;
    accepted.unwrap_or(Err("handshake"))
}

async fn answer(connection: Connection, allowed: &origin::Allowed) -> Result<(WebTransport, [u8; 32]), Refused> {
    let request = Request::accept(connection.clone()).await.map_err(|_| "handshake")?;
    let origin = origin::of(&request.headers).filter(|&origin| {
        let host = request.url.host_str();
        host.is_some_and(|host| allowed.webtransport(origin, host))
    });
    let binding = origin.map(|origin| web_binding(origin.as_str()));
    let (status, refused) = match binding {
        None => (StatusCode::FORBIDDEN, "origin"),
        Some(_) if request.url.path() != SESSION_PATH => (StatusCode::NOT_FOUND, "path"),
        Some(binding) => {
            let session = request.ok().await.map_err(|_| "handshake")?;
            return Ok((WebTransport(session), binding));
        }
    };
    // The browser has its answer once it closes the connection; one that does not is closed by the caller's time-out.
    if request.reject(status).await.is_ok() {
        connection.closed().await;
    }
    Err(refused)
}

impl Road for WebTransport {
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
        self.0.close(reason.code.number(), reason.message.as_bytes());
        self.0.closed().await;
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

    /// The close of the session throws away what has not arrived, so that is waited for.
    async fn finish(&mut self, _reason: &WireError) -> Result<(), Gone> {
        if SendStream::finish(self).is_ok() && self.stopped().await.is_err() {
            return Err(Gone);
        }
        Ok(())
    }
}
