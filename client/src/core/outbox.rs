//! Own messages, from the person's wish to the node's word that they are durable.
//!
//! A message keeps its id whatever happens: made again in a newer epoch, or sent again after a lost connection, the node stores it once.
use super::conversation::Stage;
use super::request::Request;
use super::upload::{Stand, Upload};
use super::{Body, Core, Counter, Event, Failure, Membership, Message, OutboxRecord, Reply, Token};
use prost::Message as _;
use wardline_e2ee::EngineError;
use wardline_protocol::limit::MESSAGE_BYTES_MAX;
use wardline_protocol::wire::client_frame;
use wardline_protocol::wire::{self, response};
use wardline_protocol::{AttachmentId, Code, ConversationId, MessageId, WireError};

/// Messages of one conversation that may be on their way at once.
const WINDOW: usize = 64;

/// Messages that may wait in one conversation's outbox. Full: the command is refused.
pub const OUTBOX_MAX: usize = 20_000;

/// Bytes of a message's content: what MLS adds to it fits into the rest.
const CONTENT_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 16 * 1024;

/// A message in the outbox.
pub(super) struct Outgoing {
    pub(super) record: OutboxRecord,
    /// The epoch it was encrypted in and sent, until the answer comes.
    pub(super) in_flight: Option<u64>,
    /// An answer was lost, so the node may have it already and must look further back for its id.
    again: bool,
    /// What it waits for before it may leave.
    pub(super) upload: Option<Upload>,
}

impl Outgoing {
    pub(super) fn new(record: OutboxRecord) -> Self {
        let upload = Upload::of(&record.message.body);
        Self { record, in_flight: None, again: false, upload }
    }

    /// One that was left in the outbox by an earlier run of the program.
    pub(super) fn left_over(record: OutboxRecord) -> Self {
        Self { again: true, ..Self::new(record) }
    }

    /// No answer will come to what was sent.
    pub(super) fn interrupted(&mut self) {
        self.again |= self.in_flight.take().is_some();
        if let Some(upload) = &mut self.upload {
            upload.interrupted();
        }
    }

    /// What the node calls its file, if it is one.
    pub(super) fn attachment(&self) -> Option<AttachmentId> {
        match &self.record.message.body {
            Body::File(file) => Some(file.attachment),
            _ => None,
        }
    }

    /// Whether it may be encrypted and sent now.
    fn may_leave(&self) -> bool {
        self.in_flight.is_none() && self.upload.as_ref().is_none_or(|upload| upload.stand == Stand::Stored)
    }
}

impl Core {
    pub(super) fn send_body(&mut self, id: ConversationId, body: Body) -> Result<MessageId, Failure> {
        let message = self.ids.message();
        self.send_as(id, message, body)
    }

