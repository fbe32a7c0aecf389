//! Where to listen: address, port, flags and buffers of a socket, for UDP and TCP alike.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use thiserror::Error;

#[cfg(target_os = "linux")]
use crate::linux;

/// Socket buffer wanted for UDP in each direction when the caller names none, in bytes.
///
/// About 30 ms at 1 Gbit/s. What the kernel grants is kept: without privileges that is at most
/// `net.core.rmem_max` and `net.core.wmem_max`.
pub const UDP_BUFFER_BYTES: usize = 4 << 20;

/// Where and how to bind one socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindOptions {
    /// Address to listen on. `0.0.0.0` and `::` listen on every address.
    pub ip: IpAddr,
    /// Interface of a link-local IPv6 address (RFC 4007 §11); 0 for all other addresses.
    pub scope_id: u32,
    /// Which port to take.
    pub port: PortChoice,
    /// Keeps an IPv6 wildcard socket from taking IPv4 as well. Default false. Refused for IPv4 addresses.
    pub ipv6_only: bool,
    /// Lets several UDP sockets share the port; the kernel spreads the peers. Default false. TCP ignores it.
    pub udp_reuse_port: bool,
    /// Kernel send buffer in bytes. Default: [`UDP_BUFFER_BYTES`] for UDP, the kernel's choice for TCP.
    pub send_buffer_size: Option<usize>,
    /// Kernel receive buffer in bytes. Default: [`UDP_BUFFER_BYTES`] for UDP, the kernel's choice for TCP.
    pub recv_buffer_size: Option<usize>,
}

impl BindOptions {
    /// Any free port of `ip`, everything else by default.
    pub fn any_port(ip: IpAddr) -> Self {
        Self {
            ip,
            scope_id: 0,
            port: PortChoice::Any,
            ipv6_only: false,
            udp_reuse_port: false,
            send_buffer_size: None,
            recv_buffer_size: None,
        }
    }

    /// The address as the kernel takes it; refuses what cannot be bound.
    fn address(&self, port: u16) -> Result<SocketAddr, BindError> {
        match self.ip.to_canonical() {
            IpAddr::V4(_) if self.ipv6_only => Err(BindError::Ipv6OnlyOnIpv4(self.ip)),
            IpAddr::V6(ip) if ip.is_unicast_link_local() && self.scope_id == 0 => {
                Err(BindError::LinkLocalWithoutScope(ip))
            }
            IpAddr::V6(ip) => Ok(SocketAddrV6::new(ip, port, 0, self.scope_id).into()),
            IpAddr::V4(ip) => Ok(SocketAddr::new(ip.into(), port)),
        }
    }
}

/// Which port a socket takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChoice {
    /// Any free port that the kernel picks.
    Any,
    /// This port or none. 0 means [`Any`](Self::Any), as the kernel reads it.
    Exactly(u16),
    /// The first free port of a range.
    Within(PortRange),
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    min: u16,
    max: u16,
}

impl PortRange {
    /// Makes the range `min..=max`.
    ///
    /// # Errors
    /// [`BindError::EmptyPortRange`] when `min` is 0 or above `max`.
    pub fn new(min: u16, max: u16) -> Result<Self, BindError> {
        if min == 0 || min > max {
            return Err(BindError::EmptyPortRange { min, max });
        }
        Ok(Self { min, max })
    }

    /// Every port of the range once, beginning at `first` (folded into the range) and going round.
    fn from(self, first: u16) -> impl Iterator<Item = u16> {
        let span = u32::from(self.max - self.min) + 1;
        (0..span).map(move |step| self.min + ((u32::from(first) + step) % span) as u16)
    }
}

