//! A peer's own socket, connected to the server, and what is received from many of them.

use std::array;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use arrayvec::ArrayVec;
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg, setsockopt, sockopt};

/// Bytes of the longest datagram that a peer receives; more of one is cut off.
pub(crate) const DATAGRAM_BYTES: usize = 1_600;

/// Bytes that are copied of a datagram which is only counted: enough for any STUN answer and most RTCP.
pub(crate) const HEAD_BYTES: usize = 256;

/// Datagrams of one system call, each way.
pub(crate) const BATCH: usize = 32;

/// What a peer's socket may hold: a second of video.
const BUFFER_BYTES: usize = 1 << 20;

/// A UDP socket of one peer.
pub(crate) struct PeerSocket {
    socket: UdpSocket,
}

impl PeerSocket {
    /// Binds a free port on loopback.
    pub(crate) fn bind() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::RcvBuf, &BUFFER_BYTES)?;
        Ok(Self { socket })
    }

    pub(crate) fn connect(&self, server: SocketAddr) -> io::Result<()> {
        self.socket.connect(server)
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends one datagram. One that the system does not take is lost, as on the way.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let _ = self.socket.send(bytes);
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Memory for one call that receives or sends many datagrams, and what came by the last one.
pub(crate) struct Batch {
    bytes: Vec<[u8; DATAGRAM_BYTES]>,
    lens: ArrayVec<usize, BATCH>,
    headers: MultiHeaders<()>,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![[0; DATAGRAM_BYTES]; BATCH],
            lens: ArrayVec::new(),
            headers: MultiHeaders::preallocate(BATCH, None),
        }
    }

    /// Receives what waits, cut to `room` bytes each; tells how many came.
    pub(crate) fn receive(&mut self, socket: &PeerSocket, room: usize) -> usize {
        self.lens.clear();
        let mut places = self.bytes.iter_mut();
        let mut slices: [_; BATCH] = array::from_fn(|_| match places.next() {
            Some(place) => [IoSliceMut::new(&mut place[..room])],
            None => [IoSliceMut::new(&mut [])],
        });
        let fd = socket.socket.as_raw_fd();
        // Whatever is wrong with a socket shows as media that does not come.
        if let Ok(messages) = recvmmsg(fd, &mut self.headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            self.lens.extend(messages.map(|message| message.bytes));
        }
        self.lens.len()
    }

    /// A datagram of the last [`receive`](Self::receive).
    pub(crate) fn datagram(&self, index: usize) -> &[u8] {
        let len = self.lens.get(index).copied().unwrap_or_default();
        self.bytes.get(index).and_then(|bytes| bytes.get(..len)).unwrap_or_default()
    }

    /// Empties the batch, to be filled by [`place`](Self::place) and sent.
    pub(crate) fn clear(&mut self) {
        self.lens.clear();
    }

    /// Tells whether no further datagram fits.
    pub(crate) fn is_full(&self) -> bool {
        self.lens.is_full()
    }

    /// Lets `write` fill the next datagram and say how long it is; 0 leaves it out.
    pub(crate) fn place(&mut self, write: impl FnOnce(&mut [u8; DATAGRAM_BYTES]) -> usize) {
        if let Some(place) = self.bytes.get_mut(self.lens.len()) {
            let len = write(place);
            if len > 0 {
                self.lens.push(len);
            }
        }
    }

    /// Sends what was placed, back to back, and empties the batch.
    pub(crate) fn send(&mut self, socket: &PeerSocket) {
        let slices: ArrayVec<[IoSlice<'_>; 1], BATCH> =
            self.bytes.iter().zip(&self.lens).map(|(bytes, len)| [IoSlice::new(&bytes[..*len])]).collect();
        let fd = socket.socket.as_raw_fd();
        let nowhere_else = [None::<()>; BATCH];
        let _ = sendmmsg(fd, &mut self.headers, slices.iter(), nowhere_else, [], MsgFlags::MSG_DONTWAIT);
        self.lens.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_placed_arrives_in_order_and_cut_to_the_room() {
        let (one, other) = (PeerSocket::bind().unwrap(), PeerSocket::bind().unwrap());
        one.connect(other.local_addr().unwrap()).unwrap();
        let mut batch = Batch::new();
        for number in 0..3 {
            batch.place(|place| {
                place[..300].fill(number);
                300
            });
        }
        batch.place(|_| 0);
        batch.send(&one);
        assert_eq!(batch.receive(&other, HEAD_BYTES), 3);
        assert_eq!(batch.datagram(2), [2; HEAD_BYTES]);
        assert!(batch.datagram(3).is_empty());
        assert_eq!(batch.receive(&other, HEAD_BYTES), 0);
    }
}
