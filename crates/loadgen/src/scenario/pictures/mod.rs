//! Mixed pictures: what the mixer costs and weighs beside the bare calls of its codecs and other programs, and how much later it
//! is seen.

mod beside;
mod delay;
mod scene;

use std::io;
use std::process;
use std::time::{Duration, Instant};

use millrace_codecs::BuiltVideoCodecs;
use millrace_frames::video::{VideoPacket, VideoPacketizer};
use millrace_frames::{PictureSize, VideoCodec, VideoCodecs, VideoDecoder, VideoEncoder, VideoEncoding};
use millrace_mixer::video::layout::{Arrangement, Rect, Template};
use millrace_mixer::video::output::PAYLOAD_BYTES_DEFAULT;
use millrace_mixer::video::scale::Scaler;
use millrace_mixer::video::{
    Colour, InputFormat, InputId, InputOptions, OutputOptions, Picture, VideoMixer, VideoMixerOptions, bitrate_default,
};
use millrace_testkit::allocations::allocations;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{failed, thread_ns};
use crate::accounting::Usage;
use scene::stream;

pub(crate) use beside::Beside;
pub(crate) use delay::Delay;

/// What people send.
const SMALL: PictureSize = PictureSize { width: 640, height: 360 };
/// What they get.
const HD: PictureSize = PictureSize { width: 1280, height: 720 };
const FRAME_RATE: u32 = 30;
/// Frames of a person's stream, which then begins anew.
const FRAMES: usize = 150;
/// Ticks of the one, then of the other.
const TURN_TICKS: u32 = 30;
/// Ticks until everything has its size, the second key frame of everybody included.
const WARM_UP_TICKS: u32 = 180;

/// Who is seen, and how.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Arranged {
    /// Four people in a grid, whose pictures are as large as their tiles.
    Grid,
    /// Six people, one of them made larger, the others smaller.
    Lecture,
}

impl Arranged {
    fn people(self) -> usize {
        match self {
            Self::Grid => 4,
            Self::Lecture => 6,
        }
    }

    fn options(self) -> VideoMixerOptions {
        let template = match self {
            Self::Grid => Template::Fluid,
            Self::Lecture => Template::Lecture,
        };
        let arrangement = Arrangement::Template { template, custom: Vec::new() };
        VideoMixerOptions { size: HD, frame_rate: FRAME_RATE, arrangement, ..VideoMixerOptions::default() }
    }

    /// Where each person is.
    fn tiles(self) -> io::Result<Vec<Rect>> {
        let mut layout = self.options().layout().map_err(failed)?;
        (1..=self.people()).for_each(|person| layout.add(InputId(person as u32)));
        Ok(layout.tiles().map(|tile| tile.rect).collect())
    }

    fn streams(self) -> io::Result<Vec<Vec<Vec<u8>>>> {
        (0..self.people()).map(|person| stream(person, FRAMES, |_| None)).collect()
    }
}

/// What both encode, as an output has it without further options.
fn encoding() -> VideoEncoding {
    let bitrate = bitrate_default(VideoCodec::Vp8, HD, FRAME_RATE);
    VideoEncoding { codec: VideoCodec::Vp8, size: HD, bitrate, frame_rate: FRAME_RATE }
}

/// A room whose people are seen in one picture by an output that all share, in virtual time: the mixer, and nothing but the
/// calls of the codecs and of the scaler.
#[derive(Debug, Deserialize)]
pub(crate) struct Mixing {
    arranged: Arranged,
    /// CPU time of each of both, about.
    seconds: f64,
}

