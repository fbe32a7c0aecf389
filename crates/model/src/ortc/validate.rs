//! Checks what an application hands over, and fills in what it left out.

use crate::error::{ModelError, Shown, Within};
use crate::rtp::{
    MediaKind, Parameters, RtcpFeedback, RtcpParameters, RtpCapabilities, RtpCodecCapability, RtpCodecParameters,
    RtpEncodingParameters, RtpHeaderExtension, RtpHeaderExtensionParameters, RtpParameters, parse_scalability_mode,
};

/// Codecs or header extensions in one list. Browsers have about 60; more than this is refused.
const LIST_MAX: usize = 512;

/// Feedback types or parameters of one codec. Browsers have about 10; more than this is refused.
const CODEC_DETAILS_MAX: usize = 128;

/// Encodings of one source. Browsers send at most 3; more than this is refused.
const ENCODINGS_MAX: usize = 16;

/// Bytes of a MID, RID or CNAME: each travels in an item with a length of 8 bits (RFC 8285 §4.3, RFC 3550 §6.5).
const IDENTIFICATION_BYTES_MAX: usize = 255;

/// Bytes of any other text. Longer ones are refused.
const TEXT_BYTES_MAX: usize = 4096;

/// Highest RTP payload type (RFC 3550 §5.1).
const PAYLOAD_TYPE_MAX: u8 = 127;

/// Checks the capabilities of an endpoint or a router and fills in what was left out.
///
/// # Errors
/// [`ModelError::Invalid`] that names the entry.
pub fn validate_and_normalize_rtp_capabilities(capabilities: &mut RtpCapabilities) -> Result<(), ModelError> {
    at_most("codecs", capabilities.codecs.len(), LIST_MAX)?;
    at_most("headerExtensions", capabilities.header_extensions.len(), LIST_MAX)?;
    for (index, codec) in capabilities.codecs.iter_mut().enumerate() {
        normalize_codec_capability(codec).within(&format!("codecs[{index}]"))?;
    }
    for (index, extension) in capabilities.header_extensions.iter().enumerate() {
        let RtpHeaderExtension { uri, preferred_id, .. } = extension;
        validate_extension(uri, *preferred_id, "preferredId").within(&format!("headerExtensions[{index}]"))?;
    }
    Ok(())
}

/// Checks RTP parameters and fills in what was left out: channels, DTX, RTCP settings; empty texts become absent.
///
/// # Errors
/// [`ModelError::Invalid`] that names the entry: malformed, contradictory, or doubled payload types, header extension
/// ids, SSRCs and RIDs.
pub fn validate_and_normalize_rtp_parameters(parameters: &mut RtpParameters) -> Result<(), ModelError> {
    normalize_identification("mid", &mut parameters.mid)?;
    at_most("codecs", parameters.codecs.len(), LIST_MAX)?;
    at_most("headerExtensions", parameters.header_extensions.len(), LIST_MAX)?;
    at_most("encodings", parameters.encodings.len(), ENCODINGS_MAX)?;
    for (index, codec) in parameters.codecs.iter_mut().enumerate() {
        normalize_codec_parameters(codec).within(&format!("codecs[{index}]"))?;
    }
    validate_codec_list(&parameters.codecs)?;
    validate_extension_list(&parameters.header_extensions)?;
    for (index, encoding) in parameters.encodings.iter_mut().enumerate() {
        normalize_encoding(encoding, &parameters.codecs).within(&format!("encodings[{index}]"))?;
    }
    validate_encoding_list(&parameters.encodings)?;
    normalize_rtcp(&mut parameters.rtcp).within("rtcp")?;
    if let Some(msid) = &parameters.msid {
        text("msid", msid)?;
    }
    Ok(())
}

/// Spatial layers of one stream: VP9 numbers them with three bits (RFC 9628 §4.2). A mode with more is refused.
const SPATIAL_LAYERS_MAX: u8 = 8;

/// Codecs that carry several spatial layers in one stream.
const SPATIAL_CODECS: [&str; 2] = ["video/VP9", "video/AV1"];

