//! Data producers and consumers: made, paused, closed.

use std::time::Instant;

use millrace_model::{
    DataConsumerId, DataConsumerSettings, DataProducerId, DataProducerSettings, DataProducerType, SctpStreamParameters,
};
use millrace_router::SessionId;
use millrace_router::data::{DataConsumerIndex, DataConsumerSetup, DataProducerIndex, DataProducerSetup, DataRefused};
use millrace_transport::sctp::{Reliability, ReliabilityLimit};
use serde_json::{Value, json};

use super::Plane;
use super::direct::Inlet;
use super::routers::{RouterEntry, place};
use crate::error::RequestError;

/// Where a data producer is: its router and its index there.
pub(super) type DataProducerAt = (usize, DataProducerIndex);

/// Where a data consumer is: its router and its index there.
pub(super) type DataConsumerAt = (usize, DataConsumerIndex);

/// What applications know of a data producer.
pub(super) struct DataProducerEntry {
    pub(super) id: DataProducerId,
    pub(super) transport: usize,
    pub(super) sctp_stream_parameters: Option<SctpStreamParameters>,
    pub(super) label: String,
    pub(super) protocol: String,
    /// The peer closed the channel, and may have opened another one on its stream since.
    pub(super) is_cut: bool,
    /// Where the application sends its messages itself.
    pub(super) inlet: Option<u32>,
}

/// What applications know of a data consumer.
pub(super) struct DataConsumerEntry {
    pub(super) id: DataConsumerId,
    pub(super) transport: usize,
    pub(super) producer: DataProducerId,
    pub(super) sctp_stream_parameters: Option<SctpStreamParameters>,
    pub(super) label: String,
    pub(super) protocol: String,
    /// The peer closed the channel, and may have opened another one on its stream since.
    pub(super) is_cut: bool,
    /// Whose messages the application gets.
    pub(super) number: Option<u32>,
}

impl RouterEntry {
    pub(super) fn data_producer(&self, index: DataProducerIndex) -> Option<&DataProducerEntry> {
        self.data_producers.get(index.0 as usize)?.as_ref()
    }

    pub(super) fn data_consumer(&self, index: DataConsumerIndex) -> Option<&DataConsumerEntry> {
        self.data_consumers.get(index.0 as usize)?.as_ref()
    }
}

impl Plane {
    pub(super) fn data_producer_at(&self, id: DataProducerId) -> Result<DataProducerAt, RequestError> {
        self.data_producer_ids.get(&id).copied().ok_or_else(|| RequestError::not_found("DataProducer", id))
    }

    pub(super) fn data_consumer_at(&self, id: DataConsumerId) -> Result<DataConsumerAt, RequestError> {
        self.data_consumer_ids.get(&id).copied().ok_or_else(|| RequestError::not_found("DataConsumer", id))
    }

    pub(super) fn produce_data(
        &mut self,
        transport: usize,
        id: DataProducerId,
        settings: DataProducerSettings,
        now: Instant,
    ) -> Result<Value, RequestError> {
        if self.data_producer_ids.contains_key(&id) {
            return Err(RequestError::duplicate("DataProducer", id));
        }
        if self.data_producer_ids.len() >= self.limits.data_producers {
            let reason = format!("a worker has at most {} data producers", self.limits.data_producers);
            return Err(RequestError::Limit(reason));
        }
        let carrier = self.data_carrier(transport)?;
        let stream_parameters = match (carrier, settings.sctp_stream_parameters) {
            (DataProducerType::Direct, _) => None,
            (DataProducerType::Sctp, Some(parameters)) => Some(parameters),
            (DataProducerType::Sctp, None) => {
                let reason = "is missing; only data producers of direct transports have none";
                return Err(millrace_model::ModelError::invalid("sctpStreamParameters", reason).into());
            }
        };
        let entry = &self.transports[transport];
        let (router, session) = (entry.router, entry.session);
        let setup = DataProducerSetup {
            session,
            stream: stream_parameters.as_ref().map(|parameters| parameters.stream_id),
            paused: settings.paused,
        };
        let stream = setup.stream;
        let index = self.routers[router].data.produce(setup).map_err(refused)?;
        if let Some(stream) = stream {
            self.transports[transport].core.with_sctp(now, |sctp, _| sctp.accept_stream(stream));
        }
        let inlet = (carrier == DataProducerType::Direct).then(|| self.outlet.borrow().new_number());
        inlet.map(|number| self.inlets.insert(number, Inlet::Data((router, index))));
        let reply = json!({
            "type": carrier,
            "sctpStreamParameters": stream_parameters,
            "label": settings.label,
            "protocol": settings.protocol,
            "paused": settings.paused,
            "packetNumber": inlet,
            "maxMessageSize": self.transports[transport].data.max_receive_message_size,
        });
        let producer = DataProducerEntry {
            id,
            transport,
            sctp_stream_parameters: stream_parameters,
            label: settings.label,
            protocol: settings.protocol,
            is_cut: false,
            inlet,
        };
        place(&mut self.routers[router].data_producers, index.0, producer);
        self.data_producer_ids.insert(id, (router, index));
        Ok(reply)
    }

