//! From packets to frames that are known to be the publisher's: orders, puts together, opens, counts, records.
//!
//! Pure but for the files it writes: the viewer calls [`Watching::receive`] for each packet and [`Watching::tick`] now and then, both
//! with the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rtc::rtp;
use wardline_e2ee::media::{self, MediaEpoch};
use wardline_protocol::AccountId;

use super::super::connection::{OPUS_PAYLOAD_TYPE, VP8_PAYLOAD_TYPE};
use super::super::vp8;
use super::assembler::Assembler;
use super::recorder::Recorder;
use super::reorder::{Next, Reorder};
use super::statistics::{Received, ViewerStatistics};
use super::timeline::Timeline;

/// How long a lost packet of video is waited for: it is asked for several times meanwhile, and the node keeps it for a second.
const VIDEO_PATIENCE: Duration = Duration::from_millis(600);
/// Of sound, which nobody sends again: it may only have been overtaken.
const SOUND_PATIENCE: Duration = Duration::from_millis(100);
/// Frames that wait for the keys of their epoch, and their bytes: two seconds of both.
const EARLY_FRAMES_MAX: usize = 200;
const EARLY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A key frame is asked for at most so often (RFC 5104 section 4.3.1.2 has the reasons).
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The receiving side of a broadcast.
pub(super) struct Watching {
    opener: media::Receiver,
    origin: Instant,
    video: Video,
    sound: Sound,
    /// Frames of an epoch that is not known (yet): the publisher may have seen a commit first. Full: the oldest is dropped.
    early: VecDeque<Sealed>,
    early_bytes: usize,
    recorder: Recorder,
    counts: ViewerStatistics,
}

struct Video {
    source: Option<u32>,
    reorder: Reorder<rtp::Packet>,
    assembler: Assembler,
    timeline: Timeline,
    /// Something is missing since the last key frame, so no frame can be shown before the next.
    broken: bool,
    asked: Option<Instant>,
}

struct Sound {
    source: Option<u32>,
    reorder: Reorder<rtp::Packet>,
    timeline: Timeline,
}

/// A whole frame that was not opened yet.
struct Sealed {
    kind: Kind,
    time: Duration,
    bytes: Vec<u8>,
    /// Frames are missing between the one before and this.
    after_gap: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Video,
    Sound,
}

impl Watching {
    /// Watches what `publisher` sends, from `now` on.
    pub(super) fn new(keys: MediaEpoch, publisher: AccountId, recorder: Recorder, now: Instant) -> Self {
        let mut opener = media::Receiver::new(publisher);
        opener.update(keys, 0);
        Self {
            opener,
            origin: now,
            video: Video {
                source: None,
                reorder: Reorder::new(VIDEO_PATIENCE),
                assembler: Assembler::default(),
                timeline: Timeline::new(90_000),
                broken: true,
                asked: None,
            },
            sound: Sound { source: None, reorder: Reorder::new(SOUND_PATIENCE), timeline: Timeline::new(48_000) },
            early: VecDeque::new(),
            early_bytes: 0,
            recorder,
            counts: ViewerStatistics::default(),
        }
    }

    /// Takes the keys of the next epoch; the former ones open for some seconds more. Frames that came before their keys are opened
    /// now.
    pub(super) fn update_keys(&mut self, keys: MediaEpoch, now: Instant) {
        self.opener.update(keys, self.now_ms(now));
        self.early_bytes = 0;
        for sealed in std::mem::take(&mut self.early) {
            self.open(sealed, now);
        }
    }

    /// Takes a packet that arrived at `now`.
    pub(super) fn receive(&mut self, packet: rtp::Packet, now: Instant) {
        let (source, number) = (packet.header.ssrc, packet.header.sequence_number);
        match packet.header.payload_type {
            VP8_PAYLOAD_TYPE => {
                self.counts.video.packets += 1;
                if self.video.source.replace(source).is_some_and(|former| former != source) {
                    self.video.reorder.restart();
                    self.video.assembler.gap();
                    self.video.broken = true;
                }
                self.video.reorder.push(now, number, packet);
                self.drain_video(now);
            }
            OPUS_PAYLOAD_TYPE => {
                self.counts.sound.packets += 1;
                if self.sound.source.replace(source).is_some_and(|former| former != source) {
                    self.sound.reorder.restart();
                }
                self.sound.reorder.push(now, number, packet);
                self.drain_sound(now);
            }
            _ => {}
        }
    }

    /// Time passed: gives up what was waited for long enough. Gives the source of which a key frame is to be asked for.
    pub(super) fn tick(&mut self, now: Instant) -> Option<u32> {
        self.drain_video(now);
        self.drain_sound(now);
        let source = self.video.source.filter(|_| self.video.broken)?;
        let lately = |asked: Instant| now.saturating_duration_since(asked) < ASK_EVERY;
        if self.video.asked.is_some_and(lately) {
            return None;
        }
        self.video.asked = Some(now);
        self.counts.key_frames_asked_for += 1;
        Some(source)
    }

