//! Real streams through the mixer of pictures: what publishers send is in the mix where it belongs, and FFmpeg sees it.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

#[path = "../../codecs/tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use millrace_codecs::BuiltVideoCodecs;
use millrace_frames::video::{VideoPacket, VideoPacketizer};
use millrace_frames::{PictureSize, VideoCodec, VideoCodecs, VideoEncoding};
use millrace_mixer::video::layout::{Area, Arrangement, Rect, Region, Template};
use millrace_mixer::video::{
    Colour, InputFormat, InputId, InputOptions, OutputOptions, Payload, RawPicture, VideoMixer, VideoMixerEvent,
    VideoMixerOptions,
};
use support::ffmpeg;
use support::video::{Frame, Picture, ivf, ivf_frames};

const HD: PictureSize = PictureSize { width: 1280, height: 720 };

/// A publisher: its frames, sent one a tick from the start whenever a key frame is asked for.
struct Publisher {
    input: InputId,
    frames: Vec<Frame>,
    packetizer: VideoPacketizer,
    next: usize,
    sequence: u16,
}

struct Room {
    start: Instant,
    ticks: u32,
    mixer: VideoMixer,
    publishers: Vec<Publisher>,
}

impl Room {
    fn new(options: VideoMixerOptions) -> Self {
        let start = Instant::now();
        let mixer = VideoMixer::new(Box::new(BuiltVideoCodecs), options, start).unwrap();
        Self { start, ticks: 0, mixer, publishers: Vec::new() }
    }

    fn publish(&mut self, codec: VideoCodec, frames: Vec<Frame>) -> InputId {
        let input = self.mixer.add_input(InputOptions::new(InputFormat::Rtp(codec))).unwrap();
        let packetizer = VideoPacketizer::new(codec.into(), 1_100, 0);
        self.publishers.push(Publisher { input, frames, packetizer, next: 0, sequence: 0 });
        input
    }

    fn output(&mut self, options: &OutputOptions) {
        let output = self.mixer.add_output(options).unwrap();
        self.mixer.set_taken(output, true).unwrap();
    }

    /// What a single output gets in so many ticks.
    fn run(&mut self, ticks: u32) -> Vec<Frame> {
        let mut out = Vec::new();
        for _ in 0..ticks {
            let now = self.start
                + Duration::from_nanos(1_000_000_000 / 30 * u64::from(self.ticks))
                + Duration::from_millis(1);
            for publisher in &mut self.publishers {
                let Publisher { input, frames, packetizer, next, sequence } = publisher;
                let frame = &frames[(*next).min(frames.len() - 1)];
                *next += 1;
                if *next > frames.len() {
                    continue;
                }
                let cut = packetizer.packetize(&frame.bytes, &mut |payload, marker| {
                    let packet = VideoPacket { sequence: *sequence, timestamp: self.ticks * 3_000, marker, payload };
                    *sequence = sequence.wrapping_add(1);
                    self.mixer.receive(*input, packet, now).unwrap();
                });
                cut.unwrap();
            }
            self.mixer.tick(now, &mut |frame| {
                if let Payload::Encoded { data, key, packets } = frame.payload {
                    assert!(packets.iter().all(|(payload, _)| payload.len() <= 1_150));
                    out.push(Frame { bytes: data.to_vec(), key });
                }
            });
            self.ticks += 1;
            while let Some(event) = self.mixer.poll_event() {
                let VideoMixerEvent::KeyFrameWanted(input) = event else { continue };
                let asked = self.publishers.iter_mut().filter(|publisher| publisher.input == input);
                asked.for_each(|publisher| publisher.next = 0);
            }
        }
        out
    }
}

/// Pictures of one colour, encoded.
fn solid(codec: VideoCodec, (width, height): (u32, u32), colour: Colour, count: u32) -> Vec<Frame> {
    let size = PictureSize { width, height };
    let encoding = VideoEncoding { codec, size, bitrate: 500_000, frame_rate: 30 };
    let mut encoder = BuiltVideoCodecs.encoder(&encoding).unwrap();
    let picture = millrace_mixer::video::Picture::filled(size, colour);
    let frame = |at: u32| {
        let (mut bytes, at) = (Vec::new(), Duration::from_millis(33) * at);
        encoder.encode(picture.view().unwrap(), at, at.is_zero(), &mut bytes).unwrap();
        Frame { bytes, key: at.is_zero() }
    };
    (0..count).map(frame).collect()
}

