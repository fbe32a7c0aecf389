//! A viewer: counts every packet by its clear header, looks into some, asks for what is missing, reports.

use arrayvec::ArrayVec;
use millrace_packet::rtcp::{CompoundWriter, FeedbackHeader, FeedbackSsrcs, ReportBlock};
use millrace_packet::{ExtensionIds, ExtensionKind, RtpMeta};

use crate::publisher::stamp_of;
use crate::socket::{Batch, PeerSocket};
use crate::srtp::Srtp;
use crate::tally::Tally;

/// Of so many receiving calls of a viewer one is looked at in full.
const SAMPLE_INTERVAL: u32 = 64;
/// Packets that a stream waits for; the oldest is given up.
const MISSING_MAX: usize = 512;
/// Time between two requests for the same packet.
const ASK_INTERVAL_NS: u64 = 40_000_000;
/// Requests for one packet; then it is given up.
const ASKS_MAX: u8 = 10;
/// Packets asked for by one NACK.
const NACK_PACKETS_MAX: usize = 64;
/// Time between two receiver reports.
const REPORT_INTERVAL_NS: u64 = 1_000_000_000;
/// Time between two transport-wide feedback packets.
const FEEDBACK_INTERVAL_NS: u64 = 100_000_000;
/// Packets told about by one transport-wide feedback packet; further ones are left out.
const FEEDBACK_PACKETS_MAX: usize = 1_000;
/// Nanoseconds in a tick of transport-wide feedback.
const TICK_NS: u64 = 250_000;
/// Ticks in one unit of its reference time.
const REFERENCE_TICKS: u64 = 256;

/// What a viewer views, and what it tells the server of it.
pub(crate) struct Viewer {
    ssrc: u32,
    streams: Vec<Stream>,
    extensions: ExtensionIds,
    transport_cc_id: Option<u8>,
    /// Looks into every packet and asks for lost ones.
    repairs: bool,
    calls: u32,
    arrivals: Vec<(u16, u64)>,
    feedback_count: u8,
    next_report_ns: u64,
    next_feedback_ns: u64,
}

/// One incoming stream by what signalling says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamSpec {
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: Option<u32>,
    pub(crate) is_audio: bool,
}

struct Stream {
    spec: StreamSpec,
    first: u64,
    highest: Option<u64>,
    received: u64,
    missing: Vec<Missing>,
}

#[derive(Clone, Copy)]
struct Missing {
    sequence: u64,
    asks: u8,
    ask_at_ns: u64,
}

impl Viewer {
    /// `extensions` are the numbers that signalling gives to header extensions; `number` tells viewers apart.
    pub(crate) fn new(number: usize, specs: &[StreamSpec], extensions: &[(u8, ExtensionKind)], repairs: bool) -> Self {
        let stream = |&spec| Stream { spec, first: 0, highest: None, received: 0, missing: Vec::new() };
        let transport_cc = extensions.iter().find(|(_, kind)| *kind == ExtensionKind::TransportWideCc);
        // Viewers report at different times, as they would.
        let phase = number as u64 * 7_000_003;
        Self {
            ssrc: 0x4000_0000 + number as u32,
            streams: specs.iter().map(stream).collect(),
            extensions: ExtensionIds::new(extensions.iter().copied()),
            transport_cc_id: transport_cc.map(|(id, _)| *id),
            repairs,
            calls: 0,
            arrivals: Vec::new(),
            feedback_count: 0,
            next_report_ns: phase % REPORT_INTERVAL_NS,
            next_feedback_ns: phase % FEEDBACK_INTERVAL_NS,
        }
    }

    /// Says, once before each receiving call, whether its datagrams must be whole.
    pub(crate) fn wants_whole(&mut self) -> bool {
        let is_sample = self.calls.is_multiple_of(SAMPLE_INTERVAL);
        self.calls = self.calls.wrapping_add(1);
        // The first call is one: SRTP counts a stream's rollovers from its first packet.
        self.repairs || is_sample
    }

