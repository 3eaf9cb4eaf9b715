//! Each [`Write`] as SQL.
use super::{cursors, failed, int};
use prost::Message;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Sqlite, query, query_as};
use wardline_protocol::wire::{Entry, entry::Content};
use wardline_protocol::{ConversationId, DeviceId};
use wardline_signaling::{DeviceRow, StoreError, Write};

/// Applies writes in their order, inside the caller's transaction.
pub(super) async fn apply_all(connection: &mut SqliteConnection, mut writes: &[Write]) -> Result<(), StoreError> {
    while !writes.is_empty() {
        let (now, later) = writes.split_at(cursors::leading(writes).max(1));
        match now {
            [write] => apply(connection, write).await?,
            all => cursors::apply(connection, all).await?,
        }
        writes = later;
    }
    Ok(())
}

async fn apply(connection: &mut SqliteConnection, write: &Write) -> Result<(), StoreError> {
    match write {
        Write::Entry(entry) => insert_entry(connection, entry).await,
        Write::Delivered { .. } | Write::ReadUpTo { .. } => {
            cursors::apply(connection, std::slice::from_ref(write)).await
        }
        Write::Statement { version, statement } => {
            let insert = query("INSERT INTO statement (version, body, signature) VALUES ($1, $2, $3)");
            let insert = insert.bind(int(*version)).bind(statement.body.to_vec()).bind(statement.signature.to_vec());
            run(connection, insert).await
        }
        Write::LockAccount { account_id, locked } => {
            let upsert = query(
                "INSERT INTO account_state (account_id, locked, second_uses) VALUES ($1, $2, 0)
                 ON CONFLICT (account_id) DO UPDATE SET locked = excluded.locked",
            );
            run(connection, upsert.bind(id(account_id.as_bytes())).bind(i64::from(*locked))).await
        }
        Write::SecondUseRefused { account_id } => {
            let upsert = query(
                "INSERT INTO account_state (account_id, locked, second_uses) VALUES ($1, 0, 1)
                 ON CONFLICT (account_id) DO UPDATE SET second_uses = account_state.second_uses + 1",
            );
            run(connection, upsert.bind(id(account_id.as_bytes()))).await
        }
        Write::Departed { conversation_id, account_id, departed } => {
            let change = if *departed {
                query("INSERT INTO departed (conversation_id, account_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            } else {
                query("DELETE FROM departed WHERE conversation_id = $1 AND account_id = $2")
            };
            run(connection, change.bind(id(conversation_id.as_bytes())).bind(id(account_id.as_bytes()))).await
        }
        Write::Device(_)
        | Write::RevokeDevice { .. }
        | Write::LastSeen { .. }
        | Write::KeyPackages { .. }
        | Write::LastResort { .. }
        | Write::DropKeyPackages { .. } => apply_device(connection, write).await,
        Write::Confirmed { conversation_id, seq, account_id, at_ms } => {
            let insert = query(
                "INSERT INTO confirmation (conversation_id, seq, account_id, confirmed_at_ms) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
            );
            let insert = insert.bind(id(conversation_id.as_bytes())).bind(int(*seq));
            run(connection, insert.bind(id(account_id.as_bytes())).bind(int(*at_ms))).await
        }
        Write::Attachment(row) => run(connection, super::attachment::put(row)).await,
        Write::DropAttachment { attachment_id } => run(connection, super::attachment::delete(attachment_id)).await,
        Write::Push(row) => run(connection, super::push::put(row)).await,
        Write::DropPush { device_id } => run(connection, super::push::delete(device_id)).await,
        _ => apply_group(connection, write).await,
    }
}

async fn insert_entry(connection: &mut SqliteConnection, entry: &Entry) -> Result<(), StoreError> {
    let (message_id, content) = match &entry.content {
        Some(Content::Message(message)) => (Some(message.message_id.to_vec()), message.ciphertext.to_vec()),
        Some(Content::Commit(commit)) => (None, commit.encode_to_vec()),
        None => return Err(StoreError("an entry without content".into())),
    };
    let insert = query_as(
        "INSERT INTO entry
           (conversation_id, seq, epoch, sender_account_id, sender_device_id, accepted_at_ms, message_id, content, repeats)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN EXISTS (
           SELECT 1 FROM entry WHERE conversation_id = $1 AND message_id = $7 AND repeats = 0) THEN 1 ELSE 0 END)
         RETURNING repeats",
    );
    let insert = insert
        .bind(entry.conversation_id.to_vec())
        .bind(int(entry.seq))
        .bind(int(entry.epoch))
        .bind(entry.sender_account_id.to_vec())
        .bind(entry.sender_device_id.to_vec())
        .bind(int(entry.accepted_at_ms))
        .bind(message_id)
        .bind(content);
    let (repeats,): (i64,) = insert.fetch_one(connection).await.map_err(failed)?;
    if repeats != 0 {
        let conversation =
            ConversationId::parse(&entry.conversation_id).map_err(|error| StoreError(error.to_string()))?;
        tracing::warn!(%conversation, seq = entry.seq, "a message id was used twice: the later entry is not found by it");
    }
    Ok(())
}

