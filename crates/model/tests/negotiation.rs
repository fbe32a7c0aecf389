//! Negotiation with what Chromium and mediasoup-client really send.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use millrace_model::ortc::{self, ConsumerNegotiation};
use millrace_model::{
    MediaKind, ModelError, ProducerOptions, ProducerSettings, RtcpFeedback, RtpCapabilities, RtpCodecCapability,
    RtpHeaderExtensionParameters, RtpParameters, parse, uri,
};

const CHROMIUM: &str = include_str!("fixtures/chromium-capabilities.json");
const DEVICE: &str = include_str!("fixtures/mediasoup-client-capabilities.json");
const AUDIO: &str = include_str!("fixtures/chromium-audio-parameters.json");
const VIDEO: &str = include_str!("fixtures/chromium-video-parameters.json");

const MAPPED_SSRC: u32 = 1_000;
const CONSUMER_SSRC: u32 = 5_000;

#[test]
fn a_router_hands_out_payload_types_from_100_on_with_rtx_beside_video() {
    let capabilities = router();
    let offered: Vec<_> = capabilities
        .codecs
        .iter()
        .map(|codec| (codec.mime_type.as_str(), codec.preferred_payload_type.unwrap(), codec.apt()))
        .collect();
    let expected = [
        ("audio/opus", 100, None),
        ("video/VP8", 101, None),
        ("video/rtx", 102, Some(101)),
        ("video/VP9", 103, None),
        ("video/rtx", 104, Some(103)),
        ("video/H264", 105, None),
        ("video/rtx", 106, Some(105)),
        ("video/AV1", 107, None),
        ("video/rtx", 108, Some(107)),
    ];
    assert_eq!(offered, expected);
}

#[test]
fn a_router_keeps_wished_and_fixed_payload_types_and_merges_parameters() {
    let capabilities = generate(
        r#"[{"kind":"audio","mimeType":"audio/opus","clockRate":48000,"channels":2,"preferredPayloadType":111,
             "parameters":{"useinbandfec":1}},
            {"kind":"audio","mimeType":"AUDIO/pcma","clockRate":8000},
            {"kind":"audio","mimeType":"video/H264","clockRate":90000,"parameters":{"packetization-mode":1}}]"#,
    )
    .unwrap();
    let codec = |index: usize| &capabilities.codecs[index];
    assert_eq!(codec(0).preferred_payload_type, Some(111));
    assert_eq!(codec(0).parameters.u32_or("useinbandfec", 0), Some(1));
    assert_eq!((codec(1).preferred_payload_type, codec(1).mime_type.as_str()), (Some(8), "audio/PCMA"));
    assert_eq!((codec(2).kind, codec(2).preferred_payload_type), (MediaKind::Video, Some(100)));
    assert_eq!(codec(2).parameters.u32_or("level-asymmetry-allowed", 0), Some(1));
    assert_eq!(codec(2).parameters.u32_or("packetization-mode", 0), Some(1));
}

#[test]
fn a_wished_payload_type_is_not_handed_out_again() {
    let capabilities = generate(
        r#"[{"kind":"audio","mimeType":"audio/opus","clockRate":48000,"channels":2,"preferredPayloadType":101},
            {"kind":"video","mimeType":"video/VP8","clockRate":90000}]"#,
    )
    .unwrap();
    let payload_types: Vec<_> = capabilities.codecs.iter().filter_map(|codec| codec.preferred_payload_type).collect();
    assert_eq!(payload_types, [101, 100, 102]);
}

