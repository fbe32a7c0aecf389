//! Which frames of a stream that carries several layers in itself a viewer gets (SVC: RFC 9628 §4.2 for VP9, the
//! dependency descriptor for others).

use millrace_packet::{DescriptorEdit, ExtensionKind, PictureFlags as Flags, PictureInfo};

use crate::layers::{Layers, Wish};
use crate::source::SourcePacket;

/// What a viewer of such a stream passes without a look: nothing, as packets of such streams stand above it
/// ([`SourcePacket::sieve`]).
pub(crate) const UNSEEN_MAX: u8 = 0x7f;

/// How packets of streams with layers in themselves stand in [`SourcePacket::sieve`]: above [`UNSEEN_MAX`], below the
/// limit of viewers that take everything.
pub(crate) const SIEVE: u8 = 0xfe;

/// Pictures in a row without the viewer's layer after which the publisher counts as having stopped it. A single one may
/// be dropped by an encoder in a hurry.
const ABSENT_PICTURES_MAX: u8 = 10;

/// The layers of one stream that one viewer gets. A picture consists of a frame for each spatial layer, each after
/// those that it may be predicted from.
#[derive(Debug)]
pub(crate) struct LayerFilter {
    /// Spatial layer of the frames that the viewer shows.
    level: u8,
    temporal_layer: u8,
    /// Timestamp of the newest picture.
    picture: Option<u32>,
    /// The picture under way is a key picture: all layers begin anew in it, so that the level rises with its frames.
    is_key: bool,
    /// A frame of the picture under way went out as its last one.
    is_ended: bool,
    /// Spatial layers that the viewer could go down to with any picture, one bit each.
    intact: u8,
    /// Highest spatial layer of the picture under way and of the one before, as the publisher sent them.
    top: u8,
    top_before: u8,
    /// Pictures in a row without a frame of the viewer's layer.
    absent: u8,
    /// The viewer's layer is not sent any more, and lower ones begin with a key picture only.
    is_stuck: bool,
    /// Where the viewer gets dependency descriptors.
    frames: Option<FrameNumbers>,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes out; `ends_picture`: nothing of its picture follows for this viewer.
    Send { ends_picture: bool },
    /// It does not.
    LeaveOut,
}

/// How frame numbers of dependency descriptors follow from the source's.
#[derive(Clone, Copy, Debug, Default)]
struct FrameNumbers {
    offset: u16,
    newest: Option<u16>,
}

impl LayerFilter {
    /// A filter that has let nothing pass. `descriptors`: the viewer gets dependency descriptors.
    pub(crate) fn new(descriptors: bool) -> Self {
        Self {
            level: 0,
            temporal_layer: 0,
            picture: None,
            is_key: false,
            is_ended: false,
            intact: 0,
            top: 0,
            top_before: 0,
            absent: 0,
            is_stuck: false,
            frames: descriptors.then(FrameNumbers::default),
        }
    }

    /// Begins to follow a source with the key frame `first`.
    pub(crate) fn start(&mut self, first: &SourcePacket<'_>) {
        (self.picture, self.absent, self.is_stuck) = (None, 0, false);
        if let (Some(frames), Some(number)) = (&mut self.frames, frame_number(first)) {
            let next = frames.newest.map(|newest| newest.wrapping_add(1));
            frames.offset = next.map_or(0, |next| next.wrapping_sub(number));
        }
    }

    /// The layers that the viewer gets.
    pub(crate) fn layers(&self) -> Layers {
        Layers { spatial_layer: self.level, temporal_layer: self.temporal_layer }
    }

    /// Tells whether a viewer that wants `wish` gets it only from a key picture on.
    pub(crate) fn needs_key_picture(&self, wish: Wish) -> bool {
        let wanted = wish.spatial_layer;
        wanted > self.level || (wanted < self.level && !has_layer(self.intact, wanted))
    }

    /// Tells whether the viewer gets nothing before the next key picture, which somebody should ask for.
    pub(crate) fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Tells whether the next packet at `timestamp` begins a picture.
    pub(crate) fn is_next_picture(&self, timestamp: u32) -> bool {
        self.picture.is_none_or(|picture| (timestamp.wrapping_sub(picture) as i32) > 0)
    }

    /// Tells whether the picture under way is a key picture.
    pub(crate) fn is_in_key_picture(&self) -> bool {
        self.is_key
    }

