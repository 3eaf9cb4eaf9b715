//! The rules that a device holds every commit to, its own included, whatever the node accepts.
use crate::credential::{DeviceRef, Member};
use crate::error::Refusal;
use crate::facts::{Facts, Maker};
use crate::roster;
use std::collections::HashSet;
use wardline_directory::Directory;
use wardline_protocol::wire::{ConversationKind, Level, Roster};
use wardline_protocol::{AccountId, ConversationId, wire};

/// Refuses a commit that breaks a rule.
pub(crate) fn check(facts: &Facts, id: ConversationId, directory: &Directory) -> Result<(), Refusal> {
    for joiner in &facts.joiners {
        joiner.claim.verify(directory)?;
    }
    check_members(&facts.members, &facts.roster_after)?;
    match &facts.maker {
        Maker::Member(maker) => {
            check_removals(facts, maker, directory)?;
            check_roster(facts, id, maker, directory)
        }
        // Its shape was checked already: it joins itself, which the first two lines verified.
        Maker::Outside(_) if facts.roster_before == facts.roster_after => Ok(()),
        Maker::Outside(_) => Err(Refusal::ExternalJoin),
    }
}

/// Every member's account is on the roster.
pub(crate) fn check_members(members: &[Member], roster: &Roster) -> Result<(), Refusal> {
    let on_it: HashSet<&[u8]> = roster.entries.iter().map(|entry| entry.account_id.as_ref()).collect();
    let all = members.iter().all(|member| on_it.contains(member.account_id.as_bytes().as_slice()));
    if all { Ok(()) } else { Err(Refusal::NotOnRoster) }
}

/// A channel's roster holds nobody whom the statements never put there, and no operator whom they never named.
pub(crate) fn check_channel(id: ConversationId, roster: &Roster, directory: &Directory) -> Result<(), Refusal> {
    if roster.kind() != ConversationKind::Channel {
        return Ok(());
    }
    let channel = directory.channel(&id).ok_or(Refusal::NotInAudience)?;
    let stated = |entry: &wire::RosterEntry| {
        AccountId::parse(&entry.account_id).is_ok_and(|account| match entry.manager {
            true => channel.was_operator(&account),
            false => channel.was_in_audience(&account),
        })
    };
    if roster.entries.iter().all(stated) { Ok(()) } else { Err(Refusal::NotInAudience) }
}

/// The node removes anybody but the archive; a member removes devices of its own account; a group's manager removes anybody; and anybody
/// removes what was deleted.
fn check_removals(facts: &Facts, maker: &Member, directory: &Directory) -> Result<(), Refusal> {
    let manages = facts.roster_before.kind() == ConversationKind::Group;
    let manager = manages && roster::is_manager(&facts.roster_before, maker.account_id);
    facts.leavers.iter().try_for_each(|leaver| {
        let account = leaver.member.account_id;
        match leaver.proposed {
            true if is_archive(account, directory) => Err(Refusal::ArchiveRemoval),
            true => Ok(()),
            false if manager || account == maker.account_id || is_deleted(account, directory) => Ok(()),
            false => Err(Refusal::NotYours),
        }
    })
}

/// A manager changes the roster of a group as it likes; any member brings that of a channel up to the statements, and nobody does more. Others may only take accounts off it that have no device left after this
/// commit, which [`check_members`] and [`check_removals`] hold them to. A direct roster never changes.
fn check_roster(facts: &Facts, id: ConversationId, maker: &Member, directory: &Directory) -> Result<(), Refusal> {
    let (before, after) = (&facts.roster_before, &facts.roster_after);
    if before == after {
        return Ok(());
    }
    if before.kind != after.kind || before.kind() == ConversationKind::Direct {
        return Err(Refusal::DirectRoster);
    }
    if before.kind() == ConversationKind::Channel {
        return check_channel(id, after, directory);
    }
    if roster::is_manager(before, maker.account_id) {
        return Ok(());
    }
    let kept: HashSet<&wire::RosterEntry> = HashSet::from_iter(&before.entries);
    if !after.entries.iter().all(|entry| kept.contains(entry)) {
        return Err(Refusal::NotManager);
    }
    let gone = before.entries.iter().filter(|entry| !after.entries.contains(entry));
    let archive = gone.filter_map(|entry| AccountId::parse(&entry.account_id).ok()).any(|id| is_archive(id, directory));
    if archive { Err(Refusal::ArchiveRemoval) } else { Ok(()) }
}

fn is_archive(account: AccountId, directory: &Directory) -> bool {
    directory.account(&account).is_some_and(|record| record.level == Level::Archive)
}

fn is_deleted(account: AccountId, directory: &Directory) -> bool {
    directory.account(&account).is_some_and(|record| record.deleted)
}

/// The members whose account is deleted or whose time is over.
pub(crate) fn ended(members: &[Member], directory: &Directory, now_ms: u64) -> Vec<DeviceRef> {
    let active = |id| directory.account(&id).is_some_and(|record| record.is_active(now_ms));
    members.iter().filter(|member| !active(member.account_id)).map(Member::device).collect()
}
