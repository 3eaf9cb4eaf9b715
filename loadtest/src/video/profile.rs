//! Which SRTP profile the connections agreed on. str0m does not say it, so its own ciphers are counted as they are made.
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoProvider, SrtpProvider,
    SupportedAeadAes128Gcm, SupportedAeadAes256Gcm, SupportedAes128CmSha1_80, from_feature_flags,
};

/// Ciphers that str0m makes for a connection.
const CIPHERS: u64 = 8;

static MADE: Mutex<BTreeMap<&str, u64>> = Mutex::new(BTreeMap::new());

/// str0m's cryptography, with its SRTP ciphers counted.
pub fn provider() -> CryptoProvider {
    CryptoProvider { srtp_provider: &Counted, ..from_feature_flags() }
}

/// The profiles in use since the last call, with the connections that use each.
pub fn take() -> BTreeMap<&'static str, u64> {
    let made = std::mem::take(&mut *MADE.lock().unwrap_or_else(PoisonError::into_inner));
    // A connection makes eight: one to seal and one to open, for media and for reports, in each direction.
    made.into_iter().map(|(profile, ciphers)| (profile, ciphers.div_ceil(CIPHERS))).collect()
}

fn count(profile: &'static str) {
    *MADE.lock().unwrap_or_else(PoisonError::into_inner).entry(profile).or_default() += 1;
}

#[derive(Debug)]
struct Counted;

impl SrtpProvider for Counted {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        &Counted
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Counted
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Counted
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        from_feature_flags().srtp_provider.srtp_aes_128_ecb_round(key, input, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        from_feature_flags().srtp_provider.srtp_aes_256_ecb_round(key, input, output);
    }
}

impl SupportedAes128CmSha1_80 for Counted {
    fn create_cipher(&self, key: [u8; 16], encrypt: bool) -> Box<dyn Aes128CmSha1_80Cipher> {
        count("AES128_CM_HMAC_SHA1_80");
        from_feature_flags().srtp_provider.aes_128_cm_sha1_80().create_cipher(key, encrypt)
    }
}

impl SupportedAeadAes128Gcm for Counted {
    fn create_cipher(&self, key: [u8; 16], encrypt: bool) -> Box<dyn AeadAes128GcmCipher> {
        count("AEAD_AES_128_GCM");
        from_feature_flags().srtp_provider.aead_aes_128_gcm().create_cipher(key, encrypt)
    }
}

impl SupportedAeadAes256Gcm for Counted {
    fn create_cipher(&self, key: [u8; 32], encrypt: bool) -> Box<dyn AeadAes256GcmCipher> {
        count("AEAD_AES_256_GCM");
        from_feature_flags().srtp_provider.aead_aes_256_gcm().create_cipher(key, encrypt)
    }
}
