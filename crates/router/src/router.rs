//! The router: sessions, producers and consumers, and the walk of a packet between them.

use std::time::Instant;

use millrace_model::{Counters, WallClock};
use millrace_packet::{PacketMut, RtpMeta, rtp};
use slab::Slab;

use crate::consumer::{Consumer, Flow};
use crate::context::Context;
use crate::distribution::{Scratch, Thrift};
use crate::events::{ConsumerScore, StreamScore, TraceKinds};
use crate::layers::{Layers, Wish};
use crate::observer::Observer;
use crate::producer::Producer;
use crate::session::{Route, Session, late_route, merged_extensions};
use crate::setup::{
    CODECS_PER_PRODUCER_MAX, ConsumeError, ConsumerSetup, ProduceError, ProducerSetup, STREAMS_PER_PRODUCER_MAX,
    SessionSetup,
};
use crate::source::SourceId;
use crate::timers::{Moment, Task, Timers};
use crate::{ConsumerIndex, Output, ProducerIndex, SessionId};

/// An SFU: it takes what publishers send and gives it to viewers with numbers of their own.
///
/// Everything is told: the time with every call, packets by [`handle_rtp`](Self::handle_rtp) and
/// [`handle_rtcp`](Self::handle_rtcp), the passing of [`deadline`](Self::deadline) by
/// [`handle_timeout`](Self::handle_timeout). Whatever it wants done goes to the [`Output`] of the call.
#[derive(Debug)]
pub struct Router {
    pub(crate) clock: WallClock,
    pub(crate) origin: Instant,
    pub(crate) sessions: Slab<Session>,
    pub(crate) producers: Slab<Producer>,
    pub(crate) consumers: Slab<Place>,
    pub(crate) observers: Slab<Observer>,
    pub(crate) timers: Timers,
    pub(crate) thrift: Thrift,
    pub(crate) scratch: Scratch,
    /// Scratch of one call; empty between calls.
    awake: Vec<SessionId>,
}

/// Where a consumer stands: consumers of a producer lie next to each other inside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) producer: ProducerIndex,
    pub(crate) position: usize,
    /// The producer whose key frame it waits for, to move there.
    pub(crate) next: Option<ProducerIndex>,
}

/// What ended with a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosedSession {
    /// Its producers.
    pub producers: Vec<ProducerIndex>,
    /// Its consumers.
    pub consumers: Vec<ConsumerIndex>,
    /// Consumers of other sessions that viewed its producers.
    pub orphans: Vec<ConsumerIndex>,
}

/// Media path.
impl Router {
    /// Takes an authenticated RTP packet of a session's peer: to be counted, kept and sent to the viewers.
    ///
    /// A packet that fits nothing is counted and dropped. Cost: one hash lookup and, per viewer, the rewriting of a few
    /// numbers; no allocation.
    pub fn handle_rtp(&mut self, session: SessionId, packet: PacketMut, now: Instant, out: &mut impl Output) {
        let now = self.moment(now);
        let Some((route, mut meta)) = self.identify(session, &packet, now, out) else { return };
        let producer = route.source.producer;
        let opening =
            self.with_producer(producer, now, out, |producer, cx| producer.handle_rtp(route, packet, &mut meta, cx));
        if let Some(opening) = opening.flatten() {
            if opening.starts {
                self.admit(producer, opening, now, out);
            }
            self.relay(producer, opening, now, out);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called next; `None` while nothing is due at all.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.deadline()
    }

    /// Does what is due at `now`: reports, feedback, requests for lost packets and key frames, scores.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut impl Output) {
        while let Some((at, task)) = self.timers.pop(now) {
            self.run(task, at, now, out);
        }
    }

    /// The counters of a session; `None` when it is closed.
    pub fn counters(&self, session: SessionId) -> Option<&Counters> {
        Some(&self.sessions.get(session.0 as usize)?.counters)
    }
}

/// Sessions.
impl Router {
    /// Makes a router without sessions. `clock` maps time to NTP; `now` is the start of its own time.
    pub fn new(clock: WallClock, now: Instant) -> Self {
        Self {
            clock,
            origin: now,
            sessions: Slab::new(),
            producers: Slab::new(),
            consumers: Slab::new(),
            observers: Slab::new(),
            timers: Timers::default(),
            thrift: Thrift::default(),
            scratch: Scratch::default(),
            awake: Vec::new(),
        }
    }