#[test]
fn a_router_refuses_unknown_codecs_doubled_payload_types_and_too_many() {
    let opus = r#"{"kind":"audio","mimeType":"audio/opus","clockRate":48000,"channels":2}"#;
    let vp8 = |extra: &str| format!(r#"{{"kind":"video","mimeType":"video/VP8","clockRate":90000{extra}}}"#);
    for unknown in [
        r#"{"kind":"audio","mimeType":"audio/opus","clockRate":48000}"#,
        r#"{"kind":"audio","mimeType":"audio/chicken","clockRate":48000}"#,
        r#"{"kind":"video","mimeType":"video/rtx","clockRate":90000}"#,
        r#"{"kind":"audio","mimeType":"audio/multiopus","clockRate":48000,"channels":6}"#,
    ] {
        assert!(matches!(generate(&format!("[{unknown}]")), Err(ModelError::Unsupported { .. })), "{unknown}");
    }
    let doubled = generate(&format!("[{opus},{}]", vp8(r#","preferredPayloadType":100"#))).unwrap_err();
    assert!(matches!(doubled, ModelError::Invalid { path, .. } if path == "mediaCodecs[1].preferredPayloadType"));
    let sixteen = vec![vp8(""); 16].join(",");
    assert!(generate(&format!("[{sixteen}]")).is_ok());
    assert!(matches!(generate(&format!("[{sixteen},{opus}]")), Err(ModelError::Limit { .. })));
}

#[test]
fn failed_update_of_media_codecs_leaves_the_old_ones() {
    let mut capabilities = router();
    let chicken = RtpCodecCapability { mime_type: "video/chicken".into(), ..capabilities.codecs[1].clone() };
    assert!(ortc::update_media_codecs(&mut capabilities, &[chicken]).is_err());
    assert_eq!(capabilities, router());
    ortc::update_media_codecs(&mut capabilities, &[]).unwrap();
    assert!(capabilities.codecs.is_empty());
}

#[test]
fn chromium_video_is_mapped_with_its_rtx_to_the_routers_numbers() {
    let (parameters, mapping) = mapped(VIDEO);
    assert_eq!(mapping.mapped_payload_type(96), Some(101));
    assert_eq!(mapping.mapped_payload_type(97), Some(102));
    assert_eq!(mapping.encodings[0].ssrc, parameters.encodings[0].ssrc);
    assert_eq!(mapping.encodings[0].mapped_ssrc, MAPPED_SSRC);
}

#[test]
fn every_video_codec_of_chromium_maps_only_where_profile_and_packetization_mode_match() {
    let native: RtpCapabilities = parse(CHROMIUM).unwrap();
    let is_mapped = |codec: &&RtpCodecCapability| {
        let json = serde_json::json!({
            "mid": "0", "codecs": [{ "mimeType": codec.mime_type, "payloadType": codec.preferred_payload_type,
                "clockRate": codec.clock_rate, "parameters": codec.parameters }],
        });
        let mut parameters: RtpParameters = parse(&json.to_string()).unwrap();
        ortc::get_producer_rtp_parameters_mapping(&mut parameters, &router(), MAPPED_SSRC).is_ok()
    };
    let media = native.codecs.iter().filter(|codec| codec.kind == MediaKind::Video && !codec.is_rtx());
    let payload_types: Vec<_> = media.filter(is_mapped).filter_map(|codec| codec.preferred_payload_type).collect();
    // VP8, VP9 profile 0, H.264 Constrained Baseline in mode 1, AV1 profile 0.
    assert_eq!(payload_types, [96, 98, 125, 45]);
}

#[test]
fn the_negotiated_h264_level_is_written_into_the_producers_parameters() {
    let json = r#"{"mid":"0","codecs":[{"mimeType":"video/H264","payloadType":125,"clockRate":90000,
        "parameters":{"packetization-mode":1,"profile-level-id":"42e034"}}]}"#;
    let mut parameters: RtpParameters = parse(json).unwrap();
    ortc::get_producer_rtp_parameters_mapping(&mut parameters, &router(), MAPPED_SSRC).unwrap();
    let level = parameters.codecs[0].parameters.get("profile-level-id").and_then(|id| id.as_str());
    assert_eq!(level, Some("42e01f"));
}

#[test]
fn a_codec_or_rtx_that_the_router_does_not_offer_is_unsupported() {
    let json = VIDEO.replace("video/VP8", "video/H265");
    let mut settings = produced(&json).unwrap();
    let error = ortc::get_producer_rtp_parameters_mapping(&mut settings.rtp_parameters, &router(), 1).unwrap_err();
    assert!(matches!(error, ModelError::Unsupported { path, .. } if path == "rtpParameters.codecs[0]"));
    let mut without_rtx = router();
    without_rtx.codecs.retain(|codec| !codec.is_rtx());
    let mut settings = produced(VIDEO).unwrap();
    let error = ortc::get_producer_rtp_parameters_mapping(&mut settings.rtp_parameters, &without_rtx, 1).unwrap_err();
    assert!(matches!(error, ModelError::Unsupported { path, .. } if path == "rtpParameters.codecs[1]"));
}

#[test]
fn consumable_parameters_speak_the_routers_numbers_and_keep_the_producers_fmtp() {
    let consumable = consumable(AUDIO, MediaKind::Audio);
    assert_eq!(consumable.codecs[0].payload_type, 100);
    assert_eq!(consumable.codecs[0].parameters.u32_or("usedtx", 0), Some(1));
    assert_eq!(consumable.encodings[0].ssrc, Some(MAPPED_SSRC));
    assert_eq!(consumable.rtcp.cname.as_deref(), Some("NKRoVmFnRSyuNiKN"));
    assert_eq!(consumable.msid.as_deref(), Some("stream track"));
    assert_eq!(consumable.mid, None);
}

#[test]
fn extensions_that_are_only_received_are_not_consumable() {
    let audio = consumable(AUDIO, MediaKind::Audio);
    let video = consumable(VIDEO, MediaKind::Video);
    assert_eq!(ids(&audio.header_extensions), [1, 4, 6, 11, 12]);
    assert_eq!(ids(&video.header_extensions), [1, 4, 5, 7, 8, 9, 11, 12]);
    assert_eq!(audio.header_extension_id(uri::TRANSPORT_WIDE_CC), None);
    assert_eq!(video.header_extension_id(uri::RTP_STREAM_ID), None);
    assert_eq!(video.header_extension_id(uri::DEPENDENCY_DESCRIPTOR), Some(7), "it goes both ways");
}

#[test]
fn abs_capture_time_is_consumable_only_where_the_producer_sends_it() {
    let mut settings = produced(VIDEO).unwrap();
    settings.rtp_parameters.header_extensions.push(RtpHeaderExtensionParameters {
        uri: uri::ABS_CAPTURE_TIME.into(),
        id: 7,
        encrypt: false,
        parameters: Default::default(),
    });
    assert_eq!(consumable_of(settings).header_extension_id(uri::ABS_CAPTURE_TIME), Some(10));
    assert_eq!(consumable(VIDEO, MediaKind::Video).header_extension_id(uri::ABS_CAPTURE_TIME), None);
}

#[test]
fn a_consumer_has_one_stream_with_rtx_on_the_next_ssrc_and_the_announced_bitrate() {
    let consumer = consumer(VIDEO, &device(), true).unwrap();
    let [encoding] = &consumer.encodings[..] else { panic!("{:?}", consumer.encodings) };
    assert_eq!(encoding.ssrc, Some(CONSUMER_SSRC));
    assert_eq!(encoding.rtx.map(|rtx| rtx.ssrc), Some(CONSUMER_SSRC + 1));
    assert_eq!(encoding.max_bitrate, Some(2_500_000));
    assert_eq!((encoding.rid.as_deref(), encoding.scalability_mode.as_deref()), (None, None));
    assert_eq!(consumer.media_codec().map(|codec| codec.payload_type), Some(101));
    assert_eq!(consumer.rtx_codec(101).map(|codec| codec.payload_type), Some(102));
    assert_eq!(consumer.header_extension_id(uri::MID), Some(1));
    assert_eq!(consumer.mid, None, "the transport chooses it");
}

#[test]
fn without_rtx_a_consumer_has_neither_rtx_codec_nor_nack() {
    let consumer = consumer(VIDEO, &device(), false).unwrap();
    assert!(consumer.codecs.iter().all(|codec| !codec.is_rtx()));
    assert_eq!(consumer.encodings[0].rtx, None);
    assert!(!consumer.codecs[0].has_feedback("nack", ""));
    assert!(consumer.codecs[0].has_feedback("nack", "pli"));
}

#[test]
fn rtx_needs_the_endpoints_consent() {
    let mut capabilities = device();
    capabilities.codecs.retain(|codec| !codec.is_rtx());
    let consumer = consumer(VIDEO, &capabilities, true).unwrap();
    assert_eq!(consumer.codecs.len(), 1);
    assert_eq!(consumer.encodings[0].rtx, None);
    assert!(consumer.codecs[0].has_feedback("nack", ""), "the endpoint may still ask; packets come again as they were");
}

#[test]
fn rtx_of_a_media_codec_that_the_endpoint_does_not_know_is_left_out() {
    let json = r#"{"mid":"0","codecs":[{"mimeType":"video/VP8","payloadType":96,"clockRate":90000},
        {"mimeType":"video/rtx","payloadType":97,"clockRate":90000,"parameters":{"apt":96}},
        {"mimeType":"video/VP9","payloadType":98,"clockRate":90000}]}"#;
    let mut capabilities = device();
    capabilities.codecs.retain(|codec| codec.is_rtx() || codec.mime_type == "video/VP9");
    let consumer = consumer(json, &capabilities, true).unwrap();
    let payload_types: Vec<_> = consumer.codecs.iter().map(|codec| codec.payload_type).collect();
    assert_eq!(payload_types, [103, 104]);
}

