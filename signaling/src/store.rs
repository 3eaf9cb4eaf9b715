//! What the plane asks of durable storage: a snapshot at start, ordered writes, a few reads.
use crate::attachment::TransferWish;
use crate::push::PushSubscription;
use bytes::Bytes;
use std::future::Future;
use wardline_protocol::wire;
use wardline_protocol::{AccountId, AttachmentId, ConversationId, DeviceId, MessageId};

/// Durable state. The embedded one is SQLite (`relay`); [`crate::memory::MemoryStore`] serves tests.
pub trait Store: Send + Sync + 'static {
    /// Everything the plane keeps in memory.
    fn load(&self) -> impl Future<Output = Result<Snapshot, StoreError>> + Send;
    /// Applies all writes in order, in one transaction, durable when it returns. On error none is applied.
    fn apply(&self, writes: Vec<Write>) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Answers from durable state.
    fn read(&self, query: Query) -> impl Future<Output = Result<Answer, StoreError>> + Send;
}

/// Storage failed; the text is for the log and names no person.
#[derive(Debug, thiserror::Error)]
#[error("storage: {0}")]
pub struct StoreError(pub String);

/// One change of durable state.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant's comment says what its fields are, and their types do")]
pub enum Write {
    /// The next statement of the directory.
    Statement { version: u64, statement: wire::Statement },
    /// A device was enrolled or linked.
    Device(DeviceRow),
    /// A device was revoked: its key packages, welcomes and push subscription go too, and what it might still read.
    RevokeDevice { device_id: DeviceId },
    /// An account was locked or unlocked.
    LockAccount { account_id: AccountId, locked: bool },
    /// Somebody tried an enrolment code that had been used.
    SecondUseRefused { account_id: AccountId },
    /// When a device was last connected.
    LastSeen { device_id: DeviceId, at_ms: u64 },
    /// Single-use key packages; `id`s are the plane's, increasing.
    KeyPackages { device_id: DeviceId, packages: Vec<KeyPackageRow> },
    /// Replaces the device's reusable key package.
    LastResort { device_id: DeviceId, key_package: Bytes },
    /// Key packages that were given out.
    DropKeyPackages { ids: Vec<u64> },
    /// A new conversation at epoch 0.
    CreateConversation { conversation_id: ConversationId, group_info: Bytes, ratchet_tree: Bytes },
    /// The next entry of a conversation's log.
    Entry(wire::Entry),
    /// The group after a commit.
    Group { conversation_id: ConversationId, epoch: u64, group_info: Bytes, ratchet_tree: Bytes },
    /// A device is in the group and may fetch from `first_seq` on.
    MemberJoined { conversation_id: ConversationId, device_id: DeviceId, first_seq: u64 },
    /// A device is no longer in the group; its waiting welcome goes too.
    MemberLeft { conversation_id: ConversationId, device_id: DeviceId },
    /// A device that is out of the group may still fetch its time in it, to the commit that removed it.
    FormerMember { conversation_id: ConversationId, device_id: DeviceId, first_seq: u64, left_seq: u64 },
    /// The device has stored this much: its times that ended by then are not kept any more.
    ForgetFormer { conversation_id: ConversationId, device_id: DeviceId, up_to_seq: u64 },
    /// Welcomes of one commit: one welcome and one tree for all of `device_ids`.
    Welcomes {
        conversation_id: ConversationId,
        device_ids: Vec<DeviceId>,
        seq: u64,
        epoch: u64,
        welcome: Bytes,
        ratchet_tree: Bytes,
    },
    /// A welcome was taken; the tree goes with the last one.
    DropWelcome { conversation_id: ConversationId, device_id: DeviceId },
    /// An account has left (true) a conversation, or is off the roster now (false).
    Departed { conversation_id: ConversationId, account_id: AccountId, departed: bool },
    /// How far a device has stored a conversation.
    Delivered { conversation_id: ConversationId, device_id: DeviceId, seq: u64 },
    /// How far a person has read a conversation.
    ReadUpTo { conversation_id: ConversationId, account_id: AccountId, seq: u64 },
    /// A person has taken note of an entry; kept as it was first said.
    Confirmed { conversation_id: ConversationId, seq: u64, account_id: AccountId, at_ms: u64 },
    /// An attachment was announced, or is complete now: replaces the row.
    Attachment(AttachmentRow),
    /// An upload was given up.
    DropAttachment { attachment_id: AttachmentId },
    /// How a device can be woken: replaces the row.
    Push(PushRow),
    /// A device is not to be woken any more.
    DropPush { device_id: DeviceId },
}

/// A question to durable state.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant's comment says what its fields are, and their types do")]
pub enum Query {
    /// Consecutive entries from `from_seq`, at most a page (`limit::ENTRIES_PER_PAGE`, `limit::PAGE_BYTES_MAX`).
    Log { conversation_id: ConversationId, from_seq: u64 },
    /// The welcomes that wait for a device.
    Welcomes { device_id: DeviceId },
    /// These single-use key packages, and the last-resort ones of these devices.
    KeyPackages { ids: Vec<u64>, last_resort_of: Vec<DeviceId> },
    /// Where a message was stored, looked up beyond what the plane remembers.
    FindMessage { conversation_id: ConversationId, message_id: MessageId },
    /// Who has taken note of an entry: of all, or of this account alone.
    Confirmations { conversation_id: ConversationId, seq: u64, of: Option<AccountId> },
    /// An attachment; the wish comes back with the answer.
    Attachment { attachment_id: AttachmentId, wish: TransferWish },
}

