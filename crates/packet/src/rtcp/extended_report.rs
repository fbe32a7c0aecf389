//! Extended reports (RFC 3611): the two blocks by which a receiver measures its round trip.

use crate::big_endian::{u16_at, u32_at, u64_at};

/// An extended report packet. Blocks of other types are passed over.
#[derive(Clone, Copy, Debug)]
pub struct ExtendedReport<'a> {
    /// The source that reports.
    pub ssrc: u32,
    blocks: &'a [u8],
}

/// How long ago a reference time was received: the answer to it (RFC 3611 §4.5, a DLRR sub-block).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DelaySinceReference {
    /// The receiver whose reference time is answered.
    pub ssrc: u32,
    /// Middle 32 bits of that reference time.
    pub last_reference: u32,
    /// Time since it arrived, in 1/65536 s.
    pub delay: u32,
}

impl<'a> ExtendedReport<'a> {
    /// The receiver reference time (RFC 3611 §4.4): when the report was sent, NTP in 32.32 fixed point.
    pub fn reference_time(&self) -> Option<u64> {
        self.blocks().find(|block| block.block_type == REFERENCE_TIME).and_then(|block| u64_at(block.content, 0))
    }

    /// The answers to reference times, of all DLRR blocks.
    pub fn delays(&self) -> impl Iterator<Item = DelaySinceReference> + use<'a> {
        let answers = self.blocks().filter(|block| block.block_type == DELAY_SINCE_REFERENCE);
        answers.flat_map(|block| block.content.as_chunks().0).map(DelaySinceReference::read)
    }

    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let report = Self { ssrc: u32_at(body, 0)?, blocks: body.get(4..)? };
        let mut rest = report.blocks;
        while !rest.is_empty() {
            let (block, after) = Block::split(rest)?;
            block.is_well_formed().then_some(())?;
            rest = after;
        }
        Some(report)
    }

    fn blocks(&self) -> impl Iterator<Item = Block<'a>> + use<'a> {
        let mut rest = self.blocks;
        std::iter::from_fn(move || {
            let (block, after) = Block::split(rest)?;
            rest = after;
            Some(block)
        })
    }
}

impl DelaySinceReference {
    const BYTES: usize = 12;

    fn read(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |at| u32_at(bytes, at).unwrap_or_default();
        Self { ssrc: word(0), last_reference: word(4), delay: word(8) }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.last_reference.to_be_bytes());
        bytes[8..].copy_from_slice(&self.delay.to_be_bytes());
        bytes
    }
}

/// Block type of a receiver reference time (RFC 3611 §4.4).
pub(super) const REFERENCE_TIME: u8 = 4;
/// Block type of delays since reference times (RFC 3611 §4.5).
pub(super) const DELAY_SINCE_REFERENCE: u8 = 5;

struct Block<'a> {
    block_type: u8,
    content: &'a [u8],
}

impl<'a> Block<'a> {
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let words = usize::from(u16_at(bytes, 2)?);
        let (content, after) = bytes.get(4..)?.split_at_checked(4 * words)?;
        Some((Self { block_type: bytes[0], content }, after))
    }

    fn is_well_formed(&self) -> bool {
        match self.block_type {
            REFERENCE_TIME => self.content.len() == 8,
            DELAY_SINCE_REFERENCE => self.content.len().is_multiple_of(DelaySinceReference::BYTES),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::compound::{Compound, RtcpPacket};
    use crate::rtcp::writer::CompoundWriter;

    const ANSWER: DelaySinceReference = DelaySinceReference { ssrc: 2, last_reference: 3, delay: 4 };

    #[test]
    fn reference_times_and_their_answers_read_back_as_written() {
        let mut out = [0; 100];
        let mut writer = CompoundWriter::new(&mut out);
        writer.reference_time(1, 0x0102_0304_0506_0708).unwrap();
        writer.delays_since_reference(1, &[ANSWER, ANSWER]).unwrap();
        let len = writer.len();
        let packets: Vec<_> = Compound::parse(&out[..len]).unwrap().packets().collect();
        let [RtcpPacket::ExtendedReport(question), RtcpPacket::ExtendedReport(answer)] = packets[..] else {
            panic!("{packets:?}")
        };
        assert_eq!((question.ssrc, question.reference_time()), (1, Some(0x0102_0304_0506_0708)));
        assert_eq!(question.delays().count(), 0);
        assert_eq!((answer.reference_time(), answer.delays().collect::<Vec<_>>()), (None, vec![ANSWER, ANSWER]));
    }

    #[test]
    fn other_blocks_are_passed_over() {
        let mut bytes = vec![0x80, 207, 0, 6, 0, 0, 0, 1, 42, 0, 0, 1, 9, 9, 9, 9];
        bytes.extend([4, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 6]);
        let Some(RtcpPacket::ExtendedReport(report)) = Compound::parse(&bytes).unwrap().packets().next() else {
            panic!("not an extended report")
        };
        assert_eq!(report.reference_time(), Some(5 << 32 | 6));
    }

    #[test]
    fn c01_blocks_of_a_wrong_length_drop_the_compound() {
        for block in [[4, 0, 0, 1], [5, 0, 0, 1], [42, 0, 0, 2], [4, 0, 0xff, 0xff], [5, 0, 0, 2]] {
            let bytes = [&[0x80, 207, 0, 3, 0, 0, 0, 1][..], &block, &[0; 4]].concat();
            assert!(Compound::parse(&bytes).is_err(), "{block:?}");
        }
    }
}
