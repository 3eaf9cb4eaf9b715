//! One device's media connection, without I/O: str0m in RTP mode, as a browser would negotiate it.
use super::profile;
use anyhow::{Context as _, Result};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{RtpPacket, RtpWrite, SeqNo};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// The first sequence number of a stream: anything but what the other side may use by itself.
const FIRST_SEQ: u64 = 4_000;

/// Packets that the sender keeps to send them again: what a browser keeps of a second of video, and more.
const RESEND_PACKETS: usize = 1_024;

/// One line of an offer.
#[derive(Clone, Debug)]
pub struct Line {
    /// Sound or video.
    pub kind: MediaKind,
    /// Who sends on it.
    pub direction: Direction,
    /// Its simulcast layers (RFC 8851), where it has several.
    pub rids: Vec<Rid>,
}

/// One stream of a peer that sends: the line by its place in the offer, and the simulcast layer.
pub type Stream = (usize, Option<Rid>);

/// One media connection.
pub struct Peer {
    rtc: Rtc,
    address: SocketAddr,
    pending: Option<SdpPendingOffer>,
    lines: Vec<Mid>,
    timeout: Instant,
    /// The newest sequence number of each stream.
    numbers: HashMap<Stream, u64>,
    /// ICE and DTLS are up.
    pub connected: bool,
    /// The other side is gone.
    pub closed: bool,
    /// Datagrams to send.
    pub transmits: Vec<Transmit>,
    /// Packets that came.
    pub packets: Vec<RtpPacket>,
    /// Times that the other side asked for a key frame.
    pub key_frames_wanted: u64,
}

impl Peer {
    /// A connection of the device at this address.
    ///
    /// # Errors
    /// When the address is none that a peer could send to.
    pub fn new(now: Instant, address: SocketAddr) -> Result<Self> {
        let mut config = RtcConfig::new()
            .set_rtp_mode(true)
            .set_crypto_provider(Arc::new(profile::provider()))
            .set_stats_interval(None)
            .set_send_buffer_video(RESEND_PACKETS)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true);
        config.set_max_stun_rto(Duration::from_secs(2));
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp)?).context("the peer's own candidate")?;
        let mut peer = Self {
            rtc,
            address,
            pending: None,
            lines: Vec::new(),
            timeout: now,
            numbers: HashMap::new(),
            connected: false,
            closed: false,
            transmits: Vec::new(),
            packets: Vec::new(),
            key_frames_wanted: 0,
        };
        peer.drain(now)?;
        Ok(peer)
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An offer with one line.
    ///
    /// # Errors
    /// str0m's.
    pub fn offer(&mut self, now: Instant, kind: MediaKind, direction: Direction) -> Result<String> {
        self.offer_lines(now, &[Line { kind, direction, rids: Vec::new() }])
    }

    /// An offer with these lines.
    ///
    /// # Errors
    /// str0m's.
    pub fn offer_lines(&mut self, now: Instant, lines: &[Line]) -> Result<String> {
        let mut change = self.rtc.sdp_api();
        for line in lines {
            let mut simulcast = Simulcast::new();
            line.rids.iter().for_each(|rid| simulcast.add_send_layer(SimulcastLayer::new(rid)));
            let simulcast = (!line.rids.is_empty()).then_some(simulcast);
            self.lines.push(change.add_media(line.kind, line.direction, None, None, simulcast));
        }
        let (offer, pending) = change.apply().context("an offer")?;
        self.pending = Some(pending);
        self.drain(now)?;
        Ok(offer.to_sdp_string())
    }

    /// Takes the answer to [`Self::offer`].
    ///
    /// # Errors
    /// An answer that does not parse or fit.
    pub fn take_answer(&mut self, now: Instant, answer: &str) -> Result<()> {
        let answer = SdpAnswer::from_sdp_string(answer)?;
        let pending = self.pending.take().context("an answer without an offer")?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        self.drain(now)
    }

    /// Answers an offer of the other side.
    ///
    /// # Errors
    /// An offer that does not parse or fit.
    pub fn answer(&mut self, now: Instant, offer: &str) -> Result<String> {
        let offer = SdpOffer::from_sdp_string(offer)?;
        let answer = self.rtc.sdp_api().accept_offer(offer)?;
        self.drain(now)?;
        Ok(answer.to_sdp_string())
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn timeout(&self) -> Instant {
        self.timeout
    }

    /// Time passed.
    ///
    /// # Errors
    /// str0m's.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<()> {
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(now)
    }

    /// A datagram came.
    ///
    /// # Errors
    /// str0m's.
    pub fn handle(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Result<()> {
        let Ok(receive) = Receive::new(Protocol::Udp, from, self.address, datagram) else { return Ok(()) };
        self.rtc.handle_input(Input::Receive(now, receive))?;
        self.drain(now)
    }

    /// Sends one packet on the line that was offered.
    ///
    /// # Errors
    /// When the line was not negotiated.
    pub fn write(&mut self, now: Instant, payload: Arc<[u8]>, time: u32, marker: bool, nackable: bool) -> Result<()> {
        self.write_to(now, (0, None), payload, time, (marker, nackable))
    }

    /// Sends one packet of one of several streams. `marker` as RTP has it, `nackable`: whether it is sent again when it is asked for.
    ///
    /// # Errors
    /// When the stream was not negotiated.
    pub fn write_to(
        &mut self,
        now: Instant,
        stream: Stream,
        payload: Arc<[u8]>,
        time: u32,
        (marker, nackable): (bool, bool),
    ) -> Result<()> {
        let mid = *self.lines.get(stream.0).context("a line")?;
        let pt = self.rtc.media(mid).and_then(|media| media.remote_pts().first().copied()).context("a payload type")?;
        let number = self.numbers.entry(stream).or_insert(FIRST_SEQ);
        *number += 1;
        let write = RtpWrite::new(pt, SeqNo::from(*number), time, now, payload).marker(marker).nackable(nackable);
        self.rtc.direct_api().stream_tx_by_mid(mid, stream.1).context("a stream to send on")?.write_rtp(write);
        self.drain(now)
    }

    fn drain(&mut self, now: Instant) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) if at > now || !self.rtc.is_alive() => {
                    self.timeout = at;
                    return Ok(());
                }
                Output::Timeout(_) => self.rtc.handle_input(Input::Timeout(now))?,
                Output::Transmit(transmit) => self.transmits.push(transmit),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(Event::KeyframeRequest(_)) => self.key_frames_wanted += 1,
                Output::Event(Event::RtpPacket(packet)) => self.packets.push(packet),
                Output::Event(_) => {}
            }
        }
    }
}
