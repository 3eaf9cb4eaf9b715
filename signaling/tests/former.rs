//! What a device may still read of a group that it was taken out of, and what not.
mod world;

use wardline_e2ee::{Change, roster};
use wardline_protocol::wire::{self, client_frame::Body as Ask, response::Result as Said, server_frame::Body as Push};
use wardline_protocol::{Code, ConversationId, WireError};
use wardline_signaling::{Input, limit::FORMER_TIMES_MAX};
use world::{Phone, World};

fn head_of(world: &mut World, phone: &Phone, id: ConversationId) -> Option<wire::ConversationHead> {
    let heads = world.pushes(phone.session).into_iter().filter_map(|push| match push {
        Push::Heads(heads) => Some(heads.conversations),
        _ => None,
    });
    heads.flatten().find(|head| head.conversation_id == id.as_bytes().as_slice())
}

fn fetch(world: &mut World, phone: &Phone, id: ConversationId, from_seq: u64) -> Result<wire::Log, WireError> {
    let fetch = wire::FetchLog { conversation_id: id.to_bytes(), from_seq };
    match world.ask(phone.session, Ask::FetchLog(fetch))? {
        Said::Log(log) => Ok(log),
        _ => panic!("not a log"),
    }
}

fn acknowledge(world: &mut World, phone: &Phone, id: ConversationId, delivered_seq: u64) {
    let acknowledge = wire::Acknowledge { conversation_id: id.to_bytes(), delivered_seq, read_seq: 0 };
    world.ask(phone.session, Ask::Acknowledge(acknowledge)).unwrap();
}

/// Gives the seq of the commit.
fn take_out(world: &mut World, by: &mut Phone, id: ConversationId, whom: &Phone) -> u64 {
    let change = Change {
        remove_devices: vec![whom.device],
        roster: Some(roster::without(&by.engine.roster(id).unwrap(), whom.account)),
        ..Default::default()
    };
    let Said::Committed(committed) = world.submit(by, id, change).unwrap() else { panic!("not committed") };
    world.catch_up(by, id);
    committed.seq
}

/// Gives the first seq of the new time.
fn add_again(world: &mut World, by: &mut Phone, id: ConversationId, whom: &Phone) -> u64 {
    let add_key_packages = world.key_packages(by, &[whom.account]);
    let roster = Some(roster::with(&by.engine.roster(id).unwrap(), whom.account, false));
    let said = world.submit(by, id, Change { add_key_packages, roster, ..Default::default() }).unwrap();
    let Said::Committed(committed) = said else { panic!("not committed") };
    world.catch_up(by, id);
    committed.seq + 1
}

#[test]
fn who_was_taken_out_while_behind_reads_to_the_removal_and_no_further() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let id = world.group(&mut anna, &mut [&mut boris, &mut carla]);
    world.hang_up_line(&carla);
    world.say(&mut anna, id, "before").unwrap();
    let left_seq = take_out(&mut world, &mut anna, id, &carla);
    world.say(&mut anna, id, "after").unwrap();
    world.restart();

    world.sign_in(&mut carla);
    let head = head_of(&mut world, &carla, id).expect("there is something left to read");
    assert_eq!((head.joined, head.former, head.left_seq, head.head_seq), (false, true, left_seq, left_seq));
    assert_eq!((head.epoch, head.receipts.len()), (0, 0), "how it went on is not told");
    let log = fetch(&mut world, &carla, id, 2).unwrap();
    assert_eq!((log.head_seq, log.entries.last().unwrap().seq), (left_seq, left_seq));
    assert_eq!(world.apply(&mut carla, id, log.entries), ["before"]);
    assert!(!carla.engine.is_member(id), "the last entry is its removal");
    assert_eq!(fetch(&mut world, &carla, id, left_seq + 1).err().unwrap().code, Code::UnknownConversation);
    let info = wire::FetchGroupInfo { conversation_id: id.to_bytes() };
    assert_eq!(world.refused(carla.session, Ask::FetchGroupInfo(info)), Code::UnknownConversation);

    // Once it says that it has stored the end, nothing is kept for it.
    acknowledge(&mut world, &carla, id, left_seq);
    assert!(world.store.load_now().conversations.iter().all(|row| row.former.is_empty()));
    assert_eq!(fetch(&mut world, &carla, id, 2).err().unwrap().code, Code::UnknownConversation);
    world.sign_in(&mut carla);
    assert!(head_of(&mut world, &carla, id).is_none());
}

