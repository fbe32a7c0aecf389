//! Sound of many inputs mixed into outputs, each without the inputs that it leaves out.
//!
//! Sound is summed once at 48 kHz; an output that leaves inputs out gets the sum less those. Outputs of one format that
//! hear the same share a limiter and an encoder, so that a room of listeners costs one. With `top_k`, only the loudest
//! inputs are decoded at all.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use millrace_frames::arrival::{RATE, samples_since};
use millrace_frames::{AudioCodecs, AudioFormat, AudioPacket, CodecUnavailable, Inserted, Playout};
use millrace_packet::meta::AudioLevel;

mod input;
mod limiter;
mod output;
mod phase;
mod sharing;
mod talkers;

use input::{Input, Source, Written};
use output::{Group, Output, Tick};
use talkers::Talkers;

pub use input::{GAIN_MAX, InputFormat, InputId, InputOptions, InputStats, WRITTEN_SAMPLES_MAX};
pub use limiter::{LOOKAHEAD_SAMPLES, PEAK_MAX};
pub use output::{
    EXCLUDED_MAX, FRAME_BYTES_MAX, OutputFormat, OutputFrame, OutputId, OutputOptions, OutputStats, Payload,
};
pub use talkers::{ACTIVE_INTERVAL, CHANGE_INTERVAL, SILENCE_DB, UNVOICED_AFTER};

/// Inputs of one mixer. One more is refused.
pub const INPUTS_MAX: usize = 1_024;

/// Outputs of one mixer. One more is refused.
pub const OUTPUTS_MAX: usize = 10_240;

/// Ticks that are made up for when a mixer is called late. What was due before them is left out and counted.
pub const LATE_TICKS_MAX: i64 = 5;

/// Events that wait to be polled. When full, the oldest is dropped: it is out of date.
pub const EVENTS_MAX: usize = 16;

/// An input that no packet came for in this time says nothing about when to mix: 1 s.
const FLOWING: Duration = Duration::from_secs(1);

/// Length of a tick, and of every output's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TickLength {
    /// 10 ms: 5 to 10 ms less delay for twice the packets.
    Ms10,
    /// 20 ms.
    #[default]
    Ms20,
}

impl TickLength {
    /// In milliseconds.
    pub const fn ms(self) -> u32 {
        match self {
            Self::Ms10 => 10,
            Self::Ms20 => 20,
        }
    }
}

/// How a mixer mixes. Default: ticks of 20 ms, everybody is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MixerOptions {
    /// Length of a tick.
    pub tick: TickLength,
    /// How many inputs are heard at a time, the loudest; `None`: all.
    pub top_k: Option<usize>,
}

/// Why a mixer refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MixerError {
    /// The caller names an input that is not there.
    #[error("no such input: {0:?}")]
    UnknownInput(InputId),
    /// The caller names an output that is not there.
    #[error("no such output: {0:?}")]
    UnknownOutput(OutputId),
    /// The caller does with an input what its kind does not do.
    #[error("input {0:?} is of another kind")]
    WrongKind(InputId),
    /// The caller gives a value out of range; its name stands beside it.
    #[error("bad value for {0}")]
    BadValue(&'static str),
    /// [`INPUTS_MAX`] inputs are there.
    #[error("too many inputs")]
    TooManyInputs,
    /// [`OUTPUTS_MAX`] outputs are there.
    #[error("too many outputs")]
    TooManyOutputs,
    /// An output leaves out more than [`EXCLUDED_MAX`] inputs.
    #[error("too many inputs to leave out")]
    TooManyExcluded,
    /// This build has not got the codec.
    #[error(transparent)]
    Codec(#[from] CodecUnavailable),
}

/// What happened in a mixer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MixerEvent {
    /// Another input was the loudest of the last second.
    ActiveInput(InputId),
}

/// State of a mixer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MixerStats {
    /// Ticks that were mixed.
    pub ticks: u64,
    /// Ticks that were left out because nobody called in time.
    pub missed_ticks: u64,
    /// Frames that were encoded.
    pub encoded: u64,
    /// Encoders that could not be had when an output needed its own; it went on sharing one meanwhile.
    pub encoders_missing: u64,
    /// Inputs.
    pub inputs: usize,
    /// Inputs that the last tick's mix was made of.
    pub heard: usize,
    /// Outputs.
    pub outputs: usize,
    /// Encoders in use.
    pub groups: usize,
}

