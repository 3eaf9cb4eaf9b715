//! A small hospital whose every byte is fixed: seeds, ids and times are constants.
#![allow(dead_code)] // each test program uses its own part

use wardline_directory::hospital::Hospital;
use wardline_directory::key::{DeviceKey, EnrolmentKey, OperationalKey, ProposerKey, PublicKey, RootKey, Sign};
use wardline_directory::{Change, Directory, Refusal, certificate, statement};
use wardline_protocol::wire::statement_body::Content;
use wardline_protocol::wire::{self, DeviceChain, Level, Statement};
use wardline_protocol::{AccountId, DeviceId, GroupId, NodeId};

pub const NOW_MS: u64 = 1_790_000_000_000;
pub const CODE_END_MS: u64 = NOW_MS + 72 * 3_600_000;
pub const ALICE: AccountId = AccountId::from_bytes([0xa1; 16]);
pub const BOB: AccountId = AccountId::from_bytes([0xb0; 16]);
pub const WARD: GroupId = GroupId::from_bytes([0x3a; 16]);
pub const NODE: NodeId = NodeId::from_bytes([0x0d; 16]);

pub fn root() -> RootKey {
    RootKey::from_seed([1; 32])
}

pub fn operational() -> OperationalKey {
    OperationalKey::from_seed([2; 32])
}

pub fn second_operational() -> OperationalKey {
    OperationalKey::from_seed([3; 32])
}

pub fn alice_code() -> EnrolmentKey {
    EnrolmentKey::from_code_seed(&[0xa1; 16])
}

pub fn bob_code() -> EnrolmentKey {
    EnrolmentKey::from_code_seed(&[0xb0; 16])
}

pub fn account(id: AccountId, handle: &str, code: Option<PublicKey>) -> wire::Account {
    wire::Account {
        account_id: id.to_bytes(),
        handle: handle.into(),
        display_name: format!("Person {handle}"),
        role: "Station 3".into(),
        level: Level::Internal.into(),
        expires_at_ms: 0,
        enrolment_public_key: code.map(|key| key.to_bytes()).unwrap_or_default(),
        enrolment_expires_at_ms: if code.is_some() { CODE_END_MS } else { 0 },
        deleted: false,
    }
}

pub fn alice() -> wire::Account {
    account(ALICE, "a.meier", Some(alice_code().public()))
}

pub fn bob() -> wire::Account {
    account(BOB, "b.khan", Some(bob_code().public()))
}

pub fn ward() -> wire::Group {
    wire::Group { group_id: WARD.to_bytes(), name: "Ward 3".into(), deleted: false }
}

pub fn membership(added: &[AccountId], removed: &[AccountId]) -> Content {
    let bytes = |ids: &[AccountId]| ids.iter().map(AccountId::to_bytes).collect();
    Content::GroupMembership(wire::GroupMembership {
        group_id: WARD.to_bytes(),
        added_account_ids: bytes(added),
        removed_account_ids: bytes(removed),
    })
}

pub fn node() -> wire::Node {
    wire::Node {
        node_id: NODE.to_bytes(),
        name: "node-1".into(),
        addresses: vec!["wardline.clinic.example:4433".into(), "[::1]:4433".into()],
        certificate_sha256: vec![0xce; 32].into(),
        proposer_public_key: ProposerKey::from_seed([4; 32]).public().to_bytes(),
        deleted: false,
    }
}

/// A directory and the statements it was built from.
pub struct Chain {
    pub directory: Directory,
    pub statements: Vec<Statement>,
}

impl Chain {
    /// Version 1 only: the root names the operational key.
    pub fn found() -> Self {
        let mut chain = Self { directory: Directory::new(root().public()), statements: Vec::new() };
        let first = statement::operational_key(&chain.directory, operational().public(), NOW_MS, &root());
        chain.apply(first).unwrap();
        chain
    }

    /// Alice and Bob in a ward, and a node: versions 1 to 6.
    pub fn small() -> Self {
        let mut chain = Self::found();
        chain.state(Content::Account(alice())).unwrap();
        chain.state(Content::Account(bob())).unwrap();
        chain.state(Content::Group(ward())).unwrap();
        chain.state(membership(&[ALICE, BOB], &[])).unwrap();
        chain.state(Content::Node(node())).unwrap();
        chain
    }

