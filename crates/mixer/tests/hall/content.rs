//! What is heard by whom.

use millrace_mixer::audio::PEAK_MAX;
use millrace_mixer::{MixerEvent, MixerOptions, TickLength};

use crate::codec::{compress, expand};
use crate::spectrum::{PIECE, bins, heard};
use crate::world::{ENCODED, PCM, World, tone};

/// Bins may be this loud beside a tone.
const FLOOR_DB: f64 = -40.0;

#[test]
fn each_talker_hears_the_two_others_and_a_listener_all_three() {
    let mut world = World::new(MixerOptions::default());
    let tones = [400, 700, 1_100];
    let talkers: Vec<_> =
        tones.iter().zip([0, 7_000, 13_000]).map(|(hertz, at)| world.talker(at, tone(*hertz, 0.2))).collect();
    let own: Vec<_> = talkers.iter().map(|talker| world.output(PCM, &[*talker])).collect();
    let coded: Vec<_> = talkers.iter().map(|talker| world.output(ENCODED, &[*talker])).collect();
    let (listener, coded_listener) = (world.output(PCM, &[]), world.output(ENCODED, &[]));
    world.run(6_000);
    for index in 0..3 {
        let others: Vec<_> = tones.into_iter().filter(|hertz| *hertz != tones[index]).collect();
        assert_eq!(heard(&world.last(own[index], PIECE), 0.2, FLOOR_DB), others);
        assert_eq!(heard(&world.last(coded[index], PIECE), 0.2, FLOOR_DB), others);
    }
    assert_eq!(heard(&world.last(listener, PIECE), 0.2, FLOOR_DB), tones);
    assert_eq!(heard(&world.last(coded_listener, PIECE), 0.2, FLOOR_DB), tones);
}

#[test]
fn a_mix_agrees_with_one_that_is_computed_apart_to_60_db() {
    // Noise that repeats nowhere, so that there is one delay at which the two agree.
    fn noise(seed: u64) -> impl Fn(u64) -> f32 {
        move |sample| {
            let mixed = (sample ^ seed << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ((mixed >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 0.3
        }
    }
    let mut world = World::new(MixerOptions::default());
    let talkers: Vec<_> = (1..=3).map(|seed| world.talker(4_000, noise(seed))).collect();
    let (all, without) = (world.output(PCM, &[]), world.output(PCM, &[talkers[1]]));
    world.run(2_000);
    let expected = |seeds: &[u64], at: u64| seeds.iter().map(|seed| expand(compress(noise(*seed)(at)))).sum::<f32>();
    for (output, seeds) in [(all, &[1, 2, 3][..]), (without, &[1, 3])] {
        let came = world.last(output, 9_600);
        let energy: f32 = came.iter().map(|sample| sample * sample).sum();
        let error_at = |start: u64, count: usize| {
            let errors = came.iter().take(count).zip(start..).map(|(sample, at)| sample - expected(seeds, at));
            errors.map(|error| error * error).sum::<f32>()
        };
        let start = (80_000..96_000).min_by(|a, b| error_at(*a, 20).total_cmp(&error_at(*b, 20))).unwrap();
        let error_db = 10.0 * (error_at(start, came.len()) / energy).log10();
        assert!(error_db <= -60.0, "{error_db} dB");
    }
}

#[test]
fn the_five_loud_of_fifty_are_heard_and_only_they_are_decoded() {
    let mut world = World::new(MixerOptions { top_k: Some(5), ..MixerOptions::default() });
    let loud = [3, 11, 24, 38, 47];
    for person in 0..50 {
        let amplitude = if loud.contains(&person) { 0.1 } else { 0.000_5 };
        world.talker(person as u64 * 400, tone(500 + 50 * person as u32, amplitude));
    }
    let listener = world.output(PCM, &[]);
    // The tick has come to where it stays.
    world.run(6_000);
    let before = world.work.decoded();
    world.run(1_000);
    let expected: Vec<_> = loud.iter().map(|person| 500 + 50 * *person as u32).collect();
    assert_eq!(heard(&world.last(listener, PIECE), 0.1, FLOOR_DB), expected);
    let decoded = world.work.decoded() - before;
    assert!((245..=260).contains(&decoded), "{decoded} packets of 2500 decoded in a second");
}

#[test]
fn gain_and_mute_change_what_is_heard_within_a_tick_and_without_a_click() {
    let mut world = World::new(MixerOptions::default());
    let talker = world.talker(0, tone(500, 0.2));
    let (input, listener) = (world.talkers[talker].input, world.output(PCM, &[]));
    world.run(1_000);
    world.mixer.set_gain(input, 0.5).unwrap();
    world.run(1_000);
    let halved = bins(&world.last(listener, PIECE))[50];
    assert!((halved - 0.1).abs() < 0.002, "{halved}");
    world.mixer.set_muted(input, true).unwrap();
    world.run(200);
    let decoded = world.work.decoded();
    world.run(1_000);
    assert!(world.last(listener, PIECE).iter().all(|sample| *sample == 0.0));
    assert_eq!(world.work.decoded(), decoded, "a muted input costs nothing");
    world.mixer.set_muted(input, false).unwrap();
    world.run(1_000);
    let all = world.last(listener, 48_000 * 3);
    // A tone of 500 Hz at 0.2 moves 0.013 a sample.
    let step = all.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(step < 0.02, "{step}");
}

#[test]
fn many_loud_voices_never_exceed_the_peak() {
    let mut world = World::new(MixerOptions::default());
    (0..10).for_each(|person| {
        world.talker(person * 1_900, tone(300 + 110 * person as u32, 0.9));
    });
    let listener = world.output(PCM, &[]);
    world.run(2_000);
    let came = world.last(listener, 48_000);
    assert!(came.iter().all(|sample| sample.abs() <= PEAK_MAX * 1.000_1));
    assert!(came.iter().any(|sample| sample.abs() > 0.5));
}

#[test]
fn ticks_of_10_ms_mix_the_same() {
    let mut world = World::new(MixerOptions { tick: TickLength::Ms10, ..MixerOptions::default() });
    let talkers = [world.talker(3_000, tone(400, 0.2)), world.talker(11_000, tone(700, 0.2))];
    let (listener, own) = (world.output(PCM, &[]), world.output(PCM, &[talkers[0]]));
    world.run(6_000);
    assert_eq!(heard(&world.last(listener, PIECE), 0.2, FLOOR_DB), [400, 700]);
    assert_eq!(heard(&world.last(own, PIECE), 0.2, FLOOR_DB), [700]);
    assert_eq!(world.out[&own].last().unwrap().2.len(), 480);
}

#[test]
fn the_active_input_is_told_once_a_second_when_it_changes() {
    let mut world = World::new(MixerOptions::default());
    let (first, second) = (world.talker(0, tone(400, 0.1)), world.talker(5_000, tone(700, 0.3)));
    world.talkers[second].silent = true;
    world.run(2_500);
    world.talkers[second].silent = false;
    world.run(4_000);
    let events: Vec<_> = std::iter::from_fn(|| world.mixer.poll_event()).collect();
    let ids = [world.talkers[first].input, world.talkers[second].input];
    assert_eq!(events, ids.map(MixerEvent::ActiveInput));
}
