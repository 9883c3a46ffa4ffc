//! Where a model comes from, as the page keeps it: so a restarted engine can load it again.

use js_sys::Array;
use web_sys::File;

use crate::protocol::{ModelSource, Secret};

/// A folder on a server, files that the user gave, or a repository of a hub.
#[derive(Clone, Debug)]
pub enum Source {
    /// A folder.
    Url {
        /// An absolute URL with its final slash.
        base: String,
        /// Which file has the weights, if not `model.safetensors`.
        weights: Option<String>,
    },
    /// The files themselves; the engine reads them.
    Files {
        /// The files.
        files: Vec<File>,
        /// The browser's handles on them, by which a later visit opens them; none where it gives none.
        handles: Array,
    },
    /// A repository of a hub.
    Hub(HubModel),
}

/// A model of a hub's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubModel {
    /// The hub's address; `None` is <https://huggingface.co>.
    pub base: Option<String>,
    /// `owner/name`, `owner/name@revision`, or the address of its page.
    pub repo: String,
    /// A branch, a tag or a commit; it wins over one in `repo`.
    pub revision: Option<String>,
    /// Who asks, for what not everybody gets. Sent to the hub only, kept nowhere but here.
    pub token: Option<Secret>,
}

impl Source {
    /// The source as the protocol says it, and the files that travel beside it.
    pub(super) fn for_message(self) -> (ModelSource, Array) {
        match self {
            Self::Url { base, weights } => (ModelSource::Url { base, weights }, Array::new()),
            Self::Files { files, handles: _ } => {
                let names = files.iter().map(File::name).collect();
                (ModelSource::Files { names }, files.iter().collect())
            }
            Self::Hub(HubModel { base, repo, revision, token }) => {
                (ModelSource::Hub { base, repo, revision, token }, Array::new())
            }
        }
    }
}

impl HubModel {
    /// `owner/name`, and the revision behind `@` if it is not the newest: what the page calls it.
    pub fn id(&self) -> String {
        match &self.revision {
            Some(revision) => format!("{}@{revision}", self.repo),
            None => self.repo.clone(),
        }
    }

    /// The hub's name without the protocol.
    pub fn host(&self) -> &str {
        let base = self.base.as_deref().unwrap_or("huggingface.co");
        base.split_once("://").map_or(base, |(_, host)| host)
    }
}
