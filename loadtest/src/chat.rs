//! Messages into groups: how many become durable a second, and how long until everybody has them.
use crate::crowd::{self, Full, Shared, Watcher, lock};
use crate::device::{self, Roads};
use crate::live::{Count, Live};
use crate::node::Node;
use crate::report::{Metric, OverTime, Times};
use crate::run::Figures;
use crate::workload::Chat;
use anyhow::{Context as _, Result, ensure};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use wardline_protocol::{AccountId, ConversationId, MessageId};

/// How long the messages of a history may take to arrive after the last has been sent.
const FILL_MAX: Duration = Duration::from_secs(120);

/// Everybody in the groups, and the groups.
struct Group {
    full: Vec<Arc<Full>>,
    watchers: Vec<Watcher>,
    conversations: Arc<[ConversationId]>,
    made_in: Duration,
}

impl Group {
    async fn make(workload: &Chat, node: &Node, roads: &Roads, live: &Arc<Live>) -> Result<Self> {
        let identities = device::enrol_all(node, live).await?;
        live.phase("signing in");
        let (mut full, mut further) = (Vec::new(), Vec::new());
        for (n, identity) in identities.into_iter().enumerate() {
            if n < workload.members {
                full.push(Arc::new(Full::start(roads, live, identity, workload.window).await?));
            } else {
                further.push(identity);
            }
        }
        let watchers = crowd::watchers(roads, live, further).await?;
        live.phase(if workload.groups > 1 { "making the groups" } else { "making the group" });
        let others = full.iter().skip(1).map(|full| full.member.account);
        let accounts: Vec<AccountId> = others.chain(watchers.iter().map(|watcher| watcher.witness.account)).collect();
        let founder = full.first().context("a first member")?;
        let began = Instant::now();
        let mut conversations = Vec::with_capacity(workload.groups);
        for n in 1..=workload.groups {
            conversations.push(founder.create_group(&format!("Station {n}"), accounts.clone()).await?);
            for member in full.iter().skip(1) {
                member.joined(n as u64).await?;
            }
        }
        Ok(Self { full, watchers, conversations: conversations.into(), made_in: began.elapsed() })
    }

    fn logs(&self) -> impl Iterator<Item = &Shared> {
        self.full.iter().map(|full| &full.log).chain(self.watchers.iter().map(|watcher| &watcher.log))
    }

    /// Has the senders write what there is before anything is measured, and waits until everybody has it.
    async fn fill(&self, workload: &Chat) -> Result<()> {
        let mut filling = JoinSet::new();
        for (n, full) in self.full.iter().take(workload.senders).enumerate() {
            let (full, to, bytes) = (full.clone(), self.conversations.clone(), workload.text_bytes);
            let share = workload.history / workload.senders + usize::from(n < workload.history % workload.senders);
            filling.spawn(async move { full.fill(&to, bytes, share).await });
        }
        while let Some(filled) = filling.join_next().await {
            filled??;
        }
        let wanted = workload.history * (self.full.len() - 1 + self.watchers.len());
        let delivered = || self.logs().map(|log| lock(log).delivered.len()).sum::<usize>();
        ensure!(device::within(FILL_MAX, || delivered() >= wanted).await, "only {} of {wanted} arrived", delivered());
        Ok(())
    }

    /// Waits until everything sent has reached everybody, or for as long as that may take.
    async fn drain(&self, bound: Duration) {
        let sent: HashSet<MessageId> = crowd::sent(&self.full).into_keys().collect();
        let wanted = sent.len() * (self.full.len() - 1 + self.watchers.len());
        let delivered = |log: &Shared| lock(log).delivered.iter().filter(|(id, ..)| sent.contains(id)).count();
        device::within(bound, || self.logs().map(delivered).sum::<usize>() >= wanted).await;
    }
}

