//! P03: whatever is wrong with an argument, the caller gets an error of the right class that names the place.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use millrace_model::ortc::{self, ConsumerNegotiation};
use millrace_model::{
    ConsumerOptions, DtlsParameters, ErrorClass, ModelError, ProducerOptions, RouterOptions, RtpCapabilities,
    RtpParameters, WebRtcServerOptions, WebRtcTransportOptions, WorkerSettings, parse,
};
use serde_json::{Value, json};

const CHROMIUM: &str = include_str!("fixtures/chromium-capabilities.json");
const DEVICE: &str = include_str!("fixtures/mediasoup-client-capabilities.json");
const AUDIO: &str = include_str!("fixtures/chromium-audio-parameters.json");
const VIDEO: &str = include_str!("fixtures/chromium-video-parameters.json");

#[test]
fn p03_wrong_rtp_parameters_are_type_errors_that_name_the_place() {
    let long = "x".repeat(256);
    for (pointer, value, place) in [
        ("", json!(7), "arguments"),
        ("/kind", json!("chicken"), "kind"),
        ("/kind", json!("audio"), "rtpParameters.codecs[0].mimeType"),
        ("/kind", Value::Null, "kind"),
        ("/paused", json!("no"), "paused"),
        ("/keyFrameRequestDelay", json!(-1), "keyFrameRequestDelay"),
        ("/rtpParameters", json!("x"), "rtpParameters"),
        ("/rtpParameters/mid", json!(7), "rtpParameters.mid"),
        ("/rtpParameters/mid", json!(long), "rtpParameters.mid"),
        ("/rtpParameters/codecs", json!([]), "rtpParameters.codecs"),
        ("/rtpParameters/codecs", json!({}), "rtpParameters.codecs"),
        ("/rtpParameters/codecs/0/mimeType", json!("chicken"), "rtpParameters.codecs[0].mimeType"),
        ("/rtpParameters/codecs/0/mimeType", json!("video/"), "rtpParameters.codecs[0].mimeType"),
        ("/rtpParameters/codecs/0/mimeType", json!("text/VP8"), "rtpParameters.codecs[0].mimeType"),
        ("/rtpParameters/codecs/0/mimeType", json!("video/rtx"), "rtpParameters.codecs"),
        ("/rtpParameters/codecs/0/payloadType", json!(128), "rtpParameters.codecs[0].payloadType"),
        ("/rtpParameters/codecs/0/payloadType", json!(-1), "rtpParameters.codecs[0].payloadType"),
        ("/rtpParameters/codecs/0/payloadType", json!(96.5), "rtpParameters.codecs[0].payloadType"),
        ("/rtpParameters/codecs/0/payloadType", json!("96"), "rtpParameters.codecs[0].payloadType"),
        ("/rtpParameters/codecs/1/payloadType", json!(96), "rtpParameters.codecs[1].payloadType"),
        ("/rtpParameters/codecs/0/clockRate", json!(0), "rtpParameters.codecs[0].clockRate"),
        ("/rtpParameters/codecs/0/clockRate", json!("90000"), "rtpParameters.codecs[0].clockRate"),
        ("/rtpParameters/codecs/0/parameters", json!({ "a": true }), "rtpParameters.codecs[0].parameters.a"),
        ("/rtpParameters/codecs/0/rtcpFeedback", json!([{}]), "rtpParameters.codecs[0].rtcpFeedback[0]"),
        ("/rtpParameters/codecs/0/rtcpFeedback/0/type", json!(""), "rtpParameters.codecs[0].rtcpFeedback[0].type"),
        ("/rtpParameters/codecs/1/parameters", json!({}), "rtpParameters.codecs[1].parameters.apt"),
        ("/rtpParameters/codecs/1/parameters/apt", json!("96"), "rtpParameters.codecs[1].parameters.apt"),
        ("/rtpParameters/codecs/1/parameters/apt", json!(95), "rtpParameters.codecs[1].parameters.apt"),
        ("/rtpParameters/codecs/1/parameters/apt", json!(97), "rtpParameters.codecs[1].parameters.apt"),
        ("/rtpParameters/codecs/1/parameters/apt", json!(1e9), "rtpParameters.codecs[1].parameters.apt"),
        ("/rtpParameters/headerExtensions/0/uri", json!(""), "rtpParameters.headerExtensions[0].uri"),
        ("/rtpParameters/headerExtensions/0/id", json!(0), "rtpParameters.headerExtensions[0].id"),
        ("/rtpParameters/headerExtensions/0/id", json!(256), "rtpParameters.headerExtensions[0].id"),
        ("/rtpParameters/headerExtensions/1/id", json!(4), "rtpParameters.headerExtensions[1].id"),
        ("/rtpParameters/encodings", json!(7), "rtpParameters.encodings"),
        ("/rtpParameters/encodings/0/ssrc", json!(-1), "rtpParameters.encodings[0].ssrc"),
        ("/rtpParameters/encodings/0/ssrc", json!(4_294_967_296u64), "rtpParameters.encodings[0].ssrc"),
        ("/rtpParameters/encodings/0/ssrc", json!(3_466_293_098u32), "rtpParameters.encodings[0].rtx.ssrc"),
        ("/rtpParameters/encodings/0/rtx", json!({}), "rtpParameters.encodings[0].rtx"),
        ("/rtpParameters/encodings/0/rtx/ssrc", json!(0), "rtpParameters.encodings[0].rtx.ssrc"),
        ("/rtpParameters/encodings/0/rid", json!(7), "rtpParameters.encodings[0].rid"),
        ("/rtpParameters/encodings/0/codecPayloadType", json!(97), "rtpParameters.encodings[0].codecPayloadType"),
        ("/rtpParameters/encodings/0/codecPayloadType", json!(95), "rtpParameters.encodings[0].codecPayloadType"),
        ("/rtpParameters/encodings/0/scalabilityMode", json!(1), "rtpParameters.encodings[0].scalabilityMode"),
        ("/rtpParameters/encodings/0/maxBitrate", json!(-1), "rtpParameters.encodings[0].maxBitrate"),
        ("/rtpParameters/rtcp/cname", json!(7), "rtpParameters.rtcp.cname"),
        ("/rtpParameters/rtcp/cname", json!(long), "rtpParameters.rtcp.cname"),
        ("/rtpParameters/msid", json!([]), "rtpParameters.msid"),
    ] {
        let error = produce(&with(video(), pointer, value.clone())).unwrap_err();
        assert_eq!((path(&error), error.class()), (place, ErrorClass::TypeError), "{pointer} = {value}: {error}");
    }
}

