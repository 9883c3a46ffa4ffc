//! From logits to predictions.

use std::ops::Range;

use crate::{
    backend::{Backend, BackendError},
    metric::{Metric, MetricError},
    run::{Actual, Prediction, RunResult},
    tensor::HostTensor,
};

/// What is read off the logits that a run made.
#[derive(Clone, Debug)]
pub(super) enum Reading {
    /// [`predictions`] at every position.
    Predictions { top_k: usize },
    /// A metric in terms of those logits.
    Metric(Metric),
}

impl Reading {
    /// The positions whose logits are made together: as many as `most_bytes` hold, at least one. A metric needs all.
    pub(super) fn groups(&self, n_pos: usize, d_vocab: usize, most_bytes: u64) -> Vec<Range<usize>> {
        let n_together = match self {
            Self::Predictions { .. } => {
                usize::try_from(most_bytes).unwrap_or(usize::MAX) / (d_vocab * size_of::<f32>()).max(1)
            }
            Self::Metric(_) => n_pos,
        };
        let n_together = n_together.clamp(1, n_pos.max(1));
        (0..n_pos).step_by(n_together).map(|start| start..(start + n_together).min(n_pos)).collect()
    }

    /// What is read back instead of the logits, which are those of the positions from `start` on.
    pub(super) fn of<B: Backend>(
        &self,
        b: &B,
        logits: &B::Tensor,
        tokens: &[u32],
        start: usize,
    ) -> Result<Vec<B::Tensor>, BackendError> {
        let Self::Predictions { top_k } = self else { return Ok(vec![logits.clone()]) };
        let n_pos = b.shape(logits)[0];
        // Nothing follows the last position; its entry is not looked at.
        let next: Vec<u32> = tokens.iter().copied().chain([0]).skip(start + 1).take(n_pos).collect();
        let mut read = vec![b.standings(logits, &next)?];
        let top_k = (*top_k).min(b.shape(logits)[1]);
        if 0 < top_k {
            read.push(b.top_k(logits, top_k)?);
        }
        Ok(read)
    }

    /// Adds what was read back to `result`; all of it is finite.
    pub(super) fn off(
        &self,
        read: &[HostTensor],
        tokens: &[u32],
        result: &mut RunResult,
    ) -> Result<(), MetricError> {
        match self {
            Self::Predictions { .. } => result.predictions = predictions(&read[0], read.get(1), tokens),
            Self::Metric(metric) => result.metric = Some(metric.value_and_gradient(&read[0], tokens)?.0),
        }
        Ok(())
    }
}

/// How a logit stands among the others of its row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    log_z: f64,
    pub(super) logit: f32,
    /// How many are larger.
    pub(super) n_larger: usize,
}

impl Standing {
    /// From a row of [`Backend::standings`].
    pub(super) fn of(row: &[f32]) -> Self {
        let &[max, sum, logit, n_larger] = row else { unreachable!("four numbers a row") };
        Self { log_z: f64::from(max) + f64::from(sum).ln(), logit, n_larger: n_larger as usize }
    }

    /// Log-probability of a token with this logit, nats.
    pub(super) fn logprob(&self, logit: f32) -> f32 {
        (f64::from(logit) - self.log_z) as f32
    }

    /// Log-probability of the token itself, nats.
    pub(super) fn own_logprob(&self) -> f32 {
        self.logprob(self.logit)
    }
}

/// One prediction a position. `standings`: [pos 4], of the tokens that follow; `top`: [pos k 2].
fn predictions(standings: &HostTensor, top: Option<&HostTensor>, tokens: &[u32]) -> Vec<Prediction> {
    let one = |pos: usize| {
        let standing = Standing::of(standings.row(pos));
        let is_followed = pos + 1 < tokens.len();
        let actual = || Actual { logprob: standing.own_logprob(), rank: standing.n_larger };
        let n_entries = top.map_or(0, |top| top.data().len() / tokens.len());
        let pairs = top.map_or(&[][..], |top| &top.data()[pos * n_entries..][..n_entries]);
        let pairs = pairs.chunks_exact(2).map(|pair| (pair[1] as u32, standing.logprob(pair[0])));
        Prediction { top: pairs.collect(), actual: is_followed.then(actual) }
    };
    (0..tokens.len()).map(one).collect()
}

/// log Σ exp(logit). The logarithm of the softmax's denominator.
pub(super) fn log_sum_exp(row: &[f32]) -> f64 {
    let max = vitrine_kernel::max(row);
    f64::from(max) + vitrine_kernel::sum_exp(row, max).ln()
}

/// The ids of the `k` largest logits, largest first; ties go to the lower id.
pub(super) fn top(row: &[f32], k: usize) -> Vec<u32> {
    let order = |a: &u32, b: &u32| row[*b as usize].total_cmp(&row[*a as usize]).then(a.cmp(b));
    let mut ids: Vec<u32> = (0..row.len() as u32).collect();
    let k = k.min(ids.len());
    if k == 0 {
        return vec![];
    }
    ids.select_nth_unstable_by(k - 1, order);
    ids.truncate(k);
    ids.sort_unstable_by(order);
    ids
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::backend::cpu::Cpu;

    #[test]
    fn ties_go_to_the_lower_id() {
        assert_eq!(top(&[1.0, 3.0, 3.0, 2.0, 3.0], 4), [1, 2, 4, 3]);
        assert_eq!(top(&[1.0], 5), [0]);
        assert_eq!(top(&[1.0], 0), [0_u32; 0]);
    }

    #[test]
    fn groups_are_as_large_as_they_may_be() {
        let predictions = Reading::Predictions { top_k: 1 };
        assert_eq!(predictions.groups(7, 10, 120), [0..3, 3..6, 6..7]);
        assert_eq!(predictions.groups(7, 10, 280).first(), Some(&(0..7)));
        assert_eq!(predictions.groups(7, 10, u64::MAX).len(), 1);
        // One row is made however long it is.
        assert_eq!(predictions.groups(2, 10, 1), [0..1, 1..2]);
        assert_eq!(Reading::Metric(Metric::Loss).groups(7, 10, 1).first(), Some(&(0..7)));
    }

    #[test]
    fn probabilities_sum_to_one_and_ranks_count_the_likelier() {
        let logits = HostTensor::new(vec![2, 3], vec![1000.0, 1001.0, 999.0, 0.0, 0.0, 0.0]).expect("fits");
        let (b, tokens, mut result) = (Cpu::<f32>::default(), [0, 2], RunResult::default());
        let logits = b.upload("logits", logits).expect("uploads");
        let reading = Reading::Predictions { top_k: 5 };
        let read = reading.of(&b, &logits, &tokens, 0).expect("fits");
        let read = pollster::block_on(b.read_all(&read.iter().collect::<Vec<_>>())).expect("is read");
        reading.off(&read, &tokens, &mut result).expect("no metric");
        let predictions = result.predictions;
        let sum: f32 = predictions[0].top.iter().map(|(_, logprob)| logprob.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        assert_eq!(predictions[0].actual.map(|actual| actual.rank), Some(2));
        assert_eq!(predictions[1].actual, None);
        assert!((predictions[1].top[0].1 + 3_f32.ln()).abs() < 1e-6);
    }
}
