//! The mixer: inputs, a canvas, outputs, and the ticks that lead from one to the other.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use millrace_frames::video::VideoPacket;
use millrace_frames::{Inserted, PictureSize, PictureView, VideoCodecUnavailable, VideoCodecs};
use millrace_model::NtpTime;

use super::InputId;
use super::budget;
use super::compose::{CAPTIONS_MAX, Compositor, Look, Place, whole};
use super::input::{Input, InputFormat, InputOptions, InputStats, RawPicture, Source, Stream, SyncPoint};
use super::layout::{Arrangement, Fit, Layout, LayoutError, Tile};
use super::output::{Group, Output, OutputFormat, OutputFrame, OutputId, OutputOptions, OutputStats, Tick, time_of};
use super::picture::{Colour, Picture};
use super::pressure::{Ladder, Pressure};
use super::rendition::{Rendition, rendition};

/// Inputs of one mixer, those that wait for a place included. One more is refused.
pub const INPUTS_MAX: usize = 256;

/// Outputs of one mixer. One more is refused.
pub const OUTPUTS_MAX: usize = 1_024;

/// Largest canvas, upright or turned by a quarter. A larger one is refused.
pub const CANVAS_MAX: PictureSize = PictureSize { width: 1920, height: 1080 };

/// Smallest side of a canvas, of an output and of what is encoded.
pub const SIDE_MIN: u32 = 16;

/// Fastest mix, in pictures a second; the slowest has [`FRAME_RATE_MIN`]. Others are refused.
pub const FRAME_RATE_MAX: u32 = 60;

/// Slowest mix, in pictures a second.
pub const FRAME_RATE_MIN: u32 = 6;

/// A publisher is asked for a key frame to pass its stream through no more often than this.
const PASS_ASK_INTERVAL: Duration = Duration::from_secs(2);

/// How a mixer mixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoMixerOptions {
    /// Size of the canvas, from 16 x 16 to [`CANVAS_MAX`].
    pub size: PictureSize,
    /// Pictures a second, 6 to 60.
    pub frame_rate: u32,
    /// How inputs are arranged.
    pub arrangement: Arrangement,
    /// How many inputs a template shows, 1 or more; the others wait.
    pub shown_max: usize,
    /// What is seen where no input is.
    pub background: Colour,
    /// How pictures fill regions that do not say it.
    pub fit: Fit,
    /// Hands on a publisher's own stream to outputs that want just that.
    pub pass_through: bool,
}

impl Default for VideoMixerOptions {
    /// 640 x 480 at 30, as OWT has it: fluid, 16 inputs, black, letterbox.
    fn default() -> Self {
        Self {
            size: PictureSize { width: 640, height: 480 },
            frame_rate: 30,
            arrangement: Arrangement::default(),
            shown_max: 16,
            background: Colour::BLACK,
            fit: Fit::Letterbox,
            pass_through: true,
        }
    }
}

impl VideoMixerOptions {
    /// The empty layout of a mixer with these options.
    ///
    /// # Errors
    /// When an option is out of range or the layout cannot be shown.
    pub fn layout(&self) -> Result<Layout, VideoMixerError> {
        let size = self.size;
        if size.width.min(size.height) < SIDE_MIN || !size.fits(CANVAS_MAX) {
            return Err(VideoMixerError::BadValue("size"));
        }
        if !(FRAME_RATE_MIN..=FRAME_RATE_MAX).contains(&self.frame_rate) {
            return Err(VideoMixerError::BadValue("frame_rate"));
        }
        if self.shown_max == 0 {
            return Err(VideoMixerError::BadValue("shown_max"));
        }
        Ok(Layout::new(size, self.shown_max, self.arrangement.clone())?)
    }
}

/// Why a mixer refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VideoMixerError {
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
    /// The layout cannot be shown.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// This build has not got the codec, or not with these settings.
    #[error(transparent)]
    Codec(#[from] VideoCodecUnavailable),
}

/// What happened in a mixer, or what it wishes. What is said again of the same thing takes the place of what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoMixerEvent {
    /// Other inputs are seen, or elsewhere: [`VideoMixer::tiles`] says what the next picture shows.
    Layout,
    /// An input needs a key frame.
    KeyFrameWanted(InputId),
    /// An input is seen at this size, or not at all: its publisher's layer may be chosen by it.
    SizeWanted(InputId, Option<PictureSize>),
    /// The mixer gives way, or takes back what it gave.
    Pressure(Pressure),
}

