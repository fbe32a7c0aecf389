//! Mixers: what they do when they fail, and what they tell of time.

use std::time::{Duration, Instant};

use millrace_engine::{Tap, TapOptions};
use millrace_model::NtpTime;
use serde_json::{Value, json};

use crate::harness::{Room, Stage};

/// A second after a fault its outputs go on, at the latest.
const GAP_MAX: Duration = Duration::from_secs(1);

/// What takes longer does not come.
const HANG_LIMIT: Duration = Duration::from_secs(20);

#[test]
#[cfg(debug_assertions)]
fn a_mixer_that_panics_goes_on_in_one_row_and_another_notices_nothing() {
    let mut stage = Stage::new();
    let room = telephony(&mut stage);
    let (broken, mut heard) = mixer(&mut stage, &room);
    let (other, mut heard_beside) = mixer(&mut stage, &room);
    let before = hear(&mut heard, 5);
    let beside_before = hear(&mut heard_beside, 5);
    stage.request("audioMixer.fail", json!({ "audioMixerId": broken }));
    assert_eq!(stage.event(&broken, "restart")["reason"], "panic");
    let failed = Instant::now();
    let after = hear(&mut heard, 5);
    let gap = failed.elapsed().saturating_sub(Duration::from_millis(100));
    assert!(gap < GAP_MAX, "{gap:?}");
    let all: Vec<_> = before.into_iter().chain(after).collect();
    assert!(all.windows(2).all(|pair| pair[1].0 == pair[0].0.wrapping_add(1)), "{all:?}");
    let steps: Vec<_> = all.windows(2).map(|pair| pair[1].1.wrapping_sub(pair[0].1)).collect();
    assert!(steps.iter().all(|step| (1..=8_000).contains(step)), "time goes on: {steps:?}");
    let beside = hear(&mut heard_beside, 5);
    let beside: Vec<_> = beside_before.into_iter().chain(beside).collect();
    assert!(beside.windows(2).all(|pair| pair[1].0 == pair[0].0.wrapping_add(1)), "{beside:?}");
    let restarts = |stage: &mut Stage, mixer: &str| {
        stage.request("audioMixer.getStats", json!({ "audioMixerId": mixer }))["restarts"].clone()
    };
    assert_eq!((restarts(&mut stage, &broken), restarts(&mut stage, &other)), (json!(1), json!(0)));
}

#[test]
fn outputs_report_when_their_sound_belongs_and_two_of_them_agree() {
    let mut stage = Stage::new();
    let room = telephony(&mut stage);
    let (_, mut one) = mixer(&mut stage, &room);
    let (_, mut other) = mixer(&mut stage, &room);
    let told = [&mut one, &mut other].map(|tap| {
        poll(|| {
            let mut last = None;
            tap.receive(|packet| last = Some((timestamp_of(packet), Instant::now())));
            let (timestamp, at) = last?;
            Some((tap.captured_at(timestamp)?, at))
        })
    });
    let [(NtpTime(first), first_at), (NtpTime(second), second_at)] = told;
    let ntp = second.abs_diff(first) as f64 / f64::from(u32::MAX);
    let passed = second_at.duration_since(first_at).as_secs_f64();
    // Seconds apart would be another clock, or none.
    assert!((ntp - passed).abs() < 0.5, "{ntp} {passed}");
}

/// A router for telephones.
fn telephony(stage: &mut Stage) -> Room {
    let id = stage.new_id();
    let codecs = json!([{ "kind": "audio", "mimeType": "audio/PCMU", "clockRate": 8_000 }]);
    let mut reply = stage.request("worker.createRouter", json!({ "routerId": id, "mediaCodecs": codecs }));
    Room { id, capabilities: reply["rtpCapabilities"].take() }
}

/// A mixer without inputs, and what its output brings: silence, a packet every 20 ms.
fn mixer(stage: &mut Stage, room: &Room) -> (String, Tap) {
    let [mixer, output, producer] = [(); 3].map(|()| stage.new_id());
    stage.request("worker.createAudioMixer", json!({ "audioMixerId": mixer }));
    let params = json!({
        "audioMixerId": mixer, "outputId": output, "producerId": producer, "routerId": room.id, "codec": "pcmu",
    });
    assert_ne!(stage.request("audioMixer.createOutput", params), Value::Null);
    let options = TapOptions {
        router: room.id.parse().unwrap(),
        producer: producer.parse().unwrap(),
        preferred_layers: None,
        paused: false,
    };
    (mixer, Tap::open(&stage.handle(), options, || {}).unwrap())
}

/// Numbers and timestamps of the next packets, at least so many.
fn hear(tap: &mut Tap, count: usize) -> Vec<(u16, u32)> {
    let mut heard = Vec::new();
    poll(|| {
        tap.receive(|packet| heard.push((u16::from_be_bytes([packet[2], packet[3]]), timestamp_of(packet))));
        (heard.len() >= count).then(|| heard.clone())
    })
}

/// Waits until `condition` gives something.
fn poll<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    while started.elapsed() < HANG_LIMIT {
        match condition() {
            Some(value) => return value,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    panic!("it never happened");
}

fn timestamp_of(packet: &[u8]) -> u32 {
    u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]])
}
