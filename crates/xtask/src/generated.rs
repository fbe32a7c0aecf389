//! Files that are made from code and committed, so that a change of the contract shows in review.

use std::fs;

use crate::tree::{Finding, Tree};
use crate::{limits, metrics};

/// A committed file and what writes its text.
struct Generated {
    path: &'static str,
    text: fn(&Tree) -> String,
}

/// Every such file. What `napi build` writes is checked by `scripts/test.mjs`, which runs it.
const GENERATED: [Generated; 3] = [
    Generated { path: "ts/generated/model.ts", text: |_| millrace_model::typescript() },
    Generated { path: metrics::PAGE, text: |_| metrics::page() },
    Generated { path: limits::PAGE, text: limits::page },
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let stale = GENERATED.iter().filter(|file| tree.text(file.path) != Some((file.text)(tree)));
    stale.map(|file| Finding::new(file.path, "is stale: run `cargo xtask generate` and commit the result")).collect()
}

/// Writes every file; the error names the one that could not be written.
pub(crate) fn write(tree: &Tree) -> Result<(), Finding> {
    for Generated { path, text } in GENERATED {
        fs::write(tree.path(path), text(tree)).map_err(|error| Finding::new(path, error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Planted;

    #[test]
    fn files_edited_by_hand_are_found_and_written_anew() {
        let tree = Planted::with(&GENERATED.map(|file| (file.path, "by hand")));
        assert_eq!(tree.found_by(check).len(), GENERATED.len());
        write(&tree).unwrap();
        assert!(tree.found_by(check).is_empty());
    }
}
