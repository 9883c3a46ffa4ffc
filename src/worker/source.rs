//! Where a model's files are, kept for as long as the model is: what was on a lost device is read again.

use web_sys::File;

use super::{State, fetch, post};
use crate::{
    failure::{Failure, FailureKind},
    model::folder::{CONFIG, Folder, MERGES, TOKENIZER, VOCAB, WEIGHTS},
    protocol::{FromEngine, ModelSource, RunId},
};

/// A folder on a server, or files of the user's.
pub(super) enum Source {
    Url(String),
    Files(Vec<(String, File)>),
}

/// Who waits for a model to be read.
#[derive(Clone, Copy)]
pub(super) enum Reader {
    /// A request: it hears of progress and may be cancelled.
    Request(RunId),
    /// The worker itself.
    Worker,
}

impl Source {
    pub(super) fn new(source: ModelSource, files: Vec<File>) -> Self {
        match source {
            ModelSource::Url { base } => Self::Url(base),
            ModelSource::Files { names } => Self::Files(names.into_iter().zip(files).collect()),
        }
    }

    /// In words: a URL or the names of files.
    pub(super) fn origin(&self) -> String {
        match self {
            Self::Url(base) => base.clone(),
            Self::Files(files) => {
                let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
                format!("from disk: {}", names.join(", "))
            }
        }
    }

    /// Everything that is in it.
    ///
    /// Errors: the network, a file that cannot be read any more; cancelled.
    pub(super) async fn folder(&self, state: &State, reader: Reader) -> Result<Folder, Failure> {
        match self {
            Self::Url(base) => download(state, reader, base).await,
            Self::Files(files) => {
                let mut folder = Folder::default();
                for (name, file) in files {
                    folder.insert(name, fetch::file(name, file).await?);
                }
                Ok(folder)
            }
        }
    }
}

/// The files of a served folder. The tokenizer may be in one file, in two, or absent.
async fn download(state: &State, reader: Reader, base: &str) -> Result<Folder, Failure> {
    let mut folder = Folder::default();
    for name in [CONFIG, TOKENIZER] {
        if let Some(bytes) = file(state, reader, base, name).await? {
            folder.insert(name, bytes);
        } else if name == TOKENIZER {
            for name in [VOCAB, MERGES] {
                if let Some(bytes) = file(state, reader, base, name).await? {
                    folder.insert(name, bytes);
                }
            }
        }
    }
    if let Some(bytes) = file(state, reader, base, WEIGHTS).await? {
        folder.insert(WEIGHTS, bytes);
    }
    Ok(folder)
}

async fn file(state: &State, reader: Reader, base: &str, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    fetch::bytes(&format!("{base}{name}"), |done_bytes, total_bytes| {
        let Reader::Request(run) = reader else { return Ok(()) };
        if state.is_cancelled(run) {
            return Err(Failure::new(FailureKind::Cancelled, "the download was cancelled", "Load it again."));
        }
        post::send(FromEngine::Progress { run, file: name.to_owned(), done_bytes, total_bytes });
        Ok(())
    })
    .await
}
