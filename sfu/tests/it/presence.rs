//! Who is there, who is lost, and who came back.
use crate::support::world::{Link, World};
use crate::support::{ROOM, participant};
use std::time::Duration;
use wardline_sfu::core::{CONNECT_WITHIN, LOST_AFTER};
use wardline_sfu::{DropCause, Event};

fn lost(event: &Event) -> bool {
    matches!(event, Event::Lost { room, participant: who } if *room == ROOM && *who == participant(1))
}

fn resumed(event: &Event) -> bool {
    matches!(event, Event::Resumed { participant: who, .. } if *who == participant(1))
}

#[test]
fn a_silent_participant_is_lost_within_about_five_seconds_and_resumes_by_itself() {
    let mut world = World::call(1, Link::GOOD);
    world.speak(&[0, 1], 50);
    let (cut_at, alice) = (world.now, world.peers[0].address);
    world.cut.push(alice);
    world.run_until(|world| world.count(lost) == 1);
    let after = world.now - cut_at;
    assert!(after <= LOST_AFTER && after > LOST_AFTER - Duration::from_millis(100), "{after:?}");
    world.run(Duration::from_secs(6));
    assert_eq!(world.count(|e| matches!(e, Event::Lost { .. })), 1, "told once, and the other is not lost");
    assert_eq!(world.count(resumed), 0);
    world.cut.clear();
    world.speak(&[0, 1], 50);
    world.run(Duration::from_millis(100));
    assert_eq!(world.count(resumed), 1);
    assert!(world.peers[1].heard.len() >= 98, "heard again: {}", world.peers[1].heard.len());
}

#[test]
fn a_participant_that_says_nothing_but_answers_for_its_path_is_not_lost() {
    let mut world = World::call(2, Link::GOOD);
    world.run(Duration::from_secs(60));
    assert_eq!(world.count(|e| matches!(e, Event::Lost { .. })), 0);
    world.speak(&[0, 1], 5);
    world.run(Duration::from_millis(100));
    assert_eq!(world.peers[0].heard.len(), 5);
}

#[test]
fn an_offer_that_nobody_follows_up_is_told_as_lost() {
    let mut world = World::new(3, Link::GOOD);
    let mut peer = world.device(1);
    let offer = peer.call_offer(world.now);
    world.core.connect(world.now, ROOM, participant(1), &offer).unwrap();
    world.run(CONNECT_WITHIN - Duration::from_millis(1));
    assert_eq!(world.count(lost), 0);
    world.run(Duration::from_millis(2));
    assert_eq!(world.count(lost), 1);
}

#[test]
fn closing_the_connection_tells_lost_at_once_and_keeps_the_place() {
    let mut world = World::call(4, Link::GOOD);
    let now = world.now;
    world.peers[0].hang_up(now);
    world.run(Duration::from_millis(200));
    assert_eq!(world.count(lost), 1);
    assert_eq!((world.core.participants(), world.core.rooms()), (2, 1));
}

#[test]
fn disconnect_says_goodbye_and_leaves_nothing_behind() {
    let mut world = World::call(5, Link::GOOD);
    let now = world.now;
    assert!(!world.core.disconnect(now, ROOM, participant(1)));
    world.run(Duration::from_millis(100));
    assert!(world.peers[0].closed, "the client is told by DTLS");
    world.core.close_room(world.now, ROOM);
    assert_eq!((world.core.participants(), world.core.rooms()), (0, 0));
    let before = world.dropped(DropCause::UnknownSource);
    let (from, bytes) = world.arrived.last().cloned().unwrap();
    world.inject(from, &bytes);
    assert_eq!(world.dropped(DropCause::UnknownSource), before + 1);
    world.run(Duration::from_secs(20));
    assert_eq!(world.count(|e| matches!(e, Event::Lost { .. })), 0, "who was disconnected is not lost");
}
