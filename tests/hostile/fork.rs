//! A node restored from a backup goes on with another history than the one that some devices saw.
use crate::owner::{ALICE, ALICE_2, BOB, BOB_2, CAROL, MEMBERS, Owner};
use wardline_client::core::{Command, Misbehaviour};

/// After the backup the group had one commit, which Bob's devices and Carol saw. After the restoration it has another one, by Alice, in
/// the same epoch; Bob and Carol were away meanwhile. `tell`: whether the node says that it was restored.
fn forked(tell: bool) -> Owner {
    let mut owner = Owner::new();
    let (conversation, incarnation) = (owner.group, owner.world.node.incarnation);
    for device in [ALICE, ALICE_2] {
        owner.world.cut(device);
    }
    let backup = owner.world.backup();
    owner.world.command(BOB, Command::Refresh { conversation });
    step(&mut owner, &[BOB, BOB_2, CAROL]);
    let lost = owner.state(BOB, conversation).0;
    owner.world.restore(&backup);
    if !tell {
        owner.world.node.incarnation = incarnation;
        owner.world.kill_node();
    }
    owner.world.connect(ALICE);
    owner.world.connect(ALICE_2);
    step(&mut owner, &[ALICE, ALICE_2]);
    owner.world.command(ALICE, Command::Refresh { conversation });
    step(&mut owner, &[ALICE, ALICE_2]);
    assert_eq!(owner.state(ALICE, conversation).0, lost, "the same number");
    let authenticator = |device: usize| owner.world.devices[device].core.epoch(&conversation);
    assert_ne!(authenticator(ALICE), authenticator(BOB), "another history");
    owner.forget_events();
    owner
}

/// Frames of these devices are carried until none moves.
fn step(owner: &mut Owner, devices: &[usize]) {
    for _ in 0..20 {
        for device in devices {
            while owner.world.carry_up(*device) {}
        }
        owner.world.sync(usize::MAX);
        for device in devices {
            while owner.world.carry_down(*device) {}
        }
    }
}

#[test]
fn a_device_in_the_lost_history_notices_and_joins_again() {
    let mut owner = forked(true);
    let group = owner.group;
    // Bob writes before anybody has said anything in the new history: nothing tells him but the heads.
    let (_, text) = owner.write(BOB, group);
    owner.world.settle();
    for device in [BOB, BOB_2, CAROL] {
        assert_eq!(owner.healed(device, group), 1, "device {device}");
        assert_eq!(owner.refusals(device), vec![]);
    }
    for device in [ALICE, ALICE_2] {
        assert!(owner.has_read(device, &text), "device {device} could read it");
    }
    for device in MEMBERS {
        assert_eq!(owner.world.devices[device].undecryptable, 0, "device {device}");
    }
    owner.all_talk();
}

#[test]
fn a_line_that_breaks_meanwhile_does_not_make_the_restored_node_a_liar() {
    let mut owner = forked(true);
    let group = owner.group;
    owner.world.connect(BOB);
    // As far as the answer with the group's state, which is lost with the line.
    for _ in 0..4 {
        while owner.world.carry_up(BOB) {}
        owner.world.sync(usize::MAX);
        owner.world.carry_down(BOB);
    }
    owner.world.cut(BOB);
    owner.world.settle();
    assert!(!owner.refusals(BOB).contains(&Misbehaviour::OldGroupInfo));
    owner.all_talk();
    assert!(owner.world.devices[BOB].core.epoch(&group).is_some());
}

#[test]
fn another_history_without_a_restoration_is_refused() {
    let mut owner = forked(false);
    let group = owner.group;
    let before = owner.state(BOB, group);
    owner.world.connect(BOB);
    owner.write(BOB, group);
    step(&mut owner, &[BOB]);
    assert_eq!(owner.refusals(BOB), vec![Misbehaviour::BrokenLog]);
    assert_eq!(owner.state(BOB, group), before);
    assert_eq!(owner.world.devices[BOB].core.waiting_messages(), 1, "it is not sent into the other history");
}
