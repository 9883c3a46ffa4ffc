//! From the bytes of a Hugging Face folder to a configuration and weights.
//!
//! Files come from outside: whatever is wrong with them is a [`LoadError`] that says what, why and what to
//! try. Nothing in a file is ignored in silence: what is not used is in the notes.

use crate::{failure::Failure, tensor::HostTensor};

use super::{ModelConfig, weights::Weights};

mod config_json;
mod error;
mod gpt2;
mod tensors;

pub use config_json::ConfigJson;
pub use error::LoadError;
pub use tensors::TensorFile;

/// A model's files, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct ModelFiles<'a> {
    /// config.json
    pub config: &'a [u8],
    /// The safetensors file.
    pub weights: &'a [u8],
}

/// A model as it was found in its files.
#[derive(Debug)]
pub struct Checkpoint {
    /// Its sizes.
    pub config: ModelConfig,
    /// `model_type` of config.json.
    pub model_type: String,
    /// Its weights, as f32.
    pub weights: Weights<HostTensor>,
    /// How most weights are stored, e.g. `F16`.
    pub dtype: String,
    /// What in the files was not used, and why.
    pub notes: Vec<String>,
}

impl Checkpoint {
    /// Reads config.json and the weights, and checks that they agree.
    ///
    /// Errors: [`LoadError`], for anything that would make the model another one than its files describe.
    pub fn read(files: ModelFiles<'_>) -> Result<Self, LoadError> {
        let config_json = ConfigJson::parse(files.config)?;
        let mut tensors = TensorFile::parse(files.weights)?;
        let dtype = tensors.main_dtype();
        let mut notes = config_json.notes();
        let (config, weights) = gpt2::read(&config_json, &mut tensors, &mut notes)?;
        notes.extend(tensors.unused_notes());
        Ok(Self { config, model_type: config_json.model_type().to_owned(), weights, dtype, notes })
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let hint = error.hint();
        Self::new(crate::failure::FailureKind::Model, error.to_string(), hint)
    }
}