/// State of a mixer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VideoMixerStats {
    /// Ticks at which a picture was composed or passed through.
    pub ticks: u64,
    /// Ticks that were left out because nobody called in time.
    pub missed_ticks: u64,
    /// Ticks that were left out because nobody took anything.
    pub idle_ticks: u64,
    /// Frames that were encoded.
    pub encoded: u64,
    /// Tiles that were drawn.
    pub tiles_drawn: u64,
    /// Average share of the time between two ticks that a tick took.
    pub load: f32,
    /// How far the mixer gives way.
    pub pressure: Pressure,
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// Encoders in use, and raw outputs that differ.
    pub groups: usize,
}

/// A mixer of pictures. See the [module](super).
pub struct VideoMixer {
    codecs: Box<dyn VideoCodecs>,
    options: VideoMixerOptions,
    start: Instant,
    /// Number of the next tick.
    next: u64,
    layout: Layout,
    compositor: Compositor,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    groups: Vec<Group>,
    renditions: Vec<Rendition>,
    captions: Vec<(String, Place)>,
    ladder: Ladder,
    pass_asked: Option<Instant>,
    /// Version of the layout, and whether anybody took the mix, when it was last told what is seen.
    told: Option<(u64, bool)>,
    events: VecDeque<VideoMixerEvent>,
    ids: u32,
    stats: VideoMixerStats,
}

impl VideoMixer {
    /// A mixer without inputs and outputs, whose first tick is due at `now`.
    ///
    /// # Errors
    /// When an option is out of range or the layout cannot be shown.
    pub fn new(
        codecs: Box<dyn VideoCodecs>,
        options: VideoMixerOptions,
        now: Instant,
    ) -> Result<Self, VideoMixerError> {
        let layout = options.layout()?;
        let compositor = Compositor::new(options.size, options.background, options.fit);
        Ok(Self {
            codecs,
            options,
            start: now,
            next: 0,
            layout,
            compositor,
            inputs: Vec::new(),
            outputs: Vec::new(),
            groups: Vec::new(),
            renditions: Vec::new(),
            captions: Vec::new(),
            ladder: Ladder::default(),
            pass_asked: None,
            told: None,
            events: VecDeque::new(),
            ids: 0,
            stats: VideoMixerStats::default(),
        })
    }

    /// Adds an input, into the next free place.
    ///
    /// # Errors
    /// When there are too many, or the codec is not built in.
    pub fn add_input(&mut self, options: InputOptions) -> Result<InputId, VideoMixerError> {
        if self.inputs.len() >= INPUTS_MAX {
            return Err(VideoMixerError::TooManyInputs);
        }
        let source = match options.format {
            InputFormat::Rtp(codec) => {
                let decoder = self.codecs.decoder(codec, options.size_max)?;
                Source::Stream(Box::new(Stream::new(codec, decoder)))
            }
            InputFormat::Raw => Source::Written { fresh: false },
        };
        let id = InputId(self.new_id());
        self.inputs.push(Input::new(id, source, options));
        self.layout.add(id);
        self.see();
        Ok(id)
    }

    /// Removes an input. The first that waits takes its place.
    ///
    /// # Errors
    /// When it is not there.
    pub fn remove_input(&mut self, id: InputId) -> Result<(), VideoMixerError> {
        let index = self.input_index(id)?;
        self.inputs.remove(index);
        self.layout.remove(id)?;
        self.events.retain(|event| !matches!(event, VideoMixerEvent::KeyFrameWanted(of) | VideoMixerEvent::SizeWanted(of, _) if *of == id));
        self.see();
        Ok(())
    }

    /// Takes a packet of an input that arrived at `now`.
    ///
    /// # Errors
    /// When the input is not there or takes no packets. Packets that make no sense are counted instead.
    pub fn receive(&mut self, id: InputId, packet: VideoPacket<'_>, now: Instant) -> Result<Inserted, VideoMixerError> {
        let input = self.input_mut(id)?;
        let inserted = input.receive(packet, now).ok_or(VideoMixerError::WrongKind(id))?;
        if input.wants_key_frame(now) {
            self.push(VideoMixerEvent::KeyFrameWanted(id));
        }
        Ok(inserted)
    }

