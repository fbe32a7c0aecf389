//! Producers and consumers: negotiated, made, paused, closed.

use std::time::{Duration, Instant};

use millrace_model::ortc::{self, CodecMapping, ConsumerNegotiation};
use millrace_model::{
    ConsumerId, ConsumerLayers, ConsumerSettings, ConsumerTraceEventType, MediaKind, ModelError, ProducerId,
    ProducerSettings, ProducerTraceEventType, ProducerType, RtpEncodingParameters, RtpNumbering, RtpParameters,
};
use millrace_packet::{ExtensionKind, OutgoingStreamId};
use millrace_router::setup::{ConsumeError, ConsumerSetup, ProduceError};
use millrace_router::{ConsumerIndex, ProducerIndex, SessionId, TraceKinds, Wish};
use millrace_transport::outgoing::{OutgoingStreamError, Repair};
use serde_json::{Value, json};

use super::Plane;
use super::events::{all_streams_score, consumer_score, layers};
use super::routers::{ConsumerEntry, ProducerEntry, place, viewer_payload_type};
use crate::error::RequestError;
use crate::setup;

/// First sequence numbers are below this, so that the first wrap is far off and cannot be mistaken (RFC 3711 §3.3.1).
const FIRST_SEQUENCE_BELOW: u16 = 1 << 15;

/// Tries to draw an SSRC that the transport does not use. With 2^32 to choose from the first nearly always succeeds.
const SSRC_TRIES_MAX: usize = 16;

/// Where a producer is: its router and its index there.
pub(super) type ProducerAt = (usize, ProducerIndex);

/// Where a consumer is: its router and its index there.
pub(super) type ConsumerAt = (usize, ConsumerIndex);

impl Plane {
    pub(super) fn producer_at(&self, id: ProducerId) -> Result<ProducerAt, RequestError> {
        self.producer_ids.get(&id).copied().ok_or_else(|| RequestError::not_found("Producer", id))
    }

    pub(super) fn consumer_at(&self, id: ConsumerId) -> Result<ConsumerAt, RequestError> {
        self.consumer_ids.get(&id).copied().ok_or_else(|| RequestError::not_found("Consumer", id))
    }

    pub(super) fn produce(
        &mut self,
        transport: usize,
        id: ProducerId,
        settings: ProducerSettings,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let ProducerSettings { kind, rtp_parameters: mut parameters, paused, key_frame_request_delay, encrypted } =
            settings;
        let cname = self.cname(transport, &parameters);
        parameters.rtcp.cname = Some(cname.clone());
        let (router, session) = (self.transports[transport].router, self.transports[transport].session);
        let publishing =
            Publishing { id, transport, session, kind, parameters, paused, key_frame_request_delay, encrypted };
        let reply = self.publish(router, publishing)?;
        self.transports[transport].cname = Some(cname);
        self.after_router(router, now);
        Ok(reply)
    }

    /// Makes a producer of a router.
    pub(super) fn publish(&mut self, router: usize, publishing: Publishing) -> Result<Value, RequestError> {
        let Publishing { id, transport, session, kind, mut parameters, paused, key_frame_request_delay, encrypted } =
            publishing;
        if self.producer_ids.contains_key(&id) {
            return Err(RequestError::duplicate("Producer", id));
        }
        self.refuse_when_overloaded()?;
        if self.producer_ids.len() >= self.limits.producers {
            return Err(RequestError::Limit(format!("a worker has at most {} producers", self.limits.producers)));
        }
        let first_ssrc = ortc::ssrc_from_random(self.random.u32());
        let entry = &mut self.routers[router];
        let mapping = ortc::get_producer_rtp_parameters_mapping(&mut parameters, &entry.capabilities, first_ssrc)?;
        let consumable = ortc::get_consumable_rtp_parameters(kind, &parameters, &entry.capabilities, &mapping);
        let publication = setup::Publication {
            session,
            kind,
            parameters: &parameters,
            consumable: &consumable,
            key_frame_request_delay,
            paused,
            encrypted,
        };
        let index = entry.core.produce(setup::producer(&publication)).map_err(produce_error)?;
        let inlet = self.open_inlet(transport);
        let reply = json!({
            "type": ProducerType::of(&parameters.encodings),
            "rtpParameters": parameters,
            "consumableRtpParameters": consumable,
            "packetNumber": inlet,
        });
        let traces = Vec::new();
        let producer = ProducerEntry { id, transport, kind, encrypted, parameters, mapping, consumable, traces, inlet };
        place(&mut self.routers[router].producers, index.0, producer);
        self.producer_ids.insert(id, (router, index));
        Ok(reply)
    }

