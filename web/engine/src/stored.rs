//! What the page stores, in forms that JavaScript can keep. Ids are hexadecimal; secrets and MLS cells are bytes.
#![allow(missing_docs, reason = "each field is the one of the same name in client::core")]
use crate::Failed;
use crate::files::{StoredFile, StoredPlace};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wardline_client::core::{self, Body, ConversationRecord, Counter, Identity, Membership, OutboxRecord};
use wardline_directory::key::{DeviceKey, PublicKey};
use wardline_protocol::wire::{self, ConversationKind, DeviceChain, Statement};
use wardline_protocol::{AccountId, CallId, ConversationId, DeviceId, Incarnation, MessageId};
use zeroize::Zeroizing;

/// Who the device is. Holds its key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredIdentity {
    pub root: String,
    pub account: String,
    pub device: String,
    #[serde(with = "serde_bytes")]
    pub seed: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub chain: Vec<u8>,
    /// The node has taken it.
    pub enrolled: bool,
}

impl StoredIdentity {
    pub fn of(identity: &Identity, enrolled: bool) -> Self {
        Self {
            root: identity.root.to_hex(),
            account: identity.account.to_string(),
            device: identity.device.to_string(),
            seed: identity.key.seed().to_vec(),
            chain: identity.chain.encode_to_vec(),
            enrolled,
        }
    }

    pub fn read(&self) -> Result<Identity, Failed> {
        let seed = Zeroizing::new(<[u8; 32]>::try_from(self.seed.as_slice()).map_err(|_| damaged("the device's key"))?);
        Ok(Identity {
            root: PublicKey::parse_hex(&self.root).map_err(|_| damaged("the hospital's root key"))?,
            account: AccountId::parse_hex(&self.account).map_err(|_| damaged("the account"))?,
            device: DeviceId::parse_hex(&self.device).map_err(|_| damaged("the device"))?,
            key: DeviceKey::from_seed(*seed),
            chain: DeviceChain::decode(self.chain.as_slice()).map_err(|_| damaged("the device's certificates"))?,
        })
    }
}

impl Drop for StoredIdentity {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.seed);
    }
}

/// One MLS cell.
#[derive(Serialize, Deserialize)]
pub struct StoredCell {
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
}

/// One statement of the directory.
#[derive(Serialize, Deserialize)]
pub struct StoredStatement {
    pub version: u64,
    #[serde(with = "serde_bytes")]
    pub statement: Vec<u8>,
}

/// A conversation's record.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredConversation {
    pub id: String,
    pub kind: i32,
    pub title: Option<String>,
    pub cursor: u64,
    pub read_seq: u64,
    pub state: String,
    pub needs_directory: u64,
    pub floor_epoch: Option<u64>,
    pub floor_authenticator: Option<serde_bytes::ByteBuf>,
    pub receipts: Vec<StoredReceipt>,
}

/// How far an account has received and read.
#[derive(Serialize, Deserialize)]
pub struct StoredReceipt {
    pub account: String,
    pub delivered: u64,
    pub read: u64,
}

/// A message as history keeps it; also what the page shows.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredMessage {
    pub conversation: String,
    pub id: String,
    pub seq: u64,
    pub sender: String,
    pub device: String,
    pub sent_at_ms: u64,
    pub body: StoredBody,
}

/// What it says.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum StoredBody {
    Text {
        text: String,
    },
    Title {
        title: String,
    },
    File {
        file: StoredFile,
    },
    Location {
        place: StoredPlace,
    },
    Broadcast {
        broadcast: String,
        started_at_ms: u64,
        title: String,
    },
    Call {
        call: String,
        started_at_ms: u64,
        talked_ms: u64,
        answered: bool,
        /// Not in what was stored before there were video calls.
        #[serde(default)]
        video: bool,
    },
}

/// An own message on its way: names a message of the history.
#[derive(Serialize, Deserialize)]
pub struct StoredOutgoing {
    pub message: String,
    pub conversation: String,
    pub place: u64,
}

/// One transaction.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    pub cells: Vec<StoredCell>,
    pub deleted_cells: Vec<serde_bytes::ByteBuf>,
    pub statements: Vec<StoredStatement>,
    pub conversations: Vec<StoredConversation>,
    pub forgotten: Vec<String>,
    pub history: Vec<StoredMessage>,
    pub outbox: Vec<StoredOutgoing>,
    pub outbox_done: Vec<String>,
    pub counters: BTreeMap<&'static str, u64>,
    pub incarnation: Option<String>,
}

