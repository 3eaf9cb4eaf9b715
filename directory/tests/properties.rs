//! Damage is refused wherever it strikes, and no bytes make anything panic.
#[cfg(test)]
mod common;

use common::*;
use proptest::prelude::*;
use prost::Message;
use wardline_directory::{Directory, certificate, link, statement};
use wardline_protocol::wire::statement_body::Content;
use wardline_protocol::wire::{self, DeviceChain, Statement};

/// Applies the chain with one statement replaced; the number of statements taken.
fn taken(statements: &[Statement], at: usize, changed: &Statement) -> u64 {
    let mut directory = Directory::new(root().public());
    for (i, one) in statements.iter().enumerate() {
        if directory.apply(if i == at { changed } else { one }).is_err() {
            break;
        }
    }
    directory.version()
}

#[test]
fn any_bit_flipped_in_any_statement_is_refused() {
    let statements = Chain::small().statements;
    for (at, original) in statements.iter().enumerate() {
        for part in [0, 1] {
            let length = if part == 0 { original.body.len() } else { original.signature.len() };
            for bit in 0..length * 8 {
                let mut bytes = if part == 0 { original.body.to_vec() } else { original.signature.to_vec() };
                bytes[bit / 8] ^= 1 << (bit % 8);
                let mut changed = original.clone();
                if part == 0 {
                    changed.body = bytes.into();
                } else {
                    changed.signature = bytes.into();
                }
                assert_eq!(taken(&statements, at, &changed), at as u64, "statement {at}, part {part}, bit {bit}");
            }
        }
    }
}

#[test]
fn any_bit_flipped_in_any_certificate_is_refused() {
    let directory = Chain::small().directory;
    let chain = alice_chain(3);
    for (at, original) in chain.certificates.iter().enumerate() {
        for bit in 0..(original.body.len() + original.signature.len()) * 8 {
            let mut bytes = [original.body.as_ref(), original.signature.as_ref()].concat();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let signature = bytes.split_off(original.body.len());
            let mut changed = chain.clone();
            changed.certificates[at] = wire::DeviceCertificate { body: bytes.into(), signature: signature.into() };
            assert!(directory.verify_chain(&changed).is_err(), "certificate {at}, bit {bit}");
        }
    }
}

/// A flip in the framing may cut the chain to that of an issuer, which is true as well; it never speaks for the same device.
#[test]
fn any_bit_flipped_in_an_encoded_chain_unmakes_it() {
    let directory = Chain::small().directory;
    let bytes = alice_chain(3).encode_to_vec();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let verified = DeviceChain::decode(changed.as_slice()).ok().and_then(|one| directory.verify_chain(&one).ok());
        assert!(verified.is_none_or(|device| device.device_id != device_id(3)), "bit {bit}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300), signature in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut chain = Chain::small();
        let statement = Statement { body: body.clone().into(), signature: signature.clone().into() };
        prop_assert!(chain.apply(statement).is_err());
        let one = wire::DeviceCertificate { body: body.clone().into(), signature: signature.into() };
        let _parsed = certificate::body(&one);
        let devices = DeviceChain { certificates: vec![one] };
        prop_assert!(chain.directory.verify_chain(&devices).is_err());
        prop_assert!(link::open(&[1; 16], &device_id(1), &device_key(1).public(), &body).is_err());
    }

    /// Past the signature: whatever a hospital's own key signs either is taken or changes nothing (`Chain::apply` holds that), and never panics.
    #[test]
    fn signed_nonsense_never_panics(content in content(), signed_by_root in any::<bool>()) {
        let mut chain = Chain::small();
        let body = chain.next_body(Some(content));
        let statement = if signed_by_root { statement::sign(&body, &root()) } else { statement::sign(&body, &operational()) };
        let _outcome = chain.apply(statement);
    }

    /// Random acts: the state is always what its statements say when read again, and no handle or name is held twice.
    #[test]
    fn a_replay_gives_the_same_state(contents in proptest::collection::vec(content(), 1..24)) {
        let mut chain = Chain::small();
        for one in contents {
            let _outcome = chain.state(one);
        }
        let mut again = Directory::new(root().public());
        prop_assert!(again.apply_all(&chain.statements).is_ok());
        prop_assert_eq!(snapshot(&again), snapshot(&chain.directory));
        let live: Vec<_> = again.accounts().filter(|one| !one.deleted).collect();
        for one in &live {
            prop_assert_eq!(again.account_by_handle(&one.handle).map(|found| found.account_id), Some(one.account_id));
        }
        for group in again.groups() {
            prop_assert!(group.members.iter().all(|id| again.account(id).is_some_and(|account| !account.deleted)));
        }
    }
}

fn id() -> impl Strategy<Value = bytes::Bytes> {
    prop_oneof![
        8 => (0u8..4).prop_map(|n| vec![n; 16].into()),
        4 => Just(ALICE.to_bytes()),
        4 => Just(WARD.to_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..20).prop_map(Into::into),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    let name = prop_oneof![Just("Ward 3".to_owned()), Just("x".to_owned()), "[a-z]{0,4}", ".{0,8}"];
    let handle = prop_oneof![Just("a.meier".to_owned()), "[a-c]{1,2}", ".{0,8}"];
    let key = prop_oneof![
        Just(bytes::Bytes::new()),
        (1u8..6).prop_map(|n| device_key(n).public().to_bytes()),
        proptest::collection::vec(any::<u8>(), 30..34).prop_map(Into::into),
    ];
    let account = (id(), handle, name.clone(), 0..5i32, key.clone(), 0..3u64, any::<bool>()).prop_map(
        |(account_id, handle, display_name, level, enrolment_public_key, end, deleted)| {
            Content::Account(wire::Account {
                account_id,
                handle,
                display_name,
                role: String::new(),
                level,
                expires_at_ms: end,
                enrolment_public_key,
                enrolment_expires_at_ms: end,
                deleted,
            })
        },
    );
    let group = (id(), name, any::<bool>())
        .prop_map(|(group_id, name, deleted)| Content::Group(wire::Group { group_id, name, deleted }));
    let ids = || proptest::collection::vec(id(), 0..3);
    let membership = (id(), ids(), ids()).prop_map(|(group_id, added_account_ids, removed_account_ids)| {
        Content::GroupMembership(wire::GroupMembership { group_id, added_account_ids, removed_account_ids })
    });
    let node = (id(), key.clone(), ".{0,12}", any::<bool>()).prop_map(|(node_id, key, address, deleted)| {
        Content::Node(wire::Node {
            node_id,
            name: "n".into(),
            addresses: vec![address],
            certificate_sha256: key.clone(),
            proposer_public_key: key,
            deleted,
        })
    });
    let operational = key.prop_map(|public_key| Content::OperationalKey(wire::OperationalKey { public_key }));
    prop_oneof![4 => account, 3 => group, 3 => membership, 1 => node, 1 => operational]
}
