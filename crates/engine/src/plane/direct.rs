//! Direct transports: RTP sessions whose other end is the application itself. What it sends comes in batches of packets, what
//! it receives leaves so, by way of the [`Outbox`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use millrace_model::{ConsumerId, Counters, DirectTransportSettings, SctpLimits, TransportId, WallClock};
use millrace_packet::{DATAGRAM_BYTES_MAX, OutgoingStreamId, PacketRef, Rewrite};
use millrace_router::data::DataMessage;
use millrace_router::data_address::ADDRESS_BYTES_MAX;
use millrace_transport::DatagramKind;
use millrace_transport::outgoing::{ClearStreams, OutgoingStreamError, OutgoingStreamSpec, SLOT_BYTES_MIN};
use serde_json::{Value, json};

use super::Plane;
use super::data::DataProducerAt;
use super::transport_core::TransportCore;
use super::transports::NewTransport;
use crate::error::RequestError;
use crate::outbox::Outbox;
use crate::packets::{BATCH_BYTES_MAX, PacketBatch, PacketQueue, PacketReader};
use crate::tap::Feed;

/// Packets of the application that are dealt with before sockets and timers get their turn: less than 0.1 ms. The rest of
/// their batch is dealt with in the next turns.
pub(crate) const APPLICATION_PACKETS_PER_TURN_MAX: usize = 64;

/// Bytes before a data message: its payload protocol identifier.
const PPID_BYTES: usize = 4;

/// The way out of direct transports: one to the application, which most of a worker share, and one to each tap or source.
pub(super) struct Outlet {
    batch: PacketBatch,
    reader: Reader,
    /// The number that was given out last, of all outlets; 0 is nobody's. They begin anew after 2^32 objects.
    last_number: Rc<Cell<u32>>,
}

/// Who reads what leaves.
enum Reader {
    Application(Arc<Outbox>),
    Attached(Arc<Feed>),
}

impl Outlet {
    pub(super) fn to_application(outbox: Arc<Outbox>) -> Rc<RefCell<Self>> {
        Self::to(Reader::Application(outbox), Rc::default())
    }

    /// An outlet to a tap or source. Its numbers are others than those of `beside`.
    pub(super) fn to_feed(beside: &Rc<RefCell<Self>>, feed: Arc<Feed>) -> Rc<RefCell<Self>> {
        Self::to(Reader::Attached(feed), Rc::clone(&beside.borrow().last_number))
    }

    fn to(reader: Reader, last_number: Rc<Cell<u32>>) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self { batch: PacketBatch::default(), reader, last_number }))
    }

    /// A number for the packets of one object.
    pub(super) fn new_number(&self) -> u32 {
        self.last_number.set(self.last_number.get().wrapping_add(1).max(1));
        self.last_number.get()
    }

    /// Hands over what was collected.
    pub(super) fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        match &self.reader {
            Reader::Application(outbox) => outbox.push_packets(batch),
            Reader::Attached(feed) => feed.push_packets(batch),
        }
    }

    /// Adds a packet that `write` writes; tells its length, `None` when it wrote none.
    fn send(&mut self, number: u32, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<usize> {
        let len = write(self.batch.slot(SLOT_BYTES_MIN))?;
        self.commit(number, len);
        Some(len)
    }

    /// Adds a data message: its payload protocol identifier (32 bits, little endian) and what it says.
    fn send_message(&mut self, number: u32, ppid: u32, payload: &[u8]) {
        let len = PPID_BYTES + payload.len();
        let slot = self.batch.slot(len);
        slot[..PPID_BYTES].copy_from_slice(&ppid.to_le_bytes());
        slot[PPID_BYTES..len].copy_from_slice(payload);
        self.commit(number, len);
    }

    fn commit(&mut self, number: u32, len: usize) {
        self.batch.commit(number, len);
        if self.batch.len() >= BATCH_BYTES_MAX {
            self.flush();
        }
    }
}

