//! Keeps what could hurt away from the SCTP engine, and what it answers within bounds.
//!
//! The engine closes an association for things that RFC 9260 tells to ignore (a repeated INIT, an ERROR chunk), drops
//! whole packets for a chunk that it does not know, walks every number between the ends of a gap block, and keeps what
//! cannot be delivered in lists that it searches from end to end. This filter lets chunks pass that make sense at this
//! moment, one by one, and says when a peer asks for more than it may have.

use std::collections::BTreeSet;

use bytes::Bytes;
use millrace_model::{Counters, SCTP_STREAMS_MAX};
use subtle::ConstantTimeEq;

use super::chunk::{
    CHUNK_HEADER_BYTES, COMMON_HEADER_BYTES, Chunk, Chunks, DATA_HEADER_BYTES, checksum_fits, kind, parameters,
    parameters_add_up, u16_at, u32_at, write_checksum,
};

/// Longest packet that is looked at, in bytes: what one DTLS record or datagram of a peer with ordinary links holds.
/// Longer ones are dropped and counted.
const PACKET_BYTES_MAX: usize = 2048;

/// Chunks of one packet that are looked at; a packet full of the shortest DATA chunks has about 60. Packets with more
/// are dropped and counted.
const CHUNKS_MAX: usize = 128;

/// How far ahead of the first missing one a transmission sequence number may be.
///
/// 2,048 packets are 2.4 MB, 100 ms of 190 Mbit/s. DATA beyond is dropped and counted; its sender repeats it.
const TSN_WINDOW_MAX: u32 = 2048;

/// DATA chunks that may wait for others before they can be delivered. Beyond, the association is aborted: the peer
/// sends fragments without end or leaves a hole for ever.
const UNDELIVERED_CHUNKS_MAX: u32 = 8192;

/// Where the last gap block of a SACK may end, counted from the acknowledged number: no more can be in flight, because
/// the send buffer is bounded. SACK chunks beyond are dropped and counted.
const GAP_END_MAX: u16 = 16_384;

/// Gap blocks and duplicates of a SACK that is sent, together, so that it fits a datagram. The others are told by a
/// later one.
const SACK_ENTRIES_MAX: usize = 256;

/// Bytes of INIT and INIT ACK before their parameters.
const INIT_BYTES: usize = 16;

/// What becomes of an incoming packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The engine may have it.
    Pass(Bytes),
    /// The peer begins an association; the engine may have it if there is none yet.
    Init(Bytes),
    /// Nothing of it is for the engine.
    Drop,
    /// The peer took more than it may: the association is to be aborted.
    Abort,
}

/// What the filter knows of one association.
#[derive(Debug, Default)]
pub(super) struct PacketFilter {
    /// Set once the association carries data; an INIT is dropped then.
    established: bool,
    /// The verification tag that the peer must use.
    own_tag: Option<u32>,
    /// The cookie that we gave out.
    cookie: Option<Vec<u8>>,
    /// The peer's numbers; unknown until its INIT or INIT ACK.
    received: Option<Received>,
    receive_window: u32,
    /// Streams from [`SCTP_STREAMS_MAX`] on that the application receives on; those below are open to the peer.
    high_streams: BTreeSet<u16>,
}

#[derive(Clone, Copy, Debug)]
struct Received {
    /// Everything up to here was acknowledged.
    acknowledged: u32,
    /// The highest number that passed.
    highest: u32,
    /// Numbers that passed and were not delivered yet; holes count.
    undelivered: u32,
    /// Streams on which the peer can send, as it said.
    streams: u16,
}

impl Received {
    /// From the value of the peer's INIT or INIT ACK.
    fn of_init(value: &[u8]) -> Option<Self> {
        let before = u32_at(value, 12)?.wrapping_sub(1);
        Some(Self { acknowledged: before, highest: before, undelivered: 0, streams: u16_at(value, 8)? })
    }
}

impl PacketFilter {
    pub(super) fn new(receive_window: u32) -> Self {
        Self { receive_window, ..Self::default() }
    }

    /// The association is up.
    pub(super) fn established(&mut self) {
        self.established = true;
    }

    /// The verification tag of our INIT or INIT ACK.
    pub(super) fn own_tag(&self) -> Option<u32> {
        self.own_tag
    }

    /// `chunks` DATA chunks became messages and left the engine.
    pub(super) fn delivered(&mut self, chunks: usize) {
        if let Some(received) = &mut self.received {
            received.undelivered = received.undelivered.saturating_sub(chunks as u32);
        }
    }

