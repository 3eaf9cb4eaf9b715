//! What the page asks of the device.
#![allow(missing_docs, reason = "as client::core::Command")]
use crate::Failed;
use crate::files::{StoredFile, StoredPlace, attachment_id};
use serde::Deserialize;
use wardline_client::core::{Command, Failure, PushSubscription};
use wardline_protocol::{AccountId, CallId, ConversationId, DeviceId, MessageId, WireError, code};

/// A command, with ids in hexadecimal.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Ask {
    OpenDirect { account: String },
    CreateGroup { title: String, accounts: Vec<String> },
    AddAccounts { conversation: String, accounts: Vec<String> },
    RemoveAccounts { conversation: String, accounts: Vec<String> },
    Leave { conversation: String },
    Send { conversation: String, message: String, text: String },
    SendFile { conversation: String, message: String, file: StoredFile },
    SendLocation { conversation: String, message: String, place: StoredPlace },
    Withdraw { conversation: String, message: String },
    OpenDownload { conversation: String, attachment: String, from_byte: u64 },
    MarkRead { conversation: String, seq: u64 },
    FetchReceipts { conversation: String },
    Confirm { conversation: String, seq: u64 },
    FetchConfirmations { conversation: String, seq: u64 },
    ShowTyping { conversation: String, typing: bool },
    WatchPresence { accounts: Vec<String> },
    RegisterPush { subscription: Subscription },
    UnregisterPush,
    Devices { account: Option<String> },
    RevokeDevice { device: String },
    ApproveLink { code: String },
    StartCall { conversation: String, offer_sdp: String, video: bool },
    ConnectMedia { call: String, offer_sdp: String },
    ReportRinging { call: String },
    AcceptCall { call: String },
    DeclineCall { call: String },
    HangUp { call: String },
    MediaKeys { call: String },
    StartBroadcast { conversation: String, title: String, offer_sdp: String },
    JoinBroadcast { broadcast: String, offer_sdp: String },
    LeaveBroadcast { broadcast: String },
    StopBroadcast { broadcast: String },
    FetchBroadcastReport { broadcast: String },
}

/// What the browser's `PushManager` gave out.
#[derive(Deserialize)]
pub struct Subscription {
    endpoint: String,
    #[serde(with = "serde_bytes")]
    p256dh: Vec<u8>,
    #[serde(with = "serde_bytes")]
    auth: Vec<u8>,
}

