//! A worker in a child process, behind a socket pair: the same requests, messages and packets.

use std::env;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use millrace_engine::packets::PacketBatch;
use millrace_engine::process::{Frame, read_any_frame, read_frame, serve, write_frame, write_packets};
use millrace_testkit::OpusSource;
use millrace_testkit::socket_peer::is_readable;
use serde_json::{Value, json};

use crate::harness::{Heard, Link, OPUS, Stage, camera, microphone, payload_of, udp, video_stream};

/// Set for the child, which is this test binary once more.
const IS_CHILD: &str = "MILLRACE_TEST_CHILD";

#[test]
fn a_worker_in_a_child_process_forwards_packets_between_two_peers() {
    let child = InChild::start(&json!({}));
    let pid = child.child.id();
    let mut stage = Stage::on(child);
    assert_eq!(stage.request("worker.dump", json!({}))["pid"], pid, "the worker is in the other process");
    let server = stage.server(json!([udp("127.0.0.1")]));
    let room = stage.room();
    let [publisher, viewer] = [(); 2].map(|()| stage.join_by(&room, json!({ "webRtcServerId": server })));
    let audio = stage.produce(publisher, &microphone(11));
    let video = stage.produce(publisher, &camera(22));
    let (_, heard_as) = stage.consume(viewer, &room, &audio);
    let (consumer, seen_as) = stage.consume(viewer, &room, &video);
    let mut source = OpusSource::new(11, OPUS);
    let spoken: Vec<_> = (0..40).map(|_| source.packet()).collect();
    let shown = video_stream(22).key_frame(12);
    stage.publish(publisher, &spoken);
    stage.publish(publisher, &shown);
    for (sent, parameters) in [(spoken, heard_as), (shown, seen_as)] {
        let received = stage.hear(viewer, &parameters, sent.len());
        assert!(received.iter().zip(&sent).all(|(received, sent)| received.payload() == payload_of(sent)));
    }
    stage.request("producer.close", json!({ "producerId": video }));
    assert_eq!(stage.event(&consumer, "producerclose"), Value::Null);
}

#[test]
fn packets_of_direct_transports_cross_between_the_processes_both_ways() {
    let mut stage = Stage::on(InChild::start(&json!({})));
    let room = stage.room();
    let [microphones, sink] = [(); 2].map(|()| stage.direct(&room));
    let (producer, inlet) = stage.produce_on(&microphones, &microphone(11));
    let (consumer, outlet, parameters) = stage.consume_on(&sink, &room, &producer);
    stage.request("consumer.listen", json!({ "consumerId": consumer, "listens": true }));
    let mut source = OpusSource::new(11, OPUS);
    let spoken: Vec<_> = (0..40).map(|_| source.packet()).collect();
    let mut batch = PacketBatch::default();
    spoken.iter().for_each(|packet| batch.push(inlet, packet));
    batch.push(inlet, b"no packet");
    stage.send_packets(batch);
    let heard = stage.until("the packets", |stage| {
        let heard = stage.packets_of(outlet);
        (heard.len() >= spoken.len()).then_some(heard)
    });
    assert_eq!(heard.len(), spoken.len());
    for (heard, sent) in heard.into_iter().zip(&spoken) {
        assert_eq!(Heard::parse(heard, &parameters).payload(), payload_of(sent));
    }
    assert_eq!(stage.counter(None, "application_packets_dropped"), 0);
    stage.counted(Some(&microphones), "application_packets_refused", 1);
}

#[test]
fn a_child_ends_well_when_its_owner_hangs_up() {
    let mut child = InChild::start(&json!({}));
    child.request(json!({ "id": 1, "method": "worker.dump" }).to_string());
    let reply = read_frame(&mut child.socket).unwrap().unwrap();
    assert!(reply.contains(r#""id":1"#), "{reply}");
    child.socket.shutdown(std::net::Shutdown::Write).unwrap();
    while read_frame(&mut child.socket).unwrap().is_some() {}
    assert!(child.child.wait().unwrap().success());
}

#[test]
fn a_child_tells_why_its_settings_are_refused() {
    let mut child = InChild::start(&json!({ "logLevel": "loud" }));
    let refusal: Value = serde_json::from_str(&read_frame(&mut child.socket).unwrap().unwrap()).unwrap();
    assert_eq!(refusal["class"], "TypeError");
    assert!(!child.child.wait().unwrap().success());
}

/// Not a test of its own: what the child processes of the tests above run.
#[test]
fn the_child_serves_its_owner() {
    if env::var_os(IS_CHILD).is_none() {
        return;
    }
    // The socket is the child's standard input, because that can be inherited by name.
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    serve(&socket, &socket).unwrap();
}

/// A worker in a child process.
struct InChild {
    child: Child,
    socket: UnixStream,
}

impl InChild {
    fn start(settings: &Value) -> Self {
        let (mut socket, end_of_child) = UnixStream::pair().unwrap();
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "process::the_child_serves_its_owner", "--nocapture"])
            .env(IS_CHILD, "1")
            .stdin(OwnedFd::from(end_of_child))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        write_frame(&mut socket, &settings.to_string()).unwrap();
        Self { child, socket }
    }
}

impl Link for InChild {
    fn request(&mut self, text: String) {
        write_frame(&mut self.socket, &text).unwrap();
    }

    fn send_packets(&mut self, batch: PacketBatch) {
        write_packets(&mut self.socket, batch).unwrap();
    }

    fn take(&mut self, packets: &mut Vec<(u32, Vec<u8>)>) -> Vec<Value> {
        let mut messages = Vec::new();
        while is_readable(self.socket.as_fd()) {
            match read_any_frame(&mut self.socket).unwrap() {
                Some(Frame::Text(batch)) => messages.extend(serde_json::from_str::<Vec<Value>>(&batch).unwrap()),
                Some(Frame::Packets(batch)) => {
                    packets.extend(batch.packets().map(|(number, packet)| (number, packet.to_vec())));
                }
                None => break,
            }
        }
        messages
    }

    fn bell(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for InChild {
    fn drop(&mut self) {
        // Hanging up ends the child; a test that failed must not leave it behind either way.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let _ = self.child.wait();
    }
}
