//! Nothing is forwarded from a participant before the node allows it.
use crate::support::world::{Link, World};
use std::time::Duration;
use wardline_sfu::{DropCause, Event};

#[test]
fn while_it_rings_nothing_is_heard() {
    let mut world = World::new(1, Link::GOOD);
    world.join(1);
    world.join(2);
    world.run_until(|world| world.peers.iter().all(|peer| peer.connected));
    world.run(Duration::from_millis(100));
    world.speak(&[0, 1], 20);
    assert!(world.peers.iter().all(|peer| peer.heard.is_empty()));
    assert_eq!(world.dropped(DropCause::NotAllowed), 2 * 20);

    // Only the caller may speak.
    world.run(Duration::from_millis(100));
    world.allow(1, true);
    world.speak(&[0, 1], 20);
    world.run(Duration::from_millis(100));
    assert_eq!((world.peers[0].heard.len(), world.peers[1].heard.len()), (0, 20));
    assert_eq!(world.count(|e| matches!(e, Event::FirstPacket { .. })), 1);
}

#[test]
fn a_pause_is_no_loss_to_the_receiver() {
    let mut world = World::call(2, Link::GOOD);
    world.speak(&[0], 10);
    world.run(Duration::from_millis(100));
    world.allow(1, false);
    world.speak(&[0], 50);
    world.run(Duration::from_millis(100));
    let silent = world.peers[1].heard.len();
    assert_eq!(silent, 10);
    world.allow(1, true);
    world.speak(&[0], 10);
    world.run(Duration::from_millis(100));
    let heard = &world.peers[1].heard;
    assert_eq!(heard.len(), 20);
    assert_eq!(heard[10].seq, heard[9].seq + 1);
    let passed_ms = heard[10].time.wrapping_sub(heard[9].time) / 48;
    assert!((1_000..1_400).contains(&passed_ms), "the clock shows the pause: {passed_ms} ms");
}

#[test]
fn the_first_packet_is_told_with_its_delay() {
    let mut world = World::call(3, Link::GOOD);
    let allowed = world.now;
    world.run(Duration::from_millis(300));
    world.speak(&[1], 3);
    world.run(Duration::from_millis(100));
    let told: Vec<_> = world.events.iter().filter(|(_, e)| matches!(e, Event::FirstPacket { .. })).collect();
    assert_eq!(told.len(), 1);
    let (at, Event::FirstPacket { after_allowed, .. }) = told[0] else { unreachable!() };
    assert_eq!(*after_allowed, *at - allowed);
    assert!(*after_allowed >= Duration::from_millis(300) && *after_allowed < Duration::from_millis(320));
}

#[test]
fn to_a_participant_that_is_not_connected_packets_are_dropped_not_queued() {
    let mut world = World::new(4, Link::GOOD);
    world.join(1);
    world.run_until(|world| world.peers[0].connected);
    world.run(Duration::from_millis(100));
    let mut late = world.device(2);
    let offer = late.call_offer(world.now);
    let late_address = late.address;
    world.cut.push(late_address);
    world.enter(2, late, &offer).unwrap();
    world.allow(1, true);
    world.speak(&[0], 25);
    world.run(Duration::from_millis(20));
    assert_eq!(world.dropped(DropCause::ReceiverNotReady), 25);
    world.cut.clear();
    world.run_until(|world| world.peers[1].connected);
    world.run(Duration::from_millis(500));
    assert!(world.peers[1].heard.is_empty(), "nothing old arrives");
    world.speak(&[0], 25);
    world.run(Duration::from_millis(100));
    assert_eq!(world.peers[1].heard.len(), 25);
}
