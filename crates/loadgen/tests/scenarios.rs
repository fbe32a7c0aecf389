//! Short runs of the binary: figures mean nothing here, but every packet arrives and is as it was sent.

#![cfg(target_os = "linux")]

use std::process::Command;

use serde_json::{Value, json};

/// A run is so short that a busy machine may leave no packet of those in it whose delay is measured.
const SHORT_RUNS_MAX: u32 = 5;

#[test]
fn every_server_delivers_what_was_sent() {
    for target in ["millrace", "null", "null-gso"] {
        for media in ["single", "frames", "recorded", "audio"] {
            let is_sampled = (0..SHORT_RUNS_MAX).any(|_| {
                let figures = run(&fanout(target, media));
                assert!(figures["delivered"].as_u64() > Some(10), "{target} {media}: {figures}");
                assert_eq!((&figures["corrupt"], &figures["duplicates"]), (&json!(0), &json!(0)), "{target} {media}");
                figures["sampled"].as_u64() > Some(0)
            });
            assert!(is_sampled, "{target} {media}: no delay was measured");
        }
    }
}

#[test]
fn viewers_of_simulcast_change_their_layers_and_miss_nothing() {
    let mut scenario = fanout("millrace", "frames");
    scenario["layers"] = json!(3);
    scenario["changesPerSecond"] = json!(10);
    scenario["rate"] = json!(60);
    scenario["seconds"] = json!(2);
    let figures = run(&scenario);
    assert!(figures["layerChanges"].as_u64() > Some(0), "{figures}");
    let wrong = ["corrupt", "duplicates", "lost"].map(|name| figures[name].as_u64());
    assert_eq!(wrong, [Some(0); 3], "{figures}");
}

#[test]
fn lost_packets_are_repaired() {
    let mut scenario = fanout("millrace", "frames");
    scenario["quality"] = json!({ "loss": 0.05, "delayMs": 5 });
    scenario["rate"] = json!(60);
    scenario["seconds"] = json!(1.5);
    let figures = run(&scenario);
    assert!(figures["repaired"].as_u64() > Some(0), "{figures}");
    assert_eq!(figures["corrupt"], 0, "{figures}");
}

#[test]
fn peers_join_and_are_weighed() {
    let joins = run(&json!({ "scenario": "joins", "joins": 5, "concurrency": 2 }));
    assert!(joins["joinsPerCoreSecond"].as_f64() > Some(0.0), "{joins}");
    let memory = run(&json!({ "scenario": "memory", "count": 10 }));
    assert!(memory["connectedTransportBytes"].is_number(), "{memory}");
    let paused = run(&json!({ "scenario": "paused", "consumers": 10, "seconds": 0.1 }));
    assert!(paused["coreShare"].is_number(), "{paused}");
}

#[test]
fn a_flood_does_not_spoil_the_call() {
    let flood = run(&json!({
        "scenario": "flood", "target": "millrace", "viewers": 1, "media": "frames", "repairs": true,
        "seconds": 1, "forgedPerSecond": 5_000,
    }));
    let flooded = &flood["flooded"];
    assert!(flooded["forged"].as_u64() > Some(0), "{flood}");
    assert_eq!((&flooded["lost"], &flooded["corrupt"]), (&json!(0), &json!(0)), "{flood}");
}

#[test]
fn what_one_says_on_a_data_channel_everybody_hears() {
    for target in ["millrace", "str0m"] {
        for (viewers, message_bytes, pace) in
            [(5, 200, json!({ "rate": 30 })), (1, 16_384, json!({ "window": 262_144 }))]
        {
            let figures = run(&json!({
                "scenario": "data", "target": target, "viewers": viewers, "messageBytes": message_bytes, "pace": pace,
                "seconds": 0.5, "warmupSeconds": 0.1,
            }));
            assert!(figures["delivered"].as_u64() >= Some(10 * viewers), "{target}: {figures}");
            assert_eq!((&figures["lost"], &figures["corrupt"]), (&json!(0), &json!(0)), "{target}: {figures}");
        }
    }
}

#[test]
fn a_scenario_that_does_not_exist_is_refused() {
    let output = loadgen().arg(r#"{"scenario":"dance"}"#).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("dance"));
}

fn fanout(target: &str, media: &str) -> Value {
    json!({
        "scenario": "fanout", "target": target, "media": media, "viewers": 3,
        "warmupSeconds": 0, "seconds": 0.2,
    })
}

fn run(scenario: &Value) -> Value {
    let output = loadgen().arg(scenario.to_string()).output().expect("the binary runs");
    assert!(output.status.success(), "{scenario}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("figures in JSON")
}

fn loadgen() -> Command {
    Command::new(env!("CARGO_BIN_EXE_millrace-loadgen"))
}
