//! A core of sound in another process, as its mixer's thread sees it.

use std::time::Instant;

use super::core::RemoteCore;
use super::desk::Collected;
use super::ends::AudioEnds;
use super::wire::{FrameReader, News, Order};
use crate::mixer::Mixer;
use crate::mixer::there::{Made, Outgoing, Remote};
use crate::mixer::wire::Setup;
use crate::outbox::Outbox;
use crate::packets::PacketBatch;

/// What is known of it, and memory that is used again.
#[derive(Default)]
pub(crate) struct AudioRemote {
    core: RemoteCore,
    collected: Collected,
    reader: FrameReader,
    scratch: Vec<f32>,
}

impl Remote<AudioEnds> for AudioRemote {
    type Order = Order;
    type News = News;

    fn begin(mixer: &Mixer<AudioEnds>) -> (Self, Setup) {
        (Self::default(), Setup::Audio(mixer.setup.options.core.into()))
    }

    fn outgoing(&mut self) -> &mut Outgoing<Order> {
        &mut self.core.outgoing
    }

    fn apply(&mut self, ends: &mut AudioEnds, outbox: &Outbox, now: Instant) {
        ends.apply(&mut self.core);
        ends.receive(&mut self.core, &mut self.scratch, outbox, now);
    }

    fn send(
        &mut self,
        ends: &mut AudioEnds,
        made: &Made<'_>,
        now: Instant,
        to_worker: &mut PacketBatch,
        to_application: &mut PacketBatch,
    ) {
        self.collected.clear();
        for (number, record) in made.records() {
            if let Some((frame, encode_time)) = self.reader.read(number, record) {
                self.collected.add(frame, encode_time);
            }
        }
        ends.send(&self.collected, now, to_worker, to_application);
    }

    fn hear(&mut self, news: News, now: Instant) {
        match news {
            News::Report(report) => self.core.note(*report, now),
            News::ActiveInput(id) => self.core.active = Some(id),
        }
    }

    fn note(&mut self, ends: &mut AudioEnds, mixer: &Mixer<AudioEnds>, now: Instant) {
        ends.load = self.core.load();
        ends.note(&mut self.core, mixer.setup.id, &mixer.setup.outbox, now);
    }
}
