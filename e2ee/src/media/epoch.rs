//! The secret that one call's media keys come from, in one MLS epoch.
use crate::credential::{self, Member};
use crate::error::EngineError;
use openmls::prelude::MlsGroup;
use openmls_rust_crypto::RustCrypto;
use sframe::CipherSuite;
use std::fmt;
use wardline_directory::key::PublicKey;
use wardline_protocol::{AccountId, CallId, DeviceId};
use zeroize::Zeroizing;

/// RFC 9605 section 5.2.
const EXPORTER_LABEL: &str = "SFrame 1.0 Base Key";

/// AES-128-GCM with SHA-256, SFrame suite 4.
pub(super) const SUITE: CipherSuite = CipherSuite::AesGcm128Sha256;

/// Bytes of [`MediaEpoch::to_bytes`] before the leaves: epoch, own leaf, base key.
const HEAD_BYTES: usize = 8 + 4 + 16;

/// Bytes of one leaf: index, account, device, key.
const LEAF_BYTES: usize = 4 + 16 + 16 + 32;

/// What senders and receivers of one call need in one epoch.
#[derive(Clone)]
pub struct MediaEpoch {
    /// The MLS epoch.
    pub epoch: u64,
    /// This device's leaf.
    pub own_leaf: u32,
    /// MLS exporter with the call id as its context, 16 bytes: a frame of one call never opens in another.
    pub(super) base_key: Zeroizing<Vec<u8>>,
    /// Who sends under which leaf index.
    pub leaves: Vec<Member>,
}

impl MediaEpoch {
    pub(crate) fn export(group: &MlsGroup, crypto: &RustCrypto, call_id: &CallId) -> Result<Self, EngineError> {
        let secret = group.export_secret(crypto, EXPORTER_LABEL, call_id.as_bytes(), SUITE.key_len());
        let base_key = Zeroizing::new(secret.map_err(|error| EngineError::Mls(error.to_string()))?);
        Ok(Self {
            epoch: group.epoch().as_u64(),
            own_leaf: group.own_leaf_index().u32(),
            base_key,
            leaves: credential::members(group.public_group().members())?,
        })
    }

    /// For handing it to the thread that seals and opens, in the same program: it holds the call's secret. See [`Self::from_bytes`].
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD_BYTES + self.leaves.len() * LEAF_BYTES));
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.own_leaf.to_be_bytes());
        bytes.extend_from_slice(&self.base_key);
        for leaf in &self.leaves {
            bytes.extend_from_slice(&leaf.leaf.to_be_bytes());
            bytes.extend_from_slice(leaf.account_id.as_bytes());
            bytes.extend_from_slice(leaf.device_id.as_bytes());
            bytes.extend_from_slice(leaf.public_key.as_bytes());
        }
        bytes
    }

    /// What [`Self::to_bytes`] gave; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.split_first_chunk::<8>()?;
        let (own_leaf, rest) = rest.split_first_chunk::<4>()?;
        let (base_key, rest) = rest.split_at_checked(SUITE.key_len())?;
        let (leaves, rest) = rest.as_chunks::<LEAF_BYTES>();
        if !rest.is_empty() {
            return None;
        }
        let leaf = |bytes: &[u8; LEAF_BYTES]| {
            let (leaf, bytes) = bytes.split_first_chunk::<4>()?;
            let (account, bytes) = bytes.split_first_chunk::<16>()?;
            let (device, key) = bytes.split_first_chunk::<16>()?;
            Some(Member {
                leaf: u32::from_be_bytes(*leaf),
                account_id: AccountId::from_bytes(*account),
                device_id: DeviceId::from_bytes(*device),
                public_key: PublicKey::from_bytes(key.try_into().ok()?),
            })
        };
        Some(Self {
            epoch: u64::from_be_bytes(*epoch),
            own_leaf: u32::from_be_bytes(*own_leaf),
            base_key: Zeroizing::new(base_key.to_vec()),
            leaves: leaves.iter().map(leaf).collect::<Option<_>>()?,
        })
    }
}

impl fmt::Debug for MediaEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaEpoch({}, leaf {}, {} leaves, secret)", self.epoch, self.own_leaf, self.leaves.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn it_survives_the_way_to_another_thread() {
        let epoch = testing::epoch(AccountId::from_bytes([9; 16]));
        let bytes = epoch.to_bytes();
        let back = MediaEpoch::from_bytes(&bytes).unwrap();
        assert_eq!((back.epoch, back.own_leaf, &back.leaves), (epoch.epoch, epoch.own_leaf, &epoch.leaves));
        assert_eq!(back.base_key, epoch.base_key);
        assert!(MediaEpoch::from_bytes(&bytes[..bytes.len() - 1]).is_none());
        assert!(MediaEpoch::from_bytes(&bytes[..HEAD_BYTES - 1]).is_none());
    }
}