/// One direct transport.
pub(super) struct DirectTransport {
    streams: ClearStreams,
    /// The number of each stream's packets, by its id.
    numbers: Vec<u32>,
    outlet: Rc<RefCell<Outlet>>,
    /// The number of RTCP packets, both ways.
    pub(super) number: u32,
    /// Somebody listens to RTCP.
    is_heard: bool,
    /// Longest data message in bytes that the application gets, and that it may send.
    message_bytes_max: [u32; 2],
    counters: Counters,
}

impl DirectTransport {
    fn new(outlet: &Rc<RefCell<Outlet>>, wall_clock: WallClock, settings: DirectTransportSettings) -> Self {
        Self {
            streams: ClearStreams::new(wall_clock),
            numbers: Vec::new(),
            number: outlet.borrow().new_number(),
            outlet: Rc::clone(outlet),
            is_heard: false,
            message_bytes_max: [settings.max_send_message_size, settings.max_receive_message_size],
            counters: Counters::default(),
        }
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Tells whether it belongs to a tap or a source, which applications know nothing of.
    pub(super) fn is_attached(&self) -> bool {
        matches!(self.outlet.borrow().reader, Reader::Attached(_))
    }

    pub(super) fn add_stream(&mut self, spec: OutgoingStreamSpec) -> Result<OutgoingStreamId, OutgoingStreamError> {
        let stream = self.streams.add(spec)?;
        let place = stream.0 as usize;
        if self.numbers.len() <= place {
            self.numbers.resize(place + 1, 0);
        }
        self.numbers[place] = self.outlet.borrow().new_number();
        Ok(stream)
    }

    /// Gives all streams of one consumer the number of the first.
    pub(super) fn share_number(&mut self, streams: &[OutgoingStreamId]) {
        let Some(number) = streams.first().and_then(|first| self.number_of(*first)) else { return };
        streams.iter().for_each(|stream| self.numbers[stream.0 as usize] = number);
    }

    pub(super) fn remove_stream(&mut self, stream: OutgoingStreamId) {
        self.streams.remove(stream);
    }

    pub(super) fn sends(&self, ssrc: u32) -> bool {
        self.streams.sends(ssrc)
    }

    /// The number of a stream's packets.
    pub(super) fn number_of(&self, stream: OutgoingStreamId) -> Option<u32> {
        self.numbers.get(stream.0 as usize).copied()
    }

    pub(super) fn peek(&self, packet: &PacketRef, rewrite: &Rewrite, now: Instant, out: &mut [u8]) -> Option<usize> {
        self.streams.peek(packet, rewrite, now, out)
    }

    pub(super) fn send_rtp(&mut self, packet: &PacketRef, rewrite: &Rewrite, now: Instant) {
        let number = self.number_of(rewrite.stream).unwrap_or_default();
        let streams = &mut self.streams;
        let sent = self.outlet.borrow_mut().send(number, |slot| streams.write(packet, rewrite, now, slot));
        match sent {
            Some(len) => {
                self.counters.rtp_packets_sent += 1;
                self.counters.rtp_bytes_sent += len as u64;
                self.count_sent(len);
            }
            None => self.counters.outgoing_packets_refused += 1,
        }
    }

    pub(super) fn send_rtcp(&mut self, compound: &[u8]) {
        if !self.is_heard {
            return;
        }
        let sent = self.outlet.borrow_mut().send(self.number, |slot| {
            slot.get_mut(..compound.len())?.copy_from_slice(compound);
            Some(compound.len())
        });
        match sent {
            Some(len) => {
                self.counters.rtcp_packets_sent += 1;
                self.count_sent(len);
            }
            None => self.counters.outgoing_packets_refused += 1,
        }
    }

    /// Hands a data message to the application; false when it is longer than that wants.
    pub(super) fn send_message(&mut self, number: u32, ppid: u32, payload: &[u8]) -> bool {
        if payload.len() > self.message_bytes_max[0] as usize {
            return false;
        }
        self.outlet.borrow_mut().send_message(number, ppid, payload);
        self.count_sent(payload.len());
        true
    }

    /// Counts a data message of the application and reads it; `None` when it is none that this transport takes.
    fn receive_message(&mut self, record: &[u8]) -> Option<DataMessage> {
        let len_max = PPID_BYTES + ADDRESS_BYTES_MAX + self.message_bytes_max[1] as usize;
        let fits = record.split_first_chunk::<PPID_BYTES>().filter(|_| record.len() <= len_max);
        let read = fits.and_then(|(ppid, addressed)| {
            DataMessage::from_addressed(u32::from_le_bytes(*ppid), &Bytes::copy_from_slice(addressed))
        });
        let message = read.filter(|message| message.payload.len() <= self.message_bytes_max[1] as usize);
        match &message {
            Some(message) => {
                self.counters.datagrams_received += 1;
                self.counters.datagram_bytes_received += message.payload.len() as u64;
            }
            None => self.counters.application_packets_refused += 1,
        }
        message
    }

    fn count_sent(&mut self, len: usize) {
        self.counters.datagrams_sent += 1;
        self.counters.datagram_bytes_sent += len as u64;
    }

    /// Counts a packet of the application; false when it is none that this transport takes here.
    fn count_received(&mut self, packet: &[u8], is_rtcp: bool) -> bool {
        self.counters.datagrams_received += 1;
        self.counters.datagram_bytes_received += packet.len() as u64;
        let expected = if is_rtcp { DatagramKind::Rtcp } else { DatagramKind::Rtp };
        if packet.len() > DATAGRAM_BYTES_MAX || DatagramKind::of(packet) != expected {
            self.counters.application_packets_refused += 1;
            return false;
        }
        if is_rtcp {
            self.counters.rtcp_packets_received += 1;
        } else {
            self.counters.rtp_packets_received += 1;
            self.counters.rtp_bytes_received += packet.len() as u64;
        }
        true
    }
}

/// What the application sends with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inlet {
    /// Packets of a producer of this transport.
    Rtp(usize),
    /// RTCP of this transport.
    Rtcp(usize),
    /// Messages of this data producer.
    Data(DataProducerAt),
}

