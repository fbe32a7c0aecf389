//! From what consumers may be given to what one of them gets.

use super::matching::Codec;
use super::producer::{CodecMapping, in_use};
use super::supported::supported_rtp_capabilities;
use super::validate::validate_and_normalize_rtp_capabilities;
use crate::error::{ModelError, Within};
use crate::rtp::{
    MediaKind, RtcpFeedback, RtpCapabilities, RtpCodecCapability, RtpCodecParameters, RtpEncodingParameters,
    RtpHeaderExtension, RtpHeaderExtensionParameters, RtpParameters, RtxEncodingParameters, parse_scalability_mode,
    uri,
};

/// What a consumer adds to the negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerNegotiation {
    /// Whether lost packets shall be sent again.
    pub enable_rtx: bool,
    /// SSRC of the first stream. Those of further streams follow, then those of the retransmissions in the same order.
    /// The caller draws it at random (see [`super::ssrc_from_random`]) and sees to it that all are free on the transport.
    pub ssrc: u32,
    /// Whether every stream of the producer is sent as one of its own, instead of one for all of them.
    pub all_streams: bool,
}

/// Whether an endpoint with `capabilities` can receive at least one media codec of a producer.
///
/// # Errors
/// [`ModelError::Invalid`] where the capabilities are malformed.
pub fn can_consume(consumable: &RtpParameters, mut capabilities: RtpCapabilities) -> Result<bool, ModelError> {
    validate_and_normalize_rtp_capabilities(&mut capabilities).within("rtpCapabilities")?;
    let first = consumable.codecs.iter().find(|codec| matched(codec, &capabilities).is_some());
    Ok(first.is_some_and(|codec| !codec.is_rtx()))
}

/// Gives what a producer's consumers may get the payload types and header extension ids of an endpoint's normalised
/// `capabilities`, and says which payload type of the router became which of the endpoint.
///
/// What the endpoint does not know is left out; where it knows no codec, nothing is changed, so that
/// [`get_consumer_rtp_parameters`] can name what it lacks. Codecs that are one for the endpoint become one.
pub fn in_numbers_of_endpoint(
    kind: MediaKind,
    consumable: &RtpParameters,
    capabilities: &RtpCapabilities,
) -> (RtpParameters, Vec<CodecMapping>) {
    let mut numbers = Vec::new();
    let mut codecs: Vec<RtpCodecParameters> = Vec::new();
    for codec in consumable.codecs.iter().filter(|codec| !codec.is_rtx()) {
        let number = matched(codec, capabilities).and_then(|capability| capability.preferred_payload_type);
        let Some(payload_type) = number else { continue };
        numbers.push(CodecMapping { payload_type: codec.payload_type, mapped_payload_type: payload_type });
        if codecs.iter().any(|other| other.payload_type == payload_type) {
            continue;
        }
        codecs.push(RtpCodecParameters { payload_type, ..codec.clone() });
        codecs.extend(
            consumable.rtx_codec(codec.payload_type).and_then(|rtx| renumbered_rtx(rtx, payload_type, capabilities)),
        );
    }
    if codecs.is_empty() {
        return (consumable.clone(), numbers);
    }
    let known = |extension: &RtpHeaderExtensionParameters| {
        let is_same = |known: &&RtpHeaderExtension| known.kind == kind && known.uri == extension.uri;
        let known = capabilities.header_extensions.iter().find(is_same)?;
        Some(RtpHeaderExtensionParameters { id: known.preferred_id, ..extension.clone() })
    };
    let header_extensions = consumable.header_extensions.iter().filter_map(known).collect();
    (RtpParameters { codecs, header_extensions, ..consumable.clone() }, numbers)
}

/// An RTX codec under the endpoint's number of the RTX codec that repairs `apt`.
fn renumbered_rtx(rtx: &RtpCodecParameters, apt: u8, capabilities: &RtpCapabilities) -> Option<RtpCodecParameters> {
    let repairs = |codec: &&RtpCodecCapability| codec.is_rtx() && codec.apt() == Some(u32::from(apt));
    let payload_type = capabilities.codecs.iter().find(repairs)?.preferred_payload_type?;
    let mut rtx = RtpCodecParameters { payload_type, ..rtx.clone() };
    rtx.parameters.set("apt", u32::from(apt));
    Some(rtx)
}

