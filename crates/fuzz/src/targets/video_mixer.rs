//! The mixer of pictures.

use std::time::{Duration, Instant};

use millrace_frames::video::VideoPacket;
use millrace_frames::{
    DecodeError, EncodeError, Encoded, PictureSize, PictureView, VideoCodec, VideoCodecUnavailable, VideoCodecs,
    VideoDecoder, VideoEncoder, VideoEncoding,
};
use millrace_mixer::video::layout::{Arrangement, Template};
use millrace_mixer::video::{
    Colour, InputFormat, InputOptions, OutputOptions, Payload, Picture, VideoMixer, VideoMixerOptions,
};

const CANVAS: PictureSize = PictureSize { width: 64, height: 48 };

/// Takes `data` as what happens to a mixer of three inputs: packets with flags (whose, step of number and time) and length,
/// commands, and the ticks between them. Every frame that comes out has the size and the packets that it should, and times
/// only grow.
///
/// # Panics
/// When something of that does not hold.
pub fn video_mixer(data: &[u8]) {
    let start = Instant::now();
    let options = VideoMixerOptions { size: CANVAS, shown_max: 2, ..VideoMixerOptions::default() };
    let mut mixer = VideoMixer::new(Box::new(Bytes), options, start).expect("good options");
    let inputs = [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::H264]
        .map(|codec| mixer.add_input(InputOptions::new(InputFormat::Rtp(codec))).expect("a good input"));
    let small = Some(PictureSize { width: 32, height: 32 });
    for options in [OutputOptions::new(VideoCodec::Vp8), OutputOptions { size: small, ..OutputOptions::raw() }] {
        let output = mixer.add_output(&options).expect("a good output");
        mixer.set_taken(output, true).expect("it is there");
    }
    let (mut rest, mut now, mut numbers, mut times) = (data, start, [0u16; 3], [0u32; 3]);
    let mut last: [Option<u32>; 2] = [None; 2];
    while let Some((&[flags, step, len], after)) = rest.split_first_chunk() {
        let (payload, after) = after.split_at(usize::from(len).min(after.len()));
        rest = after;
        match usize::from(flags & 3) {
            3 => command(&mut mixer, inputs[usize::from(step) % 3], step),
            who => {
                numbers[who] = numbers[who].wrapping_add(u16::from(flags >> 2 & 7)).wrapping_sub(1);
                times[who] = times[who].wrapping_add((u32::from(step) << (flags >> 5)).wrapping_mul(90));
                let marker = flags & 0x20 == 0;
                let packet = VideoPacket { sequence: numbers[who], timestamp: times[who], marker, payload };
                mixer.receive(inputs[who], packet, now).expect("the input is there");
            }
        }
        now += Duration::from_millis(u64::from(step));
        mixer.tick(now, &mut |frame| {
            let which = match frame.payload {
                Payload::Encoded { data, packets, .. } => {
                    assert!(!data.is_empty() && packets.iter().last().is_some_and(|(_, marker)| marker));
                    0
                }
                Payload::Raw(view) => {
                    assert_eq!((view.width, view.height), (32, 32));
                    1
                }
            };
            let before = last[which].replace(frame.timestamp);
            assert!(before.is_none_or(|before| frame.timestamp.wrapping_sub(before) as i32 > 0));
        });
        mixer.worked(Duration::from_millis(u64::from(len)));
        // Two for each input and two of the mixer's own, at most.
        assert!(std::iter::from_fn(|| mixer.poll_event()).count() <= 8);
    }
}

/// Does something to the layout.
fn command(mixer: &mut VideoMixer, input: millrace_mixer::video::InputId, which: u8) {
    let template = if which & 8 == 0 { Template::Fluid } else { Template::Lecture };
    let done = match which >> 4 & 3 {
        0 => mixer.set_primary(input),
        1 => mixer.set_region(input, if which & 1 == 0 { "1" } else { "2" }),
        2 => mixer.set_muted(input, which & 1 == 0),
        _ => mixer.arrange(Arrangement::Template { template, custom: Vec::new() }),
    };
    // A region may be empty.
    drop(done);
}

/// A codec whose frames are a size of at most 255 x 255 and a luma.
struct Bytes;

struct Sized(Picture);

impl VideoCodecs for Bytes {
    fn decoder(&mut self, _: VideoCodec, _: PictureSize) -> Result<Box<dyn VideoDecoder>, VideoCodecUnavailable> {
        Ok(Box::new(Sized(Picture::filled(CANVAS, Colour::BLACK))))
    }

    fn encoder(&mut self, _: &VideoEncoding) -> Result<Box<dyn VideoEncoder>, VideoCodecUnavailable> {
        Ok(Box::new(Bytes))
    }
}

impl VideoDecoder for Sized {
    fn decode(&mut self, frame: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), DecodeError> {
        let [_, width, height, luma] = *frame.last_chunk().ok_or(DecodeError::Malformed)?;
        let size = PictureSize { width: width.into(), height: height.into() };
        self.0 = Picture::filled(size, Colour { samples: [luma, 128, 128] });
        out(self.0.view().ok_or(DecodeError::Malformed)?);
        Ok(())
    }
}

impl VideoEncoder for Bytes {
    fn encode(
        &mut self,
        picture: PictureView<'_>,
        _: Duration,
        key: bool,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, EncodeError> {
        out.extend([if key { 0x10 } else { 0x11 }, picture.width as u8, picture.height as u8, picture.planes[0][0]]);
        Ok(Encoded::Frame { key })
    }

    fn set_bitrate(&mut self, _: u32) -> Result<(), EncodeError> {
        Ok(())
    }

    fn set_frame_rate(&mut self, _: f32) -> Result<(), EncodeError> {
        Ok(())
    }

    fn resize(&mut self, _: u32, _: u32) -> Result<(), EncodeError> {
        Ok(())
    }
}
