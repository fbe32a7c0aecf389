//! RTCP compound packets: read as views over the received bytes, written into a slice (RFC 3550 §6, RFC 4585).

pub mod compound;
pub mod congestion_feedback;
pub mod extended_report;
pub mod feedback;
pub mod report;
pub mod source;
pub mod transport_feedback;
pub mod writer;

pub use compound::{Compound, RtcpPacket};
pub use congestion_feedback::{CongestionFeedback, PacketFate, StreamFeedback};
pub use extended_report::{DelaySinceReference, ExtendedReport};
pub use feedback::{FeedbackSsrcs, FullIntraEntry, FullIntraRequest, Nack, PictureLoss, Remb};
pub use report::{ReceiverReport, ReportBlock, SenderInfo, SenderReport};
pub use source::{Goodbye, SourceDescription};
pub use transport_feedback::{Arrival, FeedbackHeader, TransportFeedback};
pub use writer::{CompoundFull, CompoundWriter};

/// RTCP packet types (RFC 3550 §12.1, RFC 4585 §6.1, RFC 3611 §2).
pub(crate) mod packet_type {
    pub(crate) const SENDER_REPORT: u8 = 200;
    pub(crate) const RECEIVER_REPORT: u8 = 201;
    pub(crate) const SOURCE_DESCRIPTION: u8 = 202;
    pub(crate) const GOODBYE: u8 = 203;
    pub(crate) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(crate) const PAYLOAD_FEEDBACK: u8 = 206;
    pub(crate) const EXTENDED_REPORT: u8 = 207;
}

/// Feedback message types, the "count" of feedback packets.
pub(crate) mod feedback_type {
    /// Generic NACK, of transport feedback (RFC 4585 §6.2.1).
    pub(crate) const NACK: u8 = 1;
    /// Congestion control feedback, of transport feedback (RFC 8888 §3.1).
    pub(crate) const CONGESTION: u8 = 11;
    /// Transport-wide congestion control, of transport feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    pub(crate) const TRANSPORT_CC: u8 = 15;
    /// Picture loss indication, of payload-specific feedback (RFC 4585 §6.3.1).
    pub(crate) const PICTURE_LOSS: u8 = 1;
    /// Full intra request, of payload-specific feedback (RFC 5104 §4.3.1).
    pub(crate) const FULL_INTRA_REQUEST: u8 = 4;
    /// Application layer feedback, of payload-specific feedback (RFC 4585 §6.4): REMB is one.
    pub(crate) const APPLICATION: u8 = 15;
}

/// Why bytes are not an RTCP compound packet. Whoever sent them is at fault; the whole compound is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtcpError {
    /// No packet at all, or a packet's length runs past the end of the compound.
    Length,
    /// A version other than 2.
    Version,
    /// A padding count that is 0 or beyond the packet.
    Padding,
    /// A packet's own counts and lengths contradict its size.
    Body,
    /// More packets than [`compound::PACKETS_MAX`].
    TooManyPackets,
}
