//! What a model says next: logits, probabilities, the likeliest tokens.

use super::{Amount, Entry, Outcome, compare::Compared};
use crate::tensor::HostTensor;

/// Logits at the last position.
pub(super) struct Last {
    logits: Vec<f64>,
    /// Of the sum of their exponentials.
    log_sum: f64,
}

impl Last {
    /// From `logits` [pos d_vocab].
    pub(super) fn of(logits: &HostTensor) -> Self {
        let start = logits.data().len() - logits.last_axis();
        let logits: Vec<f64> = logits.data()[start..].iter().map(|logit| f64::from(*logit)).collect();
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = max + logits.iter().map(|logit| (logit - max).exp()).sum::<f64>().ln();
        Self { logits, log_sum }
    }

    /// What the model gives `id`; NaN for what is not in its vocabulary.
    pub(super) fn amount(&self, amount: Amount, id: u32) -> f64 {
        let logit = self.logits.get(id as usize).copied().unwrap_or(f64::NAN);
        match amount {
            Amount::Logit => logit,
            Amount::LogProbability => logit - self.log_sum,
            Amount::Probability => (logit - self.log_sum).exp(),
        }
    }

    /// The likeliest tokens beside the published ones: at each rank, how far the published token's logit is from that
    /// of the token that has the rank.
    pub(super) fn top_k(&self, entry: &Entry, published: &[u32], write: impl Fn(u32) -> String) -> Outcome {
        let mut ids: Vec<u32> = (0..self.logits.len() as u32).collect();
        ids.sort_by(|a, b| self.logits[*b as usize].total_cmp(&self.logits[*a as usize]).then(a.cmp(b)));
        ids.truncate(published.len());
        let compared = published.iter().zip(&ids).map(|(published, ours)| Compared {
            at: String::new(),
            published: self.amount(Amount::Logit, *published),
            ours: self.amount(Amount::Logit, *ours),
        });
        let write = |ids: &[u32]| ids.iter().map(|id| write(*id)).collect::<Vec<_>>().join(" ");
        Outcome {
            published: write(published),
            ours: write(&ids),
            ..Outcome::numbers(entry, &compared.collect::<Vec<_>>())
        }
    }
}

/// Numbers of single tokens.
pub(super) fn of_tokens(
    entry: &Entry,
    published: &[(u32, f64)],
    ours: impl Fn(u32) -> f64,
    write: impl Fn(u32) -> String,
) -> Outcome {
    let compared = published.iter().map(|(id, published)| Compared {
        at: write(*id),
        published: *published,
        ours: ours(*id),
    });
    Outcome::numbers(entry, &compared.collect::<Vec<_>>())
}
