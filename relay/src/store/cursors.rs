//! How far devices have received and people have read: many in one statement. Each statement goes to SQLite's thread and back, and in a large group
//! one for every receiver was a quarter of what a delivery cost the node.
use super::{failed, int};
use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite};
use std::collections::BTreeMap;
use wardline_protocol::{AccountId, ConversationId, DeviceId};
use wardline_signaling::{StoreError, Write};

/// Cursors of one statement; each is three of the 32,766 values that SQLite takes.
const TOGETHER: usize = 256;

/// How many writes at the front are cursors.
pub(super) fn leading(writes: &[Write]) -> usize {
    writes.iter().take_while(|write| matches!(write, Write::Delivered { .. } | Write::ReadUpTo { .. })).count()
}

/// Applies writes that are all cursors. Of several of one device or account the last holds.
pub(super) async fn apply(connection: &mut SqliteConnection, writes: &[Write]) -> Result<(), StoreError> {
    let (mut delivered, mut read) = (BTreeMap::new(), BTreeMap::new());
    for write in writes {
        match write {
            Write::Delivered { conversation_id, device_id, seq } => {
                delivered.insert((*conversation_id, *device_id), *seq);
            }
            Write::ReadUpTo { conversation_id, account_id, seq } => {
                read.insert((*conversation_id, *account_id), *seq);
            }
            _ => {}
        }
    }
    let delivered: Vec<_> = delivered.into_iter().collect();
    for cursors in delivered.chunks(TOGETHER) {
        put_delivered(connection, cursors).await?;
    }
    let read: Vec<_> = read.into_iter().collect();
    for cursors in read.chunks(TOGETHER) {
        put_read(connection, cursors).await?;
    }
    Ok(())
}

async fn put_delivered(
    connection: &mut SqliteConnection,
    cursors: &[((ConversationId, DeviceId), u64)],
) -> Result<(), StoreError> {
    let mut update = QueryBuilder::<Sqlite>::new("UPDATE member SET delivered_seq = cursor.column3 FROM (");
    let rows = cursors.iter().map(|((conversation, device), seq)| (conversation.as_bytes(), device.as_bytes(), *seq));
    push_rows(&mut update, rows);
    update.push(") AS cursor WHERE member.conversation_id = cursor.column1 AND member.device_id = cursor.column2");
    run(connection, update, cursors.len()).await
}

async fn put_read(
    connection: &mut SqliteConnection,
    cursors: &[((ConversationId, AccountId), u64)],
) -> Result<(), StoreError> {
    let mut upsert = QueryBuilder::<Sqlite>::new("INSERT INTO read_position (conversation_id, account_id, seq) ");
    let rows = cursors.iter().map(|((conversation, account), seq)| (conversation.as_bytes(), account.as_bytes(), *seq));
    push_rows(&mut upsert, rows);
    upsert.push(" ON CONFLICT (conversation_id, account_id) DO UPDATE SET seq = excluded.seq");
    run(connection, upsert, cursors.len()).await
}

fn push_rows<'a>(query: &mut QueryBuilder<Sqlite>, rows: impl Iterator<Item = (&'a [u8; 16], &'a [u8; 16], u64)>) {
    query.push_values(rows, |mut row, (conversation, whose, seq)| {
        row.push_bind(conversation.to_vec()).push_bind(whose.to_vec()).push_bind(int(seq));
    });
}

async fn run(
    connection: &mut SqliteConnection,
    mut query: QueryBuilder<Sqlite>,
    rows: usize,
) -> Result<(), StoreError> {
    // A statement for each number of rows would push all others out of the cache.
    let cached = rows == TOGETHER || rows == 1;
    query.build().persistent(cached).execute(connection).await.map(|_| ()).map_err(failed)
}
