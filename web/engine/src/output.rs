//! What the worker is to do, strictly in the order in which it comes.
#![allow(missing_docs, reason = "the fields are named for what they hold")]
use crate::Failed;
use crate::shown::{ShownDevice, ShownEvent};
use crate::stored::{Changes, Saved, StoredIdentity};
use serde::Serialize;

/// One thing to do.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Output {
    /// Make durable in one transaction, before anything that follows.
    Persist { changes: Box<Changes> },
    /// Send on the connection.
    Send {
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Move this ciphertext to the node, meanwhile going on; then call `uploadEnded`.
    Upload {
        message: String,
        conversation: String,
        attachment: String,
        #[serde(with = "serde_bytes")]
        ticket: Vec<u8>,
        from_byte: u64,
        sealed_bytes: u64,
    },
    /// Tell the page.
    Event { event: ShownEvent },
    /// Answer an ask.
    Done { token: u64, reply: Option<Reply>, failed: Option<Failed> },
    /// Call `tick` at this Unix time; replaces the earlier wish.
    WakeAt { ms: u64 },
    /// Signed in.
    SignedIn,
    /// The node has taken the new device: note that, close the connection, and connect again.
    Enrolled,
    /// A link was granted: store both, then go on as an enrolled device.
    Linked { identity: Box<StoredIdentity>, saved: Box<Saved> },
    /// Close the connection. `last`: do not connect again.
    Close { failed: Failed, last: bool },
}

/// What an ask gives.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Reply {
    Done,
    Conversation {
        conversation: String,
    },
    Message {
        message: String,
    },
    Call {
        call: String,
        answer_sdp: Option<String>,
    },
    Media {
        answer_sdp: String,
    },
    MediaKeys {
        #[serde(with = "serde_bytes")]
        epoch: Vec<u8>,
        context_id: u32,
    },
    Download {
        #[serde(with = "serde_bytes")]
        ticket: Vec<u8>,
        sealed_bytes: u64,
    },
    Devices {
        devices: Vec<ShownDevice>,
    },
    Confirmations {
        confirmations: Vec<ShownConfirmation>,
    },
}

/// Who has taken note of a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownConfirmation {
    pub account: String,
    pub at_ms: u64,
}
