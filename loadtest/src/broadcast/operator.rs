//! The operator: a full member with the shipped client, whose media goes out of a peer of our own, so that it is known of each packet when it left.
//!
//! The keys are the channel's, the context ids the device's, the frames a real encoder's, sealed as the shipped publisher seals them. What is not the
//! shipped publisher's is the connection: str0m on a thread of its own.
use super::footage::Footage;
use super::ledger::{Frame, Kind, Ledger, PARTS_MAX};
use crate::report::Times;
use crate::video::device::{Device, Devices};
use crate::video::load::{unix_ns, wait};
use crate::video::peer::{Line, Stream};
use crate::workload::Fault;
use anyhow::{Context as _, Result, ensure};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use str0m::media::{Direction, MediaKind, Rid};
use wardline_client::media::Layer;
use wardline_client::media::file;
use wardline_client::media::vp8::{self, Packetizer};
use wardline_e2ee::media::{self, MediaEpoch};

/// Packets that leave at once, and the pause after them, as the shipped publisher has them: 150 Mbit/s.
const BURST_PACKETS: usize = 16;
const BURST_PAUSE: Duration = Duration::from_millis(1);

/// Between the answer and the first frame: ICE and DTLS come up.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Where the base key is in the bytes of an epoch: behind its number and the own leaf.
const BASE_KEY_AT: usize = 12;

/// What the sender's thread is told.
enum Tell {
    Keys(Box<MediaEpoch>),
    Over,
}

/// What the sender's thread tells.
#[derive(Default)]
pub struct Sending {
    /// What was sent.
    pub ledger: Ledger,
    /// How often the node asked the operator for a key frame.
    pub key_frames_wanted: AtomicU64,
    /// Since when frames are sealed with the keys of which epoch.
    epochs: Mutex<Vec<(u64, Instant)>>,
    /// How late frames left.
    late: Mutex<Times>,
}

impl Sending {
    /// Since when frames are sealed with the keys of this epoch or a later one.
    pub fn sealed_since(&self, epoch: u64) -> Option<Instant> {
        let epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        epochs.iter().find(|(number, _)| *number >= epoch).map(|(_, at)| *at)
    }