#[test]
fn p03_missing_mandatory_fields_are_type_errors() {
    for pointer in [
        "/kind",
        "/rtpParameters",
        "/rtpParameters/codecs",
        "/rtpParameters/codecs/0/mimeType",
        "/rtpParameters/codecs/0/payloadType",
        "/rtpParameters/codecs/0/clockRate",
        "/rtpParameters/headerExtensions/0/uri",
        "/rtpParameters/headerExtensions/0/id",
    ] {
        let error = produce(&without(video(), pointer)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::TypeError, "{pointer}");
    }
}

#[test]
fn p03_no_ssrc_rid_or_mid_is_a_type_error_but_any_of_them_will_do() {
    let nameless = with(without(video(), "/rtpParameters/mid"), "/rtpParameters/encodings/0/ssrc", json!(0));
    assert_eq!(path(&produce(&nameless).unwrap_err()), "rtpParameters.encodings[0]");
    let no_encodings = with(nameless.clone(), "/rtpParameters/encodings", json!([]));
    assert_eq!(path(&produce(&no_encodings).unwrap_err()), "rtpParameters.encodings[0]");
    assert!(produce(&with(nameless.clone(), "/rtpParameters/encodings/0/rid", json!("r0"))).is_ok());
    assert!(produce(&with(no_encodings, "/rtpParameters/mid", json!("0"))).is_ok());
}

#[test]
fn p03_doubled_ssrcs_and_rids_between_encodings_are_type_errors() {
    for (encodings, place) in [
        (json!([{ "ssrc": 1 }, { "ssrc": 1 }]), "rtpParameters.encodings[1].ssrc"),
        (json!([{ "ssrc": 1, "rtx": { "ssrc": 2 } }, { "ssrc": 2 }]), "rtpParameters.encodings[1].ssrc"),
        (json!([{ "rid": "a" }, { "rid": "a" }]), "rtpParameters.encodings[1].rid"),
        (json!([{ "rid": "a" }, {}]), "rtpParameters.encodings[1]"),
        (json!(vec![json!({}); 17]), "rtpParameters.encodings"),
    ] {
        let error = produce(&with(video(), "/rtpParameters/encodings", encodings)).unwrap_err();
        assert_eq!((path(&error), error.class()), (place, ErrorClass::TypeError));
    }
}

