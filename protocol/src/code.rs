//! Texts that people scan, click or type: the enrolment link, the enrolment code, the link code.
//!
//! The code stands in a URL fragment, which browsers never send to a server.
use crate::error::{Code, WireError};
use crate::wire::{EnrolmentCode, LinkCode};
use data_encoding::BASE64URL_NOPAD;
use prost::Message;

/// The scheme of an enrolment link for native clients; whatever stands before `#` is ignored when one is read.
pub const ENROLMENT_LINK_PREFIX: &str = "wardline://enrol#";

/// The scheme of a link code.
pub const DEVICE_LINK_PREFIX: &str = "wardline://link#";

/// The longest code that is looked at.
pub const CODE_CHARS_MAX: usize = 1024;

/// The enrolment link of a code.
pub fn enrolment_link(code: &EnrolmentCode) -> String {
    format!("{ENROLMENT_LINK_PREFIX}{}", BASE64URL_NOPAD.encode(&code.encode_to_vec()))
}

/// Reads a link, or the bare code behind its `#`. Errors with `MALFORMED`.
pub fn parse_enrolment(text: &str) -> Result<EnrolmentCode, WireError> {
    let code: EnrolmentCode = parse(text)?;
    let sound = code.seed.len() == 16
        && code.account_id.len() == 16
        && code.root_public_key.len() == 32
        && code.certificate_sha256.len() == 32
        && !code.node_address.is_empty();
    if sound { Ok(code) } else { Err(incomplete()) }
}

/// The text a new device shows so that an existing one can link it.
pub fn device_link(code: &LinkCode) -> String {
    format!("{DEVICE_LINK_PREFIX}{}", BASE64URL_NOPAD.encode(&code.encode_to_vec()))
}

/// Reads what [`device_link`] wrote. Errors with `MALFORMED`.
pub fn parse_device_link(text: &str) -> Result<LinkCode, WireError> {
    let code: LinkCode = parse(text)?;
    let sound = code.secret.len() == 16 && code.device_public_key.len() == 32 && code.device_id.len() == 16;
    if sound { Ok(code) } else { Err(incomplete()) }
}

fn parse<M: Message + Default>(text: &str) -> Result<M, WireError> {
    let code = text.trim().rsplit('#').next().unwrap_or_default();
    if code.len() > CODE_CHARS_MAX {
        return Err(incomplete());
    }
    let bytes = BASE64URL_NOPAD.decode(code.as_bytes()).map_err(|_| incomplete())?;
    M::decode(bytes.as_slice()).map_err(|_| incomplete())
}

fn incomplete() -> WireError {
    WireError::new(Code::Malformed, "the code is incomplete or mistyped: copy the whole link or scan it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> EnrolmentCode {
        EnrolmentCode {
            seed: vec![1; 16].into(),
            account_id: vec![2; 16].into(),
            root_public_key: vec![3; 32].into(),
            node_address: "127.0.0.1:4433".into(),
            certificate_sha256: vec![4; 32].into(),
        }
    }

    #[test]
    fn a_link_and_its_bare_code_read_the_same() {
        let link = enrolment_link(&code());
        let bare = link.split('#').nth(1).unwrap();
        assert!(parse_enrolment(&link).unwrap() == code());
        assert!(parse_enrolment(&format!("  {bare}\n")).unwrap() == code());
        assert!(parse_enrolment(&format!("https://clinic.example/enrol#{bare}")).unwrap() == code());
    }

    #[test]
    fn damaged_codes_are_refused() {
        let link = enrolment_link(&code());
        for wrong in ["", "#", "hello", &link[..link.len() - 7], &"A".repeat(5000)] {
            assert_eq!(parse_enrolment(wrong).unwrap_err().code, Code::Malformed, "{wrong}");
        }
    }
}
