//! A network between the devices and the media plane that loses packets of video.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wardline_sfu::Config;

/// One of so many packets of video is lost, those that are sent again among them.
const LOST_ONE_OF: u64 = 8;

/// Packets of each source so far.
type Counts = HashMap<[u8; 4], u64>;

/// Which direction loses packets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Loses {
    Upward,
    Downward,
}

/// The network. Its threads end with the test's process.
pub struct Wire {
    outside: UdpSocket,
    losses: Arc<Losses>,
}

#[derive(Default)]
struct Losses {
    count: AtomicU64,
    over: AtomicBool,
    names: Mutex<BTreeMap<[u8; 4], BTreeSet<String>>>,
}

impl Wire {
    pub fn new() -> Self {
        Self { outside: UdpSocket::bind("127.0.0.1:0").unwrap(), losses: Arc::default() }
    }

    /// Settings of a media plane that sends its clients here.
    pub fn config(&self) -> Config {
        let (bind, advertised) = (vec!["127.0.0.1:0".parse().unwrap()], vec![self.outside.local_addr().unwrap()]);
        Config { bind, advertised, ..Config::default() }
    }

    /// Carries datagrams to and from the media plane at `inside`.
    pub fn carry(&self, inside: SocketAddr, loses: Loses) {
        let (outside, losses) = (self.outside.try_clone().unwrap(), self.losses.clone());
        std::thread::spawn(move || {
            let (mut devices, mut buffer, mut counts) =
                (HashMap::<SocketAddr, UdpSocket>::new(), [0; 2_000], Counts::new());
            while let Ok((length, from)) = outside.recv_from(&mut buffer) {
                let device = devices.entry(from).or_insert_with(|| {
                    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                    socket.connect(inside).unwrap();
                    let (back, outside, losses) =
                        (socket.try_clone().unwrap(), outside.try_clone().unwrap(), losses.clone());
                    std::thread::spawn(move || downward(&back, &outside, from, loses, &losses));
                    socket
                });
                if loses != Loses::Upward || !is_lost(&buffer[..length], &mut counts, &losses) {
                    device.send(&buffer[..length]).unwrap();
                }
            }
        });
    }

    /// Loses nothing any more: that the last packet of all is missing nobody can see.
    pub fn heal(&self) {
        self.losses.over.store(true, Ordering::Relaxed);
    }

    /// What the packets of each source of video say of it, all different ones: the values of their header extensions.
    pub fn names(&self) -> Vec<BTreeSet<String>> {
        self.losses.names.lock().unwrap().values().cloned().collect()
    }

    /// How many packets were lost.
    pub fn lost(&self) -> u64 {
        self.losses.count.load(Ordering::Relaxed)
    }
}

fn downward(inside: &UdpSocket, outside: &UdpSocket, device: SocketAddr, loses: Loses, losses: &Losses) {
    let (mut buffer, mut counts) = ([0; 2_000], Counts::new());
    inside.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
    while let Ok(length) = inside.recv(&mut buffer) {
        if loses != Loses::Downward || !is_lost(&buffer[..length], &mut counts, losses) {
            outside.send_to(&buffer[..length], device).unwrap();
        }
    }
}

// The header of SRTP is in clear: version 2, the payload type of VP8 or of VP8 sent again, and the source.
fn is_lost(datagram: &[u8], counts: &mut Counts, losses: &Losses) -> bool {
    let [first, second, _, _, _, _, _, _, s0, s1, s2, s3, ..] = datagram else { return false };
    if first >> 6 != 2 || !(96..=97).contains(&(second & 0x7f)) {
        return false;
    }
    let source = [*s0, *s1, *s2, *s3];
    losses.names.lock().unwrap().entry(source).or_default().insert(names(datagram));
    let count = counts.entry(source).or_default();
    *count += 1;
    // Not the first: where a stream begins is where it is first seen.
    let is_lost = *count % LOST_ONE_OF == 5 && !losses.over.load(Ordering::Relaxed);
    losses.count.fetch_add(is_lost.into(), Ordering::Relaxed);
    is_lost
}

// The one-byte header extensions of a packet (RFC 8285 section 4.2), each as its number and its text.
fn names(datagram: &[u8]) -> String {
    let sources = usize::from(datagram[0] & 0xf);
    let (mut names, Some([0xbe, 0xde, 0, words, rest @ ..])) = (String::new(), datagram.get(12 + 4 * sources..)) else {
        return String::new();
    };
    let mut rest = rest.get(..4 * usize::from(*words)).unwrap_or_default();
    while let [head, after @ ..] = rest {
        let length = if *head == 0 { 0 } else { usize::from(head & 0xf) + 1 };
        let (value, after) = after.split_at(length);
        if *head != 0 {
            names += &format!("{}={} ", head >> 4, String::from_utf8_lossy(value));
        }
        rest = after;
    }
    names
}
