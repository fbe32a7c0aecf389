//! Nothing runs at install: no package here has a lifecycle script, and npm is told to run none of others.

use serde_json::Value;

use crate::tree::{Finding, Tree};

/// The scripts that npm runs by itself when it installs, packs or publishes.
const LIFECYCLE: [&str; 12] = [
    "preinstall",
    "install",
    "postinstall",
    "preprepare",
    "prepare",
    "postprepare",
    "prepack",
    "postpack",
    "prepublish",
    "prepublishOnly",
    "postpublish",
    "dependencies",
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let packages = tree.files("npm", &["package.json"]).into_iter().chain([String::from("package.json")]);
    packages.flat_map(|path| check_package(tree, &path)).chain(check_settings(tree)).collect()
}

fn check_package(tree: &Tree, path: &str) -> Vec<Finding> {
    let Some(package) = tree.text(path).and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
        return vec![Finding::new(path, "is not JSON")];
    };
    let present = LIFECYCLE.iter().filter(|name| package["scripts"].get(name).is_some());
    present.map(|name| Finding::new(path, format!("has the lifecycle script `{name}`: remove it"))).collect()
}

fn check_settings(tree: &Tree) -> Option<Finding> {
    let off = tree.text(".npmrc").is_some_and(|text| text.lines().any(|line| line.trim() == "ignore-scripts=true"));
    (!off).then(|| Finding::new(".npmrc", "must say `ignore-scripts=true`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Planted;

    #[test]
    fn every_lifecycle_script_is_found() {
        for name in LIFECYCLE {
            let package = format!(r#"{{ "scripts": {{ "test": "a", "{name}": "b" }} }}"#);
            let tree = Planted::with(&[("package.json", &package), (".npmrc", "ignore-scripts=true\n")]);
            assert_eq!(tree.found_by(check), [format!("package.json: has the lifecycle script `{name}`: remove it")]);
        }
    }

    #[test]
    fn scripts_of_a_platform_package_and_scripts_switched_on_are_found() {
        let tree = Planted::with(&[
            ("package.json", "{}"),
            ("npm/linux-x64-gnu/package.json", r#"{ "scripts": { "postinstall": "a" } }"#),
        ]);
        assert_eq!(tree.found_by(check).len(), 2);
    }
}
