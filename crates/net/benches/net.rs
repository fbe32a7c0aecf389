//! What the worker does around its system calls: collecting datagrams into runs, and its timers.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millrace_net::{Destination, DestinationKey, SEND_SLOTS, SendBatch, SocketIndex, TimerWheel};

/// Viewers of a frame of six packets.
const VIEWERS: u32 = 100;
const FRAME_PACKETS: u32 = 6;
const TIMERS: u32 = 1000;

criterion_group!(benches, batch, timers);
criterion_main!(benches);

/// Slots, runs and the release of both. The system call and the plan for it, which a socket is needed for, are left out.
fn batch(criterion: &mut Criterion) {
    let mut batch = SendBatch::new(SEND_SLOTS);
    let mut group = criterion.benchmark_group("net");
    group.throughput(Throughput::Elements(u64::from(VIEWERS * FRAME_PACKETS)));
    group.bench_function("batch_frames_of_six_to_100_viewers", |bencher| {
        bencher.iter(|| {
            for _ in 0..FRAME_PACKETS {
                (0..VIEWERS).for_each(|viewer| append(&mut batch, viewer));
            }
            let report = batch.flush(|_| None);
            assert_eq!(report.closed, u64::from(VIEWERS * FRAME_PACKETS), "every datagram was in the batch");
        });
    });
    group.finish();
}

fn append(batch: &mut SendBatch, viewer: u32) {
    let remote = SocketAddr::from(([127, 0, 0, 1], viewer as u16));
    let destination = Destination { socket: SocketIndex(0), key: DestinationKey(viewer), remote, source: None };
    if let Some(slot) = batch.slot(SocketIndex(0)) {
        slot[0] = black_box(1);
        batch.commit(1200, &destination);
    }
}

fn timers(criterion: &mut Criterion) {
    let start = Instant::now();
    let mut wheel = TimerWheel::new(start);
    (0..TIMERS).for_each(|id| wheel.set(id, start + Duration::from_millis(u64::from(id))));
    let mut turn = 0;
    criterion.bench_function("net/timer_set_anew", |bencher| {
        bencher.iter(|| {
            turn += 1;
            wheel.set(turn % TIMERS, start + Duration::from_millis(u64::from(turn % 5000)));
        });
    });
    let mut wheel = TimerWheel::new(start);
    let mut now = start;
    criterion.bench_function("net/timer_set_and_expire", |bencher| {
        bencher.iter(|| {
            wheel.set(0, now + Duration::from_millis(50));
            now += Duration::from_millis(51);
            assert_eq!(wheel.pop_due(now), Some(0));
            assert_eq!(wheel.pop_due(now), None);
        });
    });
}
