//! Peers on their sockets, a few threads for many: batches in, and each datagram's arrival as the kernel saw it.
use super::peer::Peer;
use anyhow::Result;
use mio::{Events, Interest, Poll, Token};
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Bytes of each receive buffer: what the kernel joins at most.
const BUFFER_BYTES: usize = 65_536;

/// Datagrams, or joined ones, that are read at once.
const BUFFERS: usize = 4;

/// Bytes that wait in a socket: a burst of 400 packets.
const SOCKET_BUFFER_BYTES: usize = 512 * 1024;

/// How often it is looked which peers' timers are due.
const SWEEP_EVERY: Duration = Duration::from_millis(5);

/// A peer with its socket.
pub struct Device {
    /// The peer.
    pub peer: Peer,
    socket: mio::net::UdpSocket,
    state: UdpSocketState,
}

impl Device {
    /// A new one at a free port.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn new(address: IpAddr) -> Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(address, 0))?;
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // The kernel grants what it is allowed to; what does not fit is counted as lost.
        let _granted = state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER_BYTES);
        let peer = Peer::new(Instant::now(), socket.local_addr()?)?;
        Ok(Self { peer, socket: mio::net::UdpSocket::from_std(socket), state })
    }

    /// Sends what the peer has to say: a datagram a call, as clients do.
    pub fn flush(&mut self) {
        for transmit in self.peer.transmits.drain(..) {
            // What the kernel does not take is lost, as on any network.
            let _sent = self.socket.send_to(&transmit.contents, transmit.destination);
        }
    }

    // Reads everything; `keep` says which datagrams get through.
    fn receive(
        &mut self,
        buffers: &mut [Vec<u8>],
        mut keep: impl FnMut(SocketAddr, &[u8]) -> bool,
        mut each: impl FnMut(&mut Peer, Duration) -> Result<()>,
    ) -> Result<()> {
        let mut metas = [RecvMeta::default(); BUFFERS];
        loop {
            let mut slices: Vec<IoSliceMut<'_>> = buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
            let count = match self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut metas) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let now = Instant::now();
            for (meta, buffer) in metas.iter().zip(buffers.iter()).take(count) {
                let arrived = meta.timestamp.unwrap_or_else(unix_now);
                for datagram in buffer.get(..meta.len).unwrap_or_default().chunks(meta.stride.max(1)) {
                    if keep(meta.addr, datagram) {
                        self.peer.handle(now, meta.addr, datagram)?;
                    }
                }
                each(&mut self.peer, arrived)?;
            }
            self.flush();
        }
    }
}

/// Unix time.
pub fn unix_now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// Devices that one thread serves.
pub struct Devices {
    /// The devices.
    pub all: Vec<Device>,
    poll: Poll,
    events: Events,
    buffers: Vec<Vec<u8>>,
    swept_at: Option<Instant>,
    fresh: bool,
}

impl Devices {
    /// Takes devices over.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn new(mut all: Vec<Device>) -> Result<Self> {
        let poll = Poll::new()?;
        for (index, device) in all.iter_mut().enumerate() {
            poll.registry().register(&mut device.socket, Token(index), Interest::READABLE)?;
        }
        let buffers = vec![vec![0; BUFFER_BYTES]; BUFFERS];
        Ok(Self { all, poll, events: Events::with_capacity(256), buffers, swept_at: None, fresh: true })
    }

    /// Gives the devices back.
    pub fn release(mut self) -> Vec<Device> {
        for device in &mut self.all {
            // It was registered here.
            let _ = self.poll.registry().deregister(&mut device.socket);
        }
        self.all
    }

    /// Takes one more, with the next number.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn add(&mut self, mut device: Device) -> Result<()> {
        self.poll.registry().register(&mut device.socket, Token(self.all.len()), Interest::READABLE)?;
        device.flush();
        self.all.push(device);
        self.fresh = true;
        Ok(())
    }

    /// Gives a device a datagram that was kept back.
    ///
    /// # Errors
    /// str0m's.
    pub fn hand(&mut self, index: usize, from: SocketAddr, datagram: &[u8]) -> Result<()> {
        if let Some(device) = self.all.get_mut(index) {
            device.peer.handle(Instant::now(), from, datagram)?;
            device.flush();
        }
        Ok(())
    }

    /// Waits at most so long and serves whoever has something: `keep` says which of a device's datagrams get through, `each` takes the packets of a device out of its peer, with their time of arrival.
    ///
    /// # Errors
    /// str0m's and the system's.
    pub fn serve(
        &mut self,
        wait: Duration,
        mut keep: impl FnMut(usize, SocketAddr, &[u8]) -> bool,
        mut each: impl FnMut(usize, &mut Peer, Duration) -> Result<()>,
    ) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(wait.min(SWEEP_EVERY))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        let mut ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        if std::mem::take(&mut self.fresh) {
            // What came before the first wait announces itself no more.
            ready = (0..self.all.len()).collect();
        }
        for index in ready {
            let Some(device) = self.all.get_mut(index) else { continue };
            device.receive(
                &mut self.buffers,
                |from, datagram| keep(index, from, datagram),
                |peer, arrived| each(index, peer, arrived),
            )?;
        }
        let now = Instant::now();
        if self.swept_at.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY) {
            self.swept_at = Some(now);
            for device in self.all.iter_mut().filter(|device| device.peer.timeout() <= now) {
                device.peer.handle_timeout(now)?;
                device.flush();
            }
        }
        Ok(())
    }
}