#[test]
fn p03_spatial_layers_in_a_stream_mixed_simulcast_and_encrypted_extensions_are_unsupported() {
    let encoding = |mode: &str| json!([{ "ssrc": 1, "scalabilityMode": mode }]);
    for (pointer, value, place) in [
        ("/rtpParameters/encodings", encoding("L99T99"), "rtpParameters.encodings[0].scalabilityMode"),
        ("/rtpParameters/encodings", encoding("S3T1_KEY"), "rtpParameters.encodings[0].scalabilityMode"),
        ("/rtpParameters/headerExtensions/0/encrypt", json!(true), "rtpParameters.headerExtensions[0].encrypt"),
        ("/enableMediasoupPacketIdHeaderExtension", json!(true), "enableMediasoupPacketIdHeaderExtension"),
    ] {
        let error = produce(&with(video(), pointer, value)).unwrap_err();
        assert_eq!((path(&error), error.class()), (place, ErrorClass::UnsupportedError), "{error}");
    }
    let vp9 = with(video(), "/rtpParameters/codecs/0/mimeType", json!("video/VP9"));
    for (encodings, is_ok) in [
        (encoding("L3T3_KEY"), true),
        (encoding("L8T3"), true),
        (encoding("L9T3"), false),
        (json!([{ "rid": "a", "scalabilityMode": "L1T3" }, { "rid": "b", "scalabilityMode": "L2T1" }]), false),
    ] {
        let produced = produce(&with(vp9.clone(), "/rtpParameters/encodings", encodings.clone()));
        assert_eq!(produced.is_ok(), is_ok, "{encodings}");
    }
    let mut mixed =
        with(video(), "/rtpParameters/encodings", json!([{ "rid": "a" }, { "rid": "b", "codecPayloadType": 98 }]));
    let vp9 = json!({ "mimeType": "video/VP9", "payloadType": 98, "clockRate": 90_000 });
    mixed["rtpParameters"]["codecs"].as_array_mut().unwrap().push(vp9);
    let error = produce(&mixed).unwrap_err();
    let place = "rtpParameters.encodings[1].codecPayloadType";
    assert_eq!((path(&error), error.class()), (place, ErrorClass::UnsupportedError), "{error}");
    assert!(produce(&with(video(), "/rtpParameters/encodings", encoding("L1T3"))).is_ok());
    assert!(produce(&with(video(), "/rtpParameters/encodings", json!([{ "rid": "a" }, { "rid": "b" }]))).is_ok());
}

#[test]
fn p03_wrong_consumer_options_are_refused_with_the_place() {
    let type_error = ErrorClass::TypeError;
    for (pointer, value, place, class) in [
        ("/producerId", json!(7), "producerId", type_error),
        ("/producerId", json!("x"), "producerId", type_error),
        ("/mid", json!(""), "mid", type_error),
        ("/mid", json!("seventeen letters"), "mid", type_error),
        ("/mid", json!(0), "mid", type_error),
        ("/paused", json!(1), "paused", type_error),
        ("/preferredLayers", json!({}), "preferredLayers", type_error),
        ("/preferredLayers", json!({ "spatialLayer": -1 }), "preferredLayers.spatialLayer", type_error),
        ("/enableRtx", json!("yes"), "enableRtx", type_error),
        ("/rtpCapabilities", json!(7), "rtpCapabilities", type_error),
        ("/rtpCapabilities/codecs", json!(7), "rtpCapabilities.codecs", type_error),
        ("/rtpCapabilities/codecs/0/mimeType", json!("opus"), "rtpCapabilities.codecs[0].mimeType", type_error),
        ("/rtpCapabilities/codecs/0/channels", json!(0), "rtpCapabilities.codecs[0].channels", type_error),
        (
            "/rtpCapabilities/headerExtensions/0/kind",
            json!("x"),
            "rtpCapabilities.headerExtensions[0].kind",
            type_error,
        ),
        ("/pipe", json!(1), "pipe", ErrorClass::TypeError),
    ] {
        let error = consume(&with(consumer(), pointer, value.clone())).unwrap_err();
        assert_eq!((path(&error), error.class()), (place, class), "{pointer} = {value}: {error}");
    }
    assert!(consume(&consumer()).is_ok());
}

