//! VP8 payloads (RFC 7741 §4.2, §4.3).

use super::picture::{PictureFlags, PictureInfo, PictureNumbers};

/// Tells whether the payload is the first packet of a key frame.
pub(super) fn is_key_frame(payload: &[u8]) -> bool {
    starts_first_partition(payload) && frame_header(payload).is_some_and(|header| header & INTER_FRAME == 0)
}

/// The descriptor's temporal layer and picture numbers; `None` when it is shorter than its flags say.
pub(super) fn picture_info(payload: &[u8]) -> Option<PictureInfo> {
    let mut info = PictureInfo::default();
    if payload.first()? & 0x80 == 0 {
        return Some(info);
    }
    let flags = *payload.get(1)?;
    let mut numbers = PictureNumbers::default();
    let mut at = 2;
    if flags & 0x80 != 0 {
        at = numbers.read_id(payload, at)?;
    }
    if flags & 0x40 != 0 {
        at = numbers.read_tl0(payload, at)?;
    }
    if flags & 0x20 != 0 {
        let layer = *payload.get(at)?;
        info.temporal_layer = layer >> 6;
        info.flags.set(PictureFlags::SWITCHES_UP, layer & 0x20 != 0);
    }
    Some(PictureInfo { numbers, ..info })
}

/// The inverse key frame flag, in the first byte of the frame (RFC 7741 §4.3).
const INTER_FRAME: u8 = 0x01;

/// S set and partition index 0: the frame's first byte follows the descriptor.
fn starts_first_partition(payload: &[u8]) -> bool {
    payload.first().is_some_and(|first| first & 0x17 == 0x10)
}

/// The first byte behind the descriptor.
fn frame_header(payload: &[u8]) -> Option<u8> {
    payload.get(descriptor_len(payload)?).copied()
}

/// Length of the descriptor; `None` when it is shorter than its flags say.
pub(super) fn descriptor_len(payload: &[u8]) -> Option<usize> {
    let extended = payload.first()? & 0x80 != 0;
    let len = if extended { 2 + extension_len(payload)? } else { 1 };
    (len <= payload.len()).then_some(len)
}

/// Bytes behind the descriptor's second byte, by its flags I, L, T and K.
fn extension_len(payload: &[u8]) -> Option<usize> {
    let flags = *payload.get(1)?;
    let picture_id = match (flags & 0x80 != 0, payload.get(2)) {
        (false, _) => 0,
        (true, Some(first)) if first & 0x80 == 0 => 1,
        (true, Some(_)) => 2,
        (true, None) => return None,
    };
    let tl0_picture_index = usize::from(flags & 0x40 != 0);
    let layer_and_key_index = usize::from(flags & 0x30 != 0);
    Some(picture_id + tl0_picture_index + layer_and_key_index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_packet_of_a_key_frame_is_found_behind_every_descriptor() {
        let descriptors: [&[u8]; 6] = [
            &[0x10],
            &[0x90, 0x00],
            &[0x90, 0x80, 0x7f],
            &[0x90, 0x80, 0x81, 0x02],
            &[0x90, 0xe0, 0x81, 0x02, 0x03, 0x04],
            &[0x90, 0x10, 0x05],
        ];
        for descriptor in descriptors {
            let with = |header: u8| [descriptor, &[header, 0, 0, 0x9d, 0x01, 0x2a]].concat();
            assert!(is_key_frame(&with(0x10)), "{descriptor:?}");
            assert!(!is_key_frame(&with(0x11)), "{descriptor:?} before an inter frame");
        }
    }

    #[test]
    fn layer_and_numbers_are_read_by_their_flags() {
        let info = picture_info(&[0x80, 0xe0, 0x81, 0x02, 0x03, 0xa0]).unwrap();
        assert_eq!((info.temporal_layer, info.flags), (2, PictureFlags::SWITCHES_UP));
        assert_eq!((info.numbers.id, info.numbers.id_bits, info.numbers.tl0), (0x102, 15, 3));
        assert_eq!(picture_info(&[0x10, 0x00]), Some(PictureInfo::default()));
        let key_index_only = picture_info(&[0x90, 0x10, 0xe5]).unwrap();
        assert_eq!((key_index_only.temporal_layer, key_index_only.flags), (0, PictureFlags::default()));
    }

    #[test]
    fn r06_a_descriptor_shorter_than_its_flags_has_no_numbers() {
        let full = [0x90, 0xf0, 0x80, 0x00, 0x00, 0x00];
        assert!(picture_info(&full).is_some());
        for len in 0..full.len() {
            assert_eq!(picture_info(&full[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn later_packets_and_partitions_are_no_start() {
        assert!(!is_key_frame(&[0x00, 0x10]), "not the start of a partition");
        assert!(!is_key_frame(&[0x11, 0x10]), "the start of partition 1");
    }

    #[test]
    fn r06_a_descriptor_shorter_than_its_flags_is_no_key_frame() {
        let full = [0x90, 0xf0, 0x80, 0x00, 0x00, 0x00, 0x10];
        assert!(is_key_frame(&full));
        for len in 0..full.len() {
            assert!(!is_key_frame(&full[..len]), "{len} bytes");
            assert_eq!(descriptor_len(&full[..len]), (len == 6).then_some(6), "{len} bytes");
        }
    }
}
