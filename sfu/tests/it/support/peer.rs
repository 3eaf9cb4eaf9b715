//! A participant's device, without I/O.
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid};
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
    pub seq: u64,
    pub time: u32,
    pub transmits: Vec<Transmit>,
}

impl Peer {
    pub fn new(now: Instant, address: SocketAddr) -> Self {
        let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_opus(true, false).enable_vp8(true);
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
            seq: 4_000,
            time: 90_000,
            transmits: Vec::new(),
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
                Output::Event(Event::KeyframeRequest(_)) => self.key_frames_wanted += 1,
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
