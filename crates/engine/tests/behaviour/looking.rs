//! What an application may look at: dumps, statistics, metrics.

use millrace_model::Counters;
use millrace_testkit::OpusSource;
use serde_json::{Value, json};

use crate::harness::{OPUS, Stage, camera, microphone, ssrc_of, udp, video_stream};

#[test]
fn metrics_have_every_counter_of_the_registry_for_worker_and_transport() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.join(&room);
    let transport = stage.transport(guest);
    let metrics = stage.request("worker.getMetrics", json!({}));
    assert_eq!(metrics["transports"][0]["transportId"], transport);
    let counted = &metrics["transports"][0]["counters"];
    for counters in [&metrics["worker"], counted] {
        let counters = counters.as_object().unwrap();
        assert_eq!(counters.len(), Counters::NAMES.len());
        assert!(Counters::NAMES.iter().all(|(name, _)| counters[*name].is_u64()));
    }
    assert!(counted["stun_checks_answered"].as_u64() >= Some(1) && counted["datagrams_received"].as_u64() >= Some(4));
}

#[test]
fn the_counts_of_a_closed_transport_go_to_its_worker() {
    let mut stage = Stage::new();
    let room = stage.room();
    let guest = stage.join(&room);
    let transport = stage.transport(guest);
    let answered = stage.counter(Some(&transport), "stun_checks_answered");
    assert_eq!(stage.counter(None, "stun_checks_answered"), 0);
    stage.request("transport.close", json!({ "transportId": transport }));
    assert!(stage.counter(None, "stun_checks_answered") >= answered);
}

#[test]
fn statistics_count_what_was_sent_and_received() {
    let mut stage = Stage::new();
    let room = stage.room();
    let [publisher, viewer] = [(); 2].map(|()| stage.join(&room));
    let producer = stage.produce(publisher, &microphone(11));
    let (consumer, parameters) = stage.consume(viewer, &room, &producer);
    let mut source = OpusSource::new(11, OPUS);
    let packets: Vec<_> = (0..30).map(|_| source.packet()).collect();
    stage.publish(publisher, &packets);
    stage.hear(viewer, &parameters, 30);
    let of_producer = stage.request("producer.getStats", json!({ "producerId": producer }));
    let of_consumer = stage.request("consumer.getStats", json!({ "consumerId": consumer }));
    let transport = stage.transport(viewer);
    let of_transport = stage.request("transport.getStats", json!({ "transportId": transport }));
    let [received] = &of_producer.as_array().unwrap()[..] else { panic!("one stream: {of_producer}") };
    assert_eq!((&received["type"], &received["ssrc"]), (&json!("inbound-rtp"), &json!(11)));
    assert_eq!((&received["packetCount"], &received["kind"]), (&json!(30), &json!("audio")));
    let [sent, of_source] = &of_consumer.as_array().unwrap()[..] else { panic!("two streams: {of_consumer}") };
    assert_eq!((&sent["type"], &sent["packetCount"]), (&json!("outbound-rtp"), &json!(30)));
    assert_eq!(sent["ssrc"], ssrc_of(&parameters));
    assert_eq!(of_source["packetCount"], 30);
    assert_eq!(of_transport[0]["type"], "webrtc-transport");
    assert_eq!(of_transport[0]["dtlsState"], "connected");
    let bytes = of_transport[0]["rtpBytesSent"].as_u64().unwrap();
    assert!((30 * 92..30 * 150).contains(&bytes), "{bytes}");
    assert!(of_transport[0]["bytesSent"].as_u64().unwrap() > bytes, "STUN and DTLS count too");
}

#[test]
fn dumps_name_the_objects_and_their_relations() {
    let mut stage = Stage::new();
    let server = stage.server(json!([udp("127.0.0.1")]));
    let room = stage.room();
    let [publisher, viewer] = [(); 2].map(|()| stage.join_by(&room, json!({ "webRtcServerId": server })));
    let producer = stage.produce(publisher, &camera(22));
    let (consumer, parameters) = stage.consume(viewer, &room, &producer);
    let transports = [publisher, viewer].map(|guest| stage.transport(guest));
    let of_worker = stage.request("worker.dump", json!({}));
    assert_eq!(of_worker["routerIds"], json!([room.id]));
    assert_eq!(of_worker["webRtcServerIds"], json!([server]));
    let of_server = stage.request("webRtcServer.dump", json!({ "webRtcServerId": server }));
    assert_eq!(of_server["webRtcTransportIds"], json!(transports));
    let of_router = stage.request("router.dump", json!({ "routerId": room.id }));
    assert_eq!(of_router["transportIds"], json!(transports));
    assert_eq!(of_router["mapProducerIdConsumerIds"], json!([{ "key": producer, "values": [consumer] }]));
    let of_viewer = stage.request("transport.dump", json!({ "transportId": transports[1] }));
    assert_eq!(of_viewer["consumerIds"], json!([consumer]));
    assert_eq!(of_viewer["mapSsrcConsumerId"], json!([{ "key": ssrc_of(&parameters), "value": consumer }]));
    let of_producer = stage.request("producer.dump", json!({ "producerId": producer }));
    assert_eq!((&of_producer["kind"], &of_producer["type"]), (&json!("video"), &json!("simple")));
    let of_consumer = stage.request("consumer.dump", json!({ "consumerId": consumer }));
    assert_eq!(of_consumer["producerId"], producer);
    assert_eq!(of_consumer["rtpParameters"]["codecs"], parameters["codecs"]);
}

#[test]
fn a_producer_that_is_heard_has_a_score_and_traces_that_were_asked_for() {
    let mut stage = Stage::new();
    let room = stage.room();
    let publisher = stage.join(&room);
    let producer = stage.produce(publisher, &camera(22));
    stage.request("producer.enableTraceEvent", json!({ "producerId": producer, "types": ["keyframe"] }));
    stage.publish(publisher, &video_stream(22).key_frame(2));
    let trace = stage.event(&producer, "trace");
    assert_eq!((&trace["type"], &trace["info"]["rtpPacket"]["ssrc"]), (&json!("keyframe"), &json!(22)));
    assert_eq!(trace["info"]["isRtx"], json!(false));
    let score = stage.event(&producer, "score");
    assert_eq!((&score[0]["ssrc"], &score[0]["score"]), (&json!(22), &json!(10)));
    stage.request("producer.enableTraceEvent", json!({ "producerId": producer, "types": Value::Array(vec![]) }));
}
