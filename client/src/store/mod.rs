//! A device's durable state: one SQLite file that only its owner may read.
//!
//! Write-ahead log, synced at every commit: when [`Store::apply`] returns, the changes survive a power cut. Deleted cells are overwritten,
//! since they are keys that forward secrecy wants gone.
//!
//! Absent on purpose: any decision. What is stored when is the core's business.
mod apply;
mod history;
mod identity;
mod load;
mod schema;

pub use identity::Place;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// The file below a device's state directory.
pub const DATABASE_FILE: &str = "device.db";

/// How long another program of the same device is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is none yet.
    #[error("this device is not enrolled yet: run `wardline-client enrol LINK` first")]
    NotEnrolled,
    /// There is one already.
    #[error("this directory holds an enrolled device already: use another --dir")]
    Enrolled,
    /// Another program has it open.
    #[error("another wardline-client uses this device now: end it, or use another --dir")]
    InUse,
    /// The file system or SQLite refused.
    #[error("the device's state cannot be used: {0}")]
    Failed(String),
    /// What was read makes no sense.
    #[error("the device's state is damaged: {0}")]
    Damaged(&'static str),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The open state of one device.
pub struct Store {
    connection: Mutex<SqliteConnection>,
    /// Held for as long as the state is open: two programs with one ratchet would make it unusable.
    _lock: std::fs::File,
}

impl Store {
    /// Opens, or with `create` makes, the state in a directory. The directory is made for its owner alone.
    pub async fn open(directory: &Path, create: bool) -> Result<Self, StoreError> {
        let path = directory.join(DATABASE_FILE);
        if !create && !path.exists() {
            return Err(StoreError::NotEnrolled);
        }
        make_private(directory, &path)?;
        let lock = lock(directory)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(LOCK_WAIT)
            .pragma("secure_delete", "ON")
            .foreign_keys(true);
        let mut connection = options.connect().await?;
        schema::migrate(&mut connection).await?;
        Ok(Self { connection: Mutex::new(connection), _lock: lock })
    }

    /// Closes it, everything written.
    pub async fn close(self) -> Result<(), StoreError> {
        Ok(self.connection.into_inner().close().await?)
    }

    async fn connection(&self) -> MutexGuard<'_, SqliteConnection> {
        self.connection.lock().await
    }
}

#[cfg(unix)]
fn make_private(directory: &Path, path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if !directory.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    // SQLite gives its write-ahead log the mode of the database.
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    Ok(())
}

#[cfg(not(unix))]
fn make_private(directory: &Path, _path: &Path) -> Result<(), StoreError> {
    Ok(std::fs::create_dir_all(directory)?)
}

fn lock(directory: &Path) -> Result<std::fs::File, StoreError> {
    let path: PathBuf = directory.join("lock");
    let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// SQLite integers are signed; every number here is far below 2^63.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
