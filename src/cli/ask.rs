//! `vitrine ask`: the answer to a question, as JSON.

use std::{io::Read as _, path::PathBuf};

use clap::Args;

use super::{ModelArgs, folder, print_json};
use crate::{
    analysis::Question,
    backend::backward::Backward,
    engine::{Engine, NoPace},
    failure::{Failure, FailureKind},
};

/// Answer a question, given as JSON.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(flatten)]
    model: ModelArgs,
    /// The question; `-` reads it from standard input.
    #[arg(value_name = "QUESTION.json")]
    question: PathBuf,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        folder::open(&self.model, self.question()?)
    }

    fn question(&self) -> Result<Question, Failure> {
        let bytes = if self.question.as_os_str() == "-" {
            let mut bytes = vec![];
            std::io::stdin().read_to_end(&mut bytes).map_err(|error| {
                let message = format!("cannot read standard input: {error}");
                Failure::new(FailureKind::Question, message, "Give a file instead.")
            })?;
            bytes
        } else {
            folder::read(&self.question)?
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::new(
                FailureKind::Question,
                format!("the question is not what it should be: {error}, in {}", self.question.display()),
                "Write e.g. {\"kind\":\"attention\",\"prompt\":{\"text\":\"Hello\"}}; `vitrine schema question` \
                 has the whole form.",
            )
        })
    }
}

impl folder::Work for Question {
    fn on<B: Backward>(self, engine: &Engine<B>) -> Result<(), Failure> {
        print_json(&folder::block_on(engine.ask(&self, &mut NoPace, |_| {}))?)
    }
}
