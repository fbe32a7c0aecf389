//! One video producer and a hundred viewers, in memory: the cost of deciding and rewriting, without sealing or sending.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millrace_model::{MediaKind, WallClock};
use millrace_packet::{ExtensionIds, ExtensionKind, OutgoingStreamId, PacketPool, PacketRef, Rewrite, VideoCodec};
use millrace_router::setup::{
    CodecSetup, ConsumerSetup, Feedback, PayloadTypes, ProducerSetup, SessionSetup, StreamSetup,
};
use millrace_router::{ConsumerIndex, Output, ProducerIndex, Router, RouterEvent, SessionId};

const VIEWERS: u32 = 100;
const SSRC: u32 = 1234;
const PAYLOAD_BYTES: usize = 1100;
const PACKET_INTERVAL: Duration = Duration::from_millis(4);

/// Takes everything and keeps nothing.
struct Nowhere;

impl Output for Nowhere {
    fn send_rtp(&mut self, session: SessionId, packet: &PacketRef, rewrite: &Rewrite) {
        black_box((session, packet.bytes().as_ptr(), rewrite));
    }

    fn send_rtcp(&mut self, _: SessionId, compound: &[u8]) {
        black_box(compound);
    }

    fn event(&mut self, event: RouterEvent) {
        black_box(event);
    }
}

/// A publisher that sends 2.2 Mbit/s of VP8 with transport-wide numbers.
struct Publisher {
    router: Router,
    session: SessionId,
    pool: PacketPool,
    now: Instant,
    packet: Vec<u8>,
    sequence: u16,
}

impl Publisher {
    fn with_viewers() -> Self {
        let now = Instant::now();
        let mut router = Router::new(WallClock::new(now, Duration::ZERO), now);
        let session = router.add_session(SessionSetup { ssrc: 1, cname: "bench".to_owned() });
        let producer = router.produce(producer_setup(session)).expect("a valid producer");
        for viewer in 0..VIEWERS {
            let session = router.add_session(SessionSetup { ssrc: 2, cname: "bench".to_owned() });
            router.connect_session(session, now, &mut Nowhere);
            let setup = consumer_setup(session, producer, viewer);
            router.consume(setup, now, &mut Nowhere).expect("a valid consumer");
        }
        let mut packet = vec![0x90, 96, 0, 0, 0, 0, 0, 0];
        packet.extend(SSRC.to_be_bytes());
        packet.extend([0xbe, 0xde, 0, 1, 0x51, 0, 0, 0, 0x10, 0]);
        packet.resize(packet.len() + PAYLOAD_BYTES, 7);
        Self { router, session, pool: PacketPool::new(4096), now, packet, sequence: 0 }
    }

    /// Publishes one packet; about every 300th starts a key frame.
    fn publish(&mut self) {
        self.now += PACKET_INTERVAL;
        self.sequence = self.sequence.wrapping_add(1);
        let timestamp = u32::from(self.sequence / 8).wrapping_mul(3000).to_be_bytes();
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.packet[4..8].copy_from_slice(&timestamp);
        self.packet[17..19].copy_from_slice(&self.sequence.to_be_bytes());
        self.packet[21] = u8::from(!self.sequence.is_multiple_of(300) && self.sequence != 1);
        let mut packet = self.pool.take().expect("the pool is large enough");
        packet.fill(&self.packet);
        self.router.handle_rtp(self.session, packet, self.now, &mut Nowhere);
        if self.router.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.router.handle_timeout(self.now, &mut Nowhere);
        }
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

fn consumer_setup(session: SessionId, producer: ProducerIndex, viewer: u32) -> ConsumerSetup {
    ConsumerSetup {
        session,
        producer,
        stream: 0,
        outgoing: OutgoingStreamId(0),
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

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("router");
    group.throughput(Throughput::Elements(u64::from(VIEWERS)));
    let mut publisher = Publisher::with_viewers();
    publisher.publish();
    let (viewer, _) = publisher.router.consumer_stats(ConsumerIndex(0), publisher.now).expect("there are viewers");
    assert_eq!(viewer.packet_count, 1, "the viewers start with the first packet");
    group.bench_function("fan_out_to_100_viewers", |bencher| bencher.iter(|| publisher.publish()));
    group.finish();
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
