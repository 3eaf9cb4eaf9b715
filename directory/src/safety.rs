//! The safety number of two accounts: 60 digits that both see alike when, and only when, both know the same enrolment keys of both.
//!
//! Whoever has the hospital's operational key can state a further enrolment key for an account and then have a device in its name. That changes the number, so two people who
//! compare it in person find out.
use crate::AccountRecord;
use crate::key::PublicKey;
use sha2::{Digest, Sha256};

/// Digits of a safety number; half of them stand for each account.
pub const SAFETY_DIGITS: usize = 60;

/// Digits of a device's fingerprint.
pub const FINGERPRINT_DIGITS: usize = 40;

/// Hash rounds for each account: makes searching for an account with a look-alike half dear, as Signal's fingerprints do.
const ROUNDS: usize = 5_200;

/// The same whichever of the two comes first.
pub fn number(root: &PublicKey, one: &AccountRecord, other: &AccountRecord) -> String {
    let mut halves = [half(root, one), half(root, other)];
    halves.sort();
    halves.concat()
}

/// A device's key as 40 digits, for comparing two screens.
pub fn fingerprint(key: &PublicKey) -> String {
    let hash = Sha256::new_with_prefix(b"wardline device fingerprint v1\0").chain_update(key.as_bytes());
    digits(&hash.finalize(), 4)
}

fn half(root: &PublicKey, account: &AccountRecord) -> String {
    let mut keys: Vec<_> = account.enrolment_keys.iter().map(|record| record.public_key).collect();
    keys.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    let mut hash = Sha256::new_with_prefix(b"wardline safety number v1\0");
    hash.update(root.as_bytes());
    hash.update(account.account_id.as_bytes());
    keys.iter().for_each(|key| hash.update(key.as_bytes()));
    let first = hash.finalize();
    let mut last = first;
    for _ in 0..ROUNDS {
        last = Sha256::new().chain_update(last).chain_update(first).finalize();
    }
    digits(&last, 5)
}

/// Five digits of each group of the hash's bytes.
fn digits(hash: &[u8], group_bytes: usize) -> String {
    let groups = hash.chunks_exact(group_bytes).map(|group| {
        let number = group.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{:05}", number % 100_000)
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hospital::{Hospital, Person};
    use crate::key::{OperationalKey, RootKey};

    const NOW_MS: u64 = 1_800_000_000_000;

    #[test]
    fn both_see_the_same_and_a_new_enrolment_key_changes_it() {
        let root = RootKey::from_seed([1; 32]);
        let mut hospital = Hospital::found(&root, OperationalKey::from_seed([2; 32]), NOW_MS).unwrap();
        let ids = ["alice", "bob", "carol"]
            .map(|handle| hospital.add_account(&Person::internal(handle, handle, ""), NOW_MS).unwrap().account_id);
        let record = |hospital: &Hospital, at: usize| hospital.directory().account(&ids[at]).unwrap().clone();
        let (alice, bob) = (record(&hospital, 0), record(&hospital, 1));
        let before = number(&root.public(), &alice, &bob);
        assert_eq!(before.len(), SAFETY_DIGITS);
        assert!(before.bytes().all(|digit| digit.is_ascii_digit()));
        assert_eq!(before, number(&root.public(), &bob, &alice));
        assert_ne!(before, number(&root.public(), &alice, &record(&hospital, 2)));
        hospital.invite(ids[1], NOW_MS + 1_000, NOW_MS).unwrap();
        assert_ne!(before, number(&root.public(), &alice, &record(&hospital, 1)));
        let other_root = RootKey::from_seed([3; 32]).public();
        assert_ne!(before, number(&other_root, &alice, &bob));
    }

    #[test]
    fn a_fingerprint_has_forty_digits() {
        let one = fingerprint(&PublicKey::from_bytes([1; 32]));
        assert_eq!(one.len(), FINGERPRINT_DIGITS);
        assert_ne!(one, fingerprint(&PublicKey::from_bytes([2; 32])));
    }
}
