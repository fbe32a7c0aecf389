//! A received compound packet: checked as a whole first, read afterwards.

use super::congestion_feedback::CongestionFeedback;
use super::extended_report::ExtendedReport;
use super::feedback::{FeedbackSsrcs, FullIntraRequest, Nack, PictureLoss, Remb};
use super::report::{ReceiverReport, SenderReport};
use super::source::{Goodbye, SourceDescription};
use super::transport_feedback::TransportFeedback;
use super::{RtcpError, feedback_type, packet_type};

/// One packet of a compound.
#[derive(Clone, Copy, Debug)]
pub enum RtcpPacket<'a> {
    /// Sender report (RFC 3550 §6.4.1).
    SenderReport(SenderReport<'a>),
    /// Receiver report (RFC 3550 §6.4.2).
    ReceiverReport(ReceiverReport<'a>),
    /// Source description (RFC 3550 §6.5).
    SourceDescription(SourceDescription<'a>),
    /// Goodbye (RFC 3550 §6.6).
    Goodbye(Goodbye<'a>),
    /// Generic NACK (RFC 4585 §6.2.1).
    Nack(Nack<'a>),
    /// Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    TransportFeedback(TransportFeedback<'a>),
    /// Congestion control feedback (RFC 8888 §3.1).
    CongestionFeedback(CongestionFeedback<'a>),
    /// Picture loss indication (RFC 4585 §6.3.1).
    PictureLoss(PictureLoss),
    /// Full intra request (RFC 5104 §4.3.1).
    FullIntraRequest(FullIntraRequest<'a>),
    /// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03).
    Remb(Remb<'a>),
    /// Extended report (RFC 3611).
    ExtendedReport(ExtendedReport<'a>),
    /// A packet that nobody here reads: APP, other feedback, unknown types. Only its length was checked.
    Other {
        /// The RTCP packet type.
        packet_type: u8,
        /// The five bits after the padding bit: a count, a subtype or a feedback message type.
        count: u8,
    },
}

/// A compound packet all of whose packets are well-formed. Reduced-size compounds (RFC 5506) are accepted.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    bytes: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks `bytes` to the last length before anything of it can be read. Cost: one pass, no allocation.
    ///
    /// # Errors
    /// When any length, count or padding of any packet contradicts the bytes; then nothing of the compound is used.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtcpError> {
        let mut rest = bytes;
        for _ in 0..PACKETS_MAX {
            let (frame, after) = Frame::split(rest)?;
            if frame.interpret().is_none() {
                return Err(RtcpError::Body);
            }
            if after.is_empty() {
                return Ok(Self { bytes });
            }
            rest = after;
        }
        Err(RtcpError::TooManyPackets)
    }

    /// The packets in order; at most [`PACKETS_MAX`].
    pub fn packets(&self) -> impl Iterator<Item = RtcpPacket<'a>> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (frame, after) = Frame::split(rest).ok()?;
            rest = after;
            // `parse` has interpreted every packet once already, so this cannot end the iteration early.
            frame.interpret()
        })
    }
}

/// Packets accepted in one compound.
///
/// Senders put two to ten into one. A compound with more is dropped whole, so that one datagram costs a bounded time.
pub const PACKETS_MAX: usize = 64;

/// One packet by its common header (RFC 3550 §6.1), its body not looked into.
struct Frame<'a> {
    packet_type: u8,
    count: u8,
    /// What follows the four bytes of the common header, without padding.
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Splits the first packet off `bytes`.
    fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), RtcpError> {
        let (&[first, packet_type, high, low], rest) = bytes.split_first_chunk().ok_or(RtcpError::Length)?;
        if first >> 6 != 2 {
            return Err(RtcpError::Version);
        }
        let body_len = 4 * usize::from(u16::from_be_bytes([high, low]));
        let (body, after) = rest.split_at_checked(body_len).ok_or(RtcpError::Length)?;
        let body = if first & 0x20 == 0 { body } else { without_padding(body)? };
        Ok((Self { packet_type, count: first & 0x1f, body }, after))
    }

    fn interpret(&self) -> Option<RtcpPacket<'a>> {
        let Frame { packet_type, count, body } = *self;
        match packet_type {
            packet_type::SENDER_REPORT => SenderReport::parse(count, body).map(RtcpPacket::SenderReport),
            packet_type::RECEIVER_REPORT => ReceiverReport::parse(count, body).map(RtcpPacket::ReceiverReport),
            packet_type::SOURCE_DESCRIPTION => SourceDescription::parse(count, body).map(RtcpPacket::SourceDescription),
            packet_type::GOODBYE => Goodbye::parse(count, body).map(RtcpPacket::Goodbye),
            packet_type::TRANSPORT_FEEDBACK | packet_type::PAYLOAD_FEEDBACK => self.interpret_feedback(),
            packet_type::EXTENDED_REPORT => ExtendedReport::parse(body).map(RtcpPacket::ExtendedReport),
            _ => Some(RtcpPacket::Other { packet_type, count }),
        }
    }

    fn interpret_feedback(&self) -> Option<RtcpPacket<'a>> {
        if (self.packet_type, self.count) == (packet_type::TRANSPORT_FEEDBACK, feedback_type::CONGESTION) {
            // It names its streams itself, where others have the one that they are about.
            return CongestionFeedback::parse(self.body).map(RtcpPacket::CongestionFeedback);
        }
        let ssrcs = FeedbackSsrcs::read(self.body)?;
        let items = self.body.get(FeedbackSsrcs::BYTES..)?;
        match (self.packet_type, self.count) {
            (packet_type::TRANSPORT_FEEDBACK, feedback_type::NACK) => Nack::parse(ssrcs, items).map(RtcpPacket::Nack),
            (packet_type::TRANSPORT_FEEDBACK, feedback_type::TRANSPORT_CC) => {
                TransportFeedback::parse(ssrcs, items).map(RtcpPacket::TransportFeedback)
            }
            (packet_type::PAYLOAD_FEEDBACK, feedback_type::PICTURE_LOSS) => {
                PictureLoss::parse(ssrcs, items).map(RtcpPacket::PictureLoss)
            }
            (packet_type::PAYLOAD_FEEDBACK, feedback_type::FULL_INTRA_REQUEST) => {
                FullIntraRequest::parse(ssrcs, items).map(RtcpPacket::FullIntraRequest)
            }
            (packet_type::PAYLOAD_FEEDBACK, feedback_type::APPLICATION) if Remb::is_remb(items) => {
                Remb::parse(ssrcs, items).map(RtcpPacket::Remb)
            }
            (packet_type, count) => Some(RtcpPacket::Other { packet_type, count }),
        }
    }
}

