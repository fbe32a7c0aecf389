//! Media of a worker for another thread of the process: a [`Tap`] takes what a producer sends, a [`Source`] publishes.
//! Whatever consumes or makes media besides peers attaches so: mixers, recorders, analysers.
//!
//! Both are ends of a direct transport that no application sees. Packets come by a queue of their own, bounded by
//! [`WAITING_PACKET_BYTES_MAX`](crate::packets::WAITING_PACKET_BYTES_MAX), of which a slow reader loses the oldest. Wishes go
//! the way of requests, as the same text, so that nothing is done on another thread than the worker's.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_model::{ConsumerLayers, NtpTime, ProducerId, ProducerOptions, RouterId, RtpParameters, TransportId};
use millrace_packet::rtcp::{Compound, RtcpPacket, SenderInfo};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::error::RequestError;
use crate::message::Outcome;
use crate::packets::{PacketBatch, PacketQueue};
use crate::worker::{Inbound, WorkerHandle};

/// What a [`Tap`] follows, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapOptions {
    /// The router.
    pub router: RouterId,
    /// A producer of the router.
    pub producer: ProducerId,
    /// The layers that it gets at most. Default: all.
    pub preferred_layers: Option<ConsumerLayers>,
    /// Whether it starts paused.
    pub paused: bool,
}

/// How things stand with what a [`Tap`] follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapState {
    /// The producer is paused.
    pub producer_paused: bool,
    /// The layers that come at the moment; `None` before the first packet, and where there are none to choose from.
    pub current_layers: Option<ConsumerLayers>,
    /// Nothing will come any more: the producer, its router or the worker was closed.
    pub ended: bool,
}

/// One producer's media for one reader on any thread: one continuous RTP stream, as a consumer gets it, whatever layer or
/// producer it comes from. Dropping it ends it.
pub struct Tap {
    end: End,
    consumer: Uuid,
    mapping: Option<SenderInfo>,
}

