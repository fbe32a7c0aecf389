//! What comes from sockets: which transport it is for, and what becomes of it.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use millrace_net::{Datagram, RECV_DATAGRAMS_MAX, RecvReport, TcpClosed, TcpConnection, UdpSocket};
use millrace_packet::PacketMut;
use millrace_transport::stun;

use millrace_transport::{DatagramKind, Protocol, Received, SocketId, Tuple};
use slab::Slab;

use super::sockets::{Attended, Readiness, SocketHandle, SocketOwner};
use super::{Plane, TimerOwner};

/// Batches read from one socket before others get their turn.
const BATCHES_PER_TURN_MAX: usize = 8;

/// Time a TCP connection has for its first valid ICE check. Then it is closed and counted.
const TCP_VALIDATION_TIME: Duration = Duration::from_secs(10);

impl Plane {
    /// Does what a socket is ready for.
    pub(crate) fn attend_socket(
        &mut self,
        id: SocketId,
        handle: &SocketHandle,
        ready: Readiness,
        now: Instant,
    ) -> Attended {
        if !self.sockets.is_open(id, handle) {
            return Attended::Gone;
        }
        let attended = match (handle, ready) {
            (SocketHandle::Udp(socket), _) => self.receive_datagrams(id, socket, now),
            (_, Readiness::Accepted(connection)) => self.accept(id, connection, now),
            (SocketHandle::Connection(connection), Readiness::Readable) => self.receive_frames(id, connection, now),
            (SocketHandle::Connection(connection), Readiness::Writable) => {
                of_connection(connection.borrow_mut().flush())
            }
            (SocketHandle::Listener(_), _) => Attended::GoesOn,
        };
        if attended == Attended::Gone {
            self.close_connection(id, now);
        }
        self.finish();
        attended
    }

    /// A socket could not be waited for. A connection is over then, others may recover.
    pub(crate) fn socket_failed(&mut self, id: SocketId, handle: &SocketHandle, now: Instant) -> Attended {
        self.counters.socket_errors += 1;
        if !self.sockets.is_open(id, handle) {
            return Attended::Gone;
        }
        if !matches!(handle, SocketHandle::Connection(_)) {
            return Attended::Failed;
        }
        self.close_connection(id, now);
        self.finish();
        Attended::Gone
    }

    /// A full socket takes datagrams again: first those that were sealed, then what waits in transports.
    pub(crate) fn socket_writable(&mut self, id: SocketId, handle: &SocketHandle, now: Instant) {
        if !self.sockets.is_open(id, handle) {
            return;
        }
        self.sockets.unblock(id);
        self.flush();
        self.next_to_flush = serve_in_turn(&mut self.transports, self.next_to_flush, |index, entry| {
            if entry.core.has_waiting(id) {
                entry.core.flush_queue(now, &mut self.sockets.slots(index, &mut self.counters));
            }
            // Still waiting means that the socket is full again: nobody after it would get a slot.
            !entry.core.has_waiting(id)
        });
        self.finish();
    }

    fn receive_datagrams(&mut self, id: SocketId, socket: &UdpSocket, now: Instant) -> Attended {
        // Taken out while its datagrams are handled; nothing below receives from another socket.
        let Some(mut batch) = self.batch.take() else { return Attended::GoesOn };
        let mut attended = Attended::GoesOn;
        let mut is_full = true;
        for _ in 0..BATCHES_PER_TURN_MAX {
            let received = socket.recv_batch(&self.pool, &mut batch);
            self.count_received(batch.report());
            for Datagram { packet, remote, local_ip } in batch.drain() {
                let tuple = Tuple { socket: id, protocol: Protocol::Udp, remote, local_ip };
                self.handle_packet(&tuple, packet, now);
            }
            self.flush();
            if received.is_err() {
                self.counters.socket_errors += 1;
                attended = Attended::Failed;
            }
            if !matches!(received, Ok(RECV_DATAGRAMS_MAX)) {
                is_full = false;
                break;
            }
        }
        self.load.note_read(is_full);
        self.batch = Some(batch);
        attended
    }