    /// Takes a picture of an input. Returns whether the one before is dropped because it was not shown yet.
    ///
    /// # Errors
    /// When the input is not there or takes packets, or the picture has no size, one larger than
    /// [`PictureSize::DEFAULT_MAX`], or fewer bytes than that.
    pub fn write(&mut self, id: InputId, picture: RawPicture<'_>) -> Result<bool, VideoMixerError> {
        let size = match picture {
            RawPicture::I420(view) => PictureSize { width: view.width, height: view.height },
            RawPicture::Rgba { size, .. } => size,
        };
        if size.width == 0 || size.height == 0 || !size.fits(PictureSize::DEFAULT_MAX) {
            return Err(VideoMixerError::BadValue("size"));
        }
        let whole = match picture {
            // The fields of a view are public.
            RawPicture::I420(view) => PictureView::new(view.width, view.height, view.planes, view.strides).is_some(),
            RawPicture::Rgba { bytes, .. } => bytes.len() == size.width as usize * size.height as usize * 4,
        };
        if !whole {
            return Err(VideoMixerError::BadValue("bytes"));
        }
        self.input_mut(id)?.write(picture).ok_or(VideoMixerError::WrongKind(id))
    }

    /// Takes the times of a sender report of an input that arrived at `now`.
    ///
    /// # Errors
    /// When the input is not there.
    pub fn sender_report(
        &mut self,
        id: InputId,
        ntp: NtpTime,
        timestamp: u32,
        now: Instant,
    ) -> Result<(), VideoMixerError> {
        self.input_mut(id)?.sender_report(ntp, timestamp, now);
        Ok(())
    }

    /// Says when the sound of an input's publisher is heard in the mix, so that its pictures are seen with it. Without it
    /// pictures are shown at the first tick after they came.
    ///
    /// # Errors
    /// When the input is not there.
    pub fn set_sync(&mut self, id: InputId, sync: Option<SyncPoint>) -> Result<(), VideoMixerError> {
        self.input_mut(id)?.set_sync(sync);
        Ok(())
    }

    /// Shows an input's avatar and decodes it no more, or shows its pictures again.
    ///
    /// # Errors
    /// When the input is not there.
    pub fn set_muted(&mut self, id: InputId, muted: bool) -> Result<(), VideoMixerError> {
        self.input_mut(id)?.muted = muted;
        self.told = None;
        self.see();
        Ok(())
    }

    /// Changes the name that is written into an input's tile; empty for none.
    ///
    /// # Errors
    /// When the input is not there.
    pub fn set_label(&mut self, id: InputId, label: &str) -> Result<(), VideoMixerError> {
        self.input_mut(id)?.set_label(label);
        Ok(())
    }

    /// Changes what is shown while an input has no picture; `None`: a card with its name.
    ///
    /// # Errors
    /// When the input is not there.
    pub fn set_avatar(&mut self, id: InputId, avatar: Option<Picture>) -> Result<(), VideoMixerError> {
        self.input_mut(id)?.set_avatar(avatar);
        Ok(())
    }

    /// Arranges the inputs otherwise.
    ///
    /// # Errors
    /// When the arrangement cannot be shown.
    pub fn arrange(&mut self, arrangement: Arrangement) -> Result<(), VideoMixerError> {
        self.layout.arrange(arrangement)?;
        self.see();
        Ok(())
    }

    /// Shows the inputs as another layout of this canvas does, which was kept elsewhere.
    ///
    /// # Errors
    /// When it has not just the inputs of the mixer.
    pub fn set_layout(&mut self, layout: Layout) -> Result<(), VideoMixerError> {
        let known = |id: &InputId| self.input_index(*id).is_ok();
        let count = layout.placed().len() + layout.pending().count();
        let same =
            count == self.inputs.len() && layout.placed().iter().all(known) && layout.pending().all(|id| known(&id));
        if !same {
            return Err(VideoMixerError::BadValue("layout"));
        }
        self.layout.follow(layout);
        self.see();
        Ok(())
    }

    /// The size of the canvas.
    pub fn size(&self) -> PictureSize {
        self.options.size
    }

