//! What the directory takes in, and each reason for which it refuses.
#[cfg(test)]
mod common;

use common::*;
use wardline_directory::key::{DeviceKey, ProposerKey};
use wardline_directory::{Change, Directory, Refusal, Standing, limit, statement};
use wardline_protocol::wire::statement_body::Content;
use wardline_protocol::wire::{self, Level};
use wardline_protocol::{AccountId, Code, GroupId, NodeId, WireError};

#[test]
fn the_small_hospital_reads_back() {
    let chain = Chain::small();
    let directory = &chain.directory;
    assert_eq!(directory.version(), 6);
    assert_eq!(directory.operational_key(), Some(operational().public()));
    let alice = directory.account_by_handle("a.meier").unwrap();
    assert_eq!((alice.account_id, alice.level, alice.deleted), (ALICE, Level::Internal, false));
    assert_eq!(alice.enrolment_keys[0].public_key, alice_code().public());
    assert!(directory.group_by_name("Ward 3").unwrap().members.contains(&BOB));
    assert_eq!(directory.node(&NODE).unwrap().addresses.len(), 2);
    assert_eq!(directory.hash_at(6), Some(directory.head_hash()));
    assert_eq!((directory.hash_at(0), directory.hash_at(7)), (Some([0; 32]), None));
}

#[test]
fn whoever_has_the_root_builds_the_same_directory() {
    let chain = Chain::small();
    let mut other = Directory::new(root().public());
    other.apply_all(&chain.statements).unwrap();
    assert_eq!(snapshot(&other), snapshot(&chain.directory));
    let mut foreign = Directory::new(wardline_directory::key::RootKey::from_seed([9; 32]).public());
    assert_eq!(foreign.apply_all(&chain.statements), Err((0, Refusal::BadSignature)));
}

#[test]
fn a_batch_is_taken_whole_or_not_at_all() {
    let chain = Chain::small();
    let mut batch = chain.statements.clone();
    batch[4] = batch[3].clone();
    let mut directory = Directory::new(root().public());
    assert_eq!(directory.apply_all(&batch), Err((4, Refusal::OutOfOrder { expected: 5 })));
    assert_eq!(directory.version(), 0);
}

#[test]
fn the_last_statement_about_an_account_holds() {
    let mut chain = Chain::small();
    let mut renamed = account(ALICE, "a.schulz", None);
    renamed.expires_at_ms = NOW_MS + 5;
    renamed.level = Level::Guest.into();
    assert_eq!(chain.state(Content::Account(renamed)), Ok(Change::AccountChanged(ALICE)));
    let record = chain.directory.account(&ALICE).unwrap();
    assert_eq!((record.handle.as_str(), record.level), ("a.schulz", Level::Guest));
    assert_eq!(record.enrolment_keys.len(), 1, "its code stays");
    assert!(record.is_active(NOW_MS + 4) && !record.is_active(NOW_MS + 5));
    assert!(chain.directory.account_by_handle("a.meier").is_none());
    let mut invited = account(ALICE, "a.schulz", Some(alice_code().public()));
    invited.expires_at_ms = NOW_MS + 5;
    invited.level = Level::Guest.into();
    assert_eq!(
        chain.state(Content::Account(invited)),
        Ok(Change::AccountInvited(ALICE)),
        "another code is no other name"
    );
    let newcomer = AccountId::from_bytes([7; 16]);
    chain.state(Content::Account(account(newcomer, "a.meier", None))).unwrap();
}

#[test]
fn a_second_code_is_added_and_a_repeated_one_gets_its_new_end() {
    let mut chain = Chain::small();
    let second = wardline_directory::key::EnrolmentKey::from_code_seed(&[9; 16]).public();
    chain.state(Content::Account(account(ALICE, "a.meier", Some(second)))).unwrap();
    let mut again = alice();
    again.enrolment_expires_at_ms = NOW_MS;
    chain.state(Content::Account(again)).unwrap();
    let keys = &chain.directory.account(&ALICE).unwrap().enrolment_keys;
    assert_eq!(keys.len(), 2);
    assert_eq!((keys[0].public_key, keys[1].public_key), (second, alice_code().public()), "the newest last");
    assert_eq!(keys[1].expires_at_ms, NOW_MS);
}

