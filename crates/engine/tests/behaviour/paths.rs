//! Ways to a transport: ports of its own or shared, IPv4 and IPv6, UDP and TCP, and what happens when they change.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use millrace_testkit::{Candidate, OpusSource};
use millrace_transport::Protocol;
use serde_json::{Value, json};

use crate::harness::{
    GuestId, InProcess, OPUS, Room, Stage, camera, credentials, microphone, payload_of, server_parameters, tcp, udp,
    video_stream,
};

#[test]
fn media_flows_over_a_transports_own_udp_port() {
    let call = Call::by(json!({ "listenInfos": [udp("127.0.0.1")] }));
    call.expect_media_over(Protocol::Udp);
}

#[test]
fn media_flows_over_ipv6() {
    let mut call = Call::by(json!({ "listenInfos": [udp("::1")] }));
    let transport = call.stage.transport(call.viewer);
    let dump = call.stage.request("transport.dump", json!({ "transportId": transport }));
    assert_eq!(dump["iceSelectedTuple"]["localIp"], "::1");
    call.expect_media_over(Protocol::Udp);
}

#[test]
fn media_flows_over_tcp() {
    let call = Call::by(json!({ "listenInfos": [tcp("127.0.0.1")] }));
    call.expect_media_over(Protocol::Tcp);
}

#[test]
fn media_flows_over_tcp_to_a_shared_port() {
    let mut stage = Stage::new();
    let server = stage.server(json!([udp("127.0.0.1"), tcp("127.0.0.1")]));
    let call = Call::on(stage, json!({ "webRtcServerId": server, "enableUdp": false }));
    call.expect_media_over(Protocol::Tcp);
}

#[test]
fn media_flows_over_a_shared_port_of_both_families() {
    let mut stage = Stage::new();
    let server = stage.server(json!([udp("::")]));
    let room = stage.room();
    let [publisher, viewer] = [(); 2].map(|()| stage.invite(&room, json!({ "webRtcServerId": server })));
    stage.greet(publisher, |candidate| at(candidate, "::1"));
    stage.connected(publisher);
    stage.guest(viewer).socket = millrace_testkit::SocketPeer::bind(99, false).unwrap();
    stage.greet(viewer, |candidate| at(candidate, "127.0.0.1"));
    stage.connected(viewer);
    let tuples = [publisher, viewer].map(|guest| {
        let transport = stage.transport(guest);
        stage.request("transport.dump", json!({ "transportId": transport }))["iceSelectedTuple"]["localIp"].take()
    });
    if sockets_tell_the_asked_address() {
        assert_eq!(tuples, [json!("::1"), json!("127.0.0.1")]);
    }
    Call { stage, room, publisher, viewer }.expect_media_over(Protocol::Udp);
}

