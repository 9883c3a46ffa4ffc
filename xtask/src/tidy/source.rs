//! Just enough reading of Rust to find paths in it: comments and strings are blanked, use-trees are unfolded.

/// The text with comments, and the insides of string and character literals, replaced by spaces; lines stay in place.
pub fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !is_word_before(bytes, at) => match raw_string_end(bytes, at) {
                Some(end) => end,
                None => at,
            },
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end <= at {
            at += 1;
            continue;
        }
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8(out).expect("whole characters were replaced by spaces")
}

fn is_word_before(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |len| at + len)
}

fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let n_hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    if bytes.get(start + 1 + n_hashes) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', n_hashes)).collect();
    let body = start + 2 + n_hashes;
    let len = bytes[body..].windows(close.len()).position(|window| window == close)?;
    Some(body + len + close.len())
}

/// The end of a character literal; `None` for a lifetime.
fn char_end(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start + 1) == Some(&b'\\') {
        let len = bytes[start + 3..].iter().position(|byte| *byte == b'\'')?;
        return Some(start + 4 + len);
    }
    let rest = std::str::from_utf8(bytes.get(start + 1..)?).ok()?;
    let first = rest.chars().next()?;
    rest[first.len_utf8()..].starts_with('\'').then(|| start + 2 + first.len_utf8())
}

/// The text before the first `#[cfg(test)]`: what tests use is not counted.
pub fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]").map_or(text, |at| &text[..at])
}

/// Every path that starts with `root` (such as `crate`), with its line: `use crate::{a::B, c}` gives `a::B` and `c`.
///
/// `code` has been through [`blanked`].
pub fn paths_from(code: &str, root: &str) -> Vec<(usize, String)> {
    let start = format!("{root}::");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&start) {
        if is_word_before(code.as_bytes(), at) || code[..at].ends_with("::") {
            continue;
        }
        let line = 1 + code[..at].matches('\n').count();
        let mut paths = Vec::new();
        unfold("", &code[at + start.len()..], &mut paths);
        found.extend(paths.into_iter().map(|path| (line, path)));
    }
    found
}

/// Reads a use-tree from the front of `text` into `paths`; returns what is left.
fn unfold<'a>(prefix: &str, text: &'a str, paths: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    let joined = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            match rest.strip_prefix('}') {
                Some(after) => return after,
                None if rest.is_empty() => return rest,
                None => {}
            }
            let left = unfold(prefix, rest, paths);
            // `as name`, or something that is no use-tree: on to the next comma or the end.
            rest = left.find([',', '}']).map_or("", |at| &left[at..]);
        }
    }
    let len = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(text.len());
    let (name, rest) = text.split_at(len);
    if name.is_empty() {
        return rest;
    }
    let path = if name == "self" || name == "*" { prefix.to_owned() } else { joined(name) };
    match rest.trim_start().strip_prefix("::") {
        Some(below)
            if below.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '{' || c == '*') =>
        {
            unfold(&path, below, paths)
        }
        _ => {
            paths.push(path);
            rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(code: &str) -> Vec<String> {
        paths_from(&blanked(code), "crate").into_iter().map(|(_, path)| path).collect()
    }

    #[test]
    fn use_trees_are_unfolded() {
        assert_eq!(paths("use crate::{a::{B, c::D as E}, f, g::*};"), ["a::B", "a::c::D", "f", "g"]);
        assert_eq!(paths("use crate::a::{self, B};"), ["a", "a::B"]);
        assert_eq!(paths("let x = crate::a::b(crate::C::<T>::new());"), ["a::b", "C"]);
    }

    #[test]
    fn comments_and_strings_are_not_code() {
        let code = "// crate::a\n/* crate::b /* crate::c */ */ \"crate::d\\\"\" r#\"crate::e\"# 'c' '\\'' fn f<'a>() { crate::g }";
        assert_eq!(paths(code), ["g"]);
    }

    #[test]
    fn lines_are_counted() {
        assert_eq!(paths_from("\n\nuse crate::a;", "crate"), [(3, "a".to_owned())]);
    }

    #[test]
    fn tests_are_cut() {
        assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {}"), "a\n");
    }
}
