//! Where shards listen, and what they tell clients.
use crate::{Config, StartError};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Checks the numbers of a configuration.
pub(super) fn check(config: &Config) -> Result<(), StartError> {
    let wrong = |text: String| Err(StartError::Config(text));
    if config.shards == 0 {
        return wrong("`shards` is 0: set it to 1 or to the number of cores for media".into());
    }
    if config.bind.len() != config.shards {
        return wrong(format!(
            "`bind` has {} addresses for {} shards: give one per shard",
            config.bind.len(),
            config.shards
        ));
    }
    if !config.advertised.is_empty() && config.advertised.len() != config.shards {
        let given = config.advertised.len();
        return wrong(format!(
            "`advertised` has {given} addresses for {} shards: give one per shard, or none",
            config.shards
        ));
    }
    for (index, address) in config.advertised.iter().enumerate() {
        let leads_to = |bind: &SocketAddr| {
            bind.port() == address.port() && (bind.ip() == address.ip() || bind.ip().is_unspecified())
        };
        let others = config.bind.iter().enumerate().filter(|(other, _)| *other != index);
        let own = config.bind.get(index).is_some_and(leads_to);
        if !own && let Some((other, _)) = others.into_iter().find(|(_, bind)| leads_to(bind)) {
            return wrong(format!(
                "`advertised` names {address} for shard {index}, but shard {other} listens there: give them in the order of `bind`"
            ));
        }
    }
    if config.shard_viewers == 0 {
        return wrong("`shard_viewers` is 0: a room could have nobody where it begins".into());
    }
    if config.room_participants_max < 2 {
        return wrong("`room_participants_max` is below 2: nobody could be called".into());
    }
    if config.command_queue == 0 {
        return wrong("`command_queue` is 0: no call could be placed".into());
    }
    Ok(())
}

/// The addresses that a shard bound to `bound` tells clients.
pub(super) fn advertised(bound: SocketAddr, configured: Option<SocketAddr>) -> Result<Vec<SocketAddr>, StartError> {
    if let Some(address) = configured {
        check_advertised(bound, address)?;
        return Ok(vec![address]);
    }
    if !bound.ip().is_unspecified() {
        return Ok(vec![bound]);
    }
    let interfaces = if_addrs::get_if_addrs()
        .map_err(|source| StartError::System { doing: "listing the network interfaces", source })?;
    let mut found: Vec<SocketAddr> = interfaces
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(|ip| reachable(*ip) && ip.is_ipv4() == bound.ip().is_ipv4())
        .map(|ip| SocketAddr::new(ip, bound.port()))
        .collect();
    found.sort_unstable();
    found.dedup();
    // A host without a network still serves itself: the demo and the tests.
    if found.iter().any(|address| !address.ip().is_loopback()) {
        found.retain(|address| !address.ip().is_loopback());
    }
    if found.is_empty() { Err(StartError::NoAddress { address: bound }) } else { Ok(found) }
}

fn reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_link_local() && !ip.is_broadcast() && !ip.is_multicast(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_unicast_link_local() && !ip.is_multicast(),
    }
}

fn check_advertised(bound: SocketAddr, address: SocketAddr) -> Result<(), StartError> {
    let refuse = |reason| Err(StartError::Advertised { address, reason });
    if address.ip().is_unspecified() {
        return refuse(
            "0.0.0.0 is no destination. Set `advertised` to the address that clients reach this host on, or leave it empty",
        );
    }
    if !reachable(address.ip()) {
        return refuse(
            "link-local, broadcast and multicast addresses cannot be reached by clients. Set `advertised` to a host address",
        );
    }
    if address.port() == 0 {
        return refuse(
            "port 0 is no destination. Set the port of `advertised` to the one that is forwarded to this shard",
        );
    }
    if address.is_ipv4() != bound.is_ipv4() {
        return refuse("it is of another IP version than `bind`. Set both to IPv4 or both to IPv6");
    }
    // An address of this host leads to the socket as it is, unless a program here forwards from it, as a load balancer or a
    // container's proxy does: it listens there already. Addresses of other hosts may be translated.
    let own = UdpSocket::bind(SocketAddr::new(address.ip(), 0)).is_ok();
    let direct = address.port() == bound.port() && (bound.ip().is_unspecified() || bound.ip() == address.ip());
    if !own || direct || is_taken(address) {
        return Ok(());
    }
    if address.port() != bound.port() {
        return refuse(
            "it is an address of this host, but the port is not the one in `bind` and nothing that could forward listens there. Make \
             the ports equal",
        );
    }
    refuse(
        "it is an address of this host, but `bind` listens on another one and nothing that could forward listens there. Make them \
         equal, or bind 0.0.0.0",
    )
}

fn is_taken(address: SocketAddr) -> bool {
    UdpSocket::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_wrong_address_is_refused_with_the_fix() {
        let bound = address("127.0.0.1:7000");
        for wrong in
            ["0.0.0.0:7000", "224.0.0.1:7000", "169.254.1.1:7000", "127.0.0.1:0", "[::1]:7000", "127.0.0.1:7001"]
        {
            let error = advertised(bound, Some(address(wrong))).unwrap_err().to_string();
            assert!(error.contains(wrong) && (error.contains("Set") || error.contains("Make")), "{error}");
        }
        assert_eq!(advertised(bound, Some(address("127.0.0.1:7000"))).unwrap(), [bound]);
        // Translated by a router.
        assert_eq!(advertised(bound, Some(address("203.0.113.5:40000"))).unwrap(), [address("203.0.113.5:40000")]);
    }

    #[test]
    fn a_program_on_this_host_may_forward() {
        let bound = address("127.0.0.1:7000");
        let forwarder = UdpSocket::bind("127.0.0.1:0").unwrap();
        let front = forwarder.local_addr().unwrap();
        assert_eq!(advertised(bound, Some(front)).unwrap(), [front]);
        drop(forwarder);
        assert!(advertised(bound, Some(front)).is_err(), "nobody forwards from there any more");
    }

    #[test]
    fn without_configuration_the_interfaces_are_advertised_with_the_bound_port() {
        let found = advertised(address("0.0.0.0:7001"), None).unwrap();
        assert!(!found.is_empty());
        assert!(found.iter().all(|a| a.port() == 7001 && !a.ip().is_unspecified()));
        assert_eq!(advertised(address("127.0.0.1:7002"), None).unwrap(), [address("127.0.0.1:7002")]);
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        let with = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            check(&config)
        };
        assert!(check(&Config::default()).is_ok());
        assert!(with(|c| c.shards = 0).is_err());
        assert!(with(|c| c.shards = 2).is_err());
        assert!(with(|c| c.advertised = vec![c.bind[0]; 2]).is_err());
        let swapped = |c: &mut Config| {
            c.shards = 2;
            c.bind = vec![address("127.0.0.1:7000"), address("127.0.0.1:7001")];
            c.advertised = vec![c.bind[1], c.bind[0]];
        };
        assert!(with(swapped).is_err());
        assert!(with(|c| c.room_participants_max = 1).is_err());
        assert!(with(|c| c.shard_viewers = 0).is_err());
        assert!(with(|c| c.command_queue = 0).is_err());
    }
}
