//! What is kept of one repository on disk: its files, named by their hashes, and beside them what is known of them.

use std::collections::BTreeSet;

use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::disk::{Folder, OpenFile};
use crate::{
    hub::{Cache, Repo, RepoFile, download::Saved},
    protocol::{CachedModel, CachedName, CachedRevision},
    worker::pace,
};

/// What is known of the files beside it. Whoever has it open has the folder to himself.
const INDEX: &str = "index";
/// How often somebody looks whether another tab is done with a folder, and how long between, milliseconds.
const N_LOOKS: usize = 10;
const LOOK_AGAIN_MILLIS: i32 = 100;

/// Why nothing is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotKept {
    /// This browser has no such place, here.
    NoPlace,
    /// Another tab has the folder.
    InUse,
    /// There is no room.
    Full,
}

/// The folder of one repository, open.
pub(super) struct Store {
    folder: Folder,
    index: OpenFile,
    pub(super) cache: Cache,
    /// The file that was read or written last.
    open: Option<(String, OpenFile)>,
}

impl Store {
    /// Opens what is kept of a repository.
    pub(super) async fn open(repo: &Repo) -> Result<Self, NotKept> {
        let top = Folder::top().await.map_err(|_| NotKept::NoPlace)?;
        let folder = top.folder(&repo.folder()).await.map_err(|_| NotKept::NoPlace)?;
        for _ in 0..N_LOOKS {
            // A tab that was closed a moment ago may still have it.
            if let Ok(index) = folder.open(INDEX).await {
                let text = String::from_utf8(index.read_all().unwrap_or_default()).unwrap_or_default();
                return Ok(Self { folder, index, cache: Cache::of_text(&text, repo), open: None });
            }
            pace::sleep(LOOK_AGAIN_MILLIS).await;
        }
        Err(NotKept::InUse)
    }

    /// Bytes of a file, as many as are there.
    pub(super) async fn read(&mut self, file: &RepoFile, start: u64, end: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
        let n_read = match self.file(file).await {
            Some(file) => file.read(start, &mut bytes).unwrap_or(0),
            None => 0,
        };
        bytes.truncate(n_read);
        bytes
    }

    /// A file, if all of it is here.
    pub(super) async fn whole(&mut self, file: &RepoFile) -> Option<Blob> {
        if self.cache.saved().bytes_of(file) < file.size_bytes {
            return None;
        }
        self.folder.blob(file.hash.digits()).await.ok().filter(|blob| blob.size() as u64 == file.size_bytes)
    }

    /// Writes bytes of a file; false if there is no room.
    pub(super) async fn write(&mut self, file: &RepoFile, start: u64, bytes: &[u8]) -> bool {
        self.file(file).await.is_some_and(|file| file.write(start, bytes).is_ok())
    }

    async fn file(&mut self, file: &RepoFile) -> Option<&OpenFile> {
        let name = file.hash.digits();
        if self.open.as_ref().is_none_or(|(open, _)| open != name) {
            self.open = None;
            self.open = Some((name.to_owned(), self.folder.open(name).await.ok()?));
        }
        self.open.as_ref().map(|(_, file)| file)
    }

    /// Notes how much of which file is here; false if there is no room for that.
    pub(super) fn save(&mut self, saved: &Saved) -> bool {
        self.cache.save(saved);
        self.write_index()
    }

    /// Writes down what is known of the files.
    pub(super) fn write_index(&self) -> bool {
        self.index.write_all(self.cache.to_string().as_bytes()).is_ok()
    }

    /// Removes what no revision needs any more.
    pub(super) async fn tidy(&mut self) {
        self.open = None;
        let mut names = self.folder.names().await.unwrap_or_default();
        names.retain(|name| name != INDEX);
        for name in self.cache.useless(names) {
            // What stays is removed another time.
            let _ = self.folder.remove(&name).await;
        }
    }
}

/// What is kept of all repositories. Where nothing can be kept, nothing is.
pub(super) async fn list() -> Vec<CachedModel> {
    let Ok(top) = Folder::top().await else { return vec![] };
    let mut models = vec![];
    let mut names = BTreeSet::new();
    names.extend(top.names().await.unwrap_or_default());
    for name in names {
        if let Ok(folder) = top.folder(&name).await {
            models.extend(look_into(&folder).await);
        }
    }
    models
}

/// Deletes what is kept of a repository.
///
/// Errors: it is being loaded.
pub(super) async fn delete(repo: &Repo) -> Result<(), NotKept> {
    let top = Folder::top().await.map_err(|_| NotKept::NoPlace)?;
    let name = repo.folder();
    let is_there = top.names().await.unwrap_or_default().contains(&name);
    if is_there { top.remove(&name).await.map_err(|_| NotKept::InUse) } else { Ok(()) }
}

async fn look_into(folder: &Folder) -> Option<CachedModel> {
    let text = JsFuture::from(folder.blob(INDEX).await.ok()?.text()).await.ok()?;
    let cache = Cache::parse(&text.as_string()?)?;
    let mut size_bytes = 0;
    for name in folder.names().await.ok()? {
        size_bytes += folder.blob(&name).await.map_or(0, |blob| blob.size() as u64);
    }
    let revisions = cache.revisions().map(|(revision, kept)| CachedRevision {
        revision: revision.to_owned(),
        commit: kept.commit.as_str().to_owned(),
        done_bytes: kept.files.iter().map(|file| cache.saved().bytes_of(file)).sum(),
        total_bytes: kept.files.iter().map(|file| file.size_bytes).sum(),
    });
    let revisions = revisions.collect();
    let name = CachedName { base: cache.base, repo: cache.id };
    Some(CachedModel { name, revisions, size_bytes })
}
