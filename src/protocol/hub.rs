//! What page and worker say about models from a hub.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is kept of a repository between visits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedModel {
    /// Of which repository.
    pub name: CachedName,
    /// What was loaded of it, by name.
    pub revisions: Vec<CachedRevision>,
    /// What it takes on disk.
    pub size_bytes: u64,
}

/// A repository, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedName {
    /// The hub's address.
    pub base: String,
    /// The repository, e.g. `openai-community/gpt2`.
    pub repo: String,
}

/// What is kept of one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedRevision {
    /// As it was asked for, e.g. `main`.
    pub revision: String,
    /// Which commit that was.
    pub commit: String,
    /// Bytes that are here.
    pub done_bytes: u64,
    /// Bytes of all files that are read: with as many here, it loads without a network.
    pub total_bytes: u64,
}

/// Something that is used and never shown, written down or logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Keeps it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Gives it to whom it is meant for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("hf_abc");
        assert!(!format!("{secret:?} {:#?}", Some(&secret)).contains("abc"));
        assert_eq!(secret.reveal(), "hf_abc");
    }
}
