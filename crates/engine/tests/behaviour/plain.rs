//! Plain transports: endpoints without ICE and DTLS, and pipes between routers.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use millrace_testkit::OpusSource;
use serde_json::{Value, json};

use crate::harness::{Heard, OPUS, Room, Stage, camera, has_ssrc, microphone, payload_of, ssrc_of, udp, video_stream};

#[test]
fn a_plain_endpoint_and_a_browser_hear_each_other() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.join(&room);
    let endpoint = Endpoint::new(&mut stage, &room, json!({ "comedia": true }));
    assert_eq!(endpoint.tuple.get("remotePort"), None);
    let spoken = endpoint.produce(&mut stage, &microphone(11));
    let (_, heard_as) = stage.consume(guest, &room, &spoken);
    let packet = OpusSource::new(11, OPUS).packet();
    endpoint.send(&packet);
    let tuple = stage.event(&endpoint.transport, "tuple");
    assert_eq!(tuple["remotePort"], json!(endpoint.socket.local_addr().unwrap().port()));
    assert_eq!(stage.hear(guest, &heard_as, 1)[0].payload(), payload_of(&packet));

    let answered = stage.produce(guest, &microphone(12));
    let (_, answered_as) = endpoint.consume(&mut stage, &room, &answered);
    let packet = OpusSource::new(12, OPUS).packet();
    stage.publish(guest, std::slice::from_ref(&packet));
    assert_eq!(endpoint.hear(&answered_as).payload(), payload_of(&packet));
}

#[test]
fn a_told_endpoint_gets_video_from_its_first_key_frame_on() {
    let mut stage = Stage::new();
    let room = stage.room();
    let publisher = stage.join(&room);
    let endpoint = Endpoint::new(&mut stage, &room, json!({}));
    let producer = stage.produce(publisher, &camera(22));
    let (_, parameters) = endpoint.consume(&mut stage, &room, &producer);
    let mut source = video_stream(22);
    stage.publish(publisher, &source.key_frame(3));
    let transport = stage.transport(publisher);
    stage.counted(Some(&transport), "rtp_packets_received", 3);
    endpoint.connect(&mut stage);
    stage.hear_key_frame_request(publisher, 22);
    let shown = source.key_frame(3);
    stage.publish(publisher, &shown);
    assert_eq!(endpoint.hear(&parameters).payload(), payload_of(&shown[0]), "the first went to nobody");
}

#[test]
fn strangers_are_not_heard_and_are_counted() {
    let mut stage = Stage::new();
    let room = stage.room();
    let endpoint = Endpoint::new(&mut stage, &room, json!({}));
    endpoint.connect(&mut stage);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let place = endpoint.server();
    stranger.send_to(&OpusSource::new(11, OPUS).packet(), place).unwrap();
    // A STUN check, a ClientHello and nonsense.
    for first in [0, 22, 255] {
        endpoint.socket.send_to(&[first; 60], place).unwrap();
    }
    stage.counted(Some(&endpoint.transport), "datagrams_dropped_unvalidated", 1);
    stage.counted(Some(&endpoint.transport), "datagrams_dropped_unknown", 3);
    assert_eq!(stage.counter(Some(&endpoint.transport), "datagrams_sent"), 0, "nobody is answered");
}

#[test]
fn what_connect_is_told_is_checked_before_anything_changes() {
    let mut stage = Stage::new();
    let room = stage.room();
    let endpoint = Endpoint::new(&mut stage, &room, json!({}));
    let connect = |ip: &str, port: Value| json!({ "transportId": endpoint.transport, "ip": ip, "port": port });
    let key = json!({ "cryptoSuite": "AEAD_AES_128_GCM", "keyBase64": "AAAA" });
    let mut with_key = connect("127.0.0.1", json!(9));
    with_key["srtpParameters"] = key.clone();
    let wrong = [connect("127.0.0.1", json!(0)), connect("::1", json!(9)), connect("x", json!(9)), with_key];
    for params in wrong {
        let (class, _) = stage.refusal("transport.connect", params);
        assert_eq!(class, "TypeError");
    }
    stage.request("transport.connect", connect("127.0.0.1", json!(9)));
    let (class, code) = stage.refusal("transport.connect", connect("127.0.0.1", json!(10)));
    assert_eq!((class.as_str(), code.as_str()), ("InvalidStateError", "ERR_INVALID_STATE"));
    let dump = stage.request("transport.dump", json!({ "transportId": endpoint.transport }));
    assert_eq!((&dump["tuple"]["remotePort"], &dump["rtcpMux"]), (&json!(9), &json!(true)));

    let secured = Endpoint::new(&mut stage, &room, json!({ "enableSrtp": true }));
    let mut params = json!({ "transportId": secured.transport, "ip": "127.0.0.1", "port": 9, "srtpParameters": key });
    assert_eq!(stage.refusal("transport.connect", params.clone()).0, "TypeError", "three bytes are no key");
    params["srtpParameters"]["keyBase64"] = json!("A".repeat(38));
    let reply = stage.request("transport.connect", params);
    assert_eq!(reply["srtpParameters"]["cryptoSuite"], "AEAD_AES_128_GCM", "ours follows the endpoint's suite");
    let (class, _) = stage.refusal("transport.restartIce", json!({ "transportId": secured.transport }));
    assert_eq!(class, "TypeError");
}

