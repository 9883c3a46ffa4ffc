//! From logits to predictions.

use crate::{
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
    /// Adds it to `result`.
    pub(super) fn off(
        &self,
        logits: &HostTensor,
        tokens: &[u32],
        result: &mut RunResult,
    ) -> Result<(), MetricError> {
        match self {
            Self::Predictions { top_k } => result.predictions = predictions(logits, tokens, *top_k),
            Self::Metric(metric) => result.metric = Some(metric.value_and_gradient(logits, tokens)?.0),
        }
        Ok(())
    }
}

/// One prediction a position. `logits`: [pos d_vocab], finite.
fn predictions(logits: &HostTensor, tokens: &[u32], top_k: usize) -> Vec<Prediction> {
    let one = |pos: usize| {
        let row = logits.row(pos);
        let log_z = log_sum_exp(row);
        let logprob = |id: u32| (f64::from(row[id as usize]) - log_z) as f32;
        let actual = tokens.get(pos + 1).map(|id| Actual { logprob: logprob(*id), rank: rank(row, *id) });
        Prediction { top: top(row, top_k).into_iter().map(|id| (id, logprob(id))).collect(), actual }
    };
    (0..tokens.len()).map(one).collect()
}

/// log Σ exp(logit), in f64. The logarithm of the softmax's denominator.
pub(super) fn log_sum_exp(row: &[f32]) -> f64 {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|logit| f64::from(logit - max).exp()).sum();
    f64::from(max) + sum.ln()
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

/// How many tokens are likelier than `id`.
fn rank(row: &[f32], id: u32) -> usize {
    row.iter().filter(|logit| **logit > row[id as usize]).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lower_id() {
        assert_eq!(top(&[1.0, 3.0, 3.0, 2.0, 3.0], 4), [1, 2, 4, 3]);
        assert_eq!(top(&[1.0], 5), [0]);
        assert_eq!(top(&[1.0], 0), [0_u32; 0]);
    }

    #[test]
    fn probabilities_sum_to_one_and_ranks_count_the_likelier() {
        let logits = HostTensor::new(vec![2, 3], vec![1000.0, 1001.0, 999.0, 0.0, 0.0, 0.0]).expect("fits");
        let predictions = predictions(&logits, &[0, 2], 3);
        let sum: f32 = predictions[0].top.iter().map(|(_, logprob)| logprob.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        assert_eq!(predictions[0].actual.map(|actual| actual.rank), Some(2));
        assert_eq!(predictions[1].actual, None);
        assert!((predictions[1].top[0].1 + 3_f32.ln()).abs() < 1e-6);
    }
}
