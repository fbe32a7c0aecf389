//! Layers within a stream, encrypted payloads and silence, from the options to the packets of a viewer.

use millrace_packet::ExtensionKind;
use millrace_testkit::rtp::RtpStream;
use serde_json::{Value, json};

use crate::harness::{OPUS, Room, Stage, microphone, ssrc_of};

const SSRC: u32 = 40;
const PAYLOAD_TYPE: u8 = 100;
/// Number of the dependency descriptor on the publisher's wire.
const DESCRIPTOR_ID: u8 = 6;
/// Where the descriptor's structure says that there are two spatial layers, each from the one below; see
/// `crates/packet/src/dependency/tests.rs`. Templates count from 62.
const L2T1: [u8; 11] = [0x87, 0xc1, 0x23, 0xab, 0x22, 0x45, 0x04, 0x60, 0x84, 0x44, 0x40];

/// A router for AV1.
fn room(stage: &mut Stage) -> Room {
    let id = stage.new_id();
    let codecs = json!([{ "kind": "video", "mimeType": "video/AV1", "clockRate": 90000 }]);
    let mut reply = stage.request("worker.createRouter", json!({ "routerId": id, "mediaCodecs": codecs }));
    Room { id, capabilities: reply["rtpCapabilities"].take() }
}

/// Options of a producer of AV1.
fn camera(mode: &str, encrypted: bool) -> Value {
    json!({
        "kind": "video",
        "encrypted": encrypted,
        "rtpParameters": {
            "codecs": [{
                "mimeType": "video/AV1", "payloadType": PAYLOAD_TYPE, "clockRate": 90000,
                "rtcpFeedback": [{ "type": "nack", "parameter": "pli" }],
            }],
            "headerExtensions": [{ "uri": ExtensionKind::DependencyDescriptor.uri(), "id": DESCRIPTOR_ID }],
            "encodings": [{ "ssrc": SSRC, "scalabilityMode": mode }],
        },
    })
}

/// The packets of a key picture and two more, each of two layers, a packet a frame.
fn pictures() -> Vec<Vec<u8>> {
    let mut stream = RtpStream::new(SSRC, PAYLOAD_TYPE);
    let mut packets = Vec::new();
    for frame in 0..6u8 {
        let template = [0, 2, 1, 3, 1, 3][usize::from(frame)];
        let structure: &[u8] = if frame == 0 { &L2T1 } else { &[] };
        let descriptor = [&[0xc0 | ((62 + template) % 64), 0, frame], structure].concat();
        stream.extensions = vec![(DESCRIPTOR_ID, descriptor)];
        packets.push(stream.packet(frame % 2 == 1, &[0x10, 0x30, frame]));
        stream.timestamp = stream.timestamp.wrapping_add(u32::from(frame % 2) * 3000);
    }
    packets
}

#[test]
fn a_viewer_of_the_lower_spatial_layer_gets_its_frames_its_marker_and_its_descriptor() {
    let mut stage = Stage::new();
    let room = room(&mut stage);
    let [publisher, viewer] = [(); 2].map(|()| stage.join(&room));
    let producer = stage.produce(publisher, &camera("L2T1", false));
    let options = json!({ "preferredLayers": { "spatialLayer": 0 } });
    let (_, parameters) = stage.consume_with(viewer, &room, &producer, options);
    stage.publish(publisher, &pictures());
    let heard = stage.hear(viewer, &parameters, 3);
    for (heard, frame) in heard.iter().zip([0, 2, 4]) {
        assert_eq!((heard.payload()[2], heard.meta.marker), (frame, true));
        let descriptor = heard.meta.value(&heard.bytes, ExtensionKind::DependencyDescriptor).unwrap();
        assert_eq!((descriptor[2], descriptor[3] & 0x40), (frame, 0x40), "it says which targets are sent");
    }
    let second = heard[1].meta.value(&heard[1].bytes, ExtensionKind::DependencyDescriptor).unwrap();
    assert_eq!(second[3..], [0b0100_0010], "the first of two");
}

