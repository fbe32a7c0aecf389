//! Ticks allocate nothing once everybody has spoken.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::{Duration, Instant};

use millrace_codecs::BuiltAudioCodecs;
use millrace_frames::{
    AudioCodec, AudioCodecs, AudioDecoder, AudioEncoder, AudioEncoding, AudioFormat, AudioPacket, CodecUnavailable,
    DecodeError, EncodeError,
};
use millrace_mixer::{AudioMixer, InputFormat, InputOptions, MixerOptions, OutputFormat, OutputOptions};
use millrace_packet::meta::AudioLevel;
use millrace_testkit::allocations::{CountingAllocator, allocations};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Ticks in which each of six has spoken twice.
const ROUND_TICKS: u32 = 1_200;

/// Packets of who speaks, and of who does not.
struct Said {
    speech: Vec<u8>,
    silence: Vec<u8>,
}

// One test, because what others allocate meanwhile would count.
#[test]
fn ticks_allocate_nothing_after_warming_up_whoever_speaks() {
    let flat = Said { speech: vec![31 << 3, 90, 0], silence: vec![31 << 3, 0, 0] };
    assert_eq!(allocated(Box::new(Flat), &flat, 3), 0, "in a minute of six who take turns");
    assert_eq!(allocated(Box::new(BuiltAudioCodecs), &opus(), 1), 0, "with the codecs of this build");
}

/// Allocations in so many rounds of six who take turns, after two.
fn allocated(codecs: Box<dyn AudioCodecs>, said: &Said, rounds: u32) -> u64 {
    let start = Instant::now();
    let mut mixer = AudioMixer::new(codecs, MixerOptions { top_k: Some(3), ..Default::default() }, start).unwrap();
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
                let payload = if speaks { &said.speech } else { &said.silence };
                let level = AudioLevel { attenuation_dbov: if speaks { 20 } else { 127 }, voice: speaks };
                let packet = AudioPacket { sequence: tick as u16, timestamp: tick * 960, payload };
                if !(tick as usize + person).is_multiple_of(97) {
                    mixer.receive(*input, packet, Some(level), now).unwrap();
                }
            }
            mixer.tick(now, &mut |frame| sent += frame.outputs.len());
        }
    };
    run(2 * ROUND_TICKS, 1);
    let before = allocations();
    run(rounds * ROUND_TICKS, 2 * ROUND_TICKS + 1);
    let allocated = allocations() - before;
    // Six of them telephones, which get every frame.
    assert!(sent > 6 * ((2 + rounds) * ROUND_TICKS) as usize, "{sent}");
    allocated
}

/// A tone and silence as Opus has them.
fn opus() -> Said {
    let format = AudioFormat { codec: AudioCodec::Opus, channels: 1 };
    let encoding = AudioEncoding { format, frame_ms: 20, bitrate: 32_000, complexity: 5, in_band_fec: false };
    let packet = |amplitude: f32| {
        let mut encoder = BuiltAudioCodecs.encoder(&encoding).unwrap();
        let mut packet = [0; 1_500];
        let tone: Vec<f32> = (0..960).map(|sample| amplitude * (sample as f32 * 0.05).sin()).collect();
        let len = encoder.encode(&tone, &mut packet).unwrap();
        packet[..len].to_vec()
    };
    Said { speech: packet(0.2), silence: packet(0.0) }
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
