//! Ids from one injected seed: the same seed gives the same ids, so that a schedule can be run again.
use sha2::{Digest, Sha256};
use wardline_protocol::{CallId, ConversationId, MessageId};
use zeroize::Zeroizing;

/// SHA-256 in counter mode over a secret seed. Ids must be unique, not secret; whoever runs a device gives it a fresh random seed.
pub(super) struct IdSource {
    seed: Zeroizing<[u8; 32]>,
    count: u64,
}

impl IdSource {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), count: 0 }
    }

    fn next(&mut self) -> [u8; 16] {
        self.count += 1;
        let mut hash = Sha256::new();
        hash.update(b"wardline client id v1");
        hash.update(self.seed.as_slice());
        hash.update(self.count.to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 16];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        id
    }

    pub(super) fn conversation(&mut self) -> ConversationId {
        ConversationId::from_bytes(self.next())
    }

    pub(super) fn message(&mut self) -> MessageId {
        MessageId::from_bytes(self.next())
    }

    pub(super) fn call(&mut self) -> CallId {
        CallId::from_bytes(self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_sequence() {
        let mut one = IdSource::new([7; 32]);
        let mut same = IdSource::new([7; 32]);
        let mut other = IdSource::new([8; 32]);
        let ids: Vec<_> = (0..100).map(|_| one.message()).collect();
        assert_eq!(ids, (0..100).map(|_| same.message()).collect::<Vec<_>>());
        assert_ne!(ids[0], other.message());
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 100);
    }
}
