//! Analyses: questions about a model, and their answers.
//!
//! Each is one file with one shape: `Question`, `Answer`, and `step`, a pure function from what has
//! been computed so far to either more work or the answer. The same JSON question works from the page,
//! the URL, JavaScript and the command line. An analysis never sees a backend, a file or a view.

use serde::{Deserialize, Serialize};

use crate::{
    model::ModelConfig,
    prompt::{Prompt, Vocabulary},
    run::{RunResult, RunSpec},
    tensor::HostTensor,
};

pub mod attention;

/// A question about a model, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Question {
    /// Where does each head look, and what would the model say next?
    Attention(attention::Question),
}

/// The answer to the question of the same kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Question::Attention`].
    Attention(attention::Answer),
}

/// What an analysis may know beside its question.
pub struct Context<'a> {
    /// The model's sizes.
    pub config: &'a ModelConfig,
    /// The prompt as token ids; not empty.
    pub tokens: &'a [u32],
    /// How tokens are written down.
    pub vocabulary: &'a dyn Vocabulary,
}

/// What comes next: more work, or the answer.
pub enum Step {
    /// Make these runs, then step again with all results so far.
    Need(Vec<RunSpec>),
    /// Done.
    Answer(Box<Answer>),
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum AnalysisError {
    #[error("the model has no head {head} in layer {layer}: it has {n_layers} layers of {n_heads} heads")]
    NoSuchHead { layer: usize, head: usize, n_layers: usize, n_heads: usize },
    #[error("the run did not capture {hook}")]
    HookNotCaptured { hook: String },
}

impl Question {
    /// The prompt that it is about.
    pub fn prompt(&self) -> &Prompt {
        match self {
            Self::Attention(question) => &question.prompt,
        }
    }

    /// Decides what comes next, given the results of the work asked for so far.
    ///
    /// Errors: [`AnalysisError`] if the question does not fit the model.
    pub fn step(&self, context: &Context<'_>, done: &[RunResult]) -> Result<Step, AnalysisError> {
        match self {
            Self::Attention(question) => attention::step(question, context, done),
        }
    }
}

impl Answer {
    /// The large arrays of the answer, which travel beside a message, in a fixed order.
    pub fn tensors_mut(&mut self) -> Vec<&mut HostTensor> {
        match self {
            Self::Attention(answer) => answer.tensors_mut(),
        }
    }
}
