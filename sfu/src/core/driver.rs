//! One WebRTC session, and the only place that touches it.
//!
//! str0m's rule is that every mutation is followed by a complete drain of its output until it returns a timeout. [`Driver::drive`]
//! is the only function that mutates, takes exactly one [`Mutation`], and drains. Nothing else has access to the session.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use str0m::bwe::BweKind;
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::crypto::dtls::DtlsCert;
use str0m::format::PayloadParams;
use str0m::media::{KeyframeRequestKind, Media, Mid, Rid};
use str0m::net::{Receive, Transmit};
use str0m::rtp::{Extension, ExtensionMap, RtpPacket, RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig, RtcError};

/// How often a due timer is served within one call, before it has to wait for [`TIMER_STEP`]: no bug in a timer can hold the shard.
const TIMER_ROUNDS_MAX: usize = 16;
const TIMER_STEP: Duration = Duration::from_millis(1);

/// Packets that a receiver may ask for again: about a second of video.
const VIDEO_RESEND_PACKETS: usize = 512;

/// What can be done to a session.
#[expect(
    clippy::large_enum_variant,
    reason = "made for one call and never kept; a box would be an allocation for each packet"
)]
pub(super) enum Mutation<'a> {
    /// A datagram came. With the SSRC when it is RTP.
    Receive(Receive<'a>, Option<Ssrc>),
    /// Time passed.
    Timeout,
    /// An offer of the participant, its first or a further one.
    Offer(SdpOffer),
    /// Packets to send, each on its line. They are taken out.
    Write(&'a mut Vec<(Mid, RtpWrite)>),
    /// Ask the participant for a key frame of a layer on a line that it sends.
    KeyFrame(Mid, Option<Rid>),
    /// Say goodbye.
    Close,
}

/// What a session did. Reused between calls.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) transmits: Vec<Transmit>,
    /// Packets that came, each with the line it belongs to.
    pub(super) packets: Vec<(Mid, Option<Rid>, RtpPacket)>,
    /// Lines for which the participant wants a key frame.
    pub(super) key_frames_wanted: Vec<Mid>,
    /// The viewer's new estimate of its way, in bits in a second.
    pub(super) estimate_bit_s: Option<u64>,
    pub(super) reports: Vec<Report>,
    /// DTLS is up.
    pub(super) connected: bool,
    /// The participant closed.
    pub(super) closed: bool,
    pub(super) answer: Option<SdpAnswer>,
}

impl Outcome {
    pub(super) fn clear(&mut self) {
        self.transmits.clear();
        self.packets.clear();
        self.key_frames_wanted.clear();
        self.estimate_bit_s = None;
        self.reports.clear();
        self.connected = false;
        self.closed = false;
        self.answer = None;
    }
}

/// The session is over; it must be dropped.
#[derive(Debug)]
pub(super) struct Dead;

/// What a participant does, as its first offer says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It sends, and may receive.
    Speaker,
    /// It only receives. Its way is measured, so that it gets what fits.
    Viewer,
}

/// How often a viewer's way is judged. Receivers report about once a second, and not all of them at the same moment.
const REPORT_EVERY: Duration = Duration::from_millis(500);

// The header extensions for a viewer: those of str0m, without the numbers for transport-wide feedback. Where these are negotiated a browser reports the arrival
// of every packet and leaves the estimate to the sender; without them, and with the time of sending, it makes the estimate itself and says it (REMB).
fn viewer_extensions() -> ExtensionMap {
    let mut extensions = ExtensionMap::empty();
    for (id, extension) in ExtensionMap::standard().iter() {
        if *extension != Extension::TransportSequenceNumber {
            extensions.set(id, extension.clone());
        }
    }
    extensions
}

/// What a viewer has reported of one line since the session began (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) mid: Mid,
    pub(super) highest_seq: u64,
    pub(super) lost: u64,
}

/// A stream that was authenticated.
#[derive(Clone, Copy)]
struct Known {
    mid: Mid,
    rid: Option<Rid>,
    ssrc: Ssrc,
}

