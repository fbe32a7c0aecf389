//! A worker's life and death.

use millrace_testkit::OpusSource;
use serde_json::json;

use crate::harness::{InProcess, OPUS, Stage, microphone};

#[test]
#[cfg(debug_assertions)]
fn n09_a_panic_ends_its_worker_with_died_and_another_worker_lives_on() {
    let mut other = Stage::new();
    let room = other.room();
    let guest = other.join(&room);
    let producer = other.produce(guest, &microphone(11));
    let (_, parameters) = other.consume(guest, &room, &producer);

    let mut stage = Stage::new();
    let doomed = stage.room();
    let transport = stage.join(&doomed);
    stage.send("worker.panic", json!({}));
    let died = stage.message("the last words", |message| message["type"] == "died");
    assert!(died["message"].as_str().unwrap().contains("asked for by a test"));
    let refusal = stage.refusal("worker.dump", json!({}));
    assert_eq!(refusal, ("WorkerClosedError".into(), "ERR_WORKER_CLOSED".into()));
    let port = stage.guest(transport).offer["iceCandidates"][0]["port"].as_u64().unwrap() as u16;
    std::net::UdpSocket::bind(("127.0.0.1", port)).unwrap();

    let packet = OpusSource::new(11, OPUS).packet();
    other.publish(guest, &[packet]);
    other.hear(guest, &parameters, 1);
}

#[test]
fn wrong_settings_are_refused_before_a_thread_exists() {
    use millrace_engine::{Outbox, Worker};
    for settings in ["{", r#"{"logLevel":"loud"}"#, r#"{"rtcMinPort":2000,"rtcMaxPort":1000}"#] {
        let error = Worker::start(settings, Outbox::new(|| {}).into()).err().unwrap();
        assert!(error.body_json().contains(r#""class":"TypeError""#), "{settings}: {}", error.body_json());
    }
    let nowhere = r#"{"dtlsCertificateFile":"/nowhere/a.pem","dtlsPrivateKeyFile":"/nowhere/b.pem"}"#;
    assert!(Worker::start(nowhere, Outbox::new(|| {}).into()).is_err());
}

#[test]
fn steps_of_a_call_are_logged_by_level_and_tag() {
    let mut stage = Stage::on(InProcess::start(&json!({ "logLevel": "debug", "logTags": ["ice"] })));
    let room = stage.room();
    stage.join(&room);
    let line = stage.message("a log line", |message| message["type"] == "log");
    assert_eq!((&line["level"], &line["tag"]), (&json!("debug"), &json!("ice")));
    assert!(!line["message"].as_str().unwrap().contains("127.0.0.1"), "p05: no addresses");
    stage.request("worker.updateSettings", json!({ "logLevel": "none" }));
    let room = stage.room();
    while stage.heard().any(|message| message["type"] == "log") {
        stage.message("an earlier line", |message| message["type"] == "log");
    }
    stage.join(&room);
    assert!(stage.heard().all(|message| message["type"] != "log"));
}
