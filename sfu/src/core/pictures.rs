//! The picture numbers in VP8's payload descriptor (RFC 7741 section 4.2), made continuous over a change of layer or source.
//!
//! Each layer of a simulcast counts its own pictures. A receiver that sees the numbers jump takes it for loss, and may wait for pictures that nobody made.
use str0m::rtp::{Vp8Descriptor, Vp8Patch};

/// Picture ids have 15 bits, or 7 where the sender chose so.
const LONG: u16 = 0x7fff;
const SHORT: u16 = 0x7f;

/// The picture numbers of one outgoing stream.
#[derive(Default)]
pub(super) struct Pictures {
    offset: u16,
    base_offset: u8,
    last: Option<u16>,
    base_last: Option<u8>,
}

impl Pictures {
    /// What to change in a packet's descriptor; nothing while the numbers are those of the first stream. `switched`: it is the first packet of another stream.
    pub(super) fn rewrite(&mut self, descriptor: &Vp8Descriptor, switched: bool) -> Option<Vp8Patch> {
        let id = descriptor.picture_id()?;
        let base = descriptor.tl0_pic_idx();
        if switched {
            self.offset = self.last.map_or(0, |last| last.wrapping_add(1).wrapping_sub(id) & LONG);
            if let Some(base) = base {
                self.base_offset = self.base_last.map_or(0, |last| last.wrapping_add(1).wrapping_sub(base));
            }
        }
        let out = id.wrapping_add(self.offset) & LONG;
        let base_out = base.map(|base| base.wrapping_add(self.base_offset));
        // Ahead by less than half of all numbers is later.
        if switched || self.last.is_none_or(|last| out.wrapping_sub(last) & LONG <= LONG / 2) {
            self.last = Some(out);
            self.base_last = base_out.or(self.base_last);
        }
        if self.offset == 0 && self.base_offset == 0 {
            return None;
        }
        let build = |id: u16| {
            let patch = descriptor.patch().picture_id(id);
            base_out.map_or(patch, |base| patch.tl0_pic_idx(base)).build().ok()
        };
        build(out).or_else(|| build(out & SHORT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A descriptor with a picture id and the number of its base layer.
    fn descriptor(id: u16, base: u8) -> Vp8Descriptor {
        let [high, low] = (id | 0x8000).to_be_bytes();
        Vp8Descriptor::parse(&[0x90, 0xe0, high, low, base, 0, 1]).unwrap()
    }

    fn after(patch: Option<Vp8Patch>, was: u16) -> String {
        format!("{was}: {patch:?}")
    }

    #[test]
    fn the_first_stream_keeps_its_numbers_and_the_next_goes_on() {
        let mut pictures = Pictures::default();
        assert_eq!(pictures.rewrite(&descriptor(40, 7), true), None);
        assert_eq!(pictures.rewrite(&descriptor(41, 8), false), None);
        let expected =
            |id: u16, out: u16, base: u8| descriptor(id, 0).patch().picture_id(out).tl0_pic_idx(base).build().ok();
        let other = |id, base| descriptor(id, base);
        for (id, out, base, base_out, switched) in
            [(9_000, 42, 200, 9, true), (9_000, 42, 200, 9, false), (9_001, 43, 201, 10, false)]
        {
            let patch = pictures.rewrite(&other(id, base), switched);
            assert_eq!(patch, expected(id, out, base_out), "{}", after(patch, id));
        }
    }

    #[test]
    fn a_long_gap_does_not_confuse_the_short_numbers() {
        let mut pictures = Pictures::default();
        pictures.rewrite(&descriptor(10, 10), true);
        pictures.rewrite(&descriptor(160, 160), false);
        let patch = pictures.rewrite(&descriptor(9_000, 77), true);
        assert_eq!(patch, descriptor(9_000, 77).patch().picture_id(161).tl0_pic_idx(161).build().ok());
    }

    #[test]
    fn numbers_wrap_and_stragglers_do_not_turn_the_clock_back() {
        let mut pictures = Pictures::default();
        pictures.rewrite(&descriptor(LONG, 255), true);
        pictures.rewrite(&descriptor(LONG - 1, 254), false);
        let patch = pictures.rewrite(&descriptor(500, 3), true);
        let expected = descriptor(500, 3).patch().picture_id(0).tl0_pic_idx(0).build().ok();
        assert_eq!(patch, expected);
    }
}
