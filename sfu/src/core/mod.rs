//! Rooms, participants and forwarding, sans-IO.
//!
//! [`Core`] is one shard's worth of rooms. Time, addresses and datagrams are arguments; what it wants sent and told is taken with
//! [`Core::poll_output`], and [`Core::poll_timeout`] says when to come back. Call order: `handle` what is there and commands, then
//! [`Core::forward`], then `poll_output` until `None`, both again while `forward` says so, then wait for `poll_timeout` or input.
//!
//! Media is not queued: a packet goes out to everybody who can take it, and is dropped for the others. Voice goes at once; a packet of
//! video waits for the rest of its frame, a third of a millisecond at most.
//!
//! A broadcast has three more parts. *Layers*: of a simulcast each viewer gets the layer that its way carries ([`choice`]), changed at key frames. *Groups*: the packets since
//! the last key frame of each layer are kept, still encrypted, and whoever comes late begins with them. *Spill*: viewers of a room may be on further shards; a [`Message`]
//! goes there once for all of them.
//!
//! Absent: sockets, threads, clocks, a parser of payloads but for what RTP's payload descriptors say: where a key frame begins, and a picture's number.
pub mod choice;
mod driver;
mod forward;
mod group;
mod key_frames;
mod line;
mod meter;
mod numbers;
mod packet;
mod path;
mod pictures;
mod places;
pub mod rewrite;
mod room;
pub(crate) mod sdp;
mod spill;
mod stun;
mod supply;
mod view;
mod viewing;

use crate::{ConnectError, DropCause, Event, ParticipantId, RoomId, StartError};
use driver::{Mutation, Outcome};
use places::{Places, Timers};
use room::{Connection, Place as Seat, Room};
use sdp::Offer;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::Candidate;
use str0m::crypto::dtls::DtlsCert;
use str0m::media::Mid;
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{RtpWrite, Ssrc};

pub(crate) use places::Place;
pub use spill::{Message, Worth};

/// A participant is lost when nothing of it was heard for this long. Clients check the path every 2.5 s or so (RFC 7675 section
/// 5.1 asks for 5 s), so one lost check does not make a lost participant.
pub const LOST_AFTER: Duration = Duration::from_secs(5);

/// A participant that offered is lost when it is not connected after this long.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// Nothing is sent any more to a participant that was silent for this long (RFC 7675 section 5.1: consent lasts 30 s).
pub const CONSENT: Duration = Duration::from_secs(30);

/// Bytes of one datagram; longer ones are malformed. The path to a phone does not carry more in one piece.
pub const DATAGRAM_BYTES_MAX: usize = 1_500;

/// How datagrams travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// As datagrams.
    Udp,
    /// One after the other on a connection that the participant opened (ICE-TCP, RFC 6544), for networks that block UDP.
    Tcp,
}

/// Where a participant is. Shows no address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Remote {
    /// How it is reached.
    pub transport: Transport,
    /// Its address.
    pub address: SocketAddr,
}

impl From<SocketAddr> for Remote {
    fn from(address: SocketAddr) -> Self {
        Self { transport: Transport::Udp, address }
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remote({:?})", self.transport)
    }
}

/// Settings of one core.
#[derive(Clone, Debug)]
pub struct Config {
    /// The addresses that answers name: where participants reach this core.
    pub candidates: Vec<SocketAddr>,
    /// Whether they are reached by TCP too.
    pub tcp: bool,
    /// Participants in one room.
    pub room_participants_max: usize,
}

/// What the core wants done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// A datagram to send.
    Transmit(Transmit),
    /// Something to tell the node.
    Event(Event),
    /// Something to tell another shard, by its number.
    Relay {
        /// Which.
        shard: usize,
        /// What.
        message: Message,
    },
}

/// A datagram to send. Shows no address.
pub struct Transmit {
    /// How it goes.
    pub transport: Transport,
    /// Which of [`Config::candidates`] it comes from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// Its bytes.
    pub contents: Vec<u8>,
}

