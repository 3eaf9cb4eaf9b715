//! The chain's bytes are kept: statements signed today must verify, and hash the same, in every later version.
//! `UPDATE_GOLDEN=1 cargo test` writes the file anew; a diff in it is a break of the format.
#[cfg(test)]
mod common;

use common::*;
use data_encoding::HEXLOWER;
use prost::Message;
use wardline_directory::invitation::Invitation;
use wardline_directory::{Directory, link};
use wardline_protocol::Code;
use wardline_protocol::wire::{DeviceChain, Statement};

const GOLDEN: &str = include_str!("golden/chain.txt");

fn written() -> String {
    let chain = Chain::full();
    let mut text = String::new();
    let mut line = |name: &str, bytes: &[u8]| text += &format!("{name} {}\n", HEXLOWER.encode(bytes));
    line("root", root().public().as_bytes());
    for one in &chain.statements {
        line("statement", &one.encode_to_vec());
    }
    line("head", &chain.directory.head_hash());
    line("device-chain", &alice_chain(3).encode_to_vec());
    line("enrolment-key", alice_code().public().as_bytes());
    line("rendezvous", link::rendezvous(&[5; 16]).as_bytes());
    let small = Chain::small().directory;
    let invitation = Invitation::from_seed(ALICE, CODE_END_MS, [0xa1; 16]);
    for node in small.nodes() {
        text += &format!("link {}\n", invitation.link(small.root(), node).as_str());
    }
    text
}

#[test]
fn the_format_has_not_changed() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/chain.txt"), written()).unwrap();
        return;
    }
    assert_eq!(written(), GOLDEN);
}

#[test]
fn what_was_signed_then_verifies_now() {
    let fields = |name: &'static str| {
        let lines = GOLDEN.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(' '));
        lines.map(|hex| HEXLOWER.decode(hex.as_bytes()).unwrap())
    };
    let root = fields("root").next().unwrap();
    let mut directory = Directory::new(wardline_directory::key::PublicKey::parse(&root).unwrap());
    for bytes in fields("statement") {
        directory.apply(&Statement::decode(bytes.as_slice()).unwrap()).unwrap();
    }
    assert_eq!(directory.version(), 14);
    assert_eq!(directory.head_hash().to_vec(), fields("head").next().unwrap());
    assert!(directory.account(&ALICE).unwrap().deleted);
    let devices = DeviceChain::decode(fields("device-chain").next().unwrap().as_slice()).unwrap();
    assert_eq!(directory.verify_chain(&devices).unwrap().device_id, device_id(3));
    let link = GOLDEN.lines().find_map(|line| line.strip_prefix("link ")).unwrap();
    let code = wardline_protocol::code::parse_enrolment(link).unwrap();
    let seed: [u8; 16] = code.seed.as_ref().try_into().unwrap();
    assert_eq!(wardline_directory::key::EnrolmentKey::from_code_seed(&seed).public(), alice_code().public());
    assert!(wardline_protocol::code::parse_enrolment(&link[..60]).is_err_and(|e| e.code == Code::Malformed));
}