#[test]
fn transport_cc_wins_over_remb_and_each_needs_its_extension() {
    let feedback = |without: &[&str]| {
        let mut capabilities = device();
        capabilities.header_extensions.retain(|extension| !without.contains(&extension.uri.as_str()));
        let codec = consumer(VIDEO, &capabilities, true).unwrap().codecs.remove(0);
        (codec.has_feedback("transport-cc", ""), codec.has_feedback("goog-remb", ""))
    };
    assert_eq!(feedback(&[]), (true, false));
    assert_eq!(feedback(&[uri::TRANSPORT_WIDE_CC]), (false, true));
    assert_eq!(feedback(&[uri::TRANSPORT_WIDE_CC, uri::ABS_SEND_TIME]), (false, false));
}

#[test]
fn an_extension_needs_the_same_uri_under_the_same_id() {
    let mut capabilities = device();
    for extension in &mut capabilities.header_extensions {
        extension.preferred_id = 15 - extension.preferred_id;
    }
    assert!(consumer(VIDEO, &capabilities, true).unwrap().header_extensions.is_empty());
}

#[test]
fn in_numbers_of_an_endpoint_a_consumer_has_the_payload_types_and_ids_of_its_offer() {
    let offered: RtpCapabilities = parse(CHROMIUM).unwrap();
    let consumable = consumable(VIDEO, MediaKind::Video);
    let (renumbered, numbers) = ortc::in_numbers_of_endpoint(MediaKind::Video, &consumable, &offered);
    let negotiation = ConsumerNegotiation { enable_rtx: true, ssrc: CONSUMER_SSRC, all_streams: false };
    let consumer = ortc::get_consumer_rtp_parameters(&renumbered, &offered, negotiation).unwrap();
    let number_of = |mime_type: &str, apt| {
        let mut codecs = offered.codecs.iter();
        let codec = codecs.find(|codec| codec.mime_type.eq_ignore_ascii_case(mime_type) && codec.apt() == apt);
        codec.and_then(|codec| codec.preferred_payload_type).unwrap()
    };
    let vp8 = number_of("video/VP8", None);
    let rtx = number_of("video/rtx", Some(u32::from(vp8)));
    assert_ne!(vp8, consumable.codecs[0].payload_type, "the router has another number, or the test shows nothing");
    let codecs: Vec<_> = consumer.codecs.iter().map(|codec| (codec.payload_type, codec.apt())).collect();
    assert_eq!(codecs, [(vp8, None), (rtx, Some(u32::from(vp8)))]);
    assert_eq!(numbers[0].payload_type, consumable.codecs[0].payload_type);
    assert_eq!(numbers[0].mapped_payload_type, vp8);
    assert!(!consumer.header_extensions.is_empty());
    for extension in &consumer.header_extensions {
        let is_offered = |other: &&millrace_model::RtpHeaderExtension| {
            other.kind == MediaKind::Video && other.uri == extension.uri && other.preferred_id == extension.id
        };
        assert!(offered.header_extensions.iter().any(|other| is_offered(&other)), "{}", extension.uri);
    }
}

