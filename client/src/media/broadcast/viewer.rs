//! [`Viewer`]: one broadcast, watched by one device.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use wardline_e2ee::media::MediaEpoch;
use wardline_protocol::AccountId;

use super::super::connection::OnPacket;
use super::super::lock::lock;
use super::super::{MediaConfig, MediaError};
use super::inlet::Inlet;
use super::recorder::{Recorder, ViewerSinks};
use super::statistics::ViewerStatistics;
use super::watching::Watching;

/// How often it is looked what was waited for long enough.
const TICK: Duration = Duration::from_millis(100);

/// One broadcast, watched by one device.
///
/// Call order: [`offer`](Self::offer), the node's [`answer`](Self::answer), [`start`](Self::start), [`close`](Self::close). Must
/// live inside a tokio runtime. Dropped without `close`, it ends at once and the end of its files may be missing.
pub struct Viewer {
    shared: Arc<Shared>,
    connected: watch::Sender<bool>,
    /// The connection in use; a restart puts another in its place.
    inlet: watch::Sender<Arc<Inlet>>,
    /// Told once, at the end.
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What the connection's tasks, the viewer's task and its owner all reach. Each lock is held for one packet's work.
#[derive(Default)]
struct Shared {
    /// None until the start: what arrives before is not seen.
    watching: Mutex<Option<Watching>>,
    /// As they were at the end.
    last: Mutex<ViewerStatistics>,
}

impl Viewer {
    /// Opens sockets and makes the offer: SDP with all host candidates, a line for sound and one for video, both only to receive.
    ///
    /// # Errors
    /// [`MediaError::NoLocalAddress`] without a network, [`MediaError::Connection`] when a socket cannot be opened.
    pub async fn offer(config: MediaConfig) -> Result<(Self, String), MediaError> {
        let shared = Arc::new(Shared::default());
        let (connected, _) = watch::channel(false);
        let (inlet, sdp) = Inlet::offer(&config, connected.clone(), shared.clone().on_packet()).await?;
        let viewer = Self {
            shared,
            connected,
            inlet: watch::Sender::new(Arc::new(inlet)),
            stop: watch::Sender::new(false),
            task: Mutex::default(),
        };
        Ok((viewer, sdp))
    }

    /// Takes the node's answer (SDP). ICE and DTLS come up at once.
    ///
    /// # Errors
    /// [`MediaError::BadAnswer`] when it does not fit the newest offer.
    pub async fn answer(&self, sdp: &str) -> Result<(), MediaError> {
        let inlet = self.inlet.borrow().clone();
        inlet.answer(sdp).await
    }

    /// Whether packets can pass now.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// Begins to watch what `publisher` sends, and to write it to `sinks`. Frames of anybody else do not open.
    ///
    /// # Errors
    /// [`MediaError::AlreadyStarted`] the second time, [`MediaError::Sink`] when a file cannot be made.
    pub fn start(&self, keys: MediaEpoch, publisher: AccountId, sinks: ViewerSinks) -> Result<(), MediaError> {
        let mut watching = lock(&self.shared.watching);
        let mut task = lock(&self.task);
        if task.is_some() || *self.stop.borrow() {
            return Err(MediaError::AlreadyStarted);
        }
        *watching = Some(Watching::new(keys, publisher, Recorder::create(sinks)?, Instant::now()));
        *task = Some(tokio::spawn(watch(self.shared.clone(), self.inlet.subscribe(), self.stop.subscribe())));
        Ok(())
    }

    /// The conversation's membership changed: takes the keys of the new epoch; the old ones open for 5 s more. Without effect
    /// before [`start`](Self::start), which takes the newest keys itself.
    pub fn update_keys(&self, keys: MediaEpoch) {
        if let Some(watching) = lock(&self.shared.watching).as_mut() {
            watching.update_keys(keys, Instant::now());
        }
    }

    /// Counts since the start.
    pub fn statistics(&self) -> ViewerStatistics {
        match lock(&self.shared.watching).as_ref() {
            Some(watching) => watching.statistics(),
            None => *lock(&self.shared.last),
        }
    }

    /// The connection was lost, or the network changed: makes a new one under the same broadcast. Returns its offer; give the
    /// node's answer to [`answer`](Self::answer). The old connection ends.
    ///
    /// # Errors
    /// As [`offer`](Self::offer); the old connection then stays.
    pub async fn restart(&self, config: MediaConfig) -> Result<String, MediaError> {
        let (inlet, sdp) = Inlet::offer(&config, self.connected.clone(), self.shared.clone().on_packet()).await?;
        // The node drops the old connection when it takes the new offer, so nothing is won by keeping it.
        let old = self.inlet.send_replace(Arc::new(inlet));
        old.retire();
        self.connected.send_replace(false);
        old.close().await;
        Ok(sdp)
    }

    /// Ends the connection; the files are finished when this returns. Gives the last counts.
    pub async fn close(self) -> ViewerStatistics {
        self.stop.send_replace(true);
        let task = lock(&self.task).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "the task of a viewer ended badly");
        }
        let inlet = self.inlet.borrow().clone();
        inlet.close().await;
        *lock(&self.shared.last)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).as_ref() {
            task.abort();
        }
    }
}

impl Shared {
    fn on_packet(self: Arc<Self>) -> OnPacket {
        Arc::new(move |now, packet| {
            if let Some(watching) = lock(&self.watching).as_mut() {
                watching.receive(packet, now);
            }
        })
    }

    fn tick(&self, now: Instant) -> Option<u32> {
        lock(&self.watching).as_mut()?.tick(now)
    }
}

/// Looks after what waits until told to stop, then ends the files.
async fn watch(shared: Arc<Shared>, mut inlet: watch::Receiver<Arc<Inlet>>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            _ = ticks.tick() => {}
        }
        let Some(source) = shared.tick(Instant::now()) else { continue };
        let connection = inlet.borrow_and_update().clone();
        // The stack lets its sender wait when it is behind; the end must not.
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            asked = connection.ask_for_key_frame(source) => {
                if let Err(error) = asked {
                    tracing::trace!(%error, "a key frame could not be asked for");
                }
            }
        }
    }
    let watching = lock(&shared.watching).take();
    if let Some(watching) = watching {
        let statistics = watching.finish(Instant::now());
        *lock(&shared.last) = statistics;
    }
}