    /// The CNAME that the transport's producers share, so that viewers keep audio and video together (RFC 8834 §4.9):
    /// that of the first of them, or one of our own. What comes through a pipe is of many peers and keeps its own.
    fn cname(&self, transport: usize, parameters: &RtpParameters) -> String {
        let entry = &self.transports[transport];
        let shared = entry.cname.as_ref().filter(|_| !entry.core.is_pipe());
        let known = shared.or(parameters.rtcp.cname.as_ref());
        known.cloned().unwrap_or_else(|| self.random.cname())
    }

    pub(super) fn consume(
        &mut self,
        transport: usize,
        id: ConsumerId,
        settings: ConsumerSettings,
        now: Instant,
    ) -> Result<Value, RequestError> {
        if self.consumer_ids.contains_key(&id) {
            return Err(RequestError::duplicate("Consumer", id));
        }
        self.refuse_when_overloaded()?;
        if self.consumer_ids.len() >= self.limits.consumers {
            return Err(RequestError::Limit(format!("a worker has at most {} consumers", self.limits.consumers)));
        }
        let (router, producer) = self.producer_at(settings.producer_id)?;
        if router != self.transports[transport].router {
            return Err(RequestError::not_found("Producer of this router", settings.producer_id));
        }
        let negotiated = self.negotiate(transport, (router, producer), &settings)?;
        let streams = self.add_streams(transport, &negotiated.parameters)?;
        let view = View { transport, at: (router, producer), negotiated: &negotiated, settings: &settings };
        let made = self.consume_streams(&view, &streams, now);
        let mut indexes = match made {
            Ok(indexes) => indexes.into_iter(),
            Err(error) => {
                streams.iter().for_each(|stream| self.transports[transport].core.remove_stream(*stream));
                return Err(error);
            }
        };
        // There is one for each stream, and a consumer has at least one.
        let index = indexes.next().ok_or(RequestError::WorkerClosed)?;
        let further = indexes.zip(streams.iter().skip(1).copied()).collect();
        // Counted only here: a consumer that was refused leaves no gap.
        let chose_mid = settings.mid.is_none() && negotiated.parameters.mid.is_some();
        self.transports[transport].next_mid += u64::from(chose_mid);
        let Negotiated { kind, parameters, numbers } = negotiated;
        let parts = ConsumerParts { id, kind, parameters, numbers, stream: streams[0], further, settings };
        self.enter_consumer((router, index), transport, parts);
        self.add_probator((router, index), transport);
        self.attend_path(transport, now);
        Ok(self.consumer_reply((router, index), producer))
    }

    /// Adds the outgoing streams of a new consumer, or none.
    fn add_streams(
        &mut self,
        transport: usize,
        parameters: &RtpParameters,
    ) -> Result<Vec<OutgoingStreamId>, RequestError> {
        let mut streams = Vec::with_capacity(parameters.encodings.len());
        for encoding in &parameters.encodings {
            match self.add_stream(transport, parameters, encoding) {
                Ok(stream) => streams.push(stream),
                Err(error) => {
                    streams.iter().for_each(|stream| self.transports[transport].core.remove_stream(*stream));
                    return Err(error);
                }
            }
        }
        if let Some(direct) = self.transports[transport].core.direct_mut() {
            direct.share_number(&streams);
        }
        Ok(streams)
    }

