//! Formulas by name, shared by model configurations and backends.

use serde::{Deserialize, Serialize};

/// Non-linearity of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `gelu_new`: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
    GeluNew,
    /// `gelu`: exact, with erf.
    Gelu,
    /// max(x, 0).
    Relu,
    /// x sigmoid(x).
    Silu,
}

/// Kind of norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// Centres, then divides by the standard deviation (Ba et al. 2016).
    LayerNorm,
    /// Divides by the root of the mean square (Zhang & Sennrich 2019).
    Rms,
}

/// How attention scores are made from dot products.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scoring {
    /// What a dot product is divided by.
    pub scale: f32,
    /// How many keys a query sees, the one at its own position included; all up to there if `None`.
    pub window: Option<usize>,
}

impl Scoring {
    /// Over all keys up to the query.
    pub fn causal(scale: f32) -> Self {
        Self { scale, window: None }
    }
}

/// In which order a matrix `[in out]` is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatrixAxes {
    /// Row-major `[in out]`, as it stands in `x @ W`.
    InOut,
    /// Row-major `[out in]`: its transpose, as an embedding is stored and as most checkpoints have it.
    OutIn,
}
