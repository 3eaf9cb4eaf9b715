//! A room in which one shows a camera and the others look on.
use super::camera::{Camera, FRAME};
use super::peer::{Heard, Peer};
use super::screen::{Shown, shown};
use super::world::{Link, World};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use wardline_sfu::ParticipantId;

/// The layers of a browser's camera at 720 lines, as browsers name and order them.
pub const LAYERS: [(&str, usize); 3] = [("h", 1_500_000), ("m", 500_000), ("l", 150_000)];
pub const HIGH: u8 = 0;
pub const MIDDLE: u8 = 1;
pub const LOW: u8 = 2;

pub struct Broadcast {
    pub world: World,
    pub camera: Camera,
    frames: u32,
}

impl Broadcast {
    /// Participant 1 shows a camera with these layers to nobody yet.
    pub fn start(seed: u64, layers: &[(&str, usize)]) -> Self {
        let mut world = World::with_room_for(1_000, seed, Link::GOOD);
        let peer = world.device(1);
        Self::start_with(world, peer, layers)
    }

    /// As [`Broadcast::start`], without resends of the camera.
    pub fn start_without_resends(seed: u64, layers: &[(&str, usize)]) -> Self {
        let world = World::with_room_for(1_000, seed, Link::GOOD);
        let peer = Peer::without_resends(world.now, SocketAddr::from(([198, 51, 100, 1], 5_000)));
        Self::start_with(world, peer, layers)
    }

    fn start_with(mut world: World, mut peer: Peer, layers: &[(&str, usize)]) -> Self {
        let rids: Vec<_> = layers.iter().map(|(rid, _)| *rid).filter(|rid| !rid.is_empty()).collect();
        let offer = peer.broadcast_offer(world.now, &rids);
        world.enter(1, peer, &offer).unwrap();
        world.allow(1, true);
        world.run_until(|world| world.peers[0].connected);
        Self { world, camera: Camera::new(layers), frames: 0 }
    }

    /// A viewer comes. Its index in the world's peers.
    pub fn join(&mut self, n: u8) -> usize {
        let mut peer = self.world.device(n);
        peer.estimator.on = true;
        let offer = peer.viewer_offer(self.world.now);
        self.world.enter(n, peer, &offer).unwrap()
    }

    /// One of many viewers, more than a byte counts.
    pub fn join_many(&mut self, n: u16) -> usize {
        let [high, low] = n.to_be_bytes();
        let mut who = [0xEE; 16];
        who[..2].copy_from_slice(&[high, low]);
        let mut peer = Peer::new(self.world.now, SocketAddr::from(([198, 51, 101 + high, low], 5_000)));
        let offer = peer.viewer_offer(self.world.now);
        self.world.enter_as(ParticipantId::from_bytes(who), peer, &offer).unwrap()
    }

    /// A viewer comes to the second shard.
    pub fn join_second(&mut self, n: u8) -> usize {
        let mut peer = self.world.device(n);
        peer.estimator.on = true;
        let offer = peer.viewer_offer(self.world.now);
        self.world.enter_second(n, peer, &offer).unwrap()
    }

    /// The camera runs, and sound with it.
    pub fn run(&mut self, length: Duration) {
        let until = self.world.now + length;
        while self.world.now < until {
            let now = self.world.now;
            self.camera.shoot(now, &mut self.world.peers[0]);
            self.frames += 1;
            // 20 ms of sound are three for every two frames.
            for _ in 0..1 + self.frames % 2 {
                self.world.peers[0].speak_on(now, 0, &[7; 80]);
            }
            for peer in self.world.peers.iter_mut().skip(1) {
                let video = peer.lines[1];
                let ssrc = peer.heard.iter().rev().find(|heard| heard.mid == video).map(|heard| heard.ssrc);
                if let Some(ssrc) = ssrc
                    && let Some(bit_s) = peer.estimator.poll(now)
                {
                    peer.say_estimate(now, ssrc, bit_s);
                }
            }
            self.world.run(FRAME);
            self.complain();
        }
    }

    // Who has a bad way asks for a key frame when its picture stands still, as browsers do.
    fn complain(&mut self) {
        if !self.frames.is_multiple_of(6) {
            return;
        }
        let now = self.world.now;
        for index in 1..self.world.peers.len() {
            if !self.world.narrow.contains_key(&self.world.peers[index].address) {
                continue;
            }
            let a_while = Duration::from_millis(300);
            let heard = self.heard(index, 1);
            let Some(newest) = heard.last().filter(|heard| now - heard.at < a_while) else { continue };
            if shown(&heard).last().is_none_or(|shown| now - shown.at > a_while) {
                self.world.peers[index].ask_key_frame(now, newest.ssrc);
            }
        }
    }

    fn heard(&self, peer: usize, line: usize) -> Vec<Heard> {
        let peer = &self.world.peers[peer];
        peer.heard.iter().filter(|heard| heard.mid == peer.lines[line]).cloned().collect()
    }

    pub fn sound(&self, peer: usize) -> Vec<Heard> {
        self.heard(peer, 0)
    }

    pub fn pictures(&self, peer: usize) -> Vec<Shown> {
        shown(&self.heard(peer, 1))
    }

    /// The layers in which a viewer was shown pictures since then, one after the other.
    pub fn layers(&self, peer: usize, since: Instant) -> Vec<u8> {
        let mut layers: Vec<_> = self.pictures(peer).iter().filter(|s| s.at >= since).map(|s| s.layer).collect();
        layers.dedup();
        layers
    }

    pub fn now(&self) -> Instant {
        self.world.now
    }

    /// Key-frame requests that reached the camera.
    pub fn requests(&self) -> usize {
        self.world.peers[0].key_frames_of.len()
    }
}
