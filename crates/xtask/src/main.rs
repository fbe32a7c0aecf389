//! Checks of the repository that a compiler does not make.
//!
//! `cargo xtask tidy` lists what is wrong with the house; it also runs as a test. `cargo xtask generate` writes the
//! files that are made from code.

mod architecture;
mod arrows;
mod cores;
mod dependencies;
mod generated;
mod limits;
mod links;
mod metrics;
mod platforms;
mod scripts;
mod sizes;
mod tree;
mod unsafe_code;

use std::process::ExitCode;

use tree::{Finding, Tree};

fn main() -> ExitCode {
    let tree = Tree::of_this_repository();
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => report(&findings(&tree)),
        Some("generate") => generate(&tree),
        _ => {
            eprintln!("usage: cargo xtask tidy | generate");
            ExitCode::from(2)
        }
    }
}

fn report(findings: &[Finding]) -> ExitCode {
    for finding in findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn generate(tree: &Tree) -> ExitCode {
    match generated::write(tree) {
        Ok(()) => ExitCode::SUCCESS,
        Err(finding) => report(&[finding]),
    }
}

fn findings(tree: &Tree) -> Vec<Finding> {
    let checks = [
        architecture::check,
        arrows::check,
        cores::check,
        dependencies::check,
        generated::check,
        limits::check,
        links::check,
        platforms::check,
        scripts::check,
        sizes::check,
        unsafe_code::check,
    ];
    checks.iter().flat_map(|check| check(tree)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let lines: Vec<_> = findings(&Tree::of_this_repository()).iter().map(Finding::to_string).collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }
}
