//! A model's weights, from one file or several to a backend.

use std::rc::Rc;

use super::{
    State,
    body::Body,
    hub,
    reading::{Parts, Reader, Reading},
    room,
    source::Source,
};
use crate::{
    backend::Backend,
    failure::Failure,
    model::{
        checkpoint::{Checkpoint, Guess, LoadError, Shard, ShardReader, Span},
        folder::{CONFIG, Folder, INDEX, WEIGHTS},
        tokenizer::Tokenizer,
    },
    placement::Wish,
};

/// What came of the files of a model.
pub(super) struct Weights<B: Backend> {
    pub(super) checkpoint: Checkpoint<B>,
    pub(super) tokenizer: Option<Tokenizer>,
    /// Of all weights files.
    pub(super) size_bytes: u64,
}

impl Source {
    /// The weights, on `b`; the small files are in `folder`.
    ///
    /// Errors: the network, the files, the backend; cancelled.
    pub(super) async fn weights<B: Backend>(
        &self,
        b: &B,
        mut folder: Folder,
        reading: &mut Reading,
    ) -> Result<Weights<B>, Failure> {
        let name = match self {
            Self::Url { weights, .. } => weights.as_deref().unwrap_or(WEIGHTS).to_owned(),
            Self::Files(_) | Self::Hub(_) => match folder.indexed()? {
                Some(_) => return self.shards(b, &folder, folder.shards()?, reading).await,
                None => folder.weights()?.to_owned(),
            },
        };
        let Some(body) = self.open(&name, reading).await? else {
            // A server does not say what it has: the index is asked for once there is no single file.
            self.insert(&mut folder, INDEX, reading).await?;
            let names = folder.indexed()?;
            return self.shards(b, &folder, names.map_or_else(|| folder.shards(), Ok)?, reading).await;
        };
        folder.insert(&name, vec![]);
        one(b, &folder, &name, body, reading).await
    }

    /// What config.json would say, if files from disk came without one.
    ///
    /// Errors: their headers cannot be read, or are of no family that is known.
    pub(super) async fn guess(&self, state: &Rc<State>, reader: Reader) -> Result<Option<Guess>, Failure> {
        match self {
            Self::Files(files) if files.iter().all(|(name, _)| name != CONFIG) => {}
            Self::Files(_) | Self::Url { .. } | Self::Hub(_) => return Ok(None),
        }
        let mut reading = Reading::new(state, reader);
        let folder = self.folder(&mut reading).await?;
        let (_, shards) = self.headers(&folder.shards()?, &mut reading).await?;
        Ok(Some(Guess::of(&shards)?))
    }

    /// Several files: all headers, then all values. A file is opened twice, and twice from its start: that works on
    /// every server, and no file waits half read for the others.
    async fn shards<B: Backend>(
        &self,
        b: &B,
        folder: &Folder,
        names: Vec<String>,
        reading: &mut Reading,
    ) -> Result<Weights<B>, Failure> {
        let (spans, shards) = self.headers(&names, reading).await?;
        let mut weights = folder.reader_of_shards(b, shards)?;
        if let (true, Some((config, dtype))) = (b.name() == Wish::Cpu.key(), weights.planned()) {
            room::check_on_cpu(&reading.state, config, dtype)?;
        }
        let tokenizer = folder.tokenizer()?;
        let mut size_bytes = 0;
        for (name, span) in names.iter().zip(spans) {
            let Span { data_start, .. } = span;
            let mut body = self.open(name, reading).await?.ok_or_else(|| missing(name))?;
            let (mut parts, mut at_bytes) = (Parts::default(), 0);
            loop {
                let part = reading.part(name, &mut body, &mut parts).await?;
                if part.is_empty() {
                    break;
                }
                let n_skipped = usize::try_from(data_start.saturating_sub(at_bytes)).unwrap_or(usize::MAX);
                at_bytes += part.len() as u64;
                let values = part.get(n_skipped..).unwrap_or_default();
                weights.feed(values).await.map_err(|error| in_file(name, error))?;
            }
            span.check(body.done_bytes).map_err(|error| in_file(name, error))?;
            size_bytes += body.done_bytes;
        }
        Ok(Weights { checkpoint: weights.finish().await?, tokenizer, size_bytes })
    }

    /// What the headers say, and where each file's values are.
    async fn headers(
        &self,
        names: &[String],
        reading: &mut Reading,
    ) -> Result<(Vec<Span>, Vec<Shard>), Failure> {
        let (mut spans, mut shards) = (vec![], vec![]);
        for name in names {
            let shard = header(name, &mut self.ahead(name, reading).await?).await?;
            spans.push(shard.span);
            shards.push(shard);
            reading.turn().await?;
        }
        Ok((spans, shards))
    }

    /// One of several files, for its header.
    async fn ahead(&self, name: &str, reading: &Reading) -> Result<Body, Failure> {
        let body = match self {
            Self::Url { .. } | Self::Files(_) => self.open(name, reading).await?,
            // What is read of it now is read again when its turn comes, and hashed then.
            Self::Hub(_) => hub::peek(&reading.slot, name).await?,
        };
        Ok(body.ok_or_else(|| missing(name))?)
    }
}

fn missing(name: &str) -> LoadError {
    LoadError::MissingFile { file: name.to_owned() }
}

/// One file, which is read as it comes.
async fn one<B: Backend>(
    b: &B,
    folder: &Folder,
    name: &str,
    mut body: Body,
    reading: &mut Reading,
) -> Result<Weights<B>, Failure> {
    let mut weights = folder.reader(b, body.total_bytes)?;
    let tokenizer = folder.tokenizer()?;
    let mut is_checked = b.name() != Wish::Cpu.key();
    let mut parts = Parts::default();
    loop {
        let part = reading.part(name, &mut body, &mut parts).await?;
        if part.is_empty() {
            break;
        }
        weights.feed(part).await?;
        if let (false, Some((config, dtype))) = (is_checked, weights.planned()) {
            room::check_on_cpu(&reading.state, config, dtype)?;
            is_checked = true;
        }
    }
    Ok(Weights { checkpoint: weights.finish().await?, tokenizer, size_bytes: body.done_bytes })
}

/// What the header of a file says.
async fn header(name: &str, body: &mut Body) -> Result<Shard, Failure> {
    let mut reader = ShardReader::new(body.total_bytes);
    while let Some(chunk) = body.next().await? {
        let mut bytes = vec![0; chunk.len()];
        chunk.read(0, &mut bytes);
        if let Some(shard) = reader.feed(&bytes).map_err(|error| in_file(name, error))? {
            return Ok(shard);
        }
    }
    Err(in_file(name, reader.cut()))
}

/// What is wrong, and with which of the files.
fn in_file(name: &str, error: LoadError) -> Failure {
    let Failure { kind, message, hint } = error.into();
    Failure::new(kind, format!("{message}, in {name}"), hint)
}
