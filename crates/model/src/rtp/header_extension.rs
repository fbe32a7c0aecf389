//! RTP header extensions by name (RFC 8285).

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// URIs of the header extensions that a router knows.
pub mod uri {
    /// Media identification (RFC 9143 §15).
    pub const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
    /// Identification of one encoding of a source (RFC 8852).
    pub const RTP_STREAM_ID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
    /// Identification of the encoding that a retransmission repairs (RFC 8852).
    pub const REPAIRED_RTP_STREAM_ID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
    /// Departure time in 6.18 fixed point seconds.
    pub const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
    /// Transport-wide sequence number.
    pub const TRANSPORT_WIDE_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    /// Audio level of the packet (RFC 6464).
    pub const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    /// AV1 dependency descriptor.
    pub const DEPENDENCY_DESCRIPTOR: &str =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
    /// Orientation of the camera (3GPP TS 26.114 §7.4.5).
    pub const VIDEO_ORIENTATION: &str = "urn:3gpp:video-orientation";
    /// Transmission time offset (RFC 5450).
    pub const TIMESTAMP_OFFSET: &str = "urn:ietf:params:rtp-hdrext:toffset";
    /// Capture time on the sender's clock.
    pub const ABS_CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
    /// Wished bounds of the receiver's playout delay.
    pub const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
    /// Packet number of a publisher, added by the router on request.
    pub const PACKET_ID: &str = "urn:mediasoup:params:rtp-hdrext:packet-id";
}

/// Every URI that a router knows, in the order of their preferred ids 1, 2, 3, ….
pub const RTP_HEADER_EXTENSION_URIS: [&str; 12] = [
    uri::MID,
    uri::RTP_STREAM_ID,
    uri::REPAIRED_RTP_STREAM_ID,
    uri::ABS_SEND_TIME,
    uri::TRANSPORT_WIDE_CC,
    uri::AUDIO_LEVEL,
    uri::DEPENDENCY_DESCRIPTOR,
    uri::VIDEO_ORIENTATION,
    uri::TIMESTAMP_OFFSET,
    uri::ABS_CAPTURE_TIME,
    uri::PLAYOUT_DELAY,
    uri::PACKET_ID,
];

/// Which way a header extension is used, seen from the router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum RtpHeaderExtensionDirection {
    /// Read from producers and written to consumers.
    #[default]
    SendRecv,
    /// Written to consumers only.
    SendOnly,
    /// Read from producers only.
    RecvOnly,
    /// Known, but not used.
    Inactive,
}

impl RtpHeaderExtensionDirection {
    /// Whether the extension is written to consumers.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }
}
