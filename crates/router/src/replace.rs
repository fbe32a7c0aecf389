//! A viewer goes to another producer: one mechanism with the change of layers, across producers.
//!
//! Whose viewer it is changes at once. Its media goes on from the producer before until a key frame of the new one
//! comes; then it moves between their lists and begins with that packet, from the cache. Until then the new producer
//! keeps it among its arrivals. Where nothing flows that could go on, and for audio, it moves at once.

use std::time::Instant;

use crate::consumer::Consumer;
use crate::context::Context;
use crate::events::RouterEvent;
use crate::layers::Wish;
use crate::producer::{Producer, catch_up, sieve};
use crate::router::{Place, Router};
use crate::sender_clock::SenderReportMapping;
use crate::setup::{PayloadTable, PayloadTypes, payload_table};
use crate::source::{SourceId, SourcePacket};
use crate::timers::Moment;
use crate::{ConsumerIndex, Output, ProducerIndex};

/// Another producer for a viewer.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// The producer to view from now on, of the same kind of media.
    pub producer: ProducerIndex,
    /// Its payload types as the viewer negotiated them; packets of codecs that are not named are left out.
    pub payload_types: Vec<PayloadTypes>,
    /// All layers of the producer.
    pub everything: Wish,
}

/// Why a viewer cannot go to another producer. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceError {
    /// The consumer or the producer is closed.
    #[error("the consumer or the producer does not exist")]
    Unknown,
    /// The producer is of another kind of media.
    #[error("audio cannot take the place of video, nor video that of audio")]
    OtherKind,
}

/// A viewer of another producer that waits for a key frame of this one.
#[derive(Debug)]
pub(crate) struct Arrival {
    consumer: ConsumerIndex,
    payload_types: PayloadTable,
    pub(crate) wish: Wish,
}

/// A packet that its producer just kept in its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) stream: u8,
    pub(crate) index: u64,
    /// A viewer may start with it.
    pub(crate) starts: bool,
}

impl Router {
    /// Lets a consumer view another producer: from its next key frame on for video, at once for audio and where
    /// nothing flows. Its own numbers go on without a gap. The last replacement counts; one by the producer that it
    /// views already changes nothing. Layers that it prefers are kept as far as there are so many.
    ///
    /// # Errors
    /// When one of both is closed, or their kinds differ.
    pub fn replace_producer(
        &mut self,
        index: ConsumerIndex,
        replacement: &Replacement,
        now: Instant,
        out: &mut impl Output,
    ) -> Result<(), ReplaceError> {
        let place = *self.consumers.get(index.0 as usize).ok_or(ReplaceError::Unknown)?;
        let target = self.producers.get(replacement.producer.0 as usize).ok_or(ReplaceError::Unknown)?;
        let payload_types = payload_table(&replacement.payload_types, &target.codecs);
        let (kind, can_wait) = (target.kind, target.has_key_frames() && !target.paused);
        let source = self.producers.get(place.producer.0 as usize).ok_or(ReplaceError::Unknown)?;
        if source.kind != kind {
            return Err(ReplaceError::OtherKind);
        }
        let consumer = source.consumers.get(place.position).ok_or(ReplaceError::Unknown)?;
        let flows = consumer.current_layers().is_some() && !source.paused;
        if self.viewed(index) == Some(replacement.producer) {
            return Ok(());
        }
        let wish = self.kept_wish(index, replacement.everything);
        self.cancel_arrival(index);
        if replacement.producer == place.producer {
            self.stay(place, wish, now, out);
            return Ok(());
        }
        let arrival = Arrival { consumer: index, payload_types, wish };
        if flows && can_wait {
            self.wait_for(replacement.producer, arrival, now, out);
        } else {
            self.relocate(arrival, replacement.producer);
            self.tell_moved(index, self.moment(now), out);
            self.start_consumer(index, now, out);
        }
        Ok(())
    }

    /// The producer that a consumer views or is on its way to.
    pub fn viewed(&self, index: ConsumerIndex) -> Option<ProducerIndex> {
        let place = self.consumers.get(index.0 as usize)?;
        Some(place.next.unwrap_or(place.producer))
    }

    /// What a consumer that waits for another producer wants of it.
    pub(crate) fn arrival(&self, index: ConsumerIndex) -> Option<&Arrival> {
        let next = self.consumers.get(index.0 as usize)?.next?;
        self.producers.get(next.0 as usize)?.arrivals.iter().find(|arrival| arrival.consumer == index)
    }

    /// Sets what a consumer that waits for another producer wants of it. False when it does not wait.
    pub(crate) fn set_wish_of_arrival(
        &mut self,
        index: ConsumerIndex,
        change: impl FnOnce(Wish) -> Wish,
        now: Instant,
        out: &mut impl Output,
    ) -> bool {
        let Some(next) = self.consumers.get(index.0 as usize).and_then(|place| place.next) else { return false };
        let now = self.moment(now);
        let done = self.with_producer(next, now, out, |producer, cx| {
            let Some(arrival) = producer.arrivals.iter_mut().find(|arrival| arrival.consumer == index) else { return };
            arrival.wish = change(arrival.wish);
            producer.wish_key_frames_of_arrivals(cx);
        });
        done.is_some()
    }

