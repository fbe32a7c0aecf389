//! One publisher and its viewers, in memory: deciding, rewriting, sealing into send slots and collecting runs; only the
//! system calls are left out. `ns per delivered packet` is printed beside Criterion's figures.

mod world;

use std::cell::Cell;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use millrace_testkit::fan_out::Media;

use world::Call;

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    bench(&mut group, "fan_out_single_packets_to_100_viewers", Media::Video { packets: 1 }, 100);
    bench(&mut group, "fan_out_frames_of_six_packets_to_100_viewers", Media::Video { packets: 6 }, 100);
    bench(&mut group, "fan_out_audio_to_300_viewers", Media::Audio, 300);
    group.finish();
}

/// Publishes a frame, whose packets leave together, in each iteration.
fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, media: Media, viewers: u32) {
    let mut call = Call::new(media, viewers);
    let delivered = u64::from(viewers) * u64::from(media.packets());
    call.publish();
    assert_eq!(call.viewers.counters.rtp_packets_sent, delivered, "viewers start at once");
    let total = Cell::new((Duration::ZERO, 0));
    group.throughput(Throughput::Elements(delivered));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let start = Instant::now();
            (0..iterations).for_each(|_| call.publish());
            let time = start.elapsed();
            let (time_before, packets_before) = total.get();
            total.set((time_before + time, packets_before + iterations * delivered));
            time
        });
    });
    let (time, packets) = total.get();
    println!("{name}: {:.1} ns per delivered packet", time.as_nanos() as f64 / packets as f64);
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
