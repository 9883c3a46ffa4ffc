//! The derivatives, beside their operations.

use super::{
    Cpu, CpuMatrix, CpuTensor, Op, Real, activate, attn_mix, attn_scores, edit, heads, linear, norm, rotate,
    rows, soft_cap, softmax,
};
use crate::{
    backend::backward::Backward,
    op::{Activation, NormKind},
};

impl<R: Real> Backward for Cpu<R> {
    fn multiply(&self, a: &CpuTensor<R>, b: &CpuTensor<R>) -> Op<R> {
        Ok(edit::multiply(a, b))
    }

    fn scatter(&self, dy: &CpuTensor<R>, rows: &[u32], n_rows: usize) -> Op<R> {
        Ok(rows::scatter(dy, rows, n_rows))
    }

    fn norm_scale_dx(
        &self,
        x: &CpuTensor<R>,
        scale: &CpuTensor<R>,
        ds: &CpuTensor<R>,
        kind: NormKind,
    ) -> Op<R> {
        Ok(norm::norm_scale_dx(x, scale, ds, kind))
    }

    fn normalize_dx(&self, dy: &CpuTensor<R>, scale: &CpuTensor<R>, kind: NormKind) -> Op<R> {
        Ok(norm::normalize_dx(dy, scale, kind))
    }

    fn normalize_dscale(&self, dy: &CpuTensor<R>, y: &CpuTensor<R>, scale: &CpuTensor<R>) -> Op<R> {
        Ok(norm::normalize_dscale(dy, y, scale))
    }

    fn linear_dx(&self, dy: &CpuTensor<R>, w: &CpuMatrix<R>) -> Op<R> {
        linear::linear_dx(dy, w)
    }

    fn linear_at_dx(&self, dy: &CpuTensor<R>, w: &CpuMatrix<R>, columns: &[u32]) -> Op<R> {
        Ok(linear::linear_at_dx(dy, w, columns))
    }

    fn heads_in_dx(&self, dy: &CpuTensor<R>, w: &CpuMatrix<R>) -> Op<R> {
        Ok(heads::heads_in_dx(dy, w))
    }

    fn heads_out_dx(&self, dy: &CpuTensor<R>, w: &CpuMatrix<R>, d_head: usize) -> Op<R> {
        Ok(heads::heads_out_dx(dy, w, d_head))
    }

    fn attn_dots(&self, dz: &CpuTensor<R>, v: &CpuTensor<R>) -> Op<R> {
        Ok(attn_scores::attn_dots(dz, v))
    }

    fn rotate_dx(&self, dy: &CpuTensor<R>, turns: &CpuTensor<R>) -> Op<R> {
        Ok(rotate::rotate_dx(dy, turns))
    }

    fn soft_cap_dx(&self, y: &CpuTensor<R>, dy: &CpuTensor<R>, cap: f32) -> Op<R> {
        Ok(soft_cap::soft_cap_dx(y, dy, R::from_f32(cap)))
    }

    fn attn_mix_t(&self, pattern: &CpuTensor<R>, dz: &CpuTensor<R>, n_kv_heads: usize) -> Op<R> {
        Ok(attn_mix::attn_mix_t(pattern, dz, n_kv_heads))
    }

    fn softmax_dx(&self, y: &CpuTensor<R>, dy: &CpuTensor<R>) -> Op<R> {
        Ok(softmax::softmax_dx(y, dy))
    }

    fn activate_dx(&self, x: &CpuTensor<R>, dy: &CpuTensor<R>, activation: Activation) -> Op<R> {
        Ok(activate::activate_dx(x, dy, activation))
    }
}