fn film(codec: VideoCodec, (width, height): (u32, u32), bitrate: u32, count: u32) -> Vec<Frame> {
    let encoding = VideoEncoding { codec, size: PictureSize { width, height }, bitrate, frame_rate: 30 };
    support::video::encode(&mut *BuiltVideoCodecs.encoder(&encoding).unwrap(), (width, height), 0, count, None)
}

fn decode(codec: VideoCodec, frames: &[Frame]) -> Vec<Picture> {
    support::video::decode(&mut *BuiltVideoCodecs.decoder(codec, PictureSize::DEFAULT_MAX).unwrap(), frames)
}

fn sample(picture: &Picture, left: u32, top: u32) -> [u8; 3] {
    let at = |plane: usize| {
        let (width, left, top) =
            if plane == 0 { (picture.width, left, top) } else { (picture.width.div_ceil(2), left / 2, top / 2) };
        picture.planes[plane][(top * width + left) as usize]
    };
    [at(0), at(1), at(2)]
}

fn near(seen: [u8; 3], expected: [u8; 3]) -> bool {
    seen.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 6)
}

fn options(size: PictureSize) -> VideoMixerOptions {
    VideoMixerOptions { size, background: "#101418".parse().unwrap(), ..VideoMixerOptions::default() }
}

const COLOURS: [&str; 4] = ["#c02020", "#20c020", "#2020c0", "#c0c020"];

#[test]
fn four_publishers_of_four_codecs_stand_in_their_tiles_and_ffmpeg_sees_them() {
    let kinds = [
        (VideoCodec::Vp8, "-c:v vp8 -f ivf", Some(b"VP80")),
        (VideoCodec::Vp9, "-c:v vp9 -f ivf", Some(b"VP90")),
        (VideoCodec::H264, "-c:v h264 -f h264", None),
        (VideoCodec::Av1, "-c:v libdav1d -f ivf", Some(b"AV01")),
    ];
    for (codec, read, fourcc) in kinds {
        let mut room = Room::new(options(PictureSize { width: 640, height: 360 }));
        for ((input, _, _), colour) in kinds.into_iter().zip(COLOURS) {
            room.publish(input, solid(input, (320, 180), colour.parse().unwrap(), 20));
        }
        room.output(&OutputOptions::new(codec));
        let frames = room.run(15);
        assert_eq!(frames.iter().filter(|frame| frame.key).count(), 1, "{codec:?}");
        let file = match fourcc {
            Some(fourcc) => ivf(fourcc, (640, 360), &frames),
            None => frames.iter().flat_map(|frame| frame.bytes.clone()).collect(),
        };
        let raw = ffmpeg(&format!("{read} -i - -f rawvideo -pix_fmt yuv420p -"), file);
        let seen = Picture::all_of(&raw, 640, 360);
        assert_eq!(seen.len(), 15, "{codec:?}");
        let last = seen.last().unwrap();
        for ((left, top), colour) in [(160, 90), (480, 90), (160, 270), (480, 270)].into_iter().zip(COLOURS) {
            let colour: Colour = colour.parse().unwrap();
            for (left, top) in [(left, top), (left - 140, top - 70), (left + 140, top + 70)] {
                let seen = sample(last, left, top);
                assert!(near(seen, colour.samples), "{codec:?} at {left} {top}: {seen:?} not {:?}", colour.samples);
            }
        }
    }
}

