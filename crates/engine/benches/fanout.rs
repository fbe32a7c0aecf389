//! One video publisher and a hundred viewers, in memory: deciding, rewriting, sealing into send slots and collecting
//! runs; only the system calls are left out. `ns per delivered packet` is printed beside Criterion's figures.

use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use millrace_model::{Counters, MediaKind, WallClock};
use millrace_net::{Destination, DestinationKey, SEND_SLOTS, SendBatch, SocketIndex};
use millrace_packet::{
    ExtensionIds, ExtensionKind, ExtensionPlan, OutgoingStreamId, PacketPool, PacketRef, Rewrite, VideoCodec,
};
use millrace_router::setup::{
    CodecSetup, ConsumerSetup, Feedback, PayloadTypes, ProducerSetup, SessionSetup, StreamSetup,
};
use millrace_router::{Output, ProducerIndex, Router, RouterEvent, SessionId};
use millrace_transport::outgoing::{OutgoingQueue, OutgoingStreamSpec, Outlet, Repair, SendSlots};
use millrace_transport::srtp::{MasterKey, SrtpOutbound};
use millrace_transport::{Protocol, SocketId, SrtpProfile, Tuple};

const VIEWERS: u32 = 100;
const SSRC: u32 = 1234;
const PAYLOAD_BYTES: usize = 1100;
const FRAME_PACKETS: usize = 6;
/// 30 frames a second.
const FRAME_INTERVAL: Duration = Duration::from_millis(33);

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    bench(&mut group, "fan_out_single_packets_to_100_viewers", 1);
    bench(&mut group, "fan_out_frames_of_six_packets_to_100_viewers", FRAME_PACKETS);
    group.finish();
}

/// Publishes `burst` packets, which leave together, in each iteration.
fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, burst: usize) {
    let mut call = Call::new();
    call.publish(burst);
    assert_eq!(call.viewers.counters.rtp_packets_sent, u64::from(VIEWERS) * burst as u64, "viewers start at once");
    let delivered = u64::from(VIEWERS) * burst as u64;
    let total = Cell::new((Duration::ZERO, 0));
    group.throughput(Throughput::Elements(delivered));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let start = Instant::now();
            (0..iterations).for_each(|_| call.publish(burst));
            let time = start.elapsed();
            let (time_before, packets_before) = total.get();
            total.set((time_before + time, packets_before + iterations * delivered));
            time
        });
    });
    let (time, packets) = total.get();
    println!("{name}: {:.1} ns per delivered packet", time.as_nanos() as f64 / packets as f64);
}

/// A publisher of 1.6 Mbit/s of VP8, and what is between it and its viewers.
struct Call {
    router: Router,
    publisher: SessionId,
    viewers: Viewers,
    pool: PacketPool,
    packet: Vec<u8>,
    sequence: u16,
    frame: u32,
}

/// Viewers with keys, and the batch that their packets are collected in.
struct Viewers {
    queues: Vec<(OutgoingQueue, SrtpOutbound, Tuple)>,
    first_session: u32,
    batch: Slots,
    counters: Counters,
    now: Instant,
}

/// A send batch whose datagrams go nowhere.
struct Slots {
    batch: SendBatch,
    viewer: u32,
}

impl Call {
    fn new() -> Self {
        let now = Instant::now();
        let clock = WallClock::new(now, Duration::ZERO);
        let mut router = Router::new(clock, now);
        let publisher = router.add_session(SessionSetup { ssrc: 1, cname: "bench".to_owned() });
        let producer = router.produce(producer_setup(publisher)).expect("a valid producer");
        let mut viewers = Viewers::new(publisher.0 + 1, now);
        for viewer in 0..VIEWERS {
            let session = router.add_session(SessionSetup { ssrc: 2, cname: "bench".to_owned() });
            let stream = viewers.add(clock, viewer);
            router.connect_session(session, now, &mut viewers);
            let setup = consumer_setup(session, producer, viewer, stream);
            router.consume(setup, now, &mut viewers).expect("a valid consumer");
        }
        let mut packet = vec![0x90, 96, 0, 0, 0, 0, 0, 0];
        packet.extend(SSRC.to_be_bytes());
        packet.extend([0xbe, 0xde, 0, 1, 0x51, 0, 0, 0, 0x10, 0]);
        packet.resize(packet.len() + PAYLOAD_BYTES, 7);
        Self { router, publisher, viewers, pool: PacketPool::new(4096), packet, sequence: 0, frame: 0 }
    }

    /// Publishes a frame of `packets` packets, then sends what was collected. Every 300th frame is a key frame.
    fn publish(&mut self, packets: usize) {
        self.viewers.now += FRAME_INTERVAL;
        let now = self.viewers.now;
        for index in 0..packets {
            self.write_packet(index == 0, index + 1 == packets);
            let mut packet = self.pool.take().expect("the pool is large enough");
            packet.fill(&self.packet);
            self.router.handle_rtp(self.publisher, packet, now, &mut self.viewers);
        }
        self.frame += 1;
        if self.router.deadline().is_some_and(|deadline| deadline <= now) {
            self.router.handle_timeout(now, &mut self.viewers);
        }
        black_box(self.viewers.batch.batch.flush(|_| None));
    }

