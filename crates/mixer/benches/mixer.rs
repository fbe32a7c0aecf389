//! What a tick costs beside decoding and encoding: the codec does nothing but copy.

#![allow(missing_docs, reason = "criterion's macros write functions without comments")]
#![allow(clippy::unwrap_used, reason = "benchmarks are tests")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use millrace_frames::{
    AudioCodec, AudioCodecs, AudioDecoder, AudioEncoder, AudioEncoding, AudioFormat, AudioPacket, CodecUnavailable,
    DecodeError, EncodeError,
};
use millrace_mixer::{AudioMixer, InputFormat, InputId, InputOptions, MixerOptions, OutputFormat, OutputOptions};
use millrace_packet::meta::AudioLevel;

const OPUS: AudioFormat = AudioFormat { codec: AudioCodec::Opus, channels: 1 };
const SPEECH: AudioLevel = AudioLevel { attenuation_dbov: 20, voice: true };

/// Decodes every packet to the same noise and encodes to a few bytes.
struct Free;

impl AudioCodecs for Free {
    fn decoder(&mut self, _: AudioFormat) -> Result<Box<dyn AudioDecoder>, CodecUnavailable> {
        Ok(Box::new(Free))
    }

    fn encoder(&mut self, _: &AudioEncoding) -> Result<Box<dyn AudioEncoder>, CodecUnavailable> {
        Ok(Box::new(Free))
    }
}

impl AudioDecoder for Free {
    fn sample_rate(&self) -> u32 {
        48_000
    }

    fn channels(&self) -> u8 {
        1
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        out[..960].fill(f32::from(payload[1]) / 4_096.0);
        Ok(960)
    }

    fn conceal(&mut self, frames: usize, _: Option<&[u8]>, out: &mut [f32]) -> Result<usize, DecodeError> {
        out[..frames].fill(0.0);
        Ok(frames)
    }
}

impl AudioEncoder for Free {
    fn sample_rate(&self) -> u32 {
        48_000
    }

    fn channels(&self) -> u8 {
        1
    }

    fn encode(&mut self, pcm: &[f32], out: &mut [u8]) -> Result<usize, EncodeError> {
        out[..80].fill(black_box(pcm)[0] as u8);
        Ok(80)
    }

    fn set_bitrate(&mut self, _: u32) {}

    fn set_complexity(&mut self, _: u8) {}

    fn set_expected_loss(&mut self, _: u8) {}
}

struct Room {
    mixer: AudioMixer,
    inputs: Vec<InputId>,
    start: Instant,
    ticks: u32,
}

impl Room {
    fn of(talkers: usize, listeners: usize, top_k: Option<usize>) -> Self {
        let start = Instant::now();
        let options = MixerOptions { top_k, ..MixerOptions::default() };
        let mut mixer = AudioMixer::new(Box::new(Free), options, start).unwrap();
        let input = InputOptions { format: InputFormat::Rtp(OPUS), gain: 1.0, muted: false };
        let format = OutputFormat::Encoded { format: OPUS, bitrate: 32_000, complexity: 5, in_band_fec: false };
        let inputs: Vec<_> = (0..talkers).map(|_| mixer.add_input(&input).unwrap()).collect();
        for input in &inputs {
            mixer.add_output(&OutputOptions { format, exclude: &[*input] }).unwrap();
        }
        for _ in 0..listeners {
            mixer.add_output(&OutputOptions { format, exclude: &[] }).unwrap();
        }
        let mut room = Self { mixer, inputs, start, ticks: 0 };
        (0..100).for_each(|_| room.tick());
        room
    }

    /// A packet of everybody, and a tick.
    fn tick(&mut self) {
        self.ticks += 1;
        let now = self.start + Duration::from_millis(20) * self.ticks;
        for (place, input) in self.inputs.iter().enumerate() {
            let payload = [31 << 3, place as u8 + 1, 0];
            let packet =
                AudioPacket { sequence: self.ticks as u16, timestamp: self.ticks.wrapping_mul(960), payload: &payload };
            self.mixer.receive(*input, packet, Some(SPEECH), now).unwrap();
        }
        self.mixer.tick(now, &mut |frame| {
            black_box(frame.outputs.len());
        });
    }
}

fn ticks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tick");
    for talkers in [1, 3, 10, 50] {
        group.throughput(Throughput::Elements(talkers as u64));
        let mut room = Room::of(talkers, 0, None);
        group.bench_function(BenchmarkId::new("talkers", talkers), |bencher| bencher.iter(|| room.tick()));
    }
    let mut room = Room::of(3, 1_000, None);
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("3 talkers, 1000 listeners", |bencher| bencher.iter(|| room.tick()));
    let mut room = Room::of(50, 0, Some(4));
    group.throughput(Throughput::Elements(50));
    group.bench_function("the loudest 4 of 50", |bencher| bencher.iter(|| room.tick()));
    group.finish();
}

criterion_group!(benches, ticks);
criterion_main!(benches);