/// Streams that are remembered; no more are negotiated by anybody who means well.
const KNOWN_MAX: usize = 256;

/// A session with its next deadline.
pub(super) struct Driver {
    rtc: Rtc,
    timeout: Instant,
    // The authenticated streams: one of each line, or of each layer of it.
    streams: Vec<Known>,
}

impl Driver {
    /// A session that answers offers as an ICE-lite agent (RFC 8445 section 2.5) at these addresses.
    pub(super) fn new(now: Instant, certificate: DtlsCert, candidates: &[Candidate], role: Role) -> Result<Self, Dead> {
        let mut config = RtcConfig::new()
            .set_rtp_mode(true)
            .set_ice_lite(true)
            .set_dtls_cert(certificate)
            .set_stats_interval(None)
            .set_send_buffer_video(VIDEO_RESEND_PACKETS)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .enable_h264(true);
        if role == Role::Viewer {
            config = config.set_stats_interval(Some(REPORT_EVERY)).set_extension_map(viewer_extensions());
        }
        let rtc = config.build(now);
        let mut driver = Self { rtc, timeout: now, streams: Vec::new() };
        let mut outcome = Outcome::default();
        for candidate in candidates {
            driver.rtc.add_local_candidate(candidate.clone());
            driver.settle(now, &mut outcome).map_err(|_| Dead)?;
        }
        Ok(driver)
    }

    /// Does one thing, then drains. Adds what came of it to `outcome`.
    pub(super) fn drive(&mut self, now: Instant, mutation: Mutation<'_>, outcome: &mut Outcome) -> Result<(), Dead> {
        // A panic in a parser of what participants send must cost this participant alone. Its session is dropped afterwards,
        // so no broken state is seen again.
        let done = catch_unwind(AssertUnwindSafe(|| {
            let newcomer = self.newcomer(&mutation);
            self.mutate(now, mutation, outcome)?;
            self.settle(now, outcome)?;
            match newcomer {
                Some(ssrc) if outcome.packets.is_empty() => self.evict(now, ssrc, outcome),
                _ => Ok(()),
            }
        }));
        match done {
            Ok(Ok(())) if self.rtc.is_alive() => Ok(()),
            _ => Err(Dead),
        }
    }

