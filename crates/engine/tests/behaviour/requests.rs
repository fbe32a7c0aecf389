//! Requests that are wrong: typed errors, and nothing has changed.

use serde_json::{Value, json};

use crate::harness::{Stage, camera, microphone, udp};

#[test]
fn p02_texts_that_no_application_writes_are_answered_with_a_type_error_or_not_at_all() {
    let mut stage = Stage::new();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = "x".repeat(2 << 20);
    for (id, (rest, code)) in [
        (format!(r#""method":"worker.createRouter","routerId":"{UNUSED}","mediaCodecs":{deep}"#), INVALID),
        (format!(r#""method":"worker.dump","x":"{long}""#), "ERR_LIMIT_EXCEEDED"),
        (r#""method":"worker.dump","method":"worker.getMetrics""#.to_owned(), INVALID),
        (r#""method":"worker.updateSettings","logLevel":"debug","logLevel":"none""#.to_owned(), INVALID),
        (r#""method":7"#.to_owned(), INVALID),
        (r#""method":"transport.setMaxIncomingBitrate","transportId":"x","bitrate":1e400"#.to_owned(), INVALID),
        (r#""method":"router.close","routerId":"\ud800""#.to_owned(), INVALID),
        (r#""method":"worker.__proto__""#.to_owned(), "ERR_UNKNOWN_METHOD"),
        (r#""method":"toString""#.to_owned(), "ERR_UNKNOWN_METHOD"),
        (r#""x":1"#.to_owned(), INVALID),
    ]
    .into_iter()
    .enumerate()
    {
        stage.send_text(format!(r#"{{"id":{},{rest}}}"#, 1000 + id));
        let reply = stage.reply(1000 + id as u32);
        let rest: String = rest.chars().take(80).collect();
        assert_eq!(reply["error"]["code"], code, "{rest}: {reply}");
    }
    for nonsense in ["", "{", "null", "[[1]]", r#"{"id":-1}"#, r#"{"id":4294967296,"method":"worker.dump"}"#, &deep] {
        stage.send_text(nonsense.to_owned());
    }
    assert!(stage.request("worker.dump", json!({})).is_object());
    assert_eq!(stage.heard().count(), 0, "what has no number gets no answer");
}

#[test]
fn p02_names_of_javascript_objects_are_ordinary_unknown_fields() {
    let mut stage = Stage::new();
    let params: Value = serde_json::from_str(r#"{ "__proto__": { "logLevel": "x" }, "constructor": [] }"#).unwrap();
    assert_eq!(stage.request("worker.updateSettings", params), Value::Null);
}

#[test]
fn p03_wrong_rtp_parameters_are_refused_and_create_nothing() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.invite(&room, json!({ "listenInfos": [udp("127.0.0.1")] }));
    let transport = stage.transport(guest);
    for (pointer, value, class, code) in [
        ("/rtpParameters/codecs", json!([]), "TypeError", INVALID),
        ("/rtpParameters/codecs/1/payloadType", json!(96), "TypeError", INVALID),
        ("/rtpParameters/headerExtensions/1/id", json!(4), "TypeError", INVALID),
        ("/rtpParameters/codecs/1/parameters", json!({}), "TypeError", INVALID),
        (
            "/rtpParameters/encodings/0",
            json!({ "scalabilityMode": "L99T99", "ssrc": 5 }),
            "UnsupportedError",
            UNSUPPORTED,
        ),
        (
            "/rtpParameters/encodings",
            json!([{ "rid": "a" }, { "rid": "b", "codecPayloadType": 97 }]),
            "TypeError",
            INVALID,
        ),
        (
            "/rtpParameters/encodings",
            json!([{ "ssrc": 1, "scalabilityMode": "L3T3" }]),
            "UnsupportedError",
            UNSUPPORTED,
        ),
        ("/rtpParameters/codecs/0/mimeType", json!("video/VP9"), "UnsupportedError", UNSUPPORTED),
        ("/kind", json!("smell"), "TypeError", INVALID),
    ] {
        let mut source = camera(22);
        *source.pointer_mut(pointer).unwrap() = value;
        source["transportId"] = json!(transport);
        source["producerId"] = json!(stage.new_id());
        assert_eq!(stage.refusal("transport.produce", source), (class.into(), code.into()), "{pointer}");
    }
    let dump = stage.request("transport.dump", json!({ "transportId": transport }));
    assert_eq!(dump["producerIds"], json!([]));
    stage.produce(guest, &camera(22));
}

#[test]
fn p03_options_that_make_no_sense_are_refused() {
    let mut stage = Stage::new();
    let room = stage.room();
    let params = |stage: &mut Stage, option: &str, value: Value| {
        let mut params =
            json!({ "routerId": room.id, "transportId": stage.new_id(), "listenInfos": [udp("127.0.0.1")] });
        params[option] = value;
        params
    };
    let sctp = params(&mut stage, "sctpSendBufferSize", json!(0));
    assert_eq!(stage.refusal("router.createWebRtcTransport", sctp), ("TypeError".into(), INVALID.into()));
    let nowhere = params(&mut stage, "listenInfos", json!([]));
    assert_eq!(stage.refusal("router.createWebRtcTransport", nowhere), ("TypeError".into(), INVALID.into()));
    let link_local = params(&mut stage, "listenInfos", json!([udp("fe80::1")]));
    assert_eq!(stage.refusal("router.createWebRtcTransport", link_local), ("TypeError".into(), INVALID.into()));
    let dump = stage.request("router.dump", json!({ "routerId": room.id }));
    assert_eq!(dump["transportIds"], json!([]));
}

#[test]
fn p03_an_empty_list_of_fingerprints_is_refused_and_a_good_one_works_after_it() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.invite(&room, json!({ "listenInfos": [udp("127.0.0.1")] }));
    let transport = stage.transport(guest);
    let params = json!({ "transportId": transport, "dtlsParameters": { "fingerprints": [] } });
    assert_eq!(stage.refusal("transport.connect", params), ("TypeError".into(), INVALID.into()));
    stage.greet(guest, |candidate| candidate);
    stage.connected(guest);
}

#[test]
fn n01_closed_and_unknown_objects_are_not_found_but_closing_again_is_no_error() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.invite(&room, json!({ "listenInfos": [udp("127.0.0.1")] }));
    let producer = stage.produce(guest, &microphone(11));
    let objects = [
        ("producer", json!({ "producerId": producer })),
        ("transport", json!({ "transportId": stage.transport(guest) })),
        ("router", json!({ "routerId": room.id })),
        ("consumer", json!({ "consumerId": UNUSED })),
        ("webRtcServer", json!({ "webRtcServerId": UNUSED })),
    ];
    for (noun, id) in objects {
        for _ in 0..2 {
            assert_eq!(stage.request(&format!("{noun}.close"), id.clone()), Value::Null);
        }
        let refusal = stage.refusal(&format!("{noun}.dump"), id);
        assert_eq!(refusal, ("NotFoundError".into(), "ERR_NOT_FOUND".into()), "{noun}");
    }
}

#[test]
fn an_id_that_exists_is_refused() {
    let mut stage = Stage::new();
    let room = stage.room();
    let params = json!({ "routerId": room.id, "mediaCodecs": [] });
    let refusal = stage.refusal("worker.createRouter", params);
    assert_eq!(refusal, ("TypeError".into(), "ERR_DUPLICATE_ID".into()));
}

const INVALID: &str = "ERR_INVALID_ARGUMENT";
const UNSUPPORTED: &str = "ERR_UNSUPPORTED";
const UNUSED: &str = "00000000-0000-4000-8000-ffffffffffff";
