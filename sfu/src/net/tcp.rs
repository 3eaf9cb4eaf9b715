//! One shard's TCP listener: media for networks that block UDP (ICE-TCP, RFC 6544). Datagrams come one after the other on a connection, each behind
//! its length in two bytes (RFC 4571).
//!
//! Media is not queued here either: what a connection does not take soon is dropped, as a full socket drops it over UDP. Nothing else of TCP
//! shows: above it is the same core.
use crate::core::{DATAGRAM_BYTES_MAX, Transmit};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Connections of one shard. One more takes the place of that which has been silent for the longest.
pub(super) const CONNECTIONS_MAX: usize = 1_000;

/// A connection without a byte for so long is over: clients check the path every few seconds.
const SILENT_MAX: Duration = Duration::from_secs(30);

/// How often silent ones are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Bytes that wait for one connection; a packet beyond them is dropped. About half a second of a call with video.
const WAITING_BYTES_MAX: usize = 128 * 1024;

/// Bytes read from one connection before the shard looks at others.
const READ_BYTES_MAX: usize = 64 * 1024;

/// Bytes in front of each datagram.
const LENGTH_BYTES: usize = 2;

/// The listener's token; connections take those that follow.
pub(super) const LISTENER: Token = Token(2);

pub(super) struct Tcp {
    listener: TcpListener,
    candidates: Vec<SocketAddr>,
    default: SocketAddr,
    connections: HashMap<Token, Connection>,
    tokens: HashMap<SocketAddr, Token>,
    next_token: usize,
    accepting: bool,
    swept_at: Instant,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    remote: SocketAddr,
    /// The candidate that it was opened to.
    local: SocketAddr,
    received: Vec<u8>,
    waiting: Vec<u8>,
    heard_at: Instant,
    /// The kernel may have more.
    readable: bool,
}

/// The other side is gone, or says what no datagram is.
struct Over;

impl Tcp {
    pub(super) fn new(listener: std::net::TcpListener, candidates: Vec<SocketAddr>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let default = candidates.first().copied().map_or_else(|| listener.local_addr(), Ok)?;
        Ok(Self {
            listener: TcpListener::from_std(listener),
            candidates,
            default,
            connections: HashMap::new(),
            tokens: HashMap::new(),
            next_token: LISTENER.0 + 1,
            accepting: true,
            swept_at: Instant::now(),
            buffer: vec![0; READ_BYTES_MAX],
        })
    }