/// Everything a device starts from.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Saved {
    pub cells: Vec<StoredCell>,
    /// In the order of their versions.
    pub statements: Vec<StoredStatement>,
    pub conversations: Vec<StoredConversation>,
    /// Of each conversation the newest message ids, oldest first.
    pub seen: Vec<(String, String)>,
    /// In the order of their places, with their messages.
    pub outbox: Vec<(u64, StoredMessage)>,
    pub counters: BTreeMap<String, u64>,
    pub incarnation: Option<String>,
    pub directory_floor_version: Option<u64>,
    pub directory_floor_hash: Option<serde_bytes::ByteBuf>,
}

const STATES: [(Membership, &str); 3] =
    [(Membership::Known, "known"), (Membership::Joined, "joined"), (Membership::Left, "left")];

/// The name a membership is stored and shown under.
pub fn state_name(state: Membership) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("known", |(_, name)| name)
}

impl StoredConversation {
    pub fn of(id: &ConversationId, record: &ConversationRecord) -> Self {
        let receipt = |(account, (delivered, read)): (&AccountId, &(u64, u64))| StoredReceipt {
            account: account.to_string(),
            delivered: *delivered,
            read: *read,
        };
        Self {
            id: id.to_string(),
            kind: record.kind.into(),
            title: record.title.clone(),
            cursor: record.cursor,
            read_seq: record.read_seq,
            state: state_name(record.state).to_owned(),
            needs_directory: record.needs_directory,
            floor_epoch: record.floor.as_ref().map(|(epoch, _)| *epoch),
            floor_authenticator: record.floor.as_ref().map(|(_, bytes)| serde_bytes::ByteBuf::from(bytes.clone())),
            receipts: record.receipts.iter().map(receipt).collect(),
        }
    }

    fn read(self) -> Result<(ConversationId, ConversationRecord), Failed> {
        let state = STATES.iter().find(|(_, name)| *name == self.state).map(|(state, _)| *state);
        let receipts = self.receipts.iter().map(|receipt| {
            let account = AccountId::parse_hex(&receipt.account).map_err(|_| damaged("a receipt"))?;
            Ok((account, (receipt.delivered, receipt.read)))
        });
        let record = ConversationRecord {
            kind: ConversationKind::try_from(self.kind).map_err(|_| damaged("a conversation's kind"))?,
            title: self.title,
            cursor: self.cursor,
            read_seq: self.read_seq,
            state: state.ok_or_else(|| damaged("a conversation's state"))?,
            needs_directory: self.needs_directory,
            floor: self.floor_epoch.zip(self.floor_authenticator.map(serde_bytes::ByteBuf::into_vec)),
            receipts: receipts.collect::<Result<_, Failed>>()?,
        };
        Ok((ConversationId::parse_hex(&self.id).map_err(|_| damaged("a conversation's id"))?, record))
    }
}

impl StoredMessage {
    pub fn of(message: &core::Message) -> Option<Self> {
        let body = match &message.body {
            Body::Text(text) => StoredBody::Text { text: text.clone() },
            Body::Title(title) => StoredBody::Title { title: title.clone() },
            Body::File(file) => StoredBody::File { file: StoredFile::of(file) },
            Body::Location(place) => StoredBody::Location { place: StoredPlace::of(place) },
            Body::Call { call, started_at_ms, talked_ms, answered, video } => StoredBody::Call {
                call: call.to_string(),
                started_at_ms: *started_at_ms,
                talked_ms: *talked_ms,
                answered: *answered,
                video: *video,
            },
            Body::Broadcast { broadcast, started_at_ms, title } => StoredBody::Broadcast {
                broadcast: broadcast.to_string(),
                started_at_ms: *started_at_ms,
                title: title.clone(),
            },
            _ => return None,
        };
        Some(Self {
            conversation: message.conversation.to_string(),
            id: message.message.to_string(),
            seq: message.seq,
            sender: message.sender.to_string(),
            device: message.device.to_string(),
            sent_at_ms: message.sent_at_ms,
            body,
        })
    }