#[test]
fn who_never_was_in_the_group_gets_nothing() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let dora = world.person("dora");
    let id = world.group(&mut anna, &mut [&mut boris, &mut carla]);
    world.hang_up_line(&carla);
    world.say(&mut anna, id, "before").unwrap();
    take_out(&mut world, &mut anna, id, &carla);
    assert_eq!(fetch(&mut world, &dora, id, 1).err().unwrap().code, Code::UnknownConversation);
    // Nor does somebody who has everything and was taken out: there is nothing kept.
    world.sign_in(&mut carla);
    acknowledge(&mut world, &carla, id, 1_000);
    assert_eq!(fetch(&mut world, &carla, id, 1).err().unwrap().code, Code::UnknownConversation);
}

#[test]
fn a_locked_account_reads_nothing_until_it_is_unlocked() {
    let mut world = World::new();
    let (mut anna, mut carla) = (world.person("anna"), world.person("carla"));
    let id = world.group(&mut anna, &mut [&mut carla]);
    world.hang_up_line(&carla);
    world.say(&mut anna, id, "before").unwrap();
    let admin = world.admin();
    let lock = |locked| Ask::LockAccount(wire::LockAccount { account_id: carla.account.to_bytes(), locked });
    world.pushes(anna.session);
    world.ask(admin, lock(true)).unwrap();
    let lease = world.pushes(anna.session).into_iter().find_map(|push| match push {
        Push::CommitLease(lease) => Some(lease),
        _ => None,
    });
    let proposals = lease.expect("anna is the only one left").proposals.iter().map(|p| p.to_vec()).collect();
    world.submit(&mut anna, id, Change { proposals, ..Default::default() }).unwrap();
    assert_eq!(world.try_sign_in(&carla).1.err().unwrap().code, Code::AccountLocked);

    world.ask(admin, lock(false)).unwrap();
    world.sign_in(&mut carla);
    let head = head_of(&mut world, &carla, id).unwrap();
    assert_eq!(
        (head.joined, head.former, head.left_seq),
        (false, false, 3),
        "it may join again, and has something to read"
    );
    let log = fetch(&mut world, &carla, id, 2).unwrap();
    assert_eq!(world.apply(&mut carla, id, log.entries), ["before"]);
    assert!(!carla.engine.is_member(id));
    assert_eq!(fetch(&mut world, &carla, id, 4).err().unwrap().code, Code::Orphaned, "still on the roster");
}

#[test]
fn each_time_in_the_group_ends_by_itself() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let id = world.group(&mut anna, &mut [&mut boris, &mut carla]);
    world.hang_up_line(&carla);
    let first_end = take_out(&mut world, &mut anna, id, &carla);
    world.say(&mut anna, id, "between").unwrap();
    let second = add_again(&mut world, &mut anna, id, &carla);
    world.say(&mut anna, id, "again").unwrap();

    // In the group again, and the first time not read yet: both are there, and what lies between is not.
    world.sign_in(&mut carla);
    let head = head_of(&mut world, &carla, id).unwrap();
    assert_eq!((head.joined, head.former, head.left_seq, head.first_seq), (true, false, first_end, second));
    let seqs = |log: wire::Log| log.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>();
    assert_eq!(seqs(fetch(&mut world, &carla, id, 2).unwrap()), [first_end]);
    assert_eq!(seqs(fetch(&mut world, &carla, id, first_end + 1).unwrap()), [second], "from the new beginning on");

    let second_end = take_out(&mut world, &mut anna, id, &carla);
    world.say(&mut anna, id, "after").unwrap();
    world.restart();
    world.sign_in(&mut carla);
    assert_eq!(head_of(&mut world, &carla, id).unwrap().left_seq, second_end);
    assert_eq!(seqs(fetch(&mut world, &carla, id, 2).unwrap()), [first_end]);
    assert_eq!(seqs(fetch(&mut world, &carla, id, second).unwrap()), [second, second_end]);
    assert_eq!(seqs(fetch(&mut world, &carla, id, first_end + 1).unwrap()), [second, second_end]);
    assert_eq!(fetch(&mut world, &carla, id, second_end + 1).err().unwrap().code, Code::UnknownConversation);
    acknowledge(&mut world, &carla, id, first_end);
    assert_eq!(seqs(fetch(&mut world, &carla, id, 2).unwrap()), [second, second_end], "the first is not kept any more");
    assert_eq!(seqs(fetch(&mut world, &carla, id, second).unwrap()), [second, second_end]);
}

