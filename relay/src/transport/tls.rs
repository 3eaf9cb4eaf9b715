//! QUIC and TLS parameters of the listener: one port for native clients and browsers, each with a certificate that it accepts.
use super::session::BULK_STREAMS_MAX;
use crate::identity::TlsIdentity;
use crate::node::clock::system_ms;
use crate::web::certificates::Certificates;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{IdleTimeout, TransportConfig, VarInt};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use std::time::Duration;

/// A connection without any packet for this long is over. Clients keep theirs alive every 5 s.
pub const IDLE_TIMEOUT_MS: u32 = 15_000;

/// How often the node itself makes sure that a quiet connection is alive: presence must not be wrong for long.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Bytes of one stream, and of one connection, that may be in flight towards the node: what a session can make it hold at most.
pub const RECEIVE_WINDOW_BYTES: u32 = 512 * 1024;

/// Bytes sent and not acknowledged on one connection; what waits beyond them is in the session's queue, where its bound is.
pub const SEND_WINDOW_BYTES: u64 = 1024 * 1024;

/// Connections that wait to be accepted, before the listener looks at them.
pub const INCOMING_MAX: usize = 16_384;

/// The ALPN of HTTP/3, over which browsers open WebTransport sessions.
pub const H3_ALPN: &[u8] = b"h3";

/// Bidirectional streams that a client may have open: the control stream and bulk; for a browser also its request for the session, and one to
/// spare.
const BIDI_STREAMS_MAX: u32 = 3 + BULK_STREAMS_MAX as u32;

/// Unidirectional streams that a client may have open: HTTP/3 has three, and browsers open one more to see that it is ignored. A native
/// client has no use for them; what it sends there counts against [`RECEIVE_WINDOW_BYTES`].
const UNI_STREAMS_MAX: u32 = 4;

/// Bytes of datagrams that wait for somebody to read them, the oldest dropped first. Nobody does; WebTransport demands that there may be some.
const DATAGRAM_BUFFER_BYTES: usize = 16 * 1024;

/// The listener's configuration: TLS 1.3 only, X25519MLKEM768 preferred, no 0-RTT, connections may migrate to another address. Without
/// `web`, browsers find nobody.
pub fn server_config(
    identity: TlsIdentity,
    web: Option<Arc<Certificates>>,
) -> Result<quinn::ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let native = CertifiedKey::from_der(vec![identity.certificate], identity.key, &provider)?;
    let protocols = std::iter::once(wardline_protocol::ALPN).chain(web.is_some().then_some(H3_ALPN));
    let protocols = protocols.map(<[u8]>::to_vec).collect();
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByProtocol { native: Arc::new(native), web }));
    tls.alpn_protocols = protocols;
    let quic = QuicServerConfig::try_from(tls).map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(quic));
    config.transport_config(Arc::new(transport()));
    config.migration(true);
    config.max_incoming(INCOMING_MAX);
    Ok(config)
}

/// Native clients pin the node's own certificate, which the hospital's key has signed. Browsers take only one that lives two weeks.
#[derive(Debug)]
struct ByProtocol {
    native: Arc<CertifiedKey>,
    web: Option<Arc<Certificates>>,
}

impl ResolvesServerCert for ByProtocol {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let offers = |protocol: &[u8]| hello.alpn().is_some_and(|mut offered| offered.any(|offer| offer == protocol));
        match &self.web {
            Some(web) if offers(H3_ALPN) && !offers(wardline_protocol::ALPN) => web.served(system_ms()),
            _ => Some(self.native.clone()),
        }
    }
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(BIDI_STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS_MAX))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_TIMEOUT_MS))))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .stream_receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER_BYTES));
    transport
}
