//! Alice, Bob and Carol: what members of a conversation do, and that they all end up in the same place.
// Clippy spares only functions marked as tests, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use support::*;
use wardline_e2ee::public::PublicView;
use wardline_e2ee::{Change, EngineError, Floor, JoinError, ProcessError, roster};

/// Alice (manager), Bob and Carol in a group, in that leaf order.
fn trio() -> (World, Node, [Papers; 3], [wardline_e2ee::Engine; 3]) {
    let mut world = World::new();
    let papers = [world.person("alice"), world.person("bob"), world.person("carol")];
    let [mut alice, mut bob, mut carol] = papers.each_ref().map(Papers::engine);
    let accounts = [(papers[0].account, true), (papers[1].account, false), (papers[2].account, false)];
    let mut node = Node::create(&mut alice, roster::group(accounts), &world);
    add(&mut node, &mut alice, &mut [&mut bob, &mut carol], None, &world);
    (world, node, papers, [alice, bob, carol])
}

#[test]
fn alice_and_bob_talk_directly() {
    let mut world = World::new();
    let (a, b) = (world.person("alice"), world.person("bob"));
    let (mut alice, mut bob) = (a.engine(), b.engine());
    let mut node = Node::create(&mut alice, roster::direct(a.account, b.account), &world);
    assert_eq!(node.view.external_senders(), [world.proposer.public()]);
    add(&mut node, &mut alice, &mut [&mut bob], None, &world);
    agree(&node, &[&alice, &bob]);
    talk(&mut alice, &mut [&mut bob], b"hello Bob", &world);
    talk(&mut bob, &mut [&mut alice], b"hello Alice", &world);
    let sent = alice.encrypt(ID, b"x").unwrap();
    assert_eq!(alice.process_message(ID, &sent.ciphertext, world.directory()).unwrap_err(), ProcessError::OwnMessage);
    bob.process_message(ID, &sent.ciphertext, world.directory()).unwrap();
    assert_eq!(bob.process_message(ID, &sent.ciphertext, world.directory()).unwrap_err(), ProcessError::Duplicate);
    let header = wardline_e2ee::header(&sent.ciphertext).unwrap();
    assert_eq!((header.group_id, header.epoch, header.is_private), (ID.as_bytes().to_vec(), 1, true));
}

#[test]
fn messages_are_padded() {
    let (_, _, _, [mut alice, mut bob, _]) = trio();
    for sender in [&mut alice, &mut bob] {
        let sizes: Vec<_> = (0..40).map(|n| sender.encrypt(ID, &vec![7; n]).unwrap().ciphertext.len()).collect();
        assert!(sizes.windows(2).filter(|pair| pair[0] != pair[1]).count() <= 1, "{sizes:?}");
    }
}

#[test]
fn carol_is_removed_by_the_manager_and_reads_no_more() {
    let (world, mut node, papers, [mut alice, mut bob, mut carol]) = trio();
    let smaller = roster::without(node.view.roster(), papers[2].account);
    let change = Change { remove_devices: vec![papers[2].device], roster: Some(smaller), ..Change::default() };
    let pending = alice.commit(ID, change, world.directory(), NOW).unwrap();
    assert!(pending.welcome.is_none());
    node.submit(&pending);
    let entry = node.log.last().unwrap().clone();
    assert!(process(&mut alice, &entry, &world).unwrap().own);
    let applied = process(&mut bob, &entry, &world).unwrap();
    assert!(applied.roster_changed && !applied.removed_self && !applied.own);
    assert_eq!((applied.committer, applied.removed.clone()), (alice.device(), vec![carol.device()]));
    let gone = process(&mut carol, &entry, &world).unwrap();
    assert!(gone.removed_self);
    agree(&node, &[&alice, &bob]);
    let sent = alice.encrypt(ID, b"without Carol").unwrap();
    assert_eq!(carol.process_message(ID, &sent.ciphertext, world.directory()).unwrap_err(), ProcessError::Removed);
    assert_eq!(carol.encrypt(ID, b"me too").unwrap_err(), EngineError::Removed);
    assert!(!carol.is_member(ID));
    // And comes back later by a Welcome.
    let larger = roster::with(node.view.roster(), papers[2].account, false);
    add(&mut node, &mut alice, &mut [&mut carol], Some(larger), &world);
    process(&mut bob, node.log.last().unwrap(), &world).unwrap();
    agree(&node, &[&alice, &bob, &carol]);
    talk(&mut carol, &mut [&mut alice, &mut bob], b"back", &world);
}

