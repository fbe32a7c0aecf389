//! Data: who published which messages, who gets them. One producer's message goes to many consumers without a copy.

use std::collections::BTreeSet;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use slab::Slab;

use crate::SessionId;

/// Data producers of one session, and data consumers of one. One more is refused.
///
/// As many as an SCTP association has streams.
pub const DATA_STREAMS_PER_SESSION_MAX: usize = 1024;

/// Where a data producer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataProducerIndex(pub u32);

/// Where a data consumer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataConsumerIndex(pub u32);

/// A source of messages.
#[derive(Clone, Debug)]
pub struct DataProducerSetup {
    /// Whose it is.
    pub session: SessionId,
    /// The stream on which its messages come; `None` when the application sends them.
    pub stream: Option<u16>,
    /// Tells whether it starts paused.
    pub paused: bool,
}

/// A receiver of a data producer's messages.
#[derive(Clone, Debug)]
pub struct DataConsumerSetup {
    /// Whose it is.
    pub session: SessionId,
    /// What it receives.
    pub producer: DataProducerIndex,
    /// The stream on which its messages leave; `None` when the application gets them.
    pub stream: Option<u16>,
    /// Tells whether it starts paused.
    pub paused: bool,
    /// Subchannels that it subscribes to.
    pub subchannels: BTreeSet<u16>,
    /// It gets the messages of all subchannels, because its peer is a router that has consumers of its own.
    pub is_pipe: bool,
}

/// One message with whom it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataMessage {
    /// What it is, in the numbers of RFC 8831 §8.
    pub ppid: u32,
    /// What it says; shared, not copied.
    pub payload: Bytes,
    /// If there are any, it is for consumers that subscribe to one of them.
    pub subchannels: Vec<u16>,
    /// Only for consumers that subscribe to this one.
    pub required_subchannel: Option<u16>,
    /// Not for consumers that subscribe to this one.
    pub ignored_subchannel: Option<u16>,
}

/// Why a data producer or consumer was refused; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataRefused {
    /// Misuse: another data producer of the session has the stream.
    #[error("another data producer of the transport has this stream")]
    StreamTaken,
    /// Misuse: there is no such data producer.
    #[error("there is no such data producer")]
    UnknownProducer,
    /// Limit: the session has [`DATA_STREAMS_PER_SESSION_MAX`] of them.
    #[error("the transport has as many as it may")]
    TooMany,
}

/// What a closed session took with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosedData {
    /// Its data producers.
    pub producers: Vec<DataProducerIndex>,
    /// Its data consumers.
    pub consumers: Vec<DataConsumerIndex>,
    /// Data consumers of other sessions whose producer is gone.
    pub orphans: Vec<DataConsumerIndex>,
}

/// Messages and bytes, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataCount {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl DataCount {
    fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

/// Data producers and consumers of one router.
#[derive(Debug, Default)]
pub struct DataRouter {
    producers: Slab<Producer>,
    consumers: Slab<Consumer>,
    by_stream: FxHashMap<(SessionId, u16), DataProducerIndex>,
}

#[derive(Debug)]
struct Producer {
    session: SessionId,
    stream: Option<u16>,
    paused: bool,
    received: DataCount,
    consumers: Vec<DataConsumerIndex>,
}

#[derive(Debug)]
struct Consumer {
    session: SessionId,
    producer: DataProducerIndex,
    stream: Option<u16>,
    paused: bool,
    sent: DataCount,
    subchannels: BTreeSet<u16>,
    is_pipe: bool,
}

/// Whom a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// The consumer.
    pub consumer: DataConsumerIndex,
    /// Whose it is.
    pub session: SessionId,
    /// The stream to send on; `None` when the application gets it.
    pub stream: Option<u16>,
}

impl DataRouter {
    /// Makes a data producer.
    ///
    /// # Errors
    /// [`DataRefused::StreamTaken`], [`DataRefused::TooMany`].
    pub fn produce(&mut self, setup: DataProducerSetup) -> Result<DataProducerIndex, DataRefused> {
        let DataProducerSetup { session, stream, paused } = setup;
        if self.producers.iter().filter(|(_, other)| other.session == session).count() >= DATA_STREAMS_PER_SESSION_MAX {
            return Err(DataRefused::TooMany);
        }
        if stream.is_some_and(|stream| self.by_stream.contains_key(&(session, stream))) {
            return Err(DataRefused::StreamTaken);
        }
        let producer = Producer { session, stream, paused, received: DataCount::default(), consumers: Vec::new() };
        let index = DataProducerIndex(self.producers.insert(producer) as u32);
        if let Some(stream) = stream {
            self.by_stream.insert((session, stream), index);
        }
        Ok(index)
    }

