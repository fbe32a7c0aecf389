//! `cargo run -p millrace-netlab` compares the contenders and prints the table; `write <folder>` also writes the page
//! and a picture of each scenario. `only <text>` takes the scenarios whose names contain it, `ours` leaves the others
//! out, `seeds <n>` runs each so often.

use std::fs;
use std::process::ExitCode;

use millrace_netlab::run::{Contender, run};
use millrace_netlab::scenarios::{self, Scenario};
use millrace_netlab::score::Figures;
use millrace_netlab::table::{Row, markdown, verdict};
use millrace_netlab::{picture, table};

struct Options {
    folder: Option<String>,
    only: String,
    contenders: Vec<Contender>,
    seeds: u64,
}

fn main() -> ExitCode {
    let options = options();
    let mut rows = Vec::new();
    for scenario in scenarios::all().into_iter().filter(|scenario| scenario.name.contains(&options.only)) {
        let row = compare(scenario, &options);
        if let Some(table_row) = markdown(std::slice::from_ref(&row)).lines().nth(2) {
            eprintln!("{table_row}");
        }
        rows.push(row);
    }
    println!("{}\n{}", markdown(&rows), verdict(&rows));
    if let Some(folder) = &options.folder
        && let Err(error) = fs::write(format!("{folder}/README.md"), page(&rows, options.seeds))
    {
        eprintln!("{folder}: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn options() -> Options {
    let mut options = Options { folder: None, only: String::new(), contenders: Contender::ALL.to_vec(), seeds: 3 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "write" => options.folder = words.next(),
            "only" => options.only = words.next().unwrap_or_default(),
            "seeds" => options.seeds = words.next().and_then(|text| text.parse().ok()).unwrap_or(3),
            "ours" => options.contenders = vec![Contender::Millrace],
            _ => eprintln!("unknown: {word}"),
        }
    }
    options
}

fn compare(scenario: Scenario, options: &Options) -> Row {
    let mut figures = Vec::new();
    let mut first_runs = Vec::new();
    for contender in &options.contenders {
        let mut runs: Vec<_> = (1..=options.seeds).map(|seed| run(&scenario, *contender, seed)).collect();
        let all: Vec<_> = runs.iter().map(|run| run.figures()).collect();
        figures.push((*contender, Figures::mean(&all)));
        first_runs.push((*contender, runs.swap_remove(0)));
    }
    if let Some(folder) = &options.folder {
        let path = format!("{folder}/{}.svg", scenario.name);
        if let Err(error) = fs::write(&path, picture::svg(&scenario, &first_runs)) {
            eprintln!("{path}: {error}");
        }
    }
    Row { scenario, figures }
}

fn page(rows: &[Row], seeds: u64) -> String {
    format!(
        "# Congestion control on the seeded network\n\nWritten by `npm run bench:bandwidth`; every line is a mean of \
         {seeds} seeds of 60 s in virtual time, and each name leads to the picture of the first. The formula of the \
         score stands in `crates/netlab/src/score.rs`, the lines in `crates/netlab/src/scenarios.rs`; the same \
         network, media and feedback interval serve all three.\n\n{}\n{}",
        table::verdict(rows),
        table::markdown(rows)
    )
}
