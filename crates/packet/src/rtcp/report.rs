//! Sender and receiver reports (RFC 3550 §6.4).

use crate::big_endian::{u24_at, u32_at, u64_at};

/// A sender report: what a source sent, and what it received of others (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    /// The source that reports.
    pub ssrc: u32,
    /// What it sent.
    pub info: SenderInfo,
    blocks: &'a [[u8; ReportBlock::BYTES]],
}

/// What a source says of its own stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// When the report was sent: NTP, seconds since 1900 in 32.32 fixed point.
    pub ntp: u64,
    /// The same moment on the stream's RTP clock.
    pub rtp_timestamp: u32,
    /// Packets sent since the stream began.
    pub packet_count: u32,
    /// Payload bytes sent since the stream began, without headers and padding.
    pub octet_count: u32,
}

/// A receiver report: what a peer received of others (RFC 3550 §6.4.2).
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    /// The source that reports.
    pub ssrc: u32,
    blocks: &'a [[u8; ReportBlock::BYTES]],
}

/// How one stream arrived at whoever reports (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream that this is about.
    pub ssrc: u32,
    /// Share of packets lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the stream began: 24 bits signed, negative when duplicates outnumber losses.
    pub cumulative_lost: i32,
    /// Highest sequence number received, with the number of its wraps in the high 16 bits.
    pub extended_highest_sequence: u32,
    /// Interarrival jitter, in ticks of the stream's RTP clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0 when there was none.
    pub last_sender_report: u32,
    /// Time since that report arrived, in 1/65536 s.
    pub delay_since_last_sender_report: u32,
}

impl<'a> SenderReport<'a> {
    /// The report blocks, at most 31.
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.iter().map(ReportBlock::read)
    }

    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let info = SenderInfo {
            ntp: u64_at(body, 4)?,
            rtp_timestamp: u32_at(body, 12)?,
            packet_count: u32_at(body, 16)?,
            octet_count: u32_at(body, 20)?,
        };
        Some(Self { ssrc: u32_at(body, 0)?, info, blocks: block_bytes(count, body.get(24..)?)? })
    }
}

impl<'a> ReceiverReport<'a> {
    /// The report blocks, at most 31.
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.iter().map(ReportBlock::read)
    }

    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        Some(Self { ssrc: u32_at(body, 0)?, blocks: block_bytes(count, body.get(4..)?)? })
    }
}

impl SenderInfo {
    pub(super) fn to_bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.ntp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.rtp_timestamp.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.packet_count.to_be_bytes());
        bytes[16..].copy_from_slice(&self.octet_count.to_be_bytes());
        bytes
    }
}

impl ReportBlock {
    /// Length on the wire, in bytes.
    pub const BYTES: usize = 24;

    fn read(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |at| u32_at(bytes, at).unwrap_or_default();
        let lost = u24_at(bytes, 5).unwrap_or_default();
        Self {
            ssrc: word(0),
            fraction_lost: bytes[4],
            cumulative_lost: ((lost << 8) as i32) >> 8,
            extended_highest_sequence: word(8),
            jitter: word(12),
            last_sender_report: word(16),
            delay_since_last_sender_report: word(20),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let lost = self.cumulative_lost.clamp(CUMULATIVE_LOST_MIN, CUMULATIVE_LOST_MAX);
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes[4..8].copy_from_slice(&lost.to_be_bytes());
        bytes[4] = self.fraction_lost;
        bytes[8..12].copy_from_slice(&self.extended_highest_sequence.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.jitter.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.last_sender_report.to_be_bytes());
        bytes[20..].copy_from_slice(&self.delay_since_last_sender_report.to_be_bytes());
        bytes
    }
}

fn block_bytes(count: u8, bytes: &[u8]) -> Option<&[[u8; ReportBlock::BYTES]]> {
    // What follows the blocks is a profile-specific extension (RFC 3550 §6.4.3), which nobody here reads.
    bytes.as_chunks().0.get(..usize::from(count))
}

/// Largest loss that 24 signed bits can say; more is written as this (RFC 3550 §A.3).
const CUMULATIVE_LOST_MAX: i32 = 0x7f_ffff;
/// Smallest loss that 24 signed bits can say.
const CUMULATIVE_LOST_MIN: i32 = -0x80_0000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::compound::{Compound, RtcpPacket};
    use crate::rtcp::writer::CompoundWriter;

    const INFO: SenderInfo =
        SenderInfo { ntp: 0x0102_0304_0506_0708, rtp_timestamp: 9, packet_count: 10, octet_count: 11 };

    fn block(ssrc: u32) -> ReportBlock {
        ReportBlock {
            ssrc,
            fraction_lost: 200,
            cumulative_lost: -3,
            extended_highest_sequence: 0x0001_ffff,
            jitter: 77,
            last_sender_report: 0xaabb_ccdd,
            delay_since_last_sender_report: 65_536,
        }
    }

    #[test]
    fn a_sender_report_reads_back_as_written() {
        let mut out = [0; 100];
        let mut writer = CompoundWriter::new(&mut out);
        writer.sender_report(5, &INFO, &[block(1), block(2)]).unwrap();
        let len = writer.len();
        let Some(RtcpPacket::SenderReport(report)) = Compound::parse(&out[..len]).unwrap().packets().next() else {
            panic!("not a sender report")
        };
        assert_eq!((report.ssrc, report.info), (5, INFO));
        assert_eq!(report.blocks().collect::<Vec<_>>(), [block(1), block(2)]);
    }

    #[test]
    fn a_receiver_report_reads_back_as_written() {
        let mut out = [0; 100];
        let mut writer = CompoundWriter::new(&mut out);
        writer.receiver_report(5, &[block(1)]).unwrap();
        let len = writer.len();
        let Some(RtcpPacket::ReceiverReport(report)) = Compound::parse(&out[..len]).unwrap().packets().next() else {
            panic!("not a receiver report")
        };
        assert_eq!((report.ssrc, report.blocks().collect::<Vec<_>>()), (5, vec![block(1)]));
    }

    #[test]
    fn losses_beyond_24_bits_are_written_as_the_nearest_that_fit() {
        for (lost, expected) in [(i32::MAX, 0x7f_ffff), (i32::MIN, -0x80_0000), (-1, -1), (5, 5)] {
            let bytes = ReportBlock { cumulative_lost: lost, ..block(1) }.to_bytes();
            assert_eq!(ReportBlock::read(&bytes).cumulative_lost, expected);
            assert_eq!(ReportBlock::read(&bytes).fraction_lost, 200);
        }
    }

    #[test]
    fn c01_reports_cut_at_any_word_drop_the_compound() {
        let mut out = [0; 100];
        let mut writer = CompoundWriter::new(&mut out);
        writer.sender_report(5, &INFO, &[block(1)]).unwrap();
        let len = writer.len();
        for words in 0..len / 4 {
            let mut cut = out[..4 * words].to_vec();
            if let Some(length) = cut.get_mut(3) {
                *length = words as u8 - 1;
            }
            assert!(Compound::parse(&cut).is_err(), "{words} words");
        }
    }
}
