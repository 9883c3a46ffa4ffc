//! Derivatives on whichever backend there is.

use super::{Either, Matrix, Op, Tensor, op};
use crate::{
    backend::backward::Backward,
    op::{Activation, NormKind},
};

impl<A: Backward, B: Backward> Backward for Either<A, B> {
    fn multiply(&self, a: &Tensor<A, B>, b: &Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.multiply(of(a)?, of(b)?))
    }

    fn scatter(&self, dy: &Tensor<A, B>, rows: &[u32], n_rows: usize) -> Op<A, B> {
        op!(self, |on| on.scatter(of(dy)?, rows, n_rows))
    }

    fn norm_scale_dx(
        &self,
        x: &Tensor<A, B>,
        scale: &Tensor<A, B>,
        ds: &Tensor<A, B>,
        kind: NormKind,
    ) -> Op<A, B> {
        op!(self, |on| on.norm_scale_dx(of(x)?, of(scale)?, of(ds)?, kind))
    }

    fn normalize_dx(&self, dy: &Tensor<A, B>, scale: &Tensor<A, B>, kind: NormKind) -> Op<A, B> {
        op!(self, |on| on.normalize_dx(of(dy)?, of(scale)?, kind))
    }

    fn normalize_dscale(&self, dy: &Tensor<A, B>, y: &Tensor<A, B>, scale: &Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.normalize_dscale(of(dy)?, of(y)?, of(scale)?))
    }

    fn linear_dx(&self, dy: &Tensor<A, B>, w: &Matrix<A, B>) -> Op<A, B> {
        op!(self, |on| on.linear_dx(of(dy)?, of(w)?))
    }

    fn linear_at_dx(&self, dy: &Tensor<A, B>, w: &Matrix<A, B>, columns: &[u32]) -> Op<A, B> {
        op!(self, |on| on.linear_at_dx(of(dy)?, of(w)?, columns))
    }

    fn heads_in_dx(&self, dy: &Tensor<A, B>, w: &Matrix<A, B>) -> Op<A, B> {
        op!(self, |on| on.heads_in_dx(of(dy)?, of(w)?))
    }

    fn heads_out_dx(&self, dy: &Tensor<A, B>, w: &Matrix<A, B>, d_head: usize) -> Op<A, B> {
        op!(self, |on| on.heads_out_dx(of(dy)?, of(w)?, d_head))
    }

    fn rotate_dx(&self, dy: &Tensor<A, B>, turns: &Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.rotate_dx(of(dy)?, of(turns)?))
    }

    fn soft_cap_dx(&self, y: &Tensor<A, B>, dy: &Tensor<A, B>, cap: f32) -> Op<A, B> {
        op!(self, |on| on.soft_cap_dx(of(y)?, of(dy)?, cap))
    }

    fn attn_dots(&self, dz: &Tensor<A, B>, v: &Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.attn_dots(of(dz)?, of(v)?))
    }

    fn attn_mix_t(&self, pattern: &Tensor<A, B>, dz: &Tensor<A, B>, n_kv_heads: usize) -> Op<A, B> {
        op!(self, |on| on.attn_mix_t(of(pattern)?, of(dz)?, n_kv_heads))
    }

    fn softmax_dx(&self, y: &Tensor<A, B>, dy: &Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.softmax_dx(of(y)?, of(dy)?))
    }

    fn activate_dx(&self, x: &Tensor<A, B>, dy: &Tensor<A, B>, activation: Activation) -> Op<A, B> {
        op!(self, |on| on.activate_dx(of(x)?, of(dy)?, activation))
    }
}
