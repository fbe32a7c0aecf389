//! TCP connections that no ICE check has validated yet, by where they come from: whoever opens many must not keep
//! others out (case I13).

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

use millrace_transport::SocketId;
use rustc_hash::FxHashMap;

/// TCP connections from one address, or one IPv6 network of 64 bits, that may wait for their first valid ICE check.
///
/// A peer needs one, for a round trip; this many behind one NAT may join at the same moment. A further one takes the
/// place of the oldest, which is closed and counted.
pub(super) const UNVALIDATED_PER_SOURCE_MAX: usize = 128;

/// Connections without a valid check, oldest first, by source.
#[derive(Debug, Default)]
pub(super) struct Crowds {
    by_source: FxHashMap<IpAddr, VecDeque<Waiting>>,
    /// Every source by the size of its crowd and, among equals, by the age of its oldest connection.
    ranks: BTreeSet<Rank>,
    arrivals: u64,
}

type Rank = (usize, Reverse<u64>, IpAddr);

#[derive(Clone, Copy, Debug)]
struct Waiting {
    arrival: u64,
    socket: SocketId,
}

impl Crowds {
    pub(super) fn insert(&mut self, remote: IpAddr, socket: SocketId) {
        self.arrivals += 1;
        let waiting = Waiting { arrival: self.arrivals, socket };
        self.change(remote, |crowd| crowd.push_back(waiting));
    }

    /// Forgets a connection that was validated or closed.
    pub(super) fn remove(&mut self, remote: IpAddr, socket: SocketId) {
        self.change(remote, |crowd| crowd.retain(|waiting| waiting.socket != socket));
    }

    /// The connection that has to go before another of `remote` may wait.
    pub(super) fn one_too_many(&self, remote: IpAddr) -> Option<SocketId> {
        let crowd = self.by_source.get(&source(remote))?;
        crowd.front().filter(|_| crowd.len() >= UNVALIDATED_PER_SOURCE_MAX).map(|waiting| waiting.socket)
    }

    /// The oldest connection of the largest crowd: who opens most waits least.
    pub(super) fn most_crowded(&self) -> Option<SocketId> {
        let (_, _, source) = self.ranks.last()?;
        self.by_source.get(source)?.front().map(|waiting| waiting.socket)
    }

    fn change(&mut self, remote: IpAddr, change: impl FnOnce(&mut VecDeque<Waiting>)) {
        let source = source(remote);
        let crowd = self.by_source.entry(source).or_default();
        if let Some(rank) = rank(source, crowd) {
            self.ranks.remove(&rank);
        }
        change(crowd);
        match rank(source, crowd) {
            Some(rank) => drop(self.ranks.insert(rank)),
            None => drop(self.by_source.remove(&source)),
        }
    }
}

fn rank(source: IpAddr, crowd: &VecDeque<Waiting>) -> Option<Rank> {
    crowd.front().map(|oldest| (crowd.len(), Reverse(oldest.arrival), source))
}

/// Whom connections count for: an IPv4 address, or the network that one IPv6 subscriber has to himself (RFC 6177).
fn source(remote: IpAddr) -> IpAddr {
    match remote.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i13_a_source_has_so_many_connections_waiting_and_then_its_oldest_goes() {
        let mut crowds = Crowds::default();
        for number in 0..UNVALIDATED_PER_SOURCE_MAX as u32 {
            assert_eq!(crowds.one_too_many(ip("192.0.2.1")), None);
            crowds.insert(ip("192.0.2.1"), SocketId(number));
        }
        assert_eq!(crowds.one_too_many(ip("192.0.2.1")), Some(SocketId(0)));
        assert_eq!(
            crowds.one_too_many(ip("::ffff:192.0.2.1")),
            Some(SocketId(0)),
            "the same, seen by a socket for both"
        );
        assert_eq!(crowds.one_too_many(ip("192.0.2.2")), None);
        crowds.remove(ip("192.0.2.1"), SocketId(0));
        assert_eq!(crowds.one_too_many(ip("192.0.2.1")), None);
    }

    #[test]
    fn i13_addresses_of_one_ipv6_network_are_one_source() {
        let mut crowds = Crowds::default();
        for number in 0..UNVALIDATED_PER_SOURCE_MAX as u32 {
            crowds.insert(ip(&format!("2001:db8:0:1::{number:x}")), SocketId(number));
        }
        assert_eq!(crowds.one_too_many(ip("2001:db8:0:1:ffff::")), Some(SocketId(0)));
        assert_eq!(crowds.one_too_many(ip("2001:db8:0:2::")), None);
    }

    #[test]
    fn i13_the_largest_crowd_gives_way_and_among_equals_the_oldest() {
        let mut crowds = Crowds::default();
        assert_eq!(crowds.most_crowded(), None);
        for (number, address) in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.3"].into_iter().enumerate() {
            crowds.insert(ip(address), SocketId(number as u32));
        }
        let mut gone = Vec::new();
        while let Some(socket) = crowds.most_crowded() {
            let address = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.3"][socket.0 as usize];
            crowds.remove(ip(address), socket);
            gone.push(socket.0);
        }
        assert_eq!(gone, [2, 0, 1, 3]);
        assert!(crowds.by_source.is_empty() && crowds.ranks.is_empty(), "nothing is left of them");
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
