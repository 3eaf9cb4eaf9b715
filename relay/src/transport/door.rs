//! Who may connect: bounds on connections, applied by address only before a session has signed in, since a whole hospital may
//! sit behind one address.
use crate::config::Listen;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections.
pub struct Door {
    limits: Listen,
    state: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    open: usize,
    unauthenticated: usize,
    unauthenticated_by_address: HashMap<IpAddr, usize>,
}

/// Why a connection is refused, as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `connections_max` are open.
    Full,
    /// `unauthenticated_max` are open.
    Unauthenticated,
    /// `unauthenticated_per_address_max` are open from there.
    Address,
}

impl Refusal {
    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Refusal::Full => "full",
            Refusal::Unauthenticated => "unauthenticated",
            Refusal::Address => "address",
        }
    }
}

/// One connection's place; given back when dropped.
pub struct Ticket {
    door: Arc<Door>,
    unauthenticated_from: Option<IpAddr>,
}

impl Door {
    /// A door with these limits.
    pub fn new(limits: Listen) -> Arc<Self> {
        Arc::new(Self { limits, state: Mutex::default() })
    }

    /// Whether a newcomer must prove its address first.
    pub fn wants_proof(&self) -> bool {
        self.counts().unauthenticated >= self.limits.retry_from
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.counts().open
    }

    /// Takes a place.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Ticket, Refusal> {
        let address = subnet(address);
        let mut counts = self.counts();
        if counts.open >= self.limits.connections_max {
            return Err(Refusal::Full);
        }
        if counts.unauthenticated >= self.limits.unauthenticated_max {
            return Err(Refusal::Unauthenticated);
        }
        let here = counts.unauthenticated_by_address.entry(address).or_default();
        if *here >= self.limits.unauthenticated_per_address_max {
            return Err(Refusal::Address);
        }
        *here += 1;
        counts.unauthenticated += 1;
        counts.open += 1;
        Ok(Ticket { door: self.clone(), unauthenticated_from: Some(address) })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The session has signed in: its address no longer counts.
    pub fn authenticated(&mut self) {
        if let Some(address) = self.unauthenticated_from.take() {
            let mut counts = self.door.counts();
            counts.unauthenticated -= 1;
            if let Some(here) = counts.unauthenticated_by_address.get_mut(&address) {
                *here -= 1;
                if *here == 0 {
                    counts.unauthenticated_by_address.remove(&address);
                }
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.authenticated();
        self.door.counts().open -= 1;
    }
}

/// One IPv6 subscriber has a whole /64.
fn subnet(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> Arc<Door> {
        Door::new(Listen {
            connections_max: 4,
            unauthenticated_max: 3,
            unauthenticated_per_address_max: 2,
            retry_from: 2,
            ..Listen::default()
        })
    }

    #[test]
    fn each_bound_holds_and_places_come_back() {
        let door = door();
        let [a, b, c]: [IpAddr; 3] = ["192.0.2.1", "2001:db8::1", "192.0.2.3"].map(|text| text.parse().unwrap());
        let mut first = door.enter(a).unwrap();
        assert!(!door.wants_proof());
        let second = door.enter(a).unwrap();
        assert!(door.wants_proof());
        assert_eq!(door.enter(a).err(), Some(Refusal::Address));
        let third = door.enter(b).unwrap();
        assert_eq!(door.enter(c).err(), Some(Refusal::Unauthenticated));
        first.authenticated();
        let fourth = door.enter("2001:db8::ffff".parse().unwrap()).unwrap();
        assert_eq!(door.enter(c).err(), Some(Refusal::Full));
        drop((first, second, third, fourth));
        assert_eq!(door.open(), 0);
        let counts = door.counts();
        assert!(counts.unauthenticated == 0 && counts.unauthenticated_by_address.is_empty());
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let door = door();
        let _places = ["2001:db8::1", "2001:db8::2"].map(|text| door.enter(text.parse().unwrap()).unwrap());
        assert_eq!(door.enter("2001:db8::3".parse().unwrap()).err(), Some(Refusal::Address));
    }
}
