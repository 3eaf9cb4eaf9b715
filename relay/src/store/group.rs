//! Group commit: all writes that wait share one transaction, and one wait for the disk.
use crate::metrics::Metrics;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;
use wardline_protocol::wire::entry::Content;
use wardline_signaling::{BatchId, Store, StoreError, Write};

/// Writes of one transaction; the rest waits for the next one, so that nobody waits long for his acknowledgement.
pub const WRITES_PER_TRANSACTION: usize = 4096;

/// One batch of the plane.
pub struct WriteOrder {
    /// Its number.
    pub batch: BatchId,
    /// What to write.
    pub writes: Vec<Write>,
}

/// Every batch up to this one is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The newest durable batch.
    pub batch: BatchId,
    /// How many batches this transaction held.
    pub batches: usize,
}

/// A transaction failed; nothing of it is stored. The task that reports it has ended.
#[derive(Debug)]
pub struct StoreFailed(pub StoreError);

/// Runs until `orders` ends or a write fails. `report` is awaited, so a slow receiver slows the writing down.
pub async fn run<S, R>(
    store: Arc<S>,
    mut orders: mpsc::UnboundedReceiver<WriteOrder>,
    metrics: Arc<Metrics>,
    mut report: impl FnMut(Result<Committed, StoreFailed>) -> R,
) where
    S: Store,
    R: Future<Output = ()>,
{
    while let Some(first) = orders.recv().await {
        let mut batch = first.batch;
        let mut batches = 1;
        let mut writes = first.writes;
        while writes.len() < WRITES_PER_TRANSACTION
            && let Ok(next) = orders.try_recv()
        {
            batch = next.batch;
            batches += 1;
            writes.extend(next.writes);
        }
        let write_count = writes.len();
        let messages = writes.iter().filter(|write| is_message(write)).count();
        let started = Instant::now();
        if let Err(error) = store.apply(writes).await {
            report(Err(StoreFailed(error))).await;
            return;
        }
        metrics.committed(batches, write_count, messages, started.elapsed());
        report(Ok(Committed { batch, batches })).await;
    }
}

fn is_message(write: &Write) -> bool {
    matches!(write, Write::Entry(entry) if matches!(entry.content, Some(Content::Message(_))))
}
