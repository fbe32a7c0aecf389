//! From what an endpoint sends to what consumers may be given.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::h264;
use super::matching::Codec;
use crate::error::{ModelError, Shown};
use crate::rtp::{
    MediaKind, Parameters, RtcpParameters, RtpCapabilities, RtpCodecCapability, RtpCodecParameters,
    RtpEncodingParameters, RtpHeaderExtension, RtpHeaderExtensionParameters, RtpParameters, uri,
};

/// How a producer's payload types and streams appear within the router.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RtpCodecsEncodingsMapping {
    /// Payload types, RTX included.
    pub codecs: Vec<CodecMapping>,
    /// Streams, in the order of the producer's encodings.
    pub encodings: Vec<EncodingMapping>,
}

/// One payload type of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CodecMapping {
    /// As the endpoint sends it.
    pub payload_type: u8,
    /// As the router offers it.
    pub mapped_payload_type: u8,
}

/// One stream of a producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct EncodingMapping {
    /// SSRC that the endpoint announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssrc: Option<u32>,
    /// RID that the endpoint announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// SSRC that stands for the stream within the router.
    pub mapped_ssrc: u32,
}

impl RtpCodecsEncodingsMapping {
    /// The router's number for a producer's payload type.
    pub fn mapped_payload_type(&self, payload_type: u8) -> Option<u8> {
        self.codecs.iter().find(|codec| codec.payload_type == payload_type).map(|codec| codec.mapped_payload_type)
    }
}

/// Finds the router's codec for each of a producer's codecs. Streams get SSRCs from `first_mapped_ssrc` on, which the
/// caller draws at random (see [`super::ssrc_from_random`]).
///
/// `parameters` are normalised; the `profile-level-id` of H.264 codecs becomes the negotiated one.
///
/// # Errors
/// [`ModelError::Unsupported`] for a codec that the router does not offer.
pub fn get_producer_rtp_parameters_mapping(
    parameters: &mut RtpParameters,
    capabilities: &RtpCapabilities,
    first_mapped_ssrc: u32,
) -> Result<RtpCodecsEncodingsMapping, ModelError> {
    let mut codecs = Vec::with_capacity(parameters.codecs.len());
    for (index, codec) in parameters.codecs.iter_mut().enumerate().filter(|(_, codec)| !codec.is_rtx()) {
        let Some(mapped_payload_type) = mapped_media_codec(codec, capabilities) else {
            let reason = format!(
                "{} (payload type {}) is not among the router's codecs, or its parameters do not match",
                Shown(&codec.mime_type),
                codec.payload_type
            );
            return Err(ModelError::unsupported(format!("rtpParameters.codecs[{index}]"), reason));
        };
        codecs.push(CodecMapping { payload_type: codec.payload_type, mapped_payload_type });
    }
    for (index, rtx) in parameters.codecs.iter().enumerate().filter(|(_, codec)| codec.is_rtx()) {
        let Some(mapped_payload_type) = mapped_rtx_codec(rtx, &codecs, capabilities) else {
            let reason = format!("the router has no RTX codec for what payload type {} repairs", rtx.payload_type);
            return Err(ModelError::unsupported(format!("rtpParameters.codecs[{index}]"), reason));
        };
        codecs.push(CodecMapping { payload_type: rtx.payload_type, mapped_payload_type });
    }
    Ok(RtpCodecsEncodingsMapping { codecs, encodings: mapped_encodings(&parameters.encodings, first_mapped_ssrc) })
}

/// Makes the parameters from which those of every consumer are derived: the router's payload types, SSRCs and header
/// extensions, but the producer's codec parameters.
///
/// `abs-capture-time` is passed on as the producer sends it, so consumers learn of it only where the producer has it.
pub fn get_consumable_rtp_parameters(
    kind: MediaKind,
    parameters: &RtpParameters,
    capabilities: &RtpCapabilities,
    mapping: &RtpCodecsEncodingsMapping,
) -> RtpParameters {
    let media_codecs = parameters.codecs.iter().filter(|codec| !codec.is_rtx());
    let has_extension = |uri: &str| parameters.header_extension_id(uri).is_some();
    let is_consumable = |extension: &&RtpHeaderExtension| {
        extension.kind == kind
            && extension.direction.sends()
            && (extension.uri != uri::ABS_CAPTURE_TIME || has_extension(&extension.uri))
    };
    RtpParameters {
        mid: None,
        codecs: media_codecs.flat_map(|codec| consumable_codecs(codec, capabilities, mapping)).collect(),
        header_extensions: capabilities.header_extensions.iter().filter(is_consumable).map(in_use).collect(),
        encodings: consumable_encodings(&parameters.encodings, mapping),
        rtcp: RtcpParameters { cname: parameters.rtcp.cname.clone(), reduced_size: true },
        msid: parameters.msid.clone(),
    }
}

