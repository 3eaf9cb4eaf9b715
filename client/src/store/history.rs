//! Messages as people look back at them.
use super::{Store, StoreError, int, uint};
use crate::core::{Body, Message};
use prost::Message as _;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, query};
use wardline_protocol::{AccountId, ConversationId, DeviceId, MessageId, wire};

impl Store {
    /// The newest `limit` messages of a conversation, the oldest of them first; own ones that wait to be sent come last, with `seq` 0.
    pub async fn history(&self, conversation: ConversationId, limit: u32) -> Result<Vec<Message>, StoreError> {
        let mut connection = self.connection().await;
        let rows = query(
            "SELECT * FROM history WHERE conversation_id = $1 ORDER BY seq = 0 DESC, seq DESC, sent_at_ms DESC LIMIT $2",
        )
        .bind(conversation.as_bytes().as_slice())
        .bind(i64::from(limit))
        .fetch_all(&mut *connection)
        .await?;
        let mut messages =
            rows.iter().rev().filter_map(|row| message_from(row).transpose()).collect::<Result<Vec<_>, _>>()?;
        // Stable: within one seq (only 0 occurs twice) the order of sending stays.
        messages.sort_by_key(|message| if message.seq == 0 { u64::MAX } else { message.seq });
        Ok(messages)
    }

    /// One message, if it is there.
    pub async fn message(&self, conversation: ConversationId, id: MessageId) -> Result<Option<Message>, StoreError> {
        let mut connection = self.connection().await;
        let row = query("SELECT * FROM history WHERE conversation_id = $1 AND message_id = $2")
            .bind(conversation.as_bytes().as_slice())
            .bind(id.as_bytes().as_slice())
            .fetch_optional(&mut *connection)
            .await?;
        row.as_ref().map_or(Ok(None), message_from)
    }

    /// The messages that stand in the log after `after_seq`, in its order.
    pub async fn history_after(
        &self,
        conversation: ConversationId,
        after_seq: u64,
    ) -> Result<Vec<Message>, StoreError> {
        let mut connection = self.connection().await;
        let rows = query("SELECT * FROM history WHERE conversation_id = $1 AND seq > $2 ORDER BY seq")
            .bind(conversation.as_bytes().as_slice())
            .bind(int(after_seq))
            .fetch_all(&mut *connection)
            .await?;
        rows.iter().filter_map(|row| message_from(row).transpose()).collect()
    }
}

/// `None` for a kind of message that this version does not know.
pub(super) fn message_from(row: &SqliteRow) -> Result<Option<Message>, StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged("a message");
    let bytes = |name: &str| row.try_get::<Vec<u8>, _>(name);
    let content = wire::Content::decode(bytes("body")?.as_slice()).map_err(|_| DAMAGED)?;
    let Some(body) = content.body.and_then(Body::from_wire) else { return Ok(None) };
    Ok(Some(Message {
        conversation: ConversationId::parse(&bytes("conversation_id")?).map_err(|_| DAMAGED)?,
        message: MessageId::parse(&bytes("message_id")?).map_err(|_| DAMAGED)?,
        seq: uint(row.try_get("seq")?),
        sender: AccountId::parse(&bytes("sender_account_id")?).map_err(|_| DAMAGED)?,
        device: DeviceId::parse(&bytes("sender_device_id")?).map_err(|_| DAMAGED)?,
        sent_at_ms: uint(row.try_get("sent_at_ms")?),
        body,
    }))
}
