//! What is sent: frames of given sizes, sealed by SFrame and cut into packets, and the ledger that says later what arrived.
use anyhow::{Context as _, Result, ensure};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wardline_e2ee::media::{MediaEpoch, Receiver, Sender};
use wardline_protocol::{AccountId, DeviceId};

/// Bytes of a frame that stay in clear, as in the browser client: of a VP8 key frame, and of any other.
const KEY_CLEAR_BYTES: usize = 10;
const DELTA_CLEAR_BYTES: usize = 1;

/// The VP8 payload descriptor (RFC 7741 section 4.2) of a frame's first packet, and of its others.
const FIRST_DESCRIPTOR: u8 = 0x10;
const NEXT_DESCRIPTOR: u8 = 0x00;

/// Frame sizes of a recorded VP8 encoder.
const VP8: &str = include_str!("../../traces/vp8-720p.txt");

/// What SFrame adds to a frame at most: header and tag.
const SFRAME_BYTES_MAX: usize = 33;

/// The last bytes of each packet name it: they are ciphertext or tag, so no two are the same.
const NAME_BYTES: usize = 8;

/// What the sender sends, frame by frame.
#[derive(Clone, Debug)]
pub enum Sizes {
    /// Every frame so many packets of exactly the same size.
    Equal {
        /// Packets of a frame.
        packets: usize,
        /// Bytes of each RTP payload.
        bytes: usize,
    },
    /// The frames of a recorded encoder, again and again, each in as few packets of about one size as fit.
    Trace {
        /// Bytes of each frame, and whether it is a key frame.
        frames: Vec<(usize, bool)>,
        /// Bytes of an RTP payload at most.
        payload_bytes_max: usize,
    },
    /// Voice: one packet a frame.
    Voice {
        /// Bytes of each.
        bytes: usize,
    },
}

impl Sizes {
    /// The frames of a recorded VP8 encoder.
    ///
    /// # Errors
    /// When the recording does not read.
    pub fn vp8(payload_bytes_max: usize) -> Result<Self> {
        Ok(Self::Trace { frames: Self::parse(VP8).context("the recording")?, payload_bytes_max })
    }

    // A line for each frame: its bytes, and `K` behind those of a key frame. Lines with `#` say how it was made.
    fn parse(text: &str) -> Result<Vec<(usize, bool)>> {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let frame = |line: &str| {
            let (bytes, rest) = line.split_once(' ').unwrap_or((line, ""));
            let bytes = bytes.parse().with_context(|| format!("{line:?} is no frame"))?;
            ensure!(bytes > KEY_CLEAR_BYTES && (rest.is_empty() || rest == "K"), "{line:?} is no frame");
            Ok((bytes, rest == "K"))
        };
        let frames: Vec<_> = lines.map(frame).collect::<Result<_>>()?;
        ensure!(frames.first().is_some_and(|(_, key)| *key), "a trace begins with a key frame");
        Ok(frames)
    }
}

/// The keys of one sender: it seals, and any number of receivers open.
pub struct Keys {
    epoch: MediaEpoch,
    account: AccountId,
}

impl Keys {
    /// New ones. The base key is random here, where in a call it is the MLS exporter's.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self> {
        let (account, device) = (AccountId::from_bytes([1; 16]), DeviceId::from_bytes([2; 16]));
        let mut base_key = [0; 16];
        getrandom::fill(&mut base_key).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
        // Epoch 1, own leaf 0, the key, and leaf 0 with an account, a device and a key that nobody signs with.
        let mut bytes = [1_u64.to_be_bytes().as_slice(), &[0; 4], &base_key, &[0; 4]].concat();
        bytes.extend_from_slice(account.as_bytes());
        bytes.extend_from_slice(device.as_bytes());
        bytes.extend_from_slice(&[0; 32]);
        let epoch = MediaEpoch::from_bytes(&bytes).context("an epoch")?;
        Ok(Self { epoch, account })
    }

    /// Somebody who opens.
    pub fn receiver(&self) -> Receiver {
        let mut receiver = Receiver::new(self.account);
        receiver.update(self.epoch.clone(), 0);
        receiver
    }

    fn sender(&self) -> Result<Sender> {
        Ok(Sender::new(self.epoch.clone(), 1)?)
    }
}

/// One packet that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its place among all packets of its sender.
    pub index: u64,
    /// Its frame.
    pub frame: u64,
    /// Its place in the frame, and how many the frame has.
    pub part: (usize, usize),
    /// When, as Unix time in nanoseconds; 0: not yet.
    pub at_ns: u64,
    /// The RTP payload.
    pub payload: Arc<[u8]>,
}