    /// Says what becomes of a packet of the peer.
    pub(super) fn incoming(&mut self, packet: Bytes, counters: &mut Counters) -> Verdict {
        if packet.len() > PACKET_BYTES_MAX || packet.len() < COMMON_HEADER_BYTES + CHUNK_HEADER_BYTES {
            counters.sctp_packets_dropped_malformed += 1;
            return Verdict::Drop;
        }
        if Chunks::of(&packet).take(CHUNKS_MAX + 1).enumerate().any(|(n, chunk)| n == CHUNKS_MAX || chunk.is_err()) {
            counters.sctp_packets_dropped_malformed += 1;
            return Verdict::Drop;
        }
        let tag = u32_at(&packet, 4).unwrap_or_default();
        let first = Chunks::of(&packet).next();
        if let Some(Ok(Chunk { kind: kind::INIT, .. })) = first {
            return self.init(packet, tag, counters);
        }
        if self.own_tag != Some(tag) {
            // RFC 9260 §8.5: nobody else knows the tag.
            counters.sctp_packets_dropped_unexpected += 1;
            return Verdict::Drop;
        }
        self.chunks(packet, counters)
    }

    /// A peer's INIT stands alone, with tag 0 (RFC 9260 §8.5.1), and only before there is an association.
    fn init(&mut self, packet: Bytes, tag: u32, counters: &mut Counters) -> Verdict {
        let mut chunks = Chunks::of(&packet);
        let sane = chunks.next().is_some_and(|chunk| chunk.is_ok_and(|chunk| is_sane_init(&chunk)));
        if !sane || chunks.next().is_some() || tag != 0 {
            counters.sctp_packets_dropped_malformed += 1;
            return Verdict::Drop;
        }
        if self.established {
            counters.sctp_packets_dropped_unexpected += 1;
            return Verdict::Drop;
        }
        Verdict::Init(packet)
    }

    /// Forgets the association that another INIT replaces, and notes the numbers of the new one.
    pub(super) fn begin(&mut self, init: &[u8]) {
        let high_streams = std::mem::take(&mut self.high_streams);
        let received = init.get(COMMON_HEADER_BYTES + CHUNK_HEADER_BYTES..).and_then(Received::of_init);
        *self = Self { received, high_streams, ..Self::new(self.receive_window) };
    }

    /// Streams on which the peer can send; unknown until its INIT or INIT ACK.
    pub(super) fn peer_streams(&self) -> Option<u16> {
        self.received.map(|received| received.streams)
    }

    /// Lets DATA of a stream pass, whatever its number.
    pub(super) fn accept(&mut self, stream: u16) {
        if stream >= SCTP_STREAMS_MAX {
            self.high_streams.insert(stream);
        }
    }

    /// Takes [`accept`](Self::accept) back.
    pub(super) fn refuse(&mut self, stream: u16) {
        self.high_streams.remove(&stream);
    }

    fn chunks(&mut self, packet: Bytes, counters: &mut Counters) -> Verdict {
        let mut passed = 0;
        let mut dropped = 0;
        // Most packets pass whole; those are not copied.
        let mut kept: Option<Vec<u8>> = None;
        for chunk in Chunks::of(&packet).flatten() {
            let check = self.check(&chunk);
            if check == Check::Abort {
                return Verdict::Abort;
            }
            if check == Check::Pass {
                passed += 1;
                if let Some(kept) = &mut kept {
                    kept.extend_from_slice(chunk.bytes);
                }
                continue;
            }
            dropped += 1;
            let start = chunk.bytes.as_ptr() as usize - packet.as_ptr() as usize;
            kept.get_or_insert_with(|| packet[..start].to_vec());
            if check == Check::DropRest {
                break;
            }
        }
        counters.sctp_chunks_dropped += dropped;
        match kept {
            _ if passed == 0 => Verdict::Drop,
            // The engine checks the checksum of what it gets; a packet that is put together anew must not get a true
            // one for a false one.
            None => Verdict::Pass(packet),
            Some(_) if !checksum_fits(&packet) => {
                counters.sctp_packets_dropped_malformed += 1;
                Verdict::Drop
            }
            Some(mut kept) => {
                write_checksum(&mut kept);
                Verdict::Pass(kept.into())
            }
        }
    }

