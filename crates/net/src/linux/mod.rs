//! What only Linux has: batched receive and send, segmentation, packet information, forced buffers.
//!
//! Every `unsafe` of this crate is in this folder, wrapped so that safe code cannot misuse it.

mod control;
mod name;
pub(crate) mod receive;
mod time_slice;
pub(crate) mod transmit;

pub(crate) use time_slice::set_time_slice;

use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd;

use libc::{c_int, c_void, socklen_t};
use socket2::Socket;

use crate::bind::Direction;

/// The number of the network interface `name` (RFC 3493 §4.1).
#[allow(unsafe_code)]
pub(crate) fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the pointer is to a string that ends in NUL and outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// Sets a buffer size beyond the system's limit, which only privileged processes may; a refusal changes nothing.
pub(crate) fn force_buffer_size(socket: &Socket, bytes: usize, direction: Direction) {
    let name = match direction {
        Direction::Send => libc::SO_SNDBUFFORCE,
        Direction::Receive => libc::SO_RCVBUFFORCE,
    };
    let _ = set_option(socket, libc::SOL_SOCKET, name, c_int::try_from(bytes).unwrap_or(c_int::MAX));
}

/// Asks the kernel to tell with each datagram which of our addresses it was sent to.
pub(crate) fn tell_local_address(socket: &Socket, is_ipv6: bool) -> io::Result<()> {
    match is_ipv6 {
        true => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
        false => set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
    }
}

/// Tells whether the kernel knows UDP segmentation (Linux 4.18): older ones ignore the request in a message and would
/// send one datagram of everything.
pub(crate) fn knows_segmentation(socket: &Socket) -> bool {
    set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok()
}

#[allow(unsafe_code)]
fn set_option(socket: &Socket, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let pointer = (&raw const value).cast::<c_void>();
    // SAFETY: pointer and length are those of a local integer that outlives the call; the descriptor is open because
    // the socket is borrowed.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, pointer, size_of::<c_int>() as socklen_t) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
