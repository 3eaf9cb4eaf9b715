//! What the page shows, in the contract's forms (`web/app/src/device/contract.ts`).
#![allow(missing_docs, reason = "the contract, web/app/src/device/contract.ts, says what each field is")]
use crate::Failed;
use crate::stored::{StoredReceipt, state_name};
use serde::Serialize;
use wardline_client::core::{Core, Event, Notice};
use wardline_directory::key::PublicKey;
use wardline_directory::{AccountRecord, safety};
use wardline_protocol::wire::{self, ConversationKind, Level, broadcast_state, call_state, devices_changed};
use wardline_protocol::{AccountId, CallId, ConversationId, DeviceId};

/// An account.
#[derive(Serialize)]
pub struct ShownAccount {
    id: String,
    name: String,
    role: String,
    level: &'static str,
    deleted: bool,
}

impl ShownAccount {
    pub fn of(record: &AccountRecord) -> Self {
        Self {
            id: record.account_id.to_string(),
            name: record.display_name.clone(),
            role: record.role.clone(),
            level: match record.level {
                Level::Guest => "guest",
                Level::Archive => "archive",
                _ => "internal",
            },
            deleted: record.deleted,
        }
    }
}

/// A device in a conversation.
#[derive(Serialize)]
pub struct ShownMember {
    account: String,
    device: String,
}

impl ShownMember {
    fn of((account, device): &(AccountId, DeviceId)) -> Self {
        Self { account: account.to_string(), device: device.to_string() }
    }
}

/// A conversation, without what only the history tells.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownConversation {
    id: String,
    kind: &'static str,
    title: Option<String>,
    may_speak: bool,
    accounts: Vec<String>,
    devices: Vec<ShownMember>,
    membership: &'static str,
    cursor: u64,
    read_seq: u64,
    receipts: Vec<StoredReceipt>,
}

impl ShownConversation {
    pub fn of(core: &Core, id: &ConversationId) -> Option<Self> {
        let (_, record) = core.conversations().find(|(known, _)| *known == id)?;
        let receipt = |(account, (delivered, read)): (&AccountId, &(u64, u64))| StoredReceipt {
            account: account.to_string(),
            delivered: *delivered,
            read: *read,
        };
        let membership = match state_name(record.state) {
            "known" => "joining",
            other => other,
        };
        Some(Self {
            id: id.to_string(),
            kind: match record.kind {
                ConversationKind::Direct => "direct",
                ConversationKind::Channel => "channel",
                _ => "group",
            },
            title: core.title(id),
            may_speak: core.may_speak(id),
            accounts: core.roster(id).iter().map(ToString::to_string).collect(),
            devices: core.members(id).iter().map(ShownMember::of).collect(),
            membership,
            cursor: record.cursor,
            read_seq: record.read_seq,
            receipts: record.receipts.iter().map(receipt).collect(),
        })
    }
}

/// A device of an account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownDevice {
    id: String,
    own: bool,
    online: bool,
    enrolled_at_ms: u64,
    fingerprint: String,
}

impl ShownDevice {
    pub fn of(core: &Core, device: &wire::Device) -> Option<Self> {
        let chain = device.chain.as_ref()?;
        let body = wardline_directory::certificate::body(chain.certificates.first()?).ok()?;
        Some(Self {
            id: body.device_id.to_string(),
            own: body.device_id == core.device(),
            online: device.online,
            enrolled_at_ms: device.enrolled_at_ms,
            fingerprint: safety::fingerprint(&body.public_key),
        })
    }
}

/// What happened. Messages come with the changes that store them, so only their places are told here.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ShownEvent {
    Ready,
    MessageFailed {
        conversation: String,
        message: String,
        /// [`Failed::reason`].
        error: String,
    },
    Unreadable {
        conversation: String,
        count: u64,
    },
    /// Ask for the conversation anew.
    Conversation {
        conversation: String,
    },
    MembersChanged {
        conversation: String,
        added: Vec<ShownMember>,
        removed: Vec<ShownMember>,
    },
    Receipt {
        conversation: String,
        account: String,
        delivered: u64,
        read: u64,
    },
    Presence {
        account: String,
        online: bool,
        last_seen_ms: u64,
    },
    Typing {
        conversation: String,
        account: String,
        typing: bool,
    },
    IncomingCall {
        call: String,
        conversation: String,
        caller: String,
        device: String,
        video: bool,
    },
    CallState {
        call: String,
        state: &'static str,
        end: Option<&'static str>,
        answering_device: Option<String>,
        talked_ms: u64,
    },
    Broadcast {
        broadcast: String,
        conversation: String,
        sender: String,
        device: String,
        started_at_ms: u64,
        viewers: u32,
        state: &'static str,
        end: Option<&'static str>,
    },
    MediaEpochChanged {
        call: String,
        conversation: String,
    },
    /// Ask for the accounts anew.
    Directory,
    Notice {
        notice: &'static str,
        account: Option<String>,
        device: Option<String>,
        conversation: Option<String>,
        detail: Option<String>,
    },
    Goodbye {
        code: String,
        message: String,
        last: bool,
    },
}

