//! Feedback about packets and pictures: NACK, PLI, FIR, REMB (RFC 4585, RFC 5104, draft-alvestrand-rmcat-remb-03).

use crate::big_endian::{u24_at, u32_at};

/// The two sources that every feedback packet begins with (RFC 4585 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedbackSsrcs {
    /// The source that sends the feedback.
    pub sender: u32,
    /// The source that the feedback is about; 0 where the items name it.
    pub media: u32,
}

impl FeedbackSsrcs {
    pub(super) const BYTES: usize = 8;

    pub(super) fn read(body: &[u8]) -> Option<Self> {
        Some(Self { sender: u32_at(body, 0)?, media: u32_at(body, 4)? })
    }
}

/// A request to send packets again (RFC 4585 §6.2.1).
#[derive(Clone, Copy, Debug)]
pub struct Nack<'a> {
    /// Who asks, and of which stream.
    pub ssrcs: FeedbackSsrcs,
    items: &'a [[u8; 4]],
}

/// Sequence numbers read from one NACK packet.
///
/// A cache holds no more of one stream; the numbers after these are ignored, and asked for again if still missing.
pub const NACK_SEQUENCES_MAX: usize = 1000;

impl<'a> Nack<'a> {
    /// The missing sequence numbers in the order of the packet, at most [`NACK_SEQUENCES_MAX`].
    pub fn sequences(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.items.iter().flat_map(|item| NackItem::read(*item).sequences()).take(NACK_SEQUENCES_MAX)
    }

    pub(super) fn parse(ssrcs: FeedbackSsrcs, items: &'a [u8]) -> Option<Self> {
        let (items, _) = items.as_chunks();
        Some(Self { ssrcs, items }).filter(|nack| !nack.items.is_empty())
    }
}

/// A missing packet and which of the 16 after it are missing too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct NackItem {
    first: u16,
    following: u16,
}

impl NackItem {
    pub(super) fn new(first: u16) -> Self {
        Self { first, following: 0 }
    }

    /// Adds `sequence` if the item can say it.
    pub(super) fn include(&mut self, sequence: u16) -> bool {
        match sequence.wrapping_sub(self.first) {
            0 => true,
            distance @ 1..=16 => {
                self.following |= 1 << (distance - 1);
                true
            }
            _ => false,
        }
    }

    pub(super) fn to_bytes(self) -> [u8; 4] {
        let [first_high, first_low] = self.first.to_be_bytes();
        let [following_high, following_low] = self.following.to_be_bytes();
        [first_high, first_low, following_high, following_low]
    }

    fn read([first_high, first_low, following_high, following_low]: [u8; 4]) -> Self {
        Self {
            first: u16::from_be_bytes([first_high, first_low]),
            following: u16::from_be_bytes([following_high, following_low]),
        }
    }

    fn sequences(self) -> impl Iterator<Item = u16> {
        let following = (1..=16).filter(move |distance| self.following >> (distance - 1) & 1 != 0);
        std::iter::once(0).chain(following).map(move |distance| self.first.wrapping_add(distance))
    }
}

/// A request for a picture that decodes alone, because one was lost (RFC 4585 §6.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureLoss {
    /// Who asks, and of which stream.
    pub ssrcs: FeedbackSsrcs,
}

impl PictureLoss {
    pub(super) fn parse(ssrcs: FeedbackSsrcs, items: &[u8]) -> Option<Self> {
        Some(Self { ssrcs }).filter(|_| items.is_empty())
    }
}

/// A request for key frames of several streams (RFC 5104 §4.3.1).
#[derive(Clone, Copy, Debug)]
pub struct FullIntraRequest<'a> {
    /// Who asks; the streams stand in the entries.
    pub ssrcs: FeedbackSsrcs,
    entries: &'a [[u8; 8]],
}

/// One stream of a full intra request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullIntraEntry {
    /// The stream that shall send a key frame.
    pub ssrc: u32,
    /// Number of the command; the same number again is a repetition of the same request.
    pub command: u8,
}

impl<'a> FullIntraRequest<'a> {
    /// The streams asked for.
    pub fn entries(&self) -> impl Iterator<Item = FullIntraEntry> + use<'a> {
        self.entries
            .iter()
            .map(|&[a, b, c, d, command, ..]| FullIntraEntry { ssrc: u32::from_be_bytes([a, b, c, d]), command })
    }

    pub(super) fn parse(ssrcs: FeedbackSsrcs, items: &'a [u8]) -> Option<Self> {
        let (entries, remainder) = items.as_chunks();
        Some(Self { ssrcs, entries }).filter(|_| !entries.is_empty() && remainder.is_empty())
    }
}

/// A receiver's estimate of what the path to it carries (draft-alvestrand-rmcat-remb-03 §2.2).
#[derive(Clone, Copy, Debug)]
pub struct Remb<'a> {
    /// Who estimates; the media source is 0.
    pub ssrcs: FeedbackSsrcs,
    /// The estimate in bit/s; what 64 bits cannot hold is `u64::MAX`.
    pub bitrate: u64,
    streams: &'a [[u8; 4]],
}

/// "REMB" in ASCII, which tells this from other application layer feedback.
pub(super) const REMB_IDENTIFIER: [u8; 4] = *b"REMB";
/// Bits of the mantissa of a REMB bitrate.
const REMB_MANTISSA_BITS: u32 = 18;

impl<'a> Remb<'a> {
    /// The streams that the estimate is about, at most 255.
    pub fn streams(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.streams.iter().map(|bytes| u32::from_be_bytes(*bytes))
    }

    pub(super) fn is_remb(items: &[u8]) -> bool {
        items.starts_with(&REMB_IDENTIFIER)
    }

