//! What a mixer should do: its inputs and outputs as requests made them, and how far its core agrees with them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_frames::{AudioCodec, AudioFormat, AudioPacket};
use millrace_mixer::{
    EXCLUDED_MAX, INPUTS_MAX, InputFormat, InputId, InputOptions, InputStats, MixerOptions, MixerStats, OUTPUTS_MAX,
    OutputFormat, OutputId, OutputOptions, OutputStats,
};
use millrace_model::{AudioMixerInputStats, AudioMixerOutputStats, AudioMixerStats, NtpTime, RtpParameters};
use serde_json::{Value, json};
use uuid::Uuid;

use super::core::Core;
use super::desk::{Collected, Here, Sound};
use super::pcm::PcmQueue;
use super::there::AudioRemote;
use super::wire::write_floats;
use crate::error::RequestError;
use crate::message::Message;
#[cfg(debug_assertions)]
use crate::mixer::Fault;
use crate::mixer::rtp::{RtpEntrance, RtpExit, RtpFrame};
use crate::mixer::there::Either;
use crate::mixer::{Ends, Lane};
use crate::outbox::Outbox;
use crate::packets::PacketBatch;

/// How often levels are told while somebody is heard.
const VOLUMES_INTERVAL: Duration = Duration::from_secs(1);

/// What a mixer of sound is made with.
pub(crate) struct AudioOptions {
    pub(crate) core: MixerOptions,
    /// The program (path and arguments) whose process does the work; `None`: this process does.
    pub(crate) program: Option<Vec<String>>,
}

/// Inputs and outputs of one mixer.
#[derive(Default)]
pub(crate) struct AudioEnds {
    inputs: Vec<InputEnd>,
    outputs: Vec<OutputEnd>,
    /// What the core has and should not have.
    removed_inputs: Vec<InputId>,
    removed_outputs: Vec<OutputId>,
    /// The core does not agree with `inputs` and `outputs`.
    changed: bool,
    closed: bool,
    /// Packets of the one input leave by the one output as they are.
    passes: bool,
    restarts: u32,
    pub(super) load: f32,
    /// The process that does the work; 0: this one.
    pid: u32,
    stats: MixerStats,
    volumes_at: Option<Instant>,
    volumes_told: bool,
    /// What a test wants the next tick to do.
    #[cfg(debug_assertions)]
    pub(crate) fault: Option<Fault>,
}

/// Where an input's sound comes from.
pub(crate) enum Entrance {
    Rtp(Box<RtpEntrance>, AudioFormat),
    Pcm(Arc<PcmQueue>),
}

/// Where an output's sound goes.
pub(crate) enum Exit {
    Rtp(Box<RtpExit>),
    /// To the application, under this number.
    Pcm(u32),
}

/// One input.
pub(crate) struct InputEnd {
    pub(crate) id: Uuid,
    pub(crate) entrance: Entrance,
    pub(crate) gain: f32,
    pub(crate) muted: bool,
    core: Option<InputId>,
    stats: Option<InputStats>,
    /// A moment of the publisher's clock, and when it is heard in the mix.
    heard_at: Option<(NtpTime, Instant)>,
}

/// One output.
pub(crate) struct OutputEnd {
    pub(crate) id: Uuid,
    pub(crate) format: OutputFormat,
    pub(crate) exclude: Vec<Uuid>,
    pub(crate) exit: Exit,
    core: Option<OutputId>,
    stats: OutputStats,
    encode_time: Duration,
}

impl InputEnd {
    pub(crate) fn new(id: Uuid, entrance: Entrance, gain: f32, muted: bool) -> Self {
        Self { id, entrance, gain, muted, core: None, stats: None, heard_at: None }
    }

    /// A moment of the publisher's clock, and when it is heard in the mix.
    fn heard_at(&self, core: &impl Core) -> Option<(NtpTime, Instant)> {
        let Entrance::Rtp(entrance, _) = &self.entrance else { return None };
        let (timestamp, at) = core.next_heard(self.core?)?;
        Some((entrance.tap.captured_at(timestamp)?, at))
    }

