//! A mixer of pictures in a process of its own: what that process does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use millrace_frames::PictureSize;
use millrace_mixer::video::layout::{Arrangement, Layout};
use millrace_mixer::video::{
    InputFormat, InputId, OutputFrame, OutputId, Payload, Picture, RawPicture, VideoMixer, VideoMixerEvent,
    VideoMixerOptions,
};
use millrace_model::{NtpTime, VideoLayout};

use super::core::Core;
use super::desk::make_core;
use super::options::{arrangement, core_codec, core_options};
use super::wire::{self, Incoming, InputReport, News, Order, OutputReport, PictureUse, Report, Setup};
use crate::mixer::serve::Work;
use crate::mixer::wire::Records;
use crate::packets::PacketBatch;

/// A core and its owner's inputs and outputs.
pub(in crate::mixer) struct Mixing {
    core: VideoMixer,
    options: VideoMixerOptions,
    arrangement: Arrangement,
    inputs: Vec<Input>,
    outputs: Vec<(u32, OutputId)>,
    spent: Arc<AtomicU64>,
    /// See [`Report`].
    layouts: u64,
    pictures: u64,
    /// The owner is to hear at once how it is.
    is_to_report: bool,
    /// How many pictures the owner knows to be taken.
    pictures_told: u64,
}

/// An input, and what of it the core wishes.
struct Input {
    /// Its name at the owner.
    id: u32,
    core: InputId,
    seen: Option<PictureSize>,
    key_frames_wanted: u32,
}

impl Mixing {
    pub(in crate::mixer) fn new(setup: Setup) -> io::Result<Self> {
        let (spent, options) = (Arc::default(), core_options(setup.options).map_err(refused)?);
        let core = make_core(options.clone(), &spent, Instant::now()).ok_or_else(no_core)?;
        Ok(Self {
            core,
            arrangement: options.arrangement.clone(),
            options,
            inputs: Vec::new(),
            outputs: Vec::new(),
            spent,
            layouts: 0,
            pictures: 0,
            is_to_report: false,
            pictures_told: 0,
        })
    }

    fn input(&self, id: u32) -> Option<InputId> {
        self.inputs.iter().find(|input| input.id == id).map(|input| input.core)
    }

    fn output(&self, id: u32) -> Option<OutputId> {
        self.outputs.iter().find(|output| output.0 == id).map(|output| output.1)
    }

    /// Does what of an input or output it is asked for, where the core has it.
    fn obey_of<I>(&mut self, id: Option<I>, act: impl FnOnce(&mut dyn Core, I)) {
        if let Some(id) = id {
            act(&mut self.core, id);
        }
    }

    fn set_layout(&mut self, wanted: Option<VideoLayout>, order: &[u32]) -> io::Result<()> {
        if let Some(wanted) = wanted {
            self.arrangement = arrangement(wanted).map_err(refused)?;
        }
        let VideoMixerOptions { size, shown_max, .. } = self.options;
        let mut layout = Layout::new(size, shown_max, self.arrangement.clone()).map_err(io::Error::other)?;
        order.iter().filter_map(|id| self.input(*id)).for_each(|id| layout.add(id));
        // An error says that it has other inputs than the core, which then shows them as before.
        let _ = self.core.set_layout(layout);
        Ok(())
    }

    /// Takes in what the core wishes.
    fn listen(&mut self) {
        while let Some(told) = self.core.poll_event() {
            self.is_to_report = true;
            let of = |id: InputId| move |input: &&mut Input| input.core == id;
            match told {
                VideoMixerEvent::Layout => self.layouts += 1,
                VideoMixerEvent::KeyFrameWanted(id) => {
                    self.inputs.iter_mut().find(of(id)).into_iter().for_each(|input| input.key_frames_wanted += 1);
                }
                VideoMixerEvent::SizeWanted(id, size) => {
                    self.inputs.iter_mut().find(of(id)).into_iter().for_each(|input| input.seen = size);
                }
                // The report has it.
                VideoMixerEvent::Pressure(_) => {}
            }
        }
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
        match order {
            Order::AddInput { id, codec, label, muted } => {
                let format = codec.map_or(InputFormat::Raw, |codec| InputFormat::Rtp(core_codec(codec)));
                if let Some(core) = core.add_input(format, &label, muted) {
                    self.inputs.push(Input { id, core, seen: None, key_frames_wanted: 0 });
                }
            }
            Order::SetLabel { id, label } => self.obey_of(self.input(id), |core, id| core.set_label(id, &label)),
            Order::SetMuted { id, muted } => self.obey_of(self.input(id), |core, id| core.set_muted(id, muted)),
            Order::RemoveInput(id) => {
                self.obey_of(self.input(id), |core, id| core.remove_input(id));
                self.inputs.retain(|input| input.id != id);
            }
            Order::AddOutput { id, options } => {
                self.outputs.extend(core.add_output(&options.options()).map(|core| (id, core)));
            }
            Order::RemoveOutput(id) => {
                self.obey_of(self.output(id), |core, id| core.remove_output(id));
                self.outputs.retain(|output| output.0 != id);
            }
            Order::SetTaken { id, taken } => {
                self.obey_of(self.output(id), |core, id| {
                    core.set_taken(id, taken);
                });
            }
            Order::KeyFrame(id) => self.obey_of(self.output(id), |core, id| core.request_key_frame(id)),
            Order::SetLayout { wanted, order } => self.set_layout(wanted, &order)?,
            Order::Resize { width, height } => {
                core.resize(PictureSize { width, height });
                self.options.size = self.core.size();
                self.is_to_report = true;
            }
            Order::SetCaptions(captions) => core.set_captions(&captions),
            Order::SenderReport { id, ntp, timestamp } => {
                let now = Instant::now();
                self.obey_of(self.input(id), |core, id| core.sender_report(id, NtpTime(ntp), timestamp, now));
            }
        }
        Ok(())
    }

