//! The dependency descriptor: layers and dependencies of a frame in a header extension, whatever the codec (AV1 RTP
//! specification 1.0, appendix A).

mod bits;
mod structure;
#[cfg(test)]
pub(crate) mod tests;

use bits::{BitReader, BitWriter};
use structure::{Structure, Template, read_targets};

pub use structure::{DECODE_TARGETS_MAX, SPATIAL_LAYER_MAX, TEMPLATES_MAX, TEMPORAL_LAYER_MAX};

use crate::payload::{PictureFlags, PictureInfo};
use crate::sequence::is_newer;

/// Frames before the newest one whose temporal layer is remembered. What is predicted from older ones counts as
/// predicted from the highest.
const FRAMES_KEPT: usize = 64;

/// Bytes that the mandatory fields take (A.8.2).
const MANDATORY_BYTES: usize = 3;

/// Bits before `active_decode_targets_bitmask` where no structure stands between.
const FIRST_BITS: usize = 8 * MANDATORY_BYTES + 5;

/// What a descriptor says of its packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameInfo {
    /// The frame's layers and how it depends on others. It has no numbers.
    pub picture: PictureInfo,
    /// The packet starts a frame with which a new structure begins: it decodes without earlier ones.
    pub key_frame: bool,
}

/// Reads the descriptors of one stream, whose packets mean what the structure of its last key frame says.
#[derive(Clone, Debug)]
pub struct DependencyReader {
    structure: Structure,
    /// Number of the frame that brought the structure.
    structure_frame: u16,
    /// Timestamp of the newest temporal unit, and its first frame.
    unit: Option<(u32, u16)>,
    /// Number and temporal layer of the last frames, by the low bits of the number.
    frames: [(u16, u8); FRAMES_KEPT],
}

impl DependencyReader {
    /// A reader that begins with the descriptor `bytes` of a packet with `timestamp`; `None` when that brings no
    /// structure.
    pub fn begin(bytes: &[u8], timestamp: u32) -> Option<(Self, FrameInfo)> {
        let descriptor = Descriptor::split(bytes)?;
        let (structure, _) = descriptor.structure()?;
        let frames = [(0, u8::MAX); FRAMES_KEPT];
        let mut reader = Self { structure, structure_frame: descriptor.frame_number, unit: None, frames };
        let info = reader.frame(&descriptor, timestamp)?;
        Some((reader, info))
    }

    /// Reads the descriptor of a packet with `timestamp`; `None` when it is malformed or names no known template.
    ///
    /// A structure replaces the one before, unless it comes late.
    pub fn read(&mut self, bytes: &[u8], timestamp: u32) -> Option<FrameInfo> {
        let descriptor = Descriptor::split(bytes)?;
        if descriptor.has_structure {
            let (structure, _) = descriptor.structure()?;
            descriptor.custom(structure.target_layers.len())?;
            if !is_newer(self.structure_frame, descriptor.frame_number) {
                (self.structure, self.structure_frame) = (structure, descriptor.frame_number);
            }
        }
        self.frame(&descriptor, timestamp)
    }

    /// Number of decode targets, and which of them a viewer of these layers at most can use: one bit each, the first
    /// in the lowest.
    pub fn targets_within(&self, spatial_layer: u8, temporal_layer: u8) -> DecodeTargets {
        let mask = self.structure.targets_within(spatial_layer, temporal_layer);
        DecodeTargets { count: self.structure.target_layers.len() as u8, mask }
    }

