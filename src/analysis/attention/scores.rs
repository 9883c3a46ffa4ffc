//! Head scores on the user's own prompt.
//!
//! All are means of attention probability over query positions, so each is between 0 and 1 (the
//! entropy is in nats). On BOS + repeated random tokens, `induction` is the mean of
//! `pattern[q, q - (n - 1)]` over the second copy (Olsson et al. 2022, "prefix matching";
//! TransformerLens' `head_detector` calls the same stripe the induction head pattern).

use serde::{Deserialize, Serialize};

use crate::tensor::HostTensor;

/// What one head does on this prompt. A score is absent where the prompt gives it no query position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HeadScores {
    /// Layer of the head.
    pub layer: usize,
    /// Head within the layer.
    pub head: usize,
    /// Attention from each repeated token to the positions right after its earlier copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub induction: Option<f32>,
    /// Attention from each token to the one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_token: Option<f32>,
    /// Attention from each repeated token to its earlier copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_token: Option<f32>,
    /// Attention to position 0, over the queries after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token: Option<f32>,
    /// Mean entropy of the rows, nats.
    pub entropy_nats: f32,
}

/// Scores the pattern of one head. `pattern` is [q_pos k_pos]; `tokens` is what it was made on.
pub fn score(layer: usize, head: usize, pattern: &HostTensor, tokens: &[u32]) -> HeadScores {
    let earlier_copies = |q: usize| (0..q).filter(move |k| tokens[*k] == tokens[q]);
    let queries = 0..tokens.len();
    let mass = |q: usize, keys: &mut dyn Iterator<Item = usize>| -> f64 {
        keys.map(|k| f64::from(pattern.row(q)[k])).sum()
    };
    let over_repeated = |offset: usize| {
        mean(
            queries
                .clone()
                .filter(|q| earlier_copies(*q).next().is_some())
                .map(|q| mass(q, &mut earlier_copies(q).map(|k| k + offset))),
        )
    };
    HeadScores {
        layer,
        head,
        induction: over_repeated(1),
        previous_token: mean(queries.clone().skip(1).map(|q| mass(q, &mut std::iter::once(q - 1)))),
        duplicate_token: over_repeated(0),
        first_token: mean(queries.clone().skip(1).map(|q| mass(q, &mut std::iter::once(0)))),
        entropy_nats: mean(queries.map(|q| entropy(pattern.row(q)))).unwrap_or(0.0),
    }
}

/// How many positions hold a token that has occurred before.
pub fn n_repeated(tokens: &[u32]) -> usize {
    (0..tokens.len()).filter(|q| tokens[..*q].contains(&tokens[*q])).count()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f32> {
    let (sum, n) = values.fold((0.0, 0_usize), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| (sum / n as f64) as f32)
}

fn entropy(row: &[f32]) -> f64 {
    row.iter().filter(|p| **p > 0.0).map(|p| -f64::from(*p) * f64::from(*p).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pattern that puts all of row q on `key_of(q)`.
    fn one_hot(n: usize, key_of: impl Fn(usize) -> usize) -> HostTensor {
        let mut pattern = HostTensor::full(vec![n, n], 0.0);
        for q in 0..n {
            pattern.data_mut()[q * n + key_of(q)] = 1.0;
        }
        pattern
    }

    #[test]
    fn a_perfect_induction_head_scores_one() {
        let tokens = [0, 5, 6, 7, 5, 6, 7];
        let pattern = one_hot(7, |q| if q >= 4 { q - 2 } else { 0 });
        let scores = score(1, 2, &pattern, &tokens);
        assert_eq!(scores.induction, Some(1.0));
        assert_eq!(scores.duplicate_token, Some(0.0));
        assert_eq!(n_repeated(&tokens), 3);
    }

    #[test]
    fn each_score_sees_its_own_stripe() {
        let tokens = [0, 5, 6, 5];
        assert_eq!(score(0, 0, &one_hot(4, |q| q.saturating_sub(1)), &tokens).previous_token, Some(1.0));
        assert_eq!(score(0, 0, &one_hot(4, |_| 0), &tokens).first_token, Some(1.0));
        assert_eq!(
            score(0, 0, &one_hot(4, |q| if q == 3 { 1 } else { q }), &tokens).duplicate_token,
            Some(1.0)
        );
    }

    #[test]
    fn a_prompt_without_repetition_has_no_induction_score() {
        let scores = score(0, 0, &one_hot(3, |_| 0), &[1, 2, 3]);
        assert_eq!((scores.induction, scores.duplicate_token), (None, None));
        assert_eq!(scores.entropy_nats, 0.0);
    }

    #[test]
    fn an_even_row_has_the_entropy_of_its_length() {
        let pattern = HostTensor::full(vec![1, 4], 0.25);
        assert!((entropy(pattern.row(0)) - 4_f64.ln()).abs() < 1e-9);
    }
}