/// Why a socket could not be bound.
#[derive(Debug, Error)]
pub enum BindError {
    /// Misuse: a port range without a port, or one that holds port 0.
    #[error("invalid port range {min}-{max}")]
    EmptyPortRange {
        /// Lower end as given.
        min: u16,
        /// Upper end as given.
        max: u16,
    },
    /// Misuse: a link-local IPv6 address means nothing without its interface (RFC 4007 §6).
    #[error("link-local address {0} needs a scope, as in {0}%eth0")]
    LinkLocalWithoutScope(Ipv6Addr),
    /// Misuse: `ipv6_only` with an IPv4 address.
    #[error("ipv6Only is set but {0} is an IPv4 address")]
    Ipv6OnlyOnIpv4(IpAddr),
    /// Misuse: text that is neither an IP address nor one with a known scope.
    #[error("invalid listen address '{0}'")]
    InvalidAddress(String),
    /// Outside: no interface of this machine has the address.
    #[error("address {0} is not available on this machine")]
    AddressNotAvailable(IpAddr),
    /// Outside: somebody else listens there.
    #[error("address {0} is in use")]
    AddressInUse(SocketAddr),
    /// Outside: the process may not take this port.
    #[error("no permission to bind {0}")]
    PermissionDenied(SocketAddr),
    /// Limit: every port of the range is taken.
    #[error("no more ports available on {ip} in range {min}-{max}")]
    NoPortLeft {
        /// Address asked for.
        ip: IpAddr,
        /// Lower end of the range.
        min: u16,
        /// Upper end of the range.
        max: u16,
    },
    /// Outside: the system has no support for the address's family, has no more descriptors, and the like.
    #[error("cannot open a socket: {0}")]
    Outside(#[from] io::Error),
}

/// Parses a listen address: an IPv4 or IPv6 address, the latter with an optional scope, either an interface's name or
/// its number (`fe80::1%eth0`, `fe80::1%2`; RFC 4007 §11). Returns address and scope (0 for none).
///
/// # Errors
/// [`BindError::InvalidAddress`] for anything else, unknown interfaces included.
pub fn parse_listen_ip(text: &str) -> Result<(IpAddr, u32), BindError> {
    let invalid = || BindError::InvalidAddress(text.chars().take(LISTEN_IP_CHARS_SHOWN).collect());
    let Some((address, scope)) = text.split_once('%') else {
        return Ok((text.parse().map_err(|_| invalid())?, 0));
    };
    let ip: Ipv6Addr = address.parse().map_err(|_| invalid())?;
    let scope_id = scope.parse().ok().or_else(|| interface_index(scope)).filter(|&index| index != 0);
    Ok((ip.into(), scope_id.ok_or_else(invalid)?))
}

/// Characters of an invalid listen address that its error repeats; the rest is cut.
const LISTEN_IP_CHARS_SHOWN: usize = 64;

#[cfg(target_os = "linux")]
use linux::interface_index;

/// Names of interfaces are looked up on Linux only; elsewhere a scope is a number.
#[cfg(not(target_os = "linux"))]
fn interface_index(_name: &str) -> Option<u32> {
    None
}

/// Binds a UDP socket. `first_port` is where the search in a port range starts.
pub(crate) fn bind_udp(options: &BindOptions, first_port: u16) -> Result<Socket, BindError> {
    let socket = open(options, Type::DGRAM, Protocol::UDP)?;
    #[cfg(unix)]
    if options.udp_reuse_port {
        socket.set_reuse_port(true)?;
    }
    want_buffers(&socket, options.send_buffer_size.or(Some(UDP_BUFFER_BYTES)), Direction::Send);
    want_buffers(&socket, options.recv_buffer_size.or(Some(UDP_BUFFER_BYTES)), Direction::Receive);
    bind_first_free(&socket, options, first_port)?;
    Ok(socket)
}

/// Binds a TCP socket and listens. `first_port` is where the search in a port range starts.
pub(crate) fn bind_tcp(options: &BindOptions, first_port: u16) -> Result<Socket, BindError> {
    let socket = open(options, Type::STREAM, Protocol::TCP)?;
    // A restarted server must not wait for its predecessor's connections in TIME_WAIT. (On Windows the flag would
    // let two listeners share a port.)
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    want_buffers(&socket, options.send_buffer_size, Direction::Send);
    want_buffers(&socket, options.recv_buffer_size, Direction::Receive);
    bind_first_free(&socket, options, first_port)?;
    let local = local_address(&socket)?;
    socket.listen(TCP_BACKLOG).map_err(|error| refused(error, local))?;
    Ok(socket)
}

/// Connections that the kernel keeps until they are accepted; when full, new ones are retried by their peers.
const TCP_BACKLOG: i32 = 512;

/// The address that a socket is bound to.
pub(crate) fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
}