#[test]
fn the_node_proposes_a_removal_and_sending_never_stops() {
    let (world, mut node, papers, [mut alice, mut bob, mut carol]) = trio();
    let leaf = node.view.members().iter().find(|member| member.device_id == papers[2].device).unwrap().leaf;
    let proposals = vec![node.view.propose_removal(leaf, &world.proposer).unwrap()];
    let smaller = roster::without(node.view.roster(), papers[2].account);
    // Bob, who manages nothing, is given the lease.
    let change = Change { proposals, roster: Some(smaller), ..Change::default() };
    let pending = bob.commit(ID, change, world.directory(), NOW).unwrap();
    assert_eq!(pending.proposals.len(), 1);
    talk(&mut bob, &mut [&mut alice, &mut carol], b"while it is pending", &world);
    let seen = node.view.check(&pending.proposals, &pending.commit, &pending.group_info);
    assert_eq!(seen.unwrap().removed_by_proposal, [leaf]);
    let bare = node.view.check(&[], &pending.commit, &pending.group_info);
    assert!(bare.is_err(), "a check leaves no proposal behind, and the next needs its own");
    let seen = node.submit(&pending);
    assert_eq!(seen, Staged2 { added: 0, removed: 1, epoch: 2 });
    let entry = node.log.last().unwrap().clone();
    for engine in [&mut alice, &mut bob] {
        let applied = process(engine, &entry, &world).unwrap();
        assert!(applied.roster_changed);
        assert_eq!(applied.removed.len(), 1);
    }
    assert!(process(&mut carol, &entry, &world).unwrap().removed_self);
    agree(&node, &[&alice, &bob]);
    talk(&mut alice, &mut [&mut bob], b"after", &world);
    talk(&mut bob, &mut [&mut alice], b"after", &world);
}

#[test]
fn a_proposal_that_failed_to_commit_leaves_nothing_behind() {
    let (world, node, papers, [mut alice, mut bob, _]) = trio();
    let leaf = node.view.members().iter().find(|member| member.device_id == papers[2].device).unwrap().leaf;
    let proposals = vec![node.view.propose_removal(leaf, &world.proposer).unwrap()];
    // A key package that does not decode fails the commit after the proposal was stored.
    let change = Change { proposals: proposals.clone(), add_key_packages: vec![vec![1, 2, 3]], ..Change::default() };
    assert!(matches!(bob.commit(ID, change, world.directory(), NOW), Err(EngineError::Malformed(_))));
    talk(&mut bob, &mut [&mut alice], b"still here", &world);
    // Nor does an entry that turns out not to be a commit.
    let entry = Commit { proposals: proposals.clone(), commit: proposals[0].clone() };
    assert!(process(&mut bob, &entry, &world).is_err());
    talk(&mut bob, &mut [&mut alice], b"still here", &world);
}

