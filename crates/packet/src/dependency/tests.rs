//! What descriptors of real streams say, and what malformed ones do not.

use super::bits::BitWriter;
use super::*;

/// A template: spatial and temporal layer, what it is to each target ("-DSR"), distances.
type Kind = (u8, u8, &'static str, &'static [u8]);

/// L1T3 as libwebrtc sends it (AV1 RTP specification A.10, "L1T3"): one chain, three targets.
const L1T3: [Kind; 5] =
    [(0, 0, "SSS", &[]), (0, 0, "SSS", &[4]), (0, 1, "-DS", &[2]), (0, 2, "--D", &[1]), (0, 2, "--D", &[1])];

/// L2T1 (A.10, "L2T1"): key frames of both layers, then each from its own layer and the upper from the lower.
const L2T1: [Kind; 4] = [(0, 0, "SS", &[]), (0, 0, "SR", &[2]), (1, 0, "-S", &[1]), (1, 0, "-S", &[2, 1])];

/// L2T1_KEY: layers depend on each other in key frames only.
const L2T1_KEY: [Kind; 4] = [(0, 0, "SS", &[]), (0, 0, "S-", &[2]), (1, 0, "-S", &[1]), (1, 0, "-S", &[2])];

/// The packet of a whole frame.
pub(crate) struct Frame<'a> {
    pub(crate) template: u8,
    pub(crate) number: u16,
    pub(crate) structure: Option<&'a [Kind]>,
    /// Decode targets that are sent.
    pub(crate) active: Option<(u32, u32)>,
    pub(crate) distances: Option<&'a [u16]>,
}

/// Frames whose templates count from here, over the wrap of six bits.
const ID_OFFSET: u8 = 62;

impl Frame<'_> {
    fn of(template: u8, number: u16) -> Self {
        Self { template, number, structure: None, active: None, distances: None }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = [0; 255];
        let [high, low] = self.number.to_be_bytes();
        out[..3].copy_from_slice(&[0xc0 | ((self.template + ID_OFFSET) % 64), high, low]);
        if self.structure.is_none() && self.active.is_none() && self.distances.is_none() {
            return out[..3].to_vec();
        }
        let mut bits = BitWriter::new(&mut out, 24);
        let flags = [self.structure.is_some(), self.active.is_some(), false, self.distances.is_some(), false];
        flags.into_iter().for_each(|flag| bits.bits(flag.into(), 1).unwrap());
        if let Some(kinds) = self.structure {
            write_structure(kinds, &mut bits);
        }
        if let Some((mask, targets)) = self.active {
            bits.bits(mask, targets).unwrap();
        }
        for distance in self.distances.unwrap_or_default() {
            bits.bits(3, 2).unwrap();
            bits.bits(u32::from(distance - 1), 12).unwrap();
        }
        if self.distances.is_some() {
            bits.bits(0, 2).unwrap();
        }
        let len = bits.finish().unwrap();
        out[..len].to_vec()
    }
}

fn write_structure(kinds: &[Kind], bits: &mut BitWriter) {
    let targets = kinds[0].2.len() as u32;
    bits.bits(ID_OFFSET.into(), 6).unwrap();
    bits.bits(targets - 1, 5).unwrap();
    for (kind, next) in kinds.iter().zip(kinds[1..].iter().map(Some).chain([None])) {
        let idc = next.map_or(3, |next| if next.0 > kind.0 { 2 } else { u32::from(next.1 > kind.1) });
        bits.bits(idc, 2).unwrap();
    }
    for mark in kinds.iter().flat_map(|kind| kind.2.bytes()) {
        bits.bits("-DSR".bytes().position(|known| known == mark).unwrap() as u32, 2).unwrap();
    }
    for kind in kinds {
        for distance in kind.3 {
            bits.bits(0x10 | u32::from(distance - 1), 5).unwrap();
        }
        bits.bits(0, 1).unwrap();
    }
    // One chain that protects every target, each frame one after the last of the chain.
    // A number below 3 or 4: 1 as "10" or "01".
    bits.bits(if targets == 2 { 0b10 } else { 0b01 }, 2).unwrap();
    kinds.iter().for_each(|_| bits.bits(1, 4).unwrap());
    bits.bits(0, 1).unwrap();
}