/// The router's payload type for a media codec, and its profile settled.
fn mapped_media_codec(codec: &mut RtpCodecParameters, capabilities: &RtpCapabilities) -> Option<u8> {
    let is_compatible = |offered: &&RtpCodecCapability| Codec::from(&*codec).is_compatible(Codec::from(*offered));
    let offered = capabilities.codecs.iter().find(is_compatible)?;
    let payload_type = offered.preferred_payload_type?;
    if codec.mime_type.eq_ignore_ascii_case("video/h264") {
        match h264::answer(&codec.parameters, &offered.parameters)? {
            h264::Answer::Unnamed => codec.parameters.remove("profile-level-id"),
            h264::Answer::ProfileLevelId(id) => codec.parameters.set("profile-level-id", id.as_str()),
        }
    }
    Some(payload_type)
}

/// The router's payload type for an RTX codec: the one that repairs what its media codec is mapped to.
fn mapped_rtx_codec(rtx: &RtpCodecParameters, mapped: &[CodecMapping], capabilities: &RtpCapabilities) -> Option<u8> {
    let apt = rtx.apt()?;
    let media = mapped.iter().find(|codec| u32::from(codec.payload_type) == apt)?;
    offered_rtx_codec(media.mapped_payload_type, capabilities)?.preferred_payload_type
}

/// The router's RTX codec for one of its own payload types.
fn offered_rtx_codec(payload_type: u8, capabilities: &RtpCapabilities) -> Option<&RtpCodecCapability> {
    capabilities.codecs.iter().find(|codec| codec.is_rtx() && codec.apt() == Some(u32::from(payload_type)))
}

/// Gives each stream an SSRC of its own.
fn mapped_encodings(encodings: &[RtpEncodingParameters], first_mapped_ssrc: u32) -> Vec<EncodingMapping> {
    let ssrcs = std::iter::successors(Some(first_mapped_ssrc), |ssrc| Some(ssrc.wrapping_add(1)));
    let mapped = |(encoding, mapped_ssrc): (&RtpEncodingParameters, u32)| EncodingMapping {
        ssrc: encoding.ssrc,
        rid: encoding.rid.clone(),
        mapped_ssrc,
    };
    encodings.iter().zip(ssrcs).map(mapped).collect()
}

/// A media codec as consumers may get it, and its RTX codec.
fn consumable_codecs(
    codec: &RtpCodecParameters,
    capabilities: &RtpCapabilities,
    mapping: &RtpCodecsEncodingsMapping,
) -> Vec<RtpCodecParameters> {
    let Some(payload_type) = mapping.mapped_payload_type(codec.payload_type) else { return Vec::new() };
    let is_mapped = |offered: &&RtpCodecCapability| offered.preferred_payload_type == Some(payload_type);
    let media = capabilities.codecs.iter().find(is_mapped);
    let media = media.and_then(|offered| parameters_of(offered, codec.parameters.clone()));
    let rtx = offered_rtx_codec(payload_type, capabilities);
    let rtx = rtx.and_then(|offered| parameters_of(offered, offered.parameters.clone()));
    media.into_iter().chain(rtx).collect()
}

/// A codec that the router offers, in use with `parameters`.
fn parameters_of(offered: &RtpCodecCapability, parameters: Parameters) -> Option<RtpCodecParameters> {
    Some(RtpCodecParameters {
        mime_type: offered.mime_type.clone(),
        payload_type: offered.preferred_payload_type?,
        clock_rate: offered.clock_rate,
        channels: offered.channels,
        parameters,
        rtcp_feedback: offered.rtcp_feedback.clone(),
    })
}

/// A header extension that the router offers, in use.
pub(super) fn in_use(offered: &RtpHeaderExtension) -> RtpHeaderExtensionParameters {
    RtpHeaderExtensionParameters {
        uri: offered.uri.clone(),
        id: offered.preferred_id,
        encrypt: offered.preferred_encrypt,
        parameters: Parameters::default(),
    }
}

/// The producer's streams under their SSRCs within the router, without what concerns only the endpoint.
fn consumable_encodings(
    encodings: &[RtpEncodingParameters],
    mapping: &RtpCodecsEncodingsMapping,
) -> Vec<RtpEncodingParameters> {
    let consumable = |(encoding, mapped): (&RtpEncodingParameters, &EncodingMapping)| RtpEncodingParameters {
        ssrc: Some(mapped.mapped_ssrc),
        rid: None,
        rtx: None,
        codec_payload_type: None,
        ..encoding.clone()
    };
    encodings.iter().zip(&mapping.encodings).map(consumable).collect()
}
