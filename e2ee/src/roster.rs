//! Which accounts may be in a conversation: an extension of the MLS group context, public to the node.
use crate::error::Refusal;
use openmls::prelude::{Extension, Extensions, GroupContext, UnknownExtension};
use prost::Message;
use std::collections::BTreeMap;
use wardline_protocol::AccountId;
use wardline_protocol::limit::ROSTER_MAX;
use wardline_protocol::wire::{ConversationKind, Roster, RosterEntry};

/// The extension's type, from the private range of RFC 9420 section 17.3.
pub const EXTENSION_TYPE: u16 = 0xF0A1;

/// The roster of a direct conversation. Nobody manages it.
pub fn direct(one: AccountId, other: AccountId) -> Roster {
    build(ConversationKind::Direct, [(one, false), (other, false)])
}

/// The roster of a group: accounts, and whether each is a manager.
pub fn group(accounts: impl IntoIterator<Item = (AccountId, bool)>) -> Roster {
    build(ConversationKind::Group, accounts)
}

/// The roster of a channel: its audience, and whether each is an operator.
pub fn channel(audience: impl IntoIterator<Item = (AccountId, bool)>) -> Roster {
    build(ConversationKind::Channel, audience)
}

fn build(kind: ConversationKind, accounts: impl IntoIterator<Item = (AccountId, bool)>) -> Roster {
    let accounts: BTreeMap<_, _> = accounts.into_iter().collect();
    let entries =
        accounts.into_iter().map(|(id, manager)| RosterEntry { account_id: id.to_bytes(), manager }).collect();
    Roster { kind: kind.into(), entries }
}

/// A roster with an account put in, or its manager flag changed.
pub fn with(roster: &Roster, account: AccountId, manager: bool) -> Roster {
    with_all(roster, [(account, manager)])
}

/// A roster with accounts put in, or their manager flags changed.
pub fn with_all(roster: &Roster, accounts: impl IntoIterator<Item = (AccountId, bool)>) -> Roster {
    let entries =
        roster.entries.iter().filter_map(|entry| Some((AccountId::parse(&entry.account_id).ok()?, entry.manager)));
    build(roster.kind(), entries.chain(accounts))
}

/// A roster without an account.
pub fn without(roster: &Roster, account: AccountId) -> Roster {
    let entries =
        roster.entries.iter().filter(|entry| entry.account_id != account.as_bytes().as_slice()).cloned().collect();
    Roster { kind: roster.kind, entries }
}

/// Whether the account is on it.
pub fn contains(roster: &Roster, account: AccountId) -> bool {
    find(roster, account).is_some()
}

/// Whether the account is on it as a manager.
pub fn is_manager(roster: &Roster, account: AccountId) -> bool {
    find(roster, account).is_some_and(|entry| entry.manager)
}

fn find(roster: &Roster, account: AccountId) -> Option<&RosterEntry> {
    let id = account.as_bytes().as_slice();
    let at = roster.entries.binary_search_by(|entry| entry.account_id.as_ref().cmp(id)).ok()?;
    roster.entries.get(at)
}

/// Refuses a roster that is not in the one form that the rules rely on: a known kind, ids of 16 bytes, sorted, no duplicates, two
/// accounts and no manager when direct.
pub fn check(roster: &Roster) -> Result<(), Refusal> {
    let sorted = roster.entries.windows(2).all(|pair| matches!(pair, [a, b] if a.account_id < b.account_id));
    let ids = roster.entries.iter().all(|entry| AccountId::parse(&entry.account_id).is_ok());
    let size = match ConversationKind::try_from(roster.kind) {
        Ok(ConversationKind::Direct) => roster.entries.len() == 2 && !roster.entries.iter().any(|entry| entry.manager),
        Ok(ConversationKind::Group | ConversationKind::Channel) => (1..=ROSTER_MAX).contains(&roster.entries.len()),
        _ => false,
    };
    if sorted && ids && size { Ok(()) } else { Err(Refusal::BadRoster) }
}

/// The roster of a group context.
pub(crate) fn of(extensions: &Extensions<GroupContext>) -> Result<Roster, Refusal> {
    let UnknownExtension(bytes) = extensions.unknown(EXTENSION_TYPE).ok_or(Refusal::BadRoster)?;
    let roster = Roster::decode(bytes.as_slice()).map_err(|_| Refusal::BadRoster)?;
    check(&roster)?;
    Ok(roster)
}

pub(crate) fn extension(roster: &Roster) -> Extension {
    Extension::Unknown(EXTENSION_TYPE, UnknownExtension(roster.encode_to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(byte: u8) -> AccountId {
        AccountId::from_bytes([byte; 16])
    }

    #[test]
    fn builders_give_checked_rosters() {
        let roster = group([(account(3), false), (account(1), true), (account(3), false)]);
        check(&roster).unwrap();
        assert!(is_manager(&roster, account(1)) && contains(&roster, account(3)) && !contains(&roster, account(2)));
        let more = with(&roster, account(2), false);
        check(&more).unwrap();
        assert_eq!(without(&more, account(2)), roster);
        check(&direct(account(9), account(1))).unwrap();
    }

    #[test]
    fn every_other_form_is_refused() {
        let mut unsorted = group([(account(1), true), (account(2), false)]);
        unsorted.entries.reverse();
        let mut twice = group([(account(1), true)]);
        twice.entries.push(twice.entries[0].clone());
        let mut short = group([(account(1), true)]);
        short.entries[0].account_id = vec![1; 15].into();
        let mut managed = direct(account(1), account(2));
        managed.entries[0].manager = true;
        let mut kind = group([(account(1), true)]);
        kind.kind = 7;
        for bad in [unsorted, twice, short, managed, kind, group([]), direct(account(1), account(1))] {
            assert_eq!(check(&bad), Err(Refusal::BadRoster));
        }
    }
}
