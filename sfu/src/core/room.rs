//! A room, a participant's place in it, and the connection that fills that.
use super::driver::{Dead, Driver, Mutation, Outcome, Role};
use super::line::{self, Line};
use super::numbers::Traffic;
use super::packet::Packet;
use super::path::Path;
use super::sdp::{self, Offer, SessionMark};
use super::stun::Transaction;
use super::supply::Supply;
use super::{CONNECT_WITHIN, LOST_AFTER, Place as Key, Remote};
use crate::{ParticipantId, RoomId};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use str0m::Candidate;
use str0m::crypto::dtls::DtlsCert;
use str0m::format::PayloadParams;
use str0m::media::{MediaKind, Mid, Rid};
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

/// Whose track, and which: what an outgoing line is bound to. It outlives a reconnect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) place: Key,
    pub(super) line: usize,
}

/// Who is in a room.
#[derive(Default)]
pub(super) struct Room {
    members: Vec<Key>,
    index: HashMap<ParticipantId, Key>,
    /// How many of them only receive. A difference where the room is taken out of its store for the moment.
    pub(super) viewers: isize,
    /// Where the room is at home, when that is another shard, and which one this is.
    pub(super) home: Option<(usize, usize)>,
    /// Who stands here for those who send at home.
    pub(super) stand_ins: HashMap<ParticipantId, Key>,
    /// The further shards that have viewers of it, when it is at home here.
    pub(super) further: Vec<usize>,
    pub(super) traffic: Traffic,
}

impl Room {
    pub(super) fn find(&self, participant: ParticipantId) -> Option<Key> {
        self.index.get(&participant).copied()
    }

    pub(super) fn insert(&mut self, participant: ParticipantId, place: Key) {
        self.members.push(place);
        self.index.insert(participant, place);
    }

    pub(super) fn remove(&mut self, participant: ParticipantId, place: Key) {
        self.index.remove(&participant);
        // The order of the members is nobody's business, and the last one takes the gap.
        if let Some(at) = self.members.iter().position(|member| *member == place) {
            self.members.swap_remove(at);
        }
    }

    pub(super) fn participants(&self) -> usize {
        self.index.len()
    }

    pub(super) fn members(&self) -> &[Key] {
        &self.members
    }
}

/// One incoming stream.
#[derive(Clone, Copy)]
pub(super) struct Track {
    ssrc: Ssrc,
    pub(super) line: usize,
    /// Which layer of the line it is, as its [`Supply`] counts them.
    pub(super) layer: usize,
    pub(super) kind: MediaKind,
    pub(super) payload: PayloadParams,
    /// Tells streams apart for the rewriters; grows.
    pub(super) serial: u64,
}

#[cfg(test)]
impl Track {
    pub(super) fn for_tests(kind: MediaKind) -> Self {
        let spec = str0m::format::CodecSpec {
            codec: str0m::format::Codec::Vp8,
            clock_rate: str0m::media::Frequency::NINETY_KHZ,
            channels: None,
            format: str0m::format::FormatParams::default(),
        };
        let payload = PayloadParams::new(96.into(), None, spec);
        Self { ssrc: 1.into(), line: 0, layer: 0, kind, payload, serial: 1 }
    }
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
    /// What it sends, by its lines.
    pub(super) supplies: Vec<Supply>,
}

/// What came of a participant and is not forwarded yet: the packets of a frame leave together, which makes one kernel call of them for each receiver.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) packets: Vec<Packet>,
    /// When the first of them came.
    since: Option<Instant>,
    /// They need not wait any longer: a frame is complete, or something is among them that belongs to none.
    complete: bool,
}

impl Waiting {
    /// Adds a packet. True: it is the first.
    pub(super) fn push(&mut self, now: Instant, packet: Packet) -> bool {
        let first = self.since.is_none();
        self.since.get_or_insert(now);
        // In video the marker ends a frame (RFC 7741 section 4.1).
        self.complete |= packet.marker || packet.track.kind.is_audio() || self.packets.len() + 1 >= WAITING_MAX;
        self.packets.push(packet);
        first
    }

