//! What comes out of a mixed picture: producers, and pictures for the application.

use std::time::{Duration, Instant};

use millrace_frames::PictureSize;
use millrace_mixer::video::{OutputId, OutputOptions, OutputStats};
use millrace_model::{VideoMixerOutputId, VideoMixerOutputStats};
use uuid::Uuid;

use super::core::Core;
use super::desk::{FrameView, Kind};
use crate::mixer::rtp::{RtpExit, RtpFrame};
use crate::packets::PacketBatch;

/// How the samples of pictures for the application lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PixelFormat {
    I420,
    Rgba,
}

/// Where an output's pictures go.
pub(crate) enum VideoExit {
    Rtp(Box<RtpExit>),
    /// To the application, under this number.
    Pictures(u32, PixelFormat),
}

/// One encoding of an output.
struct Rendition {
    options: OutputOptions,
    core: Option<OutputId>,
    taken: bool,
    stats: OutputStats,
    encode_time: Duration,
}

/// One output.
pub(crate) struct VideoOutputEnd {
    pub(crate) id: Uuid,
    renditions: Vec<Rendition>,
    pub(super) exit: VideoExit,
}

impl VideoOutputEnd {
    pub(crate) fn new(id: Uuid, encodings: impl IntoIterator<Item = OutputOptions>, exit: VideoExit) -> Self {
        let rendition = |options| Rendition {
            options,
            core: None,
            taken: false,
            stats: OutputStats::default(),
            encode_time: Duration::ZERO,
        };
        Self { id, renditions: encodings.into_iter().map(rendition).collect(), exit }
    }

    /// Another core begins.
    pub(super) fn restart(&mut self) {
        for rendition in &mut self.renditions {
            (rendition.core, rendition.taken) = (None, false);
        }
        if let VideoExit::Rtp(exit) = &mut self.exit {
            exit.restart();
        }
    }

    /// Ids that the core has for it.
    pub(super) fn ids(&self) -> impl Iterator<Item = OutputId> {
        self.renditions.iter().filter_map(|rendition| rendition.core)
    }

    pub(super) fn apply(&mut self, core: &mut impl Core) {
        for rendition in &mut self.renditions {
            if rendition.core.is_none() {
                // Its options were checked; without memory for one more encoder the next change tries again.
                rendition.core = core.add_output(&rendition.options);
            }
        }
    }

    /// Tells the core what viewers take and wish. Returns whether the producer is no more.
    pub(super) fn listen(&mut self, core: &mut impl Core) -> bool {
        let (taken, asked, ended) = match &mut self.exit {
            VideoExit::Rtp(exit) => (exit.source.taken_encodings(), exit.take_key_frame_requests(), exit.is_ended()),
            VideoExit::Pictures(..) => (1, 0, false),
        };
        for (at, rendition) in self.renditions.iter_mut().enumerate() {
            let Some(id) = rendition.core else { continue };
            let is = |bits: u8| bits & 1 << at != 0;
            if rendition.taken != is(taken) && core.set_taken(id, is(taken)) {
                rendition.taken = is(taken);
            }
            if is(asked) {
                core.request_key_frame(id);
            }
        }
        ended
    }

    /// Sends a frame, if it is of one of its encodings.
    pub(super) fn send(
        &mut self,
        id: OutputId,
        frame: &FrameView<'_>,
        now: Instant,
        to_worker: &mut PacketBatch,
        to_application: &mut PacketBatch,
    ) {
        let Some(at) = self.renditions.iter().position(|rendition| rendition.core == Some(id)) else { return };
        self.renditions[at].encode_time = frame.encode_time;
        match (&mut self.exit, frame.kind) {
            (VideoExit::Rtp(exit), Kind::Packets(packets)) => {
                for (payload, marker) in packets.iter() {
                    let packet = RtpFrame { timestamp: frame.timestamp, marker, payload };
                    exit.write(at, &packet, now, to_worker);
                }
            }
            (VideoExit::Pictures(number, format), Kind::Picture(picture)) => {
                write_picture(to_application, *number, frame.timestamp, picture, *format);
            }
            _ => {}
        }
    }

    /// Sends a sender report when it is time for one.
    pub(super) fn report(&mut self, now: Instant, to_worker: &mut PacketBatch) {
        if let VideoExit::Rtp(exit) = &mut self.exit {
            exit.report(now, to_worker);
        }
    }

    pub(super) fn note(&mut self, core: &impl Core) {
        for rendition in &mut self.renditions {
            rendition.stats = rendition.core.and_then(|id| core.output_stats(id)).unwrap_or_default();
        }
    }

    pub(super) fn stats(&self) -> impl Iterator<Item = VideoMixerOutputStats> {
        self.renditions.iter().enumerate().map(|(at, rendition)| VideoMixerOutputStats {
            output_id: VideoMixerOutputId::new(self.id),
            encoding: at as u8,
            taken: rendition.taken,
            frames: rendition.stats.frames,
            key_frames: rendition.stats.key_frames,
            bytes: rendition.stats.bytes,
            failed: rendition.stats.failed,
            passed: rendition.stats.passed,
            encode_time: rendition.encode_time.as_micros() as u32,
            shared_by: rendition.stats.shared_by as u32,
        })
    }
}

/// Adds a record of a picture: timestamp, width and height, 32 bits each, little endian, and its samples.
fn write_picture(
    batch: &mut PacketBatch,
    number: u32,
    timestamp: u32,
    picture: &millrace_mixer::video::Picture,
    format: PixelFormat,
) {
    let PictureSize { width, height } = picture.size();
    let mut record = Vec::new();
    [timestamp, width, height].iter().for_each(|value| record.extend_from_slice(&value.to_le_bytes()));
    match (format, picture.view()) {
        (PixelFormat::Rgba, _) => picture.write_rgba(&mut record),
        (PixelFormat::I420, Some(view)) => view.planes.iter().for_each(|plane| record.extend_from_slice(plane)),
        (PixelFormat::I420, None) => {}
    }
    batch.push(number, &record);
}
