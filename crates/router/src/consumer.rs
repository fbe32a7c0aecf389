//! One viewer of a producer: its numbers, what it was sent, and what it says about it.

use std::time::Duration;

use millrace_model::{MediaKind, NtpTime};
use millrace_packet::rtcp::{ReportBlock, SenderInfo};
use millrace_packet::{OutgoingStreamId, PacketRef, PictureEdit, PictureFlags, Priority, Rewrite};

use crate::context::Context;
use crate::distribution::Portion;
use crate::events::{Direction, RouterEvent, Trace, TraceKinds, TracedPacket};
use crate::history::{self, Refusal, Sent, SentHistory};
use crate::layers::{Layers, Wish};
use crate::pictures::Pictures;
use crate::rate::ByteRate;
use crate::rewriter::{Rewriter, Start};
use crate::score::Score;
use crate::sender_clock::round_trip;
use crate::setup::{CodecSetup, ConsumerSetup, PayloadTable, PayloadTypes, payload_table};
use crate::source::{SourceId, SourcePacket};
use crate::spatial::{LayerFilter, Verdict};
use crate::stream_in::IncomingStream;
use crate::timers::Moment;
use crate::{ConsumerIndex, Output, SessionId};

/// Round trip that is assumed for resends before one was measured.
const ROUND_TRIP_DEFAULT: Duration = Duration::from_millis(100);

/// The line of a viewer that was sent nothing of its producer.
const NO_LINE: u8 = u8::MAX;

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
    /// The highest temporal layer that is sent. Packets of higher ones are left out. Of streams with layers in
    /// themselves, whose packets all stand higher, the filter decides.
    temporal_layer: u8,
    /// Another stream of the producer that the viewer goes to with its next key frame.
    next_stream: Option<u8>,
    /// The stream that the rewriter's timestamps are taken from: the last one that was sent, or [`NO_LINE`].
    line: u8,
    rewriter: Rewriter,
    /// From the first picture with an id on.
    pictures: Option<Box<Pictures>>,
    /// Where layers lie within one stream, or the viewer gets dependency descriptors.
    filter: Option<Box<LayerFilter>>,
    /// By index of the producer's codec; `None` for codecs that this viewer does not take.
    payload_types: PayloadTable,
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
    /// Which layers the viewer is to get at most: what it prefers, and what the line to it has room for.
    pub(crate) wish: Wish,
    /// Which layers the application prefers at most.
    pub(crate) preferred: Wish,
    /// What it has of the line to its viewer, and how much it matters there.
    pub(crate) portion: Portion,
    /// The layers that the application was told of last.
    told_layers: Option<Layers>,
}