    /// Adds a session. Its consumers get nothing before [`connect_session`](Self::connect_session).
    pub fn add_session(&mut self, setup: SessionSetup) -> SessionId {
        SessionId(self.sessions.insert(Session::new(setup)) as u32)
    }

    /// Says that the session's transport can send: its consumers start, with a key frame each. Saying it again changes
    /// nothing.
    pub fn connect_session(&mut self, session: SessionId, now: Instant, out: &mut impl Output) {
        let Some(state) = self.sessions.get_mut(session.0 as usize) else { return };
        if std::mem::replace(&mut state.connected, true) {
            return;
        }
        for consumer in state.consumers.clone() {
            self.start_consumer(consumer, now, out);
        }
    }

    /// Says that the session's transport cannot send any more: its consumers stop until it can again.
    pub fn disconnect_session(&mut self, session: SessionId, now: Instant, out: &mut impl Output) {
        let Some(state) = self.sessions.get_mut(session.0 as usize) else { return };
        state.connected = false;
        for index in state.consumers.clone() {
            self.settle(index);
            self.with_consumer(index, now, out, |consumer, cx| consumer.stop(cx));
        }
    }

    /// Closes a session with its producers and consumers. Returns what ended, so that it can be told.
    pub fn close_session(&mut self, session: SessionId) -> ClosedSession {
        let Some(state) = self.sessions.get(session.0 as usize) else { return ClosedSession::default() };
        let mut closed = ClosedSession {
            producers: state.producers.clone(),
            consumers: state.consumers.clone(),
            orphans: Vec::new(),
        };
        closed.consumers.iter().for_each(|consumer| self.close_consumer(*consumer));
        for producer in &closed.producers {
            closed.orphans.extend(self.close_producer(*producer));
        }
        self.sessions.try_remove(session.0 as usize);
        closed
    }

    /// Sets how many producers a session may have. Default: [`PRODUCERS_PER_SESSION_MAX`].
    ///
    /// [`PRODUCERS_PER_SESSION_MAX`]: crate::setup::PRODUCERS_PER_SESSION_MAX
    pub fn set_producers_max(&mut self, session: SessionId, producers_max: usize) {
        if let Some(session) = self.sessions.get_mut(session.0 as usize) {
            session.producers_max = producers_max;
        }
    }

    /// Limits what the session's publisher sends, in bit/s, by telling it so (REMB); `None` lifts the limit.
    pub fn set_max_incoming_bitrate(&mut self, session: SessionId, bitrate: Option<u64>) {
        let Some(state) = self.sessions.get_mut(session.0 as usize) else { return };
        state.limit_bitrate(bitrate);
    }

    /// What the session's peer last said it can receive, in bit/s.
    pub fn available_outgoing_bitrate(&self, session: SessionId) -> Option<u64> {
        self.sessions.get(session.0 as usize)?.available_bitrate
    }
}

/// Producers.
impl Router {
    /// Adds a producer.
    ///
    /// # Errors
    /// When it contradicts another producer of the session (case R02) or exceeds a bound; nothing has changed then.
    pub fn produce(&mut self, setup: ProducerSetup) -> Result<ProducerIndex, ProduceError> {
        let id = setup.session;
        let session = self.sessions.get(id.0 as usize).ok_or(ProduceError::UnknownSession(id))?;
        check_bounds(&setup)?;
        if session.producers.len() >= session.producers_max {
            return Err(ProduceError::TooManyProducers(session.producers_max));
        }
        session.check(&setup, self.producers_of(session))?;
        let entry = self.producers.vacant_entry();
        let index = ProducerIndex(entry.key() as u32);
        let producer = entry.insert(Producer::new(index, setup, session.ssrc));
        if let Some(session) = self.sessions.get_mut(id.0 as usize) {
            session.add_producer(index, producer);
        }
        self.merge_extensions(id);
        Ok(index)
    }

