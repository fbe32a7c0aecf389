//! Frames that somebody has tampered with, into every decoder: refused or decoded to something, within the limits, and
//! never a crash. `MILLRACE_MUTATED_FRAMES` sets how many for each codec.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod support;

use std::time::{Duration, Instant};

use fastrand::Rng;
use millrace_codecs::{
    AacDecoder, Av1Decoder, Av1Encoder, G722Decoder, G722Encoder, H264Decoder, H264Encoder, OpusDecoder, OpusEncoder,
    OpusSettings, PcmaDecoder, PcmuDecoder, VideoContent, VideoSettings, VpxCodec, VpxDecoder, VpxEncoder,
};
use millrace_frames::{AudioDecoder, AudioEncoder, PictureSize, VideoDecoder, VideoEncoder};
use support::video::encode;
use support::{adts, f32_to_bytes, ffmpeg, tone};

/// Frames for each codec unless the environment says otherwise; the nightly run asks for a million.
const FRAMES: u32 = 100_000;

/// Hang limit of a codec's whole run: a frame takes some 10 µs.
const LIMIT_FOR_100_000: Duration = Duration::from_secs(600);

/// Pictures up to this size are decoded here; mutated headers ask for every other.
const SIZE_MAX: PictureSize = PictureSize { width: 256, height: 256 };

#[test]
fn v04_mutated_opus() {
    let mut encoder = OpusEncoder::new(OpusSettings { channels: 2, ..OpusSettings::default() }).unwrap();
    let mut packets = audio_packets(&mut encoder, 2);
    // Every configuration of the first byte comes by mutation; lengths in it are worth more samples.
    packets.extend((0..=255_u8).map(|first| [vec![first], vec![0x81; 60]].concat()));
    mutated_audio(&packets, &mut OpusDecoder::new(48_000, 2).unwrap(), true);
}

#[test]
fn v04_mutated_g711() {
    let packets = [vec![0x55; 160], (0..=255).collect()];
    mutated_audio(&packets, &mut PcmuDecoder::new(), false);
    mutated_audio(&packets, &mut PcmaDecoder::new(), false);
}

#[test]
fn v04_mutated_g722() {
    mutated_audio(&audio_packets(&mut G722Encoder::new(), 1), &mut G722Decoder::new(), true);
}

#[test]
fn v04_mutated_aac() {
    let sound = f32_to_bytes(&tone(48_000 * 2, 300.0, 0.4, 48_000));
    let (config, frames) = adts::frames(&ffmpeg("-f f32le -ar 48000 -ac 2 -i - -c:a aac -b:a 64k -f adts -", sound));
    mutated_audio(&frames, &mut AacDecoder::new(&config).unwrap(), true);
}

#[test]
fn v04_mutated_vp8() {
    mutated_video(
        &mut VpxEncoder::new(VpxCodec::Vp8, settings()).unwrap(),
        &mut VpxDecoder::new(VpxCodec::Vp8, SIZE_MAX),
    );
}

#[test]
fn v04_mutated_vp9() {
    mutated_video(
        &mut VpxEncoder::new(VpxCodec::Vp9, settings()).unwrap(),
        &mut VpxDecoder::new(VpxCodec::Vp9, SIZE_MAX),
    );
}

#[test]
fn v04_mutated_h264() {
    mutated_video(&mut H264Encoder::new(settings()).unwrap(), &mut H264Decoder::new(SIZE_MAX).unwrap());
}

#[test]
fn v04_mutated_av1() {
    mutated_video(&mut Av1Encoder::new(settings()).unwrap(), &mut Av1Decoder::new(SIZE_MAX).unwrap());
}

const SIDES: (u32, u32) = (48, 32);

fn settings() -> VideoSettings {
    let size = PictureSize { width: SIDES.0, height: SIDES.1 };
    VideoSettings { size, bitrate: 100_000, frame_rate: 30.0, content: VideoContent::Camera }
}

