//! Runs, as data: a forward pass or a continuation; what goes in and what comes out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    hook::{HookPoint, HookSet},
    intervention::Intervention,
    metric::Metric,
    prompt::Prompt,
    tensor::HostTensor,
};

mod circuits;
mod features;
mod lens;
mod writers;

pub use circuits::{Circuit, CircuitSpec, Input, Writes, WritesSpec, WrittenOf};
pub use features::{Activations, EncodeSpec, Features};
pub use lens::{LensCell, LensResult, LensSpec};
pub use writers::{Neurons, Writer, Writers, WritersSpec, Written};

/// Of a prompt up to this length everything may be held at once; of a longer one a layer at a time, tokens.
pub const MAX_WHOLE: usize = 256;

/// A forward pass to make.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpec {
    /// What the model reads; not empty.
    pub tokens: Vec<u32>,
    /// Raw or processed weights.
    pub weights: WeightForm,
    /// What is changed on the way.
    pub interventions: Vec<Intervention>,
    /// What is kept.
    pub capture: HookSet,
    /// What is read off the logits.
    pub readout: Readout,
}

/// Which form of the weights a run uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WeightForm {
    /// As they are in the checkpoint.
    #[default]
    Raw,
    /// As TransformerLens' `from_pretrained` leaves them: layer norms folded, writing weights and
    /// unembedding centred, value biases folded.
    Processed,
}

/// What is read off the logits.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Readout {
    /// Nothing.
    #[default]
    Nothing,
    /// At every position, the `top_k` likeliest next tokens and how the actual one fared.
    Predictions {
        /// How many candidates to keep.
        top_k: usize,
    },
    /// One number; only the logits that it reads are made.
    Metric(Metric),
}

/// What a forward pass gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunResult {
    /// The values that the model went on to use, by hook point. Shapes as in [`HookPoint::axes`].
    pub captures: BTreeMap<HookPoint, HostTensor>,
    /// One entry a position, if the readout asked for predictions.
    pub predictions: Vec<Prediction>,
    /// The metric, if the readout asked for one.
    pub metric: Option<f64>,
}

/// Many variants of one run, of which one number each is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepSpec {
    /// What the model reads; not empty.
    pub tokens: Vec<u32>,
    /// Raw or processed weights.
    pub weights: WeightForm,
    /// What is changed in the base and in every variant.
    pub interventions: Vec<Intervention>,
    /// What each variant changes beside that.
    pub variants: Vec<Vec<Intervention>>,
    /// What is read off the logits.
    pub metric: Metric,
}

/// What a sweep gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SweepResult {
    /// The metric of the base.
    pub base: f64,
    /// The metric of each variant.
    pub values: Vec<f64>,
}

/// Gradients to take.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientSpec {
    /// What the model reads; not empty.
    pub tokens: Vec<u32>,
    /// Raw or processed weights.
    pub weights: WeightForm,
    /// What is changed on the way.
    pub interventions: Vec<Intervention>,
    /// What the gradients are of.
    pub metric: Metric,
    /// With respect to what.
    pub at: HookSet,
}

/// A metric and its gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// The metric's value.
    pub metric: f64,
    /// The values at the hook points.
    pub values: BTreeMap<HookPoint, HostTensor>,
    /// d metric / d value, of the value's shape.
    pub gradients: BTreeMap<HookPoint, HostTensor>,
}

/// What the model expected after one position.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Ids and log-probabilities (nats), likeliest first; ties go to the lower id.
    pub top: Vec<(u32, f32)>,
    /// The token that did follow, if any.
    pub actual: Option<Actual>,
}

/// How the token that did follow fared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Actual {
    /// Its log-probability, nats.
    pub logprob: f32,
    /// How many tokens were likelier.
    pub rank: usize,
}

impl RunResult {
    /// Mean of -log p(next token) over all positions but the last, nats; `None` for a single token.
    pub fn loss_nats(&self) -> Option<f32> {
        let logprobs: Vec<f64> = self
            .predictions
            .iter()
            .filter_map(|p| p.actual.map(|actual| f64::from(actual.logprob)))
            .collect();
        if logprobs.is_empty() {
            return None;
        }
        Some((-logprobs.iter().sum::<f64>() / logprobs.len() as f64) as f32)
    }
}

/// How to continue a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerateSpec {
    /// What to continue.
    pub prompt: Prompt,
    /// Stop after so many tokens, if no end-of-sequence came first.
    pub max_new_tokens: usize,
    /// 0 always takes the likeliest token; 1 samples from the model's own distribution.
    pub temperature: f32,
    /// Sample among so many likeliest tokens only.
    #[serde(default)]
    pub top_k: Option<usize>,
    /// Sample among the likeliest tokens that together have this probability (nucleus).
    #[serde(default)]
    pub top_p: Option<f32>,
    /// Seed of the sampler.
    #[serde(default)]
    pub seed: u32,
    /// What is changed in every pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
}

impl GenerateSpec {
    /// Always the likeliest token, nothing changed on the way.
    pub fn greedy(prompt: Prompt, max_new_tokens: usize) -> Self {
        Self {
            prompt,
            max_new_tokens,
            temperature: 0.0,
            top_k: None,
            top_p: None,
            seed: 0,
            interventions: vec![],
        }
    }
}

/// Why a continuation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it.
    EndOfSequence,
    /// As many tokens as were asked for.
    MaxNewTokens,
    /// The context is full.
    ContextFull,
}