    fn options(&self) -> InputOptions {
        let format = match &self.entrance {
            Entrance::Rtp(_, format) => InputFormat::Rtp(*format),
            Entrance::Pcm(queue) => InputFormat::Pcm { sample_rate: queue.sample_rate, channels: queue.channels },
        };
        InputOptions { format, gain: self.gain, muted: self.muted }
    }

    fn stats(&self) -> AudioMixerInputStats {
        let dropped = match &self.entrance {
            Entrance::Rtp(entrance, _) => entrance.dropped(),
            Entrance::Pcm(queue) => queue.dropped(),
        };
        let ms = |duration: Duration| duration.as_secs_f32() * 1e3;
        let stats = self.stats.as_ref();
        let playout = stats.map(|stats| stats.playout).unwrap_or_default();
        AudioMixerInputStats {
            input_id: millrace_model::AudioMixerInputId::new(self.id),
            packets: playout.packets,
            late: playout.late,
            discarded: playout.malformed + playout.duplicates,
            jitter: stats.map_or(0.0, |stats| ms(stats.jitter)),
            delay: stats.map_or(0.0, |stats| ms(stats.wait)),
            concealed: playout.concealed / SAMPLES_PER_MS,
            level: stats.map_or(millrace_mixer::SILENCE_DB, |stats| stats.level_db),
            chosen: stats.is_some_and(|stats| stats.chosen),
            dropped: dropped + playout.overflowed + stats.map_or(0, |stats| stats.dropped_samples),
        }
    }
}

/// Samples of a channel in a millisecond of a mix.
const SAMPLES_PER_MS: u64 = 48;

impl OutputEnd {
    pub(crate) fn new(id: Uuid, format: OutputFormat, exclude: Vec<Uuid>, exit: Exit) -> Self {
        Self { id, format, exclude, exit, core: None, stats: OutputStats::default(), encode_time: Duration::ZERO }
    }
}

/// What requests do.
impl AudioEnds {
    /// Tells whether one more input has room.
    ///
    /// # Errors
    /// [`RequestError::Limit`] when it has none; [`RequestError::Duplicate`].
    pub(crate) fn vacant_input(&self, id: Uuid) -> Result<(), RequestError> {
        self.open()?;
        if self.inputs.len() >= INPUTS_MAX {
            return Err(RequestError::Limit(format!("an AudioMixer has at most {INPUTS_MAX} inputs")));
        }
        match self.inputs.iter().any(|input| input.id == id) {
            true => Err(RequestError::duplicate("AudioMixerInput", id)),
            false => Ok(()),
        }
    }

    /// Tells whether one more output that leaves `exclude` out has room.
    ///
    /// # Errors
    /// [`RequestError::Limit`], [`RequestError::Duplicate`], and [`RequestError::NotFound`] for what it leaves out.
    pub(crate) fn vacant_output(&self, id: Uuid, exclude: &[Uuid]) -> Result<(), RequestError> {
        self.open()?;
        if self.outputs.len() >= OUTPUTS_MAX {
            return Err(RequestError::Limit(format!("an AudioMixer has at most {OUTPUTS_MAX} outputs")));
        }
        if self.outputs.iter().any(|output| output.id == id) {
            return Err(RequestError::duplicate("AudioMixerOutput", id));
        }
        self.check_excluded(exclude)
    }

    pub(crate) fn add_input(&mut self, input: InputEnd) {
        self.inputs.push(input);
        self.changed = true;
    }

    pub(crate) fn add_output(&mut self, output: OutputEnd) {
        self.outputs.push(output);
        self.changed = true;
    }

    /// Lets packets of the only input leave by the only output as they are, if that is what the output is. Tells whether
    /// it is.
    pub(crate) fn pass(&mut self) -> bool {
        let formats = match (self.inputs.as_slice(), self.outputs.as_slice()) {
            ([input], [output]) => match (&input.entrance, output.format) {
                (Entrance::Rtp(_, input), OutputFormat::Encoded { format, .. }) => Some((*input, format)),
                _ => None,
            },
            _ => None,
        };
        self.passes = formats.is_some_and(|(input, output)| input == output);
        self.passes
    }

