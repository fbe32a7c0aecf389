//! SCTP (RFC 9260) with partial reliability (RFC 3758) and stream reset (RFC 6525), as data channels use it (RFC 8831).
//!
//! An [`SctpAssociation`] is told the time, takes packets and returns packets, events and a deadline. It wraps a library
//! and keeps hostile input away from it: `filter` lets through what makes sense at the moment, and whatever the library
//! could be made to keep has a bound here. Below may be DTLS (RFC 8261) or plain datagrams.

mod chunk;
mod dcep;
mod filter;
mod streams;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millrace_model::{Counters, SCTP_STREAM_NUMBERS, SCTP_STREAMS_MAX, SctpState};
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier as Ppid, ServerConfig, StreamEvent, TransportConfig,
};

use self::filter::{PacketFilter, Verdict};
use self::streams::Streams;

pub(crate) use self::chunk::packet;
pub use self::dcep::{ChannelOpen, Reliability, ReliabilityLimit};
pub(crate) use self::filter::fuzz as fuzz_filter;

/// User data of one DATA chunk, in bytes: with its headers, DTLS, UDP and IPv6 it stays below 1,280, which every path
/// carries.
const FRAGMENT_BYTES_MAX: u32 = 1120;

/// Messages and other events that wait to be polled within one call. The library makes at most as many as one packet
/// has chunks, and one for each stream that ends; beyond, the association is aborted.
const EVENTS_MAX: usize = 8192;

/// Longest wait between repetitions, in milliseconds.
const RTO_MAX_MS: u64 = 10_000;

/// Wait before the first repetition while nothing is known of the path, in milliseconds; as in Chromium.
const RTO_INITIAL_MS: u64 = 500;

/// Shortest wait before a repetition, in milliseconds: above the 200 ms for which an acknowledgement may be delayed.
const RTO_MIN_MS: u64 = 250;

/// Times an INIT is repeated before the association has failed: about 30 s.
const INIT_REPETITIONS_MAX: usize = 8;

/// The peer's address as the library knows it; packets find their way without it.
const PLACEHOLDER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));

/// The payload protocol identifier of data channel establishment (RFC 8832 §8.1).
const PPID_DCEP: u32 = 50;

/// What an association is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SctpSettings {
    /// Longest message that is sent, in bytes.
    pub max_send_message_bytes: u32,
    /// Longest message that is taken, in bytes; a longer one ends the association.
    pub max_receive_message_bytes: u32,
    /// Bytes that wait for the peer at most, on all streams together.
    pub send_buffer_bytes: usize,
    /// Bytes that wait for the peer at most, on one stream.
    pub stream_send_bytes: usize,
    /// Bytes that the peer may have sent without their being deliverable.
    pub receive_window_bytes: u32,
    /// At which amount of waiting bytes a stream says that it is nearly empty, until told otherwise.
    pub buffered_amount_low_threshold: usize,
    /// Whether channels are opened in-band (RFC 8832). Without it such messages are data like any.
    pub data_channels: bool,
    /// How long to wait for the peer to begin. Both may begin at the same time.
    pub initiative: Duration,
}

/// What happened to an association, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SctpEvent {
    /// The state changed.
    State(SctpState),
    /// A message came whole.
    Message(SctpMessage),
    /// The peer opened a channel in-band; it was acknowledged.
    Opened(ChannelOpen),
    /// The peer closed a stream, both ways. Its number may be used again.
    StreamClosed(u16),
    /// A stream's waiting bytes fell to its threshold.
    BufferedAmountLow {
        /// The stream.
        stream: u16,
        /// Bytes that wait now.
        bytes: usize,
    },
}

/// A message of a peer, or for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SctpMessage {
    /// Its stream.
    pub stream: u16,
    /// What it is: 51 text, 53 binary, 56 and 57 the same and empty (RFC 8831 §8).
    pub ppid: u32,
    /// What it says. An empty message has one byte of no meaning, which SCTP needs.
    pub payload: Bytes,
}

