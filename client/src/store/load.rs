//! What a device starts from again.
use super::apply::{INCARNATION, receipts_from_bytes, state_from};
use super::history::message_from;
use super::identity::DIRECTORY_FLOOR;
use super::{Store, StoreError, uint};
use crate::core::{ConversationRecord, Counter, OutboxRecord, SEEN_MESSAGES_MAX, Saved};
use prost::Message as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query, query_as, query_scalar};
use wardline_protocol::wire::{ConversationKind, Statement};
use wardline_protocol::{ConversationId, Incarnation, MessageId};

impl Store {
    /// Everything the core needs.
    pub async fn load(&self) -> Result<Saved, StoreError> {
        let mut connection = self.connection().await;
        let connection = &mut *connection;
        let mut saved = Saved {
            cells: query_as("SELECT key, value FROM cells").fetch_all(&mut *connection).await?,
            ..Saved::default()
        };
        let statements: Vec<Vec<u8>> =
            query_scalar("SELECT statement FROM statements ORDER BY version").fetch_all(&mut *connection).await?;
        for bytes in statements {
            let statement = Statement::decode(bytes.as_slice()).map_err(|_| StoreError::Damaged("a statement"))?;
            saved.statements.push(statement);
        }
        for row in query("SELECT * FROM conversations").fetch_all(&mut *connection).await? {
            let (id, record) = conversation_from(&row)?;
            seen(connection, id, &mut saved).await?;
            saved.conversations.insert(id, record);
        }
        let rows = query(
            "SELECT history.*, outbox.place FROM outbox JOIN history
                ON history.message_id = outbox.message_id AND history.conversation_id = outbox.conversation_id
                ORDER BY outbox.place",
        )
        .fetch_all(&mut *connection)
        .await?;
        for row in rows {
            if let Some(message) = message_from(&row)? {
                saved.outbox.push(OutboxRecord { place: uint(row.try_get("place")?), message });
            }
        }
        for counter in Counter::ALL {
            let value: Option<i64> = query_scalar("SELECT value FROM counters WHERE name = $1")
                .bind(counter.name())
                .fetch_optional(&mut *connection)
                .await?;
            saved.counters.insert(counter, uint(value.unwrap_or(0)));
        }
        let incarnation: Option<Vec<u8>> = query_scalar("SELECT value FROM meta WHERE name = $1")
            .bind(INCARNATION)
            .fetch_optional(&mut *connection)
            .await?;
        let floor: Option<Vec<u8>> = query_scalar("SELECT value FROM meta WHERE name = $1")
            .bind(DIRECTORY_FLOOR)
            .fetch_optional(&mut *connection)
            .await?;
        saved.directory_floor = floor.and_then(|bytes| {
            let (version, hash) = bytes.split_first_chunk::<8>()?;
            Some((u64::from_be_bytes(*version), hash.try_into().ok()?))
        });
        saved.incarnation = incarnation.and_then(|bytes| Incarnation::parse(&bytes).ok());
        Ok(saved)
    }
}

/// The newest message ids of a conversation, the oldest of them first.
async fn seen(connection: &mut SqliteConnection, id: ConversationId, saved: &mut Saved) -> Result<(), StoreError> {
    let ids: Vec<Vec<u8>> = query_scalar(
        "SELECT message_id FROM history WHERE conversation_id = $1 ORDER BY seq = 0 DESC, seq DESC LIMIT $2",
    )
    .bind(id.as_bytes().as_slice())
    .bind(i64::try_from(SEEN_MESSAGES_MAX).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    for bytes in ids.iter().rev() {
        saved.seen.push((id, MessageId::parse(bytes).map_err(|_| StoreError::Damaged("a message id"))?));
    }
    Ok(())
}

fn conversation_from(row: &SqliteRow) -> Result<(ConversationId, ConversationRecord), StoreError> {
    let id: Vec<u8> = row.try_get("conversation_id")?;
    let id = ConversationId::parse(&id).map_err(|_| StoreError::Damaged("a conversation id"))?;
    let kind: i64 = row.try_get("kind")?;
    let floor_epoch: Option<i64> = row.try_get("floor_epoch")?;
    let floor_authenticator: Option<Vec<u8>> = row.try_get("floor_authenticator")?;
    let receipts: Vec<u8> = row.try_get("receipts")?;
    let record = ConversationRecord {
        kind: i32::try_from(kind)
            .ok()
            .and_then(|kind| ConversationKind::try_from(kind).ok())
            .ok_or(StoreError::Damaged("a conversation's kind"))?,
        title: row.try_get("title")?,
        cursor: uint(row.try_get("cursor")?),
        read_seq: uint(row.try_get("read_seq")?),
        state: state_from(row.try_get("state")?)?,
        needs_directory: uint(row.try_get("needs_directory")?),
        floor: floor_epoch.map(uint).zip(floor_authenticator),
        receipts: receipts_from_bytes(&receipts)?,
    };
    Ok((id, record))
}
