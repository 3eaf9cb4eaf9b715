//! SFrame for the worker that sits between the browser's codecs and its network.
use crate::{Failed, ask};
use wardline_e2ee::media::{MediaEpoch, Receiver, Sender};
use wardline_protocol::AccountId;

/// Seals one track's frames.
pub struct Sealer(Sender);

impl Sealer {
    /// `context_id` must never have been used before by this device.
    pub fn new(epoch: &[u8], context_id: u32) -> Result<Self, Failed> {
        let sender = Sender::new(read(epoch)?, context_id);
        Ok(Self(sender.map_err(|error| Failed::new("engine", error.to_string()))?))
    }

    /// Goes on with the keys of a new epoch.
    pub fn update(&mut self, epoch: &[u8]) -> Result<(), Failed> {
        self.0.update(read(epoch)?).map_err(|error| Failed::new("engine", error.to_string()))
    }

    /// Seals an encoded frame, of which the first `clear_len` bytes stay readable. `None`: the frame must be dropped.
    pub fn seal(&mut self, frame: &[u8], clear_len: usize) -> Option<Vec<u8>> {
        self.0.seal(frame, clear_len.min(frame.len())).ok()
    }
}

/// Opens the peer's frames.
pub struct Opener(Receiver);

impl Opener {
    /// Only devices of this account are heard and seen.
    pub fn new(peer: &str, epoch: &[u8], now_ms: u64) -> Result<Self, Failed> {
        let mut receiver = Receiver::new(ask::id(peer, AccountId::parse_hex)?);
        receiver.update(read(epoch)?, now_ms);
        Ok(Self(receiver))
    }

    /// Takes the keys of a new epoch in.
    pub fn update(&mut self, epoch: &[u8], now_ms: u64) -> Result<(), Failed> {
        self.0.update(read(epoch)?, now_ms);
        Ok(())
    }

    /// The encoded frame; `None` for one that does not open and must be dropped.
    pub fn open(&mut self, frame: &[u8], clear_len: usize, now_ms: u64) -> Option<Vec<u8>> {
        self.0.open(frame, clear_len.min(frame.len()), now_ms).ok().map(|opened| opened.payload)
    }
}

fn read(epoch: &[u8]) -> Result<MediaEpoch, Failed> {
    MediaEpoch::from_bytes(epoch).ok_or_else(|| Failed::new("engine", "the media keys are damaged"))
}
