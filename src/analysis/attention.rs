//! Attention and predictions: where does each head look, and what would the model say next?
//!
//! Source: Vaswani et al. 2017, <https://arxiv.org/abs/1706.03762>; head scores after Olsson et al. 2022,
//! <https://arxiv.org/abs/2209.11895>.
//! Method: one forward pass; `hook_pattern` and the log-softmax of the logits; head scores in
//! [`scores`].   Units: probabilities, nats.
//! Caveats: attention is correlational. That a head looks somewhere does not show that what it reads
//! there matters; ablate it to find out.

use serde::{Deserialize, Serialize};

use super::{AnalysisError, Context, Done, Step, Work, layers, pattern::Repeats};
use crate::{
    hook::{HookPoint, HookSet, Site},
    intervention::Intervention,
    prompt::{Prompt, Token},
    run::{Prediction, Readout, RunResult, RunSpec, WeightForm},
    tensor::HostTensor,
};

pub mod scores;

pub use scores::HeadScores;

/// Where does each head look, and what would the model say next?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What the model reads.
    pub prompt: Prompt,
    /// Raw or processed weights. Patterns and probabilities do not depend on it.
    #[serde(default)]
    pub weights: WeightForm,
    /// What is changed in the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// How many candidates are listed at each position.
    #[serde(default = "default_top_k")]
    pub top_k: usize,
    /// Which heads are scored, whatever is chosen below.
    #[serde(default)]
    pub heads: Heads,
    /// Which heads' patterns are returned.
    #[serde(default)]
    pub patterns: Heads,
    /// Which heads' scores before the softmax are returned.
    #[serde(default = "Heads::none")]
    pub scores: Heads,
}

/// A choice of heads: `"all"`, `"none"`, or a list of `[layer, head]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Heads {
    /// All or none of them.
    Word(AllOrNone),
    /// These, as `[layer, head]`.
    Listed(Vec<[usize; 2]>),
}

/// All, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AllOrNone {
    /// Every head.
    All,
    /// No head.
    None,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Answer {
    /// The prompt as the model read it.
    pub tokens: Vec<Token>,
    /// Mean of -log p(next token) over the prompt, nats; absent for a single token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_nats: Option<f32>,
    /// One entry a position: what the model expected after it.
    pub positions: Vec<Position>,
    /// One entry a scored head, layer by layer.
    pub heads: Vec<HeadScores>,
    /// How many query positions the induction and duplicate-token scores average over.
    pub n_repeated: usize,
    /// The chosen patterns, layer by layer.
    pub patterns: Vec<HeadMatrix>,
    /// The chosen scores before the softmax; masked entries are null.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<HeadMatrix>,
}

/// What the model expected after one position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Position {
    /// The likeliest next tokens, best first.
    pub top: Vec<Candidate>,
    /// Log-probability of the token that did follow, nats; absent at the last position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_logprob: Option<f32>,
    /// How many tokens were likelier than the one that did follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_rank: Option<usize>,
}

/// A possible next token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Candidate {
    /// The token.
    pub token: Token,
    /// Its probability.
    pub prob: f32,
    /// Its log-probability, nats.
    pub logprob: f32,
}

/// One head's matrix. Rows are query positions, columns key positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HeadMatrix {
    /// Layer of the head.
    pub layer: usize,
    /// Head within the layer.
    pub head: usize,
    /// [q_pos k_pos]
    pub values: HostTensor,
}

fn default_top_k() -> usize {
    10
}

impl Default for Heads {
    fn default() -> Self {
        Self::Word(AllOrNone::All)
    }
}

impl Heads {
    /// No head.
    pub fn none() -> Self {
        Self::Word(AllOrNone::None)
    }

    /// The chosen heads, layer by layer.
    fn resolve(&self, context: &Context<'_>) -> Result<Vec<[usize; 2]>, AnalysisError> {
        let (n_layers, n_heads) = (context.config.n_layers, context.config.n_heads);
        match self {
            Self::Word(AllOrNone::None) => Ok(vec![]),
            Self::Word(AllOrNone::All) => {
                Ok((0..n_layers).flat_map(|layer| (0..n_heads).map(move |head| [layer, head])).collect())
            }
            Self::Listed(heads) => {
                let mut heads = heads.clone();
                heads.sort_unstable();
                heads.dedup();
                heads.iter().try_for_each(|head| context.check_head(*head))?;
                Ok(heads)
            }
        }
    }
}

/// What the answer needs of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    loss_nats: Option<f32>,
    positions: Vec<Position>,
    heads: Vec<HeadScores>,
    patterns: Vec<HeadMatrix>,
    scores: Vec<HeadMatrix>,
}

