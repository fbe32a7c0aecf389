//! Every crate and package from outside is named, with its reason, in the decision on dependencies.

use serde_json::Value;
use toml::Table;

use crate::tree::{Finding, Tree};

/// The decision that names them.
const PAGE: &str = "docs/adr/0007-what-we-depend-on.md";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let page = tree.text(PAGE).unwrap_or_default();
    let all = crates(tree).into_iter().chain(packages(tree));
    let unnamed = all.filter(|name| !page.contains(&format!("`{name}`")));
    unnamed.map(|name| Finding::new(PAGE, format!("does not say what `{name}` is for"))).collect()
}

fn crates(tree: &Tree) -> Vec<String> {
    let manifest: Table = tree.text("Cargo.toml").and_then(|text| text.parse().ok()).unwrap_or_default();
    let listed = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies")?.as_table());
    let names = listed.into_iter().flat_map(Table::keys);
    names.filter(|name| !name.starts_with("millrace-")).cloned().collect()
}

fn packages(tree: &Tree) -> Vec<String> {
    let text = tree.text("package.json").unwrap_or_default();
    let package: Value = serde_json::from_str(&text).unwrap_or_default();
    let lists = ["dependencies", "devDependencies"].map(|list| package[list].as_object().cloned().unwrap_or_default());
    lists.into_iter().flatten().map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Planted;

    #[test]
    fn a_dependency_without_a_reason_is_found_in_both_languages() {
        let tree = Planted::with(&[
            (PAGE, "`slab` and `ws`\n"),
            ("Cargo.toml", "[workspace.dependencies]\nmillrace-net = { path = \"a\" }\nslab = \"1\"\nmoka = \"1\"\n"),
            ("package.json", r#"{ "dependencies": { "ws": "8.0.0" }, "devDependencies": { "left-pad": "1.0.0" } }"#),
        ]);
        let found = tree.found_by(check).join("\n");
        assert!(found.contains("`moka`") && found.contains("`left-pad`"), "{found}");
        assert_eq!(found.lines().count(), 2);
    }
}