impl Consumer {
    /// A stopped consumer. `codecs` is the producer's table.
    pub(crate) fn new(index: ConsumerIndex, setup: ConsumerSetup, kind: MediaKind, codecs: &[CodecSetup]) -> Self {
        let payload_types = payload_table(&setup.payload_types, codecs);
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
            temporal_layer: setup.wish.passes(),
            next_stream: None,
            line: setup.wish.source_stream(),
            rewriter: Rewriter::new(setup.first_sequence),
            pictures: None,
            filter: (setup.wish.within_stream || setup.descriptors)
                .then(|| Box::new(LayerFilter::new(setup.descriptors))),
            payload_types,
            counts: OutgoingCounts::default(),
            history: SentHistory::new(if setup.nack { history_max } else { 0 }),
            rate: ByteRate::default(),
            index,
            source: SourceId { producer: setup.producer, stream: setup.wish.source_stream() },
            paused: setup.paused,
            ssrc: setup.ssrc,
            rtx_ssrc: setup.rtx_ssrc,
            rid: setup.rid,
            cname: setup.cname,
            next_rtx_sequence: setup.first_rtx_sequence,
            report: ViewerReport::default(),
            score: Score::new(),
            wish: setup.wish,
            preferred: setup.wish,
            portion: Portion::default(),
            told_layers: None,
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
                self.start(packet, cx);
                true
            }
            Flow::Flowing { .. } if self.next_stream == Some(packet.source.stream) && self.can_start_with(packet) => {
                self.start(packet, cx);
                true
            }
            _ => false,
        }
    }

    /// Begins to follow the packet's source with it.
    fn start<O: Output>(&mut self, packet: &SourcePacket<'_>, cx: &mut Context<'_, O>) {
        let lines = packet.on_other_lines.filter(|_| self.line != packet.source.stream);
        let on_line_before = lines.and_then(|lines| *lines.get(usize::from(self.line))?);
        self.follow(packet, on_line_before, cx);
    }

    /// Begins to follow the packet's source with it, whose instant is called `on_line_before` in the timestamps of what
    /// the viewer was sent last.
    fn follow<O: Output>(&mut self, packet: &SourcePacket<'_>, on_line_before: Option<u32>, cx: &mut Context<'_, O>) {
        self.line = packet.source.stream;
        self.source = packet.source;
        self.flow = Flow::Flowing { source: packet.source };
        self.next_stream = None;
        self.temporal_layer = self.wish.passes();
        let (index, timestamp, clock_rate) = (packet.index, packet.timestamp, packet.clock_rate);
        self.rewriter.start(&Start { index, timestamp, on_line_before, clock_rate }, cx.now.at);
        if let Some(pictures) = &mut self.pictures {
            pictures.start(&packet.packet.meta().picture.numbers);
        }
        if let Some(filter) = &mut self.filter {
            filter.start(packet);
        }
        self.send(packet, cx);
        // Which layers of a stream the key picture has shows only as it goes on: they are told with the next one.
        if !self.wish.within_stream {
            self.tell_layers(cx);
        }
    }

    /// Begins to follow another producer with its `packet`. False where the viewer waits for nothing or does not take it.
    pub(crate) fn begin<O: Output>(
        &mut self,
        packet: &SourcePacket<'_>,
        on_line_before: Option<u32>,
        cx: &mut Context<'_, O>,
    ) -> bool {
        let begins = self.flow != Flow::Stopped && self.can_start_with(packet);
        if begins {
            self.follow(packet, on_line_before, cx);
        }
        begins
    }

    /// Views another producer from now on, beginning with a packet that a viewer can start with. The numbers of what
    /// was sent go on; it cannot be sent again.
    pub(crate) fn adopt(&mut self, source: SourceId, payload_types: PayloadTable, wish: Wish) {
        if self.flow != Flow::Stopped {
            self.flow = Flow::Waiting { source };
        }
        self.source = source;
        self.next_stream = None;
        self.line = NO_LINE;
        self.payload_types = payload_types;
        (self.wish, self.preferred) = (wish, wish);
        self.portion.share.reset();
        self.temporal_layer = wish.passes();
        self.history.clear();
        if wish.within_stream && self.filter.is_none() {
            self.filter = Some(Box::new(LayerFilter::new(false)));
        }
    }

    /// The stream that its timestamps are taken from.
    pub(crate) fn line(&self) -> u8 {
        self.line
    }

    /// Whether and from where media flows.
    pub(crate) fn flow(&self) -> Flow {
        self.flow
    }

    /// Nothing is sent until [`wait`](Self::wait).
    pub(crate) fn stop<O: Output>(&mut self, cx: &mut Context<'_, O>) {
        self.flow = Flow::Stopped;
        self.next_stream = None;
        self.tell_layers(cx);
    }

    /// Goes to `stream` of the same producer: at once while nothing is sent, with its next key frame otherwise. True
    /// when a key frame of it is awaited that was not before.
    pub(crate) fn go_to(&mut self, stream: u8) -> bool {
        let SourceId { producer, stream: current } = self.source;
        let (flow, next) = match self.flow {
            Flow::Flowing { .. } if stream == current => (self.flow, None),
            Flow::Flowing { .. } => (self.flow, Some(stream)),
            Flow::Waiting { .. } => (Flow::Waiting { source: SourceId { producer, stream } }, None),
            Flow::Stopped => (Flow::Stopped, None),
        };
        if !matches!(flow, Flow::Flowing { .. }) {
            self.source.stream = stream;
        }
        let mut awaits_more = flow != self.flow || (next.is_some() && next != self.next_stream);
        if let (Some(filter), Flow::Flowing { .. }) = (self.layer_filter(), flow) {
            awaits_more |= filter.needs_key_picture(self.wish);
        }
        (self.flow, self.next_stream) = (flow, next);
        awaits_more
    }

    /// The streams that it gets, waits for, or asks for: bit n for stream n. What is asked for counts though the line may not
    /// carry it: whether it does is only found out by what comes.
    pub(crate) fn taken_streams(&self) -> u8 {
        let source = match self.flow {
            Flow::Waiting { source } | Flow::Flowing { source } => source,
            Flow::Stopped => return 0,
        };
        1 << source.stream | 1 << self.preferred.source_stream() | self.next_stream.map_or(0, |next| 1 << next)
    }

    /// Tells whether a key frame of `stream` is awaited.
    pub(crate) fn awaits(&self, stream: u8) -> bool {
        match self.flow {
            Flow::Waiting { source } => source.stream == stream,
            Flow::Flowing { .. } => self.next_stream == Some(stream),
            Flow::Stopped => false,
        }
    }

    /// Sets the layers that the application prefers at most. The viewer gets them as far as its line has room for them.
    pub(crate) fn prefer<O: Output>(&mut self, wish: Wish, cx: &mut Context<'_, O>) {
        self.preferred = wish;
        self.wish_for(self.portion.within(wish), cx);
    }

    /// Sets the layers that the viewer gets at most. A lower temporal layer than so far is kept to at once, a higher
    /// one begins where its pictures allow it.
    pub(crate) fn wish_for<O: Output>(&mut self, wish: Wish, cx: &mut Context<'_, O>) {
        self.wish = wish;
        self.temporal_layer = self.temporal_layer.min(wish.passes());
        self.tell_layers(cx);
    }

    /// Tells whether a key frame should be asked for because the layer that was sent is gone.
    pub(crate) fn is_stuck(&self) -> bool {
        self.layer_filter().is_some_and(LayerFilter::is_stuck)
    }

    /// What decides about the layers of the stream, if it has several.
    fn layer_filter(&self) -> Option<&LayerFilter> {
        self.filter.as_deref().filter(|_| self.wish.within_stream)
    }

    /// The layers that are sent; `None` where nothing is.
    pub(crate) fn current_layers(&self) -> Option<Layers> {
        let Flow::Flowing { source } = self.flow else { return None };
        if let Some(filter) = self.layer_filter() {
            let Layers { spatial_layer, temporal_layer } = filter.layers();
            return Some(Layers { spatial_layer, temporal_layer: temporal_layer.min(self.wish.temporal_layer_max) });
        }
        let temporal_layer = self.temporal_layer.min(self.wish.temporal_layer_max);
        Some(Layers { spatial_layer: source.stream, temporal_layer })
    }

    /// The layers that are sent, or will be from the next key frame on; `None` while the flow is stopped.
    pub(crate) fn target_layers(&self) -> Option<Layers> {
        let spatial_layer = match self.wish.within_stream {
            true => self.wish.spatial_layer,
            false => self.next_stream.unwrap_or(self.source.stream),
        };
        let is_wanted = self.flow != Flow::Stopped;
        is_wanted.then_some(Layers { spatial_layer, temporal_layer: self.wish.layers().temporal_layer })
    }

    /// Tells the application which layers are sent, if that changed and there is a choice at all.
    pub(crate) fn tell_layers<O: Output>(&mut self, cx: &mut Context<'_, O>) {
        let layers = self.current_layers().filter(|_| self.wish.has_choice || self.portion.was_shed);
        if layers != self.told_layers {
            self.told_layers = layers;
            cx.out.event(RouterEvent::ConsumerLayers { consumer: self.index, layers });
        }
    }

    /// Fits what is sent again to its part of the line to the viewer, in bit/s.
    pub(crate) fn fit_resends(&mut self, bitrate: u64) {
        self.history.fit_budget(bitrate);
    }

    /// On the way to another stream nothing more is sent of the one so far.
    pub(crate) fn leave_stream(&mut self) {
        if self.next_stream.is_some() {
            self.wait();
        }
    }

    /// The flow begins, or begins again, at the next packet of the source that a viewer can start with.
    pub(crate) fn wait(&mut self) {
        self.source.stream = self.next_stream.take().unwrap_or(self.source.stream);
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
        let rewrite = self.retransmission(&sent, types);
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

    /// Sends a packet of late once more although nobody asked for it: the viewer's feedback tells what the line carries.
    /// Returns its size; `None` where nothing can be sent again.
    pub(crate) fn pad<O: Output>(&mut self, streams: &[IncomingStream], cx: &mut Context<'_, O>) -> Option<usize> {
        self.rtx_ssrc?;
        let sent = self.history.next_padding()?;
        let cached = streams.get(usize::from(sent.stream))?.cache.find(sent.index)?;
        let types = self.payload_types[usize::from(cached.codec)].filter(|types| types.viewer_rtx.is_some())?;
        let rewrite = Rewrite { priority: Priority::Padding, ..self.retransmission(&sent, types) };
        cx.out.send_rtp(self.session, &cached.packet, &rewrite);
        Some(cached.packet.bytes().len())
    }

    /// Name of its stream in the viewer's transport.
    pub(crate) const fn outgoing(&self) -> OutgoingStreamId {
        self.outgoing
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
        let mut marker = meta.marker;
        if source.sieve > self.temporal_layer {
            match self.look_at(source, cx) {
                Verdict::Send { ends_picture } => marker |= ends_picture,
                Verdict::LeaveOut => return,
            }
        }
        // A packet of padding only would cost a number; one whose number is taken must go out, or a hole stays.
        if meta.payload_len == 0 && self.rewriter.skip(source.index) {
            return;
        }
        let Some(sequence) = self.rewriter.sequence(source.index) else { return };
        let rewrite = Rewrite {
            stream: self.outgoing,
            payload_type: types.viewer,
            marker,
            sequence,
            timestamp: self.rewriter.timestamp(source.timestamp),
            original_sequence: None,
            picture: self.picture_edit(source),
            priority: self.priority,
        };
        self.note_sent(source, &rewrite, cx);
        cx.out.send_rtp(self.session, source.packet, &rewrite);
    }

    /// Decides about a packet that does not pass without a look: of a higher temporal layer, of a stream with layers in
    /// itself, without sound. One whose number is taken goes out, or a hole stays.
    #[cold]
    fn look_at<O: Output>(&mut self, source: &SourcePacket<'_>, cx: &mut Context<'_, O>) -> Verdict {
        let picture = &source.packet.meta().picture;
        let passes = Verdict::Send { ends_picture: false };
        if source.packet.meta().payload_len == 0 {
            return passes;
        }
        let mut verdict = Verdict::LeaveOut;
        if let Some(filter) = self.filter.as_mut().filter(|_| self.wish.within_stream) {
            let begins = filter.is_next_picture(source.timestamp);
            verdict = filter.judge(picture, source.timestamp, self.wish);
            // Whether a key picture has all the layers shows at its end.
            if begins && !filter.is_in_key_picture() {
                self.tell_layers(cx);
            }
        } else if picture.flags.has(PictureFlags::SWITCHES_UP) && picture.temporal_layer <= self.wish.temporal_layer {
            self.temporal_layer = picture.temporal_layer;
            self.tell_layers(cx);
            return passes;
        }
        if verdict != Verdict::LeaveOut {
            return verdict;
        }
        if !self.rewriter.skip(source.index) {
            return passes;
        }
        let is_whole = picture.spatial_layer == 0 && !picture.flags.has(PictureFlags::IDS_REFER);
        if let Some(pictures) = self.pictures.as_mut().filter(|_| is_whole) {
            pictures.skip(&picture.numbers);
        }
        Verdict::LeaveOut
    }

    /// What to write over the packet's picture numbers.
    #[inline]
    fn picture_edit(&mut self, source: &SourcePacket<'_>) -> Option<PictureEdit> {
        let numbers = &source.packet.meta().picture.numbers;
        if !numbers.has_id() {
            let filter = self.filter.as_mut()?;
            return filter.descriptor_edit(source, self.wish).map(PictureEdit::Descriptor);
        }
        let pictures = self.pictures.get_or_insert_with(|| Box::new(Pictures::new(numbers)));
        pictures.map(numbers).map(PictureEdit::Numbers)
    }

    #[inline]
    fn note_sent<O: Output>(&mut self, source: &SourcePacket<'_>, rewrite: &Rewrite, cx: &mut Context<'_, O>) {
        let bytes = source.packet.bytes().len();
        self.rewriter.note_sent(rewrite.sequence, rewrite.timestamp, cx.now.at);
        self.history.record(rewrite, source.source.stream, source.index);
        if self.pictures.is_some() || self.filter.is_some() {
            self.history.record_edit(rewrite.sequence, rewrite.picture);
        }
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

    fn retransmission(&mut self, sent: &Sent, types: PayloadTypes) -> Rewrite {
        let again = Rewrite {
            stream: self.outgoing,
            payload_type: types.viewer,
            marker: sent.marker.unwrap_or_default(),
            sequence: sent.sequence,
            timestamp: sent.timestamp,
            original_sequence: None,
            picture: self.history.edit(sent.sequence),
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
