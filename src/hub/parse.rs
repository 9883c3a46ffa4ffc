//! What a user types to name a repository.

use super::{HubError, Repo};

/// The hub's own rule for one part of a name.
const MAX_NAME_CHARS: usize = 96;
/// Longer names of branches do not occur.
const MAX_REVISION_CHARS: usize = 200;
/// What addresses of the hub begin with that are not models.
const NOT_MODELS: [&str; 8] =
    ["datasets", "spaces", "docs", "api", "papers", "collections", "organizations", "settings"];

impl Repo {
    /// Reads `owner/name`, `owner/name@revision`, or the address of a repository at `base`: its page, or a file in it.
    ///
    /// Errors: [`HubError::NotARepo`], with what is wrong.
    pub fn parse(text: &str, base: &str) -> Result<Self, HubError> {
        let text = text.trim();
        let base = base.trim_end_matches('/');
        let refuse = |why: &str| HubError::NotARepo { text: text.to_owned(), why: why.to_owned() };
        let (id, revision) = match rest_of_url(text, base) {
            Some(Some(path)) => of_path(path).map_err(|why| refuse(&why))?,
            Some(None) => return Err(refuse(&format!("is an address, but not one of {base}"))),
            None => match text.split_once('@') {
                Some((id, revision)) => (id.to_owned(), revision.to_owned()),
                None => (text.to_owned(), Self::MAIN.to_owned()),
            },
        };
        check_id(&id).map_err(refuse)?;
        check_revision(&revision).map_err(refuse)?;
        Ok(Self { id, revision, base: base.to_owned() })
    }
}

/// What follows the server in an address: `None` if this is none, `Some(None)` if it is another server's.
fn rest_of_url<'a>(text: &'a str, base: &str) -> Option<Option<&'a str>> {
    let (_, host) = base.split_once("://").unwrap_or(("", base));
    let after = |start: &str| text.strip_prefix(start)?.strip_prefix('/');
    match after(base).or_else(|| after(host)) {
        Some(path) => Some(Some(path)),
        None => text.contains("://").then_some(None),
    }
}

/// Name and revision of `owner/name`, `owner/name/tree/main` or `owner/name/blob/main/config.json`.
fn of_path(path: &str) -> Result<(String, String), String> {
    let path = path.split(['?', '#']).next().unwrap_or(path).trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').collect();
    if parts.len() > 1 && NOT_MODELS.contains(&parts[0]) {
        return Err(format!("is among the hub's {}, not its models", parts[0]));
    }
    let is_verb = |part: &&str| ["tree", "blob", "resolve", "commit"].contains(part);
    let Some(at) = parts.iter().position(is_verb).filter(|at| (1..=2).contains(at)) else {
        return Ok((path.to_owned(), Repo::MAIN.to_owned()));
    };
    let (id, rest) = (parts[..at].join("/"), &parts[at + 1..]);
    // The hub writes `refs/pr/1` with and without escaping its slashes.
    let n_parts = if rest.first() == Some(&"refs") { rest.len().min(3) } else { rest.len().min(1) };
    let (revision, inside) = rest.split_at(n_parts);
    let n_inside = if parts[at] == "tree" { 0 } else { 1 };
    if inside.len() > n_inside {
        return Err("is inside a repository: models are read from its top".to_owned());
    }
    Ok((id, revision.join("/").replace("%2F", "/").replace("%2f", "/")))
}

fn check_id(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("is empty");
    }
    if id.split('/').count() > 2 {
        return Err("has more than one slash");
    }
    let is_end = |char: Option<char>| char.is_some_and(|char| char.is_ascii_alphanumeric() || char == '_');
    for part in id.split('/') {
        if part.is_empty() {
            return Err("has nothing on one side of its slash");
        }
        if MAX_NAME_CHARS < part.chars().count() {
            return Err("has more than 96 characters in a part");
        }
        if let Some(why) = unplain(part) {
            return Err(why);
        }
        if !is_end(part.chars().next()) || !is_end(part.chars().last()) {
            return Err("begins or ends with a dot or a hyphen");
        }
        if part.contains("--") || part.contains("..") || part.ends_with(".git") {
            return Err("has `--`, `..` or `.git`, which no repository has");
        }
    }
    Ok(())
}