    /// Makes a data consumer.
    ///
    /// # Errors
    /// [`DataRefused::UnknownProducer`], [`DataRefused::TooMany`].
    pub fn consume(&mut self, setup: DataConsumerSetup) -> Result<DataConsumerIndex, DataRefused> {
        let DataConsumerSetup { session, producer, stream, paused, subchannels, is_pipe } = setup;
        if self.consumers_of_session(session).count() >= DATA_STREAMS_PER_SESSION_MAX {
            return Err(DataRefused::TooMany);
        }
        let source = self.producers.get_mut(producer.0 as usize).ok_or(DataRefused::UnknownProducer)?;
        let sent = DataCount::default();
        let consumer = Consumer { session, producer, stream, paused, sent, subchannels, is_pipe };
        let index = DataConsumerIndex(self.consumers.insert(consumer) as u32);
        source.consumers.push(index);
        Ok(index)
    }

    /// The data producer that has a stream of a session.
    pub fn producer_of(&self, session: SessionId, stream: u16) -> Option<DataProducerIndex> {
        self.by_stream.get(&(session, stream)).copied()
    }

    /// Tells whether a data producer or consumer of a session uses a stream.
    pub fn uses_stream(&self, session: SessionId, stream: u16) -> bool {
        self.by_stream.contains_key(&(session, stream))
            || self.consumers_of_session(session).any(|(_, consumer)| consumer.stream == Some(stream))
    }

    /// Streams on which consumers of a session send.
    pub fn outgoing_streams(&self, session: SessionId) -> BTreeSet<u16> {
        self.consumers_of_session(session).filter_map(|(_, consumer)| consumer.stream).collect()
    }

    /// The data consumer that sends on a stream of a session.
    pub fn consumer_of(&self, session: SessionId, stream: u16) -> Option<DataConsumerIndex> {
        let mut consumers = self.consumers_of_session(session);
        consumers
            .find(|(_, consumer)| consumer.stream == Some(stream))
            .map(|(index, _)| DataConsumerIndex(index as u32))
    }

    /// Counts a message of a producer and hands it on to everyone whom it is for. `send` says whether it was taken.
    pub fn forward(
        &mut self,
        producer: DataProducerIndex,
        message: &DataMessage,
        mut send: impl FnMut(Addressee, &DataMessage) -> bool,
    ) {
        let Some(source) = self.producers.get_mut(producer.0 as usize) else { return };
        source.received.add(message.payload.len());
        if source.paused {
            return;
        }
        for &index in &source.consumers {
            let Some(consumer) = self.consumers.get_mut(index.0 as usize) else { continue };
            if consumer.paused || !(consumer.is_pipe || consumer.wants(message)) {
                continue;
            }
            let addressee = Addressee { consumer: index, session: consumer.session, stream: consumer.stream };
            if send(addressee, message) {
                consumer.sent.add(message.payload.len());
            }
        }
    }

    /// Counts a message that the application sends to one consumer.
    pub fn count_sent(&mut self, consumer: DataConsumerIndex, bytes: usize) {
        if let Some(consumer) = self.consumers.get_mut(consumer.0 as usize) {
            consumer.sent.add(bytes);
        }
    }

    /// Pauses or resumes a producer and returns its consumers if that changes anything.
    pub fn set_producer_paused(&mut self, producer: DataProducerIndex, paused: bool) -> Vec<DataConsumerIndex> {
        let Some(producer) = self.producers.get_mut(producer.0 as usize) else { return Vec::new() };
        let changes = std::mem::replace(&mut producer.paused, paused) != paused;
        if changes { producer.consumers.clone() } else { Vec::new() }
    }

    /// Pauses or resumes a consumer.
    pub fn set_consumer_paused(&mut self, consumer: DataConsumerIndex, paused: bool) {
        if let Some(consumer) = self.consumers.get_mut(consumer.0 as usize) {
            consumer.paused = paused;
        }
    }

