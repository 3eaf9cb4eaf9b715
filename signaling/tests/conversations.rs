//! Conversations through the plane: order, durability, epochs, who may do what, and who must go.
mod world;

use wardline_e2ee::{Change, roster};
use wardline_protocol::Code;
use wardline_protocol::wire::{self, client_frame::Body as Ask, response::Result as Said, server_frame::Body as Push};
use wardline_signaling::limit::LEASE_MS;
use world::{Phone, World};

#[test]
fn what_one_says_the_other_reads_in_order() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let id = world.direct(&mut anna, &mut boris);
    assert_eq!(world.say(&mut anna, id, "first").unwrap(), 2, "seq 1 was the commit");
    assert_eq!(world.say(&mut anna, id, "second").unwrap(), 3);
    assert_eq!(world.catch_up(&mut boris, id), ["first", "second"]);
}

#[test]
fn who_had_no_key_package_when_a_group_was_made_is_told_of_it() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.newcomer("boris"));
    let accounts = roster::group([(anna.account, true), (boris.account, false)]);
    let id = world.create(&mut anna, accounts).unwrap();
    assert!(world.key_packages(&anna, &[boris.account]).is_empty(), "nobody can add his device");
    world.pushes(boris.session);
    world.upload_key_packages(&mut boris);
    let heads = world.pushes(boris.session).into_iter().find_map(|push| match push {
        Push::Heads(heads) => Some(heads.conversations),
        _ => None,
    });
    let [head] = heads.unwrap().try_into().unwrap();
    assert_eq!((head.conversation_id, head.joined), (id.to_bytes(), false), "so it joins from outside");
    // Who is a member has nothing to be told.
    world.pushes(anna.session);
    world.upload_key_packages(&mut anna);
    assert!(!world.pushes(anna.session).iter().any(|push| matches!(push, Push::Heads(_))));
}

#[test]
fn who_uploaded_key_packages_while_the_commit_that_takes_it_in_was_made_is_told_of_it() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.newcomer("carla"));
    let id = world.group(&mut anna, &mut [&mut boris]);
    assert!(world.key_packages(&anna, &[carla.account]).is_empty());
    world.upload_key_packages(&mut carla);
    assert!(!world.pushes(carla.session).iter().any(|push| matches!(push, Push::Heads(heads) if !heads.complete)));
    let with_carla = roster::with(&anna.engine.roster(id).unwrap(), carla.account, false);
    world.submit(&mut anna, id, Change { roster: Some(with_carla), ..Default::default() }).unwrap();
    let told = world.pushes(carla.session).into_iter().find_map(|push| match push {
        Push::Heads(heads) => heads.conversations.into_iter().next(),
        _ => None,
    });
    let head = told.expect("it cannot know otherwise");
    assert_eq!((head.conversation_id, head.joined), (id.to_bytes(), false), "so it joins from outside");
    assert!(!world.pushes(boris.session).iter().any(|push| matches!(push, Push::Heads(_))));
}

#[test]
fn nothing_is_acknowledged_or_pushed_before_it_is_durable() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let id = world.direct(&mut anna, &mut boris);
    world.stalled = true;
    let message = world.message(&mut anna, id, "soon");
    assert!(world.try_ask(anna.session, Ask::SendMessage(message.clone())).is_none());
    let first = world.last_request();
    // Sent again while the first is on its way to disk: stored once, answered with the same place, and no earlier.
    assert!(world.try_ask(anna.session, Ask::SendMessage(message)).is_none());
    let second = world.last_request();
    assert!(world.pushes(boris.session).is_empty());

    world.stalled = false;
    world.make_durable();
    for request in [first, second] {
        assert!(matches!(world.late_response(anna.session, request), Some(Ok(Said::Sent(sent))) if sent.seq == 2));
    }
    assert_eq!(world.catch_up(&mut boris, id), ["soon"]);
}

