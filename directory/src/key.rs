//! Ed25519 keys, one type for each role, so that a device key can never sign a statement by mistake.
use crate::Refusal;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of a seed and of a public key.
pub const KEY_BYTES: usize = 32;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// Bytes of an enrolment code's seed.
pub const CODE_SEED_BYTES: usize = 16;

const ENROLMENT_LABEL: &[u8] = b"wardline enrolment key v1";

/// The system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random source failed")]
pub struct RandomError;

/// Fills an array from the system's random source.
pub fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, RandomError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| RandomError)?;
    Ok(bytes)
}

/// Signs messages; every key role does.
pub trait Sign {
    /// Ed25519 (RFC 8032) over `message`.
    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES];
    /// The key that verifies it.
    fn public(&self) -> PublicKey;
}

macro_rules! signing_key {
    ($($(#[$doc:meta])+ $name:ident),+ $(,)?) => {$(
        $(#[$doc])+
        pub struct $name(SigningKey);

        impl $name {
            /// The key of a seed.
            pub fn from_seed(seed: [u8; KEY_BYTES]) -> Self {
                let seed = Zeroizing::new(seed);
                Self(SigningKey::from_bytes(&seed))
            }

            /// A new key.
            pub fn generate() -> Result<Self, RandomError> {
                Ok(Self(SigningKey::from_bytes(&*random()?)))
            }

            /// The secret that makes this key again.
            pub fn seed(&self) -> Zeroizing<[u8; KEY_BYTES]> {
                Zeroizing::new(self.0.to_bytes())
            }

            /// The key that verifies what this one signs.
            pub fn public(&self) -> PublicKey {
                PublicKey(self.0.verifying_key().to_bytes())
            }

            /// Ed25519 (RFC 8032) over `message`.
            pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
                self.0.sign(message).to_bytes()
            }
        }

        impl Sign for $name {
            fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
                $name::sign(self, message)
            }

            fn public(&self) -> PublicKey {
                $name::public(self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    )+};
}

signing_key!(
    /// The hospital's root: kept offline, signs operational keys and nothing else.
    RootKey,
    /// Signs every other statement and opens the IT admin's session; replaced by the root when lost.
    OperationalKey,
    /// A device's: MLS signatures, session authentication, certificates of further devices.
    DeviceKey,
    /// A node's: proposes removals in MLS groups as external sender.
    ProposerKey,
    /// Made from a one-time code's seed; certifies the first device of that code.
    EnrolmentKey,
);

impl EnrolmentKey {
    /// The key of a code: HKDF-SHA256 (RFC 5869) of its seed, no salt.
    pub fn from_code_seed(seed: &[u8; CODE_SEED_BYTES]) -> Self {
        Self::from_seed(*derive::<KEY_BYTES>(seed, ENROLMENT_LABEL))
    }
}

/// HKDF-SHA256 without salt. `N` is at most 255 * 32, the only error HKDF knows.
pub(crate) fn derive<const N: usize>(secret: &[u8], label: &[u8]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32) };
    let mut output = Zeroizing::new([0; N]);
    let done = Hkdf::<Sha256>::new(None, secret).expand(label, output.as_mut_slice());
    debug_assert!(done.is_ok());
    output
}

/// The public half of any of the keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// Wraps bytes without a look at them; [`PublicKey::verify`] answers `false` if they are no key.
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Parses a field: 32 bytes that are a point of the curve and not of small order, where one signature fits any message.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| Refusal::Malformed("a public key has 32 bytes"))?;
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err(Refusal::Malformed("not an Ed25519 public key")),
        }
    }

    /// Parses 64 hexadecimal digits.
    pub fn parse_hex(text: &str) -> Result<Self, Refusal> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes());
        Self::parse(&bytes.map_err(|_| Refusal::Malformed("a public key is 64 hexadecimal digits"))?)
    }

    /// The key as it travels.
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The key as a protobuf field.
    pub fn to_bytes(&self) -> bytes::Bytes {
        bytes::Bytes::copy_from_slice(&self.0)
    }

    /// 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Strict verification: no second encoding of a signature or key passes, so that a hash over one names one thing.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else {
            return false;
        };
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}..)", data_encoding::HEXLOWER.encode(&self.0[..4]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_key_again() {
        let key = DeviceKey::generate().unwrap();
        let again = DeviceKey::from_seed(*key.seed());
        assert_eq!(key.public(), again.public());
        assert!(again.public().verify(b"message", &key.sign(b"message")));
        assert!(!again.public().verify(b"massage", &key.sign(b"message")));
    }

    #[test]
    fn rfc_8032_test_vector_1() {
        let seed = data_encoding::HEXLOWER.decode(b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = RootKey::from_seed(seed.unwrap().try_into().unwrap());
        assert_eq!(key.public().to_hex(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert!(data_encoding::HEXLOWER.encode(&key.sign(b"")).starts_with("e5564300c360ac729086e2cc806e828a84877f1e"));
    }

    #[test]
    fn weak_and_short_keys_are_refused() {
        for small_order in [[0; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }] {
            assert!(PublicKey::parse(&small_order).is_err());
        }
        assert!(PublicKey::parse(&[7; 31]).is_err());
        assert!(PublicKey::parse_hex("zz").is_err());
    }

    #[test]
    fn a_secret_never_reaches_debug() {
        let key = RootKey::from_seed([7; 32]);
        assert_eq!(format!("{key:?}"), "RootKey(secret)");
    }

    #[test]
    fn a_code_seed_makes_its_key() {
        let key = EnrolmentKey::from_code_seed(&[1; 16]);
        assert_eq!(key.public(), EnrolmentKey::from_code_seed(&[1; 16]).public());
        assert_ne!(key.public(), EnrolmentKey::from_code_seed(&[2; 16]).public());
    }
}