#[test]
fn lists_longer_than_any_browser_has_are_refused() {
    let codec = json!({ "kind": "audio", "mimeType": "audio/opus", "clockRate": 48000 });
    let value = with(consumer(), "/rtpCapabilities/codecs", json!(vec![codec; 513]));
    assert_eq!(path(&consume(&value).unwrap_err()), "rtpCapabilities.codecs");
    let many: serde_json::Map<_, _> = (0..129).map(|index| (index.to_string(), json!(1))).collect();
    let value = with(video(), "/rtpParameters/codecs/0/parameters", json!(many));
    assert_eq!(path(&produce(&value).unwrap_err()), "rtpParameters.codecs[0].parameters");
    let value = with(video(), "/rtpParameters/codecs/0/mimeType", json!("video/".to_owned() + &"x".repeat(5_000)));
    assert_eq!(path(&produce(&value).unwrap_err()), "rtpParameters.codecs[0].mimeType");
}

#[test]
fn what_may_be_left_out_is_filled_in() {
    let json = r#"{"kind":"audio","rtpParameters":{"mid":"0","codecs":[{"mimeType":"audio/PCMU","payloadType":0,
        "clockRate":8000,"parameters":null}],"headerExtensions":null,"encodings":null,"rtcp":{"reducedSize":false}}}"#;
    let settings = parse::<ProducerOptions>(json).unwrap().into_checked().unwrap();
    assert_eq!(settings.rtp_parameters.codecs[0].channels, Some(1));
    assert_eq!(settings.rtp_parameters.encodings[0].dtx, Some(false));
    assert!(settings.rtp_parameters.rtcp.reduced_size);
    assert!(!settings.paused && settings.key_frame_request_delay.is_zero());
}

#[test]
fn p03_mutated_json_yields_values_or_typed_errors_and_never_a_panic() {
    let transport = r#"{"listenInfos":[{"protocol":"udp","ip":"fe80::1%eth0","announcedAddress":"a.b","port":7,
        "portRange":{"min":1,"max":2},"flags":{"ipv6Only":true}}],"listenIps":["::",{"ip":"::1"}],"enableTcp":true,
        "iceConsentTimeout":30,"fingerprints":[{"algorithm":"sha-1","value":"00:01"}],"role":"auto","rtcMinPort":1}"#;
    let fixtures = [CHROMIUM, DEVICE, AUDIO, VIDEO, &video().to_string(), &consumer().to_string(), transport];
    let mut random = XorShift(0x2545_f491_4f6c_dd1d);
    for _ in 0..3_000 {
        let fixture = fixtures[random.below(fixtures.len())];
        let mut bytes = fixture.as_bytes().to_vec();
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, &mut random);
        }
        try_every_door(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn p03_mutated_values_that_still_parse_negotiate_without_a_panic() {
    let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
    for _ in 0..3_000 {
        let mut parameters: Value = serde_json::from_str(if random.below(2) == 0 { AUDIO } else { VIDEO }).unwrap();
        let mut capabilities: Value = serde_json::from_str(DEVICE).unwrap();
        for _ in 0..random.below(3) {
            replace_one(&mut parameters, &mut random);
            replace_one(&mut capabilities, &mut random);
        }
        let (Ok(parameters), Ok(capabilities)) = (parse(&parameters.to_string()), parse(&capabilities.to_string()))
        else {
            continue;
        };
        negotiate(parameters, capabilities, random.below(2) == 0);
    }
}

/// Runs text through everything that reads JSON from an application.
fn try_every_door(text: &str) {
    let _ = produce_text(text);
    let _ = parse::<ConsumerOptions>(text).and_then(ConsumerOptions::into_checked);
    let _ = parse::<WebRtcTransportOptions>(text).and_then(WebRtcTransportOptions::into_checked);
    let _ = parse::<WebRtcServerOptions>(text).and_then(WebRtcServerOptions::into_checked);
    let _ = parse::<WorkerSettings>(text).and_then(WorkerSettings::into_checked);
    let _ = parse::<DtlsParameters>(text).and_then(|parameters| parameters.to_checked());
    let _ = parse::<RouterOptions>(text);
    if let (Ok(parameters), Ok(capabilities)) = (parse(text), parse(DEVICE)) {
        negotiate(parameters, capabilities, true);
    }
    if let (Ok(parameters), Ok(capabilities)) = (parse(VIDEO), parse(text)) {
        negotiate(parameters, capabilities, true);
    }
}

/// Produces and consumes `parameters` as far as they let it, with `capabilities` as router and as endpoint.
fn negotiate(mut parameters: RtpParameters, mut capabilities: RtpCapabilities, enable_rtx: bool) {
    if ortc::validate_and_normalize_rtp_parameters(&mut parameters).is_err() {
        return;
    }
    let Ok(router) = ortc::generate_router_rtp_capabilities(&media_codecs()) else { return };
    for offered in [&router, &capabilities.clone()] {
        let Ok(mapping) = ortc::get_producer_rtp_parameters_mapping(&mut parameters, offered, u32::MAX) else {
            continue;
        };
        let kind = parameters.codecs[0].kind().expect("validated");
        let consumable = ortc::get_consumable_rtp_parameters(kind, &parameters, offered, &mapping);
        let _ = ortc::can_consume(&consumable, capabilities.clone());
        if ortc::validate_and_normalize_rtp_capabilities(&mut capabilities).is_ok() {
            let negotiation = ConsumerNegotiation { enable_rtx, ssrc: u32::MAX, all_streams: true };
            let _ = ortc::get_consumer_rtp_parameters(&consumable, &capabilities, negotiation);
        }
    }
}

fn media_codecs() -> Vec<millrace_model::RtpCodecCapability> {
    let device: RtpCapabilities = parse(DEVICE).unwrap();
    device.codecs.into_iter().filter(|codec| !codec.is_rtx()).collect()
}

/// Flips, removes, repeats or cuts bytes.
fn mutate(bytes: &mut Vec<u8>, random: &mut XorShift) {
    let Some(last) = bytes.len().checked_sub(1) else { return };
    let at = random.below(last + 1);
    let end = (at + random.below(40)).min(bytes.len());
    match random.below(5) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.truncate(at),
        3 => bytes[at] = b"0123456789-+eE.,:[]{}\"\\ntfu"[random.below(27)],
        _ => {
            let repeated = bytes[at..end].to_vec();
            bytes.splice(at..at, repeated);
        }
    }
}

