//! The engine: models and what runs on them.
//!
//! It makes forward passes with taps at hook points, answers questions by stepping their analyses, and
//! continues prompts. It never knows the page, the network or the command line.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use crate::{
    backend::{Backend, checked::Checked},
    metric::LogitsAt,
    model::{
        ModelConfig,
        checkpoint::Checkpoint,
        fold,
        sae::SaeOn,
        tokenizer::Tokenizer,
        transformer::{self, KvCache, Transformer},
        weights::OnBackend,
    },
    op::Activation,
    run::{MAX_WHOLE, Readout, RunResult, RunSpec, WeightForm},
};

mod answer;
mod circuits;
mod edits;
mod encode;
mod error;
mod generate;
mod gradients;
mod lens;
mod likeliest;
mod moving;
mod nan;
mod pace;
mod prompt;
mod readout;
mod recompute;
mod sample;
mod sweep;
mod taps;
mod writers;

pub use error::RunError;
pub use generate::{Generated, Step as GenerateStep};
use readout::Reading;
use recompute::Streams;

pub use pace::{Cancelled, NoPace, Pace};

/// A model on a backend.
pub struct Engine<B: Backend> {
    backend: Checked<B>,
    config: ModelConfig,
    tokenizer: Option<Rc<Tokenizer>>,
    raw: OnBackend<B>,
    processed: OnceCell<OnBackend<B>>,
    streams: RefCell<Option<Streams<B::Tensor>>>,
    /// Sparse autoencoders of what it computes, by name.
    saes: RefCell<BTreeMap<String, Rc<SaeOn<B>>>>,
}

impl<B: Backend> Engine<B> {
    /// A model whose weights are on `backend` already.
    pub fn new(backend: B, checkpoint: Checkpoint<B>, tokenizer: Option<Tokenizer>) -> Self {
        let Checkpoint { config, weights: raw, .. } = checkpoint;
        let (backend, tokenizer) = (Checked(backend), tokenizer.map(Rc::new));
        let (processed, streams, saes) = (OnceCell::new(), RefCell::default(), RefCell::default());
        Self { backend, config, tokenizer, raw, processed, streams, saes }
    }

