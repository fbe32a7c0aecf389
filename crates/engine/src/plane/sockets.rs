//! The worker's sockets, and the batch that datagrams leave in.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::Poll;

use millrace_model::{Counters, WebRtcServerId};
use millrace_net::{
    Backend, BindError, BindOptions, Destination, DestinationKey, SEND_SLOT_BYTES, SEND_SLOTS, SendBatch, SocketIndex,
    TcpConnection, TcpListener, TcpSent, UdpSocket,
};
use millrace_transport::outgoing::SendSlots;
use millrace_transport::{Protocol, SocketId, Tuple};
use slab::Slab;

use super::crowds::Crowds;

/// TCP connections of one worker at most, validated or not. One more takes the place of one that no ICE check has
/// validated; when all are, it is closed at once and counted.
pub(super) const TCP_CONNECTIONS_MAX: usize = 8192;

/// Who listens on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketOwner {
    /// One transport, by its index.
    Transport(usize),
    /// A server that many transports share.
    Server(WebRtcServerId),
}

/// A socket as the task that waits for it holds it.
#[derive(Clone)]
pub(crate) enum SocketHandle {
    Udp(Rc<UdpSocket>),
    Listener(Rc<TcpListener>),
    Connection(Rc<RefCell<TcpConnection>>),
}

/// What a waiting task was woken for.
pub(crate) enum Readiness {
    /// Something can be read.
    Readable,
    /// What waited can be written.
    Writable,
    /// A peer connected.
    Accepted(TcpConnection),
}

/// What became of a socket that was attended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attended {
    /// It is to be waited for again.
    GoesOn,
    /// It could not be used this time: the error may pass, and must not make its watcher spin.
    Failed,
    /// It is closed.
    Gone,
}

impl SocketHandle {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Udp(one), Self::Udp(other)) => Rc::ptr_eq(one, other),
            (Self::Listener(one), Self::Listener(other)) => Rc::ptr_eq(one, other),
            (Self::Connection(one), Self::Connection(other)) => Rc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Waits until there is something to do.
    pub(crate) async fn ready(&self) -> io::Result<Readiness> {
        match self {
            Self::Udp(socket) => socket.readable().await.map(|()| Readiness::Readable),
            Self::Listener(listener) => listener.accept().await.map(Readiness::Accepted),
            Self::Connection(connection) => {
                poll_fn(|context| {
                    let mut connection = connection.borrow_mut();
                    if let Poll::Ready(readable) = connection.poll_readable(context) {
                        return Poll::Ready(readable.map(|()| Readiness::Readable));
                    }
                    connection.poll_flushable(context).map_ok(|()| Readiness::Writable)
                })
                .await
            }
        }
    }
}

struct Entry {
    handle: SocketHandle,
    owner: SocketOwner,
    /// The event loop has been asked to wait until the socket is writable.
    awaits_writable: bool,
}

/// Every socket of the worker by [`SocketId`], and the batch that collects what they send.
pub(crate) struct Sockets {
    entries: Slab<Entry>,
    connections: usize,
    pub(super) connections_max: usize,
    crowds: Crowds,
    batch: SendBatch,
    frame: Box<[u8; SEND_SLOT_BYTES]>,
    changes: Changes,
}

/// What the event loop has to learn.
#[derive(Default)]
pub(crate) struct Changes {
    /// Sockets to watch from here on.
    pub(crate) opened: Vec<(SocketId, SocketHandle)>,
    /// Sockets that are closed: their watchers end.
    pub(crate) closed: Vec<SocketId>,
    /// UDP sockets that are full: the loop waits once until each is writable.
    pub(crate) blocked: Vec<(SocketId, Rc<UdpSocket>)>,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.opened.is_empty() && self.closed.is_empty() && self.blocked.is_empty()
    }
}

impl Sockets {
    pub(super) fn new() -> Self {
        Self {
            entries: Slab::new(),
            connections: 0,
            connections_max: TCP_CONNECTIONS_MAX,
            crowds: Crowds::default(),
            batch: SendBatch::new(SEND_SLOTS),
            frame: Box::new([0; SEND_SLOT_BYTES]),
            changes: Changes::default(),
        }
    }

