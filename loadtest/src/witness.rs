//! Members of groups that receive and acknowledge without opening.
//!
//! A witness signs in, is a member by a key package of its own, takes every entry in order, fetches what it missed, acknowledges, and opens none:
//! it stands for thousands of phones whose MLS state would not fit on one machine. To the node it is a device like any other.
use crate::device::{Line, Roads};
use crate::member::batch;
use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use wardline_client::core::Identity;
use wardline_directory::key::DeviceKey;
use wardline_e2ee::{DeviceIdentity, Engine, Suite};
use wardline_protocol::wire::client_frame::Body;
use wardline_protocol::wire::{self, ClientFrame, Entry, ServerFrame, response, server_frame};
use wardline_protocol::{AccountId, NO_RESPONSE};

/// Request ids of a witness's own; those before it belong to signing in.
const FIRST_REQUEST_ID: u64 = 1_000_000;

/// Requests that wait for a witness's task; a further one waits with its caller.
const ASKS_WAITING_MAX: usize = 8;

type Ask = (Body, oneshot::Sender<response::Result>);

/// Told of each entry that a witness receives, in the log's order and once.
pub type OnEntry = Box<dyn FnMut(Instant, &Entry) + Send>;

/// One witness.
pub struct Witness {
    /// Whose device it is.
    pub account: AccountId,
    asks: mpsc::Sender<Ask>,
    task: JoinHandle<Result<()>>,
}

impl Witness {
    /// Signs a device in, leaves a key package for it, and lives until [`end`](Self::end).
    ///
    /// # Errors
    /// What the node says.
    pub async fn start(roads: Roads, identity: Identity, on_entry: OnEntry) -> Result<Self> {
        let account = identity.account;
        let mut line = roads.line(&identity).await?;
        let mls = DeviceIdentity::new(DeviceKey::from_seed(*identity.key.seed()), &identity.chain)?;
        let last_resort_key_package = Engine::new(mls, Suite::default())?.last_resort_key_package()?.into();
        let upload = wire::UploadKeyPackages { key_packages: Vec::new(), last_resort_key_package };
        let (asks, waiting) = mpsc::channel(ASKS_WAITING_MAX);
        let mut reader = Reader {
            on_entry,
            cursors: BTreeMap::new(),
            fetching: BTreeMap::new(),
            asks: waiting,
            asked: BTreeMap::new(),
            request_id: FIRST_REQUEST_ID,
        };
        reader.send(&mut line, Body::UploadKeyPackages(upload)).await?;
        // Whoever makes a group with it must find the key package.
        loop {
            let frame = line.receiver.next().await?;
            let answered = matches!(&frame.body, Some(server_frame::Body::Response(answer)) if answer.request_id == reader.request_id);
            line.first.push_back(frame);
            if answered {
                break;
            }
        }
        let task = tokio::spawn(live(roads, identity, reader, line));
        Ok(Self { account, asks, task })
    }

