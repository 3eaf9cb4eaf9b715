//! Which SRTP profile the client and the media plane agree on, read from their own handshake on the wire: in DTLS 1.2 the ServerHello
//! is in clear, and its `use_srtp` extension (RFC 5764 section 4.1.1) names the one profile that was chosen.
use crate::support::{LOOPBACK, PATIENCE, participant};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use wardline_client::media::{MediaConfig, MediaSession};
use wardline_protocol::CallId;
use wardline_sfu::{Config, RoomId, Sfu};

/// SRTP_AEAD_AES_128_GCM (RFC 7714 section 14.2).
const AEAD_AES_128_GCM: u16 = 0x0007;
/// The DTLS content type of handshake messages.
const HANDSHAKE: u8 = 22;
/// The handshake message with what the server chose.
const SERVER_HELLO: u8 = 2;
/// The extension that negotiates the profile.
const USE_SRTP: u16 = 14;

/// Takes bytes from the front, as the encodings of TLS are read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }
}

/// The profile that a ServerHello in this datagram chose.
fn chosen(datagram: &[u8]) -> Option<u16> {
    let mut records = Reader(datagram);
    loop {
        let kind = *records.take(1)?.first()?;
        records.take(2 + 2 + 6)?; // version, epoch, sequence number
        let length = records.number(2)?;
        let record = records.take(length)?;
        if kind == HANDSHAKE
            && let Some(profile) = chosen_in(record)
        {
            return Some(profile);
        }
    }
}

fn chosen_in(record: &[u8]) -> Option<u16> {
    let mut message = Reader(record);
    if *message.take(1)?.first()? != SERVER_HELLO {
        return None;
    }
    message.take(3 + 2 + 3 + 3)?; // length, message number, fragment's place and length: it fits one
    message.take(2 + 32)?; // version, random
    let session = message.number(1)?;
    message.take(session + 2 + 1)?; // session id, cipher suite, compression
    let mut extensions = Reader({
        let length = message.number(2)?;
        message.take(length)?
    });
    loop {
        let kind = extensions.number(2)?;
        let length = extensions.number(2)?;
        let mut content = Reader(extensions.take(length)?);
        if kind == usize::from(USE_SRTP) {
            let profiles = content.number(2)?;
            assert_eq!(profiles, 2, "a ServerHello chooses one profile");
            return u16::try_from(content.number(2)?).ok();
        }
    }
}

/// Carries datagrams between one client and the media plane, and reads the handshake that passes.
async fn carry(outside: Arc<UdpSocket>, inside: UdpSocket, to: SocketAddr, seen: watch::Sender<Option<u16>>) {
    let mut client = None;
    let (mut from_client, mut from_node) = ([0; 2_048], [0; 2_048]);
    loop {
        let datagram = tokio::select! {
            Ok((length, source)) = outside.recv_from(&mut from_client) => {
                client = Some(source);
                inside.send_to(&from_client[..length], to).await.unwrap();
                &from_client[..length]
            }
            Ok(length) = inside.recv(&mut from_node) => {
                if let Some(client) = client {
                    outside.send_to(&from_node[..length], client).await.unwrap();
                }
                &from_node[..length]
            }
        };
        if let Some(profile) = chosen(datagram) {
            seen.send_replace(Some(profile));
        }
    }
}

/// The answer with another port in its candidates: the media plane is reached through whoever listens there.
fn with_port(sdp: &str, port: u16, other: u16) -> String {
    let lines = sdp.split_inclusive('\n').map(|line| {
        if line.starts_with("a=candidate:") {
            line.replace(&format!(" {port} "), &format!(" {other} "))
        } else {
            line.to_owned()
        }
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_and_the_media_plane_agree_on_aead_aes_128_gcm() {
    let outside = Arc::new(UdpSocket::bind((LOOPBACK, 0)).await.unwrap());
    let inside = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let sfu = Sfu::start(Config { bind: vec![SocketAddr::new(LOOPBACK, 0)], ..Config::default() }, |_| {}).unwrap();
    let node = sfu.local_addresses()[0];
    let carried_port = outside.local_addr().unwrap().port();
    let (seen, mut profile) = watch::channel(None);
    let carrier = tokio::spawn(carry(outside, inside, node, seen));

    let (session, offer) = MediaSession::offer(MediaConfig::on(LOOPBACK)).await.unwrap();
    let (reply, answer) = tokio::sync::oneshot::channel();
    let room = RoomId::from(CallId::from_bytes([1; 16]));
    assert!(sfu.connect(room, participant(1), offer, move |answer| drop(reply.send(answer))).is_ok());
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap();
    session.answer(&with_port(&answer, node.port(), carried_port)).await.unwrap();
    let mut connected = session.connected();
    tokio::time::timeout(PATIENCE, connected.wait_for(|connected| *connected)).await.unwrap().unwrap();

    let profile = tokio::time::timeout(PATIENCE, profile.wait_for(Option::is_some)).await.unwrap().unwrap().unwrap();
    assert_eq!(profile, AEAD_AES_128_GCM);
    carrier.abort();
    session.close().await;
    sfu.shutdown();
}