    /// Every kind of statement, a replaced key, a rename, deletions.
    pub fn full() -> Self {
        let mut chain = Self::small();
        let replace = statement::operational_key(&chain.directory, second_operational().public(), NOW_MS, &root());
        chain.apply(replace).unwrap();
        let guest = wire::Account {
            level: Level::Guest.into(),
            expires_at_ms: NOW_MS + 1,
            display_name: "Dr. Ärztin Łukasz 医師".into(),
            ..account(BOB, "b.khan", None)
        };
        chain.state_by(Content::Account(guest), &second_operational()).unwrap();
        chain.state_by(membership(&[], &[BOB]), &second_operational()).unwrap();
        let gone = wire::Account { deleted: true, ..account(ALICE, "a.meier", None) };
        chain.state_by(Content::Account(gone), &second_operational()).unwrap();
        chain.state_by(Content::Group(wire::Group { deleted: true, ..ward() }), &second_operational()).unwrap();
        chain.state_by(Content::Node(wire::Node { deleted: true, ..node() }), &second_operational()).unwrap();
        let channel = wire::Channel {
            channel_id: vec![0xc1; 16].into(),
            name: "Ward 3 aktuell".into(),
            everyone: true,
            audience_group_ids: vec![],
            operator_account_ids: vec![BOB.to_bytes()],
            deleted: false,
        };
        chain.state_by(Content::Channel(channel.clone()), &second_operational()).unwrap();
        chain.state_by(Content::Channel(wire::Channel { deleted: true, ..channel }), &second_operational()).unwrap();
        chain
    }

    /// Applies, and holds that a refused statement changes nothing.
    pub fn apply(&mut self, statement: Statement) -> Result<Change, Refusal> {
        let before = snapshot(&self.directory);
        let outcome = self.directory.apply(&statement);
        match &outcome {
            Ok(_) => self.statements.push(statement),
            Err(_) => assert_eq!(snapshot(&self.directory), before, "a refused statement left a trace"),
        }
        outcome
    }

    /// Signs with the first operational key and applies.
    pub fn state(&mut self, content: Content) -> Result<Change, Refusal> {
        self.apply(statement::next(&self.directory, content, NOW_MS, &operational()))
    }

    /// A body that would follow, to be bent before it is signed.
    pub fn next_body(&self, content: Option<Content>) -> wire::StatementBody {
        wire::StatementBody {
            version: self.directory.version() + 1,
            previous: self.directory.head_hash().to_vec().into(),
            issued_at_ms: NOW_MS,
            content,
        }
    }

    pub fn state_by(&mut self, content: Content, key: &impl Sign) -> Result<Change, Refusal> {
        let body = self.next_body(Some(content));
        self.apply(statement::sign(&body, key))
    }
}

/// All that a directory says, in a form that can be compared. For tests only: it shows names.
pub fn snapshot(directory: &Directory) -> String {
    let mut text = format!("{} {:?} {:?}\n", directory.version(), directory.head_hash(), directory.operational_key());
    for one in directory.accounts() {
        let by_handle = directory.account_by_handle(&one.handle).map(|found| found.account_id);
        text += &format!("{one:?} {} {} {} ", one.handle, one.display_name, one.role);
        text += &format!("{:?} {:?} {} {by_handle:?}\n", one.expires_at_ms, one.enrolment_keys, one.version);
    }
    for one in directory.groups() {
        text += &format!("{one:?} {} {:?}\n", one.name, one.members);
    }
    for one in directory.nodes() {
        text += &format!("{one:?} {} {:?} {:?}\n", one.name, one.addresses, one.certificate_sha256);
    }
    for one in directory.channels() {
        let audience = directory.audience(one);
        text += &format!("{one:?} {} {:?} {:?} {audience:?}\n", one.name, one.groups, one.operators);
    }
    text
}

pub fn device_key(n: u8) -> DeviceKey {
    DeviceKey::from_seed([0x80 + n; 32])
}

pub fn device_id(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

/// Alice's devices 1..=length: the code certified 1, each certified the next. The last one's chain.
pub fn alice_chain(length: u8) -> DeviceChain {
    let first = certificate::issue_by_enrolment(&alice_code(), ALICE, device_id(1), device_key(1).public(), NOW_MS);
    let mut certificates = vec![first];
    for n in 2..=length {
        let key = device_key(n).public();
        let next =
            certificate::issue_by_device(&device_key(n - 1), device_id(n - 1), ALICE, device_id(n), key, NOW_MS + 1);
        certificates.insert(0, next);
    }
    DeviceChain { certificates }
}

pub fn certificate_body(certificate: &wire::DeviceCertificate) -> wire::DeviceCertificateBody {
    prost::Message::decode(certificate.body.clone()).unwrap()
}

pub fn hospital() -> Hospital {
    Hospital::found(&root(), operational(), NOW_MS).unwrap()
}
