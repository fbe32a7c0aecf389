//! One source of media that a peer publishes: its streams, and the way of its packets to the viewers.

use std::time::Duration;

use millrace_model::MediaKind;
use millrace_packet::meta::VideoOrientation;
use millrace_packet::rtx::{self, OriginalStream};
use millrace_packet::{ExtensionIds, ExtensionKind, PacketMut, PacketRef, PictureFlags, RtpMeta};

use crate::cache::{self, PacketCache};
use crate::consumer::{Consumer, Flow};
use crate::context::Context;
use crate::events::{ConsumerScore, Direction, RouterEvent, StreamScore, Trace, TraceKinds, TracedPacket};
use crate::levels::Levels;
use crate::nack::NackGenerator;
use crate::reception::Arrival as PacketArrival;
use crate::relay::Relay;
use crate::replace::{Arrival, Opening};
use crate::session::{Role, Route};
use crate::setup::{CodecSetup, ProducerSetup, STREAMS_PER_PRODUCER_MAX};
use crate::source::{DTX, SourceId, SourcePacket};
use crate::spatial::SIEVE;
use crate::stream_in::{Accepted, IncomingStream, Rejected};
use crate::timers::Task;
use crate::wanted::Wanted;
use crate::{Output, ProducerIndex, SessionId};

/// How often score, silence and cache age of a stream are looked at while packets come.
pub(crate) const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Packets after its first one that a viewer is given at once, when they overtook the start of the key frame. More
/// than that is repaired by NACK.
const CATCH_UP_PACKETS_MAX: u64 = 64;

/// A producer and, next to each other, all its consumers.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) index: ProducerIndex,
    pub(crate) session: SessionId,
    /// SSRC of our feedback in that session.
    pub(crate) feedback_ssrc: u32,
    pub(crate) kind: MediaKind,
    pub(crate) mid: Option<String>,
    pub(crate) extensions: ExtensionIds,
    pub(crate) codecs: Vec<CodecSetup>,
    pub(crate) paused: bool,
    pub(crate) layers_within_stream: bool,
    pub(crate) streams: Vec<IncomingStream>,
    pub(crate) consumers: Vec<Consumer>,
    /// Viewers of other producers that wait for a key frame of this one.
    pub(crate) arrivals: Vec<Arrival>,
    /// Places of selectors that it owns.
    pub(crate) relays: Vec<Relay>,
    pub(crate) trace: TraceKinds,
    pub(crate) wanted: Wanted,
    /// While somebody observes it.
    pub(crate) levels: Option<Box<Levels>>,
    orientation: Option<VideoOrientation>,
}

/// What became of a packet that its stream accepted.
struct Received {
    codec: usize,
    is_first: bool,
    accepted: Accepted,
}

impl Producer {
    /// A producer as its setup says, whose feedback comes from `feedback_ssrc`.
    pub(crate) fn new(index: ProducerIndex, setup: ProducerSetup, feedback_ssrc: u32) -> Self {
        let packets_max = match setup.kind {
            MediaKind::Audio => cache::AUDIO_PACKETS_MAX,
            MediaKind::Video => cache::VIDEO_PACKETS_MAX,
        };
        let nack = setup.codecs.iter().any(|codec| codec.feedback.nack);
        let delay = setup.key_frame_request_delay;
        let streams = setup.streams.into_iter();
        Self {
            index,
            session: setup.session,
            feedback_ssrc,
            kind: setup.kind,
            mid: setup.mid,
            extensions: setup.extensions,
            codecs: setup.codecs,
            paused: setup.paused,
            layers_within_stream: setup.layers_within_stream,
            streams: streams
                .map(|stream| IncomingStream::new(stream, PacketCache::new(packets_max), nack, delay))
                .collect(),
            consumers: Vec::new(),
            arrivals: Vec::new(),
            relays: Vec::new(),
            trace: TraceKinds::NONE,
            wanted: Wanted::default(),
            levels: None,
            orientation: None,
        }
    }

