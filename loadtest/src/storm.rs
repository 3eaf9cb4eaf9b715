//! Devices that are cut at once, miss messages, and come back at once: how long until the last of them has everything.
//!
//! A cut closes the connection: what an outage is to the node after 15 s, when it has noticed. Coming back is what the shipped client does: a new
//! connection with a full handshake, the heads, the missing entries, one acknowledgement; with its time-outs and its back-off.
use crate::crowd::{self, Full, Shared, Watcher, lock};
use crate::device::{self, Roads};
use crate::live::{Count, Live};
use crate::node::Node;
use crate::report::{Metric, OverTime, Times};
use crate::run::Figures;
use crate::workload::Storm;
use anyhow::{Result, ensure};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use wardline_client::core::Identity;
use wardline_protocol::{AccountId, ConversationId, MessageId};

/// How long messages may take to become durable, and devices to be cut.
const STEP_MAX: Duration = Duration::from_secs(60);

/// One group: who writes, and who is cut.
struct Group {
    writer: Arc<Full>,
    full: Vec<Arc<Full>>,
    watchers: Vec<Watcher>,
    conversation: ConversationId,
}

impl Group {
    async fn make(workload: &Storm, stay: &Roads, cut: &Roads, live: &Arc<Live>, ids: Vec<Identity>) -> Result<Self> {
        let mut ids = ids.into_iter();
        let writer = ids.next().ok_or_else(|| anyhow::anyhow!("a writer"))?;
        let writer = Arc::new(Full::start(stay, live, writer, 0).await?);
        let mut full = Vec::with_capacity(workload.full_members);
        for identity in ids.by_ref().take(workload.full_members) {
            full.push(Arc::new(Full::start(cut, live, identity, 0).await?));
        }
        let watchers = crowd::watchers(cut, live, ids.collect()).await?;
        let witnesses = watchers.iter().map(|watcher| watcher.witness.account);
        let accounts: Vec<AccountId> = full.iter().map(|full| full.member.account).chain(witnesses).collect();
        let conversation = writer.create_group("Station", accounts).await?;
        for member in &full {
            member.joined(1).await?;
        }
        let group = Self { writer, full, watchers, conversation };
        // Everybody has the group's first message: whoever is cut now has a place in the log to come back to.
        group.writer.send(conversation, crowd::text(workload.text_bytes), Instant::now()).await?;
        let first: HashSet<MessageId> = group.sent();
        let level = device::within(STEP_MAX, || group.logs().all(|log| had(log, &first) == first.len())).await;
        ensure!(level, "a new group's first message did not reach everybody within {STEP_MAX:?}");
        Ok(group)
    }

    fn sent(&self) -> HashSet<MessageId> {
        lock(&self.writer.log).sent.iter().map(|(id, _)| *id).collect()
    }

    /// The logs of those who are cut.
    fn logs(&self) -> impl Iterator<Item = &Shared> {
        self.full.iter().map(|full| &full.log).chain(self.watchers.iter().map(|watcher| &watcher.log))
    }
}

/// How many of these messages a device has.
fn had(log: &Shared, wanted: &HashSet<MessageId>) -> usize {
    lock(log).delivered.iter().filter(|(id, ..)| wanted.contains(id)).count()
}

async fn make_groups(workload: &Storm, node: &Node, stay: &Roads, cut: &Roads, live: &Arc<Live>) -> Result<Vec<Group>> {
    let mut of_group: Vec<Vec<Identity>> = (0..workload.groups).map(|_| Vec::new()).collect();
    for (n, identity) in device::enrol_all(node, live).await?.into_iter().enumerate() {
        of_group[n % workload.groups].push(identity);
    }
    live.phase(format!("making {} groups", workload.groups));
    let mut groups = Vec::with_capacity(workload.groups);
    for identities in of_group {
        groups.push(Group::make(workload, stay, cut, live, identities).await?);
    }
    Ok(groups)
}

