//! Pictures through the video codecs, judged by PSNR; FFmpeg's own decoders, and encoders that it has from others, are the
//! other end.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod support;

use std::time::Duration;

use millrace_codecs::{
    Av1Decoder, Av1Encoder, H264Decoder, H264Encoder, VideoContent, VideoSettings, VpxCodec, VpxDecoder, VpxEncoder,
};
use millrace_frames::{DecodeError, EncodeError, PictureSize, VideoDecoder, VideoEncoder};
use support::ffmpeg;
use support::video::{Frame, Picture, decode, encode, ivf, ivf_frames, worst_psnr};

/// One codec, and how FFmpeg takes and gives its frames.
struct Codec {
    name: &'static str,
    encoder: fn(VideoSettings) -> Result<Box<dyn VideoEncoder>, EncodeError>,
    decoder: fn(PictureSize) -> Box<dyn VideoDecoder>,
    /// What FFmpeg reads: a file of these frames.
    file: fn((u32, u32), &[Frame]) -> Vec<u8>,
    /// FFmpeg's arguments to read such a file with a decoder that is not ours.
    read: &'static str,
    /// FFmpeg's arguments to write such a file, and how it comes apart.
    write: &'static str,
    frames: fn(&[u8]) -> Vec<Frame>,
    /// Whether sides may be odd.
    odd: bool,
}

const CODECS: [Codec; 4] = [
    Codec {
        name: "VP8",
        encoder: |settings| Ok(Box::new(VpxEncoder::new(VpxCodec::Vp8, settings)?)),
        decoder: |max| Box::new(VpxDecoder::new(VpxCodec::Vp8, max)),
        file: |size, frames| ivf(b"VP80", size, frames),
        read: "-c:v vp8 -f ivf",
        write: "-c:v libvpx -deadline realtime -auto-alt-ref 0 -b:v 2M -f ivf",
        frames: ivf_frames,
        odd: true,
    },
    Codec {
        name: "VP9",
        encoder: |settings| Ok(Box::new(VpxEncoder::new(VpxCodec::Vp9, settings)?)),
        decoder: |max| Box::new(VpxDecoder::new(VpxCodec::Vp9, max)),
        file: |size, frames| ivf(b"VP90", size, frames),
        read: "-c:v vp9 -f ivf",
        // With hidden frames, so that superframes come.
        write: "-c:v libvpx-vp9 -deadline good -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 10 -b:v 2M -f ivf",
        frames: ivf_frames,
        odd: true,
    },
    Codec {
        name: "H.264",
        encoder: |settings| Ok(Box::new(H264Encoder::new(settings)?)),
        decoder: |max| Box::new(H264Decoder::new(max).unwrap()),
        file: |_, frames| frames.iter().flat_map(|frame| frame.bytes.clone()).collect(),
        read: "-c:v h264 -f h264",
        // A picture is one slice behind a delimiter, so that the stream comes apart at those.
        write: "-c:v libx264 -profile:v baseline -tune zerolatency -preset veryfast -b:v 2M -x264-params aud=1:sliced-threads=0 -f h264",
        frames: h264_frames,
        odd: false,
    },
    Codec {
        name: "AV1",
        encoder: |settings| Ok(Box::new(Av1Encoder::new(settings)?)),
        decoder: |max| Box::new(Av1Decoder::new(max).unwrap()),
        file: |size, frames| ivf(b"AV01", size, frames),
        read: "-c:v libdav1d -f ivf",
        write: "-c:v libsvtav1 -preset 10 -b:v 2M -f ivf",
        frames: ivf_frames,
        odd: true,
    },
];

const SIZE: (u32, u32) = (160, 96);

fn settings((width, height): (u32, u32), bitrate: u32) -> VideoSettings {
    VideoSettings { size: PictureSize { width, height }, bitrate, frame_rate: 30.0, content: VideoContent::Camera }
}

/// The least that a picture may be like its source after a round trip, in dB.
const PSNR_MIN: f64 = 30.0;

#[test]
fn pictures_come_back_and_only_the_first_frame_is_a_key_frame() {
    for codec in CODECS {
        let mut encoder = (codec.encoder)(settings(SIZE, 1_000_000)).unwrap();
        let frames = encode(&mut *encoder, SIZE, 0, 30, None);
        let keys: Vec<usize> = frames.iter().enumerate().filter(|(_, frame)| frame.key).map(|(at, _)| at).collect();
        assert_eq!(keys, [0], "{}", codec.name);
        let pictures = decode(&mut *(codec.decoder)(PictureSize::DEFAULT_MAX), &frames);
        assert_eq!(pictures.len(), 30, "{}", codec.name);
        let psnr = worst_psnr(&pictures, 0);
        println!("{}: {psnr:.1} dB", codec.name);
        assert!(psnr > PSNR_MIN, "{}: {psnr} dB", codec.name);
    }
}

