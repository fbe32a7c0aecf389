//! Who may depend on whom. Arrows point only down this table.

use toml::Table;

use crate::cores::CORES;
use crate::tree::{Finding, Tree};

/// Each crate with the crates of this workspace that it may use outside its tests.
const ARROWS: &[(&str, &[&str])] = &[
    ("node", &["engine", "model"]),
    ("engine", &["transport", "net", "codecs", "router", "mixer", "frames", "bandwidth", "packet", "model"]),
    ("transport", &["bandwidth", "packet", "model"]),
    ("net", &["packet", "model"]),
    ("router", &["bandwidth", "packet", "model"]),
    ("codecs", &["frames", "model"]),
    ("mixer", &["frames", "packet", "model"]),
    ("frames", &["packet", "model"]),
    ("bandwidth", &["packet", "model"]),
    ("packet", &["model"]),
    ("model", &[]),
    ("testkit", &["transport", "router", "bandwidth", "packet", "model"]),
    ("netlab", &["bandwidth", "packet"]),
    (
        "loadgen",
        &["engine", "transport", "net", "codecs", "mixer", "frames", "bandwidth", "packet", "model", "testkit"],
    ),
    ("fuzz", &["engine", "transport", "net", "router", "mixer", "frames", "bandwidth", "packet", "model", "testkit"]),
    ("xtask", &["model"]),
];

/// Crates from outside that bring a clock, chance, sockets or the kernel: not for a core.
const NOT_FOR_CORES: [&str; 10] =
    ["tokio", "mio", "async-io", "socket2", "libc", "nix", "rand", "rand_core", "getrandom", "fastrand"];

/// Crates from outside that only one crate of this workspace may use.
const RESERVED: [(&str, &str); 3] = [("napi", "node"), ("napi-derive", "node"), ("socket2", "net")];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.crates().iter().flat_map(|name| check_crate(tree, name)).collect()
}

fn check_crate(tree: &Tree, name: &str) -> Vec<Finding> {
    let path = format!("crates/{name}/Cargo.toml");
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| from == &name) else {
        return vec![Finding::new(path, "a new crate needs a line in the arrow table (crates/xtask/src/arrows.rs)")];
    };
    let Some(manifest) = tree.text(&path).and_then(|text| text.parse::<Table>().ok()) else {
        return vec![Finding::new(path, "is not TOML")];
    };
    let wrong = dependencies(&manifest).into_iter().filter_map(|dependency| objection(name, allowed, dependency));
    wrong.map(|message| Finding::new(&path, message)).collect()
}

/// What is wrong with `name` depending on `dependency`, if anything.
fn objection(name: &str, allowed: &[&str], dependency: &str) -> Option<String> {
    if let Some(below) = dependency.strip_prefix("millrace-") {
        return (!allowed.contains(&below))
            .then(|| format!("{name} may not depend on {below}: arrows point down only"));
    }
    if CORES.contains(&name) && NOT_FOR_CORES.contains(&dependency) {
        return Some(format!("{name} is a core and may not depend on {dependency}"));
    }
    let (_, owner) = RESERVED.iter().find(|(reserved, owner)| *reserved == dependency && *owner != name)?;
    Some(format!("only {owner} may depend on {dependency}"))
}

/// The names in every `[dependencies]` of a manifest, those for certain targets included; those of tests left out.
fn dependencies(manifest: &Table) -> Vec<&str> {
    let targets = manifest.get("target").and_then(|value| value.as_table()).into_iter().flat_map(Table::values);
    let tables = targets.filter_map(|value| value.as_table()).chain([manifest]);
    let listed = tables.filter_map(|table| table.get("dependencies")?.as_table());
    listed.flat_map(|table| table.keys().map(String::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Planted;

    /// Crates that are for tests and tools only: no other crate ships them.
    const DEVELOPMENT: [&str; 5] = ["testkit", "netlab", "loadgen", "fuzz", "xtask"];

    #[test]
    fn no_arrow_points_up() {
        let rank = |name: &str| ARROWS.iter().position(|(from, _)| from == &name).unwrap();
        for (from, allowed) in ARROWS.iter().filter(|(from, _)| !DEVELOPMENT.contains(from)) {
            assert!(allowed.iter().all(|to| rank(to) > rank(from)), "{from}");
            assert!(allowed.iter().all(|to| !DEVELOPMENT.contains(to)), "{from}");
        }
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_found() {
        let manifest = "[dependencies]\nmillrace-packet.workspace = true\nmillrace-router.workspace = true\n";
        let tree = Planted::with(&[("crates/transport/Cargo.toml", manifest)]);
        let expected = "crates/transport/Cargo.toml: transport may not depend on router: arrows point down only";
        assert_eq!(tree.found_by(check), [expected]);
    }

    #[test]
    fn a_core_with_tokio_is_found_even_if_for_one_target_only() {
        let manifest =
            "[target.'cfg(unix)'.dependencies]\ntokio.workspace = true\n[dev-dependencies]\nfastrand = \"2\"\n";
        let tree = Planted::with(&[("crates/router/Cargo.toml", manifest)]);
        let expected = "crates/router/Cargo.toml: router is a core and may not depend on tokio";
        assert_eq!(tree.found_by(check), [expected]);
    }

    #[test]
    fn napi_outside_of_node_is_found() {
        let tree = Planted::with(&[("crates/engine/Cargo.toml", "[dependencies]\nnapi.workspace = true\n")]);
        assert_eq!(tree.found_by(check), ["crates/engine/Cargo.toml: only node may depend on napi"]);
    }

    #[test]
    fn a_crate_that_is_not_in_the_table_is_found() {
        let tree = Planted::with(&[("crates/helpers/Cargo.toml", "")]);
        assert_eq!(tree.found_by(check).len(), 1);
    }
}
