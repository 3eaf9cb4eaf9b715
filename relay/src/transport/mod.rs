//! The QUIC side: one endpoint, one task per connection, frames in and out. What frames mean is the plane's business.
pub mod door;
pub mod queue;
mod session;
pub mod tls;

pub use session::{CONTROL_STREAM_WAIT, GOODBYE_WAIT, UNAUTHENTICATED_MAX};

use crate::metrics::Metrics;
use crate::node::{FromSession, Readiness};
use door::Door;
use quinn::{Endpoint, EndpointConfig, TokioRuntime, VarInt};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use wardline_protocol::{Code, WireError};
use wardline_signaling::SessionId;

/// What every connection's task needs.
pub(crate) struct Shared {
    pub plane: mpsc::Sender<FromSession>,
    pub readiness: watch::Receiver<Readiness>,
    pub metrics: Arc<Metrics>,
    pub door: Arc<Door>,
}

/// Binds the UDP socket of the listener.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind(address)
}

/// Puts QUIC on a bound socket.
pub fn endpoint(socket: UdpSocket, config: quinn::ServerConfig) -> io::Result<Endpoint> {
    Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
}

/// Accepts connections until the endpoint is closed.
pub(crate) async fn accept(endpoint: Endpoint, shared: Arc<Shared>) {
    let mut session = 0;
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
        session += 1;
        let session = SessionId(session);
        let shared = shared.clone();
        tokio::spawn(async move {
            shared.metrics.connections(shared.door.open());
            match incoming.await {
                Ok(connection) => session::serve(connection, session, ticket, &shared).await,
                Err(_) => {
                    drop(ticket);
                    shared.metrics.connection_refused("handshake");
                }
            }
            shared.metrics.connections(shared.door.open());
        });
    }
}

/// The QUIC close code of an error is its number.
pub fn close_code(code: Code) -> VarInt {
    VarInt::from_u32(code.number())
}

/// Closes a connection for a reason that the other side can read.
pub(crate) fn close(connection: &quinn::Connection, error: &WireError) {
    connection.close(close_code(error.code), error.message.as_bytes());
}
