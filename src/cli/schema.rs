//! `vitrine schema`: the published form of questions, answers and interventions.

use clap::{Args, ValueEnum};

use super::print_line;
use crate::{
    analysis::{Answer, Question},
    failure::{Failure, FailureKind},
    intervention::Intervention,
};

/// Print the JSON schema of questions, answers or files of interventions.
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
    Interventions,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        let schema = match self.of {
            Of::Question => schemars::schema_for!(Question),
            Of::Answer => schemars::schema_for!(Answer),
            Of::Interventions => schemars::schema_for!(Vec<Intervention>),
        };
        let text = serde_json::to_string_pretty(&schema).map_err(|error| {
            Failure::new(FailureKind::Internal, format!("cannot write the schema: {error}"), "Report it.")
        })?;
        print_line(&text)
    }
}