    pub(super) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut self.listener, LISTENER, Interest::READABLE)
    }

    /// Something is possible again on this token.
    pub(super) fn ready(&mut self, token: Token, registry: &Registry) {
        if token == LISTENER {
            self.accepting = true;
        } else if let Some(connection) = self.connections.get_mut(&token) {
            connection.readable = true;
            if connection.write().is_err() {
                self.close(token, registry);
            }
        }
    }

    /// Takes new connections, and reads from all; gives each datagram with its source and the candidate that it was sent to. True: there is more.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        registry: &Registry,
        mut each: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) -> bool {
        self.accept(now, registry);
        let mut more = false;
        let tokens: Vec<Token> =
            self.connections.iter().filter(|(_, connection)| connection.readable).map(|(token, _)| *token).collect();
        for token in tokens {
            let Some(connection) = self.connections.get_mut(&token) else { continue };
            match connection.read(now, &mut self.buffer, &mut each) {
                Ok(()) => more |= connection.readable,
                Err(Over) => self.close(token, registry),
            }
        }
        if now.saturating_duration_since(self.swept_at) >= SWEEP_EVERY {
            self.swept_at = now;
            self.close_where(registry, |connection| now.saturating_duration_since(connection.heard_at) >= SILENT_MAX);
        }
        more
    }

    /// Sends one datagram on the connection of its destination; false: it was dropped.
    pub(super) fn send(&mut self, transmit: &Transmit, registry: &Registry) -> bool {
        let Some(token) = self.tokens.get(&transmit.destination).copied() else { return false };
        let Some(connection) = self.connections.get_mut(&token) else { return false };
        match connection.send(&transmit.contents) {
            Ok(sent) => sent,
            Err(Over) => {
                self.close(token, registry);
                false
            }
        }
    }

    fn accept(&mut self, now: Instant, registry: &Registry) {
        while self.accepting {
            match self.listener.accept() {
                Ok((stream, remote)) => self.admit(now, stream, remote, registry),
                // Out of files, most often: the next event tries again.
                Err(_) => self.accepting = false,
            }
        }
    }

    fn admit(&mut self, now: Instant, mut stream: TcpStream, remote: SocketAddr, registry: &Registry) {
        if self.connections.len() >= CONNECTIONS_MAX
            && let Some(silent) = self.connections.iter().min_by_key(|(_, c)| c.heard_at).map(|(token, _)| *token)
        {
            self.close(silent, registry);
        }
        let token = Token(self.next_token);
        self.next_token += 1;
        let local = stream.local_addr().ok().and_then(|local| self.candidates.iter().find(|c| c.ip() == local.ip()));
        let local = local.copied().unwrap_or(self.default);
        let both = Interest::READABLE | Interest::WRITABLE;
        if stream.set_nodelay(true).is_err() || registry.register(&mut stream, token, both).is_err() {
            return; // gone already
        }
        self.tokens.insert(remote, token);
        let connection = Connection {
            stream,
            remote,
            local,
            received: Vec::new(),
            waiting: Vec::new(),
            heard_at: now,
            readable: true,
        };
        self.connections.insert(token, connection);
    }

    fn close_where(&mut self, registry: &Registry, is: impl Fn(&Connection) -> bool) {
        let over: Vec<Token> = self.connections.iter().filter(|(_, c)| is(c)).map(|(token, _)| *token).collect();
        for token in over {
            self.close(token, registry);
        }
    }

    fn close(&mut self, token: Token, registry: &Registry) {
        let Some(mut connection) = self.connections.remove(&token) else { return };
        if self.tokens.get(&connection.remote) == Some(&token) {
            self.tokens.remove(&connection.remote);
        }
        // It is closed by being dropped; a failure here leaves nothing behind.
        let _deregistered = registry.deregister(&mut connection.stream);
    }
}

