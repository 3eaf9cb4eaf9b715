//! The people of a workload: full members and witnesses with a log of what each of them saw, and the group they are in.
use crate::device::{Roads, SET_UP_AT_ONCE};
use crate::live::{Count, Live};
use crate::member::{Member, OnEvent};
use crate::run::Figures;
use crate::witness::Witness;
use anyhow::{Context as _, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use wardline_client::core::{Command, Event, Identity, Reply};
use wardline_protocol::wire::entry;
use wardline_protocol::{AccountId, ConversationId, DeviceId, MessageId};

/// How long a group may take to be made and joined.
pub const JOIN_MAX: Duration = Duration::from_secs(180);

/// What one member saw, in the order in which it saw it.
#[derive(Debug, Default)]
pub struct Log {
    /// Messages it sent, with the time at which they were due.
    pub sent: Vec<(MessageId, Instant)>,
    /// Own messages that the node made durable, with their place.
    pub acknowledged: Vec<(MessageId, Instant, u64)>,
    /// Others' messages, with their place.
    pub delivered: Vec<(MessageId, Instant, u64)>,
    /// Who came and went, each with the number of messages delivered before. Full members only.
    pub changes: Vec<(usize, Roster)>,
    /// Entries that a full member could not open.
    pub unreadable: u64,
    /// Own messages that could not be sent.
    pub failed: u64,
    /// What the client took for misbehaviour of the node.
    pub refused: u64,
}

/// Who came to a group and who went, in one commit.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// Who came.
    pub added: Vec<DeviceId>,
    /// Who went.
    pub removed: Vec<DeviceId>,
}

/// A log with its writer and its readers.
pub type Shared = Arc<Mutex<Log>>;

/// The log, for a moment.
pub fn lock(log: &Shared) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A full member with its log.
pub struct Full {
    /// The device.
    pub member: Member,
    /// Its id.
    pub device: DeviceId,
    /// What it saw.
    pub log: Shared,
    /// How many conversations it has joined so far.
    pub joined: watch::Receiver<u64>,
    /// One permit for each message that may be sent now, where no rate is given.
    window: Arc<Semaphore>,
    live: Arc<Live>,
}

impl Full {
    /// Signs in and waits until it is level with the node.
    ///
    /// # Errors
    /// What the node says.
    pub async fn start(roads: &Roads, live: &Arc<Live>, identity: Identity, window: usize) -> Result<Self> {
        let log = Shared::default();
        let window = Arc::new(Semaphore::new(window));
        let (join, joined) = watch::channel(0);
        let (level, mut ready) = watch::channel(false);
        let on_event = recorder(log.clone(), live.clone(), window.clone(), join, level);
        let device = identity.device;
        let member = Member::start(roads.clone(), identity, on_event).await?;
        // It has the directory then, and knows whom it may write to.
        tokio::time::timeout(JOIN_MAX, ready.wait_for(|ready| *ready)).await.context("signing in")??;
        Ok(Self { member, device, log, joined, window, live: live.clone() })
    }

    /// Makes a group of these, and gives it when they have been added.
    ///
    /// # Errors
    /// What the node or the core says.
    pub async fn create_group(&self, title: &str, accounts: Vec<AccountId>) -> Result<ConversationId> {
        let create = self.member.command(Command::CreateGroup { title: title.into(), accounts });
        match tokio::time::timeout(JOIN_MAX, create).await.context("making a group")?? {
            Reply::Conversation(conversation) => Ok(conversation),
            _ => anyhow::bail!("no conversation came of making a group"),
        }
    }

    /// Waits until it has joined so many conversations.
    ///
    /// # Errors
    /// When it does not.
    pub async fn joined(&self, conversations: u64) -> Result<()> {
        let mut joined = self.joined.clone();
        let wait = joined.wait_for(|joined| *joined >= conversations);
        tokio::time::timeout(JOIN_MAX, wait).await.context("joining the group")??;
        Ok(())
    }

    /// Sends one message that is counted from `at`.
    ///
    /// # Errors
    /// What the core says.
    pub async fn send(&self, conversation: ConversationId, text: String, at: Instant) -> Result<()> {
        match self.member.command(Command::Send { conversation, text }).await? {
            Reply::Message(id) => lock(&self.log).sent.push((id, at)),
            _ => anyhow::bail!("no message came of sending one"),
        }
        self.live.count(Count::Sent);
        Ok(())
    }

    /// Sends so many, to these in turn, as fast as the window lets.
    ///
    /// # Errors
    /// What the core says.
    pub async fn fill(&self, to: &[ConversationId], bytes: usize, count: usize) -> Result<()> {
        let text = text(bytes);
        for to in to.iter().cycle().take(count) {
            self.window.acquire().await?.forget();
            self.send(*to, text.clone(), Instant::now()).await?;
        }
        Ok(())
    }