/// Devices and their key packages.
async fn apply_device(connection: &mut SqliteConnection, write: &Write) -> Result<(), StoreError> {
    match write {
        Write::Device(row) => run(connection, insert_device(row)).await,
        Write::RevokeDevice { device_id } => {
            for statement in [
                "UPDATE device SET revoked = 1 WHERE device_id = $1",
                "DELETE FROM key_package WHERE device_id = $1",
                "DELETE FROM last_resort WHERE device_id = $1",
                "DELETE FROM welcome WHERE device_id = $1",
                "DELETE FROM former_member WHERE device_id = $1",
                "DELETE FROM push WHERE device_id = $1",
            ] {
                run(connection, query(statement).bind(id(device_id.as_bytes()))).await?;
            }
            run(
                connection,
                query(
                    "DELETE FROM welcome_content WHERE NOT EXISTS (SELECT 1 FROM welcome
                     WHERE welcome.conversation_id = welcome_content.conversation_id AND welcome.seq = welcome_content.seq)",
                ),
            )
            .await
        }
        Write::LastSeen { device_id, at_ms } => {
            let update = query("UPDATE device SET last_seen_ms = $2 WHERE device_id = $1");
            run(connection, update.bind(id(device_id.as_bytes())).bind(int(*at_ms))).await
        }
        Write::KeyPackages { device_id, packages } => {
            for package in packages {
                let insert = query("INSERT INTO key_package (id, device_id, key_package) VALUES ($1, $2, $3)");
                let insert =
                    insert.bind(int(package.id)).bind(id(device_id.as_bytes())).bind(package.key_package.to_vec());
                run(connection, insert).await?;
            }
            Ok(())
        }
        Write::LastResort { device_id, key_package } => {
            let upsert = query(
                "INSERT INTO last_resort (device_id, key_package) VALUES ($1, $2)
                 ON CONFLICT (device_id) DO UPDATE SET key_package = excluded.key_package",
            );
            run(connection, upsert.bind(id(device_id.as_bytes())).bind(key_package.to_vec())).await
        }
        Write::DropKeyPackages { ids } => {
            for number in ids {
                run(connection, query("DELETE FROM key_package WHERE id = $1").bind(int(*number))).await?;
            }
            Ok(())
        }
        _ => Err(unknown()),
    }
}

