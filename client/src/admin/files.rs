//! Files that only their owner reads and that are whole or absent, whatever happens while they are written.
use crate::admin::AdminError;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

const LOCK_FILE: &str = "lock";

/// Makes a directory, readable by its owner only, unless it is there.
pub(crate) fn create_dir(path: &Path) -> Result<(), AdminError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(AdminError::file(path))
}

/// Replaces a file in one step: a crash leaves the old one or the new one, and what this returned from survives power loss.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), AdminError> {
    let temporary = path.with_extension("new");
    let written = remove_if_there(&temporary).and_then(|()| {
        let mut file = private().create_new(true).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_parent(path)
    });
    written.map_err(AdminError::file(path))
}

/// Writes a new file, readable by its owner only. Errors when it exists.
pub(crate) fn create(path: &Path, content: &[u8]) -> Result<(), AdminError> {
    let written = private().create_new(true).open(path).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        sync_parent(path)
    });
    written.map_err(AdminError::file(path))
}

/// Holds a directory for this process; the lock goes with the returned file, or with the process.
pub(crate) fn lock(dir: &Path) -> Result<File, AdminError> {
    let path = dir.join(LOCK_FILE);
    let file = private().create(true).truncate(false).open(&path).map_err(AdminError::file(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AdminError::Locked(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(AdminError::file(&path)(error)),
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A new name is durable only when its directory is.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_private_and_replaced_whole() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("a/b");
        create_dir(&dir).unwrap();
        let path = dir.join("secret");
        create(&path, b"one").unwrap();
        assert!(create(&path, b"two").is_err(), "an existing file was overwritten");
        fs::write(path.with_extension("new"), b"left behind by a crash").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn one_program_at_a_time() {
        let base = tempfile::tempdir().unwrap();
        let held = lock(base.path()).unwrap();
        assert!(matches!(lock(base.path()), Err(AdminError::Locked(_))));
        drop(held);
        lock(base.path()).unwrap();
    }
}