#[test]
fn a_wildcard_listener_answers_from_the_address_that_was_asked() {
    if !sockets_tell_the_asked_address() {
        return;
    }
    for shared in [false, true] {
        let mut stage = Stage::new();
        let options = match shared {
            true => json!({ "webRtcServerId": stage.server(json!([udp("0.0.0.0")])) }),
            false => json!({ "listenInfos": [udp("0.0.0.0")] }),
        };
        let room = stage.room();
        let [publisher, viewer] = [(); 2].map(|()| stage.invite(&room, options.clone()));
        for guest in [publisher, viewer] {
            // An agent drops answers that come from elsewhere than it asked, and so never connects then.
            stage.greet(guest, |candidate| at(candidate, "127.0.0.2"));
            stage.connected(guest);
            let asked = stage.guest(guest).socket.peer.path().unwrap().address.ip();
            assert_eq!(asked, IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
        }
        Call { stage, room, publisher, viewer }.expect_media_over(Protocol::Udp);
    }
}

#[test]
fn candidates_carry_the_announced_address() {
    let mut stage = Stage::new();
    let room = stage.room();
    let mut info = udp("127.0.0.1");
    info["announcedAddress"] = json!("127.0.0.3");
    let guest = stage.invite(&room, json!({ "listenInfos": [info] }));
    let offer = &stage.guest(guest).offer;
    assert_eq!(offer["iceCandidates"][0]["address"], "127.0.0.3");
    assert_eq!(offer["iceCandidates"].as_array().unwrap().len(), 1, "the internal address is not shown");
}

#[test]
fn i06_media_follows_a_peer_to_its_new_port_after_nomination_only() {
    let mut call = Call::by(json!({ "listenInfos": [udp("127.0.0.1")] }));
    let viewer_transport = call.stage.transport(call.viewer);
    call.stage.event_of(&viewer_transport, "icestatechange", &json!("completed"));
    let first = call.stage.event(&viewer_transport, "iceselectedtuplechange");
    let (_, parameters, mut source) = call.produce_and_consume();
    let server = credentials(&call.stage.guest(call.viewer).offer["iceParameters"]);
    let guest = call.stage.guest(call.viewer);
    guest.socket.change_port().unwrap();
    let new_port = guest.socket.local_addr().unwrap().port();
    // The same server credentials: only the path is checked anew.
    guest.socket.peer.restart_ice(&server, std::time::Instant::now());
    let second = call.stage.event(&viewer_transport, "iceselectedtuplechange");
    assert_eq!(second["remotePort"], new_port);
    assert_ne!(first["remotePort"], second["remotePort"]);
    let sent = source.packet();
    call.stage.publish(call.publisher, std::slice::from_ref(&sent));
    assert_eq!(call.stage.hear(call.viewer, &parameters, 1)[0].payload(), payload_of(&sent));
}

#[test]
fn i07_packets_from_a_port_that_was_never_checked_are_dropped() {
    let mut call = Call::by(json!({ "listenInfos": [udp("127.0.0.1")] }));
    let (_, parameters, mut source) = call.produce_and_consume();
    let packets = [source.packet(), source.packet()];
    let path = call.stage.guest(call.publisher).socket.peer.path().unwrap().address;
    // The first, well sealed as it is, comes from a stranger's port.
    let socket = &mut call.stage.guest(call.publisher).socket;
    assert!(socket.peer.send_rtp(&packets[0]));
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    while let Some(transmit) = socket.peer.poll_transmit() {
        stranger.send_to(&transmit.bytes, path).unwrap();
    }
    call.stage.publish(call.publisher, &packets[1..]);
    let received = call.stage.hear(call.viewer, &parameters, 1);
    assert_eq!(received[0].payload(), payload_of(&packets[1]));
    assert_eq!(call.stage.counter(None, "datagrams_dropped_unvalidated"), 1);
    assert!(stranger.set_nonblocking(true).is_ok() && stranger.recv(&mut [0; 9]).is_err(), "and get no answer");
}

#[test]
fn d01_a_client_hello_from_another_address_gets_no_answer_and_the_call_goes_on() {
    let mut call = Call::by(json!({ "listenInfos": [udp("127.0.0.1")] }));
    let (_, parameters, mut source) = call.produce_and_consume();
    let victim = call.stage.guest(call.viewer).socket.peer.path().unwrap().address;
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    // RFC 6347 §4.3.2: a handshake record of epoch 0 with a ClientHello of no cipher suite.
    let hello = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 254, 253];
    for _ in 0..20 {
        stranger.send_to(&hello, victim).unwrap();
    }
    call.stage.counted(None, "datagrams_dropped_unvalidated", 20);
    assert!(stranger.set_nonblocking(true).is_ok() && stranger.recv(&mut [0; 9]).is_err());
    call.stage.publish(call.publisher, &[source.packet()]);
    call.stage.hear(call.viewer, &parameters, 1);
}

#[test]
fn d12_oversized_datagrams_of_every_kind_are_dropped_and_the_call_goes_on() {
    let mut call = Call::by(json!({ "listenInfos": [udp("127.0.0.1")] }));
    let (_, parameters, mut source) = call.produce_and_consume();
    let socket = &call.stage.guest(call.publisher).socket;
    let path = socket.peer.path().unwrap().address;
    let validated = UdpSocket::from(socket.sockets().next().unwrap().try_clone_to_owned().unwrap());
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = 0;
    for len in [1_501, 2_001, 65_507] {
        // STUN, DTLS, RTP, RTCP.
        for head in [[0, 1], [22, 254], [0x80, 96], [0x80, 200]] {
            let mut bytes = vec![0; len];
            bytes[..2].copy_from_slice(&head);
            for from in [&validated, &stranger] {
                from.send_to(&bytes, path).unwrap();
                sent += 1;
            }
        }
    }
    call.stage.counted(None, "datagrams_dropped_unknown", sent);
    call.stage.publish(call.publisher, &[source.packet()]);
    call.stage.hear(call.viewer, &parameters, 1);
}

#[test]
fn k07_a_viewer_that_does_not_read_over_tcp_loses_its_frames_and_others_lose_none() {
    let mut stage = Stage::on(InProcess::start(&json!({ "peerPacketRateMax": 0, "peerBitrateMax": 0 })));
    let server = stage.server(json!([udp("127.0.0.1"), tcp("127.0.0.1")]));
    let room = stage.room();
    let over_udp = json!({ "webRtcServerId": server, "enableTcp": false });
    let [publisher, viewer] = [(); 2].map(|()| stage.join_by(&room, over_udp.clone()));
    let slow = stage.join_by(&room, json!({ "webRtcServerId": server, "enableUdp": false }));
    let producer = stage.produce(publisher, &camera(21));
    let (_, parameters) = stage.consume(viewer, &room, &producer);
    stage.consume(slow, &room, &producer);
    let mut source = video_stream(21);
    stage.guest(slow).socket.is_cut_off = true;
    let mut heard = 0;
    while stage.counter(None, "tcp_frames_dropped") == 0 {
        let picture = source.key_frame(50);
        stage.publish(publisher, &picture);
        heard += stage.hear(viewer, &parameters, picture.len()).len();
        assert!(heard < 100_000, "a frame must be dropped some time");
    }
    let picture = source.key_frame(50);
    stage.publish(publisher, &picture);
    stage.hear(viewer, &parameters, picture.len());
}

