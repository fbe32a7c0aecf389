//! Taps and sources: media that leaves for another thread of the process, and comes from there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millrace_engine::{RequestError, Source, Tap, TapOptions, TapState};
use millrace_model::{ProducerId, ProducerOptions, RouterId};
use millrace_packet::rtcp::{CompoundWriter, SenderInfo};
use millrace_testkit::OpusSource;
use serde_json::{Value, json};

use crate::harness::{Heard, OPUS, Room, Stage, camera, microphone, payload_of, video_stream};

#[test]
fn a_tap_on_another_thread_gets_what_a_peer_sends_to_the_byte_and_in_one_row() {
    let mut stage = Stage::new();
    let room = stage.room();
    let publisher = stage.join(&room);
    let producer = stage.produce(publisher, &microphone(11));
    let (mut tap, woken) = open(&stage, &room, &producer);
    let mut source = OpusSource::new(11, OPUS);
    let spoken: Vec<_> = (0..60).map(|_| source.packet()).collect();
    stage.publish(publisher, &spoken);
    // Read on a thread of its own, as mixers do.
    let reader = std::thread::spawn(move || {
        let mut heard = Vec::new();
        while heard.len() < 60 {
            tap.receive(|packet| heard.push(packet.to_vec()));
            std::thread::sleep(Duration::from_millis(1));
        }
        (tap, heard)
    });
    let (tap, heard) = reader.join().unwrap();
    let parameters = json!(tap.rtp_parameters());
    let heard: Vec<_> = heard.into_iter().map(|packet| Heard::parse(packet, &parameters)).collect();
    assert!(heard.iter().zip(&spoken).all(|(heard, sent)| heard.payload() == payload_of(sent)));
    assert!(heard.windows(2).all(|pair| pair[1].meta.sequence == pair[0].meta.sequence.wrapping_add(1)));
    assert!(woken.load(Ordering::Relaxed) > 0);
    assert_eq!(tap.dropped(), 0);
}

#[test]
fn a_tap_knows_when_packets_were_captured_and_what_becomes_of_its_producer() {
    let mut stage = Stage::new();
    let room = stage.room();
    let publisher = stage.join(&room);
    let producer = stage.produce(publisher, &microphone(11));
    let (mut tap, _) = open(&stage, &room, &producer);
    let mut source = OpusSource::new(11, OPUS);
    let mut timestamp = None;
    assert_eq!(tap.captured_at(0), None);
    stage.publish(publisher, &[source.packet()]);
    stage.report(publisher, &sender_report(11));
    let captured = poll(|| {
        stage.publish(publisher, &[source.packet()]);
        tap.receive(|packet| timestamp = packet.get(4..8).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap())));
        Some((timestamp?, tap.captured_at(timestamp?)?))
    });
    let (timestamp, at) = captured;
    let second_later = tap.captured_at(timestamp.wrapping_add(48_000)).unwrap();
    assert_eq!(second_later.0.wrapping_sub(at.0), 1 << 32, "a second of 48,000 ticks");

    stage.request("producer.pause", json!({ "producerId": producer }));
    assert!(tap.receive(|_| {}).producer_paused);
    stage.request("producer.resume", json!({ "producerId": producer }));
    assert_eq!(tap.receive(|_| {}), TapState { producer_paused: false, ..tap.receive(|_| {}) });
    stage.request("producer.close", json!({ "producerId": producer }));
    assert!(tap.receive(|_| {}).ended);
    assert!(stage.heard().all(|message| message["event"] != "producerpause" && message["event"] != "producerclose"));
}

