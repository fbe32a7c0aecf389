//! What applications may look at: dumps, statistics, metrics.

use std::collections::BTreeMap;
use std::time::Instant;

use millrace_model::{
    ChannelMessageHandlersDump, ConsumerDump, Metrics, NameEntriesDump, NameEntryDump, ProducerDump, ProducerType,
    RouterDump, RtpParameters, RtpStreamDump, RtpStreamParametersDump, RtxStreamDump, RtxStreamParameters, WorkerDump,
    parse_scalability_mode,
};
use millrace_router::Layers;
use serde_json::Value;

use super::Plane;
use super::data_reports::data_maps;
use super::direct::DirectTransport;
use super::observers::observed;
use super::requests::json;
use super::routers::{ProducerEntry, RouterEntry};
use super::streams::{ConsumerAt, ProducerAt};
use super::transports::TransportEntry;
use crate::error::RequestError;
use crate::setup;

impl Plane {
    pub(super) fn worker_dump(&self) -> WorkerDump {
        WorkerDump {
            pid: std::process::id(),
            web_rtc_server_ids: self.servers.keys().copied().collect(),
            router_ids: self.routers.iter().map(|(_, router)| router.id).collect(),
            channel_message_handlers: ChannelMessageHandlersDump {
                channel_request_handlers: self.object_ids(),
                channel_notification_handlers: Vec::new(),
            },
        }
    }

    /// The ids of everything that requests can be sent to, parents first.
    fn object_ids(&self) -> Vec<String> {
        let servers = self.servers.keys().map(ToString::to_string);
        let routers = self.routers.iter().map(|(_, router)| router.id.to_string());
        let transports = self.shown_transports().map(|transport| transport.id.to_string());
        let producers = self.producer_ids.keys().map(ToString::to_string);
        let consumers = self.consumer_ids.iter().filter(|(_, at)| self.is_shown(**at)).map(|(id, _)| id.to_string());
        let observers = self.observer_ids.keys().map(ToString::to_string);
        let data_producers = self.data_producer_ids.keys().map(ToString::to_string);
        let data_consumers = self.data_consumer_ids.keys().map(ToString::to_string);
        let media = producers.chain(consumers).chain(observers);
        servers.chain(routers).chain(transports).chain(media).chain(data_producers).chain(data_consumers).collect()
    }

    /// The counters of the worker and of each open transport. A transport's own and its session's are one.
    pub(super) fn metrics(&self) -> Metrics {
        let counted: Vec<_> = self
            .shown_transports()
            .map(|entry| {
                let mut counters = entry.core.counters().clone();
                let session = self.routers.get(entry.router).and_then(|router| router.core.counters(entry.session));
                session.into_iter().for_each(|session| counters.add(session));
                (entry.id, counters)
            })
            .collect();
        Metrics::new(&self.counters, counted.iter().map(|(id, counters)| (*id, counters)))
    }

    pub(super) fn router_dump(&self, index: usize) -> RouterDump {
        let entry = &self.routers[index];
        let producers = entry.producers.iter().flatten();
        let consumers = || entry.consumers.iter().flatten().filter(|consumer| !self.is_attached(consumer.transport));
        let viewers = |producer: &ProducerEntry| NameEntriesDump {
            key: producer.id.to_string(),
            values: consumers()
                .filter(|consumer| consumer.producer == producer.id)
                .map(|consumer| consumer.id.to_string())
                .collect(),
        };
        let (data_consumers, data_producers) = data_maps(entry);
        RouterDump {
            id: entry.id,
            transport_ids: self.transports_of(index).map(|transport| transport.id).collect(),
            rtp_observer_ids: entry.observers.iter().flatten().copied().collect(),
            map_producer_id_consumer_ids: producers.map(viewers).collect(),
            map_consumer_id_producer_id: consumers()
                .map(|consumer| NameEntryDump { key: consumer.id.to_string(), value: consumer.producer.to_string() })
                .collect(),
            map_producer_id_observer_ids: observers_by_producer(entry),
            map_data_producer_id_data_consumer_ids: data_consumers,
            map_data_consumer_id_data_producer_id: data_producers,
        }
    }

