//! The stored form of a device's state: what an earlier version made durable must load and continue.
//!
//! `WARDLINE_WRITE_GOLDEN=1` writes the file anew; do that only together with a new format number and a migration.
// Clippy spares only functions marked as tests, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use prost::Message;
use serde::{Deserialize, Serialize};
use support::*;
use wardline_directory::Directory;
use wardline_directory::key::{DeviceKey, PublicKey};
use wardline_e2ee::{Cell, Change, DeviceIdentity, Engine, Suite, roster};
use wardline_protocol::wire::{DeviceChain, Statement};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/cells-v1.bin");

/// Bob's disk, and what the node has for him.
#[derive(Serialize, Deserialize)]
struct Golden {
    root: [u8; 32],
    statements: Vec<Vec<u8>>,
    seed: [u8; 32],
    chain: Vec<u8>,
    cells: Vec<Cell>,
    message: Vec<u8>,
    commit: Vec<u8>,
    after: Vec<u8>,
    welcome: Vec<u8>,
    tree: Vec<u8>,
}

fn write() -> Golden {
    let mut world = World::new();
    let (a, b) = (world.person("alice"), world.person("bob"));
    let (mut alice, mut bob) = (a.engine(), b.engine());
    let mut node = Node::create(&mut alice, roster::direct(a.account, b.account), &world);
    add(&mut node, &mut alice, &mut [&mut bob], None, &world);
    talk(&mut bob, &mut [&mut alice], b"before", &world);
    let message = alice.encrypt(ID, b"from the past").unwrap().ciphertext;
    // Bob has a commit pending that loses, and an unused key package.
    let _ = bob.commit(ID, Change::default(), world.directory(), NOW).unwrap();
    let key_package = bob.key_packages(1).unwrap().remove(0);
    let mut disk = Disk::default();
    disk.write(bob.take_changes());
    let pending = alice.commit(ID, Change::default(), world.directory(), NOW).unwrap();
    node.submit(&pending);
    process(&mut alice, node.log.last().unwrap(), &world).unwrap();
    let after = alice.encrypt(ID, b"and on").unwrap().ciphertext;
    // Another life of the conversation, which Bob is added to by the key package.
    let mut alice = a.engine();
    let mut node = Node::create(&mut alice, roster::direct(a.account, b.account), &world);
    let change = Change { add_key_packages: vec![key_package], ..Change::default() };
    let again = alice.commit(ID, change, world.directory(), NOW).unwrap();
    node.submit(&again);
    Golden {
        root: *world.directory().root().as_bytes(),
        statements: world.hospital.statements().iter().map(Message::encode_to_vec).collect(),
        seed: b.seed,
        chain: b.chain.encode_to_vec(),
        cells: disk.cells(),
        message,
        commit: pending.commit,
        after,
        welcome: again.welcome.unwrap(),
        tree: node.tree(),
    }
}

#[test]
fn a_disk_of_version_1_loads_and_continues() {
    if std::env::var("WARDLINE_WRITE_GOLDEN").is_ok() {
        std::fs::write(FILE, postcard::to_allocvec(&write()).unwrap()).unwrap();
    }
    let golden: Golden = postcard::from_bytes(&std::fs::read(FILE).unwrap()).unwrap();
    let mut directory = Directory::new(PublicKey::parse(&golden.root).unwrap());
    for statement in &golden.statements {
        directory.apply(&Statement::decode(statement.as_slice()).unwrap()).unwrap();
    }
    let chain = DeviceChain::decode(golden.chain.as_slice()).unwrap();
    let identity = DeviceIdentity::new(DeviceKey::from_seed(golden.seed), &chain).unwrap();
    let mut bob = Engine::load(identity, Suite::default(), golden.cells).unwrap();
    assert_eq!((bob.epoch(ID), bob.members(ID).len(), bob.has_pending_commit(ID)), (Some(1), 2, true));
    let read = |bob: &mut Engine, text: &[u8]| bob.process_message(ID, text, &directory).unwrap().plaintext;
    assert_eq!(read(&mut bob, &golden.message), b"from the past");
    bob.process_commit(ID, &[], &golden.commit, &directory, NOW).unwrap();
    assert_eq!(read(&mut bob, &golden.after), b"and on");
    bob.encrypt(ID, b"still sends").unwrap();
    bob.forget(ID).unwrap();
    bob.join_welcome(ID, &golden.welcome, &golden.tree, &directory).unwrap();
}
