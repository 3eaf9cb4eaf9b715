//! A peer on a real loopback socket, driven by the thread that owns it.
use super::peer::Peer;
use super::{ROOM, participant};
use std::net::UdpSocket;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use wardline_sfu::{ConnectError, RoomId, Sfu};

pub struct Socketed {
    pub peer: Peer,
    socket: UdpSocket,
    answer: String,
}

impl Socketed {
    pub fn join(sfu: &Sfu, n: u8) -> Self {
        Self::join_room(sfu, ROOM, n)
    }

    pub fn join_room(sfu: &Sfu, room: RoomId, n: u8) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut peer = Peer::new(Instant::now(), socket.local_addr().unwrap());
        let offer = peer.call_offer(Instant::now());
        let answer = connect(sfu, room, n, offer).unwrap();
        peer.answer(Instant::now(), &answer);
        Self { peer, socket, answer }
    }

    /// Somebody who only receives.
    pub fn view(sfu: &Sfu, n: u8) -> Self {
        let (mut viewer, offer) = Self::offer_to_view();
        let answer = connect(sfu, ROOM, n, offer).unwrap();
        viewer.peer.answer(Instant::now(), &answer);
        viewer.answer = answer;
        viewer
    }

    pub fn offer_to_view() -> (Self, String) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut peer = Peer::new(Instant::now(), socket.local_addr().unwrap());
        let offer = peer.viewer_offer(Instant::now());
        (Self { peer, socket, answer: String::new() }, offer)
    }

    /// The port that the answer names.
    pub fn shard_port(&self) -> u16 {
        let candidate = self.answer.lines().find(|line| line.starts_with("a=candidate:")).unwrap();
        candidate.split(' ').nth(5).unwrap().parse().unwrap()
    }

    /// Serves the socket for up to `length`, or until something came of it.
    pub fn serve(&mut self, length: Duration, done: impl Fn(&Peer) -> bool) -> bool {
        let until = Instant::now() + length;
        let mut buffer = [0; 2_000];
        loop {
            for transmit in std::mem::take(&mut self.peer.transmits) {
                self.socket.send_to(&transmit.contents, transmit.destination).unwrap();
            }
            let now = Instant::now();
            if done(&self.peer) {
                return true;
            }
            if now >= until {
                return false;
            }
            if self.peer.timeout() <= now {
                self.peer.handle_timeout(now);
                continue;
            }
            let wait = self.peer.timeout().min(until) - now;
            self.socket.set_read_timeout(Some(wait.max(Duration::from_micros(100)))).unwrap();
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
                self.peer.handle(Instant::now(), from, &buffer[..length]);
            }
        }
    }
}

pub fn connect(sfu: &Sfu, room: RoomId, n: u8, offer: String) -> Result<String, ConnectError> {
    let (reply, answer) = channel();
    sfu.connect(room, participant(n), offer, move |result| reply.send(result).unwrap()).unwrap();
    answer.recv_timeout(Duration::from_secs(10)).unwrap()
}
