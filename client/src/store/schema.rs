//! The tables, and how an older file becomes a newer one.
use super::StoreError;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

/// The schema's version, kept in `user_version`.
const VERSION: i64 = 1;

const TABLES: &[&str] = &[
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE cells (key BLOB PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE statements (version INTEGER PRIMARY KEY, statement BLOB NOT NULL)",
    "CREATE TABLE conversations (
        conversation_id BLOB PRIMARY KEY,
        kind INTEGER NOT NULL,
        title TEXT,
        cursor INTEGER NOT NULL,
        read_seq INTEGER NOT NULL,
        state INTEGER NOT NULL,
        needs_directory INTEGER NOT NULL,
        floor_epoch INTEGER,
        floor_authenticator BLOB,
        receipts BLOB NOT NULL)",
    "CREATE TABLE history (
        conversation_id BLOB NOT NULL,
        message_id BLOB NOT NULL,
        seq INTEGER NOT NULL,
        sender_account_id BLOB NOT NULL,
        sender_device_id BLOB NOT NULL,
        sent_at_ms INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (conversation_id, message_id))",
    "CREATE INDEX history_seq ON history (conversation_id, seq)",
    "CREATE TABLE outbox (message_id BLOB PRIMARY KEY, place INTEGER NOT NULL, conversation_id BLOB NOT NULL)",
];

pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    match version {
        0 => {
            let mut transaction = connection.begin().await?;
            for table in TABLES {
                sqlx::query(*table).execute(&mut *transaction).await?;
            }
            sqlx::query("PRAGMA user_version = 1").execute(&mut *transaction).await?;
            Ok(transaction.commit().await?)
        }
        VERSION => Ok(()),
        _ => Err(StoreError::Damaged("it was written by a newer version of this program: update it")),
    }
}
