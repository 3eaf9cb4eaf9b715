//! The secret that one call's media keys come from, in one MLS epoch.
use crate::credential::{self, Member};
use crate::error::EngineError;
use openmls::prelude::MlsGroup;
use openmls_rust_crypto::RustCrypto;
use sframe::CipherSuite;
use std::fmt;
use wardline_protocol::CallId;
use zeroize::Zeroizing;

/// RFC 9605 section 5.2.
const EXPORTER_LABEL: &str = "SFrame 1.0 Base Key";

/// AES-128-GCM with SHA-256, SFrame suite 4.
pub(super) const SUITE: CipherSuite = CipherSuite::AesGcm128Sha256;

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
}

impl fmt::Debug for MediaEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaEpoch({}, leaf {}, {} leaves, secret)", self.epoch, self.own_leaf, self.leaves.len())
    }
}