    /// The counts so far.
    pub(super) fn statistics(&self) -> ViewerStatistics {
        let with = |mut received: Received, counts: super::reorder::Counts, incomplete: u64| {
            received.missing = counts.missing;
            received.late = counts.late;
            received.duplicate += counts.duplicate;
            received.incomplete = incomplete;
            received
        };
        let video = with(self.counts.video, self.video.reorder.counts(), self.video.assembler.incomplete());
        let sound = with(self.counts.sound, self.sound.reorder.counts(), 0);
        ViewerStatistics { video, sound, ..self.counts }
    }

    /// Nothing more comes: ends the files, and gives the last counts.
    pub(super) fn finish(mut self, now: Instant) -> ViewerStatistics {
        let patient = now + VIDEO_PATIENCE;
        self.drain_video(patient);
        self.drain_sound(patient);
        let statistics = self.statistics();
        self.recorder.finish();
        statistics
    }

    fn drain_video(&mut self, now: Instant) {
        let mut after_gap = false;
        while let Some(next) = self.video.reorder.pop(now) {
            match next {
                Next::Gap => {
                    self.video.assembler.gap();
                    // Said at once, so that a key frame is asked for; and again with the frame, which may be opened much later.
                    self.video.broken = true;
                    after_gap = true;
                }
                Next::Packet(packet) => {
                    let before = self.video.assembler.incomplete();
                    let whole = self.video.assembler.take(&packet);
                    after_gap |= self.video.assembler.incomplete() != before;
                    let Some(bytes) = whole else { continue };
                    self.counts.video.frames += 1;
                    let header = &packet.header;
                    let time = self.video.timeline.time(header.ssrc, header.timestamp, now);
                    let after_gap = std::mem::take(&mut after_gap);
                    self.open(Sealed { kind: Kind::Video, time, bytes, after_gap }, now);
                }
            }
        }
    }

    fn drain_sound(&mut self, now: Instant) {
        while let Some(next) = self.sound.reorder.pop(now) {
            let Next::Packet(packet) = next else { continue };
            self.counts.sound.frames += 1;
            let header = &packet.header;
            let time = self.sound.timeline.time(header.ssrc, header.timestamp, now);
            self.open(Sealed { kind: Kind::Sound, time, bytes: packet.payload.to_vec(), after_gap: false }, now);
        }
    }

    /// Nothing of a frame counts before it is known to be the publisher's.
    fn open(&mut self, sealed: Sealed, now: Instant) {
        let clear = match sealed.kind {
            Kind::Sound => 0,
            Kind::Video => vp8::clear_bytes(&sealed.bytes),
        };
        self.video.broken |= sealed.after_gap;
        match self.opener.open(&sealed.bytes, clear, self.now_ms(now)) {
            Ok(opened) => match sealed.kind {
                Kind::Video => self.see(sealed.time, &opened.payload, now),
                Kind::Sound => {
                    self.counts.sound.opened += 1;
                    self.recorder.sound(sealed.time, &opened.payload);
                }
            },
            Err(media::MediaError::UnknownEpoch) => self.keep(sealed),
            Err(media::MediaError::Replayed) => self.of(sealed.kind).duplicate += 1,
            Err(_) => self.refuse(sealed.kind),
        }
    }

    fn see(&mut self, time: Duration, frame: &[u8], now: Instant) {
        self.counts.video.opened += 1;
        if let Some(size) = vp8::size(frame) {
            self.video.broken = false;
            self.counts.first_key_frame_after.get_or_insert(now.saturating_duration_since(self.origin));
            let former = self.counts.size.replace(size);
            self.counts.size_changes += u64::from(former.is_some_and(|former| former != size));
        }
        // A decoder cannot go on behind a gap; what it showed would be rubbish.
        if !self.video.broken {
            self.recorder.video(time, frame);
        }
    }

    fn keep(&mut self, sealed: Sealed) {
        self.early_bytes += sealed.bytes.len();
        self.early.push_back(sealed);
        while self.early.len() > EARLY_FRAMES_MAX || self.early_bytes > EARLY_BYTES_MAX {
            let Some(oldest) = self.early.pop_front() else { break };
            self.early_bytes = self.early_bytes.saturating_sub(oldest.bytes.len());
            self.refuse(oldest.kind);
        }
    }

    fn refuse(&mut self, kind: Kind) {
        self.of(kind).undecryptable += 1;
        self.video.broken |= kind == Kind::Video;
    }

    fn of(&mut self, kind: Kind) -> &mut Received {
        match kind {
            Kind::Video => &mut self.counts.video,
            Kind::Sound => &mut self.counts.sound,
        }
    }

    fn now_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }
}
