//! Device chains and the link of a further device: what is believed, and each reason for which something is not.
#[cfg(test)]
mod common;

use common::*;
use wardline_directory::key::{DeviceKey, EnrolmentKey};
use wardline_directory::link::{self, LinkError};
use wardline_directory::{Refusal, certificate};
use wardline_protocol::AccountId;
use wardline_protocol::wire::statement_body::Content;
use wardline_protocol::wire::{self, DeviceChain, LinkGrant};

#[test]
fn a_device_and_its_further_devices_verify() {
    let chain = Chain::small();
    let first = chain.directory.verify_chain(&alice_chain(1)).unwrap();
    assert_eq!((first.account_id, first.device_id, first.public_key), (ALICE, device_id(1), device_key(1).public()));
    assert_eq!((first.enrolment_key, first.enrolment_expires_at_ms), (alice_code().public(), CODE_END_MS));
    assert!(first.issuers.is_empty() && !first.account_deleted);
    let third = chain.directory.verify_chain(&alice_chain(3)).unwrap();
    assert_eq!((third.device_id, third.issuers), (device_id(3), vec![device_id(2), device_id(1)]));
    assert!(chain.directory.verify_chain(&alice_chain(8)).is_ok());
}

#[test]
fn a_deleted_accounts_device_still_verifies_and_says_so() {
    let mut chain = Chain::small();
    chain.state(Content::Account(wire::Account { deleted: true, ..account(ALICE, "a.meier", None) })).unwrap();
    assert!(chain.directory.verify_chain(&alice_chain(2)).unwrap().account_deleted);
}

#[test]
fn chains_that_are_none() {
    let directory = Chain::small().directory;
    let verify = |certificates: Vec<wire::DeviceCertificate>| directory.verify_chain(&DeviceChain { certificates });
    let long = alice_chain(9);
    assert_eq!(directory.verify_chain(&long), Err(Refusal::BrokenChain("longer than 8")));
    assert_eq!(verify(vec![]), Err(Refusal::BrokenChain("empty")));

    let two = alice_chain(2).certificates;
    assert!(matches!(verify(vec![two[0].clone()]), Err(Refusal::BrokenChain(_))), "the issuer is missing");
    assert!(matches!(verify(vec![two[1].clone(), two[0].clone()]), Err(Refusal::BrokenChain(_))), "turned round");
    let three = alice_chain(3).certificates;
    assert!(matches!(verify(vec![three[0].clone(), three[2].clone()]), Err(Refusal::BrokenChain(_))), "one left out");
    assert_eq!(verify(vec![two[0].clone(), two[0].clone()]), Err(Refusal::BrokenChain("a device twice")));

    // Bob's device vouches for a device of Alice.
    let bobs = certificate::issue_by_enrolment(&bob_code(), BOB, device_id(5), device_key(5).public(), NOW_MS);
    let key = device_key(6).public();
    let crossing = certificate::issue_by_device(&device_key(5), device_id(5), ALICE, device_id(6), key, NOW_MS);
    assert_eq!(verify(vec![crossing, bobs]), Err(Refusal::BrokenChain("two accounts in one chain")));

    // The same key under a second device id.
    let twin =
        certificate::issue_by_device(&device_key(1), device_id(1), ALICE, device_id(7), device_key(1).public(), NOW_MS);
    assert_eq!(verify(vec![twin, two[1].clone()]), Err(Refusal::BrokenChain("a device twice")));

    // A link that another key signed than the one it names.
    let forged =
        certificate::issue_by_device(&device_key(9), device_id(1), ALICE, device_id(2), device_key(2).public(), NOW_MS);
    assert_eq!(verify(vec![forged, two[1].clone()]), Err(Refusal::BadSignature));
}