    /// The model's sizes.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The model's tokenizer, if it came with one.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_deref()
    }

    /// The backend it is on.
    pub fn backend(&self) -> &B {
        &self.backend.0
    }

    /// Number of stored weights.
    pub fn n_params(&self) -> u64 {
        self.raw.n_values(&self.backend)
    }

    /// Bytes that the weights take, in all the forms that have been asked for, and the sparse autoencoders.
    pub fn memory_bytes(&self) -> u64 {
        let of = |weights: &OnBackend<B>| {
            let n_bytes = Cell::new(0);
            let add = |more: u64| n_bytes.set(n_bytes.get() + more);
            weights.visit(
                &mut |_, vector| {
                    let n: usize = self.backend.shape(vector).iter().product();
                    add((n * size_of::<f32>()) as u64);
                },
                &mut |_, matrix, _| add(self.backend.matrix_bytes(matrix)),
            );
            n_bytes.get()
        };
        let of_saes = self.saes.borrow().values().map(|sae| sae.memory_bytes(&self.backend)).sum::<u64>();
        of(&self.raw) + self.processed.get().map_or(0, of) + of_saes
    }

    /// Makes one forward pass.
    ///
    /// Errors: the tokens, a hook name or an intervention does not fit the model; the pass was cancelled;
    /// the result is not finite.
    pub async fn run(&self, spec: &RunSpec, pace: &mut impl Pace) -> Result<RunResult, RunError> {
        self.run_as(&self.config, spec, pace).await
    }

    /// The same with another non-linearity in the MLPs: some exports of a model have a GELU that is not its own. Runs
    /// that values are patched from keep the model's own.
    ///
    /// Errors: as [`Engine::run`].
    pub async fn run_with(
        &self,
        activation: Activation,
        spec: &RunSpec,
        pace: &mut impl Pace,
    ) -> Result<RunResult, RunError> {
        self.run_as(&ModelConfig { activation, ..self.config.clone() }, spec, pace).await
    }

    async fn run_as(
        &self,
        config: &ModelConfig,
        spec: &RunSpec,
        pace: &mut impl Pace,
    ) -> Result<RunResult, RunError> {
        self.check_tokens(&spec.tokens)?;
        let wanted = spec.capture.resolve(&self.config.hook_points())?;
        let edits = self.prepare(&spec.interventions, spec.weights, pace).await?;
        // Only streams of the model itself are kept.
        let is_long = MAX_WHOLE < spec.tokens.len() && config.activation == self.config.activation;
        if is_long && let Some(result) = self.recomputed(spec, &edits, &wanted, pace).await? {
            return Ok(result);
        }
        let mut taps = taps::Taps::new(&self.backend, &edits, wanted, spec.tokens.len(), pace);
        if is_long {
            taps.keep_streams();
        }
        let weights = self.weights(spec.weights).await?;
        let model = Transformer { b: &self.backend, config, weights };
        let mut cache = KvCache::new(config.n_layers);
        let resid = model.stream(&spec.tokens, &mut cache, &mut taps).await?;
        // What only a continuation would need is not kept.
        drop(cache);
        if is_long {
            *self.streams.borrow_mut() = Some(Streams::new(spec, taps.take_streams()));
        }
        let reading = self.reading(spec)?;
        let read_off = match &reading {
            Some(reading) => self.read_off(&model, &resid, reading, &spec.tokens, &mut taps)?,
            // Somebody looks at what comes after the last block.
            None if transformer::is_end_watched(&taps) => {
                model.unembed(&resid, &LogitsAt::everywhere(), &mut taps)?;
                vec![]
            }
            None => vec![],
        };
        let (hooks, captured): (Vec<_>, Vec<_>) = taps.into_captured().into_iter().unzip();
        let wanted = captured.into_iter().chain(read_off).collect();
        let mut values = pace::breathing(pace, self.backend.take_all(wanted)).await??;
        let read = values.split_off(hooks.len());
        let mut result = RunResult::default();
        result.captures.extend(hooks.into_iter().zip(values));
        if let Some((_, reading)) = reading {
            if read.iter().any(|values| values.first_non_finite().is_some()) {
                return Err(self.first_non_finite(spec, pace).await?);
            }
            reading.off(&read, &spec.tokens, &mut result)?;
        }
        Ok(result)
    }

    /// What is read off the logits of a stream that has left the last block. Where nobody looks at the logits and all
    /// would be very large, they are made a group of positions at a time.
    fn read_off<P: Pace>(
        &self,
        model: &Transformer<'_, Checked<B>>,
        resid: &B::Tensor,
        (at, reading): &(LogitsAt, Reading),
        tokens: &[u32],
        taps: &mut taps::Taps<'_, Checked<B>, P>,
    ) -> Result<Vec<B::Tensor>, RunError> {
        let b = &self.backend;
        let is_watched = transformer::is_end_watched(taps);
        let most_bytes = if is_watched { u64::MAX } else { b.max_value_bytes() };
        let groups = reading.groups(tokens.len(), self.config.d_vocab, most_bytes);
        let mut all: Vec<B::Tensor> = vec![];
        for group in &groups {
            let positions = || Some((group.start as u32..group.end as u32).collect());
            let at = if groups.len() == 1 {
                at.clone()
            } else {
                LogitsAt { positions: positions(), ..at.clone() }
            };
            let logits = model.unembed(resid, &at, taps)?;
            let read = reading.of(b, &logits, tokens, group.start)?;
            all = if all.is_empty() {
                read
            } else {
                all.into_iter().zip(&read).map(|(all, more)| b.append(all, more)).collect::<Result<_, _>>()?
            };
        }
        Ok(all)
    }

    /// The logits that a run needs, and what is read off them; `None` if nothing is.
    fn reading(&self, spec: &RunSpec) -> Result<Option<(LogitsAt, Reading)>, RunError> {
        Ok(match &spec.readout {
            Readout::Nothing => None,
            Readout::Predictions { top_k } => {
                Some((LogitsAt::everywhere(), Reading::Predictions { top_k: *top_k }))
            }
            Readout::Metric(metric) => {
                let (at, local) = metric.reads(spec.tokens.len(), self.config.d_vocab)?;
                Some((at, Reading::Metric(local)))
            }
        })
    }

    /// The weights in the form that a run asks for; processed ones are made at the first request.
    ///
    /// Errors: the backend cannot hold both forms.
    pub async fn weights(&self, form: WeightForm) -> Result<&OnBackend<B>, RunError> {
        if form == WeightForm::Raw {
            return Ok(&self.raw);
        }
        if self.processed.get().is_none() {
            let processed = fold::process(&self.backend, &self.config, &self.raw).await?;
            // A run beside this one may have been first; both made the same weights.
            let _ = self.processed.set(processed);
        }
        Ok(self.processed.get().expect("set above"))
    }
}
