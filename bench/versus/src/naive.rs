//! The SFU that one writes first with str0m: one thread, one socket, each packet driven through each receiver's session and sent by a call of its
//! own. It is what the product's media plane has to be better than to deserve its code. It drives only the session that has something to do: the
//! simplest version, which polls all of them for every datagram, is no fair comparison.
use anyhow::{Context as _, Result, bail};
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use str0m::change::SdpOffer;
use str0m::media::{KeyframeRequestKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite, SeqNo};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use wardline_loadtest::video::process::{Reply, Request};

/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(5);

struct Client {
    room: u32,
    sends: bool,
    rtc: Rtc,
    mid: Option<Mid>,
    timeout: Instant,
    // Incoming less outgoing sequence number.
    offset: Option<u64>,
}

struct Naive {
    socket: UdpSocket,
    address: SocketAddr,
    clients: Vec<Client>,
    sources: HashMap<SocketAddr, usize>,
}

/// Serves at `address` until the input ends.
///
/// # Errors
/// What str0m or the system refuses.
pub fn serve(address: IpAddr) -> Result<()> {
    let (requests, asked) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let request = line.map_err(anyhow::Error::from).and_then(|line| Ok(serde_json::from_str(&line)?));
            if requests.send(request).is_err() {
                return;
            }
        }
    });
    let socket = UdpSocket::bind(SocketAddr::new(address, 0))?;
    socket.set_read_timeout(Some(TICK))?;
    let address = socket.local_addr()?;
    let naive = Naive { socket, address, clients: Vec::new(), sources: HashMap::new() };
    naive.run(&asked)
}

impl Naive {
    fn run(mut self, asked: &Receiver<Result<Request>>) -> Result<()> {
        let mut buffer = vec![0; 2_000];
        let mut ticked = Instant::now();
        loop {
            match asked.try_recv() {
                Ok(request) => self.answer(request?)?,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return Ok(()),
                Err(std::sync::mpsc::TryRecvError::Empty) => {}
            }
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
                self.receive(from, buffer.get(..length).unwrap_or_default())?;
            }
            let now = Instant::now();
            if now.saturating_duration_since(ticked) >= TICK {
                ticked = now;
                for index in 0..self.clients.len() {
                    if self.clients.get(index).is_some_and(|client| client.timeout <= now) {
                        self.drive(index, now, |rtc| rtc.handle_input(Input::Timeout(now)))?;
                    }
                }
            }
        }
    }

    fn answer(&mut self, request: Request) -> Result<()> {
        let reply = match request {
            Request::Connect { room, participant, offer } => match self.connect(room, participant == 0, &offer) {
                Ok(answer) => Reply::Answer(answer),
                Err(error) => Reply::Refused(format!("{error:#}")),
            },
            Request::Send { .. } => Reply::Done,
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&reply)?)?;
        Ok(out.flush()?)
    }

    fn connect(&mut self, room: u32, sends: bool, offer: &str) -> Result<String> {
        let now = Instant::now();
        let config = RtcConfig::new().set_rtp_mode(true).set_ice_lite(true).set_stats_interval(None).clear_codecs();
        let mut rtc = config.enable_opus(true, false).enable_vp8(true).build(now);
        rtc.add_local_candidate(Candidate::host(self.address, Protocol::Udp)?).context("the candidate")?;
        let answer = rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(offer)?)?.to_sdp_string();
        let mid = answer.lines().find_map(|line| line.strip_prefix("a=mid:")).map(|mid| Mid::from(mid.trim()));
        let index = self.clients.len();
        self.clients.push(Client { room, sends, rtc, mid, timeout: now, offset: None });
        self.drive(index, now, |_| Ok(()))?;
        Ok(answer)
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8]) -> Result<()> {
        let now = Instant::now();
        let Ok(receive) = Receive::new(Protocol::Udp, from, self.address, datagram) else { return Ok(()) };
        let input = Input::Receive(now, receive);
        let index = match self.sources.get(&from) {
            Some(index) => *index,
            None => {
                let Some(index) = self.clients.iter().position(|client| client.rtc.accepts(&input)) else {
                    return Ok(());
                };
                self.sources.insert(from, index);
                index
            }
        };
        self.drive(index, now, move |rtc| rtc.handle_input(input))
    }

    // Does one thing to a session, sends what comes of it, and forwards what came in.
    fn drive(
        &mut self,
        index: usize,
        now: Instant,
        act: impl FnOnce(&mut Rtc) -> Result<(), str0m::RtcError>,
    ) -> Result<()> {
        let Some(client) = self.clients.get_mut(index) else { return Ok(()) };
        act(&mut client.rtc)?;
        let (mut packets, mut key_frame) = (Vec::new(), false);
        loop {
            match client.rtc.poll_output()? {
                Output::Timeout(at) if at > now => {
                    client.timeout = at;
                    break;
                }
                Output::Timeout(_) => client.rtc.handle_input(Input::Timeout(now))?,
                Output::Transmit(transmit) => {
                    // What the kernel does not take is lost.
                    let _sent = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(Event::RtpPacket(packet)) => packets.push(packet),
                Output::Event(Event::KeyframeRequest(_)) => key_frame = true,
                Output::Event(_) => {}
            }
        }
        let (room, sends) = (client.room, client.sends);
        if sends {
            for packet in packets {
                self.forward(room, now, &packet)?;
            }
        } else if key_frame {
            self.ask_key_frame(room, now)?;
        }
        Ok(())
    }

    fn forward(&mut self, room: u32, now: Instant, packet: &RtpPacket) -> Result<()> {
        for index in 0..self.clients.len() {
            let Some(client) = self.clients.get_mut(index).filter(|client| client.room == room && !client.sends) else {
                continue;
            };
            let (Some(mid), true) = (client.mid, client.rtc.is_connected()) else { continue };
            let Some(media) = client.rtc.media(mid) else { continue };
            let Some(pt) = media.remote_pts().first().copied() else { continue };
            let video = media.kind().is_video();
            let incoming: u64 = *packet.seq_no;
            let offset = *client.offset.get_or_insert(incoming.saturating_sub(1_000));
            let (seq, time) = (SeqNo::from(incoming.wrapping_sub(offset)), packet.header.timestamp);
            let write =
                RtpWrite::new(pt, seq, time, now, packet.payload.clone()).marker(packet.header.marker).nackable(video);
            self.drive(index, now, move |rtc| {
                if let Some(stream) = rtc.direct_api().stream_tx_by_mid(mid, None) {
                    stream.write_rtp(write);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn ask_key_frame(&mut self, room: u32, now: Instant) -> Result<()> {
        let Some(index) = self.clients.iter().position(|client| client.room == room && client.sends) else {
            bail!("no sender")
        };
        let mid = self.clients.get(index).and_then(|client| client.mid);
        self.drive(index, now, move |rtc| {
            let mut direct = rtc.direct_api();
            if let Some(stream) = mid.and_then(|mid| direct.stream_rx_by_mid(mid, None)) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
            Ok(())
        })
    }
}
