//! Device certificates: who vouches for a device's key.
use crate::Refusal;
use crate::key::{DeviceKey, EnrolmentKey, PublicKey, Sign};
use prost::Message;
use wardline_protocol::wire;
use wardline_protocol::wire::device_certificate_body::Issuer;
use wardline_protocol::{AccountId, DeviceId};

/// Prefix of what is signed.
pub const SIGNATURE_PREFIX: &[u8] = b"wardline device certificate v1\0";

/// Bytes of one certificate's body; a sound one has about 110.
pub const BODY_BYTES_MAX: usize = 512;

/// A certificate's content, parsed. Not verified: [`crate::Directory::verify_chain`] does that.
#[derive(Clone, Debug)]
pub struct Body {
    /// Whose device.
    pub account_id: AccountId,
    /// Which device.
    pub device_id: DeviceId,
    /// Its key.
    pub public_key: PublicKey,
    /// When the issuer says it signed, Unix ms.
    pub issued_at_ms: u64,
    /// Who signed.
    pub issuer: Issuer,
}

/// The certificate of the first device of a code.
pub fn issue_by_enrolment(
    enrolment: &EnrolmentKey,
    account: AccountId,
    device: DeviceId,
    device_public: PublicKey,
    now_ms: u64,
) -> wire::DeviceCertificate {
    let issuer = Issuer::EnrolmentPublicKey(enrolment.public().to_bytes());
    issue(
        enrolment,
        Body { account_id: account, device_id: device, public_key: device_public, issued_at_ms: now_ms, issuer },
    )
}

/// The certificate of a further device, by an existing one of the same account.
pub fn issue_by_device(
    issuer: &DeviceKey,
    issuer_device: DeviceId,
    account: AccountId,
    device: DeviceId,
    device_public: PublicKey,
    now_ms: u64,
) -> wire::DeviceCertificate {
    let by = Issuer::IssuerDeviceId(issuer_device.to_bytes());
    issue(
        issuer,
        Body { account_id: account, device_id: device, public_key: device_public, issued_at_ms: now_ms, issuer: by },
    )
}

fn issue(key: &impl Sign, body: Body) -> wire::DeviceCertificate {
    let body = wire::DeviceCertificateBody {
        account_id: body.account_id.to_bytes(),
        device_id: body.device_id.to_bytes(),
        public_key: body.public_key.to_bytes(),
        issued_at_ms: body.issued_at_ms,
        issuer: Some(body.issuer),
    };
    let body = body.encode_to_vec();
    let signature = key.sign(&signed_bytes(&body)).to_vec();
    wire::DeviceCertificate { body: body.into(), signature: signature.into() }
}

/// What the signature of a certificate with this body covers.
pub fn signed_bytes(body: &[u8]) -> Vec<u8> {
    [SIGNATURE_PREFIX, body].concat()
}

/// Reads a certificate without verifying it, e.g. to learn whose a leaf claims to be. Errors with `Malformed`.
pub fn body(certificate: &wire::DeviceCertificate) -> Result<Body, Refusal> {
    if certificate.body.len() > BODY_BYTES_MAX {
        return Err(Refusal::Malformed("the certificate is too large"));
    }
    let body = wire::DeviceCertificateBody::decode(certificate.body.clone());
    let body = body.map_err(|_| Refusal::Malformed("the certificate does not decode"))?;
    Ok(Body {
        account_id: AccountId::parse(&body.account_id)?,
        device_id: DeviceId::parse(&body.device_id)?,
        public_key: PublicKey::parse(&body.public_key)?,
        issued_at_ms: body.issued_at_ms,
        issuer: body.issuer.ok_or(Refusal::UnknownKind)?,
    })
}
