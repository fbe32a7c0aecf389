//! A worker, its owner and its peers in one thread: requests go in, replies and events come out, datagrams go over
//! loopback sockets. Whatever a test waits for must come within [`HANG_LIMIT`].

mod link;
mod media;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use millrace_engine::WorkerHandle;
use millrace_engine::packets::PacketBatch;
use millrace_model::{DtlsFingerprint, DtlsParameters, DtlsRole, IceCandidate, IceParameters, TransportProtocol};
use millrace_testkit::socket_peer::{SocketPeer, wait};
use millrace_testkit::{Candidate, ServerParameters};
use millrace_transport::dtls::PeerFingerprints;
use millrace_transport::ice::IceCredentials;
use serde_json::{Value, json};

pub(crate) use link::{InProcess, Link};
pub(crate) use media::*;

/// After this long a test fails: what it waits for does not come.
const HANG_LIMIT: Duration = Duration::from_secs(20);

/// A worker with the peers of a test.
pub(crate) struct Stage {
    link: Box<dyn Link>,
    /// What the worker said and no test took yet, in order.
    heard: VecDeque<Value>,
    /// Packets for the application that no test took yet, each with its number.
    packets: Vec<(u32, Vec<u8>)>,
    requests: u32,
    objects: u64,
    guests: Vec<Guest>,
}

/// A router with what it offers.
pub(crate) struct Room {
    pub(crate) id: String,
    pub(crate) capabilities: Value,
}

/// One of the peers of a [`Stage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GuestId(usize);

/// A peer with its transport.
pub(crate) struct Guest {
    pub(crate) socket: SocketPeer,
    /// The id of its transport.
    pub(crate) transport: String,
    /// What the transport was made with: candidates, parameters.
    pub(crate) offer: Value,
    /// RTP packets received and not yet looked at, decrypted.
    pub(crate) rtp: Vec<Vec<u8>>,
    /// RTCP compound packets received and not yet looked at, decrypted.
    pub(crate) rtcp: Vec<Vec<u8>>,
}

impl Stage {
    /// A worker of this process with default settings.
    pub(crate) fn new() -> Self {
        Self::on(InProcess::start(&json!({})))
    }

    pub(crate) fn on(link: impl Link + 'static) -> Self {
        let (heard, packets, guests) = (VecDeque::new(), Vec::new(), Vec::new());
        Self { link: Box::new(link), heard, packets, requests: 0, objects: 0, guests }
    }

    /// A fresh object id.
    pub(crate) fn new_id(&mut self) -> String {
        self.objects += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.objects)
    }

    /// Sends a request and returns its number.
    pub(crate) fn send(&mut self, method: &str, mut params: Value) -> u32 {
        self.requests += 1;
        params["id"] = json!(self.requests);
        params["method"] = json!(method);
        self.link.request(params.to_string());
        self.requests
    }

    /// Sends a text as it is.
    pub(crate) fn send_text(&mut self, text: String) {
        self.link.request(text);
    }

    /// Carries out a request and returns the value of its reply.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        let mut reply = self.reply(id);
        assert!(reply.get("error").is_none(), "{method} was refused: {reply}");
        reply["ok"].take()
    }

    /// Sends a request that is to be refused and returns the class and the code of the error.
    pub(crate) fn refusal(&mut self, method: &str, params: Value) -> (String, String) {
        let id = self.send(method, params);
        let reply = self.reply(id);
        let text = |field: &str| reply["error"][field].as_str().unwrap_or_else(|| panic!("{method}: {reply}")).into();
        assert_ne!(reply["error"]["message"], json!(""));
        (text("class"), text("code"))
    }

    /// The reply to a request; other messages stay.
    pub(crate) fn reply(&mut self, id: u32) -> Value {
        self.message(&format!("the reply to request {id}"), |message| message["type"] == "reply" && message["id"] == id)
    }

    /// The value of the next event of this name.
    pub(crate) fn event(&mut self, target: &str, event: &str) -> Value {
        let mut message = self.message(&format!("the event {event}"), |message| {
            message["type"] == "event" && message["target"] == target && message["event"] == event
        });
        message["data"].take()
    }

    /// Waits until an event of this name has this value; earlier ones are passed over.
    pub(crate) fn event_of(&mut self, target: &str, event: &str, value: &Value) {
        while self.event(target, event) != *value {}
    }

    /// Takes the first message that `is_wanted`.
    pub(crate) fn message(&mut self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        self.until(what, |stage| {
            let index = stage.heard.iter().position(&is_wanted)?;
            stage.heard.remove(index)
        })
    }

    /// What the worker said and no test took yet, in order.
    pub(crate) fn heard(&self) -> impl Iterator<Item = &Value> {
        self.heard.iter()
    }

    /// Takes all of that.
    pub(crate) fn take_heard(&mut self) -> Vec<Value> {
        self.heard.drain(..).collect()
    }

    /// Drives worker and peers until `condition` gives something.
    pub(crate) fn until<T>(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> Option<T>) -> T {
        let give_up_at = Instant::now() + HANG_LIMIT;
        loop {
            self.turn();
            if let Some(value) = condition(self) {
                return value;
            }
            assert!(Instant::now() < give_up_at, "{what} did not come; heard so far: {:#?}", self.heard);
            let deadlines = self.guests.iter().filter_map(|guest| guest.socket.deadline());
            let deadline = deadlines.chain([give_up_at]).min().unwrap_or(give_up_at);
            let sockets = self.guests.iter().flat_map(|guest| guest.socket.sockets());
            wait(sockets.chain([self.link.bell()]), deadline);
        }
    }

    /// Does what can be done without waiting.
    fn turn(&mut self) {
        for guest in &mut self.guests {
            guest.socket.turn().unwrap();
            guest.rtp.extend(guest.socket.peer.take_rtp().into_iter().map(|packet| packet.bytes));
            guest.rtcp.extend(guest.socket.peer.take_rtcp().into_iter().map(|packet| packet.bytes));
        }
        self.heard.extend(self.link.take(&mut self.packets));
    }
}