fn open(options: &BindOptions, kind: Type, protocol: Protocol) -> Result<Socket, BindError> {
    let address = options.address(0)?;
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(options.ipv6_only)?;
    }
    Ok(socket)
}

/// Tries ports until one is free. A failed bind leaves a socket unbound, so one socket serves all tries (about 1 µs
/// each, at most 65,535).
fn bind_first_free(socket: &Socket, options: &BindOptions, first_port: u16) -> Result<(), BindError> {
    let range = match options.port {
        PortChoice::Any => return bind_one(socket, options, 0),
        PortChoice::Exactly(port) => return bind_one(socket, options, port),
        PortChoice::Within(range) => range,
    };
    for port in range.from(first_port) {
        match bind_one(socket, options, port) {
            Err(BindError::AddressInUse(_)) => {}
            other => return other,
        }
    }
    Err(BindError::NoPortLeft { ip: options.ip, min: range.min, max: range.max })
}

fn bind_one(socket: &Socket, options: &BindOptions, port: u16) -> Result<(), BindError> {
    let address = options.address(port)?;
    socket.bind(&SockAddr::from(address)).map_err(|error| refused(error, address))
}

fn refused(error: io::Error, address: SocketAddr) -> BindError {
    match error.kind() {
        io::ErrorKind::AddrInUse => BindError::AddressInUse(address),
        io::ErrorKind::AddrNotAvailable => BindError::AddressNotAvailable(address.ip()),
        io::ErrorKind::PermissionDenied => BindError::PermissionDenied(address),
        _ => BindError::Outside(error),
    }
}

/// Which of a socket's two buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Send,
    Receive,
}

/// Asks for a buffer size. What the kernel grants is kept, so a refusal is no error.
fn want_buffers(socket: &Socket, wanted: Option<usize>, direction: Direction) {
    let Some(wanted) = wanted else { return };
    let _ = match direction {
        Direction::Send => socket.set_send_buffer_size(wanted),
        Direction::Receive => socket.set_recv_buffer_size(wanted),
    };
    #[cfg(target_os = "linux")]
    if buffer_size(socket, direction) < wanted {
        linux::force_buffer_size(socket, wanted, direction);
    }
}

