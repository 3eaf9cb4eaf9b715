//! From a device's certificates to the account: device <- device <- ... <- enrolment key <- statement.
use crate::key::PublicKey;
use crate::{Directory, Refusal, certificate};
use wardline_protocol::limit::CHAIN_LENGTH_MAX;
use wardline_protocol::wire::DeviceChain;
use wardline_protocol::wire::device_certificate_body::Issuer;
use wardline_protocol::{AccountId, DeviceId};

/// A device whose chain leads to the hospital's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDevice {
    /// Whose device it is.
    pub account_id: AccountId,
    /// Its id.
    pub device_id: DeviceId,
    /// Its key.
    pub public_key: PublicKey,
    /// The enrolment key that the chain ends in.
    pub enrolment_key: PublicKey,
    /// Until when that key may certify, Unix ms. The certificate's own time is the device's claim: a node that sees the
    /// chain for the first time holds this against its clock.
    pub enrolment_expires_at_ms: u64,
    /// When the device says it was certified, Unix ms.
    pub issued_at_ms: u64,
    /// The devices that vouch for it, the nearest first; empty for the first device of a code.
    pub issuers: Vec<DeviceId>,
    /// Whether the account has been deleted since.
    pub account_deleted: bool,
}

impl Directory {
    /// Verifies a device's chain against this directory. Whether the account is deleted, expired or locked *now* is the
    /// caller's to judge: history stays verifiable.
    pub fn verify_chain(&self, chain: &DeviceChain) -> Result<VerifiedDevice, Refusal> {
        if chain.certificates.len() > CHAIN_LENGTH_MAX {
            return Err(Refusal::BrokenChain("longer than 8"));
        }
        let bodies = chain.certificates.iter().map(certificate::body).collect::<Result<Vec<_>, _>>()?;
        let (Some(device), Some(first)) = (bodies.first(), bodies.last()) else {
            return Err(Refusal::BrokenChain("empty"));
        };
        for (i, body) in bodies.iter().enumerate() {
            if body.account_id != device.account_id {
                return Err(Refusal::BrokenChain("two accounts in one chain"));
            }
            let twin =
                |other: &certificate::Body| other.device_id == body.device_id || other.public_key == body.public_key;
            if bodies.iter().skip(i + 1).any(twin) {
                return Err(Refusal::BrokenChain("a device twice"));
            }
        }
        let account = self.account(&device.account_id).ok_or(Refusal::UnknownAccount)?;
        let Issuer::EnrolmentPublicKey(enrolment_key) = &first.issuer else {
            return Err(Refusal::BrokenChain("it does not end in an enrolment key"));
        };
        let enrolment_key = PublicKey::parse(enrolment_key)?;
        let known = account.enrolment_keys.iter().find(|known| known.public_key == enrolment_key);
        let known = known.ok_or(Refusal::UnknownEnrolmentKey)?;
        if first.issued_at_ms > known.expires_at_ms {
            return Err(Refusal::EnrolmentExpired);
        }
        for (i, (signed, body)) in chain.certificates.iter().zip(&bodies).enumerate() {
            let issuer_key = match (&body.issuer, bodies.get(i + 1)) {
                (Issuer::EnrolmentPublicKey(_), None) => enrolment_key,
                (Issuer::IssuerDeviceId(id), Some(issuer)) if id.as_ref() == issuer.device_id.as_bytes() => {
                    issuer.public_key
                }
                _ => return Err(Refusal::BrokenChain("a certificate is not followed by its issuer's")),
            };
            if !issuer_key.verify(&certificate::signed_bytes(&signed.body), &signed.signature) {
                return Err(Refusal::BadSignature);
            }
        }
        Ok(VerifiedDevice {
            account_id: device.account_id,
            device_id: device.device_id,
            public_key: device.public_key,
            enrolment_key,
            enrolment_expires_at_ms: known.expires_at_ms,
            issued_at_ms: device.issued_at_ms,
            issuers: bodies.iter().skip(1).map(|body| body.device_id).collect(),
            account_deleted: account.deleted,
        })
    }
}