    /// Subscribes a consumer to these subchannels and no others.
    pub fn set_subchannels(&mut self, consumer: DataConsumerIndex, subchannels: BTreeSet<u16>) {
        if let Some(consumer) = self.consumers.get_mut(consumer.0 as usize) {
            consumer.subchannels = subchannels;
        }
    }

    /// Subchannels of a consumer.
    pub fn subchannels(&self, consumer: DataConsumerIndex) -> BTreeSet<u16> {
        self.consumers.get(consumer.0 as usize).map(|consumer| consumer.subchannels.clone()).unwrap_or_default()
    }

    /// Tells whether a producer is paused.
    pub fn is_producer_paused(&self, producer: DataProducerIndex) -> bool {
        self.producers.get(producer.0 as usize).is_some_and(|producer| producer.paused)
    }

    /// Tells whether a consumer is paused by itself.
    pub fn is_consumer_paused(&self, consumer: DataConsumerIndex) -> bool {
        self.consumers.get(consumer.0 as usize).is_some_and(|consumer| consumer.paused)
    }

    /// What a producer received.
    pub fn received(&self, producer: DataProducerIndex) -> DataCount {
        self.producers.get(producer.0 as usize).map(|producer| producer.received).unwrap_or_default()
    }

    /// What a consumer sent.
    pub fn sent(&self, consumer: DataConsumerIndex) -> DataCount {
        self.consumers.get(consumer.0 as usize).map(|consumer| consumer.sent).unwrap_or_default()
    }

    /// Closes a producer and returns its consumers, which are closed with it.
    pub fn close_producer(&mut self, producer: DataProducerIndex) -> Vec<DataConsumerIndex> {
        let Some(closed) = self.producers.try_remove(producer.0 as usize) else { return Vec::new() };
        if let Some(stream) = closed.stream {
            self.by_stream.remove(&(closed.session, stream));
        }
        for consumer in &closed.consumers {
            self.consumers.try_remove(consumer.0 as usize);
        }
        closed.consumers
    }

    /// Closes a consumer.
    pub fn close_consumer(&mut self, consumer: DataConsumerIndex) {
        let Some(closed) = self.consumers.try_remove(consumer.0 as usize) else { return };
        if let Some(producer) = self.producers.get_mut(closed.producer.0 as usize) {
            producer.consumers.retain(|other| *other != consumer);
        }
    }

    /// Closes everything of a session.
    pub fn close_session(&mut self, session: SessionId) -> ClosedData {
        let mut closed = ClosedData::default();
        closed.consumers.extend(self.consumers_of_session(session).map(|(index, _)| DataConsumerIndex(index as u32)));
        for &consumer in &closed.consumers {
            self.close_consumer(consumer);
        }
        let own = self.producers.iter().filter(|(_, producer)| producer.session == session);
        closed.producers.extend(own.map(|(index, _)| DataProducerIndex(index as u32)));
        for &producer in &closed.producers {
            closed.orphans.extend(self.close_producer(producer));
        }
        closed
    }

    fn consumers_of_session(&self, session: SessionId) -> impl Iterator<Item = (usize, &Consumer)> {
        self.consumers.iter().filter(move |(_, consumer)| consumer.session == session)
    }
}

