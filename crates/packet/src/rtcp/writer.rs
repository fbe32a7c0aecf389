//! Writes a compound packet into a slice, packet by packet (RFC 3550 §6.1).

use super::congestion_feedback::{self, PacketFate};
use super::extended_report::{self, DelaySinceReference};
use super::feedback::{FeedbackSsrcs, FullIntraEntry, NackItem, REMB_IDENTIFIER, encode_bitrate};
use super::report::{ReportBlock, SenderInfo};
use super::source::CNAME;
use super::transport_feedback::{self, FeedbackHeader};
use super::{feedback_type, packet_type};
use crate::big_endian::Cursor;

/// A packet did not fit behind the others, or lists more than its count can say; nothing of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompoundFull;

/// Appends packets to a compound in a slice. Each call writes one packet whole or not at all; nothing is allocated.
pub struct CompoundWriter<'a> {
    cursor: Cursor<'a>,
}

impl<'a> CompoundWriter<'a> {
    /// Starts an empty compound in `out`.
    pub fn new(out: &'a mut [u8]) -> Self {
        Self { cursor: Cursor::new(out) }
    }

    /// Length of the compound so far, in bytes; a multiple of four.
    pub fn len(&self) -> usize {
        self.cursor.len()
    }

    /// Tells whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a sender report (RFC 3550 §6.4.1) with up to 31 blocks.
    ///
    /// # Errors
    /// [`CompoundFull`], as everywhere here.
    pub fn sender_report(&mut self, ssrc: u32, info: &SenderInfo, blocks: &[ReportBlock]) -> Result<(), CompoundFull> {
        self.packet(packet_type::SENDER_REPORT, blocks.len(), |cursor| {
            cursor.put(&ssrc.to_be_bytes())?;
            cursor.put(&info.to_bytes())?;
            blocks.iter().try_for_each(|block| cursor.put(&block.to_bytes()))
        })
    }

    /// Appends a receiver report (RFC 3550 §6.4.2) with up to 31 blocks.
    ///
    /// # Errors
    /// [`CompoundFull`].
    pub fn receiver_report(&mut self, ssrc: u32, blocks: &[ReportBlock]) -> Result<(), CompoundFull> {
        self.packet(packet_type::RECEIVER_REPORT, blocks.len(), |cursor| {
            cursor.put(&ssrc.to_be_bytes())?;
            blocks.iter().try_for_each(|block| cursor.put(&block.to_bytes()))
        })
    }

    /// Appends a source description with the CNAME of one source (RFC 3550 §6.5.1), up to 255 bytes.
    ///
    /// # Errors
    /// [`CompoundFull`].
    pub fn cname(&mut self, ssrc: u32, cname: &str) -> Result<(), CompoundFull> {
        let len = u8::try_from(cname.len()).map_err(|_| CompoundFull)?;
        self.packet(packet_type::SOURCE_DESCRIPTION, 1, |cursor| {
            cursor.put(&ssrc.to_be_bytes())?;
            cursor.put(&[CNAME, len])?;
            cursor.put(cname.as_bytes())?;
            // The list of items ends with at least one zero.
            cursor.put(&[0])?;
            cursor.pad_to_word()
        })
    }

    /// Appends a goodbye of up to 31 sources (RFC 3550 §6.6).
    ///
    /// # Errors
    /// [`CompoundFull`].
    pub fn goodbye(&mut self, ssrcs: &[u32]) -> Result<(), CompoundFull> {
        self.packet(packet_type::GOODBYE, ssrcs.len(), |cursor| put_ssrcs(cursor, ssrcs))
    }

    /// Appends a NACK (RFC 4585 §6.2.1) of `missing`, which come in the order of the stream, the wrap included.
    ///
    /// # Errors
    /// [`CompoundFull`], also when `missing` is empty.
    pub fn nack(&mut self, ssrcs: FeedbackSsrcs, missing: impl IntoIterator<Item = u16>) -> Result<(), CompoundFull> {
        let mut missing = missing.into_iter();
        let mut item = NackItem::new(missing.next().ok_or(CompoundFull)?);
        self.feedback(packet_type::TRANSPORT_FEEDBACK, feedback_type::NACK, ssrcs, |cursor| {
            for sequence in missing {
                if !item.include(sequence) {
                    cursor.put(&item.to_bytes())?;
                    item = NackItem::new(sequence);
                }
            }
            cursor.put(&item.to_bytes())
        })
    }

