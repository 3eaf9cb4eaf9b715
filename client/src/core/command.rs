//! What a person or a program asks of a device, and what it gets back.
use super::file::{File, Location};
use wardline_e2ee::media::MediaEpoch;
use wardline_protocol::wire::{self, LinkCode};
use wardline_protocol::{AccountId, AttachmentId, CallId, Code, ConversationId, DeviceId, MessageId, WireError};

/// Names one command, chosen by its giver; the answer carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// How a push service reaches a browser.
#[derive(Clone)]
pub struct PushSubscription {
    /// The address that the browser's push service gave out.
    pub endpoint: String,
    /// The browser's public key: 65 bytes, a point of P-256 (RFC 8291 section 2.1).
    pub p256dh: Vec<u8>,
    /// The browser's secret: 16 bytes (RFC 8291 section 2.2).
    pub auth: Vec<u8>,
}

/// A request to the device. Each gets exactly one [`Output::Done`](super::Output::Done).
#[derive(Clone)]
#[non_exhaustive]
pub enum Command {
    /// The direct conversation with an account, found or made. Gives [`Reply::Conversation`].
    OpenDirect {
        /// The other account.
        account: AccountId,
    },
    /// A new group with these accounts. Gives [`Reply::Conversation`] when its members have been added.
    CreateGroup {
        /// What members see; told inside the encryption.
        title: String,
        /// Its members beside this account.
        accounts: Vec<AccountId>,
    },
    /// Adds accounts to a group. Gives [`Reply::Done`] when the commit is in the log.
    AddAccounts {
        /// The group.
        conversation: ConversationId,
        /// Whom.
        accounts: Vec<AccountId>,
    },
    /// Removes accounts from a group. Gives [`Reply::Done`] when the commit is in the log.
    RemoveAccounts {
        /// The group.
        conversation: ConversationId,
        /// Whom.
        accounts: Vec<AccountId>,
    },
    /// Renews this device's keys in the conversation (an empty commit).
    Refresh {
        /// The conversation.
        conversation: ConversationId,
    },
    /// Leaves a group.
    Leave {
        /// The group.
        conversation: ConversationId,
    },
    /// Sends a text. Gives [`Reply::Message`] once it is in the outbox; [`Event::MessageSent`](super::Event::MessageSent) says when the node has it.
    Send {
        /// Where.
        conversation: ConversationId,
        /// What.
        text: String,
    },
    /// Sends a text under an id that the giver made, so that it may ask again when it lost the answer: the same id is sent once. Gives [`Reply::Message`].
    SendOnce {
        /// Where.
        conversation: ConversationId,
        /// Random, made for this text alone.
        message: MessageId,
        /// What.
        text: String,
    },
    /// Sends a file under an id that the giver made. Its ciphertext must be where [`Output::Upload`](super::Output::Upload) finds it; the message leaves
    /// when the node has that. Gives [`Reply::Message`] once it is in the outbox.
    SendFile {
        /// Where.
        conversation: ConversationId,
        /// Random, made for this message alone.
        message: MessageId,
        /// What.
        file: Box<File>,
    },
    /// Sends a place under an id that the giver made. Gives [`Reply::Message`].
    SendLocation {
        /// Where to.
        conversation: ConversationId,
        /// Random, made for this message alone.
        message: MessageId,
        /// What.
        location: Location,
    },
    /// Takes back an own message that has not left yet. Gives [`Reply::Done`]; the history's row is the giver's to delete.
    Withdraw {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
    },
    /// Opens the fetching of a file's ciphertext. Gives [`Reply::Download`].
    OpenDownload {
        /// The conversation whose message speaks of it.
        conversation: ConversationId,
        /// What the message calls it.
        attachment: AttachmentId,
        /// How much of it is here already.
        from_byte: u64,
    },
    /// Marks everything up to `seq` as read.
    MarkRead {
        /// The conversation.
        conversation: ConversationId,
        /// The newest entry read.
        seq: u64,
    },
    /// Learns how far everybody has got, which the node does not push in large conversations. [`Event::Receipt`](super::Event::Receipt) says what is new;
    /// gives [`Reply::Done`].
    FetchReceipts {
        /// The conversation.
        conversation: ConversationId,
    },
    /// Says that the person has taken note of a message in a channel. Gives [`Reply::Done`] when the node has stored it.
    Confirm {
        /// The channel.
        conversation: ConversationId,
        /// The message's place.
        seq: u64,
    },
    /// Learns who has taken note of a message in a channel: an operator of all, others of themselves alone. Gives [`Reply::Confirmations`].
    FetchConfirmations {
        /// The channel.
        conversation: ConversationId,
        /// The message's place.
        seq: u64,
    },
    /// Tells the others that the person writes, or has stopped. Lost where there is no connection. Gives [`Reply::Done`].
    ShowTyping {
        /// Where.
        conversation: ConversationId,
        /// Whether.
        typing: bool,
    },
    /// Wants to hear of these accounts' presence; replaces the earlier wish.
    WatchPresence {
        /// Whom.
        accounts: Vec<AccountId>,
    },
    /// Lets the node wake this device by a push service while it is not connected; replaces an earlier wish. Gives [`Reply::Done`] when that is durable.
    RegisterPush {
        /// What the browser gave out.
        subscription: Box<PushSubscription>,
    },
    /// This device is not to be woken any more. Gives [`Reply::Done`].
    UnregisterPush,
    /// The own account's devices, or others'. Gives [`Reply::Devices`].
    Devices {
        /// Whose; empty: the own account's.
        accounts: Vec<AccountId>,
    },
    /// Revokes a device of the own account.
    RevokeDevice {
        /// Which.
        device: DeviceId,
    },
    /// Certifies a further device that showed this code, and hands over what it must know.
    ApproveLink {
        /// What its screen showed.
        code: LinkCode,
    },
    /// Calls the other account of a direct conversation. Gives [`Reply::Call`].
    StartCall {
        /// The direct conversation.
        conversation: ConversationId,
        /// The own media's SDP offer.
        offer_sdp: String,
        /// Placed as a video call: it rings as one, and the record says so.
        video: bool,
    },
    /// Connects the own media to a call: while it rings here, and again after a lost connection. Gives [`Reply::Media`].
    ConnectMedia {
        /// The call.
        call: CallId,
        /// The own media's SDP offer.
        offer_sdp: String,
    },
    /// This device rings.
    ReportRinging {
        /// The call.
        call: CallId,
    },
    /// The person answers here.
    AcceptCall {
        /// The call.
        call: CallId,
    },
    /// The person declines.
    DeclineCall {
        /// The call.
        call: CallId,
    },
    /// Ends or cancels the call.
    HangUp {
        /// The call.
        call: CallId,
    },
    /// Goes live in a channel in which the account is an operator, and tells the channel what it is called. Gives [`Reply::Call`].
    StartBroadcast {
        /// The channel.
        conversation: ConversationId,
        /// What it is called.
        title: String,
        /// The own media's SDP offer.
        offer_sdp: String,
    },
    /// Connects the own media to a broadcast: to watch, or again after a lost connection, the sender's too. Gives [`Reply::Media`].
    JoinBroadcast {
        /// The broadcast.
        broadcast: CallId,
        /// The own media's SDP offer.
        offer_sdp: String,
    },
    /// This device does not watch any more.
    LeaveBroadcast {
        /// The broadcast.
        broadcast: CallId,
    },
    /// Ends a broadcast of a channel in which the account is an operator.
    StopBroadcast {
        /// The broadcast.
        broadcast: CallId,
    },
    /// How a broadcast goes, for a channel's operators. Gives [`Reply::BroadcastReport`].
    FetchBroadcastReport {
        /// The broadcast.
        broadcast: CallId,
    },
    /// Keys for a new media sender of this device in the call or broadcast: a context id never used before, durable before it is given out. Gives [`Reply::MediaKeys`].
    MediaKeys {
        /// The call.
        call: CallId,
    },
}

