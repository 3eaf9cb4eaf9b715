//! A participant's device, without I/O.
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::bwe::Bitrate;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction, Frequency, KeyframeRequestKind, MediaKind, Mid, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{ExtensionValues, RtpWrite, SeqNo, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// A packet that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub mid: Mid,
    pub ssrc: Ssrc,
    pub seq: u64,
    pub time: u32,
    pub marker: bool,
    pub audio_level: Option<i8>,
    pub payload: Vec<u8>,
    pub at: Instant,
}

pub struct Peer {
    rtc: Rtc,
    pub address: SocketAddr,
    pub lines: Vec<Mid>,
    pending: Option<SdpPendingOffer>,
    timeout: Instant,
    pub connected: bool,
    pub closed: bool,
    pub heard: Vec<Heard>,
    pub key_frames_wanted: usize,
    /// Of which layers.
    pub key_frames_of: Vec<Option<Rid>>,
    pub seq: u64,
    pub time: u32,
    pub transmits: Vec<Transmit>,
    pub estimator: Estimator,
}

impl Peer {
    pub fn new(now: Instant, address: SocketAddr) -> Self {
        let config = RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_opus(true, false).enable_vp8(true);
        Self::with(config, now, address)
    }

    /// One that sends nothing again. Its packets name line and layer only until the first report.
    pub fn without_resends(now: Instant, address: SocketAddr) -> Self {
        let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_opus(true, false);
        let format = FormatParams::default();
        config.codec_config().add_config(96.into(), None, Codec::Vp8, Frequency::NINETY_KHZ, None, format);
        Self::with(config, now, address)
    }

    fn with(mut config: RtcConfig, now: Instant, address: SocketAddr) -> Self {
        config.set_max_stun_rto(Duration::from_secs(2));
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).unwrap());
        Self {
            rtc,
            address,
            lines: Vec::new(),
            pending: None,
            timeout: now,
            connected: false,
            closed: false,
            heard: Vec::new(),
            key_frames_wanted: 0,
            key_frames_of: Vec::new(),
            seq: 4_000,
            time: 90_000,
            transmits: Vec::new(),
            estimator: Estimator::default(),
        }
    }

    /// An offer with these lines.
    pub fn offer(&mut self, now: Instant, lines: &[(MediaKind, Direction)]) -> String {
        let mut change = self.rtc.sdp_api();
        for (kind, direction) in lines {
            self.lines.push(change.add_media(*kind, *direction, None, None, None));
        }
        let (offer, pending) = change.apply().unwrap();
        self.pending = Some(pending);
        self.drain(now);
        offer.to_sdp_string()
    }

    /// The offer of somebody who shows a camera to many: sound, and a picture in layers with these names.
    pub fn broadcast_offer(&mut self, now: Instant, rids: &[&str]) -> String {
        let mut simulcast = Simulcast::new();
        rids.iter().for_each(|rid| simulcast.add_send_layer(SimulcastLayer::new(rid)));
        let layers = (!rids.is_empty()).then_some(simulcast);
        let mut change = self.rtc.sdp_api();
        self.lines.push(change.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None));
        self.lines.push(change.add_media(MediaKind::Video, Direction::SendOnly, None, None, layers));
        let (offer, pending) = change.apply().unwrap();
        self.pending = Some(pending);
        self.drain(now);
        offer.to_sdp_string()
    }

    /// The offer of somebody who only looks and listens.
    pub fn viewer_offer(&mut self, now: Instant) -> String {
        self.offer(now, &[(MediaKind::Audio, Direction::RecvOnly), (MediaKind::Video, Direction::RecvOnly)])
    }

    /// Sends a packet of a layer.
    pub fn send_layer(
        &mut self,
        now: Instant,
        rid: Option<Rid>,
        (seq, time): (u64, u32),
        payload: Vec<u8>,
        last: bool,
    ) {
        let mid = self.lines[1];
        let pts = self.rtc.media(mid).unwrap().remote_pts().to_vec();
        let write = RtpWrite::new(pts[0], SeqNo::from(seq), time, now, payload).marker(last).nackable(true);
        self.rtc.direct_api().stream_tx_by_mid(mid, rid).unwrap().write_rtp(write);
        self.drain(now);
    }

    /// Says how much it can take, as browsers do.
    pub fn say_estimate(&mut self, now: Instant, ssrc: Ssrc, bit_s: u64) {
        self.rtc.direct_api().stream_rx(&ssrc).unwrap().request_remb(Bitrate::bps(bit_s));
        self.drain(now);
    }

    /// The offer of a 1:1 call.
    pub fn call_offer(&mut self, now: Instant) -> String {
        self.offer(now, &[(MediaKind::Audio, Direction::SendRecv)])
    }

    pub fn restart_offer(&mut self, now: Instant) -> String {
        let mut change = self.rtc.sdp_api();
        change.ice_restart(false);
        let (offer, pending) = change.apply().unwrap();
        self.pending = Some(pending);
        self.drain(now);
        offer.to_sdp_string()
    }

    pub fn answer(&mut self, now: Instant, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
        self.drain(now);
        // A restart begins without candidates; otherwise it is there already.
        self.rtc.add_local_candidate(Candidate::host(self.address, Protocol::Udp).unwrap());
        self.drain(now);
    }

    pub fn timeout(&self) -> Instant {
        self.timeout
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain(now);
    }

    pub fn handle(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let Ok(receive) = Receive::new(Protocol::Udp, from, self.address, datagram) else { return };
        self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
        self.drain(now);
    }

    /// Sends 20 ms of "speech".
    pub fn speak(&mut self, now: Instant, payload: &[u8]) {
        self.speak_on(now, 0, payload);
    }

    pub fn speak_on(&mut self, now: Instant, line: usize, payload: &[u8]) {
        self.time = self.time.wrapping_add(960);
        self.send_on(now, line, payload, false);
    }

    /// Sends a packet of the present frame; `last` ends it.
    pub fn send_on(&mut self, now: Instant, line: usize, payload: &[u8], last: bool) {
        let mid = self.lines[line];
        self.seq += 1;
        let pts = self.rtc.media(mid).unwrap().remote_pts().to_vec();
        let extensions = ExtensionValues { audio_level: Some(-30), voice_activity: Some(true), ..Default::default() };
        let video = self.rtc.media(mid).unwrap().kind().is_video();
        let write = RtpWrite::new(pts[0], SeqNo::from(self.seq), self.time, now, payload)
            .ext_vals(extensions)
            .marker(last)
            .nackable(video);
        self.rtc.direct_api().stream_tx_by_mid(mid, None).unwrap().write_rtp(write);
        self.drain(now);
    }

    pub fn ask_key_frame(&mut self, now: Instant, ssrc: Ssrc) {
        self.rtc.direct_api().stream_rx(&ssrc).unwrap().request_keyframe(KeyframeRequestKind::Pli);
        self.drain(now);
    }

    pub fn hang_up(&mut self, now: Instant) {
        self.rtc.close().unwrap();
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) if at > now || !self.rtc.is_alive() => {
                    self.timeout = at;
                    return;
                }
                Output::Timeout(_) => self.rtc.handle_input(Input::Timeout(now)).unwrap(),
                Output::Transmit(transmit) => self.transmits.push(transmit),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(Event::KeyframeRequest(request)) => {
                    self.key_frames_wanted += 1;
                    self.key_frames_of.push(request.rid);
                }
                Output::Event(Event::RtpPacket(packet)) => {
                    let ssrc = packet.header.ssrc;
                    let mid = self.rtc.direct_api().stream_rx(&ssrc).unwrap().mid();
                    self.heard.push(Heard {
                        mid,
                        ssrc,
                        seq: *packet.seq_no,
                        time: packet.header.timestamp,
                        marker: packet.header.marker,
                        audio_level: packet.header.ext_vals.audio_level,
                        payload: packet.payload.to_vec(),
                        at: now,
                    });
                }
                Output::Event(_) => {}
            }
        }
    }
}