impl Consumer {
    /// Tells whether the message is for this consumer: mediasoup's rules.
    fn wants(&self, message: &DataMessage) -> bool {
        let subscribes = |subchannel: &u16| self.subchannels.contains(subchannel);
        message.required_subchannel.is_none_or(|required| subscribes(&required))
            && !message.ignored_subchannel.is_some_and(|ignored| subscribes(&ignored))
            && (message.subchannels.is_empty() || message.subchannels.iter().any(subscribes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHER: SessionId = SessionId(0);
    const VIEWER: SessionId = SessionId(1);

    fn message(subchannels: &[u16], required: Option<u16>, ignored: Option<u16>) -> DataMessage {
        DataMessage {
            ppid: 51,
            payload: Bytes::from_static(b"hello"),
            subchannels: subchannels.to_vec(),
            required_subchannel: required,
            ignored_subchannel: ignored,
        }
    }

    fn room(subchannels: &[&[u16]]) -> (DataRouter, DataProducerIndex, Vec<DataConsumerIndex>) {
        let mut router = DataRouter::default();
        let setup = DataProducerSetup { session: PUBLISHER, stream: Some(0), paused: false };
        let producer = router.produce(setup).unwrap();
        let consumers = subchannels.iter().zip(0..).map(|(subchannels, stream)| {
            let subchannels = subchannels.iter().copied().collect();
            let setup = DataConsumerSetup {
                session: VIEWER,
                producer,
                stream: Some(stream),
                paused: false,
                subchannels,
                is_pipe: false,
            };
            router.consume(setup).unwrap()
        });
        let consumers = consumers.collect();
        (router, producer, consumers)
    }

    fn reached(router: &mut DataRouter, producer: DataProducerIndex, message: &DataMessage) -> Vec<u16> {
        let mut streams = Vec::new();
        router.forward(producer, message, |addressee, _| {
            streams.extend(addressee.stream);
            true
        });
        streams
    }

    #[test]
    fn everyone_gets_the_same_bytes() {
        let (mut router, producer, consumers) = room(&[&[], &[], &[]]);
        let message = message(&[], None, None);
        let mut pointers = Vec::new();
        router.forward(producer, &message, |_, message| {
            pointers.push(message.payload.as_ptr());
            true
        });
        assert_eq!(pointers, [message.payload.as_ptr(); 3]);
        assert_eq!(router.received(producer), DataCount { messages: 1, bytes: 5 });
        assert_eq!(router.sent(consumers[2]), DataCount { messages: 1, bytes: 5 });
    }

    #[test]
    fn subchannels_choose_who_gets_a_message() {
        let (mut router, producer, consumers) = room(&[&[], &[1], &[1, 2], &[3]]);
        for (message, streams) in [
            (message(&[], None, None), &[0, 1, 2, 3][..]),
            (message(&[1], None, None), &[1, 2]),
            (message(&[2, 3], None, None), &[2, 3]),
            (message(&[1], Some(2), None), &[2]),
            (message(&[], Some(3), None), &[3]),
            (message(&[1], Some(9), None), &[]),
            (message(&[], None, Some(2)), &[0, 1, 3]),
        ] {
            assert_eq!(reached(&mut router, producer, &message), streams, "{message:?}");
        }
        router.set_subchannels(consumers[0], [9].into());
        assert_eq!(reached(&mut router, producer, &message(&[9], None, None)), [0]);
    }

    #[test]
    fn who_is_paused_gets_nothing_and_what_was_refused_is_not_counted() {
        let (mut router, producer, consumers) = room(&[&[], &[]]);
        router.set_consumer_paused(consumers[0], true);
        assert_eq!(reached(&mut router, producer, &message(&[], None, None)), [1]);
        assert_eq!(router.set_producer_paused(producer, true), consumers);
        assert_eq!(router.set_producer_paused(producer, true), []);
        assert!(reached(&mut router, producer, &message(&[], None, None)).is_empty());
        router.set_producer_paused(producer, false);
        router.forward(producer, &message(&[], None, None), |_, _| false);
        assert_eq!((router.sent(consumers[1]).messages, router.received(producer).messages), (1, 3));
    }

    #[test]
    fn closing_tells_what_went_along() {
        let (mut router, producer, consumers) = room(&[&[], &[]]);
        router.close_consumer(consumers[0]);
        assert!(!router.uses_stream(VIEWER, 0) && router.uses_stream(VIEWER, 1) && router.uses_stream(PUBLISHER, 0));
        let closed = router.close_session(PUBLISHER);
        assert_eq!((closed.producers, closed.consumers, closed.orphans), (vec![producer], vec![], vec![consumers[1]]));
        assert_eq!(router.close_session(VIEWER), ClosedData::default());
        assert!(!router.uses_stream(PUBLISHER, 0));
    }

    #[test]
    fn a_stream_has_one_producer_and_a_session_a_bounded_number() {
        let mut router = DataRouter::default();
        let setup = |stream| DataProducerSetup { session: PUBLISHER, stream, paused: false };
        router.produce(setup(Some(1))).unwrap();
        assert_eq!(router.produce(setup(Some(1))), Err(DataRefused::StreamTaken));
        for _ in 1..DATA_STREAMS_PER_SESSION_MAX {
            router.produce(setup(None)).unwrap();
        }
        assert_eq!(router.produce(setup(None)), Err(DataRefused::TooMany));
    }
}
