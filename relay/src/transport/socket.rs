//! The listener's UDP socket: with room for what a whole house says at once, and with small batches, because every connection keeps a buffer for its largest.
use quinn::udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Bytes of datagrams that wait for the listener, and of those that wait to be sent: a whole
/// house answers a message, or comes back, within milliseconds.
pub const SOCKET_BUFFER_BYTES: usize = 16 * 1024 * 1024;

/// Packets that one connection hands to the kernel at once. QUIC's own choice is ten, and each connection keeps a buffer for as many for as long as it
/// lives: 13 kB for the thousands that send one packet now and then. Fewer make a large file cost more calls.
pub const SEGMENTS_MAX: usize = 2;

/// Binds it.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    // The kernel grants what net.core.rmem_max and wmem_max allow; what it drops is sent again.
    let _granted = state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER_BYTES);
    let _granted = state.set_send_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER_BYTES);
    Ok(socket)
}

/// The runtime's socket, with at most [`SEGMENTS_MAX`] packets in a batch.
#[derive(Debug)]
pub(super) struct Listener(pub(super) Arc<dyn AsyncUdpSocket>);

impl AsyncUdpSocket for Listener {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.0.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.0.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_recv(context, buffers, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.0.max_transmit_segments().min(SEGMENTS_MAX)
    }

    fn max_receive_segments(&self) -> usize {
        self.0.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.0.may_fragment()
    }
}
