//! Induction lab: how does the model make use of what it has read before?
//!
//! Source: Olsson et al. 2022, <https://arxiv.org/abs/2209.11895>; composition after Elhage et al. 2021,
//! <https://transformer-circuits.pub/2021/framework/index.html>.
//! Method: random tokens are read twice; -log p of each by its place in the copy; patterns' stripes
//! ([`super::heads::Metric`]); |M1 M2| / (|M1| |M2|) of processed weights, M1 = W_OV of an earlier head, M2 what a
//! later one reads with. Ablated heads write 0, or the mean of what they write at that position over all sequences.
//! Units: nats; attention probabilities; compositions are between 0 and 1.
//! Caveats: scores are correlational, the ablation is causal. Nothing announces the first token of a copy, so means
//! leave it out. Composition scores of independent random matrices are near 1 / sqrt(d_model), not 0, and know neither
//! norms nor positions.

use serde::{Deserialize, Serialize};

use super::{
    AnalysisError, Context, Done, Step, Work,
    heads::{Copies, Metric, Scores, Tally},
    layers,
    repeated::{Repeated, Sequences},
};
use crate::{
    hook::{HookPoint, HookSet, Site},
    intervention::{Edit, Index, Intervention, Select, Values},
    prompt::Token,
    run::{Circuit, CircuitSpec, Input, Readout, RunResult, RunSpec, WeightForm},
    tensor::HostTensor,
};

mod losses;

pub use losses::{Losses, Sums};

/// What is measured of every head.
const METRICS: [Metric; 4] =
    [Metric::Induction, Metric::InductionStripe, Metric::PreviousToken, Metric::DuplicateToken];

/// How does the model make use of what it has read before?
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is read twice.
    #[serde(default)]
    pub repeated: Repeated,
    /// Raw or processed weights in the runs.
    #[serde(default)]
    pub weights: WeightForm,
    /// What is changed in all runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// Heads that are taken out, all together, as `[layer, head]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ablate: Vec<[usize; 2]>,
    /// What takes the place of what they write.
    #[serde(default)]
    pub by: Replacement,
    /// Pairs of layers, the earlier first, whose heads' compositions are computed; the first two layers by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compositions: Option<Vec<[usize; 2]>>,
}

/// What takes the place of what a head writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// 0.
    #[default]
    Zero,
    /// Its mean over the sequences, position by position; at least two of them.
    Mean,
}

/// How it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Answer {
    /// The first sequence as the model read it.
    pub tokens: Vec<Token>,
    /// How many sequences the means are over.
    pub n_sequences: usize,
    /// How many tokens are read twice.
    pub length: usize,
    /// How well each token was foreseen.
    pub losses: Losses,
    /// The same with heads ablated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ablated: Option<Losses>,
    /// What every head does, with nothing ablated.
    pub scores: Vec<Scores>,
    /// What later heads read of what earlier ones write.
    pub compositions: Vec<Composition>,
}

/// How much the heads of one layer read of what those of another write, by weights alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Composition {
    /// The layer that writes.
    pub from: usize,
    /// The layer that reads.
    pub to: usize,
    /// Through what.
    pub input: Input,
    /// |M1 M2| / (|M1| |M2|); null where a circuit is 0. [from_head to_head]
    pub values: HostTensor,
    /// What independent random matrices would be near: 1 / sqrt(d_model).
    pub baseline: f32,
}

/// What the answer needs of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    losses: Sums,
    tally: Tally,
    /// What the heads that are to be ablated wrote, with their layers. [pos head d_head]
    z: Vec<(usize, HostTensor)>,
}

/// Compositions and a pass over each sequence, then the same with heads ablated; then the answer.
pub fn step(question: &Question, context: &Context<'_>, done: &[Done]) -> Result<Step, AnalysisError> {
    let sequences = question.repeated.draw(context.config)?;
    let compositions = compositions(question, context)?;
    question.ablate.iter().try_for_each(|head| context.check_head(*head))?;
    if question.by == Replacement::Mean && !question.ablate.is_empty() && sequences.tokens.len() < 2 {
        return Err(AnalysisError::MeanOfOne);
    }
    let runs = looks(question, context, &sequences);
    let n_first = compositions.len() + runs.len();
    if done.is_empty() {
        let weights = WeightForm::Processed;
        let products = compositions.iter().map(|of| Work::Circuit(CircuitSpec { weights, of: *of }));
        return Ok(Step::Need(products.chain(runs.into_iter().map(Work::Run)).collect()));
    }
    let (first, second) = done.split_at(n_first.min(done.len()));
    if !question.ablate.is_empty() && second.is_empty() {
        return Ok(Step::Need(ablated(question, &sequences, first)));
    }
    let (mut losses, mut tally) = (Sums::default(), Tally::default());
    for kept in kept(first) {
        losses.add(&kept.losses);
        tally.merge(&kept.tally);
    }
    let mut without = Sums::default();
    kept(second).for_each(|kept| without.add(&kept.losses));
    Ok(Step::Answer(Box::new(super::Answer::Induction(Answer {
        tokens: sequences.tokens[0].iter().map(|id| context.vocabulary.token(*id)).collect(),
        n_sequences: sequences.tokens.len(),
        length: sequences.length,
        losses: losses.means(&sequences),
        ablated: (!second.is_empty()).then(|| without.means(&sequences)),
        scores: METRICS.iter().map(|metric| tally.scores(*metric, context.config, 1)).collect(),
        compositions: compositions
            .iter()
            .zip(first)
            .filter_map(|(of, done)| composition(*of, done, context))
            .collect(),
    }))))
}

