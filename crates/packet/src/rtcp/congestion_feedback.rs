//! Congestion control feedback: when which packets of which streams arrived (RFC 8888 §3.1).

use crate::big_endian::{Cursor, u16_at, u32_at};

/// A feedback packet: the fate of runs of packets, stream by stream.
#[derive(Clone, Copy, Debug)]
pub struct CongestionFeedback<'a> {
    /// Who received.
    pub sender: u32,
    /// When it was written, by the receiver's clock: the middle 32 bits of an NTP time, so 1/65,536 s.
    pub timestamp: u32,
    blocks: &'a [u8],
}

/// A run of packets of one stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamFeedback<'a> {
    /// The stream.
    pub ssrc: u32,
    /// The first packet's RTP sequence number.
    pub begin_sequence: u16,
    metrics: &'a [[u8; 2]],
}

/// What became of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketFate {
    /// It was not received.
    Missing,
    /// It was received.
    Received {
        /// Its ECN bits (RFC 3168).
        ecn: u8,
        /// How long before [`CongestionFeedback::timestamp`] it arrived, in 1/1024 s; `None` when that is not known.
        before: Option<u16>,
    },
}

/// Bytes of the head of a run: SSRC, first number, count.
const RUN_HEAD_BYTES: usize = 8;
/// Bytes of the timestamp at the end.
const TIMESTAMP_BYTES: usize = 4;
/// The two largest offsets say "longer ago than that" and "not known" (§3.1).
const OFFSET_TOO_LONG: u16 = 0x1ffe;
/// Bits of the offset in a metric.
const OFFSET_BITS: u32 = 13;

impl<'a> CongestionFeedback<'a> {
    /// The runs in order. Cost: proportional to the packet's bytes.
    pub fn streams(&self) -> impl Iterator<Item = StreamFeedback<'a>> + use<'a> {
        let mut rest = self.blocks;
        std::iter::from_fn(move || {
            let (run, after) = split_run(rest)?;
            rest = after;
            Some(run)
        })
    }

    /// Checks that the runs fill `body`, which begins with the sender and ends with the timestamp.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let sender = u32_at(body, 0)?;
        let (blocks, timestamp) = body.get(4..)?.split_last_chunk::<TIMESTAMP_BYTES>()?;
        let mut rest = blocks;
        while !rest.is_empty() {
            rest = split_run(rest)?.1;
        }
        Some(Self { sender, timestamp: u32::from_be_bytes(*timestamp), blocks })
    }
}

impl<'a> StreamFeedback<'a> {
    /// The packets with their sequence numbers, the wrap included.
    pub fn packets(&self) -> impl Iterator<Item = (u16, PacketFate)> + use<'a> {
        let begin = self.begin_sequence;
        self.metrics
            .iter()
            .zip(0u16..)
            .map(move |(metric, index)| (begin.wrapping_add(index), PacketFate::read(*metric)))
    }
}

impl PacketFate {
    fn read(metric: [u8; 2]) -> Self {
        let word = u16::from_be_bytes(metric);
        if word >> 15 == 0 {
            return Self::Missing;
        }
        let offset = word & ((1 << OFFSET_BITS) - 1);
        Self::Received {
            ecn: (word >> OFFSET_BITS & 3) as u8,
            before: Some(offset).filter(|one| *one < OFFSET_TOO_LONG),
        }
    }

    fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::Missing => [0; 2],
            Self::Received { ecn, before } => {
                let offset = before.map_or(OFFSET_TOO_LONG + 1, |before| before.min(OFFSET_TOO_LONG));
                (1 << 15 | u16::from(ecn & 3) << OFFSET_BITS | offset).to_be_bytes()
            }
        }
    }
}