    fn write_packet(&mut self, is_first: bool, is_last: bool) {
        self.sequence = self.sequence.wrapping_add(1);
        self.packet[1] = u8::from(is_last) << 7 | 96;
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.packet[4..8].copy_from_slice(&self.frame.wrapping_mul(2970).to_be_bytes());
        self.packet[17..19].copy_from_slice(&self.sequence.to_be_bytes());
        // RFC 7741 §4.2: the start of a partition; RFC 6386 §9.1: its first bit is clear in a key frame.
        self.packet[20] = u8::from(is_first) << 4;
        self.packet[21] = u8::from(!self.frame.is_multiple_of(300));
    }
}

impl Viewers {
    fn new(first_session: u32, now: Instant) -> Self {
        let batch = Slots { batch: SendBatch::new(SEND_SLOTS), viewer: 0 };
        Self { queues: Vec::new(), first_session, batch, counters: Counters::default(), now }
    }

    fn add(&mut self, clock: WallClock, viewer: u32) -> OutgoingStreamId {
        let mut queue = OutgoingQueue::new(clock);
        let extensions = ExtensionPlan::new([(5, ExtensionKind::TransportWideCc), (4, ExtensionKind::AbsSendTime)]);
        let spec = OutgoingStreamSpec::new(10_000 + viewer, Repair::Rtx { ssrc: 20_000 + viewer }, extensions);
        let stream = queue.add_stream(spec).expect("a new stream");
        let (key, salt) = ([viewer as u8; 16], [7; 12]);
        let key = MasterKey::new(SrtpProfile::AeadAes128Gcm, &key, &salt).expect("a key and a salt of their lengths");
        let remote = ([127, 0, 0, 1], 10_000 + viewer as u16).into();
        let tuple = Tuple { socket: SocketId(0), protocol: Protocol::Udp, remote, local_ip: None };
        self.queues.push((queue, SrtpOutbound::new(&key), tuple));
        stream
    }

    fn send(&mut self, session: SessionId, send: impl FnOnce(&mut OutgoingQueue, &mut Outlet<'_, Slots>)) {
        let viewer = session.0.wrapping_sub(self.first_session);
        let Some((queue, srtp, tuple)) = self.queues.get_mut(viewer as usize) else { return };
        self.batch.viewer = viewer;
        let (slots, counters) = (&mut self.batch, &mut self.counters);
        send(queue, &mut Outlet { tuple: *tuple, now: self.now, slots, srtp, log: &mut (), counters });
    }
}

impl Output for Viewers {
    fn send_rtp(&mut self, session: SessionId, packet: &PacketRef, rewrite: &Rewrite) {
        self.send(session, |queue, outlet| queue.send_rtp(packet, rewrite, outlet));
    }

    fn send_rtcp(&mut self, session: SessionId, compound: &[u8]) {
        self.send(session, |queue, outlet| queue.send_rtcp(compound, outlet));
    }

    fn event(&mut self, event: RouterEvent) {
        black_box(event);
    }
}

impl SendSlots for Slots {
    fn slot(&mut self, tuple: &Tuple) -> Option<&mut [u8]> {
        if self.batch.is_full() {
            black_box(self.batch.flush(|_| None));
        }
        self.batch.slot(SocketIndex(tuple.socket.0))
    }

    fn commit(&mut self, tuple: &Tuple, len: usize) {
        let destination = Destination {
            socket: SocketIndex(tuple.socket.0),
            key: DestinationKey(self.viewer),
            remote: tuple.remote,
            source: None,
        };
        self.batch.commit(len, &destination);
    }
}

fn producer_setup(session: SessionId) -> ProducerSetup {
    ProducerSetup {
        session,
        kind: MediaKind::Video,
        mid: None,
        streams: vec![StreamSetup { ssrc: Some(SSRC), ..StreamSetup::default() }],
        codecs: vec![CodecSetup {
            payload_type: 96,
            rtx_payload_type: None,
            mime_type: "video/VP8".to_owned(),
            video_codec: Some(VideoCodec::Vp8),
            clock_rate: 90_000,
            feedback: Feedback { nack: true, pli: true, transport_cc: true, ..Feedback::default() },
        }],
        extensions: ExtensionIds::new([(5, ExtensionKind::TransportWideCc)]),
        key_frame_request_delay: Duration::ZERO,
        paused: false,
    }
}

fn consumer_setup(
    session: SessionId,
    producer: ProducerIndex,
    viewer: u32,
    outgoing: OutgoingStreamId,
) -> ConsumerSetup {
    ConsumerSetup {
        session,
        producer,
        stream: 0,
        outgoing,
        ssrc: 10_000 + viewer,
        rtx_ssrc: Some(20_000 + viewer),
        rid: None,
        cname: "bench".to_owned(),
        payload_types: vec![PayloadTypes { producer: 96, viewer: 101, viewer_rtx: Some(102) }],
        nack: true,
        first_sequence: 0,
        first_rtx_sequence: 0,
        paused: false,
    }
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
