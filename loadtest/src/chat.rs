//! Messages into one group: how many become durable a second, and how long until everybody has them.
use crate::device;
use crate::member::{Member, Witness};
use crate::node::Node;
use crate::report::{Metric, Times};
use crate::run::Figures;
use crate::workload::Chat;
use anyhow::{Context as _, Result, ensure};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use wardline_client::core::{Command, Event, Identity, Reply};
use wardline_protocol::{AccountId, ConversationId, MessageId};

/// Devices that enrol or sign in at the same time while the load is set up.
const SET_UP_AT_ONCE: usize = 16;

/// How long the group may take to be made and joined.
const JOIN_MAX: Duration = Duration::from_secs(120);

/// How long the last messages may take to arrive.
const DRAIN_MAX: Duration = Duration::from_secs(20);

/// What one member saw, in the order in which it saw it.
#[derive(Default)]
struct Log {
    sent: Vec<(MessageId, Instant)>,
    acknowledged: Vec<(MessageId, Instant)>,
    delivered: Vec<(MessageId, Instant)>,
    unreadable: u64,
    failed: u64,
}

type Shared = Arc<Mutex<Log>>;

fn lock(log: &Shared) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A full member with its log.
struct Full {
    member: Member,
    log: Shared,
    joined: watch::Receiver<bool>,
    /// One permit for each message that may be sent now, where no rate is given.
    window: Arc<Semaphore>,
}

impl Full {
    async fn start(node: &Node, identity: Identity, window: usize) -> Result<Self> {
        let log = Shared::default();
        let window = Arc::new(Semaphore::new(window));
        let (join, joined) = watch::channel(false);
        let (level, mut ready) = watch::channel(false);
        let (seen, open) = (log.clone(), window.clone());
        let on_event = Box::new(move |now: Instant, event: &Event| match event {
            Event::MessageReceived(message) => lock(&seen).delivered.push((message.message, now)),
            Event::MessageSent { message, .. } => {
                lock(&seen).acknowledged.push((*message, now));
                open.add_permits(1);
            }
            Event::MessageFailed { .. } => lock(&seen).failed += 1,
            Event::Unreadable { count, .. } => lock(&seen).unreadable += count,
            Event::ConversationJoined { .. } => drop(join.send_replace(true)),
            Event::Ready => drop(level.send_replace(true)),
            _ => {}
        });
        let member = Member::start(node.access(), identity, on_event).await?;
        // It has the directory then, and knows whom it may write to.
        tokio::time::timeout(JOIN_MAX, ready.wait_for(|ready| *ready)).await.context("signing in")??;
        Ok(Self { member, log, joined, window })
    }

    /// Sends one message that is counted from `at`.
    async fn send(&self, conversation: ConversationId, text: String, at: Instant) -> Result<()> {
        match self.member.command(Command::Send { conversation, text }).await? {
            Reply::Message(id) => lock(&self.log).sent.push((id, at)),
            _ => anyhow::bail!("no message came of sending one"),
        }
        Ok(())
    }

    /// Sends until `until`: at fixed times `every` apart from `start` on, or as fast as the window lets.
    async fn write(
        &self,
        to: ConversationId,
        bytes: usize,
        start: Instant,
        until: Instant,
        every: Option<Duration>,
    ) -> Result<()> {
        let text = "Bett 4 ist frei. ".repeat(bytes / 17 + 1);
        let text: String = text.chars().take(bytes).collect();
        let mut due = start;
        while due < until {
            match every {
                Some(every) => {
                    tokio::time::sleep_until(due.into()).await;
                    self.send(to, text.clone(), due).await?;
                    due += every;
                }
                None => {
                    let free = tokio::time::timeout_at(until.into(), self.window.acquire()).await;
                    let Ok(permit) = free else { break };
                    permit?.forget();
                    due = Instant::now();
                    self.send(to, text.clone(), due).await?;
                }
            }
        }
        Ok(())
    }
}

/// Everybody in the group, and the group.
struct Group {
    full: Vec<Arc<Full>>,
    witnesses: Vec<(Witness, Shared)>,
    conversation: ConversationId,
    made_in: Duration,
}

