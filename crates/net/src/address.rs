//! Addresses as the rest of the house sees them and as a dual-stack socket sees them.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The address that identifies a peer: IPv4 when it came IPv4-mapped (RFC 4291 §2.5.5.2) through a dual-stack socket,
/// IPv6 with its scope but without a flow label, which may differ from packet to packet.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match (address.ip().to_canonical(), address) {
        (IpAddr::V6(ip), SocketAddr::V6(v6)) => SocketAddrV6::new(ip, v6.port(), 0, v6.scope_id()).into(),
        (ip, _) => SocketAddr::new(ip, address.port()),
    }
}

/// `address` as an IPv6 socket takes it: IPv4 becomes IPv4-mapped.
pub(crate) fn for_ipv6_socket(address: SocketAddr) -> SocketAddrV6 {
    match address {
        SocketAddr::V4(v4) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0),
        SocketAddr::V6(v6) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_peer_of_a_dual_stack_socket_is_an_ipv4_peer() {
        let v4: SocketAddr = "192.0.2.1:9".parse().unwrap();
        let mapped = for_ipv6_socket(v4);
        assert_eq!(mapped.to_string(), "[::ffff:192.0.2.1]:9");
        assert_eq!(canonical(mapped.into()), v4);
    }

    #[test]
    fn a_link_local_peer_keeps_its_scope_and_loses_its_flow_label() {
        let address = SocketAddrV6::new("fe80::1".parse().unwrap(), 9, 77, 3);
        let SocketAddr::V6(seen) = canonical(address.into()) else { panic!("it is no IPv4 address") };
        assert_eq!((seen.scope_id(), seen.flowinfo()), (3, 0));
    }
}