    /// Takes a packet of one of its streams: counts it, unwraps a retransmission, keeps it and sends it to the viewers.
    /// Returns it where others than its viewers take it. `meta` is completed by what the payload tells.
    pub(crate) fn handle_rtp<O: Output>(
        &mut self,
        route: Route,
        mut packet: PacketMut,
        meta: &mut RtpMeta,
        cx: &mut Context<'_, O>,
    ) -> Option<Opening> {
        let received = self.receive(route, &mut packet, meta, cx)?;
        self.trace_received(route, packet.bytes().len(), meta, cx);
        self.note_arrival(route.source.stream, &received, meta, cx);
        self.note_orientation(packet.bytes(), meta, cx);
        if self.paused {
            return None;
        }
        self.note_level(packet.bytes(), meta, cx);
        let starts = self.forward(route.source.stream, packet.freeze(*meta), &received, cx);
        let opening = Opening { stream: route.source.stream, index: received.accepted.index, starts };
        ((starts && !self.arrivals.is_empty()) || self.has_relays()).then_some(opening)
    }

    /// Takes a packet that another producer of the router received, with numbers of its only stream.
    pub(crate) fn handle_relayed<O: Output>(&mut self, packet: PacketRef, meta: &RtpMeta, cx: &mut Context<'_, O>) {
        let Some(codec) = self.codecs.iter().position(|codec| codec.payload_type == meta.payload_type) else { return };
        let Some(stream) = self.streams.first_mut() else { return };
        let (is_first, clock_rate) = (stream.reception.is_none(), self.codecs[codec].clock_rate);
        let arrival = PacketArrival { bytes: packet.bytes().len(), codec: codec as u8, clock_rate };
        let Ok(accepted) = stream.receive(meta, arrival, false, cx.now) else { return };
        let meta = RtpMeta { ssrc: stream.ssrc.unwrap_or_default(), ..*meta };
        let received = Received { codec, is_first, accepted };
        let route = Route { source: self.source(0), role: Role::Media };
        self.trace_received(route, packet.bytes().len(), &meta, cx);
        self.note_arrival(0, &received, &meta, cx);
        if !self.paused {
            self.note_level(packet.bytes(), &meta, cx);
            self.forward(0, packet, &received, cx);
        }
    }

    /// Tells whether a stream has this RID.
    pub(crate) fn has_rid(&self, rid: &str) -> bool {
        self.streams.iter().any(|stream| stream.rid.as_deref() == Some(rid))
    }

    /// What packets of `payload_type` carry; `None` for undeclared ones (case R10).
    pub(crate) fn role_of(&self, payload_type: u8) -> Option<Role> {
        self.codecs.iter().find_map(|codec| match payload_type {
            media if media == codec.payload_type => Some(Role::Media),
            rtx if Some(rtx) == codec.rtx_payload_type => Some(Role::Rtx),
            _ => None,
        })
    }

    /// The stream that an unknown SSRC may be given to: the one with `rid`, or the only one, if it has no SSRC yet.
    pub(crate) fn unbound_stream(&self, role: Role, rid: Option<&str>) -> Option<u8> {
        let place = match rid {
            Some(rid) if self.streams.iter().any(|stream| stream.rid.is_some()) => {
                self.streams.iter().position(|stream| stream.rid.as_deref() == Some(rid))?
            }
            _ if self.streams.len() == 1 => 0,
            _ => return None,
        };
        let stream = &self.streams[place];
        let ssrc = if role == Role::Rtx { stream.rtx_ssrc } else { stream.ssrc };
        ssrc.is_none().then_some(place as u8)
    }

    /// Gives an SSRC to the stream of `route`.
    pub(crate) fn bind(&mut self, route: Route, ssrc: u32) {
        let Some(stream) = self.streams.get_mut(usize::from(route.source.stream)) else { return };
        match route.role {
            Role::Media => stream.ssrc = Some(ssrc),
            Role::Rtx => stream.rtx_ssrc = Some(ssrc),
        }
    }

    /// Scores of the streams that were heard of.
    pub(crate) fn scores(&self) -> Vec<StreamScore> {
        let heard = self.streams.iter().zip(0u8..).filter(|(stream, _)| stream.reception.is_some());
        heard
            .filter_map(|(stream, place)| {
                let (rid, score) = (stream.rid.clone(), stream.score.value());
                Some(StreamScore { stream: place, ssrc: stream.ssrc?, rid, score })
            })
            .collect()
    }

