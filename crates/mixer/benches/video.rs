//! What a mix of pictures costs: composing alone, and four people of 640 x 360 decoded, composed to 1280 x 720 and encoded as
//! VP8, beside the same library calls without a mixer.

#![allow(missing_docs, reason = "criterion's macros write functions without comments")]
#![allow(clippy::unwrap_used, reason = "benchmarks are tests")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use millrace_codecs::BuiltVideoCodecs;
use millrace_frames::video::{VideoPacket, VideoPacketizer};
use millrace_frames::{PictureSize, VideoCodec, VideoCodecs, VideoEncoding};
use millrace_mixer::video::layout::Rect;
use millrace_mixer::video::scale::Scaler;
use millrace_mixer::video::{
    Colour, InputFormat, InputId, InputOptions, OutputOptions, Picture, VideoMixer, VideoMixerOptions,
};

const HD: PictureSize = PictureSize { width: 1280, height: 720 };
const SMALL: PictureSize = PictureSize { width: 640, height: 360 };
const FRAMES: usize = 60;

/// A texture that moves.
fn picture(size: PictureSize, at: u32) -> Picture {
    let (width, height) = (size.width as usize, size.height as usize);
    let sample = |plane: usize, x: usize, y: usize| {
        let moved = x + at as usize * 2;
        (40 + (moved * 7 + y * 13 + (moved * y) / 50) % 120 + plane * 20) as u8
    };
    let plane = |plane: usize, width: usize, height: usize| -> Vec<u8> {
        (0..width * height).map(|place| sample(plane, place % width, place / width)).collect()
    };
    let planes = [plane(0, width, height), plane(1, width / 2, height / 2), plane(2, width / 2, height / 2)];
    let [y, u, v] = &planes;
    let view = millrace_frames::PictureView::new(size.width, size.height, [y, u, v], [width, width / 2, width / 2]);
    Picture::of(&view.unwrap())
}

fn encoding(size: PictureSize, bitrate: u32) -> VideoEncoding {
    VideoEncoding { codec: VideoCodec::Vp8, size, bitrate, frame_rate: 30 }
}

/// Frames of a stream, the first of them a key frame.
fn stream(seed: u32) -> Vec<Vec<u8>> {
    let mut encoder = BuiltVideoCodecs.encoder(&encoding(SMALL, 500_000)).unwrap();
    let frame = |at: usize| {
        let mut bytes = Vec::new();
        let picture = picture(SMALL, seed + at as u32);
        encoder.encode(picture.view().unwrap(), Duration::from_millis(33) * at as u32, false, &mut bytes).unwrap();
        bytes
    };
    (0..FRAMES).map(frame).collect()
}

struct Room {
    mixer: VideoMixer,
    people: Vec<(InputId, Vec<Vec<u8>>, VideoPacketizer, u16)>,
    start: Instant,
    ticks: u32,
}

impl Room {
    fn new() -> Self {
        let start = Instant::now();
        let options = VideoMixerOptions { size: HD, ..VideoMixerOptions::default() };
        let mut mixer = VideoMixer::new(Box::new(BuiltVideoCodecs), options, start).unwrap();
        let output = OutputOptions { bitrate: Some(1_500_000), ..OutputOptions::new(VideoCodec::Vp8) };
        let output = mixer.add_output(&output).unwrap();
        mixer.set_taken(output, true).unwrap();
        let person = |seed: u32| {
            let input = mixer.add_input(InputOptions::new(InputFormat::Rtp(VideoCodec::Vp8))).unwrap();
            (input, stream(seed * 100), VideoPacketizer::new(millrace_packet::VideoCodec::Vp8, 1_150, 0), 0)
        };
        let people = (0..4).map(person).collect();
        Self { mixer, people, start, ticks: 0 }
    }

    fn tick(&mut self) {
        let now = self.start + Duration::from_secs(1) * self.ticks / 30 + Duration::from_millis(1);
        for (input, frames, packetizer, sequence) in &mut self.people {
            let frame = &frames[self.ticks as usize % FRAMES];
            let cut = packetizer.packetize(frame, &mut |payload, marker| {
                let packet =
                    VideoPacket { sequence: *sequence, timestamp: self.ticks.wrapping_mul(3_000), marker, payload };
                *sequence = sequence.wrapping_add(1);
                self.mixer.receive(*input, packet, now).unwrap();
            });
            cut.unwrap();
        }
        self.mixer.tick(now, &mut |frame| {
            black_box(frame.timestamp);
        });
        self.ticks += 1;
    }
}

fn mixes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("video");
    let mut room = Room::new();
    group.bench_function("four of 360p to one 720p VP8", |bencher| bencher.iter(|| room.tick()));
    assert_eq!(room.mixer.input_stats(room.people[0].0).unwrap().failed, 0);
    // The same calls of the libraries, and a copy of each tile.
    let streams: Vec<_> = (0..4).map(|seed| stream(seed * 100)).collect();
    let mut decoders: Vec<_> =
        (0..4).map(|_| BuiltVideoCodecs.decoder(VideoCodec::Vp8, PictureSize::DEFAULT_MAX).unwrap()).collect();
    let mut encoder = BuiltVideoCodecs.encoder(&encoding(HD, 1_500_000)).unwrap();
    let (mut canvas, mut at, mut out) = (Picture::filled(HD, Colour::BLACK), 0, Vec::new());
    let mut scalers = [0; 4].map(|_| Scaler::default());
    group.bench_function("the bare libraries' calls for it", |bencher| {
        bencher.iter(|| {
            for (person, decoder) in decoders.iter_mut().enumerate() {
                let to = Rect { left: person as u32 % 2 * 640, top: person as u32 / 2 * 360, width: 640, height: 360 };
                let from = Rect { left: 0, top: 0, ..to };
                let scaler = &mut scalers[person];
                let frame = &streams[person][at % FRAMES];
                decoder.decode(frame, &mut |view| scaler.scale(&view, from, &mut canvas, to)).unwrap();
            }
            out.clear();
            let time = Duration::from_secs(1) * at as u32 / 30;
            encoder.encode(canvas.view().unwrap(), time, at == 0, &mut out).unwrap();
            at += 1;
        });
    });
    group.finish();
}

fn scales(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scale");
    for (name, from, to) in [
        ("720p to 360p", HD, SMALL),
        ("720p to 426x240", HD, PictureSize { width: 426, height: 240 }),
        ("360p to 426x240", SMALL, PictureSize { width: 426, height: 240 }),
        ("360p to 720p", SMALL, HD),
        ("copy 360p", SMALL, SMALL),
    ] {
        let (source, mut target, mut scaler) =
            (picture(from, 0), Picture::filled(HD, Colour::BLACK), Scaler::default());
        let whole = |size: PictureSize| Rect { left: 0, top: 0, width: size.width, height: size.height };
        group.bench_function(name, |bencher| {
            bencher.iter(|| scaler.scale(&source.view().unwrap(), whole(from), black_box(&mut target), whole(to)));
        });
    }
    group.finish();
}

criterion_group!(benches, mixes, scales);
criterion_main!(benches);