/// Checks that normalised `parameters` can describe what one producer of `kind` receives, and adds the encoding that
/// may be left out.
///
/// # Errors
/// [`ModelError::Invalid`] where a codec is of another kind, or packets could not be told from those of other
/// producers; [`ModelError::Unsupported`] for several encodings of audio or of different codecs, spatial
/// layers within one of several or of a codec without them, and encrypted header extensions.
pub fn normalize_for_producer(kind: MediaKind, parameters: &mut RtpParameters) -> Result<(), ModelError> {
    for (index, codec) in parameters.codecs.iter().enumerate() {
        if codec.kind() != Some(kind) {
            let reason = format!("{} is not of kind \"{kind}\"", Shown(&codec.mime_type));
            return Err(ModelError::invalid(format!("codecs[{index}].mimeType"), reason));
        }
    }
    if parameters.encodings.is_empty() {
        parameters.encodings.push(RtpEncodingParameters { dtx: Some(false), ..Default::default() });
    }
    for (index, encoding) in parameters.encodings.iter().enumerate() {
        let only_mid_names_it = encoding.ssrc.is_none() && encoding.rid.is_none();
        if only_mid_names_it && (parameters.mid.is_none() || parameters.encodings.len() > 1) {
            let reason = "has neither ssrc nor rid, so its packets could not be recognised; give one of them, or a mid \
                          and a single encoding";
            return Err(ModelError::invalid(format!("encodings[{index}]"), reason));
        }
    }
    if kind == MediaKind::Audio && parameters.encodings.len() > 1 {
        let reason = format!("simulcast ({} encodings) is for video; send one", parameters.encodings.len());
        return Err(ModelError::unsupported("encodings", reason));
    }
    refuse_mixed_codecs(parameters)?;
    refuse_later_features(parameters)
}

/// Simulcast with several codecs: no viewer could be moved from one encoding to another.
fn refuse_mixed_codecs(parameters: &RtpParameters) -> Result<(), ModelError> {
    let first_codec = parameters.codecs.first().map(|codec| codec.payload_type);
    let codec_of = |encoding: &RtpEncodingParameters| encoding.codec_payload_type.or(first_codec);
    let first = parameters.encodings.first().and_then(codec_of);
    match parameters.encodings.iter().position(|encoding| codec_of(encoding) != first) {
        Some(index) => {
            let reason =
                "simulcast with a codec of its own for each encoding is not supported; send all with one codec";
            Err(ModelError::unsupported(format!("encodings[{index}].codecPayloadType"), reason))
        }
        None => Ok(()),
    }
}

/// Spatial layers within a stream that is one of several, or whose codec has none; encrypted header extensions.
fn refuse_later_features(parameters: &RtpParameters) -> Result<(), ModelError> {
    let has_layers = parameters
        .codecs
        .first()
        .is_some_and(|codec| SPATIAL_CODECS.iter().any(|mime_type| mime_type.eq_ignore_ascii_case(&codec.mime_type)));
    for (index, encoding) in parameters.encodings.iter().enumerate() {
        let mode = encoding.scalability_mode.as_deref().unwrap_or_default();
        let spatial_layers = parse_scalability_mode(mode).spatial_layers;
        let reason = match spatial_layers {
            0 | 1 => continue,
            _ if parameters.encodings.len() > 1 => "has spatial layers in one of several encodings; send either",
            _ if !has_layers => "has spatial layers, which the codec has not within a stream; send simulcast",
            _ if spatial_layers > SPATIAL_LAYERS_MAX => "has more than 8 spatial layers",
            _ => continue,
        };
        let reason = format!("{} {reason}", Shown(mode));
        return Err(ModelError::unsupported(format!("encodings[{index}].scalabilityMode"), reason));
    }
    match parameters.header_extensions.iter().position(|extension| extension.encrypt) {
        Some(index) => {
            let reason = "encrypted header extensions (RFC 6904) are not supported; give false";
            Err(ModelError::unsupported(format!("headerExtensions[{index}].encrypt"), reason))
        }
        None => Ok(()),
    }
}

/// Checks one codec of capabilities. Its media type decides its kind.
pub(super) fn normalize_codec_capability(codec: &mut RtpCodecCapability) -> Result<(), ModelError> {
    codec.kind = kind_of(&codec.mime_type)?;
    if let Some(payload_type) = codec.preferred_payload_type {
        payload_type_in_range("preferredPayloadType", payload_type)?;
    }
    normalize_channels(codec.kind, &mut codec.channels)?;
    validate_codec_details(codec.clock_rate, &codec.parameters, &codec.rtcp_feedback)
}

/// Checks one codec of parameters.
fn normalize_codec_parameters(codec: &mut RtpCodecParameters) -> Result<(), ModelError> {
    let kind = kind_of(&codec.mime_type)?;
    payload_type_in_range("payloadType", codec.payload_type)?;
    normalize_channels(kind, &mut codec.channels)?;
    validate_codec_details(codec.clock_rate, &codec.parameters, &codec.rtcp_feedback)
}