    /// Scores of the consumer at `position`.
    pub(crate) fn consumer_score(&self, position: usize) -> ConsumerScore {
        let Some(consumer) = self.consumers.get(position) else { return ConsumerScore::default() };
        let producer_scores: Vec<u8> = self.streams.iter().map(IncomingStream::heard_score).collect();
        let producer_score = producer_scores.get(usize::from(consumer.source.stream)).copied().unwrap_or_default();
        ConsumerScore { score: consumer.score.value(), producer_score, producer_scores }
    }

    /// Tells the application and all viewers about changed scores.
    pub(crate) fn announce_scores<O: Output>(&self, cx: &mut Context<'_, O>) {
        cx.out.event(RouterEvent::ProducerScore { producer: self.index, scores: self.scores() });
        for (position, consumer) in self.consumers.iter().enumerate() {
            let score = self.consumer_score(position);
            cx.out.event(RouterEvent::ConsumerScore { consumer: consumer.index, score });
        }
    }

    /// Says `trace` if one of `kinds` is wanted.
    pub(crate) fn trace<O: Output>(&self, kinds: TraceKinds, trace: Trace, cx: &mut Context<'_, O>) {
        if self.trace.wants(kinds) {
            cx.out.event(RouterEvent::ProducerTrace { producer: self.index, trace });
        }
    }

    /// Tells whether a viewer waits for a packet of `stream` to start with.
    pub(crate) fn is_awaited(&self, stream: u8) -> bool {
        self.consumers.iter().any(|consumer| consumer.awaits(stream)) || self.is_awaited_by_arrivals(stream)
    }

    /// Its streams that somebody gets, or waits for: bit n for stream n.
    pub(crate) fn taken_streams(&self) -> u8 {
        let arriving = (0..self.streams.len() as u8).filter(|&stream| self.is_awaited_by_arrivals(stream));
        let arriving = arriving.fold(0, |taken, stream| taken | 1 << stream);
        self.consumers.iter().fold(arriving, |taken, consumer| taken | consumer.taken_streams())
    }

    /// Makes the viewers of `stream` that get packets wait for a new start.
    pub(crate) fn restart_consumers(&mut self, stream: u8) {
        let flowing = Flow::Flowing { source: self.source(stream) };
        self.consumers.iter_mut().filter(|consumer| consumer.flow() == flowing).for_each(Consumer::wait);
    }

    /// The codec of the newest packet of `stream`, or the first one declared.
    pub(crate) fn current_codec(&self, stream: &IncomingStream) -> Option<&CodecSetup> {
        let codec = stream.reception.as_ref().map_or(0, |reception| usize::from(reception.codec));
        self.codecs.get(codec)
    }

    fn source(&self, stream: u8) -> SourceId {
        SourceId { producer: self.index, stream }
    }

    fn receive<O: Output>(
        &mut self,
        route: Route,
        packet: &mut PacketMut,
        meta: &mut RtpMeta,
        cx: &mut Context<'_, O>,
    ) -> Option<Received> {
        let payload_type_of = |codec: &CodecSetup| match route.role {
            Role::Media => Some(codec.payload_type),
            Role::Rtx => codec.rtx_payload_type,
        };
        let Some(codec) = self.codecs.iter().position(|codec| payload_type_of(codec) == Some(meta.payload_type)) else {
            cx.counters.rtp_packets_dropped_unknown_payload_type += 1;
            return None;
        };
        let stream = self.streams.get_mut(usize::from(route.source.stream))?;
        let is_first = stream.reception.is_none();
        let setup = &self.codecs[codec];
        let placed = match route.role {
            Role::Media => {
                let arrival =
                    PacketArrival { bytes: packet.bytes().len(), codec: codec as u8, clock_rate: setup.clock_rate };
                stream.receive(meta, arrival, !self.paused, cx.now)
            }
            Role::Rtx => {
                let original =
                    OriginalStream { ssrc: stream.ssrc.unwrap_or_default(), payload_type: setup.payload_type };
                match rtx::decapsulate(packet, meta, original) {
                    Ok(unwrapped) => {
                        *meta = unwrapped;
                        stream.receive_retransmission(meta, cx.now)
                    }
                    Err(_) => Err(Rejected::OutOfRange),
                }
            }
        };
        match placed {
            Ok(accepted) => {
                if !stream.read_picture(setup, packet.bytes(), meta) {
                    cx.counters.dependency_descriptors_unread += 1;
                }
                let (picture, bytes) = (&meta.picture, packet.bytes().len());
                stream.layer_rates.add(picture.spatial_layer, picture.temporal_layer, bytes, cx.now.ms);
                stream.note_layer(meta, bytes, cx.now);
                Some(Received { codec, is_first, accepted })
            }
            Err(rejected) => {
                count_rejected(route.role, rejected, cx);
                None
            }
        }
    }