    /// Sends until `until`, to these in turn: at fixed times `every` apart from `start` on, or as fast as the window lets.
    ///
    /// # Errors
    /// What the core says.
    pub async fn write(
        &self,
        to: &[ConversationId],
        bytes: usize,
        start: Instant,
        until: Instant,
        every: Option<Duration>,
    ) -> Result<()> {
        let text = text(bytes);
        let mut due = start;
        for to in to.iter().cycle() {
            if due >= until {
                break;
            }
            match every {
                Some(every) => {
                    tokio::time::sleep_until(due.into()).await;
                    self.send(*to, text.clone(), due).await?;
                    due += every;
                }
                None => {
                    let free = tokio::time::timeout_at(until.into(), self.window.acquire()).await;
                    let Ok(permit) = free else { break };
                    permit?.forget();
                    due = Instant::now();
                    self.send(*to, text.clone(), due).await?;
                }
            }
        }
        Ok(())
    }
}

fn recorder(
    seen: Shared,
    live: Arc<Live>,
    window: Arc<Semaphore>,
    join: watch::Sender<u64>,
    level: watch::Sender<bool>,
) -> OnEvent {
    Box::new(move |now: Instant, event: &Event| match event {
        Event::MessageReceived(message) => {
            lock(&seen).delivered.push((message.message, now, message.seq));
            live.count(Count::Delivered);
        }
        Event::MessageSent { message, seq, .. } => {
            lock(&seen).acknowledged.push((*message, now, *seq));
            window.add_permits(1);
        }
        Event::MembersChanged { added, removed, .. } => {
            let devices = |members: &[(AccountId, DeviceId)]| members.iter().map(|(_, device)| *device).collect();
            let mut log = lock(&seen);
            let change = (log.delivered.len(), Roster { added: devices(added), removed: devices(removed) });
            log.changes.push(change);
        }
        Event::MessageFailed { .. } => {
            lock(&seen).failed += 1;
            live.count(Count::Failed);
        }
        Event::Unreadable { count, .. } => {
            lock(&seen).unreadable += count;
            live.count_many(Count::Failed, *count);
        }
        Event::NodeRefused(_) => {
            lock(&seen).refused += 1;
            live.count(Count::Failed);
        }
        Event::ConversationJoined { .. } => join.send_modify(|joined| *joined += 1),
        Event::Ready => drop(level.send_replace(true)),
        _ => {}
    })
}

/// A witness and its log.
pub struct Watcher {
    /// The device.
    pub witness: Witness,
    /// What it received.
    pub log: Shared,
}

impl Watcher {
    /// Signs in and leaves a key package.
    ///
    /// # Errors
    /// What the node says.
    pub async fn start(roads: &Roads, live: &Arc<Live>, identity: Identity) -> Result<Self> {
        let log = Shared::default();
        let (seen, live) = (log.clone(), live.clone());
        let on_entry = Box::new(move |now: Instant, entry: &wardline_protocol::wire::Entry| {
            if let Some(entry::Content::Message(message)) = &entry.content
                && let Ok(id) = MessageId::parse(&message.message_id)
            {
                lock(&seen).delivered.push((id, now, entry.seq));
                live.count(Count::Delivered);
            }
        });
        Ok(Self { witness: Witness::start(roads.clone(), identity, on_entry).await?, log })
    }
}

/// A witness for each identity, in their order.
///
/// # Errors
/// The first that could not sign in.
pub async fn watchers(roads: &Roads, live: &Arc<Live>, identities: Vec<Identity>) -> Result<Vec<Watcher>> {
    let gate = Arc::new(Semaphore::new(SET_UP_AT_ONCE));
    let mut starting = JoinSet::new();
    for (n, identity) in identities.into_iter().enumerate() {
        let (gate, roads, live) = (gate.clone(), roads.clone(), live.clone());
        starting.spawn(async move {
            let _permit = gate.acquire().await?;
            anyhow::Ok((n, Watcher::start(&roads, &live, identity).await?))
        });
    }
    let mut started = Vec::with_capacity(starting.len());
    while let Some(watcher) = starting.join_next().await {
        started.push(watcher??);
    }
    started.sort_by_key(|(n, _)| *n);
    Ok(started.into_iter().map(|(_, watcher)| watcher).collect())
}

/// Everything that these have sent, with the time at which it was due.
pub fn sent(full: &[Arc<Full>]) -> HashMap<MessageId, Instant> {
    full.iter().flat_map(|full| lock(&full.log).sent.clone()).collect()
}

/// A text of so many bytes.
pub fn text(bytes: usize) -> String {
    "Bett 4 ist frei. ".chars().cycle().take(bytes).collect()
}

/// Ends everybody, and counts what went wrong on the way.
pub async fn end(full: Vec<Arc<Full>>, watchers: Vec<Watcher>, roads: &Roads, figures: &mut Figures) {
    for full in full {
        let log = std::mem::take(&mut *lock(&full.log));
        figures.errors("undecryptable", log.unreadable);
        figures.errors("failed_to_send", log.failed);
        figures.errors("node_refused", log.refused);
        // Nobody sends any more, so that the handle is the last.
        if let Some(full) = Arc::into_inner(full) {
            figures.errors("members_ended_early", u64::from(full.member.end().await.is_err()));
        }
    }
    for watcher in watchers {
        figures.errors("witnesses_ended_early", u64::from(watcher.witness.end().await.is_err()));
    }
    figures.errors("lines_broken", roads.lines().broken.load(std::sync::atomic::Ordering::Relaxed));
}
