//! Callers and peers that do what they should not.

use std::time::Duration;

use millrace_frames::{AudioCodec, AudioFormat, AudioPacket, CodecUnavailable, Inserted};
use millrace_mixer::audio::{EXCLUDED_MAX, INPUTS_MAX};
use millrace_mixer::{
    InputFormat, InputId, InputOptions, MixerError, MixerOptions, OutputFormat, OutputId, OutputOptions,
};

use crate::world::{ENCODED, OPUS, PCM, World, payload, tone};

const INPUT: InputOptions = InputOptions { format: InputFormat::Rtp(OPUS), gain: 1.0, muted: false };

#[test]
fn v06_opus_packets_at_the_edges_of_the_format_are_heard_made_up_or_counted() {
    let mut world = World::new(MixerOptions::default());
    let input = world.mixer.add_input(&INPUT).unwrap();
    world.output(PCM, &[]);
    let odd: [&[u8]; 8] = [
        &[],
        &[31 << 3],
        &[16 << 3 | 3, 48],
        &[16 << 3 | 3, 49],
        &[16 << 3 | 3, 0],
        &payload(1_275),
        &payload(1_276),
        &[31 << 3 | 4, 1, 2, 3],
    ];
    let mut verdicts = Vec::new();
    for (number, payload) in odd.iter().cycle().take(800).enumerate() {
        let packet = AudioPacket { sequence: number as u16, timestamp: number as u32 * 960, payload };
        verdicts.push(world.mixer.receive(input, packet, None, world.at(world.now)).unwrap());
        world.run(20);
    }
    let malformed = [Inserted::Malformed, Inserted::Waits, Inserted::Waits, Inserted::Malformed, Inserted::Malformed];
    assert_eq!(verdicts[..5], malformed);
    assert_eq!(verdicts[6], Inserted::Malformed, "1,276 bytes");
    let stats = world.mixer.input_stats(input).unwrap();
    assert!(stats.playout.malformed >= 400 && stats.waiting <= 128, "{stats:?}");
}

#[test]
fn v08_100_inputs_are_mixed_and_one_more_than_the_limit_is_refused() {
    let mut world = World::new(MixerOptions::default());
    (0..100).for_each(|person| {
        world.talker(person * 199, tone(300 + 10 * person as u32, 0.01));
    });
    world.output(PCM, &[]);
    world.run(1_000);
    assert_eq!(world.mixer.stats().heard, 100);
    (100..INPUTS_MAX).for_each(|_| {
        world.mixer.add_input(&INPUT).unwrap();
    });
    assert_eq!(world.mixer.add_input(&INPUT), Err(MixerError::TooManyInputs));
    assert_eq!(world.mixer.stats().inputs, INPUTS_MAX);
}

#[test]
fn v08_sizes_and_gains_out_of_range_are_refused_and_nothing_is_half_made() {
    let mut world = World::new(MixerOptions::default());
    let bad = |format, gain| InputOptions { format, gain, muted: false };
    let rtp = |codec, channels| InputFormat::Rtp(AudioFormat { codec, channels });
    let pcm = |sample_rate, channels| InputFormat::Pcm { sample_rate, channels };
    let refused = [
        (bad(rtp(AudioCodec::Opus, 0), 1.0), "channels"),
        (bad(rtp(AudioCodec::Opus, 3), 1.0), "channels"),
        (bad(rtp(AudioCodec::Pcmu, 2), 1.0), "channels"),
        (bad(pcm(0, 1), 1.0), "sample_rate"),
        (bad(pcm(u32::MAX, 1), 1.0), "sample_rate"),
        (bad(pcm(48_000, 0), 1.0), "channels"),
        (bad(pcm(48_000, 1), -0.1), "gain"),
        (bad(pcm(48_000, 1), f32::NAN), "gain"),
        (bad(pcm(48_000, 1), f32::INFINITY), "gain"),
    ];
    for (options, name) in refused {
        assert_eq!(world.mixer.add_input(&options), Err(MixerError::BadValue(name)));
    }
    let unavailable = CodecUnavailable { codec: AudioCodec::G722, channels: 1 };
    let g722 = AudioFormat { codec: AudioCodec::G722, channels: 1 };
    let missing = bad(InputFormat::Rtp(g722), 1.0);
    assert_eq!(world.mixer.add_input(&missing), Err(MixerError::Codec(unavailable)));
    let format = OutputFormat::Encoded { format: g722, bitrate: 64_000, complexity: 0, in_band_fec: false };
    let refused = world.mixer.add_output(&OutputOptions { format, exclude: &[] });
    assert_eq!(refused, Err(MixerError::Codec(unavailable)));
    assert_eq!((world.mixer.stats().inputs, world.mixer.stats().outputs), (0, 0));
}

#[test]
fn what_is_not_there_is_named_in_the_error() {
    let mut world = World::new(MixerOptions::default());
    let (nobody, nothing) = (InputId(99), OutputId(99));
    assert_eq!(world.mixer.remove_input(nobody), Err(MixerError::UnknownInput(nobody)));
    assert_eq!(world.mixer.remove_output(nothing), Err(MixerError::UnknownOutput(nothing)));
    let unknown = OutputOptions { format: PCM, exclude: &[nobody] };
    assert_eq!(world.mixer.add_output(&unknown), Err(MixerError::UnknownInput(nobody)));
    let inputs: Vec<_> = (0..=EXCLUDED_MAX).map(|_| world.mixer.add_input(&INPUT).unwrap()).collect();
    let many = OutputOptions { format: PCM, exclude: &inputs };
    assert_eq!(world.mixer.add_output(&many), Err(MixerError::TooManyExcluded));
    assert_eq!(world.mixer.write(inputs[0], &[0.0]), Err(MixerError::WrongKind(inputs[0])));
    assert_eq!(world.mixer.stats().outputs, 0);
}

#[test]
fn inputs_and_outputs_that_come_and_go_leave_nothing_behind() {
    let mut world = World::new(MixerOptions::default());
    world.talker(0, tone(400, 0.2));
    for _ in 0..50 {
        let input = world.mixer.add_input(&INPUT).unwrap();
        let output = world.mixer.add_output(&OutputOptions { format: ENCODED, exclude: &[input] }).unwrap();
        world.run(40);
        world.mixer.remove_input(input).unwrap();
        world.run(40);
        world.mixer.remove_output(output).unwrap();
    }
    let stats = world.mixer.stats();
    assert_eq!((stats.inputs, stats.outputs, stats.groups), (1, 0, 0));
}

#[test]
fn a_mixer_that_is_called_late_makes_up_five_ticks_and_counts_the_others() {
    let mut world = World::new(MixerOptions::default());
    let output = world.output(PCM, &[]);
    world.run(1_000);
    let before = world.out[&output].len();
    let mut frames = Vec::new();
    let late = world.at(world.now) + Duration::from_secs(2);
    world.mixer.tick(late, &mut |frame| frames.push(frame.timestamp));
    assert_eq!((frames.len(), world.mixer.stats().missed_ticks), (5, 95));
    assert_eq!(frames[0] as usize, (before + 95) * 960, "time goes on as it passes");
}