#[test]
fn a_closed_transport_gives_its_ports_back() {
    let mut stage = Stage::new();
    let room = stage.room();
    let endpoint = Endpoint::new(&mut stage, &room, json!({ "rtcpMux": false }));
    let ports = [&endpoint.tuple, &endpoint.rtcp_tuple].map(|tuple| tuple["localPort"].clone());
    assert_ne!(ports[0], ports[1]);
    stage.request("transport.close", json!({ "transportId": endpoint.transport }));
    let at = |port: &Value| json!({ "protocol": "udp", "ip": "127.0.0.1", "port": port });
    let id = stage.new_id();
    let options = json!({
        "routerId": room.id, "transportId": id, "rtcpMux": false,
        "listenInfo": at(&ports[0]), "rtcpListenInfo": at(&ports[1]),
    });
    let reply = stage.request("router.createPlainTransport", options);
    assert_eq!([&reply["tuple"], &reply["rtcpTuple"]].map(|tuple| tuple["localPort"].clone()), ports);
}

#[test]
fn a_pipe_carries_all_streams_of_a_simulcast_and_requests_for_its_key_frames() {
    for options in [json!({}), json!({ "enableSrtp": true, "enableRtx": true })] {
        let mut stage = Stage::new();
        let rooms = [stage.room(), stage.room()];
        let (publisher, viewer) = (stage.join(&rooms[0]), stage.join(&rooms[1]));
        let pipe = Pipe::new(&mut stage, &rooms, &options);
        let producer = stage.produce(publisher, &simulcast(&[21, 31, 41]));
        let (consumer, reply) = pipe.consume(&mut stage, &producer);
        let parameters = &reply["rtpParameters"];
        assert_eq!((&reply["type"], &parameters["mid"]), (&json!("pipe"), &Value::Null));
        let encodings = parameters["encodings"].as_array().unwrap();
        assert_eq!(encodings.len(), 3);
        assert!(encodings.iter().all(|encoding| encoding.get("rtx").is_some() == (options != json!({}))));
        let likeness = pipe.produce(&mut stage, "video", parameters);
        let mut sources = [21, 31, 41].map(|ssrc| {
            let mut source = video_stream(21);
            source.stream.ssrc = ssrc;
            source
        });
        // All are on their way before anybody chooses among them.
        sources.iter_mut().for_each(|source| stage.publish(publisher, &source.key_frame(1)));
        stage.counted(Some(&pipe.far), "rtp_packets_received", 3);
        for (layer, source) in sources.iter_mut().enumerate() {
            let options = json!({ "preferredLayers": { "spatialLayer": layer } });
            let (id, seen_as) = stage.consume_with(viewer, &rooms[1], &likeness, options);
            let ssrc = source.stream.ssrc;
            let shown = source.key_frame(4);
            stage.publish(publisher, &shown);
            let received = stage.hear(viewer, &seen_as, 4);
            assert!(received.iter().zip(&shown).all(|(packet, sent)| packet.payload() == payload_of(sent)));
            stage.guest(publisher).rtcp.clear();
            stage.request("consumer.requestKeyFrame", json!({ "consumerId": id }));
            stage.hear_key_frame_request(publisher, ssrc);
            stage.request("consumer.close", json!({ "consumerId": id }));
        }
        let stats = stage.request("consumer.getStats", json!({ "consumerId": consumer }));
        assert_eq!(stats.as_array().unwrap().len(), 3, "one entry for each stream that is sent");
        let dump = stage.request("consumer.dump", json!({ "consumerId": consumer }));
        assert_eq!(dump["rtpStreams"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn what_becomes_of_a_producer_is_told_to_its_pipe_once() {
    let mut stage = Stage::new();
    let rooms = [stage.room(), stage.room()];
    let publisher = stage.join(&rooms[0]);
    let pipe = Pipe::new(&mut stage, &rooms, &json!({}));
    let producer = stage.produce(publisher, &simulcast(&[21, 31]));
    let (consumer, _) = pipe.consume(&mut stage, &producer);
    stage.take_heard();
    stage.request("producer.pause", json!({ "producerId": producer }));
    stage.request("producer.resume", json!({ "producerId": producer }));
    stage.request("producer.close", json!({ "producerId": producer }));
    stage.event(&consumer, "producerclose");
    let told = stage.take_heard().into_iter().filter(|message| message["target"] == json!(consumer));
    let told: Vec<_> = told.map(|message| message["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ["producerpause", "producerresume"]);
    let dump = stage.request("transport.dump", json!({ "transportId": pipe.near }));
    assert_eq!((&dump["consumerIds"], &dump["rtx"]), (&json!([]), &json!(false)));
}

#[test]
fn a_pipe_takes_keys_of_its_own_suite_only() {
    let mut stage = Stage::new();
    let room = stage.room();
    let id = stage.new_id();
    let options = json!({
        "routerId": room.id, "transportId": id, "enableSrtp": true, "listenInfo": udp("127.0.0.1"),
    });
    let ours = stage.request("router.createPipeTransport", options)["srtpParameters"].take();
    assert_eq!(ours["cryptoSuite"], "AEAD_AES_256_GCM");
    let key = json!({ "cryptoSuite": "AES_CM_128_HMAC_SHA1_80", "keyBase64": "A".repeat(40) });
    let params = json!({ "transportId": id, "ip": "127.0.0.1", "port": 9, "srtpParameters": key });
    assert_eq!(stage.refusal("transport.connect", params).0, "TypeError");
}

/// After this long a test fails: the packet that it waits for does not come.
const HANG_LIMIT: Duration = Duration::from_secs(20);

/// An endpoint that speaks RTP over one UDP socket, with its transport.
struct Endpoint {
    socket: UdpSocket,
    transport: String,
    tuple: Value,
    rtcp_tuple: Value,
}

impl Endpoint {
    fn new(stage: &mut Stage, room: &Room, mut options: Value) -> Self {
        let transport = stage.new_id();
        options["routerId"] = json!(room.id);
        options["transportId"] = json!(transport);
        options["listenInfo"] = udp("127.0.0.1");
        let mut reply = stage.request("router.createPlainTransport", options);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(HANG_LIMIT)).unwrap();
        Self { socket, transport, tuple: reply["tuple"].take(), rtcp_tuple: reply["rtcpTuple"].take() }
    }

    fn server(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.tuple["localPort"].as_u64().unwrap() as u16).into()
    }

    fn connect(&self, stage: &mut Stage) {
        let port = self.socket.local_addr().unwrap().port();
        stage.request("transport.connect", json!({ "transportId": self.transport, "ip": "127.0.0.1", "port": port }));
    }

    fn send(&self, packet: &[u8]) {
        self.socket.send_to(packet, self.server()).unwrap();
    }

    fn produce(&self, stage: &mut Stage, source: &Value) -> String {
        let id = stage.new_id();
        let mut params = source.clone();
        params["transportId"] = json!(self.transport);
        params["producerId"] = json!(id);
        stage.request("transport.produce", params);
        id
    }

    fn consume(&self, stage: &mut Stage, room: &Room, producer: &str) -> (String, Value) {
        let id = stage.new_id();
        let params = json!({
            "transportId": self.transport, "consumerId": id, "producerId": producer,
            "rtpCapabilities": room.capabilities,
        });
        let mut reply = stage.request("transport.consume", params);
        (id, reply["rtpParameters"].take())
    }

    /// The next packet of the stream with `parameters`, in the clear.
    fn hear(&self, parameters: &Value) -> Heard {
        let ssrc = ssrc_of(parameters);
        let mut buffer = [0; 2000];
        loop {
            let len = self.socket.recv(&mut buffer).expect("a packet comes");
            if has_ssrc(&buffer[..len], ssrc) {
                return Heard::parse(buffer[..len].to_vec(), parameters);
            }
        }
    }
}

/// Two transports that bring producers from one room to another.
struct Pipe {
    near: String,
    far: String,
}

impl Pipe {
    fn new(stage: &mut Stage, rooms: &[Room; 2], options: &Value) -> Self {
        let [(near, near_end), (far, far_end)] = rooms.each_ref().map(|room| {
            let id = stage.new_id();
            let mut params = options.clone();
            params["routerId"] = json!(room.id);
            params["transportId"] = json!(id);
            params["listenInfo"] = udp("127.0.0.1");
            let reply = stage.request("router.createPipeTransport", params);
            (id, reply)
        });
        for (id, other) in [(&near, &far_end), (&far, &near_end)] {
            let mut params = json!({ "transportId": id, "ip": "127.0.0.1", "port": other["tuple"]["localPort"] });
            if !other["srtpParameters"].is_null() {
                params["srtpParameters"] = other["srtpParameters"].clone();
            }
            stage.request("transport.connect", params);
        }
        Self { near, far }
    }

    fn consume(&self, stage: &mut Stage, producer: &str) -> (String, Value) {
        let id = stage.new_id();
        let params = json!({ "transportId": self.near, "consumerId": id, "producerId": producer });
        let reply = stage.request("transport.consume", params);
        (id, reply)
    }

    fn produce(&self, stage: &mut Stage, kind: &str, parameters: &Value) -> String {
        let id = stage.new_id();
        let params = json!({ "transportId": self.far, "producerId": id, "kind": kind, "rtpParameters": parameters });
        stage.request("transport.produce", params);
        id
    }
}

/// A camera that sends one stream for each SSRC.
fn simulcast(ssrcs: &[u32]) -> Value {
    let mut source = camera(ssrcs[0]);
    let encodings = ssrcs.iter().map(|ssrc| json!({ "ssrc": ssrc, "rtx": { "ssrc": ssrc + 1 } }));
    source["rtpParameters"]["encodings"] = encodings.collect();
    source
}
