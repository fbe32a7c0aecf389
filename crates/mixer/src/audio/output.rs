//! What comes out of a mix: outputs, and the encoders that equal ones share.

use arrayvec::ArrayVec;
use millrace_frames::arrival::RATE;
use millrace_frames::{AudioCodec, AudioEncoder, AudioEncoding, AudioFormat, Resampler};

use super::input::{InputId, spread};
use super::limiter::Limiter;

/// Inputs that one output may leave out: a person's microphone, screen and a few more. More are refused.
pub const EXCLUDED_MAX: usize = 8;

/// Bytes of an encoded frame, at most. An encoder that needs more fails, and the frame is counted as lost.
pub const FRAME_BYTES_MAX: usize = 1_275;

/// Time of silence that is encoded before an output falls silent, so that the receiver's decoder has come to rest: 100 ms.
const SETTLE_MS: u32 = 100;

/// A silent Opus output sends a frame this often, as the codec's own discontinuous transmission does: 400 ms.
const KEEP_ALIVE_MS: u32 = 400;

/// One output of a mixer. Ids are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputId(pub u32);

/// As what a mix leaves. Outputs that are equal in this share an encoder while they hear the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// As frames of a codec.
    Encoded {
        /// Codec and channels.
        format: AudioFormat,
        /// Bits a second; codecs of a fixed rate ignore it.
        bitrate: u32,
        /// Work for a frame, 0 (least) to 10; only Opus has it.
        complexity: u8,
        /// Carries each frame once more in the next one (Opus).
        in_band_fec: bool,
    },
    /// As samples.
    Pcm {
        /// In Hz, 8,000 to 192,000.
        sample_rate: u32,
        /// Interleaved, 1 or 2.
        channels: u8,
    },
}

/// What an output carries.
#[derive(Clone, Copy, Debug)]
pub struct OutputOptions<'a> {
    /// As what.
    pub format: OutputFormat,
    /// Inputs that it leaves out, at most [`EXCLUDED_MAX`].
    pub exclude: &'a [InputId],
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Payload<'a> {
    /// What the encoder made.
    Encoded(&'a [u8]),
    /// Interleaved samples.
    Pcm(&'a [f32]),
}

/// One tick of a mix for the outputs that share it.
#[derive(Clone, Copy, Debug)]
pub struct OutputFrame<'a> {
    /// Who gets it.
    pub outputs: &'a [OutputId],
    /// What it holds.
    pub payload: Payload<'a>,
    /// Time of its first sample in ticks of the codec's RTP clock (of the sample rate for samples), wrapping, on one line
    /// for all outputs of the mixer.
    pub timestamp: u32,
    /// The first frame after silence that was left out: a packet of it has its marker set (RFC 3551 §4.1).
    pub marker: bool,
}

/// State of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputStats {
    /// Frames that it was given.
    pub frames: u64,
    /// Frames that its encoder refused to make.
    pub failed: u64,
    /// Outputs that share its encoder, itself counted.
    pub shared_by: usize,
}

/// Inputs that a group leaves out, in order of their ids.
pub(super) type Excluded = ArrayVec<InputId, EXCLUDED_MAX>;

pub(super) struct Output {
    pub(super) id: OutputId,
    pub(super) format: OutputFormat,
    pub(super) exclude: Excluded,
    /// Its group's number.
    pub(super) group: usize,
    pub(super) frames_before: u64,
    pub(super) failed_before: u64,
}

/// Outputs of one format that hear the same, and their encoder.
pub(super) struct Group {
    pub(super) format: OutputFormat,
    pub(super) excluded: Excluded,
    pub(super) members: Vec<OutputId>,
    pub(super) frames: u64,
    pub(super) failed: u64,
    encoder: Option<Box<dyn AudioEncoder>>,
    limiter: Limiter,
    bus: usize,
    from_48k: Option<Resampler>,
    joined: Vec<f32>,
    ready: Vec<f32>,
    bytes: Box<[u8; FRAME_BYTES_MAX]>,
    /// Length of the last frame in `bytes`.
    len: usize,
    silent_ms: u32,
    /// Nothing was sent for the tick before.
    paused: bool,
}

impl OutputFormat {
    pub(super) fn channels(&self) -> u8 {
        match self {
            Self::Encoded { format, .. } => format.channels,
            Self::Pcm { channels, .. } => *channels,
        }
    }

    /// Ticks a second of the timestamps of its frames.
    pub(super) fn clock_rate(&self) -> u32 {
        match self {
            Self::Encoded { format, .. } => format.codec.clock_rate(),
            Self::Pcm { sample_rate, .. } => *sample_rate,
        }
    }

    pub(super) fn encoding(&self, frame_ms: u32) -> Option<AudioEncoding> {
        let Self::Encoded { format, bitrate, complexity, in_band_fec } = *self else { return None };
        Some(AudioEncoding { format, frame_ms, bitrate, complexity, in_band_fec })
    }

    /// Silence need not be sent: receivers of this codec make it themselves.
    fn pauses(&self) -> bool {
        matches!(self, Self::Encoded { format: AudioFormat { codec: AudioCodec::Opus, .. }, .. })
    }
}