    /// Goes on with a canvas of another size. Outputs without a size of their own follow it, from a key frame on; the picture
    /// of [`Self::set_background`] is to be set again.
    ///
    /// # Errors
    /// When the size is out of range, or an output cannot have it; everything is as before then.
    pub fn resize(&mut self, size: PictureSize) -> Result<(), VideoMixerError> {
        let options = VideoMixerOptions { size, ..self.options.clone() };
        options.layout()?;
        let (mut outputs, mut groups) = (Vec::new(), Vec::new());
        for output in &self.outputs {
            let format = output.options.format(size, options.frame_rate)?;
            let group = join(&mut groups, &mut *self.codecs, output.id, format)?;
            group.give_way(self.ladder.step, options.frame_rate);
            group.taken.extend(output.taken.then_some(output.id));
            outputs.push(Output { format, ..*output });
        }
        self.compositor = Compositor::new(size, options.background, options.fit);
        self.compositor.set_captions(self.captions.iter().map(|(text, place)| (text.as_str(), *place)));
        self.layout.resize(size);
        (self.options, self.outputs, self.groups) = (options, outputs, groups);
        self.renditions.clear();
        self.see();
        Ok(())
    }

    /// Swaps an input with whoever is in the region called `region`; see [`Layout::set_region`].
    ///
    /// # Errors
    /// When there is no such input or region, or nobody is in it.
    pub fn set_region(&mut self, id: InputId, region: &str) -> Result<(), VideoMixerError> {
        self.input_index(id)?;
        self.layout.set_region(id, region)?;
        self.see();
        Ok(())
    }

    /// Swaps an input with whoever is in the first region; see [`Layout::set_primary`].
    ///
    /// # Errors
    /// When there is no such input.
    pub fn set_primary(&mut self, id: InputId) -> Result<(), VideoMixerError> {
        self.input_index(id)?;
        self.layout.set_primary(id)?;
        self.see();
        Ok(())
    }

    /// Writes these texts over everything, and no others. One that says the time is to be set whenever it changes.
    ///
    /// # Errors
    /// When there are more than [`CAPTIONS_MAX`].
    pub fn set_captions(&mut self, captions: &[(&str, Place)]) -> Result<(), VideoMixerError> {
        if captions.len() > CAPTIONS_MAX {
            return Err(VideoMixerError::BadValue("captions"));
        }
        let same = |(old, new): (&(String, Place), &(&str, Place))| old.0 == new.0 && old.1 == new.1;
        if captions.len() != self.captions.len() || !self.captions.iter().zip(captions).all(same) {
            self.captions = captions.iter().map(|(text, place)| ((*text).to_owned(), *place)).collect();
            self.compositor.set_captions(captions.iter().copied());
        }
        Ok(())
    }

    /// Shows a picture where no input is.
    pub fn set_background(&mut self, picture: &Picture) {
        self.compositor.set_background(picture);
    }

    /// Adds an output. Nothing is encoded for it before somebody takes it.
    ///
    /// # Errors
    /// When there are too many, a value is out of range, or this build has no such encoder.
    pub fn add_output(&mut self, options: &OutputOptions) -> Result<OutputId, VideoMixerError> {
        if self.outputs.len() >= OUTPUTS_MAX {
            return Err(VideoMixerError::TooManyOutputs);
        }
        let format = options.format(self.options.size, self.options.frame_rate)?;
        let id = OutputId(self.ids + 1);
        join(&mut self.groups, &mut *self.codecs, id, format)?.give_way(self.ladder.step, self.options.frame_rate);
        self.ids += 1;
        self.outputs.push(Output { id, options: *options, format, taken: false });
        Ok(id)
    }

    /// Removes an output, and its encoder with the last that shares it.
    ///
    /// # Errors
    /// When it is not there.
    pub fn remove_output(&mut self, id: OutputId) -> Result<(), VideoMixerError> {
        let index = self.output_index(id)?;
        self.outputs.remove(index);
        for group in &mut self.groups {
            group.members.retain(|member| *member != id);
            group.taken.retain(|member| *member != id);
        }
        self.groups.retain(|group| !group.members.is_empty());
        let used = |rendition: &Rendition| self.groups.iter().any(|group| group.size == rendition.picture.size());
        self.renditions.retain(used);
        self.see();
        Ok(())
    }

