//! Light viewers: many peers on one thread, which authenticate every packet (DTLS-SRTP), compare it with what was sent, and count.
use super::ledger::{Frame, Kind, Ledger, PARTS_MAX};
use super::narrow::Narrow;
use crate::report::Times;
use crate::video::device::{Device, Devices, unix_now};
use crate::video::load::{Chance, is_rtp, unix_ns};
use crate::video::peer::Peer;
use crate::workload::LAYERS_MAX;
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use str0m::rtp::RtpPacket;

/// How long the thread waits for packets before it looks what it is told.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Spans begin and end so long after it is said: the thread knows before the first packet comes.
pub const AHEAD: Duration = Duration::from_millis(50);

/// Which packets of a frame came.
type Parts = [u64; PARTS_MAX / 64];

/// What the thread is told.
enum Tell {
    Add(Box<Device>),
    /// Packets that were sent from this time on are counted, and those before forgotten.
    From(u64),
    /// Packets that were sent until this time.
    Until(u64),
    /// So many percent of the media are lost on the way to this viewer.
    Lose(usize, f64),
    /// This viewer's line carries so many kbit/s, or everything.
    Narrow(usize, Option<u32>),
    /// Since when this viewer received which layer.
    Layers(usize, Sender<Vec<(usize, Instant)>>),
    Collect(Sender<Received>),
    Over,
}

/// What light viewers got of one span.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Packets that each was to get, those who are left out not counted.
    pub expected: u64,
    /// Those that came.
    pub delivered: u64,
    /// Those that came twice.
    pub duplicates: u64,
    /// Packets that are none of those sent.
    pub altered: u64,
    /// From the operator's send call to the arrival at the viewer's socket.
    pub latency: Times,
    /// Of each viewer: expected and delivered, and when its last packet was sent (Unix time in nanoseconds).
    pub of_each: Vec<(u64, u64, u64)>,
    /// Viewers by the layer of most of their pictures.
    pub layers: [u64; LAYERS_MAX],
}

/// The thread of light viewers.
pub struct Audience {
    thread: JoinHandle<Result<()>>,
    tell: Sender<Tell>,
    watching: Arc<AtomicUsize>,
}

impl Audience {
    /// Starts it; nobody watches yet. `lost_percent` of the media are lost on the way to everybody.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(ledger: Ledger, lost_percent: f64) -> Result<Self> {
        let (tell, told) = channel();
        let watching = Arc::new(AtomicUsize::new(0));
        let hall = Hall {
            ledger,
            told,
            watching: watching.clone(),
            seats: Vec::new(),
            span: (0, 0),
            first: None,
            lost_percent,
            chance: Chance(0x9e37_79b9_7f4a_7c15),
            latency: Times::default(),
            altered: 0,
            duplicates: 0,
        };
        let thread = std::thread::Builder::new().name("load-audience".into()).spawn(move || hall.run())?;
        Ok(Self { thread, tell, watching })
    }

    /// A viewer whose offer was answered. They are numbered as they come.
    ///
    /// # Errors
    /// When the thread has ended.
    pub fn add(&self, device: Device) -> Result<()> {
        self.tell(Tell::Add(Box::new(device)))
    }

    /// Viewers that have received some of the picture.
    pub fn watching(&self) -> usize {
        self.watching.load(Relaxed)
    }

    /// A span begins: what is sent from [`AHEAD`] on is counted, and nothing from before.
    ///
    /// # Errors
    /// When the thread has ended.
    pub fn begin(&self) -> Result<()> {
        self.tell(Tell::From(unix_ns() + AHEAD.as_nanos() as u64))
    }

    /// The span ends: what is sent from [`AHEAD`] on is not counted.
    ///
    /// # Errors
    /// When the thread has ended.
    pub fn finish(&self) -> Result<()> {
        self.tell(Tell::Until(unix_ns() + AHEAD.as_nanos() as u64))
    }

    /// So many percent of the media are lost on the way to this viewer.
    ///
    /// # Errors
    /// When the thread has ended.
    pub fn lose(&self, viewer: usize, percent: f64) -> Result<()> {
        self.tell(Tell::Lose(viewer, percent))
    }

    /// This viewer's line carries so many kbit/s, or everything.
    ///
    /// # Errors
    /// When the thread has ended.
    pub fn narrow(&self, viewer: usize, kbps: Option<u32>) -> Result<()> {
        self.tell(Tell::Narrow(viewer, kbps))
    }

    /// Since when this viewer received which layer, since its beginning.
    ///
    /// # Errors
    /// When the thread has ended.
    pub async fn layers(&self, viewer: usize) -> Result<Vec<(usize, Instant)>> {
        let (answer, answered) = channel();
        self.tell(Tell::Layers(viewer, answer))?;
        tokio::task::spawn_blocking(move || answered.recv()).await?.context("the viewers' thread has ended")
    }

    /// What came of the span. `left_out`: whom the sums do not count.
    ///
    /// # Errors
    /// When the thread has ended.
    pub async fn collect(&self, left_out: &BTreeSet<usize>) -> Result<Received> {
        let (answer, answered) = channel();
        self.tell(Tell::Collect(answer))?;
        let mut received =
            tokio::task::spawn_blocking(move || answered.recv()).await?.context("the viewers' thread has ended")?;
        for (_, (expected, delivered, _)) in received.of_each.iter().enumerate().filter(|(n, _)| !left_out.contains(n))
        {
            received.expected += expected;
            received.delivered += delivered;
        }
        Ok(received)
    }

    /// Ends it.
    ///
    /// # Errors
    /// What ended it early.
    pub fn end(self) -> Result<()> {
        let _ = self.tell.send(Tell::Over); // it may have ended
        self.thread.join().map_err(|_| anyhow::anyhow!("the viewers' thread panicked"))?
    }

    fn tell(&self, what: Tell) -> Result<()> {
        self.tell.send(what).ok().context("the viewers' thread has ended")
    }
}