/// Takes the padding off the end of `body`.
///
/// RFC 3550 §6.4.1 allows padding on the last packet only and in multiples of four. libwebrtc pads each transport-wide
/// feedback packet by one to three bytes wherever it stands, so only the bounds are checked.
fn without_padding(body: &[u8]) -> Result<&[u8], RtcpError> {
    let count = usize::from(*body.last().ok_or(RtcpError::Padding)?);
    let len = body.len().checked_sub(count).filter(|_| count != 0).ok_or(RtcpError::Padding)?;
    Ok(&body[..len])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::writer::CompoundWriter;

    #[test]
    fn packets_come_in_the_order_they_were_written() {
        let mut out = [0; 200];
        let mut writer = CompoundWriter::new(&mut out);
        writer.receiver_report(1, &[]).unwrap();
        writer.cname(1, "millrace").unwrap();
        writer.picture_loss(1, 2).unwrap();
        let len = writer.len();
        let compound = Compound::parse(&out[..len]).unwrap();
        let mut packets = compound.packets();
        assert!(matches!(packets.next(), Some(RtcpPacket::ReceiverReport(_))));
        assert!(matches!(packets.next(), Some(RtcpPacket::SourceDescription(_))));
        assert!(matches!(packets.next(), Some(RtcpPacket::PictureLoss(_))));
        assert!(packets.next().is_none());
    }

    #[test]
    fn unknown_types_and_feedback_are_passed_over() {
        for (second, count) in [(204, 0), (192, 31), (255, 1), (205, 12), (206, 3)] {
            let bytes = [0x80 | count, second, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
            let other = Compound::parse(&bytes).unwrap().packets().next();
            assert!(matches!(other, Some(RtcpPacket::Other { .. })), "{second}");
        }
    }

    #[test]
    fn padding_is_taken_off_any_packet() {
        let padded = [0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4];
        let twice = [padded, padded].concat();
        let packets: Vec<_> = Compound::parse(&twice).unwrap().packets().collect();
        assert!(matches!(packets[..], [RtcpPacket::PictureLoss(_), RtcpPacket::PictureLoss(_)]));
    }

    #[test]
    fn transport_feedback_padded_as_libwebrtc_does_is_accepted() {
        let bytes = [0xaf, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9, 0, 1, 0, 0, 0, 0, 0x20, 1, 5, 1];
        let packet = Compound::parse(&bytes).unwrap().packets().next();
        assert!(matches!(packet, Some(RtcpPacket::TransportFeedback(_))));
    }

    #[test]
    fn c01_padding_of_0_or_more_than_the_body_drops_the_compound() {
        for count in [0, 13, 255] {
            let bytes = [0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, count];
            assert_eq!(Compound::parse(&bytes).err(), Some(RtcpError::Padding), "{count}");
        }
        assert_eq!(Compound::parse(&[0xa0, 204, 0, 0]).err(), Some(RtcpError::Padding));
    }

    #[test]
    fn more_packets_than_the_bound_drop_the_compound() {
        let app = [0x80, 204, 0, 0];
        assert!(Compound::parse(&app.repeat(PACKETS_MAX)).is_ok());
        assert_eq!(Compound::parse(&app.repeat(PACKETS_MAX + 1)).err(), Some(RtcpError::TooManyPackets));
    }

    #[test]
    fn c01_a_length_of_0_drops_the_compound_where_the_type_needs_more() {
        for packet_type in [200, 201, 205, 206, 207] {
            assert_eq!(Compound::parse(&[0x80, packet_type, 0, 0]).err(), Some(RtcpError::Body), "{packet_type}");
        }
    }

    #[test]
    fn c01_a_length_past_the_end_drops_the_whole_compound() {
        let good = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        let mut bad = good;
        bad[3] = 3;
        assert_eq!(Compound::parse(&[&good[..], &bad].concat()).err(), Some(RtcpError::Length));
        assert_eq!(Compound::parse(&[&good[..], &[0x80]].concat()).err(), Some(RtcpError::Length));
        assert_eq!(Compound::parse(&[]).err(), Some(RtcpError::Length));
    }

    #[test]
    fn c01_a_count_of_31_over_a_short_body_drops_the_whole_compound() {
        let good = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        for packet_type in [200, 201, 202, 203] {
            let mut bad = [0; 32];
            bad[..4].copy_from_slice(&[0x9f, packet_type, 0, 7]);
            let compound = [&good[..], &bad].concat();
            assert_eq!(Compound::parse(&compound).err(), Some(RtcpError::Body), "{packet_type}");
        }
    }
}
