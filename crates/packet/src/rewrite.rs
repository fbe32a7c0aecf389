//! How a stored packet becomes a viewer's packet: the few numbers that differ from viewer to viewer.

use crate::payload::PictureEdit;

/// Index of an outgoing stream (one consumer's SSRC, RTX SSRC and header-extension ids) within its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutgoingStreamId(pub u32);

/// What the outgoing queue keeps first when it must choose; the order is the order of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Priority {
    /// Audio: sent first, never dropped for video.
    Audio,
    /// Answers to NACKs.
    Retransmission,
    /// Video: the oldest is dropped first when the queue is full.
    Video,
    /// Padding that finds out what the path carries: sent last.
    Padding,
}

/// The numbers of one packet as one viewer sees it. SSRC and extension ids come from the outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The outgoing stream that the packet belongs to.
    pub stream: OutgoingStreamId,
    /// Payload type that the viewer negotiated (for a retransmission: the RTX payload type).
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number in the outgoing stream (for a retransmission: in the RTX stream).
    pub sequence: u16,
    /// RTP timestamp in the outgoing stream.
    pub timestamp: u32,
    /// `Some(n)`: send as RTX (RFC 4588) of the packet that was sent as number `n`.
    pub original_sequence: Option<u16>,
    /// What the packet says of its picture in the outgoing stream, where that differs from the source's.
    pub picture: Option<PictureEdit>,
    /// What the queue does with it under pressure.
    pub priority: Priority,
}