/// One viewer's account of the span.
#[derive(Default)]
struct Seat {
    watches: bool,
    lost_percent: f64,
    /// By the frame's place in the span.
    frames: Vec<Parts>,
    last_ns: u64,
    narrow: Option<Narrow>,
    /// Since when it received which layer; one entry for each change.
    layers: Vec<(usize, Instant)>,
}

/// The thread.
struct Hall {
    ledger: Ledger,
    told: Receiver<Tell>,
    watching: Arc<AtomicUsize>,
    seats: Vec<Seat>,
    span: (u64, u64),
    /// The place in the ledger of the span's first frame, once something of it has come.
    first: Option<u64>,
    lost_percent: f64,
    chance: Chance,
    latency: Times,
    altered: u64,
    duplicates: u64,
}

impl Hall {
    fn run(mut self) -> Result<()> {
        let mut devices = Devices::new(Vec::new())?;
        loop {
            while let Ok(told) = self.told.try_recv() {
                match told {
                    Tell::Add(device) => {
                        devices.add(*device)?;
                        self.seats.push(Seat::default());
                    }
                    Tell::From(from_ns) => self.begin(from_ns),
                    Tell::Until(until_ns) => self.span.1 = until_ns,
                    Tell::Lose(viewer, percent) => {
                        self.seats.get_mut(viewer).context("a viewer of this number")?.lost_percent = percent;
                    }
                    Tell::Narrow(viewer, kbps) => {
                        let narrow = kbps.map(|kbps| Narrow::new(Instant::now(), kbps));
                        self.seats.get_mut(viewer).context("a viewer of this number")?.narrow = narrow;
                    }
                    Tell::Layers(viewer, answer) => {
                        let layers = self.seats.get(viewer).map(|seat| seat.layers.clone()).unwrap_or_default();
                        let _ = answer.send(layers); // the asker may have gone
                    }
                    Tell::Collect(answer) => {
                        let _ = answer.send(self.received()); // the asker may have gone
                    }
                    Tell::Over => return Ok(()),
                }
            }
            self.serve(&mut devices)?;
        }
    }

    /// Reads what came for everybody, and accounts for it.
    fn serve(&mut self, devices: &mut Devices) -> Result<()> {
        let Self { seats, chance, lost_percent, .. } = self;
        let mut held: Vec<Option<&mut Narrow>> = Vec::with_capacity(seats.len());
        let mut losses: Vec<f64> = Vec::with_capacity(seats.len());
        for seat in seats.iter_mut() {
            losses.push(seat.lost_percent.max(*lost_percent));
            held.push(seat.narrow.as_mut());
        }
        let keep = |viewer: usize, from: SocketAddr, datagram: &[u8]| {
            let lost = losses.get(viewer).copied().unwrap_or_default();
            if lost > 0.0 && is_rtp(datagram) && chance.hits(lost) {
                return false;
            }
            match held.get_mut(viewer).and_then(Option::as_mut) {
                Some(narrow) => {
                    narrow.push(Instant::now(), from, datagram);
                    false
                }
                None => true,
            }
        };
        let mut came: Vec<(usize, Duration, Vec<RtpPacket>)> = Vec::new();
        devices.serve(LOOK_EVERY, keep, |viewer, peer: &mut Peer, arrived| {
            if !peer.packets.is_empty() {
                came.push((viewer, arrived, std::mem::take(&mut peer.packets)));
            }
            Ok(())
        })?;
        for (viewer, seat) in self.seats.iter_mut().enumerate() {
            let Some(narrow) = &mut seat.narrow else { continue };
            while let Some((from, datagram)) = narrow.pop(Instant::now()) {
                devices.hand(viewer, from, &datagram)?;
            }
            if let Some(device) = devices.all.get_mut(viewer) {
                came.push((viewer, unix_now(), std::mem::take(&mut device.peer.packets)));
            }
        }
        for (viewer, arrived, packets) in came {
            packets.iter().for_each(|packet| self.take(viewer, arrived, &packet.payload));
        }
        Ok(())
    }