    fn transports_of(&self, router: usize) -> impl Iterator<Item = &TransportEntry> {
        self.shown_transports().filter(move |entry| entry.router == router)
    }

    /// The transports that applications know: those of taps and sources are no business of theirs.
    fn shown_transports(&self) -> impl Iterator<Item = &TransportEntry> {
        self.transports.iter().filter(|(index, _)| !self.is_attached(*index)).map(|(_, entry)| entry)
    }

    fn is_shown(&self, (router, index): ConsumerAt) -> bool {
        self.routers[router].consumer(index).is_some_and(|consumer| !self.is_attached(consumer.transport))
    }

    /// Tells whether a transport belongs to a tap or a source.
    fn is_attached(&self, transport: usize) -> bool {
        let entry = self.transports.get(transport);
        entry.and_then(|entry| entry.core.direct()).is_some_and(DirectTransport::is_attached)
    }

    pub(super) fn producer_dump(&self, (router, index): ProducerAt) -> Option<ProducerDump> {
        let entry = &self.routers[router];
        let producer = entry.producer(index)?;
        let scores = entry.core.producer_score(index);
        let score = |stream: usize| scores.iter().find(|score| usize::from(score.stream) == stream);
        let parameters = dumped(&producer.parameters, &producer.consumable);
        let streams: Vec<_> = (0..parameters.encodings.len())
            .filter_map(|stream| Some(stream_dump(&parameters, stream, score(stream)?.score)))
            .collect();
        Some(ProducerDump {
            id: producer.id,
            kind: producer.kind,
            producer_type: ProducerType::of(&producer.parameters.encodings),
            rtp_parameters: parameters,
            rtp_mapping: producer.mapping.clone(),
            rtp_streams: (!streams.is_empty()).then_some(streams),
            trace_event_types: producer.traces.clone(),
            paused: entry.core.is_producer_paused(index),
        })
    }

    pub(super) fn consumer_dump(&self, (router, index): ConsumerAt) -> Option<ConsumerDump> {
        let entry = &self.routers[router];
        let consumer = entry.consumer(index)?;
        let (_, producer) = self.producer_ids.get(&consumer.producer)?;
        let score = entry.core.consumer_score(index).unwrap_or_default().score;
        let media = consumer.parameters.codecs.iter().filter(|codec| !codec.is_rtx());
        let core = &entry.core;
        let preferred = core.preferred_layers(index);
        let (target, current) = (core.target_layers(index), core.current_layers(index));
        let spatial = |layers| shown_layer(preferred.is_some(), layers, |layers| layers.spatial_layer);
        let temporal = |layers| shown_layer(preferred.is_some(), layers, |layers| layers.temporal_layer);
        Some(ConsumerDump {
            id: consumer.id,
            producer_id: consumer.producer,
            kind: consumer.kind,
            consumer_type: entry.consumer_type(consumer, *producer),
            rtp_parameters: dumped(&consumer.parameters, &consumer.parameters),
            consumable_rtp_encodings: entry.consumable_encodings(*producer).to_vec(),
            supported_codec_payload_types: media.map(|codec| codec.payload_type).collect(),
            trace_event_types: consumer.traces.clone(),
            paused: consumer.paused,
            producer_paused: entry.core.is_producer_paused(*producer),
            priority: consumer.priority,
            rtp_stream: stream_dump(&consumer.parameters, 0, score),
            rtp_streams: consumer.all_streams.then(|| {
                let streams = 0..consumer.parameters.encodings.len();
                streams.map(|stream| stream_dump(&consumer.parameters, stream, score)).collect()
            }),
            preferred_spatial_layer: spatial(preferred),
            target_spatial_layer: spatial(target),
            current_spatial_layer: spatial(current),
            preferred_temporal_layer: temporal(preferred),
            target_temporal_layer: temporal(target),
            current_temporal_layer: temporal(current),
        })
    }

    pub(super) fn producer_stats(&mut self, (router, index): ProducerAt, now: Instant) -> Value {
        json(self.routers[router].core.producer_stats(index, now)).unwrap_or_default()
    }

