//! Where ciphertexts are: `attachments/ab/<id>`, and `<id>.part` until everything is there and its hash is right.
use crate::identity::{DataDirError, at};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use wardline_protocol::AttachmentId;

/// In the data directory.
pub(crate) const ATTACHMENTS_DIR: &str = "attachments";

/// Bytes hashed at once.
const HASH_BYTES: usize = 256 * 1024;

/// Why a file is not kept or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// Less than what is kept free would be left.
    #[error("the disk is full")]
    DiskFull,
    /// The hash is another one than was announced; what had come is deleted.
    #[error("the ciphertext differs from what was announced")]
    Differs,
    /// The operating system.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// See the module.
pub(crate) struct Files {
    dir: PathBuf,
    keep_free_bytes: u64,
}

impl Files {
    pub(super) fn open(data_dir: &Path, keep_free_bytes: u64) -> Result<Self, DataDirError> {
        let dir = data_dir.join(ATTACHMENTS_DIR);
        make_dir(&dir).map_err(at(&dir))?;
        Ok(Self { dir, keep_free_bytes })
    }

    /// How much of an upload is here already, if the disk has room for the rest.
    pub(super) async fn room_for(&self, id: AttachmentId, sealed_bytes: u64) -> Result<u64, FileError> {
        let (part, dir, keep_free) = (self.part(id), self.dir.clone(), self.keep_free_bytes);
        blocking(move || {
            let here = match fs::metadata(&part) {
                Ok(found) => found.len().min(sealed_bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(error.into()),
            };
            let disk = rustix::fs::statvfs(&dir).map_err(io::Error::from)?;
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            if free < keep_free.saturating_add(sealed_bytes - here) { Err(FileError::DiskFull) } else { Ok(here) }
        })
        .await
    }

    /// The unfinished file, cut to `from_byte` bytes and open for writing there.
    pub(crate) async fn go_on(&self, id: AttachmentId, from_byte: u64) -> Result<tokio::fs::File, FileError> {
        let part = self.part(id);
        let file = blocking(move || {
            if let Some(parent) = part.parent() {
                make_dir(parent)?;
            }
            let mut file =
                OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(&part)?;
            file.set_len(from_byte)?;
            io::Seek::seek(&mut file, io::SeekFrom::Start(from_byte))?;
            Ok(file)
        })
        .await?;
        Ok(tokio::fs::File::from_std(file))
    }

    /// Makes a whole upload durable under its name, if its hash is right.
    pub(crate) async fn complete(&self, id: AttachmentId, sealed_sha256: [u8; 32]) -> Result<(), FileError> {
        let (part, whole) = (self.part(id), path_of(&self.dir, id));
        blocking(move || {
            let mut file = File::open(&part)?;
            if sha256(&mut file)? != sealed_sha256 {
                fs::remove_file(&part)?;
                return Err(FileError::Differs);
            }
            file.sync_all()?;
            fs::rename(&part, &whole)?;
            if let Some(parent) = whole.parent() {
                File::open(parent)?.sync_all()?;
            }
            Ok(())
        })
        .await
    }

    /// A whole one, open for reading at `from_byte`.
    pub(crate) async fn read(&self, id: AttachmentId, from_byte: u64) -> Result<tokio::fs::File, FileError> {
        let whole = path_of(&self.dir, id);
        let file = blocking(move || {
            let mut file = File::open(&whole)?;
            io::Seek::seek(&mut file, io::SeekFrom::Start(from_byte))?;
            Ok(file)
        })
        .await?;
        Ok(tokio::fs::File::from_std(file))
    }

    pub(super) async fn delete(&self, id: AttachmentId) -> Result<(), FileError> {
        let paths = [self.part(id), path_of(&self.dir, id)];
        blocking(move || {
            for path in paths {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                    Ok(()) | Err(_) => {}
                }
            }
            Ok(())
        })
        .await
    }

    fn part(&self, id: AttachmentId) -> PathBuf {
        path_of(&self.dir, id).with_extension("part")
    }
}

/// The file of a whole attachment below `dir`.
pub(crate) fn path_of(dir: &Path, id: AttachmentId) -> PathBuf {
    let name = id.to_string();
    let shelf = name.get(..2).unwrap_or_default().to_owned();
    dir.join(shelf).join(name)
}

fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn sha256(file: &mut File) -> io::Result<[u8; 32]> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; HASH_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            bytes => hash.update(buffer.get(..bytes).unwrap_or_default()),
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(FileError::Io(io::Error::other(error))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    const ID: AttachmentId = AttachmentId::from_bytes([0xab; 16]);

    async fn write(files: &Files, from_byte: u64, bytes: &[u8]) {
        let mut file = files.go_on(ID, from_byte).await.unwrap();
        file.write_all(bytes).await.unwrap();
        file.flush().await.unwrap();
    }

    #[tokio::test]
    async fn an_upload_goes_on_and_is_kept_only_with_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(dir.path(), 0).unwrap();
        assert_eq!(files.room_for(ID, 10).await.unwrap(), 0);
        write(&files, 0, b"0123xxx").await;
        assert_eq!(files.room_for(ID, 10).await.unwrap(), 7);
        write(&files, 4, b"456789").await; // the client was told 4
        let hash = Sha256::digest(b"0123456789").into();
        assert!(matches!(files.complete(ID, [1; 32]).await, Err(FileError::Differs)));
        assert_eq!(files.room_for(ID, 10).await.unwrap(), 0, "what was wrong is gone");
        write(&files, 0, b"0123456789").await;
        files.complete(ID, hash).await.unwrap();
        assert_eq!(fs::read(path_of(&files.dir, ID)).unwrap(), b"0123456789");
        files.delete(ID).await.unwrap();
        files.delete(ID).await.unwrap();
        assert!(matches!(files.read(ID, 0).await, Err(FileError::Io(_))));
    }

    #[tokio::test]
    async fn what_messages_need_of_the_disk_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(dir.path(), u64::MAX / 2).unwrap();
        assert!(matches!(files.room_for(ID, 1).await, Err(FileError::DiskFull)));
    }
}
