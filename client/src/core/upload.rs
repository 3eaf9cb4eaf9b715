//! A file's way to the node. Its message leaves once the node has the whole ciphertext durable; messages behind it do not wait for it.
//!
//! Level-triggered like all of the core: an upload is wanted until the node says that it is stored. A lost connection or a restart makes it wanted
//! again, and the node says where it goes on.
use super::conversation::Stage;
use super::outbox::Outgoing;
use super::request::Request;
use super::{Body, Core, Failure, Output, Reply, Token};
use wardline_protocol::wire::{self, client_frame, response};
use wardline_protocol::{AttachmentId, Code, ConversationId, MessageId, WireError};

/// Uploads of this device at once; the others wait.
pub const UPLOADS_AT_ONCE: usize = 2;

/// First and longest wait after an upload broke.
const RETRY_MS: (u64, u64) = (1_000, 30_000);

/// Times that a ciphertext may arrive damaged before its message fails.
const DAMAGED_MAX: u32 = 3;

/// Where an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// Not under way.
    Wanted,
    /// The node was asked to open it.
    Asked,
    /// Its bytes move.
    Moving,
    /// The node has it all.
    Stored,
}

/// The upload that an own message waits for.
pub(super) struct Upload {
    pub(super) stand: Stand,
    pub(super) retry_at_ms: u64,
    broken: u32,
    damaged: u32,
}

impl Upload {
    /// What a message with this body waits for, if anything.
    pub(super) fn of(body: &Body) -> Option<Self> {
        matches!(body, Body::File(_)).then_some(Self { stand: Stand::Wanted, retry_at_ms: 0, broken: 0, damaged: 0 })
    }

    pub(super) fn interrupted(&mut self) {
        if self.stand != Stand::Stored {
            (self.stand, self.retry_at_ms) = (Stand::Wanted, 0);
        }
    }

    fn is_under_way(&self) -> bool {
        matches!(self.stand, Stand::Asked | Stand::Moving)
    }

    fn try_again(&mut self, now_ms: u64, at_least_ms: u64) {
        let wait = (RETRY_MS.0 << self.broken.min(5)).min(RETRY_MS.1).max(at_least_ms);
        self.broken += 1;
        (self.stand, self.retry_at_ms) = (Stand::Wanted, now_ms + wait);
    }
}

/// Bytes that are to move over a bulk stream; [`Input::UploadEnded`](super::Input::UploadEnded) says how it ended.
#[derive(Clone, PartialEq, Eq)]
pub struct UploadOrder {
    /// The message that waits for it.
    pub message: MessageId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// What the ciphertext is called, here and at the node.
    pub attachment: AttachmentId,
    /// Opens the bulk stream.
    pub ticket: Vec<u8>,
    /// Where it goes on.
    pub from_byte: u64,
    /// Of the whole ciphertext.
    pub sealed_bytes: u64,
}

/// How an upload's bulk stream ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum UploadEnd {
    /// The node has taken everything.
    Taken,
    /// The node refused it.
    Refused(WireError),
    /// The connection broke.
    Broken,
    /// The ciphertext is not on this device any more.
    Lost,
}

impl Core {
    /// Asks the node to open what is wanted, as far as there is room.
    pub(super) fn pump_uploads(&mut self, id: ConversationId) {
        let mut room = UPLOADS_AT_ONCE.saturating_sub(self.uploads_under_way());
        while room > 0 {
            let now_ms = self.now_ms;
            let Some(conversation) = self.conversations.get_mut(&id) else { return };
            if conversation.stage != Stage::Joined {
                return;
            }
            let wanted = conversation.outgoing.iter_mut().find_map(|outgoing| {
                let upload = outgoing.upload.as_mut()?;
                (upload.stand == Stand::Wanted && upload.retry_at_ms <= now_ms).then_some((upload, &outgoing.record))
            });
            let Some((upload, record)) = wanted else { return };
            let Body::File(file) = &record.message.body else { return };
            (upload.stand, upload.retry_at_ms) = (Stand::Asked, 0);
            let message = record.message.message;
            let open = wire::OpenUpload {
                conversation_id: id.to_bytes(),
                attachment_id: file.attachment.to_bytes(),
                sealed_bytes: file.sealed_bytes(),
                sealed_sha256: bytes::Bytes::copy_from_slice(&file.sealed_sha256),
            };
            self.send(client_frame::Body::OpenUpload(open), Request::Upload(id, message));
            room -= 1;
        }
    }

    fn uploads_under_way(&self) -> usize {
        let uploads = self.conversations.values().flat_map(|conversation| &conversation.outgoing);
        uploads.filter(|outgoing| outgoing.upload.as_ref().is_some_and(Upload::is_under_way)).count()
    }

    pub(super) fn upload_answered(
        &mut self,
        id: ConversationId,
        message: MessageId,
        result: Result<response::Result, WireError>,
    ) {
        self.dirty.insert(id);
        let Some((upload, attachment)) = self.upload(id, message) else { return };
        match result {
            Ok(response::Result::TransferOpened(opened)) if opened.ticket.is_empty() => self.upload_stored(attachment),
            Ok(response::Result::TransferOpened(opened)) => {
                upload.stand = Stand::Moving;
                self.outputs.push_back(Output::Upload(UploadOrder {
                    message,
                    conversation: id,
                    attachment,
                    ticket: opened.ticket.to_vec(),
                    from_byte: opened.from_byte,
                    sealed_bytes: opened.sealed_bytes,
                }));
            }
            Ok(_) => {
                let error = WireError::new(Code::Malformed, "the node's answer to an upload is of another kind");
                self.message_failed(id, message, error);
            }
            Err(error) => self.upload_refused(id, message, error),
        }
    }

