//! Derivatives are reached through operations whose operands were checked; they are handed on as they are.

use super::Checked;
use crate::{
    backend::{BackendError, backward::Backward},
    op::{Activation, NormKind},
};

type Op<T> = Result<T, BackendError>;

impl<B: Backward> Backward for Checked<B> {
    fn multiply(&self, a: &B::Tensor, b: &B::Tensor) -> Op<B::Tensor> {
        self.0.multiply(a, b)
    }

    fn scatter(&self, dy: &B::Tensor, rows: &[u32], n_rows: usize) -> Op<B::Tensor> {
        self.0.scatter(dy, rows, n_rows)
    }

    fn norm_scale_dx(
        &self,
        x: &B::Tensor,
        scale: &B::Tensor,
        ds: &B::Tensor,
        kind: NormKind,
    ) -> Op<B::Tensor> {
        self.0.norm_scale_dx(x, scale, ds, kind)
    }

    fn normalize_dx(&self, dy: &B::Tensor, scale: &B::Tensor, kind: NormKind) -> Op<B::Tensor> {
        self.0.normalize_dx(dy, scale, kind)
    }

    fn normalize_dscale(&self, dy: &B::Tensor, y: &B::Tensor, scale: &B::Tensor) -> Op<B::Tensor> {
        self.0.normalize_dscale(dy, y, scale)
    }

    fn linear_dx(&self, dy: &B::Tensor, w: &B::Matrix) -> Op<B::Tensor> {
        self.0.linear_dx(dy, w)
    }

    fn linear_at_dx(&self, dy: &B::Tensor, w: &B::Matrix, columns: &[u32]) -> Op<B::Tensor> {
        self.0.linear_at_dx(dy, w, columns)
    }

    fn heads_in_dx(&self, dy: &B::Tensor, w: &B::Matrix) -> Op<B::Tensor> {
        self.0.heads_in_dx(dy, w)
    }

    fn heads_out_dx(&self, dy: &B::Tensor, w: &B::Matrix, d_head: usize) -> Op<B::Tensor> {
        self.0.heads_out_dx(dy, w, d_head)
    }

    fn attn_dots(&self, dz: &B::Tensor, v: &B::Tensor) -> Op<B::Tensor> {
        self.0.attn_dots(dz, v)
    }

    fn rotate_dx(&self, dy: &B::Tensor, turns: &B::Tensor) -> Op<B::Tensor> {
        self.0.rotate_dx(dy, turns)
    }

    fn soft_cap_dx(&self, y: &B::Tensor, dy: &B::Tensor, cap: f32) -> Op<B::Tensor> {
        self.0.soft_cap_dx(y, dy, cap)
    }

    fn attn_mix_t(&self, pattern: &B::Tensor, dz: &B::Tensor, n_kv_heads: usize) -> Op<B::Tensor> {
        self.0.attn_mix_t(pattern, dz, n_kv_heads)
    }

    fn softmax_dx(&self, y: &B::Tensor, dy: &B::Tensor) -> Op<B::Tensor> {
        self.0.softmax_dx(y, dy)
    }

    fn activate_dx(&self, x: &B::Tensor, dy: &B::Tensor, activation: Activation) -> Op<B::Tensor> {
        self.0.activate_dx(x, dy, activation)
    }
}
