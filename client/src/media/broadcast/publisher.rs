//! [`Publisher`]: one broadcast of one device, from files.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rtc::rtp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, sleep_until};
use wardline_e2ee::media::MediaEpoch;

use super::super::lock::lock;
use super::super::{MediaConfig, MediaError};
use super::clock::Clock;
use super::feedback::Asked;
use super::outlet::Outlet;
use super::reel::Reel;
use super::stream::Stream;
use super::{Layer, Programme, PublisherStatistics};

/// Packets of a frame that are sent at once...
const BURST_PACKETS: usize = 16;
/// ...before this pause: a large key frame must not fill the network's queues. 150 Mbit/s.
const BURST_PAUSE: Duration = Duration::from_millis(1);

/// One broadcast of one device, from files.
///
/// Call order: [`offer`](Self::offer), the node's [`answer`](Self::answer), [`start`](Self::start), [`close`](Self::close). Must
/// live inside a tokio runtime. Dropped without `close`, it ends at once.
///
/// Frames are sent at their times, whether or not there is a connection: what is broadcast goes on while nobody can see it.
/// The sound's packets are as long as they are in the file, so sound of variable bit rate tells the node when it is loud.
pub struct Publisher {
    programme: Programme,
    shared: Arc<Shared>,
    asked: Arc<Asked>,
    connected: watch::Sender<bool>,
    finished: watch::Sender<bool>,
    /// The connection in use; a restart puts another in its place.
    outlet: watch::Sender<Arc<Outlet>>,
    /// Told once, at the end.
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What the task and the owner both reach. The lock is held for one frame's sealing.
#[derive(Default)]
struct Shared {
    /// None until the start.
    streams: Mutex<Option<Streams>>,
    unsent: AtomicU64,
}

struct Streams {
    sound: Option<Stream>,
    video: Vec<(Layer, Stream)>,
}

#[derive(Clone, Copy)]
enum Track {
    Sound,
    Video(Layer),
}

impl Publisher {
    /// Opens sockets and makes the offer: SDP with all host candidates, and a line to send on for sound and for video where the
    /// programme has them. Several layers are offered as simulcast, by the names of [`Layer::rid`].
    ///
    /// # Errors
    /// [`MediaError::NoLocalAddress`] without a network, [`MediaError::Connection`] when a socket cannot be opened.
    pub async fn offer(config: MediaConfig, programme: Programme) -> Result<(Self, String), MediaError> {
        let (connected, _) = watch::channel(false);
        let asked = Arc::new(Asked::default());
        let (outlet, sdp) = Outlet::offer(&config, &programme, connected.clone(), asked.clone()).await?;
        let publisher = Self {
            programme,
            shared: Arc::default(),
            asked,
            connected,
            finished: watch::Sender::new(false),
            outlet: watch::Sender::new(Arc::new(outlet)),
            stop: watch::Sender::new(false),
            task: Mutex::default(),
        };
        Ok((publisher, sdp))
    }

    /// Takes the node's answer (SDP). ICE and DTLS come up at once.
    ///
    /// # Errors
    /// [`MediaError::BadAnswer`] when it does not fit the newest offer, or takes one layer where several were offered.
    pub async fn answer(&self, sdp: &str) -> Result<(), MediaError> {
        let outlet = self.outlet.borrow().clone();
        outlet.answer(sdp).await
    }

    /// Whether packets can pass now.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// Whether the programme is over. Never with one that is looping.
    pub fn finished(&self) -> watch::Receiver<bool> {
        self.finished.subscribe()
    }

