//! The kinds of state: each an enum of what can be the case, or what belongs together.

use std::sync::Arc;

use crate::{
    analysis::attention,
    failure::Failure,
    prompt::{Bos, Token},
    protocol::{FinishReason, ModelCard, RunId},
    view_model::{address::Address, download::Download, views::View},
};

/// A model that the page knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name that requests use.
    pub id: String,
    /// What it is, in a few words.
    pub words: String,
    /// Whether it is there.
    pub loading: Loading,
}

/// Whether a model is there.
#[derive(Clone, Debug, PartialEq)]
pub enum Loading {
    /// Not asked for yet.
    Idle,
    /// On its way.
    Running(Download),
    /// There.
    Done(Arc<ModelCard>),
    /// It did not work.
    Failed(Failure),
}

/// What an answer is the answer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The model.
    pub model: String,
    /// The text.
    pub prompt: String,
    /// Whether a BOS goes in front.
    pub bos: Bos,
    /// The head whose scores before the softmax are wanted.
    pub scores: Option<[usize; 2]>,
}

/// What a view found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// About what.
    pub about: Wanted,
    /// The view.
    pub view: View,
    /// In a sentence.
    pub sentence: String,
    /// Where the page was.
    pub address: Address,
}

/// An answer on the page.
#[derive(Debug)]
pub struct Shown {
    /// What it answers.
    pub wanted: Wanted,
    /// The answer.
    pub answer: Arc<attention::Answer>,
    /// Where it came from.
    pub made: Made,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Made {
    /// Computed when the page was built.
    Stored,
    /// Computed now.
    Live {
        /// Time the engine took, milliseconds.
        elapsed_millis: f64,
    },
}

/// How the question about the present prompt stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Asking {
    /// Nothing is under way.
    Idle,
    /// The engine works.
    Running,
    /// The engine cannot answer it.
    Failed(Failure),
}

/// A continuation.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// Tells one continuation from the next.
    pub serial: u32,
    /// The prompt that it continues.
    pub prompt: String,
    /// The new tokens.
    pub tokens: Vec<NewToken>,
    /// The new text.
    pub text: String,
    /// How far it is.
    pub phase: Phase,
}

/// A token that the model wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct NewToken {
    /// The token.
    pub token: Token,
    /// Its log-probability at temperature 1, nats.
    pub logprob: f32,
}

/// How far a continuation is.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// None was asked for.
    Idle,
    /// Tokens are coming.
    Running(RunId),
    /// It ended by itself.
    Done {
        /// Why.
        reason: FinishReason,
        /// Time per token, milliseconds.
        millis_per_token: f64,
    },
    /// The user stopped it.
    Stopped,
    /// It did not work.
    Failed(Failure),
}

/// The engine itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Engine {
    /// Running or starting.
    Up,
    /// Gone.
    Failed(Failure),
}

impl Entry {
    /// The name that a reader sees.
    pub fn title(&self) -> String {
        match self.id.strip_prefix(Self::OWN) {
            Some(n) => format!("your files {n}"),
            None => self.id.clone(),
        }
    }

    /// Whether the user opened it.
    pub fn is_own(&self) -> bool {
        self.id.starts_with(Self::OWN)
    }

    /// Whether an id is that of a model from a hub: `owner/name`, and a revision behind `@` if it is not the newest.
    pub fn is_of_hub(id: &str) -> bool {
        id.contains('/')
    }

    /// How the ids of the user's own models begin; a number follows.
    pub const OWN: &str = "own-";
}

impl Generation {
    /// No continuation.
    pub fn none() -> Self {
        Self { serial: 0, prompt: String::new(), tokens: vec![], text: String::new(), phase: Phase::Idle }
    }

    /// Whether tokens are coming.
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running(_))
    }
}
