//! `/healthz`, `/readyz`, `/metrics` as a monitoring system sees them.
use crate::client::{PATIENCE, node, signed_in};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Status and body.
pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
}

fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is missing in\n{text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_follow_a_session() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    assert_eq!(get(ready.ops, "/healthz").await.0, 200);
    let (status, body) = get(ready.ops, "/readyz").await;
    assert_eq!(status, 200, "{body}");
    let (_, before) = get(ready.ops, "/metrics").await;
    assert_eq!(value(&before, "wardline_sessions"), 0.0);

    let (client, _) = signed_in(&ready, "boris").await;
    let (_, during) = get(ready.ops, "/metrics").await;
    assert_eq!(value(&during, "wardline_sessions"), 1.0);
    assert_eq!(value(&during, "wardline_connections{road=\"quic\"}"), 1.0);
    assert_eq!(value(&during, "wardline_accounts_online"), 1.0);
    assert_eq!(value(&during, "wardline_devices"), 1.0);
    assert!(value(&during, "wardline_frames_received_total") >= 3.0);
    assert!(value(&during, "wardline_store_writes_total") >= 1.0);
    assert!(value(&during, "wardline_store_transaction_seconds_count") >= 1.0);
    assert!(value(&during, "wardline_plane_handle_seconds_count") >= 3.0);
    for secret in ["boris", "Weber", "127.0.0.1"] {
        assert!(!during.contains(secret), "{secret} in the metrics");
    }
    drop(client);
    running.shutdown().await;
    assert!(TcpStream::connect(ready.ops).await.is_err());
}
