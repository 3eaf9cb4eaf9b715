//! The program `wardline-client`: what it takes, and what it does with a device. The binary only parses and prints errors.
mod broadcast;
mod call;
mod chat;
mod devices;
mod files;
mod say;

use crate::core::{Command, Event, Failure, Misbehaviour, Notice, Reply};
use crate::session::{Client, ClientError, is_final, join};
use clap::{Parser, Subcommand};
use say::Say;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wardline_protocol::{AccountId, ConversationId};

/// How long the node is waited for before a command gives up.
const READY_MAX: Duration = Duration::from_secs(20);

/// How long an answer of the node is waited for.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What `--json` writes: one object a line, `event` names it. Times ending in `_ms` are milliseconds, ids are hexadecimal.
const EVENTS: &str = "\
Events of --json, one object a line:
  enrolled {device}   linked {device}   link_code {code}   approved   revoked {device}
  device {device, online, this, enrolled_at_ms}   node {node, certificate}
  contact {handle, name, role}   group {title, conversation}
  ready                    connected and level with the node
  sent {message, seq}      the node has stored the message
  message {from, text, conversation, message, seq, sent_at_ms}
  file {name, media_type, bytes, caption, from, ...}   saved {message, path, bytes}
  location {words, latitude, longitude, accuracy_m, from, ...}
  confirmed {seq}   confirmation {from, confirmed_at_ms}   in a channel
  joined {conversation, title}   left {conversation}   while listening
  unreadable {count}       messages this device can never read
  calling {call}   incoming_call {call, from}   media {connected, connect_ms}
  ringing {ring_ms}        since the call was asked for
  accepted   speech {accept_to_speech_ms}   peer_lost   peer_resumed
  ended {reason, talked_ms, packets_sent, packets_received, packets_lost, packets_late,
         frames_concealed, undecryptable, jitter_buffer_ms}
  live {broadcast}   watching {broadcast, from, title}   picture {after_ms}   viewers {count}
  sender_lost   sender_back
  broadcast_ended {reason, video_frames, sound_packets, packets, and what the side counts}
  node_refused {what}      the node did what no honest node does; nothing of it was taken in
  notice {what}   error {message}";

/// The command line.
#[derive(Parser)]
#[command(
    name = "wardline-client",
    version,
    about = "Wardline's native client: chat and encrypted calls",
    after_long_help = EVENTS
)]
pub struct Arguments {
    /// Where this device keeps its state.
    #[arg(long, global = true, default_value = "wardline-device", env = "WARDLINE_DIR")]
    pub dir: PathBuf,
    /// One JSON object a line: {"event": NAME, ...}.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make this directory a device, by a one-time enrolment link or code.
    Enrol { link: String },
    /// Make this directory a further device: shows a code that `devices approve` takes on an existing device.
    Link {
        /// The node's address, as `devices` shows it on the existing device.
        #[arg(long)]
        node: String,
        /// The node's certificate hash, as `devices` shows it.
        #[arg(long)]
        certificate: String,
    },
    /// The own devices; approve or revoke one.
    Devices {
        #[command(subcommand)]
        action: Option<devices::Action>,
    },
    /// The people in the hospital's directory.
    Contacts,
    /// Write and read.
    Chat {
        #[command(subcommand)]
        action: chat::Action,
    },
    /// Groups.
    Group {
        #[command(subcommand)]
        action: chat::GroupAction,
    },
    /// Call somebody.
    Call(call::Outgoing),
    /// Wait for calls and answer them.
    Answer(call::Incoming),
    /// Go live in a channel, from files: for operators.
    Broadcast(broadcast::Live),
    /// Watch what is live in a channel.
    Watch(broadcast::Watch),
}

/// What went wrong, in a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The device.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The core or the node refused.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// Sound.
    #[error(transparent)]
    Media(#[from] crate::media::MediaError),
    /// Standard output is gone.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
    /// The node is not honest, or not sound.
    #[error("the node did what no honest node does ({0:?}): nothing of it was taken in; tell the IT admin")]
    Node(Misbehaviour),
    /// Anything a person can mend.
    #[error("{0}")]
    Use(String),
}

