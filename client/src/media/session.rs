//! [`MediaSession`]: one call's media on one device.
//!
//! It owns two tasks, one that sends a frame every 20 ms and one that plays. Both only move data between the pure parts
//! (`Talker`, `Listener`), the clock, the sound devices and the connection.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep_until;
use wardline_e2ee::media::MediaEpoch;
use wardline_protocol::AccountId;

use super::listener::{Listener, duration_of};
use super::lock::lock;
use super::pace::Pacer;
use super::peer::{OnPacket, Peer};
use super::talker::Talker;
use super::{AudioSink, AudioSource, FRAME_SAMPLES, MediaError, MediaStatistics};

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
///
/// Call order: [`offer`](Self::offer), the node's [`answer`](Self::answer) while it rings, [`start`](Self::start) when the
/// call is accepted, [`close`](Self::close). Must live inside a tokio runtime. Dropped without `close`, it ends at once and
/// the sink is dropped unfinished.
pub struct MediaSession {
    shared: Arc<Shared>,
    connected: watch::Sender<bool>,
    /// The connection in use; a restart puts another in its place.
    peer: watch::Sender<Arc<Peer>>,
    /// Told once, at the end.
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// What the connection's tasks, the session's tasks and its owner all reach. Each lock is held for one packet's work.
#[derive(Default)]
struct Shared {
    /// None until the start: what arrives before is not heard.
    listener: Mutex<Option<Listener>>,
    talker: Mutex<Option<Talker>>,
    sent: Mutex<Sent>,
}

#[derive(Clone, Copy, Default)]
struct Sent {
    packets: u64,
    skipped: u64,
}

impl MediaSession {
    /// Opens sockets and makes the offer: SDP with all host candidates. No sound is taken yet.
    ///
    /// # Errors
    /// [`MediaError::NoLocalAddress`] without a network, [`MediaError::Connection`] when a socket cannot be opened.
    pub async fn offer(config: MediaConfig) -> Result<(Self, String), MediaError> {
        let shared = Arc::new(Shared::default());
        let (connected, _) = watch::channel(false);
        let (peer, sdp) = Peer::offer(&config, connected.clone(), shared.clone().on_packet()).await?;
        let session = Self {
            shared,
            connected,
            peer: watch::Sender::new(Arc::new(peer)),
            stop: watch::Sender::new(false),
            tasks: Mutex::default(),
        };
        Ok((session, sdp))
    }

    /// Takes the node's answer (SDP). ICE and DTLS come up at once, so that the call is connected while it rings.
    ///
    /// # Errors
    /// [`MediaError::BadAnswer`] when it does not fit the newest offer.
    pub async fn answer(&self, sdp: &str) -> Result<(), MediaError> {
        let peer = self.peer.borrow().clone();
        peer.answer(sdp).await
    }

    /// Whether packets can pass now.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// The call was accepted: takes the first sample from `source`, plays what `peer` says to `sink`. `context_id` is
    /// one that this device never used before.
    ///
    /// # Errors
    /// [`MediaError::AlreadyStarted`] the second time; what the source says when it cannot start.
    pub fn start(
        &self,
        mut source: Box<dyn AudioSource>,
        sink: Box<dyn AudioSink>,
        keys: MediaEpoch,
        context_id: u32,
        peer: AccountId,
    ) -> Result<(), MediaError> {
        let now = Instant::now();
        let mut talker = lock(&self.shared.talker);
        if talker.is_some() || *self.stop.borrow() {
            return Err(MediaError::AlreadyStarted);
        }
        source.start()?;
        *talker = Some(Talker::new(keys.clone(), context_id)?);
        *lock(&self.shared.listener) = Some(Listener::new(keys, peer, now)?);
        let sending = send(self.shared.clone(), source, self.peer.subscribe(), now, self.stop.subscribe());
        let playing = play(self.shared.clone(), sink, now, self.stop.subscribe());
        lock(&self.tasks).extend([tokio::spawn(sending), tokio::spawn(playing)]);
        Ok(())
    }

    /// The conversation's membership changed: the next packet is sealed with the new keys; the old ones open for 5 s more.
    /// Without effect before [`start`](Self::start), which takes the newest keys itself.
    pub fn update_keys(&self, keys: MediaEpoch) {
        if let Some(listener) = lock(&self.shared.listener).as_mut() {
            listener.update_keys(keys.clone(), Instant::now());
        }
        if let Some(talker) = lock(&self.shared.talker).as_mut()
            && let Err(error) = talker.update_keys(keys)
        {
            tracing::warn!(%error, "nothing more is sent in this call");
        }
    }

