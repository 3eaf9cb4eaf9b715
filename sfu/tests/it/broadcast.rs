//! One shows, many look: layers, late viewers, key-frame requests.
use crate::support::broadcast::{Broadcast, HIGH, LAYERS, LOW, MIDDLE};
use crate::support::camera::{Camera, Shot};
use crate::support::screen::longest_freeze;
use crate::support::world::Narrow;
use std::time::Duration;
use str0m::media::{Direction, MediaKind};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_viewer_with_a_good_way_sees_the_top_layer_within_seconds_and_never_a_gap() {
    let mut broadcast = Broadcast::start(1, &LAYERS);
    let viewer = broadcast.join(2);
    let joined = broadcast.now();
    broadcast.run(10 * SECOND);
    let pictures = broadcast.pictures(viewer);
    assert_eq!(broadcast.layers(viewer, joined), [LOW, MIDDLE, HIGH]);
    let top = pictures.iter().find(|shown| shown.layer == HIGH).unwrap();
    assert!(top.at - joined < 7 * SECOND, "{:?}", top.at - joined);
    assert!(longest_freeze(&pictures, pictures[0].at, broadcast.now()) < Duration::from_millis(100));
    assert!(broadcast.sound(viewer).len() > 400);
}

#[test]
fn a_late_viewer_has_a_picture_at_once_and_nobody_asks_the_camera() {
    for layers in [&LAYERS[..], &[("", 400_000)]] {
        for phase in 0..10 {
            // Of two that are the same to the last packet, one gets a late viewer.
            let both = [true, false].map(|joined| {
                let mut broadcast = Broadcast::start(2, layers);
                broadcast.join(2);
                broadcast.run(7 * SECOND + Duration::from_millis(450) * phase);
                let late = joined.then(|| broadcast.join(3));
                let at = broadcast.now();
                broadcast.run(SECOND);
                (broadcast, late, at)
            });
            let [(with, Some(late), at), (without, ..)] = both else { unreachable!() };
            let pictures = with.pictures(late);
            let first = pictures.first().expect("a picture").at - at;
            // ICE and DTLS are in it: eight times the way.
            assert!(first < Duration::from_millis(200), "{first:?}");
            assert!(longest_freeze(&pictures, pictures[0].at, with.now()) < Duration::from_millis(150));
            assert!(with.now() - pictures.last().unwrap().at < Duration::from_millis(80), "it has caught up");
            assert_eq!(with.requests(), without.requests(), "phase {phase}");
        }
    }
}

#[test]
fn a_late_viewer_s_clock_is_that_of_the_present() {
    let mut broadcast = Broadcast::start(3, &LAYERS);
    broadcast.join(2);
    broadcast.run(3 * SECOND);
    let late = broadcast.join(3);
    broadcast.run(SECOND);
    let pictures = broadcast.pictures(late);
    let (first, last) = (pictures[0], pictures[pictures.len() - 1]);
    let media = Duration::from_micros(u64::from(last.time.wrapping_sub(first.time)) * 1_000 / 90);
    let real = last.at - first.at;
    // What was kept is two seconds long, and shown within a tenth of one.
    assert!(media < real + Duration::from_millis(150), "{media:?} of pictures in {real:?}");
    assert!(pictures.len() > 60, "all of the group was sent: {}", pictures.len());
}

#[test]
fn many_viewers_are_one_request_a_second() {
    let mut broadcast = Broadcast::start(4, &LAYERS);
    let viewers: Vec<_> = (2..40).map(|n| broadcast.join(n)).collect();
    broadcast.run(8 * SECOND);
    let before = broadcast.world.peers[0].key_frames_of.clone();
    let since = broadcast.now();
    for _ in 0..50 {
        for viewer in &viewers {
            let (video, now) = (broadcast.world.peers[*viewer].lines[1], broadcast.now());
            let ssrc = broadcast.world.peers[*viewer].heard.iter().find(|heard| heard.mid == video).unwrap().ssrc;
            broadcast.world.peers[*viewer].ask_key_frame(now, ssrc);
        }
        broadcast.run(Duration::from_millis(100));
    }
    let asked = &broadcast.world.peers[0].key_frames_of[before.len()..];
    for (rid, _) in LAYERS {
        let of_layer = asked.iter().filter(|asked| asked.is_some_and(|asked| asked == rid.into())).count();
        let most = (broadcast.now() - since).as_secs() as usize + 2;
        assert!(of_layer <= most, "{of_layer} of {rid}, at most {most}");
    }
    assert!(asked.iter().any(|asked| asked.is_some_and(|asked| asked == "h".into())));
}

