//! Files of at most 600 code lines, functions of at most 70. What is larger stands in `crates/xtask/oversize.txt`, a list
//! that only shrinks.
//!
//! Each line of it is `path lines N` for a file of N code lines, or `path functions N` for a file in which N functions
//! are excused. The length of functions itself is measured by clippy and Biome; here their excuses are counted.

use crate::tree::{Finding, Tree, shipped};

/// Most code lines of a file: neither blank nor comment, tests left out.
const FILE_LINES_MAX: usize = 600;

/// The list of what is larger.
const LIST: &str = "crates/xtask/oversize.txt";

/// How a long function is excused, in Rust and in TypeScript.
const EXCUSES: [&str; 2] = ["clippy::too_many_lines", "noExcessiveLinesPerFunction"];

/// What is counted about a file, and how much of it needs no entry in the list.
struct Measure {
    name: &'static str,
    free: usize,
    count: fn(&str) -> usize,
}

const MEASURES: [Measure; 2] = [
    Measure { name: "lines", free: FILE_LINES_MAX, count: |text| code_lines(shipped(text)) },
    Measure { name: "functions", free: 0, count: excuses },
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let list = tree.text(LIST).unwrap_or_default();
    let mut sources: Vec<_> = ["crates", "ts"].iter().flat_map(|folder| tree.sources(folder)).collect();
    sources.retain(|path| !path.starts_with("crates/xtask/"));
    let findings = sources.iter().flat_map(|path| check_file(tree, path, &list));
    findings.chain(stale(&list, &sources)).collect()
}

fn check_file(tree: &Tree, path: &str, list: &str) -> Vec<Finding> {
    let text = tree.text(path).unwrap_or_default();
    let messages = MEASURES.iter().filter_map(|measure| objection(measure, &text, listed(list, path, measure.name)));
    messages.map(|message| Finding::new(path, message)).collect()
}

/// What is wrong with a file's size, if anything, given the number in the list.
fn objection(Measure { name, free, count }: &Measure, text: &str, listed: Option<usize>) -> Option<String> {
    let size = count(text);
    match listed {
        None if size > *free => {
            Some(format!("{size} {name} too large, {free} are allowed: split what does not belong together"))
        }
        Some(listed) if size > listed => Some(format!("grew from {listed} to {size} {name}: the list only shrinks")),
        Some(_) if size <= *free => Some(format!("is small enough in {name}: remove it from {LIST}")),
        Some(listed) if size < listed => Some(format!("shrank to {size} {name}: write that into {LIST}")),
        _ => None,
    }
}

/// The number that the list has for a file and a measure.
fn listed(list: &str, path: &str, measure: &str) -> Option<usize> {
    let mut numbers = list.lines().filter_map(|line| line.strip_prefix(&format!("{path} {measure} "))?.parse().ok());
    numbers.next()
}

/// Entries of the list that belong to no file.
fn stale(list: &str, sources: &[String]) -> Vec<Finding> {
    let paths = list.lines().map(|line| line.split(' ').next().unwrap_or_default());
    let gone = paths.filter(|path| !sources.iter().any(|source| source == path));
    gone.map(|path| Finding::new(LIST, format!("there is no `{path}`: remove the line"))).collect()
}

fn code_lines(source: &str) -> usize {
    let is_code = |line: &&str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("//") && !line.starts_with("/*") && !line.starts_with('*')
    };
    source.lines().filter(is_code).count()
}

fn excuses(source: &str) -> usize {
    EXCUSES.iter().map(|excuse| source.matches(excuse).count()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Planted;

    const FILE: &str = "crates/net/src/udp.rs";

    #[test]
    fn comments_blank_lines_and_tests_do_not_count() {
        let source = "//! Doc.\n\nfn a() {\n    // why\n}\n\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(code_lines(shipped(source)), 2);
    }

    #[test]
    fn a_file_over_the_limit_is_found_in_both_languages() {
        for path in [FILE, "ts/worker.ts"] {
            let tree = Planted::with(&[(path, &"x\n".repeat(601))]);
            assert_eq!(tree.found_by(check).len(), 1);
        }
        assert!(Planted::with(&[(FILE, &"x\n".repeat(600))]).found_by(check).is_empty());
    }

    #[test]
    fn a_listed_file_may_neither_grow_nor_shrink_unnoticed() {
        let list = format!("{FILE} lines 650\n");
        for (lines, findings) in [(651, 1), (650, 0), (649, 1), (600, 1)] {
            let tree = Planted::with(&[(FILE, &"x\n".repeat(lines)), (LIST, &list)]);
            assert_eq!(tree.found_by(check).len(), findings, "{lines}");
        }
    }

    #[test]
    fn a_long_function_is_found_unless_listed() {
        let source = "#[allow(clippy::too_many_lines)]\nfn a() {}\n";
        assert_eq!(Planted::with(&[(FILE, source)]).found_by(check).len(), 1);
        let list = format!("{FILE} functions 1\n");
        assert!(Planted::with(&[(FILE, source), (LIST, &list)]).found_by(check).is_empty());
    }

    #[test]
    fn a_line_of_the_list_without_its_file_is_found() {
        assert_eq!(Planted::with(&[(LIST, "crates/net/src/gone.rs lines 700\n")]).found_by(check).len(), 1);
    }
}