#[test]
fn i02_a_check_for_a_transport_of_another_port_is_not_answered() {
    let mut stage = Stage::new();
    let room = stage.room();
    let own_port = json!({ "listenInfos": [udp("127.0.0.1")] });
    let [guest, other] = [(); 2].map(|()| stage.invite(&room, own_port.clone()));
    let wrong = server_parameters(&stage.guest(other).offer).candidates[0];
    stage.greet(guest, |_| wrong);
    stage.counted(None, "datagrams_dropped_unvalidated", 1);
    assert_eq!(stage.guest(guest).socket.peer.path(), None);
    let transport = stage.transport(guest);
    assert_eq!(stage.counter(Some(&transport), "stun_checks_answered"), 0);
}

#[test]
fn media_goes_on_over_an_ice_restart() {
    let mut call = Call::by(json!({ "listenInfos": [udp("127.0.0.1")] }));
    let (_, parameters, mut source) = call.produce_and_consume();
    let transport = call.stage.transport(call.viewer);
    call.stage.event_of(&transport, "icestatechange", &json!("completed"));
    let old = credentials(&call.stage.guest(call.viewer).offer["iceParameters"]);
    let new = credentials(&call.stage.request("transport.restartIce", json!({ "transportId": transport })));
    assert!(old.ufrag != new.ufrag && old.password != new.password);
    let packet = source.packet();
    call.stage.publish(call.publisher, &[packet]);
    call.stage.hear(call.viewer, &parameters, 1);
    let answered = call.stage.counter(Some(&transport), "stun_checks_answered");
    call.stage.guest(call.viewer).socket.peer.restart_ice(&new, std::time::Instant::now());
    call.stage.counted(Some(&transport), "stun_checks_answered", answered + 1);
    let packet = source.packet();
    call.stage.publish(call.publisher, &[packet]);
    call.stage.hear(call.viewer, &parameters, 1);
    let dump = call.stage.request("transport.dump", json!({ "transportId": transport }));
    assert_eq!(dump["iceParameters"]["usernameFragment"], new.ufrag);
}

#[test]
fn a_tcp_peer_that_hangs_up_is_disconnected() {
    let mut call = Call::by(json!({ "listenInfos": [tcp("127.0.0.1")] }));
    let transport = call.stage.transport(call.viewer);
    call.stage.guest(call.viewer).socket = millrace_testkit::SocketPeer::bind(99, false).unwrap();
    call.stage.event_of(&transport, "icestatechange", &json!("disconnected"));
}

/// Two peers in one room.
struct Call {
    stage: Stage,
    room: Room,
    publisher: GuestId,
    viewer: GuestId,
}

impl Call {
    fn by(options: Value) -> Self {
        Self::on(Stage::new(), options)
    }

    fn on(mut stage: Stage, options: Value) -> Self {
        let room = stage.room();
        let [publisher, viewer] = [(); 2].map(|()| stage.join_by(&room, options.clone()));
        Self { stage, room, publisher, viewer }
    }

    /// The producer, what the viewer sees of it, and its source.
    fn produce_and_consume(&mut self) -> (String, Value, OpusSource) {
        let producer = self.stage.produce(self.publisher, &microphone(11));
        let (_, parameters) = self.stage.consume(self.viewer, &self.room, &producer);
        (producer, parameters, OpusSource::new(11, OPUS))
    }

    fn expect_media_over(mut self, protocol: Protocol) {
        let (_, parameters, mut source) = self.produce_and_consume();
        let sent: Vec<_> = (0..50).map(|_| source.packet()).collect();
        self.stage.publish(self.publisher, &sent);
        let received = self.stage.hear(self.viewer, &parameters, sent.len());
        assert!(received.iter().zip(&sent).all(|(received, sent)| received.payload() == payload_of(sent)));
        for guest in [self.publisher, self.viewer] {
            assert_eq!(self.stage.guest(guest).socket.peer.path().unwrap().protocol, protocol);
        }
    }
}

/// Packet information of datagrams is not among what every system can do: the portable backend does without it.
fn sockets_tell_the_asked_address() -> bool {
    cfg!(target_os = "linux") && std::env::var_os("MILLRACE_PORTABLE_IO").is_none()
}

/// The candidate as a peer elsewhere would see it.
fn at(candidate: Candidate, ip: &str) -> Candidate {
    let ip: IpAddr = ip.parse().unwrap();
    Candidate { address: (ip, candidate.address.port()).into(), ..candidate }
}
