//! The road to the node: QUIC with a pinned certificate, one control stream of frames, and the first words on it.
//!
//! Absent on purpose: what the frames mean after signing in (that is [`crate::core`]), reconnecting (that is the session's), and
//! certificate authorities: the hospital's signed directory names the node's certificate by its hash and nothing else is believed.
pub mod bulk;
mod handshake;
mod pin;

pub use pin::CertificatePin;

use bytes::Bytes;
use quinn::udp::{UdpSockRef, UdpSocketState};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use wardline_protocol::wire::{self, ClientFrame, ServerFrame, client_frame, response, server_frame};
use wardline_protocol::{Code, EXPORTER_LABEL, WireError, frame, limit};

/// How often a silent connection says that it lives, so that address translators keep their mapping.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// After this long without a word from the node the connection is lost.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest wait for one address to answer.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest wait for the answer to a request of the handshake or of an IT admin.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Frames set aside while [`Connection::request`] waits for its answer. Full: the connection is given up.
const SET_ASIDE_MAX: usize = 10_000;

/// Bytes asked of a stream at a time.
const READ_BYTES: usize = 64 * 1024;

/// Why there is no connection, or no longer one. Shows no address and no name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// No address at all, or none that resolves.
    #[error("the node's address cannot be resolved: check the network, or ask the IT admin for the right address")]
    Unresolved,
    /// Nobody answered at any address.
    #[error("the node does not answer: check the network, and that UDP to the node's port is open")]
    Unreachable,
    /// Somebody answered who is not the hospital's node.
    #[error("the server is not the hospital's node (its certificate is another one): nothing was sent to it")]
    WrongCertificate,
    /// The QUIC connection is over.
    #[error("the connection to the node ended")]
    Closed,
    /// The node said goodbye, with its reason.
    #[error("the node ended the session: {0}")]
    Goodbye(WireError),
    /// The node refused a request.
    #[error(transparent)]
    Refused(WireError),
    /// No answer in time.
    #[error("the node did not answer in time")]
    TimedOut,
    /// The node sent what this version cannot read.
    #[error("the node does not follow the protocol: {0}")]
    Protocol(WireError),
    /// The operating system gave no socket, or TLS could not be set up.
    #[error("no network socket: {0}")]
    Local(String),
}

impl ConnectionError {
    /// The wire error in it, if the node gave one.
    pub fn wire(&self) -> Option<&WireError> {
        match self {
            Self::Goodbye(error) | Self::Refused(error) | Self::Protocol(error) => Some(error),
            _ => None,
        }
    }
}

/// One QUIC connection with its control stream.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    receiver: Receiver,
    set_aside: VecDeque<ServerFrame>,
    request_id: u64,
}

/// The half that writes frames.
#[derive(Debug)]
pub struct Sender {
    stream: quinn::SendStream,
    link: Link,
}

/// The half that reads frames.
#[derive(Debug)]
pub struct Receiver {
    stream: quinn::RecvStream,
    decoder: frame::Decoder,
    link: Link,
}

/// What keeps the connection alive and what can be asked of it.
#[derive(Clone, Debug)]
pub struct Link {
    connection: quinn::Connection,
    endpoint: quinn::Endpoint,
}

/// A UDP port that several connections share, for programs that have thousands of them: a port takes 3 MB for what it receives. What a
/// [`Link`] does to its port ([`Link::rebind`], waiting in [`Link::close`]) concerns all of them.
#[derive(Clone, Debug)]
pub struct Port(quinn::Endpoint);

impl Port {
    /// A free port from which `remote` can be reached, with room for `buffer_bytes` of datagrams, or as much of it as the kernel grants.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub fn new(remote: SocketAddr, buffer_bytes: usize) -> Result<Self, ConnectionError> {
        let local = |error: std::io::Error| ConnectionError::Local(error.kind().to_string());
        let socket = std::net::UdpSocket::bind(unspecified_for(remote)).map_err(local)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket)).map_err(local)?;
        let _granted = state.set_recv_buffer_size(UdpSockRef::from(&socket), buffer_bytes);
        let runtime = Arc::new(quinn::TokioRuntime);
        quinn::Endpoint::new(quinn::EndpointConfig::default(), None, socket, runtime).map(Self).map_err(local)
    }
}

