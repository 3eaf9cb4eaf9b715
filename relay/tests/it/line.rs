//! The three ways to a node, as bytes out and bytes in.
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use url::Url;
use wardline_directory::session::web_binding;
use wardline_protocol::code::parse_enrolment;
use wardline_protocol::{EXPORTER_LABEL, SESSION_PATH, limit};
use wardline_relay::dev;
use wardline_relay::transport::websocket::CLOSE_CODE_BASE;
use web_transport_quinn::http::HeaderValue;
use web_transport_quinn::proto::ConnectRequest;
use web_transport_quinn::{ClientBuilder, ClientError, Session, SessionError, WebTransportError};

/// Any stream of bytes below a WebSocket.
pub trait Tcp: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Tcp for S {}

pub type Socket = WebSocketStream<Box<dyn Tcp>>;

/// One session's connection with its control stream.
pub enum Line {
    Quic {
        connection: Connection,
        send: quinn::SendStream,
        receive: quinn::RecvStream,
        endpoint: Endpoint,
    },
    WebTransport {
        session: Box<Session>,
        send: web_transport_quinn::SendStream,
        receive: web_transport_quinn::RecvStream,
    },
    WebSocket {
        socket: Box<Socket>,
        close_code: Option<u16>,
    },
}

impl Line {
    pub async fn quic(ready: &dev::Ready, provider: CryptoProvider, alpn: &[u8]) -> Result<Self, ConnectionError> {
        let link = ready.enrolment.values().next().unwrap();
        let pin = parse_enrolment(link).unwrap().certificate_sha256.to_vec();
        let config = pinned(pin, provider, alpn);
        let mut endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        endpoint.set_default_client_config(ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap())));
        let connection = endpoint.connect(ready.address, "wardline.invalid").unwrap().await?;
        let (send, receive) = connection.open_bi().await?;
        Ok(Self::Quic { connection, send, receive, endpoint })
    }

    pub async fn web_transport(address: SocketAddr, hashes: Vec<Vec<u8>>, origin: &str) -> Result<Self, ClientError> {
        let session = session(address, hashes, origin, SESSION_PATH).await?;
        let (send, receive) = session.open_bi().await.unwrap();
        Ok(Self::WebTransport { session: Box::new(session), send, receive })
    }

    pub async fn websocket(page: &str, origin: Option<&str>) -> Result<Self, tungstenite::Error> {
        let address: SocketAddr = page.split("://").nth(1).unwrap().parse().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        Self::websocket_on(Box::new(stream), page, origin).await
    }

    /// The same on a connection that is there already. `page` is where it leads to: scheme, host and port.
    pub async fn websocket_on(
        stream: Box<dyn Tcp>,
        page: &str,
        origin: Option<&str>,
    ) -> Result<Self, tungstenite::Error> {
        let url = format!("ws://{}{SESSION_PATH}", page.split("://").nth(1).unwrap());
        let mut request = url.into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        Ok(Self::WebSocket { socket: Box::new(socket), close_code: None })
    }

    /// What the session's signature is bound to, if the page was of `origin`.
    pub fn binding(&self, origin: &str) -> [u8; 32] {
        match self {
            Self::Quic { connection, .. } => {
                let mut exporter = [0; 32];
                connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").unwrap();
                exporter
            }
            Self::WebTransport { .. } | Self::WebSocket { .. } => web_binding(origin),
        }
    }

    pub async fn send(&mut self, bytes: Bytes) {
        match self {
            Self::Quic { send, .. } => send.write_all(&bytes).await.unwrap(),
            Self::WebTransport { send, .. } => send.write_all(&bytes).await.unwrap(),
            Self::WebSocket { socket, .. } => {
                // In parts that end inside frames, as nothing says that they may not.
                for part in bytes.chunks(10_007) {
                    socket.feed(Message::binary(part.to_vec())).await.unwrap();
                }
                socket.flush().await.unwrap();
            }
        }
    }

    /// Further bytes; `None` when the node ended the stream or the connection.
    pub async fn receive(&mut self) -> Option<Bytes> {
        match self {
            Self::Quic { receive, .. } => Some(receive.read_chunk(64 * 1024, true).await.ok()??.bytes),
            Self::WebTransport { receive, .. } => Some(receive.read_chunk(64 * 1024, true).await.ok()??.bytes),
            Self::WebSocket { socket, close_code } => loop {
                match socket.next().await?.ok()? {
                    Message::Binary(bytes) => {
                        assert!(bytes.len() <= limit::WEBSOCKET_MESSAGE_BYTES_MAX, "{}", bytes.len());
                        return Some(bytes);
                    }
                    Message::Close(frame) => *close_code = frame.map(|frame| frame.code.into()),
                    _ => {}
                }
            },
        }
    }

    /// Waits for the node's close of the connection; its number.
    pub async fn closed(&mut self) -> u64 {
        match self {
            Self::Quic { connection, .. } => match connection.closed().await {
                ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
                other => panic!("closed otherwise: {other}"),
            },
            Self::WebTransport { session, .. } => match session.closed().await {
                SessionError::WebTransportError(WebTransportError::Closed(code, _)) => u64::from(code),
                other => panic!("closed otherwise: {other}"),
            },
            Self::WebSocket { close_code, .. } => u64::from(close_code.expect("a close frame") - CLOSE_CODE_BASE),
        }
    }

    /// Ends it from this side.
    pub async fn leave(mut self) {
        match &mut self {
            Self::Quic { connection, .. } => connection.close(0u32.into(), b""),
            Self::WebTransport { session, .. } => session.close(0, b""),
            Self::WebSocket { socket, .. } => WebSocketStream::close(socket, None).await.unwrap(),
        }
    }

    /// The client's own UDP port.
    pub fn local_port(&self) -> u16 {
        let Self::Quic { endpoint, .. } = self else { panic!("not QUIC") };
        endpoint.local_addr().unwrap().port()
    }
}

/// A WebTransport session, without its control stream.
pub async fn session(
    address: SocketAddr,
    hashes: Vec<Vec<u8>>,
    origin: &str,
    path: &str,
) -> Result<Session, ClientError> {
    let client = ClientBuilder::new().with_server_certificate_hashes(hashes).unwrap();
    let url = format!("https://{address}{path}").parse::<Url>().unwrap();
    let request = ConnectRequest::new(url).with_header("origin".parse().unwrap(), origin.parse().unwrap());
    client.connect(request).await
}

/// TLS that accepts one certificate.
pub fn pinned(pin: Vec<u8>, provider: CryptoProvider, alpn: &[u8]) -> rustls::ClientConfig {
    let provider = Arc::new(provider);
    let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { pin, provider }))
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls
}

#[derive(Debug)]
struct Pinned {
    pin: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if Sha256::digest(end_entity).as_slice() == self.pin {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General("another certificate".into()))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