/// Runs the workload.
///
/// # Errors
/// When the groups cannot be made, or the messages not be sent. Who does not come back is counted.
pub async fn run(workload: &Storm, node: &Node, live: &Arc<Live>) -> Result<Figures> {
    let (stay, stay_switch) = Roads::new(node.access().clone(), live.clone());
    let (cut, switch) = stay.branch();
    let groups = make_groups(workload, node, &stay, &cut, live).await?;

    live.phase("cutting");
    switch.send_replace(false);
    let writers = groups.len() as u64;
    ensure!(device::within(STEP_MAX, || live.connected() <= writers).await, "the devices could not be cut");
    let cut_at = Instant::now();
    live.phase("writing");
    for _ in 0..workload.messages {
        for group in &groups {
            group.writer.send(group.conversation, crowd::text(workload.text_bytes), Instant::now()).await?;
        }
    }
    let written = |group: &Group| lock(&group.writer.log).acknowledged.len() > workload.messages;
    ensure!(device::within(STEP_MAX, || groups.iter().all(written)).await, "the messages did not become durable");
    live.phase("away");
    tokio::time::sleep_until((cut_at + Duration::from_secs(workload.away_seconds)).into()).await;

    live.phase("coming back");
    let (cpu_before, delivered_before) = (node.cpu_time(), live.counted(Count::Delivered));
    let back_at = Instant::now();
    switch.send_replace(true);
    let wanted = delivered_before + (workload.devices * workload.messages) as u64;
    let bound = Duration::from_secs(workload.bound_seconds);
    device::within(bound, || live.counted(Count::Delivered) >= wanted).await;
    let cpu = node.cpu_since(cpu_before);
    live.phase("counting");

    let mut figures = evaluate(&groups, live, &cut, back_at);
    let cpu_ms = cpu.map(|cpu| cpu.as_secs_f64() * 1e3 / workload.devices as f64);
    figures.maybe("server_cpu_ms_per_device", "ms", cpu_ms);
    figures.metric("devices", Metric::value("devices", workload.devices as f64));
    figures.metric("full_members", Metric::value("devices", (workload.full_members * groups.len()) as f64));
    figures.metric("messages_missed", Metric::value("messages", (workload.devices * workload.messages) as f64));
    let (full, watchers): (Vec<_>, Vec<_>) = groups
        .into_iter()
        .map(|group| (group.full.into_iter().chain([group.writer]).collect::<Vec<_>>(), group.watchers))
        .unzip();
    let (full, watchers) = (full.into_iter().flatten().collect(), watchers.into_iter().flatten().collect());
    crowd::end(full, watchers, &stay, &mut figures).await;
    drop((stay_switch, switch));
    Ok(figures)
}

fn evaluate(groups: &[Group], live: &Live, roads: &Roads, back_at: Instant) -> Figures {
    let (mut caught_up, mut caught_up_full, mut signed_in) = (Times::default(), Times::default(), Times::default());
    let mut over_time = OverTime::new(live.began());
    let (mut behind, mut missing) = (0_u64, 0_u64);
    for group in groups {
        let sent = group.sent();
        for (n, log) in group.logs().enumerate() {
            let had = had(log, &sent);
            if had < sent.len() {
                behind += 1;
                missing += (sent.len() - had) as u64;
                continue;
            }
            let last = lock(log).delivered.iter().map(|(_, at, _)| *at).max().unwrap_or(back_at);
            let took = last.saturating_duration_since(back_at);
            caught_up.add(took);
            over_time.add(last, took);
            if n < group.full.len() {
                caught_up_full.add(took);
            }
        }
    }
    let last = groups.iter().flat_map(Group::logs).filter_map(|log| lock(log).delivered.last().map(|(_, at, _)| *at));
    let last = last.max().map_or(Duration::ZERO, |at| at.saturating_duration_since(back_at));
    roads.lines().back_since(back_at).iter().for_each(|at| signed_in.add(*at - back_at));

    let mut figures = Figures::default();
    figures.metric("caught_up_s", Metric::value("s", last.as_secs_f64()));
    figures.times("caught_up_ms", &caught_up);
    if caught_up_full.count() > 0 {
        figures.times("caught_up_full_members_ms", &caught_up_full);
    }
    figures.times("signed_in_ms", &signed_in);
    figures.over_time("caught_up_ms", &over_time);
    let failed = roads.lines().failed_attempts.load(Ordering::Relaxed);
    figures.metric("failed_attempts", Metric::value("attempts", failed as f64));
    figures.errors("devices_behind", behind);
    figures.errors("undelivered", missing);
    figures
}