#[test]
fn a_killed_node_has_what_it_acknowledged_and_only_that() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let id = world.direct(&mut anna, &mut boris);
    world.say(&mut anna, id, "kept").unwrap();
    world.stalled = true;
    let lost = world.message(&mut anna, id, "not acknowledged");
    assert!(world.try_ask(anna.session, Ask::SendMessage(lost.clone())).is_none());
    world.restart();

    world.sign_in(&mut anna);
    world.sign_in(&mut boris);
    world.pushes(boris.session);
    let fetch = wire::FetchLog { conversation_id: id.to_bytes(), from_seq: 2 };
    let Said::Log(log) = world.ask(boris.session, Ask::FetchLog(fetch)).unwrap() else { panic!() };
    assert_eq!((log.entries.len(), log.head_seq), (1, 2));
    // The sender sends again what was not acknowledged; it takes the next place.
    let Said::Sent(sent) = world.ask(anna.session, Ask::SendMessage(lost)).unwrap() else { panic!() };
    assert_eq!(sent.seq, 3);
}

#[test]
fn a_message_of_an_old_epoch_is_stale_and_of_an_unknown_one_future() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let id = world.group(&mut anna, &mut [&mut boris, &mut carla]);
    let old = world.message(&mut carla, id, "too late");
    world.submit(&mut boris, id, Change::default()).unwrap();
    let error = world.ask(carla.session, Ask::SendMessage(old)).err().unwrap();
    assert_eq!((error.code, error.current_epoch), (Code::Stale, 2));
    assert_eq!(world.say(&mut carla, id, "still behind").err().unwrap().code, Code::Stale);
    world.catch_up(&mut carla, id);
    world.say(&mut carla, id, "caught up").unwrap();
    assert_eq!(world.submit(&mut anna, id, Change::default()).err().unwrap().code, Code::Stale);
}

#[test]
fn there_is_one_direct_conversation_of_two_people() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let id = world.create_direct(&mut anna, &boris);
    let both = roster::direct(boris.account, anna.account);
    let error = world.create(&mut boris, both).err().unwrap();
    assert_eq!(error.code, Code::AlreadyExists);
    assert_eq!(error.existing_id, id.as_bytes());
}

#[test]
fn only_a_manager_removes_others() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let id = world.group(&mut anna, &mut [&mut boris, &mut carla]);
    let change = Change { remove_devices: vec![anna.device], ..Default::default() };
    let by_itself = boris.engine.commit(id, change.clone(), world.directory(), world.now_ms);
    assert!(by_itself.is_err(), "an honest device does not even try");
    // A dishonest one does. Its engine is told of a directory in which Anna is deleted; the node's has her still.
    let honest = world.hospital.statements().len();
    world.hospital.delete_account(anna.account, world.now_ms).unwrap();
    assert_eq!(world.submit(&mut boris, id, change).err().unwrap().code, Code::Forbidden);
    world.hospital = world.hospital_at(honest);
    let change = Change {
        remove_devices: vec![carla.device],
        roster: Some(roster::without(&anna.engine.roster(id).unwrap(), carla.account)),
        ..Default::default()
    };
    world.submit(&mut anna, id, change).unwrap();
    assert_eq!(world.say(&mut carla, id, "still here?").err().unwrap().code, Code::UnknownConversation);
    world.catch_up(&mut boris, id);
    world.catch_up(&mut anna, id);
    world.say(&mut boris, id, "gone").unwrap();
}

/// Which of these were given a lease since the last look.
fn lease_holders(world: &mut World, phones: &[Phone]) -> Vec<usize> {
    let given = |push: &Push| matches!(push, Push::CommitLease(_));
    (0..phones.len()).filter(|n| world.pushes(phones[*n].session).iter().any(given)).collect()
}

