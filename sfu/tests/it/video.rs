//! Video lines: forwarded as opaque packets, with resends and key-frame requests.
use crate::support::world::{Link, World};
use std::collections::HashSet;
use std::time::Duration;
use str0m::media::{Direction, MediaKind};

fn video_call(seed: u64, link: Link) -> World {
    let mut world = World::new(seed, link);
    for n in 1..=2 {
        let mut peer = world.device(n);
        let lines = [(MediaKind::Audio, Direction::SendRecv), (MediaKind::Video, Direction::SendRecv)];
        let offer = peer.offer(world.now, &lines);
        world.enter(n, peer, &offer).unwrap();
        world.allow(n, true);
    }
    world.run_until(|world| world.peers.iter().all(|peer| peer.connected));
    world.run(Duration::from_millis(200));
    world
}

#[test]
fn lost_video_packets_are_sent_again() {
    let mut world = video_call(1, Link { loss_percent: 3, ..Link::GOOD });
    for n in 0..400_u32 {
        let now = world.now;
        world.peers[0].speak_on(now, 1, &n.to_be_bytes());
        world.run(Duration::from_millis(10));
    }
    world.run(Duration::from_secs(1));
    let video = world.peers[1].lines[1];
    let heard: HashSet<_> = world.peers[1].heard.iter().filter(|h| h.mid == video).map(|h| h.payload.clone()).collect();
    // About 6 % were lost on the way; the last few may be without a later one that shows the gap.
    assert!(heard.len() >= 395, "{}", heard.len());
}

#[test]
fn a_key_frame_request_reaches_the_sender_once() {
    let mut world = video_call(2, Link::GOOD);
    let now = world.now;
    world.peers[0].speak_on(now, 1, b"frame");
    world.run(Duration::from_millis(100));
    assert_eq!(world.peers[0].key_frames_wanted, 1, "a new viewer needs one");
    world.run(Duration::from_secs(1));
    let (ssrc, now) = (world.peers[1].heard[0].ssrc, world.now);
    world.peers[1].ask_key_frame(now, ssrc);
    world.run(Duration::from_millis(100));
    assert_eq!(world.peers[0].key_frames_wanted, 2);
    for _ in 0..5 {
        let now = world.now;
        world.peers[1].ask_key_frame(now, ssrc);
        world.run(Duration::from_millis(20));
    }
    assert_eq!(world.peers[0].key_frames_wanted, 2, "many at once are one");
}

#[test]
fn the_packets_of_a_frame_leave_together() {
    let mut world = video_call(3, Link::GOOD);
    let arrived = |world: &World| world.peers[1].heard.iter().map(|heard| heard.at).collect::<Vec<_>>();
    let send = |world: &mut World, line, last| {
        let now = world.now;
        world.peers[0].send_on(now, line, b"packet", last);
    };
    // The first of a frame waits for the last, though that comes later.
    send(&mut world, 1, false);
    world.run(Duration::from_micros(200));
    send(&mut world, 1, true);
    let last_sent = world.now;
    world.run(Duration::from_millis(50));
    assert_eq!(arrived(&world), [last_sent + 2 * Link::GOOD.latency; 2]);
    // But not for long, when it does not come.
    send(&mut world, 1, false);
    let sent = world.now;
    world.run(Duration::from_millis(50));
    let waited = arrived(&world)[2] - sent - 2 * Link::GOOD.latency;
    assert!(waited > Duration::ZERO && waited < Duration::from_millis(1), "{waited:?}");
    // Voice never waits, and takes along what does.
    send(&mut world, 1, false);
    world.run(Duration::from_micros(50));
    send(&mut world, 0, false);
    let spoken = world.now;
    world.run(Duration::from_millis(50));
    assert_eq!(arrived(&world)[3..], [spoken + 2 * Link::GOOD.latency; 2]);
}

#[test]
fn what_waits_is_not_forwarded_when_sending_is_forbidden() {
    let mut world = video_call(4, Link::GOOD);
    let now = world.now;
    world.peers[0].send_on(now, 1, b"packet", false);
    world.run(Link::GOOD.latency + Duration::from_micros(100));
    world.allow(1, false);
    world.run(Duration::from_millis(50));
    assert!(world.peers[1].heard.is_empty(), "it was revoked before the packet left");
}
