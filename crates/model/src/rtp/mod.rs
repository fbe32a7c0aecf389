//! RTP capabilities, parameters and statistics: the JSON that mediasoup and mediasoup-client speak.

mod capabilities;
mod header_extension;
mod parameters;
mod scalability_mode;
mod stats;
mod value;

pub use capabilities::{RtcpFeedback, RtpCapabilities, RtpCodecCapability, RtpHeaderExtension};
pub use header_extension::{RTP_HEADER_EXTENSION_URIS, RtpHeaderExtensionDirection, uri};
pub use parameters::{
    RtcpParameters, RtpCodecParameters, RtpEncodingParameters, RtpHeaderExtensionParameters, RtpParameters,
    RtxEncodingParameters,
};
pub use scalability_mode::{ScalabilityMode, parse_scalability_mode};
pub use stats::{BaseRtpStreamStats, RtpStreamRecvStats, RtpStreamSendStats};
pub use value::{ParameterValue, Parameters};

use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Kind of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

impl MediaKind {
    /// The top-level media type (RFC 6838 §4.2): `audio` or `video`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    /// The kind that `mime_type` (`audio/opus`, any case) belongs to, if it is well formed.
    pub fn of_mime_type(mime_type: &str) -> Option<Self> {
        let (kind, subtype) = mime_type.split_once('/')?;
        if subtype.is_empty() {
            return None;
        }
        [Self::Audio, Self::Video].into_iter().find(|candidate| kind.eq_ignore_ascii_case(candidate.as_str()))
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether `mime_type` is retransmission (RFC 4588) of either kind.
pub(crate) fn is_rtx(mime_type: &str) -> bool {
    mime_type.split_once('/').is_some_and(|(_, subtype)| subtype.eq_ignore_ascii_case("rtx"))
}
