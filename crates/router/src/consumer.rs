//! One viewer of a producer: its numbers, what it was sent, and what it says about it.

use std::time::Duration;

use millrace_model::{MediaKind, NtpTime};
use millrace_packet::rtcp::{ReportBlock, SenderInfo};
use millrace_packet::{OutgoingStreamId, PacketRef, Priority, Rewrite};

use crate::context::Context;
use crate::events::{Direction, RouterEvent, Trace, TraceKinds, TracedPacket};
use crate::history::{self, Refusal, Sent, SentHistory};
use crate::rate::ByteRate;
use crate::rewriter::Rewriter;
use crate::score::Score;
use crate::sender_clock::round_trip;
use crate::setup::{CODECS_PER_PRODUCER_MAX, CodecSetup, ConsumerSetup, PayloadTypes};
use crate::source::{SourceId, SourcePacket};
use crate::stream_in::IncomingStream;
use crate::timers::Moment;
use crate::{ConsumerIndex, Output, SessionId};

/// Round trip that is assumed for resends before one was measured.
const ROUND_TRIP_DEFAULT: Duration = Duration::from_millis(100);

/// Whether and from where media flows to a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Nothing is sent: the consumer is paused or its transport is not connected.
    Stopped,
    /// The next packet of `source` that a viewer can start with (for video: of a key frame) opens the flow.
    Waiting { source: SourceId },
    /// Packets of `source` are sent.
    Flowing { source: SourceId },
}

/// Numbers of one outgoing stream since it began, for reports and statistics.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutgoingCounts {
    pub(crate) packets: u64,
    /// Payload bytes, as sender reports count them.
    pub(crate) octets: u64,
    pub(crate) bytes: u64,
    pub(crate) retransmitted: u64,
    pub(crate) repaired: u64,
    pub(crate) nacks: u64,
    pub(crate) nack_packets: u64,
    pub(crate) plis: u64,
    pub(crate) firs: u64,
}

/// What the viewer's report blocks say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ViewerReport {
    pub(crate) fraction_lost: u8,
    pub(crate) lost: u64,
    pub(crate) jitter: u32,
    pub(crate) round_trip: Option<Duration>,
}

/// A viewer's outgoing stream. What forwarding touches comes first.
#[derive(Debug)]
pub(crate) struct Consumer {
    flow: Flow,
    pub(crate) session: SessionId,
    outgoing: OutgoingStreamId,
    priority: Priority,
    /// A report of this stream is scheduled.
    pub(crate) unreported: bool,
    trace: TraceKinds,
    rewriter: Rewriter,
    /// By index of the producer's codec; `None` for codecs that this viewer does not take.
    payload_types: [Option<PayloadTypes>; CODECS_PER_PRODUCER_MAX],
    pub(crate) counts: OutgoingCounts,
    history: SentHistory,
    rate: ByteRate,
    pub(crate) index: ConsumerIndex,
    /// What it follows when it is not stopped.
    pub(crate) source: SourceId,
    pub(crate) paused: bool,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: Option<u32>,
    pub(crate) rid: Option<String>,
    pub(crate) cname: String,
    next_rtx_sequence: u16,
    pub(crate) report: ViewerReport,
    pub(crate) score: Score,
}

impl Consumer {
    /// A stopped consumer. `codecs` is the producer's table.
    pub(crate) fn new(index: ConsumerIndex, setup: ConsumerSetup, kind: MediaKind, codecs: &[CodecSetup]) -> Self {
        let mut payload_types = [None; CODECS_PER_PRODUCER_MAX];
        for (place, codec) in payload_types.iter_mut().zip(codecs) {
            *place = setup.payload_types.iter().find(|types| types.producer == codec.payload_type).copied();
        }
        let (priority, history_max) = match kind {
            MediaKind::Audio => (Priority::Audio, history::AUDIO_PACKETS_MAX),
            MediaKind::Video => (Priority::Video, history::VIDEO_PACKETS_MAX),
        };
        Self {
            flow: Flow::Stopped,
            session: setup.session,
            outgoing: setup.outgoing,
            priority,
            unreported: false,
            trace: TraceKinds::NONE,
            rewriter: Rewriter::new(setup.first_sequence),
            payload_types,
            counts: OutgoingCounts::default(),
            history: SentHistory::new(if setup.nack { history_max } else { 0 }),
            rate: ByteRate::default(),
            index,
            source: SourceId { producer: setup.producer, stream: setup.stream },
            paused: setup.paused,
            ssrc: setup.ssrc,
            rtx_ssrc: setup.rtx_ssrc,
            rid: setup.rid,
            cname: setup.cname,
            next_rtx_sequence: setup.first_rtx_sequence,
            report: ViewerReport::default(),
            score: Score::new(),
        }
    }

