//! `unsafe` only where the outside world needs it: every crate takes the workspace's lints, which deny it, and only some
//! may allow it. Clippy asks for the SAFETY reason of each block.

use crate::tree::{Finding, Tree};

/// The crates that may allow unsafe code.
const MAY: [&str; 4] = ["codecs", "net", "node", "testkit"];

/// What an attribute that allows it names.
const LINT: &str = "unsafe_code";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let crates = tree.crates();
    let lints = crates.iter().filter_map(|name| check_lints(tree, name));
    let others = crates.iter().filter(|name| !MAY.contains(&name.as_str()) && *name != "xtask");
    let files = others.flat_map(|name| tree.files(&format!("crates/{name}"), &[".rs"]));
    let allowing = files.filter(|path| tree.text(path).is_some_and(|text| text.contains(LINT)));
    lints
        .chain(allowing.map(|path| Finding::new(path, "unsafe code is for codecs, net, node and testkit only")))
        .collect()
}

fn check_lints(tree: &Tree, name: &str) -> Option<Finding> {
    let path = format!("crates/{name}/Cargo.toml");
    let takes = tree.text(&path).is_some_and(|text| text.contains("[lints]\nworkspace = true\n"));
    (!takes).then(|| Finding::new(path, "must take the lints of the workspace: `[lints] workspace = true`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Planted;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn a_crate_that_allows_unsafe_code_for_itself_is_found() {
        let source = "#[allow(unsafe_code)]\nfn f() {}\n";
        let files =
            |name: &str| [(format!("crates/{name}/Cargo.toml"), LINTS), (format!("crates/{name}/src/a.rs"), source)];
        let found = |name: &str| {
            let files = files(name);
            Planted::with(&files.each_ref().map(|(path, text)| (path.as_str(), *text))).found_by(check)
        };
        assert_eq!(found("router"), ["crates/router/src/a.rs: unsafe code is for codecs, net, node and testkit only"]);
        assert!(found("net").is_empty());
    }

    #[test]
    fn a_crate_without_the_lints_of_the_workspace_is_found() {
        assert_eq!(Planted::with(&[("crates/net/Cargo.toml", "[package]\n")]).found_by(check).len(), 1);
    }
}
