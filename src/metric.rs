//! A number read off the logits, as data: what patching compares and what gradients are taken of.

use serde::{Deserialize, Serialize};

use crate::{intervention::from_end, tensor::HostTensor};

/// A scalar function of the logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Metric {
    /// `logit[pos, correct] - logit[pos, wrong]`: the logit difference of Wang et al. 2022.
    LogitDiff {
        /// A position; negative ones count from the end.
        pos: i64,
        /// The token that should come.
        correct: u32,
        /// The token that should not.
        wrong: u32,
    },
    /// log p(token) after `pos`, nats.
    Logprob {
        /// A position; negative ones count from the end.
        pos: i64,
        /// The token.
        token: u32,
    },
    /// Mean of -log p(next token) over all positions but the last, nats.
    Loss,
}

/// Which logits are made; `None` is all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogitsAt {
    /// Positions of the pass.
    pub positions: Option<Vec<u32>>,
    /// Tokens of the vocabulary.
    pub columns: Option<Vec<u32>>,
}

impl LogitsAt {
    /// All logits.
    pub fn everywhere() -> Self {
        Self { positions: None, columns: None }
    }

    /// All logits of one position.
    pub fn position(pos: usize) -> Self {
        Self { positions: Some(vec![pos as u32]), columns: None }
    }
}

/// A metric does not fit its run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum MetricError {
    #[error("the metric reads position {pos} of {n_pos}")]
    Position { pos: i64, n_pos: usize },
    #[error("the metric reads token {token} of a vocabulary of {d_vocab}")]
    Token { token: u32, d_vocab: usize },
    #[error("the loss of a single token is not defined")]
    SingleToken,
}

impl Metric {
    /// The logits that it reads in a run on `n_pos` tokens, and the same metric of those alone.
    ///
    /// Errors: [`MetricError`].
    pub fn reads(&self, n_pos: usize, d_vocab: usize) -> Result<(LogitsAt, Self), MetricError> {
        match *self {
            Self::LogitDiff { pos, correct, wrong } => {
                let columns = [column_of(correct, d_vocab)?, column_of(wrong, d_vocab)?];
                let columns = Some(columns.map(|column| column as u32).into());
                let at = LogitsAt { columns, ..LogitsAt::position(row_of(pos, n_pos)?) };
                Ok((at, Self::LogitDiff { pos: 0, correct: 0, wrong: 1 }))
            }
            Self::Logprob { pos, token } => {
                column_of(token, d_vocab)?;
                Ok((LogitsAt::position(row_of(pos, n_pos)?), Self::Logprob { pos: 0, token }))
            }
            Self::Loss if n_pos < 2 => Err(MetricError::SingleToken),
            Self::Loss => Ok((LogitsAt::everywhere(), Self::Loss)),
        }
    }

    /// Its value, and its gradient with respect to `logits` [pos d_vocab], which predict what follows `tokens`.
    ///
    /// Errors: [`MetricError`].
    pub fn value_and_gradient(
        &self,
        logits: &HostTensor,
        tokens: &[u32],
    ) -> Result<(f64, HostTensor), MetricError> {
        let (n_pos, d_vocab) = (logits.shape()[0], logits.last_axis());
        let (row_of, col_of) = (|pos| row_of(pos, n_pos), |token| column_of(token, d_vocab));
        let mut gradient = HostTensor::full(logits.shape().to_vec(), 0.0);
        let value = match self {
            Self::LogitDiff { pos, correct, wrong } => {
                let (row, correct, wrong) = (row_of(*pos)?, col_of(*correct)?, col_of(*wrong)?);
                gradient.data_mut()[row * d_vocab + correct] += 1.0;
                gradient.data_mut()[row * d_vocab + wrong] -= 1.0;
                f64::from(logits.row(row)[correct]) - f64::from(logits.row(row)[wrong])
            }
            Self::Logprob { pos, token } => {
                add_logprob(logits, row_of(*pos)?, col_of(*token)?, 1.0, &mut gradient)
            }
            Self::Loss => {
                let n = n_pos.checked_sub(1).filter(|n| *n > 0).ok_or(MetricError::SingleToken)?;
                let weight = -1.0 / n as f64;
                let mut sum = 0.0;
                for (row, next) in tokens.iter().skip(1).enumerate() {
                    sum += weight * add_logprob(logits, row, col_of(*next)?, weight, &mut gradient);
                }
                sum
            }
        };
        Ok((value, gradient))
    }
}

