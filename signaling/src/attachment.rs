//! Attachments: who may upload how much, and who may fetch what. The ciphertext itself goes over bulk streams that the shell serves; the plane
//! only opens them.
//!
//! In memory: uploads that are not complete, and how much each account has stored. Complete attachments are looked up in the store.
//!
//! Absent on purpose: files, tickets, and any tie between an attachment and a message: that is inside the encryption.
use crate::input::{Class, Output, SessionId};
use crate::limit::{UPLOAD_KEEP_MS, UPLOADS_OPEN_MAX};
use crate::plane::{After, Plane, Reply};
use crate::session::{Caller, Role, done};
use crate::store::{AttachmentRow, Query, Snapshot, Write};
use std::collections::{BTreeMap, BTreeSet};
use wardline_e2ee::attachment::sealed_bytes;
use wardline_protocol::limit::ATTACHMENT_BYTES_MAX;
use wardline_protocol::wire::{self, response, server_frame};
use wardline_protocol::{AccountId, AttachmentId, Code, ConversationId, WireError};

/// What the plane keeps of attachments.
#[derive(Default)]
pub(crate) struct Attachments {
    /// Not complete yet.
    uploads: BTreeMap<AttachmentId, AttachmentRow>,
    /// The same, by when they were announced.
    by_age: BTreeSet<(u64, AttachmentId)>,
    /// Bytes of ciphertext by uploader, what is announced included.
    used: BTreeMap<AccountId, u64>,
}

impl Attachments {
    pub(crate) fn open(snapshot: &mut Snapshot) -> Self {
        let used = std::mem::take(&mut snapshot.attachment_bytes).into_iter().collect();
        let mut attachments = Self { used, ..Self::default() };
        std::mem::take(&mut snapshot.uploads).into_iter().for_each(|row| attachments.insert(row));
        attachments
    }

    /// When the oldest upload that nobody went on with is given up.
    pub(crate) fn next_wake_ms(&self) -> Option<u64> {
        self.by_age.first().map(|(created_ms, _)| created_ms + UPLOAD_KEEP_MS)
    }

    /// Uploads that are not complete, and bytes of all attachments.
    pub(crate) fn counts(&self) -> (usize, u64) {
        (self.uploads.len(), self.used.values().sum())
    }

    fn insert(&mut self, row: AttachmentRow) {
        self.by_age.insert((row.created_ms, row.attachment_id));
        self.uploads.insert(row.attachment_id, row);
    }

    fn remove(&mut self, id: AttachmentId) -> Option<AttachmentRow> {
        let row = self.uploads.remove(&id)?;
        self.by_age.remove(&(row.created_ms, id));
        Some(row)
    }

    /// As if it had not been announced.
    fn forget(&mut self, id: AttachmentId) -> Option<AttachmentRow> {
        let row = self.remove(id)?;
        if let Some(used) = self.used.get_mut(&row.account_id) {
            *used = used.saturating_sub(row.sealed_bytes);
        }
        Some(row)
    }
}

/// What a device wants with an attachment; the store's answer comes back with it.
#[derive(Clone, Debug)]
pub enum TransferWish {
    /// To send this, from the start or from where it was interrupted.
    Upload(AttachmentRow),
    /// To fetch it.
    Download {
        /// Where the device knows it from.
        conversation_id: ConversationId,
        /// What it has already.
        from_byte: u64,
    },
}

/// A transfer that the shell is to open: it makes a ticket, and answers with [`crate::Input::TransferOpened`].
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Whose. The transfer ends with it.
    pub session: SessionId,
    /// The request to be answered.
    pub request_id: u64,
    /// Of what.
    pub attachment_id: AttachmentId,
    /// Of the whole ciphertext.
    pub sealed_bytes: u64,
    /// Which way.
    pub direction: Direction,
}