/// A mixer of sound. See the [module](self).
pub struct AudioMixer {
    codecs: Box<dyn AudioCodecs>,
    options: MixerOptions,
    start: Instant,
    /// When the next tick is due, in samples since the start.
    next: i64,
    /// Samples that were mixed.
    media: i64,
    /// Ticks hang on the phase of inputs.
    settled: bool,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    groups: Vec<Group>,
    /// Groups without outputs, to be used again.
    spare: Vec<Group>,
    bus: usize,
    talkers: Talkers,
    active: Option<InputId>,
    events: VecDeque<MixerEvent>,
    ids: u32,
    total: Vec<f32>,
    mix: Vec<f32>,
    ready: Vec<i64>,
    stats: MixerStats,
}

impl AudioMixer {
    /// A mixer without inputs and outputs, whose first tick is due a tick's length after `now`.
    ///
    /// # Errors
    /// When `top_k` is 0.
    pub fn new(codecs: Box<dyn AudioCodecs>, options: MixerOptions, now: Instant) -> Result<Self, MixerError> {
        if options.top_k == Some(0) {
            return Err(MixerError::BadValue("top_k"));
        }
        Ok(Self {
            codecs,
            options,
            start: now,
            next: i64::from(options.tick.ms() * SAMPLES_PER_MS),
            media: 0,
            settled: false,
            inputs: Vec::new(),
            outputs: Vec::new(),
            groups: Vec::new(),
            spare: Vec::new(),
            bus: 1,
            talkers: Talkers::new(options.top_k),
            active: None,
            events: VecDeque::new(),
            ids: 0,
            total: Vec::new(),
            mix: Vec::new(),
            ready: Vec::new(),
            stats: MixerStats::default(),
        })
    }

    /// Adds an input.
    ///
    /// # Errors
    /// When there are too many, a value is out of range, or the codec is not built in.
    pub fn add_input(&mut self, options: &InputOptions) -> Result<InputId, MixerError> {
        if self.inputs.len() >= INPUTS_MAX {
            return Err(MixerError::TooManyInputs);
        }
        check_gain(options.gain)?;
        let source = match options.format {
            InputFormat::Rtp(format) => {
                check_channels(format)?;
                Source::Packets(Box::new(Playout::new(format, self.codecs.decoder(format)?, self.start)))
            }
            InputFormat::Pcm { sample_rate, channels } => {
                check_pcm(sample_rate, channels)?;
                Source::Written(Written::new(sample_rate, channels))
            }
        };
        let id = InputId(self.new_id());
        self.inputs.push(Input::new(id, source, options));
        self.choose_bus();
        Ok(id)
    }

    /// Removes an input. Outputs may go on naming it among those that they leave out.
    ///
    /// # Errors
    /// When it is not there.
    pub fn remove_input(&mut self, id: InputId) -> Result<(), MixerError> {
        let index = self.input_index(id)?;
        self.inputs.remove(index);
        self.active = self.active.filter(|active| *active != id);
        self.choose_bus();
        self.regroup();
        Ok(())
    }

    /// Changes an input's gain, a factor from 0 to [`GAIN_MAX`], within the next tick.
    ///
    /// # Errors
    /// When the input is not there or the gain out of range.
    pub fn set_gain(&mut self, id: InputId, gain: f32) -> Result<(), MixerError> {
        check_gain(gain)?;
        self.input_mut(id)?.gain = gain;
        Ok(())
    }

    /// Lets an input not be heard, or be heard again, within the next tick. A muted one is not decoded.
    ///
    /// # Errors
    /// When the input is not there.
    pub fn set_muted(&mut self, id: InputId, muted: bool) -> Result<(), MixerError> {
        self.input_mut(id)?.muted = muted;
        Ok(())
    }

    /// The RTP timestamp of what of an input the next tick begins with; `None` before its first packet and for written sound.
    ///
    /// # Errors
    /// When the input is not there.
    pub fn timestamp_at_next_tick(&self, id: InputId) -> Result<Option<u32>, MixerError> {
        Ok(match &self.inputs[self.input_index(id)?].source {
            Source::Packets(playout) => playout.timestamp_at(self.next_tick()),
            Source::Written(_) => None,
        })
    }

