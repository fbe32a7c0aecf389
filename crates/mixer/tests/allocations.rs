//! Ticks allocate nothing once everybody has spoken.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::{Duration, Instant};

use millrace_frames::{
    AudioCodec, AudioCodecs, AudioDecoder, AudioEncoder, AudioEncoding, AudioFormat, AudioPacket, CodecUnavailable,
    DecodeError, EncodeError,
};
use millrace_mixer::{AudioMixer, InputFormat, InputOptions, MixerOptions, OutputFormat, OutputOptions};
use millrace_packet::meta::AudioLevel;
use millrace_testkit::allocations::{CountingAllocator, allocations};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn ticks_allocate_nothing_after_warming_up_whoever_speaks() {
    let start = Instant::now();
    let mut mixer =
        AudioMixer::new(Box::new(Flat), MixerOptions { top_k: Some(3), ..Default::default() }, start).unwrap();
    let opus = AudioFormat { codec: AudioCodec::Opus, channels: 1 };
    let pcmu = AudioFormat { codec: AudioCodec::Pcmu, channels: 1 };
    let inputs: Vec<_> = (0..6)
        .map(|_| mixer.add_input(&InputOptions { format: InputFormat::Rtp(opus), gain: 1.0, muted: false }).unwrap())
        .collect();
    for format in [opus, pcmu] {
        let format = OutputFormat::Encoded { format, bitrate: 32_000, complexity: 5, in_band_fec: false };
        for input in &inputs {
            mixer.add_output(&OutputOptions { format, exclude: &[*input] }).unwrap();
        }
    }
    let mut sent = 0;
    let mut run = |ticks: u32, from: u32| {
        for tick in from..from + ticks {
            let now = start + Duration::from_millis(20) * tick;
            for (person, input) in inputs.iter().enumerate() {
                // Each speaks for four seconds, two at a time; every 97th packet is lost.
                let speaks = (tick / 200) as usize % 6 == person || (tick / 200 + 3) as usize % 6 == person;
                let payload = [31 << 3, if speaks { 90 } else { 0 }, 0];
                let level = AudioLevel { attenuation_dbov: if speaks { 20 } else { 127 }, voice: speaks };
                let packet = AudioPacket { sequence: tick as u16, timestamp: tick * 960, payload: &payload };
                if !(tick as usize + person).is_multiple_of(97) {
                    mixer.receive(*input, packet, Some(level), now).unwrap();
                }
            }
            mixer.tick(now, &mut |frame| sent += frame.outputs.len());
        }
    };
    run(3_000, 1);
    let before = allocations();
    run(3_000, 3_001);
    let allocated = allocations() - before;
    assert_eq!(allocated, 0, "in a minute of six who take turns");
    assert!(sent > 12 * 5_000);
}

/// A codec of one level a packet.
struct Flat;

impl AudioCodecs for Flat {
    fn decoder(&mut self, _: AudioFormat) -> Result<Box<dyn AudioDecoder>, CodecUnavailable> {
        Ok(Box::new(Level(48_000)))
    }

    fn encoder(&mut self, encoding: &AudioEncoding) -> Result<Box<dyn AudioEncoder>, CodecUnavailable> {
        Ok(Box::new(Level(encoding.format.codec.clock_rate())))
    }
}

struct Level(u32);

impl AudioDecoder for Level {
    fn sample_rate(&self) -> u32 {
        self.0
    }

    fn channels(&self) -> u8 {
        1
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        out[..960].fill(f32::from(payload[1]) / 256.0);
        Ok(960)
    }

    fn conceal(&mut self, frames: usize, _: Option<&[u8]>, out: &mut [f32]) -> Result<usize, DecodeError> {
        out[..frames].fill(0.0);
        Ok(frames)
    }
}

impl AudioEncoder for Level {
    fn sample_rate(&self) -> u32 {
        self.0
    }

    fn channels(&self) -> u8 {
        1
    }

    fn encode(&mut self, pcm: &[f32], out: &mut [u8]) -> Result<usize, EncodeError> {
        out[..80].fill(pcm.len() as u8);
        Ok(80)
    }

    fn set_bitrate(&mut self, _: u32) {}

    fn set_complexity(&mut self, _: u8) {}

    fn set_expected_loss(&mut self, _: u8) {}
}