#[test]
fn who_wants_to_commit_is_the_next_to_be_asked_for_removals() {
    let mut world = World::new();
    let mut anna = world.person("anna");
    let mut others: Vec<_> = ["boris", "carla", "dora", "emil"].map(|name| world.person(name)).into();
    let id = world.group(&mut anna, &mut others.iter_mut().collect::<Vec<_>>());
    let leaver = others.pop().unwrap();
    world
        .ask(leaver.session, Ask::LeaveConversation(wire::LeaveConversation { conversation_id: id.to_bytes() }))
        .unwrap();
    let mut members = others;
    members.push(anna);
    members.sort_by_key(|phone| phone.device);
    let [asleep] = lease_holders(&mut world, &members)[..] else { panic!("exactly one lease") };
    // Not the one whose turn it would be.
    let awake = (asleep + 2) % 4;
    let refused = world.submit(&mut members[awake], id, Change::default()).err().unwrap();
    assert_eq!(refused.code, Code::MissingRemovals);
    assert!(refused.retry_after_ms > 0);
    world.pass_ms(LEASE_MS);
    assert_eq!(lease_holders(&mut world, &members), [awake]);
    world.pass_ms(LEASE_MS);
    assert_eq!(lease_holders(&mut world, &members), [(awake + 1) % 4], "then it goes round as before");
}

#[test]
fn a_locked_account_is_out_at_once_and_out_of_the_group_as_soon_as_a_member_commits() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let id = world.group(&mut anna, &mut [&mut boris, &mut carla]);
    let admin = world.admin();
    let lock = wire::LockAccount { account_id: carla.account.to_bytes(), locked: true };
    world.ask(admin, Ask::LockAccount(lock)).unwrap();
    assert_eq!(world.closed[&carla.session].code, Code::AccountLocked);
    assert_eq!(world.try_sign_in(&carla).1.err().unwrap().code, Code::AccountLocked);

    // One of the two online members holds the lease; the other may not commit without the removal, nor with it.
    let lease = |pushes: Vec<Push>| {
        pushes.into_iter().find_map(|push| match push {
            Push::CommitLease(lease) => Some(lease),
            _ => None,
        })
    };
    let (of_anna, of_boris) = (lease(world.pushes(anna.session)), lease(world.pushes(boris.session)));
    let (mut holder, mut other, lease) = match (of_anna, of_boris) {
        (Some(lease), None) => (anna, boris, lease),
        (None, Some(lease)) => (boris, anna, lease),
        _ => panic!("exactly one lease"),
    };
    assert_eq!(world.submit(&mut other, id, Change::default()).err().unwrap().code, Code::MissingRemovals);
    world.say(&mut other, id, "messages go on meanwhile").unwrap();
    let proposals: Vec<Vec<u8>> = lease.proposals.iter().map(|p| p.to_vec()).collect();
    let change = Change { proposals: proposals.clone(), ..Default::default() };
    assert_eq!(world.submit(&mut other, id, change).err().unwrap().code, Code::Leased);

    let change = Change { proposals, ..Default::default() };
    world.submit(&mut holder, id, change).unwrap();
    world.catch_up(&mut other, id);
    assert!(other.engine.members(id).iter().all(|member| member.device_id != carla.device));

    // Unlocked, the account is still on the roster and its device may join from outside.
    let unlock = wire::LockAccount { account_id: carla.account.to_bytes(), locked: false };
    world.ask(admin, Ask::LockAccount(unlock)).unwrap();
    world.sign_in(&mut carla);
    let heads = world.pushes(carla.session).into_iter().find_map(|push| match push {
        Push::Heads(heads) => Some(heads),
        _ => None,
    });
    assert!(!heads.unwrap().conversations[0].joined);
    let fetch = wire::FetchGroupInfo { conversation_id: id.to_bytes() };
    let Said::GroupInfo(info) = world.ask(carla.session, Ask::FetchGroupInfo(fetch)).unwrap() else { panic!() };
    let directory = world.directory().clone();
    let join =
        carla.engine.join_external(id, &info.group_info, &info.ratchet_tree, None, &directory, world.now_ms).unwrap();
    let request = wire::SubmitCommit {
        conversation_id: id.to_bytes(),
        commit: join.commit.into(),
        group_info: join.group_info.into(),
        ..Default::default()
    };
    world.ask(carla.session, Ask::SubmitCommit(request)).unwrap();
    carla.engine.confirm_join(id).unwrap();
    world.pushes(carla.session);
    world.catch_up(&mut other, id);
    world.say(&mut other, id, "welcome back").unwrap();
    assert_eq!(world.catch_up(&mut carla, id), ["welcome back"]);
}