fn check_revision(revision: &str) -> Result<(), &'static str> {
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && unplain(part).is_none();
    if revision.is_empty() {
        Err("names no revision after its `@`")
    } else if MAX_REVISION_CHARS < revision.len() || revision.contains("..") {
        Err("names a revision that cannot be one")
    } else if revision.split('/').all(is_part) {
        Ok(())
    } else {
        Err("names a revision with characters that none has")
    }
}

/// What is wrong with the characters of a part.
fn unplain(part: &str) -> Option<&'static str> {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    (!part.chars().all(is_plain)).then_some("has characters that no repository has")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::HUB;

    fn parse(text: &str) -> Result<(String, String), HubError> {
        Repo::parse(text, HUB).map(|repo| (repo.id, repo.revision))
    }

    #[test]
    fn names_and_addresses_are_read() {
        let cases = [
            ("openai-community/gpt2", "openai-community/gpt2", "main"),
            ("  gpt2 \n", "gpt2", "main"),
            ("EleutherAI/pythia-70m@step3000", "EleutherAI/pythia-70m", "step3000"),
            ("a/b@refs/pr/1", "a/b", "refs/pr/1"),
            ("https://huggingface.co/openai-community/gpt2", "openai-community/gpt2", "main"),
            (
                "https://huggingface.co/openai-community/gpt2/?library=x#readme",
                "openai-community/gpt2",
                "main",
            ),
            ("huggingface.co/roneneldan/TinyStories-1M", "roneneldan/TinyStories-1M", "main"),
            ("https://huggingface.co/gpt2", "gpt2", "main"),
            ("https://huggingface.co/a/b/tree/v1.0", "a/b", "v1.0"),
            ("https://huggingface.co/a/b/tree/refs%2Fpr%2F1", "a/b", "refs/pr/1"),
            ("https://huggingface.co/a/b/tree/refs/pr/1", "a/b", "refs/pr/1"),
            ("https://huggingface.co/a/b/blob/main/config.json", "a/b", "main"),
            ("https://huggingface.co/a/b/resolve/main/model.safetensors?download=true", "a/b", "main"),
            ("https://huggingface.co/gpt2/tree/main", "gpt2", "main"),
        ];
        for (text, id, revision) in cases {
            assert_eq!(parse(text), Ok((id.to_owned(), revision.to_owned())), "{text}");
        }
    }

    #[test]
    fn the_base_can_be_another_server() {
        let repo =
            Repo::parse("http://127.0.0.1:8080/hub/a/b", "http://127.0.0.1:8080/hub/").expect("a repo");
        assert_eq!((repo.id.as_str(), repo.base.as_str()), ("a/b", "http://127.0.0.1:8080/hub"));
        assert!(Repo::parse("https://huggingface.co/a/b", "http://127.0.0.1:8080").is_err());
    }

    #[test]
    fn what_names_no_repository_is_refused_with_the_reason() {
        let long = "x".repeat(97);
        let cases = [
            ("", "is empty"),
            ("https://huggingface.co/", "is empty"),
            ("a/b/c", "more than one slash"),
            ("/b", "nothing on one side"),
            ("a/", "nothing on one side"),
            (long.as_str(), "more than 96"),
            ("my model", "characters"),
            ("a/b?x", "characters"),
            ("a/ü", "characters"),
            ("a/.b", "begins or ends"),
            ("-a/b", "begins or ends"),
            ("../b", "begins or ends"),
            ("a/b--c", "which no repository has"),
            ("a/b..c", "which no repository has"),
            ("a/b.git", "which no repository has"),
            ("a/b@", "no revision"),
            ("a/b@x..y", "cannot be one"),
            ("a/b@x y", "characters that none has"),
            ("a/b@/x", "characters that none has"),
            ("a/b@x@y", "characters that none has"),
            ("https://huggingface.co.evil.org/a/b", "not one of https://huggingface.co"),
            ("http://huggingface.co/a/b", "not one of https://huggingface.co"),
            ("https://github.com/a/b", "not one of https://huggingface.co"),
            ("https://huggingface.co/datasets/a/b", "among the hub's datasets"),
            ("https://huggingface.co/spaces/a/b", "among the hub's spaces"),
            ("https://huggingface.co/a/b/tree/main/layer_1", "inside a repository"),
            ("https://huggingface.co/a/b/blob/main/onnx/model.onnx", "inside a repository"),
            ("https://huggingface.co/a/b/discussions", "more than one slash"),
        ];
        for (text, why) in cases {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
