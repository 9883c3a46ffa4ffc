//! `vitrine verify`: numbers that others published for a model, beside what the loaded model gives.

use std::path::PathBuf;

use clap::Args;

use super::{ModelArgs, folder, print_json, print_line};
use crate::{
    backend::backward::Backward,
    engine::{Engine, NoPace},
    failure::{Failure, FailureKind},
    verify::{Outcome, Reference, Verdict, check},
};

/// What others published of GPT-2 small.
const GPT2_SMALL: &str = include_str!("../../assets/reference/gpt2-small.json");
/// Widths of the columns of a line, characters.
const COLUMNS: [usize; 4] = [11, 34, 30, 30];

/// Compare the model with numbers that others published for it; ends with 1 if one differs.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(flatten)]
    model: ModelArgs,
    /// What was published, as in assets/reference; for GPT-2 small it is built in.
    #[arg(long, value_name = "FILE.json")]
    reference: Option<PathBuf>,
    /// Only entries whose names this glob takes, such as `loss*`; the patching matrices take minutes.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    only: String,
    /// Print one JSON object an entry.
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        let json = match &self.reference {
            Some(file) => folder::read(file)?,
            None => GPT2_SMALL.as_bytes().to_vec(),
        };
        let mut reference = Reference::read(&json)?;
        reference.entries.retain(|entry| glob_match::glob_match(&self.only, &entry.id));
        if reference.entries.is_empty() {
            return Err(Failure::new(
                FailureKind::Question,
                format!("no entry of the reference is called `{}`", self.only),
                "Leave out --only to see them all.",
            ));
        }
        folder::open(&self.model, Work { command: &self, reference: &reference })
    }
}

struct Work<'a> {
    command: &'a Command,
    reference: &'a Reference,
}

impl folder::Work for Work<'_> {
    fn on<B: Backward>(self, engine: &Engine<B>) -> Result<(), Failure> {
        let Self { command, reference } = self;
        reference.fits(engine.config())?;
        let (mut n_agree, mut n_differ, mut n_unknown) = (0, 0, 0);
        if !command.json {
            print_columns(["verdict", "entry", "published", "ours"], "difference")?;
        }
        for entry in &reference.entries {
            let outcome = folder::block_on(check(engine, reference, entry, &mut NoPace))?;
            match outcome.verdict {
                Verdict::Agrees => n_agree += 1,
                Verdict::Differs => n_differ += 1,
                Verdict::NotChecked { .. } => n_unknown += 1,
            }
            if command.json { print_json(&outcome)? } else { print_outcome(&outcome)? }
        }
        if !command.json {
            print_line(&format!("{n_agree} agree, {n_differ} differ, {n_unknown} not checked"))?;
        }
        if n_differ == 0 {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Model,
            format!("{n_differ} of {} entries differ from what was published", reference.entries.len()),
            "See the lines that say `differs`: either the weights are others, or Vitrine is wrong.",
        ))
    }
}

/// One line an entry; a second one says why an entry was not checked.
fn print_outcome(outcome: &Outcome) -> Result<(), Failure> {
    let Outcome { id, published, ours, difference, tolerance, verdict, .. } = outcome;
    let (word, why) = match verdict {
        Verdict::Agrees => ("agrees", None),
        Verdict::Differs => ("differs", None),
        Verdict::NotChecked { why } => ("not checked", Some(why)),
    };
    let far = difference.map_or_else(String::new, |far| format!("{far:.1e} of {tolerance:.0e}"));
    match why {
        Some(why) => print_columns([word, id, "", ""], why),
        None => print_columns([word, id, &one_line(published), &one_line(ours)], &far),
    }
}

fn print_columns(columns: [&str; 4], last: &str) -> Result<(), Failure> {
    let padded =
        columns.iter().zip(COLUMNS).map(|(text, width)| format!("{:width$}", shortened(text, width)));
    print_line(format!("{}  {last}", padded.collect::<Vec<_>>().join("  ")).trim_end())
}

/// A text without line breaks.
fn one_line(text: &str) -> String {
    text.replace('\n', "\\n").replace('\r', "\\r")
}

/// At most so many characters; of a longer text its end, where continuations differ.
fn shortened(text: &str, width: usize) -> String {
    let n_chars = text.chars().count();
    if n_chars <= width {
        return text.to_owned();
    }
    format!("…{}", text.chars().skip(n_chars + 1 - width).collect::<String>())
}