    /// Takes an RTP packet; `is_whole` says that it was not cut.
    pub(crate) fn handle_rtp(
        &mut self,
        datagram: &[u8],
        is_whole: bool,
        now_ns: u64,
        srtp: &mut Srtp,
        tally: &mut Tally,
    ) {
        let Some(ssrc) = datagram.get(8..12).and_then(|bytes| Some(u32::from_be_bytes(bytes.try_into().ok()?))) else {
            return;
        };
        self.note_arrival(datagram, now_ns);
        let sequence = u16::from_be_bytes([datagram[2], datagram[3]]);
        let extensions = &self.extensions;
        for stream in &mut self.streams {
            if stream.spec.ssrc == ssrc {
                stream.note(sequence, now_ns, tally);
                if is_whole {
                    tally.sample(open(datagram, extensions, stream.spec, srtp, now_ns));
                }
                return;
            }
            if stream.spec.rtx_ssrc == Some(ssrc) {
                return stream.handle_repeat(datagram, extensions, now_ns, srtp, tally);
            }
        }
    }

    /// Notes the transport-wide number, which stands in a header of the one-byte form (RFC 8285 §4.2).
    fn note_arrival(&mut self, datagram: &[u8], now_ns: u64) {
        let Some(id) = self.transport_cc_id.filter(|_| self.arrivals.len() < FEEDBACK_PACKETS_MAX) else { return };
        let Some(mut elements) = datagram.get(12..).and_then(|rest| rest.strip_prefix(&[0xbe, 0xde])) else { return };
        elements = elements.get(2..).unwrap_or_default();
        while let Some((&head, rest)) = elements.split_first() {
            let len = if head == 0 { 0 } else { usize::from(head & 0x0f) + 1 };
            match rest.first_chunk() {
                Some(number) if head >> 4 == id && len == 2 => {
                    return self.arrivals.push((u16::from_be_bytes(*number), now_ns));
                }
                _ => elements = rest.get(len..).unwrap_or_default(),
            }
        }
    }

    /// Sends requests and reports that are due.
    pub(crate) fn report(&mut self, now_ns: u64, socket: &PeerSocket, srtp: &mut Srtp, batch: &mut Batch) {
        batch.clear();
        if self.repairs {
            self.ask(now_ns, srtp, batch);
        }
        if now_ns >= self.next_report_ns {
            self.next_report_ns = now_ns + REPORT_INTERVAL_NS;
            self.write_report(srtp, batch);
        }
        if now_ns >= self.next_feedback_ns {
            self.next_feedback_ns = now_ns + FEEDBACK_INTERVAL_NS;
            self.write_feedback(srtp, batch);
        }
        batch.send(socket);
    }

    fn ask(&mut self, now_ns: u64, srtp: &mut Srtp, batch: &mut Batch) {
        for stream in &mut self.streams {
            let sequences = stream.due_requests(now_ns);
            if sequences.is_empty() {
                continue;
            }
            let ssrcs = FeedbackSsrcs { sender: self.ssrc, media: stream.spec.ssrc };
            batch.place(|slot| {
                let mut writer = CompoundWriter::new(slot);
                let written = writer.nack(ssrcs, sequences);
                let len = writer.len();
                written.map_or(0, |()| srtp.seal_rtcp(slot, len))
            });
        }
    }

    fn write_report(&self, srtp: &mut Srtp, batch: &mut Batch) {
        let blocks: Vec<ReportBlock> = self.streams.iter().filter_map(Stream::report_block).collect();
        batch.place(|slot| {
            let mut writer = CompoundWriter::new(slot);
            let written = writer
                .receiver_report(self.ssrc, &blocks)
                .and_then(|()| writer.cname(self.ssrc, &format!("viewer-{}", self.ssrc)));
            let len = writer.len();
            written.map_or(0, |()| srtp.seal_rtcp(slot, len))
        });
    }