    /// When they leave.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|since| if self.complete { since } else { since + HOLD })
    }

    /// Takes them out.
    pub(super) fn take(&mut self) -> Vec<Packet> {
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
            supplies: Vec::new(),
        }
    }

    /// What waits is not forwarded any more, and nobody who comes now is shown what was kept.
    pub(super) fn forbid(&mut self) {
        self.allowed_since = None;
        self.waiting.take();
        self.supplies.iter_mut().for_each(Supply::forget_groups);
    }

    /// What it sends on a line.
    pub(super) fn supply(&mut self, line: usize) -> &mut Supply {
        if self.supplies.len() <= line {
            self.supplies.resize_with(line + 1, Supply::default);
        }
        // In bounds: made so above.
        &mut self.supplies[line]
    }

    /// When its silence has to be told.
    pub(super) fn lost_at(&self) -> Option<Instant> {
        self.connection.as_ref().filter(|_| !self.lost).map(Connection::silent_at)
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let connection = self.connection.as_ref();
        let timeout = connection.map(|connection| connection.driver.timeout());
        let late = connection.and_then(Connection::late_due);
        let ask = self.supplies.iter().filter_map(Supply::ask_again_at).min();
        let judge = connection.and_then(Connection::judge_due);
        [timeout, self.lost_at(), late, judge, ask].into_iter().flatten().min()
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
    /// The participant only receives.
    pub(super) views: bool,
    pub(super) path: Path,
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
        let role = if offer.receives_only { Role::Viewer } else { Role::Speaker };
        let mut driver = Driver::new(now, certificate, candidates, role)?;
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
            views: offer.receives_only,
            path: Path::default(),
        };
        connection.negotiated(outcome);
        Ok(connection)
    }

    /// Answers a further offer of the same session: an ICE restart, or other lines.
    pub(super) fn renegotiate(&mut self, now: Instant, offer: Offer, outcome: &mut Outcome) -> Result<(), Dead> {
        self.driver.drive(now, Mutation::Offer(offer.sdp), outcome)?;
        self.ufrag = self.driver.ufrag();
        self.views = offer.receives_only;
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

    /// The track that a packet belongs to, when it is known.
    pub(super) fn known_track(&mut self, packet: &RtpPacket) -> Option<Track> {
        let pt = packet.header.payload_type;
        let track = self.tracks.iter_mut().find(|track| track.ssrc == packet.header.ssrc)?;
        if track.payload.pt() != pt {
            track.payload = line::payload(&self.driver, pt)?;
        }
        Some(*track)
    }

    /// The line that a packet of a new track belongs to, and its payload type.
    pub(super) fn line_of(&self, mid: Mid, packet: &RtpPacket) -> Option<(usize, PayloadParams)> {
        let (index, _) = self.lines.iter().enumerate().find(|(_, line)| line.mid == mid && line.sends)?;
        Some((index, line::payload(&self.driver, packet.header.payload_type)?))
    }

    /// Remembers a new track.
    pub(super) fn add_track(&mut self, track: Track) {
        if self.tracks.len() >= TRACKS_MAX {
            self.tracks.remove(0);
        }
        self.tracks.push(track);
    }

    /// Makes every stream a new one: what was not forwarded in between is no loss to the receivers.
    pub(super) fn renew_tracks(&mut self) {
        self.tracks.clear();
    }

    /// When more of a kept group is due on one of its lines.
    pub(super) fn late_due(&self) -> Option<Instant> {
        self.lines.iter().filter_map(|line| line.view.as_ref()?.late_due()).min()
    }

    /// When its views are to be judged, though nothing was learnt.
    pub(super) fn judge_due(&self) -> Option<Instant> {
        self.lines.iter().filter_map(|line| line.view.as_ref()?.judge_due()).min()
    }
}

impl Place {
    /// The track that a packet belongs to. `next_serial` numbers a new one.
    pub(super) fn track(
        &mut self,
        mid: Mid,
        rid: Option<Rid>,
        packet: &RtpPacket,
        next_serial: &mut u64,
    ) -> Option<Track> {
        let connection = self.connection.as_mut()?;
        if let Some(track) = connection.known_track(packet) {
            return Some(track);
        }
        let (line, payload) = connection.line_of(mid, packet)?;
        let kind = connection.lines.get(line)?.kind;
        let layer = self.supply(line).layer_of(rid)?;
        *next_serial += 1;
        let track = Track { ssrc: packet.header.ssrc, line, layer, kind, payload, serial: *next_serial };
        self.connection.as_mut()?.add_track(track);
        Some(track)
    }
}