#[test]
fn a_narrow_way_gets_the_low_layer_at_once_and_the_top_back_after_relief() {
    for seed in 1..17 {
        let mut broadcast = Broadcast::start(seed, &LAYERS);
        let (poor, rich) = (broadcast.join(2), broadcast.join(3));
        broadcast.run(11 * SECOND + Duration::from_millis(437) * seed as u32);
        assert_eq!(broadcast.pictures(poor).last().unwrap().layer, HIGH);
        let address = broadcast.world.peers[poor].address;
        broadcast.world.narrow.insert(address, Narrow::new(300_000));
        let narrowed = broadcast.now();
        broadcast.run(2 * SECOND);
        let newest = broadcast.world.peers[poor].heard.iter().rev().find(|heard| heard.payload.len() > 80).unwrap();
        assert_eq!(Shot::read(&newest.payload).layer, LOW, "seed {seed}");
        // The first key frame may be lost in the full queue.
        broadcast.run(SECOND);
        let low = broadcast.pictures(poor).into_iter().find(|s| s.at >= narrowed && s.layer == LOW);
        assert!(low.is_some(), "seed {seed}: {:?}", broadcast.layers(poor, narrowed));
        broadcast.run(19 * SECOND);
        let sound = broadcast.sound(poor);
        let (first, last) = (sound.first().unwrap(), sound.last().unwrap());
        let missing = last.seq - first.seq + 1 - sound.len() as u64;
        assert!(missing < sound.len() as u64 * 7 / 100, "sound goes on: {missing} of {} missing", sound.len());
        let pictures = broadcast.pictures(poor);
        let shown = pictures.iter().filter(|shown| shown.at >= narrowed).count();
        assert!(shown > 250, "and there is mostly a picture: {shown} of 660");
        broadcast.world.narrow.remove(&address);
        let relieved = broadcast.now();
        broadcast.run(10 * SECOND);
        assert_eq!(broadcast.pictures(poor).last().unwrap().layer, HIGH, "seed {seed}");
        assert!(broadcast.layers(poor, relieved).len() <= 4, "{:?}", broadcast.layers(poor, relieved));
        // And the other noticed nothing.
        let pictures = broadcast.pictures(rich);
        assert_eq!(broadcast.layers(rich, narrowed), [HIGH]);
        assert!(longest_freeze(&pictures, narrowed, broadcast.now()) < Duration::from_millis(100));
    }
}

#[test]
fn loss_at_one_viewer_costs_the_others_nothing() {
    let mut broadcast = Broadcast::start(9, &LAYERS);
    let (lossy, clean) = (broadcast.join(2), broadcast.join(3));
    broadcast.run(10 * SECOND);
    let address = broadcast.world.peers[lossy].address;
    broadcast.world.narrow.insert(address, Narrow::lossy(5));
    let since = broadcast.now();
    broadcast.run(20 * SECOND);
    let pictures = broadcast.pictures(clean);
    assert_eq!(broadcast.layers(clean, since), [HIGH]);
    assert!(longest_freeze(&pictures, since, broadcast.now()) < Duration::from_millis(100));
    let sound = broadcast.sound(clean).iter().filter(|heard| heard.at >= since).count();
    assert!((899..=902).contains(&sound), "{sound}");
    let of_lossy = broadcast.pictures(lossy);
    let shown = of_lossy.iter().filter(|shown| shown.at >= since).count();
    assert!(shown > 540, "and what it lost was sent again: {shown} of 600");
}

#[test]
fn when_nothing_fits_there_is_sound() {
    let mut broadcast = Broadcast::start(10, &LAYERS);
    let viewer = broadcast.join(2);
    broadcast.run(8 * SECOND);
    let address = broadcast.world.peers[viewer].address;
    broadcast.world.narrow.insert(address, Narrow::new(110_000));
    broadcast.run(4 * SECOND);
    let since = broadcast.now();
    broadcast.run(20 * SECOND);
    let sound = broadcast.sound(viewer).iter().filter(|heard| heard.at >= since).count();
    assert!(sound > 820, "{sound} of 900");
    let pictures = broadcast.pictures(viewer).iter().filter(|shown| shown.at >= since).count();
    assert!(pictures < 200, "{pictures} of 600");
    broadcast.world.narrow.remove(&address);
    broadcast.run(12 * SECOND);
    assert_eq!(broadcast.pictures(viewer).last().unwrap().layer, HIGH);
    // What it was not shown meanwhile are thousands of packets, and no gap in the numbers.
    let video = broadcast.world.peers[viewer].lines[1];
    let heard = broadcast.world.peers[viewer].heard.iter().filter(|heard| heard.mid == video);
    let mut numbers: Vec<_> = heard.map(|heard| heard.seq).collect();
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[1] - pair[0] < 150));
}

