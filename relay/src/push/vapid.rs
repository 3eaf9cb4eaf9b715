//! Who sends: a key of the node, by which a push service knows that a push comes from whom the browser subscribed to (RFC 8292).
use crate::identity::{DataDir, DataDirError};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde::Serialize;
use std::time::Duration;
use zeroize::Zeroizing;

/// The secret scalar, hexadecimal, in the data directory.
pub const PUSH_KEY_FILE: &str = "push.key";

/// How long a token is good; 24 hours at most (RFC 8292 section 2).
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 3_600);

/// Header of a token, always the same.
const TOKEN_HEADER: &[u8] = br#"{"typ":"JWT","alg":"ES256"}"#;

/// The node's key for pushes. It signs nothing else.
pub(crate) struct VapidKey(SigningKey);

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: u64,
    sub: &'a str,
}

impl VapidKey {
    /// Reads the key, or makes it when there is none yet.
    pub(crate) fn open(dir: &DataDir) -> Result<Self, DataDirError> {
        let path = dir.file(PUSH_KEY_FILE);
        if !path.exists() {
            let secret = Zeroizing::new(fresh_scalar());
            let hex = Zeroizing::new(HEXLOWER.encode(&*secret));
            dir.write(PUSH_KEY_FILE, hex.as_bytes())?;
            dir.sync()?;
        }
        let text = Zeroizing::new(std::fs::read(&path).map_err(crate::identity::at(&path))?);
        let secret = HEXLOWER_PERMISSIVE.decode(text.trim_ascii()).ok().map(Zeroizing::new);
        let key = secret.and_then(|secret| SigningKey::from_slice(&secret).ok());
        let damaged = || DataDirError::Damaged { path, reason: "not a key of P-256 in hexadecimal digits".into() };
        key.map(Self).ok_or_else(damaged)
    }

    /// The public key as pages and push services take it: an uncompressed point, base64url.
    pub(crate) fn public(&self) -> String {
        BASE64URL_NOPAD.encode(self.0.verifying_key().to_encoded_point(false).as_bytes())
    }

    /// The `Authorization` header for a push to `origin` (RFC 8292 section 3).
    pub(crate) fn authorization(&self, origin: &str, contact: &str, now_ms: u64) -> String {
        let claims = Claims { aud: origin, exp: now_ms / 1_000 + TOKEN_LIFE.as_secs(), sub: contact };
        let claims = serde_json::to_vec(&claims).unwrap_or_default();
        let signed = format!("{}.{}", BASE64URL_NOPAD.encode(TOKEN_HEADER), BASE64URL_NOPAD.encode(&claims));
        let signature: Signature = self.0.sign(signed.as_bytes());
        format!("vapid t={signed}.{}, k={}", BASE64URL_NOPAD.encode(&signature.to_bytes()), self.public())
    }
}

/// A scalar between 1 and the group's order; all but one of 2^32 numbers of 32 bytes are.
fn fresh_scalar() -> [u8; 32] {
    loop {
        let bytes = crate::random::<32>();
        if SigningKey::from_slice(&bytes).is_ok() {
            return bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_made_once_and_private() {
        let base = tempfile::tempdir().unwrap();
        let dir = DataDir::create(base.path()).unwrap();
        let key = VapidKey::open(&dir).unwrap();
        assert_eq!(VapidKey::open(&dir).unwrap().public(), key.public());
        let mode = std::fs::metadata(dir.file(PUSH_KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(dir.file(PUSH_KEY_FILE), "00").unwrap();
        assert!(matches!(VapidKey::open(&dir), Err(DataDirError::Damaged { .. })));
    }

    #[test]
    fn a_token_is_made_out_to_the_service_and_signed() {
        let base = tempfile::tempdir().unwrap();
        let key = VapidKey::open(&DataDir::create(base.path()).unwrap()).unwrap();
        let header = key.authorization("https://push.example", "mailto:it@clinic.example", 1_800_000_000_000);
        let (token, public) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let point = BASE64URL_NOPAD.decode(public.as_bytes()).unwrap();
        assert_eq!((point.len(), point[0]), (65, 4));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = Signature::from_slice(&BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap()).unwrap();
        VerifyingKey::from_sec1_bytes(&point).unwrap().verify(signed.as_bytes(), &signature).unwrap();
        let claims = BASE64URL_NOPAD.decode(signed.split_once('.').unwrap().1.as_bytes()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let expected =
            serde_json::json!({"aud": "https://push.example", "exp": 1_800_043_200, "sub": "mailto:it@clinic.example"});
        assert_eq!(claims, expected);
    }
}