impl ShownEvent {
    /// `None` for what the page learns otherwise.
    pub fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Ready => Self::Ready,
            Event::MessageFailed { conversation, message, error } => Self::MessageFailed {
                conversation: conversation.to_string(),
                message: message.to_string(),
                error: Failed::from(error.clone()).reason(),
            },
            Event::Unreadable { conversation, count } => {
                Self::Unreadable { conversation: conversation.to_string(), count: *count }
            }
            Event::ConversationJoined { conversation, .. }
            | Event::ConversationChanged { conversation, .. }
            | Event::ConversationLeft { conversation } => Self::Conversation { conversation: conversation.to_string() },
            Event::MembersChanged { conversation, added, removed } => Self::MembersChanged {
                conversation: conversation.to_string(),
                added: added.iter().map(ShownMember::of).collect(),
                removed: removed.iter().map(ShownMember::of).collect(),
            },
            Event::Receipt { conversation, account, delivered_seq, read_seq } => Self::Receipt {
                conversation: conversation.to_string(),
                account: account.to_string(),
                delivered: *delivered_seq,
                read: *read_seq,
            },
            Event::Presence { account, online, last_seen_ms } => {
                Self::Presence { account: account.to_string(), online: *online, last_seen_ms: *last_seen_ms }
            }
            Event::Typing { conversation, account, typing } => {
                Self::Typing { conversation: conversation.to_string(), account: account.to_string(), typing: *typing }
            }
            Event::IncomingCall { call, conversation, caller, device, video } => Self::IncomingCall {
                call: call.to_string(),
                conversation: conversation.to_string(),
                caller: caller.to_string(),
                device: device.to_string(),
                video: *video,
            },
            Event::CallState { call, state, reason, answering_device, talked_ms } => Self::CallState {
                call: call.to_string(),
                state: state_word(*state),
                end: end_word(*reason),
                answering_device: answering_device.map(|device| device.to_string()),
                talked_ms: *talked_ms,
            },
            Event::Broadcast(told) => Self::Broadcast {
                broadcast: told.id.to_string(),
                conversation: told.conversation.to_string(),
                sender: told.sender.to_string(),
                device: told.device.to_string(),
                started_at_ms: told.started_at_ms,
                viewers: told.viewers,
                state: match told.state {
                    broadcast_state::State::SenderLost => "sender-lost",
                    broadcast_state::State::Ended => "ended",
                    _ => "live",
                },
                end: match told.reason {
                    broadcast_state::EndReason::Stopped => Some("stopped"),
                    broadcast_state::EndReason::SenderLost => Some("sender-lost"),
                    broadcast_state::EndReason::Revoked => Some("revoked"),
                    broadcast_state::EndReason::ShuttingDown => Some("shutting-down"),
                    broadcast_state::EndReason::Unspecified => None,
                },
            },
            Event::MediaEpochChanged { call, conversation } => {
                Self::MediaEpochChanged { call: call.to_string(), conversation: conversation.to_string() }
            }
            Event::DevicesChanged { device, change } => {
                let device = Some(device.to_string());
                match change {
                    devices_changed::Change::Added => notice("device-added", None, device, None, None),
                    devices_changed::Change::Revoked => notice("device-revoked", None, device, None, None),
                    _ => return None,
                }
            }
            Event::DirectoryChanged { .. } => Self::Directory,
            Event::NodeRefused(why) => notice("node-refused", None, None, None, Some(format!("{why:?}"))),
            Event::SecurityNotice(what) => match what {
                Notice::NodeRestored => notice("node-restored", None, None, None, None),
                Notice::Healed(conversation) => notice("healed", None, None, Some(conversation.to_string()), None),
                Notice::SecondUseOfCode => notice("second-use-of-code", None, None, None, None),
                Notice::AccountRenamed(account) => {
                    notice("account-renamed", Some(account.to_string()), None, None, None)
                }
                _ => return None,
            },
            Event::Goodbye(error) => Self::Goodbye {
                code: format!("{:?}", error.code).to_lowercase(),
                message: error.message.clone(),
                last: wardline_client::core::is_final(error),
            },
            _ => return None,
        })
    }
}

fn notice(
    notice: &'static str,
    account: Option<String>,
    device: Option<String>,
    conversation: Option<String>,
    detail: Option<String>,
) -> ShownEvent {
    ShownEvent::Notice { notice, account, device, conversation, detail }
}

fn state_word(state: call_state::State) -> &'static str {
    match state {
        call_state::State::Accepted => "accepted",
        call_state::State::PeerLost => "peer-lost",
        call_state::State::PeerResumed => "peer-resumed",
        call_state::State::Ended => "ended",
        _ => "ringing",
    }
}

fn end_word(reason: call_state::EndReason) -> Option<&'static str> {
    use call_state::EndReason as End;
    Some(match reason {
        End::Unspecified => return None,
        End::HungUp => "hung-up",
        End::Declined => "declined",
        End::Busy => "busy",
        End::Cancelled => "cancelled",
        End::NoAnswer => "no-answer",
        End::AcceptedElsewhere => "accepted-elsewhere",
        End::DeclinedElsewhere => "declined-elsewhere",
        End::PeerLost => "peer-lost",
        End::Revoked => "revoked",
        End::ShuttingDown => "shutting-down",
        End::Unreachable => "unreachable",
        End::MediaFailed => "media-failed",
    })
}

/// The accounts of the directory.
pub fn accounts(core: &Core) -> Vec<ShownAccount> {
    core.directory().accounts().map(ShownAccount::of).collect()
}

/// What this device believes the hospital's node to be called.
pub fn hospital(core: &Core) -> Option<String> {
    core.directory().nodes().find(|node| !node.deleted).map(|node| node.name.clone())
}

/// See [`safety::number`]; `None` for an account that is not in the directory.
pub fn safety_number(core: &Core, root: &PublicKey, account: &AccountId) -> Option<String> {
    let directory = core.directory();
    Some(safety::number(root, directory.account(&core.account())?, directory.account(account)?))
}

/// The media keys of a call, as the sealing worker takes them.
pub fn media_epoch(core: &Core, conversation: &ConversationId, call: &CallId) -> Option<Vec<u8>> {
    Some(core.media_epoch(conversation, call)?.to_bytes().to_vec())
}
