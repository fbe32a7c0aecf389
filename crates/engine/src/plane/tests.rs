//! Paths, connections and sockets as they come and go, without an event loop: the tests say what it would.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use millrace_model::WorkerSettings;
use millrace_transport::ice::TUPLES_MAX;
use millrace_transport::stun::{Class, IntegrityKey, Writer};
use millrace_transport::{Protocol, Tuple};
use serde_json::{Value, json};

use super::crowds::UNVALIDATED_PER_SOURCE_MAX;
use super::direct::APPLICATION_PACKETS_PER_TURN_MAX;
use super::sockets::Readiness;
use super::*;
use crate::message::Outcome;
use crate::outbox;
use crate::packets::{PacketBatch, PacketQueue};

const SERVER: &str = "00000000-0000-4000-8000-000000000001";
const ROUTER: &str = "00000000-0000-4000-8000-000000000002";
const TRANSPORTS: [&str; 2] = ["00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"];

#[tokio::test]
async fn a_path_belongs_to_the_transport_that_its_last_valid_check_names() {
    let mut stage = Stage::new();
    let [first, second] = TRANSPORTS.map(|id| stage.transport(id));
    let tuple = stage.udp_tuple("192.0.2.1:7000");
    stage.check(&first, &tuple);
    assert_eq!(stage.owner(&tuple), Some(TRANSPORTS[0]));
    stage.check(&second, &tuple);
    assert_eq!(stage.owner(&tuple), Some(TRANSPORTS[1]));
    stage.check(&first, &tuple);
    assert_eq!(
        stage.owner(&tuple),
        Some(TRANSPORTS[0]),
        "one check to another call does not take a peer's path for ever"
    );
    stage.request("transport.close", json!({ "transportId": TRANSPORTS[0] }));
    assert_eq!(stage.owner(&tuple), None);
    stage.check(&second, &tuple);
    assert_eq!(stage.owner(&tuple), Some(TRANSPORTS[1]));
}

#[tokio::test]
async fn a_closed_transport_leaves_no_path_and_no_user_name() {
    let mut stage = Stage::new();
    let [first, second] = TRANSPORTS.map(|id| stage.transport(id));
    for port in 1..=3 {
        stage.check(&first, &stage.udp_tuple(&format!("192.0.2.1:{port}")));
        stage.check(&second, &stage.udp_tuple(&format!("192.0.2.2:{port}")));
    }
    stage.request("transport.restartIce", json!({ "transportId": TRANSPORTS[0] }));
    stage.request("transport.close", json!({ "transportId": TRANSPORTS[0] }));
    assert_eq!((stage.plane.paths.len(), stage.plane.ufrags.len()), (3, 1));
    stage.request("webRtcServer.close", json!({ "webRtcServerId": SERVER }));
    assert_eq!((stage.plane.paths.len(), stage.plane.ufrags.len()), (0, 0));
}

#[tokio::test]
async fn i01_checks_with_unknown_user_names_from_10k_addresses_leave_nothing_and_get_no_answer() {
    let mut stage = Stage::new();
    let transport = stage.transport(TRANSPORTS[0]);
    let call = stage.udp_tuple("192.0.2.1:7000");
    stage.check(&transport, &call);
    let before = stage.plane.pool.slots_held();
    for stranger in 0..10_000_u32 {
        let [_, a, b, c] = stranger.to_be_bytes();
        let tuple = stage.udp_tuple(&format!("10.{a}.{b}.{c}:{}", 1024 + stranger % 50_000));
        let unknown = Credentials { ufrag: format!("x{stranger}"), password: transport.password.clone() };
        stage.check(&unknown, &tuple);
    }
    let counters = &stage.plane.counters;
    assert_eq!(
        (counters.datagrams_dropped_unvalidated, stage.plane.paths.len(), stage.plane.ufrags.len()),
        (10_000, 1, 1)
    );
    assert_eq!((stage.answers(), stage.plane.pool.slots_held()), (1, before), "only the call's own check was answered");
    stage.check(&transport, &call);
    assert_eq!((stage.owner(&call), stage.answers()), (Some(TRANSPORTS[0]), 2));
}

