//! Bad networks.

use millrace_mixer::MixerOptions;

use crate::spectrum::{PIECE, heard};
use crate::world::{PCM, World, tone};

#[test]
fn ten_minutes_of_5_percent_loss_and_50_ms_jitter_are_made_up_within_bounds_and_do_not_drift() {
    let mut world = World::new(MixerOptions::default());
    let talkers = [world.talker(0, tone(400, 0.2)), world.talker(11_000, tone(700, 0.2))];
    let mut random = fastrand::Rng::with_seed(7);
    world.network = Box::new(move |_, _| (random.u8(0..100) >= 5).then(|| random.u64(0..50_000)));
    let listener = world.output(PCM, &[]);
    world.keep = false;
    world.run(60_000);
    let minute =
        |world: &World| talkers.map(|talker| world.mixer.input_stats(world.talkers[talker].input).unwrap().playout);
    let (first, mut waits) = (minute(&world), Vec::new());
    for _ in 0..9 {
        world.run(60_000);
        waits.extend(talkers.map(|talker| world.mixer.input_stats(world.talkers[talker].input).unwrap().waiting));
    }
    for (first, last) in first.iter().zip(minute(&world)) {
        let share = (last.concealed - first.concealed) as f64 / (last.played - first.played) as f64;
        println!("made up {:.2} %, late {} of {}", share * 100.0, last.late, last.packets);
        assert!((0.04..=0.075).contains(&share), "{share}: {last:?}");
        assert!(last.skipped == 0 && last.overflowed == 0, "{last:?}");
    }
    // 50 ms are two and a half packets; what waits is that and what a tick is away.
    assert!(waits.iter().all(|waiting| *waiting <= 5), "{waits:?}");
    world.network = Box::new(|_, _| Some(25_000));
    world.keep = true;
    world.run(3_000);
    assert_eq!(heard(&world.last(listener, PIECE), 0.2, -40.0), [400, 700]);
}
