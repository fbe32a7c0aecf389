//! Routers: the rooms within which producers are consumed.

use std::collections::BTreeMap;
use std::time::Instant;

use millrace_model::{
    ConsumerId, ConsumerTraceEventType, ConsumerType, MediaKind, ProducerId, ProducerTraceEventType, ProducerType,
    RouterId, RouterOptions, RtpCapabilities, RtpEncodingParameters, RtpObserverId, RtpParameters, ortc,
};
use millrace_packet::OutgoingStreamId;
use millrace_router::data::DataRouter;
use millrace_router::{ConsumerIndex, ObserverIndex, ProducerIndex, Router, SessionId};
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::data::{DataConsumerEntry, DataProducerEntry};
use super::{Plane, TimerOwner};
use crate::error::RequestError;

/// Routers of one worker at most. One more is refused.
const ROUTERS_MAX: usize = 65_536;

/// The transport of what no peer sends: of a selector's places.
pub(super) const NO_TRANSPORT: usize = usize::MAX;

/// A router with its place in the worker.
pub(super) struct RouterEntry {
    pub(super) id: RouterId,
    pub(super) core: Router,
    pub(super) capabilities: RtpCapabilities,
    /// The transport of each session, by the session's number.
    pub(super) sessions: Vec<usize>,
    /// What applications know of each producer, by its index.
    pub(super) producers: Vec<Option<ProducerEntry>>,
    /// What applications know of each consumer, by its index; for a consumer of all streams by that of the first.
    pub(super) consumers: Vec<Option<ConsumerEntry>>,
    /// What applications know of each observer, by its index.
    pub(super) observers: Vec<Option<RtpObserverId>>,
    /// To whom the further streams of consumers of all streams belong.
    pub(super) consumers_of_streams: FxHashMap<ConsumerIndex, ConsumerIndex>,
    pub(super) data: DataRouter,
    /// What applications know of each data producer, by its index.
    pub(super) data_producers: Vec<Option<DataProducerEntry>>,
    /// What applications know of each data consumer, by its index.
    pub(super) data_consumers: Vec<Option<DataConsumerEntry>>,
    /// What selectors are besides, by their index as observers.
    pub(super) selectors: BTreeMap<ObserverIndex, SelectorEntry>,
}

/// The places of a selector.
pub(super) struct SelectorEntry {
    /// Where their producers are.
    pub(super) session: SessionId,
    /// What each of them sends.
    pub(super) parameters: RtpParameters,
}

/// What was negotiated for a producer.
pub(super) struct ProducerEntry {
    pub(super) id: ProducerId,
    pub(super) transport: usize,
    pub(super) kind: MediaKind,
    /// Nothing can be read in its payloads.
    pub(super) encrypted: bool,
    pub(super) parameters: RtpParameters,
    pub(super) mapping: ortc::RtpCodecsEncodingsMapping,
    pub(super) consumable: RtpParameters,
    pub(super) traces: Vec<ProducerTraceEventType>,
    /// The number of the packets that the application sends as this producer.
    pub(super) inlet: Option<u32>,
}

/// What was negotiated for a consumer.
pub(super) struct ConsumerEntry {
    pub(super) id: ConsumerId,
    pub(super) transport: usize,
    pub(super) producer: ProducerId,
    pub(super) kind: MediaKind,
    pub(super) parameters: RtpParameters,
    /// The router's payload types as the viewer numbers them; `None` where it uses the router's.
    pub(super) numbers: Option<Box<[ortc::CodecMapping]>>,
    pub(super) stream: OutgoingStreamId,
    /// Whether each of the producer's streams is sent as one of its own.
    pub(super) all_streams: bool,
    /// The streams after the first, and the router's consumers of them.
    pub(super) further: Box<[(ConsumerIndex, OutgoingStreamId)]>,
    pub(super) priority: u8,
    pub(super) paused: bool,
    /// Its packets go to the application, where nobody listens to them.
    pub(super) unheard: bool,
    pub(super) traces: Vec<ConsumerTraceEventType>,
}

impl ConsumerEntry {
    /// Its streams in the transport.
    pub(super) fn streams(&self) -> impl Iterator<Item = OutgoingStreamId> {
        std::iter::once(self.stream).chain(self.further.iter().map(|(_, stream)| *stream))
    }

    /// The viewer's number of the router's `payload_type`.
    pub(super) fn payload_type(&self, payload_type: u8) -> Option<u8> {
        viewer_payload_type(self.numbers.as_deref(), payload_type)
    }
}

impl RouterEntry {
    /// What viewers may have of a producer.
    pub(super) fn consumable_encodings(&self, producer: ProducerIndex) -> &[RtpEncodingParameters] {
        self.producer(producer).map(|producer| producer.consumable.encodings.as_slice()).unwrap_or_default()
    }

    /// How a consumer treats the streams of its producer.
    pub(super) fn consumer_type(&self, consumer: &ConsumerEntry, producer: ProducerIndex) -> ConsumerType {
        match consumer.all_streams {
            true => ConsumerType::Pipe,
            false => ProducerType::of(self.consumable_encodings(producer)).into(),
        }
    }

    pub(super) fn producer(&self, index: ProducerIndex) -> Option<&ProducerEntry> {
        self.producers.get(index.0 as usize)?.as_ref()
    }

    pub(super) fn observer(&self, index: ObserverIndex) -> Option<RtpObserverId> {
        *self.observers.get(index.0 as usize)?
    }

    pub(super) fn consumer(&self, index: ConsumerIndex) -> Option<&ConsumerEntry> {
        self.consumers.get(index.0 as usize)?.as_ref()
    }

