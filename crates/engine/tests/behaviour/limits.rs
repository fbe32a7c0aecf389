//! Bounds: ports, requests, frames.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use millrace_testkit::OpusSource;
use serde_json::{Value, json};

use crate::harness::{InProcess, OPUS, Stage, microphone, tcp, udp};

#[test]
fn k10_a_used_up_port_range_is_an_error_and_closing_frees_every_port() {
    let mut stage = Stage::new();
    let room = stage.room();
    let [fixed, first, .., last] = free_ports::<5>();
    let mut info = udp("127.0.0.1");
    info["portRange"] = json!({ "min": first, "max": last });
    for _ in 0..3 {
        let transports = [(); 4].map(|()| create(&mut stage, &room.id, &json!([info])));
        let mut ports: Vec<_> = transports.iter().map(|(_, port)| *port).collect();
        ports.sort_unstable();
        assert_eq!(ports, Vec::from_iter(first..=last));
        for _ in 0..20 {
            // The first listener of such a transport is bound and must be given back each time.
            let infos = json!([{ "protocol": "udp", "ip": "127.0.0.1", "port": fixed }, info]);
            let params = json!({ "routerId": room.id, "transportId": stage.new_id(), "listenInfos": infos });
            let (class, code) = stage.refusal("router.createWebRtcTransport", params);
            assert_eq!((class.as_str(), code.as_str()), ("Error", "ERR_NO_PORT_LEFT"));
        }
        let dump = stage.request("router.dump", json!({ "routerId": room.id }));
        assert_eq!(dump["transportIds"].as_array().unwrap().len(), 4);
        for (transport, _) in transports {
            stage.request("transport.close", json!({ "transportId": transport }));
        }
    }
}

#[test]
fn a_port_is_free_when_the_reply_arrives_that_closed_its_owner() {
    for _ in 0..20 {
        let mut stage = Stage::new();
        let room = stage.room();
        let (transport, port) = create(&mut stage, &room.id, &json!([udp("127.0.0.1")]));
        stage.request("transport.close", json!({ "transportId": transport }));
        UdpSocket::bind(("127.0.0.1", port)).unwrap();
        let server = stage.server(json!([udp("127.0.0.1"), tcp("127.0.0.1")]));
        let id = json!({ "webRtcServerId": server });
        let dump = stage.request("webRtcServer.dump", id.clone());
        let address = |list: &str| -> SocketAddr {
            let entry = &dump[list][0];
            format!("{}:{}", entry["ip"].as_str().unwrap(), entry["port"]).parse().unwrap()
        };
        stage.request("webRtcServer.close", id);
        UdpSocket::bind(address("udpSockets")).unwrap();
        TcpListener::bind(address("tcpServers")).unwrap();
    }
}

#[test]
fn ports_are_free_when_a_dropped_worker_is_gone() {
    let mut stage = Stage::new();
    let room = stage.room();
    let (_, port) = create(&mut stage, &room.id, &json!([udp("127.0.0.1")]));
    drop(stage);
    UdpSocket::bind(("127.0.0.1", port)).unwrap();
}

#[test]
fn an_address_that_is_not_ours_and_a_port_in_use_are_told_apart() {
    let mut stage = Stage::new();
    let room = stage.room();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let in_use = json!({ "protocol": "udp", "ip": "127.0.0.1", "port": port });
    for (info, expected) in [(udp("192.0.2.1"), "ERR_ADDRESS_NOT_AVAILABLE"), (in_use, "ERR_ADDRESS_IN_USE")] {
        let params = json!({ "routerId": room.id, "transportId": stage.new_id(), "listenInfos": [info] });
        let (class, code) = stage.refusal("router.createWebRtcTransport", params);
        assert_eq!((class.as_str(), code.as_str()), ("Error", expected));
    }
}

