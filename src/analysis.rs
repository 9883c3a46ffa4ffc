//! Analyses: questions about a model, and their answers.
//!
//! Each is one file with one shape: `Question`, `Answer`, and `step`, a pure function from what has
//! been computed so far to either more work or the answer. The same JSON question works from the page,
//! the URL, JavaScript and the command line. An analysis never sees a backend, a file or a view.

use serde::{Deserialize, Serialize};

use crate::{
    intervention::SelectError,
    model::ModelConfig,
    prompt::{Prompt, Vocabulary},
    run::{
        CircuitSpec, GradientSpec, Gradients, LensResult, LensSpec, RunResult, RunSpec, SweepResult,
        SweepSpec, Writers, WritersSpec, Writes, WritesSpec,
    },
    tensor::HostTensor,
};

pub mod attention;
pub mod attribution;
mod check;
pub mod effects;
pub mod eigenvalues;
pub mod head;
pub mod heads;
pub mod induction;
pub mod layers;
pub mod likeliest;
pub mod logit_lens;
pub mod loss;
pub mod patching;
pub mod pattern;
pub mod repeated;
pub mod residual;

/// A question about a model, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Question {
    /// Where does each head look, and what would the model say next?
    Attention(attention::Question),
    /// Who writes what the model says?
    Attribution(attribution::Question),
    /// Does a component matter?
    Effects(effects::Question),
    /// What would the model say if it stopped here?
    LogitLens(logit_lens::Question),
    /// Which tokens surprise the model?
    Loss(loss::Question),
    /// Which values carry what makes the model answer differently?
    Patching(patching::Question),
    /// How large is the stream, where does it point, and who wrote it?
    Residual(residual::Question),
    /// What does each head do?
    Heads(heads::Question),
    /// Where does one head look, why, and what does it write?
    Head(head::Question),
    /// How does the model make use of what it has read before?
    Induction(induction::Question),
}

/// The answer to the question of the same kind.
#[allow(clippy::large_enum_variant, reason = "there is one at a time, and a step hands it on in a box")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Question::Attention`].
    Attention(attention::Answer),
    /// To [`Question::Attribution`].
    Attribution(attribution::Answer),
    /// To [`Question::Effects`].
    Effects(effects::Answer),
    /// To [`Question::LogitLens`].
    LogitLens(logit_lens::Answer),
    /// To [`Question::Loss`].
    Loss(loss::Answer),
    /// To [`Question::Patching`].
    Patching(patching::Answer),
    /// To [`Question::Residual`].
    Residual(residual::Answer),
    /// To [`Question::Heads`].
    Heads(heads::Answer),
    /// To [`Question::Head`].
    Head(Box<head::Answer>),
    /// To [`Question::Induction`].
    Induction(induction::Answer),
}

/// What an analysis may know beside its question.
pub struct Context<'a> {
    /// The model's sizes.
    pub config: &'a ModelConfig,
    /// The question's prompts as token ids, in the order of [`Question::prompts`]; none is empty.
    pub prompts: &'a [Vec<u32>],
    /// How tokens are written down.
    pub vocabulary: &'a dyn Vocabulary,
}

impl<'a> Context<'a> {
    /// Whether the model has a head.
    ///
    /// Errors: [`AnalysisError::NoSuchHead`].
    pub fn check_head(&self, [layer, head]: [usize; 2]) -> Result<(), AnalysisError> {
        let (n_layers, n_heads) = (self.config.n_layers, self.config.n_heads);
        let is_there = layer < n_layers && head < n_heads;
        is_there.then_some(()).ok_or(AnalysisError::NoSuchHead { layer, head, n_layers, n_heads })
    }

    /// The first prompt.
    pub fn tokens(&self) -> &'a [u32] {
        &self.prompts[0]
    }
}