    /// Changes an input's gain, or whether it is heard.
    ///
    /// # Errors
    /// [`RequestError::NotFound`].
    pub(crate) fn update_input(
        &mut self,
        id: Uuid,
        gain: Option<f32>,
        muted: Option<bool>,
    ) -> Result<(), RequestError> {
        let input = self.inputs.iter_mut().find(|input| input.id == id);
        let input = input.ok_or_else(|| RequestError::not_found("AudioMixerInput", id))?;
        input.gain = gain.unwrap_or(input.gain);
        input.muted = muted.unwrap_or(input.muted);
        self.changed = true;
        Ok(())
    }

    pub(crate) fn has_input(&self, id: Uuid) -> bool {
        self.inputs.iter().any(|input| input.id == id)
    }

    /// A moment of the clock of an input's publisher, and when it is heard in the mix; `None` before its first sender report.
    pub(crate) fn heard_at(&self, id: Uuid) -> Option<(NtpTime, Instant)> {
        self.inputs.iter().find(|input| input.id == id)?.heard_at
    }

    /// Changes what an output leaves out.
    ///
    /// # Errors
    /// [`RequestError::NotFound`] for the output and for each input, [`RequestError::Limit`].
    pub(crate) fn set_exclude(&mut self, id: Uuid, exclude: Vec<Uuid>) -> Result<(), RequestError> {
        self.check_excluded(&exclude)?;
        let output = self.outputs.iter_mut().find(|output| output.id == id);
        output.ok_or_else(|| RequestError::not_found("AudioMixerOutput", id))?.exclude = exclude;
        self.changed = true;
        Ok(())
    }

    /// Removes an input; nothing where there is none.
    pub(crate) fn remove_input(&mut self, id: Uuid) {
        if let Some(index) = self.inputs.iter().position(|input| input.id == id) {
            self.remove_input_at(index);
        }
    }

    /// Removes an output; nothing where there is none.
    pub(crate) fn remove_output(&mut self, id: Uuid) {
        if let Some(index) = self.outputs.iter().position(|output| output.id == id) {
            self.remove_output_at(index);
        }
    }

    pub(crate) fn stats(&self) -> AudioMixerStats {
        let outputs = self.outputs.iter().map(|output| AudioMixerOutputStats {
            output_id: millrace_model::AudioMixerOutputId::new(output.id),
            frames: output.stats.frames,
            failed: output.stats.failed,
            encode_time: output.encode_time.as_micros() as u32,
            shared_by: output.stats.shared_by as u32,
        });
        AudioMixerStats {
            pid: if self.pid == 0 { std::process::id() } else { self.pid },
            load: self.load,
            ticks: self.stats.ticks,
            missed_ticks: self.stats.missed_ticks,
            restarts: self.restarts,
            heard: self.stats.heard as u32,
            encoders: self.stats.groups as u32,
            inputs: self.inputs.iter().map(InputEnd::stats).collect(),
            outputs: outputs.collect(),
        }
    }

    fn open(&self) -> Result<(), RequestError> {
        match self.closed {
            true => Err(RequestError::InvalidState("the AudioMixer died".to_owned())),
            false => Ok(()),
        }
    }

    fn check_excluded(&self, exclude: &[Uuid]) -> Result<(), RequestError> {
        if exclude.len() > EXCLUDED_MAX {
            return Err(RequestError::Limit(format!("an output leaves out at most {EXCLUDED_MAX} inputs")));
        }
        match exclude.iter().find(|id| !self.inputs.iter().any(|input| input.id == **id)) {
            Some(unknown) => Err(RequestError::not_found("AudioMixerInput", unknown)),
            None => Ok(()),
        }
    }

    fn remove_input_at(&mut self, index: usize) {
        self.removed_inputs.extend(self.inputs.remove(index).core);
        self.changed = true;
    }

    fn remove_output_at(&mut self, index: usize) {
        self.removed_outputs.extend(self.outputs.remove(index).core);
        self.changed = true;
    }
}

impl Ends for AudioEnds {
    type Options = AudioOptions;
    type Desk = Either<Here, AudioRemote>;
    const LANE: Lane = Lane::Sound;

    fn program(options: &AudioOptions) -> Option<&[String]> {
        options.program.as_deref()
    }

    fn new(_: &AudioOptions) -> Self {
        Self::default()
    }