    pub(super) fn consume_data(
        &mut self,
        transport: usize,
        id: DataConsumerId,
        settings: DataConsumerSettings,
        now: Instant,
    ) -> Result<Value, RequestError> {
        if self.data_consumer_ids.contains_key(&id) {
            return Err(RequestError::duplicate("DataConsumer", id));
        }
        if self.data_consumer_ids.len() >= self.limits.data_consumers {
            let reason = format!("a worker has at most {} data consumers", self.limits.data_consumers);
            return Err(RequestError::Limit(reason));
        }
        let (router, producer) = self.data_producer_at(settings.data_producer_id)?;
        if router != self.transports[transport].router {
            return Err(RequestError::not_found("DataProducer of this router", settings.data_producer_id));
        }
        let parameters = match self.data_carrier(transport)? {
            DataProducerType::Direct => None,
            DataProducerType::Sctp => Some(self.outgoing_stream(transport, (router, producer), &settings)?),
        };
        let setup = DataConsumerSetup {
            session: self.transports[transport].session,
            producer,
            stream: parameters.as_ref().map(|parameters| parameters.stream_id),
            paused: settings.paused,
            subchannels: settings.subchannels,
            is_pipe: self.transports[transport].core.is_pipe(),
        };
        let index = self.routers[router].data.consume(setup).map_err(refused)?;
        if let Some(parameters) = &parameters {
            let (stream, reliability) = (parameters.stream_id, reliability(parameters));
            self.transports[transport].core.with_sctp(now, |sctp, _| sctp.open_stream(stream, reliability));
        }
        let number = parameters.is_none().then(|| self.outlet.borrow().new_number());
        let entry = &mut self.routers[router];
        let source = entry.data_producer(producer);
        let (label, protocol) =
            source.map(|source| (source.label.clone(), source.protocol.clone())).unwrap_or_default();
        let consumer = DataConsumerEntry {
            id,
            transport,
            producer: settings.data_producer_id,
            sctp_stream_parameters: parameters,
            label,
            protocol,
            is_cut: false,
            number,
        };
        place(&mut entry.data_consumers, index.0, consumer);
        self.data_consumer_ids.insert(id, (router, index));
        Ok(self.data_consumer_reply((router, index), producer))
    }

    /// How data travels on a transport, if it does.
    fn data_carrier(&self, transport: usize) -> Result<DataProducerType, RequestError> {
        let core = &self.transports[transport].core;
        if core.direct().is_some() {
            return Ok(DataProducerType::Direct);
        }
        if core.sctp().is_some() {
            return Ok(DataProducerType::Sctp);
        }
        Err(RequestError::InvalidState("the transport has no SCTP; create it with enableSctp".to_owned()))
    }

