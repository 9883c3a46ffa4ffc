//! What a backend computes for gradients, beside the forward operations.
//!
//! Only gradients of activations: a weight never changes here. Each operation is the derivative of the
//! forward operation of its name; `dy` is the gradient of its result.

use super::{Backend, BackendError};
use crate::op::{Activation, NormKind};

/// Derivatives of the operations of [`Backend`].
pub trait Backward: Backend {
    /// `a * b`, entry by entry; where `a` is 0 the result is 0.
    fn multiply(&self, a: &Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// Of `gather`: `dx[rows[i], :] += dy[i, :]`, `dx` having `n_rows` rows.
    fn scatter(&self, dy: &Self::Tensor, rows: &[u32], n_rows: usize) -> Result<Self::Tensor, BackendError>;

    /// Of `norm_scale`: `ds (x - mean) / (d scale)`. `[.. d], [.. 1], [.. 1] -> [.. d]`
    fn norm_scale_dx(
        &self,
        x: &Self::Tensor,
        scale: &Self::Tensor,
        ds: &Self::Tensor,
        kind: NormKind,
    ) -> Result<Self::Tensor, BackendError>;

    /// Of `normalize`, towards `x`: `(dy - mean(dy)) / scale`. `[.. d], [.. 1] -> [.. d]`
    fn normalize_dx(
        &self,
        dy: &Self::Tensor,
        scale: &Self::Tensor,
        kind: NormKind,
    ) -> Result<Self::Tensor, BackendError>;

    /// Of `normalize`, towards `scale`: `-sum(dy y) / scale`. `[.. d], [.. d], [.. 1] -> [.. 1]`
    fn normalize_dscale(
        &self,
        dy: &Self::Tensor,
        y: &Self::Tensor,
        scale: &Self::Tensor,
    ) -> Result<Self::Tensor, BackendError>;

    /// Of `linear`. einsum: `.. out, in out -> .. in`
    fn linear_dx(&self, dy: &Self::Tensor, w: &Self::Matrix) -> Result<Self::Tensor, BackendError>;

    /// Of `linear_at`: `dx = sum_i dy[.. i] w[:, columns[i]]`. `[.. n] -> [.. in]`
    fn linear_at_dx(
        &self,
        dy: &Self::Tensor,
        w: &Self::Matrix,
        columns: &[u32],
    ) -> Result<Self::Tensor, BackendError>;

    /// Of `heads_in`. einsum: `pos head e, in (head e) -> pos head in`
    fn heads_in_dx(&self, dy: &Self::Tensor, w: &Self::Matrix) -> Result<Self::Tensor, BackendError>;

    /// Of `heads_out`. einsum: `pos head out, (head e) out -> pos head e`
    fn heads_out_dx(
        &self,
        dy: &Self::Tensor,
        w: &Self::Matrix,
        d_head: usize,
    ) -> Result<Self::Tensor, BackendError>;

    /// Of `rotate`: the same angles back. `[pos head e], [pos n] -> [pos head e]`
    fn rotate_dx(&self, dy: &Self::Tensor, turns: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// Of `soft_cap`, from its result: `dy (1 - (y / cap)^2)`, and 0 where `y` is -inf.
    fn soft_cap_dx(
        &self,
        y: &Self::Tensor,
        dy: &Self::Tensor,
        cap: f32,
    ) -> Result<Self::Tensor, BackendError>;

    /// Of `attn_mix`, towards the pattern. einsum: `q head e, k kv e -> head q k`, not masked.
    fn attn_dots(&self, dz: &Self::Tensor, v: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// Of `attn_mix`, towards the values. einsum: `head q k, q head e -> k kv e`
    fn attn_mix_t(
        &self,
        pattern: &Self::Tensor,
        dz: &Self::Tensor,
        n_kv_heads: usize,
    ) -> Result<Self::Tensor, BackendError>;

    /// Of `softmax`, from its result: `y (dy - sum(dy y))`.
    fn softmax_dx(&self, y: &Self::Tensor, dy: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// Of `activate`: `dy f'(x)`.
    fn activate_dx(
        &self,
        x: &Self::Tensor,
        dy: &Self::Tensor,
        activation: Activation,
    ) -> Result<Self::Tensor, BackendError>;
}