    fn restart(&mut self) {
        self.inputs.iter_mut().for_each(|input| input.core = None);
        for output in &mut self.outputs {
            output.core = None;
            if let Exit::Rtp(exit) = &mut output.exit {
                exit.restart();
            }
        }
        self.removed_inputs.clear();
        self.removed_outputs.clear();
        self.changed = true;
    }

    fn count_restart(&mut self) {
        self.restarts += 1;
    }

    fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }

    fn pass_on(&mut self, outbox: &Outbox, batch: &mut PacketBatch) -> bool {
        if !self.passes {
            return false;
        }
        if let (Some(input), Some(output)) = (self.inputs.first_mut(), self.outputs.first_mut())
            && let (Entrance::Rtp(entrance, _), Exit::Rtp(exit)) = (&mut input.entrance, &mut output.exit)
            && entrance.pass(exit, batch).ended
        {
            self.end_input(0, outbox);
        }
        self.end_outputs(outbox);
        true
    }

    fn set_pid(&mut self, pid: u32) {
        self.pid = pid;
    }

    #[cfg(debug_assertions)]
    fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }
}

/// What the mixer's thread does.
impl AudioEnds {
    /// Makes `core` agree with what requests asked for.
    pub(super) fn apply(&mut self, core: &mut impl Core) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        self.removed_outputs.drain(..).for_each(|id| core.remove_output(id));
        self.removed_inputs.drain(..).for_each(|id| core.remove_input(id));
        for input in &mut self.inputs {
            match input.core {
                None => input.core = core.add_input(&input.options()),
                Some(id) => core.set_input(id, input.gain, input.muted),
            }
        }
        let inputs = &self.inputs;
        for output in &mut self.outputs {
            let known = |id: &Uuid| inputs.iter().find(|input| input.id == *id).and_then(|input| input.core);
            let exclude: Vec<_> = output.exclude.iter().filter_map(known).collect();
            match output.core {
                None => {
                    let options = OutputOptions { format: output.format, exclude: &exclude };
                    output.core = core.add_output(&options);
                }
                Some(id) => core.set_exclude(id, &exclude),
            }
        }
    }

    /// Gives the core what came, and lets go of what ended.
    pub(super) fn receive(&mut self, core: &mut impl Core, scratch: &mut Vec<f32>, outbox: &Outbox, now: Instant) {
        let mut index = 0;
        while let Some(input) = self.inputs.get_mut(index) {
            let Some(id) = input.core else {
                index += 1;
                continue;
            };
            let is_ended = match &mut input.entrance {
                Entrance::Rtp(entrance, _) => receive(entrance, core, id, now),
                Entrance::Pcm(queue) => {
                    if core.is_ready() {
                        queue.take(scratch);
                        core.write(id, scratch);
                    }
                    false
                }
            };
            if is_ended {
                self.end_input(index, outbox);
            } else {
                index += 1;
            }
        }
        self.end_outputs(outbox);
    }

    fn end_input(&mut self, index: usize, outbox: &Outbox) {
        outbox.push(event(self.inputs[index].id, "producerclose", Value::Null));
        self.remove_input_at(index);
    }

    fn end_outputs(&mut self, outbox: &Outbox) {
        let ended = |output: &OutputEnd| matches!(&output.exit, Exit::Rtp(exit) if exit.is_ended());
        while let Some(index) = self.outputs.iter().position(ended) {
            outbox.push(event(self.outputs[index].id, "routerclose", Value::Null));
            self.remove_output_at(index);
        }
    }

    /// Sends the frames of a tick: those of producers into `to_worker`, those of the application into `to_application`.
    pub(super) fn send(
        &mut self,
        frames: &Collected,
        now: Instant,
        to_worker: &mut PacketBatch,
        to_application: &mut PacketBatch,
    ) {
        for frame in frames.frames() {
            for id in frame.outputs {
                // Outputs lie in the order of their ids, but for those that the core has not got yet, which are last.
                let found = self.outputs.binary_search_by_key(&Some(*id), |output| output.core.or(Some(LAST)));
                let Some(output) = found.ok().and_then(|index| self.outputs.get_mut(index)) else { continue };
                output.encode_time = frame.encode_time;
                match (&mut output.exit, frame.sound) {
                    (Exit::Rtp(exit), Sound::Encoded(payload)) => {
                        let packet = RtpFrame { timestamp: frame.timestamp, marker: frame.marker, payload };
                        exit.write(0, &packet, now, to_worker);
                    }
                    (Exit::Pcm(number), Sound::Pcm(samples)) => {
                        write_samples(to_application, *number, frame.timestamp, samples);
                    }
                    _ => {}
                }
            }
        }
        for output in &mut self.outputs {
            if let Exit::Rtp(exit) = &mut output.exit {
                exit.report(now, to_worker);
            }
        }
    }

    /// Notes how the core is, and tells what happened in it.
    pub(super) fn note(&mut self, core: &mut impl Core, mixer: Uuid, outbox: &Outbox, now: Instant) {
        self.stats = core.stats();
        for input in &mut self.inputs {
            input.stats = input.core.and_then(|id| core.input_stats(id));
        }
        self.inputs.iter_mut().for_each(|input| input.heard_at = input.heard_at(core));
        for output in &mut self.outputs {
            output.stats = output.core.and_then(|id| core.output_stats(id)).unwrap_or_default();
        }
        while let Some(id) = core.active_input() {
            let input = self.inputs.iter().find(|input| input.core == Some(id));
            let Some(input) = input else { continue };
            outbox.push(event(mixer, "activeinput", json!({ "inputId": input.id })));
        }
        if self.volumes_at.is_none_or(|at| now.saturating_duration_since(at) >= VOLUMES_INTERVAL) {
            self.volumes_at = Some(now);
            self.tell_volumes(mixer, outbox);
        }
    }

    /// Tells how loud each input is, and once when there is only silence.
    fn tell_volumes(&mut self, mixer: Uuid, outbox: &Outbox) {
        let heard = self.inputs.iter().filter_map(|input| {
            let stats = input.stats.filter(|stats| stats.chosen && stats.level_db > millrace_mixer::SILENCE_DB)?;
            Some(json!({ "inputId": input.id, "volume": stats.level_db.round() }))
        });
        let heard: Vec<_> = heard.collect();
        if !heard.is_empty() || self.volumes_told {
            self.volumes_told = !heard.is_empty();
            outbox.push(event(mixer, "volumes", Value::Array(heard)));
        }
    }
}

