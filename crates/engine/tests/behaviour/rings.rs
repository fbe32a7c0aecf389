//! Packets that the application sends and receives, and packets between two workers: by direct and ring transports.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use millrace_engine::packets::PacketBatch;
use millrace_engine::{Outbox, Worker};
use serde_json::{Value, json};

use crate::harness::{camera, microphone, payload_of, ssrc_of, video_stream};

/// After this long a test fails: what it waits for does not come.
const HANG_LIMIT: Duration = Duration::from_secs(20);

const RING: &str = "00000000-0000-4000-8000-0000000000ff";

/// A worker with one router, as its owner sees it.
struct Office {
    worker: Worker,
    outbox: Arc<Outbox>,
    bell: Receiver<()>,
    requests: u32,
    objects: u32,
    router: Value,
    capabilities: Value,
    heard: Vec<Value>,
    packets: Vec<(u32, Vec<u8>)>,
}

impl Office {
    fn open() -> Self {
        let (ringer, bell) = channel();
        let outbox = Arc::new(Outbox::new(move || _ = ringer.send(())));
        let worker = Worker::start("{}", Arc::clone(&outbox)).unwrap();
        let mut office = Self {
            worker,
            outbox,
            bell,
            requests: 0,
            objects: 0,
            router: Value::Null,
            capabilities: Value::Null,
            heard: Vec::new(),
            packets: Vec::new(),
        };
        office.router = office.new_id();
        let codecs = json!([
            { "kind": "audio", "mimeType": "audio/opus", "clockRate": 48000, "channels": 2 },
            { "kind": "video", "mimeType": "video/VP8", "clockRate": 90000 },
        ]);
        let params = json!({ "routerId": office.router, "mediaCodecs": codecs });
        office.capabilities = office.request("worker.createRouter", params)["rtpCapabilities"].take();
        office
    }

    fn new_id(&mut self) -> Value {
        self.objects += 1;
        json!(format!("00000000-0000-4000-8000-{:012x}", self.objects))
    }

    fn request(&mut self, method: &str, mut params: Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        params["id"] = json!(id);
        params["method"] = json!(method);
        self.worker.request(params.to_string());
        let mut reply = self.until(method, |office| {
            let place = office.heard.iter().position(|message| message["id"] == id)?;
            Some(office.heard.remove(place))
        });
        assert!(reply.get("error").is_none(), "{method} was refused: {reply}");
        reply["ok"].take()
    }

    fn until<T>(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> Option<T>) -> T {
        let give_up_at = Instant::now() + HANG_LIMIT;
        loop {
            let messages: Vec<Value> = serde_json::from_str(&self.outbox.take_batch_json()).unwrap();
            self.heard.extend(messages);
            while let Some(batch) = self.outbox.take_packets() {
                self.packets.extend(batch.packets().map(|(number, packet)| (number, packet.to_vec())));
            }
            if let Some(value) = condition(self) {
                return value;
            }
            let left = give_up_at.saturating_duration_since(Instant::now());
            assert!(self.bell.recv_timeout(left).is_ok(), "{what} did not come");
        }
    }

    fn direct(&mut self) -> Endpoint {
        let id = self.new_id();
        let params = json!({ "routerId": self.router, "transportId": id });
        let number = number(&self.request("router.createDirectTransport", params));
        Endpoint { transport: id, number }
    }

    fn ring(&mut self) -> Endpoint {
        let id = self.new_id();
        self.request(
            "router.createRingTransport",
            json!({ "routerId": self.router, "transportId": id, "ringId": RING }),
        );
        Endpoint { transport: id, number: 0 }
    }

    fn produce(&mut self, on: &Endpoint, source: &Value) -> (Value, Value) {
        let id = self.new_id();
        let mut params = source.clone();
        params["transportId"] = on.transport.clone();
        params["producerId"] = id.clone();
        let reply = self.request("transport.produce", params);
        (id, reply)
    }

    fn consume(&mut self, on: &Endpoint, producer: &Value) -> (Value, Value) {
        let id = self.new_id();
        let params = json!({
            "transportId": on.transport, "consumerId": id, "producerId": producer, "rtpCapabilities": self.capabilities,
        });
        let reply = self.request("transport.consume", params);
        (id, reply)
    }

    fn send(&self, number: u32, packets: &[Vec<u8>]) {
        let mut batch = PacketBatch::default();
        packets.iter().for_each(|packet| batch.push(number, packet));
        self.worker.send_packets(batch);
    }

    /// Waits for `count` packets with this number, and takes them.
    fn hear(&mut self, number: u32, count: usize) -> Vec<Vec<u8>> {
        self.until(&format!("{count} packets"), |office| {
            let mine = office.packets.iter().filter(|(of, _)| *of == number).count();
            (mine >= count).then_some(())
        });
        self.packets.extract_if(.., |(of, _)| *of == number).map(|(_, packet)| packet).collect()
    }

    fn counter(&mut self, transport: &Value, name: &str) -> u64 {
        let metrics = self.request("worker.getMetrics", json!({}));
        let transports = metrics["transports"].as_array().unwrap();
        let entry = transports.iter().find(|entry| entry["transportId"] == *transport).unwrap();
        entry["counters"][name].as_u64().unwrap()
    }
}

