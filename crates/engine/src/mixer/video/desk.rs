//! A mixer of pictures on its thread: what it does in a turn.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use millrace_codecs::BuiltVideoCodecs;
use millrace_frames::{
    DecodeError, EncodeError, Encoded, PictureSize, PictureView, VideoCodec, VideoCodecUnavailable, VideoCodecs,
    VideoDecoder, VideoEncoder, VideoEncoding,
};
use millrace_mixer::video::{OutputFrame, OutputId, Payload, Picture, VideoMixer, VideoMixerOptions};

use super::ends::VideoEnds;
use super::wire::{MadeFrame, MadeOf};
use crate::mixer::{Desk, Ends, Failure, Mixer, Turn};
use crate::packets::PacketBatch;
use crate::plane::thread_time;

/// A core and what it needs in a turn.
pub(crate) struct Here {
    core: VideoMixer,
    spent: Arc<AtomicU64>,
    collected: Collected,
    /// Nothing is mixed: what comes is handed on.
    passes: bool,
}

impl Desk<VideoEnds> for Here {
    fn new(mixer: &Arc<Mixer<VideoEnds>>, now: Instant) -> Option<Self> {
        let options = mixer.change(|ends| ends.options(&mixer.setup.options.options));
        let spent = Arc::default();
        let core = make_core(options, &spent, now)?;
        Some(Self { core, spent, collected: Collected::default(), passes: false })
    }

    fn due(&self) -> Option<Instant> {
        (!self.passes).then(|| self.core.next_tick())
    }

    fn work(&mut self, turn: &Turn<'_, VideoEnds>, now: Instant) -> Result<(), Failure> {
        let Self { core, spent, collected, passes } = self;
        let mixer = turn.mixer;
        let outbox = &mixer.setup.outbox;
        {
            let Some(mut ends) = turn.ends() else { return Ok(()) };
            let mut passed = PacketBatch::default();
            *passes = ends.pass_on(outbox, &mut passed);
            if *passes {
                drop(ends);
                mixer.send(passed);
                return Ok(());
            }
            ends.apply(core);
            ends.receive(core, outbox, now);
            if now < core.next_tick() {
                return Ok(());
            }
            ends.follow_voices(core, now);
        }
        #[cfg(debug_assertions)]
        if let Some(fault) = mixer.change(Ends::take_fault) {
            fault.befall();
        }
        collected.clear();
        // Without the lock: the codecs are C, and what hangs in there must not hold up who changes the ends.
        core.tick(now, &mut |frame| {
            collected.add(frame, Duration::from_nanos(spent.swap(0, Ordering::Relaxed)));
        });
        let (mut to_worker, mut to_application) = (PacketBatch::default(), PacketBatch::default());
        let Some(mut ends) = turn.ends() else { return Ok(()) };
        ends.send(collected, now, &mut to_worker, &mut to_application);
        core.worked(now.elapsed());
        ends.note(core, mixer.setup.id, outbox, now);
        ends.follow_size(core, now);
        drop(ends);
        mixer.send(to_worker);
        if !to_application.is_empty() {
            outbox.push_packets(to_application);
        }
        Ok(())
    }
}

/// A core of this process, which tells in `spent` how many nanoseconds its last encoder took.
pub(super) fn make_core(options: VideoMixerOptions, spent: &Arc<AtomicU64>, now: Instant) -> Option<VideoMixer> {
    // The options were checked when the mixer was made.
    VideoMixer::new(Box::new(TimedCodecs(Arc::clone(spent))), options, now).ok()
}

/// What a tick made, in the memory of the ticks before.
#[derive(Default)]
pub(super) struct Collected {
    outputs: Vec<OutputId>,
    bytes: Vec<u8>,
    packets: Vec<Range<usize>>,
    pictures: Vec<Picture>,
    frames: Vec<Kept>,
    /// How many of the pictures are of this tick.
    pictures_used: usize,
}

struct Kept {
    outputs: Range<usize>,
    holds: Holds,
    timestamp: u32,
    encode_time: Duration,
}

enum Holds {
    Packets(Range<usize>),
    Picture(usize),
}

/// A frame for some outputs.
pub(super) struct FrameView<'a> {
    pub(super) outputs: &'a [OutputId],
    pub(super) kind: Kind<'a>,
    pub(super) timestamp: u32,
    pub(super) encode_time: Duration,
}

/// What a frame holds.
#[derive(Clone, Copy)]
pub(super) enum Kind<'a> {
    Packets(PacketsView<'a>),
    Picture(&'a Picture),
}

/// The payloads of a frame's packets.
#[derive(Clone, Copy)]
pub(super) struct PacketsView<'a> {
    bytes: &'a [u8],
    ranges: &'a [Range<usize>],
}

impl<'a> PacketsView<'a> {
    /// Each payload, and whether its packet has the marker.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'a [u8], bool)> {
        let last = self.ranges.len();
        self.ranges.iter().zip(1..).map(move |(range, at)| (&self.bytes[range.clone()], at == last))
    }
}