fn audio_packets(encoder: &mut dyn AudioEncoder, channels: usize) -> Vec<Vec<u8>> {
    let sound = tone(encoder.sample_rate() * channels as u32, 300.0, 0.4, 960 * channels * 20);
    let frame = encoder.sample_rate() as usize / 50 * channels;
    let packet = |pcm: &[f32]| {
        let mut out = [0; 1500];
        let length = encoder.encode(pcm, &mut out).unwrap();
        out[..length].to_vec()
    };
    sound.chunks_exact(frame).map(packet).collect()
}

fn mutated_audio(seeds: &[Vec<u8>], decoder: &mut dyn AudioDecoder, finite: bool) {
    let (mut rng, mut out) = (Rng::with_seed(0x0715), vec![0.0; 2 * 5760]);
    let mut decoded = 0;
    within_time(|| {
        let packet = mutated(seeds, &mut rng);
        let outcome = if rng.u8(..) < 16 {
            let frames = rng.usize(..6000);
            decoder.conceal(frames, rng.bool().then_some(&packet), &mut out)
        } else {
            decoder.decode(&packet, &mut out)
        };
        if let Ok(frames) = outcome {
            decoded += 1;
            let samples = &out[..frames * usize::from(decoder.channels())];
            assert!(!finite || samples.iter().all(|sample| sample.is_finite()));
        }
    });
    assert!(decoded > 0);
}

fn mutated_video(encoder: &mut dyn VideoEncoder, decoder: &mut dyn VideoDecoder) {
    let frames = encode(encoder, SIDES, 0, 24, Some(12));
    let seeds: Vec<Vec<u8>> = frames.into_iter().map(|frame| frame.bytes).collect();
    let mut rng = Rng::with_seed(0x0715);
    let (mut decoded, mut refused, mut turn) = (0, 0, 0);
    within_time(|| {
        // A key frame as it was every now and then, or little of the rest would be looked at.
        turn += 1;
        let frame = if turn % 8 == 0 { seeds[0].clone() } else { mutated(&seeds, &mut rng) };
        let outcome = decoder.decode(&frame, &mut |picture| {
            let size = PictureSize { width: picture.width, height: picture.height };
            assert!(size.fits(SIZE_MAX), "{size:?}");
            // Every sample is there.
            let sum =
                (0..3).flat_map(|plane| picture.rows(plane)).flatten().map(|sample| u64::from(*sample)).sum::<u64>();
            assert!(sum <= 255 * 2 * 256 * 256);
        });
        match outcome {
            Ok(()) => decoded += 1,
            Err(_) => refused += 1,
        }
    });
    println!("{decoded} decoded, {refused} refused");
    assert!(decoded > 0 && refused > 0, "{decoded} decoded, {refused} refused");
}

/// One of `seeds` with bits turned, bytes replaced, cut short, drawn out, or joined with another.
fn mutated(seeds: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut packet = seeds[rng.usize(..seeds.len())].clone();
    for _ in 0..rng.usize(1..6) {
        let at = rng.usize(..packet.len().max(1)).min(packet.len().saturating_sub(1));
        match rng.u8(..8) {
            _ if packet.is_empty() => packet.push(rng.u8(..)),
            0..=2 => packet[at] ^= 1 << rng.u8(..8),
            3 => packet[at] = [0, 0xFF, 0x7F, 0x80, rng.u8(..)][rng.usize(..5)],
            // The beginning, where the headers are.
            4 => packet[at.min(rng.usize(..12))] = rng.u8(..),
            5 => packet.truncate(at),
            6 => packet.extend((0..rng.usize(..40)).map(|_| rng.u8(..))),
            _ => {
                let other = &seeds[rng.usize(..seeds.len())];
                packet.truncate(at);
                packet.extend_from_slice(&other[rng.usize(..other.len())..]);
            }
        }
    }
    packet
}

fn within_time(mut turn: impl FnMut()) {
    let wanted = std::env::var("MILLRACE_MUTATED_FRAMES").ok().and_then(|count| count.parse().ok()).unwrap_or(FRAMES);
    let started = Instant::now();
    for _ in 0..wanted {
        turn();
    }
    let limit = LIMIT_FOR_100_000 * (wanted / FRAMES).max(1);
    println!("{wanted} frames in {:?}", started.elapsed());
    assert!(started.elapsed() < limit, "{wanted} frames took {:?}", started.elapsed());
}