impl Connection {
    /// [`open`](Self::open) from a port that other connections use too.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_from(port: &Port, address: SocketAddr, pins: &[CertificatePin]) -> Result<Self, ConnectionError> {
        open_one(port.0.clone(), address, pin::client_config(pins)?).await
    }

    /// Connects to the first of `addresses` ("host:port") that answers with a certificate in `pins`, and opens the control stream.
    pub async fn open(addresses: &[String], pins: &[CertificatePin]) -> Result<Self, ConnectionError> {
        let tls = pin::client_config(pins)?;
        let mut last = ConnectionError::Unresolved;
        for address in addresses {
            let Ok(resolved) = tokio::net::lookup_host(address.as_str()).await else { continue };
            for address in resolved {
                match open_alone(address, tls.clone()).await {
                    Ok(connection) => return Ok(connection),
                    Err(error) => last = worse(last, error),
                }
            }
        }
        Err(last)
    }

    /// What this TLS connection has and no other: 32 bytes of the exporter (RFC 8446 section 7.5) that session signatures cover.
    pub fn exporter(&self) -> Result<[u8; 32], ConnectionError> {
        let mut exported = [0; 32];
        self.sender
            .link
            .connection
            .export_keying_material(&mut exported, EXPORTER_LABEL, b"")
            .map_err(|_| ConnectionError::Closed)?;
        Ok(exported)
    }

    /// A request id that this connection has not used.
    pub fn next_request_id(&mut self) -> u64 {
        self.request_id += 1;
        self.request_id
    }

    /// Writes one frame.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), ConnectionError> {
        self.sender.send(frame).await
    }

    /// The next frame, a goodbye included. Safe to drop and call again: no frame is lost.
    pub async fn next(&mut self) -> Result<ServerFrame, ConnectionError> {
        match self.set_aside.pop_front() {
            Some(frame) => Ok(frame),
            None => self.receiver.next().await,
        }
    }

    /// Sends a request and waits for its answer; an error answer is `Refused`. Pushes that arrive meanwhile come out of [`next`](Self::next) later.
    pub async fn request(&mut self, body: client_frame::Body) -> Result<response::Result, ConnectionError> {
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.request_unbounded(body)).await;
        answer.map_err(|_| ConnectionError::TimedOut)?
    }

    /// [`request`](Self::request) without its time limit: for waiting on a person.
    pub async fn request_unbounded(&mut self, body: client_frame::Body) -> Result<response::Result, ConnectionError> {
        let request_id = self.ask(body).await?;
        self.answer(request_id).await
    }

    /// Sends a request without waiting; [`answer`](Self::answer) takes its id.
    pub async fn ask(&mut self, body: client_frame::Body) -> Result<u64, ConnectionError> {
        let request_id = self.next_request_id();
        self.send(&ClientFrame { request_id, body: Some(body) }).await?;
        Ok(request_id)
    }

    /// Waits for the answer to a request that [`ask`](Self::ask) sent. An error answer is `Refused`.
    pub async fn answer(&mut self, request_id: u64) -> Result<response::Result, ConnectionError> {
        loop {
            let frame = self.receiver.next().await?;
            match frame.body {
                Some(server_frame::Body::Response(wire::Response { request_id: id, result })) if id == request_id => {
                    return match result {
                        Some(response::Result::Error(error)) => Err(ConnectionError::Refused(error.into())),
                        Some(result) => Ok(result),
                        None => Err(unexpected("an answer without a result")),
                    };
                }
                Some(server_frame::Body::Goodbye(goodbye)) => return Err(goodbye_error(goodbye)),
                _ if self.set_aside.len() < SET_ASIDE_MAX => self.set_aside.push_back(frame),
                _ => return Err(unexpected("too many pushes before an answer")),
            }
        }
    }

    /// The two halves, for a task that reads and writes at the same time. What was set aside comes first.
    pub fn split(self) -> (Sender, Receiver, VecDeque<ServerFrame>) {
        (self.sender, self.receiver, self.set_aside)
    }

    /// The connection's own handle.
    pub fn link(&self) -> &Link {
        &self.sender.link
    }

    /// Says that this side is done, and waits until the node has heard it, one second at most.
    pub async fn close(mut self) {
        // A stream that is already gone needs no end.
        let _ = self.sender.stream.finish();
        self.sender.link.close().await;
    }
}

impl Sender {
    /// Writes one frame. Not safe to drop half-way: the stream would be cut in the middle of a frame.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), ConnectionError> {
        let bytes = frame::encode(frame, limit::FRAME_BYTES_MAX).map_err(ConnectionError::Protocol)?;
        self.stream.write_chunk(bytes).await.map_err(|_| self.link.reason())
    }

    /// The connection's own handle.
    pub fn link(&self) -> &Link {
        &self.link
    }
}

impl Receiver {
    /// The next frame. Safe to drop and call again.
    pub async fn next(&mut self) -> Result<ServerFrame, ConnectionError> {
        loop {
            if let Some(frame) = self.decoder.next_message().map_err(ConnectionError::Protocol)? {
                return Ok(frame);
            }
            match self.stream.read_chunk(READ_BYTES, true).await {
                Ok(Some(chunk)) => self.decoder.push(&chunk.bytes),
                Ok(None) | Err(_) => return Err(self.link.reason()),
            }
        }
    }