    /// The epoch whose keys seal now.
    pub fn epoch(&self) -> u64 {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner).last().map_or(0, |(epoch, _)| *epoch)
    }

    /// How late frames left, until now.
    pub fn late(&self) -> Times {
        self.late.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An operator's media connection before it is answered.
pub struct Operator {
    device: Device,
    rids: Vec<Option<Rid>>,
}

impl Operator {
    /// Opens a socket and makes the offer: a line of sound, and one of video with its layers.
    ///
    /// # Errors
    /// What the system or str0m says.
    pub fn offer(address: IpAddr, layers: usize) -> Result<(Self, String)> {
        let rids: Vec<Option<Rid>> = match layers {
            1 => vec![None],
            _ => Layer::ALL.iter().take(layers).map(|layer| Some(Rid::from(layer.rid()))).collect(),
        };
        let mut device = Device::new(address)?;
        let direction = Direction::SendOnly;
        let sound = Line { kind: MediaKind::Audio, direction, rids: Vec::new() };
        let video = Line { kind: MediaKind::Video, direction, rids: rids.iter().flatten().copied().collect() };
        let offer = device.peer.offer_lines(Instant::now(), &[sound, video])?;
        Ok((Self { device, rids }, offer))
    }

    /// Takes the answer, connects, and sends the programme again and again until it is ended. `context_ids`: the sound's, then one for each layer.
    ///
    /// # Errors
    /// An answer that does not fit; keys that cannot be used.
    pub fn start(
        mut self,
        answer: &str,
        footage: &Footage,
        keys: &MediaEpoch,
        context_ids: &[u32],
        fault: Option<Fault>,
    ) -> Result<Live> {
        self.device.peer.take_answer(Instant::now(), answer)?;
        let mut ids = context_ids.iter().copied();
        let mut next = || ids.next().context("a context id for each track");
        let spoilt = if fault == Some(Fault::WrongKey) { spoil(keys)? } else { keys.clone() };
        let mut tracks = vec![Track::new(Kind::Sound, (0, None), footage.sound.clone(), &spoilt, next()?)?];
        for (place, (rid, frames)) in self.rids.iter().zip(&footage.layers).enumerate() {
            tracks.push(Track::new(Kind::Video(place), (1, *rid), frames.clone(), &spoilt, next()?)?);
        }
        let (tell, told) = channel();
        let sending = Arc::new(Sending::default());
        let play = Play { tracks, length: footage.length, told, sending: sending.clone(), fault };
        let device = self.device;
        let thread = std::thread::Builder::new().name("load-operator".into()).spawn(move || play.run(device))?;
        Ok(Live { thread, tell, sending })
    }
}

/// An operator that is live.
pub struct Live {
    thread: JoinHandle<Result<()>>,
    tell: Sender<Tell>,
    /// What it tells of itself.
    pub sending: Arc<Sending>,
}

impl Live {
    /// The channel has new keys: the next frame is sealed with them.
    pub fn update_keys(&self, keys: MediaEpoch) {
        // A thread that has ended says why when it is ended.
        let _ = self.tell.send(Tell::Keys(Box::new(keys)));
    }

    /// Stops sending.
    ///
    /// # Errors
    /// What ended it early.
    pub fn end(self) -> Result<()> {
        let _ = self.tell.send(Tell::Over);
        self.thread.join().map_err(|_| anyhow::anyhow!("the operator's thread panicked"))?
    }
}

/// The same epoch with another key.
fn spoil(keys: &MediaEpoch) -> Result<MediaEpoch> {
    let mut bytes = keys.to_bytes().to_vec();
    *bytes.get_mut(BASE_KEY_AT).context("a base key")? ^= 1;
    MediaEpoch::from_bytes(&bytes).context("an epoch")
}

/// One track of the programme on its way.
struct Track {
    kind: Kind,
    stream: Stream,
    frames: Arc<Vec<file::Frame>>,
    sealer: media::Sender,
    packetizer: Packetizer,
    /// How often it was played to its end, and the next frame.
    round: u32,
    next: usize,
}

impl Track {
    fn new(
        kind: Kind,
        stream: Stream,
        frames: Arc<Vec<file::Frame>>,
        keys: &MediaEpoch,
        context_id: u32,
    ) -> Result<Self> {
        let sealer = media::Sender::new(keys.clone(), context_id)?;
        ensure!(!frames.is_empty(), "a track without frames");
        Ok(Self { kind, stream, frames, sealer, packetizer: Packetizer::new(0), round: 0, next: 0 })
    }

    /// When the next frame is due, from the start.
    fn due(&self, length: Duration) -> Duration {
        length * self.round + self.frames.get(self.next).map(|frame| frame.time).unwrap_or_default()
    }

    /// The next frame, sealed and cut, with its number.
    fn take(&mut self) -> Result<(u64, Vec<Arc<[u8]>>)> {
        let picture = u64::from(self.round) * self.frames.len() as u64 + self.next as u64;
        let data = &self.frames.get(self.next).context("a frame")?.data;
        let payloads: Vec<Arc<[u8]>> = match self.kind {
            Kind::Sound => vec![self.sealer.seal(data, 0)?.into()],
            Kind::Video(_) => {
                let sealed = self.sealer.seal(data, vp8::clear_bytes(data))?;
                self.packetizer.cut(&sealed).iter().map(|payload| Arc::from(payload.as_ref())).collect()
            }
        };
        ensure!(payloads.len() <= PARTS_MAX, "a frame of {} packets: use a lower bit rate", payloads.len());
        self.next += 1;
        if self.next == self.frames.len() {
            (self.round, self.next) = (self.round + 1, 0);
        }
        Ok((picture, payloads))
    }
}

/// The sender's thread.
struct Play {
    tracks: Vec<Track>,
    length: Duration,
    told: Receiver<Tell>,
    sending: Arc<Sending>,
    fault: Option<Fault>,
}

impl Play {
    fn run(mut self, device: Device) -> Result<()> {
        let mut devices = Devices::new(Vec::new())?;
        devices.add(device)?;
        let until = Instant::now() + CONNECT_MAX;
        while devices.all.iter().any(|device| !device.peer.connected) {
            ensure!(Instant::now() < until, "the operator's media is not connected within {CONNECT_MAX:?}");
            wait(&mut devices, Instant::now() + Duration::from_millis(2))?;
        }
        let start = Instant::now();
        self.sealed_from_now();
        loop {
            let length = self.length;
            let Some(due) = self.tracks.iter().map(|track| track.due(length)).min() else { return Ok(()) };
            wait(&mut devices, start + due)?;
            while let Ok(told) = self.told.try_recv() {
                match told {
                    Tell::Keys(keys) => self.rekey(&keys)?,
                    Tell::Over => return Ok(()),
                }
            }
            self.send(&mut devices, start, due)?;
        }
    }

    fn send(&mut self, devices: &mut Devices, start: Instant, due: Duration) -> Result<()> {
        let length = self.length;
        let track = self.tracks.iter_mut().find(|track| track.due(length) == due).context("the track that is due")?;
        let video = track.kind != Kind::Sound;
        let (picture, payloads) = track.take()?;
        let (kind, stream, parts) = (track.kind, track.stream, payloads.len());
        let rate: u128 = if video { 90_000 } else { 48_000 };
        // It goes round, as RTP's clock does.
        let time = ((due.as_nanos() * rate + 500_000_000) / 1_000_000_000) as u32;
        self.sending.late.lock().unwrap_or_else(PoisonError::into_inner).add((start + due).elapsed());
        let frame = self.sending.ledger.begin(Frame { kind, picture, parts, at_ns: unix_ns() });
        for (part, payload) in payloads.into_iter().enumerate() {
            if part > 0 && part % BURST_PACKETS == 0 {
                wait(devices, Instant::now() + BURST_PAUSE)?;
            }
            self.sending.ledger.note(kind, frame, part, unix_ns(), &payload);
            let device = devices.all.first_mut().context("the operator's device")?;
            device.peer.write_to(Instant::now(), stream, payload, time, (video && part + 1 == parts, video))?;
            device.flush();
            self.sending.key_frames_wanted.store(device.peer.key_frames_wanted, Relaxed);
        }
        Ok(())
    }

    fn rekey(&mut self, keys: &MediaEpoch) -> Result<()> {
        let keys = if self.fault == Some(Fault::WrongKey) { spoil(keys)? } else { keys.clone() };
        for track in &mut self.tracks {
            track.sealer.update(keys.clone())?;
        }
        self.sealed_from_now();
        Ok(())
    }

    fn sealed_from_now(&self) {
        if let Some(track) = self.tracks.first() {
            let since = (track.sealer.epoch(), Instant::now());
            self.sending.epochs.lock().unwrap_or_else(PoisonError::into_inner).push(since);
        }
    }
}