    fn begin(&mut self, from_ns: u64) {
        self.span = (from_ns, u64::MAX);
        self.first = None;
        self.seats.iter_mut().for_each(|seat| seat.frames.clear());
        (self.latency, self.altered, self.duplicates) = (Times::default(), 0, 0);
    }

    fn take(&mut self, viewer: usize, arrived: Duration, payload: &[u8]) {
        // The node asks how much a line carries with packets that have nothing in them but padding.
        if payload.is_empty() {
            return;
        }
        let Some(packet) = self.ledger.find(payload) else {
            self.altered += 1;
            return;
        };
        let Some(seat) = self.seats.get_mut(viewer) else { return };
        seat.last_ns = seat.last_ns.max(packet.at_ns);
        if packet.kind != Kind::Sound && !std::mem::replace(&mut seat.watches, true) {
            self.watching.fetch_add(1, Relaxed);
        }
        if let Kind::Video(layer) = packet.kind
            && seat.layers.last().is_none_or(|(newest, _)| *newest != layer)
        {
            seat.layers.push((layer, Instant::now()));
        }
        if packet.begun_ns < self.span.0 || packet.begun_ns >= self.span.1 {
            return;
        }
        // Everything before the span has left by now.
        let first = *self.first.get_or_insert_with(|| self.ledger.frames(self.span.0, u64::MAX).0);
        let Some(place) = packet.frame.checked_sub(first).and_then(|place| usize::try_from(place).ok()) else { return };
        if seat.frames.len() <= place {
            seat.frames.resize(place + 1, Parts::default());
        }
        let Some(word) = seat.frames.get_mut(place).and_then(|parts| parts.get_mut(packet.part / 64)) else { return };
        let bit = 1 << (packet.part % 64);
        if *word & bit != 0 {
            self.duplicates += 1;
            return;
        }
        *word |= bit;
        // Whose packets are lost on purpose waits for repair, which is not the node's time.
        if seat.lost_percent == 0.0 && seat.narrow.is_none() {
            self.latency.add(arrived.saturating_sub(Duration::from_nanos(packet.at_ns)));
        }
    }

    fn received(&self) -> Received {
        let (_, frames) = self.ledger.frames(self.span.0, self.span.1);
        let mut received = Received {
            latency: self.latency.clone(),
            altered: self.altered,
            duplicates: self.duplicates,
            ..Received::default()
        };
        for seat in &self.seats {
            let (expected, delivered, layers) = account(&frames, &seat.frames);
            received.of_each.push((expected, delivered, seat.last_ns));
            if let Some((layer, _)) =
                layers.iter().enumerate().max_by_key(|(layer, pictures)| (**pictures, LAYERS_MAX - layer))
            {
                received.layers[layer] += 1;
            }
        }
        received
    }
}

/// What one viewer was to get of these frames, what it got, and its pictures by layer. Of each picture one layer is due: the one of which most came.
fn account(frames: &[Frame], got: &[Parts]) -> (u64, u64, [u64; LAYERS_MAX]) {
    let (mut expected, mut delivered, mut layers) = (0, 0, [0; LAYERS_MAX]);
    let count =
        |place: usize| got.get(place).map_or(0, |parts| parts.iter().map(|word| u64::from(word.count_ones())).sum());
    let mut pictures: BTreeMap<u64, (u64, u64, usize)> = BTreeMap::new();
    for (place, frame) in frames.iter().enumerate() {
        let (parts, came): (u64, u64) = (frame.parts as u64, count(place));
        match frame.kind {
            Kind::Sound => (expected, delivered) = (expected + parts, delivered + came),
            Kind::Video(layer) => {
                let best = pictures.entry(frame.picture).or_insert((parts, came, layer));
                if came > best.1 {
                    *best = (parts, came, layer);
                }
            }
        }
    }
    for (parts, came, layer) in pictures.into_values() {
        (expected, delivered) = (expected + parts, delivered + came);
        if let Some(pictures) = layers.get_mut(layer) {
            *pictures += u64::from(came > 0);
        }
    }
    (expected, delivered, layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: Kind, picture: u64, parts: usize) -> Frame {
        Frame { kind, picture, parts, at_ns: 0 }
    }

    #[test]
    fn of_each_picture_one_layer_is_due() {
        let frames = [
            frame(Kind::Video(0), 0, 5),
            frame(Kind::Video(1), 0, 2),
            frame(Kind::Sound, 0, 1),
            frame(Kind::Video(0), 1, 5),
            frame(Kind::Video(1), 1, 2),
        ];
        // The large picture whole, then the small one with a packet missing; the sound is lost.
        let got = [[0b11111, 0, 0, 0], [0; 4], [0; 4], [0; 4], [0b1, 0, 0, 0]];
        assert_eq!(account(&frames, &got), (5 + 1 + 2, 5 + 1, [1, 1, 0]));
        assert_eq!(account(&frames, &[]), (11, 0, [0; 3]), "nothing came: all of the large ones is missing");
    }
}
