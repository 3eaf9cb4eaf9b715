//! Changes into the database, one transaction at a time.
use super::{Store, StoreError, int};
use crate::core::{Changes, ConversationRecord, Membership, Message};
use prost::Message as _;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, query};
use std::collections::BTreeMap;
use wardline_protocol::{AccountId, ConversationId, wire};

/// Where the node's incarnation stands in `meta`.
pub(super) const INCARNATION: &str = "incarnation";

impl Store {
    /// Makes the changes durable, all of them or none.
    pub async fn apply(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut connection = self.connection().await;
        let mut transaction = connection.begin().await?;
        cells(&mut transaction, changes).await?;
        for (version, statement) in &changes.statements {
            query("INSERT INTO statements (version, statement) VALUES ($1, $2)")
                .bind(int(*version))
                .bind(statement.encode_to_vec())
                .execute(&mut *transaction)
                .await?;
        }
        for (id, record) in &changes.conversations {
            conversation(&mut transaction, id, record).await?;
        }
        for id in &changes.forgotten {
            for sql in [
                "DELETE FROM conversations WHERE conversation_id = $1",
                "DELETE FROM history WHERE conversation_id = $1",
            ] {
                query(sql).bind(id.as_bytes().as_slice()).execute(&mut *transaction).await?;
            }
        }
        for message in &changes.history {
            history(&mut transaction, message).await?;
        }
        for record in &changes.outbox {
            query("INSERT OR REPLACE INTO outbox (message_id, place, conversation_id) VALUES ($1, $2, $3)")
                .bind(record.message.message.as_bytes().as_slice())
                .bind(int(record.place))
                .bind(record.message.conversation.as_bytes().as_slice())
                .execute(&mut *transaction)
                .await?;
        }
        for id in &changes.outbox_done {
            query("DELETE FROM outbox WHERE message_id = $1")
                .bind(id.as_bytes().as_slice())
                .execute(&mut *transaction)
                .await?;
        }
        for (counter, value) in &changes.counters {
            query("INSERT OR REPLACE INTO counters (name, value) VALUES ($1, $2)")
                .bind(counter.name())
                .bind(int(*value))
                .execute(&mut *transaction)
                .await?;
        }
        if let Some(incarnation) = changes.incarnation {
            query("INSERT OR REPLACE INTO meta (name, value) VALUES ($1, $2)")
                .bind(INCARNATION)
                .bind(incarnation.as_bytes().as_slice())
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }
}

async fn cells(transaction: &mut SqliteConnection, changes: &Changes) -> Result<(), StoreError> {
    for (key, value) in &changes.cells {
        query("INSERT OR REPLACE INTO cells (key, value) VALUES ($1, $2)")
            .bind(key.as_slice())
            .bind(value.as_slice())
            .execute(&mut *transaction)
            .await?;
    }
    for key in &changes.deleted_cells {
        query("DELETE FROM cells WHERE key = $1").bind(key.as_slice()).execute(&mut *transaction).await?;
    }
    Ok(())
}

async fn conversation(
    transaction: &mut SqliteConnection,
    id: &ConversationId,
    record: &ConversationRecord,
) -> Result<(), StoreError> {
    let floor = record.floor.as_ref();
    query(
        "INSERT OR REPLACE INTO conversations (conversation_id, kind, title, cursor, read_seq, state, needs_directory,
            floor_epoch, floor_authenticator, receipts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(id.as_bytes().as_slice())
    .bind(i64::from(i32::from(record.kind)))
    .bind(record.title.as_deref())
    .bind(int(record.cursor))
    .bind(int(record.read_seq))
    .bind(state_number(record.state))
    .bind(int(record.needs_directory))
    .bind(floor.map(|(epoch, _)| int(*epoch)))
    .bind(floor.map(|(_, authenticator)| authenticator.as_slice()))
    .bind(receipts_to_bytes(&record.receipts))
    .execute(&mut *transaction)
    .await?;
    Ok(())
}

async fn history(transaction: &mut SqliteConnection, message: &Message) -> Result<(), StoreError> {
    let body = wire::Content { body: Some(message.body.to_wire()), ..Default::default() };
    query(
        "INSERT OR REPLACE INTO history (conversation_id, message_id, seq, sender_account_id, sender_device_id, sent_at_ms, body)
            VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(message.conversation.as_bytes().as_slice())
    .bind(message.message.as_bytes().as_slice())
    .bind(int(message.seq))
    .bind(message.sender.as_bytes().as_slice())
    .bind(message.device.as_bytes().as_slice())
    .bind(int(message.sent_at_ms))
    .bind(body.encode_to_vec())
    .execute(&mut *transaction)
    .await?;
    Ok(())
}

const STATES: [(Membership, i64); 3] = [(Membership::Known, 0), (Membership::Joined, 1), (Membership::Left, 2)];

pub(super) fn state_number(state: Membership) -> i64 {
    STATES.iter().find(|(known, _)| *known == state).map_or(0, |(_, number)| *number)
}

pub(super) fn state_from(number: i64) -> Result<Membership, StoreError> {
    let known = STATES.iter().find(|(_, known)| *known == number);
    known.map(|(state, _)| *state).ok_or(StoreError::Damaged("a conversation's state"))
}

/// 32 bytes each: account id, delivered, read (big-endian).
fn receipts_to_bytes(receipts: &BTreeMap<AccountId, (u64, u64)>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(receipts.len() * 32);
    for (account, (delivered, read)) in receipts {
        bytes.extend_from_slice(account.as_bytes());
        bytes.extend_from_slice(&delivered.to_be_bytes());
        bytes.extend_from_slice(&read.to_be_bytes());
    }
    bytes
}

pub(super) fn receipts_from_bytes(bytes: &[u8]) -> Result<BTreeMap<AccountId, (u64, u64)>, StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged("a conversation's receipts");
    let (records, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(DAMAGED);
    }
    records
        .iter()
        .map(|record| {
            let (account, numbers) = record.split_at(16);
            let (delivered, read) = numbers.split_at(8);
            let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).map_err(|_| DAMAGED);
            Ok((AccountId::parse(account).map_err(|_| DAMAGED)?, (number(delivered)?, number(read)?)))
        })
        .collect()
}