/// Which row `pos` is.
fn row_of(pos: i64, n_pos: usize) -> Result<usize, MetricError> {
    let row = usize::try_from(from_end(pos, n_pos)).ok().filter(|row| *row < n_pos);
    row.ok_or(MetricError::Position { pos, n_pos })
}

fn column_of(token: u32, d_vocab: usize) -> Result<usize, MetricError> {
    let column = token as usize;
    if column < d_vocab { Ok(column) } else { Err(MetricError::Token { token, d_vocab }) }
}

/// log p of `token` after `row`; adds `weight` times its gradient.
fn add_logprob(logits: &HostTensor, row: usize, token: usize, weight: f64, gradient: &mut HostTensor) -> f64 {
    let d_vocab = logits.last_axis();
    let logits = logits.row(row);
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let log_z = f64::from(max) + logits.iter().map(|l| f64::from(l - max).exp()).sum::<f64>().ln();
    for (at, logit) in gradient.data_mut()[row * d_vocab..][..d_vocab].iter_mut().zip(logits) {
        *at -= (weight * (f64::from(*logit) - log_z).exp()) as f32;
    }
    gradient.data_mut()[row * d_vocab + token] += weight as f32;
    f64::from(logits[token]) - log_z
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits() -> HostTensor {
        HostTensor::new(vec![2, 3], vec![0.5, -1.0, 2.0, 0.1, 0.2, 0.4]).expect("fits")
    }

    #[test]
    fn gradients_are_slopes() {
        let metrics = [
            Metric::LogitDiff { pos: -1, correct: 2, wrong: 0 },
            Metric::Logprob { pos: 0, token: 1 },
            Metric::Loss,
        ];
        for metric in metrics {
            let value = |logits: &HostTensor| metric.value_and_gradient(logits, &[0, 2]).expect("fits");
            let (_, gradient) = value(&logits());
            for entry in 0..6 {
                let (mut up, mut down) = (logits(), logits());
                up.data_mut()[entry] += 1e-2;
                down.data_mut()[entry] -= 1e-2;
                let slope = (value(&up).0 - value(&down).0) / 2e-2;
                let err = (slope - f64::from(gradient.data()[entry])).abs();
                assert!(err <= 1e-4, "{metric:?} at {entry}: {err}");
            }
        }
    }

    #[test]
    fn the_logits_that_a_metric_reads_give_its_value() {
        let metrics = [
            Metric::LogitDiff { pos: -1, correct: 2, wrong: 0 },
            Metric::Logprob { pos: 0, token: 1 },
            Metric::Loss,
        ];
        for metric in metrics {
            let (at, local) = metric.reads(2, 3).expect("fits");
            let (rows, columns) = (at.positions.unwrap_or(vec![0, 1]), at.columns.unwrap_or(vec![0, 1, 2]));
            let picked = rows.iter().flat_map(|row| {
                columns.iter().map(|column| logits().row(*row as usize)[*column as usize]).collect::<Vec<_>>()
            });
            let picked = HostTensor::new(vec![rows.len(), columns.len()], picked.collect()).expect("fits");
            let value = |metric: &Metric, logits| metric.value_and_gradient(logits, &[0, 2]).expect("fits").0;
            assert_eq!(value(&local, &picked), value(&metric, &logits()), "{metric:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let error = |metric: Metric| metric.value_and_gradient(&logits(), &[0, 2]).expect_err("is refused");
        let outside = Metric::LogitDiff { pos: 2, correct: 0, wrong: 1 };
        assert_eq!(outside.reads(2, 3), Err(MetricError::Position { pos: 2, n_pos: 2 }));
        assert_eq!(error(outside), MetricError::Position { pos: 2, n_pos: 2 });
        let before = Metric::Logprob { pos: -3, token: 0 };
        assert_eq!(error(before), MetricError::Position { pos: -3, n_pos: 2 });
        let unknown = Metric::LogitDiff { pos: 0, correct: 0, wrong: 3 };
        assert_eq!(unknown.reads(2, 3), Err(MetricError::Token { token: 3, d_vocab: 3 }));
        assert_eq!(error(unknown), MetricError::Token { token: 3, d_vocab: 3 });
        let one = HostTensor::full(vec![1, 3], 0.0);
        assert_eq!(Metric::Loss.reads(1, 3), Err(MetricError::SingleToken));
        assert_eq!(Metric::Loss.value_and_gradient(&one, &[0]), Err(MetricError::SingleToken));
    }
}
