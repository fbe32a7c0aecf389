//! A worker's whole state and what may be done to it: the media plane on one thread.

mod audio_mixers;
mod candidates;
mod captures;
mod crowds;
mod data;
mod data_reports;
mod data_traffic;
mod direct;
mod events;
mod fanout;
mod listen;
mod load;
mod mixers;
mod observers;
mod pace;
mod path;
mod plain_transports;
mod receive;
mod replace;
mod reports;
mod requests;
mod rings;
mod routers;
mod selectors;
mod sockets;
mod streams;
mod taps;
#[cfg(test)]
mod tests;
mod traffic;
mod transport_core;
mod transport_reports;
mod transports;
mod video_mixers;
mod webrtc_transports;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millrace_model::{
    AudioMixerId, CheckedWorkerSettings, ConsumerId, Counters, DataConsumerId, DataProducerId, ProducerId, RouterId,
    RtpObserverId, TransportId, TransportPortRange, VideoMixerId, WallClock, WebRtcServerId,
};
use millrace_net::{RecvBatch, TcpReadBuffer, TimerWheel};
use millrace_packet::{PacketMut, PacketPool, PacketRef};
use millrace_router::{ConsumerIndex, ObserverIndex, ProducerIndex, RouterEvent};
use millrace_transport::IntakeLimits;
use millrace_transport::SocketId;
use millrace_transport::dtls::LocalCertificate;
use rustc_hash::FxHashMap;
use slab::Slab;
use tokio::sync::Notify;

use crate::journal::Journal;
use crate::message::Message;
use crate::outbox::Outbox;
use crate::packets::PacketReader;
use crate::random::Random;
use crate::worker::WorkerHandle;

pub(crate) use sockets::{Attended, SocketHandle};

use sockets::{Changes, Sockets};

use audio_mixers::AudioMixerEntry;
use data::{DataConsumerAt, DataProducerAt};
use direct::{Inlet, Outlet};
use events::Told;
use listen::Server;
use load::Load;
pub(crate) use load::thread_time;
use mixers::Written;
use pace::Pace;
use routers::RouterEntry;
use taps::AttachedEnd;
use transports::TransportEntry;
use video_mixers::VideoMixerEntry;

/// Packets that a worker holds at most, in caches and queues together: 400 MB when all are in use.
///
/// When all are held, datagrams are dropped and counted until some are forgotten.
const PACKETS_MAX: usize = 262_144;

/// Transports of one worker at most. One more is refused.
const TRANSPORTS_MAX: usize = 65_536;

/// Producers of one worker at most. One more is refused.
const PRODUCERS_MAX: usize = 65_536;

/// Consumers of one worker at most: about 1 GB natively. One more is refused, long before the machine has no memory for
/// those that are there.
const CONSUMERS_MAX: usize = 262_144;

/// Data producers of one worker at most. One more is refused.
const DATA_PRODUCERS_MAX: usize = 65_536;

/// Data consumers of one worker at most. One more is refused.
const DATA_CONSUMERS_MAX: usize = 262_144;

/// How many objects a worker takes on before it refuses new ones.
#[derive(Clone, Copy, Debug)]
struct ObjectLimits {
    transports: usize,
    producers: usize,
    consumers: usize,
    data_producers: usize,
    data_consumers: usize,
}

impl ObjectLimits {
    const DEFAULT: Self = Self {
        transports: TRANSPORTS_MAX,
        producers: PRODUCERS_MAX,
        consumers: CONSUMERS_MAX,
        data_producers: DATA_PRODUCERS_MAX,
        data_consumers: DATA_CONSUMERS_MAX,
    };
}