    fn check(&mut self, chunk: &Chunk<'_>) -> Check {
        let passes = match chunk.kind {
            kind::DATA => return self.check_data(chunk),
            kind::SACK => is_sane_sack(chunk.value),
            kind::FORWARD_TSN => self.check_forward_tsn(chunk.value),
            kind::INIT_ACK => {
                let sane = !self.established && is_sane_init(chunk);
                if sane {
                    self.received = Received::of_init(chunk.value);
                }
                sane
            }
            kind::COOKIE_ECHO => self.cookie.as_ref().is_some_and(|own| bool::from(own[..].ct_eq(chunk.value))),
            kind::RE_CONFIG => is_sane_re_config(chunk.value),
            kind::HEARTBEAT => parameters(chunk.value).count() == 1 && parameters_add_up(chunk.value),
            // The causes are of no interest; those whose lengths do not add up would be a parse error in the engine.
            kind::ABORT => parameters_add_up(chunk.value),
            kind::SHUTDOWN => chunk.value.len() == 4,
            kind::COOKIE_ACK | kind::SHUTDOWN_ACK | kind::SHUTDOWN_COMPLETE => chunk.value.is_empty(),
            // RFC 9260 §3.2: the two highest bits say whether the chunks behind an unknown one are to be read. ERROR
            // and HEARTBEAT ACK, which the engine takes for an abort and for garbage, are known and skipped.
            ERROR | HEARTBEAT_ACK => false,
            unknown if unknown & 0x80 == 0 => return Check::DropRest,
            _ => false,
        };
        if passes { Check::Pass } else { Check::Drop }
    }

    fn check_data(&mut self, chunk: &Chunk<'_>) -> Check {
        let is_open = self.is_open(u16_at(chunk.value, 4).unwrap_or(u16::MAX));
        let (Some(received), Some(tsn)) = (&mut self.received, u32_at(chunk.value, 0)) else { return Check::Drop };
        let ahead = tsn.wrapping_sub(received.acknowledged);
        // RFC 9260 §6.2: DATA without user data is an error. What is behind is a repetition, which is to be answered.
        let is_behind = ahead > u32::MAX / 2;
        if chunk.value.len() <= DATA_HEADER_BYTES - CHUNK_HEADER_BYTES
            || !is_open
            || (!is_behind && ahead > TSN_WINDOW_MAX)
        {
            return Check::Drop;
        }
        let advance = tsn.wrapping_sub(received.highest);
        if advance <= u32::MAX / 2 {
            received.highest = tsn;
            received.undelivered = received.undelivered.saturating_add(advance);
        }
        if received.undelivered > UNDELIVERED_CHUNKS_MAX { Check::Abort } else { Check::Pass }
    }

    fn check_forward_tsn(&mut self, value: &[u8]) -> bool {
        let (Some(received), Some(tsn)) = (&mut self.received, u32_at(value, 0)) else { return false };
        let ahead = tsn.wrapping_sub(received.acknowledged);
        let is_behind = ahead > u32::MAX / 2;
        if !value.len().is_multiple_of(4) || (!is_behind && ahead > TSN_WINDOW_MAX) {
            return false;
        }
        if tsn.wrapping_sub(received.highest) <= u32::MAX / 2 {
            received.highest = tsn;
        }
        true
    }

    /// The streams of which a packet that passed gives messages up (RFC 3758 §3.2).
    pub(super) fn forwarded_streams(&self, packet: &[u8]) -> impl Iterator<Item = u16> {
        let forwards = Chunks::of(packet).flatten().filter(|chunk| chunk.kind == kind::FORWARD_TSN);
        let streams = forwards.flat_map(|chunk| chunk.value.get(4..).unwrap_or_default().chunks_exact(4));
        streams.filter_map(|entry| u16_at(entry, 0)).filter(|stream| self.is_open(*stream))
    }

    /// Whether the peer may send on a stream.
    fn is_open(&self, stream: u16) -> bool {
        stream < SCTP_STREAMS_MAX || self.high_streams.contains(&stream)
    }