#[tokio::test]
async fn i12_nothing_that_a_stranger_sends_is_answered() {
    let mut stage = Stage::new();
    let transport = stage.transport(TRANSPORTS[0]);
    let stranger = stage.udp_tuple("198.51.100.1:9");
    let guess = Credentials { ufrag: transport.ufrag.clone(), password: "a guess of twenty-two chars".into() };
    stage.check(&guess, &stranger);
    for first in 0..=255_u8 {
        stage.receive(&stranger, &[first; 200]);
        stage.receive(&stranger, &[first]);
    }
    assert_eq!((stage.answers(), stage.plane.paths.len()), (0, 0));
}

#[tokio::test]
async fn k12_new_work_is_refused_first_and_what_is_there_goes_on() {
    let mut stage = Stage::new();
    stage.plane.limits = ObjectLimits { transports: 2, producers: 1, consumers: 1, ..ObjectLimits::DEFAULT };
    let [first, _] = TRANSPORTS.map(|id| stage.transport(id));
    let id = |number: u32| format!("00000000-0000-4000-8000-0000000001{number:02}");
    let third = json!({ "routerId": ROUTER, "transportId": id(0), "webRtcServerId": SERVER });
    assert_eq!(stage.refusal("router.createWebRtcTransport", third), "ERR_LIMIT_EXCEEDED");
    let opus = json!({ "mimeType": "audio/opus", "payloadType": 111, "clockRate": 48_000, "channels": 2 });
    let produce = |number: u32| {
        let parameters =
            json!({ "codecs": [opus], "encodings": [{ "ssrc": 100 + number }], "mid": number.to_string() });
        json!({ "transportId": TRANSPORTS[0], "producerId": id(number), "kind": "audio", "rtpParameters": parameters })
    };
    stage.request("transport.produce", produce(1));
    assert_eq!(stage.refusal("transport.produce", produce(2)), "ERR_LIMIT_EXCEEDED");
    let codec = json!({
        "kind": "audio", "mimeType": "audio/opus", "clockRate": 48_000, "channels": 2, "preferredPayloadType": 100,
    });
    let consume = |number: u32| {
        let capabilities = json!({ "codecs": [codec] });
        json!({
            "transportId": TRANSPORTS[1], "consumerId": id(number), "producerId": id(1), "rtpCapabilities": capabilities,
        })
    };
    stage.request("transport.consume", consume(3));
    assert_eq!(stage.refusal("transport.consume", consume(4)), "ERR_LIMIT_EXCEEDED");
    let tuple = stage.udp_tuple("192.0.2.1:7000");
    stage.check(&first, &tuple);
    assert_eq!(stage.owner(&tuple), Some(TRANSPORTS[0]), "those that are there go on");
    stage.request("transport.close", json!({ "transportId": TRANSPORTS[1] }));
    stage.transport(TRANSPORTS[1]);
    stage.request("transport.consume", consume(5));
}

thread_local! {
    /// What the worker of a test has computed for.
    static COMPUTED: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) };
}

#[tokio::test]
async fn k13_a_worker_with_four_times_the_load_refuses_new_work_says_so_and_takes_it_again() {
    let mut stage = Stage::new();
    stage.transport(TRANSPORTS[0]);
    stage.plane.thread_time = || Some(COMPUTED.get());
    let begun = stage.now;
    let run = |stage: &mut Stage, late: Duration, percent: u32, seconds: u32| {
        for _ in 0..seconds * 4 {
            stage.plane.armed = Some(stage.now);
            stage.plane.handle_timeout(stage.now + late);
            let turn = Duration::from_millis(250);
            stage.now += turn;
            COMPUTED.set(COMPUTED.get() + turn * percent / 100);
        }
        stage.told("overload")
    };
    let spares = |what: &str| json!({ "spares": what });
    assert!(run(&mut stage, Duration::from_millis(5), 20, 3).is_empty());
    assert!(run(&mut stage, Duration::from_millis(400), 25, 30).is_empty(), "it is the machine that is busy");
    let said = run(&mut stage, Duration::from_millis(400), 100, 12);
    assert_eq!(said, ["half", "lowest", "novideo"].map(spares), "by {:?}", stage.now - begun);
    let second = json!({ "routerId": ROUTER, "transportId": TRANSPORTS[1], "webRtcServerId": SERVER });
    assert_eq!(stage.refusal("router.createWebRtcTransport", second), "ERR_LIMIT_EXCEEDED");
    let said = run(&mut stage, Duration::from_millis(5), 25, 20);
    assert_eq!(said, ["lowest", "half", "none"].map(spares));
    stage.transport(TRANSPORTS[1]);
}

