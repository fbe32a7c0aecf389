//! TCP as a transport of packets: a passive listener and connections with framing (RFC 4571, RFC 6544 §4.4).
//!
//! Who may connect, how many, and how long they may idle is the caller's policy; what one connection can hold is
//! bounded here.

pub(crate) mod framing;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

use thiserror::Error;

use millrace_packet::{PacketMut, PacketPool};

use crate::address::canonical;
use crate::bind::{self, BindError, BindOptions};

pub use framing::{FRAME_HEADER_BYTES, FrameReader, FrameTooLong, frame_header};

/// Bytes read from a connection by one system call.
pub const TCP_READ_BYTES: usize = 16 * 1024;

/// Bytes that wait for a peer that reads slowly, beyond what its kernel buffers hold.
///
/// About one second of 2 Mbit/s. When full, frames are dropped and counted; the frame that has begun is always
/// finished, so the stream stays in step.
pub const TCP_PENDING_BYTES_MAX: usize = 256 * 1024;

/// A socket that takes TCP connections (an ICE candidate of type "passive").
#[derive(Debug)]
pub struct TcpListener {
    listener: tokio::net::TcpListener,
    local: SocketAddr,
}

impl TcpListener {
    /// Binds and listens, inside a tokio runtime. `first_port` is where the search in a port range starts; the caller
    /// draws it.
    ///
    /// # Errors
    /// [`BindError`] says which address or option is at fault.
    pub fn bind(options: &BindOptions, first_port: u16) -> Result<Self, BindError> {
        let socket = bind::bind_tcp(options, first_port)?;
        let local = bind::local_address(&socket)?;
        let listener = tokio::net::TcpListener::from_std(socket.into())?;
        Ok(Self { listener, local })
    }