#[test]
fn codecs_that_are_one_for_an_endpoint_become_one_under_its_number() {
    let consumable: RtpParameters = parse(
        r#"{"codecs":[{"mimeType":"video/VP8","payloadType":101,"clockRate":90000},
                      {"mimeType":"video/rtx","payloadType":102,"clockRate":90000,"parameters":{"apt":101}},
                      {"mimeType":"video/VP8","payloadType":103,"clockRate":90000},
                      {"mimeType":"video/AV1","payloadType":105,"clockRate":90000}],
            "rtcp":{}}"#,
    )
    .unwrap();
    let capabilities: RtpCapabilities =
        parse(r#"{"codecs":[{"kind":"video","mimeType":"video/vp8","preferredPayloadType":7,"clockRate":90000}]}"#)
            .unwrap();
    let (renumbered, numbers) = ortc::in_numbers_of_endpoint(MediaKind::Video, &consumable, &capabilities);
    let codecs: Vec<_> = renumbered.codecs.iter().map(|codec| codec.payload_type).collect();
    assert_eq!(codecs, [7], "VP8 once, and no RTX that the endpoint did not offer");
    let numbers: Vec<_> = numbers.iter().map(|number| (number.payload_type, number.mapped_payload_type)).collect();
    assert_eq!(numbers, [(101, 7), (103, 7)]);
    let (unchanged, _) = ortc::in_numbers_of_endpoint(MediaKind::Video, &consumable, &RtpCapabilities::default());
    assert_eq!(unchanged, consumable);
}

