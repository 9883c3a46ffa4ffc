//! Why a run did not work.

use crate::{
    analysis::AnalysisError,
    backend::{BackendError, DeviceFault},
    failure::{Failure, FailureKind},
    hook::{HookPoint, UnmatchedHook},
    intervention::SelectError,
    metric::MetricError,
    model::{checkpoint::LoadError, sae::EncodeError},
};

/// A run, a question or a continuation did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum RunError {
    #[error("the prompt is empty")]
    EmptyPrompt,
    #[error("the prompt has {got} tokens; this model reads at most {n_ctx}")]
    TooLong { got: usize, n_ctx: usize },
    #[error("token id {id} is outside the vocabulary of {d_vocab} tokens")]
    TokenOutsideVocabulary { id: u32, d_vocab: usize },
    #[error("the model came without a tokenizer, so it cannot read text")]
    NoTokenizer,
    #[error("the model has no beginning-of-sequence token")]
    NoBos,
    #[error(transparent)]
    Tokenizer(LoadError),
    #[error(transparent)]
    UnmatchedHook(#[from] UnmatchedHook),
    #[error("this model has no hook point {at}")]
    NoSuchHook { at: HookPoint },
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error("the intervention at {at} has {got} values for {expected} selected entries of the last axis")]
    ValueCount { at: HookPoint, expected: usize, got: usize },
    #[error("the intervention at {at} has a value that is not a finite number")]
    ValueNotFinite { at: HookPoint },
    #[error("the patch at {at} needs position {pos} of the other run, which has {n_pos} positions")]
    PatchOutside { at: HookPoint, pos: i64, n_pos: usize },
    #[error("patches from runs that are themselves patched go at most {max_depth} deep")]
    PatchTooDeep { max_depth: usize },
    #[error("{what} is {value}; {allowed}")]
    Sampling { what: &'static str, value: String, allowed: &'static str },
    #[error("the model's output is not finite; the first hook point with such a value is {hook}")]
    NonFinite { hook: String },
    #[error("no sparse autoencoder named `{name}` is loaded beside this model")]
    NoSuchSae { name: String },
    #[error("the sparse autoencoder reads `{hook}`, and this model has no such hook point")]
    NoSuchSaeHook { hook: String },
    #[error(transparent)]
    Encode(EncodeError),
    #[error(transparent)]
    Metric(#[from] MetricError),
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error("cancelled")]
    Cancelled,
}

impl RunError {
    /// What is wrong with the device, if that is why.
    pub fn device_fault(&self) -> Option<DeviceFault> {
        if let Self::Backend(BackendError::Device { fault, .. }) = self { Some(*fault) } else { None }
    }

    /// What kind of failure it is, and what to try.
    fn kind_and_hint(&self) -> (FailureKind, &'static str) {
        match self {
            Self::EmptyPrompt => (FailureKind::Prompt, "Write something, or switch the BOS token on."),
            Self::TooLong { .. } => (FailureKind::Prompt, "Shorten the prompt."),
            Self::TokenOutsideVocabulary { .. } => {
                (FailureKind::Prompt, "Check that the ids were made with this model's own tokenizer.")
            }
            Self::NoTokenizer => (
                FailureKind::Prompt,
                "Add tokenizer.json (or vocab.json and merges.txt) to the model's files, or give token ids.",
            ),
            Self::NoBos => (FailureKind::Prompt, "Use `bos: no`."),
            Self::Tokenizer(_) => (FailureKind::Prompt, "Prompts as token ids work without a tokenizer."),
            Self::UnmatchedHook(_) | Self::NoSuchHook { .. } => (
                FailureKind::Question,
                "Names are TransformerLens', e.g. blocks.0.attn.hook_pattern; layers count from 0.",
            ),
            Self::Select(_) => (FailureKind::Question, "Indices count from 0; negative ones from the end."),
            Self::ValueCount { .. } | Self::ValueNotFinite { .. } => {
                (FailureKind::Question, "Give one number, or one for each selected entry of the last axis.")
            }
            Self::PatchOutside { .. } => (
                FailureKind::Question,
                "Use prompts of the same length, select the positions, or pair them with `positions`.",
            ),
            Self::PatchTooDeep { .. } => (FailureKind::Question, "Patch from a run with fewer patches."),
            Self::Sampling { .. } => {
                (FailureKind::Question, "Temperature 0 always takes the likeliest token.")
            }
            Self::NonFinite { .. } => {
                (FailureKind::Question, "Look at that hook point, and at the interventions before it.")
            }
            Self::NoSuchSae { .. } => {
                (FailureKind::Question, "Load it beside this model, or wait until it is there.")
            }
            Self::NoSuchSaeHook { .. } | Self::Encode(EncodeError::Width { .. }) => (
                FailureKind::Question,
                "Load the model that the autoencoder was trained on; cfg.json names it.",
            ),
            Self::Encode(_) => (
                FailureKind::Question,
                "Look at the hook point that it reads, and at the autoencoder's weights.",
            ),
            Self::Metric(_) => {
                (FailureKind::Question, "Positions count from 0, negative ones from the end; tokens are ids.")
            }
            Self::Analysis(_) => (FailureKind::Question, "Check the question against the model's sizes."),
            Self::Backend(BackendError::Device { fault, .. }) => (FailureKind::Device, fault.hint()),
            Self::Backend(BackendError::Shape(_)) => {
                (FailureKind::Internal, "Reload; if it happens again, report it.")
            }
            Self::Cancelled => (FailureKind::Cancelled, "Run it again."),
        }
    }
}

impl From<EncodeError> for RunError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Backend(error) => Self::Backend(error),
            other => Self::Encode(other),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let (kind, hint) = error.kind_and_hint();
        Self::new(kind, error.to_string(), hint)
    }
}