    /// Counts what no transport will.
    fn count_received(&mut self, report: RecvReport) {
        self.counters.datagrams_received += report.too_long as u64 + report.no_slot as u64;
        self.counters.datagrams_dropped_unknown += report.too_long as u64;
        self.counters.datagrams_dropped_no_memory += report.no_slot as u64;
    }

    /// Finds the transport of a packet and lets it have it.
    pub(super) fn handle_packet(&mut self, tuple: &Tuple, packet: PacketMut, now: Instant) {
        let Some(index) = self.transport_of(tuple, packet.bytes()) else {
            self.counters.datagrams_received += 1;
            self.counters.datagram_bytes_received += packet.bytes().len() as u64;
            self.counters.datagrams_dropped_unvalidated += 1;
            return;
        };
        let Some(entry) = self.transports.get_mut(index) else { return };
        let received = entry.core.handle_datagram(tuple, packet, now);
        if received.is_none() || entry.core.has_events() {
            self.after_transport(index, now);
        }
        match received {
            Some(Received::Rtp(packet)) => self.route_rtp(index, packet, now),
            Some(Received::Rtcp(packet)) => self.route_rtcp(index, packet.bytes(), now),
            None => {}
        }
    }

    /// Whom a packet is for: a STUN check for whom its user name says, because a peer that moves to another transport
    /// keeps its address; everything else for whom the path belongs to, and on the socket of a plain transport for that.
    fn transport_of(&self, tuple: &Tuple, bytes: &[u8]) -> Option<usize> {
        let checked = match DatagramKind::of(bytes) {
            DatagramKind::Stun => self.transport_of_check(tuple, bytes),
            _ => None,
        };
        let path = (tuple.socket, tuple.remote);
        checked.or_else(|| self.paths.get(&path).copied()).or_else(|| self.plain_transport_on(tuple.socket))
    }

    fn plain_transport_on(&self, socket: SocketId) -> Option<usize> {
        let SocketOwner::Transport(index) = self.sockets.owner(socket)? else { return None };
        self.transports.get(index)?.core.plain().map(|_| index)
    }

    /// The transport whose user name fragment a STUN check names, if it listens on the socket that the check came to.
    fn transport_of_check(&self, tuple: &Tuple, bytes: &[u8]) -> Option<usize> {
        let ufrag = stun::request_ufrag(bytes)?;
        let index = *self.ufrags.get(ufrag)?;
        let server = self.transports.get(index)?.core.webrtc()?.server;
        let listens = match self.sockets.owner(tuple.socket)? {
            SocketOwner::Transport(owner) => owner == index,
            SocketOwner::Server(id) => server == Some(id),
        };
        listens.then_some(index)
    }

    pub(super) fn route_rtp(&mut self, index: usize, packet: PacketMut, now: Instant) {
        self.capture_received(index, packet.bytes(), now);
        let Some(transport) = self.transports.get(index) else { return };
        let session = transport.session;
        self.with_router(transport.router, now, |core, fanout| core.handle_rtp(session, packet, now, fanout));
    }

    pub(super) fn route_rtcp(&mut self, index: usize, compound: &[u8], now: Instant) {
        self.capture_received(index, compound, now);
        let Some(transport) = self.transports.get(index) else { return };
        let session = transport.session;
        self.with_router(transport.router, now, |core, fanout| core.handle_rtcp(session, compound, now, fanout));
        self.attend_path(index, now);
    }

    fn accept(&mut self, listener: SocketId, connection: TcpConnection, now: Instant) -> Attended {
        let Some(owner) = self.sockets.owner(listener) else { return Attended::GoesOn };
        if let Some(other) = self.sockets.connection_in_the_way(connection.remote_addr().ip()) {
            self.counters.tcp_connections_evicted += 1;
            self.close_connection(other, now);
        }
        match self.sockets.add_connection(connection, owner) {
            Some(id) => {
                self.counters.tcp_connections_accepted += 1;
                self.set_timer(TimerOwner::Connection(id), Some(now + TCP_VALIDATION_TIME));
            }
            None => self.counters.tcp_connections_refused += 1,
        }
        Attended::GoesOn
    }