/// Which way a transfer goes.
#[derive(Clone, Debug)]
pub enum Direction {
    /// To the node, which keeps it only if it has this hash.
    Up {
        /// SHA-256 of the whole ciphertext.
        sealed_sha256: [u8; 32],
    },
    /// To the device.
    Down {
        /// Where it goes on.
        from_byte: u64,
    },
}

impl Plane {
    pub(crate) fn open_upload(&mut self, caller: Caller, request: &wire::OpenUpload) -> Result<Reply, WireError> {
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let conversation = self.conversation_of(caller.account_id, conversation_id)?;
        if !conversation.members.contains_key(&caller.device_id) {
            return Err(WireError::new(Code::Orphaned, "this device is not in the group: join from outside"));
        }
        let largest = self.limits.file_bytes_max.min(ATTACHMENT_BYTES_MAX);
        if request.sealed_bytes == 0 || request.sealed_bytes > sealed_bytes(largest) {
            return Err(WireError::new(Code::QuotaExceeded, format!("a file may have {largest} bytes at most here")));
        }
        let sealed_sha256 = request
            .sealed_sha256
            .as_ref()
            .try_into()
            .map_err(|_| WireError::new(Code::Malformed, "sealed_sha256 must have 32 bytes"))?;
        let row = AttachmentRow {
            attachment_id: AttachmentId::parse(&request.attachment_id)?,
            conversation_id,
            account_id: caller.account_id,
            sealed_bytes: request.sealed_bytes,
            sealed_sha256,
            created_ms: self.now_ms,
            complete: false,
        };
        if let Some(open) = self.attachments.uploads.get(&row.attachment_id) {
            let transfer = same(open, &row).map(|()| up(caller, &row))?;
            self.output(Output::OpenTransfer(transfer));
            return Ok(Reply::Later);
        }
        let attachment_id = row.attachment_id;
        Ok(self.read(caller, Query::Attachment { attachment_id, wish: TransferWish::Upload(row) }))
    }

    pub(crate) fn open_download(&mut self, caller: Caller, request: &wire::OpenDownload) -> Result<Reply, WireError> {
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let attachment_id = AttachmentId::parse(&request.attachment_id)?;
        self.readable(caller, conversation_id)?;
        let wish = TransferWish::Download { conversation_id, from_byte: request.from_byte };
        Ok(self.read(caller, Query::Attachment { attachment_id, wish }))
    }

    /// The store has said whether there is such an attachment.
    pub(crate) fn attachment_found(
        &mut self,
        session: SessionId,
        request_id: u64,
        attachment_id: AttachmentId,
        wish: TransferWish,
        found: Option<AttachmentRow>,
    ) -> Result<Reply, WireError> {
        let Some(Role::Device { device_id, account_id }) = self.sessions.get(&session).map(|state| state.role) else {
            return Ok(Reply::Later); // nobody waits any more
        };
        let caller = Caller { session, request_id, device_id, account_id };
        match (wish, found) {
            (TransferWish::Upload(row), Some(found)) if found.complete => {
                same(&found, &row)?;
                let nothing_left = wire::TransferOpened {
                    ticket: bytes::Bytes::new(),
                    from_byte: row.sealed_bytes,
                    sealed_bytes: row.sealed_bytes,
                };
                Ok(Reply::Now(response::Result::TransferOpened(nothing_left)))
            }
            (TransferWish::Upload(row), _) => self.begin_upload(caller, row),
            (TransferWish::Download { conversation_id, from_byte }, Some(found))
                if found.complete && found.conversation_id == conversation_id && from_byte <= found.sealed_bytes =>
            {
                let direction = Direction::Down { from_byte };
                let sealed_bytes = found.sealed_bytes;
                self.output(Output::OpenTransfer(Transfer {
                    session,
                    request_id,
                    attachment_id,
                    sealed_bytes,
                    direction,
                }));
                Ok(Reply::Later)
            }
            (TransferWish::Download { .. }, _) => {
                Err(WireError::new(Code::UnknownAttachment, "the node does not have this file in this conversation"))
            }
        }
    }

