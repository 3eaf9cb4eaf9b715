//! Rows of attachments.
use super::load::id;
use super::{int, unsigned};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Row, Sqlite, query, query_as};
use wardline_protocol::{AccountId, AttachmentId, ConversationId};
use wardline_signaling::AttachmentRow;

const COLUMNS: &str =
    "SELECT attachment_id, conversation_id, account_id, sealed_bytes, sealed_sha256, created_ms, complete";

/// Stores one, or that it is complete now.
pub(super) fn put(row: &AttachmentRow) -> Query<'static, Sqlite, SqliteArguments> {
    query(
        "INSERT INTO attachment (attachment_id, conversation_id, account_id, sealed_bytes, sealed_sha256, created_ms, complete)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (attachment_id) DO UPDATE SET complete = excluded.complete",
    )
    .bind(row.attachment_id.as_bytes().to_vec())
    .bind(row.conversation_id.as_bytes().to_vec())
    .bind(row.account_id.as_bytes().to_vec())
    .bind(int(row.sealed_bytes))
    .bind(row.sealed_sha256.to_vec())
    .bind(int(row.created_ms))
    .bind(i64::from(row.complete))
}

/// Forgets one.
pub(super) fn delete(attachment_id: &AttachmentId) -> Query<'static, Sqlite, SqliteArguments> {
    query("DELETE FROM attachment WHERE attachment_id = $1").bind(attachment_id.as_bytes().to_vec())
}

/// One of them.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    attachment_id: &AttachmentId,
) -> sqlx::Result<Option<AttachmentRow>> {
    let text = format!("{COLUMNS} FROM attachment WHERE attachment_id = $1");
    let found =
        query(sqlx::AssertSqlSafe(text)).bind(attachment_id.as_bytes().to_vec()).fetch_optional(connection).await?;
    found.as_ref().map(row).transpose()
}

/// Those that are not complete.
pub(super) async fn unfinished(connection: &mut SqliteConnection) -> sqlx::Result<Vec<AttachmentRow>> {
    let text = format!("{COLUMNS} FROM attachment WHERE complete = 0 ORDER BY attachment_id");
    query(sqlx::AssertSqlSafe(text)).fetch_all(connection).await?.iter().map(row).collect()
}

/// What each account has, unfinished ones included.
pub(super) async fn bytes_by_account(connection: &mut SqliteConnection) -> sqlx::Result<Vec<(AccountId, u64)>> {
    let rows: Vec<(Vec<u8>, i64)> =
        query_as("SELECT account_id, SUM(sealed_bytes) FROM attachment GROUP BY account_id ORDER BY account_id")
            .fetch_all(connection)
            .await?;
    rows.into_iter().map(|(account, bytes)| Ok((id(&account, AccountId::parse)?, unsigned(bytes)))).collect()
}

/// Ids and lengths of those that are complete, a page after `after`.
pub(crate) async fn complete(
    connection: &mut SqliteConnection,
    after: &[u8],
    limit: usize,
) -> sqlx::Result<Vec<(AttachmentId, u64)>> {
    let rows: Vec<(Vec<u8>, i64)> = query_as(
        "SELECT attachment_id, sealed_bytes FROM attachment WHERE complete = 1 AND attachment_id > $1
         ORDER BY attachment_id LIMIT $2",
    )
    .bind(after.to_vec())
    .bind(int(limit as u64))
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|(found, bytes)| Ok((id(&found, AttachmentId::parse)?, unsigned(bytes)))).collect()
}

fn row(row: &SqliteRow) -> sqlx::Result<AttachmentRow> {
    let sha256: Vec<u8> = row.try_get("sealed_sha256")?;
    let sealed_sha256 = sha256.try_into().map_err(|_| sqlx::Error::Decode("a hash has another length".into()))?;
    Ok(AttachmentRow {
        attachment_id: id(row.try_get("attachment_id")?, AttachmentId::parse)?,
        conversation_id: id(row.try_get("conversation_id")?, ConversationId::parse)?,
        account_id: id(row.try_get("account_id")?, AccountId::parse)?,
        sealed_bytes: unsigned(row.try_get("sealed_bytes")?),
        sealed_sha256,
        created_ms: unsigned(row.try_get("created_ms")?),
        complete: row.try_get::<i64, _>("complete")? != 0,
    })
}
