//! What files a repository has, as the hub lists them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{HubError, repo::is_hex};

/// The files of one commit, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing(BTreeMap<String, RepoFile>);

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoFile {
    /// From the top of the repository, with slashes.
    pub path: String,
    /// How long it is.
    pub size_bytes: u64,
    /// What its bytes come to.
    pub hash: Hash,
}

/// What tells a file from one that was damaged, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256 of the bytes: what the hub has of large files.
    Sha256(String),
    /// SHA-1 of `blob {size}\0` and the bytes, as git has it: what the hub has of small files.
    GitBlob(String),
}

impl Listing {
    /// Adds a page of what [`super::Repo::tree_url`] answers.
    ///
    /// Errors: this is no listing, or one that no repository has.
    pub fn add_page(&mut self, json: &[u8]) -> Result<(), HubError> {
        let refuse = |message| HubError::Answer { of: "the list of files", message };
        let page: Value = serde_json::from_slice(json).map_err(|error| refuse(error.to_string()))?;
        let entries = page.as_array().ok_or_else(|| refuse("it is not a list".to_owned()))?;
        for entry in entries.iter().filter(|entry| entry["type"] == "file") {
            let file = RepoFile::of_entry(entry).map_err(refuse)?;
            if let Some(file) = self.0.insert(file.path.clone(), file) {
                return Err(refuse(format!("`{}` is there twice", file.path)));
            }
        }
        Ok(())
    }

    /// The file at a path.
    pub fn file(&self, path: &str) -> Option<&RepoFile> {
        self.0.get(path)
    }

    /// The paths of all files.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl RepoFile {
    /// As the hub writes it. What else it says of a file is not needed.
    fn of_entry(entry: &Value) -> Result<Self, String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let path = text(&entry["path"]);
        if !is_plain(&path) {
            return Err(format!("`{path}` is not a path inside a repository"));
        }
        let size = |size: &Value| size.as_u64().ok_or_else(|| format!("`{path}` has a size of {size}"));
        let (size_bytes, lfs) = (size(&entry["size"])?, &entry["lfs"]);
        let hash = if lfs.is_null() {
            Hash::new("git", &text(&entry["oid"]))
        } else if size(&lfs["size"])? == size_bytes {
            Hash::new("sha256", &text(&lfs["oid"]))
        } else {
            return Err(format!("`{path}` has {size_bytes} bytes and also {}", lfs["size"]));
        };
        let hash = hash.ok_or_else(|| format!("`{path}` has no hash"))?;
        Ok(Self { path, size_bytes, hash })
    }
}

impl Hash {
    /// From what [`Hash::kind`] and [`Hash::digits`] say.
    pub(super) fn new(kind: &str, digits: &str) -> Option<Self> {
        match kind {
            "sha256" if is_hex(digits, 64) => Some(Self::Sha256(digits.to_owned())),
            "git" if is_hex(digits, 40) => Some(Self::GitBlob(digits.to_owned())),
            _ => None,
        }
    }

    /// Which it is, in a word.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::GitBlob(_) => "git",
        }
    }

    /// Its digits: also the name under which what it is of is kept.
    pub fn digits(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitBlob(digits) => digits,
        }
    }
}

/// Whether a path stays where it belongs, wherever it is written to.
fn is_plain(path: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.split('/').all(is_part) && !path.contains(|char: char| char == '\\' || char.is_control())
}