    fn begin_upload(&mut self, caller: Caller, row: AttachmentRow) -> Result<Reply, WireError> {
        // Announced a second time while the store was asked: the first one holds.
        if let Some(open) = self.attachments.uploads.get(&row.attachment_id) {
            same(open, &row)?;
        } else {
            let open = self.attachments.uploads.values().filter(|open| open.account_id == row.account_id).count();
            if open >= UPLOADS_OPEN_MAX {
                let message = "too many files of this account are on their way: finish or drop some";
                return Err(WireError::retry(Code::RateLimited, message, 10_000));
            }
            let used = self.attachments.used.entry(row.account_id).or_default();
            if *used + row.sealed_bytes > self.limits.attachment_bytes_per_account {
                let message = "this account's room for files is full: ask the IT admin for more";
                return Err(WireError::new(Code::QuotaExceeded, message));
            }
            *used += row.sealed_bytes;
            self.write(Write::Attachment(row.clone()));
            self.attachments.insert(row.clone());
        }
        self.output(Output::OpenTransfer(up(caller, &row)));
        Ok(Reply::Later)
    }

    /// The shell has opened a transfer, or could not.
    pub(crate) fn transfer_opened(
        &mut self,
        session: SessionId,
        request_id: u64,
        opened: Result<wire::TransferOpened, WireError>,
    ) {
        // After the announcement is durable: what comes over the stream is never without an owner.
        let reply = opened.map(|opened| Reply::Durable(response::Result::TransferOpened(opened)));
        self.answer(session, request_id, reply);
    }

    /// Everything of an upload is there, on disk, and has the hash that was said.
    pub(crate) fn uploaded(&mut self, session: SessionId, attachment_id: AttachmentId) {
        let Some(mut row) = self.attachments.remove(attachment_id) else {
            return self.output(Output::DropAttachment { attachment_id }); // it was dropped meanwhile
        };
        row.complete = true;
        self.write(Write::Attachment(row));
        let stored = wire::AttachmentStored { attachment_id: attachment_id.to_bytes() };
        let frame = wire::ServerFrame { body: Some(server_frame::Body::AttachmentStored(stored)) };
        self.after(After::Send { session, frame, class: Class::Required });
    }

    pub(crate) fn drop_upload(&mut self, caller: Caller, request: &wire::DropUpload) -> Result<Reply, WireError> {
        let attachment_id = AttachmentId::parse(&request.attachment_id)?;
        let own = |row: &AttachmentRow| row.account_id == caller.account_id;
        if self.attachments.uploads.get(&attachment_id).is_some_and(own) {
            self.give_up_upload(attachment_id);
        }
        Ok(done())
    }

    pub(crate) fn expire_uploads(&mut self) {
        let now_ms = self.now_ms;
        while let Some((created_ms, attachment_id)) = self.attachments.by_age.first().copied()
            && created_ms + UPLOAD_KEEP_MS <= now_ms
        {
            self.give_up_upload(attachment_id);
        }
    }

    fn give_up_upload(&mut self, attachment_id: AttachmentId) {
        if self.attachments.forget(attachment_id).is_some() {
            self.write(Write::DropAttachment { attachment_id });
            self.output(Output::DropAttachment { attachment_id });
        }
    }
}

fn up(caller: Caller, row: &AttachmentRow) -> Transfer {
    Transfer {
        session: caller.session,
        request_id: caller.request_id,
        attachment_id: row.attachment_id,
        sealed_bytes: row.sealed_bytes,
        direction: Direction::Up { sealed_sha256: row.sealed_sha256 },
    }
}

/// Whether an announcement is that of this attachment, made again.
fn same(known: &AttachmentRow, again: &AttachmentRow) -> Result<(), WireError> {
    let identity = |row: &AttachmentRow| (row.conversation_id, row.account_id, row.sealed_bytes, row.sealed_sha256);
    if identity(known) == identity(again) {
        return Ok(());
    }
    Err(WireError::new(Code::Forbidden, "the attachment id stands for something else: make a new one"))
}