#[tokio::test]
async fn k12_without_a_packet_left_datagrams_are_dropped_and_counted_until_some_are_free() {
    let mut stage = Stage::new();
    let transport = stage.transport(TRANSPORTS[0]);
    stage.plane.pool = PacketPool::new(2);
    let SocketHandle::Udp(socket) = stage.sockets[0].1.clone() else { panic!("the first socket is UDP") };
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let held: Vec<_> = std::iter::from_fn(|| stage.plane.pool.take()).collect();
    let (id, handle) = stage.sockets[0].clone();
    for is_full in [true, false] {
        peer.send_to(&check_bytes(&transport, |request| request), socket.local_addr()).unwrap();
        while stage.plane.counters.datagrams_dropped_no_memory == 0 || !is_full && stage.plane.paths.is_empty() {
            let ready = handle.ready().await.unwrap();
            stage.plane.attend_socket(id, &handle, ready, stage.now);
        }
        assert_eq!(
            (stage.plane.counters.datagrams_dropped_no_memory, stage.plane.paths.len()),
            (1, usize::from(!is_full))
        );
        if is_full {
            assert_eq!(held.len(), 2);
            stage.plane.pool = PacketPool::new(2);
        }
    }
}

#[tokio::test]
async fn i13_a_connection_whose_path_was_evicted_is_closed_so_that_one_peer_cannot_hold_them_all() {
    let mut stage = Stage::new();
    let transport = stage.transport(TRANSPORTS[0]);
    let _peers = stage.connect_and_validate(TUPLES_MAX + 3, &transport).await;
    assert_eq!((stage.plane.paths.len(), stage.connections()), (TUPLES_MAX, TUPLES_MAX));
}

#[tokio::test]
async fn connections_end_with_the_server_that_accepted_them_validated_or_not() {
    let mut stage = Stage::new();
    let transport = stage.transport(TRANSPORTS[0]);
    let (_validated, tuple) = stage.connect().await;
    stage.check(&transport, &tuple);
    let (_silent, _) = stage.connect().await;
    assert_eq!(stage.connections(), 2);
    stage.request("webRtcServer.close", json!({ "webRtcServerId": SERVER }));
    assert_eq!(stage.connections(), 0);
}

#[tokio::test]
async fn i13_a_connection_without_a_valid_check_in_time_is_closed_and_one_with_it_stays() {
    let mut stage = Stage::new();
    let transport = stage.transport(TRANSPORTS[0]);
    let (_validated, tuple) = stage.connect().await;
    stage.check(&transport, &tuple);
    let (_silent, _) = stage.connect().await;
    stage.plane.handle_timeout(stage.now + std::time::Duration::from_secs(11));
    assert_eq!((stage.connections(), stage.plane.counters.tcp_connections_closed_idle), (1, 1));
    assert_eq!(stage.owner(&tuple), Some(TRANSPORTS[0]));
}

#[tokio::test]
async fn i13_one_address_has_a_bounded_number_of_silent_connections_and_the_oldest_goes() {
    let mut stage = Stage::new();
    let transport = stage.transport(TRANSPORTS[0]);
    let (_validated, call) = stage.connect().await;
    stage.check(&transport, &call);
    let mut silent = Vec::new();
    for _ in 0..UNVALIDATED_PER_SOURCE_MAX + 3 {
        silent.push(stage.connect().await);
    }
    assert_eq!(stage.connections(), 1 + UNVALIDATED_PER_SOURCE_MAX);
    assert_eq!(stage.plane.counters.tcp_connections_evicted, 3);
    let is_open = silent.iter().map(|(_, tuple)| stage.plane.sockets.connection_remote(tuple.socket));
    assert!(is_open.skip(3).all(|remote| remote.is_some()), "those that came last stay");
    assert_eq!(stage.owner(&call), Some(TRANSPORTS[0]), "a call never gives way");
}

