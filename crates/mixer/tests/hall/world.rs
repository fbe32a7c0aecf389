//! Talkers, a network, a mixer, and what each output heard.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::f64::consts::TAU;
use std::time::{Duration, Instant};

use millrace_frames::{AudioCodec, AudioFormat, AudioPacket};
use millrace_mixer::{
    AudioMixer, InputFormat, InputId, InputOptions, MixerOptions, OutputFormat, OutputId, OutputOptions, Payload,
};
use millrace_packet::meta::AudioLevel;

use crate::codec::{Samples, TOC, Work, encode, expand};

pub(crate) const OPUS: AudioFormat = AudioFormat { codec: AudioCodec::Opus, channels: 1 };
pub(crate) const ENCODED: OutputFormat =
    OutputFormat::Encoded { format: OPUS, bitrate: 32_000, complexity: 5, in_band_fec: false };
pub(crate) const PCM: OutputFormat = OutputFormat::Pcm { sample_rate: 48_000, channels: 1 };

/// Microseconds since the start.
pub(crate) type Micros = u64;

/// Sound by sample number, of 48 kHz since the talker's start.
pub(crate) type Voice = Box<dyn Fn(u64) -> f32>;

pub(crate) struct Talker {
    pub(crate) input: InputId,
    voice: Voice,
    /// When its first packet is sent.
    phase: Micros,
    /// Parts per million that its clock is slow.
    pub(crate) slow_ppm: i64,
    pub(crate) tells_level: bool,
    pub(crate) silent: bool,
    sent: u64,
}

/// A packet under way: when it arrives, whose it is, its number, payload and level.
type UnderWay = (Micros, usize, u64, Vec<u8>, u8);

pub(crate) struct World {
    pub(crate) start: Instant,
    pub(crate) mixer: AudioMixer,
    pub(crate) work: Work,
    pub(crate) talkers: Vec<Talker>,
    pub(crate) now: Micros,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    /// Delay of a talker's packet by talker and number, in microseconds; `None` loses it.
    pub(crate) network: Box<dyn FnMut(usize, u64) -> Option<Micros>>,
    /// What each output was given: when, its timestamp, its samples.
    pub(crate) out: BTreeMap<OutputId, Vec<(Micros, u32, Vec<f32>)>>,
    pub(crate) keep: bool,
}

impl World {
    pub(crate) fn new(options: MixerOptions) -> Self {
        let (start, codecs) = (Instant::now(), Samples::default());
        let work = codecs.work.clone();
        let mixer = AudioMixer::new(Box::new(codecs), options, start).unwrap();
        let network = Box::new(|_, _| Some(0));
        let (talkers, under_way, out) = (Vec::new(), BinaryHeap::new(), BTreeMap::new());
        Self { start, mixer, work, talkers, now: 0, under_way, network, out, keep: true }
    }

    pub(crate) fn at(&self, micros: Micros) -> Instant {
        self.start + Duration::from_micros(micros)
    }

    /// Adds a talker whose packets of 20 ms are sent from `phase` on.
    pub(crate) fn talker(&mut self, phase: Micros, voice: impl Fn(u64) -> f32 + 'static) -> usize {
        let options = InputOptions { format: InputFormat::Rtp(OPUS), gain: 1.0, muted: false };
        let input = self.mixer.add_input(&options).unwrap();
        let voice = Box::new(voice);
        self.talkers.push(Talker { input, voice, phase, slow_ppm: 0, tells_level: true, silent: false, sent: 0 });
        self.talkers.len() - 1
    }

    pub(crate) fn output(&mut self, format: OutputFormat, exclude: &[usize]) -> OutputId {
        let exclude: Vec<_> = exclude.iter().map(|talker| self.talkers[*talker].input).collect();
        self.mixer.add_output(&OutputOptions { format, exclude: &exclude }).unwrap()
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = self.now + ms * 1_000;
        while self.now < end {
            self.now += 250;
            self.send();
            self.deliver();
            let now = self.at(self.now);
            if self.mixer.next_tick() <= now {
                self.tick(now);
            }
        }
    }

    fn send(&mut self) {
        for (index, talker) in self.talkers.iter_mut().enumerate() {
            let due = talker.phase + (talker.sent + 1) * 20_000;
            let due = due.saturating_add_signed(due as i64 * talker.slow_ppm / 1_000_000);
            if due > self.now {
                continue;
            }
            let number = talker.sent;
            talker.sent += 1;
            if talker.silent {
                continue;
            }
            let samples: Vec<_> = (0..960).map(|sample| (talker.voice)(number * 960 + sample)).collect();
            let power = samples.iter().map(|sample| sample * sample).sum::<f32>() / 960.0;
            let level = (-10.0 * power.max(1e-13).log10()).clamp(0.0, 127.0) as u8;
            if let Some(delay) = (self.network)(index, number) {
                self.under_way.push(Reverse((due + delay, index, number, encode(&samples), level)));
            }
        }
    }

    fn deliver(&mut self) {
        while self.under_way.peek().is_some_and(|Reverse((arrives, ..))| *arrives <= self.now) {
            let Some(Reverse((arrives, index, number, payload, level))) = self.under_way.pop() else { return };
            let talker = &self.talkers[index];
            let packet = AudioPacket { sequence: number as u16, timestamp: (number * 960) as u32, payload: &payload };
            let level = AudioLevel { attenuation_dbov: level, voice: level < 60 };
            let (now, input) = (self.start + Duration::from_micros(arrives), talker.input);
            self.mixer.receive(input, packet, Some(level).filter(|_| talker.tells_level), now).unwrap();
        }
    }

    fn tick(&mut self, now: Instant) {
        let (micros, out, keep) = (self.now, &mut self.out, self.keep);
        self.mixer.tick(now, &mut |frame| {
            if !keep {
                return;
            }
            let samples = match frame.payload {
                Payload::Pcm(samples) => samples.to_vec(),
                Payload::Encoded(bytes) => bytes.iter().map(|byte| expand(*byte)).collect(),
            };
            for output in frame.outputs {
                out.entry(*output).or_default().push((micros, frame.timestamp, samples.clone()));
            }
        });
    }

    /// The last `samples` that `output` heard.
    pub(crate) fn last(&self, output: OutputId, samples: usize) -> Vec<f32> {
        let all: Vec<_> = self.out[&output].iter().flat_map(|(_, _, samples)| samples.iter().copied()).collect();
        all[all.len() - samples..].to_vec()
    }
}

/// A tone of `hertz` and this amplitude.
pub(crate) fn tone(hertz: u32, amplitude: f32) -> impl Fn(u64) -> f32 {
    move |sample| amplitude * (TAU * f64::from(hertz) * sample as f64 / 48_000.0).sin() as f32
}

/// A payload of `samples` bytes behind an Opus byte of 20 ms.
pub(crate) fn payload(samples: usize) -> Vec<u8> {
    let mut payload = vec![TOC];
    payload.resize(samples + 1, 0x40);
    payload
}
