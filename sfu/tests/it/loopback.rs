//! The whole thing: shard threads, sockets, two peers on threads of their own.
use crate::support::socketed::{Socketed, connect};
use crate::support::{ROOM, participant};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use wardline_sfu::{Config, Event, RoomId, Sfu, StartError};

fn loopback(shards: usize) -> Config {
    Config { shards, bind: vec!["127.0.0.1:0".parse().unwrap(); shards], ..Config::default() }
}

const PACKETS: usize = 500;

/// Speaks and listens at the same time; gives the delay of each packet heard. Both peers read one clock.
fn converse(mut device: Socketed, epoch: Instant, go: std::sync::Arc<std::sync::Barrier>) -> (Vec<Duration>, Socketed) {
    go.wait();
    let start = Instant::now();
    for n in 0..PACKETS {
        let due = start + Duration::from_millis(4 * n as u64);
        device.serve(due.saturating_duration_since(Instant::now()), |_| false);
        let sent_ns = epoch.elapsed().as_nanos() as u64;
        // As long as 20 ms of Opus at 32 kbit/s with its SFrame trailer.
        let mut payload = sent_ns.to_be_bytes().to_vec();
        payload.resize(100, 0xA5);
        device.peer.speak(Instant::now(), &payload);
    }
    device.serve(Duration::from_secs(10), |peer| peer.heard.len() >= PACKETS);
    let delays = device.peer.heard.iter().map(|h| {
        let sent_ns = u64::from_be_bytes(h.payload[..8].try_into().unwrap());
        (h.at - epoch).saturating_sub(Duration::from_nanos(sent_ns))
    });
    (delays.collect(), device)
}

#[test]
fn two_peers_hear_every_packet_over_real_sockets() {
    let (told, events) = channel();
    let sfu = Sfu::start(loopback(1), move |event| told.send(event).unwrap()).unwrap();
    let epoch = Instant::now();
    let mut devices: Vec<_> = (1..=2).map(|n| Socketed::join(&sfu, n)).collect();
    for device in &mut devices {
        assert!(device.serve(Duration::from_secs(20), |peer| peer.connected));
    }
    for _ in 0..2 {
        assert!(matches!(events.recv_timeout(Duration::from_secs(10)).unwrap(), Event::Connected { .. }));
    }
    sfu.set_sending(ROOM, participant(1), true);
    sfu.set_sending(ROOM, participant(2), true);
    let go = std::sync::Arc::new(std::sync::Barrier::new(2));
    let threads: Vec<_> = devices
        .into_iter()
        .map(|device| {
            let go = go.clone();
            std::thread::spawn(move || converse(device, epoch, go))
        })
        .collect();
    let mut delays = Vec::new();
    for thread in threads {
        let (heard, _device) = thread.join().unwrap();
        assert_eq!(heard.len(), PACKETS, "all arrive");
        delays.extend(heard);
    }
    delays.sort_unstable();
    let at = |percent: usize| delays[delays.len() * percent / 100];
    println!("one way through the SFU, sealing and opening at both ends included: p50 {:?}, p99 {:?}", at(50), at(99));
    let firsts: Vec<_> = events.try_iter().filter(|e| matches!(e, Event::FirstPacket { .. })).collect();
    assert_eq!(firsts.len(), 2);
    // The counters follow by at most one round of the shard.
    let deadline = Instant::now() + Duration::from_secs(5);
    while sfu.stats().forwarded < 2 * PACKETS as u64 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let stats = sfu.stats();
    assert_eq!((stats.forwarded, stats.participants, stats.rooms), (2 * PACKETS as u64, 2, 1));
    assert!(stats.packets_in > 2 * PACKETS as u64 && stats.packets_out > 2 * PACKETS as u64);
    assert!(stats.bytes_in > 120_000 && stats.bytes_out > 120_000);
    sfu.shutdown();
}

#[test]
fn rooms_spread_over_shards_and_an_answer_names_the_room_s_own() {
    let sfu = Sfu::start(loopback(2), |_| ()).unwrap();
    let ports: Vec<_> = sfu.local_addresses().iter().map(|address| address.port().to_string()).collect();
    let mut named = Vec::new();
    for (room, n) in [(1, 1), (1, 2), (2, 3), (2, 4), (1, 1)] {
        let mut device = crate::support::peer::Peer::new(Instant::now(), "127.0.0.1:9".parse().unwrap());
        let offer = device.call_offer(Instant::now());
        let answer = connect(&sfu, RoomId::from_bytes([room; 16]), n, offer).unwrap();
        let candidate = answer.lines().find(|line| line.starts_with("a=candidate:")).unwrap().to_string();
        named.push(ports.iter().position(|port| candidate.contains(port)).unwrap());
    }
    assert_eq!(named[0], named[1]);
    assert_eq!(named[2], named[3]);
    assert_ne!(named[0], named[2], "the second room goes to the other shard");
    assert_eq!(named[4], named[0], "a reconnect returns");
    sfu.shutdown();
}

#[test]
fn disconnect_and_shutdown_are_told_to_the_clients() {
    let sfu = Sfu::start(loopback(1), |_| ()).unwrap();
    let mut devices: Vec<_> = (1..=2).map(|n| Socketed::join(&sfu, n)).collect();
    for device in &mut devices {
        assert!(device.serve(Duration::from_secs(20), |peer| peer.connected));
    }
    let revoked = Instant::now();
    sfu.disconnect(ROOM, participant(1));
    assert!(devices[0].serve(Duration::from_secs(10), |peer| peer.closed));
    println!("revocation reached the client's media after {:?}", revoked.elapsed());
    let again = sfu.clone();
    sfu.shutdown();
    assert!(devices[1].serve(Duration::from_secs(10), |peer| peer.closed));
    let refused = again.connect(ROOM, participant(3), String::new(), |_| ());
    assert!(refused.is_err(), "after shutdown");
    assert_eq!(again.stats().rooms, 0);
    again.close_room(ROOM);
}

#[test]
fn a_port_that_is_taken_is_said_with_its_address() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Sfu::start(Config { bind: vec![address], ..loopback(1) }, |_| ()).err().unwrap();
    assert!(matches!(error, StartError::Bind { .. }));
    assert!(error.to_string().contains(&address.to_string()) && error.to_string().contains("`bind`"));
}