#[test]
fn enrolment_keys_that_open_nothing() {
    let directory = Chain::small().directory;
    let certify = |code: &EnrolmentKey, account: AccountId, now_ms: u64| {
        let one = certificate::issue_by_enrolment(code, account, device_id(1), device_key(1).public(), now_ms);
        directory.verify_chain(&DeviceChain { certificates: vec![one] })
    };
    let own = EnrolmentKey::from_code_seed(&[0x77; 16]);
    assert_eq!(certify(&own, ALICE, NOW_MS), Err(Refusal::UnknownEnrolmentKey), "a code that nobody stated");
    assert_eq!(certify(&bob_code(), ALICE, NOW_MS), Err(Refusal::UnknownEnrolmentKey), "Bob's code, as Alice");
    assert_eq!(certify(&own, AccountId::from_bytes([7; 16]), NOW_MS), Err(Refusal::UnknownAccount));
    assert!(certify(&alice_code(), ALICE, CODE_END_MS).is_ok());
    assert_eq!(certify(&alice_code(), ALICE, CODE_END_MS + 1), Err(Refusal::EnrolmentExpired));

    // Names Alice's enrolment key, but is signed by another.
    let mut body = certificate_body(&alice_chain(1).certificates[0]);
    body.device_id = device_id(9).to_bytes();
    let bytes = prost::Message::encode_to_vec(&body);
    let signature = DeviceKey::from_seed([9; 32]).sign(&certificate::signed_bytes(&bytes)).to_vec();
    let forged = wire::DeviceCertificate { body: bytes.into(), signature: signature.into() };
    assert_eq!(directory.verify_chain(&DeviceChain { certificates: vec![forged] }), Err(Refusal::BadSignature));
}

type Bend = fn(&mut wire::DeviceCertificateBody);

#[test]
fn malformed_certificates_are_refused() {
    let directory = Chain::small().directory;
    let bends: [(&str, Bend); 5] = [
        ("short account id", |body| body.account_id.truncate(15)),
        ("short device id", |body| body.device_id.truncate(1)),
        ("no key", |body| body.public_key.clear()),
        ("weak key", |body| body.public_key = vec![0; 32].into()),
        ("no issuer", |body| body.issuer = None),
    ];
    for (what, bend) in bends {
        let mut body = certificate_body(&alice_chain(1).certificates[0]);
        bend(&mut body);
        let bytes = prost::Message::encode_to_vec(&body);
        let signature = alice_code().sign(&certificate::signed_bytes(&bytes)).to_vec();
        let certificates = vec![wire::DeviceCertificate { body: bytes.into(), signature: signature.into() }];
        let outcome = directory.verify_chain(&DeviceChain { certificates });
        assert!(matches!(outcome, Err(Refusal::Malformed(_) | Refusal::UnknownKind)), "{what}: {outcome:?}");
    }
    let huge = wire::DeviceCertificate { body: vec![0; 5000].into(), ..Default::default() };
    assert!(matches!(directory.verify_chain(&DeviceChain { certificates: vec![huge] }), Err(Refusal::Malformed(_))));
}

#[test]
fn a_grant_opens_for_its_device_and_code_only() {
    let grant = LinkGrant {
        root_public_key: root().public().to_bytes(),
        chain: Some(alice_chain(2)),
        directory_version: 6,
        ..Default::default()
    };
    let (secret, id, key) = ([5; 16], device_id(2), device_key(2).public());
    let sealed = link::seal(&secret, &id, &key, &grant).unwrap();
    assert!(link::open(&secret, &id, &key, &sealed).unwrap() == grant);
    assert_ne!(sealed, link::seal(&secret, &id, &key, &grant).unwrap(), "a second answer has another nonce");

    let closed = |outcome: Result<LinkGrant, LinkError>| outcome.is_err_and(|e| e == LinkError::NotForThisDevice);
    assert!(closed(link::open(&[6; 16], &id, &key, &sealed)), "another code");
    assert!(closed(link::open(&secret, &device_id(3), &key, &sealed)), "another id");
    assert!(closed(link::open(&secret, &id, &device_key(3).public(), &sealed)), "another key");
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        assert!(closed(link::open(&secret, &id, &key, &damaged)), "byte {at}");
        assert!(closed(link::open(&secret, &id, &key, &sealed[..at])), "cut at {at}");
    }
    assert!(matches!(link::open(&secret, &id, &key, &vec![0; 300_000]), Err(LinkError::TooLarge)));
    assert_ne!(link::rendezvous(&secret), link::rendezvous(&[6; 16]));
}
