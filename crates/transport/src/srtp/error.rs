//! Why a packet could not be opened or sealed.

use millrace_model::Counters;

/// Why SRTP refused a packet or a key. The packet is dropped and counted; the association stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// Peer: shorter than its own lengths say, or not RTP version 2.
    #[error("packet is malformed")]
    Malformed,
    /// Peer, or anybody who knows its address: the tag does not fit.
    #[error("packet is not authentic")]
    Unauthentic,
    /// Peer, or anybody who repeats its packets: seen before, or older than the window can tell.
    #[error("packet was seen before or is too old")]
    Replayed,
    /// Limit: the peer uses more sources than [`SOURCES_MAX`](super::inbound::SOURCES_MAX).
    #[error("peer uses too many sources")]
    TooManySources,
    /// Limit: no number is left under this key (RFC 3711 §9.2). The association must end.
    #[error("packet index is exhausted")]
    IndexExhausted,
    /// Misuse: this number was sealed before, or lies before the stream's first (RFC 3711 §9.1).
    #[error("packet index was used before")]
    IndexReused,
    /// Misuse: the packet, its tag or its header does not fit into the slot.
    #[error("slot is too small for the sealed packet")]
    SlotTooSmall,
    /// Misuse: keying material of another length than the profile's.
    #[error("keying material has the wrong length")]
    KeyingMaterial,
}

impl SrtpError {
    /// Counts a packet from the peer that was dropped for this reason.
    pub fn count_received(self, counters: &mut Counters) {
        let counter = match self {
            Self::Unauthentic => &mut counters.srtp_packets_dropped_unauthentic,
            Self::Replayed => &mut counters.srtp_packets_dropped_replayed,
            Self::TooManySources => &mut counters.srtp_packets_dropped_too_many_sources,
            _ => &mut counters.srtp_packets_dropped_malformed,
        };
        *counter += 1;
    }
}
