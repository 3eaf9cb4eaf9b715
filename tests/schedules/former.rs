//! Stories of devices that were taken out while they were behind, and came back.
use super::{check, found};
use wardline_client::core::{Command, Membership, Reply};
use wardline_protocol::{ConversationId, MessageId};
use wardline_schedules::World;

/// Of the fourth account; in the group from the beginning.
const DORA: usize = 3;
/// The second account's devices.
const BORIS: usize = 1;
const BORIS_TABLET: usize = 7;

fn say(world: &mut World, device: usize, group: ConversationId, text: &str) -> MessageId {
    let token = world.command(device, Command::Send { conversation: group, text: text.into() });
    match world.devices[device].replies.remove(&token) {
        Some(Ok(Reply::Message(id))) => id,
        Some(Err(why)) => panic!("not in the outbox: {why}"),
        _ => panic!("no answer"),
    }
}

fn remove(world: &mut World, group: ConversationId, device: usize) {
    let account = world.devices[device].account;
    world.taken_out.insert(account);
    world.command(0, Command::RemoveAccounts { conversation: group, accounts: vec![account] });
    world.settle();
}

fn texts(world: &World, device: usize) -> Vec<&str> {
    world.devices[device].shown.values().map(|(_, text)| text.as_str()).collect()
}

fn state(world: &World, device: usize, group: ConversationId) -> Membership {
    world.devices[device].core.conversations().find(|(id, _)| **id == group).unwrap().1.state
}

#[test]
fn who_was_removed_while_away_sees_what_was_said_until_then() {
    let (mut world, group) = found(1);
    world.go_away(DORA);
    say(&mut world, 0, group, "before");
    let late = say(&mut world, DORA, group, "written while away");
    world.settle();
    remove(&mut world, group, DORA);
    say(&mut world, 0, group, "after");
    world.settle();
    world.kill_node();
    world.come_back(DORA);
    world.settle();
    assert_eq!(texts(&world, DORA), ["before"]);
    assert_eq!(state(&world, DORA, group), Membership::Left);
    assert_eq!(world.devices[DORA].given_up, 1);
    assert!(!world.devices[DORA].acknowledged.contains_key(&late));
    let token = world.command(DORA, Command::Send { conversation: group, text: "still here?".into() });
    assert!(world.devices[DORA].replies[&token].is_err(), "who is out sends nothing");
    check(&world, group);
}

#[test]
fn who_was_locked_for_a_while_sees_what_was_said_until_then_and_is_back() {
    let (mut world, group) = found(2);
    let account = world.devices[DORA].account;
    world.go_away(DORA);
    say(&mut world, 0, group, "before");
    let late = say(&mut world, DORA, group, "written while away");
    world.settle();
    world.lock(account, true);
    world.settle();
    say(&mut world, 0, group, "while locked");
    world.settle();
    world.lock(account, false);
    world.come_back(DORA);
    world.settle();
    say(&mut world, 0, group, "back");
    world.settle();
    assert_eq!(texts(&world, DORA), ["before", "back"]);
    assert_eq!(state(&world, DORA, group), Membership::Joined);
    assert!(world.devices[DORA].acknowledged.contains_key(&late), "it was only away");
    check(&world, group);
}

#[test]
fn who_was_removed_and_added_again_while_away_sees_both_times() {
    let (mut world, group) = found(3);
    let account = world.devices[DORA].account;
    world.go_away(DORA);
    say(&mut world, 0, group, "first");
    world.settle();
    remove(&mut world, group, DORA);
    say(&mut world, 0, group, "between");
    world.settle();
    world.command(0, Command::AddAccounts { conversation: group, accounts: vec![account] });
    world.settle();
    say(&mut world, 0, group, "second");
    world.settle();
    world.come_back(DORA);
    world.settle();
    assert_eq!(texts(&world, DORA), ["first", "second"]);
    assert_eq!(state(&world, DORA, group), Membership::Joined);
    check(&world, group);
}

#[test]
fn who_was_added_and_removed_while_away_sees_the_time_before_only() {
    let (mut world, group) = found(4);
    let account = world.devices[DORA].account;
    world.go_away(DORA);
    say(&mut world, 0, group, "first");
    world.settle();
    remove(&mut world, group, DORA);
    world.command(0, Command::AddAccounts { conversation: group, accounts: vec![account] });
    world.settle();
    say(&mut world, 0, group, "the Welcome is withdrawn");
    world.settle();
    remove(&mut world, group, DORA);
    world.come_back(DORA);
    world.settle();
    assert_eq!(texts(&world, DORA), ["first"]);
    assert_eq!(state(&world, DORA, group), Membership::Left);
    // What it can never read is not kept for ever: said at the next sign-in.
    world.cut(DORA);
    world.settle();
    check(&world, group);
}

#[test]
fn a_device_whose_account_left_elsewhere_sees_what_was_said_until_then() {
    let (mut world, group) = found(5);
    world.taken_out.insert(world.devices[BORIS].account);
    world.go_away(BORIS_TABLET);
    say(&mut world, 0, group, "before");
    world.settle();
    world.command(BORIS, Command::Leave { conversation: group });
    world.settle();
    say(&mut world, 0, group, "after");
    world.settle();
    world.come_back(BORIS_TABLET);
    world.settle();
    for device in [BORIS, BORIS_TABLET] {
        assert_eq!(texts(&world, device), ["before"]);
        assert_eq!(state(&world, device, group), Membership::Left);
    }
    check(&world, group);
}

#[test]
fn who_leaves_sees_what_is_said_until_somebody_takes_it_out() {
    let (mut world, group) = found(6);
    world.taken_out.insert(world.devices[DORA].account);
    // Nobody is there to commit: it stays in the group for now, and what was sent before still comes, over a new start too.
    say(&mut world, 0, group, "before");
    while world.carry_up(0) {}
    world.sync(usize::MAX);
    let others: Vec<usize> = (0..world.devices.len()).filter(|device| *device != DORA).collect();
    others.iter().for_each(|device| world.go_away(*device));
    world.devices[DORA].down.clear();
    world.command(DORA, Command::Leave { conversation: group });
    world.settle();
    assert_eq!(state(&world, DORA, group), Membership::Left);
    assert_eq!(texts(&world, DORA), ["before"]);
    world.crash(DORA);
    world.settle();
    assert!(!world.devices[DORA].core.members(&group).is_empty(), "it is still in the group");
    others.iter().for_each(|device| world.come_back(*device));
    world.settle();
    assert!(world.devices[DORA].core.members(&group).is_empty());
    check(&world, group);
}

#[test]
fn who_leaves_and_is_added_at_once_is_a_member_again() {
    let (mut world, group) = found(7);
    let account = world.devices[DORA].account;
    world.command(DORA, Command::Leave { conversation: group });
    while world.carry_up(DORA) {}
    world.sync(usize::MAX);
    // Nobody has been told of it: for who adds her she is still a member.
    assert!(world.devices[0].core.members(&group).iter().any(|(member, _)| *member == account));
    let add = world.command(0, Command::AddAccounts { conversation: group, accounts: vec![account] });
    world.settle();
    assert!(matches!(world.devices[0].replies[&add], Ok(Reply::Done)));
    assert_eq!(state(&world, DORA, group), Membership::Joined);
    say(&mut world, 0, group, "welcome back");
    world.settle();
    assert_eq!(texts(&world, DORA), ["welcome back"]);
    check(&world, group);
}