    /// The address listened on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Waits for the next connection. Dropping the future loses none.
    ///
    /// # Errors
    /// Those of the listener, such as no more descriptors: the caller should wait a while before it asks again.
    /// Connections that broke before they were accepted are passed over.
    pub async fn accept(&self) -> io::Result<TcpConnection> {
        loop {
            match self.listener.accept().await {
                Ok((stream, remote)) => {
                    if let Ok(connection) = TcpConnection::new(stream, remote) {
                        return Ok(connection);
                    }
                }
                Err(error) if broke_before_accept(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Tells errors of a connection that waited to be accepted from errors of the listener.
fn broke_before_accept(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | HostUnreachable | Interrupted | NetworkUnreachable | TimedOut
    )
}

/// What [`TcpConnection::recv`] reads into: one for all connections of a worker.
pub struct TcpReadBuffer {
    bytes: Box<[u8]>,
}

impl Default for TcpReadBuffer {
    fn default() -> Self {
        Self { bytes: vec![0; TCP_READ_BYTES].into_boxed_slice() }
    }
}

/// What one call of [`TcpConnection::recv`] met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpReceived {
    /// Bytes read; 0 when none were waiting.
    pub bytes: usize,
    /// Frames handed to the caller.
    pub frames: usize,
    /// Frames dropped because the packet pool was empty.
    pub no_slot: usize,
}

/// Why a connection is over. The caller drops it; nothing more can be read.
#[derive(Debug, Error)]
pub enum TcpClosed {
    /// Peer: it closed its side.
    #[error("closed by the peer")]
    ByPeer,
    /// Peer: it sent something that is not framed packets.
    #[error(transparent)]
    Framing(#[from] FrameTooLong),
    /// Outside: reset, timed out, and the like.
    #[error(transparent)]
    Outside(#[from] io::Error),
}

/// What became of a frame given to [`TcpConnection::send`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpSent {
    /// The kernel has all of it.
    Whole,
    /// Some or all of it waits; [`TcpConnection::flush`] goes on when the connection is writable.
    Waits,
    /// Dropped: [`TCP_PENDING_BYTES_MAX`] wait already, or the packet is longer than any peer accepts.
    Dropped,
}

/// One TCP connection that carries framed packets.
#[derive(Debug)]
pub struct TcpConnection {
    stream: tokio::net::TcpStream,
    remote: SocketAddr,
    local: SocketAddr,
    reader: FrameReader,
    pending: VecDeque<u8>,
    /// Who flushes, when it asked while nothing waited.
    flusher: Option<Waker>,
    bytes_received: u64,
    bytes_sent: u64,
}

impl TcpConnection {
    fn new(stream: tokio::net::TcpStream, remote: SocketAddr) -> io::Result<Self> {
        // Packets are late already when they come; waiting for more of them to fill a segment makes it worse.
        stream.set_nodelay(true)?;
        let local = canonical(stream.local_addr()?);
        Ok(Self {
            stream,
            remote: canonical(remote),
            local,
            reader: FrameReader::default(),
            pending: VecDeque::new(),
            flusher: None,
            bytes_received: 0,
            bytes_sent: 0,
        })
    }

    /// The peer's address; IPv4 also when it came through a dual-stack listener.
    pub fn remote_addr(&self) -> SocketAddr {
        self.remote
    }

    /// Our address that the peer connected to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Bytes received so far, framing included.
    pub fn bytes_received(&self) -> u64 {
        self.bytes_received
    }

    /// Bytes that the kernel has taken so far, framing included.
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }

    /// Bytes that wait for the connection to become writable, at most [`TCP_PENDING_BYTES_MAX`] and one frame.
    pub fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// Waits until there may be something to read, an end of the stream included.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// Asks whether there may be something to read, as [`readable`](Self::readable), and wakes the task when so. Lets
    /// a task wait without borrowing the connection meanwhile.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(context)
    }

    /// Asks whether bytes wait that the kernel may take, so that [`flush`](Self::flush) has something to do, and wakes
    /// the task when so: also when the first of them come to wait only later.
    pub fn poll_flushable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.pending.is_empty() {
            self.flusher = Some(context.waker().clone());
            return Poll::Pending;
        }
        self.stream.poll_write_ready(context)
    }

    /// Waits until the kernel may take more; ask only while [`pending_bytes`](Self::pending_bytes) is not 0.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }

    /// Reads once, at most [`TCP_READ_BYTES`], and hands each whole frame over as a packet of `pool`.
    ///
    /// # Errors
    /// [`TcpClosed`]: the connection is over. Frames before the end have been handed over.
    pub fn recv(
        &mut self,
        buffer: &mut TcpReadBuffer,
        pool: &PacketPool,
        mut on_packet: impl FnMut(PacketMut),
    ) -> Result<TcpReceived, TcpClosed> {
        let bytes = match self.stream.try_read(&mut buffer.bytes) {
            Ok(0) => return Err(TcpClosed::ByPeer),
            Ok(bytes) => bytes,
            Err(error) if nothing_done(&error) => return Ok(TcpReceived::default()),
            Err(error) => return Err(error.into()),
        };
        self.bytes_received += bytes as u64;
        let mut received = TcpReceived { bytes, ..TcpReceived::default() };
        let mut input = buffer.bytes.get(..bytes).unwrap_or_default();
        while let Some(frame) = self.reader.next(&mut input)? {
            let Some(mut packet) = pool.take() else {
                received.no_slot += 1;
                continue;
            };
            packet.fill(frame);
            received.frames += 1;
            on_packet(packet);
        }
        Ok(received)
    }

    /// Sends `packet` as one frame, behind those that wait.
    ///
    /// # Errors
    /// [`TcpClosed::Outside`]: the connection is over.
    pub fn send(&mut self, packet: &[u8]) -> Result<TcpSent, TcpClosed> {
        let Some(header) = frame_header(packet.len()) else { return Ok(TcpSent::Dropped) };
        let written = if self.pending.is_empty() { self.write(&[&header, packet])? } else { 0 };
        let frame_bytes = header.len() + packet.len();
        if written == frame_bytes {
            return Ok(TcpSent::Whole);
        }
        // A frame that has begun is never dropped, or the stream would be out of step: nothing waited before it.
        if self.pending.len() + frame_bytes > TCP_PENDING_BYTES_MAX {
            return Ok(TcpSent::Dropped);
        }
        self.pending.extend(header.get(written..).unwrap_or_default());
        self.pending.extend(packet.get(written.saturating_sub(header.len())..).unwrap_or_default());
        if let Some(flusher) = self.flusher.take() {
            flusher.wake();
        }
        Ok(TcpSent::Waits)
    }

    /// Writes what waits, as much as the kernel takes. True when nothing waits any more.
    ///
    /// # Errors
    /// [`TcpClosed::Outside`]: the connection is over.
    pub fn flush(&mut self) -> Result<bool, TcpClosed> {
        while !self.pending.is_empty() {
            let (front, back) = self.pending.as_slices();
            let written = write_to(&self.stream, &[front, back])?;
            if written == 0 {
                return Ok(false);
            }
            self.bytes_sent += written as u64;
            self.pending.drain(..written);
        }
        Ok(true)
    }

    fn write(&mut self, parts: &[&[u8]; 2]) -> io::Result<usize> {
        let written = write_to(&self.stream, parts)?;
        self.bytes_sent += written as u64;
        Ok(written)
    }
}

/// Writes what the kernel takes of two byte strings; 0 when it takes nothing.
fn write_to(stream: &tokio::net::TcpStream, parts: &[&[u8]; 2]) -> io::Result<usize> {
    match stream.try_write_vectored(&parts.map(IoSlice::new)) {
        Err(error) if nothing_done(&error) => Ok(0),
        other => other,
    }
}

/// Tells "try again later" from errors.
fn nothing_done(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