    /// Sends `packet` on, if this viewer takes it. True when the flow began with it.
    #[inline]
    pub(crate) fn handle_packet<O: Output>(&mut self, packet: &SourcePacket<'_>, cx: &mut Context<'_, O>) -> bool {
        match self.flow {
            Flow::Flowing { source } if source == packet.source => {
                self.send(packet, cx);
                false
            }
            Flow::Waiting { source } if source == packet.source && self.can_start_with(packet) => {
                self.flow = Flow::Flowing { source };
                self.rewriter.start(packet.index, packet.timestamp, packet.clock_rate, cx.now.at);
                self.send(packet, cx);
                true
            }
            _ => false,
        }
    }

    /// Whether and from where media flows.
    pub(crate) fn flow(&self) -> Flow {
        self.flow
    }

    /// Nothing is sent until [`wait`](Self::wait).
    pub(crate) fn stop(&mut self) {
        self.flow = Flow::Stopped;
    }

    /// The flow begins, or begins again, at the next packet of the source that a viewer can start with.
    pub(crate) fn wait(&mut self) {
        self.flow = Flow::Waiting { source: self.source };
    }

    /// Sets what is traced.
    pub(crate) fn set_trace(&mut self, kinds: TraceKinds) {
        self.trace = kinds;
    }

    /// Says `trace` if one of `kinds` is wanted.
    pub(crate) fn trace<O: Output>(&self, kinds: TraceKinds, trace: Trace, cx: &mut Context<'_, O>) {
        if self.trace.wants(kinds) {
            cx.out.event(RouterEvent::ConsumerTrace { consumer: self.index, trace });
        }
    }

    /// Sends the packet that went out as `sequence` once more, from the caches of `streams`.
    ///
    /// # Errors
    /// Says why it was not sent.
    pub(crate) fn resend<O: Output>(
        &mut self,
        sequence: u16,
        streams: &[IncomingStream],
        cx: &mut Context<'_, O>,
    ) -> Result<(), Refusal> {
        let round_trip = self.report.round_trip.unwrap_or(ROUND_TRIP_DEFAULT);
        let sent = self.history.find(sequence, round_trip, cx.now.ms)?;
        let stream = streams.get(usize::from(sent.stream)).ok_or(Refusal::Unknown)?;
        let cached = stream.cache.find(sent.index).ok_or(Refusal::Unknown)?;
        let types = self.payload_types[usize::from(cached.codec)].ok_or(Refusal::Unknown)?;
        let bytes = cached.packet.bytes().len();
        self.history.spend(sequence, bytes, cx.now.ms)?;
        let rewrite = self.retransmission(&sent, types, &cached.packet);
        self.counts.retransmitted += 1;
        self.counts.repaired += 1;
        self.rate.add(bytes, cx.now.ms);
        cx.out.send_rtp(self.session, &cached.packet, &rewrite);
        Ok(())
    }

    /// Takes what the viewer says of the stream (RFC 3550 §6.4.1). Returns its new score if it changed.
    pub(crate) fn handle_report_block(&mut self, block: &ReportBlock, now: NtpTime) -> Option<u8> {
        let answer = round_trip(now, block.last_sender_report, block.delay_since_last_sender_report);
        self.report = ViewerReport {
            fraction_lost: block.fraction_lost,
            lost: u64::try_from(block.cumulative_lost).unwrap_or_default(),
            jitter: block.jitter,
            round_trip: answer.or(self.report.round_trip),
        };
        self.score.add_fraction_lost(block.fraction_lost)
    }

