//! What a mixer of pictures should do: its inputs, outputs and layout as requests made them, and how far its core agrees.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_frames::PictureSize;
use millrace_mixer::video::layout::{Arrangement, Layout, LayoutError};
use millrace_mixer::video::mixer::{CANVAS_MAX, INPUTS_MAX, OUTPUTS_MAX, SIDE_MIN};
use millrace_mixer::video::{
    InputId, OutputId, Picture, Pressure, VideoMixerEvent, VideoMixerOptions, VideoMixerStats,
};
use millrace_model::{VideoCaption, VideoLayout, VideoMixerInputId, VideoMixerPressure, VideoTile};
use serde_json::{Value, json};
use uuid::Uuid;

use super::core::Core;
use super::desk::{Collected, Here};
use super::inputs::VideoInputEnd;
use super::outputs::{VideoExit, VideoOutputEnd};
use super::pictures::PictureQueue;
use super::there::VideoRemote;
use crate::error::RequestError;
use crate::message::Message;
#[cfg(debug_assertions)]
use crate::mixer::Fault;
use crate::mixer::there::Either;
use crate::mixer::{Ends, Lane};
use crate::outbox::Outbox;
use crate::packets::PacketBatch;

/// A canvas that follows its input takes another size no sooner than this after the one before: encoders begin anew for it.
/// Meanwhile pictures of other sizes are scaled.
const RESIZE_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// What a mixer of pictures is made with.
pub(crate) struct VideoSetup {
    pub(crate) options: VideoMixerOptions,
    /// Their layout, empty.
    pub(crate) layout: Layout,
    /// The canvas takes the size of its only input's pictures.
    pub(crate) follows_input: bool,
    /// Pictures for where no input is.
    pub(crate) background: Arc<PictureQueue>,
    /// The options as they were asked for.
    pub(crate) wanted: millrace_model::VideoMixerOptions,
    /// The program (path and arguments) whose process does the work; `None`: this process does.
    pub(crate) program: Option<Vec<String>>,
}

impl VideoSetup {
    fn wanted_layout(&self) -> VideoLayout {
        self.wanted.layout.clone().unwrap_or_default()
    }
}

/// Inputs, outputs and layout of one mixer.
pub(crate) struct VideoEnds {
    inputs: Vec<VideoInputEnd>,
    outputs: Vec<VideoOutputEnd>,
    /// The layout that requests change, by inputs' `place`; the core gets copies of it.
    layout: Layout,
    /// How it was asked for.
    wanted: VideoLayout,
    places: u32,
    /// What the core has and should not have.
    removed_inputs: Vec<InputId>,
    removed_outputs: Vec<OutputId>,
    /// The core does not agree.
    changed: bool,
    captions: Vec<VideoCaption>,
    captions_changed: bool,
    background: Arc<PictureQueue>,
    background_picture: Option<Picture>,
    /// The core has not got it yet.
    background_waits: bool,
    closed: bool,
    /// Packets of the one input leave by the one output as they are.
    passes: bool,
    follows_input: bool,
    /// The canvas' size, if that of an input.
    size: Option<PictureSize>,
    /// It has had it.
    is_sized: bool,
    /// When it became that.
    sized_at: Option<Instant>,
    restarts: u32,
    /// The process that does the work; 0: this one.
    pid: u32,
    stats: VideoMixerStats,
    /// What a test wants the next tick to do.
    #[cfg(debug_assertions)]
    pub(crate) fault: Option<Fault>,
}

/// What requests do.
impl VideoEnds {
    /// Tells whether one more input has room.
    ///
    /// # Errors
    /// [`RequestError::Limit`] when it has none; [`RequestError::Duplicate`].
    pub(crate) fn vacant_input(&self, id: Uuid) -> Result<(), RequestError> {
        self.open()?;
        if self.inputs.len() >= INPUTS_MAX {
            return Err(RequestError::Limit(format!("a VideoMixer has at most {INPUTS_MAX} inputs")));
        }
        match self.inputs.iter().any(|input| input.id == id) {
            true => Err(RequestError::duplicate("VideoMixerInput", id)),
            false => Ok(()),
        }
    }

