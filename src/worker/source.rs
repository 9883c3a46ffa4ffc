//! Where a model's files are, kept for as long as the model is: what was on a lost device is read again.

use std::rc::Rc;

use web_sys::File;

use super::{
    State,
    body::Body,
    fetch,
    reading::{Reader, Reading},
    weights::Weights,
};
use crate::{
    backend::Backend,
    engine::Engine,
    failure::{Failure, FailureKind},
    model::{
        folder::{CONFIG, Folder, INDEX, MERGES, TOKENIZER, VOCAB},
        sae::{CFG, SAE_WEIGHTS, SaeFound, SaeReader},
    },
    protocol::ModelSource,
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
        let folder = self.folder(&mut reading).await?;
        let weights = self.weights(&b, folder, &mut reading).await?;
        let Weights { checkpoint, tokenizer, size_bytes } = weights;
        let found = Found {
            model_type: checkpoint.model_type.clone(),
            dtype: checkpoint.dtype.clone(),
            notes: checkpoint.notes.clone(),
            size_bytes,
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
            if self.insert(&mut folder, name, reading).await? && name == TOKENIZER {
                break;
            }
        }
        if let Self::Files(_) = self {
            self.insert(&mut folder, INDEX, reading).await?;
        }
        Ok(folder)
    }

    /// Adds a small file, whole; false if it is not there.
    pub(super) async fn insert(
        &self,
        folder: &mut Folder,
        name: &str,
        reading: &mut Reading,
    ) -> Result<bool, Failure> {
        let Some(mut body) = self.open(name).await? else { return Ok(false) };
        folder.insert(name, reading.whole(name, &mut body).await?);
        Ok(true)
    }

    /// One of the files; `None` if it is not there.
    pub(super) async fn open(&self, name: &str) -> Result<Option<Body>, Failure> {
        match self {
            Self::Url(base) => fetch::open(&format!("{base}{name}")).await,
            Self::Files(files) => {
                Ok(files.iter().find(|(of, _)| of == name).map(|(_, file)| Body::of_file(file)))
            }
        }
    }
}
