//! What config.json would say, where it is missing.

use serde::{Deserialize, Serialize};

/// A guess, for somebody to confirm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigGuess {
    /// config.json, as it would be.
    pub config: String,
    /// What the tensors say, a sentence each.
    pub read_off: Vec<String>,
    /// What they do not say: what it is taken to be, and why.
    pub assumed: Vec<String>,
}
