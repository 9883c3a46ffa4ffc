//! Head scores on the user's own prompt.
//!
//! All are means of attention probability over query positions, so each is between 0 and 1 (the
//! entropy is in nats). On BOS + repeated random tokens, `induction` is the mean of
//! `pattern[q, q - (n - 1)]` over the second copy (Olsson et al. 2022, "prefix matching";
//! TransformerLens' `head_detector` calls the same stripe the induction head pattern).

use serde::{Deserialize, Serialize};

use crate::analysis::pattern::{Look, Repeats};

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

/// Scores the pattern of one head. `pattern` is [q_pos k_pos]; `repeats` are those of the prompt it was made on.
pub fn score(layer: usize, head: usize, pattern: &[f32], repeats: &Repeats) -> HeadScores {
    let look = Look { pattern, repeats };
    HeadScores {
        layer,
        head,
        entropy_nats: look.entropy().value().unwrap_or(0.0),
        induction: look.induction().value(),
        previous_token: look.stripe(1).value(),
        duplicate_token: look.duplicate_token().value(),
        first_token: look.first_token().value(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::pattern::tests::one_hot;

    #[test]
    fn a_perfect_induction_head_scores_one() {
        let repeats = Repeats::of(&[0, 5, 6, 7, 5, 6, 7]);
        let pattern = one_hot(7, |q| if q >= 4 { q - 2 } else { 0 });
        let scores = score(1, 2, &pattern, &repeats);
        assert_eq!(scores.induction, Some(1.0));
        assert_eq!(scores.duplicate_token, Some(0.0));
        assert_eq!(repeats.n_repeated(), 3);
    }

    #[test]
    fn each_score_sees_its_own_stripe() {
        let repeats = Repeats::of(&[0, 5, 6, 5]);
        assert_eq!(score(0, 0, &one_hot(4, |q| q.saturating_sub(1)), &repeats).previous_token, Some(1.0));
        assert_eq!(score(0, 0, &one_hot(4, |_| 0), &repeats).first_token, Some(1.0));
        assert_eq!(
            score(0, 0, &one_hot(4, |q| if q == 3 { 1 } else { q }), &repeats).duplicate_token,
            Some(1.0)
        );
    }

    #[test]
    fn a_prompt_without_repetition_has_no_induction_score() {
        let scores = score(0, 0, &one_hot(3, |_| 0), &Repeats::of(&[1, 2, 3]));
        assert_eq!((scores.induction, scores.duplicate_token), (None, None));
        assert_eq!(scores.entropy_nats, 0.0);
    }

    #[test]
    fn an_even_row_has_the_entropy_of_its_length() {
        let entropy = score(0, 0, &[0.25; 16], &Repeats::of(&[1, 2, 3, 4])).entropy_nats;
        assert!((entropy - 4_f32.ln()).abs() < 1e-6, "{entropy}");
    }
}