    /// Lets the router make a consumer for each outgoing stream, or for none.
    fn consume_streams(
        &mut self,
        view: &View<'_>,
        streams: &[OutgoingStreamId],
        now: Instant,
    ) -> Result<Vec<ConsumerIndex>, RequestError> {
        let router = view.at.0;
        let mut indexes = Vec::with_capacity(streams.len());
        for (number, stream) in streams.iter().enumerate() {
            let setup = self.consumer_setup(view, number, *stream);
            match self.with_router(router, now, |core, fanout| core.consume(setup, now, fanout)) {
                Some(Ok(index)) => indexes.push(index),
                made => {
                    for index in indexes {
                        self.with_router(router, now, |core, _| core.close_consumer(index));
                    }
                    return Err(made.and_then(Result::err).map_or(RequestError::WorkerClosed, consume_error));
                }
            }
        }
        Ok(indexes)
    }

    /// The parameters of a new consumer, with an SSRC and a MID of its own.
    fn negotiate(
        &self,
        transport: usize,
        (router, producer): ProducerAt,
        settings: &ConsumerSettings,
    ) -> Result<Negotiated, RequestError> {
        let entry = self.routers[router]
            .producer(producer)
            .ok_or_else(|| RequestError::not_found("Producer", settings.producer_id))?;
        let (kind, capabilities) = (entry.kind, &settings.rtp_capabilities);
        let all_streams = settings.all_streams;
        let streams = if all_streams { entry.consumable.encodings.len() as u32 } else { 1 };
        let negotiation = ConsumerNegotiation {
            enable_rtx: settings.enable_rtx_for(kind),
            ssrc: self.free_ssrc(transport, 2 * streams),
            all_streams,
        };
        if self.transports[transport].core.is_pipe() {
            let parameters = ortc::get_pipe_consumer_rtp_parameters(&entry.consumable, negotiation);
            return Ok(Negotiated { kind, parameters, numbers: None });
        }
        let (mut parameters, numbers) = match settings.numbering {
            RtpNumbering::Router => {
                (ortc::get_consumer_rtp_parameters(&entry.consumable, capabilities, negotiation)?, None)
            }
            RtpNumbering::Endpoint => {
                let (consumable, numbers) = ortc::in_numbers_of_endpoint(kind, &entry.consumable, capabilities);
                (ortc::get_consumer_rtp_parameters(&consumable, capabilities, negotiation)?, Some(numbers.into()))
            }
        };
        let own_mid = || self.transports[transport].next_mid.to_string();
        parameters.mid = (!all_streams).then(|| settings.mid.clone().unwrap_or_else(own_mid));
        // A pipe passes on what the publisher says; for others it has to say what they are sent.
        if !all_streams && !setup::describes_layers(&entry.parameters, entry.encrypted) {
            let is_descriptor = |uri: &str| ExtensionKind::from_uri(uri) == Some(ExtensionKind::DependencyDescriptor);
            parameters.header_extensions.retain(|extension| !is_descriptor(&extension.uri));
        }
        Ok(Negotiated { kind, parameters, numbers })
    }

    /// An SSRC that, like the `count - 1` numbers after it, was never sent on the transport.
    fn free_ssrc(&self, transport: usize, count: u32) -> u32 {
        let core = &self.transports[transport].core;
        let mut ssrc = ortc::ssrc_from_random(self.random.u32());
        for _ in 0..SSRC_TRIES_MAX {
            if !(0..count).any(|number| core.has_sent(ssrc.wrapping_add(number))) {
                break;
            }
            ssrc = ortc::ssrc_from_random(self.random.u32());
        }
        ssrc
    }

    fn add_stream(
        &mut self,
        transport: usize,
        parameters: &RtpParameters,
        encoding: &RtpEncodingParameters,
    ) -> Result<OutgoingStreamId, RequestError> {
        let repair = match encoding.rtx {
            Some(rtx) => Repair::Rtx { ssrc: rtx.ssrc },
            None if has_nack(parameters) => Repair::SameStream,
            None => Repair::None,
        };
        let ssrc = encoding.ssrc.unwrap_or_default();
        let spec = setup::outgoing_stream(ssrc, repair, parameters);
        self.transports[transport].core.add_stream(spec).map_err(stream_error)
    }

