//! A model's files, wherever they are: the small ones whole, the weights as they come.

use std::rc::Rc;

use js_sys::Uint8Array;
use web_sys::File;

use super::{State, body::Body, fetch, pace::Turns, post};
use crate::{
    backend::{Backend, MAX_PART_BYTES},
    engine::Pace as _,
    failure::{Failure, FailureKind},
    model::{
        checkpoint::Checkpoint,
        folder::{CONFIG, Folder, MERGES, TOKENIZER, VOCAB, WEIGHTS},
        tokenizer::Tokenizer,
    },
    protocol::{FromEngine, ModelSource, RunId},
};

/// The files of one request to load a model.
pub(super) struct Files {
    place: Place,
    run: RunId,
    turns: Turns,
}

enum Place {
    /// A served folder, with its final slash.
    Server(String),
    /// What the page was given, by name.
    Disk(Vec<(String, File)>),
}

/// A model that is on its backend.
pub(super) struct Loaded<B: Backend> {
    pub(super) checkpoint: Checkpoint<B>,
    pub(super) tokenizer: Option<Tokenizer>,
    /// Length of the weights file.
    pub(super) size_bytes: u64,
}

impl Files {
    /// Where the page says they are; `files` came with its message.
    pub(super) fn new(state: &Rc<State>, run: RunId, source: ModelSource, files: Vec<File>) -> Self {
        let place = match source {
            ModelSource::Url { base } => Place::Server(base),
            ModelSource::Files { names } => Place::Disk(names.into_iter().zip(files).collect()),
        };
        Self { place, run, turns: Turns::new(state, run) }
    }

    /// Where they are, in words for the model card.
    pub(super) fn origin(&self) -> String {
        match &self.place {
            Place::Server(base) => base.clone(),
            Place::Disk(files) => {
                let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
                format!("from disk: {}", names.join(", "))
            }
        }
    }

    /// Reads all files, the weights into `b`. What is wrong with the small ones is said before the large one
    /// is read.
    ///
    /// Errors: the network, the files, the backend, or the user cancelled.
    pub(super) async fn load<B: Backend>(mut self, b: &B) -> Result<Loaded<B>, Failure> {
        let mut folder = self.folder().await?;
        let name = match &self.place {
            Place::Server(_) => WEIGHTS.to_owned(),
            Place::Disk(_) => folder.weights()?.to_owned(),
        };
        let body = self.open(&name).await?;
        if body.is_some() {
            folder.insert(&name, vec![]);
        }
        let mut reader = folder.reader(b, body.as_ref().and_then(|body| body.total_bytes))?;
        let tokenizer = folder.tokenizer()?;
        let mut size_bytes = 0;
        let mut part = vec![0; MAX_PART_BYTES];
        if let Some(mut body) = body {
            while let Some(chunk) = body.next().await? {
                for start in (0..chunk.length()).step_by(part.len()) {
                    let n = part.len().min((chunk.length() - start) as usize);
                    chunk.subarray(start, start + n as u32).copy_to(&mut part[..n]);
                    reader.feed(&part[..n]).await?;
                    self.turn().await?;
                }
                self.report(&name, &body);
            }
            size_bytes = body.done_bytes;
        }
        Ok(Loaded { checkpoint: reader.finish().await?, tokenizer, size_bytes })
    }

    /// The small files. The tokenizer may be in one file, in two, or absent.
    async fn folder(&mut self) -> Result<Folder, Failure> {
        let mut folder = Folder::default();
        if let Place::Disk(files) = &self.place {
            files.iter().for_each(|(name, _)| folder.insert(name, vec![]));
        }
        let mut has_tokenizer = false;
        for name in [CONFIG, TOKENIZER, VOCAB, MERGES] {
            if has_tokenizer {
                break;
            }
            if let Some(bytes) = self.whole(name).await? {
                folder.insert(name, bytes);
                has_tokenizer = name == TOKENIZER;
            }
        }
        Ok(folder)
    }

    async fn whole(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let Some(mut body) = self.open(name).await? else { return Ok(None) };
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await? {
            append(&mut bytes, &chunk, name)?;
            self.turn().await?;
            self.report(name, &body);
        }
        Ok(Some(bytes))
    }

    async fn open(&self, name: &str) -> Result<Option<Body>, Failure> {
        match &self.place {
            Place::Server(base) => fetch::open(&format!("{base}{name}")).await,
            Place::Disk(files) => {
                Ok(files.iter().find(|(of, _)| of == name).map(|(_, file)| Body::of_file(file)))
            }
        }
    }

    /// Lets others have a turn.
    async fn turn(&mut self) -> Result<(), Failure> {
        self.turns
            .breathe()
            .await
            .map_err(|_| Failure::new(FailureKind::Cancelled, "the download was cancelled", "Load it again."))
    }

    fn report(&self, name: &str, body: &Body) {
        post::send(FromEngine::Progress {
            run: self.run,
            file: name.to_owned(),
            done_bytes: body.done_bytes,
            total_bytes: body.total_bytes,
        });
    }
}

fn append(bytes: &mut Vec<u8>, chunk: &Uint8Array, name: &str) -> Result<(), Failure> {
    let start = bytes.len();
    let n_more = chunk.length() as usize;
    bytes.try_reserve(n_more).map_err(|_| {
        Failure::new(
            FailureKind::Model,
            format!("the file does not fit into memory after {start} bytes, {name}"),
            "Close other tabs, or take a smaller model.",
        )
    })?;
    bytes.resize(start + n_more, 0);
    chunk.copy_to(&mut bytes[start..]);
    Ok(())
}
