//! How much later sound leaves the mixer than its packet came.

use millrace_mixer::MixerOptions;

use crate::codec::{compress, expand};
use crate::world::{PCM, World};

/// Samples between clicks: half a second, so that they fall anywhere in a packet and a tick.
const APART: u64 = 24_037;

fn clicks(sample: u64) -> f32 {
    if sample % APART < 4 { 0.8 } else { 0.0 }
}

/// Delays in microseconds of the clicks of `talker` that `output` heard: from the arrival of the packet to the frame, each at
/// the click's own place in it.
fn delays(world: &World, output: millrace_mixer::OutputId, phase: u64, network: u64, clock: i64) -> Vec<i64> {
    let loud = expand(compress(0.8)) * 0.9;
    let mut delays = Vec::new();
    let mut last = -1_000_000;
    for (at, _, samples) in &world.out[&output] {
        for (place, _) in samples.iter().enumerate().filter(|(_, sample)| **sample > loud) {
            let heard = *at as i64 + place as i64 * 1_000_000 / 48_000;
            if heard - last < 10_000 {
                continue;
            }
            last = heard;
            // The click that was sent last before it was heard. Its packet comes 20 ms after the packet's first sample.
            let said_at = |click: u64| {
                let sample = (click * APART) as i64;
                let sent = phase as i64 + 20_000 + sample * 1_000_000 / 48_000;
                sent + sent * clock / 1_000_000 + network as i64
            };
            let click = (0..).take_while(|click| said_at(*click) <= heard).last().unwrap_or(0);
            delays.push(heard - said_at(click));
        }
    }
    delays
}

#[test]
fn without_jitter_half_of_the_clicks_are_delayed_by_30_ms_at_most_and_99_of_100_by_45() {
    let mut all = Vec::new();
    for round in 0..6u64 {
        let mut world = World::new(MixerOptions::default());
        let phases: Vec<_> = (0..4).map(|talker| (talker * 6_131 + round * 3_770) % 20_000).collect();
        for phase in &phases {
            world.talker(*phase, |_| 0.0);
        }
        // One clicks, the others speak so softly that clicks stand out; who clicks goes round.
        let clicker = world.talker(phases[round as usize % 4], clicks);
        world.network = Box::new(|_, _| Some(30_000));
        let output = world.output(PCM, &[]);
        let phase = phases[round as usize % 4];
        assert_eq!(clicker, 4);
        world.run(20_000);
        all.extend(delays(&world, output, phase, 30_000, 0).into_iter().skip(4));
    }
    all.sort_unstable();
    let (half, most) = (all[all.len() / 2], all[all.len() * 99 / 100]);
    println!("{} clicks: p50 {} ms, p99 {} ms", all.len(), half as f64 / 1e3, most as f64 / 1e3);
    assert!(all.len() >= 200 && half <= 30_000 && most <= 45_000, "{} {half} {most}", all.len());
}

#[test]
fn one_talker_is_heard_within_12_ms_because_ticks_follow_its_packets() {
    for phase in [0, 5_000, 12_345, 19_000] {
        let mut world = World::new(MixerOptions::default());
        world.talker(phase, clicks);
        let output = world.output(PCM, &[]);
        world.run(10_000);
        let delays = delays(&world, output, phase, 0, 0);
        assert!(delays.iter().skip(4).all(|delay| (0..=12_000).contains(delay)), "{phase}: {delays:?}");
    }
}

#[test]
fn a_clock_that_drifts_makes_no_more_delay_after_ten_minutes_than_after_one() {
    for slow_ppm in [-100, 100] {
        let mut world = World::new(MixerOptions::default());
        let clicker = world.talker(3_000, clicks);
        let other = world.talker(9_000, |_| 0.0);
        world.talkers[clicker].slow_ppm = slow_ppm;
        let output = world.output(PCM, &[]);
        world.run(600_000);
        let delays = delays(&world, output, 3_000, 0, slow_ppm);
        assert!(delays.len() > 1_100, "{}", delays.len());
        assert!(
            delays.iter().skip(4).all(|delay| (0..=35_000).contains(delay)),
            "{slow_ppm}: {:?}",
            delays.iter().max()
        );
        println!("{slow_ppm}: {:?}", world.mixer.stats());
        let stats = world.mixer.input_stats(world.talkers[clicker].input).unwrap().playout;
        assert!(stats.concealed <= 4 * 960, "{stats:?}");
        let _ = other;
    }
}
