//! What the router does for one packet or report, in memory: without opening, sealing or sending.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use millrace_model::WallClock;
use millrace_packet::rtcp::feedback::FeedbackSsrcs;
use millrace_packet::rtcp::{CompoundWriter, ReportBlock};
use millrace_packet::{OutgoingStreamId, PacketRef, Rewrite};
use millrace_router::{ConsumerIndex, Output, RouterEvent, SessionId};
use millrace_testkit::fan_out::{FanOut, Media, viewer_ssrc};

const VIEWERS: u32 = 100;
const SINGLE_PACKETS: Media = Media::Video { packets: 1 };
/// A viewer's session, behind the publisher's.
const FIRST_VIEWER: SessionId = SessionId(1);

/// Takes everything, counts it and keeps nothing.
#[derive(Default)]
struct Nowhere {
    rtp: u64,
    rtcp: u64,
}

impl Output for Nowhere {
    fn send_rtp(&mut self, session: SessionId, packet: &PacketRef, rewrite: &Rewrite) {
        black_box((session, packet.bytes().as_ptr(), rewrite));
        self.rtp += 1;
    }

    fn send_rtcp(&mut self, _: SessionId, compound: &[u8]) {
        black_box(compound);
        self.rtcp += 1;
    }

    fn event(&mut self, event: RouterEvent) {
        black_box(event);
    }
}

criterion_group!(benches, fan_out, nack, receiver_report, transport_feedback, loss);
criterion_main!(benches);

/// Deciding and rewriting.
fn fan_out(criterion: &mut Criterion) {
    let (mut call, mut out) = call(VIEWERS);
    let (viewer, _) = call.router.consumer_stats(ConsumerIndex(0), call.now).expect("there are viewers");
    assert_eq!(viewer.packet_count, 1, "the viewers start with the first packet");
    let mut group = criterion.benchmark_group("router");
    group.throughput(Throughput::Elements(u64::from(VIEWERS)));
    group.bench_function("fan_out_to_100_viewers", |bencher| bencher.iter(|| call.publish(&mut out)));
    group.finish();
}

/// A viewer misses the newest packet, which comes from the cache. Bounded by the viewer's budget of resends, so each
/// iteration gets a packet and the time for it.
fn nack(criterion: &mut Criterion) {
    let (mut call, mut out) = call(1);
    let mut newest = 0u16;
    criterion.bench_function("router/nack_answered_from_the_cache", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut total = Duration::ZERO;
            for _ in 0..iterations {
                call.publish(&mut out);
                newest = newest.wrapping_add(1);
                let compound = compound(|writer| {
                    let ssrcs = FeedbackSsrcs { sender: 7, media: viewer_ssrc(0) };
                    writer.nack(ssrcs, [newest]).expect("the slot is large enough");
                });
                let before = out.rtp;
                let start = Instant::now();
                call.router.handle_rtcp(FIRST_VIEWER, &compound, call.now, &mut out);
                total += start.elapsed();
                assert_eq!(out.rtp, before + 1, "the packet is sent again");
            }
            total
        });
    });
}

/// A viewer says how its stream arrives.
fn receiver_report(criterion: &mut Criterion) {
    let (mut call, mut out) = call(1);
    let block = ReportBlock {
        ssrc: viewer_ssrc(0),
        fraction_lost: 0,
        cumulative_lost: 0,
        extended_highest_sequence: 1,
        jitter: 5,
        last_sender_report: 0,
        delay_since_last_sender_report: 0,
    };
    let compound = compound(|writer| writer.receiver_report(7, &[block]).expect("the slot is large enough"));
    criterion.bench_function("router/receiver_report", |bencher| {
        bencher.iter(|| call.router.handle_rtcp(FIRST_VIEWER, black_box(&compound), call.now, &mut out));
    });
}

/// What the publisher is told of 100 packets by transport-wide feedback, their arrival included. Receiver reports are
/// due now and then meanwhile.
fn transport_feedback(criterion: &mut Criterion) {
    let (mut call, mut out) = call(0);
    let mut group = criterion.benchmark_group("router");
    group.throughput(Throughput::Elements(100));
    group.bench_function("arrival_and_transport_feedback_of_100_packets", |bencher| {
        bencher.iter(|| {
            let before = out.rtcp;
            (0..100).for_each(|_| call.publish(&mut out));
            assert!(out.rtcp > before, "half a second of media has feedback");
        });
    });
    group.finish();
}

/// A publisher's stream of which every tenth packet is missing: noticing and asking for it.
fn loss(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("router");
    group.throughput(Throughput::Elements(10));
    group.bench_function("ten_packets_of_which_one_is_lost_and_asked_for", |bencher| {
        bencher.iter_batched_ref(
            || call(1),
            |(call, out)| {
                let before = out.rtcp;
                call.next_frame();
                call.next_packet(0);
                (0..9).for_each(|_| call.publish(out));
                assert!(out.rtcp > before, "the lost packet is asked for");
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// A publisher with viewers that have its first packet.
fn call(viewers: u32) -> (FanOut, Nowhere) {
    let now = Instant::now();
    let mut call = FanOut::new(SINGLE_PACKETS, WallClock::new(now, Duration::ZERO), now);
    let mut out = Nowhere::default();
    for viewer in 0..viewers {
        call.add_viewer(viewer, OutgoingStreamId(0), &mut out);
    }
    call.publish(&mut out);
    (call, out)
}

fn compound(write: impl FnOnce(&mut CompoundWriter<'_>)) -> Vec<u8> {
    let mut slot = [0; 200];
    let mut writer = CompoundWriter::new(&mut slot);
    write(&mut writer);
    let len = writer.len();
    slot[..len].to_vec()
}