    /// Everything that a packet changes besides being sent on.
    fn note_arrival<O: Output>(&mut self, place: u8, received: &Received, meta: &RtpMeta, cx: &mut Context<'_, O>) {
        let (index, session) = (self.index, self.session);
        let Some(stream) = self.streams.get_mut(usize::from(place)) else { return };
        if stream.nack_alarm.is_off()
            && let Some(due) = stream.nack.as_ref().and_then(NackGenerator::deadline)
        {
            stream.nack_alarm.set(Some(due), Task::Nack(index, place), cx.timers);
        }
        if received.accepted.repaired {
            cx.counters.rtp_packets_repaired += 1;
        }
        cx.counters.rtp_packets_given_up += received.accepted.given_up as u64;
        if !stream.unreported {
            stream.unreported = true;
            cx.awake.push(session);
        }
        self.note_activity(place, cx);
        self.note_key_frame_state(place, received, meta.key_frame, cx);
    }

    /// Starts the upkeep of a stream that was silent.
    fn note_activity<O: Output>(&mut self, place: u8, cx: &mut Context<'_, O>) {
        let task = Task::Upkeep(self.index, place);
        let Some(stream) = self.streams.get_mut(usize::from(place)) else { return };
        let Some(reception) = stream.reception.as_mut().filter(|reception| !reception.active) else { return };
        let is_first = !std::mem::replace(&mut reception.heard, true);
        reception.active = true;
        stream.upkeep_alarm.set(Some(cx.now.at + UPKEEP_INTERVAL), task, cx.timers);
        if stream.score.set_active().is_some() || is_first {
            self.announce_scores(cx);
        }
        self.choose_layers(cx);
    }

    fn note_key_frame_state<O: Output>(
        &mut self,
        place: u8,
        received: &Received,
        is_key_frame: bool,
        cx: &mut Context<'_, O>,
    ) {
        if self.kind != MediaKind::Video {
            return;
        }
        if received.accepted.restarted {
            cx.counters.rtp_streams_restarted += 1;
            self.restart_consumers(place);
        }
        let Some(stream) = self.streams.get_mut(usize::from(place)) else { return };
        if is_key_frame {
            stream.key_frames.note_key_frame();
            return;
        }
        let given_up = received.accepted.given_up > 0;
        let asked_too_early = received.is_first || stream.key_frames.has_given_up();
        if given_up || received.accepted.restarted || (asked_too_early && self.is_awaited(place)) {
            self.wish_key_frame(place, cx);
        }
    }

    fn note_orientation<O: Output>(&mut self, bytes: &[u8], meta: &RtpMeta, cx: &mut Context<'_, O>) {
        let Some(orientation) = meta.video_orientation(bytes) else { return };
        if self.orientation.replace(orientation) != Some(orientation) {
            cx.out.event(RouterEvent::VideoOrientation { producer: self.index, orientation });
        }
    }

    fn note_level<O: Output>(&mut self, bytes: &[u8], meta: &RtpMeta, cx: &Context<'_, O>) {
        if let Some(levels) = &mut self.levels
            && let Some(level) = meta.audio_level(bytes)
        {
            levels.note(level, cx.now.ms);
        }
    }