    /// Pauses a producer: its viewers get nothing until it resumes. Returns the consumers to be told; none if it was
    /// paused already.
    pub fn pause_producer(&mut self, index: ProducerIndex, now: Instant, out: &mut impl Output) -> Vec<ConsumerIndex> {
        let now = self.moment(now);
        // No key frame will come that they wait for.
        self.arriving(index).into_iter().for_each(|consumer| self.settle(consumer));
        let told = self.with_producer(index, now, out, |producer, cx| {
            if std::mem::replace(&mut producer.paused, true) {
                return Vec::new();
            }
            producer.pause_streams(cx);
            producer.consumers.iter().map(|consumer| consumer.index).collect()
        });
        self.viewers_among(told, index)
    }

    /// Resumes a producer: its viewers go on, with a key frame. Returns the consumers to be told; none if it was not
    /// paused.
    pub fn resume_producer(&mut self, index: ProducerIndex, now: Instant, out: &mut impl Output) -> Vec<ConsumerIndex> {
        let now = self.moment(now);
        let told = self.with_producer(index, now, out, |producer, cx| {
            if !std::mem::replace(&mut producer.paused, false) {
                return Vec::new();
            }
            for stream in 0..producer.streams.len() as u8 {
                if producer.is_awaited(stream) {
                    producer.wish_key_frame(stream, cx);
                }
            }
            producer.consumers.iter().map(|consumer| consumer.index).collect()
        });
        self.viewers_among(told, index)
    }

    /// Closes a producer and its consumers. Returns those, so that they can be told. Those that are on their way to
    /// another producer go there.
    pub fn close_producer(&mut self, index: ProducerIndex) -> Vec<ConsumerIndex> {
        self.leaving(index).into_iter().for_each(|consumer| self.settle(consumer));
        self.arriving(index).into_iter().for_each(|consumer| self.settle(consumer));
        let Some(producer) = self.producers.try_remove(index.0 as usize) else { return Vec::new() };
        if let Some(session) = self.sessions.get_mut(producer.session.0 as usize) {
            session.remove_producer(index);
        }
        self.merge_extensions(producer.session);
        self.unobserve_closed(index);
        for consumer in &producer.consumers {
            self.consumers.try_remove(consumer.index.0 as usize);
            if let Some(session) = self.sessions.get_mut(consumer.session.0 as usize) {
                session.remove_consumer(consumer.index);
            }
        }
        producer.consumers.iter().map(|consumer| consumer.index).collect()
    }

    /// Sets what is traced of a producer. Default: nothing.
    pub fn trace_producer(&mut self, index: ProducerIndex, kinds: TraceKinds) {
        if let Some(producer) = self.producers.get_mut(index.0 as usize) {
            producer.trace = kinds;
        }
    }

    /// Tells whether a producer is paused; false when it is closed.
    pub fn is_producer_paused(&self, index: ProducerIndex) -> bool {
        self.producers.get(index.0 as usize).is_some_and(|producer| producer.paused)
    }

    /// The streams of a producer that somebody gets or waits for: bit n for stream n; none when it is closed.
    pub fn taken_streams(&self, index: ProducerIndex) -> u8 {
        self.producers.get(index.0 as usize).map_or(0, Producer::taken_streams)
    }

    /// Scores of a producer's streams, as far as they were heard of.
    pub fn producer_score(&self, index: ProducerIndex) -> Vec<StreamScore> {
        self.producers.get(index.0 as usize).map(Producer::scores).unwrap_or_default()
    }
}

/// Consumers.
impl Router {
    /// Adds a consumer. It starts at once with audio, with a key frame for video, unless it is to start paused.
    ///
    /// # Errors
    /// When the session or the producer is closed, or the SSRC is taken.
    pub fn consume(
        &mut self,
        setup: ConsumerSetup,
        now: Instant,
        out: &mut impl Output,
    ) -> Result<ConsumerIndex, ConsumeError> {
        let id = setup.session;
        let session = self.sessions.get_mut(id.0 as usize).ok_or(ConsumeError::UnknownSession(id))?;
        let unknown = ConsumeError::UnknownProducer(setup.producer);
        let producer = self.producers.get_mut(setup.producer.0 as usize).ok_or(unknown)?;
        if usize::from(setup.wish.source_stream()) >= producer.streams.len() {
            return Err(unknown);
        }
        if let Some(taken) = [Some(setup.ssrc), setup.rtx_ssrc].into_iter().flatten().find(|&ssrc| session.sends(ssrc))
        {
            return Err(ConsumeError::SsrcInUse(taken));
        }
        let place = Place { producer: setup.producer, position: producer.consumers.len(), next: None };
        let index = ConsumerIndex(self.consumers.insert(place) as u32);
        session.add_consumer(index, setup.ssrc, setup.rtx_ssrc);
        producer.consumers.push(Consumer::new(index, setup, producer.kind, &producer.codecs));
        self.start_consumer(index, now, out);
        Ok(index)
    }

