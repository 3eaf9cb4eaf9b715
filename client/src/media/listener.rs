//! From sealed packets to sound: opens them, orders them, decodes, conceals what is missing.
//!
//! Pure: the session calls [`Listener::receive`] for each packet and [`Listener::play`] when the sink needs sound, both
//! with the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use wardline_e2ee::media::{self, MediaEpoch};
use wardline_protocol::AccountId;

use super::arrivals::Arrivals;
use super::codec::Decoder;
use super::jitter::{Balance, JitterBuffer, Pulled, Pushed};
use super::{FRAME_SAMPLES, MediaError, MediaStatistics};

/// Loudness (root mean square) from which a frame counts as speech for [`MediaStatistics::first_speech_at`]: -40 dBFS.
const SPEECH: f32 = 0.01;
/// Loudness below which a frame may be left out or repeated...
const QUIET: f32 = 0.003;
/// ...or when it is this part of the usual loudness: a noisy room has pauses too.
const QUIET_PART: f32 = 0.2;
/// At a far surplus one frame in so many is left out.
const LOUD_EVERY: u32 = 4;
/// Packets that wait for the keys of their epoch: 200 ms.
const EARLY_MAX: usize = 10;

/// A packet as it comes from the network.
pub struct SealedPacket {
    /// RTP synchronization source.
    pub source: u32,
    /// RTP sequence number.
    pub number: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// The SFrame.
    pub payload: Vec<u8>,
}

/// The receiving side of a call.
pub struct Listener {
    opener: media::Receiver,
    origin: Instant,
    source: Option<u32>,
    arrivals: Arrivals,
    jitter: JitterBuffer,
    /// Packets of an epoch that is not known (yet): the peer may have seen a commit first. Full: the oldest is dropped.
    early: VecDeque<(Instant, SealedPacket)>,
    decoder: Decoder,
    /// Usual loudness, a slow average.
    usual: f32,
    /// The next frame is made up, to lengthen the delay.
    repeat: bool,
    since_left_out: u32,
    counts: MediaStatistics,
}

impl Listener {
    /// Listens to `peer` from `now` on.
    pub fn new(keys: MediaEpoch, peer: AccountId, now: Instant) -> Result<Self, MediaError> {
        let mut opener = media::Receiver::new(peer);
        opener.update(keys, 0);
        Ok(Self {
            opener,
            origin: now,
            source: None,
            arrivals: Arrivals::default(),
            jitter: JitterBuffer::new(),
            early: VecDeque::new(),
            decoder: Decoder::new()?,
            usual: 0.0,
            repeat: false,
            since_left_out: 0,
            counts: MediaStatistics::default(),
        })
    }

    /// Takes the keys of the next epoch; the former ones open for some seconds more. Packets that came before their keys are
    /// opened now.
    pub fn update_keys(&mut self, keys: MediaEpoch, now: Instant) {
        self.opener.update(keys, self.now_ms(now));
        for (arrival, packet) in std::mem::take(&mut self.early) {
            self.open(arrival, now, packet);
        }
    }

    /// Takes a packet that arrived at `now`.
    pub fn receive(&mut self, now: Instant, packet: SealedPacket) {
        self.counts.received += 1;
        self.open(now, now, packet);
    }

    /// Nothing of a packet counts before it is known to be the peer's.
    fn open(&mut self, arrival: Instant, now: Instant, packet: SealedPacket) {
        let payload = match self.opener.open(&packet.payload, 0, self.now_ms(now)) {
            Ok(opened) => opened.payload,
            Err(media::MediaError::Replayed) => {
                self.counts.duplicate += 1;
                return;
            }
            Err(media::MediaError::UnknownEpoch) => {
                self.early.push_back((arrival, packet));
                if self.early.len() > EARLY_MAX {
                    self.early.pop_front();
                    self.counts.undecryptable += 1;
                }
                return;
            }
            Err(_) => {
                self.counts.undecryptable += 1;
                return;
            }
        };
        if self.source.replace(packet.source).is_some_and(|former| former != packet.source) {
            self.arrivals.restart();
            self.jitter.restart();
        }
        self.arrivals.add(packet.number);
        self.counts.first_packet_at.get_or_insert(arrival);
        match self.jitter.push(arrival, packet.timestamp, payload) {
            Pushed::Queued => {}
            Pushed::Duplicate => self.counts.duplicate += 1,
            Pushed::Late => self.counts.late += 1,
        }
    }