#[test]
fn a_further_device_joins_from_outside() {
    let (mut world, mut node, papers, [mut alice, mut bob, mut carol]) = trio();
    let phone = world.further(&papers[1]);
    let mut phone = phone.engine();
    let floor = Floor { epoch: bob.epoch(ID).unwrap(), authenticator: bob.epoch_authenticator(ID).unwrap() };
    let pending =
        phone.join_external(ID, node.view.group_info(), &node.tree(), Some(floor), world.directory(), NOW).unwrap();
    assert_eq!(pending.epoch, 1);
    assert_eq!(phone.epoch(ID), None, "not before the node accepted it");
    assert!(matches!(
        phone.join_external(ID, node.view.group_info(), &node.tree(), None, world.directory(), NOW),
        Err(JoinError::Pending)
    ));
    node.submit_join(&pending);
    phone.confirm_join(ID).unwrap();
    let entry = node.log.last().unwrap().clone();
    for engine in [&mut alice, &mut bob, &mut carol] {
        let applied = process(engine, &entry, &world).unwrap();
        assert_eq!((applied.committer, applied.added.clone()), (phone.device(), vec![phone.device()]));
        assert!(applied.removed.is_empty() && !applied.own);
    }
    agree(&node, &[&alice, &bob, &carol, &phone]);
    talk(&mut phone, &mut [&mut alice, &mut bob, &mut carol], b"from my phone", &world);
    talk(&mut alice, &mut [&mut phone, &mut bob], b"welcome", &world);
    // The new device can commit, and so can the others after it.
    let pending = phone.commit(ID, Change::default(), world.directory(), NOW).unwrap();
    node.submit(&pending);
    for engine in [&mut alice, &mut bob, &mut carol, &mut phone] {
        process(engine, node.log.last().unwrap(), &world).unwrap();
    }
    agree(&node, &[&alice, &bob, &carol, &phone]);
}

#[test]
fn a_device_that_lost_its_way_heals_and_replaces_its_leaf() {
    let (world, mut node, papers, [mut alice, mut bob, mut carol]) = trio();
    // Carol's disk is as it was: she misses two commits and starts with an empty engine.
    for _ in 0..2 {
        let pending = alice.commit(ID, Change::default(), world.directory(), NOW).unwrap();
        node.submit(&pending);
        process(&mut alice, node.log.last().unwrap(), &world).unwrap();
        process(&mut bob, node.log.last().unwrap(), &world).unwrap();
    }
    let sent = alice.encrypt(ID, b"ahead").unwrap();
    assert_eq!(carol.process_message(ID, &sent.ciphertext, world.directory()).unwrap_err(), ProcessError::Future);
    let mut empty = papers[2].engine();
    for carol in [&mut empty, &mut carol] {
        let pending =
            carol.join_external(ID, node.view.group_info(), &node.tree(), None, world.directory(), NOW).unwrap();
        let seen = node.submit_join(&pending);
        assert_eq!((seen.added, seen.removed), (1, 1));
        // Confirmed by meeting its own commit in the log.
        let applied = process(carol, node.log.last().unwrap(), &world).unwrap();
        assert!(applied.own);
        for engine in [&mut alice, &mut bob] {
            let applied = process(engine, node.log.last().unwrap(), &world).unwrap();
            assert_eq!(applied.added, applied.removed);
        }
        agree(&node, &[&alice, &bob, carol]);
        talk(carol, &mut [&mut alice, &mut bob], b"healed", &world);
        talk(&mut bob, &mut [carol], b"good", &world);
        assert_eq!(node.view.members().len(), 3);
    }
}