    /// What the router needs to know of the stream with this number of a new consumer.
    fn consumer_setup(&self, view: &View<'_>, number: usize, stream: OutgoingStreamId) -> ConsumerSetup {
        let View { transport, at: (router, producer), negotiated, settings } = *view;
        let parameters = &negotiated.parameters;
        let source = self.routers[router].producer(producer);
        let encoding = parameters.encodings.get(number);
        let payload_types = source.map(|source| {
            setup::payload_types(&source.parameters, parameters, |payload_type| {
                let mapped = source.mapping.mapped_payload_type(payload_type)?;
                viewer_payload_type(negotiated.numbers.as_deref(), mapped)
            })
        });
        ConsumerSetup {
            session: self.transports[transport].session,
            producer,
            wish: match settings.all_streams {
                true => Wish::stream(number as u8),
                false => source.map_or(Wish::everything(1, 1), |source| wish(source, settings)),
            },
            outgoing: stream,
            ssrc: encoding.and_then(|encoding| encoding.ssrc).unwrap_or_default(),
            rtx_ssrc: encoding.and_then(|encoding| encoding.rtx).map(|rtx| rtx.ssrc),
            rid: None,
            cname: parameters.rtcp.cname.clone().unwrap_or_default(),
            payload_types: payload_types.unwrap_or_default(),
            nack: has_nack(parameters),
            descriptors: setup::has_descriptor(parameters),
            first_sequence: self.random.u16() % FIRST_SEQUENCE_BELOW,
            first_rtx_sequence: self.random.u16() % FIRST_SEQUENCE_BELOW,
            // Nobody can listen yet to what goes to the application.
            paused: settings.paused || self.transports[transport].core.direct().is_some(),
        }
    }

    fn enter_consumer(&mut self, at: ConsumerAt, transport: usize, parts: ConsumerParts) {
        let (router, index) = at;
        let unheard = self.transports[transport].core.direct().is_some();
        let entry = &mut self.routers[router];
        entry.consumers_of_streams.extend(parts.further.iter().map(|(further, _)| (*further, index)));
        let consumer = ConsumerEntry {
            id: parts.id,
            transport,
            producer: parts.settings.producer_id,
            kind: parts.kind,
            parameters: parts.parameters,
            numbers: parts.numbers,
            stream: parts.stream,
            all_streams: parts.settings.all_streams,
            further: parts.further,
            priority: 1,
            paused: parts.settings.paused,
            unheard,
            traces: Vec::new(),
        };
        place(&mut entry.consumers, index.0, consumer);
        self.consumer_ids.insert(parts.id, at);
    }

    pub(super) fn consumer_reply(&self, (router, index): ConsumerAt, producer: ProducerIndex) -> Value {
        let entry = &self.routers[router];
        let Some(consumer) = entry.consumer(index) else { return Value::Null };
        let shown = if consumer.all_streams { all_streams_score } else { consumer_score };
        let score = entry.core.consumer_score(index).map(shown).unwrap_or_default();
        let direct = self.transports.get(consumer.transport).and_then(|entry| entry.core.direct());
        json!({
            "kind": consumer.kind,
            "rtpParameters": consumer.parameters,
            "type": entry.consumer_type(consumer, producer),
            "preferredLayers": entry.core.preferred_layers(index).map(layers),
            "producerPaused": entry.core.is_producer_paused(producer),
            "score": score,
            "packetNumber": direct.and_then(|direct| direct.number_of(consumer.stream)),
        })
    }

    pub(super) fn close_producer(&mut self, id: ProducerId, now: Instant) {
        let Some((router, index)) = self.producer_ids.get(&id).copied() else { return };
        let consumers = self.with_router(router, now, |core, _| core.close_producer(index));
        for consumer in consumers.unwrap_or_default() {
            self.end_consumer(router, consumer);
        }
        self.forget_producer(router, index);
    }

    pub(super) fn close_consumer(&mut self, id: ConsumerId, now: Instant) {
        let Some((router, index)) = self.consumer_ids.get(&id).copied() else { return };
        for stream in self.routers[router].streams_of(index) {
            self.with_router(router, now, |core, _| core.close_consumer(stream));
        }
        self.forget_consumer(router, index);
    }

    pub(super) fn pause_producer(&mut self, (router, index): ProducerAt, now: Instant) -> Result<Value, RequestError> {
        let told = self.with_router(router, now, |core, fanout| core.pause_producer(index, now, fanout));
        self.tell_consumers(router, told.unwrap_or_default(), "producerpause");
        Ok(Value::Null)
    }

