//! VP9 payloads (RFC 9628 §4.2).

use super::picture::{PictureFlags, PictureInfo, PictureNumbers};

/// Tells whether the payload is the first packet of a key picture's lowest spatial layer.
pub(super) fn is_key_frame(payload: &[u8]) -> bool {
    let starts_alone = payload.first().is_some_and(|flags| flags & (INTER_PICTURE | FRAME_START) == FRAME_START);
    starts_alone && frame_of_lowest_layer(payload).is_some_and(|frame| !frame.is_empty())
}

/// The descriptor's temporal layer and picture numbers; `None` when it is shorter than its flags say.
pub(super) fn picture_info(payload: &[u8]) -> Option<PictureInfo> {
    let flags = *payload.first()?;
    let (mut info, mut numbers, mut at) = (PictureInfo::default(), PictureNumbers::default(), 1);
    if flags & PICTURE_ID != 0 {
        at = numbers.read_id(payload, at)?;
    }
    if flags & LAYERS != 0 {
        let layer = *payload.get(at)?;
        (info.temporal_layer, info.spatial_layer) = (layer >> 5, layer >> 1 & 0x07);
        info.flags.set(PictureFlags::SWITCHES_UP, layer & 0x10 != 0);
        info.flags.set(PictureFlags::FROM_BELOW, layer & 0x01 != 0);
        if flags & FLEXIBLE == 0 {
            numbers.read_tl0(payload, at + 1)?;
        }
    }
    let simple = [
        (PictureFlags::STARTS, flags & FRAME_START != 0),
        (PictureFlags::ENDS, flags & FRAME_END != 0),
        (PictureFlags::ALONE, flags & INTER_PICTURE == 0),
        (PictureFlags::NOT_FOR_ABOVE, flags & NOT_FOR_ABOVE != 0),
        (PictureFlags::IDS_REFER, true),
    ];
    simple.into_iter().for_each(|(flag, holds)| info.flags.set(flag, holds));
    Some(PictureInfo { numbers, ..info })
}

/// I: a picture id follows.
const PICTURE_ID: u8 = 0x80;
/// P: the picture is predicted from earlier ones.
const INTER_PICTURE: u8 = 0x40;
/// L: layer indices follow.
const LAYERS: u8 = 0x20;
/// F: flexible mode, without the index of the lowest temporal layer's picture.
const FLEXIBLE: u8 = 0x10;
/// B: the packet starts a frame.
const FRAME_START: u8 = 0x08;
/// E: the packet ends a frame.
const FRAME_END: u8 = 0x04;
/// Z: the frame is no reference for higher spatial layers.
const NOT_FOR_ABOVE: u8 = 0x01;
/// V: a scalability structure follows.
const STRUCTURE: u8 = 0x02;

/// What follows the descriptor of a picture that is not predicted from earlier ones; `None` when the descriptor is too
/// short or belongs to a higher spatial layer.
fn frame_of_lowest_layer(payload: &[u8]) -> Option<&[u8]> {
    let flags = *payload.first()?;
    if flags & LAYERS != 0 {
        let id_len = if flags & PICTURE_ID == 0 { 0 } else { id_len(payload.get(1..)?)? };
        // The spatial layer in bits 1 to 3, prediction from the layer below in bit 0.
        if payload.get(1 + id_len)? & 0x0f != 0 {
            return None;
        }
    }
    payload.get(descriptor_len(payload)?..)
}

/// Length of the descriptor; `None` when it is shorter than its flags say.
pub(super) fn descriptor_len(payload: &[u8]) -> Option<usize> {
    let (&flags, mut rest) = payload.split_first()?;
    if flags & PICTURE_ID != 0 {
        rest = rest.get(id_len(rest)?..)?;
    }
    if flags & LAYERS != 0 {
        rest = rest.get(1 + usize::from(flags & FLEXIBLE == 0)..)?;
    }
    if flags & (FLEXIBLE | INTER_PICTURE) == FLEXIBLE | INTER_PICTURE {
        rest = skip_references(rest)?;
    }
    if flags & STRUCTURE != 0 {
        rest = skip_structure(rest)?;
    }
    Some(payload.len() - rest.len())
}

/// Length of the picture id that `bytes` start with.
fn id_len(bytes: &[u8]) -> Option<usize> {
    Some(if bytes.first()? & 0x80 != 0 { 2 } else { 1 })
}

/// References of one picture in flexible mode, at most (RFC 9628 §4.2). A fourth is malformed.
const REFERENCES_MAX: usize = 3;

/// Skips the differences to the pictures that this one is predicted from: the lowest bit of each says that one follows.
fn skip_references(bytes: &[u8]) -> Option<&[u8]> {
    let last = bytes.iter().take(REFERENCES_MAX).position(|reference| reference & 0x01 == 0)?;
    bytes.get(last + 1..)
}