impl std::fmt::Debug for Transmit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transmit({} bytes)", self.contents.len())
    }
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Packets forwarded, once for each receiver.
    pub forwarded: u64,
    /// Packets dropped, by cause.
    pub dropped: [u64; DropCause::ALL.len()],
}

/// One shard's rooms.
pub struct Core {
    config: Config,
    candidates: Vec<Candidate>,
    certificate: DtlsCert,
    rooms: HashMap<RoomId, Room>,
    places: Places,
    addresses: HashMap<Remote, Place>,
    names: HashMap<String, Place>,
    timers: Timers,
    outputs: VecDeque<Output>,
    outcome: Outcome,
    // Reused while one session's outcome makes others do something.
    spare_outcome: Outcome,
    // Participants of whom something waits to be forwarded, the longest waiting first.
    waiting: VecDeque<Place>,
    // What did not go to all of its receivers yet.
    sending: Option<forward::Batch>,
    // Reused from one receiver to the next.
    writes: Vec<(Mid, RtpWrite)>,
    // Key frames that are to be asked for: of whom, on which line, of which layer.
    asks: Vec<(Place, usize, usize)>,
    rungs: Vec<choice::Rung>,
    next_serial: u64,
    // Places of those who stand in for somebody on another shard.
    stand_ins: usize,
    counters: Counters,
}

impl Core {
    /// A core without rooms. Makes its DTLS certificate. Errors when an address cannot be advertised.
    pub fn new(config: Config) -> Result<Self, StartError> {
        let refused = |address| StartError::Advertised {
            address,
            reason: "clients cannot send to it: it is unspecified, link-local, broadcast or multicast",
        };
        let udp = |address: &SocketAddr| Candidate::host(*address, Protocol::Udp).map_err(|_| refused(*address));
        let tcp = |address: &SocketAddr| {
            let passive = Candidate::builder().tcp().host(*address).tcptype(TcpType::Passive).build();
            passive.map_err(|_| refused(*address))
        };
        let mut candidates = config.candidates.iter().map(udp).collect::<Result<Vec<_>, _>>()?;
        if config.tcp {
            candidates.extend(config.candidates.iter().map(tcp).collect::<Result<Vec<_>, _>>()?);
        }
        let certificate =
            str0m::crypto::from_feature_flags().dtls_provider.generate_certificate().ok_or_else(|| {
                StartError::System { doing: "making a DTLS certificate", source: std::io::ErrorKind::Other.into() }
            })?;
        Ok(Self {
            config,
            candidates,
            certificate,
            rooms: HashMap::new(),
            places: Places::default(),
            addresses: HashMap::new(),
            names: HashMap::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            outcome: Outcome::default(),
            spare_outcome: Outcome::default(),
            waiting: VecDeque::new(),
            sending: None,
            writes: Vec::new(),
            asks: Vec::new(),
            rungs: Vec::new(),
            next_serial: 0,
            stand_ins: 0,
            counters: Counters::default(),
        })
    }

