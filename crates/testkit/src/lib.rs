//! Virtual clock, seeded network, fake peers and fixtures for tests. Nothing here is part of the product.

pub mod allocations;
pub mod dtls;
pub mod fan_out;
pub mod memory;
pub mod net;
pub mod peer;
pub mod rtp;
#[cfg(unix)]
pub mod socket_peer;

pub use dtls::DtlsClient;
pub use net::{Datagram, Endpoint, Net, Quality};
pub use peer::{Candidate, Path, Peer, PeerConfig, PeerTransmit, ReceivedPacket, ServerParameters};
pub use rtp::{OpusSource, Vp8Source};
#[cfg(unix)]
pub use socket_peer::SocketPeer;
