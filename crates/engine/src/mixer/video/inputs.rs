//! What goes into a mixed picture: producers, and what the application writes.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use millrace_frames::video::VideoPacket;
use millrace_frames::{PictureSize, VideoCodec};
use millrace_mixer::video::{InputFormat, InputId, InputStats, Picture, SyncPoint};
use millrace_model::{ConsumerLayers, NtpTime, RtpParameters, VideoMixerInputId, VideoMixerInputStats};
use uuid::Uuid;

use super::core::Core;
use super::layers::{layer_for, spatial_layers};
use super::pictures::PictureQueue;
use crate::mixer::Mixer;
use crate::mixer::audio::AudioEnds;
use crate::mixer::rtp::RtpEntrance;

/// How long a publisher's lower layer must do before it is asked for: layouts change to and fro.
const LOWER_AFTER: Duration = Duration::from_secs(2);

/// A producer that is seen.
pub(crate) struct VideoEntrance {
    entrance: RtpEntrance,
    codec: VideoCodec,
    /// Layers to choose from.
    layers: u8,
    /// The layer that was asked for last.
    asked: Option<u8>,
    /// Since when a lower layer would do.
    lower_since: Option<Instant>,
    /// At which size it is seen; `None`: not at all.
    tile: Option<PictureSize>,
    paused: bool,
    report: Option<(NtpTime, u32)>,
    current_layer: Option<u8>,
}

impl VideoEntrance {
    /// An entrance of a tap that is paused until somebody sees it.
    pub(crate) fn new(entrance: RtpEntrance, codec: VideoCodec) -> Self {
        let layers = spatial_layers(entrance.tap.rtp_parameters());
        Self {
            entrance,
            codec,
            layers,
            asked: None,
            lower_since: None,
            tile: None,
            paused: true,
            report: None,
            current_layer: None,
        }
    }

    /// Gives the core what came. Tells whether nothing will come any more.
    fn receive(&mut self, core: &mut impl Core, input: InputId, now: Instant) -> bool {
        let state = self.entrance.receive(|meta, _, payload| {
            let (sequence, timestamp, marker) = (meta.sequence, meta.timestamp, meta.marker);
            core.receive(input, VideoPacket { sequence, timestamp, marker, payload }, now);
        });
        let report = self.entrance.tap.sender_report();
        if report != self.report
            && let Some((ntp, timestamp)) = report
        {
            self.report = report;
            core.sender_report(input, ntp, timestamp, now);
        }
        self.current_layer = state.current_layers.map(|layers| layers.spatial_layer);
        state.ended
    }

    /// Follows a change of the size at which it is seen: what nobody sees is not sent.
    fn set_tile(&mut self, tile: Option<PictureSize>) {
        self.tile = tile;
        let paused = tile.is_none();
        // A worker that is gone or full is asked again with the next change; the stream then only costs more.
        if paused != self.paused && self.entrance.tap.set_paused(paused).is_ok() {
            self.paused = paused;
        }
    }

    /// Asks for the publisher's layer that fits.
    fn choose_layer(&mut self, size: Option<PictureSize>, now: Instant) {
        let (Some(tile), true) = (self.tile, self.layers > 1) else { return };
        let current = self.current_layer.zip(size);
        let Some(wanted) = layer_for(tile, current, self.layers) else { return };
        let asked = self.asked.unwrap_or(self.layers - 1);
        if wanted >= asked {
            self.lower_since = None;
        }
        let waited = wanted < asked && now.duration_since(*self.lower_since.get_or_insert(now)) >= LOWER_AFTER;
        if wanted > asked || waited {
            let layers = ConsumerLayers { spatial_layer: wanted, temporal_layer: None };
            if self.entrance.tap.set_preferred_layers(layers).is_ok() {
                (self.asked, self.lower_since) = (Some(wanted), None);
            }
        }
    }
}

/// Where an input's pictures come from.
pub(super) enum Origin {
    Rtp(Box<VideoEntrance>),
    Written(Arc<PictureQueue>),
}

/// The sound of an input's publisher in a mix.
pub(crate) struct Voice {
    pub(crate) mixer: Weak<Mixer<AudioEnds>>,
    pub(crate) input: Uuid,
}

/// One input.
pub(crate) struct VideoInputEnd {
    pub(crate) id: Uuid,
    /// Its name in the layout that requests change.
    pub(super) place: InputId,
    origin: Origin,
    /// Pictures that the application gives for it: frames, or only its avatar.
    queue: Arc<PictureQueue>,
    label: String,
    muted: bool,
    avatar: Option<Picture>,
    /// The core has not got the avatar yet.
    avatar_waits: bool,
    voice: Option<Voice>,
    /// Label, avatar or muting are other than the core has.
    is_changed: bool,
    pub(super) core: Option<InputId>,
    pub(super) stats: InputStats,
}

impl VideoInputEnd {
    /// An input of a producer, or else of what the application writes into `queue`.
    pub(crate) fn new(
        id: Uuid,
        entrance: Option<VideoEntrance>,
        queue: Arc<PictureQueue>,
        label: String,
        muted: bool,
    ) -> Self {
        let origin = match entrance {
            Some(entrance) => Origin::Rtp(Box::new(entrance)),
            None => Origin::Written(Arc::clone(&queue)),
        };
        Self {
            id,
            place: InputId(0),
            origin,
            queue,
            label,
            muted,
            avatar: None,
            avatar_waits: false,
            voice: None,
            is_changed: false,
            core: None,
            stats: InputStats::default(),
        }
    }

