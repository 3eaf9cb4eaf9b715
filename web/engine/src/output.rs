//! What the worker is to do, strictly in the order in which it comes.
#![allow(missing_docs, reason = "the fields are named for what they hold")]
use crate::Failed;
use crate::shown::{ShownDevice, ShownEvent};
use crate::stored::{Changes, Saved, StoredIdentity};
use serde::Serialize;
use wardline_protocol::wire::{BroadcastLayer, BroadcastReport};

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
    BroadcastReport {
        report: ShownReport,
    },
}

/// Who has taken note of a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownConfirmation {
    pub account: String,
    pub at_ms: u64,
}

/// How a broadcast goes, as the node counts. Totals are since its start.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownReport {
    /// The lowest first.
    layers: Vec<ShownLayer>,
    viewers: u32,
    viewers_without_video: u32,
    key_frames_asked: u64,
    key_frames_requested: u64,
    packets_forwarded: u64,
    packets_dropped: u64,
    outgoing_bps: u64,
    mean_loss_permille: u32,
    worst_loss_permille: u32,
}

/// One of the pictures that the sender sends.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownLayer {
    rid: String,
    bitrate_bps: u64,
    packets: u64,
    packets_lost: u64,
    viewers: u32,
}

impl ShownReport {
    pub fn of(report: BroadcastReport) -> Self {
        let layer = |layer: BroadcastLayer| ShownLayer {
            rid: layer.rid,
            bitrate_bps: layer.bitrate_bps,
            packets: layer.packets,
            packets_lost: layer.packets_lost,
            viewers: layer.viewers,
        };
        Self {
            layers: report.layers.into_iter().map(layer).collect(),
            viewers: report.viewers,
            viewers_without_video: report.viewers_without_video,
            key_frames_asked: report.key_frames_asked,
            key_frames_requested: report.key_frames_requested,
            packets_forwarded: report.packets_forwarded,
            packets_dropped: report.packets_dropped,
            outgoing_bps: report.outgoing_bps,
            mean_loss_permille: report.mean_loss_permille,
            worst_loss_permille: report.worst_loss_permille,
        }
    }
}
