//! A commit that was withheld, and comes later.
use crate::owner::{ALICE, BOB, BOB_2, CAROL, Owner};
use wardline_client::core::{Command, Misbehaviour};
use wardline_protocol::wire::server_frame::Body as Push;
use wardline_protocol::wire::{self, response::Result as Said};

/// Alice removes Carol and then renews her keys. Both commits are on their way to Bob, and nothing else.
fn two_commits() -> Owner {
    let mut owner = Owner::new();
    let (conversation, carol) = (owner.group, owner.account(CAROL));
    owner.world.settle();
    for command in [Command::RemoveAccounts { conversation, accounts: vec![carol] }, Command::Refresh { conversation }]
    {
        owner.world.command(ALICE, command);
        for _ in 0..3 {
            while owner.world.carry_up(ALICE) {}
            owner.world.sync(usize::MAX);
            while owner.world.carry_down(ALICE) {}
        }
    }
    owner.forget_events();
    let entries = owner.world.devices[BOB].down.iter().filter(|frame| is_commit(frame)).count();
    assert_eq!(entries, 2);
    owner.world.devices[BOB].down.retain(is_commit);
    owner
}

fn is_commit(frame: &wire::ServerFrame) -> bool {
    matches!(&frame.body, Some(Push::Entry(wire::Entry { content: Some(wire::entry::Content::Commit(_)), .. })))
}

fn seq(frame: &mut wire::ServerFrame) -> &mut u64 {
    match &mut frame.body {
        Some(Push::Entry(entry)) => &mut entry.seq,
        _ => panic!("not an entry"),
    }
}

#[test]
fn commits_that_come_in_the_wrong_order_are_applied_in_the_right_one() {
    let mut owner = two_commits();
    owner.world.devices[BOB].down.swap(0, 1);
    let before = owner.state(BOB, owner.group).0.unwrap();
    owner.world.carry_down(BOB);
    assert_eq!(owner.state(BOB, owner.group).0.unwrap(), before, "it waits for the one before");
    owner.world.carry_down(BOB);
    assert_eq!(owner.state(BOB, owner.group), owner.state(ALICE, owner.group));
    assert_eq!(owner.healed(BOB, owner.group), 0);
}

#[test]
fn a_commit_withheld_and_then_put_behind_a_later_one_changes_nothing() {
    let mut owner = two_commits();
    let group = owner.group;
    let (carol, members) = (owner.account(CAROL), owner.state(ALICE, group).1);
    // The later one in the place of the earlier, and the earlier one at the end of the log, where the next entry would be.
    let mut withheld = owner.world.devices[BOB].down.pop_front().unwrap();
    let first = *seq(&mut withheld);
    *seq(&mut owner.world.devices[BOB].down[0]) = first;
    *seq(&mut withheld) = first + 3;
    while owner.world.carry_down(BOB) {}
    // Bob cannot follow, and joins again with the state that the node has.
    owner.alter(BOB, |result| if let Said::GroupInfo(info) = result { Some(info) } else { None }, |_| {});
    while owner.world.carry_down(BOB) {}
    assert_eq!(owner.commits_on_line(BOB), 1);
    while owner.world.carry_up(BOB) {}
    owner.world.sync(usize::MAX);
    owner.world.devices[BOB].down.retain(|frame| matches!(frame.body, Some(Push::Response(_))));
    while owner.world.carry_down(BOB) {}
    assert_eq!(owner.healed(BOB, group), 1);
    let joined = owner.state(BOB, group);
    assert!(!joined.2.contains(&carol) && joined.1.len() == members.len());
    // Now the removal comes, too late.
    let place = owner.row(group).head_seq + 1;
    *seq(&mut withheld) = place;
    owner.world.devices[BOB].down.push_back(withheld);
    while owner.world.carry_down(BOB) {}
    assert_eq!(owner.refusals(BOB), vec![Misbehaviour::BrokenLog]);
    assert_eq!(owner.state(BOB, group), joined);
    owner.be_honest();
    owner.talk(BOB, &[ALICE, BOB_2], group);
    owner.talk(ALICE, &[BOB, BOB_2], group);
    // Carol is given everything that was said since, and hears nothing.
    let heard = owner.world.devices[CAROL].shown.len();
    for entry in owner.log(group).into_iter().skip(first as usize) {
        owner.push(CAROL, Push::Entry(entry));
    }
    assert_eq!(owner.world.devices[CAROL].shown.len(), heard);
}