struct Endpoint {
    transport: Value,
    number: u32,
}

fn number(reply: &Value) -> u32 {
    reply["packetNumber"].as_u64().unwrap() as u32
}

/// Tells whether a compound asks for a key frame (RFC 4585 §6.3.1).
fn asks_for_key_frame(compound: &[u8]) -> bool {
    compound.windows(2).step_by(4).any(|head| head == [0x81, 206])
}

/// A camera in one worker, seen by the application in another.
struct Pipe {
    near: Office,
    far: Office,
    camera: Endpoint,
    camera_number: u32,
    near_ring: Endpoint,
    view: u32,
    video: Vec<Vec<u8>>,
}

impl Pipe {
    fn open() -> Self {
        let (mut near, mut far) = (Office::open(), Office::open());
        let camera_end = near.direct();
        near.request("transport.listen", json!({ "transportId": camera_end.transport, "listens": true }));
        let (producer, reply) = near.produce(&camera_end, &camera(22));
        let (near_ring, far_ring) = (near.ring(), far.ring());
        let (_, consumed) = near.consume(&near_ring, &producer);
        let source = json!({ "kind": "video", "rtpParameters": consumed["rtpParameters"] });
        let (copy, _) = far.produce(&far_ring, &source);
        let viewer = far.direct();
        let (consumer, consumed) = far.consume(&viewer, &copy);
        let view = number(&consumed);
        far.request("consumer.listen", json!({ "consumerId": consumer, "listens": true }));
        let camera_number = number(&reply);
        Self { near, far, camera: camera_end, camera_number, near_ring, view, video: Vec::new() }
    }

    /// Waits until the camera is asked for a key frame.
    fn asked(&mut self) {
        let number = self.camera.number;
        self.near.until("a wish for a key frame", |office| {
            let asks = |(of, packet): &(u32, Vec<u8>)| *of == number && asks_for_key_frame(packet);
            office.packets.iter().any(asks).then_some(())
        });
        self.near.packets.clear();
    }
}

#[test]
fn what_one_worker_receives_is_seen_in_another_to_the_byte() {
    let mut pipe = Pipe::open();
    pipe.asked();
    let mut stream = video_stream(22);
    pipe.video = stream.key_frame(10);
    pipe.near.send(pipe.camera_number, &pipe.video);
    let seen = pipe.far.hear(pipe.view, 10);
    for (sent, seen) in pipe.video.iter().zip(&seen) {
        assert_eq!(payload_of(sent), payload_of(seen));
    }
    assert_eq!(pipe.near.counter(&pipe.near_ring.transport, "ring_packets_dropped"), 0);
}

#[test]
fn a_ring_that_is_full_drops_and_asks_for_a_key_frame_and_neither_worker_suffers() {
    let mut near = Office::open();
    let camera_end = near.direct();
    near.request("transport.listen", json!({ "transportId": camera_end.transport, "listens": true }));
    let (producer, reply) = near.produce(&camera_end, &camera(22));
    // Nobody is at the other end: what is written stays.
    let ring = near.ring();
    near.consume(&ring, &producer);
    let mut stream = video_stream(22);
    let mut frames = 0;
    while near.counter(&ring.transport, "ring_packets_dropped") == 0 {
        for _ in 0..50 {
            near.send(number(&reply), &stream.key_frame(30));
        }
        frames += 50;
        assert!(frames < 10_000);
    }
    near.packets.clear();
    near.until("a wish for a key frame", |office| {
        office.packets.iter().any(|(_, packet)| asks_for_key_frame(packet)).then_some(())
    });
}

#[test]
fn a_worker_that_ends_leaves_the_other_end_of_its_rings_in_peace() {
    let mut pipe = Pipe::open();
    pipe.asked();
    drop(pipe.near);
    let transports = pipe.far.request("worker.getMetrics", json!({}))["transports"].as_array().unwrap().len();
    assert_eq!(transports, 2);
    // Its own end may close afterwards, and the name may be used again.
    let mut again = Office::open();
    again.ring();
    drop(pipe.far);
}

#[test]
fn a_request_waits_for_all_packets_of_the_batch_before_it() {
    let mut office = Office::open();
    let end = office.direct();
    let (_, reply) = office.produce(&end, &microphone(11));
    let packets: Vec<_> =
        (0..1_000_u16).map(|n| [&[0x80, 111], &n.to_be_bytes()[..], &[0, 0, 0, 0, 0, 0, 0, 11, 1]].concat()).collect();
    office.send(number(&reply), &packets);
    assert_eq!(office.counter(&end.transport, "rtp_packets_received"), 1_000);
}

#[test]
fn packets_of_a_closed_object_are_refused_and_counted() {
    let mut office = Office::open();
    let end = office.direct();
    let (producer, reply) = office.produce(&end, &microphone(11));
    office.request("producer.close", json!({ "producerId": producer }));
    office.send(number(&reply), &[vec![0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 11, 1]]);
    let metrics = office.request("worker.getMetrics", json!({}));
    assert_eq!(metrics["worker"]["application_packets_refused"], 1);
    assert_eq!(ssrc_of(&reply["rtpParameters"]), 11);
}
