//! Bad input over real QUIC: its numbered error, the session's end, and nobody else disturbed.
use crate::client::{Client, node, signed_in};
use prost::Message;
use rand::{Rng, SeedableRng, rngs::StdRng};
use wardline_protocol::wire::client_frame::Body as Request;
use wardline_protocol::wire::{ClientFrame, FetchStatements, Hello, response::Result as Answer};
use wardline_protocol::{Code, limit};
use wardline_relay::node::Readiness;

async fn still_served(client: &mut Client) {
    let answer = client.request(Request::FetchStatements(FetchStatements { after_version: 0 })).await;
    assert!(matches!(answer, Answer::Statements(_)), "{answer:?}");
}

fn prefixed(body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(body);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_frame_is_answered_by_its_number_and_ends_its_session_only() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let (mut other, _) = signed_in(&ready, "anna").await;

    let mut bad = Client::greeted(&ready).await;
    let mut body = ClientFrame { request_id: 77, body: None }.encode_to_vec();
    body.extend([0x12, 0xff, 0xff, 0xff]); // a hello that claims to be longer than the frame
    bad.send_raw(&prefixed(&body)).await;
    let (goodbye, close_code, errors) = bad.ended().await;
    assert_eq!(errors, [(77, Code::Malformed)]);
    assert_eq!(goodbye, Some(Code::Malformed));
    assert_eq!(close_code, u64::from(Code::Malformed.number()));

    still_served(&mut other).await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_frame_is_refused_by_its_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let (mut other, _) = signed_in(&ready, "anna").await;

    let mut bad = Client::greeted(&ready).await;
    bad.send_raw(&u32::try_from(limit::UNAUTHENTICATED_FRAME_BYTES_MAX + 1).unwrap().to_be_bytes()).await;
    let (goodbye, close_code, _) = bad.ended().await;
    assert_eq!(goodbye, Some(Code::TooLarge));
    assert_eq!(close_code, u64::from(Code::TooLarge.number()));

    // Signed in, the same size is read, and answered as the request that it is.
    let hello = Hello { protocol_version: 1, client: "x".repeat(limit::UNAUTHENTICATED_FRAME_BYTES_MAX + 1) };
    let answer = other.request(Request::Hello(hello)).await;
    assert!(matches!(answer, Answer::Error(error) if Code::from_number(error.code) == Code::OutOfOrder));
    other.send_raw(&u32::try_from(limit::FRAME_BYTES_MAX + 1).unwrap().to_be_bytes()).await;
    assert_eq!(other.ended().await.0, Some(Code::TooLarge));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_out_of_order_are_answered_and_the_session_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let mut client = Client::connect(&ready).await;
    let early = client.request(Request::FetchStatements(FetchStatements { after_version: 0 })).await;
    assert!(matches!(early, Answer::Error(error) if Code::from_number(error.code) == Code::OutOfOrder));
    let hello = Hello { protocol_version: 1, client: "test".into() };
    assert!(matches!(client.request(Request::Hello(hello)).await, Answer::Challenge(_)));
    let early = client.request(Request::FetchStatements(FetchStatements { after_version: 0 })).await;
    assert!(matches!(early, Answer::Error(error) if Code::from_number(error.code) == Code::Unauthenticated));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_disturb_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let (mut other, _) = signed_in(&ready, "anna").await;
    let mut random = StdRng::seed_from_u64(20);
    for _ in 0..20 {
        let mut bad = Client::connect(&ready).await;
        let mut body = vec![0; random.random_range(1..400)];
        random.fill(body.as_mut_slice());
        body[0] = 0x0f; // a wire type that does not exist, so that no random body is a valid frame
        bad.send_raw(&prefixed(&body)).await;
        assert_eq!(bad.ended().await.0, Some(Code::Malformed));
        still_served(&mut other).await;
    }
    assert_eq!(running.readiness(), Readiness::Ready);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transport_is_post_quantum_and_knows_its_protocol() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let mut hybrid = rustls::crypto::aws_lc_rs::default_provider();
    assert_eq!(hybrid.kx_groups[0].name(), rustls::NamedGroup::X25519MLKEM768, "the node prefers the hybrid group");
    hybrid.kx_groups.retain(|group| group.name() == rustls::NamedGroup::X25519MLKEM768);
    assert!(Client::try_connect(&ready, hybrid, wardline_protocol::ALPN).await.is_ok());
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    assert!(Client::try_connect(&ready, provider, b"other").await.is_err());
    running.shutdown().await;
}
