//! Publishers that send what they should not, to real decoders: their tile is theirs alone.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millrace_codecs::BuiltVideoCodecs;
use millrace_frames::video::{VideoPacket, VideoPacketizer};
use millrace_frames::{
    DecodeError, PictureSize, PictureView, VideoCodec, VideoCodecUnavailable, VideoCodecs, VideoDecoder, VideoEncoder,
    VideoEncoding,
};
use millrace_mixer::video::layout::REGIONS_MAX;
use millrace_mixer::video::{
    Colour, InputFormat, InputId, InputOptions, OutputOptions, Payload, Picture as Drawn, RawPicture, VideoMixer,
    VideoMixerError, VideoMixerEvent, VideoMixerOptions,
};

use crate::places::{SIZES, colour};
use crate::support::video::{Picture, encode};

const CODECS: [VideoCodec; 4] = [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::H264, VideoCodec::Av1];
const TILE: (u32, u32) = (160, 90);

/// The codecs of this build, which note why they refused a frame.
struct Watched(Arc<Mutex<Vec<DecodeError>>>);

struct WatchedDecoder(Box<dyn VideoDecoder>, Arc<Mutex<Vec<DecodeError>>>);

impl VideoCodecs for Watched {
    fn decoder(&mut self, codec: VideoCodec, max: PictureSize) -> Result<Box<dyn VideoDecoder>, VideoCodecUnavailable> {
        Ok(Box::new(WatchedDecoder(BuiltVideoCodecs.decoder(codec, max)?, Arc::clone(&self.0))))
    }

    fn encoder(&mut self, encoding: &VideoEncoding) -> Result<Box<dyn VideoEncoder>, VideoCodecUnavailable> {
        BuiltVideoCodecs.encoder(encoding)
    }
}

impl VideoDecoder for WatchedDecoder {
    fn decode(&mut self, frame: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), DecodeError> {
        let decoded = self.0.decode(frame, out);
        self.1.lock().unwrap().extend(decoded.err());
        decoded
    }
}

/// A mix of one stream and of a picture of one colour beside it.
struct Pair {
    start: Instant,
    tick: u32,
    mixer: VideoMixer,
    stream: InputId,
    packetizer: VideoPacketizer,
    sequence: u16,
    refused: Arc<Mutex<Vec<DecodeError>>>,
    wants_key_frame: bool,
    shown: Option<Picture>,
}

impl Pair {
    fn new(codec: VideoCodec) -> Self {
        let (start, refused) = (Instant::now(), Arc::<Mutex<Vec<DecodeError>>>::default());
        let options =
            VideoMixerOptions { size: PictureSize { width: 320, height: 180 }, ..VideoMixerOptions::default() };
        let mut mixer = VideoMixer::new(Box::new(Watched(Arc::clone(&refused))), options, start).unwrap();
        let stream = mixer.add_input(InputOptions::new(InputFormat::Rtp(codec))).unwrap();
        let other = mixer.add_input(InputOptions::new(InputFormat::Raw)).unwrap();
        let drawn = Drawn::filled(PictureSize { width: TILE.0, height: TILE.1 }, colour(3));
        mixer.write(other, RawPicture::I420(drawn.view().unwrap())).unwrap();
        let output = mixer.add_output(&OutputOptions::raw()).unwrap();
        mixer.set_taken(output, true).unwrap();
        let packetizer = VideoPacketizer::new(codec.into(), 1_100, 0);
        Self { start, tick: 0, mixer, stream, packetizer, sequence: 0, refused, wants_key_frame: true, shown: None }
    }

    /// Sends a frame whose packets are changed on the way, and lets a tick pass.
    fn tamper(&mut self, frame: &[u8], mut change: impl FnMut(&mut Vec<u8>)) {
        let now = self.start + Duration::from_secs(1) * self.tick / 30 + Duration::from_millis(1);
        let cut = self.packetizer.packetize(frame, &mut |payload, marker| {
            let mut payload = payload.to_vec();
            change(&mut payload);
            let packet =
                VideoPacket { sequence: self.sequence, timestamp: self.tick * 3_000, marker, payload: &payload };
            self.sequence = self.sequence.wrapping_add(1);
            self.mixer.receive(self.stream, packet, now).unwrap();
        });
        cut.unwrap();
        self.tick += 1;
        self.mixer.tick(now, &mut |frame| {
            let Payload::Raw(view) = frame.payload else { return };
            self.shown = Some(Picture::of(view));
        });
        while let Some(event) = self.mixer.poll_event() {
            self.wants_key_frame |= event == VideoMixerEvent::KeyFrameWanted(self.stream);
        }
    }

