//! Files of a native device: sealed into its directory before they leave, and fetched, checked and opened from there.
use super::{Client, ClientError};
use crate::connection::bulk::BulkError;
use crate::connection::{ConnectionError, Link};
use crate::core::{About, Command, Failure, File, Reply, UploadEnd, UploadOrder};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncSeekExt, SeekFrom};
use wardline_e2ee::attachment::{AttachmentError, AttachmentKey, Opener, PIECE_BYTES, Sealer, TAG_BYTES};
use wardline_protocol::{AttachmentId, ConversationId, MessageId};

/// Below a device's state directory: ciphertexts on their way, in either direction.
const FILES_DIR: &str = "attachments";

/// How long what was fetched in part is kept for going on.
const PARTS_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Why a file is not sent or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The device.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The core or the node refused.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The way to the node.
    #[error(transparent)]
    Bulk(#[from] BulkError),
    /// Sealing or opening.
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    /// A file here.
    #[error("{path}: {source}")]
    Local {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is one.
    #[error("{0} exists already: nothing was overwritten")]
    Exists(PathBuf),
}

/// The ciphertexts of one device.
#[derive(Clone)]
pub(super) struct Files {
    dir: PathBuf,
}

impl Files {
    /// Below the device's directory. Forgets what no waiting message needs.
    pub(super) fn open(device_dir: &Path, waiting: &BTreeSet<AttachmentId>) -> Self {
        let files = Self { dir: device_dir.join(FILES_DIR) };
        let Ok(entries) = fs::read_dir(&files.dir) else { return files };
        let wanted: BTreeSet<PathBuf> = waiting.iter().map(|id| files.sealed(*id)).collect();
        let fresh = |entry: &fs::DirEntry| {
            let modified = entry.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            modified.elapsed().is_ok_and(|age| age < PARTS_KEPT)
        };
        for entry in entries.flatten() {
            let part = entry.path().extension().is_some_and(|extension| extension == "part");
            let needed = wanted.contains(&entry.path()) || (part && fresh(&entry));
            if !needed && fs::remove_file(entry.path()).is_err() {
                tracing::warn!("a ciphertext that nothing needs could not be deleted");
            }
        }
        files
    }

    fn sealed(&self, id: AttachmentId) -> PathBuf {
        self.dir.join(id.to_string())
    }

    fn part(&self, id: AttachmentId) -> PathBuf {
        self.dir.join(format!("{id}.part"))
    }

    fn make_dir(&self) -> Result<(), FileError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.dir).map_err(at(&self.dir))
    }

    /// Seals a file under a new id and key.
    fn seal(&self, path: &Path, about: About) -> Result<File, FileError> {
        self.make_dir()?;
        let source = fs::File::open(path).map_err(at(path))?;
        let bytes = source.metadata().map_err(at(path))?.len();
        let key = AttachmentKey::random()?;
        let mut sealer = Sealer::new(&key, bytes)?;
        let attachment = AttachmentId::from_bytes(random()?);
        let target = self.sealed(attachment);
        let mut out = create(&target)?;
        let mut source = BufReader::new(source);
        let mut left = bytes;
        loop {
            let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(left).unwrap_or(PIECE_BYTES))];
            source.read_exact(&mut piece).map_err(at(path))?;
            left -= piece.len() as u64;
            out.write_all(&sealer.seal(&piece)?).map_err(at(&target))?;
            if left == 0 {
                break;
            }
        }
        out.sync_all().map_err(at(&target))?;
        Ok(File { attachment, sealed_sha256: sealer.finish()?, key, bytes, about })
    }

    /// Opens a whole ciphertext into a new file; it has its name only once everything was right.
    fn unseal(&self, file: &File, target: &Path) -> Result<(), FileError> {
        let sealed = self.part(file.attachment);
        let mut opener = Opener::new(&file.key, file.bytes, file.sealed_sha256)?;
        let mut source = BufReader::new(fs::File::open(&sealed).map_err(at(&sealed))?);
        let mut partial = target.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let opened = (|| {
            let mut out = create(&partial)?;
            let mut left = file.sealed_bytes();
            while left > 0 {
                let mut piece =
                    vec![0; (PIECE_BYTES + TAG_BYTES).min(usize::try_from(left).unwrap_or(PIECE_BYTES + TAG_BYTES))];
                source.read_exact(&mut piece).map_err(at(&sealed))?;
                left -= piece.len() as u64;
                out.write_all(&opener.open(&piece)?).map_err(at(&partial))?;
            }
            opener.finish()?;
            out.sync_all().map_err(at(&partial))?;
            // A link and not a rename: somebody else's file of that name stays.
            match fs::hard_link(&partial, target) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(FileError::Exists(target.into())),
                Err(_) => fs::rename(&partial, target).map_err(at(target)),
                Ok(()) => Ok(()),
            }
        })();
        if partial.exists() && fs::remove_file(&partial).is_err() {
            tracing::warn!("an unfinished file could not be deleted");
        }
        if opened.is_ok() || matches!(opened, Err(FileError::Attachment(_))) {
            // Damaged: fetched anew the next time.
            fs::remove_file(&sealed).map_err(at(&sealed))?;
        }
        opened
    }

    /// Moves a ciphertext to the node, as the core ordered.
    pub(super) async fn upload(&self, link: &Link, order: &UploadOrder) -> UploadEnd {
        let Ok(mut source) = tokio::fs::File::open(self.sealed(order.attachment)).await else {
            return UploadEnd::Lost;
        };
        if source.seek(SeekFrom::Start(order.from_byte)).await.is_err() {
            return UploadEnd::Lost;
        }
        let left = order.sealed_bytes.saturating_sub(order.from_byte);
        match link.upload(&order.ticket, left, source).await {
            Ok(()) => UploadEnd::Taken,
            Err(BulkError::Connection(ConnectionError::Refused(error))) => UploadEnd::Refused(error),
            Err(BulkError::Connection(_)) => UploadEnd::Broken,
            Err(BulkError::Local(_)) => UploadEnd::Lost,
        }
    }
}

