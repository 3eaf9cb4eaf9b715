//! Random schedules of joins, leaves, sends, drops, reconnects, crashes, duplicate and reordered deliveries and lease expiries between
//! eight devices, through the shipped plane and the shipped client core. `WARDLINE_SCHEDULES` sets how many, `WARDLINE_SCHEDULE` picks one.
// Clippy spares only functions marked as tests, not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod former;

use std::collections::BTreeMap;
use wardline_client::core::{Command, Reply};
use wardline_protocol::{ConversationId, MessageId, wire};
use wardline_schedules::{Time, World};
use wardline_signaling::{Answer, Query};

/// What a short run plays; the long one (`make soak`) plays 1,000.
const SCHEDULES: u64 = 60;
const ACCOUNTS: usize = 6;
const STEPS: usize = 150;

#[test]
fn no_schedule_loses_a_message_or_splits_a_group() {
    if let Some(one) = number("WARDLINE_SCHEDULE") {
        return play(one);
    }
    let count = number("WARDLINE_SCHEDULES").unwrap_or(SCHEDULES);
    for seed in 0..count {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "schedule {seed} failed: WARDLINE_SCHEDULE={seed} plays it alone");
    }
    println!("{count} schedules of {STEPS} steps played");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// A world with a group of the first four accounts, everybody level.
fn found(seed: u64) -> (World, ConversationId) {
    let mut world = World::new(seed, ACCOUNTS);
    for device in 0..world.devices.len() {
        world.connect(device);
    }
    world.settle();
    let accounts: Vec<_> = world.devices.iter().map(|device| device.account).collect();
    let founded = world.command(0, Command::CreateGroup { title: "Station".into(), accounts: accounts[1..4].to_vec() });
    world.settle();
    let group = match world.devices[0].replies.remove(&founded) {
        Some(Ok(Reply::Conversation(id))) => id,
        Some(Err(why)) => panic!("no group: {why}"),
        _ => panic!("the group was not founded"),
    };
    (world, group)
}

fn play(seed: u64) {
    let (mut world, group) = found(seed);
    let accounts: Vec<_> = world.devices.iter().map(|device| device.account).collect();
    let mut sent = 0;
    for _ in 0..STEPS {
        step(&mut world, group, &accounts, &mut sent);
    }
    // Everything comes back and comes to rest.
    for account in &accounts[..ACCOUNTS] {
        world.lock(*account, false);
    }
    world.settle();
    // A time in the group whose Welcome was withdrawn is named, and given up, at the next sign-in.
    (0..world.devices.len()).for_each(|device| world.cut(device));
    world.settle();
    check(&world, group);
}

fn step(world: &mut World, group: ConversationId, accounts: &[wardline_protocol::AccountId], sent: &mut u64) {
    let device = world.dice.below(world.devices.len());
    let account = accounts[1 + world.dice.below(ACCOUNTS - 1)];
    match world.dice.below(100) {
        0..=29 => {
            for _ in 0..world.dice.below(6) {
                world.carry_up(device);
            }
        }
        30..=59 => {
            for _ in 0..world.dice.below(6) {
                world.carry_down(device);
            }
        }
        60..=74 => {
            if world.devices[device].core.members(&group).is_empty() {
                return;
            }
            *sent += 1;
            let text = format!("message {sent} by {device}");
            world.command(device, Command::Send { conversation: group, text });
        }
        75..=80 => {
            let batches = 1 + world.dice.below(4);
            world.sync(batches);
        }
        81..=84 => world.cut(device),
        85..=88 => world.connect(device),
        89 => world.crash(device),
        90 => world.kill_node(),
        91..=93 => {
            let ms = world.dice.below(3_000) as u64;
            world.pass_ms(ms);
        }
        94 => {
            world.command(0, Command::AddAccounts { conversation: group, accounts: vec![account] });
        }
        95 => {
            world.taken_out.insert(account);
            world.command(0, Command::RemoveAccounts { conversation: group, accounts: vec![account] });
        }
        96 => {
            if device != 0 && world.devices[device].account != accounts[0] {
                world.taken_out.insert(world.devices[device].account);
                world.command(device, Command::Leave { conversation: group });
            }
        }
        97 => {
            world.command(device, Command::Refresh { conversation: group });
        }
        _ => {
            let locked = world.dice.chance(60);
            world.lock(account, locked);
        }
    }
}