    /// Sends a packet to the viewers. Tells whether one may start with it.
    fn forward<O: Output>(
        &mut self,
        place: u8,
        packet: PacketRef,
        received: &Received,
        cx: &mut Context<'_, O>,
    ) -> bool {
        let source = self.source(place);
        let Some(setup) = self.codecs.get(received.codec) else { return false };
        let meta = packet.meta();
        let lines = self.other_lines(place, received, meta.key_frame, setup.clock_rate);
        let Some(stream) = self.streams.get_mut(usize::from(place)) else { return false };
        let Accepted { index, timestamp, .. } = received.accepted;
        let is_told = setup.reads_descriptor && meta.extension(ExtensionKind::DependencyDescriptor).is_some();
        let can_wait = setup.video_codec.is_some() || is_told;
        let is_layered = self.layers_within_stream;
        let starts = meta.payload_len > 0 && (meta.key_frame || !can_wait);
        let starts_frame = meta.picture.flags.has(PictureFlags::STARTS);
        let codec = received.codec as u8;
        let forwarded = SourcePacket {
            source,
            packet: &packet,
            index,
            timestamp,
            codec,
            clock_rate: setup.clock_rate,
            starts,
            sieve: sieve(meta, setup, is_layered),
            dependency: stream.dependency.as_deref(),
            on_other_lines: lines.as_ref(),
        };
        let highest = stream.highest();
        for consumer in &mut self.consumers {
            let started = consumer.handle_packet(&forwarded, cx);
            if started && index < highest {
                catch_up(consumer, &forwarded, setup, stream, cx);
            }
        }
        stream.cache.insert(index, timestamp, codec, packet, cx.now.at);
        if is_layered && starts_frame && self.consumers.iter().any(Consumer::is_stuck) {
            self.wish_key_frame(place, cx);
        }
        starts
    }

    /// The instant of a key frame in the timestamps of every stream, by their sender reports.
    fn other_lines(
        &self,
        place: u8,
        received: &Received,
        is_key_frame: bool,
        clock_rate: u32,
    ) -> Option<[Option<u32>; STREAMS_PER_PRODUCER_MAX]> {
        if self.streams.len() < 2 || !is_key_frame {
            return None;
        }
        let own = self.streams.get(usize::from(place))?.sender_report?;
        let time = own.time_of(received.accepted.timestamp, clock_rate);
        let mut lines = [None; STREAMS_PER_PRODUCER_MAX];
        for (line, stream) in lines.iter_mut().zip(&self.streams) {
            *line = stream.sender_report.map(|report| report.timestamp_at(time, clock_rate));
        }
        Some(lines)
    }

    fn trace_received<O: Output>(&self, route: Route, size: usize, meta: &RtpMeta, cx: &mut Context<'_, O>) {
        if self.trace == TraceKinds::NONE {
            return;
        }
        let packet = TracedPacket {
            ssrc: meta.ssrc,
            payload_type: meta.payload_type,
            sequence: meta.sequence,
            timestamp: meta.timestamp,
            marker: meta.marker,
            key_frame: meta.key_frame,
            rtx: route.role == Role::Rtx,
            size,
            payload_size: usize::from(meta.payload_len),
        };
        let direction = Direction::In;
        if meta.key_frame && self.trace.wants(TraceKinds::KEY_FRAME) {
            self.trace(TraceKinds::KEY_FRAME, Trace::KeyFrame { direction, packet }, cx);
        } else {
            self.trace(TraceKinds::RTP, Trace::Rtp { direction, packet }, cx);
        }
    }
}

/// Gives a consumer that started with `first` the packets that overtook it, from the cache.
pub(crate) fn catch_up<O: Output>(
    consumer: &mut Consumer,
    first: &SourcePacket<'_>,
    setup: &CodecSetup,
    stream: &IncomingStream,
    cx: &mut Context<'_, O>,
) {
    let last = stream.highest().min(first.index + CATCH_UP_PACKETS_MAX);
    for index in first.index + 1..=last {
        let Some(cached) = stream.cache.find(index as u32) else { continue };
        let (packet, timestamp, codec) = (&cached.packet, cached.timestamp, cached.codec);
        let sieve = sieve(packet.meta(), setup, first.sieve == SIEVE);
        consumer.handle_packet(&SourcePacket { packet, index, timestamp, codec, sieve, ..*first }, cx);
    }
}

/// Where a packet stands among what viewers pass without a look.
pub(crate) fn sieve(meta: &RtpMeta, codec: &CodecSetup, is_layered: bool) -> u8 {
    match meta.payload_len {
        1 if codec.dtx => DTX,
        _ if is_layered => SIEVE,
        _ => meta.picture.temporal_layer,
    }
}

fn count_rejected<O>(role: Role, rejected: Rejected, cx: &mut Context<'_, O>) {
    match (role, rejected) {
        (Role::Rtx, _) => cx.counters.rtx_packets_dropped += 1,
        (Role::Media, Rejected::Duplicate) => cx.counters.rtp_packets_dropped_duplicate += 1,
        (Role::Media, Rejected::OutOfRange) => cx.counters.rtp_packets_dropped_out_of_range += 1,
    }
}