/// Where a list goes on, by the `Link` header of its answer: `<https://..>; rel="next"`. `None` at its end.
///
/// Errors: it would go on at another server than `base`.
pub fn next_page(link: &str, base: &str) -> Result<Option<String>, HubError> {
    let next = link.split(',').find(|part| part.contains("rel=\"next\""));
    let Some((_, after)) = next.and_then(|part| part.split_once('<')) else { return Ok(None) };
    let url = after.split('>').next().unwrap_or(after);
    if url.strip_prefix(base).is_some_and(|rest| rest.starts_with('/')) {
        return Ok(Some(url.to_owned()));
    }
    let message = format!("it goes on at another server, {url}");
    Err(HubError::Answer { of: "the list of files", message })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::hub::HUB;

    const GPT2: &str = r#"[
        {"type":"directory","oid":"31ec7d8b8b7ff1a4a1a5d1e9e9b7c3b0a6d0a001","size":0,"path":"onnx"},
        {"type":"file","oid":"10c66461e4c109db5a2196bff4bb59be30396ed8","size":665,"path":"config.json"},
        {"type":"file","oid":"75f27acf0f2e8e3a4f2a1b8e6e3b6f1d2c3a4b5c","size":548105171,
         "lfs":{"oid":"248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707","size":548105171,"pointerSize":134},
         "xetHash":"f00f","path":"model.safetensors"}]"#;

    /// A listing of files with these names, one byte each.
    pub(in crate::hub) fn listing(paths: &[&str]) -> Listing {
        let hash = Hash::GitBlob("0".repeat(40));
        let file = |path: &&str| RepoFile { path: (*path).to_owned(), size_bytes: 1, hash: hash.clone() };
        Listing(paths.iter().map(|path| ((*path).to_owned(), file(path))).collect())
    }

    fn read(json: &str) -> Result<Listing, HubError> {
        let mut listing = Listing::default();
        listing.add_page(json.as_bytes()).map(|()| listing)
    }

    #[test]
    fn sizes_and_hashes_are_read() {
        let listing = read(GPT2).expect("a listing");
        assert_eq!(listing.paths().collect::<Vec<_>>(), ["config.json", "model.safetensors"]);
        let config = listing.file("config.json").expect("is listed");
        assert_eq!(config.hash, Hash::GitBlob("10c66461e4c109db5a2196bff4bb59be30396ed8".into()));
        let weights = listing.file("model.safetensors").expect("is listed");
        assert_eq!(weights.size_bytes, 548_105_171);
        assert!(matches!(&weights.hash, Hash::Sha256(digits) if digits.starts_with("248dfc")));
    }

    #[test]
    fn pages_are_one_listing_without_a_file_twice() {
        let mut listing = read(GPT2).expect("a listing");
        assert!(listing.add_page(GPT2.as_bytes()).expect_err("twice").to_string().contains("there twice"));
        let link = format!("<{HUB}/api/models/a/b/tree/c?cursor=x>; rel=\"next\"");
        assert_eq!(next_page(&link, HUB), Ok(Some(format!("{HUB}/api/models/a/b/tree/c?cursor=x"))));
        assert_eq!(next_page("<https://x.org/>; rel=\"prev\"", HUB), Ok(None));
        assert_eq!(next_page("", HUB), Ok(None));
        for elsewhere in ["https://huggingface.co.evil.org/a", "/a", "https://x.org/"] {
            assert!(next_page(&format!("<{elsewhere}>; rel=\"next\""), HUB).is_err(), "{elsewhere}");
        }
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        let file = |path: &str, size: &str, more: &str| {
            format!(r#"[{{"type":"file","path":"{path}","size":{size}{more}}}]"#)
        };
        let oid = format!(r#","oid":"{}""#, "a".repeat(40));
        let lfs = |oid: &str, size: &str| format!(r#","lfs":{{"oid":"{oid}","size":{size}}}"#);
        assert!(read(&file("a", "1", &oid)).is_ok());
        assert!(read(&file("a", "1", &lfs(&"b".repeat(64), "1"))).is_ok());
        let cases = [
            (file("a", "-1", &oid), "a size of -1"),
            (file("a", "1.5", &oid), "a size of 1.5"),
            (file("a", "null", &oid), "a size of null"),
            (file("../a", "1", &oid), "not a path"),
            (file("/etc/passwd", "1", &oid), "not a path"),
            (file("a/./b", "1", &oid), "not a path"),
            (file("a\\\\b", "1", &oid), "not a path"),
            (file("a\\nb", "1", &oid), "not a path"),
            (file("", "1", &oid), "not a path"),
            (file("a", "1", ""), "no hash"),
            (file("a", "1", r#","oid":"main""#), "no hash"),
            (file("a", "1", &lfs("b", "1")), "no hash"),
            (file("a", "1", &lfs(&"b".repeat(64), "2")), "1 bytes and also 2"),
            (file("a", "1", &lfs(&"b".repeat(64), "-1")), "a size of -1"),
            (r#"{"error":"Repository not found"}"#.to_owned(), "the list of files"),
            ("<!doctype html>".to_owned(), "the list of files"),
        ];
        for (json, words) in cases {
            let error = read(&json).expect_err(&json).to_string();
            assert!(error.contains(words), "{json}: {error}");
        }
    }
}