#[test]
fn of_two_commits_the_log_takes_one_and_the_other_is_made_again() {
    let (mut world, mut node, papers, [mut alice, mut bob, mut carol]) = trio();
    let dora = world.person("dora");
    let mut dora = dora.engine();
    let larger = roster::with(node.view.roster(), dora.account_id(), false);
    let change = Change { roster: Some(larger), ..adding(&mut [&mut dora]) };
    let lost = alice.commit(ID, change.clone(), world.directory(), NOW).unwrap();
    assert!(matches!(alice.commit(ID, Change::default(), world.directory(), NOW), Err(EngineError::Pending)));
    let won = bob.commit(ID, Change::default(), world.directory(), NOW).unwrap();
    node.submit(&won);
    assert_eq!(
        node.view.check(&[], &lost.commit, &lost.group_info).unwrap_err(),
        wardline_e2ee::public::Refused::Stale
    );
    let entry = node.log.last().unwrap().clone();
    let applied = process(&mut alice, &entry, &world).unwrap();
    assert!(!applied.own && !alice.has_pending_commit(ID));
    assert!(process(&mut bob, &entry, &world).unwrap().own);
    process(&mut carol, &entry, &world).unwrap();
    // The rebase: the same change in the new epoch, with the very same key package.
    let again = alice.commit(ID, change, world.directory(), NOW).unwrap();
    node.submit(&again);
    for engine in [&mut alice, &mut bob, &mut carol] {
        process(engine, node.log.last().unwrap(), &world).unwrap();
    }
    assert!(matches!(
        dora.join_welcome(ID, &lost.welcome.unwrap(), &node.tree(), world.directory()),
        Err(JoinError::Invalid(_))
    ));
    dora.join_welcome(ID, &again.welcome.unwrap(), &node.tree(), world.directory()).unwrap();
    agree(&node, &[&alice, &bob, &carol, &dora]);
    talk(&mut dora, &mut [&mut alice, &mut bob, &mut carol], b"hello", &world);
    let _ = papers;
}

#[test]
fn late_messages_of_three_epochs_ago_are_read_and_older_ones_are_stale() {
    let (world, mut node, _, [mut alice, mut bob, mut carol]) = trio();
    let mut late = Vec::new();
    for _ in 0..5 {
        late.push(carol.encrypt(ID, b"late").unwrap().ciphertext);
        let pending = alice.commit(ID, Change::default(), world.directory(), NOW).unwrap();
        node.submit(&pending);
        for engine in [&mut alice, &mut bob, &mut carol] {
            process(engine, node.log.last().unwrap(), &world).unwrap();
        }
    }
    let results: Vec<_> = late.iter().map(|text| bob.process_message(ID, text, world.directory()).is_ok()).collect();
    assert_eq!(results, [false, false, true, true, true]);
    assert_eq!(bob.process_message(ID, &late[0], world.directory()).unwrap_err(), ProcessError::Stale);
}

