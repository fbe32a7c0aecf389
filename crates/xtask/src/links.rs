//! Every relative link in the docs leads to a file, its anchor to a heading, and every path in code style exists.

use std::path::{Component, Path, PathBuf};

use crate::tree::{Finding, Tree};

/// The pages in the root.
const TOP: [&str; 5] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];

/// The folders with further pages.
const BELOW: [&str; 4] = ["docs", "examples", "benches", "npm"];

/// What a path from the root begins with; other words in code style are not taken for paths.
const ROOTS: [&str; 10] =
    ["crates/", "ts/", "docs/", "scripts/", "examples/", "__test__/", "benches/", "npm/", ".ci/", ".github/"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let below = BELOW.into_iter().flat_map(|folder| tree.files(folder, &[".md"]));
    TOP.map(str::to_owned).into_iter().chain(below).flat_map(|path| check_page(tree, &path)).collect()
}

fn check_page(tree: &Tree, path: &str) -> Vec<Finding> {
    let Some(text) = tree.text(path) else { return vec![Finding::new(path, "is missing")] };
    let prose = without_fences(&text);
    let links = targets(&prose).filter(|target| !resolves(tree, path, &text, target));
    let links = links.map(|target| format!("the link to `{target}` leads nowhere"));
    let paths = paths(&prose).filter(|named| !tree.path(named).exists());
    let paths = paths.map(|named| format!("there is no `{named}`"));
    links.chain(paths).map(|message| Finding::new(path, message)).collect()
}

/// A Markdown text without its blocks of code.
fn without_fences(text: &str) -> String {
    let prose = text.split("\n```").enumerate().filter(|(index, _)| index % 2 == 0);
    prose.map(|(_, piece)| piece).collect::<Vec<_>>().join("\n")
}

/// The targets of the links and images in a Markdown text.
fn targets(prose: &str) -> impl Iterator<Item = &str> {
    prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// The paths from the root that stand in code style.
fn paths(prose: &str) -> impl Iterator<Item = &str> {
    let is_path_char = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let code = prose.split('`').enumerate().filter(|(index, _)| index % 2 == 1).map(|(_, piece)| piece);
    code.filter(move |piece| ROOTS.iter().any(|root| piece.starts_with(root)) && piece.chars().all(is_path_char))
}

fn resolves(tree: &Tree, from: &str, own_text: &str, target: &str) -> bool {
    if target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    if file.is_empty() {
        return anchors(own_text).any(|heading| heading == anchor);
    }
    let folder = Path::new(from).parent().unwrap_or(Path::new(""));
    let path = tree.path(&normal(&folder.join(file)).to_string_lossy());
    if anchor.is_empty() {
        return path.exists();
    }
    std::fs::read_to_string(path).is_ok_and(|text| anchors(&text).any(|heading| heading == anchor))
}

fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut so_far, component| {
        match component {
            Component::ParentDir => drop(so_far.pop()),
            Component::CurDir => {}
            other => so_far.push(other),
        }
        so_far
    })
}

/// The anchors of a text's headings, as code forges make them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Planted;

    #[test]
    fn links_in_blocks_of_code_are_left_alone_and_the_others_found() {
        let prose = without_fences("See [a](b.md#c-d) and ![e](f).\n```js\n[g](h)\n```\n[i](j)\n");
        assert_eq!(targets(&prose).collect::<Vec<_>>(), ["b.md#c-d", "f", "j"]);
    }

    #[test]
    fn an_anchor_is_a_heading_in_lower_case_with_hyphens() {
        assert_eq!(anchors("## Two commands, six lines\n").next().unwrap(), "two-commands-six-lines");
    }

    #[test]
    fn dead_links_dead_anchors_and_paths_of_no_file_are_found() {
        let page = "[a](gone.md) [b](#none) [c](../../README.md#real) `crates/gone/src` `docs/guide/a.md` [d](../../README.md)";
        let mut files = TOP.map(|top| (top, "# Real\n")).to_vec();
        files.push(("docs/guide/a.md", page));
        let found = Planted::with(&files).found_by(check);
        assert_eq!(found.len(), 3, "{found:?}");
        for fault in ["gone.md", "#none", "crates/gone/src"] {
            assert!(found.iter().any(|line| line.contains(fault)), "{fault}");
        }
    }

    #[test]
    fn a_missing_page_is_found() {
        assert_eq!(Planted::with(&[]).found_by(check).len(), TOP.len());
    }
}
