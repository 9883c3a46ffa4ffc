//! What can be measured of every head, and what each measure is.

use serde::{Deserialize, Serialize};

use crate::{
    analysis::pattern::{Look, Mean},
    hook::Site,
};

/// A number about a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// From a repeated token to what followed its earlier copies.
    #[default]
    Induction,
    /// The same stripe as TransformerLens' demos average it.
    InductionStripe,
    /// To the token before.
    PreviousToken,
    /// From a repeated token to its earlier copies.
    DuplicateToken,
    /// To position 0.
    FirstToken,
    /// To the token itself.
    CurrentToken,
    /// How spread out.
    Entropy,
    /// How far back.
    Distance,
    /// How much is written.
    OutputNorm,
    /// Whether what is read becomes likelier.
    Copying,
}

/// What a measure is, in words.
pub(super) struct Words {
    pub(super) definition: &'static str,
    pub(super) unit: &'static str,
    /// What it is a mean over.
    pub(super) counted: &'static str,
}

const PROBABILITY: &str = "mean attention probability";
const QUERIES: &str = "query positions";

impl Metric {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Induction,
        Self::InductionStripe,
        Self::PreviousToken,
        Self::DuplicateToken,
        Self::FirstToken,
        Self::CurrentToken,
        Self::Entropy,
        Self::Distance,
        Self::OutputNorm,
        Self::Copying,
    ];

    /// What it reads off a run.
    pub(super) fn site(self) -> Option<Site> {
        match self {
            Self::Induction
            | Self::InductionStripe
            | Self::PreviousToken
            | Self::DuplicateToken
            | Self::FirstToken
            | Self::CurrentToken
            | Self::Entropy
            | Self::Distance => Some(Site::Pattern),
            Self::OutputNorm => Some(Site::Z),
            Self::Copying => None,
        }
    }

    /// Its mean over the queries of one pattern; `None` of what is read elsewhere. `length` is that of a copy, where
    /// there are two.
    pub fn of_pattern(self, look: &Look<'_>, length: Option<usize>) -> Option<Mean> {
        Some(match self {
            Self::Induction => look.induction(),
            Self::InductionStripe => length.map_or(Mean::default(), |length| look.stripe(length - 1)),
            Self::PreviousToken => look.stripe(1),
            Self::DuplicateToken => look.duplicate_token(),
            Self::FirstToken => look.first_token(),
            Self::CurrentToken => look.current_token(),
            Self::Entropy => look.entropy(),
            Self::Distance => look.distance(),
            Self::OutputNorm | Self::Copying => return None,
        })
    }

    pub(super) fn words(self) -> Words {
        let of = |definition, unit, counted| Words { definition, unit, counted };
        match self {
            Self::Induction => of(
                "Attention from each repeated token to the positions right after its earlier copies: prefix matching \
                 (Olsson et al. 2022). On repeated random tokens, the mean of pattern[q, q - (n - 1)] over the second \
                 copy.",
                PROBABILITY,
                QUERIES,
            ),
            Self::InductionStripe => of(
                "Mean of pattern[q, q - (n - 1)] over all q >= n - 1, n being the length of a copy, as TransformerLens' \
                 demos take it: with the last token of the first copy, which cannot be a hit.",
                PROBABILITY,
                QUERIES,
            ),
            Self::PreviousToken => of("Mean of pattern[q, q - 1] over all q >= 1.", PROBABILITY, QUERIES),
            Self::DuplicateToken => of(
                "Attention from each repeated token to its earlier copies; on repeated random tokens, the mean of \
                 pattern[q, q - n] over the second copy.",
                PROBABILITY,
                QUERIES,
            ),
            Self::FirstToken => of(
                "Mean of pattern[q, 0] over all q >= 1; heads rest there that have nothing to do.",
                PROBABILITY,
                QUERIES,
            ),
            Self::CurrentToken => of("Mean of pattern[q, q] over all q >= 1.", PROBABILITY, QUERIES),
            Self::Entropy => of("Mean over q of -sum_k pattern[q, k] ln pattern[q, k].", "nats", QUERIES),
            Self::Distance => of(
                "Mean over q >= 1 of sum_k pattern[q, k] (q - k): how far back it looks.",
                "tokens",
                QUERIES,
            ),
            Self::OutputNorm => of(
                "Mean over positions of |z W_O|: the norm of what the head writes, without b_O.",
                "norm in the residual stream",
                "positions",
            ),
            Self::Copying => of(
                "Sum of the eigenvalues of W_V W_O over the sum of their moduli (Elhage et al. 2021), processed \
                 weights: 1 makes what it reads likelier, -1 less likely.",
                "from -1 to 1",
                "eigenvalues",
            ),
        }
    }
}
