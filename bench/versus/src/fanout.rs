//! One message to many connected devices: ours beside mosquitto. The two do not the same: ours is authenticated for each device, end-to-end encrypted,
//! and durable before anybody has it; mosquitto passes on, over TLS and at QoS 1, a payload as large as our ciphertext. What is the same: how many
//! are connected, how often something is sent, and that each acknowledges each message.
use crate::mqtt::Client;
use crate::report::{OURS, Report, Round};
use anyhow::{Context as _, Result, ensure};
use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinSet;

use wardline_loadtest::report::{Metric, Times};
use wardline_loadtest::workload::Workload;
use wardline_loadtest::{machine, run};

/// What our ciphertext of the workload's text comes to, about.
const PAYLOAD_BYTES: usize = 300;

const TOPIC: &str = "ward/1";
const START_MAX: Duration = Duration::from_secs(20);
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Clients that connect at the same time.
const CONNECT_AT_ONCE: usize = 16;

/// How it is run.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Connected receivers
    #[arg(long, default_value_t = 1_000)]
    pub receivers: usize,
    /// Messages a second
    #[arg(long, default_value_t = 2.0)]
    pub rate_per_s: f64,
    /// Rounds, each with every system once
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Seconds that are measured in each
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
}

/// Runs it.
///
/// # Errors
/// What kept a system from being measured.
pub fn run(arguments: &Arguments) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut rounds = Vec::new();
    for round in 0..arguments.rounds {
        let mut systems = [OURS, "mosquitto"];
        if round % 2 == 1 {
            systems.reverse();
        }
        for system in systems {
            let figures = match system {
                OURS => runtime.block_on(ours(arguments)),
                _ => runtime.block_on(mosquitto(arguments)),
            }
            .with_context(|| format!("{system}, round {round}"))?;
            eprintln!("round {round}: {system:<9} {:.1} us a delivery", figures["cpu_us_per_delivery"]);
            let protection = match system {
                OURS => "QUIC with TLS 1.3, MLS end to end, fsync before delivery",
                _ => "TLS 1.3 to the broker, which reads everything; kept in memory",
            };
            rounds.push(Round { system, figures, protection: BTreeMap::from([(protection.to_owned(), 1)]) });
        }
    }
    let mut report = Report {
        name: format!("fanout-{}", arguments.receivers),
        what: format!(
            "one message of {PAYLOAD_BYTES} B to {} connected, {} a second",
            arguments.receivers, arguments.rate_per_s
        ),
        commit: machine::commit(),
        machine: machine::description(),
        peers: vec![version()],
        limits: Vec::new(),
        rounds,
        ratios: BTreeMap::new(),
    };
    report.compare();
    Ok(report)
}

fn version() -> String {
    let asked = Command::new("dpkg-query").args(["-W", "-f=mosquitto ${Version}", "mosquitto"]).output();
    asked.ok().and_then(|out| String::from_utf8(out.stdout).ok()).unwrap_or_else(|| "mosquitto".into())
}

async fn ours(arguments: &Arguments) -> Result<BTreeMap<&'static str, f64>> {
    // One sender, who receives nothing, and ten of the receivers decrypt; the others acknowledge the same ciphertext.
    let witnesses = arguments.receivers.saturating_sub(10);
    let text = format!(
        "name = 'fanout'\nreason = 'beside mosquitto'\n[chat]\nmembers = 11\nwitnesses = {witnesses}\nsenders = 1\nrate_per_s = {:?}\n\
         text_bytes = 80\nseconds = {}\nwarm_up_seconds = 3\n",
        arguments.rate_per_s, arguments.seconds
    );
    let report = run::run(&Workload::parse(&text, &[])?, None, &Arc::default(), false).await?;
    ensure!(report.errors.is_empty(), "{:?}", report.errors);
    let value = |name: &str| match report.metrics.get(name) {
        Some(Metric::Value { value, .. }) => Ok(*value),
        _ => anyhow::bail!("no {name}"),
    };
    let Some(Metric::Distribution { p50, p99, max, .. }) = report.metrics.get("sent_to_delivered_ms") else {
        anyhow::bail!("no sent_to_delivered_ms")
    };
    Ok(BTreeMap::from([
        ("cpu_us_per_delivery", value("server_cpu_us_per_delivery")?),
        ("delivered_p50_ms", *p50),
        ("delivered_p99_ms", *p99),
        ("delivered_max_ms", *max),
        ("memory_kb_per_device", value("server_resident_mb")? * 1e3 / arguments.receivers as f64),
        ("delivered_ratio", value("delivered_ratio")?),
    ]))
}

/// A running mosquitto with a certificate of its own. Dropped, it is ended.
struct Broker {
    child: Child,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    _folder: TempDir,
}

