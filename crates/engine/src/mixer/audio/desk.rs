//! A mixer of sound on its thread: what it does in a turn.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use millrace_codecs::BuiltAudioCodecs;
use millrace_frames::{
    AudioCodecs, AudioDecoder, AudioEncoder, AudioEncoding, AudioFormat, CodecUnavailable, EncodeError,
};
use millrace_mixer::{AudioMixer, OutputFrame, OutputId, Payload};

use super::ends::AudioEnds;
use crate::mixer::{Desk, Ends, Failure, Mixer, Turn};
use crate::packets::PacketBatch;

/// A core and what it needs in a turn.
pub(crate) struct Here {
    core: AudioMixer,
    spent: Arc<AtomicU64>,
    collected: Collected,
    scratch: Vec<f32>,
    /// Nothing is mixed: what comes is handed on.
    passes: bool,
}

impl Desk<AudioEnds> for Here {
    fn new(mixer: &Arc<Mixer<AudioEnds>>, now: Instant) -> Option<Self> {
        let spent = Arc::default();
        let codecs = Box::new(TimedCodecs(Arc::clone(&spent)));
        let core = AudioMixer::new(codecs, mixer.setup.options.core, now).ok()?;
        Some(Self { core, spent, collected: Collected::default(), scratch: Vec::new(), passes: false })
    }

    fn due(&self) -> Option<Instant> {
        (!self.passes).then(|| self.core.next_tick())
    }

    fn work(&mut self, turn: &Turn<'_, AudioEnds>, now: Instant) -> Result<(), Failure> {
        let Self { core, spent, collected, scratch, passes } = self;
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
            ends.receive(core, scratch, outbox, now);
        }
        if now < core.next_tick() {
            return Ok(());
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
        ends.note(core, mixer.setup.id, outbox, now);
        let busy = now.elapsed().as_secs_f32() / core.tick_length().as_secs_f32();
        ends.load += (busy - ends.load) / LOAD_TICKS;
        drop(ends);
        mixer.send(to_worker);
        if !to_application.is_empty() {
            outbox.push_packets(to_application);
        }
        Ok(())
    }
}

/// Ticks over which the load is averaged: about a second.
pub(super) const LOAD_TICKS: f32 = 50.0;

/// What a tick made, in the memory of the ticks before.
#[derive(Default)]
pub(super) struct Collected {
    outputs: Vec<OutputId>,
    bytes: Vec<u8>,
    samples: Vec<f32>,
    frames: Vec<Kept>,
}

struct Kept {
    outputs: Range<usize>,
    sound: KeptSound,
    timestamp: u32,
    marker: bool,
    encode_time: Duration,
}

enum KeptSound {
    Encoded(Range<usize>),
    Pcm(Range<usize>),
}

/// A frame for some outputs.
pub(super) struct Frame<'a> {
    pub(super) outputs: &'a [OutputId],
    pub(super) sound: Sound<'a>,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) encode_time: Duration,
}

/// What a frame holds.
#[derive(Clone, Copy)]
pub(super) enum Sound<'a> {
    Encoded(&'a [u8]),
    Pcm(&'a [f32]),
}

impl Collected {
    pub(super) fn clear(&mut self) {
        self.outputs.clear();
        self.bytes.clear();
        self.samples.clear();
        self.frames.clear();
    }

    pub(super) fn add(&mut self, frame: OutputFrame<'_>, encode_time: Duration) {
        let sound = match frame.payload {
            Payload::Encoded(bytes) => KeptSound::Encoded(append(&mut self.bytes, bytes)),
            Payload::Pcm(samples) => KeptSound::Pcm(append(&mut self.samples, samples)),
        };
        let OutputFrame { timestamp, marker, .. } = frame;
        let outputs = append(&mut self.outputs, frame.outputs);
        self.frames.push(Kept { outputs, sound, timestamp, marker, encode_time });
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        self.frames.iter().map(|kept| Frame {
            outputs: &self.outputs[kept.outputs.clone()],
            sound: match &kept.sound {
                KeptSound::Encoded(range) => Sound::Encoded(&self.bytes[range.clone()]),
                KeptSound::Pcm(range) => Sound::Pcm(&self.samples[range.clone()]),
            },
            timestamp: kept.timestamp,
            marker: kept.marker,
            encode_time: kept.encode_time,
        })
    }
}

fn append<T: Copy>(to: &mut Vec<T>, added: &[T]) -> Range<usize> {
    let start = to.len();
    to.extend_from_slice(added);
    start..to.len()
}

/// The codecs of this build, with encoders that say how long they worked: a core has no clock to look at.
pub(super) struct TimedCodecs(pub(super) Arc<AtomicU64>);

impl AudioCodecs for TimedCodecs {
    fn decoder(&mut self, format: AudioFormat) -> Result<Box<dyn AudioDecoder>, CodecUnavailable> {
        BuiltAudioCodecs.decoder(format)
    }

    fn encoder(&mut self, encoding: &AudioEncoding) -> Result<Box<dyn AudioEncoder>, CodecUnavailable> {
        let encoder = BuiltAudioCodecs.encoder(encoding)?;
        Ok(Box::new(TimedEncoder { encoder, nanoseconds: Arc::clone(&self.0) }))
    }
}

struct TimedEncoder {
    encoder: Box<dyn AudioEncoder>,
    nanoseconds: Arc<AtomicU64>,
}

impl AudioEncoder for TimedEncoder {
    fn sample_rate(&self) -> u32 {
        self.encoder.sample_rate()
    }

    fn channels(&self) -> u8 {
        self.encoder.channels()
    }

    fn encode(&mut self, pcm: &[f32], out: &mut [u8]) -> Result<usize, EncodeError> {
        let started = Instant::now();
        let encoded = self.encoder.encode(pcm, out);
        self.nanoseconds.store(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        encoded
    }

    fn set_bitrate(&mut self, bits_per_second: u32) {
        self.encoder.set_bitrate(bits_per_second);
    }

    fn set_complexity(&mut self, complexity: u8) {
        self.encoder.set_complexity(complexity);
    }

    fn set_expected_loss(&mut self, percent: u8) {
        self.encoder.set_expected_loss(percent);
    }
}