    fn write_feedback(&mut self, srtp: &mut Srtp, batch: &mut Batch) {
        let media = self.streams.first().map_or(0, |stream| stream.spec.ssrc);
        let Some(&(base_sequence, first_ns)) = self.arrivals.first() else { return };
        let reference = first_ns / TICK_NS / REFERENCE_TICKS;
        let header = FeedbackHeader {
            ssrcs: FeedbackSsrcs { sender: self.ssrc, media },
            base_sequence,
            reference_time: reference as i32 & 0x7f_ffff,
            feedback_count: self.feedback_count,
        };
        let statuses = statuses(&self.arrivals, reference * REFERENCE_TICKS);
        batch.place(|slot| {
            let mut writer = CompoundWriter::new(slot);
            let written = writer.transport_feedback(&header, statuses.iter().copied());
            let len = writer.len();
            written.map_or(0, |()| srtp.seal_rtcp(slot, len))
        });
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.arrivals.clear();
    }

    /// Packets that have not come so far.
    pub(crate) fn missing(&self) -> u64 {
        self.streams.iter().map(|stream| stream.missing.len() as u64).sum()
    }

    /// Forgets what is missing: a new part of the run begins.
    pub(crate) fn forget_missing(&mut self) {
        self.streams.iter_mut().for_each(|stream| stream.missing.clear());
    }
}

impl Stream {
    /// Counts a packet of the stream itself.
    fn note(&mut self, sequence: u16, now_ns: u64, tally: &mut Tally) {
        let Some(highest) = self.highest else {
            self.first = u64::from(sequence) + (1 << 16);
            self.highest = Some(self.first);
            return self.count(tally);
        };
        let step = i64::from(sequence.wrapping_sub(highest as u16) as i16);
        let extended = highest.wrapping_add_signed(step);
        if step > 0 {
            (highest + 1..extended).for_each(|number| self.miss(number, now_ns, tally));
            self.highest = Some(extended);
            return self.count(tally);
        }
        match self.take_missing(extended) {
            true => {
                tally.reordered += 1;
                self.count(tally);
            }
            false => tally.duplicates += 1,
        }
    }

    fn count(&mut self, tally: &mut Tally) {
        self.received += 1;
        tally.delivered += 1;
    }

    fn miss(&mut self, sequence: u64, now_ns: u64, tally: &mut Tally) {
        if self.missing.len() == MISSING_MAX {
            self.missing.remove(0);
            tally.given_up += 1;
        }
        self.missing.push(Missing { sequence, asks: 0, ask_at_ns: now_ns });
    }

    fn take_missing(&mut self, sequence: u64) -> bool {
        let position = self.missing.iter().position(|missing| missing.sequence == sequence);
        position.map(|position| self.missing.remove(position)).is_some()
    }

    /// RFC 4588 §4: the original number stands before the payload.
    fn handle_repeat(
        &mut self,
        datagram: &[u8],
        extensions: &ExtensionIds,
        now_ns: u64,
        srtp: &mut Srtp,
        tally: &mut Tally,
    ) {
        let spec = self.spec;
        let opened = srtp.open_rtp(datagram, |packet| {
            let meta = RtpMeta::parse(packet, extensions).ok()?;
            let (number, payload) = meta.payload(packet).split_first_chunk()?;
            Some((u16::from_be_bytes(*number), stamp_of(payload, spec.is_audio)))
        });
        let Some((number, stamp)) = opened.flatten() else { return };
        let highest = self.highest.unwrap_or_default();
        let extended = highest.wrapping_add_signed(i64::from(number.wrapping_sub(highest as u16) as i16));
        if self.take_missing(extended) {
            tally.repaired += 1;
            self.count(tally);
            tally.sample(stamp.map(|stamp| now_ns.saturating_sub(stamp.sent_ns)));
        }
    }

