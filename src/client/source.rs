//! Where a model comes from, as the page keeps it: so a restarted engine can load it again.

use js_sys::Array;
use web_sys::File;

use crate::protocol::ModelSource;

/// A folder on a server, or files that the user gave.
#[derive(Clone, Debug)]
pub enum Source {
    /// An absolute URL with its final slash.
    Url(String),
    /// The files themselves; the engine reads them.
    Files(Vec<File>),
}

impl Source {
    /// The source as the protocol says it, and the files that travel beside it.
    pub(super) fn for_message(self) -> (ModelSource, Array) {
        match self {
            Self::Url(base) => (ModelSource::Url { base }, Array::new()),
            Self::Files(files) => {
                let names = files.iter().map(File::name).collect();
                (ModelSource::Files { names }, files.iter().collect())
            }
        }
    }
}
