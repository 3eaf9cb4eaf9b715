//! One-time codes: the seed of an enrolment key, and what goes around it into a link or QR.
use crate::key::{self, CODE_SEED_BYTES, EnrolmentKey, PublicKey, RandomError};
use crate::record::NodeRecord;
use std::fmt;
use wardline_protocol::AccountId;
use wardline_protocol::wire::EnrolmentCode;
use zeroize::Zeroizing;

/// A fresh code of one account. Its seed is nowhere else: what is lost is lost, and another code is made.
pub struct Invitation {
    /// Whom it lets in.
    pub account_id: AccountId,
    /// Until when, Unix ms.
    pub expires_at_ms: u64,
    seed: Zeroizing<[u8; CODE_SEED_BYTES]>,
}

impl Invitation {
    /// A code with a new seed.
    pub fn generate(account_id: AccountId, expires_at_ms: u64) -> Result<Self, RandomError> {
        Ok(Self { account_id, expires_at_ms, seed: key::random()? })
    }

    /// A code with a seed that the caller made.
    pub fn from_seed(account_id: AccountId, expires_at_ms: u64, seed: [u8; CODE_SEED_BYTES]) -> Self {
        Self { account_id, expires_at_ms, seed: Zeroizing::new(seed) }
    }

    /// The key that the code holder signs the first certificate with.
    pub fn enrolment_key(&self) -> EnrolmentKey {
        EnrolmentKey::from_code_seed(&self.seed)
    }

    /// What the account's statement says of it.
    pub fn public_key(&self) -> PublicKey {
        self.enrolment_key().public()
    }

    /// The seed itself.
    pub fn seed(&self) -> &[u8; CODE_SEED_BYTES] {
        &self.seed
    }

    /// What the link or QR carries: also the hospital's root and a node to go to.
    pub fn code(&self, root: PublicKey, node: &NodeRecord) -> EnrolmentCode {
        EnrolmentCode {
            seed: self.seed.to_vec().into(),
            account_id: self.account_id.to_bytes(),
            root_public_key: root.to_bytes(),
            node_address: node.addresses.first().cloned().unwrap_or_default(),
            certificate_sha256: node.certificate_sha256.to_vec().into(),
        }
    }

    /// [`Invitation::code`] as an enrolment link.
    pub fn link(&self, root: PublicKey, node: &NodeRecord) -> Zeroizing<String> {
        Zeroizing::new(wardline_protocol::code::enrolment_link(&self.code(root, node)))
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation({}, secret)", self.account_id)
    }
}
