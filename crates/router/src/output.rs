//! What a router asks of the world around it.

use std::time::Duration;

use millrace_packet::rtcp::{CongestionFeedback, TransportFeedback};
use millrace_packet::{PacketRef, Rewrite};

use crate::RouterEvent;

/// Index of an RTP session (the SSRC space of one transport, RFC 3550 §3) within its router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// Index of a producer within its router. It is used again after the producer is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerIndex(pub u32);

/// Index of a consumer within its router. It is used again after the consumer is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerIndex(pub u32);

/// Index of an observer within its router. It is used again after the observer is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObserverIndex(pub u32);

/// What a peer says of the path to it.
#[derive(Clone, Copy, Debug)]
pub enum PathReport<'a> {
    /// Which packets arrived, and when.
    TransportFeedback(&'a TransportFeedback<'a>),
    /// The same by RFC 8888.
    CongestionFeedback(&'a CongestionFeedback<'a>),
    /// How much it can receive at most (REMB), in bit/s.
    Limit(u64),
    /// How a stream of ours arrives.
    Reception {
        /// Part of its packets that were lost since the last report, in 1/256.
        lost_fraction: u8,
        /// Time to the peer and back, if it was measured.
        round_trip: Option<Duration>,
    },
}

/// Receives what a router wants sent or said. Calls come in order, on the router's thread, inside a router call.
pub trait Output {
    /// Sends `packet` to the peer of `session` with the numbers of `rewrite`. The receiver seals it straight from
    /// the shared plaintext, or clones `packet` (one count) when it must wait.
    fn send_rtp(&mut self, session: SessionId, packet: &PacketRef, rewrite: &Rewrite);

    /// Sends one compound RTCP packet, at most [`millrace_packet::DATAGRAM_BYTES_MAX`] less the SRTCP trailer.
    fn send_rtcp(&mut self, session: SessionId, compound: &[u8]);

    /// Hands on what the session's peer says of the path to it.
    fn heard(&mut self, _session: SessionId, _report: &PathReport<'_>) {}

    /// Says how much would be sent to the session's peer if its line had room for everything, in bit/s.
    fn wanted(&mut self, _session: SessionId, _bitrate: u64) {}

    /// Says that something happened.
    fn event(&mut self, event: RouterEvent);
}