/// Why a message was not sent; nothing of it was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The association is not up.
    #[error("the SCTP association is not connected")]
    NotConnected,
    /// The stream is being closed; it can be used again once the peer has agreed.
    #[error("the stream is being closed")]
    StreamClosing,
    /// Misuse: an empty message must have one byte, and a payload protocol identifier that says so.
    #[error("an SCTP message has at least one byte")]
    Empty,
    /// Misuse: the payload protocol identifier is none of 50, 51, 53, 56, 57.
    #[error("unsupported payload protocol identifier")]
    UnknownPpid,
    /// Limit: the message is longer than `max_send_message_bytes`.
    #[error("the message is too long")]
    TooLong,
    /// Limit: `send_buffer_bytes` or `stream_send_bytes` would be exceeded.
    #[error("the SCTP send buffer is full")]
    BufferFull,
}

/// One association. After each call drain [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event), then arm a timer for [`deadline`](Self::deadline).
pub struct SctpAssociation {
    settings: SctpSettings,
    state: SctpState,
    /// When we begin, if the peer does not.
    begin_at: Option<Instant>,
    engine: Option<Engine>,
    filter: PacketFilter,
    streams: Streams,
    transmits: VecDeque<Bytes>,
    events: VecDeque<SctpEvent>,
}

impl fmt::Debug for SctpAssociation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What waits in it is of no interest, and may be megabytes.
        f.debug_struct("SctpAssociation").field("state", &self.state).finish_non_exhaustive()
    }
}

/// The library's halves.
struct Engine {
    endpoint: Endpoint,
    handle: AssociationHandle,
    association: Association,
    /// Whose INIT it was, and the tag in it.
    begun: Begun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    ByPeer { tag: u32 },
    ByUs,
}