    /// Takes a packet of an input that arrived at `now`, with the level that its header extension tells.
    ///
    /// # Errors
    /// When the input is not there or takes no packets. Packets that make no sense are counted instead.
    pub fn receive(
        &mut self,
        id: InputId,
        packet: AudioPacket<'_>,
        level: Option<AudioLevel>,
        now: Instant,
    ) -> Result<Inserted, MixerError> {
        let time = samples_since(self.start, now);
        let input = self.input_mut(id)?;
        let Source::Packets(playout) = &mut input.source else { return Err(MixerError::WrongKind(id)) };
        let inserted = playout.insert(packet, now);
        input.received_at = Some(now);
        if let (Some(level), Inserted::Waits) = (level, inserted) {
            input.loudness.tell(level, time);
        }
        Ok(inserted)
    }

    /// Takes interleaved samples of an input. Returns how many a channel were dropped because too many wait.
    ///
    /// # Errors
    /// When the input is not there or takes packets.
    pub fn write(&mut self, id: InputId, pcm: &[f32]) -> Result<usize, MixerError> {
        let input = self.input_mut(id)?;
        let Source::Written(written) = &mut input.source else { return Err(MixerError::WrongKind(id)) };
        Ok(written.write(pcm))
    }

    /// When the next tick is due.
    pub fn next_tick(&self) -> Instant {
        self.instant(self.next)
    }

    /// How long a tick lasts.
    pub fn tick_length(&self) -> Duration {
        Duration::from_millis(self.options.tick.ms().into())
    }