    /// The consumer that a stream belongs to.
    pub(super) fn consumer_of_stream(&self, index: ConsumerIndex) -> Option<&ConsumerEntry> {
        self.consumer(*self.consumers_of_streams.get(&index).unwrap_or(&index))
    }

    /// What the router knows a consumer as: one for each stream that it sends.
    pub(super) fn streams_of(&self, index: ConsumerIndex) -> Vec<ConsumerIndex> {
        let further = self.consumer(index).map(|consumer| &*consumer.further).unwrap_or_default();
        std::iter::once(index).chain(further.iter().map(|(index, _)| *index)).collect()
    }
}

/// A viewer's number of the router's `payload_type`; the same where it has no `numbers` of its own.
pub(super) fn viewer_payload_type(numbers: Option<&[ortc::CodecMapping]>, payload_type: u8) -> Option<u8> {
    let Some(numbers) = numbers else { return Some(payload_type) };
    let number = numbers.iter().find(|number| number.payload_type == payload_type);
    number.map(|number| number.mapped_payload_type)
}

/// Puts an entry at the index that the router chose.
pub(super) fn place<T>(entries: &mut Vec<Option<T>>, index: u32, entry: T) {
    let index = index as usize;
    if entries.len() <= index {
        entries.resize_with(index + 1, || None);
    }
    entries[index] = Some(entry);
}

impl Plane {
    pub(super) fn router_index(&self, id: RouterId) -> Result<usize, RequestError> {
        self.router_ids.get(&id).copied().ok_or_else(|| RequestError::not_found("Router", id))
    }

    pub(super) fn create_router(
        &mut self,
        id: RouterId,
        options: RouterOptions,
        now: Instant,
    ) -> Result<Value, RequestError> {
        if self.router_ids.contains_key(&id) {
            return Err(RequestError::duplicate("Router", id));
        }
        if self.routers.len() >= ROUTERS_MAX {
            return Err(RequestError::Limit(format!("a worker has at most {ROUTERS_MAX} routers")));
        }
        let capabilities = ortc::generate_router_rtp_capabilities(&options.media_codecs)?;
        let reply = json!({ "rtpCapabilities": capabilities });
        let index = self.routers.insert(RouterEntry {
            id,
            core: Router::new(self.clock, now),
            capabilities,
            sessions: Vec::new(),
            producers: Vec::new(),
            consumers: Vec::new(),
            observers: Vec::new(),
            consumers_of_streams: FxHashMap::default(),
            data: DataRouter::default(),
            data_producers: Vec::new(),
            data_consumers: Vec::new(),
            selectors: BTreeMap::new(),
        });
        self.router_ids.insert(id, index);
        Ok(reply)
    }

    pub(super) fn update_media_codecs(&mut self, index: usize, options: RouterOptions) -> Result<Value, RequestError> {
        let capabilities = &mut self.routers[index].capabilities;
        ortc::update_media_codecs(capabilities, &options.media_codecs)?;
        Ok(json!({ "rtpCapabilities": capabilities }))
    }

    /// Closes a router with its transports.
    pub(super) fn close_router(&mut self, index: usize, now: Instant) {
        let transports: Vec<_> =
            self.transports.iter().filter(|(_, entry)| entry.router == index).map(|(transport, _)| transport).collect();
        for transport in transports {
            self.close_transport(transport, now);
        }
        let observers = self.routers.get(index).map(|entry| entry.observers.clone()).unwrap_or_default();
        observers.into_iter().flatten().for_each(|observer| self.close_observer(observer));
        if let Some(entry) = self.routers.try_remove(index) {
            self.router_ids.remove(&entry.id);
            self.set_timer(TimerOwner::Router(index), None);
        }
    }

    /// Closes an RTP session with its producers and consumers. Who viewed those producers is told; the application
    /// that closes the transport knows of the others.
    pub(super) fn close_session(&mut self, router: usize, session: SessionId) {
        let Some(entry) = self.routers.get_mut(router) else { return };
        let closed = entry.core.close_session(session);
        if let Some(transport) = entry.sessions.get_mut(session.0 as usize) {
            *transport = usize::MAX;
        }
        for consumer in closed.consumers {
            self.forget_consumer(router, consumer);
        }
        for consumer in closed.orphans {
            self.end_consumer(router, consumer);
        }
        for producer in closed.producers {
            self.forget_producer(router, producer);
        }
    }

    /// Takes a closed producer out of the tables.
    pub(super) fn forget_producer(&mut self, router: usize, index: ProducerIndex) {
        let entry = self.routers.get_mut(router).and_then(|entry| entry.producers.get_mut(index.0 as usize));
        if let Some(producer) = entry.and_then(Option::take) {
            self.producer_ids.remove(&producer.id);
            producer.inlet.map(|number| self.inlets.remove(&number));
        }
    }

    /// Takes a closed consumer out of the tables and its stream out of its transport.
    pub(super) fn forget_consumer(&mut self, router: usize, index: ConsumerIndex) -> Option<ConsumerId> {
        let entry = self.routers.get_mut(router)?;
        let consumer = entry.consumers.get_mut(index.0 as usize)?.take()?;
        for (further, _) in consumer.further.iter() {
            entry.consumers_of_streams.remove(further);
        }
        self.consumer_ids.remove(&consumer.id);
        if let Some(transport) = self.transports.get_mut(consumer.transport) {
            consumer.streams().for_each(|stream| transport.core.remove_stream(stream));
        }
        Some(consumer.id)
    }

    /// Tells a viewer that what it viewed has ended.
    pub(super) fn end_consumer(&mut self, router: usize, index: ConsumerIndex) {
        if let Some(id) = self.forget_consumer(router, index) {
            self.tell(id.uuid(), "producerclose", Value::Null);
        }
    }
}
