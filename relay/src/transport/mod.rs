//! The roads of sessions: native QUIC and WebTransport on one UDP port, WebSocket behind `crate::web`. Each connection is a task, and
//! each direction of its frames another. What frames mean is the plane's business.
pub mod bulk;
pub mod door;
pub(crate) mod pulse;
pub mod queue;
mod quic;
pub(crate) mod road;
pub(crate) mod session;
mod socket;
pub mod tls;
pub mod websocket;
mod webtransport;

pub use session::{CONTROL_STREAM_WAIT, GOODBYE_WAIT, UNAUTHENTICATED_MAX};
pub use socket::bind;
pub use webtransport::HANDSHAKE_WAIT;

use crate::attachments::Attachments;
use crate::metrics::{Metrics, RoadLabel};
use crate::node::{FromSession, Readiness};
use crate::web::origin;
use door::{Door, Ticket};
use quinn::crypto::rustls::HandshakeData;
use quinn::{Endpoint, EndpointConfig, TokioRuntime, VarInt};
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, watch};
use wardline_protocol::{Code, EXPORTER_LABEL, WireError};
use wardline_signaling::SessionId;

/// What every connection's task needs.
pub(crate) struct Shared {
    pub plane: mpsc::Sender<FromSession>,
    pub readiness: watch::Receiver<Readiness>,
    pub metrics: Arc<Metrics>,
    pub door: Arc<Door>,
    pub allowed: origin::Allowed,
    pub attachments: Arc<Attachments>,
    /// What pages subscribe to pushes with; none where the node sends none.
    pub push_key: Option<String>,
    pub sessions: AtomicU64,
}

impl Shared {
    /// A number that no session of this process had.
    fn next_session(&self) -> SessionId {
        SessionId(self.sessions.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Puts QUIC on a bound socket.
pub fn endpoint(socket: UdpSocket, config: quinn::ServerConfig) -> io::Result<Endpoint> {
    Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
}

/// Accepts connections until the endpoint is closed.
pub(crate) async fn accept(endpoint: Endpoint, shared: Arc<Shared>) {
    while let Some(incoming) = endpoint.accept().await {
        if shared.door.wants_proof() && incoming.may_retry() && !incoming.remote_address_validated() {
            shared.metrics.connection_refused("retry");
            if incoming.retry().is_err() {
                tracing::debug!("a retry was not possible");
            }
            continue;
        }
        let ticket = match shared.door.enter(incoming.remote_address().ip()) {
            Ok(ticket) => ticket,
            Err(refusal) => {
                shared.metrics.connection_refused(refusal.label());
                incoming.refuse();
                continue;
            }
        };
        let Ok(connecting) = incoming.accept() else {
            drop(ticket);
            shared.metrics.connection_refused("handshake");
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            match connecting.await {
                Ok(connection) if is_native(&connection) => native(connection, ticket, &shared).await,
                Ok(connection) => web(connection, ticket, &shared).await,
                Err(_) => {
                    drop(ticket);
                    shared.metrics.connection_refused("handshake");
                }
            }
        });
        // An accept is a good part of a millisecond of cryptography, with the listener locked. When a whole house comes back, what it says must be
        // taken from the kernel in between: what is dropped costs seconds.
        tokio::task::yield_now().await;
    }
}

/// Whether the client speaks frames directly; the only other protocol that the listener negotiates is HTTP/3.
fn is_native(connection: &quinn::Connection) -> bool {
    let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    data.is_some_and(|data| data.protocol.as_deref() == Some(wardline_protocol::ALPN))
}

async fn native(connection: quinn::Connection, ticket: Ticket, shared: &Arc<Shared>) {
    let _counted = shared.metrics.connection(RoadLabel::Quic);
    let mut exporter = [0; 32];
    if connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").is_err() {
        return close(&connection, &WireError::new(Code::Internal, "no TLS exporter"));
    }
    session::serve(quic::Quic(connection), exporter, ticket, shared).await;
}

async fn web(connection: quinn::Connection, ticket: Ticket, shared: &Arc<Shared>) {
    let _counted = shared.metrics.connection(RoadLabel::WebTransport);
    match webtransport::accept(connection.clone(), &shared.allowed).await {
        Ok((road, binding)) => session::serve(road, binding, ticket, shared).await,
        Err(refused) => {
            drop(ticket);
            shared.metrics.connection_refused(refused);
            connection.close(VarInt::from_u32(0), b"");
        }
    }
}

/// The QUIC close code of an error is its number.
pub fn close_code(code: Code) -> VarInt {
    VarInt::from_u32(code.number())
}

/// Closes a connection for a reason that the other side can read.
fn close(connection: &quinn::Connection, error: &WireError) {
    connection.close(close_code(error.code), error.message.as_bytes());
}