    /// The sound to be heard at `now` and right after it: 1 to 960 samples in `frame`. Called again when they are heard.
    pub fn play<'frame>(&mut self, now: Instant, frame: &'frame mut [f32; FRAME_SAMPLES]) -> &'frame [f32] {
        let mut count = FRAME_SAMPLES;
        if std::mem::take(&mut self.repeat) {
            self.counts.stretched += 1;
            *frame = self.conceal();
        } else {
            match self.jitter.pull(now) {
                Pulled::Silence(samples) => {
                    count = samples.min(FRAME_SAMPLES);
                    *frame = [0.0; FRAME_SAMPLES];
                }
                Pulled::Packet(packet) => *frame = self.decode(now, &packet),
                Pulled::Recover(after) => match self.decoder.recover(&after) {
                    Ok(recovered) => {
                        self.counts.recovered += 1;
                        *frame = recovered;
                    }
                    Err(_) => *frame = self.missing(),
                },
                Pulled::Conceal => *frame = self.missing(),
            }
        }
        frame.get(..count).unwrap_or_default()
    }

    /// The counts of this side.
    pub fn statistics(&self) -> MediaStatistics {
        MediaStatistics {
            lost: self.arrivals.lost(),
            jitter_buffer_ms: self.jitter.target().as_millis() as u64,
            ..self.counts
        }
    }

    /// A packet's frame, joined with the next one when the delay has become too long.
    fn decode(&mut self, now: Instant, packet: &[u8]) -> [f32; FRAME_SAMPLES] {
        let Ok(frame) = self.decoder.decode(packet) else { return self.missing() };
        let loudness = loudness(&frame);
        if loudness > SPEECH {
            self.counts.first_speech_at.get_or_insert(now);
        }
        let quiet = loudness < QUIET.max(self.usual * QUIET_PART);
        self.usual += (loudness - self.usual) * 0.01;
        self.since_left_out = self.since_left_out.saturating_add(1);
        match self.jitter.balance(now) {
            Balance::Deficit if quiet => self.repeat = true,
            Balance::Surplus if quiet => return self.leave_out(now, frame),
            Balance::FarSurplus if quiet || self.since_left_out >= LOUD_EVERY => return self.leave_out(now, frame),
            _ => {}
        }
        frame
    }

    /// Blends `frame` into the one after it and so plays both in the time of one.
    fn leave_out(&mut self, now: Instant, frame: [f32; FRAME_SAMPLES]) -> [f32; FRAME_SAMPLES] {
        let Pulled::Packet(packet) = self.jitter.pull(now) else { return frame };
        let Ok(mut after) = self.decoder.decode(&packet) else { return frame };
        self.since_left_out = 0;
        self.counts.stretched += 1;
        for (at, (to, from)) in after.iter_mut().zip(frame).enumerate() {
            let part = at as f32 / FRAME_SAMPLES as f32;
            *to = *to * part + from * (1.0 - part);
        }
        after
    }

    fn missing(&mut self) -> [f32; FRAME_SAMPLES] {
        self.counts.concealed += 1;
        self.conceal()
    }

    fn conceal(&mut self) -> [f32; FRAME_SAMPLES] {
        self.decoder.conceal().unwrap_or([0.0; FRAME_SAMPLES])
    }

    fn now_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Root mean square of a frame.
fn loudness(frame: &[f32; FRAME_SAMPLES]) -> f32 {
    (frame.iter().map(|sample| sample * sample).sum::<f32>() / FRAME_SAMPLES as f32).sqrt()
}

/// How long so many samples sound.
pub fn duration_of(samples: u64) -> Duration {
    Duration::from_nanos(samples.saturating_mul(1_000_000) / 48)
}
