//! The repository's files as the checks see them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold no source of ours.
const LEFT_OUT: [&str; 5] = ["target", "node_modules", "dist", ".git", "generated"];

/// Something that is not as it should be.
#[derive(Debug)]
pub(crate) struct Finding {
    path: String,
    message: String,
}

impl Finding {
    /// What is wrong with the file at `path` (from the root) and what to do.
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

/// The repository.
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub(crate) fn of_this_repository() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.ancestors().nth(2).expect("crates/xtask lies two levels below the root");
        Self { root: root.to_owned() }
    }

    /// The absolute path of `path`.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The text of `path`, if it can be read.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    /// The names of the crates under `crates/`, sorted.
    pub(crate) fn crates(&self) -> Vec<String> {
        let mut names = self.folders("crates");
        names.retain(|name| self.path(&format!("crates/{name}/Cargo.toml")).exists());
        names
    }

    /// The names of the folders in `folder`, sorted.
    pub(crate) fn folders(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.path().is_dir());
        let mut names: Vec<_> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Every file below `folder` whose name ends in one of `ends`, from the root, sorted.
    pub(crate) fn files(&self, folder: &str, ends: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        self.collect(&self.path(folder), ends, &mut found);
        found.sort();
        found
    }

    /// The source files below `folder` that ship, of both languages: no tests, no benchmarks.
    pub(crate) fn sources(&self, folder: &str) -> Vec<String> {
        let mut sources = self.files(folder, &[".rs", ".ts", ".tsx"]);
        let texts = sources.iter().filter_map(|path| Some((path, self.text(path)?)));
        let tests: Vec<_> = texts.flat_map(|(path, text)| test_modules(path, &text)).collect();
        let is_test = |path: &str| tests.iter().any(|test| path.strip_prefix(test).is_some_and(is_module_end));
        sources.retain(|path| !is_test_file(path) && !is_test(path));
        sources
    }

    fn collect(&self, folder: &Path, ends: &[&str], found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            if path.is_dir() {
                if !LEFT_OUT.contains(&name.as_str()) {
                    self.collect(&path, ends, found);
                }
            } else if ends.iter().any(|end| name.ends_with(end)) {
                found.push(path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().into_owned());
            }
        }
    }
}

/// The part of a Rust file that ships: everything before its tests, which come last.
pub(crate) fn shipped(source: &str) -> &str {
    let end = source.find("#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    &source[..end]
}

/// Tells whether a file holds only tests or benchmarks, by where it lies.
fn is_test_file(path: &str) -> bool {
    ["/tests/", "/benches/", "__test__/"].iter().any(|folder| path.contains(folder))
}

/// The paths, without ending, of the modules that `source` at `path` declares for tests only: `#[cfg(test)] mod name;`.
fn test_modules(path: &str, source: &str) -> Vec<String> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let below = if ["mod", "lib", "main"].contains(&name) { folder } else { stem };
    let declarations = source.split("#[cfg(test)]\n").skip(1).filter_map(|rest| rest.lines().next());
    let modules = declarations.filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'));
    modules.map(|module| format!("{below}/{module}")).collect()
}

/// Tells whether what follows a module's path makes it the module's file or a file below it.
fn is_module_end(rest: &str) -> bool {
    rest == ".rs" || rest.starts_with('/')
}

/// A tree of its own with the given files, removed when dropped.
#[cfg(test)]
pub(crate) struct Planted(Tree);

#[cfg(test)]
impl Planted {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("millrace-tidy-{}-{number}", std::process::id()));
        let tree = Tree { root };
        for (path, text) in files {
            let path = tree.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(tree)
    }

    /// What `check` finds in it.
    pub(crate) fn found_by(&self, check: fn(&Tree) -> Vec<Finding>) -> Vec<String> {
        check(&self.0).iter().map(Finding::to_string).collect()
    }
}

#[cfg(test)]
impl std::ops::Deref for Planted {
    type Target = Tree;

    fn deref(&self) -> &Tree {
        &self.0
    }
}

#[cfg(test)]
impl Drop for Planted {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0.root));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_declared_for_tests_are_no_sources() {
        let tree = Planted::with(&[
            ("crates/a/src/lib.rs", "mod b;\n"),
            ("crates/a/src/b.rs", "#[cfg(test)]\npub(crate) mod hostile;\n"),
            ("crates/a/src/b/hostile.rs", ""),
            ("crates/a/src/b/hostile/world.rs", ""),
            ("crates/a/tests/call.rs", ""),
        ]);
        assert_eq!(tree.sources("crates"), ["crates/a/src/b.rs", "crates/a/src/lib.rs"]);
    }

    #[test]
    fn what_follows_the_first_line_of_the_tests_does_not_ship() {
        assert_eq!(shipped("fn a() {}\n#[cfg(test)]\nmod tests {\n}\n"), "fn a() {}\n");
    }
}
