//! Full members of groups under load: the shipped client core over a real connection, without a disk. What it wants stored is dropped, since it
//! never starts again; it may lose its line, though, and comes back as the shipped client does.
use crate::device::{Line, Roads};
use crate::node::now_ms;
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use wardline_client::connection::{Receiver, Sender};
use wardline_client::core::{Command, Core, Event, Failure, Identity, Input, Output, Reply, Saved, Token};
use wardline_directory::key::{self, DeviceKey};
use wardline_e2ee::Suite;
use wardline_protocol::wire::ServerFrame;
use wardline_protocol::{AccountId, Incarnation};

/// Commands that wait for a member's task; a further one waits with its caller.
const COMMANDS_WAITING_MAX: usize = 64;

/// Frames taken in before their outputs are performed.
const BATCH_FRAMES_MAX: usize = 256;

/// How long a member may take to end: what it is doing with a node that stands still has no end.
const END_MAX: Duration = Duration::from_secs(5);

/// Sleep when a member's core wants to be woken at no time.
const NEVER: Duration = Duration::from_secs(3_600);

/// Told of everything a full member's core tells its person, on the member's task.
pub type OnEvent = Box<dyn FnMut(Instant, &Event) + Send>;

type Ask = (Command, oneshot::Sender<Result<Reply, Failure>>);

/// A full member.
pub struct Member {
    /// Whose device it is.
    pub account: AccountId,
    asks: mpsc::Sender<Ask>,
    task: JoinHandle<Result<()>>,
}

impl Member {
    /// Signs a device in and lets it live until [`end`](Self::end).
    ///
    /// # Errors
    /// What the node says.
    pub async fn start(roads: Roads, identity: Identity, on_event: OnEvent) -> Result<Self> {
        let account = identity.account;
        let line = roads.line(&identity).await?;
        // The core owns the identity; signing in again needs it as well.
        let signing = copy(&identity);
        let core = Core::new(identity, Suite::default(), Saved::default(), *key::random::<32>()?)?;
        let (asks, waiting) = mpsc::channel(COMMANDS_WAITING_MAX);
        let life = Life { core, signing, roads, on_event, answers: BTreeMap::new(), next_token: 0, wake_at_ms: None };
        let task = tokio::spawn(life.run(line, waiting));
        Ok(Self { account, asks, task })
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// What the core or the node says; that the member has ended.
    pub async fn command(&self, command: Command) -> Result<Reply> {
        let (answer, answered) = oneshot::channel();
        self.asks.send((command, answer)).await.ok().context("the member has ended")?;
        Ok(answered.await.context("the member has ended")??)
    }

    /// Ends it.
    ///
    /// # Errors
    /// What ended it early.
    pub async fn end(mut self) -> Result<()> {
        drop(self.asks);
        match tokio::time::timeout(END_MAX, &mut self.task).await {
            Ok(ended) => ended?,
            Err(_) => {
                self.task.abort();
                anyhow::bail!("it was still busy after {END_MAX:?}")
            }
        }
    }
}

fn copy(identity: &Identity) -> Identity {
    Identity {
        root: identity.root,
        account: identity.account,
        device: identity.device,
        key: DeviceKey::from_seed(*identity.key.seed()),
        chain: identity.chain.clone(),
    }
}

/// Why a line is not used any more.
enum Over {
    /// The workload has cut it.
    Cut,
    /// It ended by itself.
    Broke(anyhow::Error),
    /// The member's handle is gone.
    Ended,
}

struct Life {
    core: Core,
    signing: Identity,
    roads: Roads,
    on_event: OnEvent,
    answers: BTreeMap<Token, oneshot::Sender<Result<Reply, Failure>>>,
    next_token: u64,
    wake_at_ms: Option<u64>,
}

impl Life {
    async fn run(mut self, line: Line, mut asks: mpsc::Receiver<Ask>) -> Result<()> {
        let mut line = Some(line);
        loop {
            let now = match line.take() {
                Some(line) => line,
                None => match self.line_again(&mut asks).await? {
                    Some(line) => line,
                    None => return Ok(()),
                },
            };
            match self.talk(now, &mut asks).await? {
                Over::Ended => return Ok(()),
                Over::Cut => {}
                Over::Broke(error) => self.roads.broke(&error),
            }
            self.core.handle(now_ms(), Input::Disconnected);
            self.perform(None).await?;
            if !self.wait_for_road(&mut asks).await? {
                return Ok(());
            }
        }
    }

