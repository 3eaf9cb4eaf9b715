//! The road to the node, against a real QUIC server on loopback.
#![cfg(feature = "native")]
use quinn::crypto::rustls::QuicServerConfig;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::sync::Arc;
use wardline_client::connection::{CertificatePin, Connection, ConnectionError};
use wardline_protocol::wire::{self, ClientFrame, ServerFrame, client_frame, response, server_frame};
use wardline_protocol::{ALPN, Code, EXPORTER_LABEL, PROTOCOL_VERSION, WireError, frame, limit};

struct Server {
    endpoint: quinn::Endpoint,
    address: String,
    pin: CertificatePin,
}

/// A server that only speaks the post-quantum key exchange: whoever gets through has offered it.
fn server() -> Server {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["node.wardline".into()]).unwrap();
    let provider = rustls::crypto::CryptoProvider {
        kx_groups: vec![rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768],
        ..rustls::crypto::aws_lc_rs::default_provider()
    };
    let key = rustls_pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = endpoint.local_addr().unwrap().to_string();
    Server { endpoint, address, pin: CertificatePin::of(cert.der()) }
}

async fn read(stream: &mut quinn::RecvStream, decoder: &mut frame::Decoder) -> ClientFrame {
    loop {
        if let Some(frame) = decoder.next_message().unwrap() {
            return frame;
        }
        decoder.push(&stream.read_chunk(4096, true).await.unwrap().unwrap().bytes);
    }
}

fn answer(request_id: u64, result: response::Result) -> bytes::Bytes {
    let response = wire::Response { request_id, result: Some(result) };
    let frame = ServerFrame { body: Some(server_frame::Body::Response(response)) };
    frame::encode(&frame, limit::FRAME_BYTES_MAX).unwrap()
}

#[tokio::test]
async fn hello_is_answered_and_both_sides_export_the_same() {
    let Server { endpoint, address, pin } = server();
    let node = tokio::spawn(async move {
        let connection = endpoint.accept().await.unwrap().await.unwrap();
        let (mut send, mut receive) = connection.accept_bi().await.unwrap();
        let mut decoder = frame::Decoder::new(limit::FRAME_BYTES_MAX);
        let hello = read(&mut receive, &mut decoder).await;
        assert!(matches!(&hello.body, Some(client_frame::Body::Hello(h)) if h.protocol_version == PROTOCOL_VERSION));
        // A push in front of the answer must not be lost, nor taken for it.
        let pushed = ServerFrame { body: Some(server_frame::Body::KeyPackagesLow(wire::KeyPackagesLow { left: 3 })) };
        send.write_chunk(frame::encode(&pushed, limit::FRAME_BYTES_MAX).unwrap()).await.unwrap();
        let challenge = wire::Challenge { nonce: vec![7; 32].into(), ..Default::default() };
        send.write_chunk(answer(hello.request_id, response::Result::Challenge(challenge))).await.unwrap();
        let asked = read(&mut receive, &mut decoder).await;
        let error = WireError::retry(Code::RateLimited, "slower", 250).into();
        send.write_chunk(answer(asked.request_id, response::Result::Error(error))).await.unwrap();
        let mut exported = [0; 32];
        connection.export_keying_material(&mut exported, EXPORTER_LABEL, b"").unwrap();
        connection.closed().await;
        exported
    });
    let mut connection = Connection::open(&[address], &[CertificatePin([0; 32]), pin]).await.unwrap();
    let challenge = connection.hello("test").await.unwrap();
    assert_eq!(challenge.nonce.as_ref(), [7; 32]);
    let exporter = connection.exporter().unwrap();
    let refused = connection.request(client_frame::Body::ListAccounts(wire::ListAccounts {})).await.unwrap_err();
    assert_eq!(refused.wire().unwrap().retry_after_ms, 250);
    assert!(matches!(connection.next().await.unwrap().body, Some(server_frame::Body::KeyPackagesLow(_))));
    connection.close().await;
    assert_eq!(node.await.unwrap(), exporter);
}

#[tokio::test]
async fn another_certificate_is_told_apart_from_silence() {
    let Server { endpoint, address, pin } = server();
    let node = tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            assert!(incoming.await.is_err(), "the client must not get through");
        }
    });
    let wrong = CertificatePin([pin.0[0] ^ 1; 32]);
    let error = Connection::open(&[address], &[wrong]).await.unwrap_err();
    assert!(matches!(error, ConnectionError::WrongCertificate), "{error:?}");
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = nobody.local_addr().unwrap().to_string();
    let error = Connection::open(&[silent], &[pin]).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Unreachable), "{error:?}");
    node.abort();
}

#[tokio::test]
async fn the_nodes_reason_for_closing_arrives() {
    let Server { endpoint, address, pin } = server();
    let node = tokio::spawn(async move {
        let connection = endpoint.accept().await.unwrap().await.unwrap();
        let (_send, mut receive) = connection.accept_bi().await.unwrap();
        read(&mut receive, &mut frame::Decoder::new(limit::FRAME_BYTES_MAX)).await;
        connection.close(Code::AccountLocked.number().into(), b"locked");
        endpoint.wait_idle().await;
    });
    let mut connection = Connection::open(&[address], &[pin]).await.unwrap();
    let error = connection.hello("test").await.unwrap_err();
    assert_eq!(error.wire().map(|error| error.code), Some(Code::AccountLocked), "{error:?}");
    node.await.unwrap();
}
