//! Backends: named operations on tensors, wherever they are computed.
//!
//! The trait is narrow on purpose: each operation is documented by its einsum, has one CPU file and one
//! shader of its name, and is recorded in order; only [`Backend::read`] waits. Shapes are checked once,
//! in [`checked`], in front of every backend. A backend never knows hooks, models or prompts.

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::{
    op::{Activation, MatrixAxes, NormKind},
    tensor::{HostTensor, ShapeMismatch},
};

pub mod backward;
pub mod checked;
pub mod cpu;
pub mod tape;
#[cfg(feature = "webgpu")]
pub mod webgpu;

/// Why a backend could not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The operands do not fit together.
    #[error(transparent)]
    Shape(#[from] ShapeMismatch),
    /// The device could not do it.
    #[error("{backend}: {message}")]
    Device {
        /// Which backend.
        backend: &'static str,
        /// What kind of thing is wrong, for code to branch on.
        fault: DeviceFault,
        /// What failed, and why.
        message: String,
    },
}

/// What is wrong with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceFault {
    /// It is gone: nothing works on it any more, and what was on it is lost.
    Lost,
    /// It has no memory for this; less may work.
    OutOfMemory,
    /// It refused a call: a defect of Vitrine or of a driver. Other calls may work.
    Invalid,
    /// There is none.
    Missing,
}

impl DeviceFault {
    /// What to try.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Lost => "Start it again, or compute on the CPU; there it takes longer and gives the same.",
            Self::OutOfMemory => {
                "Ask for less at once, take a smaller model, close other tabs, or compute on the CPU."
            }
            Self::Invalid => "Compute on the CPU instead, and report it with the name of the adapter.",
            Self::Missing => {
                "Compute on the CPU; or update the browser and the graphics driver, and switch hardware acceleration on."
            }
        }
    }
}

/// Operations on tensors.
///
/// All tensors are f32, row-major, last axis fastest. Names of axes: `pos` (or `q`) query positions, `k`
/// key positions, `head`, `e` = d_head.
pub trait Backend {
    /// A handle; cloning it is cheap and shares the values, which never change.
    type Tensor: Clone;

    /// A weight `[in out]` in whatever form the backend multiplies by best; cloning it is cheap.
    type Matrix: Clone;

    /// `cpu` or `webgpu`.
    fn name(&self) -> &'static str;

    /// What it runs on, in words for a user.
    fn adapter(&self) -> String;

    /// Moves values to the backend.
    fn upload(&self, label: &str, host: HostTensor) -> Result<Self::Tensor, BackendError>;

    /// Moves a weight to the backend; `axes` says how `host` stores it.
    fn upload_matrix(
        &self,
        label: &str,
        host: HostTensor,
        axes: MatrixAxes,
    ) -> Result<Self::Matrix, BackendError>;

    /// Copies a weight back, stored as it was uploaded.
    fn read_matrix(&self, w: &Self::Matrix) -> impl Future<Output = Result<HostTensor, BackendError>>;

    /// Lengths of the axes of a weight, `[in out]`.
    fn matrix_shape(&self, w: &Self::Matrix) -> [usize; 2];

    /// Copies values back; waits until they are computed.
    fn read(&self, x: &Self::Tensor) -> impl Future<Output = Result<HostTensor, BackendError>>;

    /// Copies several values back, with one wait where the backend can.
    fn read_all(&self, xs: &[&Self::Tensor]) -> impl Future<Output = Result<Vec<HostTensor>, BackendError>> {
        async move {
            let mut values = Vec::with_capacity(xs.len());
            for x in xs {
                values.push(self.read(x).await?);
            }
            Ok(values)
        }
    }

    /// Lengths of the axes.
    fn shape(&self, x: &Self::Tensor) -> Vec<usize>;

    /// The same values under another shape.
    fn reshape(&self, x: &Self::Tensor, shape: &[usize]) -> Result<Self::Tensor, BackendError>;

    /// Rows of a table: `y[i, :] = table[rows[i], :]`, table [n d].
    fn gather(&self, table: &Self::Tensor, rows: &[u32]) -> Result<Self::Tensor, BackendError>;

    /// Columns of a weight: `y[i, :] = w[:, columns[i]]`. `[in out] -> [n in]`
    fn columns(&self, w: &Self::Matrix, columns: &[u32]) -> Result<Self::Tensor, BackendError>;

    /// `a` followed by `b` along the outermost axis.
    fn append(&self, a: &Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// `a + b`, same shape.
    fn add(&self, a: &Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// `[pos d] -> [pos head d]`, the same row for each head.
    fn repeat_heads(&self, x: &Self::Tensor, n_heads: usize) -> Result<Self::Tensor, BackendError>;

    /// The divisor of a norm over the last axis: sqrt(var + eps). `[.. d] -> [.. 1]`
    fn norm_scale(&self, x: &Self::Tensor, kind: NormKind, eps: f32) -> Result<Self::Tensor, BackendError>;

    /// `(x - mean) / scale` over the last axis. `[.. d], [.. 1] -> [.. d]`
    fn normalize(
        &self,
        x: &Self::Tensor,
        scale: &Self::Tensor,
        kind: NormKind,
    ) -> Result<Self::Tensor, BackendError>;

    /// `x * w + b` over the last axis; a missing `w` is 1, a missing `b` is 0. w, b: [d]
    fn affine(
        &self,
        x: &Self::Tensor,
        w: Option<&Self::Tensor>,
        b: Option<&Self::Tensor>,
    ) -> Result<Self::Tensor, BackendError>;

    /// einsum: `.. in, in out -> .. out`, plus `b` [out].
    fn linear(
        &self,
        x: &Self::Tensor,
        w: &Self::Matrix,
        b: Option<&Self::Tensor>,
    ) -> Result<Self::Tensor, BackendError>;

    /// The chosen columns of `linear` alone: some logits instead of all. `b` has all of them.
    fn linear_at(
        &self,
        x: &Self::Tensor,
        w: &Self::Matrix,
        b: Option<&Self::Tensor>,
        columns: &[u32],
    ) -> Result<Self::Tensor, BackendError>;

    /// einsum: `pos head in, in (head e) -> pos head e`: each head reads its own input.
    fn heads_in(&self, x: &Self::Tensor, w: &Self::Matrix) -> Result<Self::Tensor, BackendError>;

    /// einsum: `pos head e, (head e) out -> pos head out`: what each head writes by itself.
    fn heads_out(&self, z: &Self::Tensor, w: &Self::Matrix) -> Result<Self::Tensor, BackendError>;

    /// Sum over heads. `[pos head d] -> [pos d]`
    fn sum_heads(&self, x: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// einsum: `q head e, k head e -> head q k`, divided by `scale`, causally masked with -inf.
    /// The queries are the last positions of the keys.
    fn attn_scores(
        &self,
        q: &Self::Tensor,
        k: &Self::Tensor,
        scale: f32,
    ) -> Result<Self::Tensor, BackendError>;

    /// Softmax over the last axis; a row that is masked throughout becomes 0.
    fn softmax(&self, x: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// einsum: `head q k, k head e -> q head e`
    fn attn_mix(&self, pattern: &Self::Tensor, v: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// A non-linearity, entry by entry.
    fn activate(&self, x: &Self::Tensor, activation: Activation) -> Result<Self::Tensor, BackendError>;

    /// `keep * x + add`, entry by entry; where `keep` is 0 the result is `add`, whatever `x` is.
    fn edit(
        &self,
        x: &Self::Tensor,
        keep: &Self::Tensor,
        add: &Self::Tensor,
    ) -> Result<Self::Tensor, BackendError>;
}