    /// An id that was used in the conversation before stands for the message it was used for: nothing is sent a second time.
    fn send_as(&mut self, id: ConversationId, message_id: MessageId, body: Body) -> Result<MessageId, Failure> {
        let conversation = self.conversations.get(&id).ok_or(Failure::UnknownConversation)?;
        if conversation.knows(&message_id) {
            return Ok(message_id);
        }
        let usable = matches!(conversation.stage, Stage::Joined | Stage::Creating) || conversation.healing;
        if (!usable && conversation.stage == Stage::Absent) || conversation.record.state == Membership::Left {
            return Err(Failure::UnknownConversation);
        }
        if conversation.outgoing.len() >= OUTBOX_MAX {
            return Err(Failure::Full);
        }
        if !self.may_speak(&id) {
            return Err(Failure::NotOperator);
        }
        let message = Message {
            conversation: id,
            message: message_id,
            seq: 0,
            sender: self.identity.account,
            device: self.identity.device,
            sent_at_ms: self.now_ms,
            body,
        };
        let record = OutboxRecord { place: self.count(Counter::Outbox), message: message.clone() };
        self.staged.outbox.push(record.clone());
        self.staged.history.push(message);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.remember(message_id);
            conversation.outgoing.push_back(Outgoing::new(record));
        }
        self.dirty.insert(id);
        Ok(message_id)
    }

    /// Puts a message into the outbox, for a command.
    pub(super) fn send_once(&mut self, id: ConversationId, message: MessageId, body: Body, token: Token) {
        let length = wire::Content { body: Some(body.to_wire()), ..Default::default() }.encoded_len();
        let result = if length > CONTENT_BYTES_MAX { Err(Failure::TooLong) } else { self.send_as(id, message, body) };
        self.done(token, result.map(Reply::Message));
    }

    /// Encrypts and sends what waits, in order, as long as nothing made in another epoch is unanswered.
    pub(super) fn pump_messages(&mut self, id: ConversationId) {
        let Some(epoch) = self.engine.epoch(id) else { return };
        loop {
            let Some(conversation) = self.conversations.get_mut(&id) else { return };
            // Who comes now could not read what was said before.
            let fills = conversation.lease.as_ref().is_some_and(|lease| !lease.due.is_empty());
            let ready = conversation.stage == Stage::Joined
                && !fills
                && conversation.in_flight.is_none()
                && !conversation.unsure
                && conversation.hold.is_none()
                && conversation.retry_at_ms == 0
                && conversation.wanted_epoch <= epoch;
            let on_way = conversation.outgoing.iter().filter(|outgoing| outgoing.in_flight.is_some());
            let (mut count, mut same_epoch) = (0, true);
            for outgoing in on_way {
                count += 1;
                same_epoch &= outgoing.in_flight == Some(epoch);
            }
            if !ready || !same_epoch || count >= WINDOW {
                return;
            }
            let Some(next) = conversation.outgoing.iter_mut().find(|outgoing| outgoing.may_leave()) else { return };
            let message = next.record.message.clone();
            let content = wire::Content {
                message_id: message.message.to_bytes(),
                sent_at_ms: message.sent_at_ms,
                directory_version: self.directory.version(),
                directory_hash: bytes::Bytes::copy_from_slice(&self.directory.head_hash()),
                body: Some(message.body.to_wire()),
            };
            match self.engine.encrypt(id, &content.encode_to_vec()) {
                Ok(encrypted) => {
                    next.in_flight = Some(encrypted.epoch);
                    let again = next.again;
                    let send = wire::SendMessage {
                        conversation_id: id.to_bytes(),
                        message_id: message.message.to_bytes(),
                        ciphertext: encrypted.ciphertext.into(),
                        again,
                    };
                    self.send(client_frame::Body::SendMessage(send), Request::Message(id, message.message));
                }
                // A commit is under way: its answer brings us here again.
                Err(EngineError::Pending) => return,
                Err(EngineError::Removed | EngineError::UnknownConversation) => return self.heal(id),
                Err(error) => {
                    let error = WireError::new(Code::Internal, error.to_string());
                    self.message_failed(id, message.message, error);
                }
            }
        }
    }

    pub(super) fn send_answered(
        &mut self,
        id: ConversationId,
        message: MessageId,
        result: Result<response::Result, WireError>,
    ) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        self.dirty.insert(id);
        let error = match result {
            Ok(response::Result::Sent(sent)) => {
                conversation.head_seq = conversation.head_seq.max(sent.seq);
                return self.stored(id, message, sent.seq);
            }
            Ok(_) => WireError::new(Code::Malformed, "the node's answer to a message is of another kind"),
            Err(error) => error,
        };
        let outgoing = conversation.outgoing.iter_mut().find(|outgoing| outgoing.record.message.message == message);
        let Some(outgoing) = outgoing.filter(|outgoing| outgoing.in_flight.is_some()) else { return };
        outgoing.in_flight = None;
        match error.code {
            Code::Stale => conversation.wanted_epoch = conversation.wanted_epoch.max(error.current_epoch),
            Code::Future => self.heal(id),
            Code::Orphaned => self.not_in_group(id),
            Code::UnknownConversation => {
                // An earlier attempt may stand in the log all the same: that is read first.
                if !outgoing.again {
                    self.message_failed(id, message, error);
                }
                self.resigned(id);
            }
            Code::RateLimited
            | Code::Internal
            | Code::Storage
            | Code::ShuttingDown
            | Code::Leased
            | Code::MissingRemovals
            | Code::LimitReached => self.retry_later(id, &error),
            _ => self.message_failed(id, message, error),
        }
    }

    /// The node has the message at `seq`: by its answer, or since it stands in the log.
    pub(super) fn stored(&mut self, id: ConversationId, message: MessageId, seq: u64) {
        let Some(mut record) = self.take_outgoing(id, message) else { return };
        record.message.seq = seq;
        self.staged.history.push(record.message);
        self.event(Event::MessageSent { conversation: id, message, seq });
    }

    pub(super) fn message_failed(&mut self, id: ConversationId, message: MessageId, error: WireError) {
        if self.take_outgoing(id, message).is_some() {
            self.event(Event::MessageFailed { conversation: id, message, error });
        }
    }

    pub(super) fn take_outgoing(&mut self, id: ConversationId, message: MessageId) -> Option<OutboxRecord> {
        let conversation = self.conversations.get_mut(&id)?;
        let at = conversation.outgoing.iter().position(|outgoing| outgoing.record.message.message == message)?;
        let outgoing = conversation.outgoing.remove(at)?;
        self.staged.outbox.retain(|record| record.message.message != message);
        self.staged.outbox_done.push(message);
        Some(outgoing.record)
    }
}
