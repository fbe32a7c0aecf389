//! Producers and consumers that pause, resume and end.

use millrace_testkit::{OpusSource, Vp8Source};
use serde_json::{Value, json};

use crate::harness::{GuestId, OPUS, Room, Stage, camera, microphone, video_stream};

#[test]
fn a_paused_producer_is_not_heard_and_its_viewers_are_told() {
    let mut call = Call::new();
    let (consumer, parameters) = call.consume(json!({}));
    let producer = json!({ "producerId": call.producer });
    call.stage.request("producer.pause", producer.clone());
    assert_eq!(call.stage.event(&consumer, "producerpause"), Value::Null);
    call.show_key_frame(3);
    call.expect_nothing_before_a_word();
    call.stage.request("producer.resume", producer.clone());
    assert_eq!(call.stage.event(&consumer, "producerresume"), Value::Null);
    call.stage.hear_key_frame_request(call.publisher, 22);
    call.show_key_frame(3);
    call.stage.hear(call.viewer, &parameters, 3);
    call.stage.request("producer.close", producer);
    assert_eq!(call.stage.event(&consumer, "producerclose"), Value::Null);
    let (class, code) = call.stage.refusal("consumer.dump", json!({ "consumerId": consumer }));
    assert_eq!((class.as_str(), code.as_str()), ("NotFoundError", "ERR_NOT_FOUND"));
}

#[test]
fn the_viewers_of_a_transport_that_closes_are_told_that_its_producers_closed() {
    let mut call = Call::new();
    let (consumer, _) = call.consume(json!({}));
    let transport = call.stage.transport(call.publisher);
    call.stage.request("transport.close", json!({ "transportId": transport }));
    assert_eq!(call.stage.event(&consumer, "producerclose"), Value::Null);
}

#[test]
fn a_consumer_that_starts_paused_begins_with_a_key_frame_when_it_resumes() {
    let mut call = Call::new();
    let (consumer, parameters) = call.consume(json!({ "paused": true }));
    call.show_key_frame(2);
    call.expect_nothing_before_a_word();
    assert!(call.stage.key_frame_requests(call.publisher).is_empty(), "nobody watches yet");
    call.stage.request("consumer.resume", json!({ "consumerId": consumer }));
    call.stage.hear_key_frame_request(call.publisher, 22);
    let frame = call.camera.delta_frame(2);
    call.stage.publish(call.publisher, &frame);
    call.expect_nothing_before_a_word();
    call.show_key_frame(2);
    call.stage.hear(call.viewer, &parameters, 2);
}

#[test]
fn a_consumer_that_pauses_and_resumes_sees_no_gap_in_its_numbers() {
    let mut call = Call::new();
    let (consumer, parameters) = call.consume(json!({}));
    call.show_key_frame(2);
    let before = call.stage.hear(call.viewer, &parameters, 2);
    call.stage.request("consumer.pause", json!({ "consumerId": consumer }));
    call.show_key_frame(4);
    call.expect_nothing_before_a_word();
    call.stage.request("consumer.resume", json!({ "consumerId": consumer }));
    call.show_key_frame(2);
    let after = call.stage.hear(call.viewer, &parameters, 2);
    assert_eq!(after[0].meta.sequence, before[1].meta.sequence.wrapping_add(1));
}

#[test]
fn a_closed_consumer_gets_nothing_more() {
    let mut call = Call::new();
    let (consumer, parameters) = call.consume(json!({}));
    call.show_key_frame(2);
    call.stage.hear(call.viewer, &parameters, 2);
    call.stage.request("consumer.close", json!({ "consumerId": consumer }));
    call.show_key_frame(2);
    call.expect_nothing_before_a_word();
}

/// A publisher with a camera and a microphone, and a viewer who hears the microphone.
struct Call {
    stage: Stage,
    room: Room,
    publisher: GuestId,
    viewer: GuestId,
    producer: String,
    camera: Vp8Source,
    microphone: OpusSource,
    heard_as: Value,
}

impl Call {
    fn new() -> Self {
        let mut stage = Stage::new();
        let room = stage.room();
        let [publisher, viewer] = [(); 2].map(|()| stage.join(&room));
        let producer = stage.produce(publisher, &camera(22));
        let audio = stage.produce(publisher, &microphone(11));
        let (_, heard_as) = stage.consume(viewer, &room, &audio);
        let (camera, microphone) = (video_stream(22), OpusSource::new(11, OPUS));
        Self { stage, room, publisher, viewer, producer, camera, microphone, heard_as }
    }

    fn consume(&mut self, options: Value) -> (String, Value) {
        self.stage.consume_with(self.viewer, &self.room, &self.producer, options)
    }

    fn show_key_frame(&mut self, packets: usize) {
        let frame = self.camera.key_frame(packets);
        self.stage.publish(self.publisher, &frame);
    }

    /// A word that is sent after everything else comes alone.
    fn expect_nothing_before_a_word(&mut self) {
        let word = self.microphone.packet();
        self.stage.publish(self.publisher, &[word]);
        self.stage.hear(self.viewer, &self.heard_as, 1);
        assert!(self.stage.guest(self.viewer).rtp.is_empty(), "something came before the word");
    }
}
