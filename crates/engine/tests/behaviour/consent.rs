//! Peers that vanish.

use serde_json::json;

use crate::harness::{Stage, udp};

#[test]
fn i08_a_peer_that_stops_its_checks_is_disconnected_after_the_consent_time() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.join_by(&room, json!({ "listenInfos": [udp("127.0.0.1")], "iceConsentTimeout": 1 }));
    let transport = stage.transport(guest);
    stage.guest(guest).socket.is_cut_off = true;
    stage.event_of(&transport, "icestatechange", &json!("disconnected"));
    assert_eq!(stage.counter(Some(&transport), "ice_consents_expired"), 1);
    let dump = stage.request("transport.dump", json!({ "transportId": transport }));
    assert_eq!((&dump["iceState"], &dump["iceSelectedTuple"]), (&json!("disconnected"), &json!(null)));
}

#[test]
fn a_peer_that_says_goodbye_closes_dtls_at_once() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.join(&room);
    let transport = stage.transport(guest);
    stage.guest(guest).socket.peer.close(std::time::Instant::now());
    assert_eq!(stage.event(&transport, "dtlsstatechange"), json!({ "state": "closed" }));
}

#[test]
fn a_peer_hears_a_goodbye_when_its_transport_closes() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.join(&room);
    let transport = stage.transport(guest);
    stage.request("transport.close", json!({ "transportId": transport }));
    stage.until("the goodbye", |stage| stage.guest(guest).socket.peer.is_closed().then_some(()));
}

#[test]
fn peers_hear_a_goodbye_when_their_server_closes() {
    let mut stage = Stage::new();
    let server = stage.server(json!([udp("127.0.0.1")]));
    let room = stage.room();
    let guests = [(); 2].map(|()| stage.join_by(&room, json!({ "webRtcServerId": server })));
    stage.request("webRtcServer.close", json!({ "webRtcServerId": server }));
    for guest in guests {
        stage.until("the goodbye", |stage| stage.guest(guest).socket.peer.is_closed().then_some(()));
    }
}
