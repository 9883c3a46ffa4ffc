//! Patching: which values carry what makes the model answer differently?
//!
//! Source: activation patching after Meng et al. 2022, <https://arxiv.org/abs/2202.05262>, and Wang et al. 2022,
//! <https://arxiv.org/abs/2211.00593>; attribution patching after Nanda 2023 and Syed et al. 2023,
//! <https://arxiv.org/abs/2310.10348>.
//! Method: the corrupted prompt is run with one value at a time replaced by the clean run's (denoising). Exact:
//! one variant a value, m(patched) - m(corrupted). Attribution: the same to first order,
//! sum of (dm/dx at the corrupted run) * (clean - corrupted), from two passes and one back.
//! Units: those of the metric; effects are fractions of m(clean) - m(corrupted).
//! Caveats: causal, for these two prompts. Attribution is a linear guess: poor for the stream of early layers,
//! where norms bend it; good for heads.

use serde::{Deserialize, Serialize};

use super::{AnalysisError, Context, Done, Step, Work};
use crate::{
    hook::{Axis, HookPoint, HookSet, Site},
    intervention::{Edit, Index, Intervention, Select, Source},
    metric::Metric,
    prompt::{Prompt, Token},
    run::{GradientSpec, Gradients, Readout, RunResult, RunSpec, SweepSpec, WeightForm},
    tensor::HostTensor,
};

/// Which values carry what makes the model answer differently?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The prompt that values are taken from.
    pub clean: Prompt,
    /// The prompt that is patched; as many tokens as the clean one.
    pub corrupted: Prompt,
    /// What is compared.
    pub metric: Metric,
    /// What is patched.
    pub at: Place,
    /// Run every variant, or estimate all from one gradient.
    #[serde(default)]
    pub method: Method,
    /// Raw or processed weights.
    #[serde(default)]
    pub weights: WeightForm,
}

/// The values that are patched, one at a time, in every layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The stream before the block, position by position.
    ResidPre,
    /// The stream between attention and MLP, position by position.
    ResidMid,
    /// What attention writes, position by position.
    AttnOut,
    /// What the MLP writes, position by position.
    MlpOut,
    /// Each head's queries, at all positions.
    Q,
    /// Each head's keys, at all positions.
    K,
    /// Each head's values, at all positions.
    V,
    /// Each head's mixed values, at all positions.
    Z,
    /// Each head's pattern.
    Pattern,
}

/// How effects are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Every variant is run.
    #[default]
    Exact,
    /// A first-order estimate from one gradient.
    Attribution,
}

/// What each value carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Answer {
    /// The clean prompt as the model read it.
    pub clean: Vec<Token>,
    /// The corrupted prompt as the model read it.
    pub corrupted: Vec<Token>,
    /// What the columns of `changes` are.
    pub columns: Columns,
    /// The metric of the clean run.
    pub clean_metric: f64,
    /// The metric of the corrupted run.
    pub corrupted_metric: f64,
    /// m(patched) - m(corrupted), exact or estimated; null where it is not computed yet. [layer column]
    pub changes: HostTensor,
    /// The same as a fraction of m(clean) - m(corrupted): 0 nothing, 1 all; absent where that is 0. [layer column]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<HostTensor>,
}

/// What a column stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Columns {
    /// A position.
    Pos,
    /// A head.
    Head,
}

impl Place {
    fn site(self) -> Site {
        match self {
            Self::ResidPre => Site::ResidPre,
            Self::ResidMid => Site::ResidMid,
            Self::AttnOut => Site::AttnOut,
            Self::MlpOut => Site::MlpOut,
            Self::Q => Site::Q,
            Self::K => Site::K,
            Self::V => Site::V,
            Self::Z => Site::Z,
            Self::Pattern => Site::Pattern,
        }
    }

    /// What is patched together has one of these in common.
    pub fn columns(self) -> Columns {
        match self {
            Self::ResidPre | Self::ResidMid | Self::AttnOut | Self::MlpOut => Columns::Pos,
            Self::Q | Self::K | Self::V | Self::Z | Self::Pattern => Columns::Head,
        }
    }
}

/// Two passes and what the method needs, then the answer.
pub fn step(question: &Question, context: &Context<'_>, done: &[Done]) -> Result<Step, AnalysisError> {
    let [clean, corrupted] = context.prompts else { unreachable!("a question about two prompts") };
    if clean.len() != corrupted.len() {
        return Err(AnalysisError::Lengths { clean: clean.len(), corrupted: corrupted.len() });
    }
    if question.at.site().is_mlp() && context.config.is_attn_only() {
        return Err(AnalysisError::NoMlp);
    }
    if !context.config.has(question.at.site()) {
        let hook = HookPoint::Block(0, question.at.site()).to_string();
        return Err(AnalysisError::NoSuchPlace { hook });
    }
    let (base, changes) = match done {
        [Done::Run(_), Done::Sweep(sweep)] => {
            (sweep.base, sweep.values.iter().map(|value| (value - sweep.base) as f32).collect())
        }
        [Done::Run(run), Done::Gradients(gradients)] => {
            (gradients.metric, attributions(question, context, run, gradients)?)
        }
        _ => return Ok(Step::Need(work(question, context))),
    };
    let shape = vec![context.config.n_layers, n_columns(question, context)];
    let changes = HostTensor::new(shape, changes).expect("one value for each layer and column");
    let [Done::Run(run), ..] = done else { unreachable!("matched above") };
    let clean_metric = run.metric.ok_or(AnalysisError::NoMetric)?;
    let tokens = |ids: &[u32]| ids.iter().map(|id| context.vocabulary.token(*id)).collect();
    Ok(Step::Answer(Box::new(super::Answer::Patching(Answer {
        clean: tokens(clean),
        corrupted: tokens(corrupted),
        columns: question.at.columns(),
        clean_metric,
        corrupted_metric: base,
        effects: effects(&changes, clean_metric - base),
        changes,
    }))))
}