/// What a command gives.
#[non_exhaustive]
pub enum Reply {
    /// It is done.
    Done,
    /// The conversation that was found or made.
    Conversation(ConversationId),
    /// The message's id; it is in the outbox.
    Message(MessageId),
    /// The call that was started.
    Call {
        /// Its id.
        call: CallId,
        /// The node's SDP answer; none when the call is over already (busy, unreachable): its end is told as an event.
        answer_sdp: Option<String>,
    },
    /// The node's SDP answer.
    Media(String),
    /// Keys of the conversation's present epoch for a call, and a fresh context id.
    MediaKeys {
        /// For the SFrame sender and receiver.
        epoch: MediaEpoch,
        /// For the SFrame sender; never used before by this device.
        context_id: u32,
    },
    /// How a broadcast goes, as the node counts.
    BroadcastReport(Box<wire::BroadcastReport>),
    /// Who has taken note, and when by the node's clock (Unix milliseconds).
    Confirmations(Vec<(AccountId, u64)>),
    /// A bulk stream may be opened with this ticket.
    Download {
        /// To be said first on it.
        ticket: Vec<u8>,
        /// Of the whole ciphertext.
        sealed_bytes: u64,
    },
    /// Devices with their verified chains.
    Devices(Vec<wire::Device>),
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The node refused it, with the reason.
    #[error(transparent)]
    Refused(WireError),
    /// Not connected, and the command makes no sense later.
    #[error("not connected to the node")]
    Offline,
    /// The conversation is not known, or this device is not in it yet.
    #[error("this conversation is not known on this device")]
    UnknownConversation,
    /// Only a channel's operators write in it.
    #[error("only its operators write in this channel")]
    NotOperator,
    /// The account is not in the directory, or deleted.
    #[error("this account is not in the hospital's directory")]
    UnknownAccount,
    /// The call is not known, or over.
    #[error("this call is over")]
    UnknownCall,
    /// Too many commands wait already.
    #[error("too much is waiting to be sent: try again when the node is reachable")]
    Full,
    /// More than a message can hold.
    #[error("this message is too long: send it in parts, or as a file")]
    TooLong,
    /// A place without words and coordinates, or with coordinates that are not on Earth.
    #[error("this place says nothing: give words or coordinates")]
    Nowhere,
    /// The encryption engine refused it.
    #[error("not possible here: {0}")]
    Engine(String),
}

impl Failure {
    /// The node's code, when the node refused.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(error) => Some(error.code),
            _ => None,
        }
    }
}
