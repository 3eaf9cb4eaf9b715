//! Length-prefixed protobuf frames: four bytes, big-endian length, then the message. Sans-IO: bytes in, messages out.
use crate::error::{Code, WireError};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

/// Bytes in the length prefix.
pub const PREFIX_BYTES: usize = 4;

/// Encodes one message with its prefix. Errors with `TOO_LARGE` when it exceeds `limit` bytes.
pub fn encode<M: Message>(message: &M, limit: usize) -> Result<Bytes, WireError> {
    let length = message.encoded_len();
    if length > limit {
        return Err(too_large(length, limit));
    }
    let mut buffer = BytesMut::with_capacity(PREFIX_BYTES + length);
    buffer.put_u32(length as u32); // limit is below 4 GiB
    message.encode(&mut buffer).map_err(|_| WireError::new(Code::Internal, "frame buffer too small"))?;
    Ok(buffer.freeze())
}

/// Decodes one message without a prefix. Errors with `MALFORMED`.
pub fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, WireError> {
    M::decode(bytes).map_err(|_| WireError::new(Code::Malformed, "the frame is not a valid message"))
}

/// Cuts a byte stream into frames. Holds at most one frame and what came with it.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    limit: usize,
}

impl Decoder {
    /// A decoder that refuses frames above `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit }
    }

    /// Changes the limit, e.g. after authentication.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Appends bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame's bytes, or `None` until more arrive. An error is final: the stream can no longer be cut.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, WireError> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > self.limit {
            return Err(too_large(length, self.limit));
        }
        if self.buffer.len() < PREFIX_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX_BYTES);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// The next whole message. Errors with `TOO_LARGE` or `MALFORMED`.
    pub fn next_message<M: Message + Default>(&mut self) -> Result<Option<M>, WireError> {
        self.next_frame()?.map(|frame| decode(&frame)).transpose()
    }
}

fn too_large(length: usize, limit: usize) -> WireError {
    WireError::new(Code::TooLarge, format!("a frame of {length} bytes is above the limit of {limit}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ClientFrame, Hello, client_frame::Body};
    use proptest::prelude::*;

    fn hello(client: String) -> ClientFrame {
        ClientFrame { request_id: 1, body: Some(Body::Hello(Hello { protocol_version: 1, client })) }
    }

    #[test]
    fn refuses_what_is_too_large_on_both_sides() {
        let frame = hello("x".repeat(100));
        assert_eq!(encode(&frame, 50).unwrap_err().code, Code::TooLarge);
        let mut decoder = Decoder::new(50);
        decoder.push(&encode(&frame, 1000).unwrap());
        assert_eq!(decoder.next_frame().unwrap_err().code, Code::TooLarge);
    }

    #[test]
    fn a_lying_prefix_allocates_nothing() {
        let mut decoder = Decoder::new(1024);
        decoder.push(&u32::MAX.to_be_bytes());
        assert!(decoder.next_frame().is_err());
    }

    proptest! {
        #[test]
        fn any_cutting_of_the_stream_gives_the_same_frames(names in proptest::collection::vec(".{0,40}", 1..8), cut in 1usize..17) {
            let frames: Vec<_> = names.into_iter().map(hello).collect();
            let stream: Vec<u8> = frames.iter().flat_map(|f| encode(f, 4096).unwrap()).collect();
            let mut decoder = Decoder::new(4096);
            let mut got = Vec::new();
            for part in stream.chunks(cut) {
                decoder.push(part);
                while let Some(frame) = decoder.next_message::<ClientFrame>().unwrap() {
                    got.push(frame);
                }
            }
            prop_assert_eq!(got, frames);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut decoder = Decoder::new(256);
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_message::<ClientFrame>() {}
        }
    }
}