#[test]
fn not_more_than_so_many_times_are_kept() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let id = world.group(&mut anna, &mut [&mut boris, &mut carla]);
    world.hang_up_line(&carla);
    let first_end = take_out(&mut world, &mut anna, id, &carla);
    for _ in 0..FORMER_TIMES_MAX {
        add_again(&mut world, &mut anna, id, &carla);
        take_out(&mut world, &mut anna, id, &carla);
    }
    let row = world.store.load_now().conversations.into_iter().find(|row| row.conversation_id == id).unwrap();
    assert_eq!(row.former.len(), FORMER_TIMES_MAX);
    assert_eq!(row.former[0].left_seq, first_end, "the oldest is what the device can read");
}

#[test]
fn who_leaves_reads_on_until_it_is_out() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let id = world.group(&mut anna, &mut [&mut boris, &mut carla]);
    world.say(&mut anna, id, "before").unwrap();
    world.hang_up_line(&anna);
    world.hang_up_line(&boris);
    let leave = wire::LeaveConversation { conversation_id: id.to_bytes() };
    world.ask(carla.session, Ask::LeaveConversation(leave)).unwrap();
    world.sign_in(&mut carla);
    let head = head_of(&mut world, &carla, id).expect("it is in the group until somebody commits");
    assert_eq!((head.joined, head.former, head.left_seq), (true, true, 0));
    assert_eq!(fetch(&mut world, &carla, id, 1).unwrap().head_seq, 2);
    assert_eq!(world.say(&mut carla, id, "x").err().unwrap().code, Code::UnknownConversation);
}

#[test]
fn a_removal_while_the_store_reads_still_ends_the_page() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let id = world.group(&mut anna, &mut [&mut boris, &mut carla]);
    world.held_reads = Some(Vec::new());
    let request = Ask::FetchLog(wire::FetchLog { conversation_id: id.to_bytes(), from_seq: 2 });
    assert!(world.try_ask(carla.session, request).is_none());
    let asked = world.last_request();
    let held = world.held_reads.take().unwrap();
    let left_seq = take_out(&mut world, &mut anna, id, &carla);
    world.say(&mut anna, id, "after").unwrap();
    for (session, request_id, query) in held {
        let answer = Ok(world.store.read_now(&query));
        world.input(Input::Answered { session, request_id, answer });
    }
    let Some(Ok(Said::Log(log))) = world.late_response(carla.session, asked) else { panic!("no log") };
    assert_eq!((log.head_seq, log.entries.len()), (left_seq, 1));
}

#[test]
fn nothing_is_kept_for_a_revoked_device() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let id = world.group(&mut anna, &mut [&mut boris, &mut carla]);
    world.hang_up_line(&carla);
    take_out(&mut world, &mut anna, id, &carla);
    assert_eq!(world.store.load_now().conversations[0].former.len(), 1);
    let admin = world.admin();
    world.ask(admin, Ask::RevokeDevice(wire::RevokeDevice { device_id: carla.device.to_bytes() })).unwrap();
    assert!(world.store.load_now().conversations[0].former.is_empty());
}
