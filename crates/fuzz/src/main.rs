//! `cargo run --release -p millrace-fuzz -- [TARGET…] [--seconds N] [--seed N]` runs targets (all, if none is named) for N
//! seconds each; `TARGET --input FILE` runs one input; `--write-seeds` writes the generated part of the corpus.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use millrace_fuzz::targets::{TARGETS, Target, target};
use millrace_fuzz::{Budget, Plan, corpus, hunt};
use millrace_testkit::memory::MeasuringAllocator;

#[global_allocator]
static ALLOCATOR: MeasuringAllocator = MeasuringAllocator;

/// Seconds that a target is run for when nothing is said.
const SECONDS_DEFAULT: u64 = 60;

struct Arguments {
    targets: Vec<&'static Target>,
    seconds: u64,
    seed: u64,
    input: Option<PathBuf>,
    write_seeds: bool,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let seed = fastrand::u64(..);
    let mut arguments =
        Arguments { targets: Vec::new(), seconds: SECONDS_DEFAULT, seed, input: None, write_seeds: false };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--seconds" => arguments.seconds = number(value()?)?,
            "--seed" => arguments.seed = number(value()?)?,
            "--input" => arguments.input = Some(value()?.into()),
            "--write-seeds" => arguments.write_seeds = true,
            name => arguments.targets.push(target(name).ok_or_else(|| unknown(name))?),
        }
    }
    if arguments.targets.is_empty() {
        arguments.targets = TARGETS.iter().collect();
    }
    Ok(arguments)
}

fn unknown(name: &str) -> String {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    format!("there is no target {name}, only {}", names.join(", "))
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let of_file = |error: std::io::Error| error.to_string();
    if arguments.write_seeds {
        return arguments.targets.iter().try_for_each(|target| corpus::write_seeds(target).map_err(of_file));
    }
    let budget = match arguments.input {
        Some(_) => Budget::Executions(0),
        None => Budget::Time(Duration::from_secs(arguments.seconds)),
    };
    let plan = Plan { seed: arguments.seed, budget };
    let mut failures = Vec::new();
    for target in &arguments.targets {
        let inputs = match &arguments.input {
            Some(path) => vec![fs::read(path).map_err(of_file)?],
            None => corpus::read(target).map_err(of_file)?,
        };
        match hunt(target, inputs, plan) {
            Ok(report) => println!(
                "{}: {} executions in {:.1} s ({:.0} a second), at most {} bytes held; seed {}",
                target.name,
                report.executions,
                report.elapsed.as_secs_f64(),
                report.executions as f64 / report.elapsed.as_secs_f64().max(0.001),
                report.peak_bytes,
                plan.seed
            ),
            Err(failure) => failures.push(failure.to_string()),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}
