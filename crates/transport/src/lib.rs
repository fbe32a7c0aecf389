//! WebRTC transports as state machines: ICE, DTLS, SRTP and the outgoing queue.
//!
//! A core: it is told the time, takes bytes, and returns bytes, events and a deadline.

pub mod srtp;
pub mod tuple;

pub use srtp::SrtpProfile;
pub use tuple::{Protocol, SocketId, Transmit, Tuple};