    fn mutate(&mut self, now: Instant, mutation: Mutation<'_>, outcome: &mut Outcome) -> Result<(), RtcError> {
        match mutation {
            Mutation::Receive(receive, _) => self.rtc.handle_input(Input::Receive(now, receive)),
            Mutation::Timeout => self.rtc.handle_input(Input::Timeout(now)),
            Mutation::Offer(offer) => {
                outcome.answer = Some(self.rtc.sdp_api().accept_offer(offer)?);
                Ok(())
            }
            Mutation::Write(packets) => {
                let mut direct = self.rtc.direct_api();
                for (mid, packet) in packets.drain(..) {
                    if let Some(stream) = direct.stream_tx_by_mid(mid, None) {
                        stream.write_rtp(packet);
                    }
                }
                Ok(())
            }
            Mutation::KeyFrame(mid, rid) => {
                if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, rid) {
                    stream.request_keyframe(KeyframeRequestKind::Pli);
                }
                Ok(())
            }
            Mutation::Close => self.rtc.close(),
        }
    }

    // The SSRC of a packet that would be the first of its stream.
    fn newcomer(&mut self, mutation: &Mutation<'_>) -> Option<Ssrc> {
        let Mutation::Receive(_, Some(ssrc)) = mutation else { return None };
        let known = self.streams.iter().any(|known| known.ssrc == *ssrc);
        (!known && self.rtc.direct_api().stream_rx(ssrc).is_none()).then_some(*ssrc)
    }

    // str0m binds an SSRC to the line that a packet names before it has authenticated the packet: one forged datagram would
    // take the line from the genuine stream for good, and many would fill the memory. When no packet came of it, undo that.
    fn evict(&mut self, now: Instant, ssrc: Ssrc, outcome: &mut Outcome) -> Result<(), RtcError> {
        let Some(rtx) = self.rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.rtx()) else { return Ok(()) };
        self.rtc.direct_api().remove_stream_rx(ssrc);
        self.settle(now, outcome)?;
        for known in self.streams.clone() {
            let Some(audio) = self.rtc.media(known.mid).map(|media| media.kind().is_audio()) else { continue };
            if self.rtc.direct_api().stream_rx(&known.ssrc).is_none() {
                let mut direct = self.rtc.direct_api();
                direct.expect_stream_rx(known.ssrc, rtx, known.mid, known.rid).suppress_nack(audio);
                self.settle(now, outcome)?;
            }
        }
        Ok(())
    }

    fn authenticated(&mut self, mid: Mid, rid: Option<Rid>, ssrc: Ssrc) {
        match self.streams.iter().position(|known| known.mid == mid && known.rid == rid) {
            Some(index) => {
                if let Some(known) = self.streams.get_mut(index) {
                    known.ssrc = ssrc;
                }
            }
            None if self.streams.len() < KNOWN_MAX => self.streams.push(Known { mid, rid, ssrc }),
            None => {}
        }
    }

    // Drains until nothing is due any more.
    fn settle(&mut self, now: Instant, outcome: &mut Outcome) -> Result<(), RtcError> {
        for _ in 0..TIMER_ROUNDS_MAX {
            self.timeout = self.drain(outcome)?;
            if self.timeout > now {
                return Ok(());
            }
            self.rtc.handle_input(Input::Timeout(now))?;
        }
        self.timeout = self.drain(outcome)?.max(now + TIMER_STEP);
        Ok(())
    }

    fn drain(&mut self, outcome: &mut Outcome) -> Result<Instant, RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => return Ok(at),
                Output::Transmit(transmit) => outcome.transmits.push(transmit),
                Output::Event(Event::RtpPacket(packet)) => {
                    let ssrc = packet.header.ssrc;
                    let stream = self.rtc.direct_api().stream_rx(&ssrc).map(|stream| (stream.mid(), stream.rid()));
                    if let Some((mid, rid)) = stream {
                        self.authenticated(mid, rid, ssrc);
                        outcome.packets.push((mid, rid, packet));
                    }
                }
                Output::Event(Event::Connected) => outcome.connected = true,
                Output::Event(Event::KeyframeRequest(request)) => outcome.key_frames_wanted.push(request.mid),
                Output::Event(Event::EgressBitrateEstimate(BweKind::Remb { estimate, .. })) => {
                    outcome.estimate_bit_s = Some(estimate.as_u64());
                }
                Output::Event(Event::MediaEgressStats(stats)) => {
                    let remote = stats.remote.map(|remote| (*remote.maximum_sequence_number, remote.packets_lost));
                    let (highest_seq, lost) = remote.unwrap_or_default();
                    // 24 bits with a sign: packets that came twice are lost less than never.
                    let lost = if lost < 1 << 23 { lost } else { 0 };
                    outcome.reports.push(Report { mid: stats.mid, highest_seq, lost });
                }
                Output::Event(Event::Closed) => outcome.closed = true,
                Output::Event(_) => {}
            }
        }
    }

    /// When [`Mutation::Timeout`] is due.
    pub(super) fn timeout(&self) -> Instant {
        self.timeout
    }

    /// The name under which the participant's STUN requests ask for this session (RFC 8445 section 7.2.2). An ICE restart changes it.
    pub(super) fn ufrag(&mut self) -> String {
        // Reads only: takes `&mut` because of how str0m hands out its API.
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    pub(super) fn media(&self, mid: Mid) -> Option<&Media> {
        self.rtc.media(mid)
    }

    pub(super) fn payloads(&self) -> &[PayloadParams] {
        self.rtc.codec_config().params()
    }

    pub(super) fn matching_payload(&self, theirs: PayloadParams) -> Option<PayloadParams> {
        self.rtc.codec_config().match_params(theirs).copied()
    }
}
