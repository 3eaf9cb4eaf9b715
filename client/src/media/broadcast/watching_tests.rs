//! Sealed and cut as a publisher does, spoiled as a network does, and put together as a viewer does.
use super::recorder::{Recorder, ViewerSinks};
use super::statistics::ViewerStatistics;
use super::stream::Stream;
use super::watching::Watching;
use crate::media::file::{SoundFile, VideoFile};
use proptest::prelude::*;
use rtc::rtp;
use std::time::{Duration, Instant};
use wardline_e2ee::media::MediaEpoch;
use wardline_protocol::AccountId;

const PUBLISHER: AccountId = AccountId::from_bytes([1; 16]);

/// Keys of an epoch in which the publisher has leaf 0.
fn keys(epoch: u64, base_key: u8) -> MediaEpoch {
    let parts = [&epoch.to_be_bytes()[..], &[0; 4], &[base_key; 16], &[0; 4], PUBLISHER.as_bytes(), &[2; 16], &[0; 32]];
    MediaEpoch::from_bytes(&parts.concat()).unwrap()
}

fn watching(sinks: ViewerSinks, now: Instant) -> Watching {
    Watching::new(keys(1, 7), PUBLISHER, Recorder::create(sinks).unwrap(), now)
}

/// Not decodable, but as long as it says: a key frame has a size in its head.
fn frame(key: bool, bytes: usize, side: u16) -> Vec<u8> {
    let mut frame = vec![0xa5; bytes.max(10)];
    let [low, high] = side.to_le_bytes();
    frame[..10].copy_from_slice(&[if key { 0x10 } else { 0x11 }, 0, 0, 0x9d, 0x01, 0x2a, low, high, low, high]);
    frame
}

fn at(n: u64) -> Duration {
    Duration::from_millis(40 * n)
}

struct Sender {
    stream: Stream,
    source: u32,
}

impl Sender {
    fn video(context_id: u32) -> Self {
        Self { stream: Stream::video(keys(1, 7), context_id).unwrap(), source: 11 }
    }

    fn sound(context_id: u32) -> Self {
        Self { stream: Stream::sound(keys(1, 7), context_id).unwrap(), source: 12 }
    }

    fn packets(&mut self, n: u64, frame: &[u8]) -> Vec<rtp::Packet> {
        let mut packets = self.stream.packets(at(n), frame).unwrap();
        packets.iter_mut().for_each(|packet| packet.header.ssrc = self.source);
        packets
    }
}

#[test]
fn a_lost_packet_costs_the_frames_up_to_the_next_key_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ivf");
    let now = Instant::now();
    let mut watching = watching(ViewerSinks { video: Some(path.clone()), sound: None }, now);
    let mut sender = Sender::video(1);
    let mut asked = 0;
    for n in 0..20 {
        let mut packets = sender.packets(n, &frame(n % 10 == 0, 3_000, if n < 10 { 64 } else { 32 }));
        if n == 4 {
            packets.remove(1);
        }
        for packet in packets {
            watching.receive(packet, now + at(n));
        }
        asked += usize::from(watching.tick(now + at(n)).is_some());
    }
    // 40 ms times 20 are over the patience of 600 ms, so the lost packet is given up by now.
    let done = watching.tick(now + at(100));
    let counts = watching.statistics();
    assert_eq!((counts.video.frames, counts.video.opened, counts.video.incomplete), (19, 19, 1));
    assert_eq!((counts.video.missing, counts.video.undecryptable), (1, 0));
    assert_eq!((counts.size, counts.size_changes), (Some((32, 32)), 1));
    assert_eq!(counts.first_key_frame_after, Some(Duration::ZERO));
    assert_eq!((asked, done), (0, None), "the next key frame was there before the loss was certain");
    watching.finish(now + at(100));
    assert_eq!(VideoFile::open(&path).unwrap().frames_count(), 14, "0 to 3, and 10 to 19");
}

#[test]
fn a_key_frame_is_asked_for_until_one_comes() {
    let now = Instant::now();
    let mut watching = watching(ViewerSinks::default(), now);
    let mut sender = Sender::video(1);
    assert_eq!(watching.tick(now), None, "nothing came yet");
    let mut asked = Vec::new();
    for n in 0..60 {
        for packet in sender.packets(n, &frame(n == 55, 500, 64)) {
            watching.receive(packet, now + at(n));
        }
        asked.extend(watching.tick(now + at(n)).map(|source| (n, source)));
    }
    assert_eq!(asked, [(0, 11), (25, 11), (50, 11)], "every second");
    assert_eq!(watching.statistics().first_key_frame_after, Some(at(55)));
}

#[test]
fn another_key_opens_nothing() {
    let now = Instant::now();
    let mut watching = Watching::new(keys(1, 8), PUBLISHER, Recorder::create(ViewerSinks::default()).unwrap(), now);
    let stranger = AccountId::from_bytes([9; 16]);
    let mut of_stranger = Watching::new(keys(1, 7), stranger, Recorder::create(ViewerSinks::default()).unwrap(), now);
    let (mut video, mut sound) = (Sender::video(1), Sender::sound(2));
    for n in 0..5 {
        for packet in [video.packets(n, &frame(n == 0, 500, 64)), sound.packets(n, &[31 << 3, 1, 2, 3])].concat() {
            watching.receive(packet.clone(), now);
            of_stranger.receive(packet, now);
        }
    }
    for counts in [watching.statistics(), of_stranger.statistics()] {
        assert_eq!((counts.video.frames, counts.video.opened, counts.video.undecryptable), (5, 0, 5));
        assert_eq!((counts.sound.frames, counts.sound.opened, counts.sound.undecryptable), (5, 0, 5));
        assert_eq!(counts.first_key_frame_after, None);
    }
}

