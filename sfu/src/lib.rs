//! The media plane: a selective forwarding unit. What one participant of a room sends is forwarded to all others; of a simulcast, each gets the layer that its way carries.
//!
//! [`core`] holds rooms, participants and forwarding; it is sans-IO: time, addresses and bytes are arguments, and one function
//! drives it. [`net`] puts it on pinned shard threads with one UDP socket each. A call lives on one shard, which owns it outright;
//! the viewers of a broadcast are spread over all of them, each with what it needs of the room.
//!
//! Absent on purpose: any key that opens a payload (it is SFrame ciphertext, RFC 9605; only where a key frame begins is read, which is in clear), MLS, SQL, an async
//! runtime, a lock on the packet path, and addresses of participants in logs.
mod config;
pub mod core;
mod error;
mod event;
mod id;
pub mod net;
mod room_stats;
mod stats;

pub use config::Config;
pub use error::{Busy, ConnectError, StartError};
pub use event::Event;
pub use id::{ParticipantId, RoomId};
pub use net::Sfu;
pub use room_stats::{LayerStats, RoomStats};
pub use stats::{DropCause, Stats};
