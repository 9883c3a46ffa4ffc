//! From the bytes of a Hugging Face folder to a configuration, and to weights on a backend.
//!
//! The header of the weights says where everything is, and is checked against config.json before the first
//! value is needed; then values go to the backend as they come, a part at a time. Files come from outside:
//! whatever is wrong with them is a [`LoadError`] that says what, why and what to try. Nothing in a file is
//! ignored in silence: what is not used is in the notes.

use crate::{
    backend::Backend,
    failure::{Failure, FailureKind},
};

use super::{ModelConfig, weights::OnBackend};

mod config_json;
mod error;
mod families;
mod filler;
mod gemma;
mod gpt2;
mod guess;
mod header;
mod llama;
mod neo;
mod neox;
mod opt;
mod phi;
mod reader;
mod rope;
mod shards;
mod stream;
mod tensors;

pub use config_json::ConfigJson;
pub use error::LoadError;
pub use guess::{Assumed, Guess};
pub use reader::WeightsReader;
pub use shards::{Shard, ShardReader, Span};
pub use tensors::{Source, TensorFile};

pub(in crate::model) use filler::{Done, Target};
pub(in crate::model) use shards::names as shard_names;
pub(in crate::model) use stream::Stream;

/// A model's files, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct ModelFiles<'a> {
    /// config.json
    pub config: &'a [u8],
    /// The safetensors file.
    pub weights: &'a [u8],
}

/// A model as it was found in its files, its weights on the backend `B`.
pub struct Checkpoint<B: Backend> {
    /// Its sizes.
    pub config: ModelConfig,
    /// `model_type` of config.json.
    pub model_type: String,
    /// Its weights.
    pub weights: OnBackend<B>,
    /// How most weights are stored, e.g. `F16`.
    pub dtype: String,
    /// What in the files was not used, and why.
    pub notes: Vec<String>,
}

impl<B: Backend> Checkpoint<B> {
    /// Reads config.json and the weights, checks that they agree, and moves the weights to `b`.
    ///
    /// Errors: [`LoadError`], for anything that would make the model another one than its files describe.
    pub async fn read(b: &B, files: ModelFiles<'_>) -> Result<Self, LoadError> {
        let mut reader = WeightsReader::new(b, files.config, Some(files.weights.len() as u64))?;
        reader.feed(files.weights).await?;
        reader.finish().await
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let kind = match error {
            LoadError::Backend(_) => FailureKind::Device,
            _ => FailureKind::Model,
        };
        Self::new(kind, error.to_string(), error.hint())
    }
}