    pub(crate) fn with_voice(self, voice: Option<Voice>) -> Self {
        Self { voice, ..self }
    }

    pub(super) fn update(&mut self, label: Option<String>, muted: Option<bool>) {
        self.label = label.unwrap_or_else(|| std::mem::take(&mut self.label));
        self.muted = muted.unwrap_or(self.muted);
        self.is_changed = true;
    }

    /// The codec of a producer, for whoever hands its packets on.
    pub(super) fn codec(&self) -> Option<VideoCodec> {
        match &self.origin {
            Origin::Rtp(entrance) => Some(entrance.codec),
            Origin::Written(_) => None,
        }
    }

    pub(super) fn rtp(&mut self) -> Option<&mut RtpEntrance> {
        match &mut self.origin {
            Origin::Rtp(entrance) => Some(&mut entrance.entrance),
            Origin::Written(_) => None,
        }
    }

    /// Another core begins.
    pub(super) fn restart(&mut self) {
        (self.core, self.avatar_waits) = (None, self.avatar.is_some());
        match &mut self.origin {
            Origin::Rtp(entrance) => entrance.report = None,
            Origin::Written(queue) => queue.show_again(),
        }
    }

    /// Makes the core agree with what requests asked for.
    pub(super) fn apply(&mut self, core: &mut impl Core) {
        let Some(id) = self.core else {
            let format = match &self.origin {
                Origin::Rtp(entrance) => InputFormat::Rtp(entrance.codec),
                Origin::Written(_) => InputFormat::Raw,
            };
            self.core = core.add_input(format, &self.label, self.muted);
            return;
        };
        if std::mem::take(&mut self.is_changed) {
            core.set_label(id, &self.label);
            core.set_muted(id, self.muted);
        }
    }

    /// Gives the core what came. Tells whether nothing will come any more.
    pub(super) fn receive(&mut self, core: &mut impl Core, now: Instant) -> bool {
        let Some(id) = self.core else { return false };
        if let Some(avatar) = self.queue.take_stand_in() {
            (self.avatar, self.avatar_waits) = (Some(avatar), true);
        }
        if let (Some(avatar), true) = (&self.avatar, self.avatar_waits && core.takes_pictures()) {
            core.set_avatar(id, avatar);
            self.avatar_waits = false;
        }
        match &mut self.origin {
            Origin::Rtp(entrance) => entrance.receive(core, id, now),
            Origin::Written(queue) => {
                // Where it has no room the newest one waits.
                if core.takes_pictures() {
                    queue.take_frame(|picture| core.write(id, picture));
                }
                false
            }
        }
    }

    /// Shows its pictures with its publisher's sound.
    pub(super) fn follow_voice(&self, core: &mut impl Core, now: Instant) {
        if let (Some(id), Some(voice)) = (self.core, &self.voice) {
            let sync = voice.mixer.upgrade().and_then(|mixer| mixer.change(|ends| ends.heard_at(voice.input)));
            core.set_sync(id, sync.map(|(captured, presented)| SyncPoint { captured, presented }), now);
        }
    }

    pub(super) fn request_key_frame(&self) {
        if let Origin::Rtp(entrance) = &self.origin {
            // The core asks again while it has none.
            let _ = entrance.entrance.tap.request_key_frame();
        }
    }

    pub(super) fn set_tile(&mut self, tile: Option<PictureSize>) {
        if let Origin::Rtp(entrance) = &mut self.origin {
            entrance.set_tile(tile);
        }
    }

    /// Notes how the core's input is, and chooses its publisher's layer by that if it `chooses`.
    pub(super) fn note(&mut self, core: &impl Core, chooses: bool, now: Instant) {
        self.stats = self.core.and_then(|id| core.input_stats(id)).unwrap_or_default();
        if let (Origin::Rtp(entrance), true) = (&mut self.origin, chooses) {
            entrance.choose_layer(self.stats.size, now);
        }
    }

    pub(super) fn stats(&self) -> VideoMixerInputStats {
        let InputStats { packets, decoded, failed, unseen, dropped, overspent, freezes, frozen, avatar, size, late } =
            self.stats;
        let (came, spatial_layer) = match &self.origin {
            Origin::Rtp(entrance) => (entrance.entrance.dropped(), entrance.current_layer),
            Origin::Written(queue) => (queue.dropped(), None),
        };
        VideoMixerInputStats {
            input_id: VideoMixerInputId::new(self.id),
            frames: packets.frames,
            decoded,
            failed,
            unseen,
            dropped: dropped + came + packets.dropped,
            overspent,
            freezes,
            frozen,
            avatar,
            width: size.map_or(0, |size| size.width),
            height: size.map_or(0, |size| size.height),
            spatial_layer,
            late: late.as_secs_f32() * 1e3,
        }
    }
}

/// The codec and payload type of a stream's pictures, if this build has the codec.
pub(crate) fn codec_of(parameters: &RtpParameters) -> Option<(VideoCodec, u8)> {
    parameters.codecs.iter().find_map(|parameters| {
        let codec = match parameters.mime_type.to_ascii_lowercase().as_str() {
            "video/vp8" => VideoCodec::Vp8,
            "video/vp9" => VideoCodec::Vp9,
            "video/h264" => VideoCodec::H264,
            "video/av1" => VideoCodec::Av1,
            _ => return None,
        };
        Some((codec, parameters.payload_type))
    })
}