    pub(super) fn parse(ssrcs: FeedbackSsrcs, items: &'a [u8]) -> Option<Self> {
        let count = *items.get(4)?;
        let exponent_and_mantissa = u24_at(items, 5)?;
        let (streams, _) = items.get(8..)?.as_chunks();
        Some(Self {
            ssrcs,
            bitrate: decode_bitrate(exponent_and_mantissa),
            streams: streams.get(..usize::from(count))?,
        })
    }
}

fn decode_bitrate(exponent_and_mantissa: u32) -> u64 {
    let exponent = exponent_and_mantissa >> REMB_MANTISSA_BITS;
    let mantissa = u64::from(exponent_and_mantissa & ((1 << REMB_MANTISSA_BITS) - 1));
    if mantissa.leading_zeros() < exponent { u64::MAX } else { mantissa << exponent }
}

/// The 24 bits of a REMB bitrate, rounded down to the 18 leading bits.
pub(super) fn encode_bitrate(bitrate: u64) -> [u8; 3] {
    let exponent = (u64::BITS - bitrate.leading_zeros()).saturating_sub(REMB_MANTISSA_BITS);
    let bits = (exponent << REMB_MANTISSA_BITS) | (bitrate >> exponent) as u32;
    let [_, high, middle, low] = bits.to_be_bytes();
    [high, middle, low]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::compound::{Compound, RtcpPacket};
    use crate::rtcp::writer::CompoundWriter;

    #[test]
    fn a_nack_reads_back_as_written_over_the_wrap() {
        let missing = [65_533, 65_534, 0, 13, 14, 100, 116, 117];
        let mut out = [0; 100];
        let mut writer = CompoundWriter::new(&mut out);
        writer.nack(SSRCS, missing).unwrap();
        let len = writer.len();
        assert_eq!(len, 12 + 4 * 4, "65533 covers up to 13, 14 stands alone, 100 covers 116, 117 stands alone");
        let Some(RtcpPacket::Nack(nack)) = first(&out[..len]) else { panic!("not a NACK") };
        assert_eq!((nack.ssrcs, nack.sequences().collect::<Vec<_>>()), (SSRCS, missing.to_vec()));
    }

    #[test]
    fn c03_a_nack_of_297_items_yields_a_bounded_number_of_sequences() {
        let mut bytes = vec![0x81, 205, 0x01, 0x2b, 0, 0, 0, 1, 0, 0, 0, 2];
        bytes.extend([0xff; 297 * 4]);
        let Some(RtcpPacket::Nack(nack)) = first(&bytes) else { panic!("not a NACK") };
        assert_eq!(nack.sequences().count(), NACK_SEQUENCES_MAX);
    }

    #[test]
    fn picture_loss_and_full_intra_requests_read_back_as_written() {
        let mut out = [0; 100];
        let mut writer = CompoundWriter::new(&mut out);
        writer.picture_loss(SSRCS.sender, SSRCS.media).unwrap();
        writer.full_intra_request(1, FullIntraEntry { ssrc: 9, command: 200 }).unwrap();
        let len = writer.len();
        let packets: Vec<_> = Compound::parse(&out[..len]).unwrap().packets().collect();
        let [RtcpPacket::PictureLoss(loss), RtcpPacket::FullIntraRequest(request)] = packets[..] else {
            panic!("{packets:?}")
        };
        assert_eq!(loss.ssrcs, SSRCS);
        assert_eq!(request.entries().collect::<Vec<_>>(), [FullIntraEntry { ssrc: 9, command: 200 }]);
    }

    #[test]
    fn an_estimate_reads_back_with_its_18_leading_bits() {
        for (bitrate, expected) in
            [(0, 0), (1, 1), (262_143, 262_143), (262_145, 262_144), (5_000_003, 5_000_000), (u64::MAX, 0x3ffff << 46)]
        {
            let mut out = [0; 100];
            let mut writer = CompoundWriter::new(&mut out);
            writer.remb(1, bitrate, &[5, 6]).unwrap();
            let len = writer.len();
            let Some(RtcpPacket::Remb(remb)) = first(&out[..len]) else { panic!("not a REMB") };
            assert_eq!((remb.bitrate, remb.streams().collect::<Vec<_>>()), (expected, vec![5, 6]));
        }
    }

    #[test]
    fn c06_an_estimate_beyond_64_bits_is_the_largest_number() {
        assert_eq!(decode_bitrate(0x00ff_ffff), u64::MAX);
        assert_eq!(decode_bitrate(63 << 18 | 1), 1 << 63);
        assert_eq!(decode_bitrate(63 << 18 | 2), u64::MAX);
        assert_eq!(decode_bitrate(63 << 18), 0);
    }

    #[test]
    fn c01_feedback_whose_items_do_not_fill_it_drops_the_compound() {
        let remb = [0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 2, 0, 0, 1, 0, 0, 0, 7];
        assert!(Compound::parse(&remb).is_err(), "two streams announced, one there");
        let ssrcs = [0, 0, 0, 1, 0, 0, 0, 2];
        for (head, items) in [
            ([0x81, 205, 0, 2], &[][..]),
            ([0x81, 206, 0, 3], &[0; 4]),
            ([0x84, 206, 0, 2], &[]),
            ([0x84, 206, 0, 3], &[0; 4]),
            ([0x84, 206, 0, 5], &[0; 12]),
            ([0x8f, 206, 0, 3], b"REMB"),
        ] {
            let bytes = [&head[..], &ssrcs, items].concat();
            assert!(Compound::parse(&bytes).is_err(), "{bytes:?}");
        }
    }

    const SSRCS: FeedbackSsrcs = FeedbackSsrcs { sender: 1, media: 2 };

    fn first(bytes: &[u8]) -> Option<RtcpPacket<'_>> {
        Compound::parse(bytes).unwrap().packets().next()
    }
}