    /// Asks the node something.
    ///
    /// # Errors
    /// What the node says; that the line was lost meanwhile.
    pub async fn request(&self, body: Body) -> Result<response::Result> {
        let (answer, answered) = oneshot::channel();
        self.asks.send((body, answer)).await.ok().context("the witness has ended")?;
        match answered.await.context("the line was lost")? {
            response::Result::Error(error) => bail!("the node refuses with {}: {}", error.code, error.message),
            result => Ok(result),
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// What ended it early.
    pub async fn end(self) -> Result<()> {
        if self.task.is_finished() {
            return self.task.await?;
        }
        self.task.abort();
        Ok(())
    }
}

async fn live(mut roads: Roads, identity: Identity, mut reader: Reader, mut line: Line) -> Result<()> {
    loop {
        let mut waiting = roads.clone();
        let ended = tokio::select! {
            ended = reader.read(&mut line) => Some(ended),
            () = waiting.cut() => None,
        };
        if let Some(Err(error)) = ended {
            roads.broke(&error);
        }
        drop(line);
        roads.open().await;
        line = roads.line_again(&identity).await;
        reader.fetching.clear();
        reader.asked.clear();
    }
}

struct Reader {
    on_entry: OnEntry,
    /// The newest entry taken, of each conversation.
    cursors: BTreeMap<Bytes, u64>,
    /// Conversations whose log has been asked for, by the request.
    fetching: BTreeMap<u64, Bytes>,
    asks: mpsc::Receiver<Ask>,
    /// What its owner has asked, by the request.
    asked: BTreeMap<u64, oneshot::Sender<response::Result>>,
    request_id: u64,
}

impl Reader {
    async fn send(&mut self, line: &mut Line, body: Body) -> Result<()> {
        self.request_id += 1;
        Ok(line.sender.send(&ClientFrame { request_id: self.request_id, body: Some(body) }).await?)
    }

    /// Reads until the line ends; never gives `Ok`.
    async fn read(&mut self, line: &mut Line) -> Result<()> {
        loop {
            let first = std::mem::take(&mut line.first);
            if !first.is_empty() {
                self.take(first, line).await?;
            }
            tokio::select! {
                frame = line.receiver.next() => {
                    let frames = batch(frame?, &mut line.receiver);
                    self.take(frames, line).await?;
                }
                Some((body, answer)) = self.asks.recv() => {
                    self.asked.insert(self.request_id + 1, answer);
                    self.send(line, body).await?;
                }
            }
        }
    }

    async fn take(&mut self, frames: VecDeque<ServerFrame>, line: &mut Line) -> Result<()> {
        let now = Instant::now();
        let mut taken = BTreeSet::new();
        let mut behind = BTreeSet::new();
        for frame in frames {
            match frame.body {
                Some(server_frame::Body::Entry(entry)) => self.entry(now, &entry, &mut taken, &mut behind),
                Some(server_frame::Body::Heads(heads)) => {
                    for head in heads.conversations.into_iter().filter(|head| head.joined) {
                        let cursor = *self
                            .cursors
                            .entry(head.conversation_id.clone())
                            .or_insert(head.first_seq.saturating_sub(1));
                        if cursor < head.head_seq {
                            behind.insert(head.conversation_id);
                        }
                    }
                }
                Some(server_frame::Body::Response(answer)) => {
                    if let Some(asked) = self.asked.remove(&answer.request_id) {
                        if let Some(result) = answer.result {
                            let _ = asked.send(result); // the asker may have gone
                        }
                        continue;
                    }
                    self.fetching.remove(&answer.request_id);
                    let Some(response::Result::Log(log)) = answer.result else { continue };
                    for entry in &log.entries {
                        self.entry(now, entry, &mut taken, &mut behind);
                    }
                    if let Some(last) = log.entries.last()
                        && last.seq < log.head_seq
                    {
                        behind.insert(last.conversation_id.clone());
                    }
                }
                Some(server_frame::Body::WelcomeWaiting(waiting)) => {
                    // It opens nothing, so it needs no tree; a phone would fetch it and then say the same.
                    let drop = wire::DropWelcome { conversation_id: waiting.conversation_id };
                    self.send(line, Body::DropWelcome(drop)).await?;
                }
                Some(server_frame::Body::Goodbye(goodbye)) => {
                    return Err(wardline_client::connection::goodbye_error(goodbye).into());
                }
                _ => {}
            }
        }
        for conversation_id in taken {
            let delivered_seq = self.cursors.get(&conversation_id).copied().unwrap_or_default();
            let body = Some(Body::Acknowledge(wire::Acknowledge { conversation_id, delivered_seq, read_seq: 0 }));
            line.sender.send(&ClientFrame { request_id: NO_RESPONSE, body }).await?;
        }
        for conversation_id in behind {
            if self.fetching.values().all(|asked| *asked != conversation_id) {
                let from_seq = self.cursors.get(&conversation_id).copied().unwrap_or_default() + 1;
                self.fetching.insert(self.request_id + 1, conversation_id.clone());
                self.send(line, Body::FetchLog(wire::FetchLog { conversation_id, from_seq })).await?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, now: Instant, entry: &Entry, taken: &mut BTreeSet<Bytes>, behind: &mut BTreeSet<Bytes>) {
        let id = &entry.conversation_id;
        // The first that is pushed after it was added is the first that is for it.
        let cursor = self.cursors.entry(id.clone()).or_insert(entry.seq.saturating_sub(1));
        if entry.seq == *cursor + 1 {
            *cursor = entry.seq;
            (self.on_entry)(now, entry);
            taken.insert(id.clone());
        } else if entry.seq > *cursor {
            behind.insert(id.clone());
        }
    }
}
