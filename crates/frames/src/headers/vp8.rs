//! VP8's frame header (RFC 6386 §9.1).

use super::PictureSize;
use crate::codec::DecodeError;

/// The size that a key frame declares; none for the others.
pub(super) fn size(frame: &[u8]) -> Result<Option<PictureSize>, DecodeError> {
    let Some(tag) = frame.first_chunk::<3>() else { return Err(DecodeError::Malformed) };
    if tag[0] & 1 == 1 {
        return Ok(None);
    }
    let [_, _, _, 0x9D, 0x01, 0x2A, size @ ..] = frame else { return Err(DecodeError::Malformed) };
    let Some(&[width_low, width_high, height_low, height_high]) = size.first_chunk() else {
        return Err(DecodeError::Malformed);
    };
    // The upper two bits ask for scaling when the picture is shown.
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
    Ok(Some(PictureSize { width: side(width_low, width_high), height: side(height_low, height_high) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_declare_a_size_and_others_do_not() {
        let key = [0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x42, 0x68, 0x01];
        assert_eq!(size(&key), Ok(Some(PictureSize { width: 640, height: 360 })));
        assert_eq!(size(&[0x11, 0x02, 0x00]), Ok(None));
        for length in 0..key.len() {
            assert_eq!(size(&key[..length]), Err(DecodeError::Malformed), "{length} bytes");
        }
        assert_eq!(size(&[0x10, 0x02, 0x00, 0x9D, 0x01, 0x2B, 0x80, 0x42, 0x68, 0x01]), Err(DecodeError::Malformed));
    }
}
