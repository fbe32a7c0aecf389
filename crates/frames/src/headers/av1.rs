//! AV1's OBUs (AV1 specification §5.3) and sequence header (§5.5), as far as the largest picture's size.

use super::PictureSize;
use super::bits::Bits;
use crate::codec::DecodeError;

const OBU_SEQUENCE_HEADER: u8 = 1;

/// Gives `take` the largest size of every sequence header in `unit`, a temporal unit of OBUs with sizes.
pub(super) fn sizes(
    unit: &[u8],
    take: &mut impl FnMut(PictureSize) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut rest = unit;
    while let Some((header, after)) = rest.split_first() {
        let (obu_type, has_extension, has_size) = (header >> 3 & 15, header >> 2 & 1, header >> 1 & 1);
        let after = after.get(usize::from(has_extension)..).ok_or(DecodeError::Malformed)?;
        let (size, after) = if has_size == 1 { leb128(after)? } else { (after.len(), after) };
        let (payload, next) = after.split_at_checked(size).ok_or(DecodeError::Malformed)?;
        if obu_type == OBU_SEQUENCE_HEADER {
            take(sequence_header(&mut Bits::new(payload))?)?;
        }
        rest = next;
    }
    Ok(())
}

/// Tells whether a temporal unit has a sequence header, as those with a key frame have in real time.
pub fn has_sequence_header(unit: &[u8]) -> bool {
    let mut found = false;
    let whole = sizes(unit, &mut |_| {
        found = true;
        Ok(())
    });
    whole.is_ok() && found
}

/// §4.10.5: at most eight bytes of seven bits, at most 32 bits in all.
fn leb128(bytes: &[u8]) -> Result<(usize, &[u8]), DecodeError> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| DecodeError::Malformed)?;
            return Ok((value as usize, &bytes[at + 1..]));
        }
    }
    Err(DecodeError::Malformed)
}

fn sequence_header(bits: &mut Bits<'_>) -> Result<PictureSize, DecodeError> {
    // Profile and still picture.
    bits.skip(4)?;
    let reduced_still_picture_header = bits.bit()?;
    if reduced_still_picture_header {
        bits.skip(5)?;
    } else {
        operating_points(bits)?;
    }
    let (width_bits, height_bits) = (bits.bits(4)? + 1, bits.bits(4)? + 1);
    Ok(PictureSize { width: bits.bits(width_bits)? + 1, height: bits.bits(height_bits)? + 1 })
}

fn operating_points(bits: &mut Bits<'_>) -> Result<(), DecodeError> {
    let timing_info = bits.bit()?;
    let mut delay_bits = None;
    if timing_info {
        bits.skip(64)?;
        let equal_picture_interval = bits.bit()?;
        if equal_picture_interval {
            bits.exp_golomb()?;
        }
        let decoder_model_info = bits.bit()?;
        if decoder_model_info {
            delay_bits = Some(bits.bits(5)? + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let initial_display_delay = bits.bit()?;
    let points = bits.bits(5)? + 1;
    for _ in 0..points {
        bits.skip(12)?;
        let level = bits.bits(5)?;
        if level > 7 {
            bits.skip(1)?;
        }
        if let Some(delay_bits) = delay_bits {
            let model_for_this_point = bits.bit()?;
            if model_for_this_point {
                bits.skip(2 * delay_bits + 1)?;
            }
        }
        let delay_for_this_point = initial_display_delay && bits.bit()?;
        if delay_for_this_point {
            bits.skip(4)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(unit: &[u8]) -> Result<Vec<(u32, u32)>, DecodeError> {
        let mut found = Vec::new();
        sizes(unit, &mut |size| {
            found.push((size.width, size.height));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn a_sequence_header_declares_the_largest_size() {
        // Profile 0; no timing, no delays, one operating point of level 4 (5 bits), 10 bits of width, 9 of height.
        let bits = "000 0 0 0 0 00000 000000000000 00100 1001 1000 1001111111 101100111 000";
        let payload = bytes(bits);
        let unit = [&[0x12, 0x00, 0x0A, payload.len() as u8][..], &payload, &[0x32, 0x01, 0x00]].concat();
        assert_eq!(found(&unit), Ok(vec![(640, 360)]));
        let without_size = [&[0x08][..], &payload].concat();
        assert_eq!(found(&without_size), Ok(vec![(640, 360)]));
        assert_eq!(found(&[0x0A, 0x7F, 0x00]), Err(DecodeError::Malformed), "its size is past the end");
        assert_eq!(found(&[0x0A, 0x01, 0x00]), Err(DecodeError::Malformed), "it is cut off");
        assert_eq!(found(&[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), Err(DecodeError::Malformed));
        assert_eq!(found(&[0x0C]), Err(DecodeError::Malformed), "no extension");
    }

    #[test]
    fn v02_a_reduced_header_declares_65536_by_65536() {
        let bits = format!("000 1 1 00000 1111 1111 {} {}", "1".repeat(16), "1".repeat(16));
        let unit = [&[0x08][..], &bytes(&bits)].concat();
        assert_eq!(found(&unit), Ok(vec![(65_536, 65_536)]));
    }

    fn bytes(text: &str) -> Vec<u8> {
        let bits: Vec<u8> = text.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
        bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | bit << (7 - at))).collect()
    }
}
