//! A participant's place in a room, and the connection that fills it.
use super::driver::{Dead, Driver, Mutation, Outcome};
use super::line::{self, Line};
use super::sdp::{self, Offer, SessionMark};
use super::stun::Transaction;
use super::{CONNECT_WITHIN, LOST_AFTER, Place as Key, Remote};
use crate::{ParticipantId, RoomId};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use str0m::Candidate;
use str0m::crypto::dtls::DtlsCert;
use str0m::format::PayloadParams;
use str0m::media::{MediaKind, Mid};
use str0m::rtp::{RtpPacket, Ssrc};

/// Addresses that one connection is known by; the oldest is forgotten. A participant has a few networks, and each a few pairs.
const ADDRESSES_MAX: usize = 8;

/// Checks that are remembered, so that recorded ones are known: at one every 2 s, the last 8 minutes.
const CHECKS_MAX: usize = 256;

/// Incoming SSRCs that are told apart; the oldest is forgotten.
const TRACKS_MAX: usize = 32;

/// How long a part of a frame waits for the rest. Senders send a frame at once or nearly so; one that spreads it out gets no batches, and loses no more
/// time than this.
pub(super) const HOLD: Duration = Duration::from_micros(300);

/// Packets of one participant that wait at most; with this many they leave.
const WAITING_MAX: usize = 64;

/// Key-frame requests to one participant are not sent more often.
const KEY_FRAME_EVERY: Duration = Duration::from_millis(500);

/// Whose track, and which: what an outgoing line is bound to. It outlives a reconnect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) place: Key,
    pub(super) line: usize,
}

/// One incoming stream.
#[derive(Clone)]
pub(super) struct Track {
    ssrc: Ssrc,
    pub(super) line: usize,
    pub(super) kind: MediaKind,
    pub(super) payload: PayloadParams,
    /// Tells streams apart for the rewriters; grows.
    pub(super) serial: u64,
}

/// A participant's place in a room. It outlives connections.
pub(super) struct Place {
    pub(super) room: RoomId,
    pub(super) participant: ParticipantId,
    /// Since when it may send.
    pub(super) allowed_since: Option<Instant>,
    pub(super) first_packet_told: bool,
    pub(super) lost: bool,
    /// The timer that is set for it, if any.
    pub(super) scheduled: Option<Instant>,
    pub(super) connection: Option<Connection>,
    pub(super) waiting: Waiting,
}

/// What came of a participant and is not forwarded yet: the packets of a frame leave together, which makes one kernel call of them for each receiver.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) packets: Vec<(Track, RtpPacket)>,
    /// When the first of them came.
    since: Option<Instant>,
    /// They need not wait any longer: a frame is complete, or something is among them that belongs to none.
    complete: bool,
}

impl Waiting {
    /// Adds a packet. True: it is the first.
    pub(super) fn push(&mut self, now: Instant, track: Track, packet: RtpPacket) -> bool {
        let first = self.since.is_none();
        self.since.get_or_insert(now);
        // In video the marker ends a frame (RFC 7741 section 4.1).
        self.complete |= packet.header.marker || track.kind.is_audio() || self.packets.len() + 1 >= WAITING_MAX;
        self.packets.push((track, packet));
        first
    }

    /// When they leave.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|since| if self.complete { since } else { since + HOLD })
    }

    /// Takes them out.
    pub(super) fn take(&mut self) -> Vec<(Track, RtpPacket)> {
        self.since = None;
        self.complete = false;
        std::mem::take(&mut self.packets)
    }
}

impl Place {
    pub(super) fn new(room: RoomId, participant: ParticipantId) -> Self {
        Self {
            room,
            participant,
            allowed_since: None,
            first_packet_told: false,
            lost: false,
            scheduled: None,
            connection: None,
            waiting: Waiting::default(),
        }
    }

    /// When its silence has to be told.
    pub(super) fn lost_at(&self) -> Option<Instant> {
        self.connection.as_ref().filter(|_| !self.lost).map(Connection::silent_at)
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let timeout = self.connection.as_ref().map(|c| c.driver.timeout())?;
        Some(self.lost_at().map_or(timeout, |lost| lost.min(timeout)))
    }
}

/// One peer connection of a participant.
pub(super) struct Connection {
    pub(super) driver: Driver,
    pub(super) mark: SessionMark,
    pub(super) ufrag: String,
    pub(super) addresses: Vec<Remote>,
    checks: VecDeque<(Transaction, Remote)>,
    pub(super) lines: Vec<Line>,
    tracks: Vec<Track>,
    pub(super) connected: bool,
    offered_at: Instant,
    /// When something of the participant came that only it can have made.
    pub(super) heard_at: Instant,
    key_frame_asked_at: Option<Instant>,
}

