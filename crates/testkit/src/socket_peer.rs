//! A [`Peer`] on real sockets of this machine. Several are driven by one thread that waits on all of them at once.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use millrace_packet::DATAGRAM_BYTES_MAX;
use millrace_transport::Protocol;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::peer::{Path, Peer, PeerConfig, PeerTransmit, ServerParameters};

/// Room for a datagram that is longer than any should be, so that a test sees its true length.
const READ_BYTES: usize = 4 * DATAGRAM_BYTES_MAX;

/// A peer with a UDP socket, and a TCP connection for each TCP candidate that it is told of.
pub struct SocketPeer {
    /// The peer: what it has received, and what it shall send.
    pub peer: Peer,
    udp: UdpSocket,
    connections: Vec<Connection>,
    /// Datagrams are neither read nor sent: the peer has vanished, as far as the server can tell.
    pub is_cut_off: bool,
}

/// A TCP connection with frames of RFC 4571.
struct Connection {
    server: SocketAddr,
    stream: TcpStream,
    received: Vec<u8>,
    is_open: bool,
}

impl SocketPeer {
    /// Makes a peer with a socket on `127.0.0.1` or `::1`. `seed` decides what is random about it.
    ///
    /// # Errors
    /// The system gave no socket.
    pub fn bind(seed: u64, is_ipv6: bool) -> io::Result<Self> {
        let udp = loopback_socket(is_ipv6)?;
        let config = PeerConfig { seed, local: udp.local_addr()?, srtp_profiles: Vec::new() };
        Ok(Self { peer: Peer::new(&config, Instant::now()), udp, connections: Vec::new(), is_cut_off: false })
    }

    /// Connects TCP candidates and starts ICE.
    ///
    /// # Errors
    /// A TCP candidate refused the connection.
    pub fn connect(&mut self, server: ServerParameters) -> io::Result<()> {
        for candidate in server.candidates.iter().filter(|candidate| candidate.protocol == Protocol::Tcp) {
            self.connections.push(Connection::open(candidate.address)?);
        }
        self.peer.connect(server, Instant::now());
        Ok(())
    }

    /// Goes on from another port, as behind a NAT that forgot the first one.
    ///
    /// # Errors
    /// The system gave no socket.
    pub fn change_port(&mut self) -> io::Result<()> {
        self.udp = loopback_socket(self.local_addr()?.is_ipv6())?;
        Ok(())
    }

    /// The address of the UDP socket.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Tells whether the server hung up any TCP connection.
    pub fn was_hung_up(&self) -> bool {
        self.connections.iter().any(|connection| !connection.is_open)
    }

    /// Does what can be done without waiting: reads what came, does what is due, sends what waits.
    ///
    /// # Errors
    /// A socket failed.
    pub fn turn(&mut self) -> io::Result<()> {
        if self.is_cut_off {
            return Ok(());
        }
        self.read_datagrams()?;
        self.read_frames()?;
        let now = Instant::now();
        if self.peer.deadline().is_some_and(|due| due <= now) {
            self.peer.handle_timeout(now);
        }
        self.send()
    }

    /// Sends what waits.
    ///
    /// # Errors
    /// A socket failed.
    pub fn send(&mut self) -> io::Result<()> {
        while let Some(PeerTransmit { path, bytes }) = self.peer.poll_transmit() {
            match path.protocol {
                Protocol::Udp => drop(self.udp.send_to(&bytes, path.address)?),
                Protocol::Tcp => self.send_frame(path.address, &bytes)?,
            }
        }
        Ok(())
    }

    /// When [`turn`](Self::turn) is wanted although nothing came.
    pub fn deadline(&self) -> Option<Instant> {
        self.peer.deadline().filter(|_| !self.is_cut_off)
    }

    /// What to wait on.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let connections = self.connections.iter().filter(|connection| connection.is_open);
        let all = std::iter::once(self.udp.as_fd()).chain(connections.map(|connection| connection.stream.as_fd()));
        all.filter(|_| !self.is_cut_off)
    }

    fn read_datagrams(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.udp.recv_from(&mut buffer) {
                Ok((len, from)) => self.peer.handle_datagram(Instant::now(), from, &buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn read_frames(&mut self) -> io::Result<()> {
        for connection in self.connections.iter_mut().filter(|connection| connection.is_open) {
            connection.read()?;
            while let Some(frame) = connection.take_frame() {
                self.peer.handle_datagram(Instant::now(), Path::tcp(connection.server), &frame);
            }
        }
        Ok(())
    }

    fn send_frame(&mut self, server: SocketAddr, frame: &[u8]) -> io::Result<()> {
        let connection = self.connections.iter_mut().find(|connection| connection.server == server);
        let connection = connection.filter(|connection| connection.is_open).ok_or(io::ErrorKind::NotConnected)?;
        let len = u16::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        connection.stream.write_all(&[&len.to_be_bytes(), frame].concat())
    }
}

impl Connection {
    fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        Ok(Self { server, stream, received: Vec::new(), is_open: true })
    }

    /// Reads what has come; the stream itself blocks, so that frames are written whole.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_BYTES];
        while self.is_open && is_readable(self.stream.as_fd()) {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.is_open = false,
                Ok(len) => self.received.extend(&buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.is_open = false,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take_frame(&mut self) -> Option<Vec<u8>> {
        let (len, rest) = self.received.split_first_chunk()?;
        let end = usize::from(u16::from_be_bytes(*len));
        let frame = rest.get(..end)?.to_vec();
        self.received.drain(..len.len() + end);
        Some(frame)
    }
}

/// Waits until one of `sockets` can be read or `deadline` is there.
pub fn wait<'a>(sockets: impl IntoIterator<Item = BorrowedFd<'a>>, deadline: Instant) {
    let mut sockets: Vec<_> = sockets.into_iter().map(|socket| PollFd::new(socket, PollFlags::POLLIN)).collect();
    let left = deadline.saturating_duration_since(Instant::now());
    // Rounded up, or the last part of a millisecond would be spent spinning.
    let timeout = PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
    // A signal that interrupts the wait ends it early, which callers expect anyway.
    let _ = poll(&mut sockets, timeout);
}

/// Tells whether `socket` can be read without waiting.
pub fn is_readable(socket: BorrowedFd<'_>) -> bool {
    let mut sockets = [PollFd::new(socket, PollFlags::POLLIN)];
    poll(&mut sockets, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn loopback_socket(is_ipv6: bool) -> io::Result<UdpSocket> {
    let ip: IpAddr = if is_ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    let socket = UdpSocket::bind((ip, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn frames_are_taken_whole_however_they_arrive() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = Connection::open(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(&[0, 3, 1, 2]).unwrap();
        wait([connection.stream.as_fd()], Instant::now() + Duration::from_secs(5));
        connection.read().unwrap();
        assert_eq!(connection.take_frame(), None);
        server.write_all(&[3, 0, 0]).unwrap();
        drop(server);
        while connection.is_open {
            wait([connection.stream.as_fd()], Instant::now() + Duration::from_secs(5));
            connection.read().unwrap();
        }
        assert_eq!(connection.take_frame(), Some(vec![1, 2, 3]));
        assert_eq!(connection.take_frame(), Some(vec![]));
        assert_eq!(connection.take_frame(), None);
    }
}
