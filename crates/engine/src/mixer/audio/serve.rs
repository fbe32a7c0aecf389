//! A mixer of sound in a process of its own: what that process does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use millrace_mixer::{AudioMixer, InputId, InputOptions, OutputId, OutputOptions};

use super::core::Core;
use super::desk::{LOAD_TICKS, TimedCodecs};
use super::wire::{self, Incoming, InputReport, News, Order, OutputReport, Report, Setup};
use crate::mixer::serve::Work;
use crate::mixer::wire::{Records, us_ahead};
use crate::packets::PacketBatch;

/// A core and its owner's inputs and outputs.
pub(in crate::mixer) struct Mixing {
    core: AudioMixer,
    inputs: Vec<InputId>,
    outputs: Vec<OutputId>,
    spent: Arc<AtomicU64>,
    samples: Vec<f32>,
    load: f32,
}

impl Mixing {
    pub(in crate::mixer) fn new(setup: Setup) -> io::Result<Self> {
        let spent = Arc::default();
        let codecs = Box::new(TimedCodecs(Arc::clone(&spent)));
        let core = AudioMixer::new(codecs, setup.options(), Instant::now()).map_err(io::Error::other)?;
        Ok(Self { core, inputs: Vec::new(), outputs: Vec::new(), spent, samples: Vec::new(), load: 0.0 })
    }
}

impl Work for Mixing {
    type Order = Order;
    type News = News;

    fn next_tick(&self) -> Instant {
        self.core.next_tick()
    }

    fn obey(&mut self, order: Order) -> io::Result<()> {
        let core: &mut dyn Core = &mut self.core;
        let counts = |given: Option<u32>, expected: u32| {
            (given == Some(expected)).then_some(()).ok_or_else(|| io::Error::other("the core did not take an end"))
        };
        match order {
            Order::AddInput { id, format, gain, muted } => {
                let given = core.add_input(&InputOptions { format, gain, muted });
                counts(given.map(|id| id.0), id)?;
                self.inputs.push(InputId(id));
            }
            Order::SetInput { id, gain, muted } => core.set_input(InputId(id), gain, muted),
            Order::RemoveInput(id) => {
                core.remove_input(InputId(id));
                self.inputs.retain(|input| input.0 != id);
            }
            Order::AddOutput { id, format, exclude } => {
                let given = core.add_output(&OutputOptions { format, exclude: &inputs(&exclude) });
                counts(given.map(|id| id.0), id)?;
                self.outputs.push(OutputId(id));
            }
            Order::SetExclude { id, exclude } => core.set_exclude(OutputId(id), &inputs(&exclude)),
            Order::RemoveOutput(id) => {
                core.remove_output(OutputId(id));
                self.outputs.retain(|output| output.0 != id);
            }
        }
        Ok(())
    }

    fn receive(&mut self, batch: &PacketBatch, now: Instant) {
        let core: &mut dyn Core = &mut self.core;
        for (input, record) in batch.packets() {
            match wire::incoming(record) {
                Some(Incoming::Packet(packet, level)) => core.receive(InputId(input), packet, level, now),
                Some(Incoming::Samples(bytes)) => {
                    wire::read_floats(bytes, &mut self.samples);
                    core.write(InputId(input), &self.samples);
                }
                None => {}
            }
        }
    }

    fn tick(&mut self, now: Instant, made: &mut Records) {
        let spent = &self.spent;
        self.core.tick(now, &mut |frame| {
            wire::push_frame(made.batch(), frame, Duration::from_nanos(spent.swap(0, Ordering::Relaxed)));
        });
        let busy = now.elapsed().as_secs_f32() / self.core.tick_length().as_secs_f32();
        self.load += (busy - self.load) / LOAD_TICKS;
    }

    fn news(&mut self) -> Option<News> {
        Core::active_input(&mut self.core).map(|InputId(id)| News::ActiveInput(id))
    }

    fn report(&mut self) -> News {
        let core: &dyn Core = &self.core;
        let now = Instant::now();
        let heard = |id| core.next_heard(id).map(|(timestamp, at)| (timestamp, us_ahead(at, now)));
        let of_input = |id: &InputId| Some(InputReport { id: id.0, stats: core.input_stats(*id)?, heard: heard(*id) });
        let of_output = |id: &OutputId| Some(OutputReport { id: id.0, stats: core.output_stats(*id)? });
        News::Report(Box::new(Report {
            load: self.load,
            mixer: core.stats(),
            inputs: self.inputs.iter().filter_map(of_input).collect(),
            outputs: self.outputs.iter().filter_map(of_output).collect(),
        }))
    }
}

fn inputs(ids: &[u32]) -> Vec<InputId> {
    ids.iter().map(|id| InputId(*id)).collect()
}
