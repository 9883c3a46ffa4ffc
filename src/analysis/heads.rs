//! Head finder: what does each head do, on this text or on repeated random tokens?
//!
//! Source: Olsson et al. 2022, <https://arxiv.org/abs/2209.11895>, for patterns; Elhage et al. 2021,
//! <https://transformer-circuits.pub/2021/framework/index.html>, for copying.
//! Method: forward passes; means over query positions of `hook_pattern` ([`super::pattern`]), the norm of what
//! `hook_z` writes, and eigenvalues of W_OV. Each metric carries its definition and the size of its data.
//! Units: beside each metric.
//! Caveats: correlational, and about one text. A head that does something here may do something else elsewhere, and
//! what it looks at may not matter; ablate it to find out. What later norms make of what is written is not in its norm.

use serde::{Deserialize, Serialize};

use super::{AnalysisError, Context, Done, Step, Work, layers, pattern::Repeats, repeated::Repeated};
use crate::{
    hook::{HookPoint, HookSet, Site},
    intervention::Intervention,
    prompt::{Prompt, Token},
    run::{Circuit, CircuitSpec, Readout, RunResult, RunSpec, WeightForm},
    tensor::HostTensor,
};

mod copying;
mod metric;
mod tally;

pub use copying::copying_scores;
pub use metric::Metric;
pub(super) use tally::norm;
pub use tally::{Copies, Tally};

/// What does each head do?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What the model reads.
    pub on: Reading,
    /// What is measured; everything by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<Metric>>,
    /// Raw or processed weights in the runs. Patterns do not depend on it; the norm of what a head writes does.
    #[serde(default)]
    pub weights: WeightForm,
    /// What is changed in the runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// How many heads are listed for each metric.
    #[serde(default = "default_n_top")]
    pub n_top: usize,
}

/// What the model reads. In JSON: `{"prompt": {"text": ".."}}` or `{"repeated": {"length": 50, "seed": 0}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// A text.
    Prompt(Prompt),
    /// Random tokens, twice.
    Repeated(Repeated),
}

fn default_n_top() -> usize {
    5
}

/// What they do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Answer {
    /// What was read; of several sequences the first.
    pub tokens: Vec<Token>,
    /// How many sequences there were.
    pub n_sequences: usize,
    /// The metrics, in the order of the question.
    pub scores: Vec<Scores>,
}

/// One metric of all heads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Scores {
    /// Which.
    pub metric: Metric,
    /// What it is.
    pub definition: String,
    /// Of its values.
    pub unit: String,
    /// How many things each value is made of.
    pub n: usize,
    /// What things.
    pub counted: String,
    /// Null where there was nothing to measure. [layer head]
    pub values: HostTensor,
    /// The heads with the largest values as `[layer, head]`, largest first; of equals the first.
    pub top: Vec<[usize; 2]>,
}

/// The prompts that a question is about.
pub(super) fn prompts(question: &Question) -> Vec<&Prompt> {
    match &question.on {
        Reading::Prompt(prompt) => vec![prompt],
        Reading::Repeated(_) => vec![],
    }
}

/// Products of weights, then forward passes; then the answer.
pub fn step(question: &Question, context: &Context<'_>, done: &[Done]) -> Result<Step, AnalysisError> {
    let metrics = metrics(question);
    let (sequences, _) = read(question, context)?;
    if done.is_empty() && !metrics.is_empty() {
        return Ok(Step::Need(plan(question, context, &sequences)));
    }
    let mut all = Tally::default();
    for done in done {
        let Done::Kept(kept) = done else { continue };
        let super::Kept::Heads(tally) = &**kept else { continue };
        all.merge(tally);
    }
    Ok(Step::Answer(Box::new(super::Answer::Heads(Answer {
        tokens: sequences[0].iter().map(|id| context.vocabulary.token(*id)).collect(),
        n_sequences: sequences.len(),
        scores: metrics
            .into_iter()
            .map(|metric| all.scores(metric, context.config, question.n_top))
            .collect(),
    }))))
}

