//! Sessions of browsers: the same frames as native ones, over WebTransport and over WebSocket, bound to the page's origin.
use crate::client::{Client, Device, PATIENCE, node, options, signed_in};
use crate::line::{self, Line};
use crate::monitoring::get;
use data_encoding::{BASE64, HEXLOWER};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio_tungstenite::tungstenite;
use wardline_directory::key::OperationalKey;
use wardline_directory::session::{sign_admin, web_binding};
use wardline_protocol::code::parse_enrolment;
use wardline_protocol::wire::client_frame::Body as Request;
use wardline_protocol::wire::{
    AuthenticateAdmin, FetchStatements, LockAccount, ServerFrame, response::Result as Answer, server_frame,
};
use wardline_protocol::{AccountId, Code, SESSION_PATH, frame, limit};
use wardline_relay::config::{Config, Web};
use wardline_relay::node::{Node, Running};
use wardline_relay::transport::websocket::IDLE;
use wardline_relay::{dev, init};
use web_transport_quinn::{ClientError, ConnectError};

/// The ways of browsers.
#[derive(Clone, Copy, Debug)]
enum Road {
    WebTransport,
    WebSocket,
}

/// The hashes in `/connect.json`.
async fn hashes(ready: &dev::Ready) -> Vec<Vec<u8>> {
    let page: SocketAddr = ready.web.strip_prefix("http://").unwrap().parse().unwrap();
    let (status, body) = get(page, "/connect.json").await;
    assert_eq!(status, 200, "{body}");
    let connect: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(connect["webtransport"]["host"], "node", "the host that was asked");
    assert_eq!(connect["webtransport"]["port"], ready.address.port());
    assert_eq!(connect["webtransport"]["path"], SESSION_PATH);
    assert_eq!(connect["websocket"], SESSION_PATH);
    let hashes = connect["webtransport"]["certificates_sha256"].as_array().unwrap();
    hashes.iter().map(|hash| BASE64.decode(hash.as_str().unwrap().as_bytes()).unwrap()).collect()
}

impl Road {
    async fn connect(self, ready: &dev::Ready) -> Client {
        let line = match self {
            Road::WebTransport => Line::web_transport(ready.address, hashes(ready).await, &ready.web).await.unwrap(),
            Road::WebSocket => Line::websocket(&ready.web, Some(&ready.web)).await.unwrap(),
        };
        Client::on(line, &ready.web).greet().await
    }

    /// A new device of an account, signed in by a code for the page.
    async fn signed_in(self, ready: &dev::Ready, handle: &str) -> (Client, Device) {
        let mut client = self.connect(ready).await;
        let (device, answer) = client.enrol(&ready.web_enrolment[handle]).await;
        assert!(matches!(answer, Answer::Enrolled(_)), "{self:?}: {answer:?}");
        assert!(matches!(client.authenticate(&device).await, Answer::Authenticated(_)), "{self:?}");
        (client, device)
    }
}

async fn statements(client: &mut Client) -> usize {
    let answer = client.request(Request::FetchStatements(FetchStatements { after_version: 0 })).await;
    let Answer::Statements(statements) = answer else { panic!("{answer:?}") };
    statements.statements.len()
}

fn refused(answer: &Answer, code: Code) -> bool {
    matches!(answer, Answer::Error(error) if Code::from_number(error.code) == code)
}

