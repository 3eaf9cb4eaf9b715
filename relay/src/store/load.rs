//! The snapshot that the plane starts from.
use super::unsigned;
use prost::Message;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, query_as};
use std::collections::HashMap;
use wardline_protocol::wire::{DeviceChain, Statement};
use wardline_protocol::{AccountId, ConversationId, DeviceId, MessageId, WireError};
use wardline_signaling::limit::RECENT_MESSAGES;
use wardline_signaling::{ConversationRow, DeviceRow, FormerRow, MemberRow, Snapshot, WelcomeRow};

/// Reads everything, as of one moment.
pub(super) async fn snapshot(connection: &mut SqliteConnection) -> sqlx::Result<Snapshot> {
    let mut moment = connection.begin().await?;
    let connection = &mut *moment;
    let mut snapshot = Snapshot {
        statements: statements(connection).await?,
        devices: devices(connection).await?,
        conversations: conversations(connection).await?,
        ..Snapshot::default()
    };
    let accounts: Vec<(Vec<u8>, i64, i64)> =
        query_as("SELECT account_id, locked, second_uses FROM account_state ORDER BY account_id")
            .fetch_all(&mut *connection)
            .await?;
    for (account_id, locked, second_uses) in accounts {
        let account_id = id(&account_id, AccountId::parse)?;
        if locked != 0 {
            snapshot.locked.push(account_id);
        }
        if second_uses > 0 {
            snapshot.second_uses.push((account_id, u32::try_from(second_uses).unwrap_or(u32::MAX)));
        }
    }
    let packages: Vec<(i64, Vec<u8>)> =
        query_as("SELECT id, device_id FROM key_package ORDER BY id").fetch_all(&mut *connection).await?;
    for (number, device_id) in packages {
        snapshot.key_packages.push((unsigned(number), id(&device_id, DeviceId::parse)?));
    }
    let last_resorts: Vec<(Vec<u8>,)> =
        query_as("SELECT device_id FROM last_resort ORDER BY device_id").fetch_all(&mut *connection).await?;
    for (device_id,) in last_resorts {
        snapshot.last_resorts.push(id(&device_id, DeviceId::parse)?);
    }
    let welcomes: Vec<(Vec<u8>, Vec<u8>)> =
        query_as("SELECT conversation_id, device_id FROM welcome ORDER BY conversation_id, device_id")
            .fetch_all(&mut *connection)
            .await?;
    for (conversation_id, device_id) in welcomes {
        snapshot.welcomes.push(WelcomeRow {
            conversation_id: id(&conversation_id, ConversationId::parse)?,
            device_id: id(&device_id, DeviceId::parse)?,
        });
    }
    snapshot.uploads = super::attachment::unfinished(connection).await?;
    snapshot.attachment_bytes = super::attachment::bytes_by_account(connection).await?;
    snapshot.pushes = super::push::all(connection).await?;
    moment.commit().await?;
    Ok(snapshot)
}

async fn statements(connection: &mut SqliteConnection) -> sqlx::Result<Vec<Statement>> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> =
        query_as("SELECT body, signature FROM statement ORDER BY version").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(body, signature)| Statement { body: body.into(), signature: signature.into() }).collect())
}

/// Device, account, chain, enrolled, last seen, revoked.
type DeviceColumns = (Vec<u8>, Vec<u8>, Vec<u8>, i64, i64, i64);

async fn devices(connection: &mut SqliteConnection) -> sqlx::Result<Vec<DeviceRow>> {
    let rows: Vec<DeviceColumns> = query_as(
        "SELECT device_id, account_id, chain, enrolled_at_ms, last_seen_ms, revoked FROM device ORDER BY enrolled_at_ms, device_id",
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(device_id, account_id, chain, enrolled_at_ms, last_seen_ms, revoked)| {
            Ok(DeviceRow {
                device_id: id(&device_id, DeviceId::parse)?,
                account_id: id(&account_id, AccountId::parse)?,
                chain: DeviceChain::decode(chain.as_slice()).map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                enrolled_at_ms: unsigned(enrolled_at_ms),
                last_seen_ms: unsigned(last_seen_ms),
                revoked: revoked != 0,
            })
        })
        .collect()
}

