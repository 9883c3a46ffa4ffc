//! Facts about heads that need no prompt: products of their weights (Elhage et al. 2021).

use serde::{Deserialize, Serialize};

use super::WeightForm;
use crate::tensor::HostTensor;

/// A product of weights to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitSpec {
    /// Raw or processed weights; the products differ.
    pub weights: WeightForm,
    /// Which.
    pub of: Circuit,
}

/// Products of the weights of heads. Biases, norms and rotary positions are not in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// W_O W_V of each head in a layer. But for zeros it has the eigenvalues of W_OV = W_V W_O. [head d_head d_head]
    Ov {
        /// The layer.
        layer: usize,
    },
    /// W_O W_U W_E W_V of every head, which has the eigenvalues of W_E W_V W_O W_U. [layer head d_head d_head]
    FullOv,
    /// W_O W_Oᵀ of each head: what z writes has the norm of sqrt(z W_O W_Oᵀ zᵀ). [head d_head d_head]
    Written {
        /// The layer.
        layer: usize,
    },
    /// |M1 M2| / (|M1| |M2|) of each pair of heads, in Frobenius norms: M1 is W_OV of the first, M2 what the second
    /// reads with. Where a circuit is 0 throughout it is NaN. [head head]
    Composition {
        /// The layer of the heads that write.
        from: usize,
        /// The layer of the heads that read; a later one.
        to: usize,
        /// What they read.
        input: Input,
    },
}

/// What a head reads the stream for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Its queries: M2 = W_Q W_Kᵀ.
    Q,
    /// Its keys: M2 = W_K W_Qᵀ.
    K,
    /// Its values: M2 = W_V W_O.
    V,
}

impl Input {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Q, Self::K, Self::V];
}

/// What a head would write, and what of it reaches the vocabulary, to find out.
#[derive(Clone, Debug, PartialEq)]
pub struct WritesSpec {
    /// Layer of the head.
    pub layer: usize,
    /// Head within the layer.
    pub head: usize,
    /// What it reads.
    pub of: WrittenOf,
    /// How many tokens are listed at each end.
    pub top_k: usize,
}

/// What a head reads.
#[derive(Clone, Debug, PartialEq)]
pub enum WrittenOf {
    /// This value, which it copies as it is. [d_head]
    Value(HostTensor),
    /// The embedding of this token alone, by processed weights and without a norm: W_E W_V W_O W_U (Elhage et al. 2021).
    Embedding(u32),
}

/// What is written, read through ln_final's weight and W_U, both centred, as processed weights do; no norm divides it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writes {
    /// Ids and logits of the tokens that gain most, largest first; ties go to the lower id.
    pub promoted: Vec<(u32, f32)>,
    /// Of those that lose most, smallest first.
    pub suppressed: Vec<(u32, f32)>,
}
