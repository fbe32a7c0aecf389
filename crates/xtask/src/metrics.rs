//! Writes the page that explains every counter from the registry of counters.

use millrace_model::Counters;

/// The page.
pub(crate) const PAGE: &str = "docs/internals/metrics.md";

/// What stands above the table.
const INTRODUCTION: &str = "\
<!-- Generated from crates/model/src/counters.rs; run `cargo xtask generate`. Do not edit. -->

# Metrics

`worker.getMetrics()` resolves to `{ worker, transports }`. `transports` holds the counters below for each open transport,
`worker` what no open transport counts: the worker's own, and the sums of transports that were closed. Added up they
never go down while the worker lives. Whatever is dropped, refused or repaired in the core has a name here; a drop without
a counter is a bug.

Counters are plain numbers that start at 0. They hold no address, no id of a peer and no secret, so they may be published.

| counter | counts |
| --- | --- |
";

/// The whole page.
pub(crate) fn page() -> String {
    let rows = Counters::NAMES.iter().map(|(name, meaning)| format!("| `{name}` | {} |\n", meaning.trim()));
    INTRODUCTION.to_owned() + &rows.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_counter() {
        let page = page();
        for (name, _) in Counters::NAMES {
            assert!(page.contains(&format!("\n| `{name}` | ")), "{name}");
        }
    }
}
