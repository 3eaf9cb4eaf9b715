//! The UDP ports that a run's devices share.
//!
//! A port of its own for each device is what phones have; but QUIC takes 3 MB for a port and fills them with zeros. When 5,000 devices came back at once, the
//! generator did nothing else for half a minute, and it looked as if the node were slow. To the node it is the same: it knows connections by their ids.
use anyhow::Result;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wardline_client::connection::Port;

/// Ports of a run at most.
const PORTS_MAX: usize = 64;

/// Bytes of datagrams that wait for the devices of one port.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Opened as they are needed.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    open: Arc<Mutex<BTreeMap<usize, Port>>>,
    next: Arc<AtomicUsize>,
}

impl Ports {
    /// The port of the next device, from which `remote` is reached.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn next(&self, remote: SocketAddr) -> Result<Port> {
        let place = self.next.fetch_add(1, Ordering::Relaxed) % PORTS_MAX;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match open.entry(place) {
            Entry::Occupied(port) => port.get().clone(),
            Entry::Vacant(free) => free.insert(Port::new(remote, BUFFER_BYTES)?).clone(),
        })
    }
}