/// The answer to a [`Query`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// To `Log`.
    Log(Vec<wire::Entry>),
    /// To `Welcomes`.
    Welcomes(Vec<wire::WelcomeFor>),
    /// To `KeyPackages`: in the order asked, single-use ones first; a missing one is left out.
    KeyPackages(Vec<FoundKeyPackage>),
    /// To `FindMessage`: seq and time, if it is there.
    FindMessage(Option<(u64, u64)>),
    /// To `Confirmations`: who and when, by account id.
    Confirmations(Vec<(AccountId, u64)>),
    /// To `Attachment`.
    Attachment {
        /// As asked.
        attachment_id: AttachmentId,
        /// As asked.
        wish: TransferWish,
        /// If it is there.
        found: Option<AttachmentRow>,
    },
}

/// A key package as read.
#[derive(Clone, Debug)]
pub struct FoundKeyPackage {
    /// Its number, unless it is the last-resort one.
    pub single_use_id: Option<u64>,
    /// Whose.
    pub device_id: DeviceId,
    /// The package.
    pub key_package: Bytes,
}

/// All that the plane loads at start.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The directory, from version 1.
    pub statements: Vec<wire::Statement>,
    /// Every device ever enrolled.
    pub devices: Vec<DeviceRow>,
    /// Accounts that are locked.
    pub locked: Vec<AccountId>,
    /// Refused second uses of codes, counted by account.
    pub second_uses: Vec<(AccountId, u32)>,
    /// Ids and owners of single-use key packages, oldest first.
    pub key_packages: Vec<(u64, DeviceId)>,
    /// Devices with a last-resort key package.
    pub last_resorts: Vec<DeviceId>,
    /// Every conversation.
    pub conversations: Vec<ConversationRow>,
    /// Welcomes that wait.
    pub welcomes: Vec<WelcomeRow>,
    /// Attachments that are not complete.
    pub uploads: Vec<AttachmentRow>,
    /// Bytes of attachments by uploader, those that are not complete included.
    pub attachment_bytes: Vec<(AccountId, u64)>,
    /// How devices can be woken, by device.
    pub pushes: Vec<PushRow>,
}

/// A device as stored.
#[derive(Clone, Debug)]
pub struct DeviceRow {
    /// Its id.
    pub device_id: DeviceId,
    /// Its owner.
    pub account_id: AccountId,
    /// Its certificates.
    pub chain: wire::DeviceChain,
    /// When it was enrolled.
    pub enrolled_at_ms: u64,
    /// When it was last connected; 0: never.
    pub last_seen_ms: u64,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// A single-use key package as stored.
#[derive(Clone, Debug)]
pub struct KeyPackageRow {
    /// Its number.
    pub id: u64,
    /// The package.
    pub key_package: Bytes,
}

/// A conversation as stored.
#[derive(Clone, Debug)]
pub struct ConversationRow {
    /// Its id.
    pub conversation_id: ConversationId,
    /// GroupInfo of the current epoch.
    pub group_info: Bytes,
    /// Ratchet tree of the current epoch.
    pub ratchet_tree: Bytes,
    /// The newest entry.
    pub head_seq: u64,
    /// The devices in it.
    pub members: Vec<MemberRow>,
    /// Accounts that left and are not off the roster yet.
    pub departed: Vec<AccountId>,
    /// Times in the group of devices that are out of it, by device and first entry.
    pub former: Vec<FormerRow>,
    /// How far persons have read.
    pub read: Vec<(AccountId, u64)>,
    /// The newest message ids with seq and time, oldest first, at most `limit::RECENT_MESSAGES`.
    pub recent: Vec<(MessageId, u64, u64)>,
}

/// A device in a conversation as stored.
#[derive(Clone, Debug)]
pub struct MemberRow {
    /// The device.
    pub device_id: DeviceId,
    /// The first entry it may fetch.
    pub first_seq: u64,
    /// The newest entry it has stored.
    pub delivered_seq: u64,
}

/// A time in a conversation of a device that is out of it, as stored.
#[derive(Clone, Debug)]
pub struct FormerRow {
    /// The device.
    pub device_id: DeviceId,
    /// The first entry it may fetch.
    pub first_seq: u64,
    /// The last one: the commit that removed it.
    pub left_seq: u64,
}

/// An attachment as stored; its ciphertext is a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentRow {
    /// Its id.
    pub attachment_id: AttachmentId,
    /// Whose members may fetch it.
    pub conversation_id: ConversationId,
    /// Who uploaded it.
    pub account_id: AccountId,
    /// Of the whole ciphertext.
    pub sealed_bytes: u64,
    /// Of the whole ciphertext.
    pub sealed_sha256: [u8; 32],
    /// When it was announced.
    pub created_ms: u64,
    /// Whether it is all there.
    pub complete: bool,
}

/// A device's push subscription as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushRow {
    /// The device.
    pub device_id: DeviceId,
    /// How it is woken.
    pub subscription: PushSubscription,
}

/// A waiting welcome as stored.
#[derive(Clone, Debug)]
pub struct WelcomeRow {
    /// For this conversation.
    pub conversation_id: ConversationId,
    /// For this device.
    pub device_id: DeviceId,
}
