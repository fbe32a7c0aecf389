//! Ring transports: RTP sessions whose other end is a router of another worker of this process. They do what pipe transports
//! do, without sockets: whatever crosses, crosses once for each worker, in the clear, and nothing is lost on the way but
//! what finds the ring full.

use std::time::{Duration, Instant};

use millrace_model::{Counters, SctpLimits, TransportId};
use millrace_packet::{OutgoingStreamId, PacketRef, Rewrite};
use millrace_transport::DatagramKind;
use millrace_transport::outgoing::{ClearStreams, OutgoingStreamError, OutgoingStreamSpec};
use serde_json::{Value, json};
use uuid::Uuid;

use super::transport_core::TransportCore;
use super::transport_reports::no_tuple;
use super::transports::NewTransport;
use super::{Plane, TimerOwner};
use crate::error::RequestError;
use crate::ring::RingEnd;

/// Packets that are read from one ring before others, sockets and timers get their turn. The rest is read in the next turn.
const PACKETS_PER_TURN_MAX: usize = 256;

/// How long after a packet found the ring full key frames are asked for: the reader had time to catch up then.
const RECOVERY_WAIT: Duration = Duration::from_millis(50);

/// One end of a ring between two routers.
pub(super) struct RingTransport {
    name: Uuid,
    streams: ClearStreams,
    end: RingEnd,
    /// When to ask for key frames, because a packet was lost.
    recovery: Option<Instant>,
    counters: Counters,
}

impl RingTransport {
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn add_stream(&mut self, spec: OutgoingStreamSpec) -> Result<OutgoingStreamId, OutgoingStreamError> {
        self.streams.add(spec)
    }

    pub(super) fn remove_stream(&mut self, stream: OutgoingStreamId) {
        self.streams.remove(stream);
    }

    pub(super) fn sends(&self, ssrc: u32) -> bool {
        self.streams.sends(ssrc)
    }

    pub(super) fn peek(&self, packet: &PacketRef, rewrite: &Rewrite, now: Instant, out: &mut [u8]) -> Option<usize> {
        self.streams.peek(packet, rewrite, now, out)
    }

    pub(super) fn send_rtp(&mut self, packet: &PacketRef, rewrite: &Rewrite, now: Instant) {
        let Some(len) = self.streams.write(packet, rewrite, now, self.end.slot()) else {
            self.counters.outgoing_packets_refused += 1;
            return;
        };
        if self.commit(len, now) {
            self.counters.rtp_packets_sent += 1;
            self.counters.rtp_bytes_sent += len as u64;
        }
    }

    pub(super) fn send_rtcp(&mut self, compound: &[u8], now: Instant) {
        let Some(room) = self.end.slot().get_mut(..compound.len()) else {
            self.counters.outgoing_packets_refused += 1;
            return;
        };
        room.copy_from_slice(compound);
        if self.commit(compound.len(), now) {
            self.counters.rtcp_packets_sent += 1;
        }
    }

    fn commit(&mut self, len: usize, now: Instant) -> bool {
        if !self.end.commit(len) {
            self.counters.ring_packets_dropped += 1;
            self.recovery.get_or_insert(now + RECOVERY_WAIT);
            return false;
        }
        self.counters.datagrams_sent += 1;
        self.counters.datagram_bytes_sent += len as u64;
        true
    }

    /// When key frames are to be asked for.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.recovery
    }

    /// Tells once that key frames are to be asked for.
    pub(super) fn take_recovery(&mut self, now: Instant) -> bool {
        let is_due = self.recovery.is_some_and(|due| due <= now);
        if is_due {
            self.recovery = None;
        }
        is_due
    }

    /// Forgets the ring, if nobody ever came to its other end.
    pub(super) fn forget(&self) {
        RingEnd::forget(self.name);
    }
}

impl Plane {
    pub(super) fn create_ring_transport(
        &mut self,
        router: usize,
        id: TransportId,
        name: Uuid,
        now: Instant,
    ) -> Result<Value, RequestError> {
        self.vacant_transport(id)?;
        let core = TransportCore::Ring(RingTransport {
            name,
            streams: ClearStreams::new(self.clock),
            end: RingEnd::meet(name, &self.bell),
            recovery: None,
            counters: Counters::default(),
        });
        let index =
            self.enter_transport(NewTransport { id, router, core, listeners: Vec::new(), data: SctpLimits::NONE }, now);
        self.rings.push(index);
        let session = self.transports[index].session;
        self.with_router(router, now, |core, fanout| core.connect_session(session, now, fanout));
        Ok(json!({ "tuple": no_tuple() }))
    }

    /// Takes what other workers wrote. Tells whether there is more.
    pub(crate) fn attend_rings(&mut self, now: Instant) -> bool {
        // Taken out while packets are routed, which opens and closes no transport.
        let rings = std::mem::take(&mut self.rings);
        let mut has_more = false;
        for &index in &rings {
            has_more |= (0..PACKETS_PER_TURN_MAX).all(|_| self.take_from_ring(index, now));
        }
        self.rings = rings;
        self.finish();
        has_more
    }

    /// Deals with the next packet of a ring; false when there is none.
    fn take_from_ring(&mut self, index: usize, now: Instant) -> bool {
        let Some(ring) = self.transports.get_mut(index).and_then(|entry| entry.core.ring_mut()) else { return false };
        let Some(mut packet) = self.pool.take() else {
            self.counters.datagrams_dropped_no_memory += 1;
            return ring.end.discard();
        };
        if !ring.end.receive(&mut packet) {
            return false;
        }
        let len = packet.bytes().len() as u64;
        ring.counters.datagrams_received += 1;
        ring.counters.datagram_bytes_received += len;
        match DatagramKind::of(packet.bytes()) {
            DatagramKind::Rtp => {
                ring.counters.rtp_packets_received += 1;
                ring.counters.rtp_bytes_received += len;
                self.route_rtp(index, packet, now);
            }
            DatagramKind::Rtcp => {
                ring.counters.rtcp_packets_received += 1;
                self.route_rtcp(index, packet.bytes(), now);
            }
            _ => ring.counters.datagrams_dropped_unknown += 1,
        }
        true
    }

    /// Wakes who reads the other ends of the rings that were written to, and sees to what was lost.
    pub(super) fn flush_rings(&mut self) {
        for place in 0..self.rings.len() {
            let index = self.rings[place];
            let Some(ring) = self.transports.get_mut(index).and_then(|entry| entry.core.ring_mut()) else { continue };
            ring.end.wake_other();
            if let Some(recovery) = ring.recovery {
                self.set_timer(TimerOwner::Transport(index), Some(recovery));
            }
        }
    }

    /// Asks for a key frame of everything that leaves by a ring, because something of it was lost.
    pub(super) fn recover_ring(&mut self, index: usize, now: Instant) {
        let router = self.transports[index].router;
        let consumers = self.routers[router].consumers.iter().enumerate();
        let of_ring = consumers.filter(|(_, consumer)| consumer.as_ref().is_some_and(|entry| entry.transport == index));
        let at: Vec<_> = of_ring.map(|(place, _)| (router, millrace_router::ConsumerIndex(place as u32))).collect();
        for consumer in at {
            // The request cannot be refused: both ends of it are ours.
            let _ = self.request_key_frame(consumer, now);
        }
    }
}
