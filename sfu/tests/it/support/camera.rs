//! A camera with a simulcast encoder: VP8 with a payload descriptor, the rest nonsense that tells what it is.
use super::peer::Peer;
use std::time::{Duration, Instant};
use str0m::media::Rid;

/// Between two frames.
pub const FRAME: Duration = Duration::from_micros(33_333);
const CLOCK_PER_FRAME: u32 = 3_000;
const PAYLOAD_BYTES_MAX: usize = 1_100;
/// How much larger a key frame is than another.
const KEY_FACTOR: usize = 6;

/// What a packet of the camera says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shot {
    pub layer: u8,
    pub frame: u32,
    pub part: (u16, u16),
    pub key: bool,
    pub picture: u16,
    pub base: u8,
}

impl Shot {
    const DESCRIPTOR_BYTES: usize = 6;

    fn write(&self, bytes: usize) -> Vec<u8> {
        let first = self.part.0 == 0;
        let [high, low] = (self.picture | 0x8000).to_be_bytes();
        let mut payload = vec![if first { 0x90 } else { 0x80 }, 0xe0, high, low, self.base, 0];
        payload.push(u8::from(!self.key));
        payload.push(self.layer);
        payload.extend(self.frame.to_be_bytes());
        payload.extend(self.part.0.to_be_bytes());
        payload.extend(self.part.1.to_be_bytes());
        payload.resize(payload.len().max(bytes), 0xA5);
        payload
    }

    pub fn read(payload: &[u8]) -> Self {
        let rest = &payload[Self::DESCRIPTOR_BYTES..];
        let number = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
        Self {
            layer: rest[1],
            frame: u32::from_be_bytes(rest[2..6].try_into().unwrap()),
            part: (number(6), number(8)),
            key: rest[0] == 0,
            picture: u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff,
            base: payload[4],
        }
    }
}

struct Layer {
    rid: Option<Rid>,
    bit_s: usize,
    seq: u64,
    time: u32,
    picture: u16,
    base: u8,
    frame: u32,
    key_due: bool,
}

/// The camera.
pub struct Camera {
    layers: Vec<Layer>,
    requests_seen: usize,
    pub stopped: Vec<usize>,
}

impl Camera {
    /// With layers of these names and bitrates. An empty name is no simulcast.
    pub fn new(layers: &[(&str, usize)]) -> Self {
        let layer = |(n, (rid, bit_s)): (usize, &(&str, usize))| Layer {
            rid: (!rid.is_empty()).then(|| Rid::from(*rid)),
            bit_s: *bit_s,
            seq: 1_000 + 7_777 * n as u64,
            time: 5_000 + 900_000 * n as u32,
            picture: 100 + 9_000 * n as u16,
            base: 40 + 70 * n as u8,
            frame: 0,
            key_due: true,
        };
        Self { layers: layers.iter().enumerate().map(layer).collect(), requests_seen: 0, stopped: Vec::new() }
    }

    /// Sends a frame of each layer.
    pub fn shoot(&mut self, now: Instant, peer: &mut Peer) {
        for wanted in &peer.key_frames_of[self.requests_seen..] {
            self.layers.iter_mut().filter(|layer| layer.rid == *wanted).for_each(|layer| layer.key_due = true);
        }
        self.requests_seen = peer.key_frames_of.len();
        for (n, layer) in self.layers.iter_mut().enumerate() {
            layer.time = layer.time.wrapping_add(CLOCK_PER_FRAME);
            if self.stopped.contains(&n) {
                continue;
            }
            let key = std::mem::take(&mut layer.key_due);
            let bytes = layer.bit_s / 8 / 30 * if key { KEY_FACTOR } else { 1 };
            let parts = bytes.div_ceil(PAYLOAD_BYTES_MAX).max(1);
            layer.frame += 1;
            layer.picture = layer.picture.wrapping_add(1) & 0x7fff;
            layer.base = layer.base.wrapping_add(1);
            for part in 0..parts {
                let shot = Shot {
                    layer: n as u8,
                    frame: layer.frame,
                    part: (part as u16, parts as u16),
                    key,
                    picture: layer.picture,
                    base: layer.base,
                };
                layer.seq += 1;
                peer.send_layer(now, layer.rid, (layer.seq, layer.time), shot.write(bytes / parts), part + 1 == parts);
            }
        }
    }
}
