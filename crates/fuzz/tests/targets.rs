//! Every target for a moment: its corpus and mutations of it. `MILLRACE_FUZZ_SECONDS` and `MILLRACE_FUZZ_SEED` change how
//! long and which.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::{Path, PathBuf};

use millrace_fuzz::targets::{TARGETS, target};
use millrace_fuzz::{Plan, corpus, hunt};
use millrace_testkit::memory::MeasuringAllocator;

#[global_allocator]
static ALLOCATOR: MeasuringAllocator = MeasuringAllocator;

/// A test for each target, named after it.
macro_rules! hunts {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                survives(stringify!($name));
            }
        )*

        /// Targets that have a test.
        const HUNTED: &[&str] = &[$(stringify!($name)),*];
    };
}

hunts! {
    rtp rtp_header rtcp transport_feedback estimator rtx vp8 vp9 h264 h265 av1 dependency stun srtp dtls_client_hello dtls_records
    sctp_filter tcp_framing process_frames sctp transport plain router observers data_address
    frames_vp8 frames_vp9 frames_h264 frames_h265 frames_av1 frames_aac mixer video_mixer
}

#[test]
fn every_target_has_a_test_and_a_binary_for_libfuzzer() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(HUNTED, names);
    let manifest = fs::read_to_string(repository("fuzz/Cargo.toml")).unwrap();
    let binaries: Vec<_> = manifest.lines().filter_map(|line| line.strip_prefix("name = ")).skip(1).collect();
    assert_eq!(binaries, names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>());
    for name in names {
        let source = fs::read_to_string(repository(&format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
        assert!(source.contains(&format!("millrace_fuzz::targets::{name}(data)")), "{name}");
    }
}

#[test]
fn the_corpus_holds_what_our_writers_make() {
    for target in TARGETS {
        let (mut made, mut committed) = (corpus::seeds(target), corpus::committed_seeds(target).unwrap());
        made.sort();
        committed.sort();
        assert_eq!(made, committed, "{}: run `cargo run -p millrace-fuzz -- --write-seeds`", target.name);
    }
}

fn survives(name: &str) {
    let target = target(name).unwrap();
    let plan = Plan::of_test(target.executions);
    match hunt(target, corpus::read(target).unwrap(), plan) {
        Ok(report) => println!("{name}: seed {}, {report:?}", plan.seed),
        Err(failure) => panic!("{failure}"),
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
