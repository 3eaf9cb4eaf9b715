//! One file that holds everything a node needs to live again: its database and its keys.
//!
//! The file is itself a SQLite database: a consistent copy of the node's, taken while it runs, with the key files in one more table. It is as
//! secret as the data directory, and like it holds no message in clear.
use crate::identity::{
    CARD_FILE, CERTIFICATE_FILE, CERTIFICATE_KEY_FILE, DataDir, DataDirError, PROPOSER_FILE, at, write_private,
};
use crate::node::meta;
use crate::store::{SqliteStore, database_path};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use wardline_signaling::StoreError;
use zeroize::Zeroizing;

/// Files of the data directory that go along.
const FILES: [&str; 4] = [CERTIFICATE_FILE, CERTIFICATE_KEY_FILE, PROPOSER_FILE, CARD_FILE];

/// The backup was not taken or not restored; nothing half-done is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A directory or file.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The target is there already.
    #[error("{0} exists already: backups are never overwritten")]
    Exists(PathBuf),
    /// The file is something else, or damaged.
    #[error("{path} is no sound backup: {reason}")]
    NotABackup {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// SQLite.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The restored database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies a node's state into a new file, while the node may be running. Durable when it returns.
pub async fn backup(data_dir: &Path, to: &Path) -> Result<(), BackupError> {
    let dir = DataDir::open(data_dir)?;
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let done = take(&dir, &partial).await;
    let done = match done {
        Ok(()) => fs::rename(&partial, to).map_err(|error| at(to)(error).into()),
        Err(error) => Err(error),
    };
    if done.is_err() && partial.exists() && fs::remove_file(&partial).is_err() {
        tracing::warn!("the unfinished backup could not be removed");
    }
    done?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(at(parent))?;
    Ok(())
}

async fn take(dir: &DataDir, partial: &Path) -> Result<(), BackupError> {
    write_private(partial, b"")?; // so that it is never readable by others
    let mut source = SqliteConnectOptions::new()
        .filename(database_path(dir.path()))
        .create_if_missing(false)
        .disable_statement_logging()
        .connect()
        .await?;
    sqlx::query("VACUUM INTO $1").bind(partial.to_string_lossy().into_owned()).execute(&mut source).await?;
    source.close().await?;

    let mut copy = open(partial).await?;
    sqlx::raw_sql("CREATE TABLE backup_file (name TEXT NOT NULL PRIMARY KEY, content BLOB NOT NULL) STRICT")
        .execute(&mut copy)
        .await?;
    for name in FILES {
        let path = dir.file(name);
        let content = Zeroizing::new(fs::read(&path).map_err(at(&path))?);
        sqlx::query("INSERT INTO backup_file (name, content) VALUES ($1, $2)")
            .bind(name)
            .bind(content.to_vec())
            .execute(&mut copy)
            .await?;
    }
    check(&mut copy, partial).await?;
    copy.close().await?;
    File::open(partial).and_then(|file| file.sync_all()).map_err(at(partial))?;
    Ok(())
}

/// Makes a data directory from a backup. It gets a new incarnation, by which clients that are ahead of it notice and heal.
/// Refuses a directory that is not empty.
pub async fn restore(from: &Path, data_dir: &Path) -> Result<(), BackupError> {
    if !from.is_file() {
        return Err(BackupError::NotABackup { path: from.to_owned(), reason: "there is no such file".into() });
    }
    let dir = DataDir::create(data_dir)?;
    let done = unpack(from, &dir).await;
    if done.is_err() && fs::remove_dir_all(data_dir).is_err() {
        tracing::warn!("the half-restored data directory could not be removed");
    }
    done
}

async fn unpack(from: &Path, dir: &DataDir) -> Result<(), BackupError> {
    let database = database_path(dir.path());
    write_private(&database, b"")?;
    fs::copy(from, &database).map_err(at(from))?;
    write_mode(&database)?;
    let damaged = |reason: String| BackupError::NotABackup { path: from.to_owned(), reason };
    let mut copy = open(&database).await.map_err(|error| damaged(error.to_string()))?;
    check(&mut copy, from).await?;
    let files: Vec<(String, Vec<u8>)> = sqlx::query_as("SELECT name, content FROM backup_file")
        .fetch_all(&mut copy)
        .await
        .map_err(|_| damaged("it holds no key files".into()))?;
    for name in FILES {
        let content = files.iter().find(|(stored, _)| stored == name).map(|(_, content)| content.as_slice());
        dir.write(name, content.ok_or_else(|| damaged(format!("it holds no {name}")))?)?;
    }
    sqlx::raw_sql("PRAGMA secure_delete = ON; DROP TABLE backup_file").execute(&mut copy).await?;
    copy.close().await?;
    let store = SqliteStore::open(&database).await?;
    store.set_meta(meta::INCARNATION, &crate::random::<16>()).await?;
    store.close().await?;
    dir.sync()?;
    Ok(())
}

/// `fs::copy` takes over the mode of a backup that somebody made readable.
fn write_mode(path: &Path) -> Result<(), DataDirError> {
    let private = <fs::Permissions as PermissionsExt>::from_mode(0o600);
    fs::set_permissions(path, private).map_err(at(path))
}

async fn open(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
        .connect()
        .await
}

async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<(), BackupError> {
    let damaged = |reason: String| BackupError::NotABackup { path: path.to_owned(), reason };
    let (verdict,): (String,) = sqlx::query_as("PRAGMA integrity_check")
        .fetch_one(connection)
        .await
        .map_err(|error| damaged(error.to_string()))?;
    if verdict == "ok" { Ok(()) } else { Err(damaged(verdict)) }
}
