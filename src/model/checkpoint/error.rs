//! What can be wrong with a model's files, in words for the person who brought them.

use crate::{backend::BackendError, tensor::ShapeMismatch};

/// A model's files are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum LoadError {
    #[error("config.json is not valid JSON for a model: {message}")]
    ConfigSyntax { message: String },
    #[error("config.json does not say `{key}`")]
    ConfigMissing { key: &'static str },
    #[error("config.json says `{key}`: {value}, which {why}")]
    ConfigValue { key: &'static str, value: String, why: String },
    #[error("architecture `{model_type}` is not one that this build reads: {missing}")]
    UnknownArchitecture { model_type: String, missing: &'static str },
    #[error("the weights file is not a whole safetensors file: {message}")]
    NotSafetensors { message: String },
    #[error(
        "the weights file is cut short: its header describes {expected_bytes} bytes, the file has {got_bytes}"
    )]
    Truncated { expected_bytes: u64, got_bytes: u64 },
    #[error("tensor `{name}` is missing from the weights file")]
    MissingTensor { name: String },
    #[error("the weights file has both `{name}` and `{prefix}{name}`")]
    TwiceNamed { name: String, prefix: &'static str },
    #[error("tensor `{name}` is in more than one of the weights files")]
    InTwoFiles { name: String },
    #[error("model.safetensors.index.json does not say which file has which tensor: {message}")]
    Index { message: String },
    #[error("tensor `{name}` is stored as {dtype}, which is not a kind of weight")]
    Dtype { name: String, dtype: String },
    #[error("config.json and the weights contradict each other at tensor `{}`: {mismatch}", mismatch.op)]
    Contradiction { mismatch: ShapeMismatch },
    #[error("config.json says {expected} layers, the weights file has {got}")]
    LayerCount { expected: usize, got: usize },
    #[error(
        "config.json is of an attention-only model, but the weights file has MLP tensors such as `{name}`"
    )]
    UnexpectedMlp { name: String },
    #[error("tensor `{name}` holds a value that is not a number ({value}) at element {index}")]
    NonFinite { name: String, index: usize, value: String },
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error("the folder has no config.json, and its tensors have names that say no family")]
    NoGuess,
    #[error("the folder has no {file}")]
    MissingFile { file: String },
    #[error("the folder has {n} safetensors files and none is model.safetensors")]
    SeveralWeights { n: usize },
    #[error("`{file}` is not a safetensors file")]
    OtherFormat { file: String },
    #[error("the tokenizer cannot be read: {message}")]
    Tokenizer { message: String },
}

impl LoadError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::ConfigSyntax { .. } | Self::ConfigMissing { .. } | Self::ConfigValue { .. } => {
                "Take the config.json that was saved with these weights."
            }
            Self::NoGuess => "Take the config.json that was saved with these weights.",
            Self::UnknownArchitecture { .. } => {
                return format!("Vitrine reads {}.", super::families::READ);
            }
            Self::SeveralWeights { .. } => {
                "Several files are one model where their model.safetensors.index.json is beside them: bring that, \
                 too, or merge them with save_pretrained(folder, max_shard_size=\"100GB\")."
            }
            Self::NotSafetensors { .. } | Self::OtherFormat { .. } => {
                "Take a .safetensors file, or convert this one: load it with transformers (a .gguf with \
                 from_pretrained(.., gguf_file=..)) and call save_pretrained(folder, safe_serialization=True)."
            }
            Self::Truncated { .. } => "The download or copy stopped early: fetch the file again.",
            Self::MissingTensor { .. } | Self::LayerCount { .. } | Self::Contradiction { .. } => {
                "Check that config.json and the weights are from the same model, and that no shard is missing."
            }
            Self::Index { .. } | Self::InTwoFiles { .. } => {
                "Take the shards and model.safetensors.index.json as they were saved together."
            }
            Self::TwiceNamed { .. } => "Two models were saved into one file: save one of them alone.",
            Self::UnexpectedMlp { .. } => "Set `model_type` to `gpt2` in config.json.",
            Self::Dtype { .. } => "Save the weights as F32, F16 or BF16.",
            Self::NonFinite { .. } => "The weights are damaged or training diverged: take an earlier checkpoint.",
            Self::MissingFile { .. } => {
                "A model folder has config.json, model.safetensors (or model.safetensors.index.json and all files \
                 that it names) and, for text prompts, tokenizer.json (or vocab.json and merges.txt)."
            }
            Self::Backend(_) => "Close what else needs memory, or take a smaller model.",
            Self::Tokenizer { .. } => "Prompts as token ids work without a tokenizer.",
        }
        .to_owned()
    }
}
