//! The driver against targets with planted bugs.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use millrace_fuzz::{Budget, Plan, Target, hunt};
use millrace_testkit::memory::MeasuringAllocator;

#[global_allocator]
static ALLOCATOR: MeasuringAllocator = MeasuringAllocator;

const PLAN: Plan = Plan { seed: 7, budget: Budget::Executions(20_000) };

/// Panics on a length that lies, which no seed has.
static TRUSTS_A_LENGTH: Target = Target::planted("trusts_a_length", |data| {
    if let [kind @ 0..16, len, rest @ ..] = data {
        assert!(usize::from(*len) <= rest.len() || *kind != 3, "a length was trusted");
    }
});

/// Allocates what a length says.
static ALLOCATES_BY_LENGTH: Target = Target::planted("allocates_by_length", |data| {
    if let Some(len) = data.first_chunk() {
        std::hint::black_box(Vec::<u8>::with_capacity(u16::from_be_bytes(*len).into()));
    }
});

static SOUND: Target = Target::planted("sound", |data| {
    std::hint::black_box(data.to_vec());
});

#[test]
fn a_panic_is_reported_with_an_input_that_repeats_it_and_the_seed() {
    let failure = hunt(&TRUSTS_A_LENGTH, vec![vec![3, 2, 1, 1]], PLAN).unwrap_err();
    let repeated = std::panic::catch_unwind(|| (TRUSTS_A_LENGTH.run)(&failure.input));
    assert!(repeated.is_err());
    let text = failure.to_string();
    let hex: String = failure.input.iter().map(|byte| format!("{byte:02x}")).collect();
    for part in ["trusts_a_length: panicked: a length was trusted", "seed 7", &hex, "--input"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn one_seed_finds_the_same_input_again_and_another_seed_another() {
    let find = |seed| hunt(&TRUSTS_A_LENGTH, vec![vec![3, 2, 1, 1]], Plan { seed, ..PLAN }).unwrap_err();
    assert_eq!(find(7), find(7));
    assert_ne!(find(7).input, find(8).input);
}

#[test]
fn a_panic_on_the_corpus_itself_is_reported_without_any_mutation() {
    let plan = Plan { budget: Budget::Executions(0), ..PLAN };
    let failure = hunt(&TRUSTS_A_LENGTH, vec![vec![1], vec![3, 9]], plan).unwrap_err();
    assert_eq!((failure.execution, failure.input), (2, vec![3, 9]));
}

#[test]
fn memory_by_a_declared_length_is_reported() {
    let failure = hunt(&ALLOCATES_BY_LENGTH, vec![vec![0, 3]], PLAN).unwrap_err();
    assert!(failure.reason.contains("are allowed"), "{failure}");
}

#[test]
fn a_sound_target_gets_the_corpus_and_as_many_mutations_as_planned() {
    let report = hunt(&SOUND, vec![vec![1], vec![2]], PLAN).unwrap();
    assert_eq!(report.executions, 20_002);
    assert!((1..=4096).contains(&report.peak_bytes), "{report:?}");
}