/// Rooms, ports and those who join.
impl Stage {
    /// Opens a router for Opus and VP8.
    pub(crate) fn room(&mut self) -> Room {
        let id = self.new_id();
        let codecs = json!([
            { "kind": "audio", "mimeType": "audio/opus", "clockRate": 48000, "channels": 2 },
            { "kind": "video", "mimeType": "video/VP8", "clockRate": 90000 },
        ]);
        let mut reply = self.request("worker.createRouter", json!({ "routerId": id, "mediaCodecs": codecs }));
        Room { id, capabilities: reply["rtpCapabilities"].take() }
    }

    /// Opens a WebRtcServer and returns its id.
    pub(crate) fn server(&mut self, listen_infos: Value) -> String {
        let id = self.new_id();
        let params = json!({ "webRtcServerId": id, "listenInfos": listen_infos });
        self.request("worker.createWebRtcServer", params);
        id
    }

    /// A peer joins over UDP and IPv4, on a port of its own.
    pub(crate) fn join(&mut self, room: &Room) -> GuestId {
        self.join_by(room, json!({ "listenInfos": [udp("127.0.0.1")] }))
    }

    /// A peer joins; `options` are those of its transport.
    pub(crate) fn join_by(&mut self, room: &Room, options: Value) -> GuestId {
        let guest = self.invite(room, options);
        self.greet(guest, |candidate| candidate);
        self.connected(guest);
        guest
    }

    /// Makes a transport, and a peer that has not heard of it yet.
    pub(crate) fn invite(&mut self, room: &Room, mut options: Value) -> GuestId {
        let transport = self.new_id();
        options["routerId"] = json!(room.id);
        options["transportId"] = json!(transport);
        let offer = self.request("router.createWebRtcTransport", options);
        let is_ipv6 = offer["iceCandidates"][0]["ip"].as_str().unwrap().parse::<IpAddr>().unwrap().is_ipv6();
        let socket = SocketPeer::bind(self.objects, is_ipv6).unwrap();
        self.guests.push(Guest { socket, transport, offer, rtp: Vec::new(), rtcp: Vec::new() });
        GuestId(self.guests.len() - 1)
    }

    /// Tells the transport of a peer's certificate and the peer of the transport. `seen_as` changes the addresses.
    pub(crate) fn greet(&mut self, guest: GuestId, seen_as: impl Fn(Candidate) -> Candidate) {
        let fingerprint = self.guest(guest).socket.peer.fingerprint();
        let parameters =
            DtlsParameters { role: DtlsRole::Client, fingerprints: vec![DtlsFingerprint::from(&fingerprint)] };
        let transport = self.transport(guest);
        self.request("transport.connect", json!({ "transportId": transport, "dtlsParameters": parameters }));
        self.call(guest, seen_as);
    }

    /// Tells a peer of its transport, so that it calls.
    pub(crate) fn call(&mut self, guest: GuestId, seen_as: impl Fn(Candidate) -> Candidate) {
        let guest = self.guest(guest);
        let mut server = server_parameters(&guest.offer);
        server.candidates = server.candidates.into_iter().map(seen_as).collect();
        guest.socket.connect(server).unwrap();
    }

