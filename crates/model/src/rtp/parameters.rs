//! What one stream of media looks like on the wire.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{MediaKind, Parameters, RtcpFeedback, is_rtx};
use crate::parse::null_as_default;

/// How one source of media is sent: by an endpoint to its producer, or by a consumer to an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct RtpParameters {
    /// Media identification (RFC 9143 §15): the `mid` header extension carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    /// Media and RTX codecs in use; the first is the default one.
    pub codecs: Vec<RtpCodecParameters>,
    /// RTP header extensions in use (RFC 8285). Default: none.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<Vec<RtpHeaderExtensionParameters>>")]
    pub header_extensions: Vec<RtpHeaderExtensionParameters>,
    /// RTP streams. Default: one, without any setting.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<Vec<RtpEncodingParameters>>")]
    pub encodings: Vec<RtpEncodingParameters>,
    /// RTCP settings.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<RtcpParameters>")]
    pub rtcp: RtcpParameters,
    /// Media stream identification (RFC 8830), handed on to consumers as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msid: Option<String>,
}

impl RtpParameters {
    /// The media codec that the stream starts with.
    pub fn media_codec(&self) -> Option<&RtpCodecParameters> {
        self.codecs.iter().find(|codec| !codec.is_rtx())
    }

    /// The RTX codec that retransmits `payload_type` (RFC 4588 §8.1).
    pub fn rtx_codec(&self, payload_type: u8) -> Option<&RtpCodecParameters> {
        self.codecs.iter().find(|codec| codec.is_rtx() && codec.apt() == Some(u32::from(payload_type)))
    }

    /// The id that packets carry the header extension `uri` under.
    pub fn header_extension_id(&self, uri: &str) -> Option<u8> {
        self.header_extensions.iter().find(|extension| extension.uri == uri).map(|extension| extension.id)
    }
}

/// One codec in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct RtpCodecParameters {
    /// Media type of RFC 6838, in any case: `audio/opus`, `video/VP8`, `video/rtx`.
    pub mime_type: String,
    /// RTP payload type, 0–127, unique among the codecs.
    pub payload_type: u8,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Number of audio channels. Default for audio: 1; absent for video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// Codec parameters (`a=fmtp`, RFC 8866 §6.15). Default: none.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<Parameters>")]
    pub parameters: Parameters,
    /// RTCP feedback (RFC 4585 §4.2). Default: none.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<Vec<RtcpFeedback>>")]
    pub rtcp_feedback: Vec<RtcpFeedback>,
}

impl RtpCodecParameters {
    /// Whether this is retransmission (RFC 4588), not media.
    pub fn is_rtx(&self) -> bool {
        is_rtx(&self.mime_type)
    }

    /// The payload type that an RTX codec retransmits (`apt`, RFC 4588 §8.1).
    pub fn apt(&self) -> Option<u32> {
        self.parameters.get("apt").and_then(|value| value.as_u32())
    }

    /// The kind that the media type belongs to; `None` for a malformed one.
    pub fn kind(&self) -> Option<MediaKind> {
        MediaKind::of_mime_type(&self.mime_type)
    }

    /// Whether the codec has feedback of type `kind` with exactly `parameter`.
    pub fn has_feedback(&self, kind: &str, parameter: &str) -> bool {
        self.rtcp_feedback.iter().any(|feedback| feedback.is(kind, parameter))
    }
}

/// One RTP header extension in use (RFC 8285).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct RtpHeaderExtensionParameters {
    /// Name.
    #[ts(type = "RtpHeaderExtensionUri")]
    pub uri: String,
    /// Id in packets, unique: 1–14 in the one-byte form, up to 255 in the two-byte form (RFC 8285 §4.2, §4.3).
    pub id: u8,
    /// Whether the value is encrypted (RFC 6904); it never is. Default: false.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<bool>")]
    pub encrypt: bool,
    /// Settings of the extension. Default: none.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<Parameters>")]
    pub parameters: Parameters,
}

/// One RTP stream of a source, with the stream that retransmits it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct RtpEncodingParameters {
    /// SSRC of the media stream (RFC 3550 §3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssrc: Option<u32>,
    /// RID of the stream (RFC 8852), unique among the encodings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Payload type of the media codec that the stream uses. Default: that of the first media codec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec_payload_type: Option<u8>,
    /// The stream of retransmissions (RFC 4588). Default: found by its RID, or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx: Option<RtxEncodingParameters>,
    /// Whether the source may stop sending while there is nothing to send (RFC 3551 §4.1). Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtx: Option<bool>,
    /// Spatial and temporal layers within the stream, as WebRTC SVC names them: `L1T1`. Default: one of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scalability_mode: Option<String>,
    /// Announced maximum bitrate in bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bitrate: Option<u32>,
}

/// The stream of retransmissions of an encoding (RFC 4588).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RtxEncodingParameters {
    /// SSRC of the retransmissions (RFC 3550 §3).
    pub ssrc: u32,
}

/// RTCP settings of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct RtcpParameters {
    /// Canonical name of the sender (RFC 3550 §6.5.1). Default: that of the transport's first producer, or random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cname: Option<String>,
    /// Whether RTCP packets may be sent alone (RFC 5506). Always true once negotiated.
    #[serde(deserialize_with = "null_as_default")]
    #[ts(as = "Option<bool>")]
    pub reduced_size: bool,
}

impl Default for RtcpParameters {
    fn default() -> Self {
        Self { cname: None, reduced_size: true }
    }
}