    /// Those who wait for `producer` begin with a packet of it that it just forwarded.
    pub(crate) fn admit(&mut self, producer: ProducerIndex, opening: Opening, now: Moment, out: &mut impl Output) {
        let Some(target) = self.producers.get_mut(producer.0 as usize) else { return };
        for arrival in target.take_arrivals(opening.stream) {
            let line = self.line_of(arrival.consumer);
            let consumer = arrival.consumer;
            let Some(position) = self.relocate(arrival, producer) else { continue };
            self.with_producer(producer, now, out, |producer, cx| {
                if producer.begin(position, opening, line, cx) {
                    producer.choose_layers_of(position, cx);
                } else {
                    producer.start_consumer(position, cx);
                }
            });
            self.tell_moved(consumer, now, out);
        }
    }

    /// A consumer that waits for another producer goes there at once, because nothing flows that could go on.
    pub(crate) fn settle(&mut self, index: ConsumerIndex) {
        let Some(next) = self.consumers.get(index.0 as usize).and_then(|place| place.next) else { return };
        let arrivals = self.producers.get_mut(next.0 as usize).map(|producer| &mut producer.arrivals);
        let Some(arrivals) = arrivals else { return };
        let Some(at) = arrivals.iter().position(|arrival| arrival.consumer == index) else { return };
        let arrival = arrivals.swap_remove(at);
        self.relocate(arrival, next);
    }

    /// The consumers that view `producer` now and are on their way to another.
    pub(crate) fn leaving(&self, producer: ProducerIndex) -> Vec<ConsumerIndex> {
        let consumers = self.producers.get(producer.0 as usize).map(|producer| producer.consumers.as_slice());
        let indexes = consumers.unwrap_or_default().iter().map(|consumer| consumer.index);
        indexes.filter(|index| self.viewed(*index) != Some(producer)).collect()
    }

    /// The consumers that are on their way to `producer`.
    pub(crate) fn arriving(&self, producer: ProducerIndex) -> Vec<ConsumerIndex> {
        let arrivals = self.producers.get(producer.0 as usize).map(|producer| producer.arrivals.as_slice());
        arrivals.unwrap_or_default().iter().map(|arrival| arrival.consumer).collect()
    }

    /// A consumer is not to go anywhere any more.
    pub(crate) fn cancel_arrival(&mut self, index: ConsumerIndex) {
        let Some(next) = self.consumers.get_mut(index.0 as usize).and_then(|place| place.next.take()) else { return };
        if let Some(producer) = self.producers.get_mut(next.0 as usize) {
            producer.arrivals.retain(|arrival| arrival.consumer != index);
            producer.cancel_unwanted_requests();
        }
    }

    /// Takes a consumer out of its producer's list.
    pub(crate) fn take_consumer(&mut self, place: Place) -> Option<Consumer> {
        let producer = self.producers.get_mut(place.producer.0 as usize)?;
        let consumer = producer.consumers.swap_remove(place.position);
        if let Some(moved) = producer.consumers.get(place.position)
            && let Some(moved) = self.consumers.get_mut(moved.index.0 as usize)
        {
            moved.position = place.position;
        }
        producer.cancel_unwanted_requests();
        Some(consumer)
    }

    /// A consumer was to go to another producer and stays where it is after all.
    fn stay(&mut self, place: Place, wish: Wish, now: Instant, out: &mut impl Output) {
        let now = self.moment(now);
        self.with_producer(place.producer, now, out, |producer, cx| {
            if let Some(consumer) = producer.consumers.get_mut(place.position) {
                consumer.prefer(wish, cx);
            }
            producer.choose_layers_of(place.position, cx);
        });
    }

    fn wait_for(&mut self, producer: ProducerIndex, arrival: Arrival, now: Instant, out: &mut impl Output) {
        if let Some(place) = self.consumers.get_mut(arrival.consumer.0 as usize) {
            place.next = Some(producer);
        }
        let now = self.moment(now);
        self.with_producer(producer, now, out, |producer, cx| {
            producer.arrivals.push(arrival);
            producer.note_wanted(cx);
            producer.wish_key_frames_of_arrivals(cx);
        });
    }

