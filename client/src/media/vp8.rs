//! What the outside of VP8 says: a frame's first bytes (RFC 6386 section 9.1), and how frames are cut into RTP packets and put
//! together again (RFC 7741).
//!
//! The frames that are cut are sealed ones. Their first bytes are left in clear, so that the node tells key frames from others
//! and a packet's payload begins like any VP8.

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes that stay in clear, as in the browser client (`web/app/src/media/frames.ts`): of a key frame...
const KEY_CLEAR_BYTES: usize = 10;
/// ...and of any other.
const DELTA_CLEAR_BYTES: usize = 1;
/// Bytes of an RTP payload. With RTP and SRTP, the header extensions of simulcast, UDP and IPv6 it stays below 1,280 bytes,
/// which every IPv6 path carries (RFC 8200 section 5).
pub const PAYLOAD_BYTES_MAX: usize = 1_150;
/// The payload descriptor that is sent: its first two bytes and a picture id of 15 bits.
const DESCRIPTOR_BYTES: usize = 4;
/// Picture ids count so far.
const PICTURE_IDS: u16 = 1 << 15;

/// Whether a frame, sealed or not, is a key frame.
pub fn is_key(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 1 == 0)
}

/// Bytes of a frame, sealed or not, that stay in clear.
pub fn clear_bytes(frame: &[u8]) -> usize {
    if is_key(frame) { KEY_CLEAR_BYTES } else { DELTA_CLEAR_BYTES }
}

/// Width and height of a key frame, in pixels; `None` when it is none.
pub fn size(frame: &[u8]) -> Option<(u16, u16)> {
    match frame {
        [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] if tag & 1 == 0 => {
            // The upper two bits of each are a wish for scaling.
            let side = |low: u8, high: u8| u16::from_le_bytes([low, high]) & 0x3fff;
            Some((side(*w0, *w1), side(*h0, *h1)))
        }
        _ => None,
    }
}

/// Cuts the frames of one stream into payloads.
pub struct Packetizer {
    picture_id: u16,
}

impl Packetizer {
    /// The first frame gets this picture id.
    pub fn new(picture_id: u16) -> Self {
        Self { picture_id: picture_id % PICTURE_IDS }
    }

    /// The payloads of the next frame, of about one size. Of an empty frame there are none.
    pub fn cut(&mut self, frame: &[u8]) -> Vec<Bytes> {
        let parts = frame.len().div_ceil(PAYLOAD_BYTES_MAX - DESCRIPTOR_BYTES);
        if parts == 0 {
            return Vec::new();
        }
        let id = self.picture_id | PICTURE_IDS;
        self.picture_id = (self.picture_id + 1) % PICTURE_IDS;
        let each = frame.len().div_ceil(parts);
        let payload = |(index, part): (usize, &[u8])| {
            let mut payload = BytesMut::with_capacity(DESCRIPTOR_BYTES + part.len());
            // X, and S in the first: RFC 7741 section 4.2. Then I, and the picture id with M.
            payload.put_u8(if index == 0 { 0x90 } else { 0x80 });
            payload.put_u8(0x80);
            payload.put_u16(id);
            payload.put_slice(part);
            payload.freeze()
        };
        frame.chunks(each).enumerate().map(payload).collect()
    }
}

/// A payload without its descriptor.
pub struct Part<'a> {
    /// It begins a frame.
    pub begins: bool,
    /// Of the sealed frame.
    pub bytes: &'a [u8],
}

/// Reads a payload; `None` when it is not one, or empty.
pub fn part(payload: &[u8]) -> Option<Part<'_>> {
    let (first, mut rest) = payload.split_first()?;
    let take = |rest: &mut &[u8]| {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        Some(*byte)
    };
    if first & 0x80 != 0 {
        let extension = take(&mut rest)?;
        // I: a picture id of one byte or two.
        if extension & 0x80 != 0 && take(&mut rest)? & 0x80 != 0 {
            take(&mut rest)?;
        }
        // L, then T or K.
        if extension & 0x40 != 0 {
            take(&mut rest)?;
        }
        if extension & 0x30 != 0 {
            take(&mut rest)?;
        }
    }
    let begins = first & 0x10 != 0 && first & 0x07 == 0;
    Some(Part { begins, bytes: rest }).filter(|part| !part.bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_cut_is_put_together(bytes in 1_usize..20_000, id: u16) {
            let frame: Vec<u8> = (0..bytes).map(|at| (at * 7) as u8).collect();
            let mut packetizer = Packetizer::new(id);
            for _ in 0..2 {
                let payloads = packetizer.cut(&frame);
                prop_assert!(payloads.iter().all(|payload| payload.len() <= PAYLOAD_BYTES_MAX));
                let parts: Vec<_> = payloads.iter().map(|payload| part(payload).unwrap()).collect();
                prop_assert!(parts.iter().enumerate().all(|(index, part)| part.begins == (index == 0)));
                let whole: Vec<u8> = parts.iter().flat_map(|part| part.bytes).copied().collect();
                prop_assert_eq!(&whole, &frame);
            }
        }

        #[test]
        fn any_payload_reads_or_not(payload in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Some(part) = part(&payload) {
                prop_assert!(!part.bytes.is_empty() && part.bytes.len() < payload.len());
            }
        }
    }

    #[test]
    fn the_descriptor_is_that_of_the_rfc() {
        let mut packetizer = Packetizer::new(0x7fff);
        let payloads = packetizer.cut(&[7; 1_200]);
        assert_eq!(payloads.len(), 2);
        assert_eq!(payloads[0][..5], [0x90, 0x80, 0xff, 0xff, 7]);
        assert_eq!(payloads[1][..5], [0x80, 0x80, 0xff, 0xff, 7]);
        assert_eq!(packetizer.cut(&[7])[0][..], [0x90, 0x80, 0x80, 0x00, 7], "15 bits, and round");
        assert!(packetizer.cut(&[]).is_empty());
        // As browsers send it with everything: I, L, T and K.
        let full = part(&[0x90, 0xf0, 0x81, 0x02, 0x03, 0x44, 9]).unwrap();
        assert!(full.begins && full.bytes == [9]);
        let short = part(&[0x90, 0x80, 0x01, 9, 9]).unwrap();
        assert_eq!(short.bytes, [9, 9], "a picture id of one byte");
        assert!(!part(&[0x11, 9]).unwrap().begins, "another partition than the first");
    }

    #[test]
    fn a_key_frame_tells_its_size() {
        let key = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0x01];
        assert_eq!((is_key(&key), size(&key), clear_bytes(&key)), (true, Some((640, 360)), 10));
        assert_eq!((is_key(&[0x11]), size(&[0x11]), clear_bytes(&[0x11])), (false, None, 1));
        assert_eq!((is_key(&[]), clear_bytes(&[])), (false, 1));
    }
}
