//! What goes into a mix: a stream of packets, or sound that is written.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use millrace_frames::arrival::RATE;
use millrace_frames::{AudioFormat, Playout, PlayoutStats, Resampler, Sound};

use super::talkers::{Loudness, SILENCE_DB};

/// Written sound that waits, in samples of 48 kHz a channel: 1 s. When full, the oldest is dropped and counted.
pub const WRITTEN_SAMPLES_MAX: usize = 48_000;

/// Loudest gain of an input: 20 dB. A larger one is refused.
pub const GAIN_MAX: f32 = 10.0;

/// Mean square below which a tick's sound counts as silence: -90 dB of full scale.
const SILENCE_POWER: f32 = 1e-9;

/// Ticks of silence after which an input no longer counts among the sources of a mix: about 2 s, so that pauses between
/// words do not make outputs change their encoder.
const QUIET_TICKS_MAX: u32 = 100;

/// One input of a mixer. Ids are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputId(pub u32);

/// How sound comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputFormat {
    /// As RTP packets of a codec.
    Rtp(AudioFormat),
    /// As samples that are written.
    Pcm {
        /// In Hz, 8,000 to 192,000.
        sample_rate: u32,
        /// Interleaved, 1 or 2.
        channels: u8,
    },
}

/// What an input brings into the mix.
#[derive(Clone, Copy, Debug)]
pub struct InputOptions {
    /// How its sound comes in.
    pub format: InputFormat,
    /// Factor to its samples, 0 to [`GAIN_MAX`].
    pub gain: f32,
    /// It is not heard.
    pub muted: bool,
}

/// State of an input.
#[derive(Clone, Copy, Debug)]
pub struct InputStats {
    /// What happened to its packets; all zero for written sound.
    pub playout: PlayoutStats,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// How long its packets are waited for.
    pub wait: Duration,
    /// Packets that wait.
    pub waiting: usize,
    /// Latest level in dB of full scale, -127 for none.
    pub level_db: f32,
    /// It is among those that are mixed.
    pub chosen: bool,
    /// Samples a channel that were written and dropped because too many waited.
    pub dropped_samples: u64,
}

pub(super) enum Source {
    Packets(Box<Playout>),
    Written(Written),
}

pub(super) struct Input {
    pub(super) id: InputId,
    pub(super) source: Source,
    pub(super) loudness: Loudness,
    pub(super) gain: f32,
    pub(super) muted: bool,
    /// Where the gain stood at the end of the last tick.
    gain_now: f32,
    /// This tick's sound as the bus carries it; holds something only while `heard`.
    pub(super) sound: Vec<f32>,
    own: Vec<f32>,
    /// `sound` is part of this tick's mix.
    pub(super) heard: bool,
    /// It was part of the mix a short while ago: who leaves it out has an encoder without it.
    pub(super) counts: bool,
    quiet_ticks: u32,
    /// When its last packet came.
    pub(super) received_at: Option<Instant>,
}

impl Input {
    pub(super) fn new(id: InputId, source: Source, options: &InputOptions) -> Self {
        Self {
            id,
            source,
            loudness: Loudness::new(),
            gain: options.gain,
            muted: options.muted,
            gain_now: 0.0,
            sound: Vec::new(),
            own: Vec::new(),
            heard: false,
            counts: false,
            quiet_ticks: 0,
            received_at: None,
        }
    }

    pub(super) fn channels(&self) -> usize {
        match &self.source {
            Source::Packets(playout) => playout.channels(),
            Source::Written(written) => written.channels,
        }
    }

    pub(super) fn stats(&self) -> InputStats {
        let common = InputStats {
            playout: PlayoutStats::default(),
            jitter: Duration::ZERO,
            wait: Duration::ZERO,
            waiting: 0,
            level_db: self.loudness.level_db,
            chosen: self.loudness.chosen && !self.muted,
            dropped_samples: 0,
        };
        match &self.source {
            Source::Packets(playout) => InputStats {
                playout: playout.stats(),
                jitter: playout.jitter(),
                wait: playout.wait(),
                waiting: playout.waiting(),
                ..common
            },
            Source::Written(written) => InputStats { dropped_samples: written.dropped, ..common },
        }
    }

    /// Fetches `frames` samples a channel of what is due at `at` for a bus of `bus` channels.
    pub(super) fn pull(&mut self, at: Instant, time: i64, frames: usize, bus: usize) {
        let wanted = if self.muted || !self.loudness.chosen { 0.0 } else { self.gain };
        let needless = self.muted || self.loudness.told;
        self.heard = false;
        if wanted == 0.0 && self.gain_now == 0.0 && needless {
            self.skip(at, frames);
        } else {
            self.fetch(at, frames);
            if self.heard {
                let power = power(&self.own);
                self.loudness.measure(power, time);
                self.heard = power > SILENCE_POWER && (wanted > 0.0 || self.gain_now > 0.0);
            } else if !self.loudness.told {
                self.loudness.level_db = SILENCE_DB;
            }
        }
        if self.heard {
            let channels = self.channels();
            ramp(&mut self.own, channels, self.gain_now, wanted);
            spread(&self.own, channels, bus, &mut self.sound);
        }
        self.gain_now = wanted;
    }

    /// Notes whether it still counts among the sources. Returns whether that changed.
    pub(super) fn note_quiet(&mut self) -> bool {
        self.quiet_ticks = if self.heard { 0 } else { self.quiet_ticks.saturating_add(1) };
        let counted = self.counts;
        self.counts = self.heard || (self.counts && self.quiet_ticks <= QUIET_TICKS_MAX);
        counted != self.counts
    }

