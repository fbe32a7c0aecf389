//! AAC-LC, judged by its spectrum; FFmpeg is the other end.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod support;

use millrace_codecs::AacDecoder;
use millrace_codecs::aac::{FRAME_BYTES_MAX, FRAME_SAMPLES};
use millrace_frames::{AudioDecoder, DecodeError};
use support::{adts, amplitude, channel, f32_to_bytes, ffmpeg, loudest_other_db, tone};

/// Left and right of a second of sound with a tone each.
fn two_tones(sample_rate: u32) -> Vec<f32> {
    let length = sample_rate as usize;
    let (left, right) = (tone(sample_rate, 440.0, 0.4, length), tone(sample_rate, 1300.0, 0.3, length));
    left.iter().zip(&right).flat_map(|(left, right)| [*left, *right]).collect()
}

fn ffmpegs(sound: &[f32], sample_rate: u32, channels: u8) -> (Vec<u8>, Vec<Vec<u8>>) {
    let arguments = format!("-f f32le -ar {sample_rate} -ac {channels} -i - -c:a aac -b:a 128k -f adts -");
    adts::frames(&ffmpeg(&arguments, f32_to_bytes(sound)))
}

fn heard(decoder: &mut dyn AudioDecoder, frames: &[Vec<u8>]) -> Vec<f32> {
    let mut out = vec![0.0; FRAME_SAMPLES * usize::from(decoder.channels())];
    let mut heard = Vec::new();
    for frame in frames {
        assert_eq!(decoder.decode(frame, &mut out), Ok(FRAME_SAMPLES));
        heard.extend_from_slice(&out);
    }
    heard
}

/// Holds the sound to the tones of [`two_tones`], a second of it but for the ends.
fn assert_two_tones(heard: &[f32], sample_rate: u32) {
    let second = 2 * 3 * FRAME_SAMPLES..2 * (sample_rate as usize - 3 * FRAME_SAMPLES);
    for (which, hz, level) in [(0, 440.0, 0.4), (1, 1300.0, 0.3)] {
        let samples = channel(&heard[second.clone()], 2, which);
        let decibels = 20.0 * f32::log10(amplitude(&samples, sample_rate, hz) / level);
        assert!(decibels.abs() < 0.5, "channel {which}: {decibels} dB");
        let others = loudest_other_db(&samples, sample_rate, &[hz]);
        assert!(others < -40.0, "channel {which}: {others} dB");
    }
}

#[test]
fn we_hear_what_ffmpegs_aac_encoder_makes() {
    for sample_rate in [48_000, 44_100, 22_050] {
        let (config, frames) = ffmpegs(&two_tones(sample_rate), sample_rate, 2);
        let mut decoder = AacDecoder::new(&config).unwrap();
        assert_eq!((decoder.sample_rate(), decoder.channels()), (sample_rate, 2));
        assert_two_tones(&heard(&mut decoder, &frames), sample_rate);
    }
}

#[test]
fn mono_is_one_channel_and_what_is_lost_is_made_up() {
    let sound = tone(16_000, 200.0, 0.4, 32_000);
    let (config, frames) = ffmpegs(&sound, 16_000, 1);
    let mut decoder = AacDecoder::new(&config).unwrap();
    let before = heard(&mut decoder, &frames[..10]);
    let level = amplitude(&before[3 * FRAME_SAMPLES..], 16_000, 200.0);
    assert!((0.37..0.43).contains(&level), "{level}");
    let mut out = [0.0; 2 * FRAME_SAMPLES];
    assert_eq!(decoder.conceal(FRAME_SAMPLES, None, &mut out), Ok(FRAME_SAMPLES));
    let made_up = amplitude(&out[..160], 16_000, 200.0);
    assert!((0.3..0.5).contains(&made_up), "{made_up}");
    assert!(out[1000..FRAME_SAMPLES].iter().all(|sample| *sample == 0.0), "silent in the end");
    assert_eq!(decoder.conceal(5000, None, &mut out), Err(DecodeError::OutputTooSmall));
    assert_eq!(decoder.conceal(1500, None, &mut out), Ok(FRAME_SAMPLES), "a frame at a time");
    let after = heard(&mut decoder, &frames[11..20]);
    let level = amplitude(&after[2 * FRAME_SAMPLES..], 16_000, 200.0);
    assert!((0.37..0.43).contains(&level), "{level}");
}

