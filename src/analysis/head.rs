//! Head page: where does one head look, why, and what does it write?
//!
//! Source: Vaswani et al. 2017, <https://arxiv.org/abs/1706.03762>; circuits after Elhage et al. 2021,
//! <https://transformer-circuits.pub/2021/framework/index.html>; weighting by what is written after Kobayashi et al.
//! 2020, <https://arxiv.org/abs/2004.10102>; detectors are those of TransformerLens' `head_detector`.
//! Method: one forward pass. Value-weighted: pattern[q, k] |v_k|; output-weighted: pattern[q, k] |v_k W_O|. A score is
//! q·k over the scale. What is written for a key is v_k W_O, or W_E W_V W_O of its token, read by ln_final's weight and
//! W_U, both centred.
//! Units: probabilities; norms of values and of the stream; logits where the final norm divides by 1.
//! Caveats: correlational. Nothing is added to scores for distance in these models; rotary positions are in q and k. Of
//! models with norms after attention, what is written is meant before that norm.

use serde::{Deserialize, Serialize};

use super::{AnalysisError, Context, Done, Step, Work, heads::norm, residual::Push};
use crate::{
    hook::{HookPoint, HookSet, Site},
    intervention::{Intervention, from_end},
    model::ModelConfig,
    prompt::{Prompt, Token},
    run::{Circuit, CircuitSpec, Readout, RunResult, RunSpec, WeightForm, WritesSpec, WrittenOf},
    tensor::HostTensor,
};

mod detect;
mod pair;
mod spread;

pub use detect::{Detected, Detector};
pub use pair::Pair;
pub use spread::Spread;

/// Where does one head look, why, and what does it write?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What the model reads.
    pub prompt: Prompt,
    /// Layer of the head.
    pub layer: usize,
    /// Head within the layer.
    pub head: usize,
    /// Raw or processed weights in the run: processed ones have no value biases, so values differ.
    #[serde(default)]
    pub weights: WeightForm,
    /// What is changed in the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// The position that looks; negative ones count from the end.
    #[serde(default = "default_query")]
    pub query: i64,
    /// The position that it looks at and whose value is written; by default the one that it looks at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<i64>,
    /// What the head reads of the key.
    #[serde(default)]
    pub reads: Reads,
    /// How many tokens are listed that what it writes promotes, and as many that it suppresses.
    #[serde(default = "default_top_k")]
    pub top_k: usize,
    /// Whether detectors leave out attention to position 0.
    #[serde(default)]
    pub exclude_first: bool,
    /// Whether detectors leave out attention of a token to itself.
    #[serde(default)]
    pub exclude_current: bool,
}

/// What a head reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// The stream there, as it is in this run.
    #[default]
    Stream,
    /// The token's embedding alone: the full OV circuit, by processed weights and without a norm.
    Embedding,
}

fn default_query() -> i64 {
    -1
}

fn default_top_k() -> usize {
    10
}

/// What one head does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Answer {
    /// The prompt as the model read it.
    pub tokens: Vec<Token>,
    /// Layer of the head.
    pub layer: usize,
    /// Head within the layer.
    pub head: usize,
    /// Where it looks. [q_pos k_pos]
    pub pattern: HostTensor,
    /// The same times |v_k|. [q_pos k_pos]
    pub value_weighted: HostTensor,
    /// The same times |v_k W_O|. [q_pos k_pos]
    pub output_weighted: HostTensor,
    /// |v_k|, and |v_k W_O| below it. [2 k_pos]
    pub norms: HostTensor,
    /// One query and one key.
    pub pair: Pair,
    /// What the head reads of the key.
    pub reads: Reads,
    /// The tokens that what it would write for the key promotes, most first.
    pub promoted: Vec<Push>,
    /// Those that it suppresses, most first.
    pub suppressed: Vec<Push>,
    /// What of these logits reaches the query: pattern[query, key] over ln_final's scale there. Absent where another norm
    /// comes between, or where the embedding alone was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f32>,
    /// How its attention is spread.
    pub spread: Spread,
    /// What TransformerLens' detectors say.
    pub detectors: Vec<Detected>,
}