    fn read(self) -> Result<core::Message, Failed> {
        let bad = || damaged("a message");
        let body = match self.body {
            StoredBody::Text { text } => Body::Text(text),
            StoredBody::Title { title } => Body::Title(title),
            StoredBody::File { file } => Body::File(Box::new(file.read().ok_or_else(bad)?)),
            StoredBody::Location { place } => Body::Location(place.read()),
            StoredBody::Call { call, started_at_ms, talked_ms, answered, video } => {
                let call = CallId::parse_hex(&call).map_err(|_| bad())?;
                Body::Call { call, started_at_ms, talked_ms, answered, video }
            }
            StoredBody::Broadcast { broadcast, started_at_ms, title } => {
                Body::Broadcast { broadcast: CallId::parse_hex(&broadcast).map_err(|_| bad())?, started_at_ms, title }
            }
        };
        Ok(core::Message {
            conversation: ConversationId::parse_hex(&self.conversation).map_err(|_| bad())?,
            message: MessageId::parse_hex(&self.id).map_err(|_| bad())?,
            seq: self.seq,
            sender: AccountId::parse_hex(&self.sender).map_err(|_| bad())?,
            device: DeviceId::parse_hex(&self.device).map_err(|_| bad())?,
            sent_at_ms: self.sent_at_ms,
            body,
        })
    }
}

impl Changes {
    pub fn of(changes: &core::Changes) -> Self {
        Self {
            cells: changes
                .cells
                .iter()
                .map(|(key, value)| StoredCell { key: key.clone(), value: value.clone() })
                .collect(),
            deleted_cells: changes.deleted_cells.iter().cloned().map(serde_bytes::ByteBuf::from).collect(),
            statements: changes
                .statements
                .iter()
                .map(|(version, statement)| StoredStatement { version: *version, statement: statement.encode_to_vec() })
                .collect(),
            conversations: changes
                .conversations
                .iter()
                .map(|(id, record)| StoredConversation::of(id, record))
                .collect(),
            forgotten: changes.forgotten.iter().map(ToString::to_string).collect(),
            history: changes.history.iter().filter_map(StoredMessage::of).collect(),
            outbox: changes
                .outbox
                .iter()
                .map(|record| StoredOutgoing {
                    message: record.message.message.to_string(),
                    conversation: record.message.conversation.to_string(),
                    place: record.place,
                })
                .collect(),
            outbox_done: changes.outbox_done.iter().map(ToString::to_string).collect(),
            counters: changes.counters.iter().map(|(counter, value)| (counter.name(), *value)).collect(),
            incarnation: changes.incarnation.map(|incarnation| incarnation.to_string()),
        }
    }
}

impl Saved {
    /// What a linked device starts from.
    pub fn floors(grant: &wire::LinkGrant) -> Self {
        let saved = wardline_client::entry::floors(grant);
        Self {
            conversations: saved.conversations.iter().map(|(id, record)| StoredConversation::of(id, record)).collect(),
            directory_floor_version: saved.directory_floor.map(|(version, _)| version),
            directory_floor_hash: saved.directory_floor.map(|(_, hash)| serde_bytes::ByteBuf::from(hash)),
            ..Self::default()
        }
    }

    /// As the core takes it.
    pub fn read(self) -> Result<core::Saved, Failed> {
        let mut saved = core::Saved::default();
        saved.cells = self.cells.into_iter().map(|cell| (cell.key, cell.value)).collect();
        for stored in &self.statements {
            let statement = Statement::decode(stored.statement.as_slice()).map_err(|_| damaged("a statement"))?;
            saved.statements.push(statement);
        }
        for stored in self.conversations {
            let (id, record) = stored.read()?;
            saved.conversations.insert(id, record);
        }
        for (conversation, message) in &self.seen {
            let conversation = ConversationId::parse_hex(conversation).map_err(|_| damaged("a message id"))?;
            saved.seen.push((conversation, MessageId::parse_hex(message).map_err(|_| damaged("a message id"))?));
        }
        for (place, message) in self.outbox {
            saved.outbox.push(OutboxRecord { place, message: message.read()? });
        }
        for counter in Counter::ALL {
            saved.counters.insert(counter, self.counters.get(counter.name()).copied().unwrap_or(0));
        }
        let incarnation = self.incarnation.map(|text| Incarnation::parse_hex(&text)).transpose();
        saved.incarnation = incarnation.map_err(|_| damaged("the node's incarnation"))?;
        let hash = self.directory_floor_hash.and_then(|hash| <[u8; 32]>::try_from(hash.into_vec()).ok());
        saved.directory_floor = self.directory_floor_version.zip(hash);
        Ok(saved)
    }
}

fn damaged(what: &str) -> Failed {
    Failed::new("storage", format!("this browser's state is damaged: {what}. Sign out here and enrol again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_was_stored_before_video_calls_is_a_voice_call() {
        let stored = r#"{"kind":"call","call":"07","startedAtMs":1,"talkedMs":2,"answered":true}"#;
        let StoredBody::Call { video, answered, .. } = serde_json::from_str(stored).unwrap() else { panic!("no call") };
        assert!(answered && !video);
    }
}
