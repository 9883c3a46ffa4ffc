//! What is kept of a repository between visits, as data: which commit a revision was, and how much of which file is here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Commit, Hash, Repo, RepoFile, download::Saved};

/// What is kept of one repository. Its files lie beside it, named by their hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Which hub.
    pub base: String,
    /// Which repository.
    pub id: String,
    revisions: BTreeMap<String, Kept>,
    saved: Saved,
}

/// What a revision was when it was last asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its commit.
    pub commit: Commit,
    /// The files that a model needs of it, in the order in which they are read.
    pub files: Vec<RepoFile>,
}

impl Cache {
    /// Nothing yet.
    pub fn new(repo: &Repo) -> Self {
        let (base, id) = (repo.base.clone(), repo.id.clone());
        Self { base, id, revisions: BTreeMap::new(), saved: Saved::default() }
    }

    /// Reads what [`Cache::to_json`] wrote for this repository; what cannot be read is as if it had never been there.
    pub fn of_json(json: &[u8], repo: &Repo) -> Self {
        let read = Self::of_any_json(json);
        read.filter(|cache| cache.base == repo.base && cache.id == repo.id).unwrap_or_else(|| Self::new(repo))
    }

    /// The same for whatever repository it is about.
    pub fn of_any_json(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// To be kept beside the files.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("keys are strings")
    }

    /// What a revision was last; for the name of a commit, what it always is.
    pub fn kept(&self, revision: &str) -> Option<&Kept> {
        let is_it = |kept: &&Kept| kept.commit.as_str() == revision;
        self.revisions.get(revision).or_else(|| self.revisions.values().find(is_it))
    }

    /// The files of a commit, where they are known.
    pub fn of_commit(&self, commit: &Commit) -> Option<&Kept> {
        self.revisions.values().find(|kept| kept.commit == *commit)
    }

    /// Every revision with what it was.
    pub fn revisions(&self) -> impl Iterator<Item = (&str, &Kept)> {
        self.revisions.iter().map(|(revision, kept)| (revision.as_str(), kept))
    }

    /// Notes what a revision is now.
    pub fn learn(&mut self, revision: &str, kept: Kept) {
        self.revisions.insert(revision.to_owned(), kept);
    }

    /// How much of which file is here.
    pub fn saved(&self) -> &Saved {
        &self.saved
    }

    /// Notes how much is here of some files.
    pub fn save(&mut self, saved: &Saved) {
        self.saved.update(saved);
    }

    /// Notes that a file is not to be trusted.
    pub fn distrust(&mut self, file: &RepoFile) {
        self.saved.forget(file);
    }

    /// Forgets files that no revision has any more, and says which of these names they leave useless.
    pub fn tidy(&mut self, names: Vec<String>) -> Vec<String> {
        let files: Vec<&RepoFile> = self.revisions.values().flat_map(|kept| &kept.files).collect();
        self.saved.keep_only(&files);
        names.into_iter().filter(|name| files.iter().all(|file| file.hash.digits() != name)).collect()
    }
}

impl Repo {
    /// The name of the folder in which things are kept of it.
    pub fn folder(&self) -> String {
        super::repo::escaped(&self.page_url())
    }
}

impl Hash {
    /// Its digits: the name of the file that has what it is of.
    pub fn digits(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitBlob(digits) => digits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::HUB;

    fn file(path: &str, digit: char) -> RepoFile {
        RepoFile { path: path.into(), size_bytes: 10, hash: Hash::Sha256(digit.to_string().repeat(64)) }
    }

    fn commit(digit: char) -> Commit {
        let sha = digit.to_string().repeat(40);
        Commit::of_answer(format!(r#"{{"sha":"{sha}"}}"#).as_bytes()).expect("a commit")
    }

    fn repo() -> Repo {
        Repo::parse("a/b", HUB).expect("a repo")
    }

    #[test]
    fn what_is_written_is_read_for_the_same_repository_only() {
        let mut cache = Cache::new(&repo());
        cache.learn("main", Kept { commit: commit('1'), files: vec![file("w", 'a')] });
        let json = cache.to_json();
        assert_eq!(Cache::of_json(&json, &repo()), cache);
        let other = Repo { id: "a/c".into(), ..repo() };
        assert_eq!(Cache::of_json(&json, &other), Cache::new(&other));
        for broken in [&b""[..], b"{}", &json[..json.len() / 2]] {
            assert_eq!(Cache::of_json(broken, &repo()), Cache::new(&repo()));
        }
    }

    #[test]
    fn a_revision_is_found_by_its_name_and_by_its_commit() {
        let mut cache = Cache::new(&repo());
        let (old, new) = (commit('1'), commit('2'));
        cache.learn("main", Kept { commit: old.clone(), files: vec![file("w", 'a')] });
        assert_eq!(cache.kept(old.as_str()).map(|kept| &kept.commit), Some(&old));
        cache.learn("main", Kept { commit: new.clone(), files: vec![file("w", 'b')] });
        assert_eq!(cache.kept("main").map(|kept| &kept.commit), Some(&new));
        assert_eq!((cache.kept(old.as_str()), cache.kept("v1")), (None, None));
    }

    #[test]
    fn only_what_no_revision_has_is_useless() {
        let mut cache = Cache::new(&repo());
        cache.learn("main", Kept { commit: commit('1'), files: vec![file("w", 'a'), file("c", 'b')] });
        cache.learn("v1", Kept { commit: commit('2'), files: vec![file("w", 'c')] });
        let names = ["a", "b", "c", "d"].map(|digit| digit.repeat(64));
        assert_eq!(cache.tidy(names.to_vec()), names[3..]);
        cache.learn("main", Kept { commit: commit('3'), files: vec![file("w", 'd'), file("c", 'b')] });
        assert_eq!(cache.tidy(names.to_vec()), names[..1]);
    }

    #[test]
    fn a_folder_has_a_name_that_is_one() {
        assert_eq!(repo().folder(), "https%3A%2F%2Fhuggingface.co%2Fa%2Fb");
    }
}
