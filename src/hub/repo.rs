//! A repository of the hub and the addresses of what it says and has.

use serde_json::Value;

use super::HubError;

/// The hub's address, unless another one is chosen: a mirror, or a server of one's own that answers alike.
pub const HUB: &str = "https://huggingface.co";

/// What a repository is called, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repo {
    /// E.g. `openai-community/gpt2`; a few old ones have no owner.
    pub id: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// The server, without a slash at its end.
    pub base: String,
}

/// The name of one state of a repository: 40 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Commit(String);

impl Repo {
    /// The revision that is meant where none is named.
    pub const MAIN: &str = "main";

    /// Where the hub says which commit the revision is.
    pub fn revision_url(&self) -> String {
        format!("{}/api/models/{}/revision/{}", self.base, self.id, escaped(&self.revision))
    }

    /// Where the hub lists all files of a commit, the first of possibly several pages.
    pub fn tree_url(&self, commit: &Commit) -> String {
        format!("{}/api/models/{}/tree/{}?recursive=true", self.base, self.id, commit.0)
    }

    /// Where a file of a commit is; the server may send on from there.
    pub fn file_url(&self, commit: &Commit, path: &str) -> String {
        let path: Vec<String> = path.split('/').map(escaped).collect();
        format!("{}/{}/resolve/{}/{}", self.base, self.id, commit.0, path.join("/"))
    }

    /// The page that a person reads, and accepts conditions on.
    pub fn page_url(&self) -> String {
        format!("{}/{}", self.base, self.id)
    }
}

impl Commit {
    /// What [`Repo::revision_url`] answers.
    ///
    /// Errors: it does not name a commit.
    pub fn of_answer(json: &[u8]) -> Result<Self, HubError> {
        let refuse = |message| HubError::Answer { of: "the revision", message };
        let answer: Value = serde_json::from_slice(json).map_err(|error| refuse(error.to_string()))?;
        let sha = answer["sha"].as_str().unwrap_or_default();
        Self::new(sha).ok_or_else(|| refuse(format!("`{sha}` is not a commit")))
    }

    /// `None` if this is no commit's name.
    pub fn new(sha: &str) -> Option<Self> {
        is_hex(sha, 40).then(|| Self(sha.to_owned()))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether this is a number of so many hexadecimal digits.
pub(super) fn is_hex(text: &str, n_digits: usize) -> bool {
    text.len() == n_digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// One part of a path as a URL has it.
pub(super) fn escaped(part: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    part.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_a_commit() {
        let repo =
            Repo { id: "org/model".into(), revision: "refs/pr/1".into(), base: "http://localhost:1".into() };
        assert_eq!(repo.revision_url(), "http://localhost:1/api/models/org/model/revision/refs%2Fpr%2F1");
        let sha = "0123456789abcdef0123456789abcdef01234567";
        let commit = Commit::of_answer(format!(r#"{{"id":"org/model","sha":"{sha}"}}"#).as_bytes());
        let commit = commit.expect("a commit");
        assert_eq!(
            repo.tree_url(&commit),
            format!("http://localhost:1/api/models/org/model/tree/{sha}?recursive=true")
        );
        assert_eq!(
            repo.file_url(&commit, "a b/ü#?.json"),
            format!("http://localhost:1/org/model/resolve/{sha}/a%20b/%C3%BC%23%3F.json")
        );
    }

    #[test]
    fn what_is_no_commit_is_refused() {
        for json in ["", "[]", "{}", r#"{"sha":1}"#, r#"{"sha":"main"}"#, r#"{"sha":"../../etc"}"#] {
            assert!(matches!(Commit::of_answer(json.as_bytes()), Err(HubError::Answer { .. })), "{json}");
        }
    }
}