#[test]
fn a_restart_at_any_moment_continues_exactly() {
    let (mut world, mut node, papers, [mut alice, mut bob, mut carol]) = trio();
    let mut disks = [Disk::default(), Disk::default(), Disk::default()];
    let restart = |engines: [&mut wardline_e2ee::Engine; 3], disks: &mut [Disk; 3]| {
        for ((engine, disk), papers) in engines.into_iter().zip(disks).zip(&papers) {
            let (epoch, members) = (engine.epoch(ID), engine.members(ID));
            disk.restart(engine, papers);
            assert!(engine.take_changes().is_empty(), "a load changes nothing");
            assert_eq!((engine.epoch(ID), engine.members(ID)), (epoch, members));
        }
    };
    restart([&mut alice, &mut bob, &mut carol], &mut disks);
    talk(&mut alice, &mut [&mut bob], b"one", &world);
    let early = alice.encrypt(ID, b"for Carol, later").unwrap();
    restart([&mut alice, &mut bob, &mut carol], &mut disks);
    // A commit that is pending over a restart, and one that loses over a restart.
    let won = alice.commit(ID, Change::default(), world.directory(), NOW).unwrap();
    let _lost = bob.commit(ID, Change::default(), world.directory(), NOW).unwrap();
    restart([&mut alice, &mut bob, &mut carol], &mut disks);
    assert!(alice.has_pending_commit(ID) && bob.has_pending_commit(ID));
    talk(&mut bob, &mut [&mut alice, &mut carol], b"two", &world);
    node.submit(&won);
    let entry = node.log.last().unwrap().clone();
    assert!(process(&mut alice, &entry, &world).unwrap().own);
    restart([&mut alice, &mut bob, &mut carol], &mut disks);
    for engine in [&mut bob, &mut carol] {
        assert!(!process(engine, &entry, &world).unwrap().own);
    }
    restart([&mut alice, &mut bob, &mut carol], &mut disks);
    assert_eq!(carol.process_message(ID, &early.ciphertext, world.directory()).unwrap().plaintext, b"for Carol, later");
    restart([&mut alice, &mut bob, &mut carol], &mut disks);
    assert_eq!(
        carol.process_message(ID, &early.ciphertext, world.directory()).unwrap_err(),
        ProcessError::Duplicate,
        "what was read before the restart is not read again"
    );
    // An external join that is pending over a restart.
    let pending = carol.join_external(ID, node.view.group_info(), &node.tree(), None, world.directory(), NOW).unwrap();
    restart([&mut alice, &mut bob, &mut carol], &mut disks);
    talk(&mut carol, &mut [&mut alice], b"still the old leaf", &world);
    node.submit_join(&pending);
    for engine in [&mut alice, &mut bob, &mut carol] {
        process(engine, node.log.last().unwrap(), &world).unwrap();
    }
    restart([&mut alice, &mut bob, &mut carol], &mut disks);
    agree(&node, &[&alice, &bob, &carol]);
    talk(&mut carol, &mut [&mut alice, &mut bob], b"three", &world);
    // A key package made before a restart works after it; the node's view too comes back from what it stored.
    let papers_dora = world.person("dora");
    let (mut dora, mut disk) = (papers_dora.engine(), Disk::default());
    let key_package = dora.last_resort_key_package().unwrap();
    disk.restart(&mut dora, &papers_dora);
    node.view = PublicView::open(ID, node.view.group_info(), &node.tree()).unwrap();
    let change = Change {
        add_key_packages: vec![key_package],
        roster: Some(roster::with(node.view.roster(), papers_dora.account, false)),
        ..Change::default()
    };
    let pending = alice.commit(ID, change, world.directory(), NOW).unwrap();
    node.submit(&pending);
    dora.join_welcome(ID, &pending.welcome.unwrap(), &node.tree(), world.directory()).unwrap();
    for engine in [&mut alice, &mut bob, &mut carol] {
        process(engine, node.log.last().unwrap(), &world).unwrap();
    }
    disk.restart(&mut dora, &papers_dora);
    agree(&node, &[&alice, &bob, &carol, &dora]);
}

#[test]
fn a_last_resort_key_package_is_used_again_and_a_single_use_one_is_not() {
    let mut world = World::new();
    let (a, b) = (world.person("alice"), world.person("bob"));
    let mut bob = b.engine();
    let last_resort = bob.last_resort_key_package().unwrap();
    let single = bob.key_packages(1).unwrap().remove(0);
    let invite = |key_package: &Vec<u8>, bob: &mut wardline_e2ee::Engine| {
        // A new hospital's worth of state for Alice each time: the same conversation id, so Bob forgets in between.
        let mut alice = a.engine();
        let mut node = Node::create(&mut alice, roster::direct(a.account, b.account), &world);
        let change = Change { add_key_packages: vec![key_package.clone()], ..Change::default() };
        let pending = alice.commit(ID, change, world.directory(), NOW).unwrap();
        node.submit(&pending);
        let joined = bob.join_welcome(ID, &pending.welcome.unwrap(), &node.tree(), world.directory()).map(|_| ());
        if joined.is_ok() {
            bob.forget(ID).unwrap();
        }
        joined
    };
    for _ in 0..2 {
        invite(&last_resort, &mut bob).unwrap();
    }
    invite(&single, &mut bob).unwrap();
    assert_eq!(invite(&single, &mut bob).unwrap_err(), JoinError::NoKeyPackage);
}

#[test]
fn forgetting_leaves_nothing_behind() {
    let (_, _, papers, [mut alice, ..]) = trio();
    let mut disk = Disk::default();
    disk.restart(&mut alice, &papers[0]);
    let full = disk.0.len();
    alice.forget(ID).unwrap();
    disk.restart(&mut alice, &papers[0]);
    assert!(full > 8, "{full}");
    assert_eq!(disk.0.len(), 1, "only the format's number stays: {:?}", disk.0.keys());
    assert_eq!(alice.conversations().count(), 0);
}