#[tokio::test]
async fn i13_silent_connections_of_one_address_do_not_lock_out_another() {
    let mut stage = Stage::new();
    stage.plane.sockets.connections_max = 20;
    let transport = stage.transport(TRANSPORTS[0]);
    let mut attackers = Vec::new();
    for _ in 0..40 {
        attackers.push(stage.connect_from("127.0.0.2").await);
    }
    let (_peer, path) = stage.connect_from("127.0.0.3").await;
    for _ in 0..40 {
        attackers.push(stage.connect_from("127.0.0.2").await);
    }
    stage.check(&transport, &path);
    assert_eq!(stage.owner(&path), Some(TRANSPORTS[0]), "its check comes late, and still in time");
    assert_eq!((stage.connections(), stage.plane.counters.tcp_connections_refused), (20, 0));
}

#[tokio::test]
async fn i13_when_every_connection_is_validated_a_further_one_is_refused() {
    let mut stage = Stage::new();
    stage.plane.sockets.connections_max = 3;
    let transport = stage.transport(TRANSPORTS[0]);
    let _peers = stage.connect_and_validate(3, &transport).await;
    let (listener, handle) = stage.sockets[1].clone();
    let SocketHandle::Listener(socket) = &handle else { panic!("the second socket listens") };
    let _late = TcpStream::connect(socket.local_addr()).unwrap();
    let ready = handle.ready().await.unwrap();
    stage.plane.attend_socket(listener, &handle, ready, stage.now);
    assert_eq!((stage.connections(), stage.plane.counters.tcp_connections_refused), (3, 1));
}

#[tokio::test]
async fn a_watcher_of_a_closed_socket_does_not_act_for_the_one_that_got_its_number() {
    let mut stage = Stage::new();
    let old = stage.sockets.clone();
    stage.request("webRtcServer.close", json!({ "webRtcServerId": SERVER }));
    stage.open_server();
    let id = stage.sockets[0].0;
    let (_, stale) = old.into_iter().find(|(old, _)| *old == id).unwrap();
    let current = stage.sockets[0].1.clone();
    assert_eq!(stage.plane.attend_socket(id, &stale, Readiness::Readable, stage.now), Attended::Gone);
    assert_eq!(stage.plane.socket_failed(id, &stale, stage.now), Attended::Gone);
    assert_eq!(stage.plane.attend_socket(id, &current, Readiness::Readable, stage.now), Attended::GoesOn);
}

#[tokio::test]
async fn events_wait_behind_the_reply_that_is_owed() {
    let mut stage = Stage::new();
    let reply = stage.plane.serve(&json!({ "id": 1, "method": "worker.dump" }).to_string(), stage.now);
    stage.plane.tell(uuid::Uuid::nil(), "score", Value::Null);
    // What watchers do while those of closed sockets are ended.
    stage.plane.finish();
    assert!(stage.plane.outbox.take_batch().is_empty());
    stage.plane.say(reply);
    let said = stage.plane.outbox.take_batch();
    assert!(matches!(said.as_slice(), [Message::Reply { id: 1, .. }, Message::Event { event: "score", .. }]));
}

#[tokio::test]
async fn n05_what_a_stalled_application_does_not_get_is_counted() {
    let mut stage = Stage::new();
    let outbox = Arc::clone(&stage.plane.outbox);
    let say = |event, times: usize| {
        (0..times).for_each(|_| outbox.push(Message::Event { target: uuid::Uuid::nil(), event, data: Value::Null }));
    };
    say("trace", outbox::SAMPLED_MAX + 3);
    say("score", 5);
    let metrics = stage.request("worker.getMetrics", json!({}));
    assert_eq!(
        (&metrics["worker"]["trace_events_dropped"], &metrics["worker"]["state_events_merged"]),
        (&json!(3), &json!(4))
    );
}

