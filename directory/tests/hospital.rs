//! The IT admin's side, as `wardline-admin` and the demo use it.
#[cfg(test)]
mod common;

use common::{NOW_MS, hospital, root, snapshot};
use wardline_directory::hospital::{CODE_LIFETIME_MS, Hospital, Person};
use wardline_directory::key::{DeviceKey, OperationalKey, ProposerKey};
use wardline_directory::{Directory, NodeRecord, Refusal, certificate};
use wardline_protocol::wire::DeviceChain;
use wardline_protocol::{DeviceId, NodeId};

fn node() -> NodeRecord {
    NodeRecord {
        node_id: NodeId::from_bytes([1; 16]),
        name: "node-1".into(),
        addresses: vec!["127.0.0.1:4433".into()],
        certificate_sha256: [7; 32],
        proposer_public_key: ProposerKey::from_seed([4; 32]).public(),
        deleted: false,
    }
}

#[test]
fn a_code_brings_a_device_in() {
    let mut hospital = hospital();
    hospital.add_node(&node(), NOW_MS).unwrap();
    let invitation = hospital.add_account(&Person::internal("a.meier", "Anna Meier", "Nurse"), NOW_MS).unwrap();
    assert_eq!(invitation.expires_at_ms, NOW_MS + CODE_LIFETIME_MS);
    let link = invitation.link(hospital.directory().root(), hospital.node().unwrap());

    // On Anna's phone.
    let code = wardline_protocol::code::parse_enrolment(&link).unwrap();
    let seed: [u8; 16] = code.seed.as_ref().try_into().unwrap();
    let enrolment = wardline_directory::key::EnrolmentKey::from_code_seed(&seed);
    let device = DeviceKey::generate().unwrap();
    let one = certificate::issue_by_enrolment(
        &enrolment,
        wardline_protocol::AccountId::parse(&code.account_id).unwrap(),
        DeviceId::from_bytes([1; 16]),
        device.public(),
        NOW_MS + 1,
    );
    let mut directory = Directory::new(wardline_directory::key::PublicKey::parse(&code.root_public_key).unwrap());
    directory.apply_all(hospital.statements()).unwrap();
    let verified = directory.verify_chain(&DeviceChain { certificates: vec![one] }).unwrap();
    assert_eq!(directory.account(&verified.account_id).unwrap().handle, "a.meier");
}

#[test]
fn acts_of_which_one_fails_leave_nothing() {
    let mut hospital = hospital();
    let before = snapshot(hospital.directory());
    let outcome: Result<(), Refusal> = hospital.all_or_none(|hospital| {
        hospital.add_account(&Person::internal("one", "One", ""), NOW_MS)?;
        hospital.add_group("Ward", NOW_MS)?;
        hospital.add_account(&Person::internal("one", "Another", ""), NOW_MS).map(drop)
    });
    assert_eq!(outcome, Err(Refusal::HandleTaken));
    assert_eq!(snapshot(hospital.directory()), before);
    assert_eq!(hospital.statements().len(), 1);
}

#[test]
fn a_large_group_takes_several_statements() {
    let mut hospital = hospital();
    let group = hospital.add_group("Everybody", NOW_MS).unwrap();
    let add = |n| hospital.add_account(&Person::internal(format!("u{n}"), "U", ""), NOW_MS).unwrap().account_id;
    let ids: Vec<_> = (0..405).map(add).collect();
    let before = hospital.statements().len();
    hospital.change_members(group, &ids, &[], NOW_MS).unwrap();
    assert_eq!(hospital.statements().len() - before, 2);
    hospital.change_members(group, &ids, &ids[..3], NOW_MS).unwrap();
    assert_eq!(hospital.statements().len() - before, 3, "who is in already is passed over");
    assert_eq!(hospital.directory().group(&group).unwrap().members.len(), 402);
    assert_eq!(hospital.statements_after(before as u64).len(), 3);
    assert!(hospital.statements_after(9_999).is_empty());
}

#[test]
fn accounts_change_and_go() {
    let mut hospital = hospital();
    let id = hospital.add_account(&Person::internal("a.meier", "Anna Meier", "Nurse"), NOW_MS).unwrap().account_id;
    hospital.change_account(id, &Person::internal("a.meier", "Anna Meier-Wolf", "Nurse"), NOW_MS).unwrap();
    hospital.invite(id, NOW_MS + 5, NOW_MS).unwrap();
    let record = hospital.directory().account(&id).unwrap();
    assert_eq!((record.display_name.as_str(), record.enrolment_keys.len()), ("Anna Meier-Wolf", 2));
    hospital.delete_account(id, NOW_MS).unwrap();
    assert_eq!(hospital.invite(id, NOW_MS + 5, NOW_MS).unwrap_err(), Refusal::Deleted);
    assert!(hospital.directory().account_by_handle("a.meier").is_none());
}

#[test]
fn the_root_hands_the_chain_to_a_new_key() {
    let mut old = hospital();
    old.add_group("Ward", NOW_MS).unwrap();
    let statements = old.statements().to_vec();
    let new = Hospital::take_over(&root(), OperationalKey::from_seed([3; 32]), &statements, NOW_MS).unwrap();
    assert_eq!(new.statements().len(), 3);
    let reopened = |seed| {
        let key = OperationalKey::from_seed([seed; 32]);
        Hospital::open(root().public(), key, new.statements().to_vec()).map(drop)
    };
    assert_eq!(reopened(3), Ok(()));
    assert_eq!(reopened(2), Err(Refusal::WrongKey));
}

#[test]
fn statements_from_elsewhere_are_taken_in_unless_the_key_was_replaced() {
    let mut here = hospital();
    let mut there = hospital();
    there.add_group("Ward", NOW_MS).unwrap();
    here.take_in(there.statements_after(1)).unwrap();
    assert_eq!(snapshot(here.directory()), snapshot(there.directory()));
    assert_eq!(here.take_in(there.statements_after(1)), Err(Refusal::OutOfOrder { expected: 3 }));
    let replaced =
        Hospital::take_over(&root(), OperationalKey::from_seed([3; 32]), there.statements(), NOW_MS).unwrap();
    assert_eq!(here.take_in(replaced.statements_after(2)), Err(Refusal::WrongKey));
    assert_eq!(here.statements().len(), 2, "all or none");
}

#[test]
fn nobody_is_named_in_debug() {
    let mut hospital = hospital();
    let person = Person::internal("canary", "Canary Name", "canary role");
    let invitation = hospital.add_account(&person, NOW_MS).unwrap();
    hospital.add_group("Canary ward", NOW_MS).unwrap();
    hospital.add_node(&NodeRecord { name: "canary".into(), ..node() }, NOW_MS).unwrap();
    let directory = hospital.directory();
    let account = directory.account_by_handle("canary").unwrap();
    let shown = format!(
        "{hospital:?} {person:?} {invitation:?} {account:?} {:?} {:?}",
        directory.groups().next().unwrap(),
        directory.nodes().next().unwrap()
    );
    assert!(!shown.to_lowercase().contains("canary") && !shown.contains("127.0.0.1"), "{shown}");
}
