//! What the media plane tells the node.
use crate::{ParticipantId, RoomId};
use std::time::Duration;

/// Something that happened to a participant, or to a shard. Delivered on the shard's thread: the receiver must only hand it on, never block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// ICE and DTLS are up: media can flow. Comes once for each connection, so again after a reconnect.
    Connected {
        /// The room.
        room: RoomId,
        /// The participant.
        participant: ParticipantId,
    },
    /// Nothing was heard from the participant for [`crate::core::LOST_AFTER`], or its side closed the connection. Its place is
    /// kept: it may return by itself ([`Event::Resumed`]), by an ICE restart or by a new connection. The node decides how long.
    Lost {
        /// The room.
        room: RoomId,
        /// The participant.
        participant: ParticipantId,
    },
    /// A lost participant is heard again on the connection that it had.
    Resumed {
        /// The room.
        room: RoomId,
        /// The participant.
        participant: ParticipantId,
    },
    /// The first packet of a participant was forwarded since it was allowed to send.
    FirstPacket {
        /// The room.
        room: RoomId,
        /// The participant that sent it.
        participant: ParticipantId,
        /// How long after `set_sending(true)`.
        after_allowed: Duration,
    },
    /// A shard ended without being told to: its rooms are gone, and it takes no new ones. Only a new media plane helps.
    ShardEnded {
        /// Its place in [`crate::Config::bind`].
        shard: usize,
    },
}