    /// Appends a picture loss indication about the stream `media` (RFC 4585 §6.3.1).
    ///
    /// # Errors
    /// [`CompoundFull`].
    pub fn picture_loss(&mut self, sender: u32, media: u32) -> Result<(), CompoundFull> {
        let ssrcs = FeedbackSsrcs { sender, media };
        self.feedback(packet_type::PAYLOAD_FEEDBACK, feedback_type::PICTURE_LOSS, ssrcs, |_| Some(()))
    }

    /// Appends a full intra request for one stream (RFC 5104 §4.3.1).
    ///
    /// # Errors
    /// [`CompoundFull`].
    pub fn full_intra_request(&mut self, sender: u32, entry: FullIntraEntry) -> Result<(), CompoundFull> {
        let ssrcs = FeedbackSsrcs { sender, media: 0 };
        self.feedback(packet_type::PAYLOAD_FEEDBACK, feedback_type::FULL_INTRA_REQUEST, ssrcs, |cursor| {
            cursor.put(&entry.ssrc.to_be_bytes())?;
            cursor.put(&[entry.command, 0, 0, 0])
        })
    }

    /// Appends an estimate of `bitrate` bit/s for up to 255 streams (draft-alvestrand-rmcat-remb-03 §2.2).
    ///
    /// # Errors
    /// [`CompoundFull`].
    pub fn remb(&mut self, sender: u32, bitrate: u64, streams: &[u32]) -> Result<(), CompoundFull> {
        let count = u8::try_from(streams.len()).map_err(|_| CompoundFull)?;
        let ssrcs = FeedbackSsrcs { sender, media: 0 };
        self.feedback(packet_type::PAYLOAD_FEEDBACK, feedback_type::APPLICATION, ssrcs, |cursor| {
            cursor.put(&REMB_IDENTIFIER)?;
            cursor.put(&[count])?;
            cursor.put(&encode_bitrate(bitrate))?;
            put_ssrcs(cursor, streams)
        })
    }

    /// Appends congestion control feedback (RFC 8888 §3.1) about packets of the stream `ssrc` from `begin_sequence` on.
    ///
    /// `timestamp` is the receiver's time in 1/65,536 s, which arrivals are told before.
    ///
    /// # Errors
    /// [`CompoundFull`].
    pub fn congestion_feedback(
        &mut self,
        sender: u32,
        ssrc: u32,
        begin_sequence: u16,
        fates: &[PacketFate],
        timestamp: u32,
    ) -> Result<(), CompoundFull> {
        self.packet(packet_type::TRANSPORT_FEEDBACK, usize::from(feedback_type::CONGESTION), |cursor| {
            cursor.put(&sender.to_be_bytes())?;
            congestion_feedback::put(cursor, ssrc, begin_sequence, fates, timestamp)
        })
    }

    /// Appends transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    ///
    /// `statuses` has one item for each number from `header.base_sequence` on: `None` for a packet that did not
    /// arrive, else the time since the one before it (for the first: since the reference time), in 250 µs. It is
    /// walked twice.
    ///
    /// # Errors
    /// [`CompoundFull`], also when there are no statuses or more than 65,535.
    pub fn transport_feedback(
        &mut self,
        header: &FeedbackHeader,
        statuses: impl Iterator<Item = Option<i16>> + Clone,
    ) -> Result<(), CompoundFull> {
        self.feedback(packet_type::TRANSPORT_FEEDBACK, feedback_type::TRANSPORT_CC, header.ssrcs, |cursor| {
            transport_feedback::put(cursor, header, statuses)
        })
    }

    /// Appends an extended report with a receiver reference time (RFC 3611 §4.4): NTP in 32.32 fixed point.
    ///
    /// # Errors
    /// [`CompoundFull`].
    pub fn reference_time(&mut self, ssrc: u32, ntp: u64) -> Result<(), CompoundFull> {
        self.packet(packet_type::EXTENDED_REPORT, 0, |cursor| {
            cursor.put(&ssrc.to_be_bytes())?;
            cursor.put(&[extended_report::REFERENCE_TIME, 0, 0, 2])?;
            cursor.put(&ntp.to_be_bytes())
        })
    }

