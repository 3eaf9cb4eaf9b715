//! A room on two shards, and on the shards of a running media plane.
use crate::support::broadcast::{Broadcast, HIGH, LAYERS, LOW};
use crate::support::screen::longest_freeze;
use crate::support::socketed::{Socketed, connect};
use crate::support::world::Narrow;
use crate::support::{ROOM, participant};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use wardline_sfu::{Config, ConnectError, ParticipantId, Sfu};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_viewer_on_a_further_shard_sees_what_one_at_home_sees() {
    // Of two that are the same to the last packet, one gets a viewer on the further shard.
    let both = [true, false].map(|joins| {
        let mut broadcast = Broadcast::start(1, &LAYERS);
        let home = broadcast.join(2);
        broadcast.run(9 * SECOND);
        let joined = broadcast.now();
        let further = joins.then(|| broadcast.join_second(3));
        broadcast.run(SECOND);
        (broadcast, home, further, joined)
    });
    let [(mut broadcast, home, Some(further), joined), (without, ..)] = both else { unreachable!() };
    let pictures = broadcast.pictures(further);
    let first = pictures.first().expect("a picture").at - joined;
    assert!(first < Duration::from_millis(200), "{first:?}");
    assert_eq!(broadcast.requests(), without.requests(), "what home keeps comes with the first viewer");
    broadcast.run(9 * SECOND);
    assert_eq!(broadcast.layers(further, joined), [LOW, 1, HIGH]);
    let pictures = broadcast.pictures(further);
    assert!(longest_freeze(&pictures, pictures[0].at, broadcast.now()) < Duration::from_millis(150));
    assert!(broadcast.sound(further).len() > 400);
    assert_eq!(broadcast.layers(home, joined), [HIGH]);
    // Not a packet for each of them, but a message for each frame of all layers.
    let (between, since) = (broadcast.world.between, broadcast.now());
    for n in 4..12 {
        broadcast.join_second(n);
    }
    broadcast.run(2 * SECOND);
    let messages = broadcast.world.between - between;
    let seconds = (broadcast.now() - since).as_secs_f64();
    assert!(messages as f64 / seconds < 120.0, "{messages} in {seconds} s");
}

#[test]
fn a_narrow_way_on_a_further_shard_has_its_own_layer_and_asks_home() {
    let mut broadcast = Broadcast::start(2, &LAYERS);
    let (home, further) = (broadcast.join(2), broadcast.join_second(3));
    broadcast.run(12 * SECOND);
    let address = broadcast.world.peers[further].address;
    broadcast.world.narrow.insert(address, Narrow::new(300_000));
    let since = broadcast.now();
    broadcast.run(4 * SECOND);
    assert!(broadcast.pictures(further).iter().any(|shown| shown.at >= since && shown.layer == LOW));
    assert_eq!(broadcast.layers(home, since), [HIGH]);
}

#[test]
fn who_is_forbidden_or_gone_at_home_is_not_seen_elsewhere() {
    let mut broadcast = Broadcast::start(3, &LAYERS);
    broadcast.join_second(2);
    broadcast.run(3 * SECOND);
    broadcast.world.allow(1, false);
    let late = broadcast.join_second(3);
    broadcast.run(2 * SECOND);
    assert!(broadcast.world.peers[late].heard.is_empty());
    broadcast.world.allow(1, true);
    broadcast.run(3 * SECOND);
    assert!(!broadcast.pictures(late).is_empty());
    let now = broadcast.now();
    broadcast.world.core.disconnect(now, ROOM, participant(1));
    broadcast.world.run(Duration::from_millis(50));
    let second = broadcast.world.second.as_mut().unwrap();
    let stats = second.room_stats(now, ROOM).unwrap();
    assert!(stats.layers.is_empty() && stats.participants == 2, "{stats:?}");
    assert_eq!(second.participants(), 2);
    second.close_room(now, ROOM);
    broadcast.world.run(Duration::from_millis(50));
    assert_eq!(broadcast.world.core.rooms(), 0, "home knows that nobody is left");
}