    /// Counts since the start.
    pub fn statistics(&self) -> MediaStatistics {
        let heard = lock(&self.shared.listener).as_ref().map(Listener::statistics).unwrap_or_default();
        let sent = *lock(&self.shared.sent);
        MediaStatistics { sent: sent.packets, skipped: sent.skipped, ..heard }
    }

    /// The network changed: makes a new connection under the same sound. Returns its offer; give the node's answer to
    /// [`answer`](Self::answer). The old connection ends.
    ///
    /// # Errors
    /// As [`offer`](Self::offer); the old connection then stays.
    pub async fn restart(&self, config: MediaConfig) -> Result<String, MediaError> {
        let (peer, sdp) = Peer::offer(&config, self.connected.clone(), self.shared.clone().on_packet()).await?;
        // The node drops the old connection when it takes the new offer, so nothing is won by keeping it.
        let old = self.peer.send_replace(Arc::new(peer));
        old.retire();
        self.connected.send_replace(false);
        old.close().await;
        Ok(sdp)
    }

    /// Ends the sound and the connection; the sink is finished when this returns.
    pub async fn close(self) {
        self.stop.send_replace(true);
        let tasks: Vec<_> = std::mem::take(&mut *lock(&self.tasks));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::warn!(%error, "a task of a call's sound ended badly");
            }
        }
        let peer = self.peer.borrow().clone();
        peer.close().await;
    }
}

impl Drop for MediaSession {
    fn drop(&mut self) {
        lock(&self.tasks).iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn on_packet(self: Arc<Self>) -> OnPacket {
        Arc::new(move |now, packet| {
            if let Some(listener) = lock(&self.listener).as_mut() {
                listener.receive(now, packet);
            }
        })
    }
}

/// Sends a frame every 20 ms until told to stop.
async fn send(
    shared: Arc<Shared>,
    mut source: Box<dyn AudioSource>,
    mut peer: watch::Receiver<Arc<Peer>>,
    start: Instant,
    mut stop: watch::Receiver<bool>,
) {
    let mut pacer = Pacer::new(start);
    let mut frame = [0.0; FRAME_SAMPLES];
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep_until(pacer.next().into()) => {}
        }
        let skipped = pacer.sending(Instant::now());
        for _ in 0..skipped {
            source.read(&mut frame);
        }
        let real = source.read(&mut frame);
        frame.iter_mut().skip(real).for_each(|sample| *sample = 0.0);
        let packet = lock(&shared.talker).as_mut().map(|talker| {
            talker.skip(skipped);
            talker.packet(&frame)
        });
        let sent = match packet {
            Some(Ok(packet)) => {
                let connection = peer.borrow_and_update().clone();
                // The stack lets its sender wait when it is behind; the end of the call must not.
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    sent = connection.send(packet) => sent,
                }
            }
            Some(Err(error)) => Err(error),
            None => return,
        };
        let mut counts = lock(&shared.sent);
        counts.skipped += u64::from(skipped);
        match sent {
            Ok(()) => counts.packets += 1,
            // The connection may come back, or another take its place.
            Err(error) => tracing::trace!(%error, "a voice packet was not sent"),
        }
    }
}

/// Plays until told to stop. The sink's samples have their true places in time: the n-th is heard n / 48,000 s after the start.
async fn play(shared: Arc<Shared>, mut sink: Box<dyn AudioSink>, start: Instant, mut stop: watch::Receiver<bool>) {
    let mut frame = [0.0; FRAME_SAMPLES];
    let mut played: u64 = 0;
    loop {
        let due = start + duration_of(played);
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            () = sleep_until(due.into()) => {}
        }
        let count = match lock(&shared.listener).as_mut() {
            Some(listener) => listener.play(due, &mut frame).len(),
            None => break,
        };
        played += count as u64;
        if let Err(error) = sink.write(frame.get(..count).unwrap_or_default()) {
            tracing::warn!(%error, "the call is no longer played");
            break;
        }
    }
    if let Err(error) = sink.finish() {
        tracing::warn!(%error, "the end of the recording may be missing");
    }
}