    /// Decides about a packet of `info` at `timestamp`.
    pub(crate) fn judge(&mut self, info: &PictureInfo, timestamp: u32, wish: Wish) -> Verdict {
        if self.is_next_picture(timestamp) {
            self.begin_picture(info, timestamp, wish);
        }
        let layer = info.spatial_layer;
        let is_current = self.picture == Some(timestamp);
        if is_current {
            self.top = self.top.max(layer);
        }
        if info.temporal_layer > self.temporal_layer {
            return Verdict::LeaveOut;
        }
        let rises = layer > self.level && is_current && layer <= wish.spatial_layer && self.may_rise_to(layer, info);
        if rises {
            self.level = layer;
        }
        let is_unneeded = layer < self.level && info.flags.has(Flags::NOT_FOR_ABOVE);
        if layer > self.level || is_unneeded {
            self.intact &= !(1 << layer);
            return Verdict::LeaveOut;
        }
        if is_current && info.flags.has(Flags::ALONE) {
            self.intact |= 1 << layer;
        }
        let ends_picture = is_current && info.flags.has(Flags::ENDS) && self.is_last(layer, wish);
        self.is_ended |= ends_picture;
        Verdict::Send { ends_picture }
    }

    /// What the viewer's dependency descriptor says otherwise than the packet's.
    pub(crate) fn descriptor_edit(&mut self, source: &SourcePacket<'_>, wish: Wish) -> Option<DescriptorEdit> {
        let frames = self.frames.as_mut()?;
        let descriptor = source.packet.meta().value(source.packet.bytes(), ExtensionKind::DependencyDescriptor)?;
        let number = frame_number(source)?;
        let edit = DescriptorEdit::number(number.wrapping_add(frames.offset));
        frames.newest = Some(edit.frame_number);
        let number_only = (frames.offset != 0).then_some(edit);
        let Some(reader) = source.dependency.filter(|_| wish.within_stream) else { return number_only };
        let level = if self.is_key { wish.spatial_layer } else { self.level };
        let targets = reader.targets_within(level, self.temporal_layer);
        // Every frame says it, as no packet is sure to arrive.
        let is_place = source.packet.meta().picture.flags.has(Flags::STARTS) || has_targets(descriptor);
        if is_place && targets.mask != u32::MAX >> (32 - targets.count.clamp(1, 32)) {
            return Some(edit.with_targets(targets));
        }
        number_only
    }

    fn begin_picture(&mut self, info: &PictureInfo, timestamp: u32, wish: Wish) {
        if self.picture.replace(timestamp).is_some() {
            self.note_absence();
        }
        self.is_ended = false;
        self.top_before = std::mem::take(&mut self.top);
        self.is_key = info.spatial_layer == 0 && info.flags.has(Flags::ALONE);
        if self.is_key {
            (self.level, self.intact, self.temporal_layer) = (0, 0, wish.temporal_layer);
            (self.absent, self.is_stuck) = (0, false);
        } else if wish.spatial_layer < self.level && has_layer(self.intact, wish.spatial_layer) {
            self.level = wish.spatial_layer;
        }
        let temporal_layer = info.temporal_layer;
        if temporal_layer > self.temporal_layer && info.flags.has(Flags::SWITCHES_UP) {
            self.temporal_layer = temporal_layer;
        }
        self.temporal_layer = self.temporal_layer.min(wish.temporal_layer);
    }

    /// Goes down to what the publisher still sends, once the viewer's layer has been away for long.
    fn note_absence(&mut self) {
        self.absent = if self.top < self.level { self.absent.saturating_add(1) } else { 0 };
        if self.absent <= ABSENT_PICTURES_MAX {
            return;
        }
        self.is_stuck = !has_layer(self.intact, self.top);
        if !self.is_stuck {
            (self.level, self.absent) = (self.top, 0);
        }
    }

    /// A layer can be begun with in a key picture, and, once the publisher adds it, with a frame that is predicted from
    /// the layer below alone.
    fn may_rise_to(&self, layer: u8, info: &PictureInfo) -> bool {
        let is_next = layer == self.level + 1 && info.flags.has(Flags::FROM_BELOW) && !self.is_ended;
        info.flags.has(Flags::ALONE) && (self.is_key || is_next)
    }

    /// Tells whether a frame of `layer` is the last one of the picture that the viewer gets. Where the publisher ends
    /// the picture with it, its own marker says so.
    fn is_last(&self, layer: u8, wish: Wish) -> bool {
        if self.is_key {
            return layer == wish.spatial_layer;
        }
        // A layer that the publisher did not send lately may come any time: it could not follow a marker.
        layer == self.level && (self.level == wish.spatial_layer || self.top_before > self.level)
    }
}

fn has_layer(layers: u8, layer: u8) -> bool {
    layers >> layer.min(7) & 1 == 1
}

/// `frame_number` of the packet's dependency descriptor (AV1 RTP specification 1.0, A.8.2).
fn frame_number(source: &SourcePacket<'_>) -> Option<u16> {
    let descriptor = source.packet.meta().value(source.packet.bytes(), ExtensionKind::DependencyDescriptor)?;
    let &[_, high, low] = descriptor.first_chunk()?;
    Some(u16::from_be_bytes([high, low]))
}

/// Tells whether the descriptor names the decode targets that are sent (`active_decode_targets_present_flag`).
fn has_targets(descriptor: &[u8]) -> bool {
    descriptor.get(3).is_some_and(|flags| flags & 0x40 != 0)
}