/// The kind of a well-formed media type.
fn kind_of(mime_type: &str) -> Result<MediaKind, ModelError> {
    text("mimeType", mime_type)?;
    MediaKind::of_mime_type(mime_type).ok_or_else(|| {
        ModelError::invalid("mimeType", format!("{} does not read audio/<codec> or video/<codec>", Shown(mime_type)))
    })
}

/// Audio has channels, one by default; video has none.
fn normalize_channels(kind: MediaKind, channels: &mut Option<u8>) -> Result<(), ModelError> {
    *channels = match (kind, *channels) {
        (MediaKind::Video, _) => None,
        (MediaKind::Audio, Some(0)) => return Err(ModelError::invalid("channels", "is 0; give 1 or more")),
        (MediaKind::Audio, channels) => Some(channels.unwrap_or(1)),
    };
    Ok(())
}

/// Checks what codecs of capabilities and of parameters have in common.
fn validate_codec_details(
    clock_rate: u32,
    parameters: &Parameters,
    feedback: &[RtcpFeedback],
) -> Result<(), ModelError> {
    if clock_rate == 0 {
        return Err(ModelError::invalid("clockRate", "is 0; give the RTP clock rate in Hz"));
    }
    at_most("parameters", parameters.0.len(), CODEC_DETAILS_MAX)?;
    at_most("rtcpFeedback", feedback.len(), CODEC_DETAILS_MAX)?;
    validate_values(parameters)?;
    if let Some(apt) = parameters.get("apt")
        && (apt.as_str().is_some() || apt.as_u32().is_none_or(|apt| apt > PAYLOAD_TYPE_MAX.into()))
    {
        return Err(ModelError::invalid("parameters.apt", "is no payload type; give a number within 0–127"));
    }
    for (index, RtcpFeedback { kind, parameter }) in feedback.iter().enumerate() {
        if kind.is_empty() {
            return Err(ModelError::invalid(format!("rtcpFeedback[{index}].type"), "is empty"));
        }
        text(&format!("rtcpFeedback[{index}].type"), kind)?;
        text(&format!("rtcpFeedback[{index}].parameter"), parameter)?;
    }
    Ok(())
}

/// Bounds the names and texts of parameters.
fn validate_values(parameters: &Parameters) -> Result<(), ModelError> {
    for (name, value) in &parameters.0 {
        text("parameters", name)?;
        text("parameters", value.as_str().unwrap_or_default())?;
    }
    Ok(())
}

/// Insists on one media codec at least, unique payload types, and RTX codecs that belong to a media codec.
fn validate_codec_list(codecs: &[RtpCodecParameters]) -> Result<(), ModelError> {
    if codecs.iter().all(RtpCodecParameters::is_rtx) {
        return Err(ModelError::invalid("codecs", "has no media codec; give at least one"));
    }
    for (index, codec) in codecs.iter().enumerate() {
        let others = codecs.get(..index).unwrap_or_default();
        if others.iter().any(|other| other.payload_type == codec.payload_type) {
            let reason = format!("{} is used twice; payload types must differ", codec.payload_type);
            return Err(ModelError::invalid(format!("codecs[{index}].payloadType"), reason));
        }
        if codec.is_rtx() {
            validate_apt(codec, codecs).within(&format!("codecs[{index}]"))?;
        }
    }
    Ok(())
}

/// Insists that an RTX codec names the media codec that it retransmits (RFC 4588 §8.1).
fn validate_apt(rtx: &RtpCodecParameters, codecs: &[RtpCodecParameters]) -> Result<(), ModelError> {
    let Some(apt) = rtx.apt() else {
        return Err(ModelError::invalid(
            "parameters.apt",
            "is missing; an RTX codec names the payload type it repairs",
        ));
    };
    let is_media = |codec: &RtpCodecParameters| u32::from(codec.payload_type) == apt && !codec.is_rtx();
    if codecs.iter().any(is_media) {
        return Ok(());
    }
    Err(ModelError::invalid("parameters.apt", format!("{apt} is the payload type of no media codec")))
}

/// Insists on names and unique ids.
fn validate_extension_list(extensions: &[RtpHeaderExtensionParameters]) -> Result<(), ModelError> {
    for (index, extension) in extensions.iter().enumerate() {
        let path = format!("headerExtensions[{index}]");
        validate_extension(&extension.uri, extension.id, "id").within(&path)?;
        at_most("parameters", extension.parameters.0.len(), CODEC_DETAILS_MAX).within(&path)?;
        validate_values(&extension.parameters).within(&path)?;
        let others = extensions.get(..index).unwrap_or_default();
        if others.iter().any(|other| other.id == extension.id) {
            let reason = format!("{} is used twice; ids must differ", extension.id);
            return Err(ModelError::invalid(format!("{path}.id"), reason));
        }
    }
    Ok(())
}