#[test]
fn i13_a_connection_whose_frames_are_too_long_is_closed_and_others_stay() {
    let mut stage = Stage::new();
    let server = stage.server(json!([tcp("127.0.0.1")]));
    let room = stage.room();
    let [publisher, viewer] = [(); 2].map(|()| stage.join_by(&room, json!({ "webRtcServerId": server })));
    let producer = stage.produce(publisher, &microphone(11));
    let (_, parameters) = stage.consume(viewer, &room, &producer);
    let address = stage.guest(viewer).socket.peer.path().unwrap().address;
    let mut stranger = TcpStream::connect(address).unwrap();
    stranger.write_all(&[0xff; 4096]).unwrap();
    // Closed with what it sent still unread, so that the system may reset instead of saying goodbye.
    assert!(matches!(stranger.read(&mut [0; 9]), Ok(0) | Err(_)));
    stage.counted(None, "tcp_connections_closed_malformed", 1);
    stage.publish(publisher, &[OpusSource::new(11, OPUS).packet()]);
    stage.hear(viewer, &parameters, 1);
}

#[test]
fn r09_a_peer_that_sends_more_than_it_may_is_cut_and_another_call_keeps_every_packet() {
    let mut stage = Stage::on(InProcess::start(&json!({ "peerPacketRateMax": 100, "peerBitrateMax": 1_000_000 })));
    let calls = [(); 2].map(|()| {
        let room = stage.room();
        let [publisher, viewer] = [(); 2].map(|()| stage.join(&room));
        let producer = stage.produce(publisher, &microphone(11));
        let (_, parameters) = stage.consume(viewer, &room, &producer);
        (publisher, viewer, parameters, OpusSource::new(11, OPUS))
    });
    let [(flooder, .., mut flood), (publisher, viewer, parameters, mut source)] = calls;
    for _ in 0..20 {
        let packets: Vec<_> = (0..100).map(|_| flood.packet()).collect();
        stage.publish(flooder, &packets);
        stage.publish(publisher, &[source.packet()]);
        stage.hear(viewer, &parameters, 1);
    }
    let [flooder, publisher] = [flooder, publisher].map(|guest| stage.transport(guest));
    stage.counted(Some(&flooder), "srtp_packets_dropped_over_limit", 500);
    assert_eq!(stage.counter(Some(&publisher), "srtp_packets_dropped_over_limit"), 0);
}

#[test]
fn a_flood_of_requests_is_refused_by_name_and_every_request_is_answered() {
    let mut stage = Stage::new();
    // Longer to read than to write.
    let padding = vec!["{}"; 1_000].join(",");
    let sent = 2 * millrace_engine::REQUESTS_MAX;
    for id in 0..sent {
        stage.send_text(format!(r#"{{"id":{id},"method":"worker.dump","padding":[{padding}]}}"#));
    }
    let replies = stage.until("every reply", |stage| (stage.heard().count() == sent).then(|| stage.take_heard()));
    let is_refused = |reply: &&Value| reply["error"]["code"] == "ERR_TOO_MANY_REQUESTS";
    assert!(replies.iter().any(|reply| is_refused(&reply)));
    assert!(replies.iter().all(|reply| is_refused(&reply) || reply["ok"]["pid"].is_u64()));
    assert!(replies.iter().filter(is_refused).all(|reply| reply["error"]["class"] == "Error"));
    let ids: BTreeSet<_> = replies.iter().map(|reply| reply["id"].as_u64()).collect();
    assert_eq!(ids.len(), sent, "one answer each");
    assert!(stage.request("worker.dump", json!({})).is_object(), "the worker lives on");
}

/// Consecutive free ports below those that workers and systems give by themselves.
fn free_ports<const N: usize>() -> [u16; N] {
    // Runs of this test at the same time begin at different places.
    let first = 2_000 + (std::process::id() % 800) as u16 * 8;
    let mut starts = (first..9_000).step_by(8);
    let is_free = |port: &u16| UdpSocket::bind(("127.0.0.1", *port)).is_ok();
    let found = starts.find_map(|start| {
        let ports = std::array::from_fn(|index| start + index as u16);
        ports.iter().all(is_free).then_some(ports)
    });
    found.expect("some ports in a row are free")
}

/// Makes a transport; returns its id and the port of its first candidate.
fn create(stage: &mut Stage, router: &str, listen_infos: &Value) -> (String, u16) {
    let id = stage.new_id();
    let params = json!({ "routerId": router, "transportId": id, "listenInfos": listen_infos });
    let reply = stage.request("router.createWebRtcTransport", params);
    (id, reply["iceCandidates"][0]["port"].as_u64().unwrap() as u16)
}
