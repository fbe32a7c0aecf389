//! What the ends need of what composes, in this process or in another.

use std::collections::VecDeque;
use std::time::Instant;

use millrace_frames::video::VideoPacket;
use millrace_frames::{PictureSize, PictureView};
use millrace_mixer::video::layout::Layout;
use millrace_mixer::video::{
    Colour, InputFormat, InputId, InputOptions, InputStats, OutputId, OutputOptions, OutputStats, Picture, RawPicture,
    SyncPoint, VideoMixer, VideoMixerEvent, VideoMixerStats,
};
use millrace_model::{NtpTime, VideoCaption, VideoLayout};
use rustc_hash::FxHashMap;

use super::options::{model_codec, place};
use super::wire::{self, Order, OutputText, PictureUse, Report};
use crate::mixer::there::Outgoing;

/// See [`VideoMixer`], whose functions these are. Where they fail the core has not got what they name.
pub(super) trait Core {
    /// Whether it has room for a picture now: one that is given while it has none may be lost.
    fn takes_pictures(&self) -> bool;
    fn add_input(&mut self, format: InputFormat, label: &str, muted: bool) -> Option<InputId>;
    fn set_label(&mut self, id: InputId, label: &str);
    fn set_muted(&mut self, id: InputId, muted: bool);
    fn set_avatar(&mut self, id: InputId, avatar: &Picture);
    fn remove_input(&mut self, id: InputId);
    fn add_output(&mut self, options: &OutputOptions) -> Option<OutputId>;
    fn remove_output(&mut self, id: OutputId);
    /// Tells whether it has the output.
    fn set_taken(&mut self, id: OutputId, taken: bool) -> bool;
    fn request_key_frame(&mut self, id: OutputId);
    /// The layout, and how it was asked for.
    fn set_layout(&mut self, layout: Layout, wanted: &VideoLayout);
    fn resize(&mut self, size: PictureSize);
    /// The size that its canvas has, as far as that is known.
    fn canvas(&self) -> Option<PictureSize>;
    fn set_captions(&mut self, captions: &[VideoCaption]);
    fn set_background(&mut self, picture: &Picture);
    fn receive(&mut self, id: InputId, packet: VideoPacket<'_>, now: Instant);
    fn sender_report(&mut self, id: InputId, ntp: NtpTime, timestamp: u32, now: Instant);
    fn write(&mut self, id: InputId, picture: RawPicture<'_>);
    fn set_sync(&mut self, id: InputId, sync: Option<SyncPoint>, now: Instant);
    fn stats(&self) -> VideoMixerStats;
    fn input_stats(&self, id: InputId) -> Option<InputStats>;
    fn output_stats(&self, id: OutputId) -> Option<OutputStats>;
    fn poll_event(&mut self) -> Option<VideoMixerEvent>;
}

// Errors say that the core has not got what is named. Of inputs and outputs that it refuses, whose options were checked, it had no
// memory for one more.
impl Core for VideoMixer {
    fn takes_pictures(&self) -> bool {
        true
    }

    fn add_input(&mut self, format: InputFormat, label: &str, muted: bool) -> Option<InputId> {
        Self::add_input(self, InputOptions { label: label.to_owned(), muted, ..InputOptions::new(format) }).ok()
    }

    fn set_label(&mut self, id: InputId, label: &str) {
        let _ = Self::set_label(self, id, label);
    }

    fn set_muted(&mut self, id: InputId, muted: bool) {
        let _ = Self::set_muted(self, id, muted);
    }

    fn set_avatar(&mut self, id: InputId, avatar: &Picture) {
        let _ = Self::set_avatar(self, id, Some(avatar.clone()));
    }

    fn remove_input(&mut self, id: InputId) {
        let _ = Self::remove_input(self, id);
    }

    fn add_output(&mut self, options: &OutputOptions) -> Option<OutputId> {
        Self::add_output(self, options).ok()
    }

    fn remove_output(&mut self, id: OutputId) {
        let _ = Self::remove_output(self, id);
    }

    fn set_taken(&mut self, id: OutputId, taken: bool) -> bool {
        Self::set_taken(self, id, taken).is_ok()
    }

    fn request_key_frame(&mut self, id: OutputId) {
        let _ = Self::request_key_frame(self, id);
    }

    fn set_layout(&mut self, layout: Layout, _: &VideoLayout) {
        let _ = Self::set_layout(self, layout);
    }

    fn resize(&mut self, size: PictureSize) {
        let _ = Self::resize(self, size);
    }

    fn canvas(&self) -> Option<PictureSize> {
        Some(self.size())
    }

    fn set_captions(&mut self, captions: &[VideoCaption]) {
        let captions = captions.iter().map(|caption| (&*caption.text, place(caption.place.unwrap_or_default())));
        let _ = Self::set_captions(self, &captions.collect::<Vec<_>>());
    }

    fn set_background(&mut self, picture: &Picture) {
        Self::set_background(self, picture);
    }

    fn receive(&mut self, id: InputId, packet: VideoPacket<'_>, now: Instant) {
        // The core counts what makes no sense.
        let _ = Self::receive(self, id, packet, now);
    }

    fn sender_report(&mut self, id: InputId, ntp: NtpTime, timestamp: u32, now: Instant) {
        let _ = Self::sender_report(self, id, ntp, timestamp, now);
    }

    fn write(&mut self, id: InputId, picture: RawPicture<'_>) {
        let _ = Self::write(self, id, picture);
    }

    fn set_sync(&mut self, id: InputId, sync: Option<SyncPoint>, _: Instant) {
        let _ = Self::set_sync(self, id, sync);
    }

    fn stats(&self) -> VideoMixerStats {
        Self::stats(self)
    }

    fn input_stats(&self, id: InputId) -> Option<InputStats> {
        Self::input_stats(self, id).ok()
    }

    fn output_stats(&self, id: OutputId) -> Option<OutputStats> {
        Self::output_stats(self, id).ok()
    }

    fn poll_event(&mut self) -> Option<VideoMixerEvent> {
        Self::poll_event(self)
    }
}

/// Bytes of pictures that leave for a process together, but for the last of them, which may be as large as any.
const PICTURES_BYTES_MAX: usize = 1 << 20;

/// One picture more, of 4096 x 2304, must fit into a frame between processes.
const _: () = assert!(PICTURES_BYTES_MAX + 4_096 * 2_304 * 3 / 2 + 1_024 < crate::process::FRAME_BYTES_MAX);

/// A core in another process, as far as it is known here: orders, packets and pictures for it are collected, its reports kept.
pub(super) struct RemoteCore {
    pub(super) outgoing: Outgoing<Order>,
    inputs: FxHashMap<InputId, Known>,
    outputs: Vec<OutputId>,
    /// What it was told last of the layout: how it was asked for, and the order of inputs.
    arranged: Option<VideoLayout>,
    order: Vec<u32>,
    /// Batches of pictures that were sent, of which the report says how many it took: no more than one is under way.
    pictures_sent: u64,
    report: Report,
    output_stats: FxHashMap<u32, OutputStats>,
    events: VecDeque<VideoMixerEvent>,
    /// A picture that was written as red, green and blue.
    converted: Picture,
}

/// What is known of an input there.
#[derive(Default)]
struct Known {
    sync: Option<SyncPoint>,
    seen: Option<PictureSize>,
    key_frames_wanted: u32,
    stats: Option<InputStats>,
}

impl Default for RemoteCore {
    fn default() -> Self {
        Self {
            outgoing: Outgoing::default(),
            inputs: FxHashMap::default(),
            outputs: Vec::new(),
            arranged: None,
            order: Vec::new(),
            pictures_sent: 0,
            report: Report::default(),
            output_stats: FxHashMap::default(),
            events: VecDeque::new(),
            converted: Picture::filled(PictureSize { width: 0, height: 0 }, Colour::BLACK),
        }
    }
}

impl RemoteCore {
    /// What it made was lost: viewers need key frames.
    pub(super) fn mend_gap(&mut self) {
        self.outgoing.orders.extend(self.outputs.iter().map(|id| Order::KeyFrame(id.0)));
    }

    /// Its room for pictures.
    pub(super) fn note_taken(&mut self, pictures: u64) {
        self.report.pictures = pictures;
    }

    /// How it is. What a report says is how things are: one that was lost is made up for by the next.
    pub(super) fn note(&mut self, mut report: Report) {
        for told in report.inputs.drain(..) {
            let id = InputId(told.id);
            let Some(known) = self.inputs.get_mut(&id) else { continue };
            if known.key_frames_wanted != told.key_frames_wanted {
                self.events.push_back(VideoMixerEvent::KeyFrameWanted(id));
            }
            if known.seen != told.seen {
                self.events.push_back(VideoMixerEvent::SizeWanted(id, told.seen));
            }
            (known.key_frames_wanted, known.seen, known.stats) = (told.key_frames_wanted, told.seen, Some(told.stats));
        }
        self.output_stats = report.outputs.drain(..).map(|output| (output.id, output.stats)).collect();
        if report.layouts != self.report.layouts {
            self.events.push_back(VideoMixerEvent::Layout);
        }
        if report.mixer.pressure != self.report.mixer.pressure {
            self.events.push_back(VideoMixerEvent::Pressure(report.mixer.pressure));
        }
        self.report = report;
    }

    /// Adds a picture to those that leave together.
    fn push_picture(&mut self, id: u32, of: PictureUse, view: &PictureView<'_>) {
        if self.outgoing.large.is_empty() {
            self.pictures_sent += 1;
        }
        wire::push_picture(&mut self.outgoing.large, id, of, view);
    }
}

impl Core for RemoteCore {
    fn takes_pictures(&self) -> bool {
        let under_way = self.pictures_sent - self.report.pictures.min(self.pictures_sent);
        let waiting = self.outgoing.large.len();
        self.outgoing.is_ready && if waiting == 0 { under_way == 0 } else { waiting < PICTURES_BYTES_MAX }
    }

    fn add_input(&mut self, format: InputFormat, label: &str, muted: bool) -> Option<InputId> {
        let id = self.outgoing.new_id();
        let codec = match format {
            InputFormat::Rtp(codec) => Some(model_codec(codec)),
            InputFormat::Raw => None,
        };
        self.outgoing.orders.push(Order::AddInput { id, codec, label: label.to_owned(), muted });
        self.inputs.insert(InputId(id), Known::default());
        Some(InputId(id))
    }

    fn set_label(&mut self, id: InputId, label: &str) {
        self.outgoing.orders.push(Order::SetLabel { id: id.0, label: label.to_owned() });
    }

    fn set_muted(&mut self, id: InputId, muted: bool) {
        self.outgoing.orders.push(Order::SetMuted { id: id.0, muted });
    }

    fn set_avatar(&mut self, id: InputId, avatar: &Picture) {
        if let Some(view) = avatar.view() {
            self.push_picture(id.0, PictureUse::StandIn, &view);
        }
    }

    fn remove_input(&mut self, id: InputId) {
        self.inputs.remove(&id);
        self.outgoing.orders.push(Order::RemoveInput(id.0));
    }

    fn add_output(&mut self, options: &OutputOptions) -> Option<OutputId> {
        let id = self.outgoing.new_id();
        self.outgoing.orders.push(Order::AddOutput { id, options: OutputText::from(options) });
        self.outputs.push(OutputId(id));
        Some(OutputId(id))
    }

    fn remove_output(&mut self, id: OutputId) {
        self.outputs.retain(|output| *output != id);
        self.outgoing.orders.push(Order::RemoveOutput(id.0));
    }

    fn set_taken(&mut self, id: OutputId, taken: bool) -> bool {
        self.outgoing.orders.push(Order::SetTaken { id: id.0, taken });
        true
    }

    fn request_key_frame(&mut self, id: OutputId) {
        self.outgoing.orders.push(Order::KeyFrame(id.0));
    }

    fn set_layout(&mut self, layout: Layout, wanted: &VideoLayout) {
        let order: Vec<_> = layout.placed().iter().copied().chain(layout.pending()).map(|id| id.0).collect();
        let is_other = self.arranged.as_ref() != Some(wanted);
        if is_other || self.order != order {
            let arranged = is_other.then(|| wanted.clone());
            self.outgoing.orders.push(Order::SetLayout { wanted: arranged.clone(), order: order.clone() });
            (self.arranged, self.order) = (arranged.or(self.arranged.take()), order);
        }
    }

    fn resize(&mut self, size: PictureSize) {
        self.outgoing.orders.push(Order::Resize { width: size.width, height: size.height });
    }

    fn canvas(&self) -> Option<PictureSize> {
        self.report.canvas
    }

    fn set_captions(&mut self, captions: &[VideoCaption]) {
        self.outgoing.orders.push(Order::SetCaptions(captions.to_vec()));
    }

    fn set_background(&mut self, picture: &Picture) {
        if let Some(view) = picture.view() {
            self.push_picture(wire::BACKGROUND, PictureUse::StandIn, &view);
        }
    }

    fn receive(&mut self, id: InputId, packet: VideoPacket<'_>, _: Instant) {
        // Before it mixes, a key frame would grow old there.
        if self.outgoing.is_ready {
            wire::push_packet(self.outgoing.packets.batch(), id, packet);
        }
    }

    fn sender_report(&mut self, id: InputId, ntp: NtpTime, timestamp: u32, _: Instant) {
        self.outgoing.orders.push(Order::SenderReport { id: id.0, ntp: ntp.0, timestamp });
    }

    fn write(&mut self, id: InputId, picture: RawPicture<'_>) {
        match picture {
            RawPicture::I420(view) => self.push_picture(id.0, PictureUse::Frame, &view),
            RawPicture::Rgba { size, bytes } => {
                // As the core would: it has less than half of the bytes.
                let none = Picture::filled(PictureSize { width: 0, height: 0 }, Colour::BLACK);
                let mut converted = std::mem::replace(&mut self.converted, none);
                converted.copy_from_rgba(size, bytes);
                if let Some(view) = converted.view() {
                    self.push_picture(id.0, PictureUse::Frame, &view);
                }
                self.converted = converted;
            }
        }
    }

    fn set_sync(&mut self, id: InputId, sync: Option<SyncPoint>, now: Instant) {
        let Some(known) = self.inputs.get_mut(&id) else { return };
        if known.sync != sync {
            known.sync = sync;
            wire::push_sync(self.outgoing.packets.batch(), id, sync, now);
        }
    }

    fn stats(&self) -> VideoMixerStats {
        self.report.mixer
    }

    fn input_stats(&self, id: InputId) -> Option<InputStats> {
        self.inputs.get(&id)?.stats
    }

    fn output_stats(&self, id: OutputId) -> Option<OutputStats> {
        self.output_stats.get(&id.0).copied()
    }

    fn poll_event(&mut self) -> Option<VideoMixerEvent> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::InputReport;
    use super::*;

    fn ready() -> RemoteCore {
        let mut core = RemoteCore::default();
        core.outgoing.is_ready = true;
        core
    }

    fn white(width: u32, height: u32) -> Picture {
        Picture::filled(PictureSize { width, height }, Colour::WHITE)
    }

    #[test]
    fn one_batch_of_pictures_is_under_way_until_the_process_took_it() {
        let mut core = RemoteCore::default();
        assert!(!core.takes_pictures(), "it has not begun");
        core.outgoing.is_ready = true;
        let id = core.add_input(InputFormat::Raw, "", false).unwrap();
        let mut count = 0;
        while core.takes_pictures() {
            core.set_avatar(id, &white(640, 360));
            count += 1;
        }
        let bytes = 640 * 360 * 3 / 2;
        assert_eq!(count, PICTURES_BYTES_MAX.div_ceil(bytes));
        assert!(core.outgoing.large.len() < PICTURES_BYTES_MAX + bytes + 1_024);
        std::mem::take(&mut core.outgoing.large);
        assert!(!core.takes_pictures());
        core.note_taken(1);
        assert!(core.takes_pictures());
        // Red, green and blue leave as I420.
        core.write(id, RawPicture::Rgba { size: PictureSize { width: 2, height: 2 }, bytes: &[255; 16] });
        let records: Vec<_> = core.outgoing.large.packets().map(|(_, record)| record.to_vec()).collect();
        assert!(records.len() == 1 && records[0].ends_with(&[235, 235, 235, 235, 128, 128]));
        std::mem::take(&mut core.outgoing.large);
        core.note(Report { pictures: 2, ..Report::default() });
        assert!(core.takes_pictures(), "a report says it too");
    }

    #[test]
    fn a_report_that_was_lost_is_made_up_for_by_the_next() {
        let mut core = ready();
        let id = core.add_input(InputFormat::Raw, "", false).unwrap();
        let seen = Some(PictureSize { width: 320, height: 180 });
        let report = |layouts, key_frames_wanted| {
            let input = InputReport { id: id.0, seen, key_frames_wanted, stats: InputStats::default() };
            Report { layouts, inputs: vec![input], ..Report::default() }
        };
        core.note(report(3, 2));
        core.note(report(3, 2));
        let told: Vec<_> = std::iter::from_fn(|| core.poll_event()).collect();
        use VideoMixerEvent::{KeyFrameWanted, Layout, SizeWanted};
        assert_eq!(told, [KeyFrameWanted(id), SizeWanted(id, seen), Layout]);
    }

    #[test]
    fn outputs_of_which_frames_were_lost_get_key_frames() {
        let mut core = ready();
        let [first, second] = [core.add_output(&OutputOptions::raw()), core.add_output(&OutputOptions::raw())];
        core.remove_output(second.unwrap());
        core.outgoing.orders.clear();
        core.mend_gap();
        assert!(matches!(core.outgoing.orders[..], [Order::KeyFrame(id)] if Some(OutputId(id)) == first));
    }

    #[test]
    fn packets_before_it_begins_and_layouts_that_it_knows_are_not_sent() {
        let mut core = RemoteCore::default();
        let id = core.add_input(InputFormat::Raw, "", false).unwrap();
        let packet = VideoPacket { sequence: 1, timestamp: 2, marker: true, payload: b"x" };
        core.receive(id, packet, Instant::now());
        assert!(core.outgoing.packets.take().is_empty());
        core.outgoing.is_ready = true;
        core.receive(id, packet, Instant::now());
        assert_eq!(core.outgoing.packets.take().len(), 1);
        let mut layout = Layout::new(PictureSize { width: 64, height: 64 }, 4, Default::default()).unwrap();
        layout.add(id);
        core.outgoing.orders.clear();
        (0..2).for_each(|_| core.set_layout(layout.clone(), &VideoLayout::default()));
        let [Order::SetLayout { wanted: Some(_), order }] = &core.outgoing.orders[..] else {
            panic!("it is told once")
        };
        assert_eq!(order, &[id.0]);
        layout.add(InputId(9));
        core.set_layout(layout, &VideoLayout::default());
        let Some(Order::SetLayout { wanted: None, order }) = core.outgoing.orders.last() else { panic!("it is told") };
        assert_eq!(order, &[id.0, 9]);
    }
}