#[test]
fn can_consume_needs_one_media_codec_in_common() {
    let video = consumable(VIDEO, MediaKind::Video);
    assert_eq!(ortc::can_consume(&video, device()), Ok(true));
    assert_eq!(ortc::can_consume(&video, RtpCapabilities::default()), Ok(false));
    let mut only_rtx = device();
    only_rtx.codecs.retain(RtpCodecCapability::is_rtx);
    assert_eq!(ortc::can_consume(&video, only_rtx.clone()), Ok(false));
    assert!(matches!(consumer(VIDEO, &only_rtx, true), Err(ModelError::Unsupported { .. })));
    let mut malformed = device();
    malformed.codecs[0].mime_type = "chicken".into();
    assert!(matches!(ortc::can_consume(&video, malformed), Err(ModelError::Invalid { .. })));
}

#[test]
fn what_a_router_offers_can_consume_everything_it_can_produce() {
    for (json, kind) in [(AUDIO, MediaKind::Audio), (VIDEO, MediaKind::Video)] {
        assert_eq!(ortc::can_consume(&consumable(json, kind), router()), Ok(true));
    }
}

#[test]
fn ssrcs_from_random_bits_have_nine_digits_and_leave_room_for_rtx() {
    for bits in [0, 1, 1_234, 899_999_997, 899_999_998, u32::MAX] {
        let ssrc = ortc::ssrc_from_random(bits);
        assert!((100_000_000..999_999_999).contains(&ssrc), "{ssrc}");
    }
}

#[test]
fn an_audio_consumer_without_transport_cc_keeps_nack_only() {
    let consumer = consumer(AUDIO, &device(), true).unwrap();
    assert_eq!(consumer.codecs[0].rtcp_feedback, [RtcpFeedback::new("nack", "")]);
}

#[test]
fn a_pipe_consumer_has_all_streams_and_nothing_of_one_hop() {
    let mut consumable = consumable(VIDEO, MediaKind::Video);
    consumable.encodings = vec![consumable.encodings[0].clone(); 3];
    let pipe = |enable_rtx| {
        let negotiation = ConsumerNegotiation { enable_rtx, ssrc: CONSUMER_SSRC, all_streams: true };
        ortc::get_pipe_consumer_rtp_parameters(&consumable, negotiation)
    };
    let (plain, with_rtx) = (pipe(false), pipe(true));
    let ssrcs = |parameters: &RtpParameters| -> Vec<_> {
        let encodings = parameters.encodings.iter();
        encodings.map(|encoding| (encoding.ssrc.unwrap(), encoding.rtx.map(|rtx| rtx.ssrc))).collect()
    };
    assert_eq!(ssrcs(&plain), [0, 1, 2].map(|stream| (CONSUMER_SSRC + stream, None)));
    assert_eq!(ssrcs(&with_rtx), [0, 1, 2].map(|stream| (CONSUMER_SSRC + stream, Some(CONSUMER_SSRC + 3 + stream))));
    assert!(plain.codecs.iter().all(|codec| !codec.is_rtx() && !codec.has_feedback("nack", "")));
    assert!(with_rtx.codecs[0].has_feedback("nack", "") && with_rtx.codecs[1].is_rtx());
    for parameters in [plain, with_rtx] {
        assert!(parameters.codecs[0].has_feedback("nack", "pli") && parameters.codecs[0].has_feedback("ccm", "fir"));
        assert!(!parameters.codecs[0].has_feedback("transport-cc", "") && parameters.mid.is_none());
        let per_hop = [uri::MID, uri::ABS_SEND_TIME, uri::TRANSPORT_WIDE_CC];
        assert!(per_hop.iter().all(|uri| parameters.header_extension_id(uri).is_none()));
        assert!(!parameters.header_extensions.is_empty());
    }
}