async fn metric(ready: &dev::Ready, name: &str) -> f64 {
    let (_, text) = get(ready.ops, "/metrics").await;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

/// Waits until a metric has a value; how long that took.
async fn becomes(ready: &dev::Ready, name: &str, value: f64, patience: Duration) -> Duration {
    let since = Instant::now();
    loop {
        let now = metric(ready, name).await;
        if now == value {
            break;
        }
        assert!(since.elapsed() < patience, "{name} does not become {value}: {now}");
        tokio::time::sleep(Duration::from_millis(20)).await; // bounded: by `patience`
    }
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_enrol_sign_in_and_fetch_on_both_roads_beside_native_clients() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let (mut native, _) = signed_in(&ready, "anna").await;
    let (mut over_udp, device) = Road::WebTransport.signed_in(&ready, "anna").await;
    let (mut over_tcp, _) = Road::WebSocket.signed_in(&ready, "boris").await;
    let known = statements(&mut native).await;
    assert!(known > 10);
    assert_eq!([statements(&mut over_udp).await, statements(&mut over_tcp).await], [known, known]);
    for road in ["quic", "webtransport", "websocket"] {
        assert_eq!(metric(&ready, &format!("wardline_connections{{road=\"{road}\"}}")).await, 1.0, "{road}");
    }

    // The same device comes back on the other road: its former session is told.
    let mut again = Road::WebSocket.connect(&ready).await;
    assert!(matches!(again.authenticate(&device).await, Answer::Authenticated(_)));
    let (goodbye, close_code, _) = over_udp.ended().await;
    assert_eq!((goodbye, close_code), (Some(Code::Replaced), u64::from(Code::Replaced.number())));
    becomes(&ready, "wardline_connections{road=\"webtransport\"}", 0.0, PATIENCE).await;
    over_tcp.line.leave().await;
    becomes(&ready, "wardline_connections{road=\"websocket\"}", 1.0, PATIENCE).await;
    running.shutdown().await;
    assert_eq!(again.ended().await.0, Some(Code::ShuttingDown));
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_larger_than_a_message_go_through_in_both_directions() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    for road in [Road::WebTransport, Road::WebSocket] {
        let (mut client, _) =
            road.signed_in(&ready, if matches!(road, Road::WebSocket) { "anna" } else { "boris" }).await;
        // The answer to a request that comes too late repeats nothing, so many statements make the large answer.
        for _ in 0..20 {
            client.start(Request::FetchStatements(FetchStatements { after_version: 0 })).await;
        }
        assert!(statements(&mut client).await > 10);
        client.send_raw(&u32::try_from(limit::FRAME_BYTES_MAX).unwrap().to_be_bytes()).await;
        client.send_raw(&vec![0x0f; limit::FRAME_BYTES_MAX]).await;
        let (goodbye, close_code, _) = client.ended().await;
        assert_eq!(goodbye, Some(Code::Malformed), "{road:?}: read whole, then refused");
        assert_eq!(close_code, u64::from(Code::Malformed.number()), "{road:?}");
    }
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_gets_no_session() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let port = ready.web.rsplit(':').next().unwrap();
    let (https, other) = (format!("https://127.0.0.1:{port}"), format!("http://127.0.0.1.evil.example:{port}"));
    for origin in [None, Some("null"), Some("http://evil.example"), Some(https.as_str()), Some(other.as_str())] {
        match Line::websocket(&ready.web, origin).await {
            Err(tungstenite::Error::Http(response)) => {
                assert_eq!(response.status(), 403, "{origin:?}");
                assert!(response.headers().contains_key("content-security-policy"));
            }
            other => panic!("{origin:?}: {:?}", other.err()),
        }
    }
    for origin in ["null", "https://evil.example", other.as_str()] {
        match line::session(ready.address, hashes(&ready).await, origin, SESSION_PATH).await.err().unwrap() {
            // The crate that answers and asks does not hand the status on.
            ClientError::HttpError(ConnectError::ProtoError(_) | ConnectError::ErrorStatus(_)) => {}
            error => panic!("{origin}: {error:?}"),
        }
    }
    let elsewhere = line::session(ready.address, hashes(&ready).await, &ready.web, "/other").await;
    assert!(elsewhere.is_err(), "a session at another path");
    assert_eq!(metric(&ready, "wardline_connections_refused_total{cause=\"origin\"}").await, 8.0);
    assert_eq!(metric(&ready, "wardline_sessions").await, 0.0);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_for_another_origin_or_for_a_native_session_opens_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let (native, device) = signed_in(&ready, "anna").await;
    for road in [Road::WebTransport, Road::WebSocket] {
        for wrong in [web_binding("https://evil.example"), native.binding, [0; 32]] {
            let mut client = road.connect(&ready).await;
            client.binding = wrong;
            assert!(refused(&client.authenticate(&device).await, Code::BadSignature), "{road:?}");
            let mut client = road.connect(&ready).await;
            client.binding = wrong;
            let (_, answer) = client.enrol(&ready.web_enrolment["boris"]).await;
            assert!(refused(&answer, Code::BadSignature), "{road:?}: {answer:?}");
        }
        let mut client = road.connect(&ready).await;
        assert!(matches!(client.authenticate(&device).await, Answer::Authenticated(_)), "{road:?}");
    }
    let mut other = Client::greeted(&ready).await;
    other.binding = web_binding(&ready.web);
    assert!(refused(&other.authenticate(&device).await, Code::BadSignature), "a web signature on a native session");
    running.shutdown().await;
}

fn account_of(ready: &dev::Ready, handle: &str) -> AccountId {
    AccountId::parse(&parse_enrolment(&ready.enrolment[handle]).unwrap().account_id).unwrap()
}

/// Locks an account as the IT admin does.
async fn lock(dir: &std::path::Path, ready: &dev::Ready, account: AccountId) {
    let seed = HEXLOWER.decode(&std::fs::read(dir.join("hospital/operational.key")).unwrap()).unwrap();
    let key = OperationalKey::from_seed(seed.try_into().unwrap());
    let mut admin = Client::greeted(ready).await;
    let signature = sign_admin(&key, admin.nonce(), &admin.binding).to_vec().into();
    let answer = admin.request(Request::AuthenticateAdmin(AuthenticateAdmin { signature })).await;
    assert!(!matches!(answer, Answer::Error(_)), "{answer:?}");
    let account_id = account.to_bytes();
    let answer = admin.request(Request::LockAccount(LockAccount { account_id, locked: true })).await;
    assert!(!matches!(answer, Answer::Error(_)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_ends_the_sessions_of_all_roads_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let account = account_of(&ready, "emil");
    let (mut native, _) = signed_in(&ready, "emil").await;
    let (mut over_udp, _) = Road::WebTransport.signed_in(&ready, "emil").await;
    lock(dir.path(), &ready, account).await;
    let locked = Instant::now();
    for client in [&mut native, &mut over_udp] {
        let (goodbye, close_code, _) = client.ended().await;
        assert_eq!((goodbye, close_code), (Some(Code::AccountLocked), u64::from(Code::AccountLocked.number())));
    }
    assert!(locked.elapsed() < Duration::from_secs(1), "{:?}", locked.elapsed());

    let account = account_of(&ready, "carla");
    let (mut over_tcp, _) = Road::WebSocket.signed_in(&ready, "carla").await;
    lock(dir.path(), &ready, account).await;
    let locked = Instant::now();
    let (goodbye, close_code, _) = over_tcp.ended().await;
    assert_eq!((goodbye, close_code), (Some(Code::AccountLocked), u64::from(Code::AccountLocked.number())));
    assert!(locked.elapsed() < Duration::from_secs(1), "{:?}", locked.elapsed());
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_peer_that_answers_nothing_is_cut_off_within_a_second_too() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let account = account_of(&ready, "carla");
    // It keeps the connection open and never reads again, so that no close frame is answered.
    let (_silent, _) = Road::WebSocket.signed_in(&ready, "carla").await;
    assert_eq!(metric(&ready, "wardline_connections{road=\"websocket\"}").await, 1.0);
    lock(dir.path(), &ready, account).await;
    becomes(&ready, "wardline_connections{road=\"websocket\"}", 0.0, Duration::from_secs(1)).await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_websocket_peer_is_found_and_a_quiet_one_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let (mut quiet, _) = Road::WebSocket.signed_in(&ready, "anna").await;
    let (dead, _) = Road::WebSocket.signed_in(&ready, "boris").await;
    // The quiet one answers pings, as browsers do by themselves; the dead one's connection stays open without a byte.
    let pongs = tokio::spawn(async move {
        let mut decoder = frame::Decoder::new(limit::FRAME_BYTES_MAX);
        let (mut last, mut empty_count) = (None, 0);
        while let Some(bytes) = quiet.line.receive().await {
            empty_count += usize::from(bytes.is_empty());
            decoder.push(&bytes);
            while let Some(frame) = decoder.next_message::<ServerFrame>().unwrap() {
                last = frame.body;
            }
        }
        (last, empty_count)
    });
    let found = becomes(&ready, "wardline_connections{road=\"websocket\"}", 1.0, IDLE + Duration::from_secs(3)).await;
    assert!(found > IDLE - Duration::from_secs(2), "found after {found:?}: too early");
    assert!(!pongs.is_finished(), "the quiet one was cut off");
    drop(dead);
    running.shutdown().await;
    let (last, empty_count) = tokio::time::timeout(PATIENCE, pongs).await.unwrap().unwrap();
    assert!(matches!(last, Some(server_frame::Body::Goodbye(_))), "no goodbye");
    // A page sees no pings: it is told by these that its connection lives.
    assert!(empty_count >= 2, "the quiet one heard {empty_count} empty messages");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_udp_is_blocked_the_websocket_still_serves() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    // The network swallows every datagram.
    let hole = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let hashes = hashes(&ready).await;
    let blocked = Line::web_transport(hole.local_addr().unwrap(), hashes, &ready.web);
    assert!(tokio::time::timeout(Duration::from_secs(2), blocked).await.is_err(), "something answered");
    let (mut client, _) = Road::WebSocket.signed_in(&ready, "carla").await;
    assert!(statements(&mut client).await > 10);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_hashes_that_open_pages_know() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let (client, device) = Road::WebTransport.signed_in(&ready, "anna").await;
    let known = hashes(&ready).await;
    assert_eq!(known.len(), 2);
    drop(client);
    running.shutdown().await;

    let (running, ready) = node(dir.path()).await;
    let line = Line::web_transport(ready.address, known, &ready.web).await.unwrap();
    let mut client = Client::on(line, &ready.web).greet().await;
    assert!(matches!(client.authenticate(&device).await, Answer::Authenticated(_)));
    // A native client's certificate is another one, and no browser gets it.
    let pin = parse_enrolment(&ready.enrolment["anna"]).unwrap().certificate_sha256;
    assert!(Line::web_transport(ready.address, vec![pin.to_vec()], &ready.web).await.is_err());
    running.shutdown().await;
}

async fn configured(dir: &std::path::Path, web: Web) -> Running {
    let options = options(dir);
    let config = Config { web, ..dev::config(&options) };
    let root = wardline_directory::key::RootKey::generate().unwrap().public();
    init::init(&config.data_dir, root, "node", Vec::new()).await.unwrap();
    Node::start(&config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_browsers_has_no_page_and_no_h3() {
    let dir = tempfile::tempdir().unwrap();
    let running = configured(dir.path(), Web { enabled: false, ..Web::default() }).await;
    assert_eq!(running.web_address, None);
    assert!(!dir.path().join("node/webtransport.json").exists());
    let refused = line::session(running.address, vec![vec![0; 32]], "https://127.0.0.1", SESSION_PATH).await;
    assert!(matches!(refused, Err(ClientError::Connection(_))));
    running.shutdown().await;
}