    /// Says whether anybody takes an output. Who begins to take it gets a key frame first.
    ///
    /// # Errors
    /// When it is not there.
    pub fn set_taken(&mut self, id: OutputId, taken: bool) -> Result<(), VideoMixerError> {
        let index = self.output_index(id)?;
        let output = &mut self.outputs[index];
        if output.taken == taken {
            return Ok(());
        }
        output.taken = taken;
        let format = output.format;
        if let Some(group) = self.groups.iter_mut().find(|group| group.format == format) {
            if taken {
                group.taken.push(id);
                group.key_wanted = true;
            } else {
                group.taken.retain(|member| *member != id);
            }
        }
        self.see();
        if taken {
            self.request_key_frame(id)?;
        }
        Ok(())
    }

    /// Asks for a key frame of an output, which all get that share its encoder. Requests are merged.
    ///
    /// # Errors
    /// When it is not there.
    pub fn request_key_frame(&mut self, id: OutputId) -> Result<(), VideoMixerError> {
        let format = self.outputs[self.output_index(id)?].format;
        let mut passed = None;
        if let Some(group) = self.groups.iter_mut().find(|group| group.format == format) {
            group.key_wanted = true;
            passed = group.passing.map(|passing| passing.input);
        }
        if let Some(input) = passed {
            self.push(VideoMixerEvent::KeyFrameWanted(input));
        }
        Ok(())
    }

    /// When the next tick is due.
    pub fn next_tick(&self) -> Instant {
        self.start + time_of(self.next, self.options.frame_rate)
    }