    /// The same, and the neighbour in the tile behind it is as it was.
    fn send(&mut self, frame: &[u8], change: impl FnMut(&mut Vec<u8>)) {
        self.tamper(frame, change);
        assert_eq!(self.sample(240, 45), colour(3).samples, "the neighbour, at {}", self.tick);
    }

    fn sample(&self, left: u32, top: u32) -> [u8; 3] {
        let shown = self.shown.as_ref().unwrap();
        let chroma = (top / 2 * (shown.width / 2) + left / 2) as usize;
        [shown.planes[0][(top * shown.width + left) as usize], shown.planes[1][chroma], shown.planes[2][chroma]]
    }

    /// What the stream's tile shows.
    fn tile(&self) -> Picture {
        let shown = self.shown.as_ref().unwrap();
        let plane = |plane: usize| {
            let by = if plane == 0 { 1 } else { 2 };
            let rows = shown.planes[plane].chunks((shown.width / by) as usize).take((TILE.1 / by) as usize);
            rows.flat_map(|row| row[..(TILE.0 / by) as usize].to_vec()).collect()
        };
        Picture { width: TILE.0, height: TILE.1, planes: [plane(0), plane(1), plane(2)] }
    }

    fn has(&self, colour: Colour) -> bool {
        self.sample(80, 45).iter().zip(colour.samples).all(|(seen, wanted)| seen.abs_diff(wanted) <= 6)
    }
}

/// A key frame of one colour.
fn key_frame(codec: VideoCodec, (width, height): (u32, u32), colour: Colour) -> Vec<u8> {
    let size = PictureSize { width, height };
    let encoding = VideoEncoding { codec, size, bitrate: 500_000, frame_rate: 30 };
    let (drawn, mut frame) = (Drawn::filled(size, colour), Vec::new());
    let mut encoder = BuiltVideoCodecs.encoder(&encoding).unwrap();
    encoder.encode(drawn.view().unwrap(), Duration::ZERO, true, &mut frame).unwrap();
    frame
}

#[test]
fn v01_a_key_frame_of_30_bytes_that_declares_16383_by_16383_is_refused_from_its_header() {
    let mut pair = Pair::new(VideoCodec::Vp8);
    // RFC 6386 §9.1: frame tag, start code, width and height of 14 bits each.
    let mut frame = vec![0x50, 0x01, 0x00, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f];
    frame.resize(30, 0x55);
    for _ in 0..60 {
        pair.send(&frame, |_| ());
    }
    let stats = pair.mixer.input_stats(pair.stream).unwrap();
    assert!(stats.failed > 0 && stats.decoded == 0 && stats.size.is_none(), "{stats:?}");
    let refused = pair.refused.lock().unwrap().clone();
    assert!(refused.iter().all(|error| *error == DecodeError::TooLarge), "{refused:?}");
    pair.send(&key_frame(VideoCodec::Vp8, TILE, colour(7)), |_| ());
    assert!(pair.has(colour(7)), "it goes on with a frame that is none of that");
}

#[test]
fn v02_a_size_that_changes_with_every_frame_is_shown_and_one_that_is_too_large_is_not() {
    for codec in CODECS {
        let mut pair = Pair::new(codec);
        let sizes = [(320, 180), (16, 16), (640, 360), (98, 62), (180, 320)];
        let frames = [0, 1, 2, 3, 4].map(|at| key_frame(codec, sizes[at], colour(at + 4)));
        for round in 0..4 {
            for (at, frame) in frames.iter().enumerate() {
                pair.send(frame, |_| ());
                assert!(pair.has(colour(at + 4)), "{codec:?} {round} {:?}: {:?}", sizes[at], pair.sample(80, 45));
            }
        }
        assert_eq!(pair.mixer.input_stats(pair.stream).unwrap().decoded, 20, "{codec:?}");
        assert_eq!(pair.refused.lock().unwrap().len(), 0, "{codec:?}");
    }
    // An input of which no more than a tile is decoded.
    for codec in CODECS {
        let mut pair = Pair::new(codec);
        pair.mixer.remove_input(pair.stream).unwrap();
        let mut small = InputOptions::new(InputFormat::Rtp(codec));
        small.size_max = PictureSize { width: 320, height: 176 };
        pair.stream = pair.mixer.add_input(small).unwrap();
        for size in [(640, 360), (322, 176), (320, 178)] {
            pair.tamper(&key_frame(codec, size, colour(5)), |_| ());
        }
        assert_eq!(pair.mixer.input_stats(pair.stream).unwrap().decoded, 0, "{codec:?}");
        let refused = pair.refused.lock().unwrap().clone();
        assert!(refused.iter().all(|error| *error == DecodeError::TooLarge), "{codec:?}: {refused:?}");
        assert!(!refused.is_empty(), "{codec:?}");
        pair.tamper(&key_frame(codec, (176, 320), colour(6)), |_| ());
        assert_eq!(pair.mixer.input_stats(pair.stream).unwrap().decoded, 1, "{codec:?}: upright is as large");
    }
}

