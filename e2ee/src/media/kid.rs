//! The SFrame key id (RFC 9605 section 5.2): context id, leaf index, and the low bits of the epoch.

/// A key id taken apart: 32 bits of context id, 16 of leaf index, 16 of epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kid {
    pub context_id: u32,
    pub leaf: u16,
    pub epoch_low: u16,
}

impl Kid {
    /// `None` when the leaf index does not fit.
    pub(super) fn new(context_id: u32, leaf: u32, epoch: u64) -> Option<Self> {
        Some(Self { context_id, leaf: u16::try_from(leaf).ok()?, epoch_low: low(epoch) })
    }

    pub(super) fn to_u64(self) -> u64 {
        u64::from(self.context_id) << 32 | u64::from(self.leaf) << 16 | u64::from(self.epoch_low)
    }

    pub(super) fn from_u64(kid: u64) -> Self {
        Self { context_id: (kid >> 32) as u32, leaf: (kid >> 16) as u16, epoch_low: kid as u16 }
    }
}

/// The low 16 bits of an epoch.
pub(super) fn low(epoch: u64) -> u16 {
    epoch as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_parts_survive(context_id: u32, leaf: u16, epoch: u64) {
            let kid = Kid::new(context_id, leaf.into(), epoch).unwrap();
            prop_assert_eq!(Kid::from_u64(kid.to_u64()), kid);
            prop_assert_eq!(kid.to_u64() & 0xFFFF, epoch & 0xFFFF);
        }
    }

    #[test]
    fn a_leaf_beyond_16_bits_has_no_kid() {
        assert_eq!(Kid::new(0, 0x1_0000, 0), None);
    }
}
