//! QUIC and TLS parameters of the listener.
use crate::identity::TlsIdentity;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{IdleTimeout, TransportConfig, VarInt};
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
pub const INCOMING_MAX: usize = 4096;

/// The listener's configuration: TLS 1.3 only, X25519MLKEM768 preferred, no 0-RTT, connections may migrate to another address.
pub fn server_config(identity: TlsIdentity) -> Result<quinn::ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate], identity.key)?;
    tls.alpn_protocols = vec![wardline_protocol::ALPN.to_vec()];
    let quic = QuicServerConfig::try_from(tls).map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(quic));
    config.transport_config(Arc::new(transport()));
    config.migration(true);
    config.max_incoming(INCOMING_MAX);
    Ok(config)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(1)) // the control stream
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_TIMEOUT_MS))))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .stream_receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None);
    transport
}