    /// Appends an extended report that answers reference times (RFC 3611 §4.5), up to 255 of them.
    ///
    /// # Errors
    /// [`CompoundFull`].
    pub fn delays_since_reference(&mut self, ssrc: u32, delays: &[DelaySinceReference]) -> Result<(), CompoundFull> {
        let count = u8::try_from(delays.len()).map_err(|_| CompoundFull)?;
        let [high, low] = (3 * u16::from(count)).to_be_bytes();
        self.packet(packet_type::EXTENDED_REPORT, 0, |cursor| {
            cursor.put(&ssrc.to_be_bytes())?;
            cursor.put(&[extended_report::DELAY_SINCE_REFERENCE, 0, high, low])?;
            delays.iter().try_for_each(|delay| cursor.put(&delay.to_bytes()))
        })
    }

    fn feedback(
        &mut self,
        packet_type: u8,
        feedback_type: u8,
        ssrcs: FeedbackSsrcs,
        items: impl FnOnce(&mut Cursor) -> Option<()>,
    ) -> Result<(), CompoundFull> {
        self.packet(packet_type, usize::from(feedback_type), |cursor| {
            put_ssrcs(cursor, &[ssrcs.sender, ssrcs.media])?;
            items(cursor)
        })
    }

    /// Writes one packet by its common header and `body`; what a failing body left behind is forgotten.
    fn packet(
        &mut self,
        packet_type: u8,
        count: usize,
        body: impl FnOnce(&mut Cursor) -> Option<()>,
    ) -> Result<(), CompoundFull> {
        let start = self.cursor.len();
        let written = put_packet(&mut self.cursor, packet_type, count, body);
        if written.is_none() {
            self.cursor.truncate(start);
        }
        written.ok_or(CompoundFull)
    }
}

/// Largest count that the five bits of the common header hold.
const COUNT_MAX: usize = 31;

fn put_packet(
    cursor: &mut Cursor,
    packet_type: u8,
    count: usize,
    body: impl FnOnce(&mut Cursor) -> Option<()>,
) -> Option<()> {
    if count > COUNT_MAX {
        return None;
    }
    let start = cursor.len();
    cursor.put(&[0x80 | count as u8, packet_type, 0, 0])?;
    body(cursor)?;
    let words = u16::try_from((cursor.len() - start) / 4 - 1).ok()?;
    cursor.patch(start + 2, &words.to_be_bytes())
}

fn put_ssrcs(cursor: &mut Cursor, ssrcs: &[u32]) -> Option<()> {
    ssrcs.iter().try_for_each(|ssrc| cursor.put(&ssrc.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::compound::Compound;

    #[test]
    fn a_packet_that_does_not_fit_leaves_the_compound_as_it_was() {
        let mut out = [0; 20];
        let mut writer = CompoundWriter::new(&mut out);
        writer.receiver_report(1, &[]).unwrap();
        assert_eq!(writer.receiver_report(1, &[ReportBlock::default()]), Err(CompoundFull));
        assert_eq!(writer.cname(1, "longer"), Err(CompoundFull));
        assert_eq!(writer.len(), 8);
        writer.picture_loss(1, 2).unwrap();
        assert_eq!(Compound::parse(&out).unwrap().packets().count(), 2);
    }

    #[test]
    fn lists_that_a_count_cannot_say_are_refused() {
        let mut out = [0; 2000];
        let mut writer = CompoundWriter::new(&mut out);
        assert_eq!(writer.receiver_report(1, &[ReportBlock::default(); 32]), Err(CompoundFull));
        assert_eq!(writer.goodbye(&[0; 32]), Err(CompoundFull));
        assert_eq!(writer.cname(1, &"n".repeat(256)), Err(CompoundFull));
        assert_eq!(writer.remb(1, 1, &[0; 256]), Err(CompoundFull));
        assert_eq!(writer.delays_since_reference(1, &[DelaySinceReference::default(); 256]), Err(CompoundFull));
        assert_eq!(writer.nack(FeedbackSsrcs { sender: 1, media: 2 }, []), Err(CompoundFull));
        assert!(writer.is_empty());
        assert_eq!(writer.receiver_report(1, &[ReportBlock::default(); 31]), Ok(()));
    }
}