/// What a question looks at.
struct Place<'a> {
    run: &'a RunResult,
    layer: usize,
    head: usize,
    query: usize,
    key: usize,
    /// Values, and those of keys: several heads may share them.
    kv: usize,
}

/// W_O W_Oᵀ and a forward pass, then what is written; then the answer.
pub fn step(question: &Question, context: &Context<'_>, done: &[Done]) -> Result<Step, AnalysisError> {
    let Question { layer, head, top_k, .. } = *question;
    context.check_head([layer, head])?;
    let n_pos = context.tokens().len();
    let query = position(question.query, n_pos)?;
    let key = question.key.map(|key| position(key, n_pos)).transpose()?;
    let [Done::Circuit(written), Done::Run(run), writes @ ..] = done else {
        return Ok(Step::Need(work(question, context)));
    };
    check_finite(run)?;
    let pattern = captured(run, layer, Site::Pattern)?.outer(head);
    let key = key.unwrap_or_else(|| most(&pattern.row(query)[..=query]));
    let kv = head * context.config.n_kv_heads / context.config.n_heads;
    let place = Place { run, layer, head, query, key, kv };
    let [Done::Writes(writes)] = writes else {
        let of = match question.reads {
            Reads::Embedding => WrittenOf::Embedding(context.tokens()[key]),
            Reads::Stream => WrittenOf::Value(place.values()?.rows(key..key + 1)),
        };
        return Ok(Step::Need(vec![Work::Writes(WritesSpec { layer, head, of, top_k })]));
    };
    let weighted = Weighted::of(&pattern, &place.values()?, &written.outer(head));
    let push = |(id, logit): &(u32, f32)| Push { token: context.vocabulary.token(*id), logit: *logit };
    let answer = Answer {
        tokens: context.tokens().iter().map(|id| context.vocabulary.token(*id)).collect(),
        layer,
        head,
        value_weighted: weighted.by_value,
        output_weighted: weighted.by_output,
        norms: weighted.norms,
        pair: place.pair(context.config)?,
        reads: question.reads,
        promoted: writes.promoted.iter().map(push).collect(),
        suppressed: writes.suppressed.iter().map(push).collect(),
        share: place.share(question, context.config, &pattern)?,
        spread: Spread::of(&pattern),
        detectors: detect::all(question, context.tokens(), &pattern),
        pattern,
    };
    Ok(Step::Answer(Box::new(super::Answer::Head(Box::new(answer)))))
}

/// Refuses what cannot be said as a number; of scores, those that are masked are none.
fn check_finite(run: &RunResult) -> Result<(), AnalysisError> {
    let is_score = |hook: &HookPoint| matches!(hook, HookPoint::Block(_, Site::AttnScores));
    let mut values = run.captures.iter().filter(|(hook, _)| !is_score(hook));
    match values.find(|(_, value)| value.first_non_finite().is_some()) {
        Some((hook, _)) => Err(AnalysisError::NotFinite { hook: hook.to_string() }),
        None => Ok(()),
    }
}

/// Position `pos` of a prompt, counted from 0.
fn position(pos: i64, n_pos: usize) -> Result<usize, AnalysisError> {
    let found = usize::try_from(from_end(pos, n_pos)).ok().filter(|pos| *pos < n_pos);
    found.ok_or(AnalysisError::NoSuchPosition { pos, n_pos })
}

/// Where the largest value is; of equals the first.
fn most(row: &[f32]) -> usize {
    (0..row.len()).reduce(|best, next| if row[best] < row[next] { next } else { best }).unwrap_or(0)
}

