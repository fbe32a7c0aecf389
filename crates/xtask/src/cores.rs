//! Cores are told the time and take bytes: no clock, chance, tokio, thread, file or socket in them.

use crate::tree::{Finding, Tree, shipped};

/// The crates that are cores.
pub(crate) const CORES: [&str; 7] = ["transport", "router", "mixer", "frames", "bandwidth", "packet", "model"];

/// What a core must not say, and what it does instead.
const FORBIDDEN: [(&str, &str); 16] = [
    ("Instant::now", "take `now: Instant` as an argument"),
    ("SystemTime", "take the time as an argument"),
    (".elapsed()", "take `now: Instant` and use saturating_duration_since"),
    ("tokio", "return events and a deadline instead"),
    ("std::thread", "return events instead"),
    ("std::fs", "take bytes"),
    ("std::env", "take an option"),
    ("UdpSocket", "take and return bytes"),
    ("TcpStream", "take and return bytes"),
    ("TcpListener", "take and return bytes"),
    ("UnixStream", "take and return bytes"),
    ("SystemRandom", "take randomness as an argument"),
    ("getrandom", "take randomness as an argument"),
    ("fastrand", "take randomness as an argument"),
    ("new_v4", "take the id as an argument"),
    ("println!", "count it or return an event"),
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let files = CORES.iter().flat_map(|core| tree.sources(&format!("crates/{core}/src")));
    files.flat_map(|path| check_file(tree, &path)).collect()
}

fn check_file(tree: &Tree, path: &str) -> Vec<Finding> {
    let text = tree.text(path).unwrap_or_default();
    let lines = shipped(&text).lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let mut findings = Vec::new();
    for (index, line) in lines {
        for (word, instead) in FORBIDDEN.iter().filter(|(word, _)| line.contains(word)) {
            findings.push(Finding::new(path, format!("line {}: a core has no `{word}`: {instead}", index + 1)));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Planted;

    #[test]
    fn a_clock_in_a_core_is_found_with_its_line() {
        let tree = Planted::with(&[("crates/router/src/nack.rs", "fn f() {\n    let now = Instant::now();\n}\n")]);
        let expected =
            "crates/router/src/nack.rs: line 2: a core has no `Instant::now`: take `now: Instant` as an argument";
        assert_eq!(tree.found_by(check), [expected]);
    }

    #[test]
    fn every_forbidden_word_is_found() {
        for (word, _) in FORBIDDEN {
            let tree = Planted::with(&[("crates/packet/src/rtp.rs", &format!("let x = {word};\n"))]);
            assert_eq!(tree.found_by(check).len(), 1, "{word}");
        }
    }

    #[test]
    fn comments_tests_and_adapters_may_say_what_they_like() {
        let tested = "// no tokio here\n#[cfg(test)]\nmod tests {\n    use std::thread;\n}\n";
        let tree = Planted::with(&[
            ("crates/packet/src/rtp.rs", tested),
            ("crates/packet/src/lib.rs", "#[cfg(test)]\nmod hostile;\n"),
            ("crates/packet/src/hostile.rs", "use std::fs;\n"),
            ("crates/net/src/udp.rs", "use tokio::net::UdpSocket;\n"),
        ]);
        assert!(tree.found_by(check).is_empty());
    }
}
