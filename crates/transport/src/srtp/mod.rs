//! SRTP and SRTCP (RFC 3711, RFC 7714) with keys from DTLS (RFC 5764).
//!
//! [`SrtpInbound`] opens what a peer sends, in place; [`SrtpOutbound`] seals what it gets, straight from a plaintext
//! that many viewers share. Nothing that fails authentication leaves a trace: no source, no rollover, no window.

mod cipher;
mod cm;
pub mod error;
mod gcm;
pub mod inbound;
pub mod index;
pub mod keys;
pub mod outbound;
pub mod profile;

pub use error::SrtpError;
pub use inbound::SrtpInbound;
pub use index::OutgoingIndex;
pub use keys::{MasterKey, SrtpKeys};
pub use outbound::SrtpOutbound;
pub use profile::SrtpProfile;

/// Largest SRTP packet index: 48 bits, the rollover counter above the sequence number (RFC 3711 §3.3.1).
pub const RTP_INDEX_MAX: u64 = (1 << 48) - 1;

/// Largest SRTCP index: 31 bits (RFC 3711 §3.4).
pub const RTCP_INDEX_MAX: u32 = (1 << 31) - 1;

/// Bytes of an RTCP packet that stay readable: the first header and the sender's SSRC (RFC 3711 §3.4).
const RTCP_CLEAR_LEN: usize = 8;

/// Bytes of the word that ends or precedes the SRTCP tag: the E flag and the index (RFC 3711 §3.4).
const RTCP_WORD_LEN: usize = 4;

#[cfg(test)]
mod hostile;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod vectors;