impl Client {
    /// Seals a file and puts its message into the outbox; the event `sent` says when it has left. At most
    /// [`ATTACHMENT_BYTES_MAX`](wardline_protocol::limit::ATTACHMENT_BYTES_MAX) bytes.
    ///
    /// # Errors
    /// [`FileError`]; nothing is sent then.
    pub async fn send_file(
        &self,
        conversation: ConversationId,
        path: &Path,
        about: About,
    ) -> Result<MessageId, FileError> {
        let message = MessageId::from_bytes(random()?);
        let (files, from) = (self.files.clone(), path.to_owned());
        let sealed = tokio::task::spawn_blocking(move || files.seal(&from, about)).await;
        let file = Box::new(sealed.map_err(|_| ClientError::Ended)??);
        match self.command(Command::SendFile { conversation, message, file }).await?? {
            Reply::Message(message) => Ok(message),
            _ => Err(ClientError::Ended.into()),
        }
    }

    /// Fetches a file that a message of the conversation speaks of, checks it, and writes it to `target`, which must not exist. Goes on where an
    /// earlier attempt was interrupted.
    ///
    /// # Errors
    /// [`FileError`]; `target` is not there then.
    pub async fn save_file(&self, conversation: ConversationId, file: &File, target: &Path) -> Result<(), FileError> {
        if target.exists() {
            return Err(FileError::Exists(target.into()));
        }
        self.files.make_dir()?;
        let part = self.files.part(file.attachment);
        let mut out = OpenOptions::new().create(true).append(true).open(&part).map_err(at(&part))?;
        let mut here = out.metadata().map_err(at(&part))?.len();
        if here > file.sealed_bytes() {
            out.set_len(0).map_err(at(&part))?;
            here = 0;
        }
        if here < file.sealed_bytes() {
            let attachment = file.attachment;
            let open = Command::OpenDownload { conversation, attachment, from_byte: here };
            let Reply::Download { ticket, .. } = self.command(open).await?? else {
                return Err(ClientError::Ended.into());
            };
            let link = self.link().await?.ok_or(Failure::Offline)?;
            let target = tokio::fs::File::from_std(out);
            link.download(&ticket, file.sealed_bytes() - here, target).await?;
        } else {
            out.flush().map_err(at(&part))?;
        }
        let (files, file, target) = (self.files.clone(), file.clone(), target.to_owned());
        let opened = tokio::task::spawn_blocking(move || files.unseal(&file, &target)).await;
        opened.map_err(|_| ClientError::Ended)?
    }
}

fn create(path: &Path) -> Result<fs::File, FileError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(at(path))
}

fn random() -> Result<[u8; 16], ClientError> {
    wardline_directory::key::random::<16>().map(|bytes| *bytes).map_err(|_| ClientError::Random)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Local { path, source }
}