    /// Looks anew where its stream should stand.
    pub(super) fn restart(&mut self) {
        if let Source::Packets(playout) = &mut self.source {
            playout.restart();
        }
    }

    fn fetch(&mut self, at: Instant, frames: usize) {
        self.own.resize(frames * self.channels(), 0.0);
        self.heard = match &mut self.source {
            Source::Packets(playout) => playout.pull(at, &mut self.own) == Sound::Heard,
            Source::Written(written) => written.take(&mut self.own),
        };
    }

    fn skip(&mut self, at: Instant, frames: usize) {
        match &mut self.source {
            Source::Packets(playout) => playout.skip(at, frames),
            Source::Written(written) => written.skip(frames),
        }
    }
}

/// Sound that was written and is not mixed yet.
pub(super) struct Written {
    channels: usize,
    to_48k: Option<Resampler>,
    waiting: VecDeque<f32>,
    resampled: Vec<f32>,
    /// Nothing is taken before a tick's length and a little waits.
    started: bool,
    dropped: u64,
}

impl Written {
    pub(super) fn new(sample_rate: u32, channels: u8) -> Self {
        let to_48k = (sample_rate != RATE).then(|| Resampler::new(sample_rate, RATE, channels));
        let channels = usize::from(channels);
        Self { channels, to_48k, waiting: VecDeque::new(), resampled: Vec::new(), started: false, dropped: 0 }
    }

    /// Appends interleaved samples; what does not fit pushes out the oldest. Returns the samples a channel that waited and
    /// were dropped.
    pub(super) fn write(&mut self, pcm: &[f32]) -> usize {
        let whole = pcm.len() / self.channels * self.channels;
        self.resampled.clear();
        match &mut self.to_48k {
            Some(resampler) => resampler.process(&pcm[..whole], &mut self.resampled),
            None => self.resampled.extend_from_slice(&pcm[..whole]),
        }
        let finite = self.resampled.iter().map(|sample| if sample.is_finite() { *sample } else { 0.0 });
        self.waiting.extend(finite);
        let over = self.waiting.len().saturating_sub(WRITTEN_SAMPLES_MAX * self.channels);
        self.waiting.drain(..over);
        self.dropped += (over / self.channels) as u64;
        over / self.channels
    }

    fn take(&mut self, out: &mut [f32]) -> bool {
        self.started = if self.started { !self.waiting.is_empty() } else { self.waiting.len() >= out.len() };
        if !self.started {
            return false;
        }
        out.iter_mut().for_each(|sample| *sample = self.waiting.pop_front().unwrap_or(0.0));
        true
    }

    fn skip(&mut self, frames: usize) {
        let passed = (frames * self.channels).min(self.waiting.len());
        self.waiting.drain(..passed);
    }
}

/// Mean square of `sound`.
fn power(sound: &[f32]) -> f32 {
    sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len().max(1) as f32
}

/// Multiplies `sound` by a gain that goes from one value to the other.
fn ramp(sound: &mut [f32], channels: usize, from: f32, to: f32) {
    if from == to {
        if to != 1.0 {
            sound.iter_mut().for_each(|sample| *sample *= to);
        }
        return;
    }
    let step = (to - from) / (sound.len() / channels).max(1) as f32;
    for (index, frame) in sound.chunks_exact_mut(channels).enumerate() {
        let gain = from + step * (index + 1) as f32;
        frame.iter_mut().for_each(|sample| *sample *= gain);
    }
}

/// Writes `sound` of `from` channels into `out` as `to` channels: one is put on both, two are averaged.
pub(super) fn spread(sound: &[f32], from: usize, to: usize, out: &mut Vec<f32>) {
    out.clear();
    match (from, to) {
        (1, 2) => out.extend(sound.iter().flat_map(|sample| [*sample, *sample])),
        (2, 1) => out.extend(sound.as_chunks::<2>().0.iter().map(|[left, right]| (left + right) / 2.0)),
        _ => out.extend_from_slice(sound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_sound_that_nobody_takes_is_bounded_and_the_oldest_goes() {
        let mut written = Written::new(48_000, 1);
        (0..60).for_each(|piece| {
            written.write(&[piece as f32; 960]);
        });
        assert_eq!((written.waiting.len(), written.dropped), (WRITTEN_SAMPLES_MAX, 10 * 960));
        let mut out = [0.0; 960];
        assert!(written.take(&mut out));
        assert_eq!(out, [10.0; 960]);
    }

    #[test]
    fn v08_written_sound_that_is_no_number_becomes_silence() {
        let mut written = Written::new(48_000, 2);
        written.write(&[f32::NAN, f32::INFINITY, 0.5, -0.5, 0.1]);
        let mut out = [9.0; 4];
        assert!(written.take(&mut out));
        assert_eq!(out, [0.0, 0.0, 0.5, -0.5], "half a frame at the end is left out");
    }

    #[test]
    fn channels_are_spread_and_joined() {
        let mut out = Vec::new();
        spread(&[0.2, 0.4], 1, 2, &mut out);
        assert_eq!(out, [0.2, 0.2, 0.4, 0.4]);
        spread(&[0.25, 0.75], 2, 1, &mut out);
        assert_eq!(out, [0.5]);
    }
}