    fn due_requests(&mut self, now_ns: u64) -> ArrayVec<u16, NACK_PACKETS_MAX> {
        let due = self.missing.iter_mut().filter(|missing| missing.ask_at_ns <= now_ns && missing.asks < ASKS_MAX);
        due.take(NACK_PACKETS_MAX)
            .map(|missing| {
                missing.asks += 1;
                missing.ask_at_ns = now_ns + ASK_INTERVAL_NS;
                missing.sequence as u16
            })
            .collect()
    }

    fn report_block(&self) -> Option<ReportBlock> {
        let highest = self.highest?;
        let lost = (highest + 1 - self.first).saturating_sub(self.received);
        Some(ReportBlock {
            ssrc: self.spec.ssrc,
            cumulative_lost: i32::try_from(lost).unwrap_or(i32::MAX),
            extended_highest_sequence: highest as u32,
            ..ReportBlock::default()
        })
    }
}

/// The delay of a packet in ns; `None` when it is not authentic or not as it was sent.
fn open(datagram: &[u8], extensions: &ExtensionIds, spec: StreamSpec, srtp: &mut Srtp, now_ns: u64) -> Option<u64> {
    let stamp = srtp.open_rtp(datagram, |packet| {
        let meta = RtpMeta::parse(packet, extensions).ok()?;
        stamp_of(meta.payload(packet), spec.is_audio)
    });
    Some(now_ns.saturating_sub(stamp.flatten()?.sent_ns))
}

/// What transport-wide feedback says of each number from the first arrival on. `ticks` is the reference time.
fn statuses(arrivals: &[(u16, u64)], mut ticks: u64) -> Vec<Option<i16>> {
    let mut statuses = Vec::with_capacity(arrivals.len());
    let Some(&(first, _)) = arrivals.first() else { return statuses };
    for &(number, at_ns) in arrivals {
        let position = usize::from(number.wrapping_sub(first));
        if position < statuses.len() || position >= 2 * FEEDBACK_PACKETS_MAX {
            continue;
        }
        statuses.resize(position, None);
        let at = at_ns / TICK_NS;
        statuses.push(Some((at as i64 - ticks as i64) as i16));
        ticks = at;
    }
    statuses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_late_packets_and_duplicates_are_told_apart() {
        let (mut stream, mut tally) = (stream(), Tally::new());
        for sequence in [65_534, 65_535, 2, 0, 0, 3] {
            stream.note(sequence, 0, &mut tally);
        }
        assert_eq!((tally.delivered, tally.reordered, tally.duplicates), (5, 1, 1));
        let missing: Vec<u16> = stream.missing.iter().map(|missing| missing.sequence as u16).collect();
        assert_eq!(missing, [1]);
    }

    #[test]
    fn a_missing_packet_is_asked_for_again_and_then_given_up() {
        let (mut stream, mut tally) = (stream(), Tally::new());
        [7, 9].iter().for_each(|sequence| stream.note(*sequence, 0, &mut tally));
        assert_eq!(stream.due_requests(0)[..], [8]);
        assert!(stream.due_requests(1).is_empty());
        let later = (1..20).filter(|step| !stream.due_requests(step * ASK_INTERVAL_NS).is_empty()).count();
        assert_eq!(later, usize::from(ASKS_MAX) - 1);
    }

    #[test]
    fn feedback_tells_arrivals_as_steps_and_gaps_as_none() {
        let ms = |count: u64| count * 1_000_000;
        let arrivals = [(65_535, ms(64)), (1, ms(65)), (2, ms(65))];
        assert_eq!(statuses(&arrivals, 256), [Some(0), None, Some(4), Some(0)]);
    }

    fn stream() -> Stream {
        let spec = StreamSpec { ssrc: 1, rtx_ssrc: Some(2), is_audio: false };
        Stream { spec, first: 0, highest: None, received: 0, missing: Vec::new() }
    }
}
