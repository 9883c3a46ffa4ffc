//! Models from a hub: which commit and which files, from where they come, and what is kept of them.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

mod control;
mod disk;
mod flight;
mod store;
mod transfer;

pub(super) use control::Control;
pub(super) use transfer::Transfer;

use super::{State, body::Body, body::unreachable, reading::Reader};
use crate::{
    failure::{Failure, FailureKind},
    hub::{
        Cache, Choice, Commit, HUB, HubError, Kept, Listing, Repo, RepoFile, Weights, download::Head,
        next_page,
    },
    protocol::{CachedModel, CachedName, Secret},
};
use flight::{fetch, head_of};
use store::{NotKept, Store};
use transfer::From;

/// A repository, as somebody asked for it.
pub(super) struct HubSource {
    repo: Repo,
    token: Option<Secret>,
    /// What the revision was when it was first read: the same files are read again.
    kept: RefCell<Option<Kept>>,
    /// Kept files that turned out damaged.
    damaged: RefCell<Vec<RepoFile>>,
}

/// Where a transfer is while nobody reads from it.
pub(super) type Slot = Rc<Cell<Option<Box<Transfer>>>>;

impl HubSource {
    /// Errors: this names no repository.
    pub(super) fn new(
        base: Option<String>,
        repo: &str,
        revision: Option<String>,
        token: Option<Secret>,
    ) -> Result<Self, Failure> {
        let base = base.unwrap_or_else(|| HUB.to_owned());
        let mut repo = Repo::parse(repo, &base)?;
        if let Some(revision) = revision {
            repo = Repo::parse(&format!("{}@{revision}", repo.id), &base)?;
        }
        Ok(Self { repo, token, kept: RefCell::default(), damaged: RefCell::default() })
    }

    /// The page of the repository, at the commit that was read.
    pub(super) fn origin(&self) -> String {
        match &*self.kept.borrow() {
            Some(kept) => format!("{}/tree/{}", self.repo.page_url(), kept.commit.as_str()),
            None => self.repo.page_url(),
        }
    }

    /// Finds out what to read, and begins.
    ///
    /// Errors: the network and the hub; the repository has no model.
    pub(super) async fn begin(&self, state: &State, reader: Reader) -> Result<Slot, Failure> {
        let (control, run) = match reader {
            Reader::Request(run) => (state.control(run), Some(run)),
            Reader::Worker => (Rc::default(), None),
        };
        let mut store = Store::open(&self.repo).await;
        let read_before = self.kept.borrow().clone();
        let kept = match read_before {
            Some(kept) => kept,
            None => {
                let cache = store.as_ref().ok().map(|store| &store.cache);
                self.resolve(cache, &control).await?
            }
        };
        if let Ok(open) = &mut store {
            self.damaged.borrow().iter().for_each(|file| open.cache.distrust(file));
            open.cache.learn(&self.repo.revision, kept.clone());
            if !open.write_index() {
                store = Err(NotKept::Full);
            }
        }
        let from = From { repo: self.repo.clone(), commit: kept.commit.clone(), token: self.token.clone() };
        let transfer = Transfer::new(from, kept.files.clone(), store, control, run);
        *self.kept.borrow_mut() = Some(kept);
        Ok(Rc::new(Cell::new(Some(Box::new(transfer)))))
    }

    /// `owner/name`.
    pub(super) fn id(&self) -> &str {
        &self.repo.id
    }

    /// Bytes of all weights files, once it has begun.
    pub(super) fn weights_bytes(&self) -> u64 {
        self.kept.borrow().as_ref().map_or(0, Kept::weights_bytes)
    }

    /// Ends a transfer that has brought everything. Why nothing was kept, if nothing was.
    pub(super) async fn end(&self, slot: &Slot) -> Option<String> {
        let mut transfer = slot.take()?;
        if let Some(store) = transfer.store() {
            store.tidy().await;
        }
        let why = match transfer.not_kept()? {
            NotKept::NoPlace => "this browser keeps no files for this page (a private window does not)",
            NotKept::InUse => "it is being loaded in another tab as well",
            NotKept::Full => "the browser has no room for it",
        };
        Some(format!("not kept for the next visit, which fetches it again: {why}"))
    }

    /// Whether a transfer failed because a file that was kept is damaged, so that it is worth beginning again.
    pub(super) fn is_worth_another_try(&self, slot: &Slot) -> bool {
        let Some(transfer) = slot.take() else { return false };
        let damaged = transfer.damaged().cloned();
        let is_new = damaged.as_ref().is_some_and(|file| !self.damaged.borrow().contains(file));
        self.damaged.borrow_mut().extend(damaged);
        is_new
    }

