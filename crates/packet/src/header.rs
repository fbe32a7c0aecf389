//! The RTP header of an outgoing packet, written at the moment the packet leaves (RFC 3550 §5.1, RFC 8285).

use arrayvec::ArrayVec;

use crate::big_endian::Cursor;
use crate::dependency::DescriptorEdit;
use crate::extension::ExtensionKind;
use crate::meta::{IDENTIFIER_BYTES_MAX, RtpMeta};
use crate::payload::PictureEdit;
use crate::rewrite::Rewrite;
use crate::rtp::{FIXED_HEADER_BYTES, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};

/// Everything in an outgoing header that does not come from the source packet.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingHeader<'a> {
    /// Synchronisation source of the outgoing stream (for a retransmission: of its RTX stream).
    pub ssrc: u32,
    /// The packet's numbers in the outgoing stream.
    pub rewrite: &'a Rewrite,
    /// The header extensions of the outgoing stream.
    pub plan: &'a ExtensionPlan,
    /// What depends on the moment of sending.
    pub stamps: Stamps,
}

/// The values that are known only when a packet leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// Time of sending: the low 24 bits are written, seconds in 6.18 fixed point.
    pub abs_send_time: u32,
    /// Transport-wide sequence number.
    pub transport_sequence: u16,
}

/// Writes the header of an outgoing packet into `out` and returns its length; the payload follows there.
///
/// Sequence number, timestamp, payload type and marker come from the rewrite, contributing sources and the planned
/// extensions that nobody stamps from `source`, which `meta` was parsed from. The P bit is clear: padding is not
/// forwarded. Extensions stand in the order of [`ExtensionKind::ALL`], so packets of a stream that carry the same
/// extensions have headers of one size. No allocation; `None` when the header does not fit into `out`.
pub fn write_header(source: &[u8], meta: &RtpMeta, header: &OutgoingHeader, out: &mut [u8]) -> Option<usize> {
    if let Some(PictureEdit::Descriptor(edit)) = header.rewrite.picture {
        return write_header_with(edit, source, meta, header, out);
    }
    write_header_around(None, source, meta, header, out)
}

/// The header with an edited dependency descriptor; with the source's where that is malformed or would grow too long.
#[cold]
fn write_header_with(
    edit: DescriptorEdit,
    source: &[u8],
    meta: &RtpMeta,
    header: &OutgoingHeader,
    out: &mut [u8],
) -> Option<usize> {
    let mut bytes = [0; u8::MAX as usize];
    let descriptor = meta.value(source, ExtensionKind::DependencyDescriptor);
    let len = descriptor.and_then(|descriptor| edit.write(descriptor, &mut bytes));
    write_header_around(len.map(|len| &bytes[..len]), source, meta, header, out)
}

/// Inlined, so that without an edit nothing of it is asked about again for each extension.
#[inline(always)]
fn write_header_around(
    descriptor: Option<&[u8]>,
    source: &[u8],
    meta: &RtpMeta,
    header: &OutgoingHeader,
    out: &mut [u8],
) -> Option<usize> {
    let stamped = StampedBytes::new(header.stamps);
    let values = Values { source, meta, plan: header.plan, stamped: &stamped, descriptor };
    let mut cursor = Cursor::new(out);
    let first_byte = 0x80 | meta.csrc_count & 0x0f;
    write_fixed(header, first_byte, &mut cursor)?;
    // Only mixers name contributing sources: most packets are spared the call for a copy of unknown length.
    if meta.csrc_count != 0 {
        let csrc_bytes = 4 * usize::from(meta.csrc_count);
        cursor.put(source.get(FIXED_HEADER_BYTES..FIXED_HEADER_BYTES + csrc_bytes)?)?;
    }
    if write_extensions(&values, &mut cursor)? {
        cursor.patch(0, &[first_byte | EXTENSION_BIT])?;
    }
    Some(cursor.len())
}