async fn conversations(connection: &mut SqliteConnection) -> sqlx::Result<Vec<ConversationRow>> {
    let rows: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> =
        query_as("SELECT conversation_id, group_info, ratchet_tree FROM conversation ORDER BY conversation_id")
            .fetch_all(&mut *connection)
            .await?;
    let mut members = members(connection).await?;
    let mut departed = departed(connection).await?;
    let mut former = former(connection).await?;
    let mut read = read_positions(connection).await?;
    let mut conversations = Vec::with_capacity(rows.len());
    for (conversation, group_info, ratchet_tree) in rows {
        let (head,): (i64,) = query_as("SELECT COALESCE(MAX(seq), 0) FROM entry WHERE conversation_id = $1")
            .bind(conversation.clone())
            .fetch_one(&mut *connection)
            .await?;
        let conversation_id = id(&conversation, ConversationId::parse)?;
        conversations.push(ConversationRow {
            conversation_id,
            group_info: group_info.into(),
            ratchet_tree: ratchet_tree.into(),
            head_seq: unsigned(head),
            members: members.remove(&conversation_id).unwrap_or_default(),
            departed: departed.remove(&conversation_id).unwrap_or_default(),
            former: former.remove(&conversation_id).unwrap_or_default(),
            read: read.remove(&conversation_id).unwrap_or_default(),
            recent: recent(connection, conversation).await?,
        });
    }
    Ok(conversations)
}

async fn members(connection: &mut SqliteConnection) -> sqlx::Result<HashMap<ConversationId, Vec<MemberRow>>> {
    let rows: Vec<(Vec<u8>, Vec<u8>, i64, i64)> = query_as(
        "SELECT conversation_id, device_id, first_seq, delivered_seq FROM member ORDER BY conversation_id, device_id",
    )
    .fetch_all(connection)
    .await?;
    let mut members: HashMap<_, Vec<_>> = HashMap::new();
    for (conversation, device, first_seq, delivered_seq) in rows {
        members.entry(id(&conversation, ConversationId::parse)?).or_default().push(MemberRow {
            device_id: id(&device, DeviceId::parse)?,
            first_seq: unsigned(first_seq),
            delivered_seq: unsigned(delivered_seq),
        });
    }
    Ok(members)
}

async fn departed(connection: &mut SqliteConnection) -> sqlx::Result<HashMap<ConversationId, Vec<AccountId>>> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> =
        query_as("SELECT conversation_id, account_id FROM departed ORDER BY conversation_id, account_id")
            .fetch_all(connection)
            .await?;
    let mut departed: HashMap<_, Vec<_>> = HashMap::new();
    for (conversation, account) in rows {
        departed.entry(id(&conversation, ConversationId::parse)?).or_default().push(id(&account, AccountId::parse)?);
    }
    Ok(departed)
}

async fn former(connection: &mut SqliteConnection) -> sqlx::Result<HashMap<ConversationId, Vec<FormerRow>>> {
    let rows: Vec<(Vec<u8>, Vec<u8>, i64, i64)> = query_as(
        "SELECT conversation_id, device_id, first_seq, left_seq FROM former_member
         ORDER BY conversation_id, device_id, first_seq",
    )
    .fetch_all(connection)
    .await?;
    let mut former: HashMap<_, Vec<_>> = HashMap::new();
    for (conversation, device, first_seq, left_seq) in rows {
        former.entry(id(&conversation, ConversationId::parse)?).or_default().push(FormerRow {
            device_id: id(&device, DeviceId::parse)?,
            first_seq: unsigned(first_seq),
            left_seq: unsigned(left_seq),
        });
    }
    Ok(former)
}

async fn read_positions(
    connection: &mut SqliteConnection,
) -> sqlx::Result<HashMap<ConversationId, Vec<(AccountId, u64)>>> {
    let rows: Vec<(Vec<u8>, Vec<u8>, i64)> =
        query_as("SELECT conversation_id, account_id, seq FROM read_position ORDER BY conversation_id, account_id")
            .fetch_all(connection)
            .await?;
    let mut read: HashMap<_, Vec<_>> = HashMap::new();
    for (conversation, account, seq) in rows {
        read.entry(id(&conversation, ConversationId::parse)?)
            .or_default()
            .push((id(&account, AccountId::parse)?, unsigned(seq)));
    }
    Ok(read)
}

async fn recent(connection: &mut SqliteConnection, conversation: Vec<u8>) -> sqlx::Result<Vec<(MessageId, u64, u64)>> {
    let rows: Vec<(Vec<u8>, i64, i64)> = query_as(
        "SELECT message_id, seq, accepted_at_ms FROM entry WHERE conversation_id = $1 AND message_id IS NOT NULL AND repeats = 0
         ORDER BY seq DESC LIMIT $2",
    )
    .bind(conversation)
    .bind(RECENT_MESSAGES as i64)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .rev()
        .map(|(message_id, seq, at_ms)| Ok((id(&message_id, MessageId::parse)?, unsigned(seq), unsigned(at_ms))))
        .collect()
}

/// An id column.
pub(super) fn id<T>(bytes: &[u8], parse: impl Fn(&[u8]) -> Result<T, WireError>) -> sqlx::Result<T> {
    parse(bytes).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