#[test]
fn deleting_an_account_is_final_and_takes_it_out_of_its_groups() {
    let mut chain = Chain::small();
    let gone = wire::Account { deleted: true, ..account(ALICE, "a.meier", None) };
    assert_eq!(chain.state(Content::Account(gone.clone())), Ok(Change::AccountDeleted(ALICE)));
    assert!(chain.directory.account(&ALICE).unwrap().deleted);
    assert!(!chain.directory.group(&WARD).unwrap().members.contains(&ALICE));
    assert!(chain.directory.account_by_handle("a.meier").is_none(), "the handle is free");
    assert_eq!(chain.state(Content::Account(alice())), Err(Refusal::Deleted));
    assert_eq!(chain.state(Content::Account(gone)), Err(Refusal::Deleted));
    assert_eq!(chain.state(membership(&[ALICE], &[])), Err(Refusal::UnknownAccount));
    assert_eq!(chain.state(membership(&[], &[ALICE])).map(|_| ()), Ok(()), "taking away is always possible");
}

#[test]
fn membership_tells_only_news() {
    let mut chain = Chain::small();
    let news = chain.state(membership(&[ALICE], &[BOB])).unwrap();
    assert_eq!(news, Change::Membership { group_id: WARD, added: vec![], removed: vec![BOB] });
}

#[test]
fn a_replaced_operational_key_signs_nothing_more() {
    let mut chain = Chain::small();
    let replace = statement::operational_key(&chain.directory, second_operational().public(), NOW_MS, &root());
    assert_eq!(chain.apply(replace), Ok(Change::OperationalKey(second_operational().public())));
    assert_eq!(chain.state(Content::Group(ward())), Err(Refusal::WrongKey), "the old key");
    chain.state_by(membership(&[], &[BOB]), &second_operational()).unwrap();
    let back = statement::operational_key(&chain.directory, operational().public(), NOW_MS, &root());
    assert!(matches!(chain.apply(back), Err(Refusal::Malformed(_))), "it never comes back");
}

#[test]
fn each_kind_of_statement_has_its_signer() {
    let mut chain = Chain::small();
    assert_eq!(chain.state_by(Content::Group(ward()), &root()), Err(Refusal::WrongKey), "the root signs only keys");
    let own = Content::OperationalKey(wire::OperationalKey { public_key: second_operational().public().to_bytes() });
    assert_eq!(chain.state(own.clone()), Err(Refusal::WrongKey), "an operational key does not name its successor");
    assert_eq!(chain.state_by(own, &DeviceKey::from_seed([9; 32])), Err(Refusal::BadSignature));
    let mut empty = Chain { directory: Directory::new(root().public()), statements: vec![] };
    assert_eq!(empty.state(Content::Account(alice())), Err(Refusal::NoOperationalKey));
}

#[test]
fn order_is_kept() {
    let mut chain = Chain::small();
    let mut early = chain.next_body(Some(Content::Group(ward())));
    early.version += 1;
    assert_eq!(chain.apply(statement::sign(&early, &operational())), Err(Refusal::OutOfOrder { expected: 7 }));
    early.version = 0;
    assert_eq!(chain.apply(statement::sign(&early, &operational())), Err(Refusal::OutOfOrder { expected: 7 }));
    assert_eq!(chain.apply(chain.statements[2].clone()), Err(Refusal::OutOfOrder { expected: 7 }), "seen already");
    let mut other = chain.next_body(Some(Content::Group(ward())));
    other.previous = vec![5; 32].into();
    assert_eq!(chain.apply(statement::sign(&other, &operational())), Err(Refusal::BadPrevious));
}

