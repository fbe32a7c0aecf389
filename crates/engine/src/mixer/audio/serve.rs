//! A mixer of sound in a process of its own: what that process runs.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use millrace_mixer::{AudioMixer, InputId, InputOptions, OutputId, OutputOptions};

use super::core::Core;
use super::desk::{LOAD_TICKS, TimedCodecs};
use super::wire::{self, Incoming, InputReport, Order, OutputReport, Report, Setup, Told};
use crate::packets::PacketBatch;
use crate::process::{Frame, write_frame, write_packets};

/// How often the owner hears how the mixer is; it takes one that says nothing for a few seconds for one that hangs.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);

/// Mixes what comes through `inbox` until it is hung up.
pub(in crate::mixer) fn serve(setup: Setup, inbox: &Receiver<Frame>, output: impl Write) -> io::Result<()> {
    let mut mixing = Mixing::new(setup, output)?;
    match catch_unwind(AssertUnwindSafe(|| mixing.run(inbox))) {
        Ok(ended) => ended,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(|s| &**s));
            mixing.tell(&Told::Panicked(text.unwrap_or("no text").to_owned()))
        }
    }
}

struct Mixing<W> {
    core: AudioMixer,
    inputs: Vec<InputId>,
    outputs: Vec<OutputId>,
    spent: Arc<AtomicU64>,
    samples: Vec<f32>,
    load: f32,
    report_at: Instant,
    output: W,
    #[cfg(debug_assertions)]
    fault: Option<crate::mixer::Fault>,
}

impl<W: Write> Mixing<W> {
    fn new(setup: Setup, output: W) -> io::Result<Self> {
        let (spent, now) = (Arc::default(), Instant::now());
        let codecs = Box::new(TimedCodecs(Arc::clone(&spent)));
        let core = AudioMixer::new(codecs, setup.options(), now).map_err(io::Error::other)?;
        Ok(Self {
            core,
            inputs: Vec::new(),
            outputs: Vec::new(),
            spent,
            samples: Vec::new(),
            load: 0.0,
            report_at: now,
            output,
            #[cfg(debug_assertions)]
            fault: None,
        })
    }

    fn run(&mut self, inbox: &Receiver<Frame>) -> io::Result<()> {
        // Says that sound may come.
        self.report(Instant::now())?;
        loop {
            let wait = self.core.next_tick().saturating_duration_since(Instant::now());
            match inbox.recv_timeout(wait) {
                Ok(Frame::Text(text)) => self.obey(serde_json::from_str(&text)?)?,
                Ok(Frame::Packets(batch)) => self.hear(&batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            let now = Instant::now();
            if now >= self.core.next_tick() {
                self.tick(now)?;
            }
        }
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
            #[cfg(debug_assertions)]
            Order::Fail { hang_ms } => {
                let hang = hang_ms.map(|ms| crate::mixer::Fault::Hang(Duration::from_millis(ms)));
                self.fault = Some(hang.unwrap_or(crate::mixer::Fault::Panic));
            }
        }
        Ok(())
    }

    fn hear(&mut self, batch: &PacketBatch) {
        let (core, now): (&mut dyn Core, _) = (&mut self.core, Instant::now());
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

    fn tick(&mut self, now: Instant) -> io::Result<()> {
        #[cfg(debug_assertions)]
        if let Some(fault) = self.fault.take() {
            fault.befall();
        }
        let (mut made, spent) = (PacketBatch::default(), &self.spent);
        self.core.tick(now, &mut |frame| {
            wire::push_frame(&mut made, frame, Duration::from_nanos(spent.swap(0, Ordering::Relaxed)));
        });
        let busy = now.elapsed().as_secs_f32() / self.core.tick_length().as_secs_f32();
        self.load += (busy - self.load) / LOAD_TICKS;
        if !made.is_empty() {
            write_packets(&mut self.output, made)?;
        }
        while let Some(InputId(id)) = Core::active_input(&mut self.core) {
            self.tell(&Told::ActiveInput(id))?;
        }
        if now.saturating_duration_since(self.report_at) >= REPORT_INTERVAL {
            self.report(now)?;
        }
        Ok(())
    }

    fn report(&mut self, now: Instant) -> io::Result<()> {
        self.report_at = now;
        let core: &dyn Core = &self.core;
        let of_input = |id: &InputId| Some(InputReport { id: id.0, stats: core.input_stats(*id)? });
        let of_output = |id: &OutputId| Some(OutputReport { id: id.0, stats: core.output_stats(*id)? });
        let report = Report {
            load: self.load,
            mixer: core.stats(),
            inputs: self.inputs.iter().filter_map(of_input).collect(),
            outputs: self.outputs.iter().filter_map(of_output).collect(),
        };
        self.tell(&Told::Report(Box::new(report)))
    }

    fn tell(&mut self, told: &Told) -> io::Result<()> {
        write_frame(&mut self.output, &serde_json::to_string(told)?)
    }
}

fn inputs(ids: &[u32]) -> Vec<InputId> {
    ids.iter().map(|id| InputId(*id)).collect()
}