/// Insists that a header extension has a name and an id that can be written (RFC 8285 §4.2: 0 is padding).
fn validate_extension(uri: &str, id: u8, id_name: &str) -> Result<(), ModelError> {
    if uri.is_empty() {
        return Err(ModelError::invalid("uri", "is empty"));
    }
    text("uri", uri)?;
    if id == 0 {
        return Err(ModelError::invalid(id_name, "is 0; give 1–14, or up to 255 for the two-byte form"));
    }
    Ok(())
}

/// Checks one encoding against the codecs.
fn normalize_encoding(encoding: &mut RtpEncodingParameters, codecs: &[RtpCodecParameters]) -> Result<(), ModelError> {
    // mediasoup has always read 0 and the empty string as absent.
    encoding.ssrc = encoding.ssrc.filter(|ssrc| *ssrc != 0);
    normalize_identification("rid", &mut encoding.rid)?;
    if encoding.rtx.is_some_and(|rtx| rtx.ssrc == 0) {
        return Err(ModelError::invalid("rtx.ssrc", "is 0; give the SSRC of the retransmissions"));
    }
    if let Some(payload_type) = encoding.codec_payload_type
        && !codecs.iter().any(|codec| codec.payload_type == payload_type && !codec.is_rtx())
    {
        let reason = format!("{payload_type} is the payload type of no media codec");
        return Err(ModelError::invalid("codecPayloadType", reason));
    }
    encoding.dtx.get_or_insert(false);
    text("scalabilityMode", encoding.scalability_mode.as_deref().unwrap_or_default())
}

/// Insists that SSRCs, those of retransmissions included, and RIDs differ.
fn validate_encoding_list(encodings: &[RtpEncodingParameters]) -> Result<(), ModelError> {
    let mut ssrcs = Vec::with_capacity(2 * ENCODINGS_MAX);
    let mut rids = Vec::with_capacity(ENCODINGS_MAX);
    for (index, encoding) in encodings.iter().enumerate() {
        for (name, ssrc) in [("ssrc", encoding.ssrc), ("rtx.ssrc", encoding.rtx.map(|rtx| rtx.ssrc))] {
            let Some(ssrc) = ssrc else { continue };
            if ssrcs.contains(&ssrc) {
                let reason = format!("{ssrc} is used twice; SSRCs must differ");
                return Err(ModelError::invalid(format!("encodings[{index}].{name}"), reason));
            }
            ssrcs.push(ssrc);
        }
        let Some(rid) = &encoding.rid else { continue };
        if rids.contains(&rid) {
            let reason = format!("{} is used twice; RIDs must differ", Shown(rid));
            return Err(ModelError::invalid(format!("encodings[{index}].rid"), reason));
        }
        rids.push(rid);
    }
    Ok(())
}

/// Checks the CNAME; reduced size is always negotiated.
fn normalize_rtcp(rtcp: &mut RtcpParameters) -> Result<(), ModelError> {
    normalize_identification("cname", &mut rtcp.cname)?;
    rtcp.reduced_size = true;
    Ok(())
}

/// Makes an empty identification absent and bounds the others.
fn normalize_identification(path: &str, value: &mut Option<String>) -> Result<(), ModelError> {
    *value = value.take().filter(|value| !value.is_empty());
    match value {
        Some(value) if value.len() > IDENTIFICATION_BYTES_MAX => {
            let reason = format!("has {} bytes, at most {IDENTIFICATION_BYTES_MAX} fit into a packet", value.len());
            Err(ModelError::invalid(path, reason))
        }
        _ => Ok(()),
    }
}

/// Bounds a text that is only compared or handed on.
fn text(path: &str, value: &str) -> Result<(), ModelError> {
    if value.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    Err(ModelError::invalid(path, format!("has {} bytes, at most {TEXT_BYTES_MAX} are allowed", value.len())))
}

/// Bounds a list.
fn at_most(path: &str, len: usize, max: usize) -> Result<(), ModelError> {
    if len <= max {
        return Ok(());
    }
    Err(ModelError::invalid(path, format!("has {len} entries, at most {max} are allowed")))
}

/// RFC 3550 §5.1: 7 bits.
fn payload_type_in_range(path: &str, payload_type: u8) -> Result<(), ModelError> {
    if payload_type <= PAYLOAD_TYPE_MAX {
        return Ok(());
    }
    Err(ModelError::invalid(path, format!("{payload_type} is not within 0–{PAYLOAD_TYPE_MAX}")))
}
