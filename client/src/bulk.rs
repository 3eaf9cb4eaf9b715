//! The client's side of a bulk stream, sans-IO: bytes in, bytes out. The same for the native client and the browser; what it speaks is
//! `protocol/proto/control.proto`, message `Bulk`.
use bytes::Bytes;
use wardline_protocol::limit::{BULK_CHUNK_BYTES, BULK_FRAME_BYTES_MAX, BULK_WINDOW_BYTES};
use wardline_protocol::wire::{Bulk, bulk::Body};
use wardline_protocol::{Code, WireError, frame};

/// Sends a ciphertext to the node.
pub struct Sending {
    decoder: frame::Decoder,
    bytes: u64,
    sent: u64,
    taken: u64,
    done: bool,
}

/// Fetches a ciphertext from the node.
pub struct Receiving {
    decoder: frame::Decoder,
    bytes: u64,
    taken: u64,
    told: u64,
    done: bool,
}

impl Sending {
    /// For `bytes` bytes that are left to send; with it, what is to be written first.
    pub fn new(ticket: &[u8], bytes: u64) -> (Self, Bytes) {
        let sending =
            Self { decoder: frame::Decoder::new(BULK_FRAME_BYTES_MAX), bytes, sent: 0, taken: 0, done: false };
        (sending, ticket_frame(ticket))
    }

    /// Bytes of the next chunk that may be sent now; 0: first the node has to be heard.
    pub fn wants(&self) -> usize {
        let window = BULK_WINDOW_BYTES - (self.sent - self.taken);
        (self.bytes - self.sent).min(window).min(BULK_CHUNK_BYTES as u64) as usize // at most BULK_CHUNK_BYTES
    }

    /// What to write for the next chunk, which has at most [`wants`](Self::wants) bytes.
    ///
    /// # Errors
    /// `MALFORMED` for one that is longer.
    pub fn chunk(&mut self, content: &[u8]) -> Result<Bytes, WireError> {
        if content.len() > self.wants() {
            return Err(WireError::new(Code::Malformed, "a chunk is longer than the window"));
        }
        self.sent += content.len() as u64;
        encode(Body::Chunk(Bytes::copy_from_slice(content)))
    }

    /// Takes in what the node wrote.
    ///
    /// # Errors
    /// What the node refused it for; `MALFORMED` when it does not follow the protocol.
    pub fn heard(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.decoder.push(bytes);
        while let Some(frame) = self.decoder.next_message::<Bulk>()? {
            match frame.body {
                Some(Body::Taken(taken)) if taken >= self.taken && taken <= self.sent => self.taken = taken,
                Some(Body::Done(_)) if self.sent == self.bytes => self.done = true,
                other => return Err(refused(other)),
            }
        }
        Ok(())
    }

    /// How much the node has taken of what was left.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The node has everything, and its hash is right.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

impl Receiving {
    /// For `bytes` bytes that are left to fetch; with it, what is to be written first.
    pub fn new(ticket: &[u8], bytes: u64) -> (Self, Bytes) {
        let decoder = frame::Decoder::new(BULK_FRAME_BYTES_MAX);
        (Self { decoder, bytes, taken: 0, told: 0, done: false }, ticket_frame(ticket))
    }

    /// Takes in what the node wrote; gives the content in it, in order.
    ///
    /// # Errors
    /// What the node refused it for; `MALFORMED` when it does not follow the protocol.
    pub fn heard(&mut self, bytes: &[u8]) -> Result<Vec<Bytes>, WireError> {
        self.decoder.push(bytes);
        let mut content = Vec::new();
        while let Some(frame) = self.decoder.next_message::<Bulk>()? {
            match frame.body {
                Some(Body::Chunk(chunk)) if self.taken + chunk.len() as u64 <= self.bytes => {
                    self.taken += chunk.len() as u64;
                    content.push(chunk);
                }
                Some(Body::Done(_)) if self.taken == self.bytes => self.done = true,
                other => return Err(refused(other)),
            }
        }
        Ok(content)
    }

    /// What to write once the content is kept: asks for more. `None`: nothing yet.
    pub fn tell(&mut self) -> Option<Bytes> {
        let due = self.taken - self.told >= BULK_WINDOW_BYTES / 2 || self.taken == self.bytes;
        if !due || self.told == self.taken {
            return None;
        }
        self.told = self.taken;
        encode(Body::Taken(self.taken)).ok()
    }

    /// How much has come of what was left.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Everything is here.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

fn ticket_frame(ticket: &[u8]) -> Bytes {
    encode(Body::Ticket(Bytes::copy_from_slice(ticket))).unwrap_or_default()
}

fn encode(body: Body) -> Result<Bytes, WireError> {
    frame::encode(&Bulk { body: Some(body) }, BULK_FRAME_BYTES_MAX)
}

fn refused(body: Option<Body>) -> WireError {
    match body {
        Some(Body::Error(error)) => WireError::from(error),
        _ => WireError::new(Code::Malformed, "the node does not follow the protocol of bulk streams"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done() -> Body {
        Body::Done(wardline_protocol::wire::Done {})
    }

    fn node(body: Body) -> Bytes {
        encode(body).unwrap()
    }

    #[test]
    fn sending_keeps_to_the_window_and_ends_with_the_nodes_word() {
        let (mut sending, first) = Sending::new(&[7; 16], 100_000);
        assert!(!first.is_empty());
        let mut sent = 0;
        while sending.wants() > 0 {
            sent += sending.wants();
            sending.chunk(&vec![1; sending.wants()]).unwrap();
        }
        assert_eq!(sent as u64, BULK_WINDOW_BYTES);
        assert!(sending.chunk(b"more").is_err());
        assert!(Sending::new(&[], 5).0.heard(&node(Body::Taken(1))).is_err(), "taken before it was sent");
        sending.heard(&node(Body::Taken(40_000))).unwrap();
        while sending.wants() > 0 {
            sending.chunk(&vec![1; sending.wants()]).unwrap();
        }
        assert_eq!((sending.sent, sending.is_done()), (100_000, false));
        sending.heard(&node(done())).unwrap();
        assert!(sending.is_done());
        let refusal = WireError::new(Code::QuotaExceeded, "full");
        let error = sending.heard(&node(Body::Error(refusal.clone().into()))).unwrap_err();
        assert_eq!(error, refusal);
    }

    #[test]
    fn receiving_takes_what_was_announced_and_no_more() {
        let (mut receiving, _) = Receiving::new(&[7; 16], 33_000);
        let chunk = |bytes| node(Body::Chunk(vec![1; bytes].into()));
        assert_eq!(receiving.heard(&chunk(16_384)).unwrap().len(), 1);
        assert!(receiving.tell().is_none(), "half a window first");
        receiving.heard(&chunk(16_384)).unwrap();
        assert!(receiving.tell().is_some());
        assert!(receiving.heard(&node(done())).is_err(), "something is missing");
        let (mut receiving, _) = Receiving::new(&[7; 16], 10);
        assert!(receiving.heard(&chunk(11)).is_err());
        let (mut receiving, _) = Receiving::new(&[7; 16], 10);
        receiving.heard(&chunk(10)).unwrap();
        assert!(receiving.tell().is_some() && receiving.tell().is_none());
        receiving.heard(&node(done())).unwrap();
        assert!(receiving.is_done());
    }
}