#[test]
fn streams_that_are_no_plain_aac_lc_are_refused() {
    let refused = |config: &[u8]| AacDecoder::new(config).err() == Some(DecodeError::Malformed);
    let with = |object: u16, rate: u16, channels: u16| (object << 11 | rate << 7 | channels << 3).to_be_bytes();
    assert!(!refused(&with(2, 3, 2)));
    assert!(refused(&[]) && refused(&[0x11]), "too short");
    assert!(refused(&[0x11; 65]), "too long");
    assert!(refused(&with(5, 6, 2)), "HE-AAC");
    assert!(refused(&with(23, 3, 2)), "low delay");
    assert!(refused(&with(1, 3, 2)), "main profile");
    assert!(refused(&with(2, 3, 6)), "5.1");
    assert!(refused(&with(2, 3, 0)), "channels told by a frame");
    assert!(refused(&with(2, 13, 2)), "no rate");
    let mut decoder = AacDecoder::new(&with(2, 3, 2)).unwrap();
    let (_, frames) = ffmpegs(&two_tones(48_000), 48_000, 2);
    let mut out = vec![0.0; 2 * FRAME_SAMPLES];
    assert_eq!(decoder.decode(&[], &mut out), Err(DecodeError::Malformed));
    assert_eq!(decoder.decode(&[0x21; FRAME_BYTES_MAX + 1], &mut out), Err(DecodeError::Malformed));
    assert_eq!(decoder.decode(&frames[3], &mut out[1..]), Err(DecodeError::OutputTooSmall));
    assert_eq!(decoder.decode(&frames[3][..40], &mut out), Err(DecodeError::Malformed), "cut short");
    assert_eq!(decoder.decode(&frames[3], &mut out), Ok(FRAME_SAMPLES), "and goes on");
}

#[cfg(feature = "aac-encoder")]
mod encoder {
    use millrace_codecs::AacEncoder;
    use millrace_frames::{AudioEncoder, EncodeError};

    use super::*;
    use crate::support::bytes_to_f32;

    fn frames(encoder: &mut AacEncoder, sound: &[f32]) -> Vec<Vec<u8>> {
        let mut out = vec![0; FRAME_BYTES_MAX];
        let frame = FRAME_SAMPLES * usize::from(encoder.channels());
        let mut encoded = |pcm: &[f32]| encoder.encode(pcm, &mut out).map(|len| out[..len].to_vec()).unwrap();
        sound.chunks_exact(frame).map(&mut encoded).collect()
    }

    #[test]
    fn ffmpeg_and_we_hear_what_we_encode() {
        for sample_rate in [48_000, 44_100] {
            let mut encoder = AacEncoder::new(sample_rate, 2, 128_000).unwrap();
            assert_eq!(encoder.config()[..2], adts::config(sample_rate, 2));
            let frames = frames(&mut encoder, &two_tones(sample_rate));
            let theirs = ffmpeg("-f aac -i - -f f32le -ac 2 -", adts::stream(&frames, sample_rate, 2));
            assert_two_tones(&bytes_to_f32(&theirs), sample_rate);
            assert_two_tones(&heard(&mut AacDecoder::new(encoder.config()).unwrap(), &frames), sample_rate);
        }
    }

    #[test]
    fn the_bitrate_is_held_and_changes_while_encoding() {
        let sound = two_tones(48_000).repeat(4);
        let mut encoder = AacEncoder::new(48_000, 2, 64_000).unwrap();
        for bitrate in [64_000, 160_000, 96_000] {
            encoder.set_bitrate(bitrate);
            let bits: usize = frames(&mut encoder, &sound).iter().map(|frame| frame.len() * 8).sum();
            let rate = bits as f32 / 4.0 / bitrate as f32;
            assert!((0.8..1.1).contains(&rate), "{bitrate}: {rate}");
        }
    }

    #[test]
    fn what_aac_does_not_have_is_refused() {
        assert_eq!(AacEncoder::new(7000, 2, 64_000).err(), Some(EncodeError::BadInput));
        assert_eq!(AacEncoder::new(48_000, 3, 64_000).err(), Some(EncodeError::BadInput));
        let mut encoder = AacEncoder::new(48_000, 1, u32::MAX).unwrap();
        let mut out = [0; FRAME_BYTES_MAX];
        assert_eq!(encoder.encode(&[0.0; 960], &mut out), Err(EncodeError::BadInput));
        assert_eq!(encoder.encode(&[0.5; FRAME_SAMPLES], &mut out[..2]), Err(EncodeError::OutputTooSmall));
        assert_eq!(encoder.encode(&[f32::NAN; FRAME_SAMPLES], &mut out).err(), None);
        encoder.set_bitrate(0);
        encoder.set_bitrate(u32::MAX);
    }
}
