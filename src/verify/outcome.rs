//! What came of an entry: published, ours, how far apart, and whether that is near enough.

use serde::{Deserialize, Serialize};

/// One line of the self-check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The entry's name.
    pub id: String,
    /// What it says, in words.
    pub what: String,
    /// Where it was published.
    pub source: String,
    /// What was published; of many numbers the one that is furthest from ours.
    pub published: String,
    /// What this model gives there.
    pub ours: String,
    /// How many numbers, tokens or characters were compared.
    pub n_compared: usize,
    /// The largest difference, if it is a number.
    pub difference: Option<f64>,
    /// How large it may be.
    pub tolerance: f64,
    /// Whether it is not larger.
    pub verdict: Verdict,
}

/// Whether the model gives what was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Agrees,
    /// It does not.
    Differs,
    /// Nobody knows.
    NotChecked {
        /// Why.
        why: String,
    },
}
