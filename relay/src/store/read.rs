//! Each [`Query`] as SQL.
use super::{failed, int, unsigned};
use prost::Message as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query, query_as};
use wardline_protocol::limit::{ENTRIES_PER_PAGE, PAGE_BYTES_MAX};
use wardline_protocol::wire::{CommitContent, Entry, Message, WelcomeFor, entry::Content};
use wardline_protocol::{AccountId, ConversationId, DeviceId, MessageId};
use wardline_signaling::{Answer, FoundKeyPackage, Query, StoreError};

/// Answers one query.
pub(super) async fn answer(connection: &mut SqliteConnection, query: &Query) -> Result<Answer, StoreError> {
    match query {
        Query::Log { conversation_id, from_seq } => {
            log(connection, conversation_id, *from_seq).await.map(Answer::Log).map_err(failed)
        }
        Query::Welcomes { device_id } => welcomes(connection, device_id).await.map(Answer::Welcomes).map_err(failed),
        Query::KeyPackages { ids, last_resort_of } => {
            key_packages(connection, ids, last_resort_of).await.map(Answer::KeyPackages).map_err(failed)
        }
        Query::FindMessage { conversation_id, message_id } => {
            find(connection, conversation_id, message_id).await.map(Answer::FindMessage).map_err(failed)
        }
        Query::Confirmations { conversation_id, seq, of } => {
            confirmations(connection, conversation_id, *seq, of.as_ref())
                .await
                .map(Answer::Confirmations)
                .map_err(failed)
        }
        Query::Attachment { attachment_id, wish } => {
            let found = super::attachment::find(connection, attachment_id).await.map_err(failed)?;
            Ok(Answer::Attachment { attachment_id: *attachment_id, wish: wish.clone(), found })
        }
        _ => Err(StoreError("a query that this store does not know: node and plane are of different versions".into())),
    }
}

/// Rows of one step; a page is made of few steps, so that large entries are not read to be thrown away.
const ROWS_PER_STEP: usize = 64;

async fn log(
    connection: &mut SqliteConnection,
    conversation_id: &ConversationId,
    from_seq: u64,
) -> sqlx::Result<Vec<Entry>> {
    let mut page = Vec::new();
    let mut page_bytes = 0;
    let mut next_seq = from_seq;
    while page.len() < ENTRIES_PER_PAGE {
        let wanted = ROWS_PER_STEP.min(ENTRIES_PER_PAGE - page.len());
        let rows = query(
            "SELECT seq, epoch, sender_account_id, sender_device_id, accepted_at_ms, message_id, content FROM entry
             WHERE conversation_id = $1 AND seq >= $2 ORDER BY seq LIMIT $3",
        )
        .bind(conversation_id.as_bytes().to_vec())
        .bind(int(next_seq))
        .bind(wanted as i64)
        .fetch_all(&mut *connection)
        .await?;
        let got = rows.len();
        for row in rows {
            let entry = entry(conversation_id, &row)?;
            page_bytes += entry.encoded_len();
            if page_bytes > PAGE_BYTES_MAX && !page.is_empty() {
                return Ok(page);
            }
            next_seq = entry.seq + 1;
            page.push(entry);
        }
        if got < wanted {
            break;
        }
    }
    Ok(page)
}

fn entry(conversation_id: &ConversationId, row: &SqliteRow) -> sqlx::Result<Entry> {
    let content: Vec<u8> = row.try_get("content")?;
    let content = match row.try_get::<Option<Vec<u8>>, _>("message_id")? {
        Some(id) => Content::Message(Message { message_id: id.into(), ciphertext: content.into() }),
        None => Content::Commit(
            CommitContent::decode(content.as_slice()).map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        ),
    };
    Ok(Entry {
        conversation_id: conversation_id.to_bytes(),
        seq: unsigned(row.try_get("seq")?),
        epoch: unsigned(row.try_get("epoch")?),
        sender_account_id: row.try_get::<Vec<u8>, _>("sender_account_id")?.into(),
        sender_device_id: row.try_get::<Vec<u8>, _>("sender_device_id")?.into(),
        accepted_at_ms: unsigned(row.try_get("accepted_at_ms")?),
        content: Some(content),
    })
}

