//! [`MediaSession`]: one call's media on one device.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use tokio::sync::watch;
use wardline_e2ee::media::MediaEpoch;
use wardline_protocol::AccountId;

use super::{AudioSink, AudioSource, MediaError, MediaStatistics};

/// Where a call's media leaves this machine.
#[derive(Clone)]
#[non_exhaustive]
pub struct MediaConfig {
    /// Local addresses to use; port 0 takes a free one. `0.0.0.0` stands for every interface but loopback.
    pub local: Vec<SocketAddr>,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self { local: vec![SocketAddr::from(([0, 0, 0, 0], 0))] }
    }
}

impl MediaConfig {
    /// The one local address from which the machine reaches the node now. Nothing is sent.
    ///
    /// # Errors
    /// [`MediaError::NoLocalAddress`] when no interface has a way there.
    pub fn toward(node: SocketAddr) -> Result<Self, MediaError> {
        let any: SocketAddr = if node.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let local = UdpSocket::bind(any)
            .and_then(|socket| socket.connect(node).and_then(|()| socket.local_addr()))
            .map_err(|_| MediaError::NoLocalAddress)?;
        Ok(Self::on(local.ip()))
    }

    /// One local address.
    pub fn on(address: IpAddr) -> Self {
        Self { local: vec![SocketAddr::new(address, 0)] }
    }
}

/// One call's media on one device.
pub struct MediaSession {
    connected: watch::Receiver<bool>,
}

impl MediaSession {
    /// Opens sockets and makes the offer (SDP with all host candidates). No sound is taken yet.
    pub async fn offer(config: MediaConfig) -> Result<(Self, String), MediaError> {
        let _ = config;
        Err(MediaError::NoLocalAddress)
    }

    /// Takes the node's answer (SDP). ICE and DTLS come up at once, so that the call is connected while it rings.
    pub async fn answer(&self, sdp: &str) -> Result<(), MediaError> {
        Err(MediaError::BadAnswer(sdp.len().to_string()))
    }

    /// Whether packets can pass now.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }

    /// The call was accepted: takes the first sample from `source`, plays what `peer` says to `sink`.
    pub fn start(
        &self,
        source: Box<dyn AudioSource>,
        sink: Box<dyn AudioSink>,
        keys: MediaEpoch,
        context_id: u32,
        peer: AccountId,
    ) -> Result<(), MediaError> {
        drop((source, sink, keys, context_id, peer));
        Err(MediaError::AlreadyStarted)
    }

    /// The conversation's membership changed: the next packet is sealed with the new keys, the old ones open for 5 s more.
    pub fn update_keys(&self, keys: MediaEpoch) {
        drop(keys);
    }

    /// Counts since the start.
    pub fn statistics(&self) -> MediaStatistics {
        MediaStatistics::default()
    }

    /// The network changed: makes a new connection (a new offer, then [`MediaSession::answer`]) under the same sound.
    pub async fn restart(&self, config: MediaConfig) -> Result<String, MediaError> {
        let _ = config;
        Err(MediaError::NoLocalAddress)
    }

    /// Ends the sound and the connection; the sink is finished when this returns.
    pub async fn close(self) {}
}
