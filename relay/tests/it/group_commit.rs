//! Group commit: what waits shares a transaction; a failure is reported and nothing after it is stored.
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;
use wardline_protocol::wire::{self, entry::Content};
use wardline_protocol::{ConversationId, MessageId};
use wardline_relay::metrics::Metrics;
use wardline_relay::store::{SqliteStore, WriteOrder, run_group_commit};
use wardline_signaling::{BatchId, Store, Write};

const CONVERSATION: ConversationId = ConversationId::from_bytes([3; 16]);

pub fn create() -> Write {
    let empty = bytes::Bytes::new();
    Write::CreateConversation { conversation_id: CONVERSATION, group_info: empty.clone(), ratchet_tree: empty }
}

pub fn message(seq: u64) -> Write {
    let message_id = MessageId::from_bytes(rand::random());
    Write::Entry(wire::Entry {
        conversation_id: CONVERSATION.to_bytes(),
        seq,
        epoch: 1,
        sender_account_id: vec![1; 16].into(),
        sender_device_id: vec![2; 16].into(),
        accepted_at_ms: seq,
        content: Some(Content::Message(wire::Message {
            message_id: message_id.to_bytes(),
            ciphertext: vec![7; 300].into(),
        })),
    })
}

/// Every outcome that the task reports, in order: the batch that is durable, or none when it failed.
async fn outcomes(store: Arc<SqliteStore>, orders: Vec<WriteOrder>) -> Vec<Option<(u64, usize)>> {
    let (send, receive) = mpsc::unbounded_channel();
    orders.into_iter().for_each(|order| send.send(order).unwrap());
    drop(send);
    let (report, mut reports) = mpsc::unbounded_channel();
    run_group_commit(store, receive, Arc::new(Metrics::default()), move |outcome| {
        report.send(outcome.ok().map(|done| (done.batch.0, done.batches))).unwrap();
        std::future::ready(())
    })
    .await;
    let mut all = Vec::new();
    while let Some(outcome) = reports.recv().await {
        all.push(outcome);
    }
    all
}

#[tokio::test]
async fn batches_that_wait_share_transactions_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::create(&dir.path().join("wardline.db")).await.unwrap());
    store.apply(vec![create()]).await.unwrap();
    let orders = (1..=20_000).map(|seq| WriteOrder { batch: BatchId(seq), writes: vec![message(seq)] }).collect();
    let started = Instant::now();
    let outcomes = outcomes(store.clone(), orders).await;
    let elapsed = started.elapsed();
    println!(
        "20,000 durable messages of 300 bytes in {} transactions: {:.0} messages/s",
        outcomes.len(),
        20_000.0 / elapsed.as_secs_f64()
    );
    assert!(outcomes.len() <= 5, "{} transactions", outcomes.len());
    assert_eq!(outcomes.iter().map(|outcome| outcome.unwrap().1).sum::<usize>(), 20_000);
    assert_eq!(outcomes.last().unwrap().unwrap().0, 20_000);
    assert!(outcomes.is_sorted());
    assert_eq!(store.load().await.unwrap().conversations[0].head_seq, 20_000);
}

#[tokio::test]
async fn a_failure_ends_the_writing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::create(&dir.path().join("wardline.db")).await.unwrap());
    store.apply(vec![create()]).await.unwrap();
    let order = |batch, write| WriteOrder { batch: BatchId(batch), writes: vec![write] };
    let orders = vec![order(1, message(1)), order(2, create()), order(3, message(2))];
    assert_eq!(outcomes(store.clone(), orders).await, [None]);
    assert_eq!(store.load().await.unwrap().conversations[0].head_seq, 0);
}