#[test]
fn lost_packets_of_each_layer_are_asked_for_again() {
    let mut broadcast = Broadcast::start(11, &LAYERS);
    let viewer = broadcast.join(2);
    broadcast.run(9 * SECOND);
    broadcast.world.link.loss_percent = 2;
    let since = broadcast.now();
    broadcast.run(10 * SECOND);
    broadcast.world.link.loss_percent = 0;
    broadcast.run(SECOND);
    let shown = broadcast.pictures(viewer).iter().filter(|shown| shown.at >= since).count();
    assert!(shown > 310, "{shown} of 330");
}

#[test]
fn a_layer_that_the_camera_stops_is_left_for_one_that_it_sends() {
    let mut broadcast = Broadcast::start(12, &LAYERS);
    let viewer = broadcast.join(2);
    broadcast.run(9 * SECOND);
    broadcast.camera.stopped.push(usize::from(HIGH));
    let stopped = broadcast.now();
    broadcast.run(4 * SECOND);
    assert_eq!(broadcast.pictures(viewer).last().unwrap().layer, MIDDLE);
    assert!(longest_freeze(&broadcast.pictures(viewer), stopped, broadcast.now()) < 3 * SECOND);
    broadcast.camera.stopped.clear();
    broadcast.run(6 * SECOND);
    assert_eq!(broadcast.pictures(viewer).last().unwrap().layer, HIGH);
}

#[test]
fn what_was_kept_is_not_shown_after_sending_was_forbidden() {
    let mut broadcast = Broadcast::start(13, &LAYERS);
    broadcast.join(2);
    broadcast.run(2 * SECOND);
    broadcast.world.allow(1, false);
    let late = broadcast.join(3);
    broadcast.run(SECOND);
    assert!(broadcast.world.peers[late].heard.is_empty());
    broadcast.world.allow(1, true);
    broadcast.run(3 * SECOND);
    let (of_late, video) = (&broadcast.world.peers[late].heard, broadcast.world.peers[late].lines[1]);
    let first = of_late.iter().find(|heard| heard.mid == video).map(|heard| Shot::read(&heard.payload)).unwrap();
    assert!(first.key && first.frame > 90, "what was seen while it was forbidden: {first:?}");
}

#[test]
fn a_forged_packet_takes_no_layer_over() {
    let mut broadcast = Broadcast::start_without_resends(14, &LAYERS);
    let viewer = broadcast.join(2);
    broadcast.run(9 * SECOND);
    let from = broadcast.world.peers[0].address;
    // Packets of the picture from the start still name their layer.
    let of_picture = |bytes: &[u8]| bytes[0] == 0x90 && bytes.len() > 300;
    let genuine = broadcast.world.arrived.iter().filter(|(source, bytes)| *source == from && of_picture(bytes));
    let genuine: Vec<_> = genuine.take(40).map(|(_, bytes)| bytes.clone()).collect();
    assert_eq!(genuine.len(), 40);
    for (n, mut forged) in genuine.into_iter().enumerate() {
        forged[8..12].copy_from_slice(&[0xBA, 0xD0, 1, n as u8]);
        broadcast.world.inject(from, &forged);
    }
    let (since, asked) = (broadcast.now(), broadcast.requests());
    broadcast.run(6 * SECOND);
    assert!(longest_freeze(&broadcast.pictures(viewer), since, broadcast.now()) < Duration::from_millis(100));
    let asked = &broadcast.world.peers[0].key_frames_of[asked..];
    for (rid, _) in LAYERS {
        assert!(asked.contains(&Some(rid.into())), "each layer can still be asked for a key frame: {asked:?}");
    }
}

