//! What an endpoint or a router can receive.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{MediaKind, Parameters, RtpHeaderExtensionDirection, is_rtx};
use crate::parse::null_as_default;

/// The codecs and header extensions that a router or an endpoint can receive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct RtpCapabilities {
    /// Media and RTX codecs. Default: none.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<Vec<RtpCodecCapability>>")]
    pub codecs: Vec<RtpCodecCapability>,
    /// RTP header extensions (RFC 8285). Default: none.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<Vec<RtpHeaderExtension>>")]
    pub header_extensions: Vec<RtpHeaderExtension>,
}

/// One codec with one combination of parameters that needs a payload type of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct RtpCodecCapability {
    /// Kind of media. Where it contradicts `mimeType`, `mimeType` counts.
    #[serde(default = "kind_until_normalized")]
    pub kind: MediaKind,
    /// Media type of RFC 6838, in any case: `audio/opus`, `video/VP8`, `video/rtx`.
    pub mime_type: String,
    /// Preferred RTP payload type, 0–127. Optional only in the `mediaCodecs` of a router, which then chooses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(as = "u8")]
    pub preferred_payload_type: Option<u8>,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Number of audio channels. Default for audio: 1; absent for video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// Codec parameters (`a=fmtp`, RFC 8866 §6.15). Some of them decide whether two codecs match. Default: none.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<Parameters>")]
    pub parameters: Parameters,
    /// RTCP feedback (RFC 4585 §4.2). Default: none.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<Vec<RtcpFeedback>>")]
    pub rtcp_feedback: Vec<RtcpFeedback>,
}

/// What stands for a kind that was left out, until normalisation reads it from the media type.
fn kind_until_normalized() -> MediaKind {
    MediaKind::Audio
}

impl RtpCodecCapability {
    /// Whether this is retransmission (RFC 4588), not media.
    pub fn is_rtx(&self) -> bool {
        is_rtx(&self.mime_type)
    }

    /// The payload type that an RTX codec retransmits (`apt`, RFC 4588 §8.1).
    pub fn apt(&self) -> Option<u32> {
        self.parameters.get("apt").and_then(|value| value.as_u32())
    }
}

/// One kind of RTCP feedback for a codec (`a=rtcp-fb`, RFC 4585 §4.2): `nack`, `nack pli`, `ccm fir`, `transport-cc`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(optional_fields)]
pub struct RtcpFeedback {
    /// Type: `nack`, `ccm`, `goog-remb`, `transport-cc`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Parameter: `pli` of `nack`, `fir` of `ccm`. Default: the empty string.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<String>")]
    pub parameter: String,
}

impl RtcpFeedback {
    /// Feedback of type `kind` with `parameter`, which may be empty.
    pub fn new(kind: &str, parameter: &str) -> Self {
        Self { kind: kind.to_owned(), parameter: parameter.to_owned() }
    }

    /// Whether the feedback is of type `kind` with exactly `parameter`.
    pub fn is(&self, kind: &str, parameter: &str) -> bool {
        self.kind == kind && self.parameter == parameter
    }
}

/// One RTP header extension (RFC 8285) for one kind of media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct RtpHeaderExtension {
    /// Kind of media that it is for.
    pub kind: MediaKind,
    /// Name. A router ignores names that it does not know.
    #[ts(type = "RtpHeaderExtensionUri")]
    pub uri: String,
    /// Preferred id in packets: 1–14 in the one-byte form, up to 255 in the two-byte form (RFC 8285 §4.2, §4.3).
    pub preferred_id: u8,
    /// Whether encryption (RFC 6904) is preferred; it is never used. Default: false.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<bool>")]
    pub preferred_encrypt: bool,
    /// Direction, seen from the router; ignored in the capabilities of endpoints. Default: `sendrecv`.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<RtpHeaderExtensionDirection>")]
    pub direction: RtpHeaderExtensionDirection,
}
