//! Statements and device chains: nothing is accepted that the hospital's keys did not sign.
use crate::{parts, world};
use wardline_directory::statement;
use wardline_protocol::frame;
use wardline_protocol::wire::{DeviceChain, Statement};

/// A chain of statements from anybody, applied to a directory that knows the first few. The input is statements, each behind its length.
pub fn statements(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let known = world::ward().hospital.statements();
    let mut directory = world::directory_at(usize::from(*first) % (known.len() + 1));
    for part in parts::split(rest) {
        let Ok(statement) = frame::decode::<Statement>(&part) else { continue };
        let (version, head) = (directory.version(), directory.head_hash());
        if directory.apply(&statement).is_ok() {
            let signed = usize::try_from(version).ok().and_then(|index| known.get(index));
            assert!(
                signed.is_some_and(|signed| statement::hash(signed) == statement::hash(&statement)),
                "forged statement"
            );
            assert_eq!(directory.version(), version + 1);
        } else {
            assert_eq!(
                (directory.version(), directory.head_hash()),
                (version, head),
                "a refused statement left a trace"
            );
        }
    }
}

/// A device chain from anybody.
pub fn device_chain(bytes: &[u8]) {
    let Ok(chain) = frame::decode::<DeviceChain>(bytes) else { return };
    let ward = world::ward();
    if ward.hospital.directory().verify_chain(&chain).is_ok() {
        let known = ward.people.iter().any(|person| {
            // Certificates count as they are; a chain may begin at any device of a known chain.
            let all = &person.chain.certificates;
            (0..all.len()).any(|from| all.get(from..).unwrap_or_default() == chain.certificates.as_slice())
        });
        assert!(known, "a chain that nobody signed was accepted");
    }
}