/// What is measured, each once; what only two copies have, only on two copies.
fn metrics(question: &Question) -> Vec<Metric> {
    let mut metrics = vec![];
    for metric in question.metrics.as_deref().unwrap_or(&Metric::ALL) {
        let is_there = match (&question.on, metric) {
            (Reading::Prompt(_), Metric::InductionStripe) => question.metrics.is_some(),
            (Reading::Prompt(_) | Reading::Repeated(_), _) => true,
        };
        if is_there && !metrics.contains(metric) {
            metrics.push(*metric);
        }
    }
    metrics
}

/// The sequences to read, at least one, and how they repeat.
fn read(question: &Question, context: &Context<'_>) -> Result<(Vec<Vec<u32>>, Copies), AnalysisError> {
    Ok(match &question.on {
        Reading::Prompt(_) => {
            let copies = Copies { repeats: Repeats::of(context.tokens()), length: None };
            (vec![context.tokens().to_vec()], copies)
        }
        Reading::Repeated(repeated) => {
            let sequences = repeated.draw(context.config)?;
            let copies = Copies { repeats: sequences.repeats(), length: Some(sequences.length) };
            (sequences.tokens, copies)
        }
    })
}

fn plan(question: &Question, context: &Context<'_>, sequences: &[Vec<u32>]) -> Vec<Work> {
    let metrics = metrics(question);
    let layers = 0..context.config.n_layers;
    let circuit = |weights, of| Work::Circuit(CircuitSpec { weights, of });
    let mut work = vec![];
    if metrics.contains(&Metric::Copying) {
        work.extend(layers.clone().map(|layer| circuit(WeightForm::Processed, Circuit::Ov { layer })));
    }
    if metrics.contains(&Metric::OutputNorm) {
        work.extend(layers.map(|layer| circuit(question.weights, Circuit::Written { layer })));
    }
    let sites: Vec<Site> = metrics.iter().filter_map(|metric| metric.site()).collect();
    if sites.is_empty() {
        return work;
    }
    for tokens in sequences {
        let base = RunSpec {
            tokens: tokens.clone(),
            weights: question.weights,
            interventions: question.interventions.clone(),
            capture: HookSet::default(),
            readout: Readout::Nothing,
        };
        let of_layer = |layer| {
            let chosen = [Site::Pattern, Site::Z].into_iter().filter(|site| sites.contains(site));
            chosen.map(|site| HookPoint::Block(layer, site)).collect()
        };
        work.extend(layers::runs(&base, context.config.n_layers, of_layer).into_iter().map(Work::Run));
    }
    work
}

/// What the answer needs of a result; `earlier` are those before it.
pub(super) fn keep(
    question: &Question,
    context: &Context<'_>,
    earlier: &[Done],
    done: Done,
) -> Result<Done, AnalysisError> {
    let mut tally = Tally::default();
    let has_copying = metrics(question).contains(&Metric::Copying);
    let n_layers = context.config.n_layers;
    let n_before_norms = if has_copying { n_layers } else { 0 };
    match done {
        Done::Circuit(circuits) if earlier.len() < n_before_norms => {
            tally.add_values(Metric::Copying, earlier.len(), copying_scores(&circuits));
        }
        Done::Run(run) => {
            let written = earlier.get(n_before_norms..).unwrap_or_default();
            add_run(&mut tally, question, context, &run, written)?;
        }
        other => return Ok(other),
    }
    Ok(Done::Kept(Box::new(super::Kept::Heads(tally))))
}

/// Takes in all layers that a run looked into; `written` are the products W_O W_Oᵀ, layer by layer.
fn add_run(
    tally: &mut Tally,
    question: &Question,
    context: &Context<'_>,
    run: &RunResult,
    written: &[Done],
) -> Result<(), AnalysisError> {
    let (metrics, (_, copies)) = (metrics(question), read(question, context)?);
    for (hook, value) in &run.captures {
        let HookPoint::Block(layer, site) = *hook else { continue };
        if site == Site::Pattern {
            tally.add_patterns(layer, value, &metrics, &copies);
        } else if site == Site::Z {
            let Some(Done::Circuit(written)) = written.get(layer) else {
                return Err(AnalysisError::HookNotCaptured { hook: hook.to_string() });
            };
            tally.add_norms(layer, value, written);
        }
    }
    Ok(())
}

impl Answer {
    /// The matrices, in a fixed order.
    pub fn tensors_mut(&mut self) -> Vec<&mut HostTensor> {
        self.scores.iter_mut().map(|scores| &mut scores.values).collect()
    }
}
