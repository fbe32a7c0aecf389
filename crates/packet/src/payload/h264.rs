//! H.264 payloads (RFC 6184 §5).

use crate::big_endian::u16_at;

/// Tells whether the payload holds a sequence parameter set or starts an IDR picture.
pub(super) fn is_key_frame(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else { return false };
    match first & NAL_TYPE {
        STAP_A => aggregate_starts_key_frame(&payload[1..]),
        FU_A => payload.get(1).is_some_and(|fu| fu & FU_START != 0 && is_key_nal(*fu)) && payload.len() > 2,
        _ => is_key_nal(first) && payload.len() > 1,
    }
}

/// Bits of a NAL unit's type in its first byte.
const NAL_TYPE: u8 = 0x1f;
/// A slice of an IDR picture.
const IDR_SLICE: u8 = 5;
/// A sequence parameter set.
const SEQUENCE_PARAMETER_SET: u8 = 7;
/// Several NAL units in one packet, each with its length before it (§5.7.1).
const STAP_A: u8 = 24;
/// A part of a NAL unit (§5.8).
const FU_A: u8 = 28;
/// The part is the first one.
const FU_START: u8 = 0x80;

fn is_key_nal(first: u8) -> bool {
    matches!(first & NAL_TYPE, IDR_SLICE | SEQUENCE_PARAMETER_SET)
}

fn aggregate_starts_key_frame(mut units: &[u8]) -> bool {
    while let Some(len) = u16_at(units, 0) {
        let Some((unit, after)) = units[2..].split_at_checked(usize::from(len)) else { return false };
        if unit.first().is_some_and(|first| is_key_nal(*first)) {
            return true;
        }
        units = after;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_and_idr_slices_are_found_in_every_packet_form() {
        assert!(is_key_frame(&[0x67, 0x42]), "SPS");
        assert!(is_key_frame(&[0x65, 0x88]), "IDR");
        assert!(is_key_frame(&[0x78, 0, 1, 0x09, 0, 2, 0x67, 0x42]), "SPS behind a delimiter in STAP-A");
        assert!(is_key_frame(&[0x7c, 0x85, 0x88]), "first part of an IDR");
    }

    #[test]
    fn other_slices_and_later_parts_are_none() {
        assert!(!is_key_frame(&[0x61, 0x88]), "non-IDR slice");
        assert!(!is_key_frame(&[0x68, 0x88]), "PPS");
        assert!(!is_key_frame(&[0x78, 0, 2, 0x61, 0x88]), "non-IDR slice in STAP-A");
        assert!(!is_key_frame(&[0x7c, 0x05, 0x88]), "middle of an IDR");
        assert!(!is_key_frame(&[0x7c, 0x81, 0x88]), "first part of a non-IDR slice");
    }

    #[test]
    fn r06_aggregates_and_parts_shorter_than_they_say_are_no_key_frame() {
        for payload in [
            &[][..],
            &[0x65],
            &[0x7c],
            &[0x7c, 0x85],
            &[0x78],
            &[0x78, 0],
            &[0x78, 0, 2, 0x67],
            &[0x78, 0xff, 0xff, 0x67, 0x42],
            &[0x78, 0, 0, 0, 0, 0],
        ] {
            assert!(!is_key_frame(payload), "{payload:?}");
        }
    }
}
