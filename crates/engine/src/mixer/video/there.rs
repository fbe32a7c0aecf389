//! A core of pictures in another process, as its mixer's thread sees it.

use std::time::Instant;

use millrace_model::VideoMixerOptions;

use super::core::RemoteCore;
use super::desk::Collected;
use super::ends::VideoEnds;
use super::wire::{self, News, Order, Setup as VideoSetupText};
use crate::mixer::Mixer;
use crate::mixer::there::{Made, Outgoing, Remote};
use crate::mixer::wire::Setup;
use crate::outbox::Outbox;
use crate::packets::PacketBatch;

/// What is known of it, and memory that is used again.
#[derive(Default)]
pub(crate) struct VideoRemote {
    core: RemoteCore,
    collected: Collected,
}

impl Remote<VideoEnds> for VideoRemote {
    type Order = Order;
    type News = News;

    fn begin(mixer: &Mixer<VideoEnds>) -> (Self, Setup) {
        (Self::default(), Setup::Video(Box::new(setup(mixer, &mixer.lock()))))
    }

    fn outgoing(&mut self) -> &mut Outgoing<Order> {
        &mut self.core.outgoing
    }

    fn apply(&mut self, ends: &mut VideoEnds, outbox: &Outbox, now: Instant) {
        ends.apply(&mut self.core);
        ends.receive(&mut self.core, outbox, now);
        ends.follow_voices(&mut self.core, now);
    }

    fn send(
        &mut self,
        ends: &mut VideoEnds,
        made: &Made<'_>,
        now: Instant,
        to_worker: &mut PacketBatch,
        to_application: &mut PacketBatch,
    ) {
        if made.has_gap {
            self.core.mend_gap();
        }
        self.collected.clear();
        for (number, record) in made.records() {
            if let Some(frame) = wire::made_frame(number, record) {
                self.collected.add_made(&frame);
            }
        }
        ends.send(&self.collected, now, to_worker, to_application);
    }

    fn hear(&mut self, news: News, _: Instant) {
        match news {
            News::Report(report) => self.core.note(*report),
            News::Took(pictures) => self.core.note_taken(pictures),
        }
    }

    fn note(&mut self, ends: &mut VideoEnds, mixer: &Mixer<VideoEnds>, now: Instant) {
        ends.note(&mut self.core, mixer.setup.id, &mixer.setup.outbox, now);
        ends.follow_size(&mut self.core, now);
    }
}

/// With what a core there begins.
fn setup(mixer: &Mixer<VideoEnds>, ends: &VideoEnds) -> VideoSetupText {
    let setup = &mixer.setup.options;
    let size = ends.options(&setup.options).size;
    let (width, height) = (Some(size.width), Some(size.height));
    VideoSetupText { options: VideoMixerOptions { width, height, ..setup.wanted.clone() } }
}