#[test]
fn swaps_leaving_and_another_size_are_seen_in_the_stream() {
    let mut room = Room::new(options(HD));
    let inputs: Vec<_> = COLOURS[..3]
        .iter()
        .map(|colour| room.publish(VideoCodec::Vp8, solid(VideoCodec::Vp8, (640, 360), colour.parse().unwrap(), 200)))
        .collect();
    room.output(&OutputOptions { bitrate: Some(3_000_000), ..OutputOptions::new(VideoCodec::Vp8) });
    let mut decoder = BuiltVideoCodecs.decoder(VideoCodec::Vp8, HD).unwrap();
    let mut look = |room: &mut Room| -> Vec<[u8; 3]> {
        let last = support::video::decode(&mut *decoder, &room.run(12)).pop().unwrap();
        [(320, 180), (960, 180), (320, 540), (960, 540)].map(|(left, top)| sample(&last, left, top)).into()
    };
    let colour = |at: usize| COLOURS[at].parse::<Colour>().unwrap().samples;
    let background = "#101418".parse::<Colour>().unwrap().samples;
    let assert_seen = |seen: Vec<[u8; 3]>, expected: [[u8; 3]; 4]| {
        assert!(seen.iter().zip(expected).all(|(seen, expected)| near(*seen, expected)), "{seen:?} not {expected:?}");
    };
    assert_seen(look(&mut room), [colour(0), colour(1), colour(2), background]);
    room.mixer.set_primary(inputs[2]).unwrap();
    assert_seen(look(&mut room), [colour(2), colour(1), colour(0), background]);
    // Portrait now: bars at both sides.
    room.publishers[1].frames = solid(VideoCodec::Vp8, (180, 320), COLOURS[1].parse().unwrap(), 200);
    room.publishers[1].next = 0;
    assert_seen(look(&mut room), [colour(2), colour(1), colour(0), background]);
    room.mixer.remove_input(inputs[0]).unwrap();
    room.publishers.remove(0);
    assert_seen(look(&mut room), [colour(2), colour(1), background, background]);
    let whole = vec![Region::new("1", Area::WHOLE).unwrap()];
    room.mixer.arrange(Arrangement::Regions(whole)).unwrap();
    assert_seen(look(&mut room), [colour(2); 4]);
}

#[test]
fn scaled_tiles_are_what_ffmpeg_makes_of_the_same_pictures() {
    // Tiles of lecture of six on 1280 x 720: 852 x 480 and 426 x 240.
    for (from, to, place, flags, least) in [
        ((1280, 720), (852, 480), 0, "area", 40.0),
        ((1280, 720), (426, 240), 1, "area", 40.0),
        ((640, 360), (426, 240), 1, "area", 40.0),
        ((640, 360), (852, 480), 0, "bilinear", 38.0),
    ] {
        let mut options = options(HD);
        options.arrangement = Arrangement::Template { template: Template::Lecture, custom: Vec::new() };
        let mut room = Room::new(options);
        let inputs = [0; 6].map(|_| room.mixer.add_input(InputOptions::new(InputFormat::Raw)).unwrap());
        room.output(&OutputOptions::raw());
        let picture = Picture::of_film(from.0, from.1, 7);
        room.mixer.write(inputs[place], RawPicture::I420(picture.view())).unwrap();
        room.run(1);
        let arguments = format!(
            "-f rawvideo -pix_fmt yuv420p -s {}x{} -i - -vf scale={}:{}:flags={flags}+accurate_rnd -f rawvideo -",
            from.0, from.1, to.0, to.1
        );
        let reference = &Picture::all_of(&ffmpeg(&arguments, picture.bytes()), to.0, to.1)[0];
        let left = if place == 0 { 0 } else { 852 };
        let tile = cut(&room, Rect { left, top: 0, width: to.0, height: to.1 });
        let psnr = tile.psnr(reference);
        println!("{from:?} to {to:?}: {psnr:.1} dB");
        assert!(psnr > least, "{from:?} to {to:?}: {psnr} dB");
    }
}

/// A part of the mix.
fn cut(room: &Room, rect: Rect) -> Picture {
    let view = room.mixer.picture().view().unwrap();
    let plane = |plane: usize| -> Vec<u8> {
        let by = if plane == 0 { 1 } else { 2 };
        let (left, width) = ((rect.left / by) as usize, (rect.width / by) as usize);
        let rows = view.rows(plane).skip((rect.top / by) as usize).take((rect.height / by) as usize);
        rows.flat_map(|row| row[left..left + width].to_vec()).collect()
    };
    Picture { width: rect.width, height: rect.height, planes: [plane(0), plane(1), plane(2)] }
}