    pub(super) fn consumer_stats(&mut self, (router, index): ConsumerAt, now: Instant) -> Result<Value, RequestError> {
        let entry = &mut self.routers[router];
        let all_streams = entry.consumer(index).is_some_and(|consumer| consumer.all_streams);
        let mut stats = Vec::new();
        for stream in entry.streams_of(index) {
            let Some((sent, received)) = entry.core.consumer_stats(stream, now) else { continue };
            stats.push(json(sent)?);
            // Of all streams what was received stands with the producer.
            stats.extend(received.filter(|_| !all_streams).map(json).transpose()?);
        }
        Ok(Value::Array(stats))
    }
}

/// The observers of each producer that has any.
fn observers_by_producer(entry: &RouterEntry) -> Vec<NameEntriesDump> {
    let mut by_producer = BTreeMap::<String, Vec<String>>::new();
    for (observer, producers) in observed(entry) {
        for producer in producers {
            by_producer.entry(producer.to_string()).or_default().push(observer.to_string());
        }
    }
    by_producer.into_iter().map(|(key, values)| NameEntriesDump { key, values }).collect()
}

/// A layer as dumps show it, where there is a choice: -1 for none.
fn shown_layer(has_choice: bool, layers: Option<Layers>, of: impl Fn(Layers) -> u8) -> Option<i16> {
    has_choice.then(|| layers.map_or(-1, |layers| of(layers).into()))
}

/// The parameters as mediasoup dumps them: codecs named as the router does, and the codec of each stream written out.
fn dumped(parameters: &RtpParameters, consumable: &RtpParameters) -> RtpParameters {
    let mut parameters = parameters.clone();
    for codec in &mut parameters.codecs {
        codec.mime_type = setup::mime_type(consumable, codec);
    }
    let default = parameters.media_codec().map(|codec| codec.payload_type);
    for encoding in &mut parameters.encodings {
        encoding.codec_payload_type = encoding.codec_payload_type.or(default);
    }
    parameters
}

/// One stream as its parameters describe it.
fn stream_dump(parameters: &RtpParameters, index: usize, score: u8) -> RtpStreamDump {
    let encoding = parameters.encodings.get(index).cloned().unwrap_or_default();
    let codec = parameters.media_codec();
    let payload_type = codec.map_or(0, |codec| codec.payload_type);
    let has = |kind, parameter| codec.is_some_and(|codec| codec.has_feedback(kind, parameter));
    let says = |name| codec.and_then(|codec| codec.parameters.u32_or(name, 0)) == Some(1);
    let cname = parameters.rtcp.cname.clone().unwrap_or_default();
    let rtx_codec = parameters.rtx_codec(payload_type);
    let rtx_stream = encoding.rtx.zip(rtx_codec).map(|(rtx, codec)| RtxStreamDump {
        params: RtxStreamParameters {
            ssrc: rtx.ssrc,
            payload_type: codec.payload_type,
            mime_type: codec.mime_type.clone(),
            clock_rate: codec.clock_rate,
            rrid: None,
            cname: cname.clone(),
        },
    });
    let mode = parse_scalability_mode(encoding.scalability_mode.as_deref().unwrap_or_default());
    RtpStreamDump {
        params: RtpStreamParametersDump {
            encoding_idx: index as u32,
            ssrc: encoding.ssrc.unwrap_or_default(),
            payload_type,
            mime_type: codec.map(|codec| codec.mime_type.clone()).unwrap_or_default(),
            clock_rate: codec.map_or(0, |codec| codec.clock_rate),
            rid: encoding.rid,
            cname,
            rtx_ssrc: encoding.rtx.map(|rtx| rtx.ssrc),
            rtx_payload_type: rtx_codec.map(|codec| codec.payload_type),
            use_nack: has("nack", ""),
            use_pli: has("nack", "pli"),
            use_fir: has("ccm", "fir"),
            use_in_band_fec: says("useinbandfec"),
            use_dtx: encoding.dtx.unwrap_or_default() || says("usedtx"),
            spatial_layers: mode.spatial_layers,
            temporal_layers: mode.temporal_layers,
        },
        score,
        rtx_stream,
    }
}
