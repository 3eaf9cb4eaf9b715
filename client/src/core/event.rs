//! What a device tells its person or program. Nothing here implements `Debug` in clear.
use super::file::{File, Location};
use std::fmt;
use wardline_protocol::wire::{self, ConversationKind, call_state, devices_changed};
use wardline_protocol::{AccountId, CallId, Code, ConversationId, DeviceId, MessageId, WireError};

/// Something happened. Everything an event tells of is durable before it is told.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Signed in and level with the node: directory, welcomes and logs.
    Ready,
    /// A message of somebody, or of another device of this account.
    MessageReceived(Message),
    /// The node has stored an own message.
    MessageSent {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
        /// Its place in the log.
        seq: u64,
    },
    /// An own message cannot be sent, whatever is retried.
    MessageFailed {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
        /// Why.
        error: WireError,
    },
    /// Entries that this device could not read and never will: it lost its state, or joined after them. The goal is none.
    Unreadable {
        /// Where.
        conversation: ConversationId,
        /// How many.
        count: u64,
    },
    /// This device is now in a conversation.
    ConversationJoined {
        /// Which.
        conversation: ConversationId,
        /// Direct or group.
        kind: ConversationKind,
    },
    /// Title or roster changed.
    ConversationChanged {
        /// Which.
        conversation: ConversationId,
        /// The group's title.
        title: Option<String>,
        /// The accounts on the roster.
        accounts: Vec<AccountId>,
    },
    /// This device is no longer in a conversation.
    ConversationLeft {
        /// Which.
        conversation: ConversationId,
    },
    /// Devices came or went: a new device in a conversation is shown to the others.
    MembersChanged {
        /// Where.
        conversation: ConversationId,
        /// Who came.
        added: Vec<(AccountId, DeviceId)>,
        /// Who went.
        removed: Vec<(AccountId, DeviceId)>,
    },
    /// How far an account has received and read.
    Receipt {
        /// Where.
        conversation: ConversationId,
        /// Who.
        account: AccountId,
        /// Received by at least one of its devices.
        delivered_seq: u64,
        /// Read.
        read_seq: u64,
    },
    /// A watched account came or went.
    Presence {
        /// Who.
        account: AccountId,
        /// Connected now.
        online: bool,
        /// When last, Unix time.
        last_seen_ms: u64,
    },
    /// Somebody writes, or has stopped. The node says it, unsigned.
    Typing {
        /// Where.
        conversation: ConversationId,
        /// Who.
        account: AccountId,
        /// Whether.
        typing: bool,
    },
    /// Somebody calls.
    IncomingCall {
        /// The call.
        call: CallId,
        /// The direct conversation.
        conversation: ConversationId,
        /// Who calls.
        caller: AccountId,
        /// From which device.
        device: DeviceId,
        /// Placed as a video call.
        video: bool,
    },
    /// A call changed its state.
    CallState {
        /// The call.
        call: CallId,
        /// Its state now.
        state: call_state::State,
        /// Why it ended.
        reason: call_state::EndReason,
        /// The device that answered.
        answering_device: Option<DeviceId>,
        /// How long was talked.
        talked_ms: u64,
    },
    /// A broadcast began, changed, or is over.
    Broadcast(super::Broadcast),
    /// A commit landed in a conversation with a call or a broadcast in which this device takes part: take the new keys with [`Core::media_epoch`](super::Core::media_epoch).
    MediaEpochChanged {
        /// The call.
        call: CallId,
        /// Its conversation.
        conversation: ConversationId,
    },
    /// The own account's devices changed.
    DevicesChanged {
        /// Which device.
        device: DeviceId,
        /// How.
        change: devices_changed::Change,
    },
    /// The signed directory went on.
    DirectoryChanged {
        /// To this version.
        version: u64,
    },
    /// The node did what only a faulty or hostile node does. Nothing of it was taken in.
    NodeRefused(Misbehaviour),
    /// Something that the person should see, though nothing was refused.
    SecurityNotice(Notice),
    /// The node ended the session.
    Goodbye(WireError),
}

/// A message as history keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub conversation: ConversationId,
    /// Made by the sender; the same message never appears twice.
    pub message: MessageId,
    /// Its place in the log; 0 while it waits in the outbox.
    pub seq: u64,
    /// Who, proved by MLS.
    pub sender: AccountId,
    /// From which device.
    pub device: DeviceId,
    /// The sender's clock, Unix time.
    pub sent_at_ms: u64,
    /// What.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// A text.
    Text(String),
    /// The group's title.
    Title(String),
    /// A photo, video or other file.
    File(Box<File>),
    /// A place.
    Location(Location),
    /// A call that is over.
    Call {
        /// Which.
        call: CallId,
        /// When it began.
        started_at_ms: u64,
        /// How long was talked.
        talked_ms: u64,
        /// Whether it was answered.
        answered: bool,
        /// Whether it was placed as a video call.
        video: bool,
    },
    /// A broadcast has begun in a channel.
    Broadcast {
        /// Which.
        broadcast: CallId,
        /// When.
        started_at_ms: u64,
        /// What it is called.
        title: String,
    },
}

