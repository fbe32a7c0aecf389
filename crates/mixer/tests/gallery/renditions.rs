//! What outputs were asked for, measured in what they got, of a picture that moves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millrace_codecs::BuiltVideoCodecs;
use millrace_frames::{PictureSize, PictureView, VideoCodec, VideoCodecs};
use millrace_mixer::video::{
    InputFormat, InputOptions, OutputId, OutputOptions, Payload, RawPicture, VideoMixer, VideoMixerOptions,
};

const SECONDS: u32 = 7;
/// The first second is not measured: it begins with a key frame of what the encoder does not know.
const FROM: u32 = 90_000;

/// Fine texture that glides over a canvas of 640 x 360, and a little noise, as a camera that pans has it.
struct Pan {
    texture: Vec<u8>,
    random: fastrand::Rng,
    luma: Vec<u8>,
}

impl Pan {
    const WIDTH: usize = 640;
    const HEIGHT: usize = 360;
    const STRIDE: usize = 2_048;

    fn new() -> Self {
        let mut random = fastrand::Rng::with_seed(5);
        let mut texture: Vec<u8> = (0..Self::STRIDE * 1_024).map(|_| random.u8(40..220)).collect();
        // Blurred along rows: texture of some samples' width, not noise.
        for row in texture.chunks_mut(Self::STRIDE) {
            let mut held = 128.0;
            row.iter_mut().for_each(|sample| {
                held += (f32::from(*sample) - held) * 0.15;
                *sample = held as u8;
            });
        }
        Self { texture, random, luma: vec![0; Self::WIDTH * Self::HEIGHT] }
    }

    fn write(&mut self, number: u32, mixer: &mut VideoMixer, input: millrace_mixer::video::InputId) {
        let (left, top) = (number as usize * 2 % 1_400, number as usize % 600);
        for (row, line) in self.luma.chunks_mut(Self::WIDTH).enumerate() {
            let from = (row / 4 + top) * Self::STRIDE + left;
            for (to, from) in line.iter_mut().zip(&self.texture[from..]) {
                *to = from + self.random.u8(..4);
            }
        }
        let chroma = [128; Pan::WIDTH / 2 * Pan::HEIGHT / 2];
        let strides = [Self::WIDTH, Self::WIDTH / 2, Self::WIDTH / 2];
        let view =
            PictureView::new(Self::WIDTH as u32, Self::HEIGHT as u32, [&self.luma, &chroma, &chroma], strides).unwrap();
        mixer.write(input, RawPicture::I420(view)).unwrap();
    }
}

/// Frames of an output: the timestamp, the bytes, and whether it is a key frame.
type Got = Vec<(u32, Vec<u8>, bool)>;

fn run(mixer: &mut VideoMixer, start: Instant) -> BTreeMap<OutputId, Got> {
    let input = mixer.add_input(InputOptions::new(InputFormat::Raw)).unwrap();
    let (mut pan, mut got) = (Pan::new(), BTreeMap::<OutputId, Got>::new());
    for number in 0..SECONDS * 30 {
        pan.write(number, mixer, input);
        mixer.tick(start + Duration::from_secs(1) * number / 30 + Duration::from_millis(1), &mut |frame| {
            let Payload::Encoded { data, key, .. } = frame.payload else { return };
            for output in frame.outputs {
                got.entry(*output).or_default().push((frame.timestamp, data.to_vec(), key));
            }
        });
    }
    got
}

#[test]
fn size_rate_bitrate_and_key_frames_are_those_asked_for_and_equal_wishes_are_one_encoder() {
    let start = Instant::now();
    let size = PictureSize { width: 640, height: 360 };
    let options = VideoMixerOptions { size, ..VideoMixerOptions::default() };
    let mut mixer = VideoMixer::new(Box::new(BuiltVideoCodecs), options, start).unwrap();
    let wish = |codec, width, height, rate, bitrate, seconds| OutputOptions {
        size: Some(PictureSize { width, height }),
        frame_rate: Some(rate),
        bitrate: Some(bitrate),
        key_frame_interval: Duration::from_secs(seconds),
        ..OutputOptions::new(codec)
    };
    let wishes = [
        wish(VideoCodec::Vp8, 320, 180, 15, 250_000, 2),
        wish(VideoCodec::Vp8, 640, 360, 30, 900_000, 4),
        wish(VideoCodec::Vp9, 320, 180, 30, 300_000, 4),
        wish(VideoCodec::H264, 480, 270, 12, 400_000, 3),
        wish(VideoCodec::Av1, 320, 180, 15, 200_000, 4),
        // As the first one.
        wish(VideoCodec::Vp8, 320, 180, 15, 250_000, 2),
    ];
    let outputs = wishes.map(|wish| mixer.add_output(&wish).unwrap());
    outputs.iter().for_each(|output| mixer.set_taken(*output, true).unwrap());
    let got = run(&mut mixer, start);
    for (wish, output) in wishes.iter().zip(outputs) {
        let (frames, codec, size) = (&got[&output], wish.codec.unwrap(), wish.size.unwrap());
        let measured: Vec<_> = frames.iter().filter(|(timestamp, ..)| *timestamp >= FROM).collect();
        let seconds = f64::from(SECONDS - 1);
        let rate = measured.len() as f64 / seconds;
        let bitrate = measured.iter().map(|(_, bytes, _)| bytes.len() * 8).sum::<usize>() as f64 / seconds;
        let share = bitrate / f64::from(wish.bitrate.unwrap());
        let keys: Vec<_> = frames.iter().filter(|(.., key)| *key).map(|(timestamp, ..)| *timestamp).collect();
        println!("{codec:?} {size:?}: {rate} a second, {bitrate:.0} bit/s ({share:.2}), key frames at {keys:?}");
        assert!((rate - f64::from(wish.frame_rate.unwrap())).abs() <= 1.0, "{codec:?}: {rate} a second");
        assert!((0.85..=1.15).contains(&share), "{codec:?}: {bitrate} bit/s, {share} of what was asked for");
        let interval = wish.key_frame_interval.as_secs() as u32 * 90_000;
        let expected: Vec<_> = (0..SECONDS * 90_000).step_by(interval as usize).collect();
        assert_eq!(keys, expected, "{codec:?}");
        let mut viewer = BuiltVideoCodecs.decoder(codec, PictureSize::DEFAULT_MAX).unwrap();
        for (_, bytes, _) in frames {
            let decoded = viewer.decode(bytes, &mut |view| {
                assert_eq!((view.width, view.height), (size.width, size.height), "{codec:?}");
            });
            assert_eq!(decoded, Ok(()), "{codec:?}");
        }
    }
    assert!(got[&outputs[0]] == got[&outputs[5]], "byte for byte");
    let encoded: usize = outputs[..5].iter().map(|output| got[output].len()).sum();
    assert_eq!((mixer.stats().groups, mixer.stats().encoded), (5, encoded as u64));
    let shared = [0, 1, 5].map(|at| mixer.output_stats(outputs[at]).unwrap().shared_by);
    assert_eq!(shared, [2, 1, 2]);
}
