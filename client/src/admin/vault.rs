//! A key at rest: sealed by ChaCha20-Poly1305 (RFC 8439) under Argon2id (RFC 9106) of the passphrase.
//!
//! The file is JSON, so that whoever finds it in ten years sees how to open it.
use crate::admin::AdminError;
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::fmt;
use wardline_directory::key;
use zeroize::Zeroizing;

/// Characters that a passphrase needs at least.
pub const PASSPHRASE_CHARS_MIN: usize = 12;

const FORMAT: &str = "wardline sealed key v1";
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const SEED_BYTES: usize = 32;

/// What a guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    /// The second recommended choice of RFC 9106 section 4: 64 MiB, 3 passes, 4 lanes.
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 }
    }
}

impl Cost {
    /// A file that somebody tampered with must not take the machine's memory.
    const MAX: Self = Self { memory_kib: 1024 * 1024, passes: 20, lanes: 16 };

    fn is_sound(&self) -> bool {
        self.memory_kib <= Self::MAX.memory_kib && self.passes <= Self::MAX.passes && self.lanes <= Self::MAX.lanes
    }
}

/// What the IT admin types.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// As typed, line end removed. Any length, since an old one must open what it sealed.
    pub fn new(text: impl Into<String>) -> Self {
        let text = Zeroizing::new(text.into());
        Self(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Errors when it is too short to seal something new.
    pub fn check(&self) -> Result<(), AdminError> {
        if self.0.chars().count() < PASSPHRASE_CHARS_MIN { Err(AdminError::WeakPassphrase) } else { Ok(()) }
    }
}

impl PartialEq for Passphrase {
    /// Compares what was typed twice; both are secrets of the same person.
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_bytes(), other.0.as_bytes()).into()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(secret)")
    }
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    format: String,
    purpose: String,
    #[serde(flatten)]
    cost: Cost,
    salt: String,
    nonce: String,
    sealed: String,
}

impl Sealed {
    /// All that stands in clear is bound to the ciphertext: a root key never opens as another one.
    fn bound(purpose: &str, cost: Cost, salt: &[u8]) -> Vec<u8> {
        let Cost { memory_kib, passes, lanes } = cost;
        [format!("{FORMAT}\0{purpose}\0{memory_kib} {passes} {lanes}\0").as_bytes(), salt].concat()
    }
}

/// Seals a key's seed. `purpose` names the key and must be given again to open it.
pub fn seal(
    seed: &[u8; SEED_BYTES],
    purpose: &str,
    passphrase: &Passphrase,
    cost: Cost,
) -> Result<Zeroizing<String>, AdminError> {
    let salt = key::random::<SALT_BYTES>()?;
    let nonce = key::random::<NONCE_BYTES>()?;
    let aad = Sealed::bound(purpose, cost, &*salt);
    let payload = Payload { msg: seed, aad: &aad };
    let cipher = cipher(passphrase, cost, &*salt).ok_or(AdminError::WrongPassphrase)?;
    let sealed = cipher.encrypt(Nonce::from_slice(&*nonce), payload).map_err(|_| AdminError::WrongPassphrase)?;
    let file = Sealed {
        format: FORMAT.into(),
        purpose: purpose.into(),
        cost,
        salt: HEXLOWER.encode(&*salt),
        nonce: HEXLOWER.encode(&*nonce),
        sealed: HEXLOWER.encode(&sealed),
    };
    let text = serde_json::to_string_pretty(&file).map_err(|_| AdminError::Answer("a key file does not encode"))?;
    Ok(Zeroizing::new(text + "\n"))
}

/// Opens what [`seal`] made. A wrong passphrase and a damaged file cannot be told apart.
pub fn open(text: &str, purpose: &str, passphrase: &Passphrase) -> Result<Zeroizing<[u8; SEED_BYTES]>, AdminError> {
    let file: Sealed = serde_json::from_str(text).map_err(|_| AdminError::WrongPassphrase)?;
    let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).map_err(|_| AdminError::WrongPassphrase);
    let (salt, nonce, sealed) = (hex(&file.salt)?, hex(&file.nonce)?, hex(&file.sealed)?);
    if file.format != FORMAT || !file.cost.is_sound() || nonce.len() != NONCE_BYTES || salt.len() != SALT_BYTES {
        return Err(AdminError::WrongPassphrase);
    }
    let aad = Sealed::bound(purpose, file.cost, &salt);
    let cipher = cipher(passphrase, file.cost, &salt).ok_or(AdminError::WrongPassphrase)?;
    let payload = Payload { msg: &sealed, aad: &aad };
    let opened = cipher.decrypt(Nonce::from_slice(&nonce), payload).map_err(|_| AdminError::WrongPassphrase)?;
    let opened = Zeroizing::new(opened);
    let seed: [u8; SEED_BYTES] = opened.as_slice().try_into().map_err(|_| AdminError::WrongPassphrase)?;
    Ok(Zeroizing::new(seed))
}

fn cipher(passphrase: &Passphrase, cost: Cost, salt: &[u8]) -> Option<ChaCha20Poly1305> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(SEED_BYTES)).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut key = Zeroizing::new([0; 32]);
    argon2.hash_password_into(passphrase.0.as_bytes(), salt, key.as_mut_slice()).ok()?;
    Some(ChaCha20Poly1305::new((&*key).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    #[test]
    fn a_key_opens_with_its_passphrase_and_purpose_only() {
        let right = Passphrase::new("correct horse battery\n");
        let text = seal(&[7; 32], "root", &right, QUICK).unwrap();
        assert_eq!(*open(&text, "root", &Passphrase::new("correct horse battery")).unwrap(), [7; 32]);
        assert!(matches!(open(&text, "root", &Passphrase::new("correct horse")), Err(AdminError::WrongPassphrase)));
        assert!(matches!(open(&text, "operational", &right), Err(AdminError::WrongPassphrase)));
        assert!(!text.contains(&HEXLOWER.encode(&[7; 32])));
        assert_ne!(text, seal(&[7; 32], "root", &right, QUICK).unwrap(), "salt and nonce are fresh");
    }

    #[test]
    fn tampering_is_refused_and_costs_are_bounded() {
        let passphrase = Passphrase::new("correct horse battery");
        let text = seal(&[7; 32], "root", &passphrase, QUICK).unwrap();
        for (from, to) in [
            ("\"passes\": 1", "\"passes\": 2"),
            ("\"memory_kib\": 64", "\"memory_kib\": 4000000000"),
            ("\"lanes\": 1", "\"lanes\": 0"),
            ("key v1", "key v2"),
            ("{", "["),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(open(&text.replacen(from, to, 1), "root", &passphrase).is_err(), "{to}");
        }
    }

    #[test]
    fn short_passphrases_seal_nothing_new() {
        assert!(Passphrase::new("elevenchars").check().is_err());
        assert!(Passphrase::new("twelve chars").check().is_ok());
        assert_eq!(format!("{:?}", Passphrase::new("twelve chars")), "Passphrase(secret)");
    }
}
