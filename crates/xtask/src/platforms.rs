//! There is one platform package for each target that napi builds, of the main package's version and for the right system.

use serde_json::{Value, json};

use crate::tree::{Finding, Tree};

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let main = package(tree, "package.json");
    let targets = main["napi"]["targets"].as_array().cloned().unwrap_or_default();
    let mut wanted: Vec<_> = targets.iter().filter_map(|target| Platform::of(target.as_str()?)).collect();
    wanted.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<_> = wanted.iter().map(|platform| platform.name.clone()).collect();
    let folders = tree.folders("npm");
    let strange = folders.iter().filter(|folder| !names.contains(folder));
    let strange = strange.map(|folder| Finding::new(format!("npm/{folder}"), "is no target of napi"));
    let faults = wanted.iter().flat_map(|platform| platform.faults(tree, &main));
    cargo_version(tree, &main).into_iter().chain(strange).chain(faults).collect()
}

/// One target, as napi and npm name it.
struct Platform {
    /// Such as `linux-x64-gnu`.
    name: String,
    os: &'static str,
    cpu: &'static str,
    /// The C library, on Linux.
    libc: Option<&'static str>,
}

impl Platform {
    fn of(target: &str) -> Option<Self> {
        let cpu = match target.split('-').next()? {
            "x86_64" => "x64",
            "aarch64" => "arm64",
            _ => return None,
        };
        let (os, abi, libc) = match target.split_once('-')?.1 {
            "unknown-linux-gnu" => ("linux", "-gnu", Some("glibc")),
            "unknown-linux-musl" => ("linux", "-musl", Some("musl")),
            "apple-darwin" => ("darwin", "", None),
            "pc-windows-msvc" => ("win32", "-msvc", None),
            _ => return None,
        };
        Some(Self { name: format!("{os}-{cpu}{abi}"), os, cpu, libc })
    }

    fn faults(&self, tree: &Tree, main: &Value) -> Vec<Finding> {
        let path = format!("npm/{}/package.json", self.name);
        let package = package(tree, &path);
        let file = format!("millrace.{}.node", self.name);
        let wanted = [
            ("name", json!(format!("millrace-{}", self.name))),
            ("version", main["version"].clone()),
            ("license", main["license"].clone()),
            ("engines", main["engines"].clone()),
            ("os", json!([self.os])),
            ("cpu", json!([self.cpu])),
            ("libc", self.libc.map_or(Value::Null, |libc| json!([libc]))),
            ("type", json!("commonjs")),
            ("main", json!(file)),
            ("files", json!([file, "THIRD-PARTY-NOTICES.txt"])),
        ];
        let wrong = wanted.into_iter().filter(|(key, value)| package[*key] != *value);
        wrong.map(|(key, value)| Finding::new(&path, format!("`{key}` must be {value}"))).collect()
    }
}

/// The addon tells the version of the workspace, and the loader compares it with the package's.
fn cargo_version(tree: &Tree, main: &Value) -> Option<Finding> {
    let manifest: toml::Table = tree.text("Cargo.toml").and_then(|text| text.parse().ok()).unwrap_or_default();
    let version = manifest.get("workspace").and_then(|workspace| workspace.get("package")?.get("version")?.as_str());
    (version != main["version"].as_str()).then(|| Finding::new("Cargo.toml", "must have the version of package.json"))
}

fn package(tree: &Tree, path: &str) -> Value {
    tree.text(path).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Planted;

    const MAIN: &str = r#"{ "version": "1.2.3", "license": "Apache-2.0", "engines": { "node": ">=20.19" },
        "napi": { "targets": ["aarch64-apple-darwin", "x86_64-unknown-linux-musl"] } }"#;
    const CARGO: &str = "[workspace.package]\nversion = \"1.2.3\"\n";
    const MUSL: &str = r#"{ "name": "millrace-linux-x64-musl", "version": "1.2.3", "license": "Apache-2.0",
        "engines": { "node": ">=20.19" }, "os": ["linux"], "cpu": ["x64"], "libc": ["musl"],
        "type": "commonjs", "main": "millrace.linux-x64-musl.node", "files": ["millrace.linux-x64-musl.node", "THIRD-PARTY-NOTICES.txt"] }"#;
    const DARWIN: &str = r#"{ "name": "millrace-darwin-arm64", "version": "1.2.3", "license": "Apache-2.0",
        "engines": { "node": ">=20.19" }, "os": ["darwin"], "cpu": ["arm64"],
        "type": "commonjs", "main": "millrace.darwin-arm64.node", "files": ["millrace.darwin-arm64.node", "THIRD-PARTY-NOTICES.txt"] }"#;

    fn planted(changed: &[(&str, &str)]) -> Vec<String> {
        let files = [
            ("package.json", MAIN),
            ("Cargo.toml", CARGO),
            ("npm/linux-x64-musl/package.json", MUSL),
            ("npm/darwin-arm64/package.json", DARWIN),
        ];
        Planted::with(&[&files, changed].concat()).found_by(check)
    }

    #[test]
    fn packages_that_fit_the_targets_are_tidy() {
        assert_eq!(planted(&[]), [""; 0]);
    }

    #[test]
    fn another_version_is_found_in_a_platform_package_and_in_the_workspace() {
        let older = MUSL.replace("1.2.3", "1.2.2");
        let found = planted(&[("npm/linux-x64-musl/package.json", &older), ("Cargo.toml", "")]);
        assert_eq!(
            found,
            [
                "Cargo.toml: must have the version of package.json",
                "npm/linux-x64-musl/package.json: `version` must be \"1.2.3\""
            ]
        );
    }

    #[test]
    fn a_package_of_no_target_is_found() {
        assert_eq!(planted(&[("npm/linux-arm-gnu/package.json", "{}")]), ["npm/linux-arm-gnu: is no target of napi"]);
    }

    #[test]
    fn a_missing_package_is_found() {
        assert!(!planted(&[("npm/darwin-arm64/package.json", "{}")]).is_empty());
    }

    #[test]
    fn a_package_that_would_be_installed_with_another_c_library_is_found() {
        let wrong = MUSL.replace(r#""libc": ["musl"],"#, "");
        let found = planted(&[("npm/linux-x64-musl/package.json", &wrong)]);
        assert_eq!(found, ["npm/linux-x64-musl/package.json: `libc` must be [\"musl\"]"]);
    }
}