#[test]
fn h265_matches_in_the_same_profile_and_main_is_the_default() {
    let router = generate(r#"[{"kind":"video","mimeType":"video/H265","clockRate":90000}]"#).unwrap();
    let maps = |parameters: &str| {
        let json = format!(
            r#"{{"codecs":[{{"mimeType":"video/H265","payloadType":96,"clockRate":90000,"parameters":{parameters}}}]}}"#
        );
        let mut parameters: RtpParameters = parse(&json).unwrap();
        ortc::get_producer_rtp_parameters_mapping(&mut parameters, &router, MAPPED_SSRC).is_ok()
    };
    assert!(maps("{}") && maps(r#"{"profile-id":1,"level-id":120}"#));
    assert!(!maps(r#"{"profile-id":2}"#));
}

fn generate(media_codecs: &str) -> Result<RtpCapabilities, ModelError> {
    ortc::generate_router_rtp_capabilities(&parse::<Vec<RtpCodecCapability>>(media_codecs)?)
}

fn router() -> RtpCapabilities {
    generate(
        r#"[{"kind":"audio","mimeType":"audio/opus","clockRate":48000,"channels":2},
            {"kind":"video","mimeType":"video/VP8","clockRate":90000},
            {"kind":"video","mimeType":"video/VP9","clockRate":90000},
            {"kind":"video","mimeType":"video/H264","clockRate":90000,
             "parameters":{"packetization-mode":1,"profile-level-id":"42e01f"}},
            {"kind":"video","mimeType":"video/AV1","clockRate":90000}]"#,
    )
    .unwrap()
}

fn device() -> RtpCapabilities {
    let mut capabilities = parse(DEVICE).unwrap();
    ortc::validate_and_normalize_rtp_capabilities(&mut capabilities).unwrap();
    capabilities
}

fn produced(rtp_parameters: &str) -> Result<ProducerSettings, ModelError> {
    let kind = if rtp_parameters.contains("audio/") { "audio" } else { "video" };
    let json = format!(r#"{{"kind":"{kind}","rtpParameters":{rtp_parameters}}}"#);
    parse::<ProducerOptions>(&json)?.into_checked()
}

fn mapped(rtp_parameters: &str) -> (RtpParameters, ortc::RtpCodecsEncodingsMapping) {
    let mut parameters = produced(rtp_parameters).unwrap().rtp_parameters;
    let mapping = ortc::get_producer_rtp_parameters_mapping(&mut parameters, &router(), MAPPED_SSRC).unwrap();
    (parameters, mapping)
}

fn consumable(rtp_parameters: &str, kind: MediaKind) -> RtpParameters {
    let settings = produced(rtp_parameters).unwrap();
    assert_eq!(settings.kind, kind);
    consumable_of(settings)
}

fn consumable_of(mut settings: ProducerSettings) -> RtpParameters {
    let parameters = &mut settings.rtp_parameters;
    let mapping = ortc::get_producer_rtp_parameters_mapping(parameters, &router(), MAPPED_SSRC).unwrap();
    ortc::get_consumable_rtp_parameters(settings.kind, parameters, &router(), &mapping)
}

fn consumer(
    rtp_parameters: &str,
    capabilities: &RtpCapabilities,
    enable_rtx: bool,
) -> Result<RtpParameters, ModelError> {
    let consumable = consumable_of(produced(rtp_parameters).unwrap());
    let negotiation = ConsumerNegotiation { enable_rtx, ssrc: CONSUMER_SSRC, all_streams: false };
    ortc::get_consumer_rtp_parameters(&consumable, capabilities, negotiation)
}

fn ids(extensions: &[RtpHeaderExtensionParameters]) -> Vec<u8> {
    extensions.iter().map(|extension| extension.id).collect()
}