impl Ask {
    /// As the core takes it.
    pub fn read(self) -> Result<Command, Failed> {
        Ok(match self {
            Self::OpenDirect { account } => Command::OpenDirect { account: id(&account, AccountId::parse_hex)? },
            Self::CreateGroup { title, accounts } => Command::CreateGroup { title, accounts: ids(&accounts)? },
            Self::AddAccounts { conversation, accounts } => {
                Command::AddAccounts { conversation: conversation_id(&conversation)?, accounts: ids(&accounts)? }
            }
            Self::RemoveAccounts { conversation, accounts } => {
                Command::RemoveAccounts { conversation: conversation_id(&conversation)?, accounts: ids(&accounts)? }
            }
            Self::Leave { conversation } => Command::Leave { conversation: conversation_id(&conversation)? },
            Self::Send { conversation, message, text } => Command::SendOnce {
                conversation: conversation_id(&conversation)?,
                message: id(&message, MessageId::parse_hex)?,
                text,
            },
            Self::SendFile { conversation, message, file } => Command::SendFile {
                conversation: conversation_id(&conversation)?,
                message: id(&message, MessageId::parse_hex)?,
                file: Box::new(file.read().ok_or_else(|| Failed::new("engine", "the file cannot be read"))?),
            },
            Self::SendLocation { conversation, message, place } => Command::SendLocation {
                conversation: conversation_id(&conversation)?,
                message: id(&message, MessageId::parse_hex)?,
                location: place.read(),
            },
            Self::Withdraw { conversation, message } => Command::Withdraw {
                conversation: conversation_id(&conversation)?,
                message: id(&message, MessageId::parse_hex)?,
            },
            Self::OpenDownload { conversation, attachment, from_byte } => Command::OpenDownload {
                conversation: conversation_id(&conversation)?,
                attachment: attachment_id(&attachment)?,
                from_byte,
            },
            Self::MarkRead { conversation, seq } => {
                Command::MarkRead { conversation: conversation_id(&conversation)?, seq }
            }
            Self::FetchReceipts { conversation } => {
                Command::FetchReceipts { conversation: conversation_id(&conversation)? }
            }
            Self::Confirm { conversation, seq } => {
                Command::Confirm { conversation: conversation_id(&conversation)?, seq }
            }
            Self::FetchConfirmations { conversation, seq } => {
                Command::FetchConfirmations { conversation: conversation_id(&conversation)?, seq }
            }
            Self::ShowTyping { conversation, typing } => {
                Command::ShowTyping { conversation: conversation_id(&conversation)?, typing }
            }
            Self::WatchPresence { accounts } => Command::WatchPresence { accounts: ids(&accounts)? },
            Self::RegisterPush { subscription: Subscription { endpoint, p256dh, auth } } => {
                Command::RegisterPush { subscription: Box::new(PushSubscription { endpoint, p256dh, auth }) }
            }
            Self::UnregisterPush => Command::UnregisterPush,
            Self::Devices { account } => Command::Devices { accounts: ids(account.as_slice())? },
            Self::RevokeDevice { device } => Command::RevokeDevice { device: id(&device, DeviceId::parse_hex)? },
            Self::ApproveLink { code } => Command::ApproveLink { code: code::parse_device_link(&code)? },
            Self::StartCall { conversation, offer_sdp, video } => {
                Command::StartCall { conversation: conversation_id(&conversation)?, offer_sdp, video }
            }
            Self::ConnectMedia { call, offer_sdp } => Command::ConnectMedia { call: call_id(&call)?, offer_sdp },
            Self::ReportRinging { call } => Command::ReportRinging { call: call_id(&call)? },
            Self::AcceptCall { call } => Command::AcceptCall { call: call_id(&call)? },
            Self::DeclineCall { call } => Command::DeclineCall { call: call_id(&call)? },
            Self::HangUp { call } => Command::HangUp { call: call_id(&call)? },
            Self::MediaKeys { call } => Command::MediaKeys { call: call_id(&call)? },
            Self::StartBroadcast { conversation, title, offer_sdp } => {
                Command::StartBroadcast { conversation: conversation_id(&conversation)?, title, offer_sdp }
            }
            Self::JoinBroadcast { broadcast, offer_sdp } => {
                Command::JoinBroadcast { broadcast: call_id(&broadcast)?, offer_sdp }
            }
            Self::LeaveBroadcast { broadcast } => Command::LeaveBroadcast { broadcast: call_id(&broadcast)? },
            Self::StopBroadcast { broadcast } => Command::StopBroadcast { broadcast: call_id(&broadcast)? },
            Self::FetchBroadcastReport { broadcast } => {
                Command::FetchBroadcastReport { broadcast: call_id(&broadcast)? }
            }
        })
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        let code = match &failure {
            Failure::Refused(error) => return error.clone().into(),
            Failure::Offline => "offline",
            Failure::UnknownConversation | Failure::UnknownAccount | Failure::UnknownCall => "unknown",
            Failure::Full => "full",
            Failure::TooLong => "toolong",
            Failure::NotOperator => "forbidden",
            _ => "engine",
        };
        Self::new(code, failure.to_string())
    }
}

/// Reads an id of the page.
pub fn id<T>(text: &str, parse: impl FnOnce(&str) -> Result<T, WireError>) -> Result<T, Failed> {
    parse(text).map_err(|_| Failed::new("unknown", "an id is not 32 hexadecimal digits"))
}

/// A conversation's.
pub fn conversation_id(text: &str) -> Result<ConversationId, Failed> {
    id(text, ConversationId::parse_hex)
}

/// A call's.
pub fn call_id(text: &str) -> Result<CallId, Failed> {
    id(text, CallId::parse_hex)
}

fn ids(texts: &[String]) -> Result<Vec<AccountId>, Failed> {
    texts.iter().map(|text| id(text, AccountId::parse_hex)).collect()
}