#[test]
fn moving_tiles_through_both_codecs_are_like_their_sources() {
    let mut room = Room::new(options(HD));
    let codecs = [VideoCodec::Vp8, VideoCodec::H264, VideoCodec::Vp9, VideoCodec::Av1];
    for codec in codecs {
        room.publish(codec, film(codec, (640, 360), 2_000_000, 26));
    }
    room.output(&OutputOptions { bitrate: Some(8_000_000), ..OutputOptions::new(VideoCodec::Vp8) });
    let frames = room.run(24);
    let mix = decode(VideoCodec::Vp8, &frames);
    for (codec, (left, top)) in codecs.into_iter().zip([(0, 0), (640, 0), (0, 360), (640, 360)]) {
        let mut worst = f64::INFINITY;
        for (number, picture) in mix.iter().enumerate().skip(10) {
            let mut tile = Picture { width: 640, height: 360, planes: [Vec::new(), Vec::new(), Vec::new()] };
            for plane in 0..3 {
                let by = if plane == 0 { 1 } else { 2 };
                for row in picture.planes[plane].chunks_exact(1280 / by).skip(top / by).take(360 / by) {
                    tile.planes[plane].extend_from_slice(&row[left / by..(left + 640) / by]);
                }
            }
            // The tick after a frame came shows it.
            worst = worst.min(tile.psnr(&Picture::of_film(640, 360, number as u32)));
        }
        println!("{codec:?}: {worst:.1} dB");
        assert!(worst > 28.0, "{codec:?}: {worst} dB");
    }
}

#[test]
fn what_ffmpeg_sends_is_in_the_mix_with_its_colours() {
    let kinds = [
        (VideoCodec::Vp8, "-c:v libvpx -deadline realtime -auto-alt-ref 0 -b:v 1M -f ivf"),
        (VideoCodec::Vp9, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -auto-alt-ref 0 -b:v 1M -f ivf"),
    ];
    for (codec, write) in kinds {
        let bars = ffmpeg(
            &format!("-f lavfi -i smptebars=size=640x480:rate=30 -frames:v 30 {write} -pix_fmt yuv420p -"),
            Vec::new(),
        );
        let mut room = Room::new(options(PictureSize { width: 640, height: 480 }));
        room.publish(codec, ivf_frames(&bars));
        room.mixer.add_input(InputOptions::new(InputFormat::Raw)).unwrap();
        room.output(&OutputOptions { bitrate: Some(2_000_000), ..OutputOptions::new(VideoCodec::H264) });
        let last = decode(VideoCodec::H264, &room.run(20)).pop().unwrap();
        // Seven bars of 75 % in the upper two thirds (SMPTE EG 1-1990): luma of limited range, from left to right.
        let luma = [180, 162, 131, 112, 84, 65, 35];
        for (bar, expected) in luma.into_iter().enumerate() {
            let seen = sample(&last, (bar as u32 * 2 + 1) * 320 / 14, 60)[0];
            assert!(seen.abs_diff(expected) <= 6, "{codec:?} bar {bar}: {seen} not {expected}");
        }
    }
}

#[test]
fn v02_and_v04_pictures_that_are_too_large_and_packets_that_are_mutilated_cost_their_tile_alone() {
    let mut random = fastrand::Rng::with_seed(4);
    for codec in [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::H264, VideoCodec::Av1] {
        let mut room = Room::new(options(PictureSize { width: 640, height: 360 }));
        let mut small = InputOptions::new(InputFormat::Rtp(codec));
        small.size_max = PictureSize { width: 320, height: 180 };
        let large = room.mixer.add_input(small).unwrap();
        let packetizer = VideoPacketizer::new(codec.into(), 1_100, 0);
        let frames = solid(codec, (640, 360), Colour::WHITE, 100);
        room.publishers.push(Publisher { input: large, frames, packetizer, next: 0, sequence: 0 });
        let good = room.publish(codec, solid(codec, (320, 180), COLOURS[0].parse().unwrap(), 100));
        let mut mutilated = film(codec, (320, 180), 300_000, 100);
        for frame in &mut mutilated {
            for _ in 0..random.usize(1..20) {
                // A header that makes no frame of it is no frame to packetize.
                let at = random.usize(frame.bytes.len().min(6)..frame.bytes.len());
                frame.bytes[at] = random.u8(..);
            }
        }
        if codec != VideoCodec::Av1 && codec != VideoCodec::H264 {
            room.publish(codec, mutilated);
        }
        room.output(&OutputOptions::new(VideoCodec::Vp8));
        let last = decode(VideoCodec::Vp8, &room.run(60)).pop().unwrap();
        let stats = room.mixer.input_stats(large).unwrap();
        assert!(stats.decoded == 0 && stats.failed > 0, "{codec:?}: {stats:?}");
        assert_eq!(room.mixer.input_stats(good).unwrap().decoded, 60, "{codec:?}");
        let seen = sample(&last, 480, 90);
        assert!(near(seen, COLOURS[0].parse::<Colour>().unwrap().samples), "{codec:?}: {seen:?}");
    }
}
