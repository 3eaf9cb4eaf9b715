//! Reconnects and ICE restarts.
use crate::support::world::{Link, World};
use crate::support::{ROOM, participant};
use std::time::Duration;
use wardline_sfu::{ConnectError, Event};

#[test]
fn a_new_connection_replaces_the_old_one_and_the_others_hear_one_stream() {
    let mut world = World::call(1, Link::GOOD);
    world.speak(&[0, 1], 20);
    world.run(Duration::from_millis(50));
    // Alice's program starts again: a new device socket, a new certificate, numbers from elsewhere.
    let again = world.join(1);
    world.peers[again].seq = 123;
    world.peers[again].time = 7;
    world.run_until(|world| world.peers[again].connected);
    world.run(Duration::from_millis(100));
    assert_eq!(world.core.participants(), 2);
    world.speak(&[again, 1], 20);
    world.run(Duration::from_millis(50));
    let heard = &world.peers[1].heard;
    assert_eq!(heard.len(), 40, "she may still send");
    for pair in heard.windows(2) {
        assert_eq!((pair[1].ssrc, pair[1].seq), (pair[0].ssrc, pair[0].seq + 1));
    }
    assert_eq!(world.peers[again].heard.len(), 20, "and hears on the new connection");
    // The old connection is nobody now.
    let before = world.peers[1].heard.len();
    world.speak(&[0], 5);
    world.run(Duration::from_millis(50));
    assert_eq!(world.peers[1].heard.len(), before);
    assert_eq!(world.count(|e| matches!(e, Event::Lost { .. })), 0);
}

#[test]
fn an_ice_restart_keeps_the_connection() {
    let mut world = World::call(2, Link::GOOD);
    world.speak(&[0, 1], 20);
    // Alice moves from the Wi-Fi to the mobile network.
    let moved = "203.0.113.77:40000".parse().unwrap();
    world.cut.push(world.peers[0].address);
    world.run(Duration::from_secs(7));
    assert_eq!(world.count(|e| matches!(e, Event::Lost { .. })), 1);
    world.peers[0].address = moved;
    let now = world.now;
    let offer = world.peers[0].restart_offer(now);
    let answer = world.core.connect(now, ROOM, participant(1), &offer).unwrap();
    world.peers[0].answer(now, &answer);
    world.run_until(|world| world.count(|e| matches!(e, Event::Resumed { .. })) == 1);
    assert_eq!(world.count(|e| matches!(e, Event::Connected { .. })), 2, "no new DTLS");
    world.run(Duration::from_secs(1));
    let before = (world.peers[0].heard.len(), world.peers[1].heard.len());
    world.speak(&[0, 1], 20);
    world.run(Duration::from_millis(50));
    assert_eq!((world.peers[0].heard.len(), world.peers[1].heard.len()), (before.0 + 20, before.1 + 20));
    let (alice, bob) = (&world.peers[0].heard, &world.peers[1].heard);
    assert_eq!(alice.last().unwrap().ssrc, alice[0].ssrc);
    assert_eq!(bob.last().unwrap().ssrc, bob[0].ssrc);
}

#[test]
fn offers_that_cannot_be_answered_are_refused() {
    let mut world = World::new(3, Link::GOOD);
    let mut peer = world.device(1);
    let offer = peer.call_offer(world.now);
    let now = world.now;
    let mut connect = |offer: &str| world.core.connect(now, ROOM, participant(1), offer);
    assert_eq!(connect(""), Err(ConnectError::Offer));
    assert_eq!(connect("v=0\r\n"), Err(ConnectError::Offer));
    assert_eq!(connect(&"x".repeat(1 << 20)), Err(ConnectError::Offer));
    assert_eq!(connect(&offer.replace("a=fingerprint", "a=f")), Err(ConnectError::Offer));
    assert_eq!(connect(&offer.replace("a=ice-ufrag", "a=i")), Err(ConnectError::Offer));
    assert_eq!(connect(&offer.replace("opus/48000/2", "speex/8000")), Err(ConnectError::NoMedia));
    let many = offer.clone() + &"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(200);
    assert_eq!(connect(&many), Err(ConnectError::TooManyLines));
    assert_eq!(
        connect(&(offer.clone() + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n")),
        Err(ConnectError::Offer)
    );
    assert_eq!(world.core.participants(), 0);
    assert!(world.core.connect(now, ROOM, participant(1), &offer).is_ok());
}

#[test]
fn a_full_room_refuses_the_next_but_not_a_reconnect() {
    let mut world = World::new(4, Link::GOOD);
    for n in 1..=8 {
        world.join(n);
    }
    let mut peer = world.device(9);
    let offer = peer.call_offer(world.now);
    assert_eq!(world.enter(9, peer, &offer), Err(ConnectError::RoomFull));
    let mut peer = world.device(8);
    let offer = peer.call_offer(world.now);
    assert!(world.enter(8, peer, &offer).is_ok());
}

#[test]
fn the_answer_names_only_the_shard_and_the_offer_keeps_the_person_s_addresses_out() {
    let mut world = World::new(5, Link::GOOD);
    let mut peer = world.device(1);
    let offer = peer.call_offer(world.now);
    assert!(offer.contains("198.51.100.1"));
    let answer = world.core.connect(world.now, ROOM, participant(1), &offer).unwrap();
    let candidates: Vec<_> = answer.lines().filter(|line| line.starts_with("a=candidate:")).collect();
    assert_eq!(candidates.len(), 1, "{answer}");
    assert!(candidates[0].contains("192.0.2.1 7000 typ host"));
    assert!(answer.contains("a=ice-lite") && answer.contains("a=setup:passive"));
    assert!(!answer.contains("198.51.100.1"));
}
