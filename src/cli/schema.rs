//! `vitrine schema`: the published form of questions and answers.

use clap::{Args, ValueEnum};

use super::print_line;
use crate::{
    analysis::{Answer, Question},
    failure::{Failure, FailureKind},
};

/// Print the JSON schema of questions or answers.
#[derive(Debug, Args)]
pub(super) struct Command {
    /// Which.
    #[arg(value_enum)]
    of: Of,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Of {
    Question,
    Answer,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        let schema = match self.of {
            Of::Question => schemars::schema_for!(Question),
            Of::Answer => schemars::schema_for!(Answer),
        };
        let text = serde_json::to_string_pretty(&schema).map_err(|error| {
            Failure::new(FailureKind::Internal, format!("cannot write the schema: {error}"), "Report it.")
        })?;
        print_line(&text)
    }
}