/// Gives the core the packets that came. Tells whether nothing will come any more.
fn receive(entrance: &mut RtpEntrance, core: &mut impl Core, input: InputId, now: Instant) -> bool {
    let state = entrance.receive(|meta, packet, payload| {
        let (sequence, timestamp, level) = (meta.sequence, meta.timestamp, meta.audio_level(packet));
        core.receive(input, AudioPacket { sequence, timestamp, payload }, level, now);
    });
    state.ended
}

/// The codec, channels and payload type of a stream's sound, if this build has the codec.
pub(crate) fn format_of(parameters: &RtpParameters) -> Option<(AudioFormat, u8)> {
    let known = parameters.codecs.iter().filter_map(|parameters| {
        let codec = AudioCodec::from_mime_type(&parameters.mime_type)?;
        // What Opus decodes to is free; a sender says when two channels are worth it (RFC 7587 §6.1).
        let stereo = codec == AudioCodec::Opus
            && parameters.parameters.get("sprop-stereo").is_some_and(|value| value.as_u32() == Some(1));
        Some((AudioFormat { codec, channels: if stereo { 2 } else { 1 } }, parameters.payload_type))
    });
    known.into_iter().next()
}

/// Behind every output that the core has.
const LAST: OutputId = OutputId(u32::MAX);

fn event(target: Uuid, event: &'static str, data: Value) -> Message {
    Message::Event { target, event, data }
}

/// Adds a record of sound: its timestamp and its samples, 32 bits each, little endian.
fn write_samples(batch: &mut PacketBatch, number: u32, timestamp: u32, samples: &[f32]) {
    let len = 4 + 4 * samples.len();
    let slot = batch.slot(len);
    slot[..4].copy_from_slice(&timestamp.to_le_bytes());
    write_floats(&mut slot[4..len], samples);
    batch.commit(number, len);
}
