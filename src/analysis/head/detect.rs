//! TransformerLens' head detectors: how near is a pattern to one that only looks where it is expected to?
//!
//! Source: `transformer_lens/head_detector.py`. Its second measure is rounded to three digits there, and not here.

use serde::{Deserialize, Serialize};

use super::Question;
use crate::{analysis::pattern::Repeats, tensor::HostTensor};

/// What kind of head is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// Looks at the token before.
    PreviousTokenHead,
    /// Looks at earlier copies of its token.
    DuplicateTokenHead,
    /// Looks at what followed earlier copies of its token.
    InductionHead,
}

/// How near a head comes to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Detected {
    /// What was looked for.
    pub detector: Detector,
    /// Share of all attention that is where it is expected, from 0 to 1; absent where none is left to count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mul: Option<f32>,
    /// 1 less the sum of |attention - expected| over the number of queries, where 1 is expected at each of those places
    /// and 0 elsewhere; from -1 to 1 where every query has at most one such place.
    pub abs: f32,
}

/// What all detectors say about a pattern [q_pos k_pos] on these tokens.
pub(super) fn all(question: &Question, tokens: &[u32], pattern: &HostTensor) -> Vec<Detected> {
    let repeats = Repeats::of(tokens);
    let detectors = [Detector::PreviousTokenHead, Detector::DuplicateTokenHead, Detector::InductionHead];
    let counts =
        |q: usize, k: usize| !(question.exclude_first && k == 0 || question.exclude_current && k == q);
    detectors.map(|detector| detected(detector, &repeats, pattern, counts)).into()
}

fn detected(
    detector: Detector,
    repeats: &Repeats,
    pattern: &HostTensor,
    counts: impl Fn(usize, usize) -> bool,
) -> Detected {
    let (mut hits, mut sum, mut apart) = (0.0, 0.0, 0.0);
    for q in 0..repeats.n_pos() {
        let expected = expected(detector, repeats, q);
        for k in (0..=q).filter(|k| counts(q, *k)) {
            let attention = f64::from(pattern.row(q)[k]);
            sum += attention;
            if expected.binary_search(&k).is_ok() {
                hits += attention;
                apart += 1.0 - attention;
            } else {
                apart += attention;
            }
        }
    }
    let mul = (0.0 < sum).then(|| (hits / sum) as f32);
    Detected { detector, mul, abs: (1.0 - apart / repeats.n_pos() as f64) as f32 }
}

/// The keys that such a head looks at, in order.
fn expected(detector: Detector, repeats: &Repeats, q: usize) -> Vec<usize> {
    match detector {
        Detector::PreviousTokenHead => q.checked_sub(1).into_iter().collect(),
        Detector::DuplicateTokenHead => repeats.earlier(q).to_vec(),
        Detector::InductionHead => repeats.earlier(q).iter().map(|k| k + 1).collect(),
    }
}
