//! Ticks of a mix of pictures allocate nothing once layout and sizes stay.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::{Duration, Instant};

use millrace_frames::video::{VideoPacket, VideoPacketizer};
use millrace_frames::{
    DecodeError, EncodeError, Encoded, PictureSize, PictureView, VideoCodec, VideoCodecUnavailable, VideoCodecs,
    VideoDecoder, VideoEncoder, VideoEncoding,
};
use millrace_mixer::video::layout::{Arrangement, Template};
use millrace_mixer::video::{Colour, InputFormat, InputOptions, OutputOptions, Picture, VideoMixer, VideoMixerOptions};
use millrace_testkit::allocations::{CountingAllocator, allocations};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn ticks_allocate_nothing_after_warming_up() {
    let start = Instant::now();
    let options = VideoMixerOptions {
        size: PictureSize { width: 640, height: 360 },
        arrangement: Arrangement::Template { template: Template::Lecture, custom: Vec::new() },
        ..VideoMixerOptions::default()
    };
    let mut mixer = VideoMixer::new(Box::new(Grey), options, start).unwrap();
    let mut inputs: Vec<_> = (0..6)
        .map(|person| {
            let options =
                InputOptions { label: format!("Ada {person}"), ..InputOptions::new(InputFormat::Rtp(VideoCodec::Vp8)) };
            let packetizer = VideoPacketizer::new(millrace_packet::VideoCodec::Vp8, 1_100, 0);
            (mixer.add_input(options).unwrap(), packetizer, 0u16)
        })
        .collect();
    let small =
        OutputOptions { size: Some(PictureSize { width: 320, height: 180 }), ..OutputOptions::new(VideoCodec::Vp8) };
    for options in [OutputOptions::new(VideoCodec::Vp8), small, OutputOptions::raw()] {
        let output = mixer.add_output(&options).unwrap();
        mixer.set_taken(output, true).unwrap();
    }
    let mut sent = 0;
    let mut run = |ticks: std::ops::Range<u32>| {
        for tick in ticks {
            let now = start + Duration::from_secs(1) * tick / 30 + Duration::from_millis(1);
            for (person, (input, packetizer, sequence)) in inputs.iter_mut().enumerate() {
                // Each has a key frame every second.
                let frame = [if tick % 30 == 0 { 0x10 } else { 0x11 }, tick as u8, person as u8, 7];
                let cut = packetizer.packetize(&frame, &mut |payload, marker| {
                    let packet = VideoPacket { sequence: *sequence, timestamp: tick * 3_000, marker, payload };
                    *sequence = sequence.wrapping_add(1);
                    mixer.receive(*input, packet, now).unwrap();
                });
                cut.unwrap();
            }
            mixer.tick(now, &mut |_| sent += 1);
            mixer.worked(Duration::from_millis(10));
            while mixer.poll_event().is_some() {}
        }
    };
    run(0..90);
    let before = allocations();
    run(90..390);
    let allocated = allocations() - before;
    assert_eq!(allocated, 0, "in ten seconds of six people");
    assert_eq!(sent, 3 * 390);
    assert_eq!(mixer.stats().tiles_drawn, 6 * 390, "all of them moved");
}

/// A codec of one grey a frame.
struct Grey;

struct GreyDecoder(Picture);

impl VideoCodecs for Grey {
    fn decoder(&mut self, _: VideoCodec, _: PictureSize) -> Result<Box<dyn VideoDecoder>, VideoCodecUnavailable> {
        Ok(Box::new(GreyDecoder(Picture::filled(PictureSize { width: 320, height: 240 }, Colour::BLACK))))
    }

    fn encoder(&mut self, _: &VideoEncoding) -> Result<Box<dyn VideoEncoder>, VideoCodecUnavailable> {
        Ok(Box::new(Grey))
    }
}

impl VideoDecoder for GreyDecoder {
    fn decode(&mut self, frame: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), DecodeError> {
        let size = self.0.size();
        let whole = millrace_mixer::video::layout::Rect { left: 0, top: 0, width: size.width, height: size.height };
        self.0.fill(whole, Colour { samples: [frame[1], frame[2], 128] });
        out(self.0.view().unwrap());
        Ok(())
    }
}

impl VideoEncoder for Grey {
    fn encode(
        &mut self,
        picture: PictureView<'_>,
        _: Duration,
        key: bool,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, EncodeError> {
        out.push(if key { 0x10 } else { 0x11 });
        out.extend_from_slice(&picture.planes[0][..3_000]);
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