    /// The stream of a new data consumer: as reliable as its data producer's, unless the application says otherwise.
    fn outgoing_stream(
        &self,
        transport: usize,
        (router, producer): DataProducerAt,
        settings: &DataConsumerSettings,
    ) -> Result<SctpStreamParameters, RequestError> {
        let (entry, session) = (&self.routers[router], self.transports[transport].session);
        let source = entry.data_producer(producer).and_then(|producer| producer.sctp_stream_parameters.clone());
        let reliable = SctpStreamParameters { ordered: Some(true), ..SctpStreamParameters::default() };
        let parameters = settings.reliability.clone().or(source).unwrap_or(reliable);
        let stream_id = match settings.stream_id {
            Some(stream) if entry.data.consumer_of(session, stream).is_some() => {
                let reason = format!("another data consumer of the transport has stream {stream}");
                return Err(RequestError::Collision(reason));
            }
            Some(stream) => stream,
            None => {
                let taken = entry.data.outgoing_streams(session);
                let is_free =
                    |stream: &u16| !taken.contains(stream) && entry.data.producer_of(session, *stream).is_none();
                let all = 0..millrace_model::SCTP_STREAMS_MAX;
                all.into_iter().find(is_free).ok_or_else(|| refused(DataRefused::TooMany))?
            }
        };
        Ok(SctpStreamParameters { stream_id, ..parameters })
    }

    fn data_consumer_reply(&self, (router, index): DataConsumerAt, producer: DataProducerIndex) -> Value {
        let entry = &self.routers[router];
        let Some(consumer) = entry.data_consumer(index) else { return Value::Null };
        json!({
            "type": carried_by(consumer.sctp_stream_parameters.as_ref()),
            "sctpStreamParameters": consumer.sctp_stream_parameters,
            "label": consumer.label,
            "protocol": consumer.protocol,
            "dataProducerPaused": entry.data.is_producer_paused(producer),
            "subchannels": entry.data.subchannels(index),
            "packetNumber": consumer.number,
        })
    }

    pub(super) fn pause_data_producer(&mut self, (router, index): DataProducerAt, paused: bool) -> Value {
        let consumers = self.routers[router].data.set_producer_paused(index, paused);
        let event = if paused { "dataproducerpause" } else { "dataproducerresume" };
        for consumer in consumers {
            if let Some(id) = self.routers[router].data_consumer(consumer).map(|consumer| consumer.id) {
                self.tell(id.uuid(), event, Value::Null);
            }
        }
        Value::Null
    }

    pub(super) fn set_buffered_amount_low_threshold(
        &mut self,
        (router, index): DataConsumerAt,
        threshold: u32,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let Some(consumer) = self.routers[router].data_consumer(index) else { return Ok(Value::Null) };
        if let Some(stream) = consumer.sctp_stream_parameters.as_ref().map(|parameters| parameters.stream_id) {
            let core = &mut self.transports[consumer.transport].core;
            core.with_sctp(now, |sctp, _| sctp.set_buffered_amount_low_threshold(stream, threshold as usize));
        }
        Ok(Value::Null)
    }

    pub(super) fn close_data_producer(&mut self, id: DataProducerId, now: Instant) {
        let Some((router, index)) = self.data_producer_ids.get(&id).copied() else { return };
        for consumer in self.routers[router].data.close_producer(index) {
            self.end_data_consumer(router, consumer, now);
        }
        if let Some(producer) = self.forget_data_producer(router, index) {
            self.close_stream(producer.transport, producer.sctp_stream_parameters.filter(|_| !producer.is_cut), now);
        }
    }

    pub(super) fn close_data_consumer(&mut self, id: DataConsumerId, now: Instant) {
        let Some((router, index)) = self.data_consumer_ids.get(&id).copied() else { return };
        self.routers[router].data.close_consumer(index);
        if let Some(consumer) = self.forget_data_consumer(router, index) {
            self.close_stream(consumer.transport, consumer.sctp_stream_parameters.filter(|_| !consumer.is_cut), now);
        }
    }