/// Which products of weights are wanted.
fn compositions(question: &Question, context: &Context<'_>) -> Result<Vec<Circuit>, AnalysisError> {
    let n_layers = context.config.n_layers;
    let pairs = match &question.compositions {
        Some(pairs) => pairs.clone(),
        None if n_layers < 2 => vec![],
        None => vec![[0, 1]],
    };
    if let Some(&[from, to]) = pairs.iter().find(|[from, to]| to <= from || n_layers <= *to) {
        return Err(AnalysisError::NoSuchComposition { from, to, n_layers });
    }
    let of = |[from, to]: [usize; 2]| Input::ALL.map(|input| Circuit::Composition { from, to, input });
    Ok(pairs.into_iter().flat_map(of).collect())
}

/// The runs that look at every layer with nothing ablated.
fn looks(question: &Question, context: &Context<'_>, sequences: &Sequences) -> Vec<RunSpec> {
    let is_replaced = |layer| {
        question.by == Replacement::Mean && question.ablate.iter().any(|[ablated, _]| *ablated == layer)
    };
    let of_layer = |layer| {
        let z = is_replaced(layer).then_some(HookPoint::Block(layer, Site::Z));
        [HookPoint::Block(layer, Site::Pattern)].into_iter().chain(z).collect::<Vec<_>>()
    };
    let of = |tokens: &Vec<u32>| layers::runs(&base(question, tokens), context.config.n_layers, of_layer);
    sequences.tokens.iter().flat_map(of).collect()
}

fn base(question: &Question, tokens: &[u32]) -> RunSpec {
    RunSpec {
        tokens: tokens.to_vec(),
        weights: question.weights,
        interventions: question.interventions.clone(),
        capture: HookSet::default(),
        readout: Readout::Predictions { top_k: 0 },
    }
}

/// The runs without the heads that are ablated; `first` are the results of those with them.
fn ablated(question: &Question, sequences: &Sequences, first: &[Done]) -> Vec<Work> {
    let mut heads = question.ablate.clone();
    heads.sort_unstable();
    heads.dedup();
    let edits: Vec<Intervention> =
        heads.into_iter().flat_map(|head| edits(question.by, head, first)).collect();
    let without = |tokens: &Vec<u32>| {
        let mut run = base(question, tokens);
        run.interventions.extend(edits.iter().cloned());
        Work::Run(run)
    };
    sequences.tokens.iter().map(without).collect()
}

/// What takes a head out: one edit, or one for each position.
fn edits(by: Replacement, [layer, head]: [usize; 2], first: &[Done]) -> Vec<Intervention> {
    let at = HookPoint::Block(layer, Site::Z);
    let select = |pos| Select { pos, head: Some(Index::One(head as i64)), ..Select::default() };
    if by == Replacement::Zero {
        return vec![Intervention { at, select: select(None), edit: Edit::Zero }];
    }
    let mut sums: Vec<Vec<f64>> = vec![]; // [pos d_head]
    let mut n = 0.0;
    for (_, z) in kept(first).flat_map(|kept| &kept.z).filter(|(of, _)| *of == layer) {
        let (n_pos, n_heads) = (z.shape()[0], z.shape()[1]);
        sums.resize(n_pos, vec![0.0; z.last_axis()]);
        for (pos, sums) in sums.iter_mut().enumerate() {
            sums.iter_mut().zip(z.row(pos * n_heads + head)).for_each(|(sum, z)| *sum += f64::from(*z));
        }
        n += 1.0;
    }
    let at_pos = |(pos, sums): (usize, Vec<f64>)| {
        let mean = sums.into_iter().map(|sum| (sum / n) as f32).collect();
        let edit = Edit::Set { values: Values::Vector(mean) };
        Intervention { at, select: select(Some(Index::One(pos as i64))), edit }
    };
    sums.into_iter().enumerate().map(at_pos).collect()
}

/// What was kept of runs.
fn kept(done: &[Done]) -> impl Iterator<Item = &Kept> {
    done.iter().filter_map(|done| {
        let Done::Kept(kept) = done else { return None };
        if let super::Kept::Induction(kept) = &**kept { Some(kept) } else { None }
    })
}

fn composition(of: Circuit, done: &Done, context: &Context<'_>) -> Option<Composition> {
    let (Circuit::Composition { from, to, input }, Done::Circuit(values)) = (of, done) else { return None };
    let baseline = 1.0 / (context.config.d_model as f32).sqrt();
    Some(Composition { from, to, input, values: values.clone(), baseline })
}

/// What the answer needs of a result.
pub(super) fn keep(question: &Question, context: &Context<'_>, done: Done) -> Result<Done, AnalysisError> {
    let Done::Run(RunResult { captures, predictions, .. }) = done else { return Ok(done) };
    let sequences = question.repeated.draw(context.config)?;
    let copies = Copies { repeats: sequences.repeats(), length: Some(sequences.length) };
    let mut kept = Kept { losses: Sums::of(&predictions), ..Kept::default() };
    for (hook, value) in captures {
        let HookPoint::Block(layer, site) = hook else { continue };
        if site == Site::Pattern {
            kept.tally.add_patterns(layer, &value, &METRICS, &copies);
        } else if site == Site::Z {
            kept.z.push((layer, value));
        }
    }
    Ok(Done::Kept(Box::new(super::Kept::Induction(kept))))
}

impl Answer {
    /// The matrices, in a fixed order.
    pub fn tensors_mut(&mut self) -> Vec<&mut HostTensor> {
        let losses =
            [&mut self.losses].into_iter().chain(&mut self.ablated).map(|losses| &mut losses.by_place);
        let scores = self.scores.iter_mut().map(|scores| &mut scores.values);
        losses.chain(scores).chain(self.compositions.iter_mut().map(|of| &mut of.values)).collect()
    }
}
