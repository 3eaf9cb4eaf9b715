//! The page's server as a browser meets it, and as somebody meets it who means harm.
use crate::client::{Client, PATIENCE, node, options};
use crate::line::{Line, Tcp, pinned};
use rustls_pki_types::ServerName;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wardline_protocol::Code;
use wardline_relay::config::{Config, Listen, Web};
use wardline_relay::dev::{self, Ready};
use wardline_relay::identity::DataDir;
use wardline_relay::init;
use wardline_relay::node::Node;
use wardline_relay::web::{HEAD_BYTES_MAX, HEAD_WAIT};

fn page(ready: &Ready) -> SocketAddr {
    ready.web.strip_prefix("http://").unwrap().parse().unwrap()
}

/// Everything that comes back to a request, until the other side closes.
async fn ask(mut stream: impl Tcp, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A refusal may close before everything was read.
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("not closed").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn asked(ready: &Ready, head: &str) -> String {
    ask(TcpStream::connect(page(ready)).await.unwrap(), &format!("{head}Connection: close\r\n\r\n")).await
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}")).parse().unwrap()
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines()
        .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
        .map(|(_, v)| v)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_headers_and_only_get_and_head_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let host = format!("Host: localhost:{}\r\n", page(&ready).port());
    for (line, expected, cache) in [
        ("GET / HTTP/1.1", 200, "no-cache"),
        ("GET /enrol HTTP/1.1", 200, "no-cache"),
        ("HEAD / HTTP/1.1", 200, "no-cache"),
        ("GET /connect.json HTTP/1.1", 200, "no-store"),
        ("GET /none.js HTTP/1.1", 404, "no-store"),
        ("GET /session HTTP/1.1", 403, "no-store"),
        ("POST / HTTP/1.1", 405, "no-store"),
        ("DELETE /connect.json HTTP/1.1", 405, "no-store"),
        ("OPTIONS * HTTP/1.1", 405, "no-store"),
    ] {
        let answer = asked(&ready, &format!("{line}\r\n{host}")).await;
        assert_eq!(status(&answer), expected, "{line}: {answer}");
        assert_eq!(header(&answer, "cache-control"), Some(cache), "{line}");
        for (name, part) in [
            ("content-security-policy", "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; "),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-embedder-policy", "require-corp"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("permissions-policy", "camera=(self)"),
        ] {
            let value = header(&answer, name).unwrap_or_else(|| panic!("{line}: {name} is missing"));
            assert!(value.contains(part), "{line}: {name}: {value}");
        }
        assert_eq!(header(&answer, "strict-transport-security"), None, "{line}: over plain HTTP");
        assert_eq!(header(&answer, "allow").is_some(), expected == 405, "{line}");
        assert_eq!(body(&answer).is_empty(), line.starts_with("HEAD"), "{line}");
    }
    let answer = asked(&ready, &format!("GET / HTTP/1.1\r\n{host}")).await;
    let policy = header(&answer, "content-security-policy").unwrap();
    let connect = format!(
        "connect-src 'self' ws://localhost:{0} https://127.0.0.1:{1};",
        page(&ready).port(),
        ready.address.port()
    );
    assert!(policy.contains(&connect), "{policy}");
    assert!(policy.contains("style-src 'self' 'nonce-"), "{policy}");
    let second = asked(&ready, &format!("GET / HTTP/1.1\r\n{host}")).await;
    assert_ne!(header(&second, "content-security-policy").unwrap(), policy, "each answer has its own nonce");
    running.shutdown().await;
    assert!(TcpStream::connect(page(&ready)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_too_much_are_refused_and_nobody_holds_a_connection() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let slow = TcpStream::connect(page(&ready)).await.unwrap();
    let began = Instant::now();
    let slow = tokio::spawn(ask(slow, "GET / HTTP/1.1\r\nHost: local"));

    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n", "x".repeat(2 * HEAD_BYTES_MAX));
    let answer = asked(&ready, &long).await;
    assert_eq!(status(&answer), 431, "{answer}");
    for head in ["GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", "GET / HTTP/1.1\r\nHost: a;b\r\n"] {
        assert_eq!(status(&asked(&ready, head).await), 400, "{head}");
    }
    // Nothing of a body is taken, and what comes behind it is no further request.
    let request =
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nGET /none.js HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = ask(TcpStream::connect(page(&ready)).await.unwrap(), request).await;
    assert_eq!(status(&answer), 413, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    // One connection serves one request after another, then rests no longer than a slow head may take.
    let twice = "GET /connect.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
    let answer = ask(TcpStream::connect(page(&ready)).await.unwrap(), &twice).await;
    assert_eq!(answer.matches("certificates_sha256").count(), 2, "{answer}");
    assert!(!answer.contains("push_key"), "off by default: {answer}");

    slow.await.unwrap();
    let held = began.elapsed();
    assert!(held >= HEAD_WAIT - Duration::from_secs(1) && held < HEAD_WAIT + Duration::from_secs(5), "{held:?}");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded_and_places_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = dev::config(&options(dir.path()));
    let listen = Listen { address: any, unauthenticated_per_address_max: 3, ..Listen::default() };
    let config = Config { listen, ..config };
    let root = wardline_directory::key::RootKey::generate().unwrap().public();
    init::init(&config.data_dir, root, "node", Vec::new()).await.unwrap();
    let running = Node::start(&config).await.unwrap();
    let address = running.web_address.unwrap();
    let page = format!("http://{address}");
    // A WebSocket that has not signed in keeps its place.
    let sessions = [
        Line::websocket(&page, Some(&page)).await.unwrap(),
        Line::websocket(&page, Some(&page)).await.unwrap(),
        Line::websocket(&page, Some(&page)).await.unwrap(),
    ];
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(TcpStream::connect(address).await.unwrap(), request).await, "", "one too many is served");
    drop(sessions);
    let since = Instant::now();
    while ask(TcpStream::connect(address).await.unwrap(), request).await.is_empty() {
        assert!(since.elapsed() < PATIENCE, "places do not come back");
        tokio::task::yield_now().await;
    }
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_https_the_page_has_the_nodes_own_certificate_and_sessions_work() {
    let dir = tempfile::tempdir().unwrap();
    let config = dev::config(&options(dir.path()));
    let config = Config { web: Web { plain_http: false, ..config.web.clone() }, ..config };
    let root = wardline_directory::key::RootKey::generate().unwrap().public();
    init::init(&config.data_dir, root, "node", Vec::new()).await.unwrap();
    let pin = DataDir::open(&config.data_dir).unwrap().tls().unwrap().certificate_sha256().to_vec();
    let running = Node::start(&config).await.unwrap();
    let address = running.web_address.unwrap();
    let tls = pinned(pin, rustls::crypto::aws_lc_rs::default_provider(), b"http/1.1");
    let tls = TlsConnector::from(Arc::new(tls));
    let connect = async || {
        let stream = TcpStream::connect(address).await.unwrap();
        tls.connect(ServerName::try_from("wardline.invalid").unwrap(), stream).await.unwrap()
    };

    let answer = ask(connect().await, "GET / HTTP/1.1\r\nHost: clinic.example\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert_eq!(header(&answer, "strict-transport-security"), Some("max-age=31536000"));
    let policy = header(&answer, "content-security-policy").unwrap();
    let connections =
        format!("connect-src 'self' wss://clinic.example https://clinic.example:{};", running.address.port());
    assert!(policy.contains(&connections), "{policy}");

    let page = format!("https://{address}");
    let line = Line::websocket_on(Box::new(connect().await), &page, Some(&page)).await.unwrap();
    let mut client = Client::on(line, &page).greet().await;
    let plain = Line::websocket_on(Box::new(connect().await), &page, Some(&page.replace("https", "http"))).await;
    assert!(plain.is_err(), "a page over plain HTTP opened a session");
    let shutdown = tokio::spawn(running.shutdown());
    let (goodbye, close_code, _) = client.ended().await;
    assert_eq!((goodbye, close_code), (Some(Code::ShuttingDown), u64::from(Code::ShuttingDown.number())));
    tokio::time::timeout(PATIENCE, shutdown).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_hosted_elsewhere_or_behind_a_proxy_is_named_in_the_settings() {
    let dir = tempfile::tempdir().unwrap();
    let config = dev::config(&options(dir.path()));
    let origins = vec!["https://wardline.clinic.example".to_owned()];
    let config = Config { web: Web { origins, ..config.web.clone() }, ..config };
    let root = wardline_directory::key::RootKey::generate().unwrap().public();
    init::init(&config.data_dir, root, "node", Vec::new()).await.unwrap();
    let running = Node::start(&config).await.unwrap();
    let address = running.web_address.unwrap();
    let page = format!("http://{address}");
    assert!(Line::websocket(&page, Some("https://wardline.clinic.example")).await.is_ok());
    assert!(Line::websocket(&page, Some(&page)).await.is_err(), "the own page is not in the list");

    let get = async |head: &str| {
        let request = format!("GET /connect.json HTTP/1.1\r\n{head}Connection: close\r\n\r\n");
        ask(TcpStream::connect(address).await.unwrap(), &request).await
    };
    let answer = get("Host: node.clinic.example\r\nOrigin: https://wardline.clinic.example\r\n").await;
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("https://wardline.clinic.example"));
    assert_eq!(header(&answer, "strict-transport-security"), None, "plain HTTP");
    let answer = get("Host: node.clinic.example\r\nOrigin: https://evil.example\r\n").await;
    assert_eq!(header(&answer, "access-control-allow-origin"), None);
    // The proxy passes on the host that the browser asked for, over HTTPS.
    let answer = get("Host: wardline.clinic.example\r\n").await;
    assert!(header(&answer, "strict-transport-security").is_some());
    assert!(header(&answer, "content-security-policy").unwrap().contains(" wss://wardline.clinic.example "));
    running.shutdown().await;
}