fn started(kinds: &'static [Kind]) -> (DependencyReader, FrameInfo) {
    DependencyReader::begin(&Frame { structure: Some(kinds), ..Frame::of(0, 100) }.bytes(), 0).unwrap()
}

fn layers(info: FrameInfo) -> (u8, u8) {
    (info.picture.spatial_layer, info.picture.temporal_layer)
}

#[test]
fn temporal_layers_and_where_one_may_begin_with_them_come_from_the_templates() {
    let (mut reader, key) = started(&L1T3);
    assert!(key.key_frame && key.picture.flags.has(PictureFlags::ALONE));
    let mut read = |template, number: u16| reader.read(&Frame::of(template, number).bytes(), number.into()).unwrap();
    let (first, second, third) = (read(3, 101), read(2, 102), read(4, 103));
    assert_eq!([layers(first), layers(second), layers(third)], [(0, 2), (0, 1), (0, 2)]);
    assert!(!first.key_frame && !first.picture.flags.has(PictureFlags::ALONE));
    assert!(first.picture.flags.has(PictureFlags::SWITCHES_UP), "from a picture of the lowest layer");
    assert!(second.picture.flags.has(PictureFlags::SWITCHES_UP));
    assert!(!third.picture.flags.has(PictureFlags::SWITCHES_UP), "from one of layer 1");
}

#[test]
fn spatial_layers_depend_on_each_other_as_the_targets_say() {
    for (kinds, is_used) in [(&L2T1, true), (&L2T1_KEY, false)] {
        let (mut reader, _) = started(kinds);
        let mut read = |template, number, at| reader.read(&Frame::of(template, number).bytes(), at).unwrap();
        let above = read(2, 101, 0);
        assert_eq!(layers(above), (1, 0));
        assert!(above.picture.flags.has(PictureFlags::ALONE) && above.picture.flags.has(PictureFlags::FROM_BELOW));
        let (below, above) = (read(1, 102, 3000), read(3, 103, 3000));
        assert_eq!(below.picture.flags.has(PictureFlags::NOT_FOR_ABOVE), !is_used);
        assert_eq!(above.picture.flags.has(PictureFlags::FROM_BELOW), is_used);
        assert!(!above.picture.flags.has(PictureFlags::ALONE));
    }
}

#[test]
fn a_frame_may_say_itself_what_it_is_predicted_from() {
    let (mut reader, _) = started(&L2T1);
    let alone = reader.read(&Frame { distances: Some(&[]), ..Frame::of(1, 102) }.bytes(), 3000).unwrap();
    assert!(alone.picture.flags.has(PictureFlags::ALONE));
    let far = reader.read(&Frame { distances: Some(&[4096]), ..Frame::of(1, 104) }.bytes(), 6000).unwrap();
    assert!(!far.picture.flags.has(PictureFlags::ALONE) && !far.picture.flags.has(PictureFlags::SWITCHES_UP));
}

#[test]
fn targets_are_those_of_lower_or_the_same_layers() {
    let (reader, _) = started(&L2T1);
    assert_eq!(reader.targets_within(0, 7), DecodeTargets { count: 2, mask: 0b01 });
    assert_eq!(reader.targets_within(1, 0), DecodeTargets { count: 2, mask: 0b11 });
    let (reader, _) = started(&L1T3);
    assert_eq!(reader.targets_within(0, 1), DecodeTargets { count: 3, mask: 0b011 });
}