    fn frame(&mut self, descriptor: &Descriptor<'_>, timestamp: u32) -> Option<FrameInfo> {
        let template = *self.structure.template(descriptor.template_id)?;
        let custom = descriptor.custom(self.structure.target_layers.len())?;
        let number = descriptor.frame_number;
        let unit_start = self.unit_start(number, timestamp);
        self.frames[usize::from(number) % FRAMES_KEPT] = (number, template.temporal_layer);
        let mut predicted = Predicted::default();
        match custom.distances {
            Some(distances) => distances.for_each(|distance| predicted.add(self, number, distance, unit_start)),
            None => (0..16u16)
                .filter(|bit| template.distances >> bit & 1 == 1)
                .for_each(|bit| predicted.add(self, number, bit + 1, unit_start)),
        }
        let targets = custom.targets.unwrap_or(template.targets);
        let mut flags = PictureFlags::default();
        flags.set(PictureFlags::STARTS, descriptor.starts);
        flags.set(PictureFlags::ENDS, descriptor.ends);
        flags.set(PictureFlags::ALONE, !predicted.from_earlier);
        flags.set(PictureFlags::FROM_BELOW, predicted.from_below);
        flags.set(PictureFlags::NOT_FOR_ABOVE, !self.structure.serves_above(targets, template.spatial_layer));
        flags.set(PictureFlags::SWITCHES_UP, predicted.temporal_layer == 0);
        let Template { spatial_layer, temporal_layer, .. } = template;
        let picture = PictureInfo { temporal_layer, spatial_layer, flags, ..PictureInfo::default() };
        Some(FrameInfo { picture, key_frame: descriptor.starts && descriptor.has_structure })
    }

    /// Number of the first frame of the temporal unit that the frame `number` belongs to.
    fn unit_start(&mut self, number: u16, timestamp: u32) -> u16 {
        match self.unit {
            Some((unit, start)) if unit == timestamp => {
                let first = if is_newer(start, number) { number } else { start };
                self.unit = Some((unit, first));
                first
            }
            Some((unit, _)) if (timestamp.wrapping_sub(unit) as i32) < 0 => number,
            _ => {
                self.unit = Some((timestamp, number));
                number
            }
        }
    }

    fn temporal_layer_of(&self, number: u16) -> u8 {
        let (known, layer) = self.frames[usize::from(number) % FRAMES_KEPT];
        if known == number { layer } else { u8::MAX }
    }
}

/// What a frame is predicted from.
#[derive(Clone, Copy, Debug, Default)]
struct Predicted {
    from_below: bool,
    from_earlier: bool,
    /// Highest temporal layer among frames of earlier units.
    temporal_layer: u8,
}

impl Predicted {
    fn add(&mut self, reader: &DependencyReader, number: u16, distance: u16, unit_start: u16) {
        if distance <= number.wrapping_sub(unit_start) {
            self.from_below = true;
            return;
        }
        self.from_earlier = true;
        self.temporal_layer = self.temporal_layer.max(reader.temporal_layer_of(number.wrapping_sub(distance)));
    }
}

/// Decode targets of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeTargets {
    /// How many the stream has, at most [`DECODE_TARGETS_MAX`].
    pub count: u8,
    /// Some of them, one bit each, the first in the lowest.
    pub mask: u32,
}

/// What to write over a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorEdit {
    /// Number of the frame in the outgoing stream.
    pub frame_number: u16,
    /// Decode targets that are sent; 0 of them to leave the packet's own word on it as it is.
    pub target_count: u8,
    target_mask: [u16; 2],
}

impl DescriptorEdit {
    /// An edit that writes the number only.
    pub fn number(frame_number: u16) -> Self {
        Self { frame_number, target_count: 0, target_mask: [0; 2] }
    }

    /// The same, and that only `targets` are sent.
    #[must_use]
    pub fn with_targets(self, targets: DecodeTargets) -> Self {
        let target_mask = [(targets.mask >> 16) as u16, targets.mask as u16];
        Self { target_count: targets.count, target_mask, ..self }
    }

    fn mask(self) -> u32 {
        u32::from(self.target_mask[0]) << 16 | u32::from(self.target_mask[1])
    }

