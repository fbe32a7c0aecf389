//! Who may speak: DTLS fingerprints and keys.

use millrace_testkit::OpusSource;
use serde_json::{Value, json};

use crate::harness::{OPUS, Stage, microphone, udp};

#[test]
fn d02_a_peer_with_another_certificate_fails_and_no_media_of_it_is_taken() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.invite(&room, json!({ "listenInfos": [udp("127.0.0.1")] }));
    let transport = stage.transport(guest);
    stage.produce(guest, &microphone(11));
    let somebody_else = json!([{ "algorithm": "sha-256", "value": vec!["AB"; 32].join(":") }]);
    let parameters = json!({ "role": "client", "fingerprints": somebody_else });
    stage.request("transport.connect", json!({ "transportId": transport, "dtlsParameters": parameters }));
    stage.call(guest, |candidate| candidate);
    stage.event_of(&transport, "dtlsstatechange", &json!({ "state": "failed" }));
    stage.until("the alert", |stage| stage.guest(guest).socket.peer.dtls_error().is_some().then_some(()));
    let packet = OpusSource::new(11, OPUS).packet();
    let socket = &mut stage.guest(guest).socket;
    assert!(!socket.peer.send_rtp(&packet), "the peer got no keys");
    socket.peer.send_raw(&packet);
    socket.send().unwrap();
    stage.counted(Some(&transport), "srtp_packets_dropped_without_keys", 1);
    assert_eq!(stage.counter(Some(&transport), "rtp_packets_received"), 0);
    let dump = stage.request("transport.dump", json!({ "transportId": transport }));
    assert_eq!(dump["dtlsState"], "failed");
}

#[test]
fn s07_plain_packets_on_a_secured_transport_are_dropped() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.join(&room);
    let transport = stage.transport(guest);
    stage.produce(guest, &microphone(11));
    let socket = &mut stage.guest(guest).socket;
    socket.peer.send_raw(&OpusSource::new(11, OPUS).packet());
    socket.send().unwrap();
    stage.counted(Some(&transport), "srtp_packets_dropped_unauthentic", 1);
    assert_eq!(stage.counter(Some(&transport), "rtp_packets_received"), 0);
}

#[test]
fn a_handshake_that_comes_before_connect_completes_after_it() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.invite(&room, json!({ "listenInfos": [udp("127.0.0.1")] }));
    let transport = stage.transport(guest);
    stage.call(guest, |candidate| candidate);
    stage.event_of(&transport, "icestatechange", &json!("completed"));
    let fingerprint = stage.guest(guest).socket.peer.fingerprint();
    let fingerprints = json!([millrace_model::DtlsFingerprint::from(&fingerprint)]);
    let params = json!({ "transportId": transport, "dtlsParameters": { "fingerprints": fingerprints } });
    assert_eq!(stage.request("transport.connect", params), json!({ "dtlsLocalRole": "server" }));
    stage.connected(guest);
}

#[test]
fn connecting_twice_is_an_invalid_state() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.join(&room);
    let fingerprint = stage.guest(guest).socket.peer.fingerprint();
    let fingerprints: Value = json!([millrace_model::DtlsFingerprint::from(&fingerprint)]);
    let params = json!({ "transportId": stage.transport(guest), "dtlsParameters": { "fingerprints": fingerprints } });
    let (class, code) = stage.refusal("transport.connect", params);
    assert_eq!((class.as_str(), code.as_str()), ("InvalidStateError", "ERR_INVALID_STATE"));
}

#[test]
fn the_reply_to_a_request_comes_before_the_events_that_follow_it() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.invite(&room, json!({ "listenInfos": [udp("127.0.0.1")] }));
    let transport = stage.transport(guest);
    stage.call(guest, |candidate| candidate);
    stage.event_of(&transport, "icestatechange", &json!("completed"));
    // With a path there already, `connect` starts DTLS at once.
    let fingerprint = stage.guest(guest).socket.peer.fingerprint();
    let fingerprints = json!([millrace_model::DtlsFingerprint::from(&fingerprint)]);
    let params = json!({ "transportId": transport, "dtlsParameters": { "fingerprints": fingerprints } });
    let id = stage.send("transport.connect", params);
    let order = stage.until("reply and event", |stage| {
        let of_interest = stage.heard().filter_map(|message| match (&message["id"], &message["data"]["state"]) {
            (number, _) if *number == id => Some("reply"),
            (_, state) if state == "connecting" => Some("event"),
            _ => None,
        });
        let order: Vec<_> = of_interest.collect();
        (order.len() == 2).then_some(order)
    });
    assert_eq!(order, ["reply", "event"]);
}
