//! A call between Alice and Bob, and what an SFU that keeps, changes or repeats frames achieves.
// Clippy spares only functions marked as tests, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use support::*;
use wardline_e2ee::media::{MediaEpoch, MediaError, OLD_EPOCH_KEEP_MS, Receiver, Sender};
use wardline_e2ee::{Change, Engine, SPENT_CALLS_MAX, roster};
use wardline_protocol::CallId;

const CALL: CallId = CallId::from_bytes([0xCA; 16]);

struct Call {
    world: World,
    node: Node,
    alice: Engine,
    bob: Engine,
}

impl Call {
    fn new() -> Self {
        let mut world = World::new();
        let (a, b) = (world.person("alice"), world.person("bob"));
        let (mut alice, mut bob) = (a.engine(), b.engine());
        let mut node = Node::create(&mut alice, roster::direct(a.account, b.account), &world);
        add(&mut node, &mut alice, &mut [&mut bob], None, &world);
        Self { world, node, alice, bob }
    }

    fn of(&self, engine: &Engine) -> MediaEpoch {
        engine.media_epoch(ID, &CALL).unwrap()
    }

    fn sender(&self, context_id: u32) -> Sender {
        Sender::new(self.of(&self.alice), context_id).unwrap()
    }

    fn receiver(&self) -> Receiver {
        let mut receiver = Receiver::new(self.alice.account_id());
        receiver.update(self.of(&self.bob), NOW);
        receiver
    }

    fn commit(&mut self) {
        let pending = self.alice.commit(ID, Change::default(), self.world.directory(), NOW).unwrap();
        self.node.submit(&pending);
        process(&mut self.alice, self.node.log.last().unwrap(), &self.world).unwrap();
        process(&mut self.bob, self.node.log.last().unwrap(), &self.world).unwrap();
    }
}

#[test]
fn a_frame_arrives_once_in_any_order() {
    let call = Call::new();
    let (mut sender, mut receiver) = (call.sender(7), call.receiver());
    let frames: Vec<_> = (0u8..100).map(|n| sender.seal(&[n; 60], 3).unwrap()).collect();
    for (n, frame) in frames.iter().enumerate().rev() {
        assert_eq!(frame[..3], [n as u8; 3], "clear bytes stay in front");
        let opened = receiver.open(frame, 3, NOW).unwrap();
        assert_eq!(opened.payload, [n as u8; 60]);
        assert_eq!((opened.counter, opened.context_id, opened.leaf), (n as u64, 7, 0));
    }
    for frame in &frames {
        assert_eq!(receiver.open(frame, 3, NOW).unwrap_err(), MediaError::Replayed);
    }
}

#[test]
fn nothing_in_a_frame_can_be_changed() {
    let call = Call::new();
    let (mut sender, mut receiver) = (call.sender(1), call.receiver());
    let frame = sender.seal(b"clear and secret", 6).unwrap();
    for at in 0..frame.len() {
        let mut changed = frame.clone();
        changed[at] ^= 1;
        receiver.open(&changed, 6, NOW).unwrap_err();
        receiver.open(&frame[..at], 6.min(at), NOW).unwrap_err();
    }
    for clear_len in [0, 5, 7] {
        receiver.open(&frame, clear_len, NOW).unwrap_err();
    }
    receiver.open(&frame, 6, NOW).unwrap();
    assert_eq!(sender.seal(b"short", 6), Err(MediaError::Malformed));
}

#[test]
fn frames_of_an_earlier_call_do_not_open() {
    let call = Call::new();
    let earlier = CallId::from_bytes([0xCB; 16]);
    let mut old = Sender::new(call.alice.media_epoch(ID, &earlier).unwrap(), 1).unwrap();
    let frame = old.seal(b"said yesterday", 0).unwrap();
    let mut receiver = call.receiver();
    assert_eq!(receiver.open(&frame, 0, NOW).unwrap_err(), MediaError::Forged);
    receiver.open(&call.sender(1).seal(b"said now", 0).unwrap(), 0, NOW).unwrap();
}

#[test]
fn only_the_peers_leaves_speak() {
    let call = Call::new();
    // Bob's own frames, reflected.
    let mut own = Sender::new(call.of(&call.bob), 1).unwrap();
    let mut receiver = call.receiver();
    assert_eq!(receiver.open(&own.seal(b"echo", 0).unwrap(), 0, NOW).unwrap_err(), MediaError::WrongSender);
    let mut other = Receiver::new(call.bob.account_id());
    other.update(call.of(&call.alice), NOW);
    assert_eq!(other.open(&call.sender(1).seal(b"x", 0).unwrap(), 0, NOW).unwrap_err(), MediaError::WrongSender);
    let mut empty = Receiver::new(call.alice.account_id());
    assert_eq!(empty.open(&call.sender(1).seal(b"x", 0).unwrap(), 0, NOW).unwrap_err(), MediaError::UnknownEpoch);
}

