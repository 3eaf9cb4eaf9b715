//! Settings of the media plane.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Participants of a room by default: a broadcast to all the staff of a large hospital who are on duty at once. Each takes some hundred kilobytes, which is what bounds it.
const ROOM_PARTICIPANTS_MAX: usize = 5_000;

/// Viewers of one room on one shard by default. They take a good part of a core with a camera of 1.5 Mbit/s, and a call that shares the shard with them is none the worse.
const SHARD_VIEWERS: usize = 200;

/// Settings of the media plane. The default is one shard on any address and any free port.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads, each with one UDP socket. More than cores is of no use.
    pub shards: usize,
    /// Where each shard listens: one address per shard. An unspecified address (`0.0.0.0`) listens on all interfaces.
    pub bind: Vec<SocketAddr>,
    /// What each shard tells clients: one address per shard. May differ from `bind` (NAT, forwarded port). Empty: the
    /// addresses of this host's interfaces, with the bound port.
    pub advertised: Vec<SocketAddr>,
    /// Whether each shard listens on TCP too, at the same address and port, for networks that block UDP.
    pub tcp: bool,
    /// Whether each shard's thread is tied to one core.
    pub pin_cores: bool,
    /// Participants in one room; more are refused.
    pub room_participants_max: usize,
    /// Participants of a room on the shard where it began, before further viewers go to other shards, and how many of them to each.
    pub shard_viewers: usize,
    /// Commands waiting for one shard; more are refused with [`crate::Busy`].
    pub command_queue: usize,
    /// Kernel buffer of each socket, in bytes and each direction. The kernel may grant less.
    pub socket_buffer_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            shards: 1,
            bind: vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)],
            advertised: Vec::new(),
            tcp: false,
            pin_cores: false,
            room_participants_max: ROOM_PARTICIPANTS_MAX,
            shard_viewers: SHARD_VIEWERS,
            command_queue: 1024,
            socket_buffer_bytes: 4 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broadcast_has_room_for_thousands() {
        assert!(Config::default().room_participants_max >= 5_000);
    }
}
