//! What opens a session: a signature over the node's nonce and the TLS exporter, so that it is worth nothing on another connection.
//!
//! A browser gives no TLS exporter to a page. [`web_binding`] stands in its place there: the signature is worth nothing at another origin
//! and on no native connection.
use crate::key::{DeviceKey, OperationalKey, PublicKey, SIGNATURE_BYTES};
use sha2::{Digest, Sha256};
use wardline_protocol::{ADMIN_SIGNATURE_PREFIX, SESSION_SIGNATURE_PREFIX, WEB_ORIGIN_PREFIX};

/// Bytes of the node's nonce.
pub const NONCE_BYTES: usize = 32;

/// Bytes taken from the TLS exporter (RFC 8446 section 7.5).
pub const EXPORTER_BYTES: usize = 32;

/// What a browser's session signs where a native one signs the exporter: `origin` as the `Origin` header gives it, `scheme://host[:port]`.
pub fn web_binding(origin: &str) -> [u8; EXPORTER_BYTES] {
    Sha256::new().chain_update(WEB_ORIGIN_PREFIX).chain_update(origin).finalize().into()
}

/// What is signed: prefix, nonce, exporter.
pub fn session_message(prefix: &[u8], nonce: &[u8], exporter: &[u8; EXPORTER_BYTES]) -> Vec<u8> {
    [prefix, nonce, exporter].concat()
}

/// The signature of `Authenticate`, `Enrol` and `AwaitLink`.
pub fn sign_device(key: &DeviceKey, nonce: &[u8], exporter: &[u8; EXPORTER_BYTES]) -> [u8; SIGNATURE_BYTES] {
    key.sign(&session_message(SESSION_SIGNATURE_PREFIX, nonce, exporter))
}

/// The signature of `AuthenticateAdmin`.
pub fn sign_admin(key: &OperationalKey, nonce: &[u8], exporter: &[u8; EXPORTER_BYTES]) -> [u8; SIGNATURE_BYTES] {
    key.sign(&session_message(ADMIN_SIGNATURE_PREFIX, nonce, exporter))
}

/// Whether `signature` opens a session of `key`. A nonce of another length than 32 bytes never does: the parts must not shift.
pub fn verify(prefix: &[u8], nonce: &[u8], exporter: &[u8; EXPORTER_BYTES], key: &PublicKey, signature: &[u8]) -> bool {
    nonce.len() == NONCE_BYTES && key.verify(&session_message(prefix, nonce, exporter), signature)
}

/// [`verify`] for a device.
pub fn verify_device(key: &PublicKey, nonce: &[u8], exporter: &[u8; EXPORTER_BYTES], signature: &[u8]) -> bool {
    verify(SESSION_SIGNATURE_PREFIX, nonce, exporter, key, signature)
}

/// [`verify`] for the IT admin: `key` is the directory's operational key.
pub fn verify_admin(key: &PublicKey, nonce: &[u8], exporter: &[u8; EXPORTER_BYTES], signature: &[u8]) -> bool {
    verify(ADMIN_SIGNATURE_PREFIX, nonce, exporter, key, signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_opens_one_session_of_one_kind() {
        let (nonce, exporter) = ([1; 32], [2; 32]);
        let key = DeviceKey::from_seed([3; 32]);
        let signature = sign_device(&key, &nonce, &exporter);
        assert!(verify_device(&key.public(), &nonce, &exporter, &signature));
        assert!(!verify_device(&key.public(), &[9; 32], &exporter, &signature), "another nonce");
        assert!(!verify_device(&key.public(), &nonce, &[9; 32], &signature), "another connection");
        assert!(!verify_admin(&key.public(), &nonce, &exporter, &signature), "another kind");
        assert!(!verify_device(&DeviceKey::from_seed([4; 32]).public(), &nonce, &exporter, &signature), "another key");
        let operational = OperationalKey::from_seed([3; 32]);
        let signature = sign_admin(&operational, &nonce, &exporter);
        assert!(verify_admin(&operational.public(), &nonce, &exporter, &signature));
        assert!(!verify_device(&operational.public(), &nonce, &exporter, &signature));
    }

    #[test]
    fn a_signature_from_one_origin_is_worth_nothing_at_another() {
        let (key, nonce) = (DeviceKey::from_seed([3; 32]), [1; 32]);
        let signature = sign_device(&key, &nonce, &web_binding("https://clinic.example"));
        assert!(verify_device(&key.public(), &nonce, &web_binding("https://clinic.example"), &signature));
        for other in ["https://clinic.example:8443", "http://clinic.example", "https://clinic.example.evil", ""] {
            assert!(!verify_device(&key.public(), &nonce, &web_binding(other), &signature), "{other}");
        }
        let golden = "bf2ecbb4d866439acc392073e57de4342baa47ed00dceb79c9d43c625a2d14a7";
        assert_eq!(data_encoding::HEXLOWER.encode(&web_binding("https://clinic.example")), golden);
    }

    #[test]
    fn nonce_and_exporter_cannot_shift() {
        let key = DeviceKey::from_seed([3; 32]);
        let signature = sign_device(&key, &[1; 31], &[1; 32]);
        assert!(!verify_device(&key.public(), &[1; 31], &[1; 32], &signature));
    }
}