/// Something for the engine to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// A forward pass.
    Run(RunSpec),
    /// Many variants of one.
    Sweep(SweepSpec),
    /// A pass forward and one back.
    Gradients(GradientSpec),
    /// Streams read as if each were the last.
    Lens(LensSpec),
    /// A stream taken apart.
    Writers(WritersSpec),
    /// A product of weights.
    Circuit(CircuitSpec),
    /// What a head would write.
    Writes(WritesSpec),
}

/// What came of [`Work`] of the same kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// Of a forward pass.
    Run(RunResult),
    /// Of a sweep; a value that is not computed yet is NaN.
    Sweep(SweepResult),
    /// Of gradients.
    Gradients(Gradients),
    /// Of streams that were read off, some of them perhaps not yet.
    Lens(LensResult),
    /// Of a stream that was taken apart.
    Writers(Box<Writers>),
    /// Of a product of weights.
    Circuit(HostTensor),
    /// Of what a head would write.
    Writes(Writes),
    /// What an analysis kept of a result.
    Kept(Box<Kept>),
}

/// What an analysis keeps of a result that is larger than its answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// For [`Question::Attention`].
    Attention(attention::Kept),
    /// For [`Question::Effects`].
    Effects(effects::Sums),
    /// For [`Question::Residual`].
    Residual(residual::Kept),
    /// For [`Question::Heads`].
    Heads(heads::Tally),
    /// For [`Question::Induction`].
    Induction(induction::Kept),
}

/// What comes next: more work, or the answer.
pub enum Step {
    /// Do this, then step again with all results so far.
    Need(Vec<Work>),
    /// Done.
    Answer(Box<Answer>),
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum AnalysisError {
    #[error("the model has no head {head} in layer {layer}: it has {n_layers} layers of {n_heads} heads")]
    NoSuchHead { layer: usize, head: usize, n_layers: usize, n_heads: usize },
    #[error("the run did not capture {hook}")]
    HookNotCaptured { hook: String },
    #[error("the run has no metric")]
    NoMetric,
    #[error("the model has no beginning-of-sequence token")]
    NoBos,
    #[error(
        "{length} tokens cannot be repeated: of {n_ctx} that the model reads, 2 to {most} can be read twice"
    )]
    RepeatedLength { length: usize, n_ctx: usize, most: usize },
    #[error("{batch} sequences of random tokens; 1 to {most} are made")]
    RepeatedBatch { batch: usize, most: usize },
    #[error("no two ids can be drawn from {from} up to {to} of a vocabulary of {d_vocab}")]
    RepeatedIds { from: u32, to: u32, d_vocab: usize },
    #[error("the question is about position {pos} of {n_pos}")]
    NoSuchPosition { pos: i64, n_pos: usize },
    #[error("{hook} has a value that is not a finite number")]
    NotFinite { hook: String },
    #[error("the mean over a single sequence is that sequence: ablating by it changes nothing")]
    MeanOfOne,
    #[error("heads of layer {to} cannot read what layer {from} writes: the model has {n_layers} layers")]
    NoSuchComposition { from: usize, to: usize, n_layers: usize },
    #[error(
        "the clean prompt has {clean} tokens and the corrupted one {corrupted}; patching needs as many in both"
    )]
    Lengths { clean: usize, corrupted: usize },
    #[error("the model has no MLPs, so there is nothing to patch there")]
    NoMlp,
    #[error("the model's MLPs read what attention reads: there is no {hook} between them to patch")]
    NoSuchPlace { hook: String },
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error("the question is about streams, and {hook} comes after the last of them")]
    AfterTheStream { hook: String },
    #[error("{hook} is not a residual stream of this model")]
    NotAStream { hook: String },
    #[error("token id {id} is outside the vocabulary of {d_vocab} tokens")]
    Token { id: u32, d_vocab: usize },
    #[error("position {pos} is outside the prompt, which has {n_pos} tokens")]
    Position { pos: i64, n_pos: usize },
    #[error("no position is chosen")]
    NoPositions,
    #[error("{got} {what} are asked for; at most {max} are given")]
    TooMany { what: &'static str, got: usize, max: usize },
    #[error("no target token is named")]
    NoTarget,
    #[error("no component is named")]
    NoComponent,
    #[error("a mean needs at least one reference prompt")]
    NoReference,
    #[error("the prompt has {want} tokens and the one to resample from {got}; it needs as many")]
    OtherLength { want: usize, got: usize },
    #[error("there is no such place at {at}: the model has {n_layers} layers of {d_mlp} neurons")]
    NoSuchNeuron { at: String, n_layers: usize, d_mlp: usize },
    #[error("the loss of a single token is not defined")]
    SingleToken,
}

