//! Messages on their way, and what SCTP says besides.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use millrace_model::{
    ModelError, RemoteDataChannel, SCTP_STREAMS_MAX, SctpNegotiatedCapabilities, SctpState, SctpStreamParameters,
    WorkerLogTag,
};
use millrace_router::data::{Addressee, DataConsumerIndex, DataMessage, DataProducerIndex};
use millrace_transport::sctp::{ChannelOpen, ReliabilityLimit, SctpAssociation, SctpEvent, SctpMessage, SendError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Plane;
use super::data::{DataConsumerAt, DataConsumerEntry};
use super::routers::RouterEntry;
use super::transports::TransportEntry;
use crate::error::RequestError;

/// A message of the application.
#[derive(Deserialize)]
pub(super) struct SentMessage {
    /// Its bytes, base64 (RFC 4648 §4).
    data: String,
    ppid: u32,
}

/// What came of a message for one data consumer.
pub(super) struct Outcome {
    to: Addressee,
    result: Result<usize, SendError>,
}

impl Plane {
    /// Does what follows from what a transport's SCTP association said.
    pub(super) fn apply_data_event(&mut self, index: usize, event: SctpEvent, now: Instant) {
        let (id, router, session) = {
            let entry = &self.transports[index];
            (entry.id, entry.router, entry.session)
        };
        match event {
            SctpEvent::State(state) => {
                self.journal.debug(WorkerLogTag::Sctp, now, || format!("transport {id}: SCTP {state:?}"));
                let negotiated = self.transports[index].core.sctp().and_then(negotiated);
                self.tell(id.uuid(), "sctpstatechange", json!({ "state": state, "negotiated": negotiated }));
            }
            SctpEvent::Message(SctpMessage { stream, ppid, payload }) => {
                let Some(producer) = self.routers[router].data.producer_of(session, stream) else {
                    self.counters.data_messages_dropped_unknown_stream += 1;
                    return;
                };
                let message = if self.transports[index].core.is_pipe() {
                    DataMessage::from_addressed(ppid, &payload)
                } else {
                    Some(DataMessage { ppid, payload, ..DataMessage::default() })
                };
                match message {
                    Some(message) => self.forward_data(router, producer, &message, now),
                    None => self.counters.data_messages_dropped_malformed += 1,
                }
            }
            SctpEvent::Opened(open) => self.tell(id.uuid(), "datachannel", json!(channel(open))),
            SctpEvent::StreamClosed(stream) => {
                self.cut_stream(router, index, stream);
                self.tell(id.uuid(), "datachannelclose", json!(stream));
            }
            SctpEvent::BufferedAmountLow { stream, bytes } => {
                let entry = &self.routers[router];
                let consumer = entry.data.consumer_of(session, stream).and_then(|index| entry.data_consumer(index));
                if let Some(id) = consumer.map(|consumer| consumer.id) {
                    self.tell(id.uuid(), "bufferedamountlow", json!(bytes));
                }
            }
        }
    }

    /// Hands a message on to everyone whom it is for. Its bytes are shared.
    pub(super) fn forward_data(
        &mut self,
        router: usize,
        producer: DataProducerIndex,
        message: &DataMessage,
        now: Instant,
    ) {
        let mut outcomes = std::mem::take(&mut self.data_outcomes);
        let RouterEntry { data, sessions, data_consumers, .. } = &mut self.routers[router];
        let transports = &mut self.transports;
        data.forward(producer, message, |to, message| {
            let transport = sessions.get(to.session.0 as usize).and_then(|index| transports.get_mut(*index));
            let Some(transport) = transport else { return false };
            let result = match to.stream {
                Some(stream) => transport.send_message(stream, message, now),
                None => hand_out(transport, number_of(data_consumers, to.consumer), message),
            };
            outcomes.push(Outcome { to, result });
            result.is_ok()
        });
        for Outcome { to, result } in outcomes.drain(..) {
            self.after_message(router, to, result, now);
        }
        self.data_outcomes = outcomes;
    }

    /// Sends what a message became, or counts why it became nothing.
    fn after_message(&mut self, router: usize, to: Addressee, result: Result<usize, SendError>, now: Instant) {
        let entry = &self.routers[router];
        match result {
            Ok(_) => {
                if let Some(transport) = entry.sessions.get(to.session.0 as usize).copied() {
                    self.after_transport(transport, now);
                }
            }
            Err(SendError::BufferFull) => {
                self.counters.data_messages_dropped_full += 1;
                if let Some(id) = entry.data_consumer(to.consumer).map(|consumer| consumer.id) {
                    self.tell(id.uuid(), "sctpsendbufferfull", Value::Null);
                }
            }
            Err(SendError::NotConnected | SendError::StreamClosing) => {
                self.counters.data_messages_dropped_not_connected += 1;
            }
            Err(SendError::TooLong | SendError::Empty | SendError::UnknownPpid) => {
                self.counters.data_messages_dropped_too_long += 1;
            }
        }
    }

    /// Sends a message of the application to one data consumer's peer.
    pub(super) fn send_to_data_consumer(
        &mut self,
        (router, index): DataConsumerAt,
        sent: SentMessage,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let payload = sent.payload()?;
        let Some(consumer) = self.routers[router].data_consumer(index) else { return Ok(Value::Null) };
        let Some(stream) = consumer.sctp_stream_parameters.as_ref().map(|parameters| parameters.stream_id) else {
            let reason = "dataConsumer.send(): only data consumers of type sctp can send".to_owned();
            return Err(RequestError::InvalidState(reason));
        };
        let (transport, id, len) = (consumer.transport, consumer.id, payload.len());
        let message = DataMessage { ppid: sent.ppid, payload, ..DataMessage::default() };
        let result = self.transports[transport].send_message(stream, &message, now);
        self.after_transport(transport, now);
        match result {
            Ok(waiting) => {
                self.routers[router].data.count_sent(index, len);
                Ok(json!(waiting))
            }
            Err(error @ SendError::BufferFull) => {
                self.tell(id.uuid(), "sctpsendbufferfull", Value::Null);
                Err(RequestError::Limit(format!("dataConsumer.send(): {error}")))
            }
            Err(error @ (SendError::TooLong | SendError::Empty | SendError::UnknownPpid)) => {
                Err(ModelError::invalid("message", error.to_string()).into())
            }
            Err(error) => Err(RequestError::InvalidState(format!("dataConsumer.send(): {error}"))),
        }
    }
}

impl TransportEntry {
    /// Sends a message over SCTP: to another router with whom it is for. Tells how many bytes wait then.
    fn send_message(&mut self, stream: u16, message: &DataMessage, now: Instant) -> Result<usize, SendError> {
        if message.payload.is_empty() {
            return Err(SendError::Empty);
        }
        if message.payload.len() > self.data.max_send_message_size as usize {
            return Err(SendError::TooLong);
        }
        let payload = if self.core.is_pipe() { message.to_addressed() } else { message.payload.clone() };
        let message = SctpMessage { stream, ppid: message.ppid, payload };
        let sent = self.core.with_sctp(now, |sctp, counters| sctp.send(&message, now, counters));
        sent.unwrap_or(Err(SendError::NotConnected))
    }
}

fn number_of(consumers: &[Option<DataConsumerEntry>], index: DataConsumerIndex) -> Option<u32> {
    consumers.get(index.0 as usize)?.as_ref()?.number
}

/// Gives a message to the application. Nothing waits: if it reads too slowly, the oldest messages are dropped and counted
/// with its packets.
fn hand_out(transport: &mut TransportEntry, number: Option<u32>, message: &DataMessage) -> Result<usize, SendError> {
    let (Some(direct), Some(number)) = (transport.core.direct_mut(), number) else {
        return Err(SendError::NotConnected);
    };
    let is_taken = direct.send_message(number, message.ppid, &message.payload);
    if is_taken { Ok(0) } else { Err(SendError::TooLong) }
}

impl SentMessage {
    fn payload(&self) -> Result<Bytes, ModelError> {
        let bytes = STANDARD.decode(&self.data).map_err(|_| ModelError::invalid("data", "is not base64"))?;
        Ok(bytes.into())
    }
}

/// What a connected association agreed on. The peer has as many streams as we use, or more.
pub(super) fn negotiated(sctp: &SctpAssociation) -> Option<SctpNegotiatedCapabilities> {
    (sctp.state() == SctpState::Connected).then(|| SctpNegotiatedCapabilities {
        negotiated_max_outbound_streams: SCTP_STREAMS_MAX,
        negotiated_max_inbound_streams: sctp.incoming_streams(),
    })
}

fn channel(open: ChannelOpen) -> RemoteDataChannel {
    let (retransmits, life_time) = match open.reliability.limit {
        ReliabilityLimit::None => (None, None),
        ReliabilityLimit::Retransmits(count) => (Some(count), None),
        ReliabilityLimit::LifetimeMs(time) => (None, Some(time)),
    };
    // A channel may be in order and give messages up (RFC 8832 §5.1); mediasoup's parameters cannot say so.
    let ordered = !open.reliability.unordered && retransmits.is_none() && life_time.is_none();
    RemoteDataChannel {
        sctp_stream_parameters: SctpStreamParameters {
            stream_id: open.stream,
            ordered: Some(ordered),
            max_packet_life_time: life_time,
            max_retransmits: retransmits,
        },
        label: open.label,
        protocol: open.protocol,
    }
}