impl Plane {
    pub(super) fn create_direct_transport(
        &mut self,
        router: usize,
        id: TransportId,
        settings: DirectTransportSettings,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let outlet = Rc::clone(&self.outlet);
        let number = self.create_direct_end(router, id, &outlet, settings, now)?;
        Ok(json!({ "packetNumber": number }))
    }

    /// Makes a direct transport that leads to `outlet`; returns the number of its RTCP packets.
    pub(super) fn create_direct_end(
        &mut self,
        router: usize,
        id: TransportId,
        outlet: &Rc<RefCell<Outlet>>,
        settings: DirectTransportSettings,
        now: Instant,
    ) -> Result<u32, RequestError> {
        self.vacant_transport(id)?;
        let direct = DirectTransport::new(outlet, self.clock, settings);
        let number = direct.number;
        let core = TransportCore::Direct(direct);
        let data = SctpLimits {
            max_send_message_size: settings.max_send_message_size,
            max_receive_message_size: settings.max_receive_message_size,
            ..SctpLimits::NONE
        };
        let index = self.enter_transport(NewTransport { id, router, core, listeners: Vec::new(), data }, now);
        self.inlets.insert(number, Inlet::Rtcp(index));
        let session = self.transports[index].session;
        self.with_router(router, now, |core, fanout| core.connect_session(session, now, fanout));
        Ok(number)
    }

    /// The number under which the application sends a new producer's packets; `None` where they come by a wire.
    pub(super) fn open_inlet(&mut self, transport: usize) -> Option<u32> {
        // What a selector publishes is of no transport.
        self.transports.get(transport)?.core.direct()?;
        let number = self.outlet.borrow().new_number();
        self.inlets.insert(number, Inlet::Rtp(transport));
        Some(number)
    }