#[tokio::test]
async fn k07_a_peer_that_changes_its_path_with_every_check_is_told_of_ten_times_a_second_and_the_last_path_is() {
    let mut stage = Stage::new();
    let transport = stage.transport(TRANSPORTS[0]);
    let paths = ["192.0.2.1:1", "192.0.2.1:2"].map(|remote| stage.udp_tuple(remote));
    for flip in 0..500 {
        stage.nominate(&transport, &paths[flip % 2]);
        stage.now += std::time::Duration::from_millis(1);
    }
    assert_eq!(stage.told("iceselectedtuplechange").len() as u32, pace::PEER_EVENTS_PER_WINDOW_MAX);
    assert_eq!(stage.plane.deadline().map(|deadline| deadline <= stage.now + pace::WINDOW), Some(true));
    stage.plane.handle_timeout(stage.now + pace::WINDOW);
    let later = stage.told("iceselectedtuplechange");
    assert_eq!(later.iter().map(|tuple| &tuple["remotePort"]).collect::<Vec<_>>(), [&json!(2)]);
    let metrics = stage.request("worker.getMetrics", json!({}));
    assert_eq!(metrics["worker"]["state_events_merged"], 500 - 1 - u64::from(pace::PEER_EVENTS_PER_WINDOW_MAX));
}

#[tokio::test]
async fn between_parts_of_a_large_batch_of_the_application_others_get_their_turn() {
    let mut stage = Stage::new();
    let mut batch = PacketBatch::default();
    let count = 2 * APPLICATION_PACKETS_PER_TURN_MAX + 1;
    // They are nobody's: refused and counted.
    (0..count).for_each(|_| batch.push(u32::MAX, &[0x80]));
    let packets = PacketQueue::default();
    packets.push(batch);
    let refused_after = |parts: usize| {
        assert_eq!(stage.plane.take_in_packets(&packets, stage.now), parts < 3);
        stage.plane.counters.application_packets_refused as usize
    };
    let refused = [1, 2, 3].map(refused_after);
    assert_eq!(refused, [APPLICATION_PACKETS_PER_TURN_MAX, 2 * APPLICATION_PACKETS_PER_TURN_MAX, count]);
}

/// A plane with a router, and a server on loopback with one UDP and one TCP socket.
struct Stage {
    plane: Plane,
    now: Instant,
    sockets: Vec<(SocketId, SocketHandle)>,
}

struct Credentials {
    ufrag: String,
    password: String,
}

impl Stage {
    fn new() -> Self {
        let settings = millrace_model::parse::<WorkerSettings>("{}").unwrap().into_checked().unwrap();
        let now = Instant::now();
        let certificate = LocalCertificate::generate().unwrap();
        let plane = Plane::new(settings, certificate, (WorkerHandle::to_nobody(), Arc::new(Outbox::new(|| {}))), now);
        let mut stage = Self { plane, now, sockets: Vec::new() };
        stage.open_server();
        let opus = json!({ "kind": "audio", "mimeType": "audio/opus", "clockRate": 48_000, "channels": 2 });
        stage.request("worker.createRouter", json!({ "routerId": ROUTER, "mediaCodecs": [opus] }));
        stage
    }

    fn open_server(&mut self) {
        let infos = ["udp", "tcp"].map(|protocol| json!({ "protocol": protocol, "ip": "127.0.0.1" }));
        self.request("worker.createWebRtcServer", json!({ "webRtcServerId": SERVER, "listenInfos": infos }));
        self.sockets = self.plane.take_socket_changes().opened;
    }

    fn request(&mut self, method: &str, parameters: Value) -> Value {
        let mut request = json!({ "id": 1, "method": method });
        request.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
        let reply = self.plane.serve(&request.to_string(), self.now);
        self.plane.say(None);
        let Some(Message::Reply { outcome: Outcome::Ok(value), .. }) = reply else { panic!("{method}: {reply:?}") };
        value
    }

    fn transport(&mut self, id: &str) -> Credentials {
        let options = json!({ "routerId": ROUTER, "transportId": id, "webRtcServerId": SERVER, "enableTcp": true });
        let reply = self.request("router.createWebRtcTransport", options);
        let text = |name: &str| reply["iceParameters"][name].as_str().unwrap().to_owned();
        Credentials { ufrag: text("usernameFragment"), password: text("password") }
    }

    fn udp_tuple(&self, remote: &str) -> Tuple {
        let local_ip = Some("127.0.0.1".parse().unwrap());
        Tuple { socket: self.sockets[0].0, protocol: Protocol::Udp, remote: remote.parse().unwrap(), local_ip }
    }

