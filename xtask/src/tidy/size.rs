//! Files stay small enough to be read in one sitting.

use super::source::without_tests;
use super::{Finding, Tree};

/// A file with more lines than this is split. Unit tests at its end are not counted.
pub const MAX_LINES: usize = 500;

/// Files that are one long table, which splitting would make harder to read; each with its reason.
const TABLES: &[(&str, &str)] = &[];

/// Files that are too long.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let is_code = |path: &str| {
        (path.ends_with(".rs") || path.ends_with(".wgsl"))
            && ["src/", "kernel/", "shaders/", "xtask/"].iter().any(|top| path.starts_with(top))
            && !path.contains("/tests/")
            && !path.ends_with("/tests.rs")
            && !TABLES.iter().any(|(table, _)| *table == path)
    };
    tree.files
        .iter()
        .filter(|file| is_code(&file.path))
        .filter_map(|file| {
            let n_lines = without_tests(&file.text).lines().count();
            (n_lines > MAX_LINES).then(|| Finding {
                path: file.path.clone(),
                line: 0,
                message: format!("{n_lines} lines; over {MAX_LINES} a file is split (one concern each)"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found_and_its_tests_are_not_counted() {
        let long = "x\n".repeat(MAX_LINES + 1);
        let tested = format!("{}#[cfg(test)]\n{long}", "x\n".repeat(MAX_LINES));
        let tree = Tree::of(&[
            ("src/long.rs", &long),
            ("src/tested.rs", &tested),
            ("src/a/tests.rs", &long),
            ("tests/it/long.rs", &long),
            ("shaders/long.wgsl", &long),
        ]);
        let found: Vec<String> = check(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["src/long.rs", "shaders/long.wgsl"]);
    }
}
