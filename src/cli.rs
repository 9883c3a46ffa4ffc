//! The command line: `vitrine run`, `generate`, `encode`, `ask`, `verify`.
//!
//! For scripts and CI: results go to standard output, everything else to standard error, and the exit code
//! is 0 only for a complete result.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    failure::{Failure, FailureKind},
    intervention::Intervention,
    prompt::{Bos, Prompt},
    run::WeightForm,
};

mod ask;
mod encode;
mod folder;
mod generate;
mod run;
mod schema;
mod verify;

/// Look inside language models from the command line.
#[derive(Debug, Parser)]
#[command(name = "vitrine", version, about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a forward pass and keep the values at chosen hook points.
    Run(run::Command),
    /// Continue a prompt.
    Generate(generate::Command),
    /// Print the features that a sparse autoencoder finds at each token.
    Encode(encode::Command),
    /// Answer a question, given as JSON.
    Ask(ask::Command),
    /// Compare the model with numbers that others published for it.
    Verify(verify::Command),
    /// Print the JSON schema of questions or answers.
    Schema(schema::Command),
}

/// Which model, and where it runs.
#[derive(Debug, Args)]
struct ModelArgs {
    /// Folder with config.json, model.safetensors (or shards and their index) and, for text, tokenizer.json (or
    /// vocab.json + merges.txt).
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = BackendChoice::Cpu)]
    backend: BackendChoice,
    /// Where config.json is missing, go on with the one that the tensors' names and shapes suggest.
    #[arg(long)]
    accept_config_guess: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BackendChoice {
    Cpu,
    Webgpu,
}

/// Which model, what it reads, and what is changed on the way.
#[derive(Debug, Args)]
struct InputArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    /// Whether a beginning-of-sequence token goes in front of a text.
    #[arg(long, value_enum, default_value_t = BosChoice::Auto)]
    bos: BosChoice,
    /// Changes on the way: a JSON list of interventions.
    #[arg(long, value_name = "FILE.json")]
    interventions: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct PromptArgs {
    /// Text, tokenized by the model's own tokenizer.
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Token ids, read as they are; no tokenizer needed.
    #[arg(long, value_name = "1,2,3", value_delimiter = ',')]
    tokens: Option<Vec<u32>>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BosChoice {
    Auto,
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WeightsChoice {
    Raw,
    Processed,
}

impl From<WeightsChoice> for WeightForm {
    fn from(choice: WeightsChoice) -> Self {
        match choice {
            WeightsChoice::Raw => Self::Raw,
            WeightsChoice::Processed => Self::Processed,
        }
    }
}

impl InputArgs {
    fn prompt(&self) -> Prompt {
        let bos = match self.bos {
            BosChoice::Auto => Bos::Auto,
            BosChoice::Yes => Bos::Yes,
            BosChoice::No => Bos::No,
        };
        match &self.prompt {
            PromptArgs { prompt: Some(text), tokens: _ } => Prompt::Text { text: text.clone(), bos },
            PromptArgs { prompt: None, tokens } => {
                Prompt::Tokens { tokens: tokens.clone().unwrap_or_default() }
            }
        }
    }

    fn interventions(&self) -> Result<Vec<Intervention>, Failure> {
        self.interventions.as_deref().map_or(Ok(vec![]), read_interventions)
    }
}

/// A file with a list of interventions.
fn read_interventions(file: &Path) -> Result<Vec<Intervention>, Failure> {
    let bytes = folder::read(file)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(
            FailureKind::Question,
            format!("the interventions are not what they should be: {error}, in {}", file.display()),
            "Write a list such as [{\"at\":\"blocks.0.attn.hook_z\",\"select\":{\"head\":1},\"edit\":{\"kind\":\"zero\"}}]; \
             `vitrine schema question` has the whole form.",
        )
    })
}

/// A value as one line of JSON on standard output.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let internal = |error: String| Failure::new(FailureKind::Internal, error, "Report it.");
    let line = serde_json::to_string(value).map_err(|error| internal(error.to_string()))?;
    print_line(&line)
}

/// A line on standard output. A reader that has gone away (`| head`) is no failure.
fn print_line(line: &str) -> Result<(), Failure> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            FailureKind::Internal,
            format!("cannot write to standard output: {error}"),
            "Check where the output goes.",
        )),
        _ => Ok(()),
    }
}

/// Parses the arguments, does what they say, and reports.
pub fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Run(command) => command.run(),
        Verb::Generate(command) => command.run(),
        Verb::Encode(command) => command.run(),
        Verb::Ask(command) => command.run(),
        Verb::Verify(command) => command.run(),
        Verb::Schema(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Standard error may be closed as well; then nobody is there to be told.
            let _ = writeln!(io::stderr().lock(), "error: {}\nhint: {}", failure.message, failure.hint);
            ExitCode::FAILURE
        }
    }
}