fn n_columns(question: &Question, context: &Context<'_>) -> usize {
    match question.at.columns() {
        Columns::Pos => context.tokens().len(),
        // Keys and values may have fewer heads than queries.
        Columns::Head => {
            let at = HookPoint::Block(0, question.at.site());
            let of_axis = at.axes().iter().zip(context.config.shape(at, context.tokens().len()));
            of_axis.filter(|(axis, _)| is_head(**axis)).map(|(_, len)| len).next().unwrap_or(0)
        }
    }
}

fn is_head(axis: Axis) -> bool {
    matches!(axis, Axis::Head | Axis::KvHead)
}

/// The hook point of each layer.
fn hooks(question: &Question, context: &Context<'_>) -> Vec<HookPoint> {
    (0..context.config.n_layers).map(|layer| HookPoint::Block(layer, question.at.site())).collect()
}

fn work(question: &Question, context: &Context<'_>) -> Vec<Work> {
    let [clean, corrupted] = context.prompts else { unreachable!("a question about two prompts") };
    let (weights, metric, hooks) = (question.weights, &question.metric, hooks(question, context));
    let is_exact = question.method == Method::Exact;
    let run = RunSpec {
        tokens: clean.clone(),
        weights,
        interventions: vec![],
        capture: if is_exact { HookSet::default() } else { HookSet::of(hooks.iter().copied()) },
        readout: Readout::Metric(metric.clone()),
    };
    let (tokens, metric, interventions) = (corrupted.clone(), metric.clone(), vec![]);
    let compared = if is_exact {
        Work::Sweep(SweepSpec {
            tokens,
            weights,
            interventions,
            variants: variants(question, context),
            metric,
        })
    } else {
        let at = HookSet::of(hooks);
        Work::Gradients(GradientSpec { tokens, weights, interventions, metric, at })
    };
    vec![Work::Run(run), compared]
}

/// One variant for each layer and column.
fn variants(question: &Question, context: &Context<'_>) -> Vec<Vec<Intervention>> {
    let tokens = context.tokens().to_vec();
    let from = Source { prompt: Prompt::Tokens { tokens }, interventions: vec![] };
    let mut variants = vec![];
    for at in hooks(question, context) {
        for column in 0..n_columns(question, context) as i64 {
            let chosen = Some(Index::One(column));
            let select = match question.at.columns() {
                Columns::Pos => Select { pos: chosen, ..Select::default() },
                Columns::Head => Select { head: chosen, ..Select::default() },
            };
            let edit = Edit::Patch { from: Box::new(from.clone()), positions: None };
            variants.push(vec![Intervention { at, select, edit }]);
        }
    }
    variants
}

/// The first-order estimate of each change, layer by layer.
fn attributions(
    question: &Question,
    context: &Context<'_>,
    clean: &RunResult,
    corrupted: &Gradients,
) -> Result<Vec<f32>, AnalysisError> {
    let is_wanted = |axis: &Axis| match question.at.columns() {
        Columns::Pos => *axis == Axis::Pos,
        Columns::Head => is_head(*axis),
    };
    let mut changes = vec![];
    for hook in hooks(question, context) {
        let missing = || AnalysisError::HookNotCaptured { hook: hook.to_string() };
        let clean = clean.captures.get(&hook).ok_or_else(missing)?;
        let value = corrupted.values.get(&hook).ok_or_else(missing)?;
        let gradient = corrupted.gradients.get(&hook).ok_or_else(missing)?;
        let axis = hook.axes().iter().position(is_wanted).unwrap_or(0);
        let n_inner: usize = value.shape()[axis + 1..].iter().product();
        let n_columns = value.shape()[axis];
        let mut sums = vec![0.0_f64; n_columns];
        for (nth, ((clean, value), gradient)) in
            clean.data().iter().zip(value.data()).zip(gradient.data()).enumerate()
        {
            sums[nth / n_inner % n_columns] += f64::from(*gradient) * (f64::from(*clean) - f64::from(*value));
        }
        changes.extend(sums.into_iter().map(|sum| sum as f32));
    }
    Ok(changes)
}

/// Changes as fractions of `whole`.
fn effects(changes: &HostTensor, whole: f64) -> Option<HostTensor> {
    if whole == 0.0 {
        return None;
    }
    let mut effects = changes.clone();
    effects.data_mut().iter_mut().for_each(|change| *change = (f64::from(*change) / whole) as f32);
    Some(effects)
}

impl Answer {
    /// The matrices, in a fixed order.
    pub(super) fn tensors_mut(&mut self) -> Vec<&mut HostTensor> {
        [&mut self.changes].into_iter().chain(&mut self.effects).collect()
    }
}