#[test]
fn a_lease_that_is_not_used_goes_to_the_next_member() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    world.group(&mut anna, &mut [&mut boris, &mut carla]);
    let admin = world.admin();
    let lock = wire::LockAccount { account_id: carla.account.to_bytes(), locked: true };
    world.ask(admin, Ask::LockAccount(lock)).unwrap();
    let mut turns = Vec::new();
    for _ in 0..3 {
        for phone in [&anna, &boris] {
            let leases = world.pushes(phone.session).into_iter().filter(|p| matches!(p, Push::CommitLease(_))).count();
            turns.extend(std::iter::repeat_n(phone.device, leases));
        }
        world.pass_ms(2_000);
    }
    assert_eq!(turns.len(), 3);
    assert_ne!(turns[0], turns[1]);
    assert_eq!(turns[0], turns[2]);
}

#[test]
fn who_leaves_is_taken_out_and_off_the_roster_by_the_others() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let id = world.group(&mut anna, &mut [&mut boris, &mut carla]);
    world.hang_up_line(&anna);
    world
        .ask(carla.session, Ask::LeaveConversation(wire::LeaveConversation { conversation_id: id.to_bytes() }))
        .unwrap();
    let lease = world
        .pushes(boris.session)
        .into_iter()
        .find_map(|push| match push {
            Push::CommitLease(lease) => Some(lease),
            _ => None,
        })
        .expect("boris is the only one left online");
    let roster = roster::without(&boris.engine.roster(id).unwrap(), carla.account);
    let proposals = lease.proposals.iter().map(|p| p.to_vec()).collect();
    world.submit(&mut boris, id, Change { proposals, roster: Some(roster), ..Default::default() }).unwrap();
    assert_eq!(world.say(&mut carla, id, "x").err().unwrap().code, Code::UnknownConversation);
    world.sign_in(&mut anna);
    assert!(
        world
            .pushes(anna.session)
            .iter()
            .any(|push| matches!(push, Push::Heads(heads) if heads.conversations.len() == 1))
    );
}

#[test]
fn receipts_reach_the_others() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let id = world.direct(&mut anna, &mut boris);
    let seq = world.say(&mut anna, id, "seen?").unwrap();
    world.pushes(anna.session);
    let ack = wire::Acknowledge { conversation_id: id.to_bytes(), delivered_seq: seq, read_seq: seq };
    world.ask(boris.session, Ask::Acknowledge(ack)).unwrap();
    let receipt = world.pushes(anna.session).into_iter().find_map(|push| match push {
        Push::Receipt(receipt) => Some(receipt),
        _ => None,
    });
    let receipt = receipt.unwrap();
    assert_eq!((receipt.delivered_seq, receipt.read_seq), (seq, seq));
    // Nobody can claim to have read what is not there.
    let lie = wire::Acknowledge { conversation_id: id.to_bytes(), delivered_seq: 1_000, read_seq: 1_000 };
    world.ask(boris.session, Ask::Acknowledge(lie)).unwrap();
    assert!(world.pushes(anna.session).is_empty());
}