impl Collected {
    pub(super) fn clear(&mut self) {
        self.outputs.clear();
        self.bytes.clear();
        self.packets.clear();
        self.frames.clear();
        self.pictures_used = 0;
    }

    /// Adds a frame of a core of this process.
    fn add(&mut self, frame: OutputFrame<'_>, encode_time: Duration) {
        let holds = match frame.payload {
            Payload::Encoded { packets, .. } => self.keep_packets(packets.iter().map(|(payload, _)| payload)),
            Payload::Raw(view) => self.keep_picture(&view),
        };
        self.keep(frame.outputs.iter().copied(), holds, frame.timestamp, encode_time);
    }

    /// Adds a frame of a core in another process.
    pub(super) fn add_made(&mut self, frame: &MadeFrame<'_>) {
        let holds = match &frame.holds {
            MadeOf::Packets(payloads) => self.keep_packets(payloads.iter()),
            MadeOf::Picture(view) => self.keep_picture(view),
        };
        self.keep(frame.outputs(), holds, frame.timestamp, frame.encode_time);
    }

    fn keep(&mut self, outputs: impl Iterator<Item = OutputId>, holds: Holds, timestamp: u32, encode_time: Duration) {
        let start = self.outputs.len();
        self.outputs.extend(outputs);
        self.frames.push(Kept { outputs: start..self.outputs.len(), holds, timestamp, encode_time });
    }

    fn keep_packets<'a>(&mut self, payloads: impl Iterator<Item = &'a [u8]>) -> Holds {
        let first = self.packets.len();
        for payload in payloads {
            let at = self.bytes.len();
            self.bytes.extend_from_slice(payload);
            self.packets.push(at..self.bytes.len());
        }
        Holds::Packets(first..self.packets.len())
    }

    fn keep_picture(&mut self, view: &PictureView<'_>) -> Holds {
        let at = self.pictures_used;
        self.pictures_used += 1;
        match self.pictures.get_mut(at) {
            Some(picture) => picture.copy_from(view),
            None => self.pictures.push(Picture::of(view)),
        }
        Holds::Picture(at)
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = FrameView<'_>> {
        self.frames.iter().map(|kept| FrameView {
            outputs: &self.outputs[kept.outputs.clone()],
            kind: match &kept.holds {
                Holds::Packets(range) => {
                    Kind::Packets(PacketsView { bytes: &self.bytes, ranges: &self.packets[range.clone()] })
                }
                Holds::Picture(at) => Kind::Picture(&self.pictures[*at]),
            },
            timestamp: kept.timestamp,
            encode_time: kept.encode_time,
        })
    }
}

/// The codecs of this build, with encoders and decoders that say how long they worked: a core has no clock to look at.
struct TimedCodecs(Arc<AtomicU64>);

impl VideoCodecs for TimedCodecs {
    fn decoder(
        &mut self,
        codec: VideoCodec,
        size_max: PictureSize,
    ) -> Result<Box<dyn VideoDecoder>, VideoCodecUnavailable> {
        let decoder = BuiltVideoCodecs.decoder(codec, size_max)?;
        Ok(Box::new(TimedDecoder { decoder, computed: Duration::ZERO }))
    }

    fn encoder(&mut self, encoding: &VideoEncoding) -> Result<Box<dyn VideoEncoder>, VideoCodecUnavailable> {
        let encoder = BuiltVideoCodecs.encoder(encoding)?;
        Ok(Box::new(TimedEncoder { encoder, nanoseconds: Arc::clone(&self.0) }))
    }
}

struct TimedDecoder {
    decoder: Box<dyn VideoDecoder>,
    computed: Duration,
}

impl VideoDecoder for TimedDecoder {
    fn decode(&mut self, frame: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), DecodeError> {
        // Not the time that others had the processor.
        let started = thread_time();
        let decoded = self.decoder.decode(frame, out);
        self.computed += thread_time().unwrap_or_default().saturating_sub(started.unwrap_or_default());
        decoded
    }

    fn take_time(&mut self) -> Duration {
        std::mem::take(&mut self.computed)
    }
}

struct TimedEncoder {
    encoder: Box<dyn VideoEncoder>,
    nanoseconds: Arc<AtomicU64>,
}

impl VideoEncoder for TimedEncoder {
    fn encode(
        &mut self,
        picture: PictureView<'_>,
        at: Duration,
        key: bool,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, EncodeError> {
        let started = Instant::now();
        let encoded = self.encoder.encode(picture, at, key, out);
        self.nanoseconds.store(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        encoded
    }

    fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), EncodeError> {
        self.encoder.set_bitrate(bits_per_second)
    }

    fn set_frame_rate(&mut self, frames_per_second: f32) -> Result<(), EncodeError> {
        self.encoder.set_frame_rate(frames_per_second)
    }

    fn resize(&mut self, width: u32, height: u32) -> Result<(), EncodeError> {
        self.encoder.resize(width, height)
    }

    fn set_hurried(&mut self, hurried: bool) -> Result<(), EncodeError> {
        self.encoder.set_hurried(hurried)
    }
}