    /// Deals with packets of one batch of the application, as many as a turn may. Tells whether the batch has more.
    pub(crate) fn take_in_packets(&mut self, packets: &PacketQueue, now: Instant) -> bool {
        let begun = self.application_batch.take();
        let Some(mut batch) = begun.or_else(|| self.next_application_batch(packets)) else { return false };
        for _ in 0..APPLICATION_PACKETS_PER_TURN_MAX {
            let Some((number, packet)) = batch.next() else { break };
            self.take_in_packet(number, packet, now);
        }
        self.finish();
        let has_more = batch.has_more();
        self.application_batch = has_more.then_some(batch);
        has_more
    }

    fn next_application_batch(&mut self, packets: &PacketQueue) -> Option<PacketReader> {
        self.counters.application_packets_dropped = packets.dropped();
        packets.pop_one().map(PacketReader::new)
    }

    fn take_in_packet(&mut self, number: u32, packet: &[u8], now: Instant) {
        // Its object may have been closed since.
        let (transport, is_rtcp) = match self.inlets.get(&number).copied() {
            Some(Inlet::Rtp(transport)) => (transport, false),
            Some(Inlet::Rtcp(transport)) => (transport, true),
            Some(Inlet::Data(at)) => return self.take_in_message(at, packet, now),
            None => return self.take_in_written(number, packet),
        };
        let direct = self.transports.get_mut(transport).and_then(|entry| entry.core.direct_mut());
        if !direct.is_some_and(|direct| direct.count_received(packet, is_rtcp)) {
            return;
        }
        if is_rtcp {
            return self.route_rtcp(transport, packet, now);
        }
        let Some(mut slot) = self.pool.take() else {
            self.counters.datagrams_dropped_no_memory += 1;
            return;
        };
        // Every datagram fits into a slot; its length was looked at above.
        slot.fill(packet);
        self.route_rtp(transport, slot, now);
    }

    fn take_in_message(&mut self, (router, index): DataProducerAt, record: &[u8], now: Instant) {
        let Some(producer) = self.routers[router].data_producer(index) else { return };
        let direct = self.transports.get_mut(producer.transport).and_then(|entry| entry.core.direct_mut());
        if let Some(message) = direct.and_then(|direct| direct.receive_message(record)) {
            self.forward_data(router, index, &message, now);
        }
    }

    /// Somebody begins or ceases to listen to the RTCP of a direct transport.
    pub(super) fn listen_to_transport(&mut self, index: usize, is_heard: bool) -> Result<Value, RequestError> {
        let Some(direct) = self.transports[index].core.direct_mut() else { return Err(not_direct()) };
        direct.is_heard = is_heard;
        Ok(Value::Null)
    }

    /// Somebody begins or ceases to listen to a consumer's packets. To whom nobody listens is as paused: it costs nothing,
    /// and video begins with a key frame once it is heard.
    pub(super) fn listen_to_consumer(
        &mut self,
        id: ConsumerId,
        is_heard: bool,
        now: Instant,
    ) -> Result<Value, RequestError> {
        // It may have been closed since, with its producer.
        let Some(at) = self.consumer_ids.get(&id).copied() else { return Ok(Value::Null) };
        let Some(consumer) = self.routers[at.0].consumer(at.1) else { return Ok(Value::Null) };
        let is_direct = self.transports.get(consumer.transport).is_some_and(|entry| entry.core.direct().is_some());
        if !is_direct {
            return Err(not_direct());
        }
        self.change_consumer(at, |consumer| consumer.unheard = !is_heard);
        self.let_consumer_flow(at, now);
        Ok(Value::Null)
    }
}

fn not_direct() -> RequestError {
    RequestError::InvalidState("only the packets of a direct transport can be listened to".to_owned())
}
