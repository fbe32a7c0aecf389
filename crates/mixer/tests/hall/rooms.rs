//! Who shares what, and what silence costs.

use millrace_frames::{AudioCodec, AudioFormat};
use millrace_mixer::{InputFormat, InputOptions, MixerOptions, OutputFormat};

use crate::spectrum::{PIECE, heard};
use crate::world::{ENCODED, OPUS, PCM, World, tone};

const PCMU: OutputFormat = OutputFormat::Encoded {
    format: AudioFormat { codec: AudioCodec::Pcmu, channels: 1 },
    bitrate: 64_000,
    complexity: 5,
    in_band_fec: false,
};

#[test]
fn listeners_share_one_encoder_and_each_talker_has_one() {
    let mut world = World::new(MixerOptions::default());
    let talkers: Vec<_> =
        (0..3).map(|person| world.talker(person * 6_000, tone(400 + 300 * person as u32, 0.2))).collect();
    let own: Vec<_> = talkers.iter().map(|talker| world.output(ENCODED, &[*talker])).collect();
    let listeners: Vec<_> = (0..40).map(|_| world.output(ENCODED, &[])).collect();
    world.run(1_000);
    let before = world.work.encoded();
    world.run(1_000);
    let encoded = world.work.encoded() - before;
    assert!((196..=204).contains(&encoded), "{encoded} frames: four encoders");
    assert_eq!(world.mixer.stats().groups, 4);
    assert_eq!(world.mixer.output_stats(listeners[0]).unwrap().shared_by, 40);
    assert_eq!(world.mixer.output_stats(own[0]).unwrap().shared_by, 1);
}

#[test]
fn talkers_who_are_silent_share_the_listeners_encoder_until_they_speak() {
    let mut world = World::new(MixerOptions::default());
    let speaker = world.talker(0, tone(400, 0.2));
    let silent: Vec<_> = (0..20).map(|person| world.talker(person * 900, tone(1_000, 0.2))).collect();
    silent.iter().for_each(|talker| world.talkers[*talker].silent = true);
    let outputs: Vec<_> = silent.iter().map(|talker| world.output(ENCODED, &[*talker])).collect();
    let own = world.output(ENCODED, &[speaker]);
    world.run(2_000);
    assert_eq!(world.mixer.stats().groups, 2, "one for all who listen, one for the speaker");
    world.talkers[silent[4]].silent = false;
    world.run(6_000);
    assert_eq!(world.mixer.stats().groups, 3);
    assert_eq!(heard(&world.last(outputs[4], PIECE), 0.2, -40.0), [400], "not themselves");
    assert_eq!(heard(&world.last(outputs[5], PIECE), 0.2, -40.0), [400, 1_000]);
    assert_eq!(heard(&world.last(own, PIECE), 0.2, -40.0), [1_000]);
    world.talkers[silent[4]].silent = true;
    world.run(4_000);
    assert_eq!(world.mixer.stats().groups, 2, "and shares again after a while");
}

#[test]
fn silence_costs_a_frame_every_400_ms_for_opus_and_no_work_for_others() {
    let mut world = World::new(MixerOptions::default());
    let talker = world.talker(0, tone(400, 0.2));
    let (opus, pcmu) = (world.output(ENCODED, &[]), world.output(PCMU, &[]));
    world.run(1_000);
    world.talkers[talker].silent = true;
    world.run(1_000);
    let (work, frames) = (world.work.encoded(), [opus, pcmu].map(|output| world.out[&output].len()));
    world.run(4_000);
    assert!(world.work.encoded() - work <= 10, "{}", world.work.encoded() - work);
    let sent = [opus, pcmu].map(|output| world.out[&output].len());
    assert!((9..=10).contains(&(sent[0] - frames[0])), "{sent:?} {frames:?}");
    assert!((199..=201).contains(&(sent[1] - frames[1])), "telephony has no pauses");
    assert!(world.last(pcmu, 1_600).iter().all(|sample| sample.abs() < 0.001));
    assert!(world.work.decoded() <= 50, "nothing is decoded in silence");
}