/// What a browser makes of the arrival of packets: the estimate that it says. Without [`Estimator::on`] it says nothing.
#[derive(Default)]
pub struct Estimator {
    pub on: bool,
    bit_s: Option<u64>,
    window: VecDeque<(Instant, u64)>,
    said: Option<Instant>,
    grown: Option<Instant>,
    began: Option<Instant>,
    queued: Duration,
    queued_before: Duration,
}

impl Estimator {
    const OVERUSED: Duration = Duration::from_millis(80);
    /// Between two steps down.
    const AGAIN: Duration = Duration::from_millis(150);
    /// Browsers say nothing in the first seconds.
    const SILENT: Duration = Duration::from_secs(5);

    pub fn note(&mut self, now: Instant, bytes: usize, queued: Duration) {
        if self.on {
            self.window.push_back((now, bytes as u64 * 8));
            self.queued = queued;
        }
    }

    /// What to say now, if anything: no more than one and a half times what arrives, and 85 % of that where it has to queue.
    pub fn poll(&mut self, now: Instant) -> Option<u64> {
        if !self.on {
            return None;
        }
        while self.window.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > Duration::from_secs(1)) {
            self.window.pop_front();
        }
        let arrives: u64 = self.window.iter().filter(|(at, _)| *at <= now).map(|(_, bits)| bits).sum();
        let began = *self.began.get_or_insert(now);
        let before = self.bit_s;
        if before.is_none() && now - began < Self::SILENT && self.queued <= Self::OVERUSED {
            return None;
        }
        let passed = self.grown.map_or(Self::AGAIN, |grown| now - grown);
        let overused = self.queued > Self::OVERUSED && self.queued >= self.queued_before;
        let draining = self.queued > Self::OVERUSED && !overused;
        self.queued_before = self.queued;
        if overused && passed >= Self::AGAIN {
            self.bit_s = Some(before.unwrap_or(u64::MAX).min(arrives * 85 / 100));
            self.grown = Some(now);
        } else if overused || draining {
            self.grown = Some(now - Self::AGAIN);
        } else if passed >= Duration::from_millis(100) || before.is_none() {
            let grown = before.map_or(arrives, |bit_s| bit_s + bit_s * 8 * passed.as_millis() as u64 / 100_000);
            self.bit_s = Some(grown.min((arrives * 3 / 2 + 10_000).max(before.unwrap_or_default())));
            self.grown = Some(now);
        }
        let fell = before.zip(self.bit_s).is_some_and(|(before, now)| now < before * 97 / 100);
        let due = self.said.is_none_or(|said| now - said >= Duration::from_secs(1));
        (due || fell).then(|| {
            self.said = Some(now);
            self.bit_s.unwrap_or_default()
        })
    }
}
