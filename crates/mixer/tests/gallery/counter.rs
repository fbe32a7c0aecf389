//! A number in every picture, read in the mix: whether each came, and how long after its packets.

use std::time::{Duration, Instant};

use millrace_codecs::BuiltVideoCodecs;
use millrace_frames::video::{VideoPacket, VideoPacketizer};
use millrace_frames::{PictureSize, PictureView, VideoCodec, VideoCodecs, VideoEncoding};
use millrace_mixer::video::layout::Rect;
use millrace_mixer::video::{
    Colour, InputFormat, InputOptions, OutputOptions, Payload, Picture as Drawn, VideoMixer, VideoMixerOptions,
};

const TILE: PictureSize = PictureSize { width: 320, height: 180 };
const BITS: u32 = 8;
const FRAMES: u64 = 40;
const FRAME: Duration = Duration::from_nanos(33_333_333);

/// The number, as columns of light and dark.
fn written(number: u64) -> Drawn {
    let mut drawn = Drawn::filled(TILE, Colour::BLACK);
    let width = TILE.width / BITS;
    for bit in (0..BITS).filter(|bit| number >> bit & 1 == 1) {
        drawn.fill(Rect { left: bit * width, top: 0, width, height: TILE.height }, Colour::WHITE);
    }
    drawn
}

/// The number in the upper left tile.
fn read(view: PictureView<'_>) -> u64 {
    let row = view.rows(0).nth(TILE.height as usize / 2).unwrap();
    let middle = |bit: u32| (bit * TILE.width / BITS + TILE.width / BITS / 2) as usize;
    (0..BITS).map(|bit| u64::from(row[middle(bit)] > 125) << bit).sum()
}

/// Each number that was seen, and how long after its packets.
fn delays(codec: VideoCodec, phase: Duration) -> Vec<(u64, Duration)> {
    let start = Instant::now();
    let options = VideoMixerOptions { size: PictureSize { width: 640, height: 360 }, ..VideoMixerOptions::default() };
    let mut mixer = VideoMixer::new(Box::new(BuiltVideoCodecs), options, start).unwrap();
    let input = mixer.add_input(InputOptions::new(InputFormat::Rtp(codec))).unwrap();
    // Another one, so that there is something to mix.
    mixer.add_input(InputOptions::new(InputFormat::Raw)).unwrap();
    let output = mixer.add_output(&OutputOptions::new(codec)).unwrap();
    mixer.set_taken(output, true).unwrap();
    let encoding = VideoEncoding { codec, size: TILE, bitrate: 1_000_000, frame_rate: 30 };
    let mut camera = BuiltVideoCodecs.encoder(&encoding).unwrap();
    let mut packetizer = VideoPacketizer::new(codec.into(), 1_100, 0);
    let mut viewer = BuiltVideoCodecs.decoder(codec, PictureSize::DEFAULT_MAX).unwrap();
    let (mut sequence, mut sent, mut seen) = (0u16, 0u64, Vec::new());
    while sent < FRAMES || mixer.next_tick() <= start + FRAME * (FRAMES as u32 + 3) {
        let arrives = start + FRAME * sent as u32 + phase;
        let due = mixer.next_tick();
        if sent < FRAMES && arrives <= due {
            let mut frame = Vec::new();
            camera.encode(written(sent).view().unwrap(), FRAME * sent as u32, sent == 0, &mut frame).unwrap();
            let cut = packetizer.packetize(&frame, &mut |payload, marker| {
                let packet = VideoPacket { sequence, timestamp: sent as u32 * 3_000, marker, payload };
                sequence = sequence.wrapping_add(1);
                mixer.receive(input, packet, arrives).unwrap();
            });
            cut.unwrap();
            sent += 1;
            continue;
        }
        let (began, mut worked) = (Instant::now(), Duration::ZERO);
        mixer.tick(due, &mut |frame| {
            worked = began.elapsed();
            let Payload::Encoded { data, .. } = frame.payload else { return };
            let decoded = viewer.decode(data, &mut |view| {
                let number = read(view);
                if sent > 0 && seen.last().is_none_or(|(last, _)| *last != number) {
                    seen.push((number, due + worked - (start + FRAME * number as u32 + phase)));
                }
            });
            assert_eq!(decoded, Ok(()));
        });
    }
    seen
}

#[test]
fn every_picture_of_a_publisher_is_in_the_mix_a_tick_after_it_came_at_most() {
    for codec in [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::H264, VideoCodec::Av1] {
        let mut all = Vec::new();
        for phase in [3, 20] {
            let seen = delays(codec, Duration::from_millis(phase));
            let numbers: Vec<_> = seen.iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers, (0..FRAMES).collect::<Vec<_>>(), "{codec:?}: each once, none before its time");
            all.extend(seen.into_iter().map(|(_, delay)| delay));
        }
        all.sort_unstable();
        let (half, most) = (all[all.len() / 2], all[all.len() * 95 / 100]);
        println!("{codec:?}: added delay p50 {half:.1?}, p95 {most:.1?}, {} pictures", all.len());
        // The wait for a tick is virtual time, the work real: a busy machine has this much for it.
        assert!(half < FRAME + Duration::from_secs(2), "{codec:?}: {half:?}");
    }
}