/// The buffer that the kernel granted, in bytes (Linux reports twice the size that was asked, for its bookkeeping).
pub(crate) fn buffer_size(socket: &Socket, direction: Direction) -> usize {
    match direction {
        Direction::Send => socket.send_buffer_size(),
        Direction::Receive => socket.recv_buffer_size(),
    }
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn within(min: u16, max: u16) -> BindOptions {
        BindOptions { port: PortChoice::Within(PortRange::new(min, max).unwrap()), ..BindOptions::any_port(LOOPBACK) }
    }

    #[test]
    fn a_range_is_tried_from_the_given_port_on_and_round() {
        let range = PortRange::new(100, 103).unwrap();
        assert_eq!(range.from(2).collect::<Vec<_>>(), [102, 103, 100, 101]);
        let widest = PortRange::new(1, u16::MAX).unwrap();
        assert_eq!(widest.from(u16::MAX).count(), 65_535);
    }

    #[test]
    fn a_range_without_a_port_is_refused() {
        assert!(matches!(PortRange::new(5, 4), Err(BindError::EmptyPortRange { min: 5, max: 4 })));
        assert!(matches!(PortRange::new(0, 4), Err(BindError::EmptyPortRange { .. })));
    }

    #[test]
    fn a_taken_port_of_a_range_is_skipped_and_a_taken_range_is_told() {
        let holder = bind_udp(&BindOptions::any_port(LOOPBACK), 0).unwrap();
        let taken = local_address(&holder).unwrap().port();
        let error = bind_udp(&within(taken, taken), 0).unwrap_err();
        assert!(matches!(error, BindError::NoPortLeft { min, max, .. } if (min, max) == (taken, taken)));

        let options = within(taken.saturating_sub(20), taken);
        let found = bind_udp(&options, 20).unwrap();
        assert_ne!(local_address(&found).unwrap().port(), taken);
    }

    #[test]
    fn a_taken_port_is_named_in_the_error() {
        let holder = bind_tcp(&BindOptions::any_port(LOOPBACK), 0).unwrap();
        let taken = local_address(&holder).unwrap();
        let options = BindOptions { port: PortChoice::Exactly(taken.port()), ..BindOptions::any_port(LOOPBACK) };
        let error = bind_tcp(&options, 0).unwrap_err();
        assert!(matches!(error, BindError::AddressInUse(address) if address == taken), "{error}");
    }

    #[test]
    fn udp_ports_are_shared_only_when_asked() {
        let sharing = BindOptions { udp_reuse_port: true, ..BindOptions::any_port(LOOPBACK) };
        let first = bind_udp(&sharing, 0).unwrap();
        let port = PortChoice::Exactly(local_address(&first).unwrap().port());
        assert!(bind_udp(&BindOptions { port, ..sharing.clone() }, 0).is_ok());
        assert!(bind_udp(&BindOptions { port, udp_reuse_port: false, ..sharing }, 0).is_err());
    }

    #[test]
    fn an_address_of_another_machine_is_not_available() {
        let foreign: IpAddr = "203.0.113.7".parse().unwrap();
        let error = bind_udp(&BindOptions::any_port(foreign), 0).unwrap_err();
        assert!(matches!(error, BindError::AddressNotAvailable(ip) if ip == foreign), "{error}");
    }

    #[test]
    fn a_link_local_address_without_scope_is_refused() {
        let options = BindOptions::any_port("fe80::1".parse().unwrap());
        assert!(matches!(bind_udp(&options, 0), Err(BindError::LinkLocalWithoutScope(_))));
    }

    #[test]
    fn ipv6_only_with_an_ipv4_address_is_refused() {
        let options = BindOptions { ipv6_only: true, ..BindOptions::any_port(LOOPBACK) };
        assert!(matches!(bind_udp(&options, 0), Err(BindError::Ipv6OnlyOnIpv4(_))));
    }

    #[test]
    fn ipv6_only_leaves_the_ipv4_port_free() {
        let v6 = BindOptions { ipv6_only: true, ..BindOptions::any_port(Ipv6Addr::UNSPECIFIED.into()) };
        let first = bind_udp(&v6, 0).unwrap();
        let port = PortChoice::Exactly(local_address(&first).unwrap().port());
        let v4 = BindOptions { port, ..BindOptions::any_port(Ipv4Addr::UNSPECIFIED.into()) };
        assert!(bind_udp(&v4, 0).is_ok());
    }

    #[test]
    fn buffer_sizes_are_asked_for_and_more_is_never_an_error() {
        let small = BindOptions { send_buffer_size: Some(8192), ..BindOptions::any_port(LOOPBACK) };
        let usual = BindOptions::any_port(LOOPBACK);
        let greedy = BindOptions { send_buffer_size: Some(usize::MAX), ..usual.clone() };
        let granted = |options| buffer_size(&bind_udp(options, 0).unwrap(), Direction::Send);
        assert!(granted(&small) < granted(&usual));
        assert!(granted(&greedy) > 0);
    }

    #[test]
    fn listen_addresses_carry_their_scope() {
        assert_eq!(parse_listen_ip("127.0.0.1").unwrap(), (LOOPBACK, 0));
        assert_eq!(parse_listen_ip("fe80::1%7").unwrap(), ("fe80::1".parse().unwrap(), 7));
        #[cfg(target_os = "linux")]
        assert_ne!(parse_listen_ip("fe80::1%lo").unwrap().1, 0);
        for invalid in
            ["", "localhost", "fe80::1%", "fe80::1%0", "fe80::1%no-such-interface", "127.0.0.1%1", "::1%a\0b"]
        {
            assert!(matches!(parse_listen_ip(invalid), Err(BindError::InvalidAddress(_))), "{invalid}");
        }
    }
}
