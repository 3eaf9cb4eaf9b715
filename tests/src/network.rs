//! A network between clients and the node that a test can spoil: it loses datagrams, is cut, and gives clients other addresses, as a
//! mobile network does.
//!
//! Everything passes through this process on loopback. Absent on purpose: the kernel's own means, which need rights.
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// The largest datagram that UDP carries.
const DATAGRAM_BYTES_MAX: usize = 65_536;

/// Clients that one network carries, far more than a story has; further ones are not heard.
const FLOWS_MAX: usize = 256;

/// One running network. Dropped, it carries nothing any more.
pub struct Network {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// How many datagrams went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Carried.
    pub carried: u64,
    /// Lost by chance, as asked for.
    pub lost: u64,
    /// Lost because the line was cut.
    pub cut: u64,
}

struct Shared {
    front: UdpSocket,
    node: SocketAddr,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    to_node: Way,
    to_client: Way,
    /// In the order in which clients sent their first datagram.
    flows: Vec<Flow>,
    /// Who is still carried when the line is cut.
    only: Option<BTreeSet<SocketAddr>>,
}

/// One direction.
#[derive(Default)]
struct Way {
    loss: f64,
    dice: Dice,
    counts: Counts,
}

/// One client's address, and the socket that stands for it towards the node.
struct Flow {
    client: SocketAddr,
    up: Arc<UdpSocket>,
    reader: JoinHandle<()>,
}

/// The same seed gives the same losses (splitmix64).
#[derive(Default)]
struct Dice(u64);

impl Network {
    /// A network that carries everything from `front`, where clients send to, to the node's UDP address and back.
    pub async fn start(front: SocketAddr, node: SocketAddr) -> Result<Self> {
        let front = UdpSocket::bind(front).await.context("the network's own address")?;
        let address = front.local_addr()?;
        let shared = Arc::new(Shared { front, node, state: Mutex::default() });
        let task = tokio::spawn(from_clients(shared.clone()));
        Ok(Self { address, shared, task })
    }

    /// Where clients find the node.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the node is.
    pub fn node(&self) -> SocketAddr {
        self.shared.node
    }

    /// Loses this share of all datagrams from now on, each way by dice of its own.
    pub fn lose(&self, share: f64, seed: u64) {
        let mut state = self.shared.state();
        (state.to_node.loss, state.to_node.dice) = (share, Dice(seed));
        (state.to_client.loss, state.to_client.dice) = (share, Dice(!seed));
    }

    /// The clients' addresses, in the order in which they were first heard.
    pub fn clients(&self) -> Vec<SocketAddr> {
        self.shared.state().flows.iter().map(|flow| flow.client).collect()
    }

    /// Carries nothing but what is from and to these clients, until [`mend`](Self::mend).
    pub fn cut_all_but(&self, clients: &[SocketAddr]) {
        self.shared.state().only = Some(clients.iter().copied().collect());
    }

    /// Carries everything again.
    pub fn mend(&self) {
        self.shared.state().only = None;
    }

    /// Gives every client another address towards the node, as when a phone goes from Wi-Fi to mobile. What is on its way to the
    /// former addresses is lost.
    pub async fn move_clients(&self) -> Result<()> {
        for client in self.clients() {
            let up = Arc::new(self.shared.up().await?);
            let reader = tokio::spawn(from_node(self.shared.clone(), up.clone(), client));
            let mut state = self.shared.state();
            if let Some(flow) = state.flows.iter_mut().find(|flow| flow.client == client) {
                let former = std::mem::replace(flow, Flow { client, up, reader });
                former.reader.abort();
            }
        }
        Ok(())
    }