/// The header extensions of one outgoing stream: which kinds it carries, with which numbers on the viewer's wire.
///
/// [`ExtensionKind::Mid`] is written from the plan, [`ExtensionKind::AbsSendTime`] and
/// [`ExtensionKind::TransportWideCc`] from the [`Stamps`] on every packet; all others are copied from packets that
/// have them.
#[derive(Clone, Debug, Default)]
pub struct ExtensionPlan {
    /// In the order of [`ExtensionKind::ALL`].
    planned: ArrayVec<(u8, ExtensionKind), { ExtensionKind::COUNT }>,
    mid: ArrayVec<u8, IDENTIFIER_BYTES_MAX>,
}

impl ExtensionPlan {
    /// Makes a plan from pairs of wire number and kind, as negotiated with the viewer.
    ///
    /// Number 0 is padding on the wire and is left out. Of two numbers for one kind the later one is used.
    pub fn new(pairs: impl IntoIterator<Item = (u8, ExtensionKind)>) -> Self {
        let mut ids = [0; ExtensionKind::COUNT];
        for (id, kind) in pairs {
            ids[kind as usize] = id;
        }
        let planned = ids.into_iter().zip(ExtensionKind::ALL).filter(|(id, _)| *id != 0).collect();
        Self { planned, mid: ArrayVec::new() }
    }

    /// Writes `mid` into every packet, if the plan has a number for it. `None` when it is not 1 to 16 bytes long.
    pub fn with_mid(mut self, mid: &str) -> Option<Self> {
        self.mid = ArrayVec::try_from(mid.as_bytes()).ok().filter(|mid: &ArrayVec<_, _>| !mid.is_empty())?;
        Some(self)
    }

    /// Leaves `kind` out, although the viewer negotiated it.
    pub fn without(mut self, kind: ExtensionKind) -> Self {
        self.planned.retain(|(_, planned)| *planned != kind);
        self
    }

    /// Tells whether packets may carry `kind`.
    pub fn contains(&self, kind: ExtensionKind) -> bool {
        self.planned.iter().any(|(_, planned)| *planned == kind)
    }
}

struct StampedBytes {
    abs_send_time: [u8; 4],
    transport_sequence: [u8; 2],
}

impl StampedBytes {
    fn new(stamps: Stamps) -> Self {
        Self {
            abs_send_time: stamps.abs_send_time.to_be_bytes(),
            transport_sequence: stamps.transport_sequence.to_be_bytes(),
        }
    }
}

/// The extension values of one outgoing packet, wherever they come from.
struct Values<'a> {
    source: &'a [u8],
    meta: &'a RtpMeta,
    plan: &'a ExtensionPlan,
    stamped: &'a StampedBytes,
    /// The dependency descriptor, where it is not the source's.
    descriptor: Option<&'a [u8]>,
}

impl Values<'_> {
    fn value(&self, kind: ExtensionKind) -> Option<&[u8]> {
        match kind {
            ExtensionKind::Mid => Some(&self.plan.mid[..]).filter(|mid| !mid.is_empty()),
            ExtensionKind::AbsSendTime => Some(&self.stamped.abs_send_time[1..]),
            ExtensionKind::TransportWideCc => Some(&self.stamped.transport_sequence),
            ExtensionKind::DependencyDescriptor if self.descriptor.is_some() => self.descriptor,
            _ => self.meta.value(self.source, kind),
        }
    }

    fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.plan.planned.iter().filter_map(|&(id, kind)| self.value(kind).map(|value| (id, value)))
    }
}

/// The X bit: a block of extensions follows (RFC 3550 §5.1).
const EXTENSION_BIT: u8 = 0x10;
/// Largest number of a one-byte element; 15 is reserved (RFC 8285 §4.2).
const ONE_BYTE_ID_MAX: u8 = 14;
/// Longest value of a one-byte element, in bytes (RFC 8285 §4.2).
const ONE_BYTE_LEN_MAX: usize = 16;