/// Replaces one value somewhere in `value` by a strange one.
fn replace_one(value: &mut Value, random: &mut XorShift) {
    let strange =
        [json!(null), json!(0), json!(255), json!(96), json!(-1), json!(""), json!("rtx"), json!([]), json!({})];
    let depth = 1 + random.below(5);
    let mut place = value;
    for _ in 0..depth {
        let children: Vec<&mut Value> = match place {
            Value::Array(items) => items.iter_mut().collect(),
            Value::Object(fields) => fields.values_mut().collect(),
            _ => break,
        };
        let count = children.len();
        match children.into_iter().nth(random.below(count.max(1))) {
            Some(child) => place = child,
            None => return,
        }
    }
    *place = strange[random.below(strange.len())].clone();
}

/// A small generator of repeatable numbers (Marsaglia's xorshift64).
struct XorShift(u64);

impl XorShift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

fn video() -> Value {
    let parameters: Value = serde_json::from_str(VIDEO).unwrap();
    json!({ "kind": "video", "rtpParameters": parameters })
}

fn consumer() -> Value {
    let capabilities: Value = serde_json::from_str(DEVICE).unwrap();
    json!({ "producerId": "67e55044-10b1-426f-9247-bb680e5fe0c8", "rtpCapabilities": capabilities })
}

fn produce(value: &Value) -> Result<(), ModelError> {
    produce_text(&value.to_string())
}

fn produce_text(text: &str) -> Result<(), ModelError> {
    parse::<ProducerOptions>(text)?.into_checked().map(drop)
}

fn consume(value: &Value) -> Result<(), ModelError> {
    parse::<ConsumerOptions>(&value.to_string())?.into_checked().map(drop)
}

fn path(error: &ModelError) -> &str {
    let (ModelError::Invalid { path, .. } | ModelError::Unsupported { path, .. } | ModelError::Limit { path, .. }) =
        error;
    path
}

/// `value` with `new` at `pointer` (RFC 6901), which may add a field.
fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    match pointer.rsplit_once('/') {
        None => return new,
        Some((parent, name)) => match value.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = new,
            parent => drop(parent.as_object_mut().unwrap().insert(name.to_owned(), new)),
        },
    }
    value
}

/// `value` without the field at `pointer`.
fn without(mut value: Value, pointer: &str) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    value
}
