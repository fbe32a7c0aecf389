//! Many datagrams by one `recvmmsg`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use libc::{c_uint, iovec, mmsghdr};

use millrace_packet::PacketMut;
use millrace_packet::pool::SLOT_BYTES;

use super::control::Control;
use super::name::SocketName;
use crate::udp::RECV_DATAGRAMS_MAX;

/// What the kernel reads and writes in one call, allocated once.
pub(crate) struct ReceiveArrays {
    headers: [mmsghdr; RECV_DATAGRAMS_MAX],
    iovecs: [iovec; RECV_DATAGRAMS_MAX],
    names: [SocketName; RECV_DATAGRAMS_MAX],
    controls: [Control; RECV_DATAGRAMS_MAX],
    /// Where datagrams go that no packet is left for.
    scratch: [u8; SLOT_BYTES],
}

/// What the kernel told about one datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// Bytes written to the packet.
    pub(crate) len: usize,
    /// The datagram was longer than the packet.
    pub(crate) truncated: bool,
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) local_ip: Option<IpAddr>,
}

impl ReceiveArrays {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            headers: [EMPTY_HEADER; RECV_DATAGRAMS_MAX],
            iovecs: [EMPTY_IOVEC; RECV_DATAGRAMS_MAX],
            names: [SocketName::EMPTY; RECV_DATAGRAMS_MAX],
            controls: [Control::EMPTY; RECV_DATAGRAMS_MAX],
            scratch: [0; SLOT_BYTES],
        })
    }

    /// Receives into `packets`, one datagram each and in order; what meets `None` is read and lost.
    ///
    /// Tells how many came: `WouldBlock` when none waited.
    #[allow(unsafe_code)]
    pub(crate) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        packets: &mut [Option<PacketMut>; RECV_DATAGRAMS_MAX],
    ) -> io::Result<usize> {
        for (index, packet) in packets.iter_mut().enumerate() {
            let buffer = packet.as_mut().map_or(&mut self.scratch, PacketMut::buffer_mut);
            self.iovecs[index] = iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        }
        self.connect_headers();
        let (headers, count) = (self.headers.as_mut_ptr(), RECV_DATAGRAMS_MAX as c_uint);
        // SAFETY: `count` headers lie at the pointer, and each was connected above to a name, an iovec and ancillary
        // data of the sizes it states, all owned by `self`; each iovec points to a whole packet that `packets` keeps
        // alive and unshared, or to the scratch, where overlapping writes meet no reader. Nothing moves meanwhile.
        let count =
            unsafe { libc::recvmmsg(socket.as_raw_fd(), headers, count, libc::MSG_DONTWAIT as _, ptr::null_mut()) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    /// What was told about the datagram at `index` of the last call.
    pub(crate) fn told(&self, index: usize) -> Told {
        let header = &self.headers[index];
        #[allow(clippy::unnecessary_cast, reason = "the field's type differs between C libraries")]
        let control_len = header.msg_hdr.msg_controllen as usize;
        Told {
            len: header.msg_len as usize,
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            remote: self.names[index].address(),
            local_ip: self.controls[index].local_ip(control_len),
        }
    }

    fn connect_headers(&mut self) {
        let parts = self.iovecs.iter_mut().zip(&mut self.names).zip(&mut self.controls);
        for (header, ((iovec, name), control)) in self.headers.iter_mut().zip(parts) {
            let message = &mut header.msg_hdr;
            message.msg_name = ptr::from_mut(name).cast();
            message.msg_namelen = SocketName::BYTES;
            message.msg_iov = iovec;
            message.msg_iovlen = 1;
            message.msg_control = control.as_mut_ptr();
            message.msg_controllen = Control::BYTES as _;
            message.msg_flags = 0;
        }
    }
}

/// A header that is connected to nothing.
// SAFETY: all-zero is a valid value of this struct of integers and pointers.
#[allow(unsafe_code)]
pub(super) const EMPTY_HEADER: mmsghdr = unsafe { std::mem::zeroed() };
/// No memory.
pub(super) const EMPTY_IOVEC: iovec = iovec { iov_base: ptr::null_mut(), iov_len: 0 };