#[test]
fn the_mask_is_written_wherever_the_descriptor_has_room_for_it_or_not() {
    let edit = DescriptorEdit::number(0x1234).with_targets(DecodeTargets { count: 3, mask: 0b011 });
    let distances = Some(&[7u16, 300][..]);
    for (frame, expected) in [
        (Frame::of(2, 7), 0b011),
        (Frame { active: Some((0b110, 3)), ..Frame::of(2, 7) }, 0b010),
        (Frame { distances, ..Frame::of(2, 7) }, 0b011),
        (Frame { structure: Some(&L1T3), ..Frame::of(2, 7) }, 0b011),
        (Frame { structure: Some(&L1T3), active: Some((0b111, 3)), distances, ..Frame::of(2, 7) }, 0b011),
    ] {
        let mut out = [0xff; 255];
        let len = edit.write(&frame.bytes(), &mut out).unwrap();
        let same = Frame { number: 0x1234, active: Some((expected, 3)), ..frame };
        let mut wanted = same.bytes();
        wanted.resize(len.max(wanted.len()), 0);
        assert_eq!(out[..len], wanted);
    }
}

#[test]
fn an_edit_of_the_number_only_keeps_everything_else() {
    let source = Frame { structure: Some(&L1T3), active: Some((0b101, 3)), ..Frame::of(0, 7) };
    let mut out = [0; 255];
    let len = DescriptorEdit::number(9).write(&source.bytes(), &mut out).unwrap();
    assert_eq!(out[..len], Frame { number: 9, ..source }.bytes());
}

#[test]
fn a_structure_that_comes_late_does_not_replace_a_newer_one() {
    let (mut reader, _) = started(&L1T3);
    let late = Frame { structure: Some(&L2T1), ..Frame::of(0, 90) };
    reader.read(&late.bytes(), 0).unwrap();
    assert_eq!(reader.targets_within(0, 0).count, 3);
    reader.read(&Frame { number: 110, ..late }.bytes(), 9000).unwrap();
    assert_eq!(reader.targets_within(0, 0).count, 2);
}

#[test]
fn r05_a_descriptor_that_ends_early_says_nothing_and_changes_nothing() {
    let full = Frame { structure: Some(&L2T1), active: Some((3, 2)), distances: Some(&[7]), ..Frame::of(0, 200) };
    let full = full.bytes();
    let (reader, _) = started(&L1T3);
    // Three bytes are a whole descriptor, of a frame without a structure.
    for len in (0..full.len()).filter(|len| *len != 3) {
        let mut copy = reader.clone();
        assert_eq!(copy.read(&full[..len], 0), None, "{len} bytes");
        assert_eq!((copy.structure_frame, &copy.structure), (reader.structure_frame, &reader.structure), "{len} bytes");
        assert!(DependencyReader::begin(&full[..len], 0).is_none(), "{len} bytes");
    }
}

#[test]
fn r05_a_bomb_of_templates_or_layers_is_refused() {
    // 63 more templates of the same layer, then one too many; layers beyond the highest.
    for (idc, more) in [(0, 64), (1, 8), (2, 4)] {
        let mut out = [0xff; 255];
        let mut bits = BitWriter::new(&mut out, 24);
        bits.bits(0b10000, 5).unwrap();
        bits.bits(0, 11).unwrap();
        (0..more).for_each(|_| bits.bits(idc, 2).unwrap());
        assert!(DependencyReader::begin(&out, 0).is_none(), "{more} steps of {idc}");
    }
}

#[test]
fn r05_a_rewrite_that_would_be_longer_than_an_extension_can_be_is_refused() {
    let edit = DescriptorEdit::number(1).with_targets(DecodeTargets { count: 32, mask: 1 });
    let mut source = vec![0; 255];
    source[3] = 0x08;
    assert_eq!(edit.write(&source, &mut [0; 4096]), None);
    for room in 0..8 {
        assert_eq!(edit.write(&[0x80, 0, 7], &mut vec![0; room]), None, "{room} bytes of room");
    }
    assert_eq!(edit.write(&[0x80, 0, 7], &mut [0; 8]), Some(8));
    assert_eq!(edit.write(&[0x80, 0], &mut [0; 8]), None);
}

#[test]
fn r05_a_frame_of_no_known_template_says_nothing() {
    let (mut reader, _) = started(&L1T3);
    assert_eq!(reader.read(&Frame::of(5, 101).bytes(), 0), None);
    assert!(reader.read(&Frame::of(4, 101).bytes(), 0).is_some());
}