/// What one sender has sent. Shared by its thread and those of its receivers; locked for a look only.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<HashMap<u64, Sent>>>);

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a packet leaves now.
    pub fn note(&self, sent: Sent) {
        if let Some(name) = name(&sent.payload) {
            self.lock().insert(name, sent);
        }
    }

    /// The packet that this payload is of, when it is that to the last byte.
    pub fn find(&self, payload: &[u8]) -> Option<Sent> {
        let name = name(payload)?;
        let sent = self.lock().get(&name).cloned()?;
        (*sent.payload == *payload).then_some(sent)
    }

    /// Forgets packets before this one.
    pub fn forget_before(&self, index: u64) {
        self.lock().retain(|_, sent| sent.index >= index);
    }
}

fn name(payload: &[u8]) -> Option<u64> {
    payload.last_chunk::<NAME_BYTES>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// Makes frames.
pub struct Source {
    sizes: Sizes,
    sender: Sender,
    frame: u64,
    index: u64,
    // What SFrame added to the last frame; it grows with its counter.
    added: usize,
}

impl Source {
    /// A source that seals with these keys.
    ///
    /// # Errors
    /// When a sender cannot be made of the keys.
    pub fn new(sizes: Sizes, keys: &Keys) -> Result<Self> {
        Ok(Self { sizes, sender: keys.sender()?, frame: 0, index: 0, added: SFRAME_BYTES_MAX })
    }

    /// The next frame's packets, in order.
    ///
    /// # Errors
    /// When SFrame's counter is used up.
    pub fn next_frame(&mut self) -> Result<Vec<Sent>> {
        let (key, payload_bytes) = match &self.sizes {
            Sizes::Voice { bytes } => {
                let bytes = *bytes;
                return self.voice(bytes);
            }
            Sizes::Equal { packets, bytes } => (self.frame == 0, packets * (bytes - 1)),
            Sizes::Trace { frames, .. } => {
                let at = usize::try_from(self.frame).unwrap_or_default() % frames.len();
                frames.get(at).map_or((false, 0), |(bytes, key)| (*key, *bytes))
            }
        };
        let clear = if key { KEY_CLEAR_BYTES } else { DELTA_CLEAR_BYTES };
        let sealed = match &self.sizes {
            Sizes::Equal { .. } => self.seal_to(payload_bytes, clear, key)?,
            _ => self.sender.seal(&plain(payload_bytes, key), clear)?,
        };
        let parts = match &self.sizes {
            Sizes::Equal { packets, .. } => *packets,
            Sizes::Trace { payload_bytes_max, .. } => sealed.len().div_ceil(payload_bytes_max - 1),
            Sizes::Voice { .. } => 1,
        };
        // As libwebrtc cuts frames: about equal, the larger by a byte at the end.
        let (each, larger) = (sealed.len() / parts, sealed.len() % parts);
        let mut rest = sealed.as_slice();
        let mut packets = Vec::with_capacity(parts);
        for part in 0..parts {
            let length = each + usize::from(part >= parts - larger);
            let (bytes, after) = rest.split_at_checked(length).context("cut to the end")?;
            rest = after;
            let descriptor = if part == 0 { FIRST_DESCRIPTOR } else { NEXT_DESCRIPTOR };
            let payload = [[descriptor].as_slice(), bytes].concat().into();
            packets.push(Sent { index: self.index, frame: self.frame, part: (part, parts), at_ns: 0, payload });
            self.index += 1;
        }
        self.frame += 1;
        Ok(packets)
    }

    // A sealed frame of exactly so many bytes.
    fn seal_to(&mut self, bytes: usize, clear: usize, key: bool) -> Result<Vec<u8>> {
        loop {
            let plain = plain(bytes.saturating_sub(self.added), key);
            let sealed = self.sender.seal(&plain, clear)?;
            let added = sealed.len() - plain.len();
            if added == self.added {
                return Ok(sealed);
            }
            self.added = added;
        }
    }

    fn voice(&mut self, bytes: usize) -> Result<Vec<Sent>> {
        let payload = self.seal_to(bytes, 0, false)?;
        let sent = Sent { index: self.index, frame: self.frame, part: (0, 1), at_ns: 0, payload: payload.into() };
        self.index += 1;
        self.frame += 1;
        Ok(vec![sent])
    }
}

// An encoded frame as the SFU sees it: the first byte's lowest bit says whether it is a key frame (RFC 6386 section 9.1).
fn plain(bytes: usize, key: bool) -> Vec<u8> {
    let mut plain = vec![0x5a; bytes.max(KEY_CLEAR_BYTES + 1)];
    plain[0] = if key { 0x10 } else { 0x11 };
    if key {
        // Frame tag, start code, width and height of 1280 x 720.
        plain[3..10].copy_from_slice(&[0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02]);
    }
    plain
}

/// Puts frames together again and opens them.
pub struct Opener {
    receiver: Receiver,
    voice: bool,
    parts: HashMap<u64, Vec<Option<Arc<[u8]>>>>,
    /// Frames that were opened.
    pub opened: u64,
    /// Complete frames that did not open.
    pub undecryptable: u64,
}

impl Opener {
    /// For frames sealed with these keys.
    pub fn new(keys: &Keys, sizes: &Sizes) -> Self {
        let voice = matches!(sizes, Sizes::Voice { .. });
        Self { receiver: keys.receiver(), voice, parts: HashMap::new(), opened: 0, undecryptable: 0 }
    }

    /// Takes a packet that came for the first time.
    pub fn take(&mut self, sent: &Sent) {
        let parts = self.parts.entry(sent.frame).or_insert_with(|| vec![None; sent.part.1]);
        if let Some(part) = parts.get_mut(sent.part.0) {
            *part = Some(sent.payload.clone());
        }
        if parts.iter().any(Option::is_none) {
            return;
        }
        let Some(parts) = self.parts.remove(&sent.frame) else { return };
        let skip = usize::from(!self.voice);
        let frame: Vec<u8> = parts.iter().flatten().flat_map(|part| part.iter().skip(skip).copied()).collect();
        let key = !self.voice && frame.first().is_some_and(|first| first & 1 == 0);
        let clear = if self.voice {
            0
        } else if key {
            KEY_CLEAR_BYTES
        } else {
            DELTA_CLEAR_BYTES
        };
        match self.receiver.open(&frame, clear, 0) {
            Ok(_) => self.opened += 1,
            Err(_) => self.undecryptable += 1,
        }
    }

    /// Frames of which a part is missing.
    pub fn incomplete(&self) -> u64 {
        self.parts.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(sizes: Sizes, frames: u64) -> (Opener, Vec<usize>) {
        let keys = Keys::generate().unwrap();
        let mut source = Source::new(sizes.clone(), &keys).unwrap();
        let mut opener = Opener::new(&keys, &sizes);
        let mut lengths = Vec::new();
        for _ in 0..frames {
            // In any order.
            for sent in source.next_frame().unwrap().iter().rev() {
                lengths.push(sent.payload.len());
                opener.take(sent);
            }
        }
        (opener, lengths)
    }

    #[test]
    fn equal_packets_are_equal_and_open() {
        let (opener, lengths) = opened(Sizes::Equal { packets: 8, bytes: 1_150 }, 400);
        assert!(lengths.iter().all(|length| *length == 1_150));
        assert_eq!((lengths.len(), opener.opened, opener.undecryptable, opener.incomplete()), (3_200, 400, 0, 0));
    }

    #[test]
    fn a_trace_is_cut_evenly_and_opens() {
        let frames = Sizes::parse("# made by hand\n30000 K\n1200\n90\n").unwrap();
        let sizes = Sizes::Trace { frames, payload_bytes_max: 1_150 };
        let (opener, lengths) = opened(sizes, 6);
        assert_eq!(opener.opened, 6);
        assert_eq!(lengths.len(), 2 * (27 + 2 + 1));
        assert!(lengths.iter().all(|length| *length <= 1_150));
        assert!(Sizes::vp8(1_150).is_ok());
        assert!(Sizes::parse("1200\n").is_err(), "no key frame at first");
        assert!(Sizes::parse("1200 K\nmany\n").is_err());
    }

    #[test]
    fn a_lost_or_damaged_packet_is_seen() {
        let keys = Keys::generate().unwrap();
        let sizes = Sizes::Equal { packets: 2, bytes: 300 };
        let mut source = Source::new(sizes.clone(), &keys).unwrap();
        let (mut opener, ledger) = (Opener::new(&keys, &sizes), Ledger::default());
        let first = source.next_frame().unwrap();
        opener.take(&first[0]);
        assert_eq!((opener.opened, opener.incomplete()), (0, 1));
        let mut second = source.next_frame().unwrap();
        second.iter().for_each(|sent| ledger.note(sent.clone()));
        let mut damaged = second[1].payload.to_vec();
        assert!(ledger.find(&damaged).is_some());
        damaged[5] ^= 1;
        assert!(ledger.find(&damaged).is_none(), "not what was sent");
        second[1].payload = damaged.into();
        second.iter().for_each(|sent| opener.take(sent));
        assert_eq!((opener.opened, opener.undecryptable), (0, 1));
    }
}
