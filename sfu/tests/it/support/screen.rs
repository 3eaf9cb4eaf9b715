//! What a viewer can make of the packets that it heard: a decoder that knows what a frame needs.
use super::camera::Shot;
use super::peer::Heard;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A frame that can be shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    pub at: Instant,
    pub layer: u8,
    pub time: u32,
}

/// The frames that can be decoded, in their order: a key frame, or one that follows the one before of its layer, with all of its parts. Packets are taken by
/// their number, whenever they came. Panics where numbers do not go together.
pub fn shown(heard: &[Heard]) -> Vec<Shown> {
    let mut by_seq: BTreeMap<u64, &Heard> = BTreeMap::new();
    for heard in heard {
        assert!(by_seq.insert(heard.seq, heard).is_none(), "number {} twice", heard.seq);
    }
    let packets: Vec<(Shot, &Heard)> = by_seq.values().map(|heard| (Shot::read(&heard.payload), *heard)).collect();
    let mut frames: Vec<Shown> = Vec::new();
    let mut decodable: Option<(u8, u32)> = None;
    let mut pictures: Option<(u16, u8, u64)> = None;
    for frame in packets.chunk_by(|a, b| (a.0.layer, a.0.frame, a.1.time) == (b.0.layer, b.0.frame, b.1.time)) {
        let (shot, first) = frame[0];
        let (_, last) = frame[frame.len() - 1];
        if let Some((picture, base, seq)) = pictures
            && first.seq == seq + 1
        {
            assert_eq!((shot.picture, shot.base), (picture.wrapping_add(1) & 0x7fff, base.wrapping_add(1)), "{shot:?}");
        }
        pictures = Some((shot.picture, shot.base, last.seq));
        let complete = frame.len() == usize::from(shot.part.1)
            && last.seq - first.seq + 1 == u64::from(shot.part.1)
            && last.marker;
        let follows = decodable == Some((shot.layer, shot.frame.wrapping_sub(1)));
        if complete && (shot.key || follows) {
            decodable = Some((shot.layer, shot.frame));
            let at = frame.iter().map(|(_, heard)| heard.at).max().unwrap();
            frames.push(Shown { at, layer: shot.layer, time: first.time });
        } else {
            decodable = None;
        }
    }
    for pair in frames.windows(2) {
        assert!(pair[1].time.wrapping_sub(pair[0].time) < u32::MAX / 2, "the clock goes back: {pair:?}");
    }
    frames
}

/// The longest time without a new picture in a stretch of time.
pub fn longest_freeze(shown: &[Shown], from: Instant, until: Instant) -> Duration {
    let inside = shown.iter().map(|shown| shown.at).filter(|at| *at >= from && *at <= until);
    let moments: Vec<_> = std::iter::once(from).chain(inside).chain([until]).collect();
    moments.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0])).max().unwrap()
}