    /// Writes the descriptor `bytes` with this edit into `out` and returns its length, which may be some bytes more.
    /// `None` when it does not fit or `bytes` is malformed (case R05).
    pub fn write(self, bytes: &[u8], out: &mut [u8]) -> Option<usize> {
        let descriptor = Descriptor::split(bytes)?;
        let out = out.get_mut(..out.len().min(usize::from(u8::MAX)))?;
        out.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let [high, low] = self.frame_number.to_be_bytes();
        (out[1], out[2]) = (high, low);
        if self.target_count == 0 {
            return Some(bytes.len());
        }
        let targets = u32::from(self.target_count).min(DECODE_TARGETS_MAX as u32);
        if bytes.len() == MANDATORY_BYTES {
            let mut writer = BitWriter::new(out, 8 * MANDATORY_BYTES);
            writer.bits(TARGETS_PRESENT, 5)?;
            writer.bits(self.mask(), targets)?;
            return writer.finish();
        }
        let mask_at = if descriptor.has_structure { descriptor.structure()?.1 } else { FIRST_BITS };
        let mut rest = BitReader::new(bytes, mask_at);
        let own = if descriptor.has_targets { rest.bits(targets)? } else { u32::MAX };
        BitWriter::new(out, FIRST_BITS - 4).bits(1, 1)?;
        let mut writer = BitWriter::new(out, mask_at);
        writer.bits(self.mask() & own, targets)?;
        // Behind its last field a descriptor is filled with zeros; a whole byte of them may be left out or grow.
        writer.rest(rest)?;
        writer.finish()
    }
}

/// `active_decode_targets_present_flag`, the second of the five flags of the extended fields.
const TARGETS_PRESENT: u32 = 0b01000;

/// A descriptor's fields up to the structure (A.8.2).
struct Descriptor<'a> {
    bytes: &'a [u8],
    starts: bool,
    ends: bool,
    template_id: u8,
    frame_number: u16,
    has_structure: bool,
    has_targets: bool,
    has_custom_targets: bool,
    has_custom_distances: bool,
}

/// What a frame says otherwise than its template.
struct Custom<'a> {
    targets: Option<u64>,
    distances: Option<Distances<'a>>,
}

impl<'a> Descriptor<'a> {
    fn split(bytes: &'a [u8]) -> Option<Self> {
        let &[first, high, low] = bytes.first_chunk()?;
        let flags = bytes.get(MANDATORY_BYTES).copied().unwrap_or_default();
        Some(Self {
            bytes,
            starts: first & 0x80 != 0,
            ends: first & 0x40 != 0,
            template_id: first & 0x3f,
            frame_number: u16::from_be_bytes([high, low]),
            has_structure: flags & 0x80 != 0,
            has_targets: flags & 0x40 != 0,
            has_custom_targets: flags & 0x20 != 0,
            has_custom_distances: flags & 0x10 != 0,
        })
    }

    /// The structure, and the number of bits up to its end; `None` when there is none, or a malformed one.
    fn structure(&self) -> Option<(Structure, usize)> {
        let mut bits = BitReader::new(self.bytes, FIRST_BITS);
        let structure = if self.has_structure { Structure::read(&mut bits)? } else { return None };
        Some((structure, bits.at))
    }

    /// What stands behind the structure and the decode targets.
    fn custom(&self, targets: usize) -> Option<Custom<'a>> {
        if !self.has_custom_targets && !self.has_custom_distances {
            return Some(Custom { targets: None, distances: None });
        }
        let at = if self.has_structure { self.structure()?.1 } else { FIRST_BITS };
        let mut bits = BitReader::new(self.bytes, at);
        if self.has_targets {
            bits.bits(targets as u32)?;
        }
        let targets = if self.has_custom_targets { Some(read_targets(&mut bits, targets)?) } else { None };
        let distances = if self.has_custom_distances { Some(Distances::checked(bits)?) } else { None };
        Some(Custom { targets, distances })
    }
}

/// Distances of the frames that one is predicted from, as it says itself (`frame_fdiffs`).
struct Distances<'a>(BitReader<'a>);

impl<'a> Distances<'a> {
    /// Distances that end before the bytes do.
    fn checked(bits: BitReader<'a>) -> Option<Self> {
        let mut ahead = Self(bits);
        loop {
            match ahead.step()? {
                Some(_) => {}
                None => return Some(Self(bits)),
            }
        }
    }

    /// The next one; `Some(None)` at the end of the list, `None` when the bytes end before.
    fn step(&mut self) -> Option<Option<u16>> {
        match self.0.bits(2)? {
            0 => Some(None),
            nibbles => Some(Some(self.0.bits(4 * nibbles)? as u16 + 1)),
        }
    }
}

impl Iterator for Distances<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        self.step().flatten()
    }
}
