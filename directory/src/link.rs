//! Linking a further device: what the existing device hands over, sealed under the secret in the code that the new one shows.
//!
//! The node sees the rendezvous and the sealed bytes, neither of which tells the secret.
use crate::key::{self, PublicKey, RandomError};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use prost::Message;
use wardline_protocol::limit::LINK_GRANT_BYTES_MAX;
use wardline_protocol::wire::LinkGrant;
use wardline_protocol::{DeviceId, Rendezvous};

/// Bytes of a link code's secret.
pub const SECRET_BYTES: usize = 16;

const NONCE_BYTES: usize = 12;
const RENDEZVOUS_LABEL: &[u8] = b"wardline link rendezvous v1";
const SEAL_LABEL: &[u8] = b"wardline link seal v1";

/// Why a grant could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Sealed for another device or under another secret, or damaged.
    #[error("the grant does not open: it was made for another device or code")]
    NotForThisDevice,
    /// Above `LINK_GRANT_BYTES_MAX`.
    #[error("the grant is too large")]
    TooLarge,
    /// The system's random source failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Where the two devices find each other at the node.
pub fn rendezvous(secret: &[u8; SECRET_BYTES]) -> Rendezvous {
    Rendezvous::from_bytes(*key::derive(secret, RENDEZVOUS_LABEL))
}

/// Seals a grant for the device that shows the code: a random nonce, then ChaCha20-Poly1305 (RFC 8439) under HKDF(secret),
/// bound to the new device's id and key. The nonce is random since the same code may be answered twice.
pub fn seal(
    secret: &[u8; SECRET_BYTES],
    device_id: &DeviceId,
    device_public_key: &PublicKey,
    grant: &LinkGrant,
) -> Result<Vec<u8>, LinkError> {
    let plaintext = zeroize::Zeroizing::new(grant.encode_to_vec());
    let nonce = key::random::<NONCE_BYTES>()?;
    let aad = aad(device_id, device_public_key);
    let payload = Payload { msg: &plaintext, aad: &aad };
    let sealed =
        cipher(secret).encrypt(Nonce::from_slice(nonce.as_slice()), payload).map_err(|_| LinkError::TooLarge)?;
    let sealed = [nonce.as_slice(), &sealed].concat();
    if sealed.len() > LINK_GRANT_BYTES_MAX { Err(LinkError::TooLarge) } else { Ok(sealed) }
}

/// Opens what [`seal`] made. The chain inside is not verified here.
pub fn open(
    secret: &[u8; SECRET_BYTES],
    device_id: &DeviceId,
    device_public_key: &PublicKey,
    sealed: &[u8],
) -> Result<LinkGrant, LinkError> {
    if sealed.len() > LINK_GRANT_BYTES_MAX {
        return Err(LinkError::TooLarge);
    }
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(LinkError::NotForThisDevice)?;
    let aad = aad(device_id, device_public_key);
    let payload = Payload { msg: ciphertext, aad: &aad };
    let plaintext =
        cipher(secret).decrypt(Nonce::from_slice(nonce), payload).map_err(|_| LinkError::NotForThisDevice)?;
    LinkGrant::decode(plaintext.as_slice()).map_err(|_| LinkError::NotForThisDevice)
}

fn cipher(secret: &[u8; SECRET_BYTES]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new((&*key::derive::<32>(secret, SEAL_LABEL)).into())
}

fn aad(device_id: &DeviceId, device_public_key: &PublicKey) -> Vec<u8> {
    [device_id.as_bytes().as_slice(), device_public_key.as_bytes()].concat()
}