impl Group {
    async fn make(workload: &Chat, node: &Node) -> Result<Self> {
        let identities = enrol(node).await?;
        let (mut full, mut witnesses) = (Vec::new(), Vec::new());
        for (n, identity) in identities.into_iter().enumerate() {
            if n < workload.members {
                full.push(Arc::new(Full::start(node, identity, workload.window).await?));
            } else {
                let log = Shared::default();
                let seen = log.clone();
                let on_message = Box::new(move |now: Instant, id: &[u8]| {
                    if let Ok(id) = MessageId::parse(id) {
                        lock(&seen).delivered.push((id, now));
                    }
                });
                witnesses.push((Witness::start(node.access(), identity, on_message).await?, log));
            }
        }
        let others = full.iter().skip(1).map(|full| full.member.account);
        let accounts: Vec<AccountId> = others.chain(witnesses.iter().map(|(witness, _)| witness.account)).collect();
        let began = Instant::now();
        let creator = full.first().context("a first member")?;
        let create = creator.member.command(Command::CreateGroup { title: "Station 1".into(), accounts });
        let Reply::Conversation(conversation) = tokio::time::timeout(JOIN_MAX, create).await?? else {
            anyhow::bail!("no conversation came of making a group");
        };
        for member in full.iter().skip(1) {
            let mut joined = member.joined.clone();
            tokio::time::timeout(JOIN_MAX, joined.wait_for(|joined| *joined)).await.context("joining the group")??;
        }
        Ok(Self { full, witnesses, conversation, made_in: began.elapsed() })
    }

    fn logs(&self) -> impl Iterator<Item = &Shared> {
        self.full.iter().map(|full| &full.log).chain(self.witnesses.iter().map(|(_, log)| log))
    }

    fn delivered(&self) -> usize {
        self.logs().map(|log| lock(log).delivered.len()).sum()
    }

    /// Waits until everything sent has reached everybody, or nothing more arrives for long.
    async fn drain(&self) {
        let sent: usize = self.full.iter().map(|full| lock(&full.log).sent.len()).sum();
        let wanted = sent * (self.full.len() - 1 + self.witnesses.len());
        let until = Instant::now() + DRAIN_MAX;
        while self.delivered() < wanted && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await; // bounded: by `until`
        }
    }

    async fn end(self) -> Result<()> {
        for full in self.full {
            let full = Arc::into_inner(full).context("a member is still in use")?;
            full.member.end().await?;
        }
        for (witness, _) in self.witnesses {
            witness.end().await?;
        }
        Ok(())
    }
}

/// A device for every account of the hospital, in the accounts' order.
async fn enrol(node: &Node) -> Result<Vec<Identity>> {
    let gate = Arc::new(Semaphore::new(SET_UP_AT_ONCE));
    let mut enrolling = JoinSet::new();
    for (n, invitation) in node.invitations().iter().enumerate() {
        let (gate, access) = (gate.clone(), node.access().clone());
        let invitation = wardline_directory::invitation::Invitation::from_seed(
            invitation.account_id,
            invitation.expires_at_ms,
            *invitation.seed(),
        );
        enrolling.spawn(async move {
            let _permit = gate.acquire().await?;
            anyhow::Ok((n, device::enrol(&access, &invitation).await?))
        });
    }
    let mut identities = Vec::with_capacity(enrolling.len());
    while let Some(enrolled) = enrolling.join_next().await {
        identities.push(enrolled??);
    }
    identities.sort_by_key(|(n, _)| *n);
    Ok(identities.into_iter().map(|(_, identity)| identity).collect())
}

