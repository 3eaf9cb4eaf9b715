//! SFrame: only what the peer sealed opens, once, and as it was sealed.
use crate::world;
use wardline_e2ee::media::{Receiver, Sender};

const CLEAR_BYTES_MAX: usize = 16;

/// First byte: how many bytes stay in clear. Then the raw frame; the same bytes also serve as a payload and as damage to it.
pub fn sframe(bytes: &[u8]) {
    let Some((first, frame)) = bytes.split_first() else { return };
    let clear = usize::from(*first) % CLEAR_BYTES_MAX;
    let (alice, bob_receives_from) = world::call();
    let mut receiver = Receiver::new(bob_receives_from);
    receiver.update(alice.clone(), world::NOW_MS);
    assert!(receiver.open(frame, clear, world::NOW_MS).is_err(), "a frame that nobody sealed was opened");

    let Ok(mut sender) = Sender::new(alice, u32::from(*first)) else { return };
    let Ok(sealed) = sender.seal(frame, clear.min(frame.len())) else { return };
    let clear = clear.min(frame.len());
    let mut damaged = sealed.clone();
    for (position, byte) in frame.iter().enumerate().take(4) {
        let at = usize::from(*byte).wrapping_mul(31).wrapping_add(position) % damaged.len().max(1);
        if let Some(target) = damaged.get_mut(at) {
            *target ^= byte | 1;
        }
    }
    let opened = receiver.open(&damaged, clear, world::NOW_MS);
    assert!(damaged == sealed || opened.is_err(), "a damaged frame was opened");
    if damaged != sealed {
        let opened = receiver.open(&sealed, clear, world::NOW_MS);
        assert!(
            opened.is_ok_and(|opened| opened.payload == frame),
            "damage in between keeps a good frame from opening"
        );
    }
    assert!(receiver.open(&sealed, clear, world::NOW_MS).is_err(), "a frame was opened twice");
}
