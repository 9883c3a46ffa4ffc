//! The likeliest next tokens.

use super::{
    Pace, RunError,
    readout::{log_sum_exp, top},
    taps::Taps,
};
use crate::{backend::Backend, tensor::HostTensor};

/// The tokens that one may be drawn from, and what turns their logits into log-probabilities.
pub(super) struct Likeliest {
    /// Largest logit first; ties go to the lower id.
    pub(super) tokens: Vec<(u32, f32)>, // (id, logit)
    /// log Σ exp(logit) over the whole vocabulary.
    pub(super) log_z: f64,
}

/// Up to so many are found where the logits are, one after another; for more it is faster to read all logits.
const MAX_FOUND_THERE: usize = 64;

impl Likeliest {
    /// The `k` likeliest of one row of logits, at least one; `None` if a logit is not finite.
    ///
    /// Errors: as the backend; cancelled.
    pub(super) async fn of<B: Backend, P: Pace>(
        b: &B,
        logits: &B::Tensor,
        k: usize,
        taps: &mut Taps<'_, B, P>,
    ) -> Result<Option<Self>, RunError> {
        if MAX_FOUND_THERE < k {
            let logits = taps.read(logits).await?;
            return Ok(logits.first_non_finite().is_none().then(|| Self::among(logits.row(0), k)));
        }
        let read = taps.read_all(&[&b.standings(logits, &[0])?, &b.top_k(logits, k)?]).await?;
        let is_finite = read.iter().all(|values| values.first_non_finite().is_none());
        Ok(is_finite.then(|| Self::found(&read[0], &read[1])))
    }

    fn among(row: &[f32], k: usize) -> Self {
        let tokens = top(row, k).into_iter().map(|id| (id, row[id as usize])).collect();
        Self { tokens, log_z: log_sum_exp(row) }
    }

    /// From `standings` [1 4] and `top` [1 k 2].
    fn found(standings: &HostTensor, top: &HostTensor) -> Self {
        let [max, sum] = [0, 1].map(|at| f64::from(standings.data()[at]));
        let tokens = top.data().chunks_exact(2).map(|pair| (pair[1] as u32, pair[0])).collect();
        Self { tokens, log_z: max + sum.ln() }
    }

    /// Log-probability of the token at `place`, nats.
    pub(super) fn logprob(&self, place: usize) -> f32 {
        (f64::from(self.tokens[place].1) - self.log_z) as f32
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::{
        backend::cpu::Cpu,
        engine::{NoPace, edits::Edits},
    };

    fn of(row: &[f32], k: usize) -> Option<Likeliest> {
        let b = Cpu::<f32>::default();
        let logits = HostTensor::new(vec![1, row.len()], row.to_vec()).expect("fits");
        let logits = b.upload("logits", logits).expect("uploads");
        let (edits, mut pace) = (Edits::default(), NoPace);
        let mut taps = Taps::new(&b, &edits, vec![], 1, &mut pace);
        pollster::block_on(Likeliest::of(&b, &logits, k, &mut taps)).expect("reads")
    }

    #[test]
    fn few_and_many_are_the_same() {
        let row: Vec<f32> = (0..200).map(|i| (i * 79 % 101) as f32 / 10.0).collect();
        let (few, many) = (of(&row, 64).expect("finite"), of(&row, 65).expect("finite"));
        assert_eq!(few.tokens, many.tokens[..64]);
        assert!((few.log_z - many.log_z).abs() < 1e-6);
        let sum: f64 = row.iter().map(|logit| (f64::from(*logit) - few.log_z).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn what_is_not_finite_is_seen_both_ways() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut row = vec![0.0; 100];
            row[70] = bad;
            assert!(of(&row, 1).is_none() && of(&row, 100).is_none(), "{bad}");
        }
    }
}
