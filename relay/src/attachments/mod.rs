//! The ciphertexts of files that people send: on disk below the data directory, in and out over bulk streams.
//!
//! The plane decides who may ([`wardline_signaling::Transfer`]); this makes a ticket of it, keeps the file, and checks its hash. Everything of
//! a session ends with it.
mod files;
mod tickets;

pub(crate) use files::{ATTACHMENTS_DIR, path_of};
pub(crate) use tickets::Grant;

use crate::identity::DataDirError;
use bytes::Bytes;
use files::Files;
use std::path::Path;
use std::sync::Arc;
use tickets::Tickets;
use wardline_protocol::wire::TransferOpened;
use wardline_protocol::{AttachmentId, Code, WireError};
use wardline_signaling::{Direction, SessionId, Transfer};

/// The node's attachments.
pub(crate) struct Attachments {
    files: Files,
    tickets: Tickets,
}

impl Attachments {
    /// Below a data directory. Uploads are refused while less than `keep_free_bytes` would be left on its disk: messages need that.
    pub(crate) fn open(data_dir: &Path, keep_free_bytes: u64) -> Result<Arc<Self>, DataDirError> {
        let files = Files::open(data_dir, keep_free_bytes)?;
        Ok(Arc::new(Self { files, tickets: Tickets::default() }))
    }

    /// Makes a ticket for a transfer that the plane has allowed.
    pub(crate) async fn grant(&self, transfer: Transfer) -> Result<TransferOpened, WireError> {
        let from_byte = match transfer.direction {
            Direction::Down { from_byte } => from_byte,
            Direction::Up { .. } => {
                self.files.room_for(transfer.attachment_id, transfer.sealed_bytes).await.map_err(not_on_disk)?
            }
        };
        let sealed_bytes = transfer.sealed_bytes;
        let ticket = self.tickets.issue(transfer, from_byte)?;
        Ok(TransferOpened { ticket: Bytes::copy_from_slice(&ticket), from_byte, sealed_bytes })
    }

    /// What a ticket stands for, once.
    pub(crate) fn redeem(&self, ticket: &[u8]) -> Result<Grant<'_>, WireError> {
        self.tickets.redeem(ticket)
    }

    /// Nothing more of this session.
    pub(crate) fn session_over(&self, session: SessionId) {
        self.tickets.session_over(session);
    }

    /// Deletes what there is of one.
    pub(crate) async fn drop_file(&self, id: AttachmentId) {
        if let Err(error) = self.files.delete(id).await {
            tracing::warn!(attachment = %id, %error, "an attachment could not be deleted");
        }
    }

    /// The files themselves, for the bulk streams.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }
}

/// What the client is told of a disk's error; the log has the cause.
pub(crate) fn not_on_disk(error: files::FileError) -> WireError {
    match error {
        files::FileError::DiskFull => {
            WireError::new(Code::QuotaExceeded, "the node's disk is full: tell the IT admin. Messages still go through")
        }
        files::FileError::Differs => {
            WireError::new(Code::Malformed, "what arrived has another hash than was announced: send it again")
        }
        files::FileError::Io(error) => {
            tracing::error!(%error, "an attachment cannot be kept or read");
            WireError::retry(Code::Storage, "the node cannot keep or read this file now: try again later", 10_000)
        }
    }
}
