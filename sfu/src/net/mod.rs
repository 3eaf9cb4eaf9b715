//! Shard threads and their sockets.
use crate::{Busy, Config, ConnectError, Event, ParticipantId, RoomId, StartError, Stats};
use std::net::SocketAddr;

/// The running media plane: a handle for the node. Cloning it gives another handle to the same plane.
#[derive(Clone)]
pub struct Sfu {}

impl Sfu {
    /// Binds the sockets and starts the shards.
    pub fn start(_config: Config, _events: impl Fn(Event) + Send + Sync + 'static) -> Result<Sfu, StartError> {
        Ok(Sfu {})
    }

    /// Connects a participant by its SDP offer; `reply` gets the SDP answer, on the shard's thread. A participant's further
    /// offer is an ICE restart or a change of its living connection when it continues that session, and replaces it otherwise.
    pub fn connect(
        &self,
        _room: RoomId,
        _participant: ParticipantId,
        _offer_sdp: String,
        reply: impl FnOnce(Result<String, ConnectError>) + Send + 'static,
    ) -> Result<(), Busy> {
        reply(Err(ConnectError::Closed));
        Ok(())
    }

    /// Allows or forbids that a participant's packets are forwarded. Forbidden until the first call.
    pub fn set_sending(&self, _room: RoomId, _participant: ParticipantId, _allowed: bool) {}

    /// Closes a participant's connection and frees its place.
    pub fn disconnect(&self, _room: RoomId, _participant: ParticipantId) {}

    /// Disconnects everybody in a room.
    pub fn close_room(&self, _room: RoomId) {}

    /// Counters of all shards.
    pub fn stats(&self) -> Stats {
        Stats::default()
    }

    /// The bound address of each shard.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        Vec::new()
    }

    /// Closes every connection and ends the threads. Returns when they have ended.
    pub fn shutdown(self) {}
}
