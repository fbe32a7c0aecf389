//! VP9's superframe index (bitstream specification v0.6, Annex B) and uncompressed header (§6.2).

use super::PictureSize;
use super::bits::Bits;
use crate::codec::DecodeError;

/// Most frames in a superframe: its index counts them in three bits.
pub const SUPERFRAME_FRAMES_MAX: usize = 8;

/// The frames of which one of VP9's frames, as RTP carries it, consists: itself, or those of a superframe.
#[derive(Clone, Copy, Debug)]
pub struct Vp9Frames<'a> {
    frames: [&'a [u8]; SUPERFRAME_FRAMES_MAX],
    count: usize,
}

impl<'a> Vp9Frames<'a> {
    /// Takes `frame` apart.
    ///
    /// # Errors
    /// When it is empty, or a superframe's index does not fit it.
    pub fn of(frame: &'a [u8]) -> Result<Self, DecodeError> {
        let marker = *frame.last().ok_or(DecodeError::Malformed)?;
        let mut frames = [[].as_slice(); SUPERFRAME_FRAMES_MAX];
        let (count, size_bytes) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
        let index_bytes = 2 + count * size_bytes;
        let index = frame.len().checked_sub(index_bytes).filter(|at| marker >> 5 == 0b110 && frame[*at] == marker);
        let Some(index) = index else {
            frames[0] = frame;
            return Ok(Self { frames, count: 1 });
        };
        let (mut rest, index) = frame.split_at(index);
        let sizes = index[1..index.len() - 1].chunks(size_bytes);
        for (slot, size) in frames.iter_mut().zip(sizes) {
            let size = size.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte));
            (*slot, rest) = rest.split_at_checked(size).ok_or(DecodeError::Malformed)?;
        }
        Ok(Self { frames, count })
    }

    /// The frames in the order in which they are decoded. Empty ones are left out: an encoder that drops a layer leaves
    /// its size at 0.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.frames[..self.count].iter().copied().filter(|frame| !frame.is_empty())
    }
}

/// The size that a frame declares; none where it takes that of a frame that it refers to.
pub(super) fn size(frame: &[u8]) -> Result<Option<PictureSize>, DecodeError> {
    let mut bits = Bits::new(frame);
    let frame_marker = bits.bits(2)?;
    let profile = bits.bits(2)?;
    // The others have more than 8 bits a sample or other chroma than 4:2:0.
    if frame_marker != 2 || profile != 0 {
        return Err(DecodeError::Malformed);
    }
    let show_existing_frame = bits.bit()?;
    if show_existing_frame {
        return Ok(None);
    }
    let key_frame = !bits.bit()?;
    let show_frame = bits.bit()?;
    let error_resilient_mode = bits.bit()?;
    if key_frame {
        sync_code(&mut bits)?;
        color_config(&mut bits)?;
        return frame_size(&mut bits).map(Some);
    }
    let intra_only = !show_frame && bits.bit()?;
    if !error_resilient_mode {
        bits.skip(2)?;
    }
    if intra_only {
        // Profile 0 has no colour configuration here.
        sync_code(&mut bits)?;
        bits.skip(8)?;
        return frame_size(&mut bits).map(Some);
    }
    // Which references are replaced, and three of them with their signs.
    bits.skip(8 + 3 * 4)?;
    for _ in 0..3 {
        let size_of_reference = bits.bit()?;
        if size_of_reference {
            return Ok(None);
        }
    }
    frame_size(&mut bits).map(Some)
}

fn sync_code(bits: &mut Bits<'_>) -> Result<(), DecodeError> {
    if bits.bits(24)? == 0x49_83_42 { Ok(()) } else { Err(DecodeError::Malformed) }
}

/// §6.2.2 for profile 0.
fn color_config(bits: &mut Bits<'_>) -> Result<(), DecodeError> {
    const CS_RGB: u32 = 7;
    // RGB is not 4:2:0, which profile 0 always is.
    if bits.bits(3)? == CS_RGB {
        return Err(DecodeError::Malformed);
    }
    bits.skip(1)
}

fn frame_size(bits: &mut Bits<'_>) -> Result<PictureSize, DecodeError> {
    Ok(PictureSize { width: bits.bits(16)? + 1, height: bits.bits(16)? + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key frame of 640 × 360 as libvpx writes it.
    const KEY: [u8; 10] = [0x82, 0x49, 0x83, 0x42, 0x00, 0x27, 0xF0, 0x16, 0x70, 0x00];

    #[test]
    fn a_key_frame_declares_its_size() {
        assert_eq!(size(&KEY), Ok(Some(PictureSize { width: 640, height: 360 })));
        for length in 0..9 {
            assert_eq!(size(&KEY[..length]), Err(DecodeError::Malformed), "{length} bytes");
        }
    }

    #[test]
    fn v02_an_inter_frame_may_declare_a_size_of_its_own() {
        // Shown, not error resilient: reset 2 bits, refresh 8, references 12, then three times "not this one's size".
        let mut bits = vec![1, 0, 0, 0, 0, 1, 1, 0, 0, 0];
        bits.extend([0; 8 + 12 + 3]);
        bits.extend([1; 32]);
        let frame = bytes(&bits);
        assert_eq!(size(&frame), Ok(Some(PictureSize { width: 65_536, height: 65_536 })));
        bits[30] = 1;
        assert_eq!(size(&bytes(&bits)), Ok(None), "it takes that of its first reference");
    }

    #[test]
    fn other_profiles_are_refused() {
        for first in [0xA2, 0x92, 0xB0, 0x02] {
            let mut frame = KEY;
            frame[0] = first;
            assert_eq!(size(&frame), Err(DecodeError::Malformed), "{first:x}");
        }
    }

    #[test]
    fn a_superframe_comes_apart_and_its_index_must_fit() {
        let superframe = [&KEY[..], &[0x86, 0x01], &[0xC1, 10, 2, 0xC1]].concat();
        let frames: Vec<&[u8]> = Vp9Frames::of(&superframe).unwrap().iter().collect();
        assert_eq!(frames, [&KEY[..], &[0x86, 0x01]]);
        let too_short = [&KEY[..], &[0xC0, 11, 0xC0]].concat();
        assert!(Vp9Frames::of(&too_short).is_err());
        assert!(Vp9Frames::of(&[]).is_err());
        assert_eq!(Vp9Frames::of(&[0xC7]).unwrap().iter().count(), 1, "a marker without room for an index is none");
    }

    fn bytes(bits: &[u8]) -> Vec<u8> {
        bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | bit << (7 - at))).collect()
    }
}