fn write_fixed(header: &OutgoingHeader, first_byte: u8, cursor: &mut Cursor) -> Option<()> {
    let rewrite = header.rewrite;
    let marker_bit = if rewrite.marker { 0x80 } else { 0 };
    let mut fixed = [0; FIXED_HEADER_BYTES];
    fixed[0] = first_byte;
    fixed[1] = marker_bit | (rewrite.payload_type & 0x7f);
    fixed[2..4].copy_from_slice(&rewrite.sequence.to_be_bytes());
    fixed[4..8].copy_from_slice(&rewrite.timestamp.to_be_bytes());
    fixed[8..].copy_from_slice(&header.ssrc.to_be_bytes());
    cursor.put(&fixed)
}

/// Writes the extensions that the packet has and tells whether there are any.
///
/// One-byte elements where every number and length allows it: they are shorter and every receiver knows them.
#[inline(always)]
fn write_extensions(values: &Values, cursor: &mut Cursor) -> Option<bool> {
    if values.plan.planned.is_empty() {
        return Some(false);
    }
    let start = cursor.len();
    match write_one_byte_block(values, cursor) {
        Some(true) => {}
        Some(false) => {
            cursor.truncate(start);
            write_two_byte_block(values, cursor)?;
        }
        // Where there is no room, none is needed for a packet that has nothing of what was planned.
        None if is_empty(values) => cursor.truncate(start),
        None => return None,
    }
    let has_elements = cursor.len() > start + Block::HEAD_BYTES;
    if !has_elements {
        cursor.truncate(start);
    }
    Some(has_elements)
}

#[cold]
fn is_empty(values: &Values) -> bool {
    values.iter().next().is_none()
}

/// Writes a block of one-byte elements; `Some(false)` when a number or a length does not allow it.
#[inline(always)]
fn write_one_byte_block(values: &Values, cursor: &mut Cursor) -> Option<bool> {
    let block = Block::begin(ONE_BYTE_PROFILE, cursor)?;
    for &(id, kind) in &values.plan.planned {
        if id > ONE_BYTE_ID_MAX {
            if values.value(kind).is_some() {
                return Some(false);
            }
            continue;
        }
        // The stamps, which most packets carry, are copied as a whole: their length is known here.
        match kind {
            ExtensionKind::AbsSendTime => {
                let [_, high, middle, low] = values.stamped.abs_send_time;
                cursor.put(&[id << 4 | 2, high, middle, low])?;
            }
            ExtensionKind::TransportWideCc => {
                let [high, low] = values.stamped.transport_sequence;
                cursor.put(&[id << 4 | 1, high, low])?;
            }
            _ => match values.value(kind) {
                None => {}
                Some(value) if value.is_empty() || value.len() > ONE_BYTE_LEN_MAX => return Some(false),
                Some(value) => {
                    cursor.put(&[id << 4 | (value.len() as u8 - 1)])?;
                    cursor.put(value)?;
                }
            },
        }
    }
    block.end(cursor)?;
    Some(true)
}

#[cold]
fn write_two_byte_block(values: &Values, cursor: &mut Cursor) -> Option<()> {
    let block = Block::begin(TWO_BYTE_PROFILE, cursor)?;
    for (id, value) in values.iter() {
        cursor.put(&[id, value.len() as u8])?;
        cursor.put(value)?;
    }
    block.end(cursor)
}

/// A block whose length is known only when its elements are written.
struct Block {
    words_at: usize,
}

impl Block {
    /// Bytes before the elements: profile and length.
    const HEAD_BYTES: usize = 4;

    fn begin(profile: u16, cursor: &mut Cursor) -> Option<Self> {
        let [high, low] = profile.to_be_bytes();
        cursor.put(&[high, low, 0, 0])?;
        Some(Self { words_at: cursor.len() - 2 })
    }