#[test]
fn a_commit_changes_the_keys_and_the_old_ones_go_after_five_seconds() {
    let mut call = Call::new();
    let (mut sender, mut receiver) = (call.sender(1), call.receiver());
    let before = [sender.seal(b"one", 0).unwrap(), sender.seal(b"two", 0).unwrap(), sender.seal(b"three", 0).unwrap()];
    call.commit();
    sender.update(call.of(&call.alice)).unwrap();
    assert_eq!(sender.epoch(), 2);
    let after = sender.seal(b"four", 0).unwrap();
    assert_eq!(receiver.open(&after, 0, NOW).unwrap_err(), MediaError::UnknownEpoch, "the sender saw it first");
    receiver.open(&before[0], 0, NOW).unwrap();
    receiver.update(call.of(&call.bob), NOW);
    assert_eq!(receiver.open(&after, 0, NOW).unwrap().epoch, 2);
    assert_eq!(receiver.open(&before[0], 0, NOW).unwrap_err(), MediaError::Replayed);
    assert_eq!(receiver.open(&before[1], 0, NOW + OLD_EPOCH_KEEP_MS - 1).unwrap().epoch, 1);
    assert_eq!(receiver.open(&before[2], 0, NOW + OLD_EPOCH_KEEP_MS).unwrap_err(), MediaError::UnknownEpoch);
    receiver.open(&sender.seal(b"five", 0).unwrap(), 0, NOW + 100 * OLD_EPOCH_KEEP_MS).unwrap();
}

#[test]
fn the_same_epoch_told_again_restarts_nothing() {
    let call = Call::new();
    let (mut sender, mut receiver) = (call.sender(1), call.receiver());
    let first = sender.seal(b"frame", 0).unwrap();
    sender.update(call.of(&call.alice)).unwrap();
    let second = sender.seal(b"frame", 0).unwrap();
    assert_ne!(first, second, "a counter used twice under one key would give the key away");
    assert_eq!(receiver.open(&first, 0, NOW).unwrap().counter, 0);
    receiver.update(call.of(&call.bob), NOW);
    assert_eq!(receiver.open(&first, 0, NOW).unwrap_err(), MediaError::Replayed);
    assert_eq!(receiver.open(&second, 0, NOW).unwrap().counter, 1);
}

#[test]
fn every_track_has_a_key_of_its_own() {
    let call = Call::new();
    let (mut one, mut other) = (call.sender(1), call.sender(2));
    let (a, b) = (one.seal(b"same", 0).unwrap(), other.seal(b"same", 0).unwrap());
    assert_ne!(a[a.len() - 16..], b[b.len() - 16..]);
    let mut receiver = call.receiver();
    assert_eq!(receiver.open(&a, 0, NOW).unwrap().context_id, 1);
    assert_eq!(receiver.open(&b, 0, NOW).unwrap().context_id, 2);
}

#[test]
fn who_was_removed_hears_no_more() {
    let mut world = World::new();
    let papers = [world.person("alice"), world.person("bob"), world.person("carol")];
    let [mut alice, mut bob, mut carol] = papers.each_ref().map(Papers::engine);
    let [a, b, c] = papers.each_ref().map(|papers| papers.account);
    let mut node = Node::create(&mut alice, roster::group([(a, true), (b, false), (c, false)]), &world);
    add(&mut node, &mut alice, &mut [&mut bob, &mut carol], None, &world);
    let mut receiver = Receiver::new(a);
    receiver.update(carol.media_epoch(ID, &CALL).unwrap(), NOW);
    let mut sender = Sender::new(alice.media_epoch(ID, &CALL).unwrap(), 1).unwrap();
    receiver.open(&sender.seal(b"all three", 0).unwrap(), 0, NOW).unwrap();
    let change = Change { remove_devices: vec![papers[2].device], ..Change::default() };
    let pending = alice.commit(ID, change, world.directory(), NOW).unwrap();
    node.submit(&pending);
    for engine in [&mut alice, &mut bob, &mut carol] {
        process(engine, node.log.last().unwrap(), &world).unwrap();
    }
    sender.update(alice.media_epoch(ID, &CALL).unwrap()).unwrap();
    assert!(carol.media_epoch(ID, &CALL).is_err());
    let frame = sender.seal(b"two", 0).unwrap();
    assert_eq!(receiver.open(&frame, 0, NOW).unwrap_err(), MediaError::UnknownEpoch);
    let mut receiver = Receiver::new(a);
    receiver.update(bob.media_epoch(ID, &CALL).unwrap(), NOW);
    receiver.open(&frame, 0, NOW).unwrap();
}

#[test]
fn a_call_is_spent_for_its_epoch_and_across_a_restart() {
    let mut world = World::new();
    let papers = [world.person("alice"), world.person("bob")];
    let [mut alice, mut bob] = papers.each_ref().map(Papers::engine);
    let mut node = Node::create(&mut alice, roster::direct(papers[0].account, papers[1].account), &world);
    add(&mut node, &mut alice, &mut [&mut bob], None, &world);
    let mut disk = Disk::default();
    assert!(!alice.is_call_spent(ID, &CALL));
    assert_eq!(alice.spend_call(ID, &CALL).unwrap(), Some(1));
    assert_eq!(alice.spend_call(ID, &CALL).unwrap(), None, "noted before");
    disk.restart(&mut alice, &papers[0]);
    assert!(alice.is_call_spent(ID, &CALL));
    let number = |n: usize| CallId::from_bytes((n as u128).to_be_bytes());
    for n in 2..=SPENT_CALLS_MAX {
        assert!(!alice.is_call_spent(ID, &number(n)));
        assert_eq!(alice.spend_call(ID, &number(n)).unwrap(), Some(n));
    }
    assert!(alice.is_call_spent(ID, &number(0)), "when nothing more can be noted, nothing counts as fresh");
    assert_eq!(alice.spend_call(ID, &number(0)).unwrap(), None);
    let pending = alice.commit(ID, Change::default(), world.directory(), NOW).unwrap();
    node.submit(&pending);
    process(&mut alice, node.log.last().unwrap(), &world).unwrap();
    assert!(!alice.is_call_spent(ID, &CALL), "other keys");
    assert_eq!(alice.spend_call(ID, &CALL).unwrap(), Some(1));
}