#[test]
fn frames_that_come_before_their_keys_are_opened_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ivf");
    let now = Instant::now();
    let mut watching = watching(ViewerSinks { video: Some(path.clone()), sound: None }, now);
    let mut sender = Sender::video(1);
    for n in 0..6 {
        if n == 2 {
            sender.stream.update_keys(keys(2, 9)).unwrap();
        }
        for packet in sender.packets(n, &frame(n == 0, 500, 64)) {
            watching.receive(packet, now + at(n));
        }
    }
    assert_eq!((watching.statistics().video.opened, watching.statistics().video.undecryptable), (2, 0));
    watching.update_keys(keys(2, 9), now + at(6));
    assert_eq!((watching.statistics().video.opened, watching.statistics().video.undecryptable), (6, 0));
    watching.finish(now + at(6));
    assert_eq!(VideoFile::open(&path).unwrap().frames_count(), 6);
}

#[test]
fn frames_without_keys_do_not_fill_the_memory() {
    let now = Instant::now();
    let mut watching = watching(ViewerSinks::default(), now);
    let mut sender = Sender::video(1);
    sender.stream.update_keys(keys(2, 9)).unwrap();
    for n in 0..300 {
        for packet in sender.packets(n, &frame(n == 0, 500, 64)) {
            watching.receive(packet, now);
        }
    }
    assert_eq!(watching.statistics().video.undecryptable, 100, "200 wait");
}

#[test]
fn sound_keeps_its_time_over_what_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ogg");
    let now = Instant::now();
    let mut watching = watching(ViewerSinks { video: None, sound: Some(path.clone()) }, now);
    let mut sender = Sender::sound(1);
    // Steps of 40 ms with packets of 20: every second packet is missing by its time, and one is by its number.
    for n in 0..10 {
        let packets = sender.packets(n, &[31 << 3, 1, 2, 3]);
        for packet in packets.into_iter().filter(|_| n != 4) {
            watching.receive(packet, now + at(n));
        }
    }
    let counts = watching.finish(now + at(20));
    assert_eq!((counts.sound.opened, counts.sound.missing), (9, 1));
    let file = SoundFile::open(&path).unwrap();
    assert_eq!((file.length(), file.frames_count()), (Duration::from_millis(380), 19));
}

/// What a viewer counts after all packets came in this order, and long after.
fn seen(packets: Vec<rtp::Packet>) -> ViewerStatistics {
    let now = Instant::now();
    let mut watching = watching(ViewerSinks::default(), now);
    for packet in packets {
        watching.receive(packet, now);
    }
    watching.finish(now + Duration::from_secs(5))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shuffled_and_doubled_packets_lose_nothing(
        sizes in proptest::collection::vec(10_usize..6_000, 1..20),
        delays in proptest::collection::vec((0_usize..30, any::<bool>()), 120),
    ) {
        let mut sender = Sender::video(1);
        let frames = sizes.iter().enumerate();
        let packets: Vec<_> = frames.flat_map(|(n, bytes)| sender.packets(n as u64, &frame(n == 0, *bytes, 64))).collect();
        let mut order: Vec<_> = Vec::new();
        for (at, packet) in packets.iter().enumerate().skip(1) {
            let (delay, twice) = delays[at % delays.len()];
            order.push((at + delay, packet.clone()));
            if twice {
                order.push((at + delay + 1, packet.clone()));
            }
        }
        order.sort_by_key(|(at, _)| *at);
        // The first comes first: where a stream begins is where it is first seen.
        order.insert(0, (0, packets[0].clone()));
        let counts = seen(order.into_iter().map(|(_, packet)| packet).collect()).video;
        prop_assert_eq!((counts.frames, counts.opened), (sizes.len() as u64, sizes.len() as u64));
        prop_assert_eq!((counts.incomplete, counts.missing, counts.undecryptable), (0, 0, 0));
        prop_assert_eq!(counts.packets, packets.len() as u64 + counts.duplicate + counts.late);
    }

    #[test]
    fn exactly_the_frames_with_a_lost_packet_are_lost(
        sizes in proptest::collection::vec(10_usize..6_000, 2..20),
        lost in proptest::collection::hash_set(1_usize..60, 0..6),
    ) {
        let mut sender = Sender::video(1);
        let (mut place, mut whole, mut came) = (0, 0_u64, Vec::new());
        for (n, bytes) in sizes.iter().enumerate() {
            let packets = sender.packets(n as u64, &frame(n == 0, *bytes, 64));
            whole += u64::from((place..place + packets.len()).all(|place| !lost.contains(&place)));
            for packet in packets {
                if !lost.contains(&place) {
                    came.push(packet);
                }
                place += 1;
            }
        }
        let counts = seen(came).video;
        prop_assert_eq!((counts.frames, counts.opened, counts.undecryptable), (whole, whole, 0));
    }

    #[test]
    fn noise_opens_nothing(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..60),
        numbers in proptest::collection::vec(any::<(u16, u32, bool, bool)>(), 60),
    ) {
        let packets = payloads.into_iter().zip(numbers).map(|(payload, (sequence_number, timestamp, marker, video))| {
            let payload_type = if video { 96 } else { 111 };
            let header = rtp::header::Header { sequence_number, timestamp, marker, payload_type, ..Default::default() };
            rtp::Packet { header, payload: payload.into() }
        });
        let counts = seen(packets.collect());
        prop_assert_eq!((counts.video.opened, counts.sound.opened, counts.first_key_frame_after), (0, 0, None));
    }
}