    /// Decodes, composes and encodes for the tick that is due at `now`, and gives each group of outputs its frame.
    ///
    /// Ticks that were due before it are left out and counted. While nobody takes an output nothing is decoded, composed or
    /// encoded. Allocates nothing while layout, sizes and labels stay.
    pub fn tick(&mut self, now: Instant, sink: &mut dyn FnMut(OutputFrame<'_>)) {
        if self.next_tick() > now {
            return;
        }
        let passed = now.saturating_duration_since(self.start).as_nanos() + 1;
        let last = (passed * u128::from(self.options.frame_rate)).div_ceil(1_000_000_000).max(1) - 1;
        let number = u64::try_from(last).unwrap_or(u64::MAX).max(self.next);
        let missed = number - self.next;
        self.next = number + self.step();
        let tick = Tick {
            number,
            frame_rate: self.options.frame_rate,
            at: self.start + time_of(number, self.options.frame_rate),
        };
        self.stats.missed_ticks += missed;
        self.see();
        if !self.is_taken() {
            self.stats.idle_ticks += 1;
            return;
        }
        self.stats.ticks += 1;
        self.ask(now);
        let passing = self.passing_input();
        self.choose_passing(passing, now);
        self.advance(passing, tick, now, sink);
        self.encode(tick, sink);
    }

    /// Says how long the last tick took, so that the mixer gives way when there is not enough time.
    pub fn worked(&mut self, time: Duration) {
        let length = self.tick_length();
        if let Some(step) = self.ladder.note(time, length) {
            let frame_rate = self.options.frame_rate;
            self.groups.iter_mut().for_each(|group| group.give_way(step, frame_rate));
            self.push(VideoMixerEvent::Pressure(step));
        }
    }

    /// The oldest event that was not polled yet.
    pub fn poll_event(&mut self) -> Option<VideoMixerEvent> {
        self.events.pop_front()
    }

    /// What the next picture shows.
    pub fn tiles(&self) -> impl Iterator<Item = Tile> {
        self.layout.tiles()
    }

    /// Inputs that wait for a place, the next one first.
    pub fn pending(&self) -> impl Iterator<Item = InputId> {
        self.layout.pending()
    }

    /// The mix as it was composed last.
    pub fn picture(&self) -> &Picture {
        self.compositor.canvas()
    }

    /// The last picture of an input, if it had any.
    ///
    /// # Errors
    /// When it is not there.
    pub fn input_picture(&self, id: InputId) -> Result<Option<&Picture>, VideoMixerError> {
        Ok(self.inputs[self.input_index(id)?].picture())
    }

    /// State of the mixer.
    pub fn stats(&self) -> VideoMixerStats {
        VideoMixerStats {
            tiles_drawn: self.compositor.redrawn(),
            load: self.ladder.load,
            pressure: self.ladder.step,
            inputs: self.inputs.len(),
            outputs: self.outputs.len(),
            groups: self.groups.len(),
            ..self.stats
        }
    }

    /// State of an input.
    ///
    /// # Errors
    /// When it is not there.
    pub fn input_stats(&self, id: InputId) -> Result<InputStats, VideoMixerError> {
        Ok(self.inputs[self.input_index(id)?].stats())
    }

    /// State of an output's encoder.
    ///
    /// # Errors
    /// When it is not there.
    pub fn output_stats(&self, id: OutputId) -> Result<OutputStats, VideoMixerError> {
        let format = self.outputs[self.output_index(id)?].format;
        let group = self.groups.iter().find(|group| group.format == format);
        let stats = group.map(|group| OutputStats { shared_by: group.members.len(), ..group.stats });
        stats.ok_or(VideoMixerError::UnknownOutput(id))
    }

    /// From one tick to the next that is not left out, in ticks.
    fn step(&self) -> u64 {
        if self.ladder.step >= Pressure::HalfRate { 2 } else { 1 }
    }

    fn tick_length(&self) -> Duration {
        time_of(self.step(), self.options.frame_rate)
    }

    fn is_taken(&self) -> bool {
        self.outputs.iter().any(|output| output.taken)
    }

    /// Tells inputs whether they are seen, and the outside what changed.
    fn see(&mut self) {
        let taken = self.is_taken();
        let (version, before) = (self.layout.version(), self.told);
        if before == Some((version, taken)) {
            return;
        }
        self.told = Some((version, taken));
        if before.is_none_or(|(before, _)| before != version) {
            self.push(VideoMixerEvent::Layout);
        }
        for at in 0..self.inputs.len() {
            let (id, muted, seen) = (self.inputs[at].id, self.inputs[at].muted, self.inputs[at].seen_size);
            let rect = self.layout.rect(id).filter(|_| taken && !muted);
            let size = rect.map(|rect| PictureSize { width: rect.width, height: rect.height });
            self.inputs[at].set_seen(size.is_some());
            if size != seen {
                self.inputs[at].seen_size = size;
                self.push(VideoMixerEvent::SizeWanted(id, size));
            }
        }
    }

    fn ask(&mut self, now: Instant) {
        for at in 0..self.inputs.len() {
            self.inputs[at].collect(now);
            if self.inputs[at].wants_key_frame(now) {
                let id = self.inputs[at].id;
                self.push(VideoMixerEvent::KeyFrameWanted(id));
            }
        }
    }

    /// The one input that fills the whole picture, with nothing written over it.
    fn passing_input(&self) -> Option<usize> {
        if !self.options.pass_through || !self.captions.is_empty() {
            return None;
        }
        let [id] = *self.layout.placed() else { return None };
        let fills = self.layout.rect(id) == Some(whole(self.options.size));
        let index = self.input_index(id).ok()?;
        let input = &self.inputs[index];
        (fills && input.label.is_empty() && input.shows_picture()).then_some(index)
    }

    /// Ends what can no more be passed through, and asks for a key frame where something could begin to be.
    fn choose_passing(&mut self, input: Option<usize>, now: Instant) {
        let candidate = input.and_then(|at| self.inputs[at].passing());
        let mut could = false;
        for group in &mut self.groups {
            let fits = candidate.is_some_and(|(_, codec, size, rate)| group.would_pass(codec, size, rate));
            let same = group.passing.is_none_or(|passing| candidate.is_some_and(|(id, ..)| id == passing.input));
            if !fits || !same {
                group.end_passing();
            }
            could |= fits && group.passing.is_none() && !group.taken.is_empty();
        }
        let asked = self.pass_asked.is_some_and(|at| now.saturating_duration_since(at) < PASS_ASK_INTERVAL);
        if let Some((id, ..)) = candidate.filter(|_| could && !asked) {
            self.pass_asked = Some(now);
            self.push(VideoMixerEvent::KeyFrameWanted(id));
        }
    }

    /// Decodes what is due, and hands on frames that are passed through.
    fn advance(&mut self, passing: Option<usize>, tick: Tick, now: Instant, sink: &mut dyn FnMut(OutputFrame<'_>)) {
        // What is due nearer to this tick than to the next: half a tick early is as near to its sound as half a tick late.
        let ahead = self.tick_length() / 2;
        let seen = self.inputs.iter().filter(|input| input.seen).count();
        let share = budget::share(seen, self.ladder.is_overloaded());
        let groups = &mut self.groups;
        for (at, input) in self.inputs.iter_mut().enumerate().filter(|(_, input)| input.seen) {
            let candidate = input.passing().filter(|_| passing == Some(at));
            // What came by now is shown, though the tick was due a little before.
            input.advance(now, ahead, share, &mut |frame, decoded| {
                let Some((id, codec, _, rate)) = candidate else { return };
                for group in groups.iter_mut().filter(|group| !group.taken.is_empty()) {
                    let fits = decoded.is_some_and(|size| group.would_pass(codec, size, rate));
                    if !fits {
                        group.end_passing();
                    } else if frame.key && group.passing.is_none() {
                        group.begin_passing(id, frame.timestamp, tick);
                    }
                    group.pass(&frame.data, frame.key, frame.timestamp, tick, sink);
                }
            });
        }
        // Muted ones change to their avatar though nobody decodes them.
        self.inputs.iter_mut().filter(|input| !input.seen).for_each(|input| input.rest(now));
    }

    fn encode(&mut self, tick: Tick, sink: &mut dyn FnMut(OutputFrame<'_>)) {
        if self.groups.iter().all(|group| group.taken.is_empty() || group.passing.is_some()) {
            return;
        }
        let inputs = &self.inputs;
        let look = |id: InputId| -> Option<Look<'_>> {
            let at = inputs.binary_search_by_key(&id, |input| input.id).ok()?;
            Some(inputs[at].look())
        };
        self.compositor.compose(&self.layout, look);
        let canvas = self.compositor.canvas();
        for group in self.groups.iter_mut().filter(|group| !group.taken.is_empty() && group.passing.is_none()) {
            if !group.is_due(tick) {
                continue;
            }
            let picture = rendition(&mut self.renditions, canvas, group.size, self.options.background, tick.number);
            if let Some(view) = picture.view() {
                self.stats.encoded += u64::from(group.finish(view, tick, sink));
            }
        }
    }

    /// Puts an event in line, in place of one of the same thing.
    fn push(&mut self, event: VideoMixerEvent) {
        use VideoMixerEvent::{KeyFrameWanted, Layout, Pressure, SizeWanted};
        // So there are no more than two for each input and two of the mixer's own.
        self.events.retain(|waiting| match (waiting, event) {
            (Layout, Layout) | (Pressure(_), Pressure(_)) => false,
            (KeyFrameWanted(a), KeyFrameWanted(b)) | (SizeWanted(a, _), SizeWanted(b, _)) => *a != b,
            _ => true,
        });
        self.events.push_back(event);
    }

    fn new_id(&mut self) -> u32 {
        self.ids += 1;
        self.ids
    }

    /// Inputs lie in order of their ids.
    fn input_index(&self, id: InputId) -> Result<usize, VideoMixerError> {
        self.inputs.binary_search_by_key(&id, |input| input.id).map_err(|_| VideoMixerError::UnknownInput(id))
    }

    fn input_mut(&mut self, id: InputId) -> Result<&mut Input, VideoMixerError> {
        let index = self.input_index(id)?;
        Ok(&mut self.inputs[index])
    }

    /// Outputs lie in order of their ids.
    fn output_index(&self, id: OutputId) -> Result<usize, VideoMixerError> {
        self.outputs.binary_search_by_key(&id, |output| output.id).map_err(|_| VideoMixerError::UnknownOutput(id))
    }
}

/// Adds an output to the group of its format, which begins with it if there is none.
fn join<'a>(
    groups: &'a mut Vec<Group>,
    codecs: &mut dyn VideoCodecs,
    id: OutputId,
    format: OutputFormat,
) -> Result<&'a mut Group, VideoMixerError> {
    let at = match groups.iter().position(|group| group.format == format) {
        Some(at) => at,
        None => {
            let encoder = match &format {
                OutputFormat::Encoded { encoding, .. } => Some(codecs.encoder(encoding)?),
                OutputFormat::Raw { .. } => None,
            };
            groups.push(Group::new(format, encoder, id.0.wrapping_mul(0x2545) as u16));
            groups.len() - 1
        }
    };
    groups[at].members.push(id);
    Ok(&mut groups[at])
}

#[cfg(test)]
mod tests;