/// Runs the workload.
///
/// # Errors
/// When the group cannot be made. What is lost afterwards is counted.
pub async fn run(workload: &Chat, node: &mut Node, live: &Arc<Live>) -> Result<Figures> {
    let (roads, switch) = Roads::new(node.access().clone(), live.clone());
    let group = Group::make(workload, node, &roads, live).await?;
    let mut figures = Figures::default();
    if workload.history > 0 {
        live.phase("writing the history");
        group.fill(workload).await?;
    }
    live.phase("warming up");
    let start = Instant::now();
    let from = start + Duration::from_secs(workload.warm_up_seconds);
    let until = from + Duration::from_secs(workload.seconds);
    let every =
        (workload.rate_per_s > 0.0).then(|| Duration::from_secs_f64(workload.senders as f64 / workload.rate_per_s));
    let mut writing = JoinSet::new();
    for (n, full) in group.full.iter().take(workload.senders).enumerate() {
        let (full, to, bytes) = (full.clone(), group.conversations.clone(), workload.text_bytes);
        // Senders of a rate do not all speak at the same moment.
        let start = start + every.unwrap_or_default() * n as u32 / workload.senders as u32;
        writing.spawn(async move { full.write(&to, bytes, start, until, every).await });
    }
    tokio::time::sleep_until(from.into()).await;
    live.phase("measuring");
    let (cpu_before, delivered_before) = (node.cpu_time(), live.counted(Count::Delivered));
    tokio::time::sleep_until(until.into()).await;
    let (cpu, deliveries) = (node.cpu_since(cpu_before), live.counted(Count::Delivered) - delivered_before);
    live.phase("waiting for the last");
    while let Some(written) = writing.join_next().await {
        figures.errors("senders_stopped", u64::from(!matches!(written, Ok(Ok(())))));
    }
    group.drain(Duration::from_secs(workload.drain_seconds)).await;
    evaluate(&group, workload, live, (from, until), &mut figures)?;
    let cpu_s = cpu.map(|cpu| cpu.as_secs_f64());
    figures.maybe("server_cpu_us_per_delivery", "us", cpu_s.map(|cpu| cpu * 1e6 / deliveries.max(1) as f64));
    figures.maybe("server_cpu_share", "cores", cpu_s.map(|cpu| cpu / workload.seconds as f64));
    figures.metric("deliveries_per_s", Metric::value("1/s", deliveries as f64 / workload.seconds as f64));
    figures.metric("groups", Metric::value("groups", workload.groups as f64));
    figures.metric("group_made_s", Metric::value("s", group.made_in.as_secs_f64()));
    figures.metric("full_members", Metric::value("devices", group.full.len() as f64));
    figures.metric("witnesses", Metric::value("devices", group.watchers.len() as f64));
    crowd::end(group.full, group.watchers, &roads, &mut figures).await;
    drop(switch);
    if workload.history > 0 {
        figures.maybe("server_resident_used_mb", "MB", node.resident_bytes().map(|bytes| bytes as f64 / 1e6));
        live.phase("starting the node again");
        figures.maybe("store_mb", "MB", node.stored_bytes().map(|bytes| bytes as f64 / 1e6));
        figures.maybe("server_start_ms", "ms", node.restart().await?.map(|took| took.as_secs_f64() * 1e3));
    }
    Ok(figures)
}

/// Counts what was sent between the two moments.
fn evaluate(
    group: &Group,
    workload: &Chat,
    live: &Live,
    (from, until): (Instant, Instant),
    figures: &mut Figures,
) -> Result<()> {
    let mut sent = crowd::sent(&group.full);
    sent.retain(|_, at| (from..until).contains(at));
    ensure!(!sent.is_empty(), "nothing was sent in the time that is measured");
    let (mut acknowledge, mut deliver, mut witness, mut all) =
        (Times::default(), Times::default(), Times::default(), Times::default());
    let (mut acknowledge_over_time, mut deliver_over_time) = (OverTime::new(live.began()), OverTime::new(live.began()));
    let (mut acknowledged, mut unreadable) = (0_u64, 0);
    let mut slowest: HashMap<MessageId, (Duration, usize)> = HashMap::new();
    for (n, log) in group.logs().enumerate() {
        let log = lock(log);
        acknowledged += log.acknowledged.iter().filter(|(_, at, _)| (from..until).contains(at)).count() as u64;
        unreadable += log.unreadable;
        for (id, at, _) in &log.acknowledged {
            if let Some(sent_at) = sent.get(id) {
                let took = at.saturating_duration_since(*sent_at);
                acknowledge.add(took);
                acknowledge_over_time.add(*sent_at, took);
            }
        }
        for (id, at, _) in &log.delivered {
            let Some(sent_at) = sent.get(id) else { continue };
            let took = at.saturating_duration_since(*sent_at);
            if n < group.full.len() {
                deliver.add(took)
            } else {
                witness.add(took)
            }
            all.add(took);
            deliver_over_time.add(*sent_at, took);
            let entry = slowest.entry(*id).or_default();
            *entry = (entry.0.max(took), entry.1 + 1);
        }
    }
    // A full member's log never holds its own.
    let receivers = group.full.len() - 1 + group.watchers.len();
    let missing: usize =
        sent.keys().map(|id| receivers.saturating_sub(slowest.get(id).map_or(0, |(_, count)| *count))).sum();
    let wanted = receivers * sent.len();
    let mut last = Times::default();
    slowest.values().for_each(|(took, _)| last.add(*took));

    figures.metric("acknowledged_per_s", Metric::value("1/s", acknowledged as f64 / workload.seconds as f64));
    figures.times("acknowledge_ms", &acknowledge);
    figures.times("deliver_ms", &deliver);
    if !group.watchers.is_empty() {
        figures.times("witness_deliver_ms", &witness);
    }
    figures.times("sent_to_delivered_ms", &all);
    figures.times("sent_to_last_delivered_ms", &last);
    figures.over_time("acknowledge_ms", &acknowledge_over_time);
    figures.over_time("sent_to_delivered_ms", &deliver_over_time);
    figures.metric("delivered_ratio", Metric::value("", 1.0 - missing as f64 / wanted.max(1) as f64));
    figures.metric("undecryptable", Metric::value("messages", unreadable as f64));
    figures.errors("undelivered", missing as u64);
    Ok(())
}
