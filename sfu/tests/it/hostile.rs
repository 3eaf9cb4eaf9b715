//! Datagrams from anybody, damaged and forged ones.
use crate::support::world::{Link, World};
use std::net::SocketAddr;
use std::time::Duration;
use wardline_sfu::DropCause;

const STRANGER: &str = "203.0.113.9:9999";

#[test]
fn a_stranger_is_dropped_and_gets_no_answer() {
    let mut world = World::call(1, Link::GOOD);
    world.speak(&[0, 1], 10);
    world.run(Duration::from_secs(3));
    let stranger: SocketAddr = STRANGER.parse().unwrap();
    let recorded = std::mem::take(&mut world.arrived);
    assert!(recorded.len() > 20);
    for (_, bytes) in recorded {
        // A recorded check has the right integrity, so it finds its session; it came from elsewhere before.
        let cause = if bytes[0] < 4 { DropCause::Stale } else { DropCause::UnknownSource };
        let before = world.dropped(cause);
        world.core.handle_datagram(world.now, stranger, world.server, &bytes);
        assert!(world.core.poll_output().is_none());
        assert_eq!(world.dropped(cause), before + 1);
    }
}

#[test]
fn nobody_moves_to_where_another_participant_is() {
    let mut world = World::call(10, Link::GOOD);
    world.speak(&[0, 1], 5);
    let (alice, bob) = (world.peers[0].address, world.peers[1].address);
    // A check of Alice's that never arrived, sent by somebody as if from Bob.
    let check = world.arrived.iter().find(|(from, bytes)| *from == alice && bytes[0] == 0).unwrap().1.clone();
    let mut unseen = check.clone();
    unseen[19] ^= 1;
    for replayed in [check, unseen] {
        let before = world.dropped(DropCause::Stale);
        world.inject(bob, &replayed);
        assert_eq!(world.dropped(DropCause::Stale), before + 1);
    }
    let before = world.peers[0].heard.len();
    world.speak(&[0, 1], 20);
    world.run(Duration::from_millis(50));
    assert!(world.peers[0].heard.len() >= before + 20);
}

#[test]
fn a_check_without_the_password_teaches_no_address() {
    let mut world = World::call(2, Link::GOOD);
    world.run(Duration::from_secs(3));
    let stranger: SocketAddr = STRANGER.parse().unwrap();
    let mut check = world.arrived.iter().find(|(_, bytes)| bytes[0] == 0 && bytes[1] == 1).unwrap().1.clone();
    let last = check.len() - 9; // inside the message integrity
    check[last] ^= 1;
    world.core.handle_datagram(world.now, stranger, world.server, &check);
    assert!(world.core.poll_output().is_none());
    let before = world.dropped(DropCause::UnknownSource);
    world.core.handle_datagram(world.now, stranger, world.server, &[0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 9]);
    assert_eq!(world.dropped(DropCause::UnknownSource), before + 1);
}

#[test]
fn damaged_and_random_datagrams_never_panic_and_do_not_end_the_call() {
    for seed in 1..=8 {
        let mut world = World::call(seed, Link::GOOD);
        world.speak(&[0, 1], 30);
        world.run(Duration::from_secs(3));
        let recorded = world.arrived.clone();
        let known: Vec<_> = world.peers.iter().map(|peer| peer.address).collect();
        for _ in 0..3_000 {
            let kind = world.random() % 4;
            let from = known[(world.random() % 2) as usize];
            let mut bytes = if kind == 0 {
                let length = (world.random() % 1_600) as usize;
                (0..length).map(|_| world.random() as u8).collect()
            } else {
                recorded[(world.random() % recorded.len() as u64) as usize].1.clone()
            };
            match kind {
                1 => {
                    for _ in 0..=world.random() % 8 {
                        let at = (world.random() % bytes.len() as u64) as usize;
                        bytes[at] = world.random() as u8;
                    }
                }
                2 => bytes.truncate((world.random() % bytes.len() as u64) as usize),
                3 => {
                    let more = (world.random() % 200) as usize;
                    let filler = world.random() as u8;
                    bytes.resize(bytes.len() + more, filler);
                }
                _ => {}
            }
            world.inject(from, &bytes);
        }
        world.run(Duration::from_millis(200));
        let before = (world.peers[0].heard.len(), world.peers[1].heard.len());
        world.speak(&[0, 1], 20);
        world.run(Duration::from_millis(200));
        let after = (world.peers[0].heard.len() - before.0, world.peers[1].heard.len() - before.1);
        assert_eq!(after, (20, 20), "seed {seed}");
    }
}

#[test]
fn a_forged_packet_with_a_new_ssrc_does_not_take_a_line_over() {
    let mut world = World::call(9, Link::GOOD);
    // Until the receiver reports have told the senders that their SSRC is known, after which they name the line no more.
    world.speak(&[0, 1], 400);
    world.run(Duration::from_millis(50));
    // A packet from the start still names its line, as the extension that binds an SSRC to it (RFC 8843 section 9.2).
    let (from, genuine) =
        world.arrived.iter().find(|(_, bytes)| bytes[0] == 0x90 && bytes[1] & 0x7f == 111).cloned().unwrap();
    let mut forged = genuine;
    for n in 0..50 {
        forged[8..12].copy_from_slice(&[0xBA, 0xD0, 0, n]);
        world.inject(from, &forged);
    }
    let (speaker, listener) = if from == world.peers[0].address { (0, 1) } else { (1, 0) };
    let before = world.peers[listener].heard.len();
    world.speak(&[speaker], 20);
    world.run(Duration::from_millis(50));
    assert_eq!(world.peers[listener].heard.len(), before + 20);
}

#[test]
fn a_datagram_longer_than_the_path_carries_is_dropped() {
    let mut world = World::call(3, Link::GOOD);
    let from = world.peers[0].address;
    let before = world.dropped(DropCause::Malformed);
    world.inject(from, &[0x80; 1_501]);
    assert_eq!(world.dropped(DropCause::Malformed), before + 1);
}

#[test]
fn the_same_inputs_do_the_same() {
    let run = |seed| {
        let mut world = World::call(seed, Link::GOOD);
        world.speak(&[0, 1], 50);
        world.run(Duration::from_secs(1));
        let start = world.start;
        let heard: Vec<_> = world
            .peers
            .iter()
            .map(|p| p.heard.iter().map(|h| (h.at - start, h.seq, h.time, h.payload.clone())).collect::<Vec<_>>())
            .collect();
        let events: Vec<_> = world.events.iter().map(|(at, event)| (*at - start, *event)).collect();
        (heard, events, world.core.counters().forwarded)
    };
    // Credentials, keys and SSRCs are random in str0m; what participants hear and the node is told is not.
    assert_eq!(run(7), run(7));
}