    pub(super) fn bind_udp(
        &mut self,
        options: &BindOptions,
        first_port: u16,
        owner: SocketOwner,
    ) -> Result<(SocketId, SocketAddr), BindError> {
        let socket = UdpSocket::bind(options, first_port, backend())?;
        let local = socket.local_addr();
        Ok((self.insert(SocketHandle::Udp(Rc::new(socket)), owner), local))
    }

    pub(super) fn bind_tcp(
        &mut self,
        options: &BindOptions,
        first_port: u16,
        owner: SocketOwner,
    ) -> Result<(SocketId, SocketAddr), BindError> {
        let listener = TcpListener::bind(options, first_port)?;
        let local = listener.local_addr();
        Ok((self.insert(SocketHandle::Listener(Rc::new(listener)), owner), local))
    }

    /// The connection that has to be closed before another of `remote` is taken over.
    pub(super) fn connection_in_the_way(&self, remote: IpAddr) -> Option<SocketId> {
        let is_full = self.connections >= self.connections_max;
        self.crowds.one_too_many(remote).or_else(|| self.crowds.most_crowded().filter(|_| is_full))
    }

    /// Takes a connection over, unless there are too many.
    pub(super) fn add_connection(&mut self, connection: TcpConnection, owner: SocketOwner) -> Option<SocketId> {
        if self.connections >= self.connections_max {
            return None;
        }
        self.connections += 1;
        let remote = connection.remote_addr().ip();
        let id = self.insert(SocketHandle::Connection(Rc::new(RefCell::new(connection))), owner);
        self.crowds.insert(remote, id);
        Some(id)
    }

    /// A connection was validated or is to be closed: it gives way to no other from here on. Other sockets never do.
    pub(super) fn leave_crowd(&mut self, id: SocketId) {
        if let Some(remote) = self.connection_remote(id) {
            self.crowds.remove(remote.ip(), id);
        }
    }

    fn insert(&mut self, handle: SocketHandle, owner: SocketOwner) -> SocketId {
        let id = SocketId(self.entries.insert(Entry { handle: handle.clone(), owner, awaits_writable: false }) as u32);
        self.changes.opened.push((id, handle));
        id
    }

    /// Closes a socket; its port is free once the event loop has ended its watcher.
    pub(super) fn close(&mut self, id: SocketId) {
        self.leave_crowd(id);
        let Some(entry) = self.entries.try_remove(id.0 as usize) else { return };
        match entry.handle {
            SocketHandle::Udp(_) => drop(self.batch.forget(SocketIndex(id.0))),
            SocketHandle::Connection(_) => self.connections -= 1,
            SocketHandle::Listener(_) => {}
        }
        self.changes.opened.retain(|(opened, _)| *opened != id);
        self.changes.blocked.retain(|(blocked, _)| *blocked != id);
        self.changes.closed.push(id);
    }

    pub(super) fn owner(&self, id: SocketId) -> Option<SocketOwner> {
        self.entries.get(id.0 as usize).map(|entry| entry.owner)
    }

    /// Tells whether `id` still stands for this socket: it may be closed, and its number another's.
    pub(super) fn is_open(&self, id: SocketId, handle: &SocketHandle) -> bool {
        self.entries.get(id.0 as usize).is_some_and(|entry| entry.handle.is_same(handle))
    }

    /// The peer of a connection; `None` for other sockets.
    pub(super) fn connection_remote(&self, id: SocketId) -> Option<SocketAddr> {
        match &self.entries.get(id.0 as usize)?.handle {
            SocketHandle::Connection(connection) => Some(connection.borrow().remote_addr()),
            SocketHandle::Udp(_) | SocketHandle::Listener(_) => None,
        }
    }

