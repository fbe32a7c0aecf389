//! UDP sockets: batched receive into packets of the pool, batched send for [`SendBatch`](crate::SendBatch).

mod portable;
#[cfg(test)]
pub(crate) mod tests;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;

use socket2::Socket;
#[cfg(target_os = "linux")]
use tokio::io::Interest;

use millrace_packet::pool::SLOT_BYTES;
use millrace_packet::{DATAGRAM_BYTES_MAX, PacketMut, PacketPool};

use crate::bind::{self, BindError, BindOptions, Direction};
#[cfg(target_os = "linux")]
use crate::linux::{self, receive::ReceiveArrays, transmit::MessageForm};
use crate::send::{Transmitter, plan::Plan, segmentation::Segmentation};

/// Most datagrams that one [`UdpSocket::recv_batch`] takes. More wait in the kernel for the next call.
pub const RECV_DATAGRAMS_MAX: usize = 32;

/// Which system calls move datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The fastest of this system: batched calls with segmentation on Linux, the portable ones elsewhere.
    #[default]
    Native,
    /// One call for each datagram, on every system. Wildcard sockets do not learn which address was asked, so their
    /// answers leave from the address that the system picks.
    Portable,
}

/// A bound UDP socket of a worker.
pub struct UdpSocket {
    socket: tokio::net::UdpSocket,
    backend: Backend,
    local: SocketAddr,
    send_buffer_bytes: usize,
    recv_buffer_bytes: usize,
    pub(crate) segmentation: Cell<Segmentation>,
    #[cfg(test)]
    pub(crate) faults: Cell<crate::send::faults::Faults>,
}

impl UdpSocket {
    /// Binds a socket inside a tokio runtime. `first_port` is where the search in a port range starts; the caller
    /// draws it.
    ///
    /// # Errors
    /// [`BindError`] says which address or option is at fault.
    pub fn bind(options: &BindOptions, first_port: u16, backend: Backend) -> Result<Self, BindError> {
        let socket = bind::bind_udp(options, first_port)?;
        let local = bind::local_address(&socket)?;
        let send_buffer_bytes = bind::buffer_size(&socket, Direction::Send);
        let recv_buffer_bytes = bind::buffer_size(&socket, Direction::Receive);
        let segmentation = prepare(&socket, local, backend)?;
        Ok(Self {
            socket: tokio::net::UdpSocket::from_std(socket.into())?,
            backend,
            local,
            send_buffer_bytes,
            recv_buffer_bytes,
            segmentation: Cell::new(segmentation),
            #[cfg(test)]
            faults: Cell::default(),
        })
    }

    /// The address that the socket is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The kernel's send buffer in bytes, as granted.
    pub fn send_buffer_bytes(&self) -> usize {
        self.send_buffer_bytes
    }

    /// The kernel's receive buffer in bytes, as granted.
    pub fn recv_buffer_bytes(&self) -> usize {
        self.recv_buffer_bytes
    }

    /// Tells whether runs of equal datagrams leave as one message (UDP GSO).
    pub fn segments_runs(&self) -> bool {
        self.segmentation.get().is_on()
    }

    /// Makes every datagram leave as a message of its own from here on.
    pub fn stop_segmenting(&self) {
        self.segmentation.set(Segmentation::OFF);
    }

    /// Waits until there may be datagrams to receive.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Waits until the kernel may take more; ask after a flush reported the socket as blocked.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// Receives up to [`RECV_DATAGRAMS_MAX`] datagrams that wait, into packets of `pool`. What an earlier call left
    /// in `batch` is dropped.
    ///
    /// Tells how many datagrams left the kernel, those included that `batch` reports as dropped; 0 when none waited.
    ///
    /// # Errors
    /// Those of the socket. The caller counts them and waits for [`readable`](Self::readable) again.
    pub fn recv_batch(&self, pool: &PacketPool, batch: &mut RecvBatch) -> io::Result<usize> {
        batch.restart(pool);
        let received = match self.backend {
            #[cfg(target_os = "linux")]
            Backend::Native => self.receive_batched(batch),
            _ => self.receive_singly(batch),
        };
        match received {
            Err(error) if nothing_waits(&error) => Ok(0),
            other => other,
        }
    }

    /// Our address as far as the bound address tells it.
    fn bound_ip(&self) -> Option<IpAddr> {
        Some(self.local.ip().to_canonical()).filter(|ip| !ip.is_unspecified())
    }