#[test]
fn a_mixer_without_inputs_goes_on_and_its_time_has_no_hole() {
    let mut world = World::new(MixerOptions::default());
    let (pcm, pcmu) = (world.output(PCM, &[]), world.output(PCMU, &[]));
    world.run(5_000);
    assert!(world.mixer.stats().ticks >= 249);
    let steps = |output, step: u32| world.out[&output].windows(2).all(|pair| pair[1].1.wrapping_sub(pair[0].1) == step);
    assert!(steps(pcm, 960) && steps(pcmu, 160));
    assert!(world.out[&pcmu].iter().skip(1).all(|(_, _, samples)| samples.len() == 160));
}

#[test]
fn telephony_hears_the_mix_at_its_own_rate() {
    let mut world = World::new(MixerOptions::default());
    let talker = world.talker(0, tone(400, 0.2));
    let (all, without) = (world.output(PCMU, &[]), world.output(PCMU, &[talker]));
    world.talker(9_000, tone(1_100, 0.2));
    world.run(3_000);
    // At 8 kHz 800 samples are a tenth of a second: every tenth bin of a piece six times as long.
    let six_fold = |output| world.last(output, 800).iter().flat_map(|sample| [*sample; 6]).collect::<Vec<_>>();
    assert_eq!(heard(&six_fold(all)[..PIECE], 0.2, -30.0), [400, 1_100]);
    assert_eq!(heard(&six_fold(without)[..PIECE], 0.2, -30.0), [1_100]);
}

#[test]
fn written_sound_is_mixed_and_its_writer_does_not_hear_it() {
    let mut world = World::new(MixerOptions::default());
    let format = InputFormat::Pcm { sample_rate: 16_000, channels: 1 };
    let bot = world.mixer.add_input(&InputOptions { format, gain: 1.0, muted: false }).unwrap();
    world.talker(0, tone(400, 0.2));
    let listener = world.output(PCM, &[]);
    let own = world.mixer.add_output(&millrace_mixer::OutputOptions { format: PCM, exclude: &[bot] }).unwrap();
    for piece in 0..100u64 {
        let samples: Vec<_> = (0..320).map(|sample| tone(900, 0.2)((piece * 320 + sample) * 3)).collect();
        assert_eq!(world.mixer.write(bot, &samples), Ok(0));
        world.run(20);
    }
    assert_eq!(heard(&world.last(listener, PIECE), 0.2, -40.0), [400, 900]);
    assert_eq!(heard(&world.last(own, PIECE), 0.2, -40.0), [400]);
}

#[test]
fn two_channels_stay_two_where_they_are_wanted() {
    let mut world = World::new(MixerOptions::default());
    let format = InputFormat::Pcm { sample_rate: 48_000, channels: 2 };
    let left_only = world.mixer.add_input(&InputOptions { format, gain: 1.0, muted: false }).unwrap();
    world.talker(0, tone(400, 0.2));
    let stereo = world.output(OutputFormat::Pcm { sample_rate: 48_000, channels: 2 }, &[]);
    let mono = world.output(PCM, &[]);
    for piece in 0..50u64 {
        let frames = (0..960).flat_map(|sample| [tone(900, 0.2)(piece * 960 + sample), 0.0]).collect::<Vec<_>>();
        world.mixer.write(left_only, &frames).unwrap();
        world.run(20);
    }
    let both = world.last(stereo, 2 * PIECE);
    let side = |side: usize| both.iter().skip(side).step_by(2).copied().collect::<Vec<_>>();
    assert_eq!(heard(&side(0), 0.2, -40.0), [400, 900]);
    assert_eq!(heard(&side(1), 0.2, -40.0), [400]);
    assert_eq!(heard(&world.last(mono, PIECE), 0.2, -40.0), [400, 900]);
    let _ = OPUS;
}