    /// Pauses a consumer: nothing is sent until it resumes.
    pub fn pause_consumer(&mut self, index: ConsumerIndex, now: Instant, out: &mut impl Output) {
        self.settle(index);
        self.with_consumer(index, now, out, |consumer, cx| {
            consumer.paused = true;
            consumer.stop(cx);
        });
        self.redistribute(index, now, out);
    }

    /// Sets the layers that a consumer gets at most. It goes to another stream with a key frame of that, to a lower
    /// temporal layer at once, to a higher one where its pictures allow it. Returns what was set; `None` where there is
    /// no choice, or no such consumer.
    pub fn set_preferred_layers(
        &mut self,
        index: ConsumerIndex,
        spatial_layer: u8,
        temporal_layer: Option<u8>,
        now: Instant,
        out: &mut impl Output,
    ) -> Option<Layers> {
        let change = |wish: Wish| wish.at_most(spatial_layer, temporal_layer);
        if self.set_wish_of_arrival(index, change, now, out) {
            return self.preferred_layers(index);
        }
        let place = *self.consumers.get(index.0 as usize)?;
        let now = self.moment(now);
        let (session, layers) = self.with_producer(place.producer, now, out, |producer, cx| {
            let consumer = producer.consumers.get_mut(place.position).filter(|consumer| consumer.wish.has_choice)?;
            consumer.prefer(change(consumer.preferred), cx);
            let told = (consumer.session, consumer.preferred.layers());
            producer.choose_layers_of(place.position, cx);
            Some(told)
        })??;
        self.note_wanted(place.producer, now, out);
        self.distribute(session, now, out);
        Some(layers)
    }

    /// The layers that a consumer wants at most; `None` where there is no choice.
    pub fn preferred_layers(&self, index: ConsumerIndex) -> Option<Layers> {
        if let Some(arrival) = self.arrival(index) {
            return Some(arrival.wish).filter(|wish| wish.has_choice).map(Wish::layers);
        }
        Some(self.chooser(index)?.preferred.layers())
    }

    /// The layers that a consumer gets now, or is on its way to; `None` while it gets nothing, and where there is no
    /// choice.
    pub fn target_layers(&self, index: ConsumerIndex) -> Option<Layers> {
        self.chooser(index)?.target_layers()
    }

    /// The layers that a consumer gets now; `None` while it gets nothing, and where there is no choice.
    pub fn current_layers(&self, index: ConsumerIndex) -> Option<Layers> {
        self.chooser(index)?.current_layers()
    }

    /// Resumes a consumer. Video goes on with a key frame; numbers go on without a gap.
    pub fn resume_consumer(&mut self, index: ConsumerIndex, now: Instant, out: &mut impl Output) {
        let Some(consumer) = self.consumer_mut(index) else { return };
        if std::mem::replace(&mut consumer.paused, false) {
            self.start_consumer(index, now, out);
        }
    }

    /// Asks for a key frame for a consumer, unless it is stopped.
    pub fn request_key_frame(&mut self, index: ConsumerIndex, now: Instant, out: &mut impl Output) {
        let Some(consumer) = self.consumer_mut(index) else { return };
        if consumer.flow() == Flow::Stopped {
            return;
        }
        let source = consumer.source;
        self.wish_key_frame(source, now, out);
    }

    /// Closes a consumer.
    pub fn close_consumer(&mut self, index: ConsumerIndex) {
        self.cancel_arrival(index);
        let Some(place) = self.consumers.try_remove(index.0 as usize) else { return };
        let Some(consumer) = self.take_consumer(place) else { return };
        if let Some(session) = self.sessions.get_mut(consumer.session.0 as usize) {
            session.remove_consumer(index);
        }
    }