    /// Reads in our own packets what the peer is told, and shortens a SACK that would not fit a datagram.
    pub(super) fn outgoing(&mut self, packet: Bytes) -> Bytes {
        let Some(Ok(first)) = Chunks::of(&packet).next() else { return packet };
        if matches!(first.kind, kind::INIT | kind::INIT_ACK) {
            self.own_tag = u32_at(first.value, 0);
            let cookie = parameters(first.value.get(INIT_BYTES..).unwrap_or_default()).flatten();
            self.cookie = cookie.into_iter().find(|(kind, _)| *kind == STATE_COOKIE).map(|(_, value)| value.to_vec());
        }
        let sacks = Chunks::of(&packet).flatten().filter(|chunk| chunk.kind == kind::SACK);
        for sack in sacks {
            let (Some(acknowledged), Some(window)) = (u32_at(sack.value, 0), u32_at(sack.value, 4)) else { continue };
            if let Some(received) = &mut self.received {
                received.acknowledged = acknowledged;
                if window >= self.receive_window {
                    // Nothing waits in the engine: numbers that the peer gave up were counted in vain.
                    received.undelivered = received.highest.wrapping_sub(acknowledged).min(TSN_WINDOW_MAX);
                }
            }
        }
        if first.kind == kind::SACK && first.value.len() > 12 + 4 * SACK_ENTRIES_MAX {
            return shortened_sack(&packet, first.value);
        }
        packet
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Pass,
    Drop,
    /// Neither this chunk nor those behind it.
    DropRest,
    Abort,
}

const HEARTBEAT_ACK: u8 = 5;
const ERROR: u8 = 9;

/// The parameter of INIT ACK that holds the cookie (RFC 9260 §3.3.3).
const STATE_COOKIE: u16 = 7;

/// An INIT or INIT ACK whose fixed fields and parameters make sense (RFC 9260 §3.3.2).
fn is_sane_init(chunk: &Chunk<'_>) -> bool {
    let Some(parameters) = chunk.value.get(INIT_BYTES..) else { return false };
    let tag = u32_at(chunk.value, 0).unwrap_or_default();
    let (out, inbound) = (u16_at(chunk.value, 8).unwrap_or_default(), u16_at(chunk.value, 10).unwrap_or_default());
    let window = u32_at(chunk.value, 4).unwrap_or_default();
    tag != 0 && out != 0 && inbound != 0 && window >= 1500 && chunk.flags == 0 && parameters_add_up(parameters)
}

/// A SACK whose counts fit its length and whose gap blocks ascend without touching (RFC 9260 §3.3.4).
fn is_sane_sack(value: &[u8]) -> bool {
    let (Some(gaps), Some(duplicates)) = (u16_at(value, 8), u16_at(value, 10)) else { return false };
    if value.len() != 12 + 4 * (usize::from(gaps) + usize::from(duplicates)) {
        return false;
    }
    let mut previous_end = 0;
    value[12..].chunks_exact(4).take(usize::from(gaps)).all(|block| {
        let (start, end) = (u16_at(block, 0).unwrap_or_default(), u16_at(block, 2).unwrap_or_default());
        let ascends = start > previous_end && end >= start && end <= GAP_END_MAX;
        previous_end = end;
        ascends
    })
}

/// A RE-CONFIG with one or two parameters that the engine knows: Outgoing SSN Reset Request, Response (RFC 6525 §4).
fn is_sane_re_config(value: &[u8]) -> bool {
    let mut count = 0;
    let known = parameters(value).all(|parameter| {
        count += 1;
        match parameter {
            Ok((OUTGOING_RESET, value)) => value.len() >= 12 && value.len() % 2 == 0,
            Ok((RESET_RESPONSE, value)) => value.len() == 8 || value.len() == 16,
            _ => false,
        }
    });
    known && (1..=2).contains(&count)
}

const OUTGOING_RESET: u16 = 13;
const RESET_RESPONSE: u16 = 16;

/// A packet with the SACK alone and as much of it as may be sent; gap blocks come first.
fn shortened_sack(packet: &[u8], value: &[u8]) -> Bytes {
    let gaps = usize::from(u16_at(value, 8).unwrap_or_default()).min(SACK_ENTRIES_MAX);
    let len = 12 + 4 * gaps;
    let mut short = packet[..COMMON_HEADER_BYTES + CHUNK_HEADER_BYTES + len].to_vec();
    short[COMMON_HEADER_BYTES + 2..][..2].copy_from_slice(&((CHUNK_HEADER_BYTES + len) as u16).to_be_bytes());
    let counts = COMMON_HEADER_BYTES + CHUNK_HEADER_BYTES + 8;
    short[counts..][..4].copy_from_slice(&[(gaps >> 8) as u8, gaps as u8, 0, 0]);
    write_checksum(&mut short);
    short.into()
}

/// Lets chunks of a peer through a filter that waits for an INIT, and through one whose association is up.
pub(crate) fn fuzz(data: &[u8]) {
    let mut counters = Counters::default();
    let check = |verdict, what: &str| match verdict {
        Verdict::Pass(packet) | Verdict::Init(packet) => {
            assert!(packet.len() <= COMMON_HEADER_BYTES + data.len(), "{what}: it grew");
            assert!(checksum_fits(&packet), "{what}: the engine would drop it");
            let chunks: Vec<_> = Chunks::of(&packet).collect();
            assert!(!chunks.is_empty() && chunks.iter().all(Result::is_ok), "{what}: malformed");
        }
        Verdict::Drop | Verdict::Abort => {}
    };
    let mut waiting = PacketFilter::new(1 << 20);
    check(waiting.incoming(super::packet(0, data).into(), &mut counters), "waiting");
    let mut up = PacketFilter { own_tag: Some(7), established: true, ..PacketFilter::new(1 << 20) };
    up.received = Some(Received { acknowledged: 0, highest: 0, undelivered: 0, streams: 1 });
    check(up.incoming(super::packet(7, data).into(), &mut counters), "up");
    let sent = up.outgoing(super::packet(7, data).into());
    assert!(sent.len() <= COMMON_HEADER_BYTES + data.len());
}
