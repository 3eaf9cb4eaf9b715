//! The tables, as a list of steps that only grows. A database knows how many steps it has taken.
use super::failed;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use wardline_signaling::StoreError;

/// The version this program writes.
pub const SCHEMA_VERSION: i64 = STEPS.len() as i64;

/// Each step is applied once, in one transaction, and never changed after a release.
const STEPS: &[&str] = &[STEP_1];

/// `entry_message` finds a message that is sent again. It is not UNIQUE: the plane refuses a repeated id, and if a hostile member gets one
/// past it (an id older than the plane remembers, without saying `again`), receivers drop it by the id inside the encryption; a failed
/// constraint here would stop the node for everybody instead.
///
/// Ids are 16 bytes, times are Unix milliseconds. `STRICT` is SQLite's; the PostgreSQL step differs in it and in BLOB (BYTEA) only.
const STEP_1: &str = "
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT;

CREATE TABLE statement (version INTEGER NOT NULL PRIMARY KEY, body BLOB NOT NULL, signature BLOB NOT NULL) STRICT;

CREATE TABLE device (
  device_id BLOB NOT NULL PRIMARY KEY,
  account_id BLOB NOT NULL,
  chain BLOB NOT NULL,
  enrolled_at_ms INTEGER NOT NULL,
  last_seen_ms INTEGER NOT NULL,
  revoked INTEGER NOT NULL
) STRICT;

CREATE TABLE account_state (
  account_id BLOB NOT NULL PRIMARY KEY,
  locked INTEGER NOT NULL,
  second_uses INTEGER NOT NULL
) STRICT;

CREATE TABLE key_package (id INTEGER NOT NULL PRIMARY KEY, device_id BLOB NOT NULL, key_package BLOB NOT NULL) STRICT;
CREATE INDEX key_package_device ON key_package (device_id);

CREATE TABLE last_resort (device_id BLOB NOT NULL PRIMARY KEY, key_package BLOB NOT NULL) STRICT;

CREATE TABLE conversation (
  conversation_id BLOB NOT NULL PRIMARY KEY,
  epoch INTEGER NOT NULL,
  group_info BLOB NOT NULL,
  ratchet_tree BLOB NOT NULL
) STRICT;

CREATE TABLE entry (
  conversation_id BLOB NOT NULL,
  seq INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  sender_account_id BLOB NOT NULL,
  sender_device_id BLOB NOT NULL,
  accepted_at_ms INTEGER NOT NULL,
  message_id BLOB,
  content BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX entry_seq ON entry (conversation_id, seq);
CREATE INDEX entry_message ON entry (conversation_id, message_id) WHERE message_id IS NOT NULL;

CREATE TABLE member (
  conversation_id BLOB NOT NULL,
  device_id BLOB NOT NULL,
  first_seq INTEGER NOT NULL,
  delivered_seq INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, device_id)
) STRICT;

CREATE TABLE departed (
  conversation_id BLOB NOT NULL,
  account_id BLOB NOT NULL,
  PRIMARY KEY (conversation_id, account_id)
) STRICT;

CREATE TABLE read_position (
  conversation_id BLOB NOT NULL,
  account_id BLOB NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, account_id)
) STRICT;

CREATE TABLE welcome (
  conversation_id BLOB NOT NULL,
  device_id BLOB NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, device_id)
) STRICT;
CREATE INDEX welcome_device ON welcome (device_id);

CREATE TABLE welcome_content (
  conversation_id BLOB NOT NULL,
  seq INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  welcome BLOB NOT NULL,
  ratchet_tree BLOB NOT NULL,
  PRIMARY KEY (conversation_id, seq)
) STRICT;
";

/// Takes the steps that are missing. Refuses a database of a newer program.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS schema_step (version INTEGER NOT NULL PRIMARY KEY) STRICT")
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    let (done,): (i64,) = sqlx::query_as("SELECT COALESCE(MAX(version), 0) FROM schema_step")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if done > SCHEMA_VERSION {
        return Err(StoreError(format!(
            "the database has schema {done}, this program knows {SCHEMA_VERSION}: run the newer program"
        )));
    }
    for (version, step) in (1i64..).zip(STEPS).filter(|(version, _)| *version > done) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(failed)?;
        sqlx::query("INSERT INTO schema_step (version) VALUES ($1)")
            .bind(version)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
    }
    Ok(())
}