    /// A bulk stream has ended.
    pub(super) fn upload_ended(&mut self, attachment: AttachmentId, end: UploadEnd) {
        let now_ms = self.now_ms;
        let Some((id, message)) = self.message_of(attachment) else { return };
        self.dirty.insert(id);
        let Some((upload, _)) = self.upload(id, message) else { return };
        if upload.stand != Stand::Moving {
            return; // stored already, or begun anew on another connection
        }
        match end {
            UploadEnd::Taken => {} // that it is durable is said on the control stream
            UploadEnd::Refused(error) if error.code == Code::Malformed && upload.damaged < DAMAGED_MAX => {
                upload.damaged += 1;
                upload.try_again(now_ms, 0);
            }
            UploadEnd::Refused(error) => self.upload_refused(id, message, error),
            UploadEnd::Broken => upload.try_again(now_ms, 0),
            UploadEnd::Lost => {
                let error = WireError::new(Code::UnknownAttachment, "the file is not on this device any more");
                self.message_failed(id, message, error);
            }
        }
    }

    /// The node has all of it, durable.
    pub(super) fn upload_stored(&mut self, attachment: AttachmentId) {
        let Some((id, message)) = self.message_of(attachment) else { return };
        if let Some((upload, _)) = self.upload(id, message) {
            upload.stand = Stand::Stored;
        }
        // Others may have waited for its place.
        self.dirty.extend(self.conversations.keys());
    }

    fn upload_refused(&mut self, id: ConversationId, message: MessageId, error: WireError) {
        let now_ms = self.now_ms;
        let Some((upload, _)) = self.upload(id, message) else { return };
        match error.code {
            // Looked after by the messages' own way; the upload is wanted again when this device is back.
            Code::Orphaned => {
                upload.try_again(now_ms, 0);
                self.not_in_group(id);
            }
            Code::RateLimited | Code::Internal | Code::Storage | Code::ShuttingDown | Code::Unauthenticated => {
                upload.try_again(now_ms, error.retry_after_ms.into());
            }
            _ => self.message_failed(id, message, error),
        }
    }

    /// Takes back a message that has not left yet.
    pub(super) fn withdraw(&mut self, id: ConversationId, message: MessageId, token: Token) {
        let waits = |outgoing: &&Outgoing| outgoing.record.message.message == message && outgoing.in_flight.is_none();
        let found = self.conversations.get(&id).and_then(|conversation| conversation.outgoing.iter().find(waits));
        let Some(outgoing) = found else {
            let failure = Failure::Engine("it has been sent, or is being sent".into());
            return self.done(token, Err(failure));
        };
        let attachment = outgoing.attachment();
        if let (Some(attachment), true) = (attachment, self.is_connected()) {
            let drop = wire::DropUpload { attachment_id: attachment.to_bytes() };
            self.send(client_frame::Body::DropUpload(drop), Request::Unanswered);
        }
        self.take_outgoing(id, message);
        self.dirty.extend(self.conversations.keys());
        self.done(token, Ok(Reply::Done));
    }

    pub(super) fn open_download(
        &mut self,
        conversation: ConversationId,
        attachment: AttachmentId,
        from_byte: u64,
        token: Token,
    ) {
        if !self.is_connected() {
            return self.done(token, Err(Failure::Offline));
        }
        let open = wire::OpenDownload {
            conversation_id: conversation.to_bytes(),
            attachment_id: attachment.to_bytes(),
            from_byte,
        };
        self.send(client_frame::Body::OpenDownload(open), Request::Download(token));
    }

    pub(super) fn download_opened(&mut self, token: Token, result: Result<response::Result, WireError>) {
        let result = match result {
            Ok(response::Result::TransferOpened(opened)) => {
                Ok(Reply::Download { ticket: opened.ticket.to_vec(), sealed_bytes: opened.sealed_bytes })
            }
            Ok(_) => Err(Failure::Engine("the node's answer to a download is of another kind".into())),
            Err(error) => Err(Failure::Refused(error)),
        };
        self.done(token, result);
    }

    fn upload(&mut self, id: ConversationId, message: MessageId) -> Option<(&mut Upload, AttachmentId)> {
        let conversation = self.conversations.get_mut(&id)?;
        let outgoing = conversation.outgoing.iter_mut().find(|outgoing| outgoing.record.message.message == message)?;
        let attachment = outgoing.attachment()?;
        Some((outgoing.upload.as_mut()?, attachment))
    }

    fn message_of(&self, attachment: AttachmentId) -> Option<(ConversationId, MessageId)> {
        self.conversations.iter().find_map(|(id, conversation)| {
            let of = |outgoing: &&Outgoing| outgoing.attachment() == Some(attachment);
            conversation.outgoing.iter().find(of).map(|outgoing| (*id, outgoing.record.message.message))
        })
    }
}