    /// Tells whether an output of so many encodings more has room.
    ///
    /// # Errors
    /// [`RequestError::Limit`] when it has none; [`RequestError::Duplicate`].
    pub(crate) fn vacant_output(&self, id: Uuid, encodings: usize) -> Result<(), RequestError> {
        self.open()?;
        let count: usize = self.outputs.iter().map(|output| output.stats().count()).sum();
        if count + encodings > OUTPUTS_MAX {
            return Err(RequestError::Limit(format!("a VideoMixer has at most {OUTPUTS_MAX} encodings of outputs")));
        }
        match self.outputs.iter().any(|output| output.id == id) {
            true => Err(RequestError::duplicate("VideoMixerOutput", id)),
            false => Ok(()),
        }
    }

    pub(crate) fn add_input(&mut self, mut input: VideoInputEnd) {
        self.places += 1;
        input.place = InputId(self.places);
        self.layout.add(input.place);
        self.inputs.push(input);
        self.changed = true;
    }

    pub(crate) fn add_output(&mut self, output: VideoOutputEnd) {
        self.outputs.push(output);
        self.changed = true;
    }

    /// Lets packets of the only input leave by the only output as they are, if they are of this codec. Tells whether it does.
    pub(crate) fn pass(&mut self, codec: millrace_frames::VideoCodec) -> bool {
        self.passes = match (self.inputs.as_slice(), self.outputs.as_slice()) {
            ([input], [_]) => input.codec() == Some(codec),
            _ => false,
        };
        self.passes
    }

    /// Changes an input's label, or whether it is seen.
    ///
    /// # Errors
    /// [`RequestError::NotFound`].
    pub(crate) fn update_input(
        &mut self,
        id: Uuid,
        label: Option<String>,
        muted: Option<bool>,
    ) -> Result<(), RequestError> {
        let index = self.input_index(id)?;
        self.inputs[index].update(label, muted);
        self.changed = true;
        Ok(())
    }

    /// Arranges the inputs otherwise, as `wanted` says.
    ///
    /// # Errors
    /// When the arrangement cannot be shown; the one before goes on.
    pub(crate) fn arrange(&mut self, arrangement: Arrangement, wanted: VideoLayout) -> Result<(), LayoutError> {
        self.layout.arrange(arrangement)?;
        (self.wanted, self.changed) = (wanted, true);
        Ok(())
    }

    /// Puts an input into the region of this name, or into the first one.
    ///
    /// # Errors
    /// [`RequestError::NotFound`] for the input.
    pub(crate) fn place(&mut self, id: Uuid, region: Option<&str>) -> Result<Result<(), LayoutError>, RequestError> {
        let place = self.inputs[self.input_index(id)?].place;
        self.changed = true;
        Ok(match region {
            Some(region) => self.layout.set_region(place, region),
            None => self.layout.set_primary(place),
        })
    }

    /// Writes these texts over everything, and no others.
    pub(crate) fn set_captions(&mut self, captions: Vec<VideoCaption>) {
        self.captions = captions;
        (self.captions_changed, self.changed) = (true, true);
    }

    /// Removes an input; nothing where there is none.
    pub(crate) fn remove_input(&mut self, id: Uuid) {
        if let Ok(index) = self.input_index(id) {
            self.remove_input_at(index);
        }
    }

    /// Removes an output; nothing where there is none.
    pub(crate) fn remove_output(&mut self, id: Uuid) {
        if let Some(index) = self.outputs.iter().position(|output| output.id == id) {
            self.remove_output_at(index);
        }
    }

    /// The regions that are shown, and who stands in them.
    pub(crate) fn tiles(&self) -> Vec<VideoTile> {
        let of = |place: InputId| self.inputs.iter().find(|input| input.place == place);
        let tiles = self.layout.tiles().map(|tile| VideoTile {
            region: tile.region.id().to_owned(),
            left: tile.rect.left,
            top: tile.rect.top,
            width: tile.rect.width,
            height: tile.rect.height,
            input_id: tile.input.and_then(of).map(|input| VideoMixerInputId::new(input.id)),
        });
        tiles.collect()
    }

