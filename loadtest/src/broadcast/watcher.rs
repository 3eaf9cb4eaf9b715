//! A full member that watches with the shipped client: it opens every frame, and may record what it saw.
use super::house::{Full, Removals};
use anyhow::{Context as _, Result, ensure};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use wardline_client::broadcast::{Change, WatchedBroadcast};
use wardline_client::core::{Broadcast, Event};
use wardline_client::media::{ViewerSinks, ViewerStatistics};
use wardline_protocol::CallId;

/// How often it is looked whether there is a picture: the error of that time.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How long the first picture may take, key frames being so far apart.
const PICTURE_MAX: Duration = Duration::from_secs(15);

/// How often a lost line is looked for.
const MEND_EVERY: Duration = Duration::from_secs(1);

/// One that watches.
pub struct Watcher {
    task: JoinHandle<Result<(Full, ViewerStatistics)>>,
    stop: watch::Sender<bool>,
    now: Arc<Mutex<ViewerStatistics>>,
    /// Who was removed from the channel, as it learnt.
    pub removals: Removals,
    /// From the request to the first key frame that was opened.
    pub first_frame_after: Duration,
    /// Where its pictures are recorded.
    pub recording: Option<PathBuf>,
}

impl Watcher {
    /// Begins to watch, and waits for the first picture.
    ///
    /// # Errors
    /// What kept it from that.
    pub async fn start(full: Full, id: CallId, recording: Option<PathBuf>) -> Result<Self> {
        let events = full.client.events();
        let told = told_of(&full, id).await?;
        let sinks = ViewerSinks { video: recording.clone(), sound: None };
        let asked = Instant::now();
        let watched = WatchedBroadcast::join(&full.client, &told, sinks).await?;
        while watched.statistics().first_key_frame_after.is_none() {
            ensure!(asked.elapsed() < PICTURE_MAX, "no picture within {PICTURE_MAX:?}: {:?}", watched.statistics());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let first_frame_after = asked.elapsed();
        Ok(Self::live(full, watched, events, first_frame_after, recording))
    }

    /// Begins to watch, whether or not there is ever a picture.
    ///
    /// # Errors
    /// What kept it from that.
    pub async fn start_blind(full: Full, id: CallId) -> Result<Self> {
        let events = full.client.events();
        let told = told_of(&full, id).await?;
        let watched = WatchedBroadcast::join(&full.client, &told, ViewerSinks::default()).await?;
        Ok(Self::live(full, watched, events, Duration::ZERO, None))
    }

    fn live(
        full: Full,
        watched: WatchedBroadcast,
        events: broadcast::Receiver<Event>,
        first_frame_after: Duration,
        recording: Option<PathBuf>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (now, removals) = (Arc::default(), full.removals.clone());
        let life = Life { full, watched, events, stopped, now: Arc::clone(&now) };
        Self { task: tokio::spawn(life.run()), stop, now, removals, first_frame_after, recording }
    }

    /// Its counts, at most a second old.
    pub fn statistics(&self) -> ViewerStatistics {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches no more; its recording is whole then.
    ///
    /// # Errors
    /// What ended it early.
    pub async fn end(self) -> Result<(Full, ViewerStatistics)> {
        self.stop.send_replace(true);
        self.task.await?
    }
}

/// Waits until it is to end.
pub(super) async fn over(stopped: &mut watch::Receiver<bool>) {
    // Whoever would say it may be gone: that says it as well.
    drop(stopped.wait_for(|stopped| *stopped).await);
}

async fn told_of(full: &Full, id: CallId) -> Result<Broadcast> {
    let until = Instant::now() + PICTURE_MAX;
    loop {
        let told = full.client.look(move |core| core.broadcasts().get(&id).cloned()).await?;
        if let Some(told) = told {
            return Ok(told);
        }
        ensure!(Instant::now() < until, "the broadcast was not told within {PICTURE_MAX:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

struct Life {
    full: Full,
    watched: WatchedBroadcast,
    events: broadcast::Receiver<Event>,
    stopped: watch::Receiver<bool>,
    now: Arc<Mutex<ViewerStatistics>>,
}

impl Life {
    async fn run(mut self) -> Result<(Full, ViewerStatistics)> {
        let mut mend = tokio::time::interval(MEND_EVERY);
        let mut stopped = self.stopped.clone();
        loop {
            tokio::select! {
                biased;
                () = over(&mut stopped) => break,
                event = self.events.recv() => self.hear(&event.context("a viewer's events")?).await?,
                _ = mend.tick() => {
                    *self.now.lock().unwrap_or_else(PoisonError::into_inner) = self.watched.statistics();
                    self.watched.mend(&self.full.client).await?;
                }
            }
        }
        let statistics = self.watched.close().await;
        Ok((self.full, statistics))
    }

    async fn hear(&mut self, event: &Event) -> Result<()> {
        match self.watched.hear(&self.full.client, event).await? {
            Some(Change::Ended(reason)) if !*self.stopped.borrow() => {
                anyhow::bail!("the broadcast ended early: {reason:?}")
            }
            _ => Ok(()),
        }
    }
}