impl Tap {
    /// Attaches to a producer. `wake` is called on the worker's thread when something comes while nothing waits; it must not
    /// block. The stream begins with the next packet, of video with the next key frame, which is asked for.
    ///
    /// It waits for the worker, so it is not to be called on a worker's own thread.
    ///
    /// # Errors
    /// [`RequestError::NotFound`] when there is no such router or producer; those of a full or closed worker.
    pub fn open(
        worker: &WorkerHandle,
        options: TapOptions,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, RequestError> {
        Ok(Self::of(End::open(worker, options.router, Wanted::Tap(options), wake)?))
    }

    /// The tap whose other end the worker has made already.
    pub(crate) fn of(end: End) -> Self {
        let consumer = end.opened.object;
        let tap = Self { end, consumer, mapping: None };
        tap.end.feed.change(|state| state.producer_paused |= tap.end.opened.paused);
        tap
    }

    /// Hands `each` every packet that waits, in order, and returns how things stand after them. Cost: one lock for each
    /// batch.
    pub fn receive(&mut self, mut each: impl FnMut(&[u8])) -> TapState {
        // Read first: what came before a change is handed over with it or earlier.
        let state = *self.end.feed.lock();
        let Opened { number, rtcp_number, ssrc, .. } = self.end.opened;
        while let Some(batch) = self.end.feed.packets.pop() {
            for (of, packet) in batch.packets() {
                if of == number {
                    each(packet);
                } else if of == rtcp_number {
                    self.mapping = sender_report(packet, ssrc).or(self.mapping);
                }
            }
        }
        state
    }

    /// The stream's parameters: what its packets are and how they are numbered.
    pub fn rtp_parameters(&self) -> &RtpParameters {
        &self.end.opened.parameters
    }

    /// The moment at which what has this RTP timestamp was captured, by the clock that all streams of a publisher share;
    /// `None` before the first sender report (RFC 3550 §6.4.1). Timestamps within half their range of the latest report.
    pub fn captured_at(&self, timestamp: u32) -> Option<NtpTime> {
        let clock_rate = self.rtp_parameters().codecs.first().map(|codec| i64::from(codec.clock_rate))?;
        let SenderInfo { ntp, rtp_timestamp, .. } = self.mapping?;
        let ticks = i64::from(timestamp.wrapping_sub(rtp_timestamp) as i32);
        // Below 2^31 ticks of 32 bits each: within 63 bits.
        Some(NtpTime(ntp.wrapping_add_signed((ticks << 32) / clock_rate.max(1))))
    }

    /// The times of the latest sender report (RFC 3550 §6.4.1), if there was any.
    pub(crate) fn sender_report(&self) -> Option<(NtpTime, u32)> {
        self.mapping.map(|info| (NtpTime(info.ntp), info.rtp_timestamp))
    }

    /// Packets that were dropped because nobody received them.
    pub fn dropped(&self) -> u64 {
        self.end.feed.packets.dropped()
    }

    /// Asks for a key frame; requests of all viewers are merged.
    ///
    /// # Errors
    /// [`RequestError::TooMany`], [`RequestError::WorkerClosed`]; so with all that follow.
    pub fn request_key_frame(&self) -> Result<(), RequestError> {
        self.wish("consumer.requestKeyFrame", json!({}))
    }

    /// Wishes for other layers; the stream goes on without a gap and changes at a key frame.
    ///
    /// # Errors
    /// As above.
    pub fn set_preferred_layers(&self, layers: ConsumerLayers) -> Result<(), RequestError> {
        let ConsumerLayers { spatial_layer, temporal_layer } = layers;
        let layers = json!({ "spatialLayer": spatial_layer, "temporalLayer": temporal_layer });
        self.wish("consumer.setPreferredLayers", layers)
    }

    /// Stops the stream, or lets it go on: video with a key frame.
    ///
    /// # Errors
    /// As above.
    pub fn set_paused(&self, paused: bool) -> Result<(), RequestError> {
        self.wish(if paused { "consumer.pause" } else { "consumer.resume" }, json!({}))
    }

    /// Follows another producer of the same kind in the same stream, from its next key frame on. Waits for the worker.
    ///
    /// # Errors
    /// [`RequestError::Refused`] with the worker's reason, and as above.
    pub fn replace_producer(&self, producer: ProducerId) -> Result<(), RequestError> {
        let params = json!({ "consumerId": self.consumer, "producerId": producer });
        let waiting = self.end.ask("consumer.replaceProducer", params, true)?;
        match waiting.and_then(|reply| reply.blocking_recv().ok()) {
            Some(Outcome::Ok(_)) => Ok(()),
            Some(Outcome::Error(body)) => Err(RequestError::Refused(body)),
            None => Err(RequestError::WorkerClosed),
        }
    }

    fn wish(&self, method: &str, mut params: Value) -> Result<(), RequestError> {
        params["consumerId"] = json!(self.consumer);
        self.end.ask(method, params, false).map(drop)
    }
}

/// A producer whose packets come from this process: RTP in, an ordinary producer out. Dropping it closes the producer.
pub struct Source {
    end: End,
    producer: ProducerId,
}

impl Source {
    /// Publishes into a router. `wake` is called on the worker's thread when something comes back, such as a wish for a key
    /// frame; it must not block. As with [`Tap::open`], not to be called on a worker's own thread.
    ///
    /// # Errors
    /// [`RequestError::NotFound`], [`RequestError::Argument`] and [`RequestError::Collision`] as with any producer; those of a
    /// full or closed worker.
    pub fn open(
        worker: &WorkerHandle,
        router: RouterId,
        options: ProducerOptions,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, RequestError> {
        Ok(Self::of(End::open(worker, router, Wanted::Source(Box::new(options)), wake)?))
    }

    /// The source whose other end the worker has made already.
    pub(crate) fn of(end: End) -> Self {
        let producer = ProducerId::new(end.opened.object);
        Self { end, producer }
    }

    /// The number of its packets, for whoever sends those of several sources in one batch.
    pub(crate) fn number(&self) -> u32 {
        self.end.opened.number
    }

    /// The number of its RTCP packets.
    pub(crate) fn rtcp_number(&self) -> u32 {
        self.end.opened.rtcp_number
    }

    /// The producer, which viewers and other taps consume like any.
    pub fn producer(&self) -> ProducerId {
        self.producer
    }

    /// Sends packets, with an SSRC and a payload type of the producer's parameters. Where too many wait for the worker, the
    /// oldest are dropped and counted.
    pub fn send<'a>(&self, packets: impl IntoIterator<Item = &'a [u8]>) {
        let mut batch = PacketBatch::default();
        packets.into_iter().for_each(|packet| batch.push(self.end.opened.number, packet));
        self.end.worker.send_packets(batch);
    }

    /// Tells once whether viewers asked for a key frame since the last call.
    pub fn take_key_frame_request(&mut self) -> bool {
        let mut is_asked = false;
        self.take_key_frame_requests(|_| is_asked = true);
        is_asked
    }

    /// Hands `each` the SSRC of every key frame that viewers asked for since the last call.
    pub(crate) fn take_key_frame_requests(&mut self, mut each: impl FnMut(u32)) {
        while let Some(batch) = self.end.feed.packets.pop() {
            batch.packets().for_each(|(_, compound)| key_frame_requests(compound, &mut each));
        }
    }

    /// Which of the producer's encodings viewers get or wait for: bit n for encoding n. It changes with a call of `wake`.
    pub fn taken_encodings(&self) -> u8 {
        self.end.feed.taken.load(Ordering::Relaxed)
    }