/// Skips a scalability structure (RFC 9628 §4.2.1): sizes of spatial layers, then a group of pictures.
fn skip_structure(bytes: &[u8]) -> Option<&[u8]> {
    let (&head, mut rest) = bytes.split_first()?;
    if head & 0x10 != 0 {
        let layers = usize::from(head >> 5) + 1;
        rest = rest.get(4 * layers..)?;
    }
    if head & 0x08 == 0 {
        return Some(rest);
    }
    let (&pictures, mut rest) = rest.split_first()?;
    for _ in 0..pictures {
        let (&picture, after) = rest.split_first()?;
        let references = usize::from(picture >> 2 & 0x03);
        rest = after.get(references..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I, L, B, V; a long picture id; layer 0; TL0PICIDX; two layer sizes; two pictures with one and two references.
    const FULL: [u8; 22] =
        [0xaa, 0x80, 0x01, 0x00, 0x09, 0x38, 0, 1, 0, 2, 0, 3, 0, 4, 2, 0x04, 1, 0x08, 1, 2, 0x82, 0x49];

    #[test]
    fn a_key_picture_is_found_behind_a_full_descriptor() {
        assert!(is_key_frame(&FULL));
        assert!(is_key_frame(&[0x08, 0x82]));
        assert!(is_key_frame(&[0x88, 0x05, 0x82]), "short picture id");
        assert!(is_key_frame(&[0xb8, 0x05, 0x10, 0x82]), "flexible mode has no TL0PICIDX");
    }

    #[test]
    fn descriptors_end_where_their_flags_say() {
        assert_eq!(descriptor_len(&FULL), Some(20));
        assert_eq!(descriptor_len(&[0x08, 0x82]), Some(1));
        assert_eq!(descriptor_len(&[0xd8, 0x05, 0x03, 0x04, 0x82]), Some(4), "two references");
        assert_eq!(descriptor_len(&[0xd8, 0x05, 0x03, 0x03, 0x03, 0x82]), None, "a fourth reference");
        (0..20).for_each(|len| assert_eq!(descriptor_len(&FULL[..len]), None, "{len} bytes"));
    }

    #[test]
    fn layer_and_numbers_are_read_by_their_flags() {
        let info = picture_info(&[0xa8, 0x81, 0x02, 0x55, 0x09, 0x82]).unwrap();
        assert_eq!((info.temporal_layer, info.spatial_layer), (2, 2));
        assert_eq!((info.numbers.id, info.numbers.id_bits, info.numbers.tl0), (0x102, 15, 9));
        let flexible = picture_info(&[0xb8, 0x05, 0x20, 0x82]).unwrap();
        assert_eq!((flexible.temporal_layer, flexible.numbers.id, flexible.numbers.tl0_at), (1, 5, 0));
        let plain = picture_info(&[0x08, 0x82]).unwrap();
        assert_eq!((plain.temporal_layer, plain.spatial_layer, plain.numbers), (0, 0, PictureNumbers::default()));
    }

    #[test]
    fn what_a_frame_depends_on_is_read_by_its_flags() {
        use PictureFlags as Flags;
        let flags = |payload| picture_info(payload).unwrap().flags;
        let key = flags(&[0xa8, 0x81, 0x02, 0x10, 0x09, 0x82]);
        assert!(key.has(Flags::STARTS) && key.has(Flags::ALONE) && key.has(Flags::SWITCHES_UP));
        assert!(!key.has(Flags::ENDS) && !key.has(Flags::FROM_BELOW) && !key.has(Flags::NOT_FOR_ABOVE));
        let above = flags(&[0xe5, 0x81, 0x02, 0x03, 0x09, 0x82]);
        assert!(above.has(Flags::ENDS) && above.has(Flags::FROM_BELOW) && above.has(Flags::NOT_FOR_ABOVE));
        assert!(!above.has(Flags::STARTS) && !above.has(Flags::ALONE) && !above.has(Flags::SWITCHES_UP));
    }

    #[test]
    fn r06_a_descriptor_shorter_than_its_flags_has_no_numbers() {
        let full = [0xa8, 0x81, 0x02, 0x50, 0x09];
        assert!(picture_info(&full).is_some());
        for len in 0..full.len() {
            assert_eq!(picture_info(&full[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn predicted_pictures_later_packets_and_higher_layers_are_none() {
        assert!(!is_key_frame(&[0x48, 0x82]), "P");
        assert!(!is_key_frame(&[0x00, 0x82]), "no B");
        assert!(!is_key_frame(&[0x28, 0x03, 0x00, 0x82]), "spatial layer 1 from layer 0");
        assert!(!is_key_frame(&[0x28, 0x02, 0x00, 0x82]), "spatial layer 1");
    }

    #[test]
    fn r06_a_scalability_structure_shorter_than_it_says_is_no_key_frame() {
        for len in 0..FULL.len() - 1 {
            assert!(!is_key_frame(&FULL[..len]), "{len} bytes");
        }
        assert!(!is_key_frame(&[0x0a, 0xf8, 0xff]), "eight layers");
        assert!(!is_key_frame(&[0x0a, 0x08, 0xff, 0x0c]), "255 pictures");
    }
}