#[test]
fn a_paused_tap_gets_nothing_and_one_that_goes_on_begins_with_a_key_frame() {
    let mut stage = Stage::new();
    let room = stage.room();
    let publisher = stage.join(&room);
    let producer = stage.produce(publisher, &camera(22));
    let (mut tap, _) = open(&stage, &room, &producer);
    let mut source = video_stream(22);
    let transport = stage.transport(publisher);
    stage.publish(publisher, &source.key_frame(1));
    stage.counted(Some(&transport), "rtp_packets_received", 1);
    let mut heard = 0;
    tap.receive(|_| heard += 1);
    assert_eq!(heard, 1);
    tap.set_paused(true).unwrap();
    stage.request("worker.dump", json!({}));
    stage.publish(publisher, &source.key_frame(1));
    stage.counted(Some(&transport), "rtp_packets_received", 2);
    tap.receive(|_| heard += 1);
    assert_eq!(heard, 1);
    stage.key_frame_requests(publisher);
    tap.set_paused(false).unwrap();
    stage.hear_key_frame_request(publisher, 22);
    let other = stage.produce(publisher, &camera(33));
    tap.replace_producer(other.parse::<ProducerId>().unwrap()).unwrap();
    stage.publish(publisher, &video_stream(33).key_frame(2));
    stage.counted(Some(&transport), "rtp_packets_received", 4);
    tap.receive(|_| heard += 1);
    assert_eq!(heard, 3, "the other one's key frame");
    let refused = tap.replace_producer("67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap());
    assert!(matches!(refused, Err(RequestError::Refused(body)) if body.code == "ERR_NOT_FOUND"));
}

#[test]
fn what_a_source_sends_viewers_get_and_their_wishes_come_back() {
    let mut stage = Stage::new();
    let room = stage.room();
    let viewer = stage.join(&room);
    let options: ProducerOptions = serde_json::from_value(camera(22)).unwrap();
    let mut source = Source::open(&stage.handle(), router_of(&room), options, || {}).unwrap();
    let producer = source.producer().to_string();
    assert!(!source.take_key_frame_request());
    let (_, parameters) = stage.consume(viewer, &room, &producer);
    let mut camera = video_stream(22);
    let mut sent = camera.key_frame(1);
    source.send(sent.iter().map(Vec::as_slice));
    poll(|| source.take_key_frame_request().then_some(()));
    let shown = camera.key_frame(5);
    source.send(shown.iter().map(Vec::as_slice));
    sent.extend_from_slice(&shown);
    let heard = stage.hear(viewer, &parameters, sent.len());
    assert!(heard.iter().zip(&sent).all(|(heard, sent)| heard.payload() == payload_of(sent)));
    // A tap on it: from thread to thread through the router.
    let (mut tap, _) = open(&stage, &room, &producer);
    let shown = camera.key_frame(3);
    source.send(shown.iter().map(Vec::as_slice));
    stage.request("worker.dump", json!({}));
    let mut tapped = 0;
    tap.receive(|packet| tapped += usize::from(packet.ends_with(&payload_of(&shown[tapped]))));
    assert_eq!(tapped, 3);
    drop(source);
    stage.request("worker.dump", json!({}));
    assert!(tap.receive(|_| {}).ended);
}

#[test]
fn what_is_not_there_is_refused_and_with_the_worker_everything_ends() {
    let mut stage = Stage::new();
    let room = stage.room();
    let publisher = stage.join(&room);
    let producer: ProducerId = stage.produce(publisher, &microphone(11)).parse().unwrap();
    let handle = stage.handle();
    let options = TapOptions { router: router_of(&room), producer, preferred_layers: None, paused: false };
    let unknown = TapOptions { producer: "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap(), ..options };
    let held = Arc::new(());
    let holds = Arc::clone(&held);
    assert!(matches!(Tap::open(&handle, unknown, move || drop(holds.clone())), Err(RequestError::NotFound { .. })));
    let nowhere = TapOptions { router: "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap(), ..options };
    assert!(matches!(Tap::open(&handle, nowhere, || {}), Err(RequestError::NotFound { .. })));
    let dump = stage.request("router.dump", json!({ "routerId": room.id }));
    assert_eq!(dump["transportIds"].as_array().unwrap().len(), 1);
    assert_eq!(Arc::strong_count(&held), 1, "nothing of what was refused is left");
    let mut tap = Tap::open(&handle, options, || {}).unwrap();
    drop(stage);
    assert!(tap.receive(|_| {}).ended);
    assert!(matches!(tap.request_key_frame(), Err(RequestError::WorkerClosed)));
    assert!(matches!(Tap::open(&handle, options, || {}), Err(RequestError::WorkerClosed)));
}

#[test]
fn what_taps_and_sources_stand_on_is_neither_listed_nor_counted_but_a_sources_producer_is_one_like_others() {
    let mut stage = Stage::new();
    let room = stage.room();
    let publisher = stage.join(&room);
    let producer = stage.produce(publisher, &microphone(11));
    let shown = |stage: &mut Stage| {
        let router = stage.request("router.dump", json!({ "routerId": room.id }));
        let handlers = &stage.request("worker.dump", json!({}))["channelMessageHandlers"]["channelRequestHandlers"];
        let count = |value: &Value| value.as_array().unwrap().len();
        let counted = stage.request("worker.getMetrics", json!({}));
        (router, count(handlers), count(&counted["transports"]))
    };
    let before = shown(&mut stage);
    let (_tap, _) = open(&stage, &room, &producer);
    assert_eq!(shown(&mut stage), before);
    let options: ProducerOptions = serde_json::from_value(microphone(12)).unwrap();
    let source = Source::open(&stage.handle(), router_of(&room), options, || {}).unwrap();
    let (router, handlers, counted) = shown(&mut stage);
    assert_eq!((&router["transportIds"], counted), (&before.0["transportIds"], before.2));
    assert_eq!(handlers, before.1 + 1, "the producer takes requests");
    let keys: Vec<_> =
        router["mapProducerIdConsumerIds"].as_array().unwrap().iter().map(|entry| entry["key"].clone()).collect();
    assert!(keys.contains(&json!(source.producer())) && keys.contains(&json!(producer)), "{keys:?}");
}

/// Tries again and again: what comes to another thread wakes none of the stage's sockets.
fn poll<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..4_000 {
        if let Some(value) = attempt() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it never happened");
}

fn router_of(room: &Room) -> RouterId {
    room.id.parse().unwrap()
}

/// A tap and how often it was woken.
fn open(stage: &Stage, room: &Room, producer: &str) -> (Tap, Arc<AtomicUsize>) {
    let woken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&woken);
    let options = TapOptions {
        router: router_of(room),
        producer: producer.parse().unwrap(),
        preferred_layers: None,
        paused: false,
    };
    let wake = move || {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    let tap = Tap::open(&stage.handle(), options, wake).unwrap();
    (tap, woken)
}

fn sender_report(ssrc: u32) -> Vec<u8> {
    let mut bytes = [0; 64];
    let mut writer = CompoundWriter::new(&mut bytes);
    let info = SenderInfo { ntp: 3_900_000_000 << 32, rtp_timestamp: 0, packet_count: 1, octet_count: 100 };
    writer.sender_report(ssrc, &info, &[]).unwrap();
    let len = writer.len();
    bytes[..len].to_vec()
}