    /// Begins the programme now. `context_ids` are ones that this device never used before, [`Programme::context_ids_count`] of
    /// them: the first for the sound, if there is any, the others for the layers, the largest first.
    ///
    /// # Errors
    /// [`MediaError::AlreadyStarted`] the second time, [`MediaError::ContextIds`] when they are too few or not all different,
    /// [`MediaError::Sealing`] when the keys are not this device's.
    pub fn start(&self, keys: MediaEpoch, context_ids: &[u32]) -> Result<(), MediaError> {
        let mut streams = lock(&self.shared.streams);
        if streams.is_some() || *self.stop.borrow() {
            return Err(MediaError::AlreadyStarted);
        }
        let needed = self.programme.context_ids_count();
        let own = context_ids.get(..needed).unwrap_or(context_ids);
        let given = own.iter().collect::<BTreeSet<_>>().len();
        if given < needed {
            return Err(MediaError::ContextIds { needed, given });
        }
        let mut ids = own.iter().copied();
        let mut next = || ids.next().ok_or(MediaError::ContextIds { needed, given });
        let again_after = self.programme.is_looping().then(|| self.programme.length());
        let (mut parts, mut sound, mut video) = (Vec::new(), None, Vec::new());
        if let Some(file) = self.programme.sound() {
            sound = Some(Stream::sound(keys.clone(), next()?)?);
            parts.push((Track::Sound, Reel::of_sound(file.clone(), again_after)?));
        }
        for (layer, file) in self.programme.videos() {
            video.push((*layer, Stream::video(keys.clone(), next()?)?));
            parts.push((Track::Video(*layer), Reel::of_video(file.clone(), again_after)?));
        }
        *streams = Some(Streams { sound, video });
        drop(streams);
        let play = play(self.shared.clone(), parts, self.outlet.subscribe());
        let (mut stop, finished) = (self.stop.subscribe(), self.finished.clone());
        *lock(&self.task) = Some(tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => {}
                () = play => {
                    finished.send_replace(true);
                }
            }
        }));
        Ok(())
    }

    /// The conversation's membership changed: the next frame is sealed with the new keys. Without effect before
    /// [`start`](Self::start), which takes the newest keys itself.
    pub fn update_keys(&self, keys: MediaEpoch) {
        if let Some(streams) = lock(&self.shared.streams).as_mut() {
            let all = streams.sound.iter_mut().chain(streams.video.iter_mut().map(|(_, stream)| stream));
            for stream in all {
                if let Err(error) = stream.update_keys(keys.clone()) {
                    tracing::warn!(%error, "nothing more is sent of a part of this broadcast");
                }
            }
        }
    }

    /// Counts since the start.
    pub fn statistics(&self) -> PublisherStatistics {
        let mut statistics = PublisherStatistics {
            unsent: self.shared.unsent.load(Ordering::Relaxed),
            key_frames_asked_for: self.asked.key_frames(),
            packets_asked_for: self.asked.packets(),
            ..Default::default()
        };
        if let Some(streams) = lock(&self.shared.streams).as_ref() {
            statistics.sound = streams.sound.as_ref().map(Stream::sent).unwrap_or_default();
            statistics.video = streams.video.iter().map(|(layer, stream)| (*layer, stream.sent())).collect();
        }
        statistics
    }

    /// The connection was lost, or the network changed: makes a new one under the same programme, which goes on meanwhile. Returns
    /// its offer; give the node's answer to [`answer`](Self::answer). The old connection ends.
    ///
    /// # Errors
    /// As [`offer`](Self::offer); the old connection then stays.
    pub async fn restart(&self, config: MediaConfig) -> Result<String, MediaError> {
        let (outlet, sdp) = Outlet::offer(&config, &self.programme, self.connected.clone(), self.asked.clone()).await?;
        // The node drops the old connection when it takes the new offer, so nothing is won by keeping it.
        let old = self.outlet.send_replace(Arc::new(outlet));
        old.retire();
        self.connected.send_replace(false);
        old.close().await;
        Ok(sdp)
    }

    /// Ends the broadcast and the connection.
    pub async fn close(self) {
        self.stop.send_replace(true);
        let task = lock(&self.task).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "the task of a broadcast ended badly");
        }
        let outlet = self.outlet.borrow().clone();
        outlet.close().await;
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).as_ref() {
            task.abort();
        }
    }
}

/// Sends every frame at its time, until all files are at their end.
async fn play(shared: Arc<Shared>, mut parts: Vec<(Track, Reel)>, mut outlet: watch::Receiver<Arc<Outlet>>) {
    let mut clock = Clock::new(Instant::now());
    loop {
        let mut first: Option<(Duration, usize)> = None;
        for (index, (_, reel)) in parts.iter_mut().enumerate() {
            if let Some(due) = reel.due().await
                && first.is_none_or(|(earliest, _)| due < earliest)
            {
                first = Some((due, index));
            }
        }
        let Some((due, (track, reel))) = first.and_then(|(due, index)| Some((due, parts.get_mut(index)?))) else {
            return;
        };
        sleep_until(clock.at(due).into()).await;
        clock.sending(due, Instant::now());
        let Some(frame) = reel.take() else { continue };
        let packets = shared.seal(*track, &frame.data, due);
        let connection = outlet.borrow_and_update().clone();
        let sent = match packets {
            Ok(packets) => send(&connection, *track, packets).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            // The connection may come back, or another take its place.
            shared.unsent.fetch_add(1, Ordering::Relaxed);
            tracing::trace!(%error, "a frame was not sent");
        }
    }
}

async fn send(outlet: &Outlet, track: Track, packets: Vec<rtp::Packet>) -> Result<(), MediaError> {
    for (index, packet) in packets.into_iter().enumerate() {
        if index > 0 && index % BURST_PACKETS == 0 {
            sleep(BURST_PAUSE).await;
        }
        match track {
            Track::Sound => outlet.send_sound(packet).await?,
            Track::Video(layer) => outlet.send_video(layer, packet).await?,
        }
    }
    Ok(())
}

impl Shared {
    fn seal(&self, track: Track, frame: &[u8], due: Duration) -> Result<Vec<rtp::Packet>, MediaError> {
        let mut streams = lock(&self.streams);
        let stream = streams.as_mut().and_then(|streams| match track {
            Track::Sound => streams.sound.as_mut(),
            Track::Video(layer) => {
                streams.video.iter_mut().find_map(|(known, stream)| (*known == layer).then_some(stream))
            }
        });
        stream.ok_or(MediaError::Sealing)?.packets(due, frame)
    }
}
