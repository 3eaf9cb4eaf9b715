//! Connections that are signed in and do nothing: what each costs the node in memory, and all of them in CPU.
use crate::device::{self, Roads};
use crate::live::Live;
use crate::machine;
use crate::node::Node;
use crate::report::{Metric, Times};
use crate::run::Figures;
use crate::workload::Idle;
use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wardline_client::core::Identity;

/// Runs the workload.
///
/// # Errors
/// When the devices cannot be enrolled. Connections that fail or end are counted.
pub async fn run(workload: &Idle, node: &Node, live: &Arc<Live>) -> Result<Figures> {
    let identities = device::enrol_all(node, live).await?;
    let wanted = identities.len();
    live.phase("settling");
    let settle = Duration::from_secs(workload.settle_seconds);
    tokio::time::sleep(settle).await;
    let (node_before, load_before) = (node.resident_bytes(), machine::resident_bytes(std::process::id())?);

    live.phase("signing in");
    let began = Instant::now();
    let (roads, switch) = Roads::new(node.access().clone(), live.clone());
    let mut times = Times::default();
    let (holding, failed) = sign_in_all(identities, &roads, workload.at_once, &mut times).await;
    let took = began.elapsed();
    let held = wanted - failed;

    live.phase("settling");
    tokio::time::sleep(settle).await;
    live.phase("measuring");
    let (cpu_before, load_cpu_before) = (node.cpu_time(), machine::cpu_time(std::process::id())?);
    tokio::time::sleep(Duration::from_secs(workload.seconds)).await;
    let cpu = node.cpu_since(cpu_before);
    let load_cpu = machine::cpu_time(std::process::id())? - load_cpu_before;
    let (node_after, load_after) = (node.resident_bytes(), machine::resident_bytes(std::process::id())?);
    let lost = holding.lost.load(Ordering::Relaxed);

    let per_connection = |after: u64, before: u64| after.saturating_sub(before) as f64 / held.max(1) as f64;
    let mut figures = Figures::default();
    figures.metric("connections", Metric::value("connections", (held as u64).saturating_sub(lost) as f64));
    let server = node_after.zip(node_before).map(|(after, before)| per_connection(after, before));
    figures.maybe("server_bytes_per_connection", "bytes", server);
    figures.metric("load_bytes_per_connection", Metric::value("bytes", per_connection(load_after, load_before)));
    figures.maybe("server_resident_before_mb", "MB", node_before.map(|bytes| bytes as f64 / 1e6));
    figures.maybe("server_cpu_share", "cores", cpu.map(|cpu| cpu.as_secs_f64() / workload.seconds as f64));
    figures.metric("load_cpu_share", Metric::value("cores", load_cpu.as_secs_f64() / workload.seconds as f64));
    figures.metric("sign_ins_per_s", Metric::value("1/s", held as f64 / took.as_secs_f64()));
    figures.times("sign_in_ms", &times);
    figures.errors("connections_failed", failed as u64);
    figures.errors("connections_lost", lost);
    drop(switch);
    drop(holding);
    Ok(figures)
}

/// Connections that are held, each by a task that does nothing but wait.
struct Holding {
    lost: Arc<AtomicU64>,
    /// Aborts them when it is dropped.
    _tasks: JoinSet<()>,
}

async fn sign_in_all(identities: Vec<Identity>, roads: &Roads, at_once: usize, times: &mut Times) -> (Holding, usize) {
    let gate = Arc::new(Semaphore::new(at_once));
    let lost = Arc::new(AtomicU64::new(0));
    let mut signing_in = JoinSet::new();
    for identity in identities {
        let (gate, roads) = (gate.clone(), roads.clone());
        signing_in.spawn(async move {
            let _permit = gate.acquire().await;
            let began = Instant::now();
            let line = roads.line(&identity).await?;
            anyhow::Ok((line, began.elapsed()))
        });
    }
    let (mut tasks, mut failed) = (JoinSet::new(), 0);
    while let Some(signed_in) = signing_in.join_next().await {
        match signed_in {
            Ok(Ok((mut line, took))) => {
                times.add(took);
                let lost = lost.clone();
                tasks.spawn(async move {
                    // What the node says by itself is read and left alone.
                    while line.receiver.next().await.is_ok() {}
                    lost.fetch_add(1, Ordering::Relaxed);
                });
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "a device could not sign in");
                failed += 1;
            }
            Err(_) => failed += 1,
        }
    }
    (Holding { lost, _tasks: tasks }, failed)
}
