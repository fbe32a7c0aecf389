//! The committed inputs: `crates/fuzz/corpus/<target>/`, one file an input.
//!
//! Files named `seed-…` are written by `cargo run -p millrace-fuzz -- --write-seeds`; others were found by fuzzers: they
//! reach what the seeds do not, or broke something once.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::targets::Target;

/// What the names of generated inputs begin with.
const SEED_PREFIX: &str = "seed-";

/// The committed inputs of `target`, in the order of their names.
///
/// # Errors
/// A file cannot be read.
pub fn read(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder(target))?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

/// The generated inputs of `target` by file name, as they should be.
pub fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let seeds = (target.seeds)().into_iter();
    seeds.map(|(name, bytes)| (format!("{SEED_PREFIX}{name}"), bytes)).collect()
}

/// The generated inputs of `target` by file name, as they are committed.
///
/// # Errors
/// A file cannot be read.
pub fn committed_seeds(target: &Target) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder(target))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(SEED_PREFIX) {
            found.push((name, fs::read(entry.path())?));
        }
    }
    Ok(found)
}

/// Writes the generated inputs of `target` and removes those that are generated no more.
///
/// # Errors
/// A file cannot be written.
pub fn write_seeds(target: &Target) -> io::Result<()> {
    let folder = folder(target);
    fs::create_dir_all(&folder)?;
    for (name, _) in committed_seeds(target)? {
        fs::remove_file(folder.join(name))?;
    }
    seeds(target).into_iter().try_for_each(|(name, bytes)| fs::write(folder.join(name), bytes))
}

/// Writes an input that broke `target` below `target/fuzz/` and returns where.
///
/// # Errors
/// The file cannot be written.
pub fn keep_failure(target: &str, input: &[u8]) -> io::Result<PathBuf> {
    // FNV-1a: the same input has the same name.
    let hash = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let folder = root().join("target/fuzz");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{target}-{hash:016x}"));
    fs::write(&path, input)?;
    Ok(path)
}

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}

fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}
