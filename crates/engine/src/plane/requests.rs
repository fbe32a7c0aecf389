//! Which method does what. Parameters are parsed here, at the door; inside there is no validation.

use std::collections::BTreeSet;
use std::time::Instant;

use millrace_model::{
    ActiveSpeakerObserverOptions, AudioLevelObserverOptions, AudioLevelObserverSettings, ConsumerId, ConsumerOptions,
    DataConsumerId, DataConsumerOptions, DataProducerId, DataProducerOptions, DirectTransportOptions, ModelError,
    PipeConsumerOptions, PipeTransportOptions, PlainTransportOptions, ProducerId, ProducerOptions, RouterId,
    RouterOptions, RtpObserverId, SctpOptions, TransportId, WebRtcServerId, WebRtcServerOptions,
    WebRtcTransportOptions, Within, WorkerUpdateableSettings, checked_places, checked_subchannels, parse,
};
use millrace_router::{ObserverKind, ObserverSetup};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Plane;
use super::transport_core::TransportCore;
use crate::error::RequestError;
use crate::message::{Message, Outcome};
use crate::request::{Head, REQUEST_BYTES_MAX, id_of, refusal};
use crate::resource_usage;

type Answer = Result<Value, RequestError>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfServer {
    web_rtc_server_id: WebRtcServerId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfRouter {
    router_id: RouterId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfTransport {
    transport_id: TransportId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfProducer {
    producer_id: ProducerId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfConsumer {
    consumer_id: ConsumerId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfObserver {
    rtp_observer_id: RtpObserverId,
}

/// Ids for the producers of a selector.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Places {
    producer_ids: Vec<ProducerId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfDataProducer {
    data_producer_id: DataProducerId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfDataConsumer {
    data_consumer_id: DataConsumerId,
}

#[derive(Deserialize)]
struct Threshold {
    threshold: u32,
}

#[derive(Deserialize)]
struct Subchannels {
    subchannels: Vec<u16>,
}

#[derive(Deserialize)]
struct Bitrate {
    bitrate: u64,
}

#[derive(Deserialize)]
struct TraceNames {
    types: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfRing {
    ring_id: Uuid,
}

/// Whether somebody listens to the packets of an object.
#[derive(Deserialize)]
struct Listening {
    listens: bool,
}

#[derive(Deserialize)]
struct PriorityParameter {
    priority: u8,
}

impl Plane {
    /// Carries out one request; the reply is to be [said](Plane::say). A text without a number gets no reply.
    pub(crate) fn handle_request(&mut self, text: &str, now: Instant) -> Option<Message> {
        let head = serde_json::from_str::<Head>(text);
        let id = head.as_ref().map_or_else(|_| id_of(text), |head| Some(head.id))?;
        let answer = self.answer(head, text, now);
        self.flush();
        if std::mem::take(&mut self.reply_follows) {
            return None;
        }
        Some(match answer {
            Ok(value) => Message::Reply { id, outcome: Outcome::Ok(value) },
            Err(error) => refusal(id, error),
        })
    }

    fn answer(&mut self, head: serde_json::Result<Head<'_>>, text: &str, now: Instant) -> Answer {
        if text.len() > REQUEST_BYTES_MAX {
            let reason = format!("a request has at most {REQUEST_BYTES_MAX} bytes, this one {}", text.len());
            return Err(ModelError::limit("arguments", reason).into());
        }
        let head =
            head.map_err(|error| ModelError::invalid("method", format!("the request cannot be read: {error}")))?;
        let (noun, verb) = head.method.split_once('.').unwrap_or((&head.method, ""));
        match noun {
            "worker" => self.worker_request(verb, text, now),
            "webRtcServer" => self.server_request(verb, text, now),
            "router" => self.router_request(verb, text, now),
            "transport" => self.transport_request(verb, text, now),
            "producer" => self.producer_request(verb, text, now),
            "consumer" => self.consumer_request(verb, text, now),
            "rtpObserver" => self.observer_request(verb, text, now),
            "dataProducer" => self.data_producer_request(verb, text, now),
            "dataConsumer" => self.data_consumer_request(verb, text, now),
            "audioMixer" => self.audio_mixer_request(verb, text, now),
            "videoMixer" => self.video_mixer_request(verb, text, now),
            _ => Err(RequestError::UnknownMethod(head.method.into_owned())),
        }
    }

    fn worker_request(&mut self, verb: &str, text: &str, now: Instant) -> Answer {
        match verb {
            "dump" => json(self.worker_dump()),
            "getResourceUsage" => json(resource_usage::of_this_process()),
            "getMetrics" => json(self.metrics()),
            "updateSettings" => {
                let WorkerUpdateableSettings { log_level, log_tags } = parse(text)?;
                self.journal.update(log_level, log_tags);
                Ok(Value::Null)
            }
            "createWebRtcServer" => {
                let id = parse::<OfServer>(text)?.web_rtc_server_id;
                self.create_server(id, parse::<WebRtcServerOptions>(text)?.into_checked()?)
            }
            "createRouter" => {
                let id = parse::<OfRouter>(text)?.router_id;
                self.create_router(id, parse::<RouterOptions>(text)?, now)
            }
            "createAudioMixer" => self.create_audio_mixer(text),
            "createVideoMixer" => self.create_video_mixer(text),
            #[cfg(debug_assertions)]
            "panic" => panic!("asked for by a test"),
            _ => unknown("worker", verb),
        }
    }

    fn server_request(&mut self, verb: &str, text: &str, now: Instant) -> Answer {
        let id = parse::<OfServer>(text)?.web_rtc_server_id;
        match verb {
            "close" => {
                self.close_server(id, now);
                Ok(Value::Null)
            }
            "dump" => json(self.server_dump(id)?),
            _ => unknown("webRtcServer", verb),
        }
    }

    fn router_request(&mut self, verb: &str, text: &str, now: Instant) -> Answer {
        let id = parse::<OfRouter>(text)?.router_id;
        if verb == "close" {
            if let Some(index) = self.router_ids.get(&id).copied() {
                self.close_router(index, now);
            }
            return Ok(Value::Null);
        }
        let index = self.router_index(id)?;
        match verb {
            "dump" => json(self.router_dump(index)),
            "updateMediaCodecs" => self.update_media_codecs(index, parse::<RouterOptions>(text)?),
            "createWebRtcTransport" => {
                let id = parse::<OfTransport>(text)?.transport_id;
                let settings = parse::<WebRtcTransportOptions>(text)?.into_checked()?;
                let data = parse::<SctpOptions>(text)?.into_checked()?;
                self.create_webrtc_transport(index, id, settings, data, now)
            }
            "createAudioLevelObserver" => {
                let id = parse::<OfObserver>(text)?.rtp_observer_id;
                let settings = parse::<AudioLevelObserverOptions>(text)?.into_checked()?;
                let AudioLevelObserverSettings { entries_max, threshold_dbov, interval } = settings;
                let kind = ObserverKind::AudioLevels { entries_max, threshold_dbov };
                self.create_observer(index, id, ObserverSetup { kind, interval })
            }
            "createActiveSpeakerObserver" => {
                let id = parse::<OfObserver>(text)?.rtp_observer_id;
                let interval = parse::<ActiveSpeakerObserverOptions>(text)?.checked_interval();
                self.create_observer(index, id, ObserverSetup { kind: ObserverKind::ActiveSpeaker, interval })
            }
            "createPlainTransport" => {
                let id = parse::<OfTransport>(text)?.transport_id;
                let settings = parse::<PlainTransportOptions>(text)?.into_checked()?;
                let data = parse::<SctpOptions>(text)?.into_checked()?;
                self.create_plain_transport(index, id, settings, data, now)
            }
            "createPipeTransport" => {
                let id = parse::<OfTransport>(text)?.transport_id;
                let settings = parse::<PipeTransportOptions>(text)?.into_checked()?;
                let data = parse::<SctpOptions>(text)?.into_checked()?;
                self.create_pipe_transport(index, id, settings, data, now)
            }
            "createDirectTransport" => {
                let id = parse::<OfTransport>(text)?.transport_id;
                let settings = parse::<DirectTransportOptions>(text)?.into_checked()?;
                self.create_direct_transport(index, id, settings, now)
            }
            "createRingTransport" => {
                let id = parse::<OfTransport>(text)?.transport_id;
                self.create_ring_transport(index, id, parse::<OfRing>(text)?.ring_id, now)
            }
            "createActiveAudioSelector" => {
                let id = parse::<OfObserver>(text)?.rtp_observer_id;
                self.create_selector(index, id, &checked_places(parse::<Places>(text)?.producer_ids)?)
            }
            _ => unknown("router", verb),
        }
    }

    fn transport_request(&mut self, verb: &str, text: &str, now: Instant) -> Answer {
        let id = parse::<OfTransport>(text)?.transport_id;
        if verb == "close" {
            if let Some(index) = self.transport_ids.get(&id).copied() {
                self.close_transport(index, now);
            }
            return Ok(Value::Null);
        }
        let index = self.transport_index(id)?;
        match verb {
            "dump" => self.transport_dump(index),
            "getStats" => self.transport_stats(index, now),
            "connect" => self.connect_transport(index, text, now),
            "restartIce" => self.restart_ice(index, now),
            "setMaxIncomingBitrate" => self.set_max_incoming_bitrate(index, parse::<Bitrate>(text)?.bitrate, now),
            "setMaxOutgoingBitrate" => self.limit_bitrate(index, |limits| limits.set_max_outgoing(bitrate(text)?), now),
            "setMinOutgoingBitrate" => self.limit_bitrate(index, |limits| limits.set_min_outgoing(bitrate(text)?), now),
            "enableTraceEvent" => self.trace_transport(index, traces(text)?),
            "startCapture" => self.start_capture(index, id_of(text), parse(text)?),
            "stopCapture" => self.stop_capture(index, id_of(text)),
            "listen" => self.listen_to_transport(index, parse::<Listening>(text)?.listens),
            "produce" => {
                let id = parse::<OfProducer>(text)?.producer_id;
                self.produce(index, id, parse::<ProducerOptions>(text)?.into_checked()?, now)
            }
            "consume" => {
                let id = parse::<OfConsumer>(text)?.consumer_id;
                let settings = match &self.transports[index].core {
                    TransportCore::Pipe(parts) => parse::<PipeConsumerOptions>(text)?.into_settings(parts.rtx),
                    TransportCore::Ring(_) => parse::<PipeConsumerOptions>(text)?.into_settings(false),
                    _ => parse::<ConsumerOptions>(text)?.into_checked()?,
                };
                self.consume(index, id, settings, now)
            }
            "produceData" => {
                let id = parse::<OfDataProducer>(text)?.data_producer_id;
                self.produce_data(index, id, parse::<DataProducerOptions>(text)?.into_checked()?, now)
            }
            "consumeData" => {
                let id = parse::<OfDataConsumer>(text)?.data_consumer_id;
                self.consume_data(index, id, parse::<DataConsumerOptions>(text)?.into_checked()?, now)
            }
            _ => unknown("transport", verb),
        }
    }

    /// Takes what the application was told of the peer, which each kind of transport needs to know something else of.
    fn connect_transport(&mut self, index: usize, text: &str, now: Instant) -> Answer {
        match &self.transports[index].core {
            TransportCore::WebRtc(_) => self.connect_webrtc_transport(index, parse(text)?, now),
            TransportCore::Plain(_) | TransportCore::Pipe(_) => self.connect_plain_transport(index, parse(text)?, now),
            TransportCore::Direct(_) => Ok(Value::Null),
            TransportCore::Ring(_) => {
                Err(RequestError::InvalidState("transport.connect(): the transport is connected already".to_owned()))
            }
        }
    }

    fn producer_request(&mut self, verb: &str, text: &str, now: Instant) -> Answer {
        let id = parse::<OfProducer>(text)?.producer_id;
        if verb == "close" {
            self.close_producer(id, now);
            return Ok(Value::Null);
        }
        let at = self.producer_at(id)?;
        match verb {
            "dump" => json(self.producer_dump(at)),
            "getStats" => json(self.producer_stats(at, now)),
            "pause" => self.pause_producer(at, now),
            "resume" => self.resume_producer(at, now),
            "enableTraceEvent" => self.trace_producer(at, traces(text)?),
            _ => unknown("producer", verb),
        }
    }

    fn consumer_request(&mut self, verb: &str, text: &str, now: Instant) -> Answer {
        let id = parse::<OfConsumer>(text)?.consumer_id;
        if verb == "close" {
            self.close_consumer(id, now);
            return Ok(Value::Null);
        }
        if verb == "listen" {
            return self.listen_to_consumer(id, parse::<Listening>(text)?.listens, now);
        }
        let at = self.consumer_at(id)?;
        match verb {
            "dump" => json(self.consumer_dump(at)),
            "getStats" => self.consumer_stats(at, now),
            "pause" => self.pause_consumer(at, now),
            "resume" => self.resume_consumer(at, now),
            "requestKeyFrame" => self.request_key_frame(at, now),
            "setPreferredLayers" => self.set_preferred_layers(at, parse(text)?, now),
            "replaceProducer" => self.replace_producer(at, parse::<OfProducer>(text)?.producer_id, now),
            "setPriority" => self.set_priority(at, parse::<PriorityParameter>(text)?.priority, now),
            "enableTraceEvent" => self.trace_consumer(at, traces(text)?),
            _ => unknown("consumer", verb),
        }
    }

    fn observer_request(&mut self, verb: &str, text: &str, now: Instant) -> Answer {
        let id = parse::<OfObserver>(text)?.rtp_observer_id;
        if verb == "close" {
            self.close_observer(id);
            return Ok(Value::Null);
        }
        let at = self.observer_at(id)?;
        match verb {
            "pause" => self.pause_observer(at, now),
            "resume" => self.resume_observer(at, now),
            "addProducer" => self.observe(at, parse::<OfProducer>(text)?.producer_id, now),
            "removeProducer" => self.unobserve(at, parse::<OfProducer>(text)?.producer_id, now),
            _ => unknown("rtpObserver", verb),
        }
    }
}

impl Plane {
    fn data_producer_request(&mut self, verb: &str, text: &str, now: Instant) -> Answer {
        let id = parse::<OfDataProducer>(text)?.data_producer_id;
        if verb == "close" {
            self.close_data_producer(id, now);
            return Ok(Value::Null);
        }
        let at = self.data_producer_at(id)?;
        match verb {
            "dump" => json(self.data_producer_dump(at)),
            "getStats" => json(self.data_producer_stats(at, now)),
            "pause" => Ok(self.pause_data_producer(at, true)),
            "resume" => Ok(self.pause_data_producer(at, false)),
            _ => unknown("dataProducer", verb),
        }
    }

    fn data_consumer_request(&mut self, verb: &str, text: &str, now: Instant) -> Answer {
        let id = parse::<OfDataConsumer>(text)?.data_consumer_id;
        if verb == "close" {
            self.close_data_consumer(id, now);
            return Ok(Value::Null);
        }
        let at = self.data_consumer_at(id)?;
        match verb {
            "dump" => json(self.data_consumer_dump(at, now)),
            "getStats" => json(self.data_consumer_stats(at, now)),
            "pause" | "resume" => {
                self.routers[at.0].data.set_consumer_paused(at.1, verb == "pause");
                Ok(Value::Null)
            }
            "getBufferedAmount" => json(self.waiting_data(at, now).0),
            "setBufferedAmountLowThreshold" => {
                self.set_buffered_amount_low_threshold(at, parse::<Threshold>(text)?.threshold, now)
            }
            "setSubchannels" => {
                let set = checked_subchannels(parse::<Subchannels>(text)?.subchannels).within("subchannels")?;
                self.routers[at.0].data.set_subchannels(at.1, set);
                json(self.routers[at.0].data.subchannels(at.1))
            }
            "send" => self.send_to_data_consumer(at, parse(text)?, now),
            _ => unknown("dataConsumer", verb),
        }
    }
}

/// The kinds of traces that are named, each once and in the order of their type. A name that means nothing for this
/// object is skipped, as mediasoup does: applications ask for one list everywhere.
fn traces<T: DeserializeOwned + Ord>(text: &str) -> Result<Vec<T>, ModelError> {
    let names = parse::<TraceNames>(text)?.types;
    let kinds: BTreeSet<T> =
        names.into_iter().filter_map(|name| serde_json::from_value(Value::String(name)).ok()).collect();
    Ok(kinds.into_iter().collect())
}

fn bitrate(text: &str) -> Result<u64, ModelError> {
    parse::<Bitrate>(text).map(|parameter| parameter.bitrate)
}

/// A reply's value as JSON.
pub(super) fn json(value: impl Serialize) -> Answer {
    // Replies hold strings, numbers and lists of them, all of which have a JSON form.
    serde_json::to_value(value)
        .map_err(|error| RequestError::InvalidState(format!("the reply cannot be written: {error}")))
}

fn unknown(noun: &str, verb: &str) -> Answer {
    Err(RequestError::UnknownMethod(format!("{noun}.{verb}")))
}
