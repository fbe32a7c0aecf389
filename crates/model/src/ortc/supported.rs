//! What a router can do at most. The list is that of mediasoup 3.27.1 (`node/lib/supportedRtpCapabilities.js`), with
//! H.265 behind it.

use crate::rtp::RtpHeaderExtensionDirection::{RecvOnly, SendRecv};
use crate::rtp::{
    MediaKind, Parameters, RTP_HEADER_EXTENSION_URIS, RtcpFeedback, RtpCapabilities, RtpCodecCapability,
    RtpHeaderExtension, RtpHeaderExtensionDirection, uri,
};

/// Every codec and header extension that a router can offer; applications choose their `mediaCodecs` among them.
///
/// Payload types are given only where RFC 3551 §6 fixes them.
pub fn supported_rtp_capabilities() -> RtpCapabilities {
    let mut codecs = opus_codecs();
    codecs.extend(other_audio_codecs());
    codecs.extend(video_codecs());
    RtpCapabilities { codecs, header_extensions: header_extensions() }
}

/// Opus in two channels (RFC 7587), and libwebrtc's multichannel Opus in four, six and eight.
fn opus_codecs() -> Vec<RtpCodecCapability> {
    let layouts = [(4, "0,1,2,3", 2, 2), (6, "0,4,1,2,3,5", 4, 2), (8, "0,6,1,2,3,4,5,7", 5, 3)];
    let feedback = || vec![RtcpFeedback::new("nack", ""), RtcpFeedback::new("transport-cc", "")];
    let mut opus = audio("audio/opus", 48_000);
    opus.channels = Some(2);
    opus.rtcp_feedback = feedback();
    let multichannel = layouts.into_iter().map(|(channels, mapping, streams, coupled_streams)| {
        let mut codec = audio("audio/multiopus", 48_000);
        codec.channels = Some(channels);
        codec.rtcp_feedback = feedback();
        codec.parameters.set("channel_mapping", mapping);
        codec.parameters.set("num_streams", streams);
        codec.parameters.set("coupled_streams", coupled_streams);
        codec
    });
    std::iter::once(opus).chain(multichannel).collect()
}

/// Audio codecs that have one channel.
fn other_audio_codecs() -> Vec<RtpCodecCapability> {
    let estimated = [
        ("audio/PCMU", 8_000, Some(0)),
        ("audio/PCMA", 8_000, Some(8)),
        ("audio/ISAC", 32_000, None),
        ("audio/ISAC", 16_000, None),
        ("audio/G722", 8_000, Some(9)),
        ("audio/iLBC", 8_000, None),
        ("audio/SILK", 24_000, None),
        ("audio/SILK", 16_000, None),
        ("audio/SILK", 12_000, None),
        ("audio/SILK", 8_000, None),
    ];
    let plain = [
        ("audio/CN", 32_000, Some(13)),
        ("audio/CN", 16_000, Some(13)),
        ("audio/CN", 8_000, Some(13)),
        ("audio/telephone-event", 48_000, None),
        ("audio/telephone-event", 32_000, None),
        ("audio/telephone-event", 16_000, None),
        ("audio/telephone-event", 8_000, None),
    ];
    let codec = |(mime_type, clock_rate, payload_type)| RtpCodecCapability {
        preferred_payload_type: payload_type,
        ..audio(mime_type, clock_rate)
    };
    let with_estimation = |codec: RtpCodecCapability| RtpCodecCapability {
        rtcp_feedback: vec![RtcpFeedback::new("transport-cc", "")],
        ..codec
    };
    estimated.into_iter().map(codec).map(with_estimation).chain(plain.into_iter().map(codec)).collect()
}

/// Video codecs, all with the same feedback. H.264, H.265 and VP9 profiles are the application's choice.
fn video_codecs() -> Vec<RtpCodecCapability> {
    let feedback = [("nack", ""), ("nack", "pli"), ("ccm", "fir"), ("goog-remb", ""), ("transport-cc", "")];
    let codec = |mime_type| RtpCodecCapability {
        rtcp_feedback: feedback.map(|(kind, parameter)| RtcpFeedback::new(kind, parameter)).to_vec(),
        ..capability(MediaKind::Video, mime_type, 90_000)
    };
    let mut h264 = codec("video/H264");
    h264.parameters.set("level-asymmetry-allowed", 1);
    vec![codec("video/VP8"), codec("video/VP9"), h264, codec("video/AV1"), codec("video/H265")]
}