    fn receive(&mut self, batch: &PacketBatch, now: Instant) {
        let mut has_pictures = false;
        for (number, record) in batch.packets() {
            let (input, core): (_, &mut dyn Core) = (self.input(number), &mut self.core);
            match (wire::incoming(record, now), input) {
                (Some(Incoming::Picture(of, view)), id) => {
                    has_pictures = true;
                    match (of, id) {
                        (PictureUse::Frame, Some(id)) => core.write(id, RawPicture::I420(view)),
                        (PictureUse::StandIn, Some(id)) => core.set_avatar(id, &Picture::of(&view)),
                        (PictureUse::StandIn, None) if number == wire::BACKGROUND => {
                            core.set_background(&Picture::of(&view));
                        }
                        // The input has left meanwhile.
                        (PictureUse::Frame | PictureUse::StandIn, None) => {}
                    }
                }
                (Some(Incoming::Packet(packet)), Some(id)) => core.receive(id, packet, now),
                (Some(Incoming::Sync(sync)), Some(id)) => core.set_sync(id, sync, now),
                (Some(Incoming::Packet(_) | Incoming::Sync(_)), None) | (None, _) => {}
            }
        }
        self.pictures += u64::from(has_pictures);
    }

    fn tick(&mut self, now: Instant, made: &mut Records) {
        let (spent, names) = (&self.spent, &self.outputs);
        let mut outputs = Vec::new();
        self.core.tick(now, &mut |frame| {
            let OutputFrame { payload, timestamp, .. } = frame;
            let name = |core: &OutputId| names.iter().find(|output| output.1 == *core).map(|output| output.0);
            outputs.clear();
            outputs.extend(frame.outputs.iter().filter_map(name));
            let encode_time = Duration::from_nanos(spent.swap(0, Ordering::Relaxed));
            match payload {
                Payload::Encoded { packets, .. } => wire::push_frame(made, &outputs, packets, timestamp, encode_time),
                Payload::Raw(view) => wire::push_raw(made, &outputs, &view, timestamp),
            }
        });
        self.core.worked(now.elapsed());
    }

    fn news(&mut self) -> Option<News> {
        self.listen();
        if std::mem::take(&mut self.is_to_report) {
            return Some(self.report());
        }
        let is_new = self.pictures_told != self.pictures;
        self.pictures_told = self.pictures;
        is_new.then_some(News::Took(self.pictures))
    }

    fn report(&mut self) -> News {
        self.listen();
        (self.is_to_report, self.pictures_told) = (false, self.pictures);
        let core: &dyn Core = &self.core;
        let of_input = |input: &Input| {
            let Input { id, seen, key_frames_wanted, .. } = *input;
            Some(InputReport { id, seen, key_frames_wanted, stats: core.input_stats(input.core)? })
        };
        let of_output =
            |output: &(u32, OutputId)| Some(OutputReport { id: output.0, stats: core.output_stats(output.1)? });
        News::Report(Box::new(Report {
            mixer: core.stats(),
            canvas: core.canvas(),
            layouts: self.layouts,
            pictures: self.pictures,
            inputs: self.inputs.iter().filter_map(of_input).collect(),
            outputs: self.outputs.iter().filter_map(of_output).collect(),
        }))
    }
}

fn refused(error: crate::error::RequestError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
}

fn no_core() -> io::Error {
    io::Error::other("the core refused its options")
}
