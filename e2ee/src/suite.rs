//! The MLS cipher suite, a configuration value everywhere.
use openmls::prelude::Ciphersuite;
use openmls_traits::types::SignatureScheme;

/// An MLS cipher suite (RFC 9420 section 17.1) whose signatures are Ed25519, as device keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite(Ciphersuite);

impl Suite {
    /// From the number in the IANA registry. `None` when it is unknown here or does not sign with Ed25519.
    pub fn from_number(number: u16) -> Option<Self> {
        let suite = Ciphersuite::try_from(number).ok()?;
        (suite.signature_algorithm() == SignatureScheme::ED25519).then_some(Self(suite))
    }

    /// The number in the IANA registry.
    pub fn number(self) -> u16 {
        self.0 as u16
    }

    pub(crate) fn ciphersuite(self) -> Ciphersuite {
        self.0
    }
}

impl Default for Suite {
    /// MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, number 1.
    fn default() -> Self {
        Self(Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_suites_that_sign_with_device_keys() {
        assert_eq!(Suite::from_number(1), Some(Suite::default()));
        assert_eq!(Suite::from_number(3).unwrap().number(), 3);
        assert_eq!(Suite::from_number(2), None, "P-256");
        assert_eq!(Suite::from_number(0xFFFF), None);
    }
}
