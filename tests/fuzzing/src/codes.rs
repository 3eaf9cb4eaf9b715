//! What people scan, click or type, and what is sealed under it.
use crate::world;
use wardline_directory::link;
use wardline_protocol::code;

/// Enrolment and link codes: what is accepted says the same when it is written again.
pub fn codes(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(read) = code::parse_enrolment(&text) {
        assert!(code::parse_enrolment(&code::enrolment_link(&read)).is_ok_and(|again| again == read));
    }
    if let Ok(read) = code::parse_device_link(&text) {
        assert!(code::parse_device_link(&code::device_link(&read)).is_ok_and(|again| again == read));
    }
}

/// A sealed grant opens only as it was sealed: bytes from outside never do.
pub fn link_grant(bytes: &[u8]) {
    let (secret, device, key) = world::link();
    // The secret is known here only to run the code; a seed sealed under it is the one input that may open.
    if let Ok(grant) = link::open(secret, device, key, bytes) {
        assert!(grant == world::grant(), "a grant that nobody made was opened");
    }
}