/// Splits the first run off `bytes`; an odd number of metrics is padded to a word.
fn split_run(bytes: &[u8]) -> Option<(StreamFeedback<'_>, &[u8])> {
    let (ssrc, begin_sequence, count) = (u32_at(bytes, 0)?, u16_at(bytes, 4)?, usize::from(u16_at(bytes, 6)?));
    let padded = 2 * (count + count % 2);
    let (metrics, after) = bytes.get(RUN_HEAD_BYTES..)?.split_at_checked(padded)?;
    Some((StreamFeedback { ssrc, begin_sequence, metrics: &metrics.as_chunks().0[..count] }, after))
}

/// Writes the body with one run; see [`CompoundWriter::congestion_feedback`](super::CompoundWriter).
pub(super) fn put(
    cursor: &mut Cursor,
    ssrc: u32,
    begin_sequence: u16,
    fates: &[PacketFate],
    timestamp: u32,
) -> Option<()> {
    cursor.put(&ssrc.to_be_bytes())?;
    cursor.put(&begin_sequence.to_be_bytes())?;
    cursor.put(&u16::try_from(fates.len()).ok()?.to_be_bytes())?;
    fates.iter().try_for_each(|fate| cursor.put(&fate.to_bytes()))?;
    cursor.pad_to_word()?;
    cursor.put(&timestamp.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Compound, CompoundWriter, RtcpPacket};

    #[test]
    fn fates_read_back_as_written_over_the_wrap() {
        let received = |ecn, before| PacketFate::Received { ecn, before };
        for count in [1, 2, 5] {
            let fates = [
                received(0, Some(0)),
                PacketFate::Missing,
                received(3, Some(0x1ffd)),
                received(1, None),
                PacketFate::Missing,
            ];
            let mut out = [0; 100];
            let mut writer = CompoundWriter::new(&mut out);
            writer.congestion_feedback(7, 9, 65_534, &fates[..count], 0x0102_0304).unwrap();
            let len = writer.len();
            let Some(RtcpPacket::CongestionFeedback(feedback)) = Compound::parse(&out[..len]).unwrap().packets().next()
            else {
                panic!("congestion feedback was written")
            };
            assert_eq!((feedback.sender, feedback.timestamp), (7, 0x0102_0304));
            let streams: Vec<_> = feedback.streams().collect();
            assert_eq!((streams.len(), streams[0].ssrc), (1, 9));
            let expected: Vec<_> = [65_534, 65_535, 0, 1, 2].into_iter().zip(fates).take(count).collect();
            assert_eq!(streams[0].packets().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn two_streams_are_read_in_order() {
        let mut bytes = vec![0x8b, 205, 0, 8, 0, 0, 0, 1];
        bytes.extend([0, 0, 0, 5, 0, 1, 0, 1, 0x80, 2, 0, 0]);
        bytes.extend([0, 0, 0, 6, 0, 2, 0, 2, 0, 0, 0x80, 3]);
        bytes.extend([0, 1, 0, 0]);
        let Some(RtcpPacket::CongestionFeedback(feedback)) = Compound::parse(&bytes).unwrap().packets().next() else {
            panic!("congestion feedback")
        };
        let counts: Vec<_> = feedback.streams().map(|stream| (stream.ssrc, stream.packets().count())).collect();
        assert_eq!(counts, [(5, 1), (6, 2)]);
    }

    #[test]
    fn c02_a_count_of_65535_in_24_bytes_and_every_way_to_be_short_drop_the_compound() {
        let whole = [0x8b, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 5, 0, 1, 0, 1, 0x80, 2, 0, 0, 0, 1, 0, 0];
        assert!(Compound::parse(&whole).is_ok());
        for count in [3, 4, 0xff, 0xffff_u16] {
            let mut bytes = whole;
            bytes[14..16].copy_from_slice(&count.to_be_bytes());
            assert!(Compound::parse(&bytes).is_err(), "{count}");
        }
        for words in 1..5 {
            let mut bytes = whole[..4 + 4 * words].to_vec();
            bytes[3] = words as u8;
            assert_eq!(
                Compound::parse(&bytes).is_ok(),
                words == 2,
                "{words} words: only a packet without runs is whole"
            );
        }
    }
}
