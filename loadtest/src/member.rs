//! Members of groups under load: full ones, and witnesses.
//!
//! A full member is the shipped client core over a real connection, without a disk: what it wants stored is dropped, since it never starts
//! again. A witness signs in, is a member by a key package of its own, receives and acknowledges every entry, and opens none:
//! it stands for thousands of phones whose MLS state would not fit on one machine.
use crate::device;
use crate::node::{Access, now_ms};
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use wardline_client::connection::{Connection, Receiver, Sender};
use wardline_client::core::{Command, Core, Event, Failure, Identity, Input, Output, Reply, Saved, Token};
use wardline_directory::key::{self, DeviceKey};
use wardline_e2ee::{DeviceIdentity, Engine, Suite};
use wardline_protocol::wire::client_frame::Body;
use wardline_protocol::wire::{self, ClientFrame, ServerFrame, entry, server_frame};
use wardline_protocol::{AccountId, Incarnation, NO_RESPONSE};

/// Commands that wait for a member's task; a further one waits with its caller.
const COMMANDS_WAITING_MAX: usize = 64;

/// Frames taken in before their outputs are performed.
const BATCH_FRAMES_MAX: usize = 256;

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
    pub async fn start(access: &Access, identity: Identity, on_event: OnEvent) -> Result<Self> {
        let account = identity.account;
        let (connection, challenge, authenticated) = device::sign_in(access, &identity).await?;
        let core = Core::new(identity, Suite::default(), Saved::default(), *key::random::<32>()?)?;
        let connected = Input::Connected {
            account: AccountId::parse(&authenticated.account_id)?,
            directory_version: authenticated.directory_version,
            incarnation: Incarnation::parse(&challenge.node_incarnation)?,
            key_packages: authenticated.key_packages,
        };
        let (asks, waiting) = mpsc::channel(COMMANDS_WAITING_MAX);
        let life = Life { core, on_event, answers: BTreeMap::new(), next_token: 0, wake_at_ms: None };
        let task = tokio::spawn(life.run(connection, connected, waiting));
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

    /// Ends it; an error when its line broke before.
    ///
    /// # Errors
    /// What ended it early.
    pub async fn end(self) -> Result<()> {
        drop(self.asks);
        self.task.await?
    }
}

struct Life {
    core: Core,
    on_event: OnEvent,
    answers: BTreeMap<Token, oneshot::Sender<Result<Reply, Failure>>>,
    next_token: u64,
    wake_at_ms: Option<u64>,
}

impl Life {
    async fn run(mut self, connection: Connection, connected: Input, mut asks: mpsc::Receiver<Ask>) -> Result<()> {
        let (mut sender, mut receiver, set_aside) = connection.split();
        self.core.handle(now_ms(), connected);
        self.perform(&mut sender).await?;
        self.take(set_aside, &mut sender).await?;
        loop {
            let wake = self.wake_at_ms.map_or(NEVER, |at| Duration::from_millis(at.saturating_sub(now_ms()).max(1)));
            tokio::select! {
                frame = receiver.next() => {
                    let frames = batch(frame?, &mut receiver);
                    self.take(frames, &mut sender).await?;
                }
                ask = asks.recv() => {
                    let Some((command, answer)) = ask else { return Ok(()) };
                    self.next_token += 1;
                    self.answers.insert(Token(self.next_token), answer);
                    self.core.handle(now_ms(), Input::Command(command, Token(self.next_token)));
                    self.perform(&mut sender).await?;
                }
                () = tokio::time::sleep(wake) => {
                    self.wake_at_ms = None;
                    self.core.handle(now_ms(), Input::Tick);
                    self.perform(&mut sender).await?;
                }
            }
        }
    }

    async fn take(&mut self, frames: VecDeque<ServerFrame>, sender: &mut Sender) -> Result<()> {
        for frame in frames {
            self.core.handle(now_ms(), Input::Frame(frame));
        }
        self.perform(sender).await
    }

    async fn perform(&mut self, sender: &mut Sender) -> Result<()> {
        while let Some(output) = self.core.poll() {
            match output {
                Output::Persist(_) => {}
                Output::Send(frame) => sender.send(&frame).await?,
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
        Ok(())
    }
}

/// Told the time and the ciphertext's sender-made message id of each message a witness receives.
pub type OnMessage = Box<dyn FnMut(Instant, &[u8]) + Send>;

/// A member that receives and acknowledges without opening.
pub struct Witness {
    /// Whose device it is.
    pub account: AccountId,
    task: JoinHandle<Result<()>>,
}

impl Witness {
    /// Signs a device in, leaves a key package for it, and acknowledges what comes.
    ///
    /// # Errors
    /// What the node says.
    pub async fn start(access: &Access, identity: Identity, mut on_message: OnMessage) -> Result<Self> {
        let account = identity.account;
        let (mut connection, ..) = device::sign_in(access, &identity).await?;
        let mls = DeviceIdentity::new(DeviceKey::from_seed(*identity.key.seed()), &identity.chain)?;
        let last_resort_key_package = Engine::new(mls, Suite::default())?.last_resort_key_package()?.into();
        let upload = wire::UploadKeyPackages { key_packages: Vec::new(), last_resort_key_package };
        connection.request(Body::UploadKeyPackages(upload)).await?;
        let (mut sender, mut receiver, mut frames) = connection.split();
        let task = tokio::spawn(async move {
            loop {
                let now = Instant::now();
                let mut newest = BTreeMap::new();
                for frame in std::mem::take(&mut frames) {
                    let Some(server_frame::Body::Entry(entry)) = frame.body else { continue };
                    if let Some(entry::Content::Message(message)) = &entry.content {
                        on_message(now, &message.message_id);
                    }
                    newest.insert(entry.conversation_id, entry.seq);
                }
                for (conversation_id, delivered_seq) in newest {
                    let acknowledge = wire::Acknowledge { conversation_id, delivered_seq, read_seq: 0 };
                    let body = Some(Body::Acknowledge(acknowledge));
                    sender.send(&ClientFrame { request_id: NO_RESPONSE, body }).await?;
                }
                frames = batch(receiver.next().await?, &mut receiver);
            }
        });
        Ok(Self { account, task })
    }

    /// Ends it; an error when its line broke before.
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

/// A frame and those that are here already.
fn batch(first: ServerFrame, receiver: &mut Receiver) -> VecDeque<ServerFrame> {
    let mut frames = VecDeque::from([first]);
    while frames.len() < BATCH_FRAMES_MAX
        && let Ok(Some(frame)) = receiver.try_next()
    {
        frames.push_back(frame);
    }
    frames
}