fn check(world: &World, group: ConversationId) {
    let log = log_of(world, group);
    let mut places: BTreeMap<MessageId, u64> = BTreeMap::new();
    for entry in &log {
        if let Some(wire::entry::Content::Message(message)) = &entry.content {
            let id = MessageId::parse(&message.message_id).unwrap();
            assert_eq!(places.insert(id, entry.seq), None, "a message is in the log twice");
        }
    }
    let row = world.store.load_now().conversations.into_iter().find(|row| row.conversation_id == group).unwrap();
    let mut epoch = None;
    for (number, device) in world.devices.iter().enumerate() {
        assert_eq!(device.complaints, Vec::<String>::new(), "device {number}");
        assert_eq!(device.undecryptable, 0, "device {number} could not decrypt something");
        let stayed = !world.taken_out.contains(&device.account);
        assert_eq!(device.missed, 0, "device {number} lost its place and missed something");
        assert!(!stayed || device.given_up == 0, "device {number} gave up {} messages", device.given_up);
        assert_eq!(device.core.waiting_messages(), 0, "device {number} still has something to send");
        for (id, (conversation, seq)) in &device.acknowledged {
            assert_eq!((conversation, places.get(id)), (&group, Some(seq)), "acknowledged, but not there");
        }
        for ((_, seq), (id, text)) in &device.shown {
            assert_eq!(places.get(id), Some(seq), "device {number} shows what is not in the log there");
            assert_eq!(world.texts.get(id), Some(text), "device {number} reads another text");
        }
        check_times(world, group, &log, number);
        if row.members.iter().any(|member| member.device_id == device.id) {
            let here = device.core.epoch(&group).expect("a member is in the group");
            assert_eq!(epoch.get_or_insert_with(|| here.clone()), &here, "device {number} is in another epoch");
        }
    }
    assert!(epoch.is_some(), "nobody is left in the group");
    assert!(row.former.is_empty(), "everybody is back and has read: nothing is kept any more: {:?}", row.former);
}

/// A device shows every text that was sent while it was a member, and none that was sent while it was not.
fn check_times(world: &World, group: ConversationId, log: &[wire::Entry], number: usize) {
    let device = &world.devices[number];
    let times = || world.times.of(&group).iter().filter(|time| time.device == device.id);
    let within = |time: &Time, seq: u64| time.first_seq <= seq && time.last_seq.is_none_or(|last| seq <= last);
    for entry in log {
        let Some(wire::entry::Content::Message(message)) = &entry.content else { continue };
        let id = MessageId::parse(&message.message_id).unwrap();
        if device.acknowledged.contains_key(&id) || !world.texts.contains_key(&id) {
            continue;
        }
        let shown = device.shown.contains_key(&(group, entry.seq));
        let owed = times().any(|time| within(time, entry.seq) && !time.withdrawn);
        assert!(shown || !owed, "device {number} missed {}: {:?}", entry.seq, times().collect::<Vec<_>>());
        assert!(
            !shown || times().any(|time| within(time, entry.seq)),
            "device {number} was no member at {}",
            entry.seq
        );
    }
}

fn log_of(world: &World, group: ConversationId) -> Vec<wire::Entry> {
    let mut log: Vec<wire::Entry> = Vec::new();
    loop {
        let from_seq = log.last().map_or(1, |entry| entry.seq + 1);
        let Answer::Log(page) = world.store.read_now(&Query::Log { conversation_id: group, from_seq }) else {
            panic!()
        };
        if page.is_empty() {
            return log;
        }
        log.extend(page);
    }
}