impl Mixing {
    pub(in crate::scenario) fn run(&self) -> io::Result<Value> {
        let streams = self.arranged.streams()?;
        let (mut whole, mut bare) = (Whole::new(self.arranged)?, Bare::new(self.arranged)?);
        let (mut whole_ns, mut bare_ns, mut ticks) = (0, 0, 0);
        let (mut made, mut allocated) = (0, 0);
        while (whole_ns.min(bare_ns) as f64) < self.seconds * 1e9 {
            let (started, allocated_before) = (thread_ns()?, allocations());
            let frames: u64 = (0..TURN_TICKS).map(|_| whole.tick(&streams)).sum();
            let (between, allocated_by_whole) = (thread_ns()?, allocations() - allocated_before);
            (0..TURN_TICKS).try_for_each(|_| bare.tick(&streams))?;
            let ended = thread_ns()?;
            if ticks >= WARM_UP_TICKS {
                whole_ns += between - started;
                bare_ns += ended - between;
                (made, allocated) = (made + frames, allocated + allocated_by_whole);
            }
            ticks += TURN_TICKS;
        }
        whole.check()?;
        if made != u64::from(ticks - WARM_UP_TICKS) {
            return Err(failed(format!("{made} frames in {} ticks", ticks - WARM_UP_TICKS)));
        }
        let counted = f64::from(ticks - WARM_UP_TICKS);
        let a_core = |ns: u64| 1e9 / f64::from(FRAME_RATE) / (ns as f64 / counted);
        Ok(json!({
            "againstBareCalls": whole_ns as f64 / bare_ns as f64,
            "msAFrame": whole_ns as f64 / counted / 1e6,
            "roomsACore": a_core(whole_ns),
            "roomsACoreByBareCalls": a_core(bare_ns),
            "allocationsAFrame": allocated as f64 / counted,
        }))
    }
}

/// The mixer, in virtual time.
struct Whole {
    mixer: VideoMixer,
    people: Vec<(InputId, VideoPacketizer, u16)>,
    start: Instant,
    ticks: u32,
}

impl Whole {
    fn new(arranged: Arranged) -> io::Result<Self> {
        let start = Instant::now();
        let mut mixer = VideoMixer::new(Box::new(BuiltVideoCodecs), arranged.options(), start).map_err(failed)?;
        let output = mixer.add_output(&OutputOptions::new(VideoCodec::Vp8)).map_err(failed)?;
        mixer.set_taken(output, true).map_err(failed)?;
        let mut person = || {
            let input = mixer.add_input(InputOptions::new(InputFormat::Rtp(VideoCodec::Vp8)))?;
            Ok((input, VideoPacketizer::new(VideoCodec::Vp8.into(), PAYLOAD_BYTES_DEFAULT, 0), 0))
        };
        let people = (0..arranged.people()).map(|_| person()).collect::<Result<_, _>>();
        Ok(Self {
            people: people.map_err(|error: millrace_mixer::video::VideoMixerError| failed(error))?,
            mixer,
            start,
            ticks: 0,
        })
    }

    /// A frame of everybody, and a tick. Returns how many frames were made.
    fn tick(&mut self, streams: &[Vec<Vec<u8>>]) -> u64 {
        let now = self.start + Duration::from_secs(1) * self.ticks / FRAME_RATE + Duration::from_millis(1);
        let timestamp = self.ticks.wrapping_mul(90_000 / FRAME_RATE);
        for ((input, packetizer, sequence), frames) in self.people.iter_mut().zip(streams) {
            let mixer = &mut self.mixer;
            let cut = packetizer.packetize(&frames[self.ticks as usize % frames.len()], &mut |payload, marker| {
                let packet = VideoPacket { sequence: *sequence, timestamp, marker, payload };
                *sequence = sequence.wrapping_add(1);
                let _ = mixer.receive(*input, packet, now);
            });
            // Our own encoder made it.
            debug_assert!(cut.is_ok());
        }
        let mut made = 0;
        self.mixer.tick(now, &mut |_| made += 1);
        while self.mixer.poll_event().is_some() {}
        self.ticks += 1;
        made
    }

    /// Refuses figures of a mixer that did not show everything.
    fn check(&self) -> io::Result<()> {
        for (input, ..) in &self.people {
            let stats = self.mixer.input_stats(*input).map_err(failed)?;
            if stats.decoded != u64::from(self.ticks) || stats.failed > 0 {
                return Err(failed(format!("of {} frames {} were decoded", self.ticks, stats.decoded)));
            }
        }
        let drawn = self.mixer.stats().tiles_drawn;
        let expected = u64::from(self.ticks) * self.people.len() as u64;
        if drawn == expected { Ok(()) } else { Err(failed(format!("{drawn} of {expected} tiles were drawn"))) }
    }
}