    /// Moves a consumer into the list of `to`. Returns its position there.
    fn relocate(&mut self, arrival: Arrival, to: ProducerIndex) -> Option<usize> {
        let place = *self.consumers.get(arrival.consumer.0 as usize)?;
        let mut consumer = self.take_consumer(place)?;
        let producer = self.producers.get_mut(to.0 as usize)?;
        let stream = producer.best_stream(arrival.wish.source_stream());
        consumer.adopt(SourceId { producer: to, stream }, arrival.payload_types, arrival.wish);
        let position = producer.consumers.len();
        producer.consumers.push(consumer);
        *self.consumers.get_mut(arrival.consumer.0 as usize)? = Place { producer: to, position, next: None };
        Some(position)
    }

    /// Tells the application what became of a consumer's scores and layers.
    fn tell_moved(&mut self, index: ConsumerIndex, now: Moment, out: &mut impl Output) {
        let Some(place) = self.consumers.get(index.0 as usize).copied() else { return };
        self.with_producer(place.producer, now, out, |producer, cx| {
            let score = producer.consumer_score(place.position);
            cx.out.event(RouterEvent::ConsumerScore { consumer: index, score });
            producer.consumers.iter_mut().skip(place.position).take(1).for_each(|consumer| consumer.tell_layers(cx));
        });
    }

    /// What a consumer prefers, of a producer with the layers `everything`.
    fn kept_wish(&self, index: ConsumerIndex, everything: Wish) -> Wish {
        let Some(place) = self.consumers.get(index.0 as usize) else { return everything };
        let current =
            self.producers.get(place.producer.0 as usize).and_then(|producer| producer.consumers.get(place.position));
        let wish = self.arrival(index).map(|arrival| arrival.wish).or(current.map(|consumer| consumer.preferred));
        wish.map_or(everything, |wish| wish.carried_over(everything))
    }

    /// What the sender reports say of the stream that a consumer's timestamps are taken from.
    fn line_of(&self, index: ConsumerIndex) -> Option<SenderReportMapping> {
        let place = self.consumers.get(index.0 as usize)?;
        let producer = self.producers.get(place.producer.0 as usize)?;
        let line = producer.consumers.get(place.position)?.line();
        producer.streams.get(usize::from(line))?.sender_report
    }
}

impl Producer {
    /// Asks for the key frames that arrivals wait for.
    pub(crate) fn wish_key_frames_of_arrivals<O: Output>(&mut self, cx: &mut Context<'_, O>) {
        for stream in 0..self.streams.len() as u8 {
            if self.is_awaited_by_arrivals(stream) {
                self.wish_key_frame(stream, cx);
            }
        }
    }

    /// Tells whether an arrival waits for `stream`.
    pub(crate) fn is_awaited_by_arrivals(&self, stream: u8) -> bool {
        self.arrivals.iter().any(|arrival| self.best_stream(arrival.wish.source_stream()) == stream)
    }

    /// Tells whether somebody views it, or is on the way.
    pub(crate) fn is_viewed(&self) -> bool {
        !(self.consumers.is_empty() && self.arrivals.is_empty())
    }

    fn has_key_frames(&self) -> bool {
        let are_described = self.streams.iter().any(|stream| stream.dependency.is_some());
        are_described || self.codecs.iter().any(|codec| codec.video_codec.is_some())
    }

    /// Those who wait for `stream`.
    fn take_arrivals(&mut self, stream: u8) -> Vec<Arrival> {
        let (taken, left) = std::mem::take(&mut self.arrivals)
            .into_iter()
            .partition(|arrival| self.best_stream(arrival.wish.source_stream()) == stream);
        self.arrivals = left;
        taken
    }

    /// The viewer at `position`, which just came, begins with a cached packet. `line` is what its timestamps came from.
    /// False where it does not take the packet.
    fn begin<O: Output>(
        &mut self,
        position: usize,
        opening: Opening,
        line: Option<SenderReportMapping>,
        cx: &mut Context<'_, O>,
    ) -> bool {
        let source = SourceId { producer: self.index, stream: opening.stream };
        let Some(stream) = self.streams.get(usize::from(opening.stream)) else { return false };
        let Some(consumer) = self.consumers.get_mut(position) else { return false };
        let Some(cached) = stream.cache.find(opening.index as u32) else { return false };
        let Some(setup) = self.codecs.get(usize::from(cached.codec)) else { return false };
        let (packet, timestamp, clock_rate) = (&cached.packet, cached.timestamp, setup.clock_rate);
        let on_line_before = stream
            .sender_report
            .zip(line)
            .map(|(own, line)| line.timestamp_at(own.time_of(timestamp, clock_rate), clock_rate));
        let (index, codec) = (opening.index, cached.codec);
        let first = SourcePacket {
            source,
            packet,
            index,
            timestamp,
            codec,
            clock_rate,
            starts: true,
            sieve: sieve(packet.meta(), setup, self.layers_within_stream),
            dependency: stream.dependency.as_deref(),
            on_other_lines: None,
        };
        let begins = consumer.begin(&first, on_line_before, cx);
        if begins {
            catch_up(consumer, &first, setup, stream, cx);
        }
        begins
    }
}
