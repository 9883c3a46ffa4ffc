//! Documents that stay true: ARCHITECTURE.md, CHANGELOG.md, the table of shaders.

use super::source::blanked;
use super::{Finding, SourceFile, Tree};

/// Where documents and code disagree. `exists` says whether a path from the root exists.
pub fn check(tree: &Tree, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = architecture(tree, exists);
    findings.extend(changelog(tree));
    findings.extend(shaders(tree, exists));
    findings
}

fn missing(path: &str, why: &str) -> Vec<Finding> {
    vec![Finding { path: path.into(), line: 0, message: format!("there is none: {why}") }]
}

fn architecture(tree: &Tree, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    const PATH: &str = "ARCHITECTURE.md";
    let Some(map) = tree.get(PATH) else { return missing(PATH, "a newcomer reads it first") };
    let mut findings = Vec::new();
    for (idx, line) in map.text.lines().enumerate() {
        for path in quoted(line).filter(|quoted| is_path(quoted)) {
            if !exists(path) && !exists(&format!("src/{path}")) {
                let message = format!("`{path}` does not exist");
                findings.push(Finding { path: PATH.into(), line: idx + 1, message });
            }
        }
    }
    for module in tree.get("src/lib.rs").map(top_modules).unwrap_or_default() {
        let is_named = map.text.lines().flat_map(quoted).any(|quoted| names(quoted, &module));
        if !is_named {
            let message = format!("the top-level module `{module}` is not named");
            findings.push(Finding { path: PATH.into(), line: 0, message });
        }
    }
    findings
}

/// What stands between backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether a quotation means a file or folder: it has a slash or a known ending, and no placeholder.
fn is_path(quoted: &str) -> bool {
    let is_plain = quoted.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let tops = ["src/", "kernel/", "xtask/", "shaders/", "assets/", "tests/", "benches/", ".ci/", ".cargo/"];
    let endings = [".rs", ".wgsl", ".toml", ".html", ".md", ".css", ".py"];
    is_plain
        && (tops.iter().any(|top| quoted.starts_with(top))
            || endings.iter().any(|ending| quoted.len() > ending.len() && quoted.ends_with(ending)))
}

/// Whether a quotation names a top-level module: `hook`, `hook.rs`, `src/hook.rs`, `hook/`.
fn names(quoted: &str, module: &str) -> bool {
    let bare = quoted.strip_prefix("src/").unwrap_or(quoted);
    let bare = bare.split(['/', ':']).next().unwrap_or(bare);
    bare.strip_suffix(".rs").unwrap_or(bare) == module
}

fn top_modules(lib: &SourceFile) -> Vec<String> {
    let code = blanked(&lib.text);
    let declared = code.lines().filter_map(|line| {
        let line = line.trim();
        line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?.strip_suffix(';')
    });
    declared.map(str::to_owned).collect()
}

fn changelog(tree: &Tree) -> Vec<Finding> {
    const PATH: &str = "CHANGELOG.md";
    match tree.get(PATH) {
        None => missing(PATH, "users read what changed"),
        Some(log) if log.text.lines().any(|line| line.starts_with("## ") && line.contains("Unreleased")) => {
            vec![]
        }
        Some(_) => vec![Finding {
            path: PATH.into(),
            line: 0,
            message: "it has no section `## [Unreleased]`".into(),
        }],
    }
}

/// Every shader stands in shaders/README.md, on a line that also names its twin on the CPU.
fn shaders(tree: &Tree, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    const PATH: &str = "shaders/README.md";
    let shaders: Vec<&str> = tree
        .files
        .iter()
        .filter_map(|file| file.path.strip_prefix("shaders/"))
        .filter(|path| path.ends_with(".wgsl") && !path.starts_with("shared/"))
        .collect();
    if shaders.is_empty() {
        return vec![];
    }
    let Some(table) = tree.get(PATH) else {
        return missing(PATH, "it says which op each shader is, and its CPU twin");
    };
    let mut findings = Vec::new();
    for shader in shaders {
        let message = match table.text.lines().find(|line| quoted(line).any(|quoted| quoted == shader)) {
            None => format!("`{shader}` is not in the table"),
            Some(line) => match quoted(line).find(|quoted| quoted.ends_with(".rs")) {
                None => format!("`{shader}` has no CPU twin in the table"),
                Some(twin) if !exists(twin) && !exists(&format!("src/{twin}")) => {
                    format!("`{twin}` does not exist")
                }
                Some(_) => continue,
            },
        };
        findings.push(Finding { path: PATH.into(), line: 0, message });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: (&str, &str) = ("src/lib.rs", "pub mod hook;\n/// mod ghost;\nmod run;");
    const LOG: (&str, &str) = ("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n");

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        let real = |path: &str| ["src/hook.rs", "src/backend/cpu/softmax.rs"].contains(&path);
        check(&Tree::of(files), &real).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_true_map_passes() {
        let map = (
            "ARCHITECTURE.md",
            "Start at `hook.rs` or `src/hook.rs`; `run` is data; `backend/<op>.rs`, `cargo xtask`.",
        );
        assert_eq!(messages(&[map, LIB, LOG]), Vec::<String>::new());
    }

    #[test]
    fn planted_lies_are_found() {
        let map = ("ARCHITECTURE.md", "Start at `src/gone.rs`; `run` is data.");
        assert_eq!(
            messages(&[map, LIB, LOG]),
            ["`src/gone.rs` does not exist", "the top-level module `hook` is not named"]
        );
        let map = ("ARCHITECTURE.md", "`hook` `run`");
        assert_eq!(messages(&[map, LIB, ("CHANGELOG.md", "# Changelog")]).len(), 1);
        assert_eq!(messages(&[map, LIB]).len(), 1);
        assert_eq!(messages(&[LIB, LOG]).len(), 1);
    }

    #[test]
    fn every_shader_has_a_line_and_a_twin() {
        let map = ("ARCHITECTURE.md", "`hook` `run`");
        let with =
            |table| messages(&[map, LIB, LOG, ("shaders/softmax.wgsl", ""), ("shaders/README.md", table)]);
        assert_eq!(with("| `softmax.wgsl` | row | `backend/cpu/softmax.rs` |"), Vec::<String>::new());
        assert_eq!(
            with("| `softmax.wgsl` | row | `backend/cpu/gone.rs` |"),
            ["`backend/cpu/gone.rs` does not exist"]
        );
        assert_eq!(with("| `softmax.wgsl` | row | |"), ["`softmax.wgsl` has no CPU twin in the table"]);
        assert_eq!(with(""), ["`softmax.wgsl` is not in the table"]);
    }
}
