//! The outgoing queue: every RTP and RTCP packet to a peer passes the one of its transport.
//!
//! A packet leaves when it comes, unless its socket is full, others wait already, or the line is busy with what left:
//! then the [`Pacer`] says when. Transport wide number, send time, packet index and seal are given when a packet
//! **leaves**, so that waiting costs no gaps.

mod clear;
mod stream;
#[cfg(test)]
mod tests;
mod waiting;

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use millrace_bandwidth::pacer::Pacer;
use millrace_model::{Counters, WallClock};
use millrace_packet::{
    OutgoingHeader, OutgoingStreamId, PacketRef, PictureEdit, Priority, Rewrite, Stamps, write_header,
};
use rustc_hash::FxHashSet;
use slab::Slab;

use self::stream::Stream;
use self::waiting::{Held, Waiting};
use crate::srtp::{SrtpError, SrtpOutbound};
use crate::tuple::Tuple;

pub use self::clear::ClearStreams;
pub use self::stream::{OutgoingStreamError, OutgoingStreamSpec, Repair, SSRCS_MAX};
pub use self::waiting::{WAITING_BYTES_MAX, WAITING_PACKETS_MAX, WAITING_RTCP_BYTES_MAX};

/// Where datagrams are put to be sent, a batch at a time.
pub trait SendSlots {
    /// Next free slot for a datagram on `tuple`, of at least [`SLOT_BYTES_MIN`] bytes, or `None` when its socket is
    /// full. A slot that is not committed before the next call is free again.
    fn slot(&mut self, tuple: &Tuple) -> Option<&mut [u8]>;

    /// Ends the datagram begun by the last [`slot`](Self::slot) call with its first `len` bytes.
    fn commit(&mut self, tuple: &Tuple, len: usize);
}

/// Bytes that a send slot has at least: the longest datagram we receive, and room for longer headers and a tag.
pub const SLOT_BYTES_MIN: usize = millrace_packet::DATAGRAM_BYTES_MAX + 64;

/// Learns what left, and when: congestion control compares it with the peer's feedback.
pub trait SendLog {
    /// Notes that an RTP packet left.
    fn on_sent(&mut self, sent: &Sent);
}

/// Nobody wants to know.
impl SendLog for () {
    fn on_sent(&mut self, _sent: &Sent) {}
}

/// An RTP packet that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its stream.
    pub stream: OutgoingStreamId,
    /// Its transport-wide sequence number, if its stream carries them or its viewer reports by name.
    pub transport_sequence: Option<u16>,
    /// The SSRC and sequence number that it left with, if its viewer reports by them.
    pub name: Option<PacketName>,
    /// Its size as a datagram, in bytes.
    pub bytes: usize,
    /// What it was.
    pub priority: Priority,
    /// When it left.
    pub at: Instant,
}

/// What feedback of RFC 8888 calls a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketName {
    /// The SSRC of its stream, or of the RTX stream.
    pub ssrc: u32,
    /// Its sequence number there.
    pub sequence: u16,
}

/// The way out of a transport, lent to its queue for one call.
pub struct Outlet<'a, S, L = ()> {
    /// The selected path to the peer.
    pub tuple: Tuple,
    /// The present time.
    pub now: Instant,
    /// Where datagrams go.
    pub slots: &'a mut S,
    /// What seals them; `None` where the application wants no SRTP. Then they leave as they are.
    pub srtp: Option<&'a mut SrtpOutbound>,
    /// Who learns of RTP packets that left.
    pub log: &'a mut L,
    /// The transport's counters.
    pub counters: &'a mut Counters,
}

/// The outgoing queue of one transport, and the streams that it sends.
#[derive(Debug)]
pub struct OutgoingQueue {
    streams: Slab<Stream>,
    /// Every SSRC ever sent under this transport's keys.
    ssrcs: FxHashSet<u32>,
    waiting: Waiting,
    pacer: Pacer,
    /// What waits does so for its socket, not for its time.
    is_blocked: bool,
    /// Streams of which packets were dropped and whose viewers need a key frame.
    broken: ArrayVec<OutgoingStreamId, BROKEN_STREAMS_MAX>,
    transport_sequence: u16,
    wall_clock: WallClock,
    /// The abs-send-time of a moment: packets that leave together share it.
    send_time: Option<(Instant, u32)>,
    is_exhausted: bool,
}

impl OutgoingQueue {
    /// Makes a queue without streams. `wall_clock` gives the abs-send-time extension its time.
    pub fn new(wall_clock: WallClock) -> Self {
        Self {
            streams: Slab::new(),
            ssrcs: FxHashSet::default(),
            waiting: Waiting::default(),
            pacer: Pacer::default(),
            is_blocked: false,
            broken: ArrayVec::new(),
            transport_sequence: 0,
            wall_clock,
            send_time: None,
            is_exhausted: false,
        }
    }

