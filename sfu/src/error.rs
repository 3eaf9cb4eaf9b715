//! Errors of the handle. None carries an address or text of a participant.
use std::net::SocketAddr;

/// Why the SFU does not start. The message names the setting to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A number in the configuration makes no sense.
    #[error("sfu configuration: {0}")]
    Config(String),
    /// A shard's address cannot be bound.
    #[error(
        "sfu: cannot listen on UDP {address}: {source}. Set `bind` to an address of this host and a free port, one per shard"
    )]
    Bind {
        /// The server's own address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Clients could not reach an advertised address.
    #[error("sfu: cannot advertise {address}: {reason}")]
    Advertised {
        /// The server's own address.
        address: SocketAddr,
        /// What is wrong and how to put it right.
        reason: &'static str,
    },
    /// No address to advertise was found.
    #[error("sfu: this host has no address that clients could reach on {address}. Set `advertised`, one per shard")]
    NoAddress {
        /// The address that was bound.
        address: SocketAddr,
    },
    /// The operating system refused a thread, a socket option or the list of interfaces.
    #[error("sfu: {doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Why a participant was not connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The offer is not SDP, or no SDP that this SFU can answer.
    #[error("the offer cannot be parsed or answered")]
    Offer,
    /// The offer holds no line that this SFU supports.
    #[error("the offer has no audio or video line with a codec that is supported here")]
    NoMedia,
    /// The offer has more media lines than a room can have participants.
    #[error("the offer has too many media lines")]
    TooManyLines,
    /// The room is full.
    #[error("the room is full")]
    RoomFull,
    /// The SFU is shutting down.
    #[error("the media plane is shutting down")]
    Closed,
}

/// A shard's command lane is full, or the SFU is shutting down: try again or refuse the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media plane is busy")]
pub struct Busy;