#[test]
fn v04_packets_that_somebody_tampered_with_cost_their_tile_alone_and_it_comes_back() {
    let mut random = fastrand::Rng::with_seed(4);
    for codec in CODECS {
        let mut pair = Pair::new(codec);
        let size = PictureSize { width: TILE.0, height: TILE.1 };
        let encoding = VideoEncoding { codec, size, bitrate: 1_000_000, frame_rate: 30 };
        let mut camera = BuiltVideoCodecs.encoder(&encoding).unwrap();
        let (mut failed, mut owed) = (0, None);
        for number in 0..270 {
            // A publisher begins again when it is asked to, and with the last second, in which nobody tampers with it.
            let wanted = std::mem::take(&mut pair.wants_key_frame) || number == 240;
            let key = wanted.then_some(number);
            let frame = encode(&mut *camera, TILE, number, 1, key).remove(0);
            let is_changed = number < 240 && random.u8(..3) == 0;
            pair.send(&frame.bytes, |payload| {
                for _ in 0..if is_changed { random.usize(1..8) } else { 0 } {
                    let at = random.usize(..payload.len());
                    match random.u8(..4) {
                        0 => payload[at] ^= 1 << random.u8(..8),
                        1 => payload[at] = random.u8(..),
                        2 if at > 0 => payload.truncate(at),
                        _ => payload.push(random.u8(..)),
                    }
                }
            });
            let now = pair.mixer.input_stats(pair.stream).unwrap().failed;
            if std::mem::replace(&mut failed, now) != now {
                owed.get_or_insert(number);
            }
            owed = owed.filter(|_| !pair.wants_key_frame && number < 240);
            assert!(
                owed.is_none_or(|since| number - since <= 15),
                "{codec:?}: no key frame is asked for since {owed:?}"
            );
        }
        let stats = pair.mixer.input_stats(pair.stream).unwrap();
        let psnr = pair.tile().psnr(&Picture::of_film(TILE.0, TILE.1, 269));
        println!("{codec:?}: {psnr:.1} dB, {stats:?}");
        let refused = stats.failed + stats.packets.malformed + stats.packets.gaps;
        assert!(refused > 0 && stats.decoded > 20, "{codec:?}: {stats:?}");
        assert!(psnr > 30.0, "{codec:?}: {psnr} dB");
    }
}

#[test]
fn v08_100_inputs_are_64_tiles_and_36_wait_on_any_canvas() {
    for (width, height) in SIZES.into_iter().chain([(16, 16), (1080, 1920)]) {
        let options =
            VideoMixerOptions { size: PictureSize { width, height }, shown_max: 100, ..VideoMixerOptions::default() };
        let mut mixer = VideoMixer::new(Box::new(BuiltVideoCodecs), options, Instant::now()).unwrap();
        for input in 0..100 {
            let id = mixer.add_input(InputOptions::new(InputFormat::Raw)).unwrap();
            let drawn = Drawn::filled(PictureSize { width: 1 + input, height: 101 - input }, colour(5));
            mixer.write(id, RawPicture::I420(drawn.view().unwrap())).unwrap();
        }
        let output = mixer.add_output(&OutputOptions::raw()).unwrap();
        mixer.set_taken(output, true).unwrap();
        let (due, mut shown) = (mixer.next_tick(), 0);
        mixer.tick(due, &mut |_| shown += 1);
        assert_eq!((shown, mixer.pending().count()), (1, 100 - REGIONS_MAX), "{width} x {height}");
        let nobody = mixer.set_region(InputId(1_000), "1");
        assert_eq!(nobody, Err(VideoMixerError::UnknownInput(InputId(1_000))));
    }
}
