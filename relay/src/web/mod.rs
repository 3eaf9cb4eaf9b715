//! What browsers meet on TCP: the web client's page, the way to its sessions, and sessions over WebSocket where UDP is blocked.
//!
//! Absent on purpose: anything behind a sign-in. A page, a name or a list that only some may see would need one; here everything is the same for
//! everybody, and what is secret travels inside sessions.
mod answer;
pub mod certificates;
mod files;
mod headers;
pub mod identity;
pub mod origin;

use crate::config::Web;
use crate::metrics::{Counted, RoadLabel};
use crate::node::Readiness;
use crate::transport::Shared;
use crate::transport::door::Ticket;
use crate::transport::pulse::{Pulse, Watched};
use answer::Site;
use certificates::Certificates;
use files::Files;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use identity::Identity;
use origin::Scheme;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How long a TLS handshake may take.
pub const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// How long the head of a request may take, and how long a connection is kept for a further one.
pub const HEAD_WAIT: Duration = Duration::from_secs(10);

/// Bytes of a request's head.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A connection on which no byte moves for so long while an answer is sent is over.
pub const STALLED_MAX: Duration = Duration::from_secs(30);

/// How long answers under way may take when the node goes down.
pub const FAREWELL_WAIT: Duration = Duration::from_secs(1);

/// Bytes of a connection that the kernel keeps for its peer. Small: what it holds cannot be overtaken, not even by a ping, and a peer that takes
/// them slower than within `websocket::IDLE` would look dead.
pub const SEND_BUFFER_BYTES: u32 = 256 * 1024;

/// Connections that the kernel keeps until the node takes them.
const BACKLOG: u32 = 1024;

/// A pause when the process may open no further file.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one TCP connection is, known to all its requests. A WebSocket takes the place along.
pub(crate) struct Visitor {
    place: Mutex<Option<(Ticket, Counted)>>,
    pulse: Arc<Pulse>,
}

impl Visitor {
    /// The connection's place behind the door, once.
    fn take_place(&self) -> Option<Ticket> {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        place.map(|(ticket, _counted_as_http)| ticket)
    }
}

/// A bound listener.
pub(crate) struct Listener {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

/// Binds the address of the page.
pub(crate) fn bind(settings: &Web, identity: Option<Arc<Identity>>) -> io::Result<Listener> {
    let socket = if settings.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(settings.address)?;
    let tls = identity.map(Identity::server_config).transpose().map_err(io::Error::other)?;
    Ok(Listener { listener: socket.listen(BACKLOG)?, tls: tls.map(TlsAcceptor::from) })
}

impl Listener {
    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the node goes down. `quic` is the address of WebTransport.
    pub(crate) async fn serve(self, quic: SocketAddr, certificates: Arc<Certificates>, shared: Arc<Shared>) {
        let scheme = if self.tls.is_some() { Scheme::Https } else { Scheme::Http };
        let site =
            Arc::new(Site { files: Files::embedded(), scheme, webtransport_port: quic.port(), certificates, shared });
        let mut down = Down(site.shared.readiness.clone());
        let mut visits = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = visits.join_next() => continue,
                () = down.comes() => break,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Most often too many open files; those end.
                    tracing::debug!(%error, "a connection was not taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            match site.shared.door.enter(address.ip()) {
                Ok(ticket) => {
                    let counted = site.shared.metrics.connection(RoadLabel::Http);
                    let pulse = Pulse::new();
                    let visitor = Arc::new(Visitor { place: Mutex::new(Some((ticket, counted))), pulse });
                    visits.spawn(visit(stream, self.tls.clone(), visitor, site.clone()));
                }
                Err(refusal) => site.shared.metrics.connection_refused(refusal.label()),
            }
        }
        drop(self.listener);
        while visits.join_next().await.is_some() {}
    }
}

/// The node goes down.
struct Down(watch::Receiver<Readiness>);

impl Down {
    async fn comes(&mut self) {
        // A sender that is gone went down too.
        if self.0.wait_for(|readiness| *readiness == Readiness::ShuttingDown).await.is_err() {
            tracing::debug!("the plane ended before the page's server");
        }
    }
}

async fn visit(stream: TcpStream, tls: Option<TlsAcceptor>, visitor: Arc<Visitor>, site: Arc<Site>) {
    if stream.set_nodelay(true).is_err() {
        return; // gone already
    }
    let stream = Watched::new(stream, visitor.pulse.clone());
    let Some(tls) = tls else { return requests(stream, visitor, site).await };
    match tokio::time::timeout(HANDSHAKE_WAIT, tls.accept(stream)).await {
        Ok(Ok(stream)) => requests(stream, visitor, site).await,
        Ok(Err(_)) | Err(_) => site.shared.metrics.connection_refused("handshake"),
    }
}

/// Answers requests until the connection ends or becomes a WebSocket's.
async fn requests<S>(stream: S, visitor: Arc<Visitor>, site: Arc<Site>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (down, pulse) = (site.shared.readiness.clone(), visitor.pulse.clone());
    let service = service_fn(move |request| {
        let (site, visitor) = (site.clone(), visitor.clone());
        async move { Ok::<_, std::convert::Infallible>(site.answer(request, &visitor).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT).max_buf_size(HEAD_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let mut down = Down(down);
    tokio::select! {
        // How it ended is told to nobody: a browser that goes away in the middle is no news.
        _ = connection.as_mut() => return,
        () = pulse.stopped(STALLED_MAX) => return,
        () = down.comes() => {}
    }
    connection.as_mut().graceful_shutdown();
    if tokio::time::timeout(FAREWELL_WAIT, connection).await.is_err() {
        tracing::debug!("an answer was cut off");
    }
}