    /// Waits until media can flow both ways.
    pub(crate) fn connected(&mut self, guest: GuestId) {
        let transport = self.transport(guest);
        let state = self.event(&transport, "dtlsstatechange");
        assert_eq!(state["state"], "connecting");
        let state = self.event(&transport, "dtlsstatechange");
        assert_eq!(state["state"], "connected");
        self.until("the peer's connection", |stage| stage.guest(guest).socket.peer.is_connected().then_some(()));
    }

    pub(crate) fn guest(&mut self, guest: GuestId) -> &mut Guest {
        &mut self.guests[guest.0]
    }

    /// The id of a peer's transport.
    pub(crate) fn transport(&self, guest: GuestId) -> String {
        self.guests[guest.0].transport.clone()
    }

    /// A peer publishes; returns the producer's id.
    pub(crate) fn produce(&mut self, guest: GuestId, source: &Value) -> String {
        let id = self.new_id();
        let mut params = source.clone();
        params["transportId"] = json!(self.transport(guest));
        params["producerId"] = json!(id);
        self.request("transport.produce", params);
        id
    }

    /// A peer views a producer; returns the consumer's id and its RTP parameters.
    pub(crate) fn consume(&mut self, guest: GuestId, room: &Room, producer: &str) -> (String, Value) {
        self.consume_with(guest, room, producer, json!({}))
    }

    /// As [`consume`](Self::consume), with more options.
    pub(crate) fn consume_with(
        &mut self,
        guest: GuestId,
        room: &Room,
        producer: &str,
        mut options: Value,
    ) -> (String, Value) {
        let id = self.new_id();
        options["transportId"] = json!(self.transport(guest));
        options["consumerId"] = json!(id);
        options["producerId"] = json!(producer);
        options["rtpCapabilities"] = room.capabilities.clone();
        let mut reply = self.request("transport.consume", options);
        (id, reply["rtpParameters"].take())
    }

    /// A peer sends RTP packets.
    pub(crate) fn publish(&mut self, guest: GuestId, packets: &[Vec<u8>]) {
        let socket = &mut self.guest(guest).socket;
        for packet in packets {
            assert!(socket.peer.send_rtp(packet), "the peer has keys and a path");
        }
        socket.send().unwrap();
    }

    /// A peer sends an RTCP compound packet.
    pub(crate) fn report(&mut self, guest: GuestId, compound: &[u8]) {
        let socket = &mut self.guest(guest).socket;
        assert!(socket.peer.send_rtcp(compound), "the peer has keys and a path");
        socket.send().unwrap();
    }

    /// Waits until a peer has heard `count` packets of the stream with `parameters`, and takes them.
    pub(crate) fn hear(&mut self, guest: GuestId, parameters: &Value, count: usize) -> Vec<Heard> {
        let ssrc = media::ssrc_of(parameters);
        self.hear_ssrc(guest, parameters, ssrc, count)
    }

    /// As [`hear`](Self::hear), of the stream's retransmissions.
    pub(crate) fn hear_rtx(&mut self, guest: GuestId, parameters: &Value, count: usize) -> Vec<Heard> {
        let ssrc = media::rtx_ssrc_of(parameters);
        self.hear_ssrc(guest, parameters, ssrc, count)
    }

    fn hear_ssrc(&mut self, guest: GuestId, parameters: &Value, ssrc: u32, count: usize) -> Vec<Heard> {
        let mut heard = Vec::new();
        self.until(&format!("{count} packets of SSRC {ssrc}"), |stage| {
            let rtp = &mut stage.guest(guest).rtp;
            heard.extend(rtp.extract_if(.., |packet| media::has_ssrc(packet, ssrc)));
            (heard.len() >= count).then_some(())
        });
        assert_eq!(heard.len(), count, "no packet too many");
        heard.into_iter().map(|packet| Heard::parse(packet, parameters)).collect()
    }

    /// A counter of the worker itself or, by id, of a transport.
    pub(crate) fn counter(&mut self, transport: Option<&str>, name: &str) -> u64 {
        let metrics = self.request("worker.getMetrics", json!({}));
        let transports = metrics["transports"].as_array().unwrap();
        let counters = match transport {
            None => &metrics["worker"],
            Some(id) => &transports.iter().find(|entry| entry["transportId"] == id).unwrap()["counters"],
        };
        counters[name].as_u64().unwrap_or_else(|| panic!("no counter is called {name}"))
    }

