//! A room's numbers for the status page.
use crate::support::ROOM;
use crate::support::broadcast::{Broadcast, LAYERS};
use crate::support::world::Narrow;
use std::time::Duration;
use wardline_sfu::{RoomId, RoomStats};

const SECOND: Duration = Duration::from_secs(1);

fn stats(broadcast: &mut Broadcast) -> RoomStats {
    let now = broadcast.now();
    broadcast.world.core.room_stats(now, ROOM).unwrap()
}

#[test]
fn a_broadcast_s_numbers_are_what_goes_on() {
    let mut broadcast = Broadcast::start(1, &LAYERS);
    let viewers: Vec<_> = (2..6).map(|n| broadcast.join(n)).collect();
    broadcast.run(10 * SECOND);
    let address = broadcast.world.peers[viewers[0]].address;
    broadcast.world.narrow.insert(address, Narrow::lossy(4));
    let address = broadcast.world.peers[viewers[1]].address;
    broadcast.world.narrow.insert(address, Narrow::new(110_000));
    broadcast.run(6 * SECOND);
    let stats = stats(&mut broadcast);
    assert_eq!((stats.participants, stats.viewers, stats.shards), (5, 4, 1));
    let rids: Vec<_> = stats.layers.iter().map(|layer| layer.rid.as_deref().unwrap()).collect();
    assert_eq!(rids, ["l", "m", "h"], "the smallest first");
    for (layer, bit_s) in stats.layers.iter().zip([150_000, 500_000, 1_500_000]) {
        assert!((bit_s..bit_s * 13 / 10).contains(&layer.bit_s), "{layer:?}");
        assert!(layer.packets > 400 && layer.lost == 0, "{layer:?}");
        assert!(layer.key_frames_asked >= 1 && layer.key_frames_wanted >= layer.key_frames_asked, "{layer:?}");
        assert!(layer.key_frames_asked <= 17, "{layer:?}");
    }
    assert_eq!(stats.layers[2].viewers, 3);
    let elsewhere = stats.layers[0].viewers + stats.viewers_paused + stats.viewers_waiting;
    assert_eq!(elsewhere, 1, "{stats:?}");
    assert!((35_000..60_000).contains(&stats.audio_bit_s), "{stats:?}");
    assert!((4_500_000..6_000_000).contains(&stats.out_bit_s), "{stats:?}");
    assert!(stats.loss_worst > 0.02 && stats.loss_mean < stats.loss_worst, "{stats:?}");
    let heard: usize = viewers.iter().map(|viewer| broadcast.world.peers[*viewer].heard.len()).sum();
    assert!(stats.forwarded >= heard as u64 && stats.forwarded < heard as u64 * 11 / 10, "{heard} {stats:?}");
    assert_eq!(broadcast.world.core.room_stats(broadcast.world.now, RoomId::from_bytes([9; 16])), None);
}

#[test]
fn what_is_lost_on_the_way_in_is_counted_for_its_layer() {
    let mut broadcast = Broadcast::start(2, &[("", 400_000)]);
    broadcast.join(2);
    broadcast.run(3 * SECOND);
    assert_eq!(stats(&mut broadcast).layers[0].lost, 0);
    let camera = broadcast.world.peers[0].address;
    broadcast.world.cut.push(camera);
    broadcast.run(4 * SECOND);
    broadcast.world.cut.clear();
    broadcast.run(3 * SECOND);
    let stats = stats(&mut broadcast);
    assert!(stats.layers[0].lost > 100, "too long ago to be sent again: {stats:?}");
    assert_eq!(stats.layers[0].viewers, 1);
    assert_eq!(stats.layers[0].rid, None);
}
