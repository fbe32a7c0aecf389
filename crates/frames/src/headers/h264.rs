//! H.264's sequence parameter set (ITU-T H.264 §7.3.2.1.1), as far as the picture's size.

use super::PictureSize;
use super::bits::Bits;
use crate::codec::DecodeError;

/// NAL units that hold a sequence parameter set: its own, and the subset one of scalable streams.
const PARAMETER_SETS: [u8; 2] = [7, 15];

/// Profiles whose sets say how chroma is sampled (§7.3.2.1.1).
const PROFILES_WITH_CHROMA: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Gives `take` the size of every sequence parameter set in `frame`, NAL units with start codes.
pub(super) fn sizes(
    frame: &[u8],
    take: &mut impl FnMut(PictureSize) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut rest = after_start_code(frame).ok_or(DecodeError::Malformed)?;
    loop {
        if let [header, payload @ ..] = rest
            && PARAMETER_SETS.contains(&(header & 0x1F))
        {
            take(size(payload)?)?;
        }
        let Some(next) = after_start_code(rest) else { return Ok(()) };
        rest = next;
    }
}

/// What follows the next start code (Annex B), if there is one.
fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.windows(3).position(|three| three == [0, 0, 1])?;
    Some(&bytes[at + 3..])
}

/// The size of the coded picture, before cropping: by it a decoder allocates.
fn size(payload: &[u8]) -> Result<PictureSize, DecodeError> {
    let mut bits = Bits::of_nal_unit(payload);
    let profile = bits.bits(8)?;
    bits.skip(16)?;
    bits.exp_golomb()?;
    if PROFILES_WITH_CHROMA.contains(&profile) {
        chroma_and_scaling(&mut bits)?;
    }
    let _log2_max_frame_num = bits.exp_golomb()?;
    picture_order(&mut bits)?;
    let _max_num_ref_frames = bits.exp_golomb()?;
    bits.skip(1)?;
    let (width, height) = (bits.exp_golomb()?, bits.exp_golomb()?);
    let frame_mbs_only = bits.bit()?;
    let macroblocks = |count: u32| u64::from(count) + 1;
    let sides = (macroblocks(width) * 16, macroblocks(height) * 16 * if frame_mbs_only { 1 } else { 2 });
    let side = |side: u64| u32::try_from(side).unwrap_or(u32::MAX);
    Ok(PictureSize { width: side(sides.0), height: side(sides.1) })
}

fn chroma_and_scaling(bits: &mut Bits<'_>) -> Result<(), DecodeError> {
    const CHROMA_444: u32 = 3;
    let chroma_format = bits.exp_golomb()?;
    if chroma_format == CHROMA_444 {
        bits.skip(1)?;
    }
    let _bit_depths = (bits.exp_golomb()?, bits.exp_golomb()?);
    bits.skip(1)?;
    let scaling_matrix = bits.bit()?;
    if !scaling_matrix {
        return Ok(());
    }
    let lists = if chroma_format == CHROMA_444 { 12 } else { 8 };
    for list in 0..lists {
        let present = bits.bit()?;
        if present {
            scaling_list(bits, if list < 6 { 16 } else { 64 })?;
        }
    }
    Ok(())
}

/// §7.3.2.1.1.1: passes over a list.
fn scaling_list(bits: &mut Bits<'_>, length: u32) -> Result<(), DecodeError> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..length {
        if next != 0 {
            next = last.wrapping_add(bits.signed_exp_golomb()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Ok(())
}

fn picture_order(bits: &mut Bits<'_>) -> Result<(), DecodeError> {
    match bits.exp_golomb()? {
        0 => bits.exp_golomb().map(|_| ()),
        1 => {
            bits.skip(1)?;
            let _offsets = (bits.signed_exp_golomb()?, bits.signed_exp_golomb()?);
            // §7.4.2.1.1: at most 255 of them.
            let count = bits.exp_golomb()?;
            if count > 255 {
                return Err(DecodeError::Malformed);
            }
            (0..count).try_for_each(|_| bits.signed_exp_golomb().map(|_| ()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Baseline, 640 × 360 (368 coded), as OpenH264 writes it.
    const BASELINE: [u8; 11] = [0x67, 0x42, 0xC0, 0x1E, 0x8C, 0x8D, 0x40, 0x50, 0x17, 0xFC, 0xB0];

    fn found(frame: &[u8]) -> Result<Vec<(u32, u32)>, DecodeError> {
        let mut found = Vec::new();
        sizes(frame, &mut |size| {
            found.push((size.width, size.height));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn a_parameter_set_declares_the_coded_size() {
        let frame = [&[0, 0, 0, 1][..], &BASELINE, &[0, 0, 1, 0x65, 1, 2, 3]].concat();
        assert_eq!(found(&frame), Ok(vec![(640, 368)]));
        assert_eq!(found(&[0, 0, 1, 0x65, 1, 2, 3]), Ok(vec![]), "a slice alone");
        assert_eq!(found(&[0x65, 1, 2, 3]), Err(DecodeError::Malformed), "no start code");
        for length in 1..8 {
            let frame = [&[0, 0, 1][..], &BASELINE[..length]].concat();
            assert_eq!(found(&frame), Err(DecodeError::Malformed), "{length} bytes");
        }
    }

    #[test]
    fn v02_every_parameter_set_is_looked_at_the_subset_one_too() {
        let mut subset = BASELINE;
        subset[0] = 0x6F;
        let frame = [&[0, 0, 1][..], &BASELINE, &[0, 0, 1, 9, 0xF0], &[0, 0, 1], &subset].concat();
        assert_eq!(found(&frame).map(|sizes| sizes.len()), Ok(2));
    }
}