impl Question {
    /// The prompts that it is about.
    pub fn prompts(&self) -> Vec<&Prompt> {
        match self {
            Self::Attention(question) => vec![&question.prompt],
            Self::Patching(question) => vec![&question.clean, &question.corrupted],
            Self::Attribution(question) => vec![&question.prompt],
            Self::Effects(question) => question.prompts(),
            Self::LogitLens(question) => vec![&question.prompt],
            Self::Loss(question) => vec![&question.prompt],
            Self::Residual(question) => vec![&question.prompt],
            Self::Heads(question) => heads::prompts(question),
            Self::Head(question) => vec![&question.prompt],
            Self::Induction(_) => vec![],
        }
    }

    /// Decides what comes next, given the results of the work asked for so far, in its order.
    ///
    /// With a sweep or a lens under way the last result may be incomplete; the answer then is as well.
    ///
    /// Errors: [`AnalysisError`] if the question does not fit the model.
    pub fn step(&self, context: &Context<'_>, done: &[Done]) -> Result<Step, AnalysisError> {
        match self {
            Self::Attention(question) => attention::step(question, context, done),
            Self::Patching(question) => patching::step(question, context, done),
            Self::Attribution(question) => attribution::step(question, context, done),
            Self::Effects(question) => effects::step(question, context, done),
            Self::LogitLens(question) => logit_lens::step(question, context, done),
            Self::Loss(question) => loss::step(question, context, done),
            Self::Residual(question) => residual::step(question, context, done),
            Self::Heads(question) => heads::step(question, context, done),
            Self::Head(question) => head::step(question, context, done),
            Self::Induction(question) => induction::step(question, context, done),
        }
    }

    /// What the answer needs of a result; the rest is forgotten before the next piece of work. `so_far` is what was
    /// kept of those before it.
    ///
    /// Errors: [`AnalysisError`] if the question does not fit the model.
    pub fn keep(&self, context: &Context<'_>, so_far: &[Done], done: Done) -> Result<Done, AnalysisError> {
        let kept = match (self, done) {
            (Self::Heads(question), done) => return heads::keep(question, context, so_far, done),
            (Self::Induction(question), done) => return induction::keep(question, context, done),
            (Self::Attention(question), Done::Run(run)) => {
                Kept::Attention(attention::keep(question, context, &run)?)
            }
            (Self::Effects(_), Done::Run(run)) => Kept::Effects(effects::keep(&run)),
            (Self::Residual(_), Done::Run(run)) => Kept::Residual(residual::keep(context, so_far, &run)?),
            (_, done) => return Ok(done),
        };
        Ok(Done::Kept(Box::new(kept)))
    }
}

impl Answer {
    /// The large arrays of the answer, which travel beside a message, in a fixed order.
    pub fn tensors_mut(&mut self) -> Vec<&mut HostTensor> {
        match self {
            Self::Attention(answer) => answer.tensors_mut(),
            Self::Patching(answer) => answer.tensors_mut(),
            Self::Attribution(_) | Self::Effects(_) => vec![],
            Self::LogitLens(answer) => answer.tensors_mut(),
            Self::Loss(answer) => answer.tensors_mut(),
            Self::Residual(answer) => answer.tensors_mut(),
            Self::Heads(answer) => answer.tensors_mut(),
            Self::Head(answer) => answer.tensors_mut(),
            Self::Induction(answer) => answer.tensors_mut(),
        }
    }
}
