//! One file that holds what a node needs to live again, its database and its keys; and beside it, if people sent files, a directory with their
//! ciphertexts. Those never change once they are complete, so the directory may be brought up to date by any tool that copies what is missing.
//!
//! The file is itself a SQLite database: a consistent copy of the node's, taken while it runs, with the key files in one more table. It is as
//! secret as the data directory, and like it holds no message in clear.
use crate::attachments::{ATTACHMENTS_DIR, path_of};
use crate::identity::{
    CARD_FILE, CERTIFICATE_FILE, CERTIFICATE_KEY_FILE, DataDir, DataDirError, PROPOSER_FILE, at, write_private,
};
use crate::node::meta;
use crate::push::PUSH_KEY_FILE;
use crate::store::{SqliteStore, attachment, database_path};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use wardline_signaling::StoreError;
use zeroize::Zeroizing;

/// Files of the data directory that go along.
const FILES: [&str; 4] = [CERTIFICATE_FILE, CERTIFICATE_KEY_FILE, PROPOSER_FILE, CARD_FILE];

/// Files that go along if they are there.
const OPTIONAL_FILES: [&str; 1] = [PUSH_KEY_FILE];

/// Rows read at once.
const ATTACHMENTS_PER_PAGE: usize = 1_000;

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
    /// The ciphertexts beside the file are not all there.
    #[error("{missing} files that people sent are not in {path}: put the directory of the backup there")]
    AttachmentsMissing {
        /// Where they belong.
        path: PathBuf,
        /// How many.
        missing: usize,
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
    let done = match take(&dir, &partial).await {
        Ok(()) => take_attachments(&dir, &partial, &beside(to)).await,
        Err(error) => Err(error),
    };
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
    let optional = OPTIONAL_FILES.into_iter().filter(|name| dir.file(name).exists());
    for name in FILES.into_iter().chain(optional) {
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

/// Where the ciphertexts of a backup are.
fn beside(backup: &Path) -> PathBuf {
    let mut path = backup.as_os_str().to_owned();
    path.push(".attachments");
    path.into()
}

/// Copies what the copied database calls complete. What an earlier attempt left there is taken over.
async fn take_attachments(dir: &DataDir, copy: &Path, to: &Path) -> Result<(), BackupError> {
    let from = dir.file(ATTACHMENTS_DIR);
    let missing = copy_attachments(copy, &from, to).await?;
    if missing > 0 {
        // A backup of what is left is better than none.
        tracing::error!(
            missing,
            "files that people sent are missing in the data directory: they are not in the backup"
        );
    }
    Ok(())
}

/// Copies every complete attachment of a database; gives how many are not there.
async fn copy_attachments(database: &Path, from: &Path, to: &Path) -> Result<usize, BackupError> {
    let mut database = open(database).await?;
    let (mut after, mut missing) = (Vec::new(), 0);
    loop {
        let page = attachment::complete(&mut database, &after, ATTACHMENTS_PER_PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = last.as_bytes().to_vec();
        for (id, bytes) in page {
            let (source, target) = (path_of(from, id), path_of(to, id));
            let whole = |path: &Path| fs::metadata(path).is_ok_and(|found| found.len() == bytes);
            if whole(&target) {
                continue;
            }
            if !whole(&source) {
                missing += 1;
                continue;
            }
            copy_private(&source, &target)?;
        }
    }
    database.close().await?;
    Ok(missing)
}

fn copy_private(source: &Path, target: &Path) -> Result<(), DataDirError> {
    if let Some(parent) = target.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(at(parent))?;
    }
    fs::copy(source, target).map_err(at(target))?;
    write_mode(target)?;
    File::open(target).and_then(|file| file.sync_all()).map_err(at(target))
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
    let stored = |name: &str| files.iter().find(|(stored, _)| stored == name).map(|(_, content)| content.as_slice());
    for name in FILES {
        dir.write(name, stored(name).ok_or_else(|| damaged(format!("it holds no {name}")))?)?;
    }
    for (name, content) in OPTIONAL_FILES.into_iter().filter_map(|name| Some((name, stored(name)?))) {
        dir.write(name, content)?;
    }
    sqlx::raw_sql("PRAGMA secure_delete = ON; DROP TABLE backup_file").execute(&mut copy).await?;
    copy.close().await?;
    let store = SqliteStore::open(&database).await?;
    store.set_meta(meta::INCARNATION, &crate::random::<16>()).await?;
    store.close().await?;
    // By now the tables are those of this program.
    let missing = copy_attachments(&database, &beside(from), &dir.file(ATTACHMENTS_DIR)).await?;
    if missing > 0 {
        return Err(BackupError::AttachmentsMissing { path: beside(from), missing });
    }
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
