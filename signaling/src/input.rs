//! What goes into the plane and what comes out of it.
use crate::attachment::Transfer;
use crate::push::Push;
use crate::store::{Answer, Query, Write};
use std::sync::Arc;
use wardline_directory::key::ProposerKey;
use wardline_protocol::wire::{BroadcastReport, ClientFrame, ServerFrame, TransferOpened};
use wardline_protocol::{AttachmentId, CallId, DeviceId, Incarnation, NodeId, WireError};

/// One connection, numbered by the shell; never used twice in a node's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// A set of writes that become durable together, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub u64);

/// Who this node is.
#[derive(Clone)]
pub struct NodeIdentity {
    /// Its id in the directory.
    pub node_id: NodeId,
    /// The life of its database.
    pub incarnation: Incarnation,
    /// Signs removal proposals as MLS external sender; can do nothing else.
    pub proposer: Arc<ProposerKey>,
}

/// What happened outside.
pub enum Input {
    /// A connection was accepted. `nonce` is fresh randomness, `exporter` the TLS exporter of this connection.
    Opened {
        /// Its number.
        session: SessionId,
        /// To be signed by the client.
        nonce: [u8; 32],
        /// Binds the signature to this connection.
        exporter: [u8; 32],
    },
    /// A frame arrived. The shell has bounded its size and the number of unanswered requests.
    Frame {
        /// From where.
        session: SessionId,
        /// What.
        frame: ClientFrame,
    },
    /// The connection is gone.
    Closed {
        /// Which.
        session: SessionId,
    },
    /// Pushes to this session had been dropped because its queue was full; now it has room again.
    Drained {
        /// Which.
        session: SessionId,
    },
    /// Every write up to and including this batch is durable.
    Durable {
        /// The newest durable batch.
        batch: BatchId,
    },
    /// A query's answer.
    Answered {
        /// The session that asked.
        session: SessionId,
        /// The request it belongs to.
        request_id: u64,
        /// The answer, or that the store failed.
        answer: Result<Answer, WireError>,
    },
    /// The answer to [`Output::OpenTransfer`].
    TransferOpened {
        /// As asked.
        session: SessionId,
        /// As asked.
        request_id: u64,
        /// The ticket, or why there is none.
        opened: Result<TransferOpened, WireError>,
    },
    /// An upload is complete: its ciphertext is on disk and has the hash that was announced.
    Uploaded {
        /// The session that had opened the transfer.
        session: SessionId,
        /// What.
        attachment_id: AttachmentId,
    },
    /// The push service said that it does not know a subscription any more.
    PushGone {
        /// Whose.
        device_id: DeviceId,
        /// Its address.
        endpoint: String,
    },
    /// From the media plane.
    Media(MediaEvent),
    /// The time set by [`crate::Plane::next_wake_ms`] has come.
    Tick,
    /// The node goes down: calls are told, sessions are closed.
    Shutdown,
}

/// What the shell has to do, in this order.
pub enum Output {
    /// Queue a frame for a session.
    Send {
        /// Whose.
        session: SessionId,
        /// What.
        frame: ServerFrame,
        /// What to do when its queue is full.
        class: Class,
    },
    /// Queue the same frame for many sessions: encoded once, however many they are.
    FanOut {
        /// Whose.
        sessions: Vec<SessionId>,
        /// What.
        frame: ServerFrame,
        /// What to do where the queue is full.
        class: Class,
    },
    /// The session is authenticated: its frames may be larger now.
    Authenticated {
        /// Which.
        session: SessionId,
    },
    /// Send `Goodbye` with this error, then close. The shell answers with [`Input::Closed`].
    Close {
        /// Which.
        session: SessionId,
        /// Why.
        error: WireError,
    },
    /// Make these durable, then give [`Input::Durable`]. Batches are applied in order; any number may share one transaction.
    Write {
        /// The batch.
        batch: BatchId,
        /// Its writes.
        writes: Vec<Write>,
    },
    /// Answer a query from durable state, then give [`Input::Answered`].
    Read {
        /// The session that asks.
        session: SessionId,
        /// Its request.
        request_id: u64,
        /// The question.
        query: Query,
    },
    /// Open a bulk stream, then give [`Input::TransferOpened`].
    OpenTransfer(Transfer),
    /// Delete what there is of an attachment, if anything.
    DropAttachment {
        /// Which.
        attachment_id: AttachmentId,
    },
    /// Wake a device. Nothing waits for it; a service that does not know the subscription is reported as [`Input::PushGone`].
    Push(Push),
    /// For the media plane.
    Media(MediaCommand),
}

/// What a full session queue does with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Never dropped: if the queue is full the session is closed, and the client recovers by reconnecting.
    Required,
    /// Dropped, and the session gets `Heads` once it has drained.
    Entry,
    /// Dropped without more: the next one says it all again.
    Ephemeral,
}

/// Orders to the media plane. The room of a call or a broadcast has its id; a participant has its device's id.
#[derive(Debug)]
pub enum MediaCommand {
    /// Answer an offer; then give [`MediaEvent::Answered`].
    Connect {
        /// The session that offered.
        session: SessionId,
        /// Its request.
        request_id: u64,
        /// The room.
        call: CallId,
        /// The participant.
        device: DeviceId,
        /// The offer.
        offer: SdpOffer,
    },
    /// Forward what this participant sends, from now on.
    AllowSending {
        /// The room.
        call: CallId,
        /// The participant.
        device: DeviceId,
    },
    /// Say how a broadcast goes; then give [`MediaEvent::Reported`].
    Report {
        /// The session that asks.
        session: SessionId,
        /// Its request.
        request_id: u64,
        /// The room.
        call: CallId,
    },
    /// Forget a participant at once.
    Disconnect {
        /// The room.
        call: CallId,
        /// The participant.
        device: DeviceId,
    },
    /// Forget the room and everybody in it.
    CloseRoom {
        /// The room.
        call: CallId,
    },
}

/// An SDP text; shows nothing in `Debug`, since it holds addresses.
pub struct SdpOffer(pub String);

impl std::fmt::Debug for SdpOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SdpOffer(redacted)")
    }
}

/// News from the media plane.
pub enum MediaEvent {
    /// The answer to [`MediaCommand::Connect`].
    Answered {
        /// As asked.
        session: SessionId,
        /// As asked.
        request_id: u64,
        /// The SDP answer, or why not.
        answer: Result<String, WireError>,
    },
    /// The answer to [`MediaCommand::Report`].
    Reported {
        /// As asked.
        session: SessionId,
        /// As asked.
        request_id: u64,
        /// The report.
        report: BroadcastReport,
    },
    /// A participant's transport is up (again).
    Connected {
        /// The room.
        call: CallId,
        /// The participant.
        device: DeviceId,
    },
    /// A participant's transport is silent.
    Lost {
        /// The room.
        call: CallId,
        /// The participant.
        device: DeviceId,
    },
}