impl Broker {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
        std::fs::write(folder.path().join("broker.crt"), certificate.pem())?;
        std::fs::write(folder.path().join("broker.key"), key.serialize_pem())?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let path = folder.path().display();
        let config = format!(
            "user root\nlistener {} {}\ncertfile {path}/broker.crt\nkeyfile {path}/broker.key\ntls_version tlsv1.3\nallow_anonymous true\n\
             persistence false\nset_tcp_nodelay true\nlog_type error\n",
            address.port(),
            address.ip()
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config)?;
        let child = spawn(folder.path()).context("starting mosquitto (apt-get install mosquitto)")?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { child, address, tls, _folder: folder })
    }

    async fn connect(&self, id: &str) -> Result<Client> {
        let until = Instant::now() + START_MAX;
        loop {
            match Client::connect(self.address, &self.tls, id).await {
                Ok(client) => return Ok(client),
                Err(error) => ensure!(Instant::now() < until, "no connection: {error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn spawn(folder: &Path) -> Result<Child> {
    let mut command = Command::new("mosquitto");
    command.arg("-c").arg(folder.join("mosquitto.conf")).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// When each message was sent, and what came of it.
#[derive(Default)]
struct Book {
    sent: Vec<Instant>,
    times: Times,
    delivered: u64,
    measured_from: usize,
}

type Shared = Arc<Mutex<Book>>;

fn lock(book: &Shared) -> std::sync::MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn mosquitto(arguments: &Arguments) -> Result<BTreeMap<&'static str, f64>> {
    let broker = Arc::new(Broker::start()?);
    let book = Shared::default();
    let mut publisher = broker.connect("publisher").await?;
    let mut receiving = JoinSet::new();
    let ready = Arc::new(tokio::sync::Semaphore::new(0));
    let turn = Arc::new(tokio::sync::Semaphore::new(CONNECT_AT_ONCE));
    for n in 0..arguments.receivers {
        let (broker, book, ready, turn) = (broker.clone(), book.clone(), ready.clone(), turn.clone());
        receiving.spawn(async move {
            let permit = turn.acquire().await?;
            let mut client = broker.connect(&format!("r{n}")).await?;
            client.subscribe(TOPIC).await?;
            drop(permit);
            ready.add_permits(1);
            receive(client, &book).await
        });
    }
    let all = ready.acquire_many(u32::try_from(arguments.receivers)?);
    tokio::time::timeout(Duration::from_secs(120), all).await.context("everybody subscribed")??.forget();

    let every = Duration::from_secs_f64(1.0 / arguments.rate_per_s);
    let (warm_up, measured) = (3.0 * arguments.rate_per_s, arguments.seconds as f64 * arguments.rate_per_s);
    let (warm_up, measured) = (warm_up as u32, measured as u32);
    lock(&book).measured_from = warm_up as usize;
    let (start, process) = (Instant::now(), broker.child.id());
    let mut cpu_before = Duration::ZERO;
    for n in 0..warm_up + measured {
        let due = start + every * n;
        tokio::time::sleep_until(due.into()).await;
        if n == warm_up {
            cpu_before = machine::cpu_time_exact(process)?;
        }
        lock(&book).sent.push(due);
        let mut payload = vec![0x5a; PAYLOAD_BYTES];
        payload[..4].copy_from_slice(&n.to_be_bytes());
        publisher.publish(TOPIC, (n % 65_535) as u16 + 1, &payload).await?;
    }
    let expected = u64::from(measured) * arguments.receivers as u64;
    let until = Instant::now() + DRAIN_MAX;
    while lock(&book).delivered < expected && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let cpu = machine::cpu_time_exact(process)? - cpu_before;
    let memory = machine::resident_bytes(process)?;
    receiving.abort_all();
    let book = lock(&book);
    Ok(BTreeMap::from([
        ("cpu_us_per_delivery", cpu.as_secs_f64() * 1e6 / book.delivered.max(1) as f64),
        ("delivered_p50_ms", book.times.millis(0.5)),
        ("delivered_p99_ms", book.times.millis(0.99)),
        ("delivered_max_ms", book.times.millis(1.0)),
        ("memory_kb_per_device", memory as f64 / 1e3 / arguments.receivers as f64),
        ("delivered_ratio", book.delivered as f64 / expected.max(1) as f64),
    ]))
}

// Takes messages until the connection ends.
async fn receive(mut client: Client, book: &Shared) -> Result<()> {
    loop {
        let payload = client.next().await?;
        let now = Instant::now();
        let number = u32::from_be_bytes(*payload.first_chunk::<4>().context("a number")?) as usize;
        let mut book = lock(book);
        let took = book.sent.get(number).map(|sent| now.saturating_duration_since(*sent));
        if let Some(took) = took.filter(|_| number >= book.measured_from) {
            book.times.add(took);
            book.delivered += 1;
        }
    }
}
