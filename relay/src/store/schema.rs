//! The tables, as a list of steps that only grows. A database knows how many steps it has taken.
use super::failed;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use wardline_signaling::StoreError;

/// The version this program writes.
pub const SCHEMA_VERSION: i64 = STEPS.len() as i64;

/// Each step is applied once, in one transaction, and never changed after a release.
const STEPS: &[&str] = &[STEP_1, STEP_2, STEP_3, STEP_4, STEP_5, STEP_6];

/// `entry_message` finds a message that is sent again; see [`STEP_3`].
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

/// What devices may still read of groups they are out of. A database from before this step knows nothing of earlier removals.
const STEP_2: &str = "
CREATE TABLE former_member (
  conversation_id BLOB NOT NULL,
  device_id BLOB NOT NULL,
  first_seq INTEGER NOT NULL,
  left_seq INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, device_id, first_seq)
) STRICT;
CREATE INDEX former_member_device ON former_member (device_id);
";

/// An id stands for one message of a conversation: the first with it. The plane refuses a repeated one; if a hostile member gets one
/// past it (an id older than the plane remembers, without saying `again`), the entry keeps its place in the log, where a number must not
/// be missing, but it is marked and not found under the id, and receivers drop it by the id inside the encryption. A failed constraint
/// would stop the node for everybody instead.
const STEP_3: &str = "
ALTER TABLE entry ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0;
UPDATE entry SET repeats = 1 WHERE message_id IS NOT NULL AND EXISTS (
  SELECT 1 FROM entry AS earlier WHERE earlier.conversation_id = entry.conversation_id
  AND earlier.message_id = entry.message_id AND earlier.seq < entry.seq
);
DROP INDEX entry_message;
CREATE UNIQUE INDEX entry_message ON entry (conversation_id, message_id) WHERE message_id IS NOT NULL AND repeats = 0;
";

/// What the node knows of the files in `attachments`.
const STEP_4: &str = "
CREATE TABLE attachment (
  attachment_id BLOB NOT NULL PRIMARY KEY,
  conversation_id BLOB NOT NULL,
  account_id BLOB NOT NULL,
  sealed_bytes INTEGER NOT NULL,
  sealed_sha256 BLOB NOT NULL,
  created_ms INTEGER NOT NULL,
  complete INTEGER NOT NULL
) STRICT;
CREATE INDEX attachment_unfinished ON attachment (created_ms) WHERE complete = 0;
CREATE INDEX attachment_account ON attachment (account_id, sealed_bytes);
";

/// How devices are woken. What is here lets whoever has it and the node's VAPID key wake them, and no more.
const STEP_5: &str = "
CREATE TABLE push (
  device_id BLOB NOT NULL PRIMARY KEY,
  endpoint TEXT NOT NULL,
  p256dh BLOB NOT NULL,
  auth BLOB NOT NULL
) STRICT;
";

/// Who has taken note of which message in a channel.
const STEP_6: &str = "
CREATE TABLE confirmation (
  conversation_id BLOB NOT NULL,
  seq INTEGER NOT NULL,
  account_id BLOB NOT NULL,
  confirmed_at_ms INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, seq, account_id)
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

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    /// A database as the first program made it, with one id three times in one conversation and once in another.
    async fn first_version() -> SqliteConnection {
        let mut old = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
        sqlx::raw_sql("CREATE TABLE schema_step (version INTEGER NOT NULL PRIMARY KEY) STRICT")
            .execute(&mut old)
            .await
            .unwrap();
        sqlx::raw_sql(STEP_1).execute(&mut old).await.unwrap();
        sqlx::raw_sql("INSERT INTO schema_step (version) VALUES (1)").execute(&mut old).await.unwrap();
        for (conversation, seq, message) in [(1u8, 1, 7u8), (1, 2, 8), (1, 3, 7), (1, 4, 7), (2, 1, 7)] {
            sqlx::query("INSERT INTO entry VALUES ($1, $2, 0, X'00', X'00', 0, $3, X'00')")
                .bind(vec![conversation])
                .bind(seq)
                .bind(vec![message])
                .execute(&mut old)
                .await
                .unwrap();
        }
        old
    }

    #[tokio::test]
    async fn repeated_ids_of_an_older_database_are_marked() {
        let mut database = first_version().await;
        migrate(&mut database).await.unwrap();
        let repeats: Vec<(Vec<u8>, i64)> =
            sqlx::query_as("SELECT conversation_id, seq FROM entry WHERE repeats = 1 ORDER BY seq")
                .fetch_all(&mut database)
                .await
                .unwrap();
        assert_eq!(repeats, [(vec![1], 3), (vec![1], 4)]);
        let twice = sqlx::query("UPDATE entry SET repeats = 0").execute(&mut database).await;
        assert!(twice.is_err(), "the database itself holds an id once");
        migrate(&mut database).await.unwrap();
    }
}
