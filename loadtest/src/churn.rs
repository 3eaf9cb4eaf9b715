//! A group that is written into while its members come and go and devices lose their connections: what it costs beside the same load without changes, and
//! that every member gets exactly what was written while it was one.
mod account;

use crate::crowd::{self, Full, Watcher, lock};
use crate::device::{self, Roads};
use crate::live::{Count, Live};
use crate::node::Node;
use crate::report::{Metric, Times};
use crate::run::Figures;
use crate::workload::Churn;
use anyhow::{Context as _, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use wardline_client::core::Command;
use wardline_protocol::{AccountId, ConversationId};

/// How long the last messages may take to arrive.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// How long one change of the group may take.
const CHANGE_MAX: Duration = Duration::from_secs(30);

/// Everybody, by what happens to them.
struct Crowd {
    /// Stay connected; the first makes changes, the second watches, then come the senders.
    members: Vec<Arc<Full>>,
    /// Lose their connection.
    flapping: Vec<Arc<Full>>,
    /// Are added and removed.
    joiners: Vec<Arc<Full>>,
    witnesses: Vec<Watcher>,
    flapping_witnesses: Vec<Watcher>,
    conversation: ConversationId,
    /// One for each flapping device.
    switches: Vec<watch::Sender<bool>>,
}

impl Crowd {
    async fn make(workload: &Churn, node: &Node, roads: &Roads, live: &Arc<Live>) -> Result<Self> {
        let mut identities = device::enrol_all(node, live).await?.into_iter();
        live.phase("signing in");
        let (mut members, mut flapping, mut joiners) = (Vec::new(), Vec::new(), Vec::new());
        let mut switches = Vec::new();
        for identity in identities.by_ref().take(workload.members) {
            members.push(Arc::new(Full::start(roads, live, identity, 0).await?));
        }
        for identity in identities.by_ref().take(workload.flapping_members) {
            let (own, switch) = roads.branch();
            switches.push(switch);
            flapping.push(Arc::new(Full::start(&own, live, identity, 0).await?));
        }
        for identity in identities.by_ref().take(workload.joiners) {
            joiners.push(Arc::new(Full::start(roads, live, identity, 0).await?));
        }
        let mut flapping_witnesses = Vec::new();
        for identity in identities.by_ref().take(workload.flapping_witnesses) {
            let (own, switch) = roads.branch();
            switches.push(switch);
            flapping_witnesses.push(Watcher::start(&own, live, identity).await?);
        }
        let witnesses = crowd::watchers(roads, live, identities.collect()).await?;

        live.phase("making the group");
        let full = members.iter().skip(1).chain(&flapping).map(|full| full.member.account);
        let opened = flapping_witnesses.iter().chain(&witnesses).map(|watcher| watcher.witness.account);
        let accounts: Vec<AccountId> = full.chain(opened).collect();
        let conversation = members.first().context("a first member")?.create_group("Station 1", accounts).await?;
        for member in members.iter().skip(1).chain(&flapping) {
            member.joined(1).await?;
        }
        Ok(Self { members, flapping, joiners, witnesses, flapping_witnesses, conversation, switches })
    }
}

/// What the changes of the group took.
#[derive(Default)]
struct Changes {
    added: Times,
    joined: Times,
    removed: Times,
    failed: u64,
}

/// Adds and removes the joiners in turn, at fixed times. Each second round they leave by themselves, so that the node has to find somebody to commit it.
async fn change(
    manager: Arc<Full>,
    joiners: Vec<Arc<Full>>,
    conversation: ConversationId,
    from: Instant,
    until: Instant,
    every: Duration,
) -> Changes {
    let mut changes = Changes::default();
    let mut due = from;
    for n in 0.. {
        if due >= until || joiners.is_empty() {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let (round, joiner) = (n / joiners.len(), &joiners[n % joiners.len()]);
        let done = match round % 4 {
            0 | 2 => join(&manager, joiner, conversation, due, &mut changes).await,
            1 => remove(&manager, joiner, conversation, due, &mut changes).await,
            _ => tokio::time::timeout(CHANGE_MAX, joiner.member.command(Command::Leave { conversation }))
                .await
                .map_err(Into::into)
                .and_then(|left| left.map(drop)),
        };
        if let Err(error) = done {
            tracing::error!(error = format!("{error:#}"), "a change of the group failed");
            changes.failed += 1;
        }
        due += every;
    }
    changes
}

async fn join(
    manager: &Full,
    joiner: &Full,
    conversation: ConversationId,
    due: Instant,
    changes: &mut Changes,
) -> Result<()> {
    let times = *joiner.joined.borrow();
    let add = Command::AddAccounts { conversation, accounts: vec![joiner.member.account] };
    tokio::time::timeout(CHANGE_MAX, manager.member.command(add)).await.context("adding a member")??;
    changes.added.add(due.elapsed());
    tokio::time::timeout(CHANGE_MAX, joiner.joined(times + 1)).await.context("joining")??;
    changes.joined.add(due.elapsed());
    Ok(())
}

async fn remove(
    manager: &Full,
    joiner: &Full,
    conversation: ConversationId,
    due: Instant,
    changes: &mut Changes,
) -> Result<()> {
    let remove = Command::RemoveAccounts { conversation, accounts: vec![joiner.member.account] };
    tokio::time::timeout(CHANGE_MAX, manager.member.command(remove)).await.context("removing a member")??;
    changes.removed.add(due.elapsed());
    Ok(())
}

/// Cuts one device after the other, each for a while, at fixed times. Gives the switches back with every device connected again.
async fn cut(
    switches: Vec<watch::Sender<bool>>,
    from: Instant,
    until: Instant,
    every: Duration,
    away: Duration,
) -> (Vec<watch::Sender<bool>>, u64) {
    let (mut due, mut cuts) = (from, 0_u64);
    let mut back: Vec<Option<Instant>> = vec![None; switches.len()];
    while due < until && !switches.is_empty() {
        let next_back = back.iter().flatten().min().copied();
        tokio::time::sleep_until(next_back.map_or(due, |back| back.min(due)).into()).await;
        for (switch, at) in switches.iter().zip(&mut back) {
            if at.is_some_and(|at| at <= Instant::now()) {
                switch.send_replace(true);
                *at = None;
            }
        }
        if Instant::now() >= due {
            let place = cuts as usize % switches.len();
            switches[place].send_replace(false);
            back[place] = Some(due + away);
            cuts += 1;
            due += every;
        }
    }
    for switch in &switches {
        switch.send_replace(true);
    }
    (switches, cuts)
}

/// What the node has used and delivered so far.
fn used(node: &Node, live: &Live) -> (Option<Duration>, u64) {
    (node.cpu_time(), live.counted(Count::Delivered))
}

/// Runs the workload.
///
/// # Errors
/// When the group cannot be made. What is lost afterwards is counted.
pub async fn run(workload: &Churn, node: &Node, live: &Arc<Live>) -> Result<Figures> {
    let (roads, switch) = Roads::new(node.access().clone(), live.clone());
    let mut crowd = Crowd::make(workload, node, &roads, live).await?;
    let mut figures = Figures::default();

    live.phase("warming up");
    let start = Instant::now();
    let quiet = start + Duration::from_secs(workload.warm_up_seconds);
    let from = quiet + Duration::from_secs(workload.quiet_seconds);
    let until = from + Duration::from_secs(workload.seconds);
    let every = Duration::from_secs_f64(workload.senders as f64 / workload.rate_per_s);
    let mut writing = JoinSet::new();
    for (n, full) in crowd.members.iter().skip(2).take(workload.senders).enumerate() {
        let (full, conversation, bytes) = (full.clone(), crowd.conversation, workload.text_bytes);
        let start = start + every * n as u32 / workload.senders as u32;
        writing.spawn(async move { full.write(&[conversation], bytes, start, until, Some(every)).await });
    }
    let manager = crowd.members.first().context("a first member")?.clone();
    let (joiners, conversation) = (crowd.joiners.clone(), crowd.conversation);
    let apart = Duration::from_millis(workload.change_every_ms);
    let changing = tokio::spawn(change(manager, joiners, conversation, from, until, apart));
    let (apart, away) = (Duration::from_millis(workload.cut_every_ms), Duration::from_millis(workload.away_ms));
    let cutting = tokio::spawn(cut(std::mem::take(&mut crowd.switches), from, until, apart, away));

    tokio::time::sleep_until(quiet.into()).await;
    live.phase("measuring, quiet");
    let at_quiet = used(node, live);
    tokio::time::sleep_until(from.into()).await;
    live.phase("measuring, changing");
    let at_from = used(node, live);
    tokio::time::sleep_until(until.into()).await;
    let at_until = used(node, live);
    live.phase("waiting for the last");
    while let Some(written) = writing.join_next().await {
        figures.errors("senders_stopped", u64::from(!matches!(written, Ok(Ok(())))));
    }
    let changes = changing.await?;
    let (switches, cuts) = cutting.await?;
    crowd.switches = switches;
    account::of(&crowd, (live, quiet, from, until), DRAIN_MAX, &mut figures).await;

    for (name, (cpu, delivered), (cpu_before, delivered_before), seconds) in
        [("_quiet", at_from, at_quiet, workload.quiet_seconds), ("", at_until, at_from, workload.seconds)]
    {
        let cpu_s = cpu.zip(cpu_before).map(|(cpu, before)| cpu.saturating_sub(before).as_secs_f64());
        let deliveries = (delivered - delivered_before).max(1) as f64;
        figures.maybe(&format!("server_cpu_share{name}"), "cores", cpu_s.map(|cpu| cpu / seconds as f64));
        figures.maybe(&format!("server_cpu_us_per_delivery{name}"), "us", cpu_s.map(|cpu| cpu * 1e6 / deliveries));
    }
    figures.times("add_ms", &changes.added);
    figures.times("join_ms", &changes.joined);
    figures.times("remove_ms", &changes.removed);
    figures.metric("cuts", Metric::value("cuts", cuts as f64));
    figures.errors("changes_failed", changes.failed);
    let full: Vec<_> = crowd.members.into_iter().chain(crowd.flapping).chain(crowd.joiners).collect();
    figures.metric("full_members", Metric::value("devices", full.len() as f64));
    let watchers: Vec<_> = crowd.witnesses.into_iter().chain(crowd.flapping_witnesses).collect();
    figures.metric("witnesses", Metric::value("devices", watchers.len() as f64));
    let unreadable: u64 = full.iter().map(|full| lock(&full.log).unreadable).sum();
    figures.metric("undecryptable", Metric::value("messages", unreadable as f64));
    crowd::end(full, watchers, &roads, &mut figures).await;
    drop((switch, crowd.switches));
    Ok(figures)
}
