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
}

/// In which order a matrix `[in out]` is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatrixAxes {
    /// Row-major `[in out]`, as it stands in `x @ W`.
    InOut,
    /// Row-major `[out in]`: its transpose, as an embedding is stored and as most checkpoints have it.
    OutIn,
}