fn work(question: &Question, context: &Context<'_>) -> Vec<Work> {
    let layer = question.layer;
    let [q, k] = turned(context.config);
    let sites = [q, k, Site::V, Site::AttnScores, Site::Pattern].map(|site| HookPoint::Block(layer, site));
    let run = RunSpec {
        tokens: context.tokens().to_vec(),
        weights: question.weights,
        interventions: question.interventions.clone(),
        capture: HookSet::of(sites.into_iter().chain([HookPoint::FinalScale])),
        readout: Readout::Nothing,
    };
    let written = CircuitSpec { weights: question.weights, of: Circuit::Written { layer } };
    vec![Work::Circuit(written), Work::Run(run)]
}

/// Queries and keys as they meet.
fn turned(config: &ModelConfig) -> [Site; 2] {
    if config.has(Site::RotQ) { [Site::RotQ, Site::RotK] } else { [Site::Q, Site::K] }
}

fn captured(run: &RunResult, layer: usize, site: Site) -> Result<&HostTensor, AnalysisError> {
    let hook = HookPoint::Block(layer, site);
    run.captures.get(&hook).ok_or_else(|| AnalysisError::HookNotCaptured { hook: hook.to_string() })
}

impl Place<'_> {
    fn captured(&self, site: Site) -> Result<&HostTensor, AnalysisError> {
        captured(self.run, self.layer, site)
    }

    /// The values that the head copies. [k_pos d_head]
    fn values(&self) -> Result<HostTensor, AnalysisError> {
        let v = self.captured(Site::V)?; // [pos kv d_head]
        let &[n_pos, n_kv_heads, d_head] = v.shape() else { unreachable!("hook_v has three axes") };
        let rows = (0..n_pos).flat_map(|pos| v.row(pos * n_kv_heads + self.kv)).copied().collect();
        Ok(HostTensor::new(vec![n_pos, d_head], rows).expect("one row a position"))
    }

    /// What reaches the logits at the query of what is written for the key.
    fn share(
        &self,
        question: &Question,
        config: &ModelConfig,
        pattern: &HostTensor,
    ) -> Result<Option<f32>, AnalysisError> {
        if config.has_post_norms || question.reads == Reads::Embedding {
            return Ok(None);
        }
        let hook = HookPoint::FinalScale;
        let missing = || AnalysisError::HookNotCaptured { hook: hook.to_string() };
        let scale = self.run.captures.get(&hook).ok_or_else(missing)?.data()[self.query];
        Ok(Some(pattern.row(self.query)[self.key] / scale))
    }
}

/// A pattern times how much each key has to say.
struct Weighted {
    by_value: HostTensor,  // [q_pos k_pos]
    by_output: HostTensor, // [q_pos k_pos]
    norms: HostTensor,     // [2 k_pos]
}

impl Weighted {
    /// `values`: [k_pos d_head]; `written`: W_O W_Oᵀ, [d_head d_head]
    fn of(pattern: &HostTensor, values: &HostTensor, written: &HostTensor) -> Self {
        let n_pos = pattern.last_axis();
        let of_value = |pos: usize| vitrine_kernel::dot(values.row(pos), values.row(pos)).sqrt();
        let of_output = |pos: usize| norm(values.row(pos), written) as f32;
        let norms: Vec<f32> = (0..n_pos).map(of_value).chain((0..n_pos).map(of_output)).collect();
        let weighted = |norms: &[f32]| {
            let mut weighted = pattern.clone();
            for row in weighted.data_mut().chunks_exact_mut(n_pos) {
                row.iter_mut().zip(norms).for_each(|(entry, norm)| *entry *= norm);
            }
            weighted
        };
        let (by_value, by_output) = (weighted(&norms[..n_pos]), weighted(&norms[n_pos..]));
        Self {
            by_value,
            by_output,
            norms: HostTensor::new(vec![2, n_pos], norms).expect("two norms a position"),
        }
    }
}

impl Answer {
    /// The matrices, in a fixed order.
    pub fn tensors_mut(&mut self) -> Vec<&mut HostTensor> {
        vec![&mut self.pattern, &mut self.value_weighted, &mut self.output_weighted, &mut self.norms]
    }
}