impl From<crate::call::CallError> for ProgramError {
    fn from(error: crate::call::CallError) -> Self {
        use crate::call::CallError;
        match error {
            CallError::Client(error) => Self::Client(error),
            CallError::Failure(error) => Self::Failure(error),
            CallError::Media(error) => Self::Media(error),
            error => Self::Use(error.to_string()),
        }
    }
}

impl From<crate::store::StoreError> for ProgramError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Client(error.into())
    }
}

/// Runs one command.
///
/// # Errors
/// [`ProgramError`], whose text is for the person.
pub async fn run(arguments: Arguments) -> Result<(), ProgramError> {
    let say = Say { json: arguments.json };
    let directory = arguments.dir.as_path();
    match arguments.command {
        Action::Enrol { link } => enrol(directory, &link, say).await,
        Action::Link { node, certificate } => devices::link(directory, &node, &certificate, say).await,
        Action::Devices { action } => devices::run(&mut Device::open(directory, say).await?, action).await,
        Action::Contacts => contacts(&Device::open(directory, say).await?).await,
        Action::Chat { action } => chat::run(Device::open(directory, say).await?, action).await,
        Action::Group { action } => chat::group(Device::open(directory, say).await?, action).await,
        Action::Call(call) => call::place(Device::open(directory, say).await?, call).await,
        Action::Broadcast(live) => broadcast::live(Device::open(directory, say).await?, live).await,
        Action::Watch(watch) => broadcast::watch(Device::open(directory, say).await?, watch).await,
        Action::Answer(answer) => call::answer(Device::open(directory, say).await?, answer).await,
    }
}

async fn enrol(directory: &Path, link: &str, say: Say) -> Result<(), ProgramError> {
    let id = join::enrol(directory, link).await?;
    // Others can only write to this device once the node has its key packages.
    Device::open(directory, say).await?.close().await?;
    say.event("enrolled", &[("device", id.to_string().into())], "This device is enrolled.")
}

async fn contacts(device: &Device) -> Result<(), ProgramError> {
    let people = device
        .client
        .look(|core| {
            let people = core.directory().accounts().filter(|account| !account.deleted);
            people.map(|a| (a.handle.clone(), a.display_name.clone(), a.role.clone())).collect::<Vec<_>>()
        })
        .await?;
    for (handle, name, role) in people {
        let fields = [("handle", handle.clone().into()), ("name", name.clone().into()), ("role", role.clone().into())];
        device.say.event("contact", &fields, &format!("{handle:<16} {name}  {role}"))?;
    }
    Ok(())
}

/// A device that is connected and up to date.
pub(crate) struct Device {
    pub(crate) client: Client,
    pub(crate) say: Say,
    events: tokio::sync::broadcast::Receiver<Event>,
    /// What came while the device caught up with the node: told after that, like everything else.
    backlog: VecDeque<Event>,
    /// Events went by faster than they were read; history has what they told of.
    pub(crate) missed: bool,
    /// Asking the device's task for each name would make a listener slower than the messages.
    handles: RefCell<HashMap<AccountId, String>>,
}

impl Device {
    /// Opens the device and waits until the node has been reached.
    async fn open(directory: &Path, say: Say) -> Result<Self, ProgramError> {
        let (client, events) = Client::open(directory).await?;
        let mut device =
            Self { client, say, events, backlog: VecDeque::new(), missed: false, handles: RefCell::default() };
        let mut backlog = VecDeque::new();
        let ready = tokio::time::timeout(READY_MAX, async {
            loop {
                match device.next().await? {
                    Event::Ready => return Ok::<(), ProgramError>(()),
                    Event::Goodbye(error) if is_final(&error) => return Err(Failure::Refused(error).into()),
                    Event::NodeRefused(why) => return Err(ProgramError::Node(why)),
                    event => backlog.push_back(event),
                }
            }
        });
        match ready.await {
            Ok(outcome) => outcome?,
            Err(_) => return Err(ProgramError::Use("the node does not answer: check the network".into())),
        }
        device.backlog = backlog;
        Ok(device)
    }

