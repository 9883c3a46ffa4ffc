//! What a user sees when something did not work: what, why, and what to try.

use serde::{Deserialize, Serialize};

/// A failure in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of thing failed, for code to branch on.
    pub kind: FailureKind,
    /// What failed, and why.
    pub message: String,
    /// What to try.
    pub hint: String,
}

/// What kind of thing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The model's files are not what they should be.
    Model,
    /// The prompt cannot be read by the model.
    Prompt,
    /// The question or an intervention does not fit.
    Question,
    /// A download did not work.
    Network,
    /// The user cancelled.
    Cancelled,
    /// Page and worker are of different builds.
    Version,
    /// The device that computes is gone, out of memory, or refused a call.
    Device,
    /// A defect of Vitrine.
    Internal,
}

impl Failure {
    /// A failure of `kind`.
    pub fn new(kind: FailureKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: hint.into() }
    }
}