async fn confirmations(
    connection: &mut SqliteConnection,
    conversation_id: &ConversationId,
    seq: u64,
    of: Option<&AccountId>,
) -> sqlx::Result<Vec<(AccountId, u64)>> {
    let rows: Vec<(Vec<u8>, i64)> = query_as(
        "SELECT account_id, confirmed_at_ms FROM confirmation
         WHERE conversation_id = $1 AND seq = $2 AND ($3 IS NULL OR account_id = $3) ORDER BY account_id",
    )
    .bind(conversation_id.as_bytes().to_vec())
    .bind(int(seq))
    .bind(of.map(|of| of.as_bytes().to_vec()))
    .fetch_all(connection)
    .await?;
    let confirmation =
        |(account_id, at_ms): (Vec<u8>, i64)| Ok((super::load::id(&account_id, AccountId::parse)?, unsigned(at_ms)));
    rows.into_iter().map(confirmation).collect()
}

async fn welcomes(connection: &mut SqliteConnection, device_id: &DeviceId) -> sqlx::Result<Vec<WelcomeFor>> {
    let rows = query(
        "SELECT welcome.conversation_id, welcome.seq, epoch, welcome, ratchet_tree FROM welcome
         JOIN welcome_content ON welcome_content.conversation_id = welcome.conversation_id AND welcome_content.seq = welcome.seq
         WHERE welcome.device_id = $1 ORDER BY welcome.conversation_id",
    )
    .bind(device_id.as_bytes().to_vec())
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(WelcomeFor {
                conversation_id: row.try_get::<Vec<u8>, _>("conversation_id")?.into(),
                seq: unsigned(row.try_get("seq")?),
                epoch: unsigned(row.try_get("epoch")?),
                welcome: row.try_get::<Vec<u8>, _>("welcome")?.into(),
                ratchet_tree: row.try_get::<Vec<u8>, _>("ratchet_tree")?.into(),
            })
        })
        .collect()
}

async fn key_packages(
    connection: &mut SqliteConnection,
    ids: &[u64],
    last_resort_of: &[DeviceId],
) -> sqlx::Result<Vec<FoundKeyPackage>> {
    let mut found = Vec::with_capacity(ids.len() + last_resort_of.len());
    for id in ids {
        let row: Option<(Vec<u8>, Vec<u8>)> = query_as("SELECT device_id, key_package FROM key_package WHERE id = $1")
            .bind(int(*id))
            .fetch_optional(&mut *connection)
            .await?;
        if let Some((device_id, key_package)) = row {
            let device_id = super::load::id(&device_id, DeviceId::parse)?;
            found.push(FoundKeyPackage { single_use_id: Some(*id), device_id, key_package: key_package.into() });
        }
    }
    for device_id in last_resort_of {
        let row: Option<(Vec<u8>,)> = query_as("SELECT key_package FROM last_resort WHERE device_id = $1")
            .bind(device_id.as_bytes().to_vec())
            .fetch_optional(&mut *connection)
            .await?;
        if let Some((key_package,)) = row {
            let key_package = key_package.into();
            found.push(FoundKeyPackage { single_use_id: None, device_id: *device_id, key_package });
        }
    }
    Ok(found)
}

async fn find(
    connection: &mut SqliteConnection,
    conversation_id: &ConversationId,
    message_id: &MessageId,
) -> sqlx::Result<Option<(u64, u64)>> {
    let row: Option<(i64, i64)> = query_as(
        "SELECT seq, accepted_at_ms FROM entry WHERE conversation_id = $1 AND message_id = $2 AND repeats = 0",
    )
    .bind(conversation_id.as_bytes().to_vec())
    .bind(message_id.as_bytes().to_vec())
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|(seq, at_ms)| (unsigned(seq), unsigned(at_ms))))
}