/// One forward pass, or one and then each layer again; then the answer.
pub fn step(question: &Question, context: &Context<'_>, done: &[Done]) -> Result<Step, AnalysisError> {
    if done.is_empty() {
        return Ok(Step::Need(plan(question, context)?));
    }
    let mut all = Kept::default();
    for done in done {
        let Done::Kept(kept) = done else { continue };
        let super::Kept::Attention(kept) = (**kept).clone() else { continue };
        all.loss_nats = all.loss_nats.or(kept.loss_nats);
        all.positions.extend(kept.positions);
        all.heads.extend(kept.heads);
        all.patterns.extend(kept.patterns);
        all.scores.extend(kept.scores);
    }
    let Kept { loss_nats, positions, heads, patterns, scores } = all;
    Ok(Step::Answer(Box::new(super::Answer::Attention(Answer {
        tokens: context.tokens().iter().map(|id| context.vocabulary.token(*id)).collect(),
        loss_nats,
        positions,
        heads,
        n_repeated: Repeats::of(context.tokens()).n_repeated(),
        patterns,
        scores,
    }))))
}

/// What the answer needs of one of the runs.
pub(super) fn keep(
    question: &Question,
    context: &Context<'_>,
    run: &RunResult,
) -> Result<Kept, AnalysisError> {
    let is_there =
        |[layer, _]: &[usize; 2]| run.captures.contains_key(&HookPoint::Block(*layer, Site::Pattern));
    let of = |heads: Vec<[usize; 2]>, site| -> Result<Vec<HeadMatrix>, AnalysisError> {
        heads.into_iter().filter(is_there).map(|head| matrix(run, site, head)).collect()
    };
    let (mut heads, repeats) = (vec![], Repeats::of(context.tokens()));
    for [layer, head] in question.heads.resolve(context)?.into_iter().filter(is_there) {
        let n_entries = context.tokens().len().pow(2);
        let pattern = &captured(run, Site::Pattern, layer)?.data()[head * n_entries..][..n_entries];
        heads.push(scores::score(layer, head, pattern, &repeats));
    }
    Ok(Kept {
        loss_nats: run.loss_nats(),
        positions: run.predictions.iter().map(|prediction| position(prediction, context)).collect(),
        heads,
        patterns: of(question.patterns.resolve(context)?, Site::Pattern)?,
        scores: of(question.scores.resolve(context)?, Site::AttnScores)?,
    })
}

fn plan(question: &Question, context: &Context<'_>) -> Result<Vec<Work>, AnalysisError> {
    question.heads.resolve(context)?;
    question.patterns.resolve(context)?;
    let score_heads = question.scores.resolve(context)?;
    let of_layer = |layer| {
        let is_scored = score_heads.iter().any(|[scored, _]| *scored == layer);
        let scores = is_scored.then_some(HookPoint::Block(layer, Site::AttnScores));
        [HookPoint::Block(layer, Site::Pattern)].into_iter().chain(scores).collect()
    };
    let base = RunSpec {
        tokens: context.tokens().to_vec(),
        weights: question.weights,
        interventions: question.interventions.clone(),
        capture: HookSet::default(),
        readout: Readout::Predictions { top_k: question.top_k },
    };
    Ok(layers::runs(&base, context.config.n_layers, of_layer).into_iter().map(Work::Run).collect())
}

/// The matrix of one head, out of the [head q_pos k_pos] that the run captured.
fn matrix(run: &RunResult, site: Site, [layer, head]: [usize; 2]) -> Result<HeadMatrix, AnalysisError> {
    Ok(HeadMatrix { layer, head, values: captured(run, site, layer)?.outer(head) })
}

/// The matrices of a layer's heads. [head q_pos k_pos]
fn captured(run: &RunResult, site: Site, layer: usize) -> Result<&HostTensor, AnalysisError> {
    let hook = HookPoint::Block(layer, site);
    run.captures.get(&hook).ok_or_else(|| AnalysisError::HookNotCaptured { hook: hook.to_string() })
}

fn position(prediction: &Prediction, context: &Context<'_>) -> Position {
    let candidate = |&(id, logprob): &(u32, f32)| Candidate {
        token: context.vocabulary.token(id),
        prob: logprob.exp(),
        logprob,
    };
    Position {
        top: prediction.top.iter().map(candidate).collect(),
        next_logprob: prediction.actual.map(|actual| actual.logprob),
        next_rank: prediction.actual.map(|actual| actual.rank),
    }
}

impl Answer {
    /// The matrices, in a fixed order.
    pub fn tensors_mut(&mut self) -> Vec<&mut HostTensor> {
        self.patterns.iter_mut().chain(&mut self.scores).map(|matrix| &mut matrix.values).collect()
    }
}