    fn end(self, cursor: &mut Cursor) -> Option<()> {
        cursor.pad_to_word()?;
        // At most COUNT elements of 257 bytes: far below 65,536 words.
        let words = ((cursor.len() - self.words_at - 2) / 4) as u16;
        cursor.patch(self.words_at, &words.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::ExtensionIds;
    use crate::rewrite::{OutgoingStreamId, Priority};

    const REWRITE: Rewrite = Rewrite {
        stream: OutgoingStreamId(0),
        payload_type: 101,
        marker: true,
        sequence: 0xabcd,
        timestamp: 0x0102_0304,
        original_sequence: None,
        picture: None,
        priority: Priority::Video,
    };
    const STAMPS: Stamps = Stamps { abs_send_time: 0x0078_9abc, transport_sequence: 0x1234 };

    #[test]
    fn what_is_written_parses_to_the_same_values() {
        let source = source();
        let meta = RtpMeta::parse(&source, &source_ids()).unwrap();
        let viewer = [
            (9, ExtensionKind::Mid),
            (3, ExtensionKind::AbsSendTime),
            (4, ExtensionKind::TransportWideCc),
            (14, ExtensionKind::AudioLevel),
        ];
        let plan = ExtensionPlan::new(viewer).with_mid("viewer-0").unwrap();
        let (bytes, written) = rewritten(&source, &meta, &plan, &ExtensionIds::new(viewer));
        assert_eq!((written.ssrc, written.sequence, written.timestamp), (7, 0xabcd, 0x0102_0304));
        assert_eq!((written.payload_type, written.marker, written.csrc_count), (101, true, 1));
        assert_eq!(bytes[12..16], source[12..16], "contributing sources are kept");
        assert_eq!(written.mid(&bytes), Some("viewer-0"));
        assert_eq!(written.abs_send_time(&bytes), Some(0x0078_9abc));
        assert_eq!(written.transport_sequence(&bytes), Some(0x1234));
        assert_eq!(written.audio_level(&bytes), meta.audio_level(&source));
        assert_eq!(bytes[16..18], [0xbe, 0xde], "small numbers and lengths use one-byte elements");
    }

    #[test]
    fn padding_is_not_forwarded() {
        let mut source = source();
        source[0] |= 0x20;
        let meta = RtpMeta::parse(&source, &source_ids()).unwrap();
        let (bytes, written) = rewritten(&source, &meta, &ExtensionPlan::default(), &ExtensionIds::default());
        assert_eq!((bytes[0] & 0x20, written.padding_len), (0, 0));
    }

    #[test]
    fn without_extensions_there_is_no_block() {
        let source = source();
        let meta = RtpMeta::parse(&source, &source_ids()).unwrap();
        let plan = ExtensionPlan::new([(1, ExtensionKind::Mid), (2, ExtensionKind::VideoOrientation)]);
        let (bytes, _) = rewritten(&source, &meta, &plan, &ExtensionIds::default());
        assert_eq!((bytes[0], bytes.len()), (0x81, 16), "no MID was set and the source has no orientation");
    }

    #[test]
    fn a_number_above_14_or_a_value_of_0_or_17_bytes_needs_two_byte_elements() {
        let source = source();
        let meta = RtpMeta::parse(&source, &source_ids()).unwrap();
        for viewer in [(15, ExtensionKind::AudioLevel), (3, ExtensionKind::PacketId), (3, ExtensionKind::PlayoutDelay)]
        {
            let ids = ExtensionIds::new([viewer]);
            let (bytes, written) = rewritten(&source, &meta, &ExtensionPlan::new([viewer]), &ids);
            assert_eq!(bytes[16..18], [0x10, 0x00], "{viewer:?}");
            assert_eq!(written.value(&bytes, viewer.1), meta.value(&source, viewer.1), "{viewer:?}");
            assert!(written.value(&bytes, viewer.1).is_some(), "{viewer:?}");
        }
    }

    #[test]
    fn values_that_somebody_stamps_are_never_copied_from_the_source() {
        let source = source();
        let meta = RtpMeta::parse(&source, &source_ids()).unwrap();
        let viewer = [(1, ExtensionKind::Mid), (2, ExtensionKind::TransportWideCc)];
        let (bytes, written) = rewritten(&source, &meta, &ExtensionPlan::new(viewer), &ExtensionIds::new(viewer));
        assert_eq!((written.mid(&bytes), written.transport_sequence(&bytes)), (None, Some(0x1234)));
    }

    #[test]
    fn a_header_that_does_not_fit_is_refused_at_every_length() {
        let source = source();
        let meta = RtpMeta::parse(&source, &source_ids()).unwrap();
        let plan = ExtensionPlan::new([(4, ExtensionKind::TransportWideCc)]);
        let header = OutgoingHeader { ssrc: 7, rewrite: &REWRITE, plan: &plan, stamps: STAMPS };
        let mut out = [0; 24];
        for len in 0..24 {
            assert_eq!(write_header(&source, &meta, &header, &mut out[..len]), None, "{len}");
        }
        assert_eq!(write_header(&source, &meta, &header, &mut out), Some(24));
    }

    #[test]
    fn a_packet_without_anything_of_the_plan_needs_no_room_for_a_block() {
        let source = [0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        let meta = RtpMeta::parse(&source, &ExtensionIds::default()).unwrap();
        let plan = ExtensionPlan::new([(2, ExtensionKind::VideoOrientation)]);
        let header = OutgoingHeader { ssrc: 7, rewrite: &REWRITE, plan: &plan, stamps: STAMPS };
        for room in 12..20 {
            let mut out = [0; 20];
            assert_eq!(write_header(&source, &meta, &header, &mut out[..room]), Some(12), "{room}");
            assert_eq!(out[0], 0x80);
        }
    }

    #[test]
    fn a_kind_that_is_left_out_is_not_written() {
        let plan = ExtensionPlan::new([(3, ExtensionKind::AbsSendTime), (4, ExtensionKind::TransportWideCc)])
            .without(ExtensionKind::AbsSendTime);
        assert!(!plan.contains(ExtensionKind::AbsSendTime) && plan.contains(ExtensionKind::TransportWideCc));
    }

    #[test]
    fn a_mid_of_17_bytes_or_none_is_refused() {
        assert!(ExtensionPlan::default().with_mid("0123456789abcdef").is_some());
        assert!(ExtensionPlan::default().with_mid("0123456789abcdefg").is_none());
        assert!(ExtensionPlan::default().with_mid("").is_none());
    }

    fn rewritten(source: &[u8], meta: &RtpMeta, plan: &ExtensionPlan, ids: &ExtensionIds) -> (Vec<u8>, RtpMeta) {
        let mut out = [0xee; 200];
        let header = OutgoingHeader { ssrc: 7, rewrite: &REWRITE, plan, stamps: STAMPS };
        let len = write_header(source, meta, &header, &mut out).unwrap();
        (out[..len].to_vec(), RtpMeta::parse(&out[..len], ids).unwrap())
    }

    fn source_ids() -> ExtensionIds {
        ExtensionIds::new([
            (1, ExtensionKind::Mid),
            (2, ExtensionKind::AudioLevel),
            (3, ExtensionKind::TransportWideCc),
            (4, ExtensionKind::PacketId),
            (5, ExtensionKind::PlayoutDelay),
        ])
    }

    /// One contributing source, two-byte elements of every awkward length, a payload that can pass as padding.
    fn source() -> Vec<u8> {
        let mut bytes = vec![0x91, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xca, 0xfe, 0xca, 0xfe, 0x10, 0, 0, 8];
        bytes.extend([1, 1, b's', 2, 1, 0x9e, 3, 2, 0xff, 0xff, 4, 0, 5, 17]);
        bytes.extend([0x55; 17]);
        bytes.extend([0; 1]);
        bytes.extend([1, 2, 3, 4]);
        bytes
    }
}
