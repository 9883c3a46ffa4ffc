//! What is kept of a repository between visits, as data: which commit a revision was, and how much of which file is here.

use std::{collections::BTreeMap, fmt};

use super::{Commit, Hash, Repo, RepoFile, download::Saved};

/// The first word of what is written; another one is another form.
const FORM: &str = "vitrine-hub-1";

/// What is kept of one repository. Its files lie beside it, named by their hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Which hub.
    pub base: String,
    /// Which repository.
    pub id: String,
    revisions: BTreeMap<String, Kept>,
    saved: Saved,
}

/// What a revision was when it was last asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its commit.
    pub commit: Commit,
    /// The files that a model needs of it, in the order in which they are read.
    pub files: Vec<RepoFile>,
}

impl Kept {
    /// Bytes of the files with weights.
    pub fn weights_bytes(&self) -> u64 {
        let weights = self.files.iter().filter(|file| file.path.ends_with(".safetensors"));
        // What a hub says is not to be trusted with an overflow.
        weights.fold(0, |all, file| all.saturating_add(file.size_bytes))
    }
}

impl Cache {
    /// Nothing yet.
    pub fn new(repo: &Repo) -> Self {
        let (base, id) = (repo.base.clone(), repo.id.clone());
        Self { base, id, revisions: BTreeMap::new(), saved: Saved::default() }
    }

    /// Reads what was written for this repository; what cannot be read is as if it had never been there.
    pub fn of_text(text: &str, repo: &Repo) -> Self {
        let read = Self::parse(text);
        read.filter(|cache| cache.base == repo.base && cache.id == repo.id).unwrap_or_else(|| Self::new(repo))
    }

    /// Reads what was written for whatever repository, by its [`fmt::Display`].
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.lines();
        let mut head = lines.next()?.split(' ');
        if head.next()? != FORM {
            return None;
        }
        let (base, id) = (head.next()?.to_owned(), head.next()?.to_owned());
        let mut cache = Self { base, id, revisions: BTreeMap::new(), saved: Saved::default() };
        let mut last = None;
        for line in lines {
            let (word, rest) = line.split_once(' ')?;
            if word == "revision" {
                let (commit, revision) = rest.split_once(' ')?;
                cache.learn(revision, Kept { commit: Commit::new(commit)?, files: vec![] });
                last = Some(revision);
                continue;
            }
            let mut words = rest.splitn(4, ' ');
            let hash = Hash::new(word, words.next()?)?;
            let (done_bytes, size_bytes) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let file = RepoFile { path: words.next()?.to_owned(), size_bytes, hash };
            cache.saved.set(&file, done_bytes);
            cache.revisions.get_mut(last?)?.files.push(file);
        }
        Some(cache)
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

    /// Which of these names of files no revision needs.
    pub fn useless(&self, mut names: Vec<String>) -> Vec<String> {
        let is_used = |name: &str| {
            self.revisions.values().any(|kept| kept.files.iter().any(|file| file.hash.digits() == name))
        };
        names.retain(|name| !is_used(name));
        names
    }
}

/// A line for the repository, a line for each revision, and behind it one for each of its files.
impl fmt::Display for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORM} {} {}", self.base, self.id)?;
        for (revision, kept) in &self.revisions {
            writeln!(f, "revision {} {revision}", kept.commit.as_str())?;
            for file in &kept.files {
                let (kind, digits, done_bytes) =
                    (file.hash.kind(), file.hash.digits(), self.saved.bytes_of(file));
                writeln!(f, "{kind} {digits} {done_bytes} {} {}", file.size_bytes, file.path)?;
            }
        }
        Ok(())
    }
}

impl Repo {
    /// The name of the folder in which things are kept of it.
    pub fn folder(&self) -> String {
        super::repo::escaped(&self.page_url())
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
        let files = vec![file("a file", 'a'), file("c", 'b')];
        cache.learn("main", Kept { commit: commit('1'), files: files.clone() });
        cache.learn("refs/pr/1", Kept { commit: commit('2'), files: files[1..].to_vec() });
        files.iter().zip([3, 10]).for_each(|(file, done_bytes)| cache.saved.set(file, done_bytes));
        let text = cache.to_string();
        let read = Cache::of_text(&text, &repo());
        assert_eq!(read, cache);
        assert_eq!(files.iter().map(|file| read.saved().bytes_of(file)).collect::<Vec<_>>(), [3, 10]);
        let other = Repo { id: "a/c".into(), ..repo() };
        assert_eq!(Cache::of_text(&text, &other), Cache::new(&other));
        let cuts = (0..text.len()).filter(|end| text.as_bytes()[..*end].last() != Some(&b'\n'));
        for broken in cuts.map(|end| &text[..end]).chain(["\n", "x\n", "vitrine-hub-1 a b\nsha256 1 2 3 4\n"])
        {
            assert_eq!(Cache::of_text(broken, &repo()), Cache::new(&repo()), "{broken}");
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
        assert_eq!(cache.useless(names.to_vec()), names[3..]);
        cache.learn("main", Kept { commit: commit('3'), files: vec![file("w", 'd'), file("c", 'b')] });
        assert_eq!(cache.useless(names.to_vec()), names[..1]);
    }

    #[test]
    fn a_folder_has_a_name_that_is_one() {
        assert_eq!(repo().folder(), "https%3A%2F%2Fhuggingface.co%2Fa%2Fb");
    }
}