    /// Adds a stream. Its id may be that of a removed stream, its SSRCs must be new to this transport.
    ///
    /// # Errors
    /// [`OutgoingStreamError`]; nothing has changed then.
    pub fn add_stream(&mut self, spec: OutgoingStreamSpec) -> Result<OutgoingStreamId, OutgoingStreamError> {
        let ssrcs = spec.ssrcs();
        if let Some(used) = ssrcs.clone().find(|ssrc| self.ssrcs.contains(ssrc)).or(spec.repeated_ssrc()) {
            return Err(OutgoingStreamError::SsrcUsed(used));
        }
        if self.ssrcs.len() + ssrcs.clone().count() > SSRCS_MAX {
            return Err(OutgoingStreamError::TooManySsrcs);
        }
        self.ssrcs.extend(ssrcs);
        // The bound on SSRCs keeps the key far below 2^32.
        Ok(OutgoingStreamId(self.streams.insert(Stream::new(spec)) as u32))
    }

    /// Removes a stream and drops what waits of it. An unknown id changes nothing.
    pub fn remove_stream(&mut self, id: OutgoingStreamId) {
        self.streams.try_remove(id.0 as usize);
        self.waiting.remove_stream(id);
        self.is_blocked &= !self.waiting.is_empty();
    }

    /// Sends `packet` with the numbers of `rewrite`: at once, or, when the socket is full, as soon as it is not.
    ///
    /// A packet that cannot be sealed is dropped and counted: its stream is unknown, it does not fit into a slot, or
    /// its number was used before. Only a stream that repairs by [`Repair::SameStream`] may send a number again, with
    /// the priority of a retransmission and from the same stored packet.
    pub fn send_rtp<S: SendSlots, L: SendLog>(
        &mut self,
        packet: &PacketRef,
        rewrite: &Rewrite,
        outlet: &mut Outlet<'_, S, L>,
    ) {
        // Audio never waits for its time, only for its socket.
        let is_urgent = rewrite.priority == Priority::Audio && !self.is_blocked;
        let may_leave = is_urgent || (self.waiting.is_empty() && self.pacer.has_room(outlet.now));
        if may_leave && self.leave(packet, rewrite, outlet) {
            return;
        }
        self.wait(Held { packet: packet.clone(), rewrite: *rewrite }, outlet.counters);
    }

    /// Sets how fast packets may leave, in bit/s; `None` lets them leave at once. What waits is sent by
    /// [`flush`](Self::flush).
    pub fn set_pacing_rate(&mut self, rate: Option<u64>) {
        self.pacer.set_rate(rate);
    }

    /// When [`flush`](Self::flush) should be called because the next packet has its time; `None` while none waits for it.
    pub fn deadline(&self) -> Option<Instant> {
        self.pacer.room_at().filter(|_| self.waiting.has_rtp() && !self.is_blocked)
    }

    /// Takes a stream of which packets were dropped since, so that its viewer can do nothing without a key frame.
    pub fn poll_broken(&mut self) -> Option<OutgoingStreamId> {
        self.broken.pop()
    }

    /// Sends an RTCP compound packet: at once, or, when the socket is full, before all RTP that waits.
    ///
    /// One that is shorter than a header with its SSRC, 8 bytes, is refused and counted.
    pub fn send_rtcp<S: SendSlots, L>(&mut self, compound: &[u8], outlet: &mut Outlet<'_, S, L>) {
        if compound.len() < RTCP_BYTES_MIN {
            return self.refuse(Refusal::Misuse, outlet.counters);
        }
        if self.waiting.rtcp.is_empty() && self.leave_rtcp([compound, &[]], outlet) {
            return;
        }
        self.waiting.rtcp.push(compound, outlet.counters);
    }

    /// Sends what waits, in the order RTCP, audio, retransmissions, video, as long as there are slots.
    pub fn flush<S: SendSlots, L: SendLog>(&mut self, outlet: &mut Outlet<'_, S, L>) {
        self.is_blocked = false;
        if !self.flush_rtcp(outlet) {
            return;
        }
        while let Some(held) = self.waiting.pop() {
            let has_time = held.rewrite.priority == Priority::Audio || self.pacer.has_room(outlet.now);
            if !has_time || !self.leave(&held.packet, &held.rewrite, outlet) {
                self.waiting.put_back(held);
                return;
            }
        }
    }

