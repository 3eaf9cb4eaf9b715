//! The media plane: a selective forwarding unit. What one participant of a room sends is forwarded to all others.
//!
//! [`core`] holds rooms, participants and forwarding; it is sans-IO: time, addresses and bytes are arguments, and one function
//! drives it. [`net`] puts it on pinned shard threads with one UDP socket each. A room lives on one shard, which owns it outright.
//!
//! Absent on purpose: any key that opens a payload (it is SFrame ciphertext, RFC 9605, and never parsed), MLS, SQL, an async
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