    pub(super) fn resume_producer(&mut self, (router, index): ProducerAt, now: Instant) -> Result<Value, RequestError> {
        let told = self.with_router(router, now, |core, fanout| core.resume_producer(index, now, fanout));
        self.tell_consumers(router, told.unwrap_or_default(), "producerresume");
        Ok(Value::Null)
    }

    fn tell_consumers(&mut self, router: usize, consumers: Vec<ConsumerIndex>, event: &'static str) {
        for index in consumers {
            if let Some(id) = self.routers[router].consumer(index).map(|consumer| consumer.id) {
                self.tell(id.uuid(), event, Value::Null);
            }
        }
    }

    pub(super) fn pause_consumer(&mut self, at: ConsumerAt, now: Instant) -> Result<Value, RequestError> {
        self.change_consumer(at, |consumer| consumer.paused = true);
        self.let_consumer_flow(at, now);
        Ok(Value::Null)
    }

    pub(super) fn resume_consumer(&mut self, at: ConsumerAt, now: Instant) -> Result<Value, RequestError> {
        self.change_consumer(at, |consumer| consumer.paused = false);
        self.let_consumer_flow(at, now);
        Ok(Value::Null)
    }

    /// Starts or stops a consumer, by what the application said of it.
    pub(super) fn let_consumer_flow(&mut self, (router, index): ConsumerAt, now: Instant) {
        let Some(consumer) = self.routers[router].consumer(index) else { return };
        let flows = !consumer.paused && !consumer.unheard;
        for stream in self.routers[router].streams_of(index) {
            self.with_router(router, now, |core, fanout| match flows {
                true => core.resume_consumer(stream, now, fanout),
                false => core.pause_consumer(stream, now, fanout),
            });
        }
    }

    pub(super) fn set_preferred_layers(
        &mut self,
        (router, index): ConsumerAt,
        wanted: ConsumerLayers,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let ConsumerLayers { spatial_layer, temporal_layer } = wanted;
        let set = self.with_router(router, now, |core, fanout| {
            core.set_preferred_layers(index, spatial_layer, temporal_layer, now, fanout)
        });
        Ok(json!(set.flatten().map(layers)))
    }

    pub(super) fn request_key_frame(
        &mut self,
        (router, index): ConsumerAt,
        now: Instant,
    ) -> Result<Value, RequestError> {
        for stream in self.routers[router].streams_of(index) {
            self.with_router(router, now, |core, fanout| core.request_key_frame(stream, now, fanout));
        }
        Ok(Value::Null)
    }

    pub(super) fn set_priority(&mut self, at: ConsumerAt, priority: u8, now: Instant) -> Result<Value, RequestError> {
        if priority == 0 {
            return Err(ModelError::invalid("priority", "0 is below the lowest priority; give 1 to 255").into());
        }
        self.change_consumer(at, |consumer| consumer.priority = priority);
        self.with_router(at.0, now, |core, fanout| core.set_consumer_priority(at.1, priority, now, fanout));
        Ok(json!({ "priority": priority }))
    }

    pub(super) fn change_consumer(&mut self, (router, index): ConsumerAt, change: impl FnOnce(&mut ConsumerEntry)) {
        let entries = &mut self.routers[router].consumers;
        if let Some(consumer) = entries.get_mut(index.0 as usize).and_then(Option::as_mut) {
            change(consumer);
        }
    }

    pub(super) fn trace_producer(
        &mut self,
        (router, index): ProducerAt,
        types: Vec<ProducerTraceEventType>,
    ) -> Result<Value, RequestError> {
        use ProducerTraceEventType as Type;
        let kinds = types.iter().fold(TraceKinds::NONE, |kinds, kind| {
            kinds.with(match kind {
                Type::Rtp => TraceKinds::RTP,
                Type::KeyFrame => TraceKinds::KEY_FRAME,
                Type::Nack => TraceKinds::NACK,
                Type::Pli => TraceKinds::PLI,
                Type::Fir => TraceKinds::FIR,
                Type::Sr => TraceKinds::SR,
            })
        });
        let entry = &mut self.routers[router];
        entry.core.trace_producer(index, kinds);
        if let Some(producer) = entry.producers.get_mut(index.0 as usize).and_then(Option::as_mut) {
            producer.traces = types;
        }
        Ok(Value::Null)
    }