    pub(crate) fn stats(&self) -> millrace_model::VideoMixerStats {
        millrace_model::VideoMixerStats {
            pid: if self.pid == 0 { std::process::id() } else { self.pid },
            load: self.stats.load,
            ticks: self.stats.ticks,
            missed_ticks: self.stats.missed_ticks,
            idle_ticks: self.stats.idle_ticks,
            encoded: self.stats.encoded,
            pressure: pressure(self.stats.pressure),
            restarts: self.restarts,
            encoders: self.stats.groups as u32,
            inputs: self.inputs.iter().map(VideoInputEnd::stats).collect(),
            outputs: self.outputs.iter().flat_map(VideoOutputEnd::stats).collect(),
        }
    }

    fn open(&self) -> Result<(), RequestError> {
        match self.closed {
            true => Err(RequestError::InvalidState("the VideoMixer died".to_owned())),
            false => Ok(()),
        }
    }

    fn input_index(&self, id: Uuid) -> Result<usize, RequestError> {
        let found = self.inputs.iter().position(|input| input.id == id);
        found.ok_or_else(|| RequestError::not_found("VideoMixerInput", id))
    }

    fn remove_input_at(&mut self, index: usize) {
        let input = self.inputs.remove(index);
        self.removed_inputs.extend(input.core);
        // It is there.
        let _ = self.layout.remove(input.place);
        self.changed = true;
    }

    fn remove_output_at(&mut self, index: usize) {
        self.removed_outputs.extend(self.outputs.remove(index).ids());
        self.changed = true;
    }
}

impl Ends for VideoEnds {
    type Options = VideoSetup;
    type Desk = Either<Here, VideoRemote>;
    const LANE: Lane = Lane::Pictures;

    fn program(setup: &VideoSetup) -> Option<&[String]> {
        setup.program.as_deref()
    }

    fn new(setup: &VideoSetup) -> Self {
        Self {
            inputs: Vec::new(),
            outputs: Vec::new(),
            layout: setup.layout.clone(),
            wanted: setup.wanted_layout(),
            places: 0,
            removed_inputs: Vec::new(),
            removed_outputs: Vec::new(),
            changed: false,
            captions: Vec::new(),
            captions_changed: false,
            background: Arc::clone(&setup.background),
            background_picture: None,
            background_waits: false,
            closed: false,
            passes: false,
            follows_input: setup.follows_input,
            size: None,
            is_sized: false,
            sized_at: None,
            restarts: 0,
            pid: 0,
            stats: VideoMixerStats::default(),
            #[cfg(debug_assertions)]
            fault: None,
        }
    }

    fn restart(&mut self) {
        self.inputs.iter_mut().for_each(VideoInputEnd::restart);
        self.outputs.iter_mut().for_each(VideoOutputEnd::restart);
        self.removed_inputs.clear();
        self.removed_outputs.clear();
        (self.changed, self.captions_changed) = (true, true);
        self.background_waits = self.background_picture.is_some();
    }

    fn count_restart(&mut self) {
        self.restarts += 1;
    }

    fn close(&mut self) {
        self.inputs.clear();
        self.outputs.clear();
        (self.closed, self.passes) = (true, false);
    }