    /// Sets what is traced of a consumer. Default: nothing.
    pub fn trace_consumer(&mut self, index: ConsumerIndex, kinds: TraceKinds) {
        if let Some(consumer) = self.consumer_mut(index) {
            consumer.set_trace(kinds);
        }
    }

    /// Scores of a consumer; `None` when it is closed.
    pub fn consumer_score(&self, index: ConsumerIndex) -> Option<ConsumerScore> {
        let place = self.consumers.get(index.0 as usize)?;
        Some(self.producers.get(place.producer.0 as usize)?.consumer_score(place.position))
    }
}

/// Inside.
impl Router {
    pub(crate) fn moment(&self, now: Instant) -> Moment {
        Moment::new(self.origin, now)
    }

    /// The consumer with its index, if it is open.
    pub(crate) fn consumer_mut(&mut self, index: ConsumerIndex) -> Option<&mut Consumer> {
        let place = self.consumers.get(index.0 as usize)?;
        self.producers.get_mut(place.producer.0 as usize)?.consumers.get_mut(place.position)
    }

    /// Lends `work` a producer with what it needs, then schedules the reports of whoever has something new to tell.
    pub(crate) fn with_producer<O: Output, R>(
        &mut self,
        index: ProducerIndex,
        now: Moment,
        out: &mut O,
        work: impl FnOnce(&mut Producer, &mut Context<'_, O>) -> R,
    ) -> Option<R> {
        let producer = self.producers.get_mut(index.0 as usize)?;
        let counters = &mut self.sessions.get_mut(producer.session.0 as usize)?.counters;
        let mut cx = Context { now, timers: &mut self.timers, counters, awake: &mut self.awake, out };
        let result = work(producer, &mut cx);
        self.schedule_awake(now);
        Some(result)
    }

    /// Those of `consumers` that view `producer` and are not on their way to another.
    fn viewers_among(&self, consumers: Option<Vec<ConsumerIndex>>, producer: ProducerIndex) -> Vec<ConsumerIndex> {
        let mut consumers = consumers.unwrap_or_default();
        consumers.retain(|consumer| self.viewed(*consumer) == Some(producer));
        consumers
    }

    /// A consumer that has a choice of layers.
    fn chooser(&self, index: ConsumerIndex) -> Option<&Consumer> {
        let place = self.consumers.get(index.0 as usize)?;
        let consumer = self.producers.get(place.producer.0 as usize)?.consumers.get(place.position)?;
        Some(consumer).filter(|consumer| consumer.wish.has_choice)
    }

    /// Lends `work` a consumer with what it needs.
    fn with_consumer<O: Output>(
        &mut self,
        index: ConsumerIndex,
        now: Instant,
        out: &mut O,
        work: impl FnOnce(&mut Consumer, &mut Context<'_, O>),
    ) {
        let Some(place) = self.consumers.get(index.0 as usize).copied() else { return };
        let now = self.moment(now);
        self.with_producer(place.producer, now, out, |producer, cx| {
            if let Some(consumer) = producer.consumers.get_mut(place.position) {
                work(consumer, cx);
            }
        });
    }

    /// Asks the publisher of `source` for a key frame.
    pub(crate) fn wish_key_frame(&mut self, source: SourceId, now: Instant, out: &mut impl Output) {
        let now = self.moment(now);
        self.with_producer(source.producer, now, out, |producer, cx| producer.wish_key_frame(source.stream, cx));
    }

    /// The session's producers.
    pub(crate) fn producers_of<'a>(&'a self, session: &'a Session) -> impl Iterator<Item = &'a Producer> + Clone {
        session.producers.iter().filter_map(|index| self.producers.get(index.0 as usize))
    }

    /// Which stream a packet belongs to, and its parsed header. Records its arrival for transport-wide feedback.
    fn identify(
        &mut self,
        id: SessionId,
        packet: &PacketMut,
        now: Moment,
        out: &mut impl Output,
    ) -> Option<(Route, RtpMeta)> {
        let session = self.sessions.get_mut(id.0 as usize)?;
        let bytes = packet.bytes();
        let ssrc = rtp::peek(bytes).ok().map(|peek| peek.ssrc);
        let route = ssrc.and_then(|ssrc| session.routes.get(&ssrc).copied());
        let producer = route.and_then(|route| self.producers.get(route.source.producer.0 as usize));
        let extensions = producer.map_or(&session.extensions, |producer| &producer.extensions);
        let Ok(meta) = RtpMeta::parse(bytes, extensions) else {
            session.counters.rtp_packets_dropped_malformed += 1;
            return None;
        };
        if let Some(sequence) = meta.transport_sequence(bytes) {
            self.record_arrival(id, sequence, meta.ssrc, now, out);
        }
        let route = route.or_else(|| self.bind_late(id, bytes, &meta))?;
        Some((route, meta))
    }

    /// Gives an unknown SSRC to the stream that its MID and RID name, for good.
    fn bind_late(&mut self, id: SessionId, bytes: &[u8], meta: &RtpMeta) -> Option<Route> {
        let session = self.sessions.get(id.0 as usize)?;
        let all = session.producers.iter().copied().zip(self.producers_of(session));
        let found = late_route(all, bytes, meta);
        let session = self.sessions.get_mut(id.0 as usize)?;
        let Some(route) = found else {
            session.counters.rtp_packets_dropped_unknown_ssrc += 1;
            return None;
        };
        session.routes.insert(meta.ssrc, route);
        let producer = self.producers.get_mut(route.source.producer.0 as usize)?;
        producer.bind(route, meta.ssrc);
        Some(route)
    }

    /// Lets a consumer begin that has reason to: with its part of the viewer's line, unless it gets none.
    pub(crate) fn start_consumer(&mut self, index: ConsumerIndex, now: Instant, out: &mut impl Output) {
        let Some(consumer) = self.consumer_mut(index) else { return };
        let session = consumer.session;
        self.distribute(session, self.moment(now), out);
        self.note_wanted_by(index, self.moment(now), out);
        self.begin_consumer(index, self.moment(now), out);
    }

    /// Lets a consumer wait for what it can begin with.
    pub(crate) fn begin_consumer(&mut self, index: ConsumerIndex, now: Moment, out: &mut impl Output) {
        let Some(place) = self.consumers.get(index.0 as usize).copied() else { return };
        let Some(producer) = self.producers.get_mut(place.producer.0 as usize) else { return };
        let Some(consumer) = producer.consumers.get_mut(place.position) else { return };
        let connected = self.sessions.get(consumer.session.0 as usize).is_some_and(|session| session.connected);
        if consumer.paused || consumer.portion.is_shed() || !connected {
            return;
        }
        consumer.wait();
        self.with_producer(place.producer, now, out, |producer, cx| producer.start_consumer(place.position, cx));
    }

    fn run(&mut self, task: Task, at: Instant, now: Instant, out: &mut impl Output) {
        let moment = self.moment(now);
        match task {
            Task::Reports(session) => self.handle_report_timeout(session, at, moment, out),
            Task::TransportCc(session) => self.handle_transport_cc_timeout(session, at, moment, out),
            Task::Observe(observer) => self.handle_observer_timeout(observer, at, moment, out),
            Task::Nack(producer, stream) | Task::KeyFrame(producer, stream) | Task::Upkeep(producer, stream) => {
                self.with_producer(producer, moment, out, |producer, cx| producer.run(task, stream, at, cx));
            }
        }
    }

    fn merge_extensions(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(id.0 as usize) else { return };
        let merged = merged_extensions(self.producers_of(session).map(|producer| &producer.extensions));
        if let Some(session) = self.sessions.get_mut(id.0 as usize) {
            session.extensions = merged;
        }
    }

    pub(crate) fn schedule_awake(&mut self, now: Moment) {
        while let Some(session) = self.awake.pop() {
            self.schedule_reports(session, now);
        }
    }
}

fn check_bounds(setup: &ProducerSetup) -> Result<(), ProduceError> {
    if !(1..=CODECS_PER_PRODUCER_MAX).contains(&setup.codecs.len()) {
        return Err(ProduceError::Codecs(setup.codecs.len()));
    }
    if !(1..=STREAMS_PER_PRODUCER_MAX).contains(&setup.streams.len()) {
        return Err(ProduceError::Streams(setup.streams.len()));
    }
    Ok(())
}