    pub(super) fn trace_consumer(
        &mut self,
        at: ConsumerAt,
        types: Vec<ConsumerTraceEventType>,
    ) -> Result<Value, RequestError> {
        use ConsumerTraceEventType as Type;
        let kinds = types.iter().fold(TraceKinds::NONE, |kinds, kind| {
            kinds.with(match kind {
                Type::Rtp => TraceKinds::RTP,
                Type::KeyFrame => TraceKinds::KEY_FRAME,
                Type::Nack => TraceKinds::NACK,
                Type::Pli => TraceKinds::PLI,
                Type::Fir => TraceKinds::FIR,
            })
        });
        for stream in self.routers[at.0].streams_of(at.1) {
            self.routers[at.0].core.trace_consumer(stream, kinds);
        }
        self.change_consumer(at, |consumer| consumer.traces = types);
        Ok(Value::Null)
    }
}

/// A producer to be made.
pub(super) struct Publishing {
    pub(super) id: ProducerId,
    /// [`NO_TRANSPORT`] where no peer sends it.
    pub(super) transport: usize,
    pub(super) session: SessionId,
    pub(super) kind: MediaKind,
    pub(super) parameters: RtpParameters,
    pub(super) paused: bool,
    pub(super) key_frame_request_delay: Duration,
    /// Nothing can be read in its payloads.
    pub(super) encrypted: bool,
}

/// What the viewer of a new consumer gets.
struct Negotiated {
    kind: MediaKind,
    parameters: RtpParameters,
    /// The router's payload types as the viewer numbers them; `None` where it uses the router's.
    numbers: Option<Box<[CodecMapping]>>,
}

/// Who is to view what.
#[derive(Clone, Copy)]
struct View<'a> {
    transport: usize,
    at: ProducerAt,
    negotiated: &'a Negotiated,
    settings: &'a ConsumerSettings,
}

/// What a new consumer is known by.
struct ConsumerParts {
    id: ConsumerId,
    kind: MediaKind,
    parameters: RtpParameters,
    numbers: Option<Box<[CodecMapping]>>,
    stream: OutgoingStreamId,
    /// The streams after the first, and the router's consumers of them.
    further: Box<[(ConsumerIndex, OutgoingStreamId)]>,
    settings: ConsumerSettings,
}

/// What a consumer gets at most.
fn wish(source: &ProducerEntry, settings: &ConsumerSettings) -> Wish {
    match source.kind {
        MediaKind::Audio if settings.ignore_dtx => Wish::all_but_silence(),
        MediaKind::Audio => Wish::everything(1, 1),
        MediaKind::Video => setup::wish(&source.parameters, source.encrypted, settings.preferred_layers),
    }
}

fn has_nack(parameters: &RtpParameters) -> bool {
    parameters.codecs.iter().any(|codec| !codec.is_rtx() && codec.has_feedback("nack", ""))
}

fn produce_error(error: ProduceError) -> RequestError {
    match error {
        ProduceError::TooManyProducers(_) | ProduceError::Codecs(_) | ProduceError::Streams(_) => {
            RequestError::Limit(error.to_string())
        }
        ProduceError::UnknownSession(_) => RequestError::InvalidState(error.to_string()),
        ProduceError::SsrcInUse(_) | ProduceError::MidInUse(_) | ProduceError::RidInUse(_) => {
            RequestError::Collision(error.to_string())
        }
    }
}

fn consume_error(error: ConsumeError) -> RequestError {
    match error {
        ConsumeError::SsrcInUse(_) => RequestError::Collision(error.to_string()),
        ConsumeError::UnknownSession(_) | ConsumeError::UnknownProducer(_) => {
            RequestError::InvalidState(error.to_string())
        }
    }
}

fn stream_error(error: OutgoingStreamError) -> RequestError {
    match error {
        OutgoingStreamError::SsrcUsed(_) => RequestError::Collision(error.to_string()),
        OutgoingStreamError::TooManySsrcs => RequestError::Limit(error.to_string()),
    }
}