    /// Whether a whole frame is already here; then [`next`](Self::next) does not wait. Lets a caller work in batches.
    pub fn try_next(&mut self) -> Result<Option<ServerFrame>, ConnectionError> {
        self.decoder.next_message().map_err(ConnectionError::Protocol)
    }
}

impl Link {
    /// Moves the connection to a fresh socket, after the machine's network has changed; QUIC migrates (RFC 9000 section 9).
    pub fn rebind(&self) -> Result<(), ConnectionError> {
        let local = unspecified_for(self.connection.remote_address());
        let socket = std::net::UdpSocket::bind(local).map_err(|e| ConnectionError::Local(e.kind().to_string()))?;
        self.endpoint.rebind(socket).map_err(|e| ConnectionError::Local(e.kind().to_string()))
    }

    /// Round-trip time as QUIC measures it.
    pub fn round_trip(&self) -> Duration {
        self.connection.rtt()
    }

    /// Gives the connection up without waiting: for one that is broken, or that is replaced at once.
    pub fn abandon(&self) {
        self.connection.close(0u32.into(), b"");
    }

    /// Ends the connection and waits until the node has heard it, one second at most.
    pub async fn close(&self) {
        self.connection.close(0u32.into(), b"");
        // A node that does not answer is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.endpoint.wait_idle()).await;
    }

    fn reason(&self) -> ConnectionError {
        match self.connection.close_reason() {
            Some(quinn::ConnectionError::ApplicationClosed(close)) => {
                match Code::from_number(u32::try_from(close.error_code.into_inner()).unwrap_or(0)) {
                    Code::Unknown(_) => ConnectionError::Closed,
                    code => {
                        let message = String::from_utf8_lossy(&close.reason).into_owned();
                        ConnectionError::Goodbye(WireError::new(code, message))
                    }
                }
            }
            Some(quinn::ConnectionError::TimedOut) => ConnectionError::TimedOut,
            _ => ConnectionError::Closed,
        }
    }
}

/// The error that a goodbye stands for.
pub fn goodbye_error(goodbye: wire::Goodbye) -> ConnectionError {
    match goodbye.error {
        Some(error) => ConnectionError::Goodbye(error.into()),
        None => ConnectionError::Closed,
    }
}

async fn open_alone(
    address: SocketAddr,
    tls: Arc<quinn::crypto::rustls::QuicClientConfig>,
) -> Result<Connection, ConnectionError> {
    let endpoint =
        quinn::Endpoint::client(unspecified_for(address)).map_err(|e| ConnectionError::Local(e.kind().to_string()))?;
    open_one(endpoint, address, tls).await
}

async fn open_one(
    endpoint: quinn::Endpoint,
    address: SocketAddr,
    tls: Arc<quinn::crypto::rustls::QuicClientConfig>,
) -> Result<Connection, ConnectionError> {
    let mut config = quinn::ClientConfig::new(tls);
    config.transport_config(Arc::new(transport()?));
    let connecting =
        endpoint.connect_with(config, address, "node.wardline").map_err(|e| ConnectionError::Local(e.to_string()))?;
    let connection = match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return Err(pin::connect_error(&error)),
        Err(_) => return Err(ConnectionError::Unreachable),
    };
    let (send, receive) = connection.open_bi().await.map_err(|_| ConnectionError::Closed)?;
    let link = Link { connection, endpoint };
    Ok(Connection {
        sender: Sender { stream: send, link: link.clone() },
        receiver: Receiver { stream: receive, decoder: frame::Decoder::new(limit::FRAME_BYTES_MAX), link },
        set_aside: VecDeque::new(),
        request_id: 0,
    })
}

fn transport() -> Result<quinn::TransportConfig, ConnectionError> {
    let idle = quinn::IdleTimeout::try_from(IDLE_TIMEOUT).map_err(|e| ConnectionError::Local(e.to_string()))?;
    let mut transport = quinn::TransportConfig::default();
    transport.keep_alive_interval(Some(KEEP_ALIVE)).max_idle_timeout(Some(idle));
    Ok(transport)
}

fn unspecified_for(remote: SocketAddr) -> SocketAddr {
    let ip: IpAddr = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    SocketAddr::new(ip, 0)
}

/// A wrong certificate says more than silence: it is what the person must hear of.
fn worse(one: ConnectionError, other: ConnectionError) -> ConnectionError {
    if matches!(one, ConnectionError::WrongCertificate) { one } else { other }
}

fn unexpected(what: &str) -> ConnectionError {
    ConnectionError::Protocol(WireError::new(Code::Malformed, what))
}

/// Bytes of a frame's field, for callers that hold slices.
pub(crate) fn field(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
