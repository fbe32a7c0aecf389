//! Where a video packet stands among layers, and the numbers of its picture.

use crate::dependency::DescriptorEdit;

/// What the payload descriptor of a video packet says of its picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureInfo {
    /// Temporal layer, 0 the lowest; 0 where the packet does not say.
    pub temporal_layer: u8,
    /// Spatial layer within the stream, 0 the lowest; 0 where the packet does not say.
    pub spatial_layer: u8,
    /// How the frame, which is one spatial layer of the picture, depends on others.
    pub flags: PictureFlags,
    /// The numbers that a viewer's decoder follows.
    pub numbers: PictureNumbers,
}

/// Yes-or-no facts of a packet's frame. Default: none holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureFlags(u8);

impl PictureFlags {
    /// A viewer of lower temporal layers may take this one from here on (RFC 7741 §4.2, Y; RFC 9628 §4.2, U).
    pub const SWITCHES_UP: Self = Self(0x01);
    /// The packet is the first one of its frame (RFC 9628 §4.2, B).
    pub const STARTS: Self = Self(0x02);
    /// The packet is the last one of its frame (RFC 9628 §4.2, E).
    pub const ENDS: Self = Self(0x04);
    /// The frame is not predicted from earlier pictures (RFC 9628 §4.2, no P).
    pub const ALONE: Self = Self(0x08);
    /// The frame is predicted from a lower spatial layer of its picture (RFC 9628 §4.2, D).
    pub const FROM_BELOW: Self = Self(0x10);
    /// No higher spatial layer is predicted from the frame (RFC 9628 §4.2, Z).
    pub const NOT_FOR_ABOVE: Self = Self(0x20);
    /// Pictures name others by differences of picture ids, so that ids of those left out must stay free (RFC 9628 §4.2,
    /// P_DIFF).
    pub const IDS_REFER: Self = Self(0x40);

    /// Tells whether all of `flags` hold.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Lets `flags` hold if `holds`.
    pub const fn set(&mut self, flags: Self, holds: bool) {
        if holds {
            self.0 |= flags.0;
        }
    }
}

/// Picture id and TL0PICIDX of a payload descriptor (RFC 7741 §4.2, RFC 9628 §4.2), and where they lie in the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureNumbers {
    /// Offset of the picture id.
    pub id_at: u8,
    /// Its bits: 7 or 15; 0 when it is not there.
    pub id_bits: u8,
    /// The picture id.
    pub id: u16,
    /// Offset of TL0PICIDX; 0 when it is not there.
    pub tl0_at: u8,
    /// TL0PICIDX.
    pub tl0: u8,
}

/// What to write over the numbers of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumbersEdit {
    /// Picture id; as many of its low bits as there is room for.
    pub id: u16,
    /// TL0PICIDX.
    pub tl0: u8,
}

/// What a viewer's packet says otherwise than its source about the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureEdit {
    /// In the payload descriptor.
    Numbers(NumbersEdit),
    /// In the dependency descriptor.
    Descriptor(DescriptorEdit),
}

impl PictureNumbers {
    /// Tells whether there is a picture id.
    pub const fn has_id(&self) -> bool {
        self.id_bits != 0
    }

    /// Writes `edit` into `payload`, a copy of the payload that the numbers were read from.
    pub fn write(&self, edit: NumbersEdit, payload: &mut [u8]) {
        let id_at = usize::from(self.id_at);
        match (self.id_bits, payload.get_mut(id_at..)) {
            (7, Some([short, ..])) => *short = (edit.id & 0x7f) as u8,
            (15, Some([high, low, ..])) => [*high, *low] = (edit.id | LONG_ID).to_be_bytes(),
            _ => {}
        }
        if self.tl0_at != 0
            && let Some(tl0) = payload.get_mut(usize::from(self.tl0_at))
        {
            *tl0 = edit.tl0;
        }
    }

    /// Reads the picture id at `at`. Returns the offset behind it, `None` when the payload ends before.
    pub(super) fn read_id(&mut self, payload: &[u8], at: usize) -> Option<usize> {
        let first = *payload.get(at)?;
        self.id_at = at as u8;
        if first & 0x80 == 0 {
            (self.id_bits, self.id) = (7, u16::from(first));
            return Some(at + 1);
        }
        let second = *payload.get(at + 1)?;
        (self.id_bits, self.id) = (15, u16::from_be_bytes([first, second]) & !LONG_ID);
        Some(at + 2)
    }

    /// Reads TL0PICIDX at `at`.
    pub(super) fn read_tl0(&mut self, payload: &[u8], at: usize) -> Option<usize> {
        self.tl0 = *payload.get(at)?;
        self.tl0_at = at as u8;
        Some(at + 1)
    }
}

/// M: the picture id has 15 bits.
const LONG_ID: u16 = 0x8000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{VideoCodec, picture_info};

    #[test]
    fn numbers_are_written_where_they_were_read() {
        let cases: [(VideoCodec, &[u8], &[u8]); 4] = [
            (VideoCodec::Vp8, &[0x90, 0xe0, 0x81, 0x02, 0x03, 0x60, 9], &[0x90, 0xe0, 0xd5, 0x55, 0x77, 0x60, 9]),
            (VideoCodec::Vp8, &[0x90, 0xc0, 0x01, 0x03, 9], &[0x90, 0xc0, 0x55, 0x77, 9]),
            (VideoCodec::Vp9, &[0xa8, 0x80, 0x01, 0x40, 0x05, 9], &[0xa8, 0xd5, 0x55, 0x40, 0x77, 9]),
            (VideoCodec::Vp9, &[0xb8, 0x05, 0x10, 9], &[0xb8, 0x55, 0x10, 9]),
        ];
        for (codec, payload, expected) in cases {
            let info = picture_info(codec, payload);
            let mut edited = payload.to_vec();
            info.numbers.write(NumbersEdit { id: 0x5555, tl0: 0x77 }, &mut edited);
            assert_eq!(edited, expected, "{codec:?}");
            let mut same = payload.to_vec();
            info.numbers.write(NumbersEdit { id: info.numbers.id, tl0: info.numbers.tl0 }, &mut same);
            assert_eq!(same, payload);
        }
    }

    #[test]
    fn r06_numbers_of_a_longer_payload_write_nothing_past_a_shorter_one() {
        let numbers = PictureNumbers { id_at: 2, id_bits: 15, id: 1, tl0_at: 4, tl0: 1 };
        for len in 0..6 {
            let mut payload = vec![0; len];
            numbers.write(NumbersEdit { id: 7, tl0: 7 }, &mut payload);
            assert_eq!(payload.len(), len);
        }
    }
}
