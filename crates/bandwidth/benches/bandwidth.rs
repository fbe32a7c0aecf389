//! What congestion control costs for each delivered packet: estimator, pacer, feedback and allocation together.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millrace_bandwidth::allocation::{Claim, Ladder, Line, Rung, Share, allocate};
use millrace_bandwidth::pacer::Pacer;
use millrace_bandwidth::{Estimator, EstimatorSettings, SentKind, SentPacket};
use millrace_packet::rtcp::transport_feedback::FeedbackHeader;
use millrace_packet::rtcp::{Compound, CompoundWriter, FeedbackSsrcs, RtcpPacket};

/// Packets between two feedback packets: 50 ms of 2 Mbit/s.
const PACKETS: u16 = 10;

/// Feedback packets between two allocations: one each half second.
const FEEDBACKS: u16 = 10;

const INTERVAL: Duration = Duration::from_millis(5);

criterion_group!(benches, delivered_packet);
criterion_main!(benches);

/// A viewer of three simulcast streams, half a second at a time.
fn delivered_packet(criterion: &mut Criterion) {
    let mut path = Path::new();
    let mut group = criterion.benchmark_group("bandwidth");
    group.throughput(Throughput::Elements(u64::from(PACKETS) * u64::from(FEEDBACKS)));
    group.bench_function("delivered_packet", |bencher| bencher.iter(|| path.half_a_second()));
    group.finish();
}

struct Path {
    estimator: Estimator,
    pacer: Pacer,
    shares: [Share; 3],
    now: Instant,
    number: u16,
    ticks: i64,
}

impl Path {
    fn new() -> Self {
        let estimator = Estimator::new(EstimatorSettings { initial: 3_000_000, min: 30_000, max: 10_000_000 });
        let shares = [Share::default(); 3];
        Self { estimator, pacer: Pacer::default(), shares, now: Instant::now(), number: 0, ticks: 0 }
    }

    fn half_a_second(&mut self) {
        for _ in 0..FEEDBACKS {
            let base = self.number;
            for _ in 0..PACKETS {
                self.send();
            }
            self.hear(base);
        }
        self.allocate();
    }

    fn send(&mut self) {
        self.now += INTERVAL;
        assert!(self.pacer.has_room(self.now));
        self.pacer.charge(1200, self.now);
        let probe = None;
        let number = self.number;
        self.estimator.packet_sent(SentPacket { number, bytes: 1200, at: self.now, probe, kind: SentKind::Media });
        self.number = number.wrapping_add(1);
    }

    /// The peer says that everything arrived as it was sent.
    fn hear(&mut self, base: u16) {
        let mut bytes = [0; 200];
        let mut writer = CompoundWriter::new(&mut bytes);
        let ssrcs = FeedbackSsrcs { sender: 1, media: 2 };
        let reference_time = (self.ticks / 256) as i32 & 0x7f_ffff;
        let header = FeedbackHeader { ssrcs, base_sequence: base, reference_time, feedback_count: base as u8 };
        let offset = (self.ticks % 256) as i16;
        let statuses = (0..PACKETS).map(|place| Some(if place == 0 { offset } else { 20 }));
        writer.transport_feedback(&header, statuses).expect("it fits");
        self.ticks += i64::from(PACKETS) * 20;
        let len = writer.len();
        let compound = Compound::parse(&bytes[..len]).expect("it was just written");
        for packet in compound.packets() {
            if let RtcpPacket::TransportFeedback(feedback) = packet {
                self.estimator.transport_feedback(&feedback, self.now);
            }
        }
        self.estimator.handle_timeout(self.now);
        self.pacer.set_rate(Some(self.estimator.estimate().bitrate * 5 / 2));
    }

    fn allocate(&mut self) {
        let ladder = |_| {
            let rung = |(spatial_layer, bitrate)| Rung { spatial_layer, temporal_layer: u8::MAX, bitrate };
            Ladder::new([(0, 150_000), (1, 500_000), (2, 1_500_000)].map(rung))
        };
        let mut place = 0..;
        let mut claims = self.shares.map(|share| Claim::new(place.next(), 1, ladder(()), share));
        let bitrate = self.estimator.estimate().bitrate;
        let outcome = allocate(Line { bitrate, may_shed: true, ..Line::default() }, &mut claims, self.now);
        claims.iter().for_each(|claim| self.shares[claim.id.unwrap_or(0)] = claim.share);
        self.estimator.set_wanted(outcome.wanted, self.now);
    }
}