    /// Mixes every tick that is due at `now`, and gives each group of outputs its frame.
    ///
    /// Called late by up to [`LATE_TICKS_MAX`] ticks it makes up for them; what was due before is left out and counted.
    /// Allocates nothing while the same inputs are heard.
    pub fn tick(&mut self, now: Instant, sink: &mut dyn FnMut(OutputFrame<'_>)) {
        let (time, length) = (samples_since(self.start, now), self.length());
        let missed = ((time - self.next) / length - LATE_TICKS_MAX + 1).max(0);
        self.next += missed * length;
        self.media += missed * length;
        self.stats.missed_ticks += missed.unsigned_abs();
        // At most `LATE_TICKS_MAX` times, and once more while the phase moves.
        while self.next <= time {
            self.mix_tick(sink);
            self.media += length;
            self.next += length + self.shift();
        }
    }

    /// The oldest event that was not polled yet.
    pub fn poll_event(&mut self) -> Option<MixerEvent> {
        self.events.pop_front()
    }

    /// State of the mixer.
    pub fn stats(&self) -> MixerStats {
        MixerStats {
            inputs: self.inputs.len(),
            heard: self.inputs.iter().filter(|input| input.heard).count(),
            outputs: self.outputs.len(),
            groups: self.groups.iter().filter(|group| !group.members.is_empty()).count(),
            ..self.stats
        }
    }

    /// State of an input.
    ///
    /// # Errors
    /// When it is not there.
    pub fn input_stats(&self, id: InputId) -> Result<InputStats, MixerError> {
        Ok(self.inputs[self.input_index(id)?].stats())
    }

    fn mix_tick(&mut self, sink: &mut dyn FnMut(OutputFrame<'_>)) {
        let (at, time, frames) = (self.instant(self.next), self.next, self.length() as usize);
        self.talkers.choose(self.inputs.iter_mut().filter(|input| !input.muted).map(|input| &mut input.loudness), time);
        let mut sources_changed = false;
        for input in &mut self.inputs {
            input.pull(at, time, frames, self.bus);
            sources_changed |= input.note_quiet();
        }
        self.judge(time);
        if sources_changed {
            self.regroup();
        }
        self.sum(frames);
        let tick = Tick { ms: self.options.tick.ms(), media: self.media };
        for group in self.groups.iter_mut().filter(|group| !group.members.is_empty()) {
            let silent = subtract(&self.total, &self.inputs, group, &mut self.mix);
            self.stats.encoded += u64::from(group.finish(&mut self.mix, silent, tick, sink));
        }
        self.stats.ticks += 1;
    }

    fn sum(&mut self, frames: usize) {
        self.total.clear();
        self.total.resize(frames * self.bus, 0.0);
        for input in self.inputs.iter().filter(|input| input.heard) {
            self.total.iter_mut().zip(&input.sound).for_each(|(sum, sample)| *sum += sample);
        }
    }

    fn judge(&mut self, time: i64) {
        let inputs = self.inputs.iter_mut().enumerate().map(|(index, input)| (index, &mut input.loudness));
        let Some(loudest) = self.talkers.judge(inputs, time) else { return };
        let loudest = self.inputs[loudest].id;
        if self.active != Some(loudest) {
            self.active = Some(loudest);
            if self.events.len() >= EVENTS_MAX {
                self.events.pop_front();
            }
            self.events.push_back(MixerEvent::ActiveInput(loudest));
        }
    }

    /// How much later than its length the next tick is due.
    fn shift(&mut self) -> i64 {
        let (now, length) = (self.instant(self.next), self.length());
        self.ready.clear();
        // Those who speak, or all while nobody does.
        let anybody = self.inputs.iter().any(|input| input.counts);
        for input in self.inputs.iter().filter(|input| input.counts || !anybody) {
            let Source::Packets(playout) = &input.source else { continue };
            let flows = input.received_at.is_some_and(|at| now.saturating_duration_since(at) < FLOWING);
            self.ready.extend(playout.ready().filter(|_| flows).map(|(time, _)| time));
        }
        let shift = phase::shift(self.next, length, &mut self.ready, self.settled);
        if shift > 0 && !self.settled {
            // What began to be played has its place by the tick that was left.
            self.inputs.iter_mut().for_each(Input::restart);
        }
        self.settled = !self.ready.is_empty();
        shift
    }

    /// Two channels if any input has two and any output wants them.
    fn choose_bus(&mut self) {
        let stereo = self.inputs.iter().any(|input| input.channels() == 2)
            && self.outputs.iter().any(|output| output.format.channels() == 2);
        self.bus = if stereo { 2 } else { 1 };
        let bus = self.bus;
        self.groups.iter_mut().for_each(|group| group.set_bus(bus));
    }

    fn length(&self) -> i64 {
        i64::from(self.options.tick.ms() * SAMPLES_PER_MS)
    }

    fn instant(&self, samples: i64) -> Instant {
        let nanos = samples.unsigned_abs() as u128 * 1_000_000_000 / u128::from(RATE);
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn new_id(&mut self) -> u32 {
        self.ids += 1;
        self.ids
    }

    /// Inputs lie in order of their ids.
    fn input_index(&self, id: InputId) -> Result<usize, MixerError> {
        self.inputs.binary_search_by_key(&id, |input| input.id).map_err(|_| MixerError::UnknownInput(id))
    }

    fn input_mut(&mut self, id: InputId) -> Result<&mut Input, MixerError> {
        let index = self.input_index(id)?;
        Ok(&mut self.inputs[index])
    }
}

const SAMPLES_PER_MS: u32 = RATE / 1_000;

/// Writes `total` less what `group` leaves out into `mix`. Returns whether nothing is left.
fn subtract(total: &[f32], inputs: &[Input], group: &Group, mix: &mut Vec<f32>) -> bool {
    mix.clear();
    let leaves_out = |input: &&Input| group.excluded.contains(&input.id);
    if inputs.iter().filter(|input| input.heard).all(|input| leaves_out(&input)) {
        mix.resize(total.len(), 0.0);
        return true;
    }
    mix.extend_from_slice(total);
    for input in inputs.iter().filter(|input| input.heard).filter(leaves_out) {
        mix.iter_mut().zip(&input.sound).for_each(|(sum, sample)| *sum -= sample);
    }
    false
}

fn check_gain(gain: f32) -> Result<(), MixerError> {
    if (0.0..=GAIN_MAX).contains(&gain) { Ok(()) } else { Err(MixerError::BadValue("gain")) }
}

fn check_channels(format: AudioFormat) -> Result<(), MixerError> {
    let most = if format.codec == millrace_frames::AudioCodec::Opus { 2 } else { 1 };
    if (1..=most).contains(&format.channels) { Ok(()) } else { Err(MixerError::BadValue("channels")) }
}

fn check_pcm(sample_rate: u32, channels: u8) -> Result<(), MixerError> {
    if !(8_000..=192_000).contains(&sample_rate) {
        return Err(MixerError::BadValue("sample_rate"));
    }
    if (1..=2).contains(&channels) { Ok(()) } else { Err(MixerError::BadValue("channels")) }
}