#[test]
fn cursors_go_to_disk_together_and_outlive_a_restart() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let id = world.group(&mut anna, &mut [&mut boris, &mut carla]);
    let seq = world.say(&mut anna, id, "seen?").unwrap();
    world.pass_ms(2_000);
    world.stalled = true;
    for phone in [&boris, &carla] {
        let ack = wire::Acknowledge { conversation_id: id.to_bytes(), delivered_seq: seq, read_seq: seq };
        world.ask(phone.session, Ask::Acknowledge(ack)).unwrap();
    }
    assert_eq!(world.batches_waiting(), 0, "no cursor is worth an fsync of its own");
    world.pass_ms(1_000);
    assert_eq!(world.batches_waiting(), 1);
    world.stalled = false;
    world.make_durable();
    world.restart();
    world.sign_in(&mut anna);
    let heads = world.pushes(anna.session).into_iter().find_map(|push| match push {
        Push::Heads(heads) => heads.conversations.into_iter().next(),
        _ => None,
    });
    let receipts: Vec<_> = heads.unwrap().receipts.iter().map(|r| (r.delivered_seq, r.read_seq)).collect();
    assert_eq!(receipts, [(seq, seq), (seq, seq)]);
}

#[test]
fn a_senders_order_survives_looking_up_what_may_have_been_sent_before() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let id = world.direct(&mut anna, &mut boris);
    world.pushes(boris.session);
    world.held_reads = Some(Vec::new());
    for (text, again) in [("first", true), ("second", true), ("third", false)] {
        let message = wire::SendMessage { again, ..world.message(&mut anna, id, text) };
        assert!(world.try_ask(anna.session, Ask::SendMessage(message)).is_none(), "{text} must wait in line");
    }
    // The store's readers answer in another order than they were asked in.
    for (session, request_id, query) in world.held_reads.take().unwrap().into_iter().rev() {
        let answer = Ok(world.store.read_now(&query));
        world.input(wardline_signaling::Input::Answered { session, request_id, answer });
    }
    assert_eq!(world.catch_up(&mut boris, id), ["first", "second", "third"]);
}

#[test]
fn a_lookup_that_fails_takes_the_line_behind_it_along() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let id = world.direct(&mut anna, &mut boris);
    world.held_reads = Some(Vec::new());
    let mut requests = Vec::new();
    for (text, again) in [("first", true), ("second", false)] {
        let message = wire::SendMessage { again, ..world.message(&mut anna, id, text) };
        world.try_ask(anna.session, Ask::SendMessage(message));
        requests.push(world.last_request());
    }
    let (session, request_id, _) = world.held_reads.take().unwrap().remove(0);
    let failed = wardline_protocol::WireError::new(Code::Storage, "the disk");
    world.input(wardline_signaling::Input::Answered { session, request_id, answer: Err(failed) });
    for request in requests {
        assert_eq!(world.late_response(anna.session, request).unwrap().err().unwrap().code, Code::Storage);
    }
    assert_eq!(world.say(&mut anna, id, "later").unwrap(), 2, "nothing was stored, and the line is free again");
}

#[test]
fn who_writes_is_told_to_the_other_accounts_that_are_connected_and_kept_nowhere() {
    let mut world = World::new();
    let (mut anna, mut boris, carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let id = world.direct(&mut anna, &mut boris);
    let chain = world.chain_of(&anna, anna.device, anna.account);
    let tablet = world.further_device(&anna, &chain);
    let typing = |typing| Ask::ShowTyping(wire::ShowTyping { conversation_id: id.to_bytes(), typing });
    for phone in [&anna, &boris, &tablet] {
        world.pushes(phone.session);
    }
    world.ask(anna.session, typing(true)).unwrap();
    let told = |pushes: Vec<Push>| {
        pushes.into_iter().filter_map(|push| match push {
            Push::Typing(typing) => Some((typing.account_id, typing.typing)),
            _ => None,
        })
    };
    assert_eq!(told(world.pushes(boris.session)).collect::<Vec<_>>(), [(anna.account.to_bytes(), true)]);
    assert_eq!(told(world.pushes(anna.session)).count() + told(world.pushes(tablet.session)).count(), 0, "not herself");
    assert_eq!(world.refused(carla.session, typing(true)), Code::UnknownConversation);
    assert_eq!(world.batches_waiting(), 0, "nothing is written");
    world.sign_in(&mut boris);
    assert_eq!(told(world.pushes(boris.session)).count(), 0);
}