/// Makes the parameters of one consumer: the codecs, feedback and header extensions that the endpoint knows as well,
/// and a single stream with an SSRC of its own. `capabilities` are normalised; the MID is the caller's to add.
///
/// # Errors
/// [`ModelError::Unsupported`] where no media codec is left.
pub fn get_consumer_rtp_parameters(
    consumable: &RtpParameters,
    capabilities: &RtpCapabilities,
    negotiation: ConsumerNegotiation,
) -> Result<RtpParameters, ModelError> {
    let header_extensions = known_extensions(&consumable.header_extensions, capabilities);
    let mut codecs = known_codecs(&consumable.codecs, capabilities, negotiation.enable_rtx);
    if codecs.first().is_none_or(RtpCodecParameters::is_rtx) {
        let reason = format!("the endpoint can receive none of the producer's codecs ({})", names(&consumable.codecs));
        return Err(ModelError::unsupported("rtpCapabilities.codecs", reason));
    }
    reduce_estimation_feedback(&mut codecs, &header_extensions);
    let has_rtx = codecs.iter().any(RtpCodecParameters::is_rtx);
    Ok(RtpParameters {
        mid: None,
        encodings: match negotiation.all_streams {
            true => all_encodings(&consumable.encodings, negotiation.ssrc, has_rtx),
            false => vec![encoding(&consumable.encodings, negotiation.ssrc, has_rtx)],
        },
        codecs,
        header_extensions,
        rtcp: consumable.rtcp.clone(),
        msid: consumable.msid.clone(),
    })
}

/// Makes the parameters of a consumer that carries a producer to another router: all its streams, all its codecs, and
/// what both routers understand anyway. There is no MID, and nothing of congestion control.
pub fn get_pipe_consumer_rtp_parameters(consumable: &RtpParameters, negotiation: ConsumerNegotiation) -> RtpParameters {
    let is_wanted = |feedback: &RtcpFeedback| {
        let is_key_frame_request = feedback.is("nack", "pli") || feedback.is("ccm", "fir");
        is_key_frame_request || (negotiation.enable_rtx && feedback.is("nack", ""))
    };
    let mut codecs = consumable.codecs.clone();
    codecs.retain(|codec| negotiation.enable_rtx || !codec.is_rtx());
    codecs.iter_mut().for_each(|codec| codec.rtcp_feedback.retain(is_wanted));
    let per_hop = [uri::MID, uri::ABS_SEND_TIME, uri::TRANSPORT_WIDE_CC];
    let mut header_extensions = consumable.header_extensions.clone();
    header_extensions.retain(|extension| !per_hop.contains(&extension.uri.as_str()));
    // As in mediasoup, a pipe names the dependency descriptor whatever it carries. Audio has none.
    if !header_extensions.iter().any(|extension| extension.uri == uri::DEPENDENCY_DESCRIPTOR) {
        let supported = supported_rtp_capabilities().header_extensions;
        let descriptor = supported.iter().find(|extension| extension.uri == uri::DEPENDENCY_DESCRIPTOR);
        header_extensions.extend(descriptor.map(in_use));
        header_extensions.sort_by_key(|extension| extension.id);
    }
    RtpParameters {
        mid: None,
        encodings: all_encodings(&consumable.encodings, negotiation.ssrc, negotiation.enable_rtx),
        codecs,
        header_extensions,
        rtcp: consumable.rtcp.clone(),
        msid: consumable.msid.clone(),
    }
}

/// Every stream, with SSRCs from `ssrc` on.
fn all_encodings(encodings: &[RtpEncodingParameters], ssrc: u32, has_rtx: bool) -> Vec<RtpEncodingParameters> {
    let count = encodings.len() as u32;
    let numbered = encodings.iter().zip(0..).map(|(encoding, index)| RtpEncodingParameters {
        ssrc: Some(ssrc.wrapping_add(index)),
        rtx: has_rtx.then(|| RtxEncodingParameters { ssrc: ssrc.wrapping_add(count + index) }),
        ..encoding.clone()
    });
    numbered.collect()
}