/// The same room by nothing but calls of the codecs, and of the scaler into the picture that is encoded.
struct Bare {
    decoders: Vec<(Box<dyn VideoDecoder>, Scaler, Rect)>,
    encoder: Box<dyn VideoEncoder>,
    canvas: Picture,
    frame: Vec<u8>,
    ticks: u32,
}

impl Bare {
    fn new(arranged: Arranged) -> io::Result<Self> {
        let decoder = |tile: Rect| {
            let decoder = BuiltVideoCodecs.decoder(VideoCodec::Vp8, PictureSize::DEFAULT_MAX).map_err(failed)?;
            Ok((decoder, Scaler::default(), tile))
        };
        Ok(Self {
            decoders: arranged.tiles()?.into_iter().map(decoder).collect::<io::Result<_>>()?,
            encoder: BuiltVideoCodecs.encoder(&encoding()).map_err(failed)?,
            canvas: Picture::filled(HD, Colour::BLACK),
            frame: Vec::new(),
            ticks: 0,
        })
    }

    fn tick(&mut self, streams: &[Vec<Vec<u8>>]) -> io::Result<()> {
        let from = Rect { left: 0, top: 0, width: SMALL.width, height: SMALL.height };
        for ((decoder, scaler, tile), frames) in self.decoders.iter_mut().zip(streams) {
            let (canvas, frame) = (&mut self.canvas, &frames[self.ticks as usize % frames.len()]);
            decoder.decode(frame, &mut |view| scaler.scale(&view, from, canvas, *tile)).map_err(failed)?;
        }
        let view = self.canvas.view().ok_or_else(|| failed("no picture"))?;
        let time = Duration::from_secs(1) * self.ticks / FRAME_RATE;
        self.frame.clear();
        self.encoder.encode(view, time, self.ticks == 0, &mut self.frame).map_err(failed)?;
        self.ticks += 1;
        Ok(())
    }
}

/// Memory of rooms by the mixer, and of as many by the bare calls.
#[derive(Debug, Deserialize)]
pub(crate) struct Memory {
    arranged: Arranged,
    rooms: usize,
}

/// Ticks in which everything takes the memory that it takes.
const MEMORY_TICKS: u32 = 20;

impl Memory {
    pub(in crate::scenario) fn run(&self) -> io::Result<Value> {
        let streams = self.arranged.streams()?;
        // One of each first, so that what all share is there.
        let mut whole = vec![self.whole(&streams)?];
        let mut bare = vec![self.bare(&streams)?];
        let before = resident()?;
        for _ in 0..self.rooms {
            whole.push(self.whole(&streams)?);
        }
        let between = resident()?;
        for _ in 0..self.rooms {
            bare.push(self.bare(&streams)?);
        }
        let (whole, bare) = (between - before, resident()? - between);
        Ok(json!({
            "bytesARoom": whole / self.rooms as f64,
            "bytesARoomByBareCalls": bare / self.rooms as f64,
            "againstBareCalls": whole / bare,
        }))
    }

    fn whole(&self, streams: &[Vec<Vec<u8>>]) -> io::Result<Whole> {
        let mut whole = Whole::new(self.arranged)?;
        for _ in 0..MEMORY_TICKS {
            whole.tick(streams);
        }
        Ok(whole)
    }

    fn bare(&self, streams: &[Vec<Vec<u8>>]) -> io::Result<Bare> {
        let mut bare = Bare::new(self.arranged)?;
        (0..MEMORY_TICKS).try_for_each(|_| bare.tick(streams))?;
        Ok(bare)
    }
}

/// Resident memory of this process in bytes.
fn resident() -> io::Result<f64> {
    Ok(Usage::of(process::id())?.resident as f64)
}