    /// Closes what a session had; its streams end with its association. Who received from it is told; the application
    /// that closes the transport knows of the others.
    pub(super) fn close_data_of(&mut self, router: usize, session: SessionId, now: Instant) {
        let Some(entry) = self.routers.get_mut(router) else { return };
        let closed = entry.data.close_session(session);
        for consumer in closed.consumers {
            self.forget_data_consumer(router, consumer);
        }
        for consumer in closed.orphans {
            self.end_data_consumer(router, consumer, now);
        }
        for producer in closed.producers {
            self.forget_data_producer(router, producer);
        }
    }

    /// The peer closed a channel: whoever uses its stream closes nothing of the peer's by being closed.
    pub(super) fn cut_stream(&mut self, router: usize, transport: usize, stream: u16) {
        let Some(entry) = self.routers.get_mut(router) else { return };
        let is_on_it =
            |parameters: &Option<SctpStreamParameters>| parameters.as_ref().is_some_and(|it| it.stream_id == stream);
        let producers = entry.data_producers.iter_mut().flatten().filter(|it| it.transport == transport);
        for producer in producers.filter(|it| is_on_it(&it.sctp_stream_parameters)) {
            producer.is_cut = true;
        }
        let consumers = entry.data_consumers.iter_mut().flatten().filter(|it| it.transport == transport);
        for consumer in consumers.filter(|it| is_on_it(&it.sctp_stream_parameters)) {
            consumer.is_cut = true;
        }
    }

    /// Tells a receiver that what it received from has ended.
    fn end_data_consumer(&mut self, router: usize, index: DataConsumerIndex, now: Instant) {
        let Some(consumer) = self.forget_data_consumer(router, index) else { return };
        self.tell(consumer.id.uuid(), "dataproducerclose", Value::Null);
        self.close_stream(consumer.transport, consumer.sctp_stream_parameters.filter(|_| !consumer.is_cut), now);
    }

    fn forget_data_producer(&mut self, router: usize, index: DataProducerIndex) -> Option<DataProducerEntry> {
        let producer = self.routers.get_mut(router)?.data_producers.get_mut(index.0 as usize)?.take()?;
        self.data_producer_ids.remove(&producer.id);
        producer.inlet.map(|number| self.inlets.remove(&number));
        Some(producer)
    }

    fn forget_data_consumer(&mut self, router: usize, index: DataConsumerIndex) -> Option<DataConsumerEntry> {
        let consumer = self.routers.get_mut(router)?.data_consumers.get_mut(index.0 as usize)?.take()?;
        self.data_consumer_ids.remove(&consumer.id);
        Some(consumer)
    }

    /// Closes a stream both ways (RFC 8831 §6.7), unless a data producer or consumer still uses it.
    fn close_stream(&mut self, transport: usize, parameters: Option<SctpStreamParameters>, now: Instant) {
        let (Some(stream), Some(entry)) = (parameters.map(|it| it.stream_id), self.transports.get_mut(transport))
        else {
            return;
        };
        let in_use = self.routers.get(entry.router).is_some_and(|it| it.data.uses_stream(entry.session, stream));
        if !in_use && entry.core.with_sctp(now, |sctp, counters| sctp.close_stream(stream, now, counters)).is_some() {
            self.after_transport(transport, now);
        }
    }
}

/// How messages on such a stream, or on none, travel.
pub(super) fn carried_by(stream: Option<&SctpStreamParameters>) -> DataProducerType {
    if stream.is_some() { DataProducerType::Sctp } else { DataProducerType::Direct }
}

fn reliability(parameters: &SctpStreamParameters) -> Reliability {
    let limit = match (parameters.max_retransmits, parameters.max_packet_life_time) {
        (Some(count), _) => ReliabilityLimit::Retransmits(count),
        (None, Some(time)) => ReliabilityLimit::LifetimeMs(time),
        (None, None) => ReliabilityLimit::None,
    };
    Reliability { unordered: parameters.ordered == Some(false), limit }
}

fn refused(error: DataRefused) -> RequestError {
    match error {
        DataRefused::StreamTaken => RequestError::Collision(error.to_string()),
        DataRefused::UnknownProducer => RequestError::not_found("DataProducer", "given"),
        DataRefused::TooMany => RequestError::Limit(error.to_string()),
    }
}
