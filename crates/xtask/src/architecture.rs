//! ARCHITECTURE.md is short and names every crate and every folder of `ts/`.

use crate::tree::{Finding, Tree};

/// The page.
const PAGE: &str = "ARCHITECTURE.md";

/// Most lines of it; who has not read it in ten minutes does not read it.
const LINES_MAX: usize = 200;

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let text = tree.text(PAGE).unwrap_or_default();
    let lines = text.lines().count();
    let length = (lines >= LINES_MAX)
        .then(|| format!("{lines} lines, {LINES_MAX} are the limit: move detail to docs/internals"));
    let folders = tree.folders("ts").into_iter().map(|folder| format!("ts/{folder}"));
    let absent = tree.crates().into_iter().chain(folders).filter(|name| !text.contains(&format!("`{name}`")));
    length
        .into_iter()
        .chain(absent.map(|name| format!("does not name `{name}`")))
        .map(|m| Finding::new(PAGE, m))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Planted;

    #[test]
    fn a_crate_and_a_folder_without_a_word_about_them_are_found() {
        let tree = Planted::with(&[
            ("ARCHITECTURE.md", "`packet` and `ts/app`\n"),
            ("crates/packet/Cargo.toml", ""),
            ("crates/mixer/Cargo.toml", ""),
            ("ts/app/index.html", ""),
            ("ts/sdp/index.ts", ""),
        ]);
        let expected = ["ARCHITECTURE.md: does not name `mixer`", "ARCHITECTURE.md: does not name `ts/sdp`"];
        assert_eq!(tree.found_by(check), expected);
    }

    #[test]
    fn a_long_page_is_found() {
        let tree = Planted::with(&[("ARCHITECTURE.md", &"line\n".repeat(200))]);
        assert_eq!(tree.found_by(check).len(), 1);
    }
}
