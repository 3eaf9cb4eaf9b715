//! What must be durable, as one transaction at a time, and what a device starts from again.
use super::event::Message;
use std::collections::BTreeMap;
use wardline_protocol::wire::ConversationKind;
use wardline_protocol::{AccountId, ConversationId, Incarnation, MessageId, wire};

/// One transaction: all of it or nothing. Values replace what was stored under the same key.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Changes {
    /// MLS cells to put: key, value.
    pub cells: Vec<(Vec<u8>, Vec<u8>)>,
    /// MLS cells to delete.
    pub deleted_cells: Vec<Vec<u8>>,
    /// Statements of the directory, by version.
    pub statements: Vec<(u64, wire::Statement)>,
    /// Conversations with their cursors.
    pub conversations: BTreeMap<ConversationId, ConversationRecord>,
    /// Conversations that never came to be: their rows are deleted.
    pub forgotten: Vec<ConversationId>,
    /// Messages sent and received; keyed by conversation and message id.
    pub history: Vec<Message>,
    /// Own messages that the node has not stored yet.
    pub outbox: Vec<OutboxRecord>,
    /// Own messages that need not be sent any more.
    pub outbox_done: Vec<MessageId>,
    /// Single numbers.
    pub counters: BTreeMap<Counter, u64>,
    /// The node's incarnation that the cursors belong to.
    pub incarnation: Option<Incarnation>,
}

/// Numbers with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Counter {
    /// The last SFrame context id that may have been used.
    MediaContext,
    /// The last place given out in the outbox.
    Outbox,
    /// 1 once the node has the last-resort key package.
    LastResortUploaded,
}

impl Counter {
    /// Every counter.
    pub const ALL: [Self; 3] = [Self::MediaContext, Self::Outbox, Self::LastResortUploaded];

    /// The name it is stored under.
    pub fn name(self) -> &'static str {
        match self {
            Self::MediaContext => "media_context",
            Self::Outbox => "outbox",
            Self::LastResortUploaded => "last_resort_uploaded",
        }
    }
}

/// A conversation as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ConversationRecord {
    /// Direct or group.
    pub kind: ConversationKind,
    /// The group's title, told inside the encryption.
    pub title: Option<String>,
    /// The last entry applied.
    pub cursor: u64,
    /// The newest entry read by the person.
    pub read_seq: u64,
    /// Whether this device is in the group, as far as it knows.
    pub state: Membership,
    /// Entries wait until the directory has this version; 0: none.
    pub needs_directory: u64,
    /// The oldest group state this device may join from outside: epoch and epoch authenticator.
    pub floor: Option<(u64, Vec<u8>)>,
    /// What was last heard of each account: delivered and read.
    pub receipts: BTreeMap<AccountId, (u64, u64)>,
}

/// Where a device stands in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Named by a grant or by the node; not joined yet.
    Known,
    /// In the group.
    Joined,
    /// Was in the group once.
    Left,
}

/// An own message on its way.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboxRecord {
    /// Its place in the outbox: messages leave in this order.
    pub place: u64,
    /// The message, without `seq`.
    pub message: Message,
}

/// Everything a device had stored.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Saved {
    /// MLS cells.
    pub cells: Vec<(Vec<u8>, Vec<u8>)>,
    /// The directory's statements from version 1 on.
    pub statements: Vec<wire::Statement>,
    /// Conversations.
    pub conversations: BTreeMap<ConversationId, ConversationRecord>,
    /// The newest message ids of each conversation, for finding duplicates.
    pub seen: Vec<(ConversationId, MessageId)>,
    /// Own messages on their way.
    pub outbox: Vec<OutboxRecord>,
    /// Numbers.
    pub counters: BTreeMap<Counter, u64>,
    /// The node's incarnation that the cursors belong to.
    pub incarnation: Option<Incarnation>,
    /// What the grant that linked this device told of the directory: version and hash. An older or another directory is refused.
    pub directory_floor: Option<(u64, [u8; 32])>,
}

impl Changes {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