/// The endpoint's capability that can receive `codec`.
fn matched<'a>(codec: &RtpCodecParameters, capabilities: &'a RtpCapabilities) -> Option<&'a RtpCodecCapability> {
    capabilities.codecs.iter().find(|capability| Codec::from(*capability).is_compatible(Codec::from(codec)))
}

/// The codecs that the endpoint knows, with the feedback that it knows. RTX codecs stay only beside what they repair.
fn known_codecs(
    codecs: &[RtpCodecParameters],
    capabilities: &RtpCapabilities,
    enable_rtx: bool,
) -> Vec<RtpCodecParameters> {
    let is_wanted = |feedback: &&RtcpFeedback| enable_rtx || !feedback.is("nack", "");
    let mut known: Vec<RtpCodecParameters> = Vec::with_capacity(codecs.len());
    for codec in codecs.iter().filter(|codec| enable_rtx || !codec.is_rtx()) {
        let Some(capability) = matched(codec, capabilities) else { continue };
        let rtcp_feedback = capability.rtcp_feedback.iter().filter(is_wanted).cloned().collect();
        known.push(RtpCodecParameters { rtcp_feedback, ..codec.clone() });
    }
    let media: Vec<u32> = known.iter().filter(|codec| !codec.is_rtx()).map(|codec| codec.payload_type.into()).collect();
    known.retain(|codec| !codec.is_rtx() || codec.apt().is_some_and(|apt| media.contains(&apt)));
    known
}

/// The header extensions that the endpoint knows under the same id.
fn known_extensions(
    extensions: &[RtpHeaderExtensionParameters],
    capabilities: &RtpCapabilities,
) -> Vec<RtpHeaderExtensionParameters> {
    let is_known = |extension: &&RtpHeaderExtensionParameters| {
        let known = &capabilities.header_extensions;
        known.iter().any(|known| known.preferred_id == extension.id && known.uri == extension.uri)
    };
    extensions.iter().filter(is_known).cloned().collect()
}

/// Leaves one kind of bandwidth feedback: transport-cc where its header extension is in use, REMB where
/// abs-send-time is, none otherwise.
fn reduce_estimation_feedback(codecs: &mut [RtpCodecParameters], extensions: &[RtpHeaderExtensionParameters]) {
    let has = |uri| extensions.iter().any(|extension| extension.uri == uri);
    let useless: &[&str] = if has(uri::TRANSPORT_WIDE_CC) {
        &["goog-remb"]
    } else if has(uri::ABS_SEND_TIME) {
        &["transport-cc"]
    } else {
        &["goog-remb", "transport-cc"]
    };
    for codec in codecs {
        codec.rtcp_feedback.retain(|feedback| !useless.contains(&feedback.kind.as_str()));
    }
}

/// The one stream of a consumer. Several streams of the producer appear as spatial layers of it.
fn encoding(encodings: &[RtpEncodingParameters], ssrc: u32, has_rtx: bool) -> RtpEncodingParameters {
    let mode = encodings.iter().find_map(|encoding| encoding.scalability_mode.clone());
    let scalability_mode = match encodings.len() {
        0 | 1 => mode,
        layers => {
            let temporal_layers = parse_scalability_mode(&mode.unwrap_or_default()).temporal_layers;
            Some(format!("L{layers}T{temporal_layers}"))
        }
    };
    RtpEncodingParameters {
        ssrc: Some(ssrc),
        rtx: has_rtx.then(|| RtxEncodingParameters { ssrc: ssrc.wrapping_add(1) }),
        scalability_mode: scalability_mode.filter(|mode| !mode.is_empty()),
        max_bitrate: encodings.iter().filter_map(|encoding| encoding.max_bitrate).max().filter(|bitrate| *bitrate != 0),
        ..RtpEncodingParameters::default()
    }
}

/// The media types of the media codecs, for a message.
fn names(codecs: &[RtpCodecParameters]) -> String {
    let media = codecs.iter().filter(|codec| !codec.is_rtx());
    media.map(|codec| codec.mime_type.as_str()).collect::<Vec<_>>().join(", ")
}