    /// What went to the node so far, and what went to clients.
    pub fn counts(&self) -> (Counts, Counts) {
        let state = self.shared.state();
        (state.to_node.counts, state.to_client.counts)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.state().flows.iter().for_each(|flow| flow.reader.abort());
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it can fail half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn up(&self) -> Result<UdpSocket> {
        let up = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.context("a client's address towards the node")?;
        up.connect(self.node).await?;
        Ok(up)
    }
}

impl State {
    /// Whether this datagram arrives.
    fn carries(&mut self, client: SocketAddr, to_node: bool) -> bool {
        let cut = self.only.as_ref().is_some_and(|only| !only.contains(&client));
        let way = if to_node { &mut self.to_node } else { &mut self.to_client };
        // The dice fall for every datagram, so that a cut does not change what is lost after it.
        let lost = way.dice.roll() < way.loss;
        let count = match (cut, lost) {
            (true, _) => &mut way.counts.cut,
            (false, true) => &mut way.counts.lost,
            (false, false) => &mut way.counts.carried,
        };
        *count += 1;
        !cut && !lost
    }
}

impl Dice {
    /// From 0 up to 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

async fn from_clients(shared: Arc<Shared>) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // An error tells of a datagram sent before: of a client that is gone.
        let Ok((length, client)) = shared.front.recv_from(&mut buffer).await else { continue };
        let known = shared.state().flows.iter().find(|flow| flow.client == client).map(|flow| flow.up.clone());
        let up = match known {
            Some(up) => up,
            None if shared.state().flows.len() >= FLOWS_MAX => continue,
            None => {
                let Ok(up) = shared.up().await.map(Arc::new) else { continue };
                let reader = tokio::spawn(from_node(shared.clone(), up.clone(), client));
                shared.state().flows.push(Flow { client, up: up.clone(), reader });
                up
            }
        };
        if shared.state().carries(client, true) {
            // What the kernel does not take is lost, as on any network.
            let _ = up.send(buffer.get(..length).unwrap_or_default()).await;
        }
    }
}

async fn from_node(shared: Arc<Shared>, up: Arc<UdpSocket>, client: SocketAddr) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let Ok(length) = up.recv(&mut buffer).await else { continue };
        if shared.state().carries(client, false) {
            let _ = shared.front.send_to(buffer.get(..length).unwrap_or_default(), client).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(5);

    /// A node that answers each datagram with the address that it came from.
    async fn echo() -> (SocketAddr, JoinHandle<()>) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 100];
            loop {
                let (_, from) = socket.recv_from(&mut buffer).await.unwrap();
                socket.send_to(from.to_string().as_bytes(), from).await.unwrap();
            }
        });
        (address, task)
    }

    async fn ask(client: &UdpSocket) -> String {
        client.send(b"?").await.unwrap();
        let mut buffer = [0; 100];
        let length = timeout(SOON, client.recv(&mut buffer)).await.unwrap().unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    async fn client(network: &Network) -> UdpSocket {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        client.connect(network.address()).await.unwrap();
        client
    }

    #[tokio::test]
    async fn it_carries_cuts_and_moves() {
        let (node, _task) = echo().await;
        let network = Network::start((Ipv4Addr::LOCALHOST, 0).into(), node).await.unwrap();
        let (one, other) = (client(&network).await, client(&network).await);
        let before = ask(&one).await;
        assert_ne!(before, ask(&other).await, "each client has its own address");
        assert_eq!(before, ask(&one).await);
        assert_eq!(network.clients(), [one.local_addr().unwrap(), other.local_addr().unwrap()]);
        network.move_clients().await.unwrap();
        assert_ne!(before, ask(&one).await);
        network.cut_all_but(&[other.local_addr().unwrap()]);
        let third = client(&network).await;
        one.send(b"?").await.unwrap();
        third.send(b"?").await.unwrap();
        ask(&other).await;
        assert_eq!((network.counts().0.cut, network.counts().1.cut), (2, 0));
        network.mend();
        ask(&one).await;
        ask(&third).await;
    }

    #[test]
    fn it_loses_the_share_asked_for_and_each_way_its_own() {
        let lost = |seed: u64| -> Vec<bool> {
            let mut dice = Dice(seed);
            (0..20_000).map(|_| dice.roll() < 0.05).collect()
        };
        let share = lost(7).iter().filter(|lost| **lost).count() as f64 / 20_000.0;
        assert!((0.045..0.055).contains(&share), "{share}");
        assert_eq!(lost(7), lost(7));
        assert_ne!(lost(7), lost(!7));
    }
}
