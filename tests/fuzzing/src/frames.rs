//! The frame decoder and the messages on it.
use prost::Message;
use wardline_protocol::frame::{self, Decoder};
use wardline_protocol::limit::FRAME_BYTES_MAX;
use wardline_protocol::wire::{ClientFrame, Content, Roster, ServerFrame};

/// What a client sends.
pub fn client_frames(bytes: &[u8]) {
    stream::<ClientFrame>(bytes);
}

/// What a node sends.
pub fn server_frames(bytes: &[u8]) {
    stream::<ServerFrame>(bytes);
}

/// What is inside the encryption, and the roster beside it.
pub fn content(bytes: &[u8]) {
    round_trip::<Content>(bytes);
    round_trip::<Roster>(bytes);
}

/// A stream gives the same frames however it is cut, and stops at the same error.
fn stream<M: Message + Default + PartialEq>(bytes: &[u8]) {
    let whole = read::<M>(bytes, bytes.len().max(1));
    let cut = usize::from(bytes.first().copied().unwrap_or(0) % 7) + 1;
    let pieces = read::<M>(bytes, cut);
    assert!(whole == pieces, "cutting the stream every {cut} bytes changes what is read");
    for message in whole.0 {
        if let Ok(encoded) = frame::encode(&message, FRAME_BYTES_MAX) {
            let (again, failed) = read::<M>(&encoded, encoded.len());
            assert!(!failed && again.len() == 1 && again.first() == Some(&message), "a frame changes when sent on");
        }
    }
}

fn read<M: Message + Default>(bytes: &[u8], cut: usize) -> (Vec<M>, bool) {
    let mut decoder = Decoder::new(FRAME_BYTES_MAX);
    let mut messages = Vec::new();
    for piece in bytes.chunks(cut) {
        decoder.push(piece);
        loop {
            match decoder.next_message::<M>() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
        }
    }
    (messages, false)
}

fn round_trip<M: Message + Default + PartialEq>(bytes: &[u8]) {
    if let Ok(message) = frame::decode::<M>(bytes) {
        let again = frame::decode::<M>(&message.encode_to_vec());
        assert!(again.as_ref() == Ok(&message), "a message changes when encoded again");
    }
}