    fn pass_on(&mut self, outbox: &Outbox, batch: &mut PacketBatch) -> bool {
        if !self.passes {
            return false;
        }
        let (Some(input), Some(output)) = (self.inputs.first_mut(), self.outputs.first_mut()) else { return true };
        let VideoExit::Rtp(exit) = &mut output.exit else { return true };
        if exit.take_key_frame_requests() != 0 {
            input.request_key_frame();
        }
        let is_taken = exit.source.taken_encodings() != 0;
        input.set_tile(is_taken.then_some(PictureSize::DEFAULT_MAX));
        let has_ended = exit.is_ended();
        if input.rtp().is_some_and(|entrance| entrance.pass(exit, batch).ended) {
            self.end_input(0, outbox);
        }
        if has_ended {
            self.end_output(0, outbox);
        }
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
impl VideoEnds {
    /// With what a core begins.
    pub(super) fn options(&self, wanted: &VideoMixerOptions) -> VideoMixerOptions {
        VideoMixerOptions { size: self.size.unwrap_or(wanted.size), ..wanted.clone() }
    }

    /// Makes `core` agree with what requests asked for.
    pub(super) fn apply(&mut self, core: &mut impl Core) {
        if let Some(background) = self.background.take_stand_in() {
            (self.background_picture, self.background_waits) = (Some(background), true);
        }
        if let (Some(picture), true) = (&self.background_picture, self.background_waits && core.takes_pictures()) {
            core.set_background(picture);
            self.background_waits = false;
        }
        if !std::mem::take(&mut self.changed) {
            return;
        }
        self.removed_outputs.drain(..).for_each(|id| core.remove_output(id));
        self.removed_inputs.drain(..).for_each(|id| core.remove_input(id));
        self.inputs.iter_mut().for_each(|input| input.apply(core));
        let inputs = &self.inputs;
        let named = |place: InputId| inputs.iter().find(|input| input.place == place).and_then(|input| input.core);
        core.set_layout(self.layout.renamed(named), &self.wanted);
        if std::mem::take(&mut self.captions_changed) {
            core.set_captions(&self.captions);
        }
        self.outputs.iter_mut().for_each(|output| output.apply(core));
    }

    /// Gives the core what came, and lets go of what ended.
    pub(super) fn receive(&mut self, core: &mut impl Core, outbox: &Outbox, now: Instant) {
        let mut index = 0;
        while let Some(input) = self.inputs.get_mut(index) {
            if input.receive(core, now) {
                self.end_input(index, outbox);
            } else {
                index += 1;
            }
        }
        let mut index = 0;
        while let Some(output) = self.outputs.get_mut(index) {
            if output.listen(core) {
                self.end_output(index, outbox);
            } else {
                index += 1;
            }
        }
    }

    /// Shows pictures with their publishers' sound; once a tick is enough, since each looks into another mixer.
    pub(super) fn follow_voices(&self, core: &mut impl Core, now: Instant) {
        self.inputs.iter().for_each(|input| input.follow_voice(core, now));
    }

    fn end_input(&mut self, index: usize, outbox: &Outbox) {
        outbox.push(event(self.inputs[index].id, "producerclose", Value::Null));
        self.remove_input_at(index);
    }

    fn end_output(&mut self, index: usize, outbox: &Outbox) {
        outbox.push(event(self.outputs[index].id, "routerclose", Value::Null));
        self.remove_output_at(index);
    }

    /// Sends the frames of a tick: those of producers into `to_worker`, those of the application into `to_application`.
    pub(super) fn send(
        &mut self,
        frames: &Collected,
        now: Instant,
        to_worker: &mut PacketBatch,
        to_application: &mut PacketBatch,
    ) {
        if self.follows_input && !self.is_sized {
            // The canvas has not got its size yet.
            return;
        }
        for frame in frames.frames() {
            for id in frame.outputs {
                for output in &mut self.outputs {
                    output.send(*id, &frame, now, to_worker, to_application);
                }
            }
        }
        self.outputs.iter_mut().for_each(|output| output.report(now, to_worker));
    }

    /// Notes how the core is, and tells what happened in it.
    pub(super) fn note(&mut self, core: &mut impl Core, mixer: Uuid, outbox: &Outbox, now: Instant) {
        self.stats = core.stats();
        self.inputs.iter_mut().for_each(|input| input.note(core, !self.follows_input, now));
        self.outputs.iter_mut().for_each(|output| output.note(core));
        while let Some(told) = core.poll_event() {
            let of = |id: InputId| move |input: &&mut VideoInputEnd| input.core == Some(id);
            match told {
                VideoMixerEvent::Layout => outbox.push(event(mixer, "layout", json!(self.tiles()))),
                VideoMixerEvent::Pressure(step) => {
                    outbox.push(event(mixer, "pressure", json!({ "pressure": pressure(step) })));
                }
                VideoMixerEvent::KeyFrameWanted(id) => {
                    self.inputs.iter_mut().find(of(id)).into_iter().for_each(|input| input.request_key_frame());
                }
                VideoMixerEvent::SizeWanted(id, size) => {
                    self.inputs.iter_mut().find(of(id)).into_iter().for_each(|input| input.set_tile(size));
                }
            }
        }
    }

    /// Gives the canvas the size of the only input's pictures, where it is to have that.
    pub(super) fn follow_size(&mut self, core: &mut impl Core, now: Instant) {
        let Some(size) = self.inputs.first().filter(|_| self.follows_input).and_then(|input| input.stats.size) else {
            return;
        };
        let size = within_canvas(size);
        let is_soon = self.sized_at.is_some_and(|at| now.saturating_duration_since(at) < RESIZE_INTERVAL_MIN);
        if self.size != Some(size) && !is_soon {
            (self.size, self.sized_at) = (Some(size), Some(now));
            self.layout.resize(size);
            core.resize(size);
        }
        if !self.is_sized && core.canvas() == Some(size) {
            self.is_sized = true;
            // Its first key frame may have gone where those before it went.
            self.outputs.iter().flat_map(VideoOutputEnd::ids).for_each(|id| core.request_key_frame(id));
        }
    }
}

/// The largest even size of this shape that a canvas may have.
fn within_canvas(size: PictureSize) -> PictureSize {
    let most = if size.width >= size.height { CANVAS_MAX } else { turned(CANVAS_MAX) };
    let (width, height) = (u64::from(size.width.max(1)), u64::from(size.height.max(1)));
    // By how much each side is too long, as a fraction of the other's.
    let (mut fit_width, mut fit_height) = (width, height);
    if width > u64::from(most.width) {
        (fit_width, fit_height) = (u64::from(most.width), height * u64::from(most.width) / width);
    }
    if fit_height > u64::from(most.height) {
        (fit_width, fit_height) = (fit_width * u64::from(most.height) / fit_height, u64::from(most.height));
    }
    let even = |side: u64| ((side as u32) & !1).max(SIDE_MIN);
    PictureSize { width: even(fit_width), height: even(fit_height) }
}

const fn turned(size: PictureSize) -> PictureSize {
    PictureSize { width: size.height, height: size.width }
}

fn pressure(step: Pressure) -> VideoMixerPressure {
    match step {
        Pressure::None => VideoMixerPressure::None,
        Pressure::HalfRate => VideoMixerPressure::HalfRate,
        Pressure::Hurried => VideoMixerPressure::Hurried,
        Pressure::HalfSize => VideoMixerPressure::HalfSize,
    }
}

fn event(target: Uuid, event: &'static str, data: Value) -> Message {
    Message::Event { target, event, data }
}

#[cfg(test)]
mod tests {
    use super::super::core::RemoteCore;
    use super::*;

    #[test]
    fn a_canvas_takes_the_shape_of_any_picture() {
        let of = |width, height| {
            let size = within_canvas(PictureSize { width, height });
            (size.width, size.height)
        };
        assert_eq!(of(1280, 720), (1280, 720));
        assert_eq!(of(641, 361), (640, 360));
        assert_eq!(of(3840, 2160), (1920, 1080));
        assert_eq!(of(1080, 1920), (1080, 1920));
        assert_eq!(of(4096, 16), (1920, 16));
        assert_eq!(of(2, 2), (16, 16));
    }

    #[test]
    fn v03_a_canvas_follows_its_input_once_a_second_however_often_that_changes_its_size() {
        let options = VideoMixerOptions::default();
        let layout = options.layout().unwrap();
        let (background, wanted) = (Arc::default(), serde_json::from_value(json!({})).unwrap());
        let setup = VideoSetup { options, layout, follows_input: true, background, wanted, program: None };
        let mut ends = VideoEnds::new(&setup);
        ends.add_input(VideoInputEnd::new(Uuid::from_u128(1), None, Arc::default(), String::new(), false));
        let (start, mut sizes, mut core) = (Instant::now(), Vec::new(), RemoteCore::default());
        for tick in 0..300 {
            let (width, height) = [(1280, 720), (320, 180)][tick as usize % 2];
            ends.inputs[0].stats.size = Some(PictureSize { width, height });
            let before = ends.size;
            ends.follow_size(&mut core, start + Duration::from_secs(1) * tick / 30);
            sizes.extend(ends.size.filter(|size| Some(*size) != before).map(|size| (tick, size.width)));
        }
        // At 30 ticks a second each size that is looked at a second later is that of before, then the other one is taken.
        assert_eq!(sizes.len(), 10, "{sizes:?}");
        assert_eq!(sizes[..3], [(0, 1280), (31, 320), (62, 1280)]);
    }
}