/// Runs the workload.
///
/// # Errors
/// When the group cannot be made, or a member's line breaks.
pub async fn run(workload: &Chat, node: &Node) -> Result<Figures> {
    let group = Group::make(workload, node).await?;
    let start = Instant::now();
    let from = start + Duration::from_secs(workload.warm_up_seconds);
    let until = from + Duration::from_secs(workload.seconds);
    let every =
        (workload.rate_per_s > 0.0).then(|| Duration::from_secs_f64(workload.senders as f64 / workload.rate_per_s));
    let mut writing = JoinSet::new();
    for (n, full) in group.full.iter().take(workload.senders).enumerate() {
        let (full, conversation, bytes) = (full.clone(), group.conversation, workload.text_bytes);
        // Senders of a rate do not all speak at the same moment.
        let start = start + every.unwrap_or_default() * n as u32 / workload.senders as u32;
        writing.spawn(async move { full.write(conversation, bytes, start, until, every).await });
    }
    tokio::time::sleep_until(from.into()).await;
    let (cpu_before, delivered_before) = (node.cpu_time()?, group.delivered());
    tokio::time::sleep_until(until.into()).await;
    let (cpu, deliveries) = (node.cpu_time()? - cpu_before, group.delivered() - delivered_before);
    while let Some(written) = writing.join_next().await {
        written??;
    }
    group.drain().await;
    let mut figures = evaluate(&group, workload, from, until)?;
    let per_delivery = cpu.as_secs_f64() * 1e6 / deliveries.max(1) as f64;
    figures.metric("server_cpu_us_per_delivery", Metric::value("us", per_delivery));
    figures.metric("server_cpu_share", Metric::value("cores", cpu.as_secs_f64() / workload.seconds as f64));
    figures.metric("deliveries_per_s", Metric::value("1/s", deliveries as f64 / workload.seconds as f64));
    figures.metric("group_made_s", Metric::value("s", group.made_in.as_secs_f64()));
    group.end().await?;
    Ok(figures)
}

/// Counts what was sent from `from` to `until`.
fn evaluate(group: &Group, workload: &Chat, from: Instant, until: Instant) -> Result<Figures> {
    let mut sent: HashMap<MessageId, Instant> = HashMap::new();
    for full in &group.full {
        sent.extend(lock(&full.log).sent.iter().copied().filter(|(_, at)| (from..until).contains(at)));
    }
    ensure!(!sent.is_empty(), "nothing was sent in the time that is measured");
    let (mut acknowledge, mut deliver, mut witness, mut all) =
        (Times::default(), Times::default(), Times::default(), Times::default());
    let (mut acknowledged, mut unreadable, mut failed) = (0_u64, 0, 0);
    let mut slowest: HashMap<MessageId, (Duration, usize)> = HashMap::new();
    for (n, log) in group.logs().enumerate() {
        let log = lock(log);
        acknowledged += log.acknowledged.iter().filter(|(_, at)| (from..until).contains(at)).count() as u64;
        unreadable += log.unreadable;
        failed += log.failed;
        for (id, at) in &log.acknowledged {
            if let Some(sent_at) = sent.get(id) {
                acknowledge.add(at.saturating_duration_since(*sent_at));
            }
        }
        for (id, at) in &log.delivered {
            let Some(sent_at) = sent.get(id) else { continue };
            let took = at.saturating_duration_since(*sent_at);
            if n < group.full.len() {
                deliver.add(took)
            } else {
                witness.add(took)
            }
            all.add(took);
            let entry = slowest.entry(*id).or_default();
            *entry = (entry.0.max(took), entry.1 + 1);
        }
    }
    // A witness may have its own messages pushed back; a full member's log never holds its own.
    let receivers = group.full.len() - 1 + group.witnesses.len();
    let missing: usize =
        sent.keys().map(|id| receivers.saturating_sub(slowest.get(id).map_or(0, |(_, count)| *count))).sum();
    let mut last = Times::default();
    slowest.values().for_each(|(took, _)| last.add(*took));

    let mut figures = Figures::default();
    figures.metric("acknowledged_per_s", Metric::value("1/s", acknowledged as f64 / workload.seconds as f64));
    figures.metric("acknowledge_ms", acknowledge.metric());
    figures.metric("deliver_ms", deliver.metric());
    if !group.witnesses.is_empty() {
        figures.metric("witness_deliver_ms", witness.metric());
    }
    figures.metric("sent_to_delivered_ms", all.metric());
    figures.metric("sent_to_last_delivered_ms", last.metric());
    figures.metric("undecryptable", Metric::value("messages", unreadable as f64));
    figures.errors("undelivered", missing as u64);
    figures.errors("undecryptable", unreadable);
    figures.errors("failed", failed);
    Ok(figures)
}
