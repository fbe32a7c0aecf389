//! Transports as state machines: WebRTC (ICE, DTLS, SRTP), plain RTP, and the outgoing queue of each.
//!
//! A core: it is told the time, takes bytes, and returns bytes, events and a deadline.

pub mod congestion;
pub mod demux;
pub mod dtls;
pub mod fuzz;
pub mod ice;
pub mod intake;
pub mod outgoing;
pub mod plain;
pub mod received;
pub mod sctp;
pub mod srtp;
pub mod stun;
pub mod tuple;
pub mod webrtc;

pub use demux::DatagramKind;
pub use intake::IntakeLimits;
pub use outgoing::{OutgoingQueue, Outlet, SendSlots};
pub use plain::{PlainConfig, PlainEvent, PlainTransport};
pub use received::Received;
pub use srtp::SrtpProfile;
pub use tuple::{Protocol, SocketId, Transmit, Tuple};
pub use webrtc::{TransportEvent, WebRtcConfig, WebRtcTransport};
