//! Where a model's files are, kept for as long as the model is: what was on a lost device is read again.

use std::rc::Rc;

use js_sys::Uint8Array;
use web_sys::File;

use super::{State, body::Body, fetch, pace::Turns, post};
use crate::{
    backend::{Backend, MAX_PART_BYTES},
    engine::{Engine, Pace as _},
    failure::{Failure, FailureKind},
    model::{
        folder::{CONFIG, Folder, MERGES, TOKENIZER, VOCAB, WEIGHTS},
        sae::{CFG, SAE_WEIGHTS, SaeFound, SaeReader},
    },
    protocol::{FromEngine, ModelSource, RunId},
};

/// A folder on a server, or files of the user's.
pub(super) enum Source {
    Url(String),
    Files(Vec<(String, File)>),
}

/// What the files say of a model beside its weights.
pub(super) struct Found {
    pub(super) model_type: String,
    pub(super) dtype: String,
    pub(super) notes: Vec<String>,
    pub(super) size_bytes: u64,
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

    /// The model, on `b`. What is wrong with the small files is said before the large one is read.
    ///
    /// Errors: the network, the files, the backend; cancelled.
    pub(super) async fn engine<B: Backend>(
        &self,
        state: &Rc<State>,
        reader: Reader,
        b: B,
    ) -> Result<(Engine<B>, Found), Failure> {
        let mut reading = Reading::new(state, reader);
        let mut folder = self.folder(&mut reading).await?;
        let name = match self {
            Self::Url(_) => WEIGHTS.to_owned(),
            Self::Files(_) => folder.weights()?.to_owned(),
        };
        let mut body = self.open(&name).await?;
        if body.is_some() {
            folder.insert(&name, vec![]);
        }
        let mut weights = folder.reader(&b, body.as_ref().and_then(|body| body.total_bytes))?;
        let tokenizer = folder.tokenizer()?;
        if let Some(body) = &mut body {
            reading.feed(&name, body, async |part| Ok(weights.feed(part).await?)).await?;
        }
        let checkpoint = weights.finish().await?;
        let found = Found {
            model_type: checkpoint.model_type.clone(),
            dtype: checkpoint.dtype.clone(),
            notes: checkpoint.notes.clone(),
            size_bytes: body.map_or(0, |body| body.done_bytes),
        };
        Ok((Engine::new(b, checkpoint, tokenizer), found))
    }

    /// The sparse autoencoder, on `b`, and the size of its weights file, bytes.
    ///
    /// Errors: the network, the files, the backend; cancelled.
    pub(super) async fn sae<B: Backend>(
        &self,
        state: &Rc<State>,
        reader: Reader,
        b: &B,
    ) -> Result<(SaeFound<B>, u64), Failure> {
        let mut reading = Reading::new(state, reader);
        let missing = |name: &str| {
            Failure::new(
                FailureKind::Model,
                format!("there is no {name}, {}", self.origin()),
                "A sparse autoencoder is a folder with cfg.json and sae_weights.safetensors.",
            )
        };
        let mut cfg = self.open(CFG).await?.ok_or_else(|| missing(CFG))?;
        let cfg = reading.whole(CFG, &mut cfg).await?;
        let mut body = self.open(SAE_WEIGHTS).await?.ok_or_else(|| missing(SAE_WEIGHTS))?;
        let mut weights = SaeReader::new(b, &cfg, body.total_bytes)?;
        reading.feed(SAE_WEIGHTS, &mut body, async |part| Ok(weights.feed(part).await?)).await?;
        Ok((weights.finish().await?, body.done_bytes))
    }

    /// The small files, whole; of others the name. The tokenizer may be in one file, in two, or absent.
    async fn folder(&self, reading: &mut Reading) -> Result<Folder, Failure> {
        let mut folder = Folder::default();
        if let Self::Files(files) = self {
            files.iter().for_each(|(name, _)| folder.insert(name, vec![]));
        }
        for name in [CONFIG, TOKENIZER, VOCAB, MERGES] {
            let Some(mut body) = self.open(name).await? else { continue };
            folder.insert(name, reading.whole(name, &mut body).await?);
            if name == TOKENIZER {
                break;
            }
        }
        Ok(folder)
    }

    /// One of the files; `None` if it is not there.
    async fn open(&self, name: &str) -> Result<Option<Body>, Failure> {
        match self {
            Self::Url(base) => fetch::open(&format!("{base}{name}")).await,
            Self::Files(files) => {
                Ok(files.iter().find(|(of, _)| of == name).map(|(_, file)| Body::of_file(file)))
            }
        }
    }
}

/// Files that are being read for somebody.
struct Reading {
    reader: Reader,
    turns: Turns,
}

impl Reading {
    fn new(state: &Rc<State>, reader: Reader) -> Self {
        let turns = match reader {
            Reader::Request(run) => Turns::new(state, run),
            Reader::Worker => Turns::of_worker(state),
        };
        Self { reader, turns }
    }

    /// A small file.
    async fn whole(&mut self, name: &str, body: &mut Body) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await? {
            append(&mut bytes, &chunk, name)?;
            self.turn().await?;
            self.report(name, body);
        }
        Ok(bytes)
    }

    /// Passes a large file on, a part at a time.
    async fn feed(
        &mut self,
        name: &str,
        body: &mut Body,
        mut take: impl AsyncFnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut part = vec![0; MAX_PART_BYTES];
        while let Some(chunk) = body.next().await? {
            for start in (0..chunk.length()).step_by(part.len()) {
                let n = part.len().min((chunk.length() - start) as usize);
                chunk.subarray(start, start + n as u32).copy_to(&mut part[..n]);
                take(&part[..n]).await?;
                self.turn().await?;
            }
            self.report(name, body);
        }
        Ok(())
    }

    /// Lets others have a turn.
    async fn turn(&mut self) -> Result<(), Failure> {
        self.turns
            .breathe()
            .await
            .map_err(|_| Failure::new(FailureKind::Cancelled, "the download was cancelled", "Load it again."))
    }

    fn report(&self, name: &str, body: &Body) {
        let Reader::Request(run) = self.reader else { return };
        let (file, done_bytes, total_bytes) = (name.to_owned(), body.done_bytes, body.total_bytes);
        post::send(FromEngine::Progress { run, file, done_bytes, total_bytes });
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
