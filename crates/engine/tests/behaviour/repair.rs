//! Lost packets: asked for by viewers, asked for upstream.

use millrace_testkit::rtp::RtpStream;
use serde_json::json;

use crate::harness::{RTX_SSRC_OFFSET, Stage, VP8_RTX, camera, missing, nack, payload_of, ssrc_of, video_stream};

#[test]
fn a_viewer_that_reports_a_loss_gets_the_packet_by_rtx() {
    let mut stage = Stage::new();
    let mut room = stage.room();
    // Without transport-wide numbers nothing is probed, by packets that would come the same way.
    let extensions = room.capabilities["headerExtensions"].as_array_mut().unwrap();
    extensions.retain(|extension| !extension["uri"].as_str().unwrap().contains("transport-wide"));
    let [publisher, viewer] = [(); 2].map(|()| stage.join(&room));
    let producer = stage.produce(publisher, &camera(22));
    let (_, parameters) = stage.consume(viewer, &room, &producer);
    let sent = video_stream(22).key_frame(6);
    stage.publish(publisher, &sent);
    let received = stage.hear(viewer, &parameters, 6);
    let lost = [&received[2], &received[4]].map(|packet| packet.meta.sequence);
    stage.report(viewer, &nack(ssrc_of(&parameters), &lost));
    let repaired = stage.hear_rtx(viewer, &parameters, 2);
    for (repair, (number, original)) in repaired.iter().zip(lost.iter().zip([&sent[2], &sent[4]])) {
        let (head, payload) = repair.payload().split_first_chunk().unwrap();
        assert_eq!((u16::from_be_bytes(*head), payload), (*number, &payload_of(original)[..]));
        assert_eq!(repair.meta.payload_type, parameters["codecs"][1]["payloadType"]);
    }
    let transport = stage.transport(viewer);
    assert_eq!(stage.counter(Some(&transport), "rtp_packets_retransmitted"), 2);
}

#[test]
fn a_viewer_that_knows_no_rtx_gets_the_lost_packet_itself_again() {
    let mut stage = Stage::new();
    let mut room = stage.room();
    room.capabilities["codecs"].as_array_mut().unwrap().retain(|codec| codec["mimeType"] != "video/rtx");
    let [publisher, viewer] = [(); 2].map(|()| stage.join(&room));
    let producer = stage.produce(publisher, &camera(22));
    let (_, parameters) = stage.consume(viewer, &room, &producer);
    assert_eq!(parameters["encodings"][0].get("rtx"), None);
    stage.publish(publisher, &video_stream(22).key_frame(3));
    let received = stage.hear(viewer, &parameters, 3);
    stage.report(viewer, &nack(ssrc_of(&parameters), &[received[1].meta.sequence]));
    // This viewer lost nothing in truth, so that its SRTP takes the repetition for a replay.
    stage.until("the packet", |stage| (stage.guest(viewer).socket.peer.undecryptable() == 1).then_some(()));
    let transport = stage.transport(viewer);
    assert_eq!(stage.counter(Some(&transport), "rtp_packets_retransmitted"), 1);
}

#[test]
fn a_viewer_that_was_promised_no_repair_gets_none() {
    let mut stage = Stage::new();
    let room = stage.room();
    let [publisher, viewer] = [(); 2].map(|()| stage.join(&room));
    let producer = stage.produce(publisher, &camera(22));
    let (_, parameters) = stage.consume_with(viewer, &room, &producer, json!({ "enableRtx": false }));
    stage.publish(publisher, &video_stream(22).key_frame(3));
    let received = stage.hear(viewer, &parameters, 3);
    stage.report(viewer, &nack(ssrc_of(&parameters), &[received[1].meta.sequence]));
    let transport = stage.transport(viewer);
    stage.counted(Some(&transport), "retransmissions_refused_unknown", 1);
    assert_eq!(stage.counter(Some(&transport), "rtp_packets_retransmitted"), 0);
}

#[test]
fn a_loss_upstream_is_asked_for_and_repaired_for_viewers() {
    let mut stage = Stage::new();
    let room = stage.room();
    let [publisher, viewer] = [(); 2].map(|()| stage.join(&room));
    let producer = stage.produce(publisher, &camera(22));
    let (_, parameters) = stage.consume(viewer, &room, &producer);
    let frame = video_stream(22).key_frame(5);
    let lost = u16::from_be_bytes([frame[2][2], frame[2][3]]);
    let arriving: Vec<_> = [0, 1, 3, 4].map(|index: usize| frame[index].clone()).into();
    stage.publish(publisher, &arriving);
    stage.hear(viewer, &parameters, 4);
    stage.until("a NACK", |stage| {
        let compounds = std::mem::take(&mut stage.guest(publisher).rtcp);
        compounds.iter().any(|compound| missing(compound, 22) == [lost]).then_some(())
    });
    let mut retransmissions = RtpStream::new(22 + RTX_SSRC_OFFSET, VP8_RTX);
    let payload = [&lost.to_be_bytes()[..], &payload_of(&frame[2])].concat();
    retransmissions.timestamp = u32::from_be_bytes(frame[2][4..8].try_into().unwrap());
    let repair = retransmissions.packet(false, &payload);
    stage.publish(publisher, &[repair]);
    let received = stage.hear(viewer, &parameters, 1);
    assert_eq!(received[0].payload(), payload_of(&frame[2]));
    let transport = stage.transport(publisher);
    assert_eq!(stage.counter(Some(&transport), "rtp_packets_repaired"), 1);
}