    /// Connects again, serving commands meanwhile. `None` when the handle is gone: a node that never answers keeps nobody.
    async fn line_again(&mut self, asks: &mut mpsc::Receiver<Ask>) -> Result<Option<Line>> {
        let (roads, signing) = (self.roads.clone(), copy(&self.signing));
        let mut connecting = std::pin::pin!(async move { roads.line_again(&signing).await });
        loop {
            tokio::select! {
                line = &mut connecting => return Ok(Some(line)),
                ask = asks.recv() => match ask {
                    Some(ask) => self.ask(ask, None).await?,
                    None => return Ok(None),
                },
            }
        }
    }

    /// False when the handle is gone.
    async fn wait_for_road(&mut self, asks: &mut mpsc::Receiver<Ask>) -> Result<bool> {
        let mut roads = self.roads.clone();
        loop {
            tokio::select! {
                () = roads.open() => return Ok(true),
                ask = asks.recv() => match ask {
                    Some(ask) => self.ask(ask, None).await?,
                    None => return Ok(false),
                },
            }
        }
    }

    async fn talk(&mut self, mut line: Line, asks: &mut mpsc::Receiver<Ask>) -> Result<Over> {
        let connected = Input::Connected {
            account: AccountId::parse(&line.authenticated.account_id)?,
            directory_version: line.authenticated.directory_version,
            incarnation: Incarnation::parse(&line.challenge.node_incarnation)?,
            key_packages: line.authenticated.key_packages,
        };
        self.core.handle(now_ms(), connected);
        let first = std::mem::take(&mut line.first);
        let mut roads = self.roads.clone();
        if let Err(error) = self.take(first, &mut line.sender).await {
            return Ok(Over::Broke(error));
        }
        loop {
            let wake = self.wake_at_ms.map_or(NEVER, |at| Duration::from_millis(at.saturating_sub(now_ms()).max(1)));
            let done = tokio::select! {
                frame = line.receiver.next() => match frame {
                    Ok(frame) => {
                        let frames = batch(frame, &mut line.receiver);
                        self.take(frames, &mut line.sender).await
                    }
                    Err(error) => return Ok(Over::Broke(error.into())),
                },
                ask = asks.recv() => match ask {
                    Some(ask) => self.ask(ask, Some(&mut line.sender)).await,
                    None => return Ok(Over::Ended),
                },
                () = roads.cut() => return Ok(Over::Cut),
                () = tokio::time::sleep(wake) => {
                    self.wake_at_ms = None;
                    self.core.handle(now_ms(), Input::Tick);
                    self.perform(Some(&mut line.sender)).await
                }
            };
            if let Err(error) = done {
                return Ok(Over::Broke(error));
            }
        }
    }

    async fn ask(&mut self, (command, answer): Ask, sender: Option<&mut Sender>) -> Result<()> {
        self.next_token += 1;
        self.answers.insert(Token(self.next_token), answer);
        self.core.handle(now_ms(), Input::Command(command, Token(self.next_token)));
        self.perform(sender).await
    }

    async fn take(&mut self, frames: VecDeque<ServerFrame>, sender: &mut Sender) -> Result<()> {
        for frame in frames {
            self.core.handle(now_ms(), Input::Frame(frame));
        }
        self.perform(Some(sender)).await
    }

    /// Does what the core wants. A line that breaks on the way is an error; the rest of the outputs is performed all the same.
    async fn perform(&mut self, mut sender: Option<&mut Sender>) -> Result<()> {
        let mut broken = None;
        while let Some(output) = self.core.poll() {
            match output {
                Output::Persist(_) => {}
                Output::Send(frame) => {
                    if let Some(line) = sender.as_deref_mut()
                        && let Err(error) = line.send(&frame).await
                    {
                        (sender, broken) = (None, Some(error));
                    }
                }
                Output::Event(event) => (self.on_event)(Instant::now(), &event),
                Output::Done(token, result) => {
                    if let Some(answer) = self.answers.remove(&token) {
                        let _ = answer.send(result); // the asker may have gone
                    }
                }
                // No workload sends files yet; one that did would stand still here.
                Output::Upload(_) => anyhow::bail!("this generator does not send files"),
                Output::WakeAt(at_ms) => self.wake_at_ms = Some(at_ms),
            }
        }
        broken.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// A frame and those that are here already.
pub(crate) fn batch(first: ServerFrame, receiver: &mut Receiver) -> VecDeque<ServerFrame> {
    let mut frames = VecDeque::from([first]);
    while frames.len() < BATCH_FRAMES_MAX
        && let Ok(Some(frame)) = receiver.try_next()
    {
        frames.push_back(frame);
    }
    frames
}
