//! Choosing the next token.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use super::{RunError, likeliest::Likeliest, readout::log_sum_exp};
use crate::run::GenerateSpec;

/// A seeded sampler: the same seed, settings and logits give the same tokens everywhere.
pub(super) struct Sampler {
    temperature: f32,
    top_k: Option<usize>,
    top_p: Option<f32>,
    rng: ChaCha8Rng,
}

impl Sampler {
    /// Errors: [`RunError::Sampling`] for a setting outside its range.
    pub(super) fn new(spec: &GenerateSpec) -> Result<Self, RunError> {
        let refuse = |what, value: String, allowed| Err(RunError::Sampling { what, value, allowed });
        if !(spec.temperature >= 0.0 && spec.temperature.is_finite()) {
            return refuse("temperature", spec.temperature.to_string(), "it must be 0 or more");
        }
        if spec.top_k == Some(0) {
            return refuse("top_k", "0".to_owned(), "it must be 1 or more");
        }
        if let Some(top_p) = spec.top_p
            && !(top_p > 0.0 && top_p <= 1.0)
        {
            return refuse("top_p", top_p.to_string(), "it must be above 0 and at most 1");
        }
        Ok(Self {
            temperature: spec.temperature,
            top_k: spec.top_k,
            top_p: spec.top_p,
            rng: ChaCha8Rng::seed_from_u64(u64::from(spec.seed)),
        })
    }

    /// How many of the likeliest tokens it draws from, out of `d_vocab`.
    pub(super) fn n_candidates(&self, d_vocab: usize) -> usize {
        if self.is_greedy() { 1 } else { self.top_k.unwrap_or(d_vocab).min(d_vocab) }
    }

    /// As the temperature goes to 0 the distribution goes to the likeliest token.
    fn is_greedy(&self) -> bool {
        self.temperature <= f32::MIN_POSITIVE
    }

    /// The chosen id and its log-probability under the model itself (temperature 1), nats.
    pub(super) fn choose(&mut self, candidates: &Likeliest) -> (u32, f32) {
        let place = if self.is_greedy() { 0 } else { self.draw(&candidates.tokens) };
        (candidates.tokens[place].0, candidates.logprob(place))
    }

    /// A place among the candidates.
    fn draw(&mut self, candidates: &[(u32, f32)]) -> usize {
        // From the largest down, so that a temperature close to 0 overflows to probability 0, not to NaN.
        let max = candidates[0].1;
        let scaled: Vec<f32> = candidates.iter().map(|(_, logit)| (logit - max) / self.temperature).collect();
        let log_z = log_sum_exp(&scaled);
        let probs: Vec<f64> = scaled.iter().map(|logit| (f64::from(*logit) - log_z).exp()).collect();
        let probs = &probs[..nucleus(&probs, self.top_p)];
        pick(probs, self.uniform() * probs.iter().sum::<f64>())
    }

    /// In [0, 1), with 53 bits.
    fn uniform(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How many of the likeliest together have probability `top_p`; at least one (Holtzman et al. 2019).
fn nucleus(probs: &[f64], top_p: Option<f32>) -> usize {
    let Some(top_p) = top_p else { return probs.len() };
    let mut sum = 0.0;
    let reaches = |p: &f64| {
        sum += p;
        sum >= f64::from(top_p)
    };
    probs.iter().position(reaches).map_or(probs.len(), |last| last + 1)
}

/// The entry in which the running sum passes `target`.
fn pick(probs: &[f64], target: f64) -> usize {
    let mut sum = 0.0;
    let passes = |p: &f64| {
        sum += p;
        sum > target
    };
    probs.iter().position(passes).unwrap_or(probs.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::Prompt;

    fn spec(temperature: f32, top_k: Option<usize>, top_p: Option<f32>, seed: u32) -> GenerateSpec {
        let prompt = Prompt::Tokens { tokens: vec![0] };
        GenerateSpec { prompt, max_new_tokens: 1, temperature, top_k, top_p, seed, interventions: vec![] }
    }

    fn draws(spec: &GenerateSpec, n: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(spec).expect("valid");
        let mut tokens = vec![(0, 0.7_f32.ln()), (1, 0.2_f32.ln()), (2, 0.1_f32.ln())];
        tokens.truncate(sampler.n_candidates(tokens.len()));
        let candidates = Likeliest { tokens, log_z: 0.0 };
        (0..n).map(|_| sampler.choose(&candidates).0).collect()
    }

    #[test]
    fn temperature_zero_takes_the_likeliest_and_one_the_distribution() {
        assert_eq!(draws(&spec(0.0, None, None, 1), 5), [0; 5]);
        let n = 20_000;
        let drawn = draws(&spec(1.0, None, None, 1), n);
        for (id, prob) in [(0, 0.7), (1, 0.2), (2, 0.1)] {
            let share = drawn.iter().filter(|drawn| **drawn == id).count() as f64 / n as f64;
            // Five standard errors of a share are below 0.02.
            assert!((share - prob).abs() < 0.02, "{id}: {share}");
        }
    }

    #[test]
    fn truncation_keeps_the_likeliest() {
        assert!(draws(&spec(1.0, Some(2), None, 3), 500).iter().all(|id| *id < 2));
        assert!(draws(&spec(1.0, None, Some(0.5), 3), 500).iter().all(|id| *id == 0));
        assert!(draws(&spec(1.0, None, Some(1.0), 3), 500).contains(&2));
    }

    #[test]
    fn close_to_temperature_zero_the_likeliest_is_drawn() {
        let mut sampler = Sampler::new(&spec(2e-38, None, None, 3)).expect("valid");
        let candidates = Likeliest { tokens: vec![(1, 10.0), (0, 9.0), (2, 8.0)], log_z: 10.4 };
        assert_eq!(sampler.choose(&candidates).0, 1);
    }

    #[test]
    fn a_seed_gives_the_same_tokens() {
        assert_eq!(draws(&spec(1.0, None, None, 7), 50), draws(&spec(1.0, None, None, 7), 50));
        assert_ne!(draws(&spec(1.0, None, None, 7), 50), draws(&spec(1.0, None, None, 8), 50));
    }

    #[test]
    fn settings_outside_their_range_are_refused() {
        for bad in [
            spec(-1.0, None, None, 0),
            spec(f32::NAN, None, None, 0),
            spec(1.0, Some(0), None, 0),
            spec(1.0, None, Some(0.0), 0),
            spec(1.0, None, Some(1.5), 0),
        ] {
            assert!(Sampler::new(&bad).is_err());
        }
    }
}
