//! Media between peers: what arrives is what was sent, under the numbers that were negotiated.

use millrace_testkit::OpusSource;
use serde_json::json;

use crate::harness::{Heard, OPUS, Stage, camera, microphone, payload_of, ssrc_of, udp, video_stream};

#[test]
fn two_peers_of_one_server_hear_and_see_each_other() {
    let mut stage = Stage::new();
    let server = stage.server(json!([udp("127.0.0.1")]));
    let room = stage.room();
    let guests = [(); 2].map(|()| stage.join_by(&room, json!({ "webRtcServerId": server })));
    for (speaker, listener) in [(guests[0], guests[1]), (guests[1], guests[0])] {
        // Both use the same SSRCs, as two peers may.
        let audio = stage.produce(speaker, &microphone(11));
        let video = stage.produce(speaker, &camera(22));
        let (_, heard_as) = stage.consume(listener, &room, &audio);
        let (_, seen_as) = stage.consume(listener, &room, &video);
        let mut source = OpusSource::new(11, OPUS);
        let spoken: Vec<_> = (0..20).map(|_| source.packet()).collect();
        let shown = video_stream(22).key_frame(8);
        stage.publish(speaker, &spoken);
        stage.publish(speaker, &shown);
        for (sent, parameters) in [(&spoken, heard_as), (&shown, seen_as)] {
            let received = stage.hear(listener, &parameters, sent.len());
            for (packet, sent) in received.iter().zip(sent) {
                assert_eq!(packet.payload(), payload_of(sent));
            }
        }
    }
}

#[test]
fn a_viewer_gets_its_own_ssrc_payload_type_mid_and_consecutive_numbers() {
    let mut stage = Stage::new();
    let room = stage.room();
    let (publisher, viewer) = (stage.join(&room), stage.join(&room));
    let producer = stage.produce(publisher, &camera(22));
    let (_, parameters) = stage.consume_with(viewer, &room, &producer, json!({ "mid": "seen" }));
    let sent = video_stream(22).key_frame(10);
    stage.publish(publisher, &sent);
    let received = stage.hear(viewer, &parameters, 10);
    assert_ne!(ssrc_of(&parameters), 22);
    assert_eq!(parameters["mid"], "seen");
    for (index, packet) in received.iter().enumerate() {
        let expected = received[0].meta.sequence.wrapping_add(index as u16);
        assert_eq!(packet.meta.ssrc, ssrc_of(&parameters));
        assert_eq!(packet.meta.payload_type, parameters["codecs"][0]["payloadType"]);
        assert_eq!(packet.meta.sequence, expected);
        assert_eq!(packet.meta.timestamp, received[0].meta.timestamp, "one frame has one timestamp");
        assert_eq!(packet.meta.marker, index == 9);
        assert_eq!(packet.meta.mid(&packet.bytes), Some("seen"));
    }
}

#[test]
fn transport_wide_numbers_count_over_all_streams_of_a_viewer() {
    let mut stage = Stage::new();
    let room = stage.room();
    let (publisher, viewer) = (stage.join(&room), stage.join(&room));
    let mut numbers = Vec::new();
    for ssrc in [22, 32] {
        let producer = stage.produce(publisher, &camera(ssrc));
        let (_, parameters) = stage.consume(viewer, &room, &producer);
        stage.publish(publisher, &video_stream(ssrc).key_frame(5));
        let received = stage.hear(viewer, &parameters, 5);
        numbers.extend(received.iter().map(|packet| packet.meta.transport_sequence(&packet.bytes).unwrap()));
        // So does padding, which finds out what the path carries.
        let padding = stage.guest(viewer).rtp.drain(..).map(|packet| Heard::parse(packet, &parameters));
        numbers.extend(padding.filter_map(|packet| packet.meta.transport_sequence(&packet.bytes)));
    }
    let media = numbers.len();
    assert!(media >= 10);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, Vec::from_iter(0..media as u16));
}

#[test]
fn a_peers_own_capabilities_name_payload_types_and_extensions() {
    let mut stage = Stage::new();
    let mut room = stage.room();
    let (publisher, viewer) = (stage.join(&room), stage.join(&room));
    let producer = stage.produce(publisher, &camera(22));
    for codec in room.capabilities["codecs"].as_array_mut().unwrap() {
        let payload_type = codec["preferredPayloadType"].as_u64().unwrap() - 60;
        codec["preferredPayloadType"] = json!(payload_type);
        if let Some(apt) = codec["parameters"].get_mut("apt") {
            *apt = json!(apt.as_u64().unwrap() - 60);
        }
    }
    let (_, parameters) = stage.consume(viewer, &room, &producer);
    assert!(parameters["codecs"][0]["payloadType"].as_u64().unwrap() >= 35);
    stage.publish(publisher, &video_stream(22).key_frame(1));
    let received = stage.hear(viewer, &parameters, 1);
    assert_eq!(received[0].meta.payload_type, parameters["codecs"][0]["payloadType"]);
}

#[test]
fn r01_two_publishers_with_one_ssrc_reach_their_own_viewers_only() {
    let mut stage = Stage::new();
    let server = stage.server(json!([udp("127.0.0.1")]));
    let room = stage.room();
    let options = json!({ "webRtcServerId": server });
    let [first, second, viewer] = [(); 3].map(|()| stage.join_by(&room, options.clone()));
    let first_producer = stage.produce(first, &microphone(11));
    let second_producer = stage.produce(second, &microphone(11));
    let (_, first_as) = stage.consume(viewer, &room, &first_producer);
    let (_, second_as) = stage.consume(viewer, &room, &second_producer);
    let mut source = OpusSource::new(11, OPUS);
    let [of_first, of_second] = [(); 2].map(|()| source.packet());
    stage.publish(first, std::slice::from_ref(&of_first));
    stage.publish(second, std::slice::from_ref(&of_second));
    assert_eq!(stage.hear(viewer, &first_as, 1)[0].payload(), payload_of(&of_first));
    assert_eq!(stage.hear(viewer, &second_as, 1)[0].payload(), payload_of(&of_second));
    assert!(stage.guest(viewer).rtp.is_empty());
}

#[test]
fn r02_a_second_producer_with_the_same_ssrc_or_mid_is_refused() {
    let mut stage = Stage::new();
    let room = stage.room();
    let publisher = stage.join(&room);
    stage.produce(publisher, &microphone(11));
    let (transport, id) = (stage.transport(publisher), stage.new_id());
    let same_mid = {
        let mut source = microphone(12);
        source["rtpParameters"]["mid"] = json!("a11");
        source
    };
    for mut source in [microphone(11), same_mid] {
        source["transportId"] = json!(transport);
        source["producerId"] = json!(id);
        let (class, code) = stage.refusal("transport.produce", source);
        assert_eq!((class.as_str(), code.as_str()), ("TypeError", "ERR_DUPLICATE_STREAM"));
    }
    let dump = stage.request("transport.dump", json!({ "transportId": transport }));
    assert_eq!(dump["producerIds"].as_array().unwrap().len(), 1, "a refused producer leaves nothing");
}