    /// The connections that listeners of `owner` accepted.
    pub(super) fn connections_of(&self, owner: SocketOwner) -> Vec<SocketId> {
        let connections = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.owner == owner && matches!(entry.handle, SocketHandle::Connection(_)));
        connections.map(|(index, _)| SocketId(index as u32)).collect()
    }

    pub(super) fn is_connection(&self, id: SocketId) -> bool {
        let handle = self.entries.get(id.0 as usize).map(|entry| &entry.handle);
        matches!(handle, Some(SocketHandle::Connection(_)))
    }

    pub(super) fn has_changed(&self) -> bool {
        !self.changes.is_empty()
    }

    pub(super) fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Says that a blocked socket is writable again.
    pub(super) fn unblock(&mut self, id: SocketId) {
        if let Some(entry) = self.entries.get_mut(id.0 as usize) {
            entry.awaits_writable = false;
        }
        self.batch.unblock(SocketIndex(id.0));
    }

    /// The send slots of one viewer, whose runs are kept by `key`.
    pub(super) fn slots<'a>(&'a mut self, key: usize, counters: &'a mut Counters) -> Slots<'a> {
        Slots { sockets: self, key: DestinationKey(key as u32), counters }
    }

    /// Sends what was collected.
    pub(super) fn flush(&mut self, counters: &mut Counters) {
        if self.batch.is_empty() {
            return;
        }
        let entries = &self.entries;
        let report = self.batch.flush(|index| match entries.get(index.0 as usize).map(|entry| &entry.handle) {
            Some(SocketHandle::Udp(socket)) => Some(&**socket),
            _ => None,
        });
        counters.send_messages += report.messages;
        counters.send_calls += report.calls;
        counters.datagrams_refused_by_system += report.refused + report.closed;
        counters.datagrams_overflown += report.overflown;
        self.note_blocked();
    }

    /// Asks the event loop once to wait for each socket that is full.
    fn note_blocked(&mut self) {
        for index in self.batch.blocked() {
            let Some(entry) = self.entries.get_mut(index.0 as usize) else { continue };
            if let (false, SocketHandle::Udp(socket)) = (entry.awaits_writable, &entry.handle) {
                entry.awaits_writable = true;
                self.changes.blocked.push((SocketId(index.0), Rc::clone(socket)));
            }
        }
    }

    fn send_frame(&mut self, id: SocketId, len: usize, counters: &mut Counters) {
        let Some(SocketHandle::Connection(connection)) = self.entries.get(id.0 as usize).map(|entry| &entry.handle)
        else {
            return;
        };
        // A connection that has failed is closed by its watcher, which sees the same error.
        match connection.borrow_mut().send(self.frame.get(..len).unwrap_or_default()) {
            Ok(TcpSent::Whole | TcpSent::Waits) => {}
            Ok(TcpSent::Dropped) | Err(_) => counters.tcp_frames_dropped += 1,
        }
    }
}

/// Which system calls move datagrams: the portable ones when `MILLRACE_PORTABLE_IO` is set, so that tests can run both.
fn backend() -> Backend {
    static BACKEND: std::sync::OnceLock<Backend> = std::sync::OnceLock::new();
    *BACKEND.get_or_init(|| match std::env::var_os("MILLRACE_PORTABLE_IO") {
        Some(_) => Backend::Portable,
        None => Backend::Native,
    })
}

/// Send slots for one viewer.
pub(super) struct Slots<'a> {
    sockets: &'a mut Sockets,
    key: DestinationKey,
    counters: &'a mut Counters,
}

impl SendSlots for Slots<'_> {
    fn slot(&mut self, tuple: &Tuple) -> Option<&mut [u8]> {
        if tuple.protocol == Protocol::Tcp {
            return Some(&mut self.sockets.frame[..]);
        }
        if self.sockets.batch.is_full() {
            self.sockets.flush(self.counters);
        }
        self.sockets.batch.slot(SocketIndex(tuple.socket.0))
    }

    fn commit(&mut self, tuple: &Tuple, len: usize) {
        match tuple.protocol {
            Protocol::Tcp => self.sockets.send_frame(tuple.socket, len, self.counters),
            Protocol::Udp => {
                let destination = Destination {
                    socket: SocketIndex(tuple.socket.0),
                    key: self.key,
                    remote: tuple.remote,
                    source: tuple.local_ip,
                };
                self.sockets.batch.commit(len, &destination);
            }
        }
    }
}
