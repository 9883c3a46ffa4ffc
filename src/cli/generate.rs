//! `vitrine generate`: a continuation.

use clap::Args;
use serde::Serialize;

use super::{InputArgs, folder, print_json, print_line};
use crate::{
    backend::backward::Backward,
    engine::{Engine, NoPace},
    failure::Failure,
    intervention::Intervention,
    run::{FinishReason, GenerateSpec},
};

/// Continue a prompt.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(flatten)]
    input: InputArgs,
    /// Stop after so many tokens, if no end-of-sequence comes first.
    #[arg(long, value_name = "N", default_value_t = 40)]
    max_new_tokens: usize,
    /// 0 takes the likeliest token; 1 samples from the model's own distribution.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    temperature: f32,
    /// Sample among so many likeliest tokens only.
    #[arg(long)]
    top_k: Option<usize>,
    /// Sample among the likeliest tokens that together have this probability.
    #[arg(long)]
    top_p: Option<f32>,
    /// Seed of the sampler.
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// Print tokens and text as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    tokens: Vec<u32>,
    /// Absent if the model came without a tokenizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    logprobs: Vec<f32>,
    finish: FinishReason,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        let interventions = self.input.interventions()?;
        folder::open(&self.input.model, Work { command: &self, interventions })
    }
}

struct Work<'a> {
    command: &'a Command,
    interventions: Vec<Intervention>,
}

impl folder::Work for Work<'_> {
    fn on<B: Backward>(self, engine: &Engine<B>) -> Result<(), Failure> {
        let Self { command, interventions } = self;
        let spec = GenerateSpec {
            prompt: command.input.prompt(),
            max_new_tokens: command.max_new_tokens,
            temperature: command.temperature,
            top_k: command.top_k,
            top_p: command.top_p,
            seed: command.seed,
            interventions,
        };
        let generated = folder::block_on(engine.generate(&spec, &mut NoPace, |_| {}))?;
        let tokens: Vec<u32> = generated.steps.iter().map(|step| step.id).collect();
        let report = Report {
            text: engine.tokenizer().map(|tokenizer| tokenizer.decode(&tokens)),
            logprobs: generated.steps.iter().map(|step| step.logprob).collect(),
            finish: generated.reason,
            tokens,
        };
        if command.json {
            return print_json(&report);
        }
        match &report.text {
            Some(text) => print_line(text),
            None => print_line(&format!("{:?}", report.tokens)),
        }
    }
}