/// Conversations, their members and welcomes.
async fn apply_group(connection: &mut SqliteConnection, write: &Write) -> Result<(), StoreError> {
    match write {
        Write::CreateConversation { conversation_id, group_info, ratchet_tree } => {
            let insert = query(
                "INSERT INTO conversation (conversation_id, epoch, group_info, ratchet_tree) VALUES ($1, 0, $2, $3)",
            );
            let insert =
                insert.bind(id(conversation_id.as_bytes())).bind(group_info.to_vec()).bind(ratchet_tree.to_vec());
            run(connection, insert).await
        }
        Write::Group { conversation_id, epoch, group_info, ratchet_tree } => {
            let update = query(
                "UPDATE conversation SET epoch = $2, group_info = $3, ratchet_tree = $4 WHERE conversation_id = $1",
            );
            let update = update
                .bind(id(conversation_id.as_bytes()))
                .bind(int(*epoch))
                .bind(group_info.to_vec())
                .bind(ratchet_tree.to_vec());
            run(connection, update).await
        }
        Write::MemberJoined { conversation_id, device_id, first_seq } => {
            let upsert = query(
                "INSERT INTO member (conversation_id, device_id, first_seq, delivered_seq) VALUES ($1, $2, $3, 0)
                 ON CONFLICT (conversation_id, device_id) DO UPDATE SET first_seq = excluded.first_seq, delivered_seq = 0",
            );
            let upsert =
                upsert.bind(id(conversation_id.as_bytes())).bind(id(device_id.as_bytes())).bind(int(*first_seq));
            run(connection, upsert).await
        }
        Write::MemberLeft { conversation_id, device_id } => {
            let delete = query("DELETE FROM member WHERE conversation_id = $1 AND device_id = $2");
            run(connection, delete.bind(id(conversation_id.as_bytes())).bind(id(device_id.as_bytes()))).await?;
            drop_welcome(connection, conversation_id, device_id).await
        }
        Write::FormerMember { conversation_id, device_id, first_seq, left_seq } => {
            let upsert = query(
                "INSERT INTO former_member (conversation_id, device_id, first_seq, left_seq) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (conversation_id, device_id, first_seq) DO UPDATE SET left_seq = excluded.left_seq",
            );
            let upsert = upsert
                .bind(id(conversation_id.as_bytes()))
                .bind(id(device_id.as_bytes()))
                .bind(int(*first_seq))
                .bind(int(*left_seq));
            run(connection, upsert).await
        }
        Write::ForgetFormer { conversation_id, device_id, up_to_seq } => {
            let delete =
                query("DELETE FROM former_member WHERE conversation_id = $1 AND device_id = $2 AND left_seq <= $3");
            let delete =
                delete.bind(id(conversation_id.as_bytes())).bind(id(device_id.as_bytes())).bind(int(*up_to_seq));
            run(connection, delete).await
        }
        Write::Welcomes { conversation_id, device_ids, seq, epoch, welcome, ratchet_tree } => {
            let insert = query(
                "INSERT INTO welcome_content (conversation_id, seq, epoch, welcome, ratchet_tree) VALUES ($1, $2, $3, $4, $5)",
            );
            let insert = insert
                .bind(id(conversation_id.as_bytes()))
                .bind(int(*seq))
                .bind(int(*epoch))
                .bind(welcome.to_vec())
                .bind(ratchet_tree.to_vec());
            run(connection, insert).await?;
            for device_id in device_ids {
                let upsert = query(
                    "INSERT INTO welcome (conversation_id, device_id, seq) VALUES ($1, $2, $3)
                     ON CONFLICT (conversation_id, device_id) DO UPDATE SET seq = excluded.seq",
                );
                let upsert = upsert.bind(id(conversation_id.as_bytes())).bind(id(device_id.as_bytes())).bind(int(*seq));
                run(connection, upsert).await?;
            }
            drop_orphans(connection, conversation_id).await
        }
        Write::DropWelcome { conversation_id, device_id } => drop_welcome(connection, conversation_id, device_id).await,
        _ => Err(unknown()),
    }
}

async fn drop_welcome(
    connection: &mut SqliteConnection,
    conversation_id: &ConversationId,
    device_id: &DeviceId,
) -> Result<(), StoreError> {
    let delete = query("DELETE FROM welcome WHERE conversation_id = $1 AND device_id = $2");
    run(connection, delete.bind(id(conversation_id.as_bytes())).bind(id(device_id.as_bytes()))).await?;
    drop_orphans(connection, conversation_id).await
}

/// The tree goes with the last welcome that needs it.
async fn drop_orphans(connection: &mut SqliteConnection, conversation_id: &ConversationId) -> Result<(), StoreError> {
    let delete = query(
        "DELETE FROM welcome_content WHERE conversation_id = $1 AND NOT EXISTS (SELECT 1 FROM welcome
         WHERE welcome.conversation_id = welcome_content.conversation_id AND welcome.seq = welcome_content.seq)",
    );
    run(connection, delete.bind(id(conversation_id.as_bytes()))).await
}

fn insert_device(row: &DeviceRow) -> Query<'static, Sqlite, SqliteArguments> {
    query(
        "INSERT INTO device (device_id, account_id, chain, enrolled_at_ms, last_seen_ms, revoked) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (device_id) DO UPDATE SET account_id = excluded.account_id, chain = excluded.chain,
         enrolled_at_ms = excluded.enrolled_at_ms, last_seen_ms = excluded.last_seen_ms, revoked = excluded.revoked",
    )
    .bind(id(row.device_id.as_bytes()))
    .bind(id(row.account_id.as_bytes()))
    .bind(row.chain.encode_to_vec())
    .bind(int(row.enrolled_at_ms))
    .bind(int(row.last_seen_ms))
    .bind(i64::from(row.revoked))
}

fn id(bytes: &[u8; 16]) -> Vec<u8> {
    bytes.to_vec()
}

async fn run(connection: &mut SqliteConnection, query: Query<'_, Sqlite, SqliteArguments>) -> Result<(), StoreError> {
    query.execute(connection).await.map(|_| ()).map_err(failed)
}

fn unknown() -> StoreError {
    StoreError("a write that this store does not know: node and plane are of different versions".into())
}
