//! Crash-only over storage: when a write fails, the plane is dropped and opened again from what is stored. Nothing that was
//! acknowledged can be lost by that, because it was stored first.
use super::clock::Clock;
use super::plane::{End, Shell};
use super::{Control, FromSession, Lanes, Readiness, StartError};
use crate::attachments::Attachments;
use crate::media::Media;
use crate::metrics::Metrics;
use crate::push::Pusher;
use crate::store::SqliteStore;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use wardline_directory::key::PublicKey;
use wardline_signaling::{Limits, NodeIdentity, Plane, Store};

/// The first pause before the store is opened again; doubled up to [`REOPEN_PAUSE_MAX`].
pub(super) const REOPEN_PAUSE_MIN: Duration = Duration::from_millis(250);

/// The longest such pause.
pub(super) const REOPEN_PAUSE_MAX: Duration = Duration::from_secs(10);

/// What a plane needs to be opened, again if need be.
pub(super) struct Supervisor {
    pub database: PathBuf,
    pub root: PublicKey,
    pub identity: NodeIdentity,
    pub limits: Limits,
    pub attachments: Arc<Attachments>,
    pub metrics: Arc<Metrics>,
    pub media: Media,
    pub pusher: Option<Arc<Pusher>>,
    pub lanes: Lanes,
    pub readiness: watch::Sender<Readiness>,
}

impl Supervisor {
    /// Opens the plane and runs it on its own thread. The handle ends when the node has shut down.
    pub(super) async fn start(self, store: SqliteStore) -> Result<JoinHandle<()>, StartError> {
        let mut clock = Clock::default();
        let plane = self.open(&store, &mut clock).await?;
        let runtime = Handle::current();
        let (ended_in, ended) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("wardline-plane".into())
            .spawn(move || {
                match Builder::new_current_thread().enable_time().build() {
                    Ok(thread) => thread.block_on(self.run(plane, clock, store, runtime)),
                    Err(error) => tracing::error!(%error, "the plane's thread cannot run"),
                }
                drop(ended_in);
            })
            .map_err(StartError::Thread)?;
        Ok(tokio::spawn(async move {
            // Nothing is ever sent: the thread's end is the message.
            if ended.await.is_ok() {
                tracing::debug!("the plane ended");
            }
        }))
    }

    async fn open(&self, store: &SqliteStore, clock: &mut Clock) -> Result<Plane, StartError> {
        let snapshot = store.load().await?;
        Ok(Plane::open(snapshot, self.root, self.identity.clone(), self.limits.clone(), clock.now_ms())?)
    }

    async fn run(mut self, mut plane: Plane, mut clock: Clock, mut store: SqliteStore, runtime: Handle) {
        loop {
            let shared = Arc::new(store);
            let attachments = self.attachments.clone();
            let shell = Shell::new(plane, clock, shared.clone(), attachments, runtime.clone(), self.metrics.clone());
            let shell = shell.waking(self.pusher.clone());
            match shell.run(&mut self.lanes, &mut self.media).await {
                End::ShutDown => {
                    self.readiness.send_replace(Readiness::ShuttingDown);
                    close(shared).await;
                    return;
                }
                End::StoreFailed(error) => {
                    self.readiness.send_replace(Readiness::StoreFailed);
                    self.metrics.store_failed();
                    tracing::error!(%error, "a write failed: all sessions are closed and the storage is opened again");
                    drop(shared);
                }
            }
            match self.reopen(&runtime).await {
                Some(again) => (plane, clock, store) = again,
                None => {
                    self.readiness.send_replace(Readiness::ShuttingDown);
                    return;
                }
            }
            self.turn_away();
            self.readiness.send_replace(Readiness::Ready);
            tracing::info!("the storage works again; the node serves");
        }
    }

    /// Tries until the storage can be read and written, or the node is to shut down.
    async fn reopen(&mut self, runtime: &Handle) -> Option<(Plane, Clock, SqliteStore)> {
        let mut pause = REOPEN_PAUSE_MIN;
        loop {
            self.turn_away();
            let database = self.database.clone();
            // The database's connections belong to the runtime that lives as long as the process.
            let opened = runtime.spawn(async move { SqliteStore::open(&database).await }).await;
            if let Ok(Ok(store)) = opened {
                let mut clock = Clock::default();
                match self.open(&store, &mut clock).await {
                    Ok(plane) => return Some((plane, clock, store)),
                    Err(error) => tracing::error!(%error, "the storage cannot be read yet"),
                }
            } else if let Ok(Err(error)) = opened {
                tracing::error!(%error, retry_ms = pause.as_millis(), "the storage cannot be opened yet");
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(REOPEN_PAUSE_MAX),
                // Whoever asks for counts gets no answer, which `/readyz` reports.
                Some(Control::Shutdown) | None = self.lanes.control.recv() => return None,
            }
        }
    }

    /// Sessions that came while there was no plane are told to come again.
    fn turn_away(&mut self) {
        while let Ok(message) = self.lanes.sessions.try_recv() {
            if let FromSession::Opened { queue, .. } = message {
                queue.close(Readiness::StoreFailed.refusal());
            }
        }
        while self.lanes.media.try_recv().is_ok() {}
        while self.lanes.push.try_recv().is_ok() {} // the services will say it again
    }
}

/// Closes the database, unless a query is still running, which ends with the process.
async fn close(store: Arc<SqliteStore>) {
    match Arc::try_unwrap(store) {
        Ok(store) => {
            if let Err(error) = store.close().await {
                tracing::error!(%error, "the database was not closed in order; nothing is lost");
            }
        }
        Err(_) => tracing::debug!("a query still runs; the database closes with the process"),
    }
}
