//! The device whose conversations an engine keeps.
use crate::credential::DeviceRef;
use crate::error::EngineError;
use openmls::prelude::{BasicCredential, CredentialWithKey};
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;
use prost::Message;
use std::fmt;
use wardline_directory::certificate;
use wardline_directory::key::{DeviceKey, PublicKey};
use wardline_protocol::wire::DeviceChain;

/// A device's signing key and the certificate chain that says whose it is.
pub struct DeviceIdentity {
    key: DeviceKey,
    device: DeviceRef,
    /// The serialized chain: the content of the device's MLS credential.
    credential: Vec<u8>,
}

impl DeviceIdentity {
    /// Errors with `BadIdentity` when the chain's first certificate is not one of this key. The chain itself is not verified here:
    /// members do that with their directory.
    pub fn new(key: DeviceKey, chain: &DeviceChain) -> Result<Self, EngineError> {
        let own = chain.certificates.first().ok_or(EngineError::BadIdentity)?;
        let body = certificate::body(own).map_err(|_| EngineError::BadIdentity)?;
        if body.public_key != key.public() {
            return Err(EngineError::BadIdentity);
        }
        let device = DeviceRef { account_id: body.account_id, device_id: body.device_id };
        Ok(Self { key, device, credential: chain.encode_to_vec() })
    }

    /// Account and device of the first certificate.
    pub fn device(&self) -> DeviceRef {
        self.device
    }

    /// The device's public key.
    pub fn public_key(&self) -> PublicKey {
        self.key.public()
    }

    pub(crate) fn credential_with_key(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: BasicCredential::new(self.credential.clone()).into(),
            signature_key: self.key.public().as_bytes().to_vec().into(),
        }
    }
}

impl fmt::Debug for DeviceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceIdentity({}, secret)", self.device.device_id)
    }
}

impl Signer for DeviceIdentity {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.key.sign(payload).to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
