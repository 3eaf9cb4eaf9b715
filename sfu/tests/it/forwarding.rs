//! What one says the others hear, in one continuous stream each.
use crate::support::peer::Heard;
use crate::support::world::{Link, World};
use std::collections::HashSet;
use str0m::media::{Direction, MediaKind};
use wardline_sfu::{DropCause, Event};

fn payloads(heard: &[Heard]) -> Vec<String> {
    heard.iter().map(|h| String::from_utf8(h.payload.clone()).unwrap()).collect()
}

#[test]
fn alice_and_bob_hear_each_other() {
    let mut world = World::call(1, Link::GOOD);
    world.speak(&[0, 1], 500);
    world.run(std::time::Duration::from_millis(100));
    for (listener, speaker) in [(0, 1), (1, 0)] {
        let heard = &world.peers[listener].heard;
        assert_eq!(heard.len(), 500, "all packets");
        assert!(payloads(heard).iter().all(|p| p.starts_with(&format!("{speaker}:"))), "and of the other only");
        assert_eq!(heard.iter().map(|h| h.ssrc).collect::<HashSet<_>>().len(), 1, "one stream");
        for pair in heard.windows(2) {
            assert_eq!((pair[1].seq, pair[1].time), (pair[0].seq + 1, pair[0].time.wrapping_add(960)));
        }
        assert!(heard[0].seq < 65_536);
        assert!(heard[0].marker && !heard[1].marker, "the marker begins the talk spurt");
        assert_eq!(heard[0].audio_level, Some(-30));
        assert_eq!(heard[0].mid, world.peers[listener].lines[0], "on the line of the call");
    }
    assert_eq!(world.core.counters().forwarded, 1_000);
    assert_eq!(world.count(|e| matches!(e, Event::Connected { .. })), 2);
    assert_eq!(world.count(|e| matches!(e, Event::FirstPacket { .. })), 2);
}

#[test]
fn a_bad_network_loses_packets_and_nothing_else() {
    for seed in 1..=5 {
        let mut world = World::call(seed, Link::BAD);
        world.speak(&[0, 1], 300);
        world.run(std::time::Duration::from_millis(300));
        for listener in [0, 1] {
            let heard = &world.peers[listener].heard;
            // 10 % are lost on each of two links.
            assert!((200..=280).contains(&heard.len()), "seed {seed}: {} of 300", heard.len());
            assert_eq!(heard.iter().map(|h| h.seq).collect::<HashSet<_>>().len(), heard.len());
            let reordered = heard.windows(2).filter(|pair| pair[1].seq < pair[0].seq).count();
            assert!(reordered > 0, "the network reorders");
            for h in heard {
                let said: u64 = payloads(std::slice::from_ref(h))[0].rsplit(':').next().unwrap().parse().unwrap();
                let (first, first_said) =
                    (heard[0].seq, payloads(&heard[..1])[0].rsplit(':').next().unwrap().parse::<u64>().unwrap());
                assert_eq!(h.seq.wrapping_sub(first), said.wrapping_sub(first_said), "numbers keep their distance");
            }
        }
    }
}

#[test]
fn three_in_a_room_hear_both_others_on_lines_of_their_own() {
    let mut world = World::new(3, Link::GOOD);
    for n in 1..=3 {
        let mut peer = world.device(n);
        let lines = [(MediaKind::Audio, Direction::SendRecv), (MediaKind::Audio, Direction::RecvOnly)];
        let offer = peer.offer(world.now, &lines);
        world.enter(n, peer, &offer).unwrap();
    }
    world.run_until(|world| world.peers.iter().all(|peer| peer.connected));
    for n in 1..=3 {
        world.allow(n, true);
    }
    world.speak(&[0, 1, 2], 50);
    world.run(std::time::Duration::from_millis(100));
    for listener in 0..3 {
        let peer = &world.peers[listener];
        assert_eq!(peer.heard.len(), 100);
        for speaker in (0..3).filter(|s| *s != listener) {
            let of_speaker: Vec<_> =
                peer.heard.iter().filter(|h| h.payload.starts_with(format!("{speaker}:").as_bytes())).collect();
            assert_eq!(of_speaker.len(), 50);
            assert_eq!(of_speaker.iter().map(|h| h.mid).collect::<HashSet<_>>().len(), 1);
        }
    }
}

#[test]
fn without_a_spare_line_the_third_is_not_heard_until_somebody_leaves() {
    let mut world = World::new(4, Link::GOOD);
    for n in 1..=3 {
        world.join(n);
        world.allow(n, true);
    }
    world.run_until(|world| world.peers.iter().all(|peer| peer.connected));
    world.speak(&[1], 10);
    world.speak(&[2], 10);
    world.run(std::time::Duration::from_millis(50));
    assert_eq!(world.peers[0].heard.len(), 10);
    assert!(world.dropped(DropCause::NoLine) >= 10);
    world.core.disconnect(world.now, crate::support::ROOM, crate::support::participant(2));
    world.speak(&[2], 10);
    world.run(std::time::Duration::from_millis(50));
    let heard = &world.peers[0].heard;
    assert_eq!(heard.len(), 20);
    assert_eq!(heard[10].seq, heard[9].seq + 1, "the line goes on where the other stopped");
    assert!(heard[10].marker);
    let step = heard[10].time.wrapping_sub(heard[9].time);
    assert!((960..48_000).contains(&step), "and so does its clock: {step}");
}