    /// The next event. Events missed because nobody read them are passed over; warnings are shown on the way.
    pub(crate) async fn next(&mut self) -> Result<Event, ProgramError> {
        if let Some(event) = self.backlog.pop_front() {
            return Ok(event);
        }
        loop {
            match self.events.recv().await {
                Ok(event) => {
                    self.warn(&event)?;
                    return Ok(event);
                }
                Err(tokio::sync::broadcast::error::RecvError::Lagged(count)) => {
                    tracing::warn!(count, "events were missed");
                    self.missed = true;
                }
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return Err(ClientError::Ended.into()),
            }
        }
    }

    /// Whether `next` would wait.
    pub(crate) fn is_idle(&self) -> bool {
        self.backlog.is_empty() && self.events.is_empty()
    }

    /// What the person must see whatever the program is doing.
    fn warn(&self, event: &Event) -> Result<(), ProgramError> {
        let (name, what, text) = match event {
            Event::NodeRefused(why) => (
                "node_refused",
                format!("{why:?}"),
                format!("Warning: the node did what no honest node does ({why:?})."),
            ),
            Event::SecurityNotice(Notice::SecondUseOfCode) => (
                "notice",
                "SecondUseOfCode".to_owned(),
                "Warning: somebody tried to use an enrolment code of yours a second time. Tell the IT admin."
                    .to_owned(),
            ),
            Event::SecurityNotice(Notice::NodeRestored) => (
                "notice",
                "NodeRestored".to_owned(),
                "The node was restored from a backup; what it lost is made good.".to_owned(),
            ),
            _ => return Ok(()),
        };
        self.say.event(name, &[("what", what.into())], &text)
    }

    /// A command and its answer, bounded.
    pub(crate) async fn command(&self, command: Command) -> Result<Reply, ProgramError> {
        match tokio::time::timeout(ANSWER_MAX, self.client.command(command)).await {
            Ok(answer) => Ok(answer??),
            Err(_) => Err(ProgramError::Use("the node did not answer in time".into())),
        }
    }

    pub(crate) async fn account(&self, handle: &str) -> Result<AccountId, ProgramError> {
        let wanted = handle.to_owned();
        let found = self.client.look(move |core| core.directory().account_by_handle(&wanted).map(|a| a.account_id));
        found
            .await?
            .ok_or_else(|| ProgramError::Use(format!("nobody is called {handle}: see `wardline-client contacts`")))
    }

    pub(crate) async fn handle(&self, account: AccountId) -> Result<String, ProgramError> {
        if let Some(known) = self.handles.borrow().get(&account) {
            return Ok(known.clone());
        }
        let look = move |core: &crate::core::Core| core.directory().account(&account).map(|a| a.handle.clone());
        let handle = self.client.look(look).await?.unwrap_or_else(|| account.to_string());
        self.handles.borrow_mut().insert(account, handle.clone());
        Ok(handle)
    }

    pub(crate) async fn direct(&self, handle: &str) -> Result<ConversationId, ProgramError> {
        let account = self.account(handle).await?;
        match self.command(Command::OpenDirect { account }).await? {
            Reply::Conversation(id) => Ok(id),
            _ => Err(ProgramError::Use("no conversation came of it".into())),
        }
    }

    /// Waits until the node has heard everything said so far, then ends the device. What it has not heard is kept and said next time.
    pub(crate) async fn close(self) -> Result<(), ProgramError> {
        if let Err(error) = self.command(Command::Devices { accounts: Vec::new() }).await {
            tracing::info!(%error, "ended without the node");
        }
        self.client.close().await;
        Ok(())
    }
}
