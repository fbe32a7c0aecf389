//! One system call for each datagram: what every system can do.

use std::io;
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::net::UdpSocket;

use crate::address::{canonical, for_ipv6_socket};
use crate::send::plan::Plan;

/// Receives one datagram; of one that is longer than `buffer`, as much as fits.
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    let (len, remote) = socket.try_recv_from(buffer)?;
    Ok((len, canonical(remote)))
}

/// Sends the plan's messages, which are one datagram each, in order, and tells how many the system took.
///
/// # Errors
/// That of the first message.
pub(super) fn send(socket: &UdpSocket, plan: Plan<'_>, is_ipv6: bool) -> io::Result<usize> {
    for (index, message) in plan.messages.iter().enumerate() {
        let remote = if is_ipv6 { for_ipv6_socket(message.remote).into() } else { message.remote };
        for segment in plan.segments_of(message) {
            match send_one(socket, plan.bytes_of(segment), remote) {
                Ok(_) => {}
                Err(error) if index == 0 => return Err(error),
                Err(_) => return Ok(index),
            }
        }
    }
    Ok(plan.messages.len())
}

fn send_one(socket: &UdpSocket, bytes: &[u8], remote: SocketAddr) -> io::Result<usize> {
    match socket.try_send_to(bytes, remote) {
        // Before the first poll of a socket, tokio does not know that it is writable; only the system does.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => SockRef::from(socket).send_to(bytes, &remote.into()),
        other => other,
    }
}