/// One audio codec of one channel without feedback.
fn audio(mime_type: &str, clock_rate: u32) -> RtpCodecCapability {
    RtpCodecCapability { channels: Some(1), ..capability(MediaKind::Audio, mime_type, clock_rate) }
}

/// One codec without feedback.
fn capability(kind: MediaKind, mime_type: &str, clock_rate: u32) -> RtpCodecCapability {
    RtpCodecCapability {
        kind,
        mime_type: mime_type.to_owned(),
        preferred_payload_type: None,
        clock_rate,
        channels: None,
        parameters: Parameters::default(),
        rtcp_feedback: Vec::new(),
    }
}

/// The header extensions, each for its kinds of media, with its index in [`RTP_HEADER_EXTENSION_URIS`] as id.
fn header_extensions() -> Vec<RtpHeaderExtension> {
    let numbered = (1u8..).zip(RTP_HEADER_EXTENSION_URIS);
    let of_both_kinds = numbered.flat_map(|(id, uri)| [(id, uri, MediaKind::Audio), (id, uri, MediaKind::Video)]);
    let extension = |(preferred_id, uri, kind)| {
        direction(uri, kind).map(|direction| RtpHeaderExtension {
            kind,
            uri: String::from(uri),
            preferred_id,
            preferred_encrypt: false,
            direction,
        })
    };
    of_both_kinds.filter_map(extension).collect()
}

/// Which way the extension `uri` is used for `kind`; `None` where it is not.
fn direction(uri: &str, kind: MediaKind) -> Option<RtpHeaderExtensionDirection> {
    match (uri, kind) {
        // Unlike in mediasoup 3.27.1, dependency descriptors go both ways: without them Chromium's decoder of AV1 gets
        // one spatial layer of several.
        (uri::RTP_STREAM_ID | uri::REPAIRED_RTP_STREAM_ID, MediaKind::Video) => Some(RecvOnly),
        // Estimation towards viewers counts video only: audio is too thin to probe with.
        (uri::TRANSPORT_WIDE_CC, MediaKind::Audio) => Some(RecvOnly),
        (uri::RTP_STREAM_ID | uri::REPAIRED_RTP_STREAM_ID | uri::DEPENDENCY_DESCRIPTOR, MediaKind::Audio)
        | (uri::VIDEO_ORIENTATION | uri::TIMESTAMP_OFFSET, MediaKind::Audio)
        | (uri::AUDIO_LEVEL, MediaKind::Video) => None,
        _ => Some(SendRecv),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_the_shape_of_mediasoup_3_27_1_and_h265() {
        let capabilities = supported_rtp_capabilities();
        let of_kind = |kind| capabilities.codecs.iter().filter(|codec| codec.kind == kind).count();
        assert_eq!((of_kind(MediaKind::Audio), of_kind(MediaKind::Video)), (21, 5));
        assert_eq!(capabilities.header_extensions.len(), 18);
        let fixed: Vec<_> = capabilities.codecs.iter().filter_map(|codec| codec.preferred_payload_type).collect();
        assert_eq!(fixed, [0, 8, 9, 13, 13, 13]);
    }

    #[test]
    fn audio_has_transport_cc_only_towards_the_router() {
        let capabilities = supported_rtp_capabilities();
        let found = |kind| {
            let extension =
                |extension: &&RtpHeaderExtension| extension.uri == uri::TRANSPORT_WIDE_CC && extension.kind == kind;
            capabilities
                .header_extensions
                .iter()
                .find(extension)
                .map(|extension| (extension.preferred_id, extension.direction))
        };
        assert_eq!(found(MediaKind::Audio), Some((5, RecvOnly)));
        assert_eq!(found(MediaKind::Video), Some((5, SendRecv)));
    }

    #[test]
    fn json_is_what_mediasoup_returns() {
        let json = serde_json::to_value(supported_rtp_capabilities()).unwrap();
        let opus = serde_json::json!({
            "kind": "audio", "mimeType": "audio/opus", "clockRate": 48000, "channels": 2, "parameters": {},
            "rtcpFeedback": [{ "type": "nack", "parameter": "" }, { "type": "transport-cc", "parameter": "" }],
        });
        let mid = serde_json::json!({
            "kind": "audio", "uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "preferredId": 1,
            "preferredEncrypt": false, "direction": "sendrecv",
        });
        assert_eq!(json["codecs"][0], opus);
        assert_eq!(json["headerExtensions"][0], mid);
    }
}