    /// Tells whether the producer is no more: its router or the worker was closed.
    pub fn is_ended(&self) -> bool {
        self.end.feed.lock().ended
    }
}

/// One end of a direct transport that no application sees.
pub(crate) struct End {
    pub(crate) worker: WorkerHandle,
    pub(crate) feed: Arc<Feed>,
    pub(crate) opened: Opened,
}

impl End {
    fn open(
        worker: &WorkerHandle,
        router: RouterId,
        wanted: Wanted,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, RequestError> {
        let feed = Feed::new(wake);
        let (reply, opened) = oneshot::channel();
        let order = Opening { router, wanted, feed: FeedEnd::new(&feed), reply };
        worker.send(Inbound::Order(Order::Open(Box::new(order))))?;
        let opened = opened.blocking_recv().unwrap_or(Err(RequestError::WorkerClosed))?;
        Ok(Self { worker: worker.clone(), feed, opened })
    }

    /// Sends a request like those of applications.
    fn ask(
        &self,
        method: &str,
        mut params: Value,
        waits: bool,
    ) -> Result<Option<oneshot::Receiver<Outcome>>, RequestError> {
        params["id"] = json!(0);
        params["method"] = json!(method);
        let (reply, outcome) = oneshot::channel();
        let order = Order::Request { text: params.to_string(), reply: waits.then_some(reply) };
        self.worker.send(Inbound::Order(order))?;
        Ok(waits.then_some(outcome))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // With the worker gone, so is the transport.
        let _ = self.ask("transport.close", json!({ "transportId": self.opened.transport }), false);
    }
}

/// What waits for one reader.
pub(crate) struct Feed {
    packets: PacketQueue,
    state: Mutex<TapState>,
    /// Of a source: bit n says that somebody takes encoding n.
    taken: AtomicU8,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Feed {
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            packets: PacketQueue::default(),
            state: Mutex::default(),
            taken: AtomicU8::new(0),
            wake: Box::new(wake),
        })
    }

    pub(crate) fn push_packets(&self, batch: PacketBatch) {
        if self.packets.push(batch) {
            (self.wake)();
        }
    }

    fn set_taken(&self, taken: u8) {
        if self.taken.swap(taken, Ordering::Relaxed) != taken {
            (self.wake)();
        }
    }

    fn change(&self, change: impl FnOnce(&mut TapState)) {
        change(&mut self.lock());
        (self.wake)();
    }

    fn lock(&self) -> MutexGuard<'_, TapState> {
        // A state is plain data: a panic of another thread leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worker's side of a [`Feed`]: with it the feed ends.
pub(crate) struct FeedEnd(Arc<Feed>);

impl FeedEnd {
    pub(crate) fn new(feed: &Arc<Feed>) -> Self {
        Self(Arc::clone(feed))
    }

    pub(crate) fn feed(&self) -> Arc<Feed> {
        Arc::clone(&self.0)
    }

    /// Says which encodings of a source are taken.
    pub(crate) fn tell_taken(&self, taken: u8) {
        self.0.set_taken(taken);
    }

    /// Takes an event of the consumer; those that say nothing to a reader are passed over.
    pub(crate) fn tell(&self, event: &str, data: &Value) {
        match event {
            "producerpause" => self.0.change(|state| state.producer_paused = true),
            "producerresume" => self.0.change(|state| state.producer_paused = false),
            "producerclose" => self.0.change(|state| state.ended = true),
            "layerschange" => {
                let layers = serde_json::from_value(data.clone()).unwrap_or_default();
                self.0.change(|state| state.current_layers = layers);
            }
            _ => {}
        }
    }
}

impl Drop for FeedEnd {
    fn drop(&mut self) {
        self.0.change(|state| state.ended = true);
    }
}

/// What taps and sources send a worker.
pub(crate) enum Order {
    /// One opens.
    Open(Box<Opening>),
    /// A request as text; its reply goes where it came from, if anyone waits for it.
    Request { text: String, reply: Option<oneshot::Sender<Outcome>> },
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(opening) => f.debug_tuple("Open").field(&opening.wanted).finish(),
            Self::Request { text, .. } => f.debug_tuple("Request").field(text).finish(),
        }
    }
}

/// A tap or source that opens.
pub(crate) struct Opening {
    pub(crate) router: RouterId,
    pub(crate) wanted: Wanted,
    pub(crate) feed: FeedEnd,
    pub(crate) reply: oneshot::Sender<Result<Opened, RequestError>>,
}

/// What opens.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Tap(TapOptions),
    Source(Box<ProducerOptions>),
}

/// What has opened.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) transport: TransportId,
    /// The consumer or producer.
    pub(crate) object: Uuid,
    /// The number of its RTP packets.
    pub(crate) number: u32,
    /// The number of its RTCP packets.
    pub(crate) rtcp_number: u32,
    /// The stream of a tap.
    pub(crate) ssrc: u32,
    pub(crate) parameters: RtpParameters,
    /// The producer of a tap was paused then.
    pub(crate) paused: bool,
}

/// What a compound says of when packets of `ssrc` were captured.
fn sender_report(compound: &[u8], ssrc: u32) -> Option<SenderInfo> {
    let compound = Compound::parse(compound).ok()?;
    compound.packets().find_map(|packet| match packet {
        RtcpPacket::SenderReport(report) if report.ssrc == ssrc => Some(report.info),
        _ => None,
    })
}

fn key_frame_requests(compound: &[u8], each: &mut impl FnMut(u32)) {
    let Ok(compound) = Compound::parse(compound) else { return };
    for packet in compound.packets() {
        match packet {
            RtcpPacket::PictureLoss(loss) => each(loss.ssrcs.media),
            RtcpPacket::FullIntraRequest(request) => request.entries().for_each(|entry| each(entry.ssrc)),
            _ => {}
        }
    }
}
