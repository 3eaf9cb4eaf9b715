//! What was sent, packet by packet: so that whoever receives one can say which it is, whether it is whole, and how long it took.
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use wardline_client::media::vp8;

/// Packets that are remembered: those of half a minute of three layers and sound. The oldest is forgotten.
const PACKETS_MAX: usize = 20_000;

/// The last bytes of a packet name it: they are ciphertext or tag, so no two are the same.
const NAME_BYTES: usize = 8;

/// Packets of a frame that are told apart: 290 kB.
pub const PARTS_MAX: usize = 256;

/// What a frame is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The sound.
    Sound,
    /// The video, the layer by its place: 0 is the largest.
    Video(usize),
}

/// A frame that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Of what.
    pub kind: Kind,
    /// Which picture of the broadcast; the same on all layers. Of sound, which packet.
    pub picture: u64,
    /// Its packets.
    pub parts: usize,
    /// When its first packet left, as Unix time in nanoseconds.
    pub at_ns: u64,
}

/// A packet that was sent.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Its frame, by its place in [`Ledger::frames`].
    pub frame: u64,
    /// What it is of.
    pub kind: Kind,
    /// Its place in the frame.
    pub part: usize,
    /// When it left, as Unix time in nanoseconds.
    pub at_ns: u64,
    /// When its frame's first packet left: what decides to which span it belongs.
    pub begun_ns: u64,
    /// What the node must not change: the payload, of video without its descriptor.
    body: Arc<[u8]>,
}

#[derive(Default)]
struct Book {
    packets: HashMap<u64, Packet>,
    order: VecDeque<u64>,
    frames: Vec<Frame>,
}

/// Shared by the sender's thread and the receivers'; locked for a look only.
#[derive(Clone, Default)]
pub struct Ledger(Arc<RwLock<Book>>);

impl Ledger {
    fn read(&self) -> RwLockReadGuard<'_, Book> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Book> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A frame begins to leave. Gives its place.
    pub fn begin(&self, frame: Frame) -> u64 {
        let mut book = self.write();
        book.frames.push(frame);
        book.frames.len() as u64 - 1
    }

    /// A packet leaves.
    pub fn note(&self, kind: Kind, frame: u64, part: usize, at_ns: u64, payload: &[u8]) {
        let Some(body) = body(kind != Kind::Sound, payload) else { return };
        let Some(name) = name(body) else { return };
        let mut book = self.write();
        let begun_ns =
            usize::try_from(frame).ok().and_then(|place| book.frames.get(place)).map_or(at_ns, |frame| frame.at_ns);
        book.packets.insert(name, Packet { frame, kind, part, at_ns, begun_ns, body: body.into() });
        book.order.push_back(name);
        if book.order.len() > PACKETS_MAX
            && let Some(oldest) = book.order.pop_front()
        {
            book.packets.remove(&oldest);
        }
    }

    /// The packet that this payload is of, when it is that to the last byte.
    pub fn find(&self, payload: &[u8]) -> Option<Packet> {
        let book = self.read();
        let found = book.packets.get(&name(payload)?)?;
        let same = *found.body == *payload || body(true, payload).is_some_and(|body| body == &*found.body);
        same.then(|| found.clone())
    }

    /// Frames that began to leave in this time, with the place of each. They are in the order in which they left.
    pub fn frames(&self, from_ns: u64, until_ns: u64) -> (u64, Vec<Frame>) {
        let book = self.read();
        let first = book.frames.partition_point(|frame| frame.at_ns < from_ns);
        let end = book.frames.partition_point(|frame| frame.at_ns < until_ns);
        (first as u64, book.frames.get(first..end).unwrap_or_default().to_vec())
    }
}

/// A payload without VP8's descriptor, whose numbers the node makes continuous.
fn body(video: bool, payload: &[u8]) -> Option<&[u8]> {
    if video { vp8::part(payload).map(|part| part.bytes) } else { Some(payload) }
}

fn name(payload: &[u8]) -> Option<u64> {
    payload.last_chunk::<NAME_BYTES>().map(|bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_found_whatever_its_descriptor_says_and_only_whole() {
        let ledger = Ledger::default();
        let frame = ledger.begin(Frame { kind: Kind::Video(0), picture: 7, parts: 1, at_ns: 5 });
        let sent = [&[0x90, 0x80, 0x81, 0x02][..], &[9; 40]].concat();
        ledger.note(Kind::Video(0), frame, 0, 5, &sent);
        let mut renumbered = sent.clone();
        renumbered[3] = 0x77;
        assert_eq!(ledger.find(&renumbered).map(|packet| packet.frame), Some(frame));
        let mut altered = sent;
        altered[10] ^= 1;
        assert!(ledger.find(&altered).is_none());
        assert_eq!(ledger.frames(5, 6).1.len(), 1);
        assert!(ledger.frames(6, 9).1.is_empty());
    }
}