/// What a node must never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// A statement that does not verify.
    ForgedStatement,
    /// The node's directory is older than this device's.
    OldDirectory,
    /// Two directories with one version: another device was shown another one.
    ForkedDirectory,
    /// Statements that another member has are not supplied.
    WithheldStatements,
    /// A commit or a group state with a member that is not proved or not on the roster.
    ForgedMember,
    /// A commit that no client may accept.
    ForbiddenCommit,
    /// A group state older than what this device knows.
    OldGroupInfo,
    /// Entries out of order, or others' under their numbers.
    BrokenLog,
    /// A device chain that does not verify.
    ForgedDevice,
    /// A call that was over already rings again: its recorded sound could be played.
    ReplayedCall,
}

/// What a person should know.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The node was restored from a backup: what it lost is made good from this device.
    NodeRestored,
    /// This device lost its place in a conversation and joined it again.
    Healed(ConversationId),
    /// Somebody tried to use an enrolment code of this account a second time.
    SecondUseOfCode,
    /// An account's name or role is another one now.
    AccountRenamed(AccountId),
}

/// Whether the node has shut this device out for good: connecting again would only hear the same.
pub fn is_final(error: &WireError) -> bool {
    matches!(
        error.code,
        Code::UnknownDevice
            | Code::AccountLocked
            | Code::AccountExpired
            | Code::DeviceRevoked
            | Code::Replaced
            | Code::UnknownAccount
            | Code::UnsupportedVersion
            | Code::BadSignature
    )
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}, seq {})", self.message, self.seq)
    }
}

impl Event {
    /// The event's name: what logs may say, and the `event` field of `--json` lines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::MessageReceived(_) => "message",
            Self::MessageSent { .. } => "sent",
            Self::MessageFailed { .. } => "failed",
            Self::Unreadable { .. } => "unreadable",
            Self::ConversationJoined { .. } => "joined",
            Self::ConversationChanged { .. } => "changed",
            Self::ConversationLeft { .. } => "left",
            Self::MembersChanged { .. } => "members",
            Self::Receipt { .. } => "receipt",
            Self::Presence { .. } => "presence",
            Self::Typing { .. } => "typing",
            Self::IncomingCall { .. } => "incoming_call",
            Self::CallState { .. } => "call_state",
            Self::Broadcast(_) => "broadcast",
            Self::MediaEpochChanged { .. } => "media_epoch",
            Self::DevicesChanged { .. } => "devices",
            Self::DirectoryChanged { .. } => "directory",
            Self::NodeRefused(_) => "node_refused",
            Self::SecurityNotice(_) => "notice",
            Self::Goodbye(_) => "goodbye",
        }
    }
}

impl Body {
    /// From the decrypted content; `None` for a kind that this version does not know.
    pub fn from_wire(body: wire::content::Body) -> Option<Self> {
        Some(match body {
            wire::content::Body::Text(text) => Self::Text(text.text),
            wire::content::Body::Profile(profile) => Self::Title(profile.title),
            wire::content::Body::File(file) => Self::File(Box::new(File::from_wire(file)?)),
            wire::content::Body::Location(location) => Self::Location(Location::from_wire(location)?),
            wire::content::Body::Call(record) => Self::Call {
                call: CallId::parse(&record.call_id).ok()?,
                started_at_ms: record.started_at_ms,
                talked_ms: record.talked_ms,
                answered: record.answered,
                video: record.video,
            },
            wire::content::Body::Broadcast(notice) => Self::Broadcast {
                broadcast: CallId::parse(&notice.broadcast_id).ok()?,
                started_at_ms: notice.started_at_ms,
                title: notice.title,
            },
        })
    }

    /// As content to encrypt.
    pub fn to_wire(&self) -> wire::content::Body {
        match self {
            Self::Text(text) => wire::content::Body::Text(wire::Text { text: text.clone() }),
            Self::File(file) => wire::content::Body::File(file.to_wire()),
            Self::Location(location) => wire::content::Body::Location(location.to_wire()),
            Self::Broadcast { broadcast, started_at_ms, title } => {
                wire::content::Body::Broadcast(wire::BroadcastNotice {
                    broadcast_id: broadcast.to_bytes(),
                    started_at_ms: *started_at_ms,
                    title: title.clone(),
                })
            }
            Self::Title(title) => wire::content::Body::Profile(wire::Profile { title: title.clone() }),
            Self::Call { call, started_at_ms, talked_ms, answered, video } => {
                wire::content::Body::Call(wire::CallRecord {
                    call_id: call.to_bytes(),
                    started_at_ms: *started_at_ms,
                    talked_ms: *talked_ms,
                    answered: *answered,
                    video: *video,
                })
            }
        }
    }
}