    /// Which commit the revision is, and which of its files are read. Without a network, what it was last.
    async fn resolve(&self, cache: Option<&Cache>, control: &Control) -> Result<Kept, Failure> {
        let last = cache.and_then(|cache| cache.kept(&self.repo.revision));
        if let Some(kept) = last.filter(|kept| kept.commit.as_str() == self.repo.revision) {
            return Ok(kept.clone()); // A commit does not change.
        }
        let commit = match self.ask(&self.repo.revision_url(), control).await {
            Ok((json, _)) => Commit::of_answer(&json)?,
            Err(No { failure, is_temporary }) => {
                return last.filter(|_| is_temporary).cloned().ok_or(failure);
            }
        };
        if let Some(kept) = cache.and_then(|cache| cache.of_commit(&commit)) {
            return Ok(kept.clone());
        }
        let mut listing = Listing::default();
        let mut page = Some(self.repo.tree_url(&commit));
        while let Some(url) = page {
            let (json, link) = self.ask(&url, control).await.map_err(|no| no.failure)?;
            listing.add_page(&json)?;
            page = next_page(&link, &self.repo.base)?;
        }
        let Choice { small: mut files, weights } = Choice::of(&listing, &self.repo.id)?;
        match weights {
            Weights::One(file) => files.push(file),
            Weights::Indexed(file) => {
                let url = self.repo.file_url(&commit, &file.path);
                let (index, _) = self.ask(&url, control).await.map_err(|no| no.failure)?;
                let shards = Choice::shards(&listing, &self.repo.id, &index)?;
                files.push(file);
                files.extend(shards);
            }
        }
        Ok(Kept { commit, files })
    }

    /// A short answer of the hub's, and its header `Link`.
    async fn ask(&self, url: &str, control: &Control) -> Result<(Vec<u8>, String), No> {
        let unreached = |error: JsValue| No { failure: unreachable(url, &error), is_temporary: true };
        let response = fetch(url, None, self.token.as_ref(), None).await.map_err(unreached)?;
        let response: Response = response.unchecked_into();
        let Head { status, code, retry_after, .. } = head_of(&response);
        if status != 200 {
            let error = HubError::of_status(status, code.as_deref(), retry_after.as_deref(), &self.repo, url);
            return Err(No { failure: error.into(), is_temporary: status == 429 || 500 <= status });
        }
        let link = response.headers().get("Link").ok().flatten().unwrap_or_default();
        let body = response.array_buffer().map_err(unreached)?;
        let body: ArrayBuffer = JsFuture::from(body).await.map_err(unreached)?.unchecked_into();
        if control.is_cancelled() {
            let failure =
                Failure::new(FailureKind::Cancelled, "the download was cancelled", "Load it again.");
            return Err(No { failure, is_temporary: false });
        }
        Ok((Uint8Array::new(&body).to_vec(), link))
    }
}

/// A hub that did not answer as asked.
struct No {
    failure: Failure,
    /// Whether it may do so another time.
    is_temporary: bool,
}

/// The names of the files of a transfer.
pub(super) fn names(slot: &Slot) -> Vec<String> {
    let Some(transfer) = slot.take() else { return vec![] };
    let names = transfer.files().iter().map(|file| file.path.clone()).collect();
    slot.set(Some(transfer));
    names
}

/// Opens one of the files of a transfer; `None` if it has no such file.
pub(super) fn open(slot: &Slot, name: &str) -> Option<Body> {
    let transfer = slot.take()?;
    let found = transfer.files().iter().enumerate().find(|(_, file)| file.path == name);
    let body = found.map(|(file_idx, file)| Body::of_hub(slot, file_idx, file.size_bytes));
    slot.set(Some(transfer));
    body
}

/// Opens one of the files for its first bytes only, ahead of its turn.
///
/// Errors: the network.
pub(super) async fn peek(slot: &Slot, name: &str) -> Result<Option<Body>, Failure> {
    let Some(mut transfer) = slot.take() else { return Ok(None) };
    let body = peek_into(&mut transfer, name).await;
    slot.set(Some(transfer));
    body
}

async fn peek_into(transfer: &mut Transfer, name: &str) -> Result<Option<Body>, Failure> {
    let Some(file) = transfer.files().iter().find(|file| file.path == name).cloned() else { return Ok(None) };
    if let Some(store) = transfer.store()
        && let Some(blob) = store.whole(&file).await
    {
        return Ok(Some(Body::of_blob(&blob, name)));
    }
    let url = transfer.url(&file);
    let response = fetch(&url, None, transfer.token(), None).await;
    let response: Response = response.map_err(|error| unreachable(&url, &error))?.unchecked_into();
    let Head { status, code, retry_after, .. } = head_of(&response);
    if status != 200 {
        let repo = transfer.repo();
        return Err(HubError::of_status(status, code.as_deref(), retry_after.as_deref(), repo, &url).into());
    }
    Ok(response.body().map(|stream| Body::of_url(&url, &stream, Some(file.size_bytes))))
}

/// What is kept of all models.
pub(super) async fn list() -> Vec<CachedModel> {
    store::list().await
}

/// Deletes what is kept of one.
///
/// Errors: it is being loaded; this names no repository.
pub(super) async fn delete(CachedName { base, repo }: &CachedName) -> Result<(), Failure> {
    let repo = Repo::parse(repo, base)?;
    match store::delete(&repo).await {
        Ok(()) | Err(NotKept::NoPlace | NotKept::Full) => Ok(()),
        Err(NotKept::InUse) => Err(Failure::new(
            FailureKind::Model,
            format!("{} cannot be deleted: it is being loaded", repo.id),
            "Cancel that first, here or in another tab.",
        )),
    }
}