    fn receive_frames(&mut self, id: SocketId, connection: &RefCell<TcpConnection>, now: Instant) -> Attended {
        let mut packets = std::mem::take(&mut self.frames);
        let (tuple, received) = {
            // Given back before the packets are handled: answers leave by the same connection.
            let mut connection = connection.borrow_mut();
            let (remote, local_ip) = (connection.remote_addr(), Some(connection.local_addr().ip()));
            let tuple = Tuple { socket: id, protocol: Protocol::Tcp, remote, local_ip };
            (tuple, connection.recv(&mut self.read_buffer, &self.pool, |packet| packets.push(packet)))
        };
        for packet in packets.drain(..) {
            self.handle_packet(&tuple, packet, now);
        }
        self.frames = packets;
        match &received {
            Ok(report) => self.counters.datagrams_dropped_no_memory += report.no_slot as u64,
            Err(TcpClosed::Framing(_)) => self.counters.tcp_connections_closed_malformed += 1,
            Err(TcpClosed::ByPeer | TcpClosed::Outside(_)) => {}
        }
        of_connection(received)
    }

    /// Closes a connection and takes its path from its transport.
    pub(super) fn close_connection(&mut self, id: SocketId, now: Instant) {
        let user = self.user_of_connection(id);
        self.set_timer(TimerOwner::Connection(id), None);
        self.sockets.close(id);
        let Some(index) = user else { return };
        if let Some(entry) = self.transports.get_mut(index) {
            entry.core.remove_socket(id, now);
        }
        self.after_transport(index, now);
    }

    /// Time is up for the first check of a connection.
    pub(super) fn connection_timeout(&mut self, id: SocketId, now: Instant) {
        if self.sockets.is_connection(id) && self.user_of_connection(id).is_none() {
            self.counters.tcp_connections_closed_idle += 1;
            self.close_connection(id, now);
        }
    }

    /// The transport that validated a connection. It has one path at most: to its peer.
    fn user_of_connection(&self, id: SocketId) -> Option<usize> {
        let remote = self.sockets.connection_remote(id)?;
        self.paths.get(&(id, remote)).copied()
    }
}

/// A connection ends with its first error.
fn of_connection<T, E>(result: Result<T, E>) -> Attended {
    if result.is_ok() { Attended::GoesOn } else { Attended::Gone }
}

/// Serves entries in the order of their indexes, from `first` on and then those before it, until `serve` says that the
/// rest cannot be served. Returns where to begin next: after the one that got the last of it, so that none is always last.
fn serve_in_turn<T>(entries: &mut Slab<T>, first: usize, mut serve: impl FnMut(usize, &mut T) -> bool) -> usize {
    for is_before in [false, true] {
        for (index, entry) in entries.iter_mut().filter(|(index, _)| (*index < first) == is_before) {
            if !serve(index, entry) {
                return index + 1;
            }
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_share_a_socket_that_cannot_take_everything() {
        let mut waiting: Slab<u32> = (0..10).map(|index| (index, 0)).collect();
        waiting.remove(4);
        let (mut first, mut served) = (0, [0; 10]);
        for _ in 0..90 {
            // Two more come for each; the socket takes four in all.
            waiting.iter_mut().for_each(|(_, queue)| *queue += 2);
            let mut room = 4;
            first = serve_in_turn(&mut waiting, first, |index, queue| {
                let taken = (*queue).min(room);
                room -= taken;
                *queue -= taken;
                served[index] += taken;
                *queue == 0
            });
        }
        assert_eq!(served.iter().sum::<u32>(), 90 * 4);
        assert!(served.iter().enumerate().all(|(index, served)| (index == 4) == (*served == 0)), "{served:?}");
        assert!(served.iter().max() < Some(&80), "{served:?}");
    }
}