impl Connection {
    /// Answers a first offer.
    pub(super) fn new(
        now: Instant,
        certificate: DtlsCert,
        candidates: &[Candidate],
        offer: Offer,
        outcome: &mut Outcome,
    ) -> Result<Self, Dead> {
        let mut driver = Driver::new(now, certificate, candidates)?;
        driver.drive(now, Mutation::Offer(offer.sdp), outcome)?;
        let ufrag = driver.ufrag();
        let mut connection = Self {
            driver,
            mark: offer.session,
            ufrag,
            addresses: Vec::new(),
            checks: VecDeque::new(),
            lines: Vec::new(),
            tracks: Vec::new(),
            connected: false,
            offered_at: now,
            heard_at: now,
            key_frame_asked_at: None,
        };
        connection.negotiated(outcome);
        Ok(connection)
    }

    /// Answers a further offer of the same session: an ICE restart, or other lines.
    pub(super) fn renegotiate(&mut self, now: Instant, offer: Offer, outcome: &mut Outcome) -> Result<(), Dead> {
        self.driver.drive(now, Mutation::Offer(offer.sdp), outcome)?;
        self.ufrag = self.driver.ufrag();
        self.offered_at = now;
        self.negotiated(outcome);
        Ok(())
    }

    // Reads the lines from the answer.
    fn negotiated(&mut self, outcome: &Outcome) {
        let Some(answer) = &outcome.answer else { return };
        let answer = answer.to_sdp_string();
        let mut before = std::mem::take(&mut self.lines);
        for mid in sdp::mids(&answer) {
            let Some(negotiated) = Line::new(&self.driver, mid) else { continue };
            let line = match before.iter().position(|line| line.mid == mid) {
                Some(index) => {
                    let mut line = before.swap_remove(index);
                    line.update(negotiated);
                    line
                }
                None => negotiated,
            };
            self.lines.push(line);
        }
        self.tracks.clear();
    }

    fn silent_at(&self) -> Instant {
        if self.connected { self.heard_at + LOST_AFTER } else { self.offered_at + CONNECT_WITHIN }
    }

    /// Remembers an address that a check of the participant came from. Gives the address that is forgotten for it.
    pub(super) fn learn(&mut self, address: Remote) -> Option<Remote> {
        let forgotten = (self.addresses.len() >= ADDRESSES_MAX).then(|| self.addresses.remove(0));
        self.addresses.push(address);
        forgotten
    }

    /// Whether this check came before, from another address.
    pub(super) fn checked_from_elsewhere(&self, check: Transaction, source: Remote) -> bool {
        self.checks.iter().any(|(known, from)| *known == check && *from != source)
    }

    /// Remembers a check that was answered.
    pub(super) fn note_check(&mut self, check: Transaction, source: Remote) {
        if self.checks.len() >= CHECKS_MAX {
            self.checks.pop_front();
        }
        self.checks.push_back((check, source));
    }

    /// The track that a packet belongs to. `next_serial` numbers a new one.
    pub(super) fn track(&mut self, mid: Mid, packet: &RtpPacket, next_serial: &mut u64) -> Option<Track> {
        let (ssrc, pt) = (packet.header.ssrc, packet.header.payload_type);
        if let Some(track) = self.tracks.iter_mut().find(|track| track.ssrc == ssrc) {
            if track.payload.pt() != pt {
                track.payload = line::payload(&self.driver, pt)?;
            }
            return Some(track.clone());
        }
        let (index, line) = self.lines.iter().enumerate().find(|(_, line)| line.mid == mid && line.sends)?;
        let payload = line::payload(&self.driver, pt)?;
        *next_serial += 1;
        let track = Track { ssrc, line: index, kind: line.kind, payload, serial: *next_serial };
        if self.tracks.len() >= TRACKS_MAX {
            self.tracks.remove(0);
        }
        self.tracks.push(track.clone());
        Some(track)
    }

    /// Makes every stream a new one: what was not forwarded in between is no loss to the receivers.
    pub(super) fn renew_tracks(&mut self) {
        self.tracks.clear();
    }

    /// Whether the participant may be asked for a key frame now.
    pub(super) fn may_ask_key_frame(&mut self, now: Instant) -> bool {
        let due = self.key_frame_asked_at.is_none_or(|asked| now.saturating_duration_since(asked) >= KEY_FRAME_EVERY);
        if due {
            self.key_frame_asked_at = Some(now);
        }
        due
    }
}