#[test]
fn a_fork_is_told_from_damage_and_from_what_is_merely_old() {
    let mut chain = Chain::small();
    let mut other = Chain::found();
    other.state(Content::Account(account(ALICE, "mallory", None))).unwrap();
    let fork = other.statements[1].clone();
    assert_eq!(chain.apply(fork.clone()), Err(Refusal::Fork { version: 2 }));
    let damaged = wire::Statement { signature: vec![0; 64].into(), ..fork };
    assert_eq!(chain.apply(damaged), Err(Refusal::BadSignature));
    let directory = &chain.directory;
    assert_eq!(directory.standing(2, &other.directory.head_hash()), Standing::Fork);
    assert_eq!(directory.standing(2, &directory.hash_at(2).unwrap()), Standing::Known);
    assert_eq!(directory.standing(0, &[0; 32]), Standing::Known);
    assert_eq!(directory.standing(7, &[0; 32]), Standing::Newer);
    assert_eq!(directory.standing(2, &[]), Standing::Fork);
}

#[test]
fn names_are_unique_and_keys_have_one_owner() {
    let mut chain = Chain::small();
    let newcomer = AccountId::from_bytes([7; 16]);
    assert_eq!(chain.state(Content::Account(account(newcomer, "a.meier", None))), Err(Refusal::HandleTaken));
    let thief = account(newcomer, "m", Some(alice_code().public()));
    assert_eq!(chain.state(Content::Account(thief)), Err(Refusal::EnrolmentKeyTaken));
    let twin = wire::Group { group_id: GroupId::from_bytes([8; 16]).to_bytes(), ..ward() };
    assert_eq!(chain.state(Content::Group(twin)), Err(Refusal::GroupNameTaken));
}

#[test]
fn what_is_not_there_cannot_be_changed() {
    let mut chain = Chain::found();
    let gone = wire::Account { deleted: true, ..alice() };
    assert_eq!(chain.state(Content::Account(gone)), Err(Refusal::UnknownAccount));
    assert_eq!(chain.state(membership(&[ALICE], &[])), Err(Refusal::UnknownGroup));
    assert_eq!(chain.state(Content::Group(wire::Group { deleted: true, ..ward() })), Err(Refusal::UnknownGroup));
    assert_eq!(chain.state(Content::Node(wire::Node { deleted: true, ..node() })), Err(Refusal::UnknownNode));
    chain.state(Content::Group(ward())).unwrap();
    assert_eq!(chain.state(membership(&[ALICE], &[])), Err(Refusal::UnknownAccount));
    assert_eq!(chain.state(membership(&[], &[ALICE])), Err(Refusal::UnknownAccount));
    chain.state(Content::Group(wire::Group { deleted: true, ..ward() })).unwrap();
    assert_eq!(chain.state(Content::Group(ward())), Err(Refusal::Deleted));
    assert_eq!(chain.state(membership(&[ALICE], &[])), Err(Refusal::UnknownGroup));
}

#[test]
fn a_deleted_node_keeps_its_record_and_does_not_come_back() {
    let mut chain = Chain::small();
    let bare = wire::Node { node_id: NODE.to_bytes(), deleted: true, ..Default::default() };
    assert_eq!(chain.state(Content::Node(bare)), Ok(Change::Node(NODE)));
    let record = chain.directory.node(&NODE).unwrap();
    assert!(record.deleted && record.name == "node-1");
    assert_eq!(chain.state(Content::Node(node())), Err(Refusal::Deleted));
    let other = wire::Node { node_id: NodeId::from_bytes([1; 16]).to_bytes(), ..node() };
    chain.state(Content::Node(other)).unwrap();
}