impl Connection {
    fn read(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        each: &mut impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) -> Result<(), Over> {
        match self.stream.read(buffer) {
            Ok(0) => return Err(Over),
            Ok(bytes) => {
                self.heard_at = now;
                self.received.extend_from_slice(buffer.get(..bytes).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Over),
        }
        let mut rest = self.received.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<LENGTH_BYTES>() {
            let length = usize::from(u16::from_be_bytes(*length));
            if length == 0 || length > DATAGRAM_BYTES_MAX {
                return Err(Over);
            }
            let Some((datagram, after)) = after.split_at_checked(length) else { break };
            each(self.remote, self.local, datagram);
            rest = after;
        }
        let done = self.received.len() - rest.len();
        self.received.drain(..done);
        Ok(())
    }

    /// Whole datagrams only: half of one would spoil all that follow.
    fn send(&mut self, datagram: &[u8]) -> Result<bool, Over> {
        let Ok(length) = u16::try_from(datagram.len()) else { return Ok(false) };
        if self.waiting.len() + LENGTH_BYTES + datagram.len() > WAITING_BYTES_MAX {
            return Ok(false);
        }
        self.waiting.extend_from_slice(&length.to_be_bytes());
        self.waiting.extend_from_slice(datagram);
        self.write().map(|()| true)
    }

    fn write(&mut self) -> Result<(), Over> {
        let mut written = 0;
        let result = loop {
            let rest = self.waiting.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break Ok(());
            }
            match self.stream.write(rest) {
                Ok(0) => break Err(Over),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Not connected yet cannot be: it was accepted.
                Err(_) => break Err(Over),
            }
        };
        self.waiting.drain(..written);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Transport;
    use mio::{Events, Poll};
    use std::net::TcpStream as Client;

    struct Server {
        tcp: Tcp,
        poll: Poll,
        address: SocketAddr,
    }

    impl Server {
        fn new() -> Self {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let mut tcp = Tcp::new(listener, vec![address]).unwrap();
            let poll = Poll::new().unwrap();
            tcp.register(poll.registry()).unwrap();
            Self { tcp, poll, address }
        }

        /// One round of a shard; gives what came.
        fn round(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
            let mut events = Events::with_capacity(16);
            self.poll.poll(&mut events, Some(Duration::from_millis(200))).unwrap();
            for event in &events {
                self.tcp.ready(event.token(), self.poll.registry());
            }
            let mut got = Vec::new();
            while self.tcp.receive(Instant::now(), self.poll.registry(), |from, to, bytes| {
                assert_eq!(to, self.address);
                got.push((from, bytes.to_vec()));
            }) {}
            got
        }

        fn send(&mut self, to: SocketAddr, contents: Vec<u8>) -> bool {
            let transmit = Transmit { transport: Transport::Tcp, source: self.address, destination: to, contents };
            self.tcp.send(&transmit, self.poll.registry())
        }
    }

    fn framed(datagrams: &[&[u8]]) -> Vec<u8> {
        datagrams.iter().flat_map(|d| [&(d.len() as u16).to_be_bytes(), *d].concat()).collect()
    }

    #[test]
    fn datagrams_come_whole_however_the_stream_is_cut() {
        let mut server = Server::new();
        let mut client = Client::connect(server.address).unwrap();
        let from = client.local_addr().unwrap();
        let long = vec![9; DATAGRAM_BYTES_MAX];
        let mut got = Vec::new();
        for part in framed(&[b"one", b"two", &long]).chunks(701) {
            client.write_all(part).unwrap();
            got.extend(server.round());
        }
        assert_eq!(got, [(from, b"one".to_vec()), (from, b"two".to_vec()), (from, long)]);
        assert!(server.send(from, b"answer".to_vec()));
        let mut answer = [0; 8];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"\0\x06answer");
        assert!(!server.send(server.address, b"nobody".to_vec()));
    }

    #[test]
    fn what_is_no_datagram_ends_the_connection() {
        for nonsense in [[0, 0], [0xff, 0xff]] {
            let mut server = Server::new();
            let mut client = Client::connect(server.address).unwrap();
            client.write_all(&nonsense).unwrap();
            while !server.tcp.connections.is_empty() || server.tcp.accepting {
                assert!(server.round().is_empty());
            }
            client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            assert!(matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)));
            assert!(server.tcp.tokens.is_empty());
        }
    }

    #[test]
    fn who_does_not_read_loses_packets_and_holds_little() {
        let mut server = Server::new();
        let client = Client::connect(server.address).unwrap();
        let to = client.local_addr().unwrap();
        while server.tcp.connections.is_empty() {
            server.round();
        }
        let mut taken = 0;
        while server.send(to, vec![7; 1_200]) {
            taken += 1;
            assert!(taken < 100_000, "nothing is ever dropped");
        }
        let waiting: usize = server.tcp.connections.values().map(|connection| connection.waiting.len()).sum();
        assert!(waiting <= WAITING_BYTES_MAX && waiting > WAITING_BYTES_MAX / 2);
    }

    #[test]
    fn the_silent_make_room() {
        let mut server = Server::new();
        let now = Instant::now();
        let mut client = Client::connect(server.address).unwrap();
        client.write_all(&framed(&[b"hello"])).unwrap();
        while server.round().is_empty() {}
        server.tcp.receive(now + SILENT_MAX / 2, server.poll.registry(), |_, _, _| ());
        assert_eq!(server.tcp.connections.len(), 1);
        server.tcp.receive(now + SILENT_MAX * 2, server.poll.registry(), |_, _, _| ());
        assert!(server.tcp.connections.is_empty());
    }
}