    /// Tells whether something waits for its socket.
    pub fn is_blocked(&self) -> bool {
        self.is_blocked && !self.waiting.is_empty()
    }

    #[cold]
    fn wait(&mut self, held: Held, counters: &mut Counters) {
        if self.is_blocked {
            counters.outgoing_packets_delayed += 1;
        } else {
            counters.outgoing_packets_paced += 1;
        }
        let limit = self.pacer.bytes_in(PACED_TIME_MAX).map(|bytes| bytes.max(PACED_BYTES_MIN));
        let broken = self.waiting.push(held, limit, counters);
        self.is_blocked &= !self.waiting.is_empty();
        let Some(broken) = broken else { return };
        if !self.broken.contains(&broken) {
            // When more streams break at once, their viewers ask by themselves.
            let _ = self.broken.try_push(broken);
        }
    }

    /// Tells whether the transport sends or ever sent this SSRC, so that it cannot be given to a new stream.
    pub fn has_sent(&self, ssrc: u32) -> bool {
        self.ssrcs.contains(&ssrc)
    }

    /// Writes a packet as it would leave now, but in the clear, and returns its length; for captures. It can still be sent.
    pub fn write_clear(
        &mut self,
        packet: &PacketRef,
        rewrite: &Rewrite,
        now: Instant,
        out: &mut [u8],
    ) -> Option<usize> {
        let stamps = Stamps { abs_send_time: self.abs_send_time(now), transport_sequence: self.transport_sequence };
        let stream = self.streams.get(rewrite.stream.0 as usize)?;
        clear::write_clear(stream.spec(), packet, rewrite, stamps, out)
    }

    /// Tells whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Tells whether the keys have no number left (RFC 3711 §9.2): nothing can be sent, the transport must end.
    pub const fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    fn flush_rtcp<S: SendSlots, L>(&mut self, outlet: &mut Outlet<'_, S, L>) -> bool {
        // Taken out for the loop: sealing needs the whole queue, and gives nothing back to this line.
        let mut rtcp = std::mem::take(&mut self.waiting.rtcp);
        let is_drained = loop {
            let Some(compound) = rtcp.first() else { break true };
            if !self.leave_rtcp(compound, outlet) {
                break false;
            }
            rtcp.remove_first();
        };
        self.waiting.rtcp = rtcp;
        is_drained
    }

    /// Sends a packet, or refuses it; false when there is no slot.
    fn leave<S: SendSlots, L: SendLog>(
        &mut self,
        packet: &PacketRef,
        rewrite: &Rewrite,
        outlet: &mut Outlet<'_, S, L>,
    ) -> bool {
        let Some(slot) = outlet.slots.slot(&outlet.tuple) else {
            self.is_blocked = true;
            return false;
        };
        match self.seal(packet, rewrite, outlet.now, outlet.srtp.as_deref(), slot) {
            Ok(sent) => {
                outlet.slots.commit(&outlet.tuple, sent.bytes);
                outlet.counters.rtp_packets_sent += 1;
                outlet.counters.rtp_bytes_sent += sent.bytes as u64;
                count_datagram(sent.bytes, outlet.counters);
                if sent.priority == Priority::Padding {
                    outlet.counters.padding_packets_sent += 1;
                    outlet.counters.padding_bytes_sent += sent.bytes as u64;
                }
                self.pacer.charge(sent.bytes, sent.at);
                outlet.log.on_sent(&sent);
            }
            Err(refusal) => self.refuse(refusal, outlet.counters),
        }
        true
    }

    /// Sends a compound packet given in two pieces, or refuses it; false when there is no slot.
    fn leave_rtcp<S: SendSlots, L>(&mut self, compound: [&[u8]; 2], outlet: &mut Outlet<'_, S, L>) -> bool {
        let Some(slot) = outlet.slots.slot(&outlet.tuple) else {
            self.is_blocked = true;
            return false;
        };
        match seal_rtcp(compound, outlet.srtp.as_deref_mut(), slot) {
            Ok(len) => {
                outlet.slots.commit(&outlet.tuple, len);
                outlet.counters.rtcp_packets_sent += 1;
                count_datagram(len, outlet.counters);
            }
            Err(refusal) => self.refuse(refusal, outlet.counters),
        }
        true
    }

