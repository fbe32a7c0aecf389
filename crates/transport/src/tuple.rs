//! Where a datagram came from or goes to.

use std::net::{IpAddr, SocketAddr};

/// A worker's number for one UDP socket or one TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

/// The protocol under ICE (RFC 8445 §5.1.1, RFC 6544).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// One datagram is one message.
    Udp,
    /// Messages are framed by RFC 4571.
    Tcp,
}

/// One path between us and a peer: our socket and its address.
///
/// `local_ip` is the address that the peer asked, for sockets bound to a wildcard; answers leave from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Our socket or TCP connection.
    pub socket: SocketId,
    /// UDP or TCP.
    pub protocol: Protocol,
    /// The peer's address.
    pub remote: SocketAddr,
    /// Our address as the peer sees it on the wire, when the kernel told it.
    pub local_ip: Option<IpAddr>,
}

/// Bytes to be sent, off the media path (STUN, DTLS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub tuple: Tuple,
    /// One datagram or TCP frame.
    pub bytes: Vec<u8>,
}
