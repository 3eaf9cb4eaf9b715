//! One shard's UDP socket: batches in (recvmmsg, GRO) and out (GSO).
use crate::core::{DATAGRAM_BYTES_MAX, Transmit};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

/// Bytes of one kernel send; an IPv4 datagram cannot be longer.
const SEND_BYTES_MAX: usize = 65_000;

/// Batches read before the shard looks at its commands and timers again: a flood must not starve them.
const BATCHES_MAX: usize = 8;

pub(super) struct Socket {
    pub(super) io: mio::net::UdpSocket,
    state: UdpSocketState,
    candidates: Vec<SocketAddr>,
    default: SocketAddr,
    // Send from the very address that a client sent to. Off when the socket is bound to one, or the address is translated.
    choose_source: bool,
    buffers: Vec<Vec<u8>>,
    joined: Vec<u8>,
}

/// How a round of receiving ended.
pub(super) enum Received {
    /// The socket is empty.
    All,
    /// There may be more.
    More,
}

/// What a round of sending came to.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) failed: u64,
}

impl Socket {
    pub(super) fn new(
        socket: std::net::UdpSocket,
        candidates: Vec<SocketAddr>,
        buffer_bytes: usize,
    ) -> io::Result<Self> {
        let bound = socket.local_addr()?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // The kernel grants what it is allowed to; a smaller buffer is no reason not to serve.
        let _granted = state.set_recv_buffer_size(UdpSockRef::from(&socket), buffer_bytes);
        let _granted = state.set_send_buffer_size(UdpSockRef::from(&socket), buffer_bytes);
        let default = candidates.first().copied().unwrap_or(bound);
        let segment_count = state.gro_segments().max(1);
        Ok(Self {
            io: mio::net::UdpSocket::from_std(socket),
            state,
            choose_source: bound.ip().is_unspecified() && candidates.len() > 1,
            candidates,
            default,
            buffers: vec![vec![0; segment_count * DATAGRAM_BYTES_MAX.next_multiple_of(512)]; BATCH_SIZE],
            joined: Vec::with_capacity(SEND_BYTES_MAX),
        })
    }

    /// Reads what is there and gives each datagram with its source and the candidate that it was sent to.
    pub(super) fn receive(&mut self, mut each: impl FnMut(SocketAddr, SocketAddr, &[u8])) -> io::Result<Received> {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        for _ in 0..BATCHES_MAX {
            let count = {
                let mut slices: Vec<IoSliceMut<'_>> = self.buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
                match self.state.recv(UdpSockRef::from(&self.io), &mut slices, &mut metas) {
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Received::All),
                    // An ICMP error of some datagram sent before; says nothing about this one.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                }
            };
            for (meta, buffer) in metas.iter().zip(&self.buffers).take(count) {
                let destination = self.candidate(meta.dst_ip);
                let bytes = buffer.get(..meta.len).unwrap_or_default();
                for datagram in bytes.chunks(meta.stride.max(1)) {
                    each(meta.addr, destination, datagram);
                }
            }
        }
        Ok(Received::More)
    }

    // Which candidate a datagram was sent to. A translated address is seen as the only one there is.
    fn candidate(&self, destination: Option<IpAddr>) -> SocketAddr {
        let found = destination.and_then(|ip| self.candidates.iter().find(|candidate| candidate.ip() == ip));
        found.copied().unwrap_or(self.default)
    }

    /// Sends everything; consecutive packets of one size to one destination go in one kernel call. What the kernel does not
    /// take at once is dropped: media is never queued, and STUN and DTLS are sent again by themselves.
    pub(super) fn send(&mut self, transmits: &mut Vec<Transmit>) -> Sent {
        // Stable: the order of each destination's packets stays.
        transmits.sort_by_key(|transmit| transmit.destination);
        let segments_max = self.state.max_gso_segments().max(1);
        let mut sent = Sent::default();
        let mut rest = transmits.as_slice();
        while let Some(first) = rest.first() {
            let count = batch(rest, segments_max);
            let (now, later) = rest.split_at(count);
            rest = later;
            let contents = if count == 1 {
                first.contents.as_slice()
            } else {
                self.joined.clear();
                now.iter().for_each(|transmit| self.joined.extend_from_slice(&transmit.contents));
                self.joined.as_slice()
            };
            let message = quinn_udp::Transmit {
                destination: first.destination,
                ecn: None,
                contents,
                segment_size: (count > 1).then_some(first.contents.len()),
                src_ip: self.choose_source.then_some(first.source.ip()),
            };
            // `try_send`, because `send` would write the destination into the log.
            match self.state.try_send(UdpSockRef::from(&self.io), &message) {
                Ok(()) => {
                    sent.packets += count as u64;
                    sent.bytes += contents.len() as u64;
                }
                Err(_) => sent.failed += count as u64,
            }
        }
        transmits.clear();
        sent
    }
}

// How many packets from the front go in one kernel call: same destination and source, same size but for a shorter last one.
fn batch(transmits: &[Transmit], segments_max: usize) -> usize {
    let Some(first) = transmits.first() else { return 0 };
    let size = first.contents.len();
    let (mut count, mut bytes) = (1, size);
    for next in transmits.get(1..).unwrap_or_default() {
        let length = next.contents.len();
        let fits = count < segments_max && bytes + length <= SEND_BYTES_MAX && length <= size;
        if !fits || next.destination != first.destination || next.source != first.source {
            break;
        }
        count += 1;
        bytes += length;
        if length < size {
            break;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Transport;

    fn packet(port: u16, length: usize) -> Transmit {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Transmit {
            transport: Transport::Udp,
            source: address(1),
            destination: address(port),
            contents: vec![port as u8; length],
        }
    }

    #[test]
    fn packets_of_one_size_to_one_destination_go_together() {
        let all = [packet(5, 100), packet(5, 100), packet(5, 40), packet(5, 40), packet(6, 40)];
        assert_eq!(batch(&all, 64), 3, "a shorter one ends the batch");
        assert_eq!(batch(&all, 2), 2);
        assert_eq!(batch(&all[3..], 64), 1, "another destination does");
        assert_eq!(batch(&[packet(5, 40), packet(5, 100)], 64), 1, "a longer one does not fit");
        assert_eq!(batch(&[], 64), 0);
    }

    #[test]
    fn a_batch_arrives_as_the_packets_it_was_made_of() {
        let bind = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (sender, receiver) = (bind(), bind());
        let (from, to) = (sender.local_addr().unwrap(), receiver.local_addr().unwrap());
        receiver.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let mut socket = Socket::new(sender, vec![from], 1 << 20).unwrap();
        let lengths = [300, 300, 300, 120, 500];
        let mut transmits: Vec<_> = lengths
            .iter()
            .enumerate()
            .map(|(n, length)| Transmit {
                transport: Transport::Udp,
                source: from,
                destination: to,
                contents: vec![n as u8; *length],
            })
            .collect();
        let sent = socket.send(&mut transmits);
        assert_eq!((sent.packets, sent.bytes, sent.failed), (5, 1_520, 0));
        for (n, length) in lengths.iter().enumerate() {
            let mut buffer = [0; 2_000];
            let read = receiver.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..read], vec![n as u8; *length]);
        }
    }
}