    /// Opens a TCP connection and lets the plane have it.
    async fn connect(&mut self) -> (TcpStream, Tuple) {
        self.connect_from("127.0.0.1").await
    }

    async fn connect_from(&mut self, ip: &str) -> (TcpStream, Tuple) {
        let (listener, handle) = self.sockets[1].clone();
        let SocketHandle::Listener(socket) = &handle else { panic!("the second socket listens") };
        let peer = tokio::net::TcpSocket::new_v4().unwrap();
        peer.bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
        let peer = peer.connect(socket.local_addr()).await.unwrap().into_std().unwrap();
        let ready = handle.ready().await.unwrap();
        self.plane.attend_socket(listener, &handle, ready, self.now);
        let (socket, _) = self.plane.take_socket_changes().opened.pop().unwrap();
        let remote: SocketAddr = peer.local_addr().unwrap();
        let local_ip = Some("127.0.0.1".parse().unwrap());
        (peer, Tuple { socket, protocol: Protocol::Tcp, remote, local_ip })
    }

    async fn connect_and_validate(&mut self, count: usize, credentials: &Credentials) -> Vec<TcpStream> {
        let mut peers = Vec::new();
        for _ in 0..count {
            let (peer, tuple) = self.connect().await;
            self.check(credentials, &tuple);
            peers.push(peer);
        }
        peers
    }

    /// A valid check comes over `tuple`.
    fn check(&mut self, credentials: &Credentials, tuple: &Tuple) {
        self.receive_check(credentials, tuple, |request| request);
    }

    /// A valid check comes over `tuple` and asks to use it.
    fn nominate(&mut self, credentials: &Credentials, tuple: &Tuple) {
        self.receive_check(credentials, tuple, Writer::use_candidate);
    }

    /// The data of the events of this name that no test took yet; other messages are dropped.
    fn told(&mut self, name: &str) -> Vec<Value> {
        self.plane.finish();
        let messages = std::iter::repeat_with(|| self.plane.outbox.take_batch()).take_while(|batch| !batch.is_empty());
        let data = messages.flatten().filter_map(|message| match message {
            Message::Event { event, data, .. } if event == name => Some(data),
            _ => None,
        });
        data.collect()
    }

    fn receive_check(&mut self, credentials: &Credentials, tuple: &Tuple, finish: impl Fn(Writer) -> Writer) {
        self.receive(tuple, &check_bytes(credentials, finish));
    }

    /// A datagram comes over `tuple`.
    fn receive(&mut self, tuple: &Tuple, bytes: &[u8]) {
        let mut packet = self.plane.pool.take().unwrap();
        packet.fill(bytes);
        self.plane.handle_packet(tuple, packet, self.now);
    }

    /// Datagrams that all transports sent.
    fn answers(&self) -> u64 {
        self.plane.transports.iter().map(|(_, entry)| entry.core.counters().datagrams_sent).sum()
    }

    /// The code with which a request is refused.
    fn refusal(&mut self, method: &str, parameters: Value) -> &'static str {
        let mut request = json!({ "id": 1, "method": method });
        request.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
        let reply = self.plane.serve(&request.to_string(), self.now);
        self.plane.say(None);
        let Some(Message::Reply { outcome: Outcome::Error(error), .. }) = reply else { panic!("{method}: {reply:?}") };
        error.code
    }

    fn owner(&self, tuple: &Tuple) -> Option<&'static str> {
        let index = self.plane.paths.get(&(tuple.socket, tuple.remote))?;
        let id = self.plane.transports.get(*index)?.id.to_string();
        TRANSPORTS.into_iter().find(|transport| *transport == id)
    }

    fn connections(&self) -> usize {
        let server = millrace_model::parse::<WebRtcServerId>(&json!(SERVER).to_string()).unwrap();
        self.plane.sockets.connections_of(sockets::SocketOwner::Server(server)).len()
    }
}

/// A valid check with what `finish` adds.
fn check_bytes(credentials: &Credentials, finish: impl Fn(Writer) -> Writer) -> Vec<u8> {
    let request = Writer::new(Class::Request, [7; 12]).username(&format!("{}:peer", credentials.ufrag)).priority(1);
    finish(request.ice_controlling(1)).finish(&IntegrityKey::new(&credentials.password))
}