impl SctpAssociation {
    /// Makes an association that waits for [`start`](Self::start).
    pub fn new(settings: SctpSettings) -> Self {
        Self {
            filter: PacketFilter::new(settings.receive_window_bytes),
            streams: Streams::new(settings.buffered_amount_low_threshold),
            settings,
            state: SctpState::New,
            begin_at: None,
            engine: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The state.
    pub fn state(&self) -> SctpState {
        self.state
    }

    /// What it was made of.
    pub fn settings(&self) -> &SctpSettings {
        &self.settings
    }

    /// What is below can carry packets: waits for the peer's INIT, or begins.
    pub fn start(&mut self, now: Instant, counters: &mut Counters) {
        if self.state == SctpState::New {
            self.set_state(SctpState::Connecting);
            self.begin_at = Some(now + self.settings.initiative);
            self.handle_timeout(now, counters);
        }
    }

    /// Takes a packet of the peer. Before [`start`](Self::start) and after the end it is dropped and counted.
    pub fn handle_packet(&mut self, packet: Bytes, now: Instant, counters: &mut Counters) {
        counters.sctp_packets_received += 1;
        if !matches!(self.state, SctpState::Connecting | SctpState::Connected) {
            counters.sctp_packets_dropped_unexpected += 1;
            return;
        }
        match self.filter.incoming(packet, counters) {
            Verdict::Pass(packet) => {
                self.open_forwarded(&packet);
                self.feed(packet, now);
            }
            Verdict::Init(packet) => self.answer_init(packet, now, counters),
            Verdict::Drop => return,
            Verdict::Abort => self.abort(counters),
        }
        self.settle(now, counters);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn deadline(&self) -> Option<Instant> {
        let engine = self.engine.as_ref().and_then(|engine| engine.association.poll_timeout());
        [self.begin_at, engine].into_iter().flatten().min()
    }

    /// Does what is due: begins, repeats, acknowledges.
    pub fn handle_timeout(&mut self, now: Instant, counters: &mut Counters) {
        if self.begin_at.is_some_and(|at| at <= now) {
            self.begin_at = None;
            if self.engine.is_none() {
                self.begin(now, counters);
            }
        }
        if self.engine.is_some() {
            self.guarded(|engine| engine.association.handle_timeout(now));
            self.settle(now, counters);
        }
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmits.pop_front()
    }

    /// The next event, in order.
    pub fn poll_event(&mut self) -> Option<SctpEvent> {
        self.events.pop_front()
    }

    /// Says how hard a stream of ours tries to deliver. A stream that was never opened is reliable and in order.
    pub fn open_stream(&mut self, stream: u16, reliability: Reliability) {
        self.streams.open(stream, reliability);
        if let Some(engine) = &mut self.engine {
            self.streams.apply(stream, &mut engine.association);
        }
    }

    /// Receives on a stream. One below [`SCTP_STREAMS_MAX`] needs no such call: it is open to the peer.
    pub fn accept_stream(&mut self, stream: u16) {
        self.filter.accept(stream);
    }

    /// Streams on which the peer can send, once the handshake has told.
    pub fn incoming_streams(&self) -> u16 {
        self.filter.peer_streams().unwrap_or(SCTP_STREAM_NUMBERS)
    }

    /// Queues a message and returns how many bytes wait on its stream, this one included. Its bytes are shared.
    ///
    /// # Errors
    /// [`SendError`]; nothing of the message was queued then.
    pub fn send(&mut self, message: &SctpMessage, now: Instant, counters: &mut Counters) -> Result<usize, SendError> {
        let ppid = match Ppid::from(message.ppid) {
            Ppid::Unknown => return Err(SendError::UnknownPpid),
            known => known,
        };
        let len = message.payload.len();
        if len == 0 {
            return Err(SendError::Empty);
        }
        if len > self.settings.max_send_message_bytes as usize {
            return Err(SendError::TooLong);
        }
        let (SctpState::Connected, Some(engine)) = (self.state, &mut self.engine) else {
            return Err(SendError::NotConnected);
        };
        let association = &mut engine.association;
        let waiting = self.streams.buffered_amount(message.stream, association);
        let is_full = waiting + len > self.settings.stream_send_bytes
            || self.streams.is_full(len, self.settings.send_buffer_bytes, association);
        if is_full {
            return Err(SendError::BufferFull);
        }
        self.streams.write(message.stream, ppid, &message.payload, association)?;
        counters.sctp_messages_sent += 1;
        self.settle(now, counters);
        Ok(waiting + len)
    }

    /// Bytes of a stream that the peer has not acknowledged yet.
    pub fn buffered_amount(&mut self, stream: u16) -> usize {
        let Some(engine) = &mut self.engine else { return 0 };
        self.streams.buffered_amount(stream, &mut engine.association)
    }

    /// Sets at which amount of waiting bytes a stream says [`SctpEvent::BufferedAmountLow`].
    pub fn set_buffered_amount_low_threshold(&mut self, stream: u16, bytes: usize) {
        self.streams.set_threshold(stream, bytes);
        if let Some(engine) = &mut self.engine {
            self.streams.apply(stream, &mut engine.association);
        }
    }

    /// At which amount of waiting bytes a stream says [`SctpEvent::BufferedAmountLow`].
    pub fn buffered_amount_low_threshold(&self, stream: u16) -> usize {
        self.streams.threshold(stream)
    }

    /// Closes a stream, both ways, once what waits on it is delivered (RFC 8831 §6.7). Afterwards its number may be
    /// used again.
    pub fn close_stream(&mut self, stream: u16, now: Instant, counters: &mut Counters) {
        let was_open = self.streams.is_open(stream);
        self.streams.forget(stream);
        self.filter.refuse(stream);
        let Some(engine) = &mut self.engine else { return };
        if was_open && engine.association.stream(stream).is_err() {
            // The peer has a channel on it although nothing was sent yet.
            let _ = engine.association.open_stream(stream, Ppid::Binary);
        }
        self.streams.reset(stream, &mut engine.association);
        self.settle(now, counters);
    }

    /// Ends for good. The peer is not told: it learns it by the end of what is below.
    pub fn close(&mut self) {
        self.end(SctpState::Closed);
    }

    /// Begins with an INIT of our own.
    fn begin(&mut self, now: Instant, counters: &mut Counters) {
        let mut endpoint = self.endpoint();
        let mut config = ClientConfig::new();
        config.transport = Arc::new(self.transport_config());
        match endpoint.connect(config, PLACEHOLDER) {
            Ok((handle, association)) => {
                self.engine = Some(Engine { endpoint, handle, association, begun: Begun::ByUs });
                self.settle(now, counters);
            }
            Err(_) => self.end(SctpState::Failed),
        }
    }

    /// Makes at most one association of the INITs that come: the latest, so that a forged one cannot keep the place.
    ///
    /// When both begin (RFC 9260 §5.2.1), the one with the higher tag goes on and the other gives way. Either way a
    /// peer that knows the standard sees one association.
    fn answer_init(&mut self, packet: Bytes, now: Instant, counters: &mut Counters) {
        let tag = chunk::u32_at(&packet, chunk::COMMON_HEADER_BYTES + chunk::CHUNK_HEADER_BYTES).unwrap_or_default();
        match &self.engine {
            Some(Engine { begun: Begun::ByPeer { tag: known }, .. }) if *known == tag => return self.feed(packet, now),
            Some(Engine { begun: Begun::ByUs, .. }) if self.filter.own_tag() > Some(tag) => {
                counters.sctp_packets_dropped_unexpected += 1;
                return;
            }
            _ => {}
        }
        self.begin_at = None;
        self.filter.begin(&packet);
        let mut endpoint = self.endpoint();
        let made = catch_unwind(AssertUnwindSafe(|| endpoint.handle(now, PLACEHOLDER, None, None, packet)));
        if let Ok(Some((handle, DatagramEvent::NewAssociation(association)))) = made {
            self.engine = Some(Engine { endpoint, handle, association, begun: Begun::ByPeer { tag } });
        }
    }

    /// Makes the streams of which the peer gives messages up. The library skips messages only of streams that it has, and
    /// would wait for ever for the first messages of one.
    fn open_forwarded(&mut self, packet: &[u8]) {
        let Some(engine) = &mut self.engine else { return };
        for id in self.filter.forwarded_streams(packet) {
            if engine.association.stream(id).is_err() {
                // Refused while the stream is being closed: nothing is awaited on it then.
                let _ = engine.association.open_stream(id, Ppid::Binary);
                self.streams.apply(id, &mut engine.association);
            }
        }
    }

    fn feed(&mut self, packet: Bytes, now: Instant) {
        self.guarded(|engine| {
            if let Some((_, DatagramEvent::AssociationEvent(event))) =
                engine.endpoint.handle(now, PLACEHOLDER, None, None, packet)
            {
                engine.association.handle_event(event);
            }
        });
    }

    /// Calls into the library. A panic ends this association only: the library was fuzzed, but not proved free of them.
    fn guarded(&mut self, call: impl FnOnce(&mut Engine)) {
        let Some(engine) = &mut self.engine else { return };
        if catch_unwind(AssertUnwindSafe(|| call(engine))).is_err() {
            self.end(SctpState::Failed);
        }
    }

    /// Takes over what the library made of a call.
    fn settle(&mut self, now: Instant, counters: &mut Counters) {
        while let Some(event) = self.poll_library() {
            self.take(event, now, counters);
            if self.events.len() > EVENTS_MAX {
                self.abort(counters);
            }
        }
        self.collect(now);
    }

    fn poll_library(&mut self) -> Option<Event> {
        let engine = self.engine.as_mut()?;
        while let Some(event) = engine.association.poll_endpoint_event() {
            let _ = engine.endpoint.handle_event(engine.handle, event);
        }
        engine.association.poll()
    }

    fn take(&mut self, event: Event, now: Instant, counters: &mut Counters) {
        match event {
            Event::Connected => {
                self.filter.established();
                if let Some(engine) = &mut self.engine {
                    self.streams.apply_all(&mut engine.association);
                }
                self.set_state(SctpState::Connected);
            }
            Event::HandshakeFailed { .. } => self.end(SctpState::Failed),
            Event::AssociationLost { .. } => {
                // What the library says in farewell still leaves.
                self.collect(now);
                let failed = self.state == SctpState::Connecting;
                self.end(if failed { SctpState::Failed } else { SctpState::Closed });
            }
            Event::Stream(StreamEvent::Readable { id }) => self.read(id, counters),
            // The library's list of streams to accept; ours are found by their number.
            Event::Stream(StreamEvent::Opened { .. }) => {
                let _ = self.engine.as_mut().and_then(|engine| engine.association.accept_stream().map(drop));
            }
            Event::Stream(StreamEvent::Finished { id }) => {
                self.streams.forget(id);
                self.events.push_back(SctpEvent::StreamClosed(id));
            }
            Event::Stream(StreamEvent::ResetComplete { id }) => {
                if let Some(engine) = &mut self.engine {
                    self.streams.apply(id, &mut engine.association);
                }
            }
            Event::Stream(StreamEvent::BufferedAmountLow { id }) => {
                let bytes = self.buffered_amount(id);
                self.events.push_back(SctpEvent::BufferedAmountLow { stream: id, bytes });
            }
            _ => {}
        }
    }

    /// Reads every whole message of a stream.
    fn read(&mut self, id: u16, counters: &mut Counters) {
        while let Some(engine) = &mut self.engine {
            let read = catch_unwind(AssertUnwindSafe(|| engine.association.stream(id).ok()?.read().ok()?));
            let message = match read {
                Ok(Some(message)) => message,
                Ok(None) => return,
                Err(_) => return self.end(SctpState::Failed),
            };
            self.filter.delivered(message.chunks.len());
            let (len, ppid) = (message.len(), message.ppi as u32);
            let mut chunks = message;
            let Some(whole) = chunks.next(len) else { continue };
            let ppid = if chunks.ppi == Ppid::Unknown { 0 } else { ppid };
            self.deliver(SctpMessage { stream: id, ppid, payload: whole.bytes }, counters);
        }
    }

    fn deliver(&mut self, message: SctpMessage, counters: &mut Counters) {
        if !self.settings.data_channels || message.ppid != PPID_DCEP {
            counters.sctp_messages_received += 1;
            self.events.push_back(SctpEvent::Message(message));
            return;
        }
        if !dcep::is_open(&message.payload) {
            // DATA_CHANNEL_ACK answers what needs no answer.
            return;
        }
        let Some(engine) = &mut self.engine else { return };
        let association = &mut engine.association;
        match dcep::open(message.stream, &message.payload) {
            // RFC 8832 §6 gives each side numbers of its own, odd or even; not all peers keep to that. A number that is
            // taken stays what it is.
            Some(open) if self.streams.is_open(open.stream) => counters.sctp_channels_refused += 1,
            Some(open) => {
                self.streams.open(open.stream, open.reliability);
                self.streams.apply(open.stream, association);
                // Refused while the stream is being closed: the channel ends with it.
                let _ = self.streams.write(open.stream, Ppid::Dcep, &Bytes::from_static(&dcep::ACK), association);
                self.events.push_back(SctpEvent::Opened(open));
            }
            None => {
                counters.sctp_channels_refused += 1;
                self.streams.reset(message.stream, association);
            }
        }
    }

    /// Takes over the packets that the library wants sent.
    fn collect(&mut self, now: Instant) {
        let Some(engine) = &mut self.engine else { return };
        while let Some(transmit) = engine.endpoint.poll_transmit().or_else(|| engine.association.poll_transmit(now)) {
            if let Payload::RawEncode(packets) = transmit.payload {
                self.transmits.extend(packets.into_iter().map(|packet| self.filter.outgoing(packet)));
            }
        }
    }

    fn abort(&mut self, counters: &mut Counters) {
        counters.sctp_associations_aborted += 1;
        self.end(SctpState::Failed);
    }

    fn end(&mut self, state: SctpState) {
        self.engine = None;
        self.begin_at = None;
        self.streams.clear();
        if !matches!(self.state, SctpState::Closed | SctpState::Failed) {
            self.set_state(state);
        }
    }

    fn set_state(&mut self, state: SctpState) {
        self.state = state;
        self.events.push_back(SctpEvent::State(state));
    }

    fn endpoint(&self) -> Endpoint {
        let mut config = EndpointConfig::new();
        config.max_payload_size(FRAGMENT_BYTES_MAX);
        let mut server = ServerConfig::new();
        server.transport = Arc::new(self.transport_config());
        Endpoint::new(Arc::new(config), Some(Arc::new(server)))
    }

    fn transport_config(&self) -> TransportConfig {
        TransportConfig::default()
            .with_max_receive_buffer_size(self.settings.receive_window_bytes)
            .with_max_send_message_size(self.settings.max_send_message_bytes)
            .with_max_receive_message_size(self.settings.max_receive_message_bytes)
            .with_max_num_inbound_streams(SCTP_STREAM_NUMBERS)
            .with_max_num_outbound_streams(SCTP_STREAMS_MAX)
            .with_max_init_retransmits(Some(INIT_REPETITIONS_MAX))
            .with_max_data_retransmits(None)
            .with_rto_initial_ms(RTO_INITIAL_MS)
            .with_rto_min_ms(RTO_MIN_MS)
            .with_rto_max_ms(RTO_MAX_MS)
    }
}