#[test]
fn a_lane_that_was_full_costs_a_moment() {
    let mut broadcast = Broadcast::start(4, &LAYERS);
    let further = broadcast.join_second(2);
    broadcast.run(9 * SECOND);
    broadcast.world.between_cut = true;
    broadcast.run(Duration::from_millis(500));
    broadcast.world.between_cut = false;
    let since = broadcast.now();
    // Its picture stands still, and it says so.
    let address = broadcast.world.peers[further].address;
    broadcast.world.narrow.insert(address, Narrow::new(1_000_000_000));
    broadcast.run(4 * SECOND);
    let pictures = broadcast.pictures(further);
    assert!(pictures.iter().any(|shown| shown.at >= since && shown.at < since + 2 * SECOND));
    assert!(longest_freeze(&pictures, since + 2 * SECOND, broadcast.now()) < Duration::from_millis(150));
}

#[test]
fn a_room_spills_over_the_shards_of_a_media_plane() {
    let bind = vec!["127.0.0.1:0".parse().unwrap(); 3];
    let config = Config { shards: 3, bind, shard_viewers: 2, room_participants_max: 6, ..Config::default() };
    let sfu = Sfu::start(config, |_| ()).unwrap();
    let mut speaker = Socketed::join(&sfu, 1);
    let mut viewers: Vec<_> = (2..=6).map(|n| Socketed::view(&sfu, n)).collect();
    let homes: Vec<_> = viewers.iter().map(Socketed::shard_port).collect();
    let ports: Vec<_> = sfu.local_addresses().iter().map(|address| address.port()).collect();
    let counts = ports.iter().map(|port| homes.iter().filter(|home| *home == port).count()).collect::<Vec<_>>();
    assert_eq!(counts.iter().sum::<usize>(), 5);
    assert_eq!(counts.iter().max(), Some(&2), "{counts:?}");
    assert!(speaker.serve(10 * SECOND, |peer| peer.connected));
    for viewer in &mut viewers {
        assert!(viewer.serve(10 * SECOND, |peer| peer.connected));
    }
    sfu.set_sending(ROOM, participant(1), true);
    let until = Instant::now() + 10 * SECOND;
    while viewers.iter().any(|viewer| viewer.peer.heard.len() < 5) && Instant::now() < until {
        speaker.peer.speak(Instant::now(), b"all of you");
        speaker.serve(Duration::from_millis(5), |_| false);
        for viewer in &mut viewers {
            viewer.serve(Duration::from_millis(1), |_| false);
        }
    }
    assert!(viewers.iter().all(|viewer| viewer.peer.heard.len() >= 5));
    let (reply, stats) = channel();
    sfu.room_stats(ROOM, move |stats| reply.send(stats).unwrap());
    let stats = stats.recv_timeout(10 * SECOND).unwrap();
    assert_eq!((stats.participants, stats.viewers, stats.shards), (6, 5, 3), "{stats:?}");
    assert_eq!(sfu.stats().rooms, 1);
    assert_eq!(sfu.stats().participants, 6);
    // Another does not fit; one that is there comes back to where it was.
    let refused = Socketed::offer_to_view();
    assert_eq!(connect(&sfu, ROOM, 7, refused.1), Err(ConnectError::RoomFull));
    let again = Socketed::view(&sfu, 6);
    assert_eq!(again.shard_port(), homes[4]);
    sfu.close_room(ROOM);
    let closed = Instant::now() + 10 * SECOND;
    while sfu.stats().participants > 0 && Instant::now() < closed {
        std::thread::yield_now();
    }
    assert_eq!((sfu.stats().participants, sfu.stats().rooms), (0, 0));
    let (reply, stats) = channel();
    sfu.room_stats(ROOM, move |stats| reply.send(stats).unwrap());
    assert_eq!(stats.recv_timeout(10 * SECOND).unwrap(), Default::default(), "there is no such room");
    sfu.disconnect(ROOM, ParticipantId::from_bytes([9; 16]));
    sfu.shutdown();
}
