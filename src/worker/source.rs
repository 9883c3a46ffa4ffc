//! Where a model's files are, kept for as long as the model is: what was on a lost device is read again.

use std::rc::Rc;

use web_sys::File;

use super::{
    State,
    body::Body,
    fetch,
    hub::{self, HubSource},
    reading::{Parts, Reader, Reading},
    room,
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
    placement::Wish,
    protocol::ModelSource,
};

/// A folder on a server, files of the user's, or a repository of a hub.
pub(super) enum Source {
    Url { base: String, weights: Option<String> },
    Files(Vec<(String, File)>),
    Hub(HubSource),
}

/// What the files say of a model beside its weights.
pub(super) struct Found {
    pub(super) model_type: String,
    pub(super) dtype: String,
    pub(super) notes: Vec<String>,
    pub(super) size_bytes: u64,
}

impl Source {
    /// Errors: this names no repository.
    pub(super) fn new(source: ModelSource, files: Vec<File>) -> Result<Self, Failure> {
        Ok(match source {
            ModelSource::Url { base, weights } => Self::Url { base, weights },
            ModelSource::Files { names } => Self::Files(names.into_iter().zip(files).collect()),
            ModelSource::Hub { base, repo, revision, token } => {
                Self::Hub(HubSource::new(base, &repo, revision, token)?)
            }
        })
    }

    /// In words: a URL or the names of files.
    pub(super) fn origin(&self) -> String {
        match self {
            Self::Url { base, weights } => [base.as_str(), weights.as_deref().unwrap_or_default()].concat(),
            Self::Files(files) => {
                let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
                format!("from disk: {}", names.join(", "))
            }
            Self::Hub(hub) => hub.origin(),
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
        let (weights, not_kept) = loop {
            let mut reading = Reading::new(state, reader);
            if let Self::Hub(hub) = self {
                reading.slot = hub.begin(state, reader).await?;
                if b.name() == Wish::Cpu.key() {
                    finds_room(hub, &mut reading).await?;
                }
            }
            let read = self.read(&b, &mut reading).await;
            match (read, self) {
                (Ok(weights), Self::Hub(hub)) => break (weights, hub.end(&reading.slot).await),
                (Ok(weights), _) => break (weights, None),
                (Err(_), Self::Hub(hub)) if hub.is_worth_another_try(&reading.slot) => {}
                (Err(failure), _) => return Err(failure),
            }
        };
        let Weights { checkpoint, tokenizer, size_bytes } = weights;
        let found = Found {
            model_type: checkpoint.model_type.clone(),
            dtype: checkpoint.dtype.clone(),
            notes: checkpoint.notes.iter().cloned().chain(not_kept).collect(),
            size_bytes,
        };
        Ok((Engine::new(b, checkpoint, tokenizer), found))
    }

    async fn read<B: Backend>(&self, b: &B, reading: &mut Reading) -> Result<Weights<B>, Failure> {
        let folder = self.folder(reading).await?;
        self.weights(b, folder, reading).await
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
        if let Self::Hub(_) = self {
            return Err(Failure::new(
                FailureKind::Model,
                format!("a sparse autoencoder is not read from a hub, {}", self.origin()),
                "Download its folder and open it from disk.",
            ));
        }
        let mut reading = Reading::new(state, reader);
        let missing = |name: &str| {
            Failure::new(
                FailureKind::Model,
                format!("there is no {name}, {}", self.origin()),
                "A sparse autoencoder is a folder with cfg.json and sae_weights.safetensors.",
            )
        };
        let mut cfg = self.open(CFG, &reading).await?.ok_or_else(|| missing(CFG))?;
        let cfg = reading.whole(CFG, &mut cfg).await?;
        let mut body = self.open(SAE_WEIGHTS, &reading).await?.ok_or_else(|| missing(SAE_WEIGHTS))?;
        let mut weights = SaeReader::new(b, &cfg, body.total_bytes)?;
        let mut parts = Parts::default();
        loop {
            let part = reading.part(SAE_WEIGHTS, &mut body, &mut parts).await?;
            if part.is_empty() {
                break;
            }
            weights.feed(part).await?;
        }
        Ok((weights.finish().await?, body.done_bytes))
    }

    /// The small files, whole; of others the name. The tokenizer may be in one file, in two, or absent.
    pub(super) async fn folder(&self, reading: &mut Reading) -> Result<Folder, Failure> {
        let mut folder = Folder::default();
        match self {
            Self::Url { .. } => {}
            Self::Files(files) => files.iter().for_each(|(name, _)| folder.insert(name, vec![])),
            Self::Hub(_) => {
                let names = hub::names(&reading.slot);
                names.iter().for_each(|name| folder.insert(name, vec![]));
            }
        }
        for name in [CONFIG, TOKENIZER, VOCAB, MERGES] {
            if self.insert(&mut folder, name, reading).await? && name == TOKENIZER {
                break;
            }
        }
        if let Self::Files(_) | Self::Hub(_) = self {
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
        let Some(mut body) = self.open(name, reading).await? else { return Ok(false) };
        folder.insert(name, reading.whole(name, &mut body).await?);
        Ok(true)
    }

    /// One of the files; `None` if it is not there.
    pub(super) async fn open(&self, name: &str, reading: &Reading) -> Result<Option<Body>, Failure> {
        match self {
            Self::Url { base, .. } => fetch::open(&format!("{base}{name}")).await,
            Self::Files(files) => {
                Ok(files.iter().find(|(of, _)| of == name).map(|(_, file)| Body::of_blob(file, name)))
            }
            Self::Hub(_) => Ok(hub::open(&reading.slot, name)),
        }
    }
}

/// Refuses what cannot fit into a page's memory before any of its weights are asked for.
///
/// Errors: it does not fit; the network; cancelled.
async fn finds_room(hub: &HubSource, reading: &mut Reading) -> Result<(), Failure> {
    let weights_bytes = hub.weights_bytes();
    if room::surely_fits_on_cpu(&reading.state, weights_bytes) {
        return Ok(());
    }
    let Some(mut body) = hub::peek(&reading.slot, CONFIG).await? else { return Ok(()) };
    let config = reading.whole(CONFIG, &mut body).await?;
    room::check_files_on_cpu(&reading.state, hub.id(), weights_bytes, &config)
}