    #[inline]
    fn seal(
        &mut self,
        packet: &PacketRef,
        rewrite: &Rewrite,
        now: Instant,
        srtp: Option<&SrtpOutbound>,
        slot: &mut [u8],
    ) -> Result<Sent, Refusal> {
        let stamps = Stamps { abs_send_time: self.abs_send_time(now), transport_sequence: self.transport_sequence };
        let stream = self.streams.get_mut(rewrite.stream.0 as usize).ok_or(Refusal::Misuse)?;
        let (ssrc, index) = stream.claim(rewrite)?;
        let header = OutgoingHeader { ssrc, rewrite, plan: stream.extensions(), stamps };
        let header_len = write_header(packet.bytes(), packet.meta(), &header, slot).ok_or(Refusal::Misuse)?;
        let bytes = match (srtp, rewrite.original_sequence, rewrite.picture) {
            (Some(srtp), None, None) => srtp.seal_rtp(index, slot, header_len, packet.payload())?,
            (srtp, ..) => {
                let payload_len = write_payload(packet, rewrite, &mut slot[header_len..])?;
                match srtp {
                    Some(srtp) => srtp.seal_rtp_in_place(index, slot, header_len, payload_len)?,
                    None => header_len + payload_len,
                }
            }
        };
        let name = stream.is_named(rewrite).then_some(PacketName { ssrc, sequence: rewrite.sequence });
        let is_numbered = name.is_some() || stream.carries_transport_sequence();
        let transport_sequence = is_numbered.then_some(self.transport_sequence);
        // Counted after sealing: a packet that was refused leaves no gap in the peer's feedback.
        self.transport_sequence = self.transport_sequence.wrapping_add(u16::from(is_numbered));
        Ok(Sent { stream: rewrite.stream, transport_sequence, name, bytes, priority: rewrite.priority, at: now })
    }

    fn abs_send_time(&mut self, now: Instant) -> u32 {
        match self.send_time {
            Some((at, send_time)) if at == now => send_time,
            _ => {
                let send_time = self.wall_clock.ntp(now).abs_send_time();
                self.send_time = Some((now, send_time));
                send_time
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal, counters: &mut Counters) {
        counters.outgoing_packets_refused += 1;
        self.is_exhausted |= refusal == Refusal::Exhausted;
    }
}

/// Longest time that video may take to leave at the pace that is set: what comes on top breaks its stream, all of which is
/// dropped, counted, and followed by a request for a key frame. A picture that old helps nobody.
const PACED_TIME_MAX: Duration = Duration::from_secs(1);

/// Bytes that may wait for their time whatever the pace is: a large key frame.
const PACED_BYTES_MIN: usize = 96 * 1024;

/// Streams that can be broken at once and are remembered. Viewers of further ones ask for a key frame by themselves.
const BROKEN_STREAMS_MAX: usize = 8;

/// Bytes of the shortest RTCP packet that SRTCP can seal (RFC 3711 §3.4).
const RTCP_BYTES_MIN: usize = 8;

/// Why a packet is not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// The keys have no number left.
    Exhausted,
    /// Our caller: no such stream, a number used before, a packet that does not fit.
    Misuse,
}

impl From<SrtpError> for Refusal {
    fn from(error: SrtpError) -> Self {
        if error == SrtpError::IndexExhausted { Self::Exhausted } else { Self::Misuse }
    }
}

/// The payload as the viewer gets it: behind the original sequence number in a retransmission (RFC 4588 §4), with the
/// picture's numbers in the outgoing stream.
fn write_payload(packet: &PacketRef, rewrite: &Rewrite, mut place: &mut [u8]) -> Result<usize, Refusal> {
    let payload = packet.payload();
    let mut len = payload.len();
    if let Some(original) = rewrite.original_sequence {
        let (number, rest) = place.split_first_chunk_mut().ok_or(Refusal::Misuse)?;
        *number = original.to_be_bytes();
        len += number.len();
        place = rest;
    }
    let copy = place.get_mut(..payload.len()).ok_or(Refusal::Misuse)?;
    copy.copy_from_slice(payload);
    if let Some(PictureEdit::Numbers(edit)) = rewrite.picture {
        packet.meta().picture.numbers.write(edit, copy);
    }
    Ok(len)
}

fn count_datagram(bytes: usize, counters: &mut Counters) {
    counters.datagrams_sent += 1;
    counters.datagram_bytes_sent += bytes as u64;
}

fn seal_rtcp([front, back]: [&[u8]; 2], srtp: Option<&mut SrtpOutbound>, slot: &mut [u8]) -> Result<usize, Refusal> {
    let len = front.len() + back.len();
    let (front_place, back_place) =
        slot.get_mut(..len).and_then(|place| place.split_at_mut_checked(front.len())).ok_or(Refusal::Misuse)?;
    front_place.copy_from_slice(front);
    back_place.copy_from_slice(back);
    match srtp {
        Some(srtp) => Ok(srtp.seal_rtcp(slot, len)?),
        None => Ok(len),
    }
}
