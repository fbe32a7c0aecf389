//! Sockets and timers of a worker: UDP with batched receive and segmented send, TCP with framing, a timer wheel, and what
//! its thread asks of the scheduler.
//!
//! Linux uses its batched calls; [`Backend::Portable`] runs everywhere and behaves alike, only slower. The crate knows
//! datagrams, not what is in them; ids are the caller's.

mod address;
mod bind;
pub mod fuzz;
#[cfg(target_os = "linux")]
mod linux;
mod send;
mod tcp;
mod thread;
mod udp;
mod wheel;

pub use bind::{BindError, BindOptions, PortChoice, PortRange, UDP_BUFFER_BYTES, parse_listen_ip};
pub use send::{Destination, DestinationKey, SEND_SLOT_BYTES, SEND_SLOTS, SendBatch, SendReport, SocketIndex};
pub use tcp::{
    FRAME_HEADER_BYTES, FrameReader, FrameTooLong, TCP_PENDING_BYTES_MAX, TCP_READ_BYTES, TcpClosed, TcpConnection,
    TcpListener, TcpReadBuffer, TcpReceived, TcpSent, frame_header,
};
pub use thread::{prefer_default_time_slices, prefer_short_time_slices};
pub use udp::{Backend, Datagram, RECV_DATAGRAMS_MAX, RecvBatch, RecvReport, UdpSocket};
pub use wheel::{TICK, TimerWheel};
