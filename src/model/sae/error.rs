//! What can be wrong with a sparse autoencoder's files, and with what it is given to read.

use crate::{
    backend::BackendError,
    failure::{Failure, FailureKind},
    model::checkpoint::LoadError,
};

/// The files of a sparse autoencoder are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum SaeError {
    #[error("cfg.json is not valid JSON: {message}")]
    CfgSyntax { message: String },
    #[error("cfg.json does not say `{key}`")]
    CfgMissing { key: &'static str },
    #[error("cfg.json says `{key}`: {value}, which {why}")]
    CfgValue { key: &'static str, value: String, why: &'static str },
    #[error("a sparse autoencoder of the architecture `{name}` is not one that this build reads")]
    UnknownArchitecture { name: String },
    #[error("cfg.json and sae_weights.safetensors contradict each other: {message}")]
    Contradiction { message: String },
    #[error("sae_weights.safetensors has a scaling_factor that is not 1 throughout")]
    ScalingFactor,
    #[error("sae_weights.safetensors cannot be read: {0}")]
    Weights(LoadError),
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl From<LoadError> for SaeError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Contradiction { mismatch } => Self::Contradiction { message: mismatch.to_string() },
            LoadError::Backend(error) => Self::Backend(error),
            other => Self::Weights(other),
        }
    }
}

impl SaeError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::CfgSyntax { .. } | Self::CfgMissing { .. } | Self::Contradiction { .. } => {
                "Take cfg.json and sae_weights.safetensors from one folder, as SAELens' save_model wrote it."
                    .to_owned()
            }
            Self::CfgValue { .. } | Self::UnknownArchitecture { .. } => {
                "Vitrine reads SAELens' standard, topk, jumprelu, gated, transcoder and its variants, with or without \
                 layer_norm or constant_norm_rescale; fold other normalisations into the weights first."
                    .to_owned()
            }
            Self::ScalingFactor => "Multiply W_dec's rows by it, leave it out, and save again.".to_owned(),
            Self::Weights(LoadError::MissingTensor { .. }) => {
                "SAELens' files have W_enc, b_enc, W_dec and b_dec; a jumprelu also threshold, a gated one b_gate, b_mag \
                 and r_mag in place of b_enc, and one with a skip connection W_skip."
                    .to_owned()
            }
            Self::Weights(error) => error.hint(),
            Self::Backend(_) => "Unload what is not needed, or take a smaller autoencoder.".to_owned(),
        }
    }
}

impl From<SaeError> for Failure {
    fn from(error: SaeError) -> Self {
        let kind = match error {
            SaeError::Backend(_) => FailureKind::Device,
            _ => FailureKind::Model,
        };
        Self::new(kind, error.to_string(), error.hint())
    }
}

/// A sparse autoencoder cannot read what it was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum EncodeError {
    #[error("this sparse autoencoder reads {d_in} values a position, and there are {got}")]
    Width { d_in: usize, got: usize },
    #[error("what the sparse autoencoder reads or makes of it is not finite")]
    NotFinite,
    #[error(transparent)]
    Backend(#[from] BackendError),
}