    #[cfg(target_os = "linux")]
    fn receive_batched(&self, batch: &mut RecvBatch) -> io::Result<usize> {
        let mut count = 0;
        let polled = self.socket.try_io(Interest::READABLE, || {
            count = batch.arrays.receive(self.socket.as_fd(), &mut batch.packets)?;
            // A call that was not filled has emptied the socket; saying so saves the call that would find nothing.
            if count < RECV_DATAGRAMS_MAX { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        if count == 0 {
            polled?;
        }
        for index in 0..count {
            let told = batch.arrays.told(index);
            let packet = batch.packets[index].take();
            let len = if told.truncated { SLOT_BYTES } else { told.len };
            batch.receive(packet, len, told.remote, told.local_ip.or_else(|| self.bound_ip()));
        }
        Ok(count)
    }

    fn receive_singly(&self, batch: &mut RecvBatch) -> io::Result<usize> {
        for index in 0..RECV_DATAGRAMS_MAX {
            let mut packet = batch.packets[index].take();
            let buffer = packet.as_mut().map_or(&mut batch.scratch[..], |packet| &mut packet.buffer_mut()[..]);
            match portable::receive(&self.socket, buffer) {
                Ok((len, remote)) => batch.receive(packet, len, Some(remote), self.bound_ip()),
                Err(error) => {
                    batch.packets[index] = packet;
                    return if index == 0 { Err(error) } else { Ok(index) };
                }
            }
        }
        Ok(RECV_DATAGRAMS_MAX)
    }

    /// Sends messages in order and tells how many the kernel took, at least one.
    ///
    /// # Errors
    /// That of the first message. `WouldBlock`: [`writable`](Self::writable) tells when to go on.
    pub(crate) fn send_messages(&self, plan: Plan<'_>, transmitter: &mut Transmitter) -> io::Result<usize> {
        #[cfg(test)]
        let plan = self.faults.get().apply(plan)?;
        match self.backend {
            #[cfg(target_os = "linux")]
            Backend::Native => self.send_batched(plan, transmitter),
            _ => {
                let _ = transmitter;
                portable::send(&self.socket, plan, self.local.is_ipv6())
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn send_batched(&self, plan: Plan<'_>, transmitter: &mut Transmitter) -> io::Result<usize> {
        let form = MessageForm { is_ipv6: self.local.is_ipv6(), names_source: self.local.ip().is_unspecified() };
        let mut tried = false;
        let sent = self.socket.try_io(Interest::WRITABLE, || {
            tried = true;
            transmitter.arrays.send(self.socket.as_fd(), form, plan)
        });
        // Before the first poll of a socket, tokio does not know that it is writable; only the kernel does.
        if tried { sent } else { transmitter.arrays.send(self.socket.as_fd(), form, plan) }
    }
}

/// Sets what the backend needs and tells whether runs can be segmented.
fn prepare(socket: &Socket, local: SocketAddr, backend: Backend) -> io::Result<Segmentation> {
    if backend == Backend::Portable {
        return Ok(Segmentation::OFF);
    }
    #[cfg(target_os = "linux")]
    {
        if local.ip().is_unspecified() {
            linux::tell_local_address(socket, local.is_ipv6())?;
        }
        Ok(if linux::knows_segmentation(socket) { Segmentation::ON } else { Segmentation::OFF })
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (socket, local);
        Ok(Segmentation::OFF)
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("local", &self.local).finish_non_exhaustive()
    }
}

/// Tells "none waits" from errors. A connection reset is some peer's ICMP answer, which says nothing about datagrams
/// that wait.
fn nothing_waits(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | Interrupted | WouldBlock)
}

/// One received datagram.
#[derive(Debug)]
pub struct Datagram {
    /// Its bytes, at most [`DATAGRAM_BYTES_MAX`], possibly none.
    pub packet: PacketMut,
    /// Where it came from; IPv4 also when it came through a dual-stack socket.
    pub remote: SocketAddr,
    /// Our address that it was sent to, as far as the system tells; answers leave from it.
    pub local_ip: Option<IpAddr>,
}

/// What one [`UdpSocket::recv_batch`] met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecvReport {
    /// Datagrams handed over.
    pub datagrams: usize,
    /// Bytes in them.
    pub bytes: usize,
    /// Datagrams dropped because they were longer than [`DATAGRAM_BYTES_MAX`].
    pub too_long: usize,
    /// Datagrams dropped because the packet pool was empty.
    pub no_slot: usize,
}

/// Where datagrams are received: one for all sockets of a worker. Holds up to [`RECV_DATAGRAMS_MAX`] packets.
pub struct RecvBatch {
    datagrams: Vec<Datagram>,
    report: RecvReport,
    /// Packets taken from the pool and not yet written.
    packets: [Option<PacketMut>; RECV_DATAGRAMS_MAX],
    scratch: Box<[u8; SLOT_BYTES]>,
    #[cfg(target_os = "linux")]
    arrays: Box<ReceiveArrays>,
}

impl RecvBatch {
    /// Makes an empty batch.
    pub fn new() -> Self {
        Self {
            datagrams: Vec::with_capacity(RECV_DATAGRAMS_MAX),
            report: RecvReport::default(),
            packets: [const { None }; RECV_DATAGRAMS_MAX],
            scratch: Box::new([0; SLOT_BYTES]),
            #[cfg(target_os = "linux")]
            arrays: ReceiveArrays::new(),
        }
    }

    /// Takes the datagrams of the last call, in the order in which they came.
    pub fn drain(&mut self) -> impl Iterator<Item = Datagram> {
        self.datagrams.drain(..)
    }

    /// What the last call met.
    pub fn report(&self) -> RecvReport {
        self.report
    }

    fn restart(&mut self, pool: &PacketPool) {
        self.datagrams.clear();
        self.report = RecvReport::default();
        for packet in self.packets.iter_mut().filter(|packet| packet.is_none()) {
            *packet = pool.take();
        }
    }

    /// Sorts one datagram of `len` bytes (more than fit stands for "cut").
    fn receive(&mut self, packet: Option<PacketMut>, len: usize, remote: Option<SocketAddr>, local_ip: Option<IpAddr>) {
        if len > DATAGRAM_BYTES_MAX {
            self.report.too_long += 1;
            return;
        }
        let (Some(mut packet), Some(remote)) = (packet, remote) else {
            self.report.no_slot += 1;
            return;
        };
        packet.set_range(0, len);
        self.report.datagrams += 1;
        self.report.bytes += len;
        self.datagrams.push(Datagram { packet, remote, local_ip });
    }
}

impl Default for RecvBatch {
    fn default() -> Self {
        Self::new()
    }
}