    /// Waits until the worker or a transport has counted something at least `count` times. Datagrams are not answered,
    /// so the worker is asked again and again.
    pub(crate) fn counted(&mut self, transport: Option<&str>, name: &str, count: u64) {
        let give_up_at = Instant::now() + HANG_LIMIT;
        while self.counter(transport, name) < count {
            assert!(Instant::now() < give_up_at, "{name} did not reach {count}");
        }
    }

    /// Waits until a peer is asked for a key frame of a stream.
    pub(crate) fn hear_key_frame_request(&mut self, guest: GuestId, ssrc: u32) {
        self.until(&format!("a key-frame request for {ssrc}"), |stage| {
            stage.key_frame_requests(guest).contains(&ssrc).then_some(())
        });
    }

    /// The streams for which a peer was asked for key frames since the last call.
    pub(crate) fn key_frame_requests(&mut self, guest: GuestId) -> Vec<u32> {
        let compounds = std::mem::take(&mut self.guest(guest).rtcp);
        compounds.iter().flat_map(|compound| media::picture_losses(compound)).collect()
    }
}

/// The application as an endpoint.
impl Stage {
    /// Makes a direct transport and returns its id.
    pub(crate) fn direct(&mut self, room: &Room) -> String {
        let id = self.new_id();
        self.request("router.createDirectTransport", json!({ "routerId": room.id, "transportId": id }));
        id
    }

    /// The application publishes; returns the producer's id and the number of its packets.
    pub(crate) fn produce_on(&mut self, transport: &str, source: &Value) -> (String, u32) {
        let id = self.new_id();
        let mut params = source.clone();
        params["transportId"] = json!(transport);
        params["producerId"] = json!(id);
        let reply = self.request("transport.produce", params);
        (id, number_in(&reply))
    }

    /// The application consumes; returns the consumer's id, the number of its packets and its RTP parameters.
    pub(crate) fn consume_on(&mut self, transport: &str, room: &Room, producer: &str) -> (String, u32, Value) {
        let id = self.new_id();
        let capabilities = &room.capabilities;
        let params = json!({
            "transportId": transport, "consumerId": id, "producerId": producer, "rtpCapabilities": capabilities,
        });
        let mut reply = self.request("transport.consume", params);
        (id, number_in(&reply), reply["rtpParameters"].take())
    }

    /// The way to the worker, for taps and sources.
    pub(crate) fn handle(&self) -> WorkerHandle {
        self.link.handle().unwrap()
    }

    /// The application sends packets.
    pub(crate) fn send_packets(&mut self, batch: PacketBatch) {
        self.link.send_packets(batch);
    }

    /// Packets that came for the application with a number and that no test took yet. They stay.
    pub(crate) fn packets_of(&self, number: u32) -> Vec<Vec<u8>> {
        self.packets.iter().filter(|(other, _)| *other == number).map(|(_, packet)| packet.clone()).collect()
    }
}

/// The number of packets in a reply.
fn number_in(reply: &Value) -> u32 {
    reply["packetNumber"].as_u64().unwrap() as u32
}

/// A listenInfo on UDP.
pub(crate) fn udp(ip: &str) -> Value {
    json!({ "protocol": "udp", "ip": ip })
}

/// A listenInfo on TCP.
pub(crate) fn tcp(ip: &str) -> Value {
    json!({ "protocol": "tcp", "ip": ip })
}

/// What a peer reads from a transport's parameters.
pub(crate) fn server_parameters(offer: &Value) -> ServerParameters {
    let candidates: Vec<IceCandidate> = serde_json::from_value(offer["iceCandidates"].clone()).unwrap();
    let dtls: DtlsParameters = serde_json::from_value(offer["dtlsParameters"].clone()).unwrap();
    let fingerprints = dtls.fingerprints.iter().map(|fingerprint| fingerprint.to_checked().unwrap());
    ServerParameters {
        ice: credentials(&offer["iceParameters"]),
        candidates: candidates.iter().map(path_of).collect(),
        fingerprints: PeerFingerprints::new(fingerprints.collect()).unwrap(),
    }
}

/// The credentials in `iceParameters`.
pub(crate) fn credentials(parameters: &Value) -> IceCredentials {
    let parameters: IceParameters = serde_json::from_value(parameters.clone()).unwrap();
    assert_eq!(parameters.ice_lite, Some(true));
    IceCredentials { ufrag: parameters.username_fragment, password: parameters.password }
}

fn path_of(candidate: &IceCandidate) -> Candidate {
    let address = (candidate.ip.parse::<IpAddr>().unwrap(), candidate.port).into();
    match candidate.protocol {
        TransportProtocol::Udp => Candidate::udp(address),
        TransportProtocol::Tcp => Candidate::tcp(address),
    }
}