/// Everything that a worker has.
pub(crate) struct Plane {
    certificate: LocalCertificate,
    rtc_ports: TransportPortRange,
    /// How much each peer may send.
    intake: IntakeLimits,
    limits: ObjectLimits,
    outbox: Arc<Outbox>,
    journal: Journal,
    clock: WallClock,
    random: Random,
    pool: PacketPool,
    /// There except while its datagrams are handled.
    batch: Option<RecvBatch>,
    read_buffer: TcpReadBuffer,
    /// Packets of one TCP read, kept for its memory.
    frames: Vec<PacketMut>,
    sockets: Sockets,
    /// Transport that is the first to send when a full socket takes datagrams again.
    next_to_flush: usize,
    servers: BTreeMap<WebRtcServerId, Server>,
    routers: Slab<RouterEntry>,
    router_ids: FxHashMap<RouterId, usize>,
    transports: Slab<TransportEntry>,
    transport_ids: FxHashMap<TransportId, usize>,
    /// Each producer's router and index.
    producer_ids: FxHashMap<ProducerId, (usize, ProducerIndex)>,
    /// Each consumer's router and index.
    consumer_ids: FxHashMap<ConsumerId, (usize, ConsumerIndex)>,
    /// Each observer's router and index.
    observer_ids: FxHashMap<RtpObserverId, (usize, ObserverIndex)>,
    data_producer_ids: FxHashMap<DataProducerId, DataProducerAt>,
    data_consumer_ids: FxHashMap<DataConsumerId, DataConsumerAt>,
    /// What became of the message at hand, kept for its memory.
    data_outcomes: Vec<data_traffic::Outcome>,
    /// Which transport the datagrams of a validated path belong to.
    paths: FxHashMap<(SocketId, SocketAddr), usize>,
    /// Which transport made an ICE user name fragment.
    ufrags: FxHashMap<Vec<u8>, usize>,
    /// Whose packets the application sends with which number.
    inlets: FxHashMap<u32, Inlet>,
    outlet: Rc<RefCell<Outlet>>,
    /// Taps and sources of other threads.
    attached: Vec<AttachedEnd>,
    /// The way back to this worker, for them.
    handle: WorkerHandle,
    audio_mixers: FxHashMap<AudioMixerId, AudioMixerEntry>,
    video_mixers: FxHashMap<VideoMixerId, VideoMixerEntry>,
    /// A batch of the application's packets that is not read to its end.
    application_batch: Option<PacketReader>,
    /// Sound and pictures that the application writes, by the number under which they come.
    written: FxHashMap<u32, Written>,
    /// The transports that are captured, by index.
    captures: Vec<usize>,
    /// The reply of the request at hand comes later, from the thread that carries it out.
    reply_follows: bool,
    /// The ring transports, by index.
    rings: Vec<usize>,
    /// Rings when another worker wrote into a ring of ours.
    bell: Arc<Notify>,
    timers: TimerWheel,
    /// Deadline that the event loop waits for, as it was last told.
    armed: Option<Instant>,
    loop_is_stale: bool,
    /// What routers said during the call at hand.
    router_events: Vec<RouterEvent>,
    /// Transports whose timers the call at hand moved, kept for its memory.
    restless: Vec<usize>,
    load: Load,
    /// For how long the worker's thread has computed.
    thread_time: fn() -> Option<Duration>,
    /// What probators send; from the first one on.
    probation: Option<PacketRef>,
    /// Events that follow the reply of the request at hand.
    events: Vec<Message>,
    /// Events that a peer causes faster than applications need to hear of them.
    pace: Pace<Told>,
    /// A request was carried out and its reply not said yet: events wait behind it.
    owes_reply: bool,
    /// What no open transport counts: the worker's own, and the sums of closed transports.
    counters: Counters,
    started: Instant,
}

/// The owner of a deadline, as a number for the timer wheel.
#[derive(Clone, Copy)]
enum TimerOwner {
    Transport(usize),
    Router(usize),
    Connection(SocketId),
    /// The end of the first window of [`Pace`].
    Pace,
}

impl TimerOwner {
    /// The wheel's tables are indexed by these numbers, which therefore stay dense.
    fn id(self) -> u32 {
        match self {
            Self::Transport(index) => (index as u32) << 2,
            Self::Router(index) => ((index as u32) << 2) | 1,
            Self::Connection(socket) => (socket.0 << 2) | 2,
            Self::Pace => 3,
        }
    }

    fn of(id: u32) -> Self {
        let index = id >> 2;
        match id & 3 {
            0 => Self::Transport(index as usize),
            1 => Self::Router(index as usize),
            2 => Self::Connection(SocketId(index)),
            _ => Self::Pace,
        }
    }
}