#[test]
fn ffmpeg_sees_the_same_pictures() {
    for codec in CODECS {
        let mut encoder = (codec.encoder)(settings(SIZE, 1_000_000)).unwrap();
        let frames = encode(&mut *encoder, SIZE, 0, 12, Some(6));
        let ours = decode(&mut *(codec.decoder)(PictureSize::DEFAULT_MAX), &frames);
        let file = (codec.file)(SIZE, &frames);
        let raw = ffmpeg(&format!("{} -i - -f rawvideo -pix_fmt yuv420p -", codec.read), file);
        assert!(ours == Picture::all_of(&raw, SIZE.0, SIZE.1), "{}: bit for bit", codec.name);
    }
}

#[test]
fn we_see_what_ffmpeg_encodes() {
    for codec in CODECS {
        let raw: Vec<u8> = (0..20).flat_map(|at| Picture::of_film(SIZE.0, SIZE.1, at).bytes()).collect();
        let input = format!("-f rawvideo -pix_fmt yuv420p -s {}x{} -r 30 -i -", SIZE.0, SIZE.1);
        let frames = (codec.frames)(&ffmpeg(&format!("{input} {} -", codec.write), raw));
        let pictures = decode(&mut *(codec.decoder)(PictureSize::DEFAULT_MAX), &frames);
        assert_eq!(pictures.len(), 20, "{}", codec.name);
        let psnr = worst_psnr(&pictures, 0);
        assert!(psnr > PSNR_MIN, "{}: {psnr} dB", codec.name);
    }
}

#[test]
fn bitrate_frame_rate_size_and_key_frames_change_while_encoding() {
    for codec in CODECS {
        let mut encoder = (codec.encoder)(settings((320, 180), 100_000)).unwrap();
        let mut decoder = (codec.decoder)(PictureSize::DEFAULT_MAX);
        let kilobits = |frames: &[Frame]| frames[30..].iter().map(|frame| frame.bytes.len()).sum::<usize>() * 8 / 2000;
        let slow = encode(&mut *encoder, (320, 180), 0, 90, None);
        encoder.set_bitrate(300_000).unwrap();
        let fast = encode(&mut *encoder, (320, 180), 90, 90, Some(100));
        let rates = (kilobits(&slow), kilobits(&fast));
        assert!((60..150).contains(&rates.0) && (180..420).contains(&rates.1), "{}: {rates:?} kbit/s", codec.name);
        let keys = fast.iter().filter(|frame| frame.key).count();
        assert!(keys == 1 && fast[10].key, "{}: {keys} key frames", codec.name);
        assert_eq!(decode(&mut *decoder, &slow).len() + decode(&mut *decoder, &fast).len(), 180, "{}", codec.name);
        // Every other picture, each with twice the bits.
        encoder.set_frame_rate(15.0).unwrap();
        let seldom: Vec<Frame> =
            (0..60).flat_map(|at| encode(&mut *encoder, (320, 180), 180 + 2 * at, 1, None)).collect();
        let rate = seldom[30..].iter().map(|frame| frame.bytes.len()).sum::<usize>() * 8 / 2000;
        // AV1 has no use for all of it: the film is simple.
        let least = if codec.name == "AV1" { 100 } else { 180 };
        assert!((least..420).contains(&rate), "{}: {rate} kbit/s", codec.name);
        encoder.set_frame_rate(30.0).unwrap();
        let odd = if codec.odd { (97, 61) } else { (98, 62) };
        for size in [(640, 360), (160, 90), odd, (16, 16), (320, 180)] {
            encoder.resize(size.0, size.1).unwrap();
            let frames = encode(&mut *encoder, size, 400, 3, None);
            assert!(frames[0].key && !frames[1].key, "{}: {size:?}", codec.name);
            let pictures = decode(&mut *decoder, &frames);
            let sizes: Vec<_> = pictures.iter().map(|picture| (picture.width, picture.height)).collect();
            assert_eq!(sizes, [size; 3], "{}", codec.name);
            let psnr = worst_psnr(&pictures, 400);
            assert!(psnr > 24.0, "{}: {size:?}: {psnr} dB", codec.name);
        }
    }
}

