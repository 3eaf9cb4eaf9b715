//! The node's certificate is believed because its hash is in the signed directory (or in the code that enrolled this device).
//!
//! Absent on purpose: names, chains, validity dates, authorities. Possession of the key is still proved by the TLS handshake.
use super::ConnectionError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use wardline_protocol::ALPN;

/// SHA-256 of a node's DER certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CertificatePin(pub [u8; 32]);

impl CertificatePin {
    /// The pin of a certificate.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// From a field of a frame or a code; `None` when it has not 32 bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

#[derive(Debug)]
struct Pinned {
    pins: Vec<CertificatePin>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = CertificatePin::of(certificate);
        let known = self.pins.iter().fold(subtle::Choice::from(0), |known, pin| known | pin.0.ct_eq(&shown.0));
        if known.into() {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS 1.3 with X25519MLKEM768 first (aws-lc-rs with `prefer-post-quantum`), our ALPN, and only the pinned certificates.
pub(super) fn client_config(
    pins: &[CertificatePin],
) -> Result<Arc<quinn::crypto::rustls::QuicClientConfig>, ConnectionError> {
    let local = |error: String| ConnectionError::Local(error);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(Pinned { pins: pins.to_vec(), provider: provider.clone() });
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| local(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    let config = quinn::crypto::rustls::QuicClientConfig::try_from(config).map_err(|e| local(e.to_string()))?;
    Ok(Arc::new(config))
}

/// Tells a refused certificate (TLS alert from this side) from a network that does not answer.
pub(super) fn connect_error(error: &quinn::ConnectionError) -> ConnectionError {
    // RFC 9001 section 4.8: a TLS alert travels as 0x100 + its number.
    const CRYPTO_ERRORS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;
    match error {
        quinn::ConnectionError::TransportError(transport) if CRYPTO_ERRORS.contains(&u64::from(transport.code)) => {
            ConnectionError::WrongCertificate
        }
        quinn::ConnectionError::TimedOut => ConnectionError::Unreachable,
        _ => ConnectionError::Closed,
    }
}
