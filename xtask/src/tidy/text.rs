//! Spellings that are refused, each with its reason.

use super::source::blanked;
use super::{Finding, SourceFile, Tree};
use crate::site::page;

/// Lines that no file should have.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        // The rules themselves and their tests spell what they refuse.
        if file.path.starts_with("xtask/src/tidy/") {
            continue;
        }
        findings.extend(todos(file));
        if file.path.ends_with(".rs") {
            findings.extend(partial_cmp(file));
            findings.extend(phrase(file, "Math.random", "randomness is seeded and passed in"));
            findings.extend(phrase(file, "Math::random", "randomness is seeded and passed in"));
        }
        if file.path.starts_with("src/ui") || file.path.starts_with("src/view_model") {
            findings.extend(colours(file));
        }
        if file.path == "index.html" || file.path.ends_with("/index.html") {
            findings.extend(page::check(&file.text).err().map(|error| finding(file, 0, &error.to_string())));
        }
    }
    findings
}

fn finding(file: &SourceFile, line: usize, message: &str) -> Finding {
    Finding { path: file.path.clone(), line, message: message.to_owned() }
}

fn phrase(file: &SourceFile, phrase: &str, reason: &str) -> Vec<Finding> {
    lines(&file.text)
        .filter(|(_, line)| line.contains(phrase))
        .map(|(n, _)| finding(file, n, &format!("{phrase}: {reason}")))
        .collect()
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(idx, line)| (idx + 1, line))
}

/// `TODO` says whose or which.
fn todos(file: &SourceFile) -> Vec<Finding> {
    let is_bare = |line: &str| {
        line.match_indices("TODO").any(|(at, word)| {
            let is_word = !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '`');
            let rest = &line[at + word.len()..];
            is_word && !rest.starts_with(|c: char| c.is_alphanumeric() || "(`".contains(c))
        })
    };
    lines(&file.text)
        .filter(|(_, line)| is_bare(line))
        .map(|(n, _)| finding(file, n, "a TODO carries a name or an issue: TODO(#41)"))
        .collect()
}

/// Floats are ordered by `total_cmp`.
fn partial_cmp(file: &SourceFile) -> Vec<Finding> {
    let code = blanked(&file.text);
    let mut findings = Vec::new();
    for (at, word) in code.match_indices("partial_cmp(") {
        let mut depth = 1_usize;
        let rest = &code[at + word.len()..];
        let end = rest.find(|c| {
            depth = match c {
                '(' => depth + 1,
                ')' => depth - 1,
                _ => depth,
            };
            depth == 0
        });
        let after = end.map_or("", |end| rest[end + 1..].trim_start());
        if after.starts_with(".unwrap()") || after.starts_with(".expect(") {
            let line = 1 + code[..at].matches('\n').count();
            findings.push(finding(
                file,
                line,
                "partial_cmp on floats panics at the first NaN: use total_cmp",
            ));
        }
    }
    findings
}

/// Colours are tokens of the style sheets, so that dark mode and colour-blind readers are served in one place.
fn colours(file: &SourceFile) -> Vec<Finding> {
    lines(&file.text)
        .map(|(n, line)| (n, line.split("//").next().unwrap_or(line)))
        .filter(|(_, line)| has_colour_function(line) || has_hex_colour(line))
        .map(|(n, _)| finding(file, n, "colours are tokens of assets/style.css"))
        .collect()
}

/// `rgb(1 2 3)` or `oklch({l} ..)`; a call of a Rust function of that name has other arguments.
fn has_colour_function(line: &str) -> bool {
    ["rgb(", "rgba(", "hsl(", "hsla(", "oklch(", "oklab("].iter().any(|function| {
        line.match_indices(function).any(|(at, _)| {
            let argument = line[at + function.len()..].trim_start();
            argument.starts_with(|c: char| c.is_ascii_digit() || ".{".contains(c))
                || argument.starts_with("var(")
        })
    })
}

fn has_hex_colour(line: &str) -> bool {
    line.match_indices('#').any(|(at, _)| {
        let digits = line[at + 1..].bytes().take_while(u8::is_ascii_hexdigit).count();
        let rest = &line[at + 1 + digits..];
        let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
        let quoted = line[..at].ends_with(['"', ' ', ':', '\'']);
        [3, 4, 6, 8].contains(&digits) && ends && quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n_found(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn planted_violations_are_found() {
        for (path, text) in [
            ("src/a.rs", "v.sort_by(|a, b| a.partial_cmp(&b(1)).unwrap());"),
            ("src/a.rs", "a.partial_cmp(b)\n    .expect(\"finite\")"),
            ("src/ui/a.rs", "let x = js(\"Math.random()\");"),
            ("shaders/a.wgsl", "// TODO: faster"),
            ("src/ui/a.rs", "style=\"color: #a0b1c2\""),
            ("src/ui/a.rs", "\"rgb(1 2 3)\""),
            ("src/view_model/a.rs", "\"oklch(0.5 0.1 20)\""),
            ("index.html", "<script>let a = 1;</script>"),
        ] {
            assert_eq!(n_found(path, text), 1, "{path}: {text}");
        }
    }

    #[test]
    fn ordinary_lines_pass() {
        for (path, text) in [
            ("src/a.rs", "a.total_cmp(b); a.partial_cmp(b).unwrap_or(Ordering::Equal);"),
            ("src/a.rs", "// TODO(#41): faster. TODOs are fine as a word."),
            ("src/ui/a.rs", "let ink = rgb(&css(canvas));"),
            ("src/ui/a.rs", "#[derive(Debug)] // see #123\nlet raw = r#\"text\"#; href=\"#v1\""),
            ("assets/style.css", "color: #fff"),
            ("xtask/src/tidy/text.rs", "// TODO"),
        ] {
            assert_eq!(n_found(path, text), 0, "{path}: {text}");
        }
    }
}
