//! A worker in a child process, behind a socket pair: the same requests, messages and packets.

use std::env;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use millrace_engine::process::{read_frame, serve, write_frame};
use millrace_testkit::OpusSource;
use millrace_testkit::socket_peer::is_readable;
use serde_json::{Value, json};

use crate::harness::{Link, OPUS, Stage, camera, microphone, payload_of, udp, video_stream};

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

    fn take(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while is_readable(self.socket.as_fd()) {
            let Some(batch) = read_frame(&mut self.socket).unwrap() else { break };
            messages.extend(serde_json::from_str::<Vec<Value>>(&batch).unwrap());
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