    /// What the sender report written at `ntp` says, when the source's own clock shows `timestamp` at that time.
    pub(crate) fn sender_info(&self, ntp: NtpTime, timestamp: u32) -> SenderInfo {
        SenderInfo {
            ntp: ntp.0,
            rtp_timestamp: self.rewriter.timestamp(timestamp),
            packet_count: self.counts.packets as u32,
            octet_count: self.counts.octets as u32,
        }
    }

    /// Bitrate of the last 2.5 s, in bit/s.
    pub(crate) fn bitrate(&mut self, now: Moment) -> u64 {
        self.rate.bits_per_second(now.ms)
    }

    fn can_start_with(&self, packet: &SourcePacket<'_>) -> bool {
        packet.starts && self.payload_types[usize::from(packet.codec)].is_some()
    }

    #[inline]
    fn send<O: Output>(&mut self, source: &SourcePacket<'_>, cx: &mut Context<'_, O>) {
        let meta = source.packet.meta();
        let Some(types) = self.payload_types[usize::from(source.codec)] else {
            self.rewriter.skip(source.index);
            return;
        };
        // A packet of padding only would cost a number; one whose number is taken must go out, or a hole stays.
        if meta.payload_len == 0 && self.rewriter.skip(source.index) {
            return;
        }
        let Some(sequence) = self.rewriter.sequence(source.index) else { return };
        let rewrite = Rewrite {
            stream: self.outgoing,
            payload_type: types.viewer,
            marker: meta.marker,
            sequence,
            timestamp: self.rewriter.timestamp(source.timestamp),
            original_sequence: None,
            priority: self.priority,
        };
        self.note_sent(source, &rewrite, cx);
        cx.out.send_rtp(self.session, source.packet, &rewrite);
    }

    #[inline]
    fn note_sent<O: Output>(&mut self, source: &SourcePacket<'_>, rewrite: &Rewrite, cx: &mut Context<'_, O>) {
        let bytes = source.packet.bytes().len();
        self.rewriter.note_sent(rewrite.sequence, rewrite.timestamp, cx.now.at);
        self.history.record(rewrite.sequence, rewrite.timestamp, source.source.stream, source.index);
        self.counts.packets += 1;
        self.counts.octets += u64::from(source.packet.meta().payload_len);
        self.counts.bytes += bytes as u64;
        self.rate.add(bytes, cx.now.ms);
        if !self.unreported {
            self.unreported = true;
            cx.awake.push(self.session);
        }
        if self.trace != TraceKinds::NONE {
            self.trace_packet(source.packet, rewrite, cx);
        }
    }

    fn retransmission(&mut self, sent: &Sent, types: PayloadTypes, packet: &PacketRef) -> Rewrite {
        let again = Rewrite {
            stream: self.outgoing,
            payload_type: types.viewer,
            marker: packet.meta().marker,
            sequence: sent.sequence,
            timestamp: sent.timestamp,
            original_sequence: None,
            priority: Priority::Retransmission,
        };
        let Some(payload_type) = types.viewer_rtx.filter(|_| self.rtx_ssrc.is_some()) else { return again };
        let sequence = self.next_rtx_sequence;
        self.next_rtx_sequence = sequence.wrapping_add(1);
        Rewrite { payload_type, sequence, original_sequence: Some(sent.sequence), ..again }
    }

    fn trace_packet<O: Output>(&self, packet: &PacketRef, rewrite: &Rewrite, cx: &mut Context<'_, O>) {
        let meta = packet.meta();
        let traced = TracedPacket {
            ssrc: self.ssrc,
            payload_type: rewrite.payload_type,
            sequence: rewrite.sequence,
            timestamp: rewrite.timestamp,
            marker: rewrite.marker,
            key_frame: meta.key_frame,
            rtx: false,
            size: packet.bytes().len(),
            payload_size: usize::from(meta.payload_len),
        };
        if meta.key_frame && self.trace.wants(TraceKinds::KEY_FRAME) {
            self.trace(TraceKinds::KEY_FRAME, Trace::KeyFrame { direction: Direction::Out, packet: traced }, cx);
        } else {
            self.trace(TraceKinds::RTP, Trace::Rtp { direction: Direction::Out, packet: traced }, cx);
        }
    }
}