#[test]
fn an_endpoint_that_knows_no_descriptor_gets_none() {
    let mut stage = Stage::new();
    let mut room = room(&mut stage);
    let extensions = room.capabilities["headerExtensions"].as_array_mut().unwrap();
    extensions.retain(|extension| extension["uri"] != ExtensionKind::DependencyDescriptor.uri());
    let [publisher, viewer] = [(); 2].map(|()| stage.join(&room));
    let producer = stage.produce(publisher, &camera("L2T1", false));
    let (_, parameters) = stage.consume(viewer, &room, &producer);
    stage.publish(publisher, &pictures());
    let heard = stage.hear(viewer, &parameters, 6);
    assert!(heard.iter().all(|heard| heard.meta.extension(ExtensionKind::DependencyDescriptor).is_none()));
    assert_eq!(heard.iter().filter(|heard| heard.meta.marker).count(), 3);
}

#[test]
fn producers_and_consumers_tell_what_layers_they_have() {
    let mut stage = Stage::new();
    let room = room(&mut stage);
    let [publisher, viewer] = [(); 2].map(|()| stage.join(&room));
    let producer = stage.produce(publisher, &camera("L2T1", false));
    let (consumer, parameters) = stage.consume(viewer, &room, &producer);
    assert_eq!(parameters["encodings"][0]["scalabilityMode"], "L2T1");
    let preferred = json!({ "consumerId": consumer, "spatialLayer": 7 });
    let set = stage.request("consumer.setPreferredLayers", preferred);
    assert_eq!(set, json!({ "spatialLayer": 1, "temporalLayer": 0 }));
    let dump = stage.request("consumer.dump", json!({ "consumerId": consumer }));
    assert_eq!((&dump["type"], &dump["rtpStream"]["params"]["spatialLayers"]), (&json!("svc"), &json!(2)));
    stage.publish(publisher, &pictures());
    let told = stage.event(&consumer, "layerschange");
    assert_eq!(told, json!({ "spatialLayer": 1, "temporalLayer": 0 }));
}

#[test]
fn encrypted_payloads_begin_where_the_descriptor_says_and_without_one_at_once() {
    let mut stage = Stage::new();
    let room = room(&mut stage);
    let [publisher, viewer] = [(); 2].map(|()| stage.join(&room));
    let producer = stage.produce(publisher, &camera("L1T1", true));
    let (_, parameters) = stage.consume(viewer, &room, &producer);
    // All that follows a key frame, then one.
    stage.publish(publisher, &pictures()[1..]);
    let mut again = RtpStream::new(SSRC, PAYLOAD_TYPE);
    again.sequence = again.sequence.wrapping_add(6);
    again.timestamp = again.timestamp.wrapping_add(9000);
    again.extensions = vec![(DESCRIPTOR_ID, [&[0xfe, 0, 6][..], &L2T1].concat())];
    stage.publish(publisher, &[again.packet(true, &[0xff, 0xff, 77])]);
    assert_eq!(stage.hear(viewer, &parameters, 1)[0].payload()[2], 77);

    let mut source = camera("L1T1", true);
    source["rtpParameters"]["headerExtensions"] = json!([]);
    source["rtpParameters"]["encodings"][0]["ssrc"] = json!(SSRC + 1);
    let producer = stage.produce(publisher, &source);
    let (_, parameters) = stage.consume(viewer, &room, &producer);
    let mut plain = RtpStream::new(SSRC + 1, PAYLOAD_TYPE);
    stage.publish(publisher, &[plain.packet(true, &[0xff, 0xff, 78])]);
    assert_eq!(stage.hear(viewer, &parameters, 1)[0].payload()[2], 78);
}

#[test]
fn a_viewer_that_ignores_dtx_hears_no_silence() {
    let mut stage = Stage::new();
    let room = stage.room();
    let [publisher, viewer] = [(); 2].map(|()| stage.join(&room));
    let producer = stage.produce(publisher, &microphone(50));
    let (_, parameters) = stage.consume_with(viewer, &room, &producer, json!({ "ignoreDtx": true }));
    let mut stream = RtpStream::new(50, OPUS);
    let packets: Vec<_> = [&[1, 1][..], &[9], &[9], &[2, 2]].map(|payload| stream.packet(false, payload)).into();
    stage.publish(publisher, &packets);
    let heard = stage.hear(viewer, &parameters, 2);
    assert_eq!((heard[0].payload(), heard[1].payload()), (&[1, 1][..], &[2, 2][..]));
    assert_eq!(heard[1].meta.sequence, heard[0].meta.sequence.wrapping_add(1));
    assert_eq!(ssrc_of(&parameters), heard[0].meta.ssrc);
}
