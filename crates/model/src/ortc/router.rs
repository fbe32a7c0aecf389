//! What a router offers.

use super::matching::Codec;
use super::supported::supported_rtp_capabilities;
use super::validate::normalize_codec_capability;
use crate::error::{ModelError, Shown, Within};
use crate::rtp::{Parameters, RtpCapabilities, RtpCodecCapability};

/// Payload types in the order in which they are handed out: those above 99 first, because peers tend to choose the
/// lower ones for themselves (RFC 3551 §6: 96–127 are dynamic).
const DYNAMIC_PAYLOAD_TYPES: [u8; 32] = [
    100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122,
    123, 124, 125, 126, 127, 96, 97, 98, 99,
];

/// Makes the capabilities of a router from the codecs that its application wants: payload types are chosen where none
/// is preferred, feedback is that of [`supported_rtp_capabilities`], and every video codec gets an RTX codec.
///
/// # Errors
/// [`ModelError::Invalid`] for a malformed codec or a payload type wanted twice, [`ModelError::Unsupported`] for an
/// unknown codec, [`ModelError::Limit`] where the 32 dynamic payload types do not suffice.
pub fn generate_router_rtp_capabilities(media_codecs: &[RtpCodecCapability]) -> Result<RtpCapabilities, ModelError> {
    let supported = supported_rtp_capabilities();
    let mut dynamic = DynamicPayloadTypes(DYNAMIC_PAYLOAD_TYPES.to_vec());
    let mut codecs = Vec::new();
    for (index, media_codec) in media_codecs.iter().enumerate() {
        let path = format!("mediaCodecs[{index}]");
        let codec = router_codec(media_codec.clone(), &supported.codecs, &mut dynamic).within(&path)?;
        let is_taken = |other: &RtpCodecCapability| other.preferred_payload_type == codec.preferred_payload_type;
        if codecs.iter().any(is_taken) {
            let reason = "is the payload type of another codec already; prefer another one, or none";
            return Err(ModelError::invalid("preferredPayloadType", reason).within(&path));
        }
        let rtx = match codec.kind {
            crate::MediaKind::Video => Some(rtx_codec(&codec, &mut dynamic).within(&path)?),
            crate::MediaKind::Audio => None,
        };
        codecs.push(codec);
        codecs.extend(rtx);
    }
    Ok(RtpCapabilities { codecs, header_extensions: supported.header_extensions })
}

/// Replaces what a router offers; producers and consumers that exist keep what they negotiated.
///
/// # Errors
/// As [`generate_router_rtp_capabilities`]; `capabilities` stay as they were.
pub fn update_media_codecs(
    capabilities: &mut RtpCapabilities,
    media_codecs: &[RtpCodecCapability],
) -> Result<(), ModelError> {
    *capabilities = generate_router_rtp_capabilities(media_codecs)?;
    Ok(())
}

/// The supported codec that `wanted` names, with its wishes.
fn router_codec(
    mut wanted: RtpCodecCapability,
    supported: &[RtpCodecCapability],
    dynamic: &mut DynamicPayloadTypes,
) -> Result<RtpCodecCapability, ModelError> {
    normalize_codec_capability(&mut wanted)?;
    let is_wanted = |codec: &&RtpCodecCapability| Codec::from(&wanted).is_same_codec(Codec::from(*codec));
    let Some(codec) = supported.iter().find(is_wanted) else {
        let RtpCodecCapability { mime_type, clock_rate, channels, .. } = &wanted;
        let reason = format!(
            "{} with clockRate {clock_rate} and {} channel(s) is not supported; choose from getSupportedRtpCapabilities()",
            Shown(mime_type),
            channels.unwrap_or(1)
        );
        return Err(ModelError::unsupported("mimeType", reason));
    };
    let mut codec = codec.clone();
    codec.preferred_payload_type = match (wanted.preferred_payload_type, codec.preferred_payload_type) {
        (Some(wanted), _) => Some(dynamic.reserve(wanted)),
        (None, Some(fixed)) => Some(fixed),
        (None, None) => Some(dynamic.take()?),
    };
    codec.parameters.0.extend(wanted.parameters.0);
    Ok(codec)
}

/// The codec that retransmits `codec` (RFC 4588 §8.1).
fn rtx_codec(codec: &RtpCodecCapability, dynamic: &mut DynamicPayloadTypes) -> Result<RtpCodecCapability, ModelError> {
    let mut parameters = Parameters::default();
    if let Some(payload_type) = codec.preferred_payload_type {
        parameters.set("apt", u32::from(payload_type));
    }
    Ok(RtpCodecCapability {
        kind: codec.kind,
        mime_type: format!("{}/rtx", codec.kind),
        preferred_payload_type: Some(dynamic.take()?),
        clock_rate: codec.clock_rate,
        channels: None,
        parameters,
        rtcp_feedback: Vec::new(),
    })
}

/// Dynamic payload types that no codec has, in the order in which they are handed out.
struct DynamicPayloadTypes(Vec<u8>);

impl DynamicPayloadTypes {
    /// Keeps `payload_type` from being handed out.
    fn reserve(&mut self, payload_type: u8) -> u8 {
        self.0.retain(|other| *other != payload_type);
        payload_type
    }

    /// Hands out the next one.
    fn take(&mut self) -> Result<u8, ModelError> {
        match self.0.first().copied() {
            Some(payload_type) => Ok(self.reserve(payload_type)),
            None => {
                let reason = "needs a payload type, but all 32 dynamic ones are taken; want fewer codecs";
                Err(ModelError::limit("preferredPayloadType", reason))
            }
        }
    }
}