#[test]
fn malformed_statements_are_refused() {
    let long = "x".repeat(200);
    let with = |bend: &dyn Fn(&mut wire::Account)| {
        let mut bent = account(AccountId::from_bytes([7; 16]), "new", Some(ProposerKey::from_seed([8; 32]).public()));
        bend(&mut bent);
        Content::Account(bent)
    };
    let node_with = |bend: &dyn Fn(&mut wire::Node)| {
        let mut bent = node();
        bend(&mut bent);
        Content::Node(bent)
    };
    let many: Vec<_> = (0..401u32).map(|n| AccountId::from_bytes(u128::from(n).to_be_bytes())).collect();
    let cases = [
        ("no level", with(&|a| a.level = 0)),
        ("unknown level", with(&|a| a.level = 77)),
        ("short id", with(&|a| a.account_id = vec![7; 15].into())),
        ("no handle", with(&|a| a.handle.clear())),
        ("capital in handle", with(&|a| a.handle = "A.meier".into())),
        ("dot at the end", with(&|a| a.handle = "a.".into())),
        ("a letter that looks like another", with(&|a| a.handle = "\u{430}.meier".into())),
        ("long handle", with(&|a| a.handle = "a".repeat(65))),
        ("no name", with(&|a| a.display_name = "  ".into())),
        ("space around the name", with(&|a| a.display_name = " Anna".into())),
        ("long name", with(&|a| a.display_name = long.clone())),
        ("direction override", with(&|a| a.display_name = "Anna \u{202e}reiem".into())),
        ("control in role", with(&|a| a.role = "a\nb".into())),
        ("short enrolment key", with(&|a| a.enrolment_public_key = vec![7; 31].into())),
        ("weak enrolment key", with(&|a| a.enrolment_public_key = vec![0; 32].into())),
        ("enrolment key without end", with(&|a| a.enrolment_expires_at_ms = 0)),
        ("end without enrolment key", with(&|a| a.enrolment_public_key.clear())),
        ("group without name", Content::Group(wire::Group { name: String::new(), ..ward() })),
        ("no members", membership(&[], &[])),
        ("twice", membership(&[ALICE], &[ALICE])),
        ("too many", membership(&many, &[])),
        ("no address", node_with(&|n| n.addresses.clear())),
        ("address without port", node_with(&|n| n.addresses = vec!["host".into()])),
        ("port 0", node_with(&|n| n.addresses = vec!["host:0".into()])),
        ("nine addresses", node_with(&|n| n.addresses = vec!["host:1".into(); 9])),
        ("short certificate hash", node_with(&|n| n.certificate_sha256 = vec![1; 31].into())),
        ("short proposer key", node_with(&|n| n.proposer_public_key = vec![1; 3].into())),
    ];
    for (what, content) in cases {
        let outcome = Chain::small().state(content);
        assert!(matches!(outcome, Err(Refusal::Malformed(_))), "{what}: {outcome:?}");
    }
    let mut chain = Chain::small();
    let nothing = chain.next_body(None);
    assert_eq!(chain.apply(statement::sign(&nothing, &operational())), Err(Refusal::UnknownKind));
    let garbage = wire::Statement { body: vec![0xff; 9].into(), signature: vec![0; 64].into() };
    assert!(matches!(chain.apply(garbage), Err(Refusal::Malformed(_))));
    let huge = wire::Statement { body: vec![0; limit::STATEMENT_BODY_BYTES_MAX + 1].into(), ..Default::default() };
    assert!(matches!(chain.apply(huge), Err(Refusal::Malformed(_))));
}

#[test]
fn the_largest_page_of_statements_fits_a_frame() {
    let bytes = wardline_protocol::limit::STATEMENTS_PER_PAGE * (limit::STATEMENT_BODY_BYTES_MAX + 64 + 16);
    assert!(bytes + 64 <= wardline_protocol::limit::FRAME_BYTES_MAX);
    let members: Vec<_> =
        (0..limit::MEMBERS_PER_STATEMENT).map(|n| AccountId::from_bytes((n as u128).to_be_bytes())).collect();
    let body = Chain::small().next_body(Some(membership(&members, &[])));
    assert!(prost::Message::encoded_len(&body) <= limit::STATEMENT_BODY_BYTES_MAX);
}

#[test]
fn refusals_have_their_numbers_on_the_wire() {
    let numbers = [
        (Refusal::OutOfOrder { expected: 3 }, Code::StatementOutOfOrder),
        (Refusal::Fork { version: 3 }, Code::StatementOutOfOrder),
        (Refusal::HandleTaken, Code::StatementRefused),
        (Refusal::WrongKey, Code::StatementRefused),
        (Refusal::BadSignature, Code::BadSignature),
        (Refusal::BrokenChain("x"), Code::BadSignature),
        (Refusal::UnknownAccount, Code::UnknownAccount),
        (Refusal::EnrolmentExpired, Code::CodeExpired),
    ];
    for (refusal, code) in numbers {
        assert_eq!(WireError::from(refusal).code, code);
    }
}
