//! Pushes to services that we did not write (npm `web-push-testing`), and to some that misbehave.
use super::*;
use crate::config::Push as Settings;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use wardline_signaling::PushSubscription;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The mocked service as a process of its own; ends with this.
struct TestService {
    port: u16,
    process: Child,
}

impl Drop for TestService {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).unwrap();
    }
}

impl TestService {
    async fn start() -> Self {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/app/node_modules/web-push-testing/src/bin/server.js");
        assert!(script.is_file(), "npm's web-push-testing is missing: run `make web`, or npm ci in web/app");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
        let mut command = Command::new("node");
        let process = command.arg(script).arg(port.to_string()).stdout(Stdio::null()).spawn().unwrap();
        let service = Self { port, process };
        let listens = async {
            while TcpStream::connect(("localhost", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, listens).await.expect("it does not start");
        service
    }

    async fn ask(&self, path: &str, body: Value) -> Value {
        let mut stream = TcpStream::connect(("localhost", self.port)).await.unwrap();
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("no answer").unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        serde_json::from_str(body).unwrap_or_default()
    }

    /// A new subscription, as a browser would make it; and its name at the service.
    async fn subscribe(&self, key: &str) -> (PushSubscription, String) {
        let options = json!({"userVisibleOnly": "true", "applicationServerKey": key});
        let data = self.ask("/subscribe", options).await["data"].take();
        let bytes =
            |value: &Value| BASE64URL_NOPAD.decode(value.as_str().unwrap().trim_end_matches('=').as_bytes()).unwrap();
        let subscription = PushSubscription {
            endpoint: data["endpoint"].as_str().unwrap().to_owned(),
            p256dh: bytes(&data["keys"]["p256dh"]).try_into().unwrap(),
            auth: bytes(&data["keys"]["auth"]).try_into().unwrap(),
        };
        (subscription, data["clientHash"].as_str().unwrap().to_owned())
    }

    /// What it has opened for a subscription so far.
    async fn received(&self, name: &str) -> Vec<String> {
        let data = self.ask("/get-notifications", json!({"clientHash": name})).await["data"].take();
        data["messages"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }
}

/// A pusher that runs, and what it reports.
struct Sender {
    pusher: Arc<Pusher>,
    metrics: Arc<Metrics>,
    gone: mpsc::Receiver<Gone>,
    _tasks: JoinSet<()>,
    _dir: tempfile::TempDir,
}

impl Sender {
    fn start() -> Self {
        let base = tempfile::tempdir().unwrap();
        let dir = DataDir::create(base.path()).unwrap();
        let settings = Settings {
            enabled: true,
            contact: "mailto:it@clinic.example".into(),
            services: Vec::new(),
            insecure_loopback: true,
        };
        let (gone_in, gone) = mpsc::channel(GONE_QUEUE);
        let metrics = Arc::new(Metrics::default());
        let pusher = Pusher::open(&settings, &dir, gone_in, metrics.clone()).unwrap().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(pusher.clone().run());
        Self { pusher, metrics, gone, _tasks: tasks, _dir: base }
    }

    fn push(&self, subscription: &PushSubscription, kind: PushKind) {
        let subscription = Arc::new(subscription.clone());
        self.pusher.push(Push { device_id: DeviceId::from_bytes([1; 16]), subscription, kind });
    }

    /// Waits until so many attempts ended so.
    async fn ended(&self, outcome: &str, count: usize) {
        let line = format!("wardline_push_sent_total{{outcome=\"{outcome}\"}} {count}");
        let seen = async {
            while !self.metrics.render().lines().any(|shown| shown == line) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(PATIENCE, seen).await.is_ok(), "{line} in\n{}", self.metrics.render());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_opens_what_was_sent_and_the_kind_is_all() {
    let (service, sender) = (TestService::start().await, Sender::start());
    let (subscription, name) = service.subscribe(&sender.pusher.public_key()).await;
    sender.push(&subscription, PushKind::Message);
    sender.ended("sent", 1).await;
    sender.push(&subscription, PushKind::Call);
    sender.ended("sent", 2).await;
    assert_eq!(service.received(&name).await, ["message         ", "call            "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_refuses_a_push_of_somebody_else() {
    let (service, sender, other) = (TestService::start().await, Sender::start(), Sender::start());
    let (subscription, name) = service.subscribe(&other.pusher.public_key()).await;
    sender.push(&subscription, PushKind::Message);
    sender.ended("refused", 1).await;
    assert!(service.received(&name).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_is_over_is_reported() {
    let (service, mut sender) = (TestService::start().await, Sender::start());
    let (subscription, name) = service.subscribe(&sender.pusher.public_key()).await;
    service.ask(&format!("/expire-subscription/{name}"), json!({})).await;
    sender.push(&subscription, PushKind::Message);
    let gone = timeout(PATIENCE, sender.gone.recv()).await.expect("not reported").unwrap();
    assert_eq!((gone.device_id, gone.endpoint), (DeviceId::from_bytes([1; 16]), subscription.endpoint));
    sender.ended("gone", 1).await;
}

/// A subscription with good keys at an address.
fn at(endpoint: String) -> PushSubscription {
    use p256::elliptic_curve::sec1::ToEncodedPoint;
    let point = p256::SecretKey::from_slice(&[5; 32]).unwrap().public_key().to_encoded_point(false);
    PushSubscription { endpoint, p256dh: point.as_bytes().try_into().unwrap(), auth: [7; 16] }
}

/// Answers one request after another with these heads, and gives what it was asked.
async fn scripted(answers: Vec<&'static str>) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            asked.push(String::from_utf8(head).unwrap());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    (address, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_does_not_take_now_is_sent_again() {
    let sender = Sender::start();
    let busy = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let (address, service) = scripted(vec![busy, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"]).await;
    sender.push(&at(format!("http://{address}/n?x")), PushKind::Call);
    sender.ended("sent", 1).await;
    sender.ended("retried", 1).await;
    let asked = timeout(PATIENCE, service).await.unwrap().unwrap();
    let head = asked[1].to_lowercase();
    assert!(head.starts_with("post /n?x http/1.1\r\n"), "{head}");
    for line in ["urgency: high", "content-encoding: aes128gcm", &format!("host: {address}"), "authorization: vapid t="]
    {
        assert!(head.contains(line), "{line} in {head}");
    }
    let ttl = head.lines().find_map(|line| line.strip_prefix("ttl: ")).unwrap().parse::<u64>().unwrap();
    assert!((40..45).contains(&ttl), "what is left of the ringing: {ttl}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let sender = Sender::start();
    let (target, elsewhere) = scripted(vec!["HTTP/1.1 201 Created\r\n\r\n"]).await;
    let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n");
    let (address, service) = scripted(vec![answer.leak()]).await;
    sender.push(&at(format!("http://{address}/n")), PushKind::Message);
    sender.ended("refused", 1).await;
    assert_eq!(timeout(PATIENCE, service).await.unwrap().unwrap().len(), 1);
    assert!(!elsewhere.is_finished(), "nobody asked there");
    elsewhere.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_accepted_any_more_is_not_asked() {
    let sender = Sender::start();
    for endpoint in ["https://127.0.0.1/n", "http://192.0.2.1/n", "https://push.example/n"] {
        sender.push(&at(endpoint.into()), PushKind::Message);
    }
    sender.ended("refused", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_no_keys_are_reported_as_gone() {
    let mut sender = Sender::start();
    let broken = PushSubscription { p256dh: [4; 65], ..at("http://127.0.0.1:9/n".into()) };
    sender.push(&broken, PushKind::Message);
    assert!(timeout(PATIENCE, sender.gone.recv()).await.expect("not reported").is_some());
}
