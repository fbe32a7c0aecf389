//! What the ends need of what mixes, in this process or in another.

use std::time::Instant;

use millrace_frames::AudioPacket;
use millrace_mixer::{
    AudioMixer, InputId, InputOptions, InputStats, MixerEvent, MixerStats, OutputId, OutputOptions, OutputStats,
};
use millrace_packet::meta::AudioLevel;
use rustc_hash::FxHashMap;

use super::wire::{self, InputReport, Order, Report};
use crate::mixer::there::Outgoing;
use crate::mixer::wire::moment_ahead;

/// See [`AudioMixer`], whose functions these are. Where they fail the core has not got what they name.
pub(super) trait Core {
    /// Whether sound that waits is of use to it already.
    fn is_ready(&self) -> bool;
    fn add_input(&mut self, options: &InputOptions) -> Option<InputId>;
    fn set_input(&mut self, id: InputId, gain: f32, muted: bool);
    fn remove_input(&mut self, id: InputId);
    fn add_output(&mut self, options: &OutputOptions<'_>) -> Option<OutputId>;
    fn set_exclude(&mut self, id: OutputId, exclude: &[InputId]);
    fn remove_output(&mut self, id: OutputId);
    fn receive(&mut self, id: InputId, packet: AudioPacket<'_>, level: Option<AudioLevel>, now: Instant);
    fn write(&mut self, id: InputId, samples: &[f32]);
    fn stats(&self) -> MixerStats;
    fn input_stats(&self, id: InputId) -> Option<InputStats>;
    fn output_stats(&self, id: OutputId) -> Option<OutputStats>;
    /// The RTP timestamp of what of an input a tick begins with, and when that is: the next one, or of another process one of late.
    fn next_heard(&self, id: InputId) -> Option<(u32, Instant)>;
    /// The input that became the loudest, once.
    fn active_input(&mut self) -> Option<InputId>;
}

impl Core for AudioMixer {
    fn is_ready(&self) -> bool {
        true
    }

    fn add_input(&mut self, options: &InputOptions) -> Option<InputId> {
        // No memory for one more: the next change tries again.
        Self::add_input(self, options).ok()
    }

    fn set_input(&mut self, id: InputId, gain: f32, muted: bool) {
        let _ = self.set_gain(id, gain);
        let _ = self.set_muted(id, muted);
    }

    fn remove_input(&mut self, id: InputId) {
        let _ = Self::remove_input(self, id);
    }

    fn add_output(&mut self, options: &OutputOptions<'_>) -> Option<OutputId> {
        Self::add_output(self, options).ok()
    }

    fn set_exclude(&mut self, id: OutputId, exclude: &[InputId]) {
        let _ = Self::set_exclude(self, id, exclude);
    }

    fn remove_output(&mut self, id: OutputId) {
        let _ = Self::remove_output(self, id);
    }

    fn receive(&mut self, id: InputId, packet: AudioPacket<'_>, level: Option<AudioLevel>, now: Instant) {
        // The core counts what makes no sense.
        let _ = Self::receive(self, id, packet, level, now);
    }

    fn write(&mut self, id: InputId, samples: &[f32]) {
        // The core drops and counts what is too much.
        let _ = Self::write(self, id, samples);
    }

    fn stats(&self) -> MixerStats {
        Self::stats(self)
    }

    fn input_stats(&self, id: InputId) -> Option<InputStats> {
        Self::input_stats(self, id).ok()
    }

    fn output_stats(&self, id: OutputId) -> Option<OutputStats> {
        Self::output_stats(self, id).ok()
    }

    fn next_heard(&self, id: InputId) -> Option<(u32, Instant)> {
        Some((self.timestamp_at_next_tick(id).ok()??, self.next_tick()))
    }

    fn active_input(&mut self) -> Option<InputId> {
        self.poll_event().map(|MixerEvent::ActiveInput(id)| id)
    }
}

/// A core in another process, as far as it is known here: orders and sound for it are collected, its reports kept.
#[derive(Default)]
pub(super) struct RemoteCore {
    /// The core there counts ids alike.
    pub(super) outgoing: Outgoing<Order>,
    /// How inputs are, and what outputs leave out: only changes are told.
    inputs: FxHashMap<InputId, (f32, bool)>,
    outputs: FxHashMap<OutputId, Vec<u32>>,
    report: Report,
    input_stats: FxHashMap<u32, InputStats>,
    heard: FxHashMap<u32, (u32, Instant)>,
    output_stats: FxHashMap<u32, OutputStats>,
    pub(super) active: Option<u32>,
}

impl RemoteCore {
    pub(super) fn note(&mut self, mut report: Report, now: Instant) {
        let heard = |input: &InputReport| {
            let (timestamp, us) = input.heard?;
            Some((input.id, (timestamp, moment_ahead(us, now)?)))
        };
        self.heard = report.inputs.iter().filter_map(heard).collect();
        self.input_stats = report.inputs.drain(..).map(|input| (input.id, input.stats)).collect();
        self.output_stats = report.outputs.drain(..).map(|output| (output.id, output.stats)).collect();
        self.report = report;
    }

    pub(super) fn load(&self) -> f32 {
        self.report.load
    }
}

impl Core for RemoteCore {
    fn is_ready(&self) -> bool {
        // Before it mixes, much at once would look like a network that delays.
        self.outgoing.is_ready
    }

    fn add_input(&mut self, options: &InputOptions) -> Option<InputId> {
        let InputOptions { format, gain, muted } = *options;
        let id = self.outgoing.new_id();
        self.outgoing.orders.push(Order::AddInput { id, format, gain, muted });
        self.inputs.insert(InputId(id), (gain, muted));
        Some(InputId(id))
    }

    fn set_input(&mut self, id: InputId, gain: f32, muted: bool) {
        if self.inputs.insert(id, (gain, muted)) != Some((gain, muted)) {
            self.outgoing.orders.push(Order::SetInput { id: id.0, gain, muted });
        }
    }

    fn remove_input(&mut self, id: InputId) {
        self.inputs.remove(&id);
        self.outgoing.orders.push(Order::RemoveInput(id.0));
    }

    fn add_output(&mut self, options: &OutputOptions<'_>) -> Option<OutputId> {
        let (id, format, exclude) = (self.outgoing.new_id(), options.format, numbers(options.exclude));
        self.outputs.insert(OutputId(id), exclude.clone());
        self.outgoing.orders.push(Order::AddOutput { id, format, exclude });
        Some(OutputId(id))
    }

    fn set_exclude(&mut self, id: OutputId, exclude: &[InputId]) {
        let exclude = numbers(exclude);
        if self.outputs.get(&id) != Some(&exclude) {
            self.outputs.insert(id, exclude.clone());
            self.outgoing.orders.push(Order::SetExclude { id: id.0, exclude });
        }
    }

    fn remove_output(&mut self, id: OutputId) {
        self.outputs.remove(&id);
        self.outgoing.orders.push(Order::RemoveOutput(id.0));
    }

    fn receive(&mut self, id: InputId, packet: AudioPacket<'_>, level: Option<AudioLevel>, _: Instant) {
        if self.is_ready() {
            wire::push_packet(self.outgoing.packets.batch(), id, packet, level);
        }
    }

    fn write(&mut self, id: InputId, samples: &[f32]) {
        if !samples.is_empty() {
            wire::push_samples(self.outgoing.packets.batch(), id, samples);
        }
    }

    fn stats(&self) -> MixerStats {
        self.report.mixer
    }

    fn input_stats(&self, id: InputId) -> Option<InputStats> {
        self.input_stats.get(&id.0).copied()
    }

    fn output_stats(&self, id: OutputId) -> Option<OutputStats> {
        self.output_stats.get(&id.0).copied()
    }

    fn next_heard(&self, id: InputId) -> Option<(u32, Instant)> {
        self.heard.get(&id.0).copied()
    }

    fn active_input(&mut self) -> Option<InputId> {
        self.active.take().map(InputId)
    }
}

fn numbers(inputs: &[InputId]) -> Vec<u32> {
    inputs.iter().map(|input| input.0).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millrace_frames::PlayoutStats;

    use super::*;

    #[test]
    fn a_core_in_another_process_says_when_an_input_is_heard() {
        let (mut core, now) = (RemoteCore::default(), Instant::now());
        let stats = InputStats {
            playout: PlayoutStats::default(),
            jitter: Duration::ZERO,
            wait: Duration::ZERO,
            waiting: 0,
            level_db: 0.0,
            chosen: true,
            dropped_samples: 0,
        };
        let input = |id, heard| InputReport { id, stats, heard };
        let inputs = vec![input(1, Some((4_800, 12_000))), input(2, None)];
        core.note(Report { inputs, ..Report::default() }, now);
        assert_eq!(core.next_heard(InputId(1)), Some((4_800, now + Duration::from_millis(12))));
        assert_eq!((core.next_heard(InputId(2)), core.next_heard(InputId(3))), (None, None));
    }
}