impl Group {
    /// A group of `format` for a bus of `bus` channels. `encoder`: none for samples.
    pub(super) fn new(format: OutputFormat, encoder: Option<Box<dyn AudioEncoder>>, bus: usize) -> Self {
        let rate = match (&encoder, format) {
            (Some(encoder), _) => encoder.sample_rate(),
            (None, format) => format.clock_rate(),
        };
        Self {
            format,
            excluded: Excluded::new(),
            members: Vec::new(),
            frames: 0,
            failed: 0,
            encoder,
            limiter: Limiter::new(bus),
            bus,
            from_48k: (rate != RATE).then(|| Resampler::new(RATE, rate, format.channels())),
            joined: Vec::new(),
            ready: Vec::new(),
            bytes: Box::new([0; FRAME_BYTES_MAX]),
            len: 0,
            silent_ms: 0,
            paused: true,
        }
    }

    /// Goes on from where `other` of the same format stands, so that outputs that change groups hear no step.
    pub(super) fn follow(&mut self, other: &Self) {
        self.limiter.follow(&other.limiter);
        self.bus = other.bus;
        if let (Some(own), Some(theirs)) = (&mut self.from_48k, &other.from_48k) {
            own.follow(theirs);
        }
        (self.silent_ms, self.paused) = (other.silent_ms, other.paused);
        self.bytes.copy_from_slice(&other.bytes[..]);
        self.len = other.len;
    }

    /// Begins anew for a bus of other channels.
    pub(super) fn set_bus(&mut self, bus: usize) {
        if self.bus != bus {
            (self.bus, self.limiter) = (bus, Limiter::new(bus));
        }
    }

    pub(super) fn set_bitrate(&mut self, bits_per_second: u32) {
        if let Some(encoder) = &mut self.encoder {
            encoder.set_bitrate(bits_per_second);
        }
    }

    pub(super) fn set_expected_loss(&mut self, percent: u8) {
        if let Some(encoder) = &mut self.encoder {
            encoder.set_expected_loss(percent);
        }
    }

    /// Makes this tick's frame of `mix`, which is used up, and gives it to `sink` unless nothing is to be sent.
    /// `silent`: the mix is nothing but zeros.
    pub(super) fn finish(
        &mut self,
        mix: &mut [f32],
        silent: bool,
        tick: Tick,
        sink: &mut dyn FnMut(OutputFrame<'_>),
    ) -> bool {
        self.silent_ms = if silent { self.silent_ms.saturating_add(tick.ms) } else { 0 };
        if self.silent_ms > SETTLE_MS && self.encoder.is_some() {
            return self.rest(mix, tick, sink);
        }
        let encoded = self.encode(mix);
        self.send(encoded, tick, sink);
        true
    }

    /// Goes on being silent with as little work as the codec allows. Returns whether anything was encoded.
    fn rest(&mut self, mix: &mut [f32], tick: Tick, sink: &mut dyn FnMut(OutputFrame<'_>)) -> bool {
        if !self.format.pauses() {
            // The same frame again: what silence sounds like to a codec without memory.
            self.send(self.len > 0, tick, sink);
            return false;
        }
        let due = self.silent_ms % KEEP_ALIVE_MS < tick.ms;
        let encoded = due && self.encode(mix);
        self.send(encoded, tick, sink);
        due
    }

    fn send(&mut self, sends: bool, tick: Tick, sink: &mut dyn FnMut(OutputFrame<'_>)) {
        let marker = std::mem::replace(&mut self.paused, !sends) && self.silent_ms == 0;
        if !sends {
            return;
        }
        self.frames += 1;
        let payload = match self.encoder {
            Some(_) => Payload::Encoded(&self.bytes[..self.len]),
            None => Payload::Pcm(&self.ready),
        };
        // Wraps as timestamps do.
        let timestamp = (tick.media * i64::from(self.format.clock_rate()) / i64::from(RATE)) as u32;
        sink(OutputFrame { outputs: &self.members, payload, timestamp, marker });
    }

    /// Limits, converts and encodes `mix`. Returns whether there is a frame.
    fn encode(&mut self, mix: &mut [f32]) -> bool {
        self.limiter.process(mix);
        let channels = usize::from(self.format.channels());
        spread(mix, self.bus, channels, &mut self.joined);
        let ready = match &mut self.from_48k {
            Some(resampler) => {
                self.ready.clear();
                resampler.process(&self.joined, &mut self.ready);
                &self.ready
            }
            None if self.encoder.is_none() => {
                std::mem::swap(&mut self.ready, &mut self.joined);
                &self.ready
            }
            None => &self.joined,
        };
        let Some(encoder) = &mut self.encoder else { return true };
        match encoder.encode(ready, &mut self.bytes[..]) {
            Ok(len) => self.len = len.min(FRAME_BYTES_MAX),
            Err(_) => {
                self.failed += 1;
                return false;
            }
        }
        self.len > 0
    }
}

/// The time of a tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    /// Its length.
    pub(super) ms: u32,
    /// Samples of 48 kHz that were mixed before it.
    pub(super) media: i64,
}
