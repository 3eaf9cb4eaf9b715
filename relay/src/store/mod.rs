//! Durable state on SQLite: write-ahead log, synced at every commit, one writer connection, a few readers.
//!
//! The SQL is kept to what PostgreSQL understands too, apart from [`schema`]. What may be written when is the plane's business;
//! who is told afterwards, and what happens when a write fails, is in `node`.
pub(crate) mod attachment;
mod cursors;
mod group;
mod load;
mod push;
mod read;
mod schema;
mod write;

pub use group::{Committed, StoreFailed, WriteOrder, run as run_group_commit};
pub use schema::SCHEMA_VERSION;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Mutex;
use wardline_signaling::{Answer, Query, Snapshot, Store, StoreError, Write};

/// Connections that answer queries at the same time. A query waits for one; the plane bounds how many wait.
pub const READERS: u32 = 4;

/// How long a lock of another program on the database (a backup tool that should not) is waited for before a write counts as failed.
pub const LOCK_WAIT: Duration = Duration::from_secs(2);

/// How long a query waits for a reader connection.
const READER_WAIT: Duration = Duration::from_secs(10);

/// The file below the data directory.
pub const DATABASE_FILE: &str = "wardline.db";

/// The embedded store.
pub struct SqliteStore {
    writer: Mutex<SqliteConnection>,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Makes a new database. Errors when there is one.
    pub async fn create(path: &Path) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(StoreError(format!("{} exists already", path.display())));
        }
        Self::connect(options(path).create_if_missing(true)).await
    }

    /// Opens a database and brings its schema up to date. Errors when it is missing, newer than this program, or not writable.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::connect(options(path)).await
    }

    async fn connect(options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let mut writer = options.clone().connect().await.map_err(failed)?;
        schema::migrate(&mut writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(READER_WAIT)
            .connect_lazy_with(options.read_only(true));
        let store = Self { writer: Mutex::new(writer), readers };
        store.set_meta("opened", b"").await?; // proves that it can be written, before anybody relies on it
        Ok(store)
    }

    /// A value that belongs to the node itself, e.g. its id.
    pub async fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(Vec<u8>,)> = sqlx::query_as("SELECT value FROM meta WHERE name = $1")
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        Ok(row.map(|(value,)| value))
    }

    /// Sets such a value, durable when it returns.
    pub async fn set_meta(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().await;
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(key)
        .bind(value)
        .execute(&mut *writer)
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// Closes all connections; folds the write-ahead log into the database.
    pub async fn close(self) -> Result<(), StoreError> {
        self.readers.close().await;
        self.writer.into_inner().close().await.map_err(failed)
    }
}

impl Store for SqliteStore {
    async fn load(&self) -> Result<Snapshot, StoreError> {
        let mut reader = self.readers.acquire().await.map_err(failed)?;
        load::snapshot(&mut reader).await.map_err(failed)
    }

    async fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().await;
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        write::apply_all(&mut transaction, &writes).await?;
        transaction.commit().await.map_err(failed)
    }

    async fn read(&self, query: Query) -> Result<Answer, StoreError> {
        let mut reader = self.readers.acquire().await.map_err(failed)?;
        read::answer(&mut reader, &query).await
    }
}

/// The database's path in a data directory.
pub fn database_path(data_dir: &Path) -> PathBuf {
    data_dir.join(DATABASE_FILE)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        .busy_timeout(LOCK_WAIT)
        .pragma("cache_size", "-65536")
        .pragma("wal_autocheckpoint", "4000")
        .disable_statement_logging()
}

/// What SQLite says, without statements or values: the log may hold it.
fn failed(error: sqlx::Error) -> StoreError {
    StoreError(match error {
        sqlx::Error::Database(error) => format!("{} (code {})", error.message(), error.code().unwrap_or_default()),
        sqlx::Error::PoolTimedOut => "no reader became free in time".into(),
        other => other.to_string(),
    })
}

/// SQL integers are signed; nothing counted here comes near the end of them.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_commit_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::create(&database_path(dir.path())).await.unwrap();
        let mut writer = store.writer.lock().await;
        let (synchronous,): (i64,) = sqlx::query_as("PRAGMA synchronous").fetch_one(&mut *writer).await.unwrap();
        let (journal,): (String,) = sqlx::query_as("PRAGMA journal_mode").fetch_one(&mut *writer).await.unwrap();
        assert_eq!((synchronous, journal.as_str()), (2, "wal"), "FULL is 2");
    }

    #[tokio::test]
    async fn a_database_of_a_newer_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = database_path(dir.path());
        let store = SqliteStore::create(&path).await.unwrap();
        let newer = sqlx::query("INSERT INTO schema_step (version) VALUES ($1)").bind(SCHEMA_VERSION + 1);
        newer.execute(&mut *store.writer.lock().await).await.unwrap();
        store.close().await.unwrap();
        let error = SqliteStore::open(&path).await.err().unwrap().to_string();
        assert!(error.contains("newer program"), "{error}");
        assert!(SqliteStore::create(&path).await.is_err());
        assert!(SqliteStore::open(&dir.path().join("absent.db")).await.is_err());
    }
}