impl Plane {
    pub(crate) fn new(
        settings: CheckedWorkerSettings,
        certificate: LocalCertificate,
        (handle, outbox): (WorkerHandle, Arc<Outbox>),
        now: Instant,
    ) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            certificate,
            rtc_ports: settings.rtc_ports,
            intake: IntakeLimits {
                packets_per_second: settings.peer_packet_rate_max,
                bits_per_second: settings.peer_bitrate_max,
            },
            limits: ObjectLimits::DEFAULT,
            journal: Journal::new(Arc::clone(&outbox), settings.log_level, settings.log_tags, now),
            clock: WallClock::new(now, since_epoch),
            random: Random::new(),
            pool: PacketPool::new(PACKETS_MAX),
            batch: Some(RecvBatch::new()),
            read_buffer: TcpReadBuffer::default(),
            frames: Vec::new(),
            sockets: Sockets::new(),
            next_to_flush: 0,
            servers: BTreeMap::new(),
            routers: Slab::new(),
            router_ids: FxHashMap::default(),
            transports: Slab::new(),
            transport_ids: FxHashMap::default(),
            producer_ids: FxHashMap::default(),
            consumer_ids: FxHashMap::default(),
            observer_ids: FxHashMap::default(),
            data_producer_ids: FxHashMap::default(),
            data_consumer_ids: FxHashMap::default(),
            data_outcomes: Vec::new(),
            paths: FxHashMap::default(),
            ufrags: FxHashMap::default(),
            inlets: FxHashMap::default(),
            outlet: Outlet::to_application(Arc::clone(&outbox)),
            attached: Vec::new(),
            handle,
            audio_mixers: FxHashMap::default(),
            application_batch: None,
            video_mixers: FxHashMap::default(),
            written: FxHashMap::default(),
            captures: Vec::new(),
            reply_follows: false,
            rings: Vec::new(),
            bell: Arc::default(),
            timers: TimerWheel::new(now),
            armed: None,
            loop_is_stale: false,
            router_events: Vec::new(),
            restless: Vec::new(),
            load: Load::default(),
            thread_time: load::thread_time,
            probation: None,
            events: Vec::new(),
            pace: Pace::new(),
            owes_reply: false,
            outbox,
            counters: Counters::default(),
            started: now,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted next. The event loop asks each time it waits.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        self.armed = self.timers.next_deadline();
        self.armed
    }

    /// Tells once whether the event loop waits for the wrong things: a nearer deadline or changed sockets.
    pub(crate) fn take_loop_is_stale(&mut self) -> bool {
        let nearer = match (self.timers.next_deadline(), self.armed) {
            (Some(next), Some(armed)) => next < armed,
            (next, None) => next.is_some(),
            (None, Some(_)) => false,
        };
        std::mem::take(&mut self.loop_is_stale) || nearer || self.sockets.has_changed()
    }

    /// Rings when [`attend_rings`](Self::attend_rings) has something to do.
    pub(crate) fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.bell)
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.watch_load(now);
        while let Some(id) = self.timers.pop_due(now) {
            match TimerOwner::of(id) {
                TimerOwner::Transport(index) => self.transport_timeout(index, now),
                TimerOwner::Router(index) => self.router_timeout(index, now),
                TimerOwner::Connection(socket) => self.connection_timeout(socket, now),
                TimerOwner::Pace => self.tell_held(now),
            }
        }
        self.finish();
    }

    /// What the event loop has to learn of sockets.
    pub(crate) fn take_socket_changes(&mut self) -> Changes {
        self.sockets.take_changes()
    }

    /// Sends what was collected.
    fn flush(&mut self) {
        self.sockets.flush(&mut self.counters);
        self.outlet.borrow_mut().flush();
        self.flush_attached();
        self.flush_rings();
        self.flush_captures();
    }

    /// Ends a turn: sends what was collected and says what happened.
    fn finish(&mut self) {
        self.flush();
        if !self.owes_reply {
            self.events.drain(..).for_each(|message| self.outbox.push(message));
        }
    }

    /// Carries out one request; the reply is to be [said](Self::say), and events wait behind it until then.
    pub(crate) fn serve(&mut self, text: &str, now: Instant) -> Option<Message> {
        self.owes_reply = true;
        self.count_unread();
        self.handle_request(text, now)
    }

    /// Brings the counters of what the application did not get up to date.
    fn count_unread(&mut self) {
        let dropped = self.outbox.dropped();
        self.counters.state_events_merged = dropped.merged + self.pace.replaced();
        self.counters.trace_events_dropped = dropped.sampled;
        self.counters.packets_to_application_dropped = dropped.packets;
        self.counters.log_lines_dropped = dropped.logs + self.journal.lines_dropped();
    }

    /// Says the reply of a request, then what happened while it was carried out.
    pub(crate) fn say(&mut self, reply: Option<Message>) {
        self.owes_reply = false;
        reply.into_iter().chain(self.events.drain(..)).for_each(|message| self.outbox.push(message));
    }

    /// Closes everything, telling peers.
    pub(crate) fn close(&mut self, now: Instant) {
        self.audio_mixers.clear();
        self.video_mixers.clear();
        let routers: Vec<_> = self.routers.iter().map(|(index, _)| index).collect();
        for index in routers {
            self.close_router(index, now);
        }
        while let Some(id) = self.servers.keys().next().copied() {
            self.close_server(id, now);
        }
        self.flush();
    }

    fn set_timer(&mut self, owner: TimerOwner, deadline: Option<Instant>) {
        match deadline {
            Some(deadline) => self.timers.set(owner.id(), deadline),
            None => self.timers.cancel(owner.id()),
        }
    }
}
