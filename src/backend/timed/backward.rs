//! The way back, timed as well.

use super::{Op, Timed};
use crate::{
    backend::backward::Backward,
    op::{Activation, NormKind},
};

impl<B: Backward> Backward for Timed<B> {
    fn multiply(&self, a: &B::Tensor, b: &B::Tensor) -> Op<B> {
        self.time("multiply", |inner| inner.multiply(a, b))
    }

    fn scatter(&self, dy: &B::Tensor, rows: &[u32], n_rows: usize) -> Op<B> {
        self.time("scatter", |inner| inner.scatter(dy, rows, n_rows))
    }

    fn norm_scale_dx(&self, x: &B::Tensor, scale: &B::Tensor, ds: &B::Tensor, kind: NormKind) -> Op<B> {
        self.time("norm_scale_dx", |inner| inner.norm_scale_dx(x, scale, ds, kind))
    }

    fn normalize_dx(&self, dy: &B::Tensor, scale: &B::Tensor, kind: NormKind) -> Op<B> {
        self.time("normalize_dx", |inner| inner.normalize_dx(dy, scale, kind))
    }

    fn normalize_dscale(&self, dy: &B::Tensor, y: &B::Tensor, scale: &B::Tensor) -> Op<B> {
        self.time("normalize_dscale", |inner| inner.normalize_dscale(dy, y, scale))
    }

    fn linear_dx(&self, dy: &B::Tensor, w: &B::Matrix) -> Op<B> {
        self.time("linear_dx", |inner| inner.linear_dx(dy, w))
    }

    fn linear_at_dx(&self, dy: &B::Tensor, w: &B::Matrix, columns: &[u32]) -> Op<B> {
        self.time("linear_at_dx", |inner| inner.linear_at_dx(dy, w, columns))
    }

    fn heads_in_dx(&self, dy: &B::Tensor, w: &B::Matrix) -> Op<B> {
        self.time("heads_in_dx", |inner| inner.heads_in_dx(dy, w))
    }

    fn heads_out_dx(&self, dy: &B::Tensor, w: &B::Matrix, d_head: usize) -> Op<B> {
        self.time("heads_out_dx", |inner| inner.heads_out_dx(dy, w, d_head))
    }

    fn attn_dots(&self, dz: &B::Tensor, v: &B::Tensor) -> Op<B> {
        self.time("attn_dots", |inner| inner.attn_dots(dz, v))
    }

    fn rotate_dx(&self, dy: &B::Tensor, turns: &B::Tensor) -> Op<B> {
        self.time("rotate_dx", |inner| inner.rotate_dx(dy, turns))
    }

    fn soft_cap_dx(&self, y: &B::Tensor, dy: &B::Tensor, cap: f32) -> Op<B> {
        self.time("soft_cap_dx", |inner| inner.soft_cap_dx(y, dy, cap))
    }

    fn attn_mix_t(&self, pattern: &B::Tensor, dz: &B::Tensor, n_kv_heads: usize) -> Op<B> {
        self.time("attn_mix_t", |inner| inner.attn_mix_t(pattern, dz, n_kv_heads))
    }

    fn softmax_dx(&self, y: &B::Tensor, dy: &B::Tensor) -> Op<B> {
        self.time("softmax_dx", |inner| inner.softmax_dx(y, dy))
    }

    fn activate_dx(&self, x: &B::Tensor, dy: &B::Tensor, activation: Activation) -> Op<B> {
        self.time("activate_dx", |inner| inner.activate_dx(x, dy, activation))
    }
}
