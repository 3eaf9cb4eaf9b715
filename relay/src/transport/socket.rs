//! The listener's UDP socket, with room for what a whole house says at once.
use quinn::udp::{UdpSockRef, UdpSocketState};
use std::io;
use std::net::{SocketAddr, UdpSocket};

/// Bytes of datagrams that wait for the listener, and of those that wait to be sent: a whole
/// house answers a message, or comes back, within milliseconds.
pub const SOCKET_BUFFER_BYTES: usize = 16 * 1024 * 1024;

/// Binds it.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    // The kernel grants what net.core.rmem_max and wmem_max allow; what it drops is sent again.
    let _granted = state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER_BYTES);
    let _granted = state.set_send_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER_BYTES);
    Ok(socket)
}
