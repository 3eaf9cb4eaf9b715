//! A device that is alive: one task owns the core, the store and the line to the node, and everybody else asks it.
//!
//! Absent on purpose: decisions. What to send, store and tell is the core's; this performs its outputs in their order, keeps the line
//! up with back-off, and ends when the node says for good that this device may not be here.
pub mod files;
mod hands;
pub mod join;

use crate::connection::{ConnectionError, Link};
pub use crate::core::is_final;
use crate::core::{Body, Command, Core, Event, Failure, Reply};
use crate::entry::EntryError;
use crate::store::{Store, StoreError};
use files::Files;
use hands::{Ask, Hands};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;
use wardline_e2ee::Suite;

/// Events a slow listener may be behind; it is told how many it missed.
const EVENTS_BEHIND_MAX: usize = 16_384;

/// Commands that wait for the task; a further one waits with its caller.
const ASKS_WAITING_MAX: usize = 64;

/// What this program calls itself toward the node.
pub(crate) const PROGRAM: &str = concat!("wardline-client/", env!("CARGO_PKG_VERSION"));

/// Why a device cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Its state.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it stored does not load.
    #[error(transparent)]
    Load(#[from] crate::core::LoadError),
    /// The way to the node.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The device's task has ended; the event `goodbye` has said why.
    #[error("this device's session is over")]
    Ended,
    /// No randomness.
    #[error("the operating system gives no randomness")]
    Random,
    /// A code or a grant.
    #[error(transparent)]
    Entry(EntryError),
}

impl From<EntryError> for ClientError {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Random => Self::Random,
            other => Self::Entry(other),
        }
    }
}

/// The handle of a living device. Dropping it ends the device; [`Client::close`] waits until everything sent is out.
pub struct Client {
    asks: mpsc::Sender<Ask>,
    events: broadcast::Sender<Event>,
    task: JoinHandle<()>,
    store: Arc<Store>,
    node_addresses: Vec<String>,
    files: Files,
}

impl Client {
    /// Opens an enrolled device's state and starts to connect. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::NotEnrolled`], or what the state says when it is damaged or in use.
    pub async fn open(directory: &Path) -> Result<(Self, broadcast::Receiver<Event>), ClientError> {
        let store = Arc::new(Store::open(directory, false).await?);
        let (identity, place) = store.identity().await?;
        let saved = store.load().await?;
        let waiting = saved.outbox.iter().filter_map(|record| match &record.message.body {
            Body::File(file) => Some(file.attachment),
            _ => None,
        });
        let files = Files::open(directory, &waiting.collect());
        let seed = *wardline_directory::key::random::<32>().map_err(|_| ClientError::Random)?;
        let signing = wardline_directory::key::DeviceKey::from_seed(*identity.key.seed());
        let core = Core::new(identity, Suite::default(), saved, seed)?;
        let (events, listener) = broadcast::channel(EVENTS_BEHIND_MAX);
        let (asks, waiting) = mpsc::channel(ASKS_WAITING_MAX);
        let node_addresses = place.addresses.clone();
        let hands = Hands::new(core, store.clone(), place, signing, events.clone(), files.clone());
        let task = tokio::spawn(hands.run(waiting));
        Ok((Self { asks, events, task, store, node_addresses, files }, listener))
    }

    /// Events from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Carries out a command. What needs the node fails with [`Failure::Offline`] without one; messages wait in the outbox.
    ///
    /// # Errors
    /// [`Failure`] as the core says; [`ClientError::Ended`] when the device's task is over.
    pub async fn command(&self, command: Command) -> Result<Result<Reply, Failure>, ClientError> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask::Command(Box::new(command), answer)).await.map_err(|_| ClientError::Ended)?;
        answered.await.map_err(|_| ClientError::Ended)
    }

    /// Looks at the core between two inputs.
    ///
    /// # Errors
    /// [`ClientError::Ended`] when the device's task is over.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Core) -> T + Send + 'static,
    ) -> Result<T, ClientError> {
        let (answer, answered) = oneshot::channel();
        let look = Box::new(move |core: &Core| {
            // Nobody waiting any more is no fault.
            let _ = answer.send(look(core));
        });
        self.asks.send(Ask::Look(look)).await.map_err(|_| ClientError::Ended)?;
        answered.await.map_err(|_| ClientError::Ended)
    }

    /// The line to the node, while there is one.
    async fn link(&self) -> Result<Option<Link>, ClientError> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask::Link(answer)).await.map_err(|_| ClientError::Ended)?;
        answered.await.map_err(|_| ClientError::Ended)
    }

    /// The device's durable state, for reading history.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where the node was last known to be.
    pub fn node_addresses(&self) -> &[String] {
        &self.node_addresses
    }

    /// Ends the device: the line is closed once everything sent is on its way, and the state is released.
    pub async fn close(self) {
        drop(self.asks);
        if self.task.await.is_err() {
            tracing::warn!("the device's task ended badly");
        }
    }
}