#[test]
fn viewers_are_asked_to_estimate_their_way_and_others_to_report_arrivals() {
    let mut broadcast = Broadcast::start(15, &LAYERS);
    let now = broadcast.now();
    let mut answer = |n: u8, offer: &dyn Fn(&mut crate::support::peer::Peer) -> String| {
        let mut peer = broadcast.world.device(n);
        let offer = offer(&mut peer);
        let participant = crate::support::participant(n);
        broadcast.world.core.connect(now, crate::support::ROOM, participant, &offer).unwrap()
    };
    let viewer = answer(2, &|peer| peer.viewer_offer(now));
    assert!(viewer.contains("goog-remb") && viewer.contains("abs-send-time"), "{viewer}");
    assert!(!viewer.contains("transport-wide-cc"), "{viewer}");
    let speaker = answer(3, &|peer| peer.broadcast_offer(now, &["h", "m", "l"]));
    assert!(speaker.contains("transport-wide-cc"), "{speaker}");
    assert!(speaker.contains("a=simulcast:recv h;m;l"), "{speaker}");
}

#[test]
fn a_batch_goes_to_hundreds_in_parts_and_to_each_once() {
    let mut broadcast = Broadcast::start(20, &[("", 100_000)]);
    let viewers: Vec<_> = (0..600).map(|n| broadcast.join_many(n)).collect();
    broadcast.world.run_until(|world| world.peers.iter().all(|peer| peer.connected));
    broadcast.world.peers.iter_mut().for_each(|peer| peer.heard.clear());
    broadcast.run(SECOND / 2);
    let sound = broadcast.sound(viewers[0]).len();
    assert!(sound >= 20, "{sound}");
    for viewer in viewers {
        assert_eq!(broadcast.sound(viewer).len(), sound);
        assert!(!broadcast.pictures(viewer).is_empty());
    }
}

#[test]
fn hundreds_come_and_go_at_once() {
    let mut broadcast = Broadcast::start(17, &[("", 100_000)]);
    let now = broadcast.now();
    let offer = broadcast.world.device(2).viewer_offer(now);
    let who = |n: u16| {
        let mut bytes = [3; 16];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        wardline_sfu::ParticipantId::from_bytes(bytes)
    };
    let room = crate::support::ROOM;
    for n in 0..600 {
        broadcast.world.core.connect(now, room, who(n), &offer).unwrap();
    }
    assert_eq!(broadcast.world.core.participants(), 601);
    for n in (0..600).step_by(2) {
        assert!(!broadcast.world.core.disconnect(now, room, who(n)));
    }
    assert!(!broadcast.world.core.has_participant(room, who(0)) && broadcast.world.core.has_participant(room, who(1)));
    broadcast.world.core.close_room(now, room);
    assert_eq!((broadcast.world.core.participants(), broadcast.world.core.rooms()), (0, 0));
}

#[test]
fn who_sends_too_sees_the_top_layer_and_is_no_viewer() {
    let mut broadcast = Broadcast::start(18, &LAYERS);
    let now = broadcast.now();
    let mut peer = broadcast.world.device(2);
    let lines = [(MediaKind::Audio, Direction::SendRecv), (MediaKind::Video, Direction::SendRecv)];
    let offer = peer.offer(now, &lines);
    let guest = broadcast.world.enter(2, peer, &offer).unwrap();
    broadcast.run(10 * SECOND);
    assert_eq!(broadcast.layers(guest, now), [LOW, MIDDLE, HIGH]);
    let now = broadcast.now();
    assert_eq!(broadcast.world.core.room_stats(now, crate::support::ROOM).unwrap().viewers, 0);
}

#[test]
fn the_camera_comes_again_and_the_viewers_go_on() {
    let mut broadcast = Broadcast::start(19, &LAYERS);
    let viewer = broadcast.join(2);
    broadcast.run(8 * SECOND);
    let now = broadcast.now();
    let mut peer = broadcast.world.device(1);
    peer.address.set_port(6_000);
    let mut peer = crate::support::peer::Peer::new(now, peer.address);
    let offer = peer.broadcast_offer(now, &["h", "m", "l"]);
    let again = broadcast.world.enter(1, peer, &offer).unwrap();
    // The first in the list is the one that the camera feeds.
    broadcast.world.peers.swap(0, again);
    broadcast.world.run_until(|world| world.peers[0].connected);
    broadcast.camera = Camera::new(&LAYERS);
    broadcast.run(8 * SECOND);
    let pictures = broadcast.pictures(viewer);
    assert_eq!(pictures.last().unwrap().layer, HIGH);
    assert!(longest_freeze(&pictures, now + 2 * SECOND, broadcast.now()) < Duration::from_millis(150));
}
