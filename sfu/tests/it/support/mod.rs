//! Peers and networks for the tests.
pub mod broadcast;
pub mod camera;
pub mod peer;
pub mod screen;
pub mod socketed;
pub mod world;

use wardline_sfu::{ParticipantId, RoomId};

pub const ROOM: RoomId = RoomId::from_bytes([1; 16]);

pub fn participant(n: u8) -> ParticipantId {
    ParticipantId::from_bytes([n; 16])
}