#[test]
fn an_encoder_in_a_hurry_goes_on_without_a_key_frame() {
    for codec in CODECS {
        let mut encoder = (codec.encoder)(settings(SIZE, 1_000_000)).unwrap();
        let mut frames = encode(&mut *encoder, SIZE, 0, 5, None);
        for (from, hurried) in [(5, true), (10, false)] {
            encoder.set_hurried(hurried).unwrap();
            frames.extend(encode(&mut *encoder, SIZE, from, 5, None));
        }
        assert!(frames.iter().skip(1).all(|frame| !frame.key), "{}", codec.name);
        let psnr = worst_psnr(&decode(&mut *(codec.decoder)(PictureSize::DEFAULT_MAX), &frames), 0);
        assert!(psnr > 28.0, "{}: {psnr} dB", codec.name);
    }
}

#[test]
fn pictures_and_settings_that_do_not_fit_are_refused() {
    for codec in CODECS {
        let name = codec.name;
        let mut encoder = (codec.encoder)(settings(SIZE, 500_000)).unwrap();
        let (small, mut out) = (Picture::of_film(64, 48, 0), Vec::new());
        let refused = encoder.encode(small.view(), Duration::ZERO, false, &mut out);
        assert_eq!(refused, Err(EncodeError::BadInput), "{name}");
        let whole = Picture::of_film(SIZE.0, SIZE.1, 0);
        let mut short = whole.view();
        short.planes[0] = &short.planes[0][1..];
        assert_eq!(encoder.encode(short, Duration::ZERO, false, &mut out), Err(EncodeError::BadInput), "{name}");
        for (width, height) in [(0, 0), (15, 16), (10_000, 10_000), (u32::MAX, 2)] {
            assert_eq!(encoder.resize(width, height), Err(EncodeError::BadInput), "{name}: {width} x {height}");
        }
        assert_eq!(encoder.set_bitrate(0), Err(EncodeError::BadInput), "{name}");
        assert_eq!(encoder.set_frame_rate(f32::NAN), Err(EncodeError::BadInput), "{name}");
        assert_eq!(encode(&mut *encoder, SIZE, 0, 2, None).len(), 2, "{name}: it goes on as before");
    }
}

#[test]
fn v02_frames_larger_than_the_limit_never_reach_the_decoder() {
    for codec in CODECS {
        let name = codec.name;
        let mut decoder = (codec.decoder)(PictureSize { width: 320, height: 180 });
        let frames_of = |size| {
            let mut encoder = (codec.encoder)(settings(size, 500_000)).unwrap();
            encode(&mut *encoder, size, 0, 2, None)
        };
        let (small, large) = (frames_of((160, 96)), frames_of((640, 360)));
        assert_eq!(decode(&mut *decoder, &small).len(), 2, "{name}");
        let refused = decoder.decode(&large[0].bytes, &mut |_| panic!("{name}: a picture"));
        assert_eq!(refused, Err(DecodeError::TooLarge), "{name}");
        assert_eq!(decode(&mut *decoder, &small).len(), 2, "{name}: it goes on at the next key frame");
        assert_eq!(decoder.decode(&[], &mut |_| ()), Err(DecodeError::Malformed), "{name}: nothing");
    }
}

#[test]
fn a_stream_that_begins_without_a_key_frame_waits_for_one() {
    for codec in CODECS {
        let mut encoder = (codec.encoder)(settings(SIZE, 500_000)).unwrap();
        let frames = encode(&mut *encoder, SIZE, 0, 8, Some(5));
        let mut decoder = (codec.decoder)(PictureSize::DEFAULT_MAX);
        let early = decoder.decode(&frames[1].bytes, &mut |_| panic!("{}: a picture", codec.name));
        assert_eq!(early, Err(DecodeError::NeedsKeyFrame), "{}", codec.name);
        assert_eq!(decode(&mut *decoder, &frames[5..]).len(), 3, "{}", codec.name);
    }
}

/// The pictures of an H.264 stream with delimiters.
fn h264_frames(stream: &[u8]) -> Vec<Frame> {
    const DELIMITER: [u8; 5] = [0, 0, 0, 1, 9];
    let starts: Vec<usize> = (0..stream.len()).filter(|at| stream[*at..].starts_with(&DELIMITER)).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    starts.iter().zip(ends).map(|(start, end)| Frame { bytes: stream[*start..end].to_vec(), key: false }).collect()
}