    /// Takes a datagram that came from `source` to `destination`, one of [`Config::candidates`].
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: impl Into<Remote>,
        destination: SocketAddr,
        datagram: &[u8],
    ) {
        let source = source.into();
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return self.drop_packet(DropCause::Malformed);
        }
        let is_stun = stun::is_stun(datagram);
        let place = if is_stun {
            stun::receiver(datagram).and_then(|name| self.names.get(name))
        } else {
            self.addresses.get(&source)
        };
        let Some(place) = place.copied() else { return self.drop_packet(DropCause::UnknownSource) };
        if is_stun && self.is_replay(now, place, source, datagram) {
            return self.drop_packet(DropCause::Stale);
        }
        let protocol = match source.transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        };
        let Ok(receive) = Receive::new(protocol, source.address, destination, datagram) else {
            return self.drop_packet(DropCause::Malformed);
        };
        self.drive(now, place, Mutation::Receive(receive, rtp_ssrc(datagram)));
        // str0m answers a check only when its integrity is right: so this is the participant, and its address.
        let answers = |t: &str0m::net::Transmit| t.destination == source.address && stun::is_stun(&t.contents);
        if is_stun && self.outcome.transmits.iter().any(answers) {
            self.heard(now, place);
            self.learn_address(place, source, stun::transaction(datagram));
        }
        self.finish(now, place);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, place)) = self.timers.pop_due(now) {
            let Some(seat) = self.places.get_mut(place).filter(|seat| seat.scheduled == Some(at)) else { continue };
            seat.scheduled = None;
            if seat.lost_at().is_some_and(|lost| lost <= now) {
                seat.lost = true;
                let event = Event::Lost { room: seat.room, participant: seat.participant };
                self.outputs.push_back(Output::Event(event));
            }
            self.ask_again(now, place);
            self.send_late(now, place);
            self.judge_unasked(now, place);
            if self.places.connection(place).is_some_and(|connection| connection.driver.timeout() <= now) {
                self.drive(now, place, Mutation::Timeout);
                self.finish(now, place);
            } else {
                self.schedule(place);
            }
        }
        self.forward(now);
    }

    /// When [`Core::handle_timeout`] is due, at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let forward = self.forward_due();
        self.timers.next().map_or(forward, |timer| Some(forward.map_or(timer, |forward| forward.min(timer))))
    }

    /// When [`Core::forward`] is due, where packets wait for the rest of their frame.
    pub fn forward_due(&self) -> Option<Instant> {
        let begun = self.sending.as_ref().map(|batch| batch.since);
        self.waiting.iter().filter_map(|place| self.places.get(*place)?.waiting.due()).chain(begun).min()
    }

    /// The next thing that the core wants done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Connects a participant by its offer and gives the answer. Its further offers continue the session when they come from the
    /// same peer connection (an ICE restart); any other replaces the old connection.
    pub fn connect(
        &mut self,
        now: Instant,
        room: RoomId,
        participant: ParticipantId,
        offer_sdp: &str,
    ) -> Result<String, ConnectError> {
        let mut offer = Offer::parse(offer_sdp)?;
        let place = self.find(room, participant);
        if let Some(place) = place
            && self.places.connection(place).is_some_and(|connection| connection.mark == offer.session)
        {
            if let Some(answer) = self.continue_session(now, place, offer) {
                return Ok(answer);
            }
            // Refused by the living session: then it is taken for a new one, whatever it looks like.
            offer = Offer::parse(offer_sdp)?;
        }
        let members = self.rooms.get(&room).map_or(0, Room::participants);
        if place.is_none() && members >= self.config.room_participants_max {
            return Err(ConnectError::RoomFull);
        }
        self.outcome.clear();
        let connection = Connection::new(now, self.certificate.clone(), &self.candidates, offer, &mut self.outcome)
            .map_err(|_| ConnectError::Offer)?;
        if connection.lines.is_empty() {
            return Err(ConnectError::NoMedia);
        }
        let answer = self.outcome.answer.take().ok_or(ConnectError::Offer)?.to_sdp_string();
        let place = match place {
            Some(place) => {
                self.drop_connection(place);
                place
            }
            None => {
                let place = self.places.insert(Seat::new(room, participant));
                self.rooms.entry(room).or_default().insert(participant, place);
                place
            }
        };
        self.names.insert(connection.ufrag.clone(), place);
        if connection.views
            && let Some(room) = self.rooms.get_mut(&room)
        {
            room.viewers += 1;
        }
        if let Some(seat) = self.places.get_mut(place) {
            seat.connection = Some(connection);
        }
        self.finish(now, place);
        Ok(answer)
    }

    fn continue_session(&mut self, now: Instant, place: Place, offer: Offer) -> Option<String> {
        self.outcome.clear();
        let connection = self.places.connection_mut(place)?;
        let before = connection.ufrag.clone();
        let viewed = connection.views;
        connection.renegotiate(now, offer, &mut self.outcome).ok()?;
        let (after, views) = (connection.ufrag.clone(), connection.views);
        let room = self.places.get(place).map(|seat| seat.room);
        if let Some(room) = room.and_then(|room| self.rooms.get_mut(&room)) {
            room.viewers += isize::from(views) - isize::from(viewed);
        }
        self.names.remove(&before);
        self.names.insert(after, place);
        let answer = self.outcome.answer.take().map(|answer| answer.to_sdp_string());
        self.finish(now, place);
        answer
    }

    /// Allows or forbids that a participant's packets are forwarded.
    pub fn set_sending(&mut self, now: Instant, room: RoomId, participant: ParticipantId, allowed: bool) {
        let Some(seat) = self.find(room, participant).and_then(|place| self.places.get_mut(place)) else { return };
        if allowed && seat.allowed_since.is_none() {
            seat.allowed_since = Some(now);
            seat.first_packet_told = false;
            if let Some(connection) = &mut seat.connection {
                connection.renew_tracks();
            }
        } else if !allowed {
            seat.forbid();
            self.tell_forbidden(room, participant);
        }
    }

    /// Closes a participant's connection and frees its place. Says whether the room is empty now.
    pub fn disconnect(&mut self, now: Instant, room: RoomId, participant: ParticipantId) -> bool {
        if let Some(place) = self.find(room, participant) {
            self.remove(now, place);
        }
        !self.rooms.contains_key(&room)
    }

    /// Disconnects everybody in a room.
    pub fn close_room(&mut self, now: Instant, room: RoomId) {
        // Taken out whole: whoever goes has nobody left to be detached from.
        let Some(gone) = self.rooms.remove(&room) else { return };
        for place in gone.members() {
            self.remove(now, *place);
        }
        self.leave_home(room, &gone);
    }

    /// Disconnects everybody.
    pub fn close(&mut self, now: Instant) {
        let mut rooms: Vec<_> = self.rooms.keys().copied().collect();
        rooms.sort_unstable();
        for room in rooms {
            self.close_room(now, room);
        }
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether a room has anybody in it.
    pub fn has_room(&self, room: RoomId) -> bool {
        self.rooms.contains_key(&room)
    }

    /// Whether somebody has a place in a room here.
    pub fn has_participant(&self, room: RoomId, participant: ParticipantId) -> bool {
        self.find(room, participant).is_some()
    }

    /// Rooms now that are at home here.
    pub fn rooms(&self) -> usize {
        self.rooms.values().filter(|room| room.home.is_none()).count()
    }

    /// Participants now.
    pub fn participants(&self) -> usize {
        self.places.len() - self.stand_ins
    }

    fn find(&self, room: RoomId, participant: ParticipantId) -> Option<Place> {
        self.rooms.get(&room)?.find(participant)
    }

    // Does one thing to a session; what came of it is left in `self.outcome` for `finish`.
    fn drive(&mut self, now: Instant, place: Place, mutation: Mutation<'_>) {
        self.outcome.clear();
        let Some(connection) = self.places.connection_mut(place) else { return };
        if connection.driver.drive(now, mutation, &mut self.outcome).is_err() {
            self.outcome.closed = true;
        }
    }

    fn drop_packet(&mut self, cause: DropCause) {
        if let Some(count) = self.counters.dropped.get_mut(cause as usize) {
            *count += 1;
        }
    }

    fn schedule(&mut self, place: Place) {
        let Some(seat) = self.places.get_mut(place) else { return };
        let Some(due) = seat.due() else { return };
        if seat.scheduled.is_none_or(|at| due < at) {
            seat.scheduled = Some(due);
            self.timers.push(due, place);
        }
    }
}

// The SSRC of a datagram when it is RTP: by the first byte (RFC 7983 section 7), and not RTCP by the second (RFC 5761 section 4).
fn rtp_ssrc(datagram: &[u8]) -> Option<Ssrc> {
    let [first, second, _, _, _, _, _, _, a, b, c, d, ..] = *datagram else { return None };
    let is_rtp = (128..192).contains(&first) && !(64..96).contains(&(second & 0x7f));
    is_rtp.then(|| Ssrc::from(u32::from_be_bytes([a, b, c, d])))
}
