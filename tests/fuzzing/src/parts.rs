//! Several byte strings in one input: each behind its length, as frames are.
use wardline_protocol::frame::{Decoder, PREFIX_BYTES};

const PART_BYTES_MAX: usize = 1 << 20;

/// Takes an input apart. What is cut off is left out.
pub fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(PART_BYTES_MAX);
    decoder.push(bytes);
    std::iter::from_fn(|| decoder.next_frame().ok().flatten()).map(|part| part.to_vec()).collect()
}

/// Puts an input together.
pub fn join<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part);
    }
    debug_assert_eq!(PREFIX_BYTES, 4);
    bytes
}
