//! What the machine can do at all, on one core: the calls that no SFU can do without, and nothing else. Measured in the same run as the systems, so
//! that their figures are multiples of it.
use anyhow::{Context as _, Result};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use serde::Serialize;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use str0m::crypto::from_feature_flags;

/// Bytes of a packet on the wire: 1,150 of payload, RTP header with extensions, and the tag.
const PACKET_BYTES: usize = 1_150 + 24 + 16;

/// Packets of a frame, which go in one call.
const SEGMENTS: usize = 8;

/// How long each thing is done.
const EACH: Duration = Duration::from_millis(400);

/// Packets between two looks at the receiver's socket, so that it does not fill up.
const ROUND: usize = 64;

/// Microseconds of one core for a packet.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Limits {
    /// A send call for each.
    pub send_us: f64,
    /// A call for eight to one destination.
    pub send_gso_us: f64,
    /// Sealing it as AEAD_AES_128_GCM does.
    pub seal_aes_128_gcm_us: f64,
    /// Sealing it as AEAD_AES_256_GCM does.
    pub seal_aes_256_gcm_us: f64,
}

impl Limits {
    /// The least that one forwarded packet can cost: sealed, and sent with seven others.
    pub fn least_us(&self) -> f64 {
        self.send_gso_us + self.seal_aes_128_gcm_us
    }
}

/// Measures them.
///
/// # Errors
/// What the system refuses.
pub fn measure(address: IpAddr) -> Result<Limits> {
    let (seal_aes_128_gcm_us, seal_aes_256_gcm_us) = (seal_128()?, seal_256()?);
    Ok(Limits {
        send_us: send(address, 1)?,
        send_gso_us: send(address, SEGMENTS)?,
        seal_aes_128_gcm_us,
        seal_aes_256_gcm_us,
    })
}

fn repeat(mut act: impl FnMut(u64) -> Result<()>) -> Result<f64> {
    let (start, mut count) = (Instant::now(), 0_u64);
    while start.elapsed() < EACH {
        for _ in 0..ROUND {
            act(count)?;
            count += 1;
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / count as f64)
}

fn nonce(count: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&count.to_be_bytes());
    nonce
}

fn seal_128() -> Result<f64> {
    let mut cipher = from_feature_flags().srtp_provider.aead_aes_128_gcm().create_cipher([7; 16], true);
    let (input, mut output) = (vec![3; PACKET_BYTES - 16], vec![0; PACKET_BYTES]);
    repeat(|count| Ok(cipher.encrypt(&nonce(count), &[0; 24], &input, &mut output)?))
}

fn seal_256() -> Result<f64> {
    let mut cipher = from_feature_flags().srtp_provider.aead_aes_256_gcm().create_cipher([7; 32], true);
    let (input, mut output) = (vec![3; PACKET_BYTES - 16], vec![0; PACKET_BYTES]);
    repeat(|count| Ok(cipher.encrypt(&nonce(count), &[0; 24], &input, &mut output)?))
}

// Only the send calls are timed; the receiver reads in between, joined as they were sent where it can.
fn send(address: IpAddr, segments: usize) -> Result<f64> {
    let bind = || UdpSocket::bind(SocketAddr::new(address, 0));
    let (from, to) = (bind()?, bind()?);
    to.set_nonblocking(true)?;
    let destination = to.local_addr()?;
    let (sender, receiver) =
        (UdpSocketState::new(UdpSockRef::from(&from))?, UdpSocketState::new(UdpSockRef::from(&to))?);
    // The kernel grants what it is allowed to.
    let _granted = receiver.set_recv_buffer_size(UdpSockRef::from(&to), 4 * 1024 * 1024);
    let contents = vec![9; PACKET_BYTES * segments];
    let message = Transmit {
        destination,
        ecn: None,
        contents: &contents,
        segment_size: (segments > 1).then_some(PACKET_BYTES),
        src_ip: None,
    };
    let mut buffer = vec![0; 65_536];
    let (start, mut busy, mut packets) = (Instant::now(), Duration::ZERO, 0_usize);
    while start.elapsed() < 2 * EACH {
        let round = Instant::now();
        for _ in 0..ROUND / segments {
            sender.try_send(UdpSockRef::from(&from), &message).context("sending")?;
        }
        busy += round.elapsed();
        packets += ROUND / segments * segments;
        let mut meta = [RecvMeta::default()];
        while receiver.recv(UdpSockRef::from(&to), &mut [IoSliceMut::new(&mut buffer)], &mut meta).is_ok() {}
    }
    Ok(busy.as_secs_f64() * 1e6 / packets as f64)
}
