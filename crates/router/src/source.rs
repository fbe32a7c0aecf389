//! What a consumer follows, and one packet of it.

use millrace_packet::{DependencyReader, PacketRef};

use crate::ProducerIndex;
use crate::setup::STREAMS_PER_PRODUCER_MAX;
#[cfg(doc)]
use crate::spatial::SIEVE;

/// One stream of one producer: what a consumer's numbers are derived from. A consumer may change it; its own stream
/// goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceId {
    /// The producer.
    pub producer: ProducerIndex,
    /// Index of the stream in the producer's parameters.
    pub stream: u8,
}

/// How a packet without sound stands in [`SourcePacket::sieve`].
pub(crate) const DTX: u8 = 0xfd;

/// A packet of a source as its consumers get it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourcePacket<'a> {
    pub(crate) source: SourceId,
    pub(crate) packet: &'a PacketRef,
    /// Index in the stream.
    pub(crate) index: u64,
    /// Timestamp on the stream's continuous line.
    pub(crate) timestamp: u32,
    /// Index of the codec in the producer's table.
    pub(crate) codec: u8,
    /// That codec's RTP clock rate in Hz.
    pub(crate) clock_rate: u32,
    /// A viewer can start with this packet.
    pub(crate) starts: bool,
    /// What a viewer compares with what it passes without a look: the temporal layer, or that the packet has to be
    /// looked at by everybody who does not take all there is ([`SIEVE`], [`DTX`]).
    pub(crate) sieve: u8,
    /// What the stream's dependency descriptors mean.
    pub(crate) dependency: Option<&'a DependencyReader>,
    /// Its instant in the timestamps of each stream of the producer, where sender reports tell. Only for a packet that
    /// a viewer can start with, and only where there are several streams.
    pub(crate) on_other_lines: Option<&'a [Option<u32>; STREAMS_PER_PRODUCER_MAX]>,
}
