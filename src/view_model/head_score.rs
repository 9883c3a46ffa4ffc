//! The scores of a head as things to choose, name, define and draw.

use crate::analysis::attention::HeadScores;

/// Which score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeadScore {
    /// From a repeated token to what followed its earlier copies.
    #[default]
    Induction,
    /// To the token before.
    PreviousToken,
    /// From a repeated token to its earlier copies.
    DuplicateToken,
    /// To position 0.
    FirstToken,
    /// How spread out.
    Entropy,
}

impl HeadScore {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 5] =
        [Self::Induction, Self::PreviousToken, Self::DuplicateToken, Self::FirstToken, Self::Entropy];

    /// The word for it in addresses.
    pub fn key(self) -> &'static str {
        match self {
            Self::Induction => "induction",
            Self::PreviousToken => "previous",
            Self::DuplicateToken => "duplicate",
            Self::FirstToken => "first",
            Self::Entropy => "entropy",
        }
    }

    /// The score with this [`HeadScore::key`].
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|score| score.key() == key)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Induction => "induction",
            Self::PreviousToken => "previous token",
            Self::DuplicateToken => "duplicate token",
            Self::FirstToken => "first token",
            Self::Entropy => "entropy",
        }
    }

    /// What it says about a head, in one sentence.
    pub fn definition(self) -> &'static str {
        match self {
            Self::Induction => {
                "How much each repeated token looks at what followed its earlier copies (Olsson et al. 2022)."
            }
            Self::PreviousToken => "How much each token looks at the one just before it.",
            Self::DuplicateToken => "How much each repeated token looks at its earlier copies.",
            Self::FirstToken => {
                "How much each token looks at position 0, where heads rest that have nothing to do."
            }
            Self::Entropy => "How spread out the attention is: 0 nats for one key, ln n for n keys alike.",
        }
    }

    /// What is computed, with the axes of `hook_pattern`.
    pub fn formula(self) -> &'static str {
        match self {
            Self::Induction => "mean over q with tok[k] = tok[q], k < q, of Σₖ pattern[q, k + 1]",
            Self::PreviousToken => "mean over q ≥ 1 of pattern[q, q − 1]",
            Self::DuplicateToken => "mean over q with tok[k] = tok[q], k < q, of Σₖ pattern[q, k]",
            Self::FirstToken => "mean over q ≥ 1 of pattern[q, 0]",
            Self::Entropy => "mean over q of −Σₖ pattern[q, k] ln pattern[q, k]",
        }
    }

    /// The unit.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Induction | Self::PreviousToken | Self::DuplicateToken | Self::FirstToken => {
                "mean attention probability"
            }
            Self::Entropy => "nats",
        }
    }

    /// The score of a head; absent where the prompt gives it no query position.
    pub fn of(self, head: &HeadScores) -> Option<f32> {
        match self {
            Self::Induction => head.induction,
            Self::PreviousToken => head.previous_token,
            Self::DuplicateToken => head.duplicate_token,
            Self::FirstToken => head.first_token,
            Self::Entropy => Some(head.entropy_nats),
        }
    }

    /// The largest value that the score can have on a prompt of `n_tokens`.
    pub fn max(self, n_tokens: usize) -> f32 {
        match self {
            Self::Induction | Self::PreviousToken | Self::DuplicateToken | Self::FirstToken => 1.0,
            Self::Entropy => (n_tokens.max(2) as f32).ln(),
        }
    }

    /// The head with the largest score; of equals, the first.
    pub fn best(self, heads: &[HeadScores]) -> Option<(&HeadScores, f32)> {
        let scored = heads.iter().filter_map(|head| Some((head, self.of(head)?)));
        scored.reduce(|best, next| if best.1 < next.1 { next } else { best })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn head(layer: usize, head: usize, induction: Option<f32>) -> HeadScores {
        HeadScores {
            layer,
            head,
            induction,
            previous_token: Some(0.5),
            duplicate_token: None,
            first_token: Some(0.1),
            entropy_nats: 1.0,
        }
    }

    #[test]
    fn the_best_is_the_largest_and_of_equals_the_first() {
        let heads = [head(0, 0, Some(0.1)), head(0, 1, Some(0.8)), head(1, 0, Some(0.8)), head(1, 1, None)];
        let best = |score: HeadScore| score.best(&heads).map(|(head, _)| [head.layer, head.head]);
        assert_eq!(best(HeadScore::Induction), Some([0, 1]));
        assert_eq!(best(HeadScore::PreviousToken), Some([0, 0]));
        assert_eq!(best(HeadScore::DuplicateToken), None);
    }

    #[test]
    fn keys_lead_back() {
        for score in HeadScore::ALL {
            assert_eq!(HeadScore::from_key(score.key()), Some(score));
        }
    }
}
