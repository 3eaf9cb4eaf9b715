//! The paths of a media packet: SFrame at both ends, forwarding in between.
use crate::messages::Group;
use crate::support::world::{Link, World};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use wardline_e2ee::media::{Receiver, Sender};
use wardline_protocol::CallId;
use wardline_sfu::core::Output;

/// Bytes of 20 ms of voice, and of a video packet.
pub const VOICE_BYTES: usize = 120;
/// See [`VOICE_BYTES`].
pub const VIDEO_BYTES: usize = 1_150;

const CALL: CallId = CallId::from_bytes([0xCA; 16]);
const NOW_MS: u64 = 1_800_000_000_000;

/// SFrame between two members of a conversation.
pub fn sframe() -> (Sender, Receiver) {
    let group = Group::of(2);
    let (conversation, one, other) = group.engines();
    let sender = Sender::new(one.engine.media_epoch(conversation, &CALL).unwrap(), 7).unwrap();
    let mut receiver = Receiver::new(one.account);
    receiver.update(other.engine.media_epoch(conversation, &CALL).unwrap(), NOW_MS);
    (sender, receiver)
}

/// Seals a frame.
pub fn seal(sender: &mut Sender, payload: &[u8]) -> Vec<u8> {
    sender.seal(payload, 1).unwrap()
}

/// Opens a frame.
pub fn open(receiver: &mut Receiver, sealed: &[u8]) {
    black_box(receiver.open(sealed, 1, NOW_MS).unwrap());
}

/// A room in which one speaks and the others listen.
pub struct Room {
    world: World,
    listeners: usize,
}

/// A packet on its way to the forwarding core.
pub struct Packet {
    at: Instant,
    from: SocketAddr,
    bytes: Vec<u8>,
}

impl Room {
    /// With so many listeners, at most 7.
    pub fn of(listeners: u8) -> Self {
        let mut world = World::new(1, Link::GOOD);
        for n in 1..=listeners + 1 {
            world.join(n);
        }
        world.run_until(|world| world.peers.iter().all(|peer| peer.connected));
        world.run(Duration::from_millis(500));
        world.allow(1, true);
        // Streams are there and everybody has heard something.
        world.speak(&[0], 20);
        Self { world, listeners: listeners.into() }
    }

    /// The speaker's next packets, 20 ms apart.
    pub fn packets(&mut self, count: usize, bytes: usize) -> Vec<Packet> {
        let payload = vec![1; bytes];
        let mut packets = Vec::with_capacity(count);
        for _ in 0..count {
            self.world.now += Duration::from_millis(20);
            let (at, speaker) = (self.world.now, &mut self.world.peers[0]);
            speaker.speak(at, &payload);
            let from = speaker.address;
            let sent = std::mem::take(&mut speaker.transmits).into_iter();
            packets.extend(sent.map(|transmit| Packet { at, from, bytes: transmit.contents.to_vec() }));
        }
        packets
    }

    /// Forwards them. Gives how many datagrams went out.
    pub fn forward(&mut self, packets: &[Packet]) -> usize {
        let (core, server) = (&mut self.world.core, self.world.server);
        let mut sent = 0;
        for packet in packets {
            #[cfg(feature = "planted")]
            black_box(Vec::<u8>::with_capacity(packet.bytes.len()));
            if core.poll_timeout().is_some_and(|at| at <= packet.at) {
                core.handle_timeout(packet.at);
            }
            core.handle_datagram(packet.at, packet.from, server, &packet.bytes);
            while let Some(output) = core.poll_output() {
                sent += usize::from(matches!(black_box(output), Output::Transmit(_)));
            }
        }
        assert!(sent >= packets.len() * self.listeners, "{sent} datagrams for {} packets", packets.len());
        sent
    }
}
