//! Continuing a prompt, one token at a time, with cached keys and values.

use super::{Engine, Pace, RunError, likeliest::Likeliest, sample::Sampler, taps::Taps};
use crate::{
    backend::Backend,
    hook::HookSet,
    metric::LogitsAt,
    model::transformer::{KvCache, Transformer},
    run::{FinishReason, GenerateSpec, Readout, RunSpec, WeightForm},
};

/// One token of a continuation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The token.
    pub id: u32,
    /// Its log-probability under the model (temperature 1), nats.
    pub logprob: f32,
}

/// A whole continuation.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The new tokens; an end-of-sequence is not among them.
    pub steps: Vec<Step>,
    /// Why it ended.
    pub reason: FinishReason,
}

impl<B: Backend> Engine<B> {
    /// Continues `spec.prompt`; `on_step` hears of each token as it is made.
    ///
    /// Errors: as [`Engine::run`], and settings outside their range.
    pub async fn generate(
        &self,
        spec: &GenerateSpec,
        pace: &mut impl Pace,
        mut on_step: impl FnMut(&[Step]),
    ) -> Result<Generated, RunError> {
        let prompt = self.tokens_of(&spec.prompt)?;
        self.check_tokens(&prompt)?;
        let mut sampler = Sampler::new(spec)?;
        let edits = self.prepare(&spec.interventions, WeightForm::Raw, pace).await?;
        let mut taps = Taps::new(&self.backend, &edits, vec![], prompt.len(), pace);
        let weights = self.weights(WeightForm::Raw).await?;
        let model = Transformer { b: &self.backend, config: &self.config, weights };
        let mut cache = KvCache::new(self.config.n_layers);
        let mut next = prompt.clone();
        let mut steps = vec![];
        let reason = loop {
            if steps.len() == spec.max_new_tokens {
                break FinishReason::MaxNewTokens;
            }
            if cache.n_past() + next.len() > self.config.n_ctx {
                break FinishReason::ContextFull;
            }
            taps.starts_at(cache.n_past());
            let resid = model.stream(&next, &mut cache, &mut taps).await?;
            let logits = model.unembed(&resid, &LogitsAt::position(next.len() - 1), &mut taps)?;
            let n_candidates = sampler.n_candidates(self.config.d_vocab);
            let Some(candidates) = Likeliest::of(&self.backend, &logits, n_candidates, &mut taps).await?
            else {
                return Err(self.why_not_finite(spec, prompt, &steps, pace).await);
            };
            let (id, logprob) = sampler.choose(&candidates);
            if self.config.eos_id == Some(id) {
                break FinishReason::EndOfSequence;
            }
            steps.push(Step { id, logprob });
            on_step(&steps);
            next = vec![id];
        };
        Ok(Generated { steps, reason })
    }

    /// Looks for the first damaged value in a run on everything so far, without a cache.
    async fn why_not_finite(
        &self,
        spec: &GenerateSpec,
        mut tokens: Vec<u32>,
        steps: &[Step],
        pace: &mut impl Pace,
    ) -> RunError {
        tokens.extend(steps.iter().map(|step| step.id));
        let run = RunSpec {
            tokens,
            weights: WeightForm::Raw,
            interventions: spec.interventions.clone(),
            capture: HookSet::default(),
            readout: Readout::Nothing,
        };
        match self.first_non_finite(&run, pace).await {
            Err(RunError::Cancelled) => RunError::Cancelled,
            Ok(found) => found,
            // Edits that count from the prompt's end may not fit the longer run.
            Err(_) => RunError::NonFinite { hook: "logits".to_owned() },
        }
    }
}
