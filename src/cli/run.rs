//! `vitrine run`: a forward pass, and the values at chosen hook points as a safetensors file.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::{InputArgs, WeightsChoice, folder, print_json, print_line};
use crate::{
    backend::backward::Backward,
    engine::{Engine, NoPace},
    failure::{Failure, FailureKind},
    hook::{HookPoint, HookSet},
    intervention::Intervention,
    run::{Readout, RunSpec},
    tensor::HostTensor,
};

/// Run a forward pass and keep the values at chosen hook points.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(flatten)]
    input: InputArgs,
    /// Weights as in the file, or processed as TransformerLens' from_pretrained does.
    #[arg(long, value_enum, default_value_t = WeightsChoice::Raw)]
    weights: WeightsChoice,
    /// Hook points to keep, as globs: `blocks.*.attn.hook_pattern`, `logits`. `*` stays within a segment.
    #[arg(long, value_name = "GLOB,GLOB", value_delimiter = ',', default_value = "logits")]
    capture: Vec<String>,
    /// Where the kept values go, one tensor a hook point.
    #[arg(long, value_name = "FILE.safetensors")]
    out: Option<PathBuf>,
    /// Print tokens, names, shapes and the loss as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    tokens: Vec<u32>,
    /// Mean of -log p(next token), nats; null for a single token.
    loss: Option<f32>,
    tensors: Vec<Named>,
}

#[derive(Serialize)]
struct Named {
    name: String,
    shape: Vec<usize>,
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
        let tokens = engine.tokens_of(&command.input.prompt())?;
        let spec = RunSpec {
            tokens,
            weights: command.weights.into(),
            interventions,
            capture: HookSet(command.capture.clone()),
            readout: Readout::Predictions { top_k: 0 },
        };
        let result = folder::block_on(engine.run(&spec, &mut NoPace))?;
        if let Some(out) = &command.out {
            write(out, &result.captures)?;
        }
        let named = |(hook, value): (&HookPoint, &HostTensor)| Named {
            name: hook.to_string(),
            shape: value.shape().to_vec(),
        };
        let report = Report {
            loss: result.loss_nats(),
            tensors: result.captures.iter().map(named).collect(),
            tokens: spec.tokens,
        };
        if command.json { print_json(&report) } else { print_report(&report) }
    }
}

fn print_report(report: &Report) -> Result<(), Failure> {
    print_line(&format!("{} tokens", report.tokens.len()))?;
    if let Some(loss) = report.loss {
        print_line(&format!("loss {loss:.6} nats"))?;
    }
    for Named { name, shape } in &report.tensors {
        print_line(&format!("{name} {shape:?}"))?;
    }
    Ok(())
}

fn write(path: &std::path::Path, captures: &BTreeMap<HookPoint, HostTensor>) -> Result<(), Failure> {
    let refuse = |error: String| {
        let message = format!("cannot write the captures: {error}, {}", path.display());
        Failure::new(FailureKind::Internal, message, "Check that the folder exists and has room.")
    };
    let bytes: BTreeMap<String, (Vec<usize>, Vec<u8>)> = captures
        .iter()
        .map(|(hook, value)| {
            let bytes = value.data().iter().flat_map(|v| v.to_le_bytes()).collect();
            (hook.to_string(), (value.shape().to_vec(), bytes))
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, (shape, bytes))| {
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes)?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| refuse(error.to_string()))?;
    safetensors::serialize_to_file(views, None, path).map_err(|error| refuse(error.to_string()))
}
