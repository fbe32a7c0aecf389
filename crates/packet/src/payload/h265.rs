//! H.265 payloads (RFC 7798 §4.4), without the decoding order numbers that WebRTC never negotiates.

use crate::big_endian::u16_at;

/// Tells whether the payload holds a video or sequence parameter set or starts a random access picture.
pub(super) fn is_key_frame(payload: &[u8]) -> bool {
    let Some((&[first, _], body)) = payload.split_first_chunk() else { return false };
    match nal_type(first) {
        AGGREGATION => aggregate_starts_key_frame(body),
        FRAGMENT => body.first().is_some_and(|fu| fu & FU_START != 0 && is_key_type(fu & 0x3f)) && body.len() > 1,
        PACI => content_starts_key_frame(body),
        kind => is_key_type(kind) && !body.is_empty(),
    }
}

/// Several NAL units in one packet, each with its length before it (§4.4.2).
const AGGREGATION: u8 = 48;
/// A part of a NAL unit (§4.4.3).
const FRAGMENT: u8 = 49;
/// A NAL unit behind extra header fields (§4.4.4).
const PACI: u8 = 50;
/// The part is the first one.
const FU_START: u8 = 0x80;

fn nal_type(first: u8) -> u8 {
    first >> 1 & 0x3f
}

/// Random access pictures (BLA, IDR, CRA: 16 to 21), video and sequence parameter sets (32, 33).
fn is_key_type(kind: u8) -> bool {
    matches!(kind, 16..=21 | 32 | 33)
}

fn aggregate_starts_key_frame(mut units: &[u8]) -> bool {
    while let Some(len) = u16_at(units, 0) {
        let Some((unit, after)) = units[2..].split_at_checked(usize::from(len)) else { return false };
        if unit.first().is_some_and(|first| is_key_type(nal_type(*first))) {
            return true;
        }
        units = after;
    }
    false
}

/// Reads the type of a PACI packet's content and checks that its extra fields end before the packet does.
fn content_starts_key_frame(body: &[u8]) -> bool {
    let Some(fields) = u16_at(body, 0) else { return false };
    let content_type = (fields >> 9 & 0x3f) as u8;
    let extra_len = usize::from(fields >> 4 & 0x1f);
    let content = body[2..].get(extra_len..).unwrap_or_default();
    is_key_type(content_type) && !content.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_and_random_access_pictures_are_found_in_every_packet_form() {
        assert!(is_key_frame(&[32 << 1, 1, 0]), "VPS");
        assert!(is_key_frame(&[19 << 1, 1, 0]), "IDR");
        assert!(is_key_frame(&[48 << 1, 1, 0, 2, 35 << 1, 1, 0, 2, 33 << 1, 1]), "SPS behind a delimiter");
        assert!(is_key_frame(&[49 << 1, 1, 0x80 | 21, 0]), "first part of a CRA");
        assert!(is_key_frame(&[50 << 1, 1, 19 << 1, 0x30, 1, 2, 3, 0]), "IDR behind three extra bytes");
    }

    #[test]
    fn other_slices_and_later_parts_are_none() {
        assert!(!is_key_frame(&[1 << 1, 1, 0]), "trailing picture");
        assert!(!is_key_frame(&[34 << 1, 1, 0]), "PPS");
        assert!(!is_key_frame(&[49 << 1, 1, 19, 0]), "middle of an IDR");
        assert!(!is_key_frame(&[50 << 1, 1, 1 << 1, 0x00, 0]), "trailing picture behind PACI");
    }

    #[test]
    fn r06_paci_aggregates_and_parts_shorter_than_they_say_are_no_key_frame() {
        for payload in [
            &[][..],
            &[38],
            &[38, 1],
            &[98, 1],
            &[98, 1, 0x93],
            &[96, 1, 0],
            &[96, 1, 0, 3, 38, 1],
            &[96, 1, 0xff, 0xff, 38, 1],
            &[100, 1],
            &[100, 1, 38],
            &[100, 1, 38, 0x30, 1, 2, 3],
            &[100, 1, 39, 0xf0, 1, 2, 3],
        ] {
            assert!(!is_key_frame(payload), "{payload:?}");
        }
    }
}
