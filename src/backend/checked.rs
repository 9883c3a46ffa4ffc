//! Shape checks in front of every backend: an operation that is reached has operands that fit.

use std::future::Future;

use super::{Backend, BackendError, BackendReport, Measuring, Sequence};
use crate::{
    op::{Activation, MatrixAxes, NormKind, Scoring},
    tensor::{Dtype, HostTensor, ShapeMismatch},
};

mod backward;
mod filling;

pub use filling::CheckedFilling;

/// A backend whose operands are checked.
#[derive(Debug)]
pub struct Checked<B>(pub B);

type Checks = Result<(), ShapeMismatch>;

fn is(op: &str, expected: &[usize], got: &[usize]) -> Checks {
    ShapeMismatch::check(op, expected, got)
}

fn has_rank(op: &str, rank: usize, got: &[usize]) -> Checks {
    if got.len() == rank { Ok(()) } else { Err(ShapeMismatch::new(op, vec![0; rank], got.to_vec())) }
}

/// Heads that share keys and values come in groups of one size.
fn are_grouped(op: &str, n_heads: usize, kv_shape: &[usize]) -> Checks {
    let n_kv_heads = kv_shape[1];
    if n_kv_heads != 0 && n_heads.is_multiple_of(n_kv_heads) {
        return Ok(());
    }
    Err(ShapeMismatch::new(op, vec![kv_shape[0], n_heads, kv_shape[2]], kv_shape.to_vec()))
}

fn are_queries_and_keys(q: &[usize], k: &[usize]) -> Checks {
    has_rank("attn_scores: q", 3, q)?;
    has_rank("attn_scores: k", 3, k)?;
    is("attn_scores: k", &[k[0].max(q[0]), k[1], q[2]], k)?;
    are_grouped("attn_scores: k", q[1], k)
}

fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

/// `shape` with its last axis replaced.
fn with_last(shape: &[usize], n: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if let Some(last) = shape.last_mut() {
        *last = n;
    }
    shape
}

impl<B: Backend> Checked<B> {
    fn has_columns(&self, op: &str, w: &B::Matrix, columns: &[u32]) -> Checks {
        let [n_in, n_out] = self.0.matrix_shape(w);
        match columns.iter().find(|column| n_out <= **column as usize) {
            Some(column) => Err(ShapeMismatch::new(op, vec![n_in, *column as usize + 1], vec![n_in, n_out])),
            None => Ok(()),
        }
    }

    fn is_vector(&self, op: &str, n: usize, x: Option<&B::Tensor>) -> Checks {
        x.map_or(Ok(()), |x| is(op, &[n], &self.0.shape(x)))
    }
}

impl<B: Backend> Backend for Checked<B> {
    type Tensor = B::Tensor;
    type Matrix = B::Matrix;
    type Filling = CheckedFilling<B::Filling>;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn adapter(&self) -> String {
        self.0.adapter()
    }

    fn report(&self) -> BackendReport {
        self.0.report()
    }

    fn measure(&self, measuring: Measuring) {
        self.0.measure(measuring);
    }

    fn upload(&self, label: &str, host: HostTensor) -> Result<B::Tensor, BackendError> {
        self.0.upload(label, host)
    }

    fn begin_matrix(
        &self,
        label: &str,
        dtype: Dtype,
        shape: [usize; 2],
        axes: MatrixAxes,
    ) -> Result<Self::Filling, BackendError> {
        let filling = self.0.begin_matrix(label, dtype, shape, axes)?;
        Ok(CheckedFilling::new(filling, dtype, shape))
    }

    fn max_value_bytes(&self) -> u64 {
        self.0.max_value_bytes()
    }

    fn keeps_16_bits(&self) -> bool {
        self.0.keeps_16_bits()
    }

    fn fill(&self, filling: &mut Self::Filling, rows: &[u8]) -> Result<(), BackendError> {
        self.0.fill(filling.next(rows.len())?, rows)
    }

    fn finish(&self, filling: Self::Filling) -> Result<B::Matrix, BackendError> {
        self.0.finish(filling.whole()?)
    }

    fn read_matrix(&self, w: &B::Matrix) -> impl Future<Output = Result<HostTensor, BackendError>> {
        self.0.read_matrix(w)
    }

    fn matrix_shape(&self, w: &B::Matrix) -> [usize; 2] {
        self.0.matrix_shape(w)
    }

    fn matrix_bytes(&self, w: &B::Matrix) -> u64 {
        self.0.matrix_bytes(w)
    }

    fn read(&self, x: &B::Tensor) -> impl Future<Output = Result<HostTensor, BackendError>> {
        self.0.read(x)
    }

    fn read_all(&self, xs: &[&B::Tensor]) -> impl Future<Output = Result<Vec<HostTensor>, BackendError>> {
        self.0.read_all(xs)
    }

    fn take_all(&self, xs: Vec<B::Tensor>) -> impl Future<Output = Result<Vec<HostTensor>, BackendError>> {
        self.0.take_all(xs)
    }

    fn shape(&self, x: &B::Tensor) -> Vec<usize> {
        self.0.shape(x)
    }

    fn reshape(&self, x: &B::Tensor, shape: &[usize]) -> Result<B::Tensor, BackendError> {
        let got = self.0.shape(x);
        if got.iter().product::<usize>() != shape.iter().product::<usize>() {
            return Err(ShapeMismatch::new("reshape", shape.to_vec(), got).into());
        }
        self.0.reshape(x, shape)
    }

    fn gather(&self, table: &B::Tensor, rows: &[u32]) -> Result<B::Tensor, BackendError> {
        let shape = self.0.shape(table);
        has_rank("gather", 2, &shape)?;
        if let Some(row) = rows.iter().find(|row| **row as usize >= shape[0]) {
            return Err(ShapeMismatch::new("gather", vec![*row as usize + 1, shape[1]], shape).into());
        }
        self.0.gather(table, rows)
    }

    fn columns(&self, w: &B::Matrix, columns: &[u32]) -> Result<B::Tensor, BackendError> {
        self.has_columns("columns", w, columns)?;
        self.0.columns(w, columns)
    }

    fn append(&self, a: B::Tensor, b: &B::Tensor) -> Result<B::Tensor, BackendError> {
        let (a_shape, b_shape) = (self.0.shape(&a), self.0.shape(b));
        is("append", a_shape.get(1..).unwrap_or_default(), b_shape.get(1..).unwrap_or_default())?;
        self.0.append(a, b)
    }

    fn add(&self, a: B::Tensor, b: &B::Tensor) -> Result<B::Tensor, BackendError> {
        is("add", &self.0.shape(&a), &self.0.shape(b))?;
        self.0.add(a, b)
    }

    fn scale(&self, x: B::Tensor, by: f32) -> Result<B::Tensor, BackendError> {
        self.0.scale(x, by)
    }

    fn repeat_heads(&self, x: &B::Tensor, n_heads: usize) -> Result<B::Tensor, BackendError> {
        has_rank("repeat_heads", 2, &self.0.shape(x))?;
        self.0.repeat_heads(x, n_heads)
    }

    fn norm_scale(&self, x: &B::Tensor, kind: NormKind, eps: f32) -> Result<B::Tensor, BackendError> {
        self.0.norm_scale(x, kind, eps)
    }

    fn normalize(&self, x: &B::Tensor, scale: &B::Tensor, kind: NormKind) -> Result<B::Tensor, BackendError> {
        is("normalize", &with_last(&self.0.shape(x), 1), &self.0.shape(scale))?;
        self.0.normalize(x, scale, kind)
    }

    fn affine(
        &self,
        x: B::Tensor,
        w: Option<&B::Tensor>,
        b: Option<&B::Tensor>,
    ) -> Result<B::Tensor, BackendError> {
        let n = last(&self.0.shape(&x));
        self.is_vector("affine: w", n, w)?;
        self.is_vector("affine: b", n, b)?;
        self.0.affine(x, w, b)
    }

    fn linear(&self, x: &B::Tensor, w: &B::Matrix, b: Option<&B::Tensor>) -> Result<B::Tensor, BackendError> {
        let [n_in, n_out] = self.0.matrix_shape(w);
        is("linear: w", &[last(&self.0.shape(x)), n_out], &[n_in, n_out])?;
        self.is_vector("linear: b", n_out, b)?;
        self.0.linear(x, w, b)
    }

    fn linear_at(
        &self,
        x: &B::Tensor,
        w: &B::Matrix,
        b: Option<&B::Tensor>,
        columns: &[u32],
    ) -> Result<B::Tensor, BackendError> {
        let [n_in, n_out] = self.0.matrix_shape(w);
        is("linear_at: w", &[last(&self.0.shape(x)), n_out], &[n_in, n_out])?;
        self.is_vector("linear_at: b", n_out, b)?;
        self.has_columns("linear_at", w, columns)?;
        self.0.linear_at(x, w, b, columns)
    }

    fn heads_in(&self, x: &B::Tensor, w: &B::Matrix) -> Result<B::Tensor, BackendError> {
        let (x_shape, w_shape) = (self.0.shape(x), self.0.matrix_shape(w));
        has_rank("heads_in: x", 3, &x_shape)?;
        let d_head = w_shape[1] / x_shape[1].max(1);
        is("heads_in: w", &[x_shape[2], x_shape[1] * d_head], &w_shape)?;
        self.0.heads_in(x, w)
    }

    fn heads_out(&self, z: &B::Tensor, w: &B::Matrix) -> Result<B::Tensor, BackendError> {
        let (z_shape, w_shape) = (self.0.shape(z), self.0.matrix_shape(w));
        has_rank("heads_out: z", 3, &z_shape)?;
        is("heads_out: w", &[z_shape[1] * z_shape[2], w_shape[1]], &w_shape)?;
        self.0.heads_out(z, w)
    }

    fn sum_heads(&self, x: &B::Tensor) -> Result<B::Tensor, BackendError> {
        has_rank("sum_heads", 3, &self.0.shape(x))?;
        self.0.sum_heads(x)
    }

    fn rotate(&self, x: B::Tensor, turns: &B::Tensor) -> Result<B::Tensor, BackendError> {
        let (x_shape, turns_shape) = (self.0.shape(&x), self.0.shape(turns));
        has_rank("rotate: x", 3, &x_shape)?;
        let n_turned = (last(&turns_shape) / 2 * 2).min(x_shape[2]);
        is("rotate: turns", &[x_shape[0], n_turned], &turns_shape)?;
        self.0.rotate(x, turns)
    }

    fn attn_scores(&self, q: &B::Tensor, k: &B::Tensor, scoring: Scoring) -> Result<B::Tensor, BackendError> {
        are_queries_and_keys(&self.0.shape(q), &self.0.shape(k))?;
        self.0.attn_scores(q, k, scoring)
    }

    fn soft_cap(&self, x: B::Tensor, cap: f32) -> Result<B::Tensor, BackendError> {
        self.0.soft_cap(x, cap)
    }

    fn softmax(&self, x: B::Tensor) -> Result<B::Tensor, BackendError> {
        self.0.softmax(x)
    }

    fn attn_pattern(
        &self,
        q: &B::Tensor,
        k: &B::Tensor,
        scoring: Scoring,
    ) -> Result<B::Tensor, BackendError> {
        are_queries_and_keys(&self.0.shape(q), &self.0.shape(k))?;
        self.0.attn_pattern(q, k, scoring)
    }

    fn attn_mix(&self, pattern: &B::Tensor, v: &B::Tensor) -> Result<B::Tensor, BackendError> {
        let (pattern_shape, v_shape) = (self.0.shape(pattern), self.0.shape(v));
        has_rank("attn_mix: pattern", 3, &pattern_shape)?;
        has_rank("attn_mix: v", 3, &v_shape)?;
        is("attn_mix: v", &[pattern_shape[2], v_shape[1], v_shape[2]], &v_shape)?;
        are_grouped("attn_mix: v", pattern_shape[0], &v_shape)?;
        self.0.attn_mix(pattern, v)
    }

    fn attn_sequences(
        &self,
        q: &B::Tensor,
        k: [&B::Tensor; 2],
        v: [&B::Tensor; 2],
        sequences: &[Sequence],
        scoring: Scoring,
    ) -> Result<B::Tensor, BackendError> {
        let q_shape = self.0.shape(q);
        has_rank("attn_sequences: q", 3, &q_shape)?;
        for [base, own] in [k, v] {
            let own = self.0.shape(own);
            has_rank("attn_sequences: own", 3, &own)?;
            is("attn_sequences: own", &[q_shape[0], own[1], q_shape[2]], &own)?;
            are_grouped("attn_sequences: own", q_shape[1], &own)?;
            let n_past = sequences.iter().map(|sequence| sequence.n_past).max().unwrap_or(0);
            let base = self.0.shape(base);
            let n_base = base.first().copied().unwrap_or(0).max(n_past);
            is("attn_sequences: base", &[n_base, own[1], own[2]], &base)?;
        }
        let mut end = 0;
        for sequence in sequences {
            is("attn_sequences: sequences", &[end], &[sequence.start])?;
            end += sequence.len;
        }
        is("attn_sequences: sequences", &[q_shape[0]], &[end])?;
        self.0.attn_sequences(q, k, v, sequences, scoring)
    }

    fn activate(&self, x: B::Tensor, activation: Activation) -> Result<B::Tensor, BackendError> {
        self.0.activate(x, activation)
    }

    fn gated(
        &self,
        gate: B::Tensor,
        up: &B::Tensor,
        activation: Activation,
    ) -> Result<B::Tensor, BackendError> {
        is("gated", &self.0.shape(&gate), &self.0.shape(up))?;
        self.0.gated(gate, up, activation)
    }

    fn edit(&self, x: &B::Tensor, keep: &B::Tensor, add: &B::Tensor) -> Result<B::Tensor, BackendError> {
        let shape = self.0.shape(x);
        is("edit: keep", &shape, &self.0.shape(keep))?;
        is("edit: add", &shape, &self.0.shape(add))?;
        self.0.edit(x, keep, add)
    }

    fn top_k(&self, x: &B::Tensor, k: usize) -> Result<B::Tensor, BackendError> {
        let shape = self.0.shape(x);
        if k == 0 || last(&shape) < k {
            return Err(ShapeMismatch::new("top_k", vec![k], shape).into());
        }
        self.0.top_k(x, k)
    }

    fn standings(&self, x: &B::Tensor, chosen: &[u32]) -> Result<B::Tensor, BackendError> {
        let shape = self.0.shape(x);
        has_rank("standings", 2, &shape)?;
        let d = chosen.iter().map(|entry| *entry as usize + 1).max().unwrap_or(0).max(shape[1]);
        is("standings", &[chosen.len(), d], &shape)?;
        self.0.standings(x, chosen)
    }

    fn divergence(&self, x: &B::Tensor, reference: &B::Tensor) -> Result<B::Tensor, BackendError> {
        let shape = self.0.shape(x);
        has_rank("divergence", 2, &shape)?;
        is("divergence: reference", &shape, &self.0.shape(reference))?;
        self.0.divergence(x, reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::Cpu;

    #[test]
    fn operands_that_do_not_fit_never_reach_the_backend() {
        let b = Checked(Cpu::<f32>::default());
        let up = |shape: &[usize]| b.upload("t", HostTensor::full(shape.to_vec(), 1.0)).expect("uploads");
        let weight = |shape: &[usize]| {
            let host = HostTensor::full(shape.to_vec(), 1.0);
            b.upload_matrix("w", host, MatrixAxes::InOut).expect("uploads")
        };
        let scoring = Scoring::causal(1.0);
        assert!(b.linear(&up(&[2, 3]), &weight(&[4, 5]), None).is_err());
        assert!(b.linear(&up(&[2, 3]), &weight(&[3, 5]), Some(&up(&[4]))).is_err());
        assert!(b.linear_at(&up(&[2, 3]), &weight(&[3, 5]), None, &[4, 5]).is_err());
        assert!(b.linear_at(&up(&[2, 3]), &weight(&[3, 5]), None, &[4]).is_ok());
        assert!(b.columns(&weight(&[3, 5]), &[5]).is_err());
        assert!(b.upload_matrix("w", HostTensor::full(vec![2], 1.0), MatrixAxes::InOut).is_err());
        assert!(b.add(up(&[2, 3]), &up(&[3, 2])).is_err());
        assert!(b.gather(&up(&[2, 3]), &[2]).is_err());
        assert!(b.attn_scores(&up(&[3, 2, 4]), &up(&[2, 2, 4]), scoring).is_err());
        assert!(b.attn_scores(&up(&[3, 6, 4]), &up(&[3, 4, 4]), scoring).is_err());
        assert!(b.attn_scores(&up(&[3, 6, 4]), &up(&[3, 2, 4]), scoring).is_ok());
        assert!(b.attn_mix(&up(&[6, 3, 3]), &up(&[3, 4, 4])).is_err());
        assert!(b.rotate(up(&[2, 3, 4]), &up(&[2, 6])).is_err());
        assert!(b.rotate(up(&[2, 3, 4]), &up(&[1, 4])).is_err());
        assert!(b.rotate(up(&[2, 3, 4]), &up(&[2, 2])).is_ok());
        assert!(b.gated(up(&[2, 3]), &up(&[3, 2]), Activation::Silu).is_err());
        assert!(b.attn_mix(&up(&[2, 3, 3]), &up(&[4, 2, 4])).is_err());
        assert!(b.heads_in(&up(&[2, 3, 4]), &weight(&[4, 7])).is_err());
        assert!(b.heads_out(&up(&[2, 3, 4]), &weight(&[13, 4])).is_err());
        assert!(b.reshape(&up(&[2, 3]), &[7]).is_err());
        assert!(b.top_k(&up(&[2, 3]), 4).is_err() && b.top_k(&up(&[2, 3]), 0).is_err());
        assert!(b.standings(&up(&[2, 3]), &[0]).is_err() && b.standings(&up(&[2, 3]), &[0, 3]).is_err());
        assert!(
            b.divergence(&up(&[2, 3]), &up(&[1, 3])).is_err() && b.divergence(&up(&[3]), &up(&[3])).is_err()
        );
        assert!(b.linear(&up(&[2, 3]), &weight(&[3, 5]), Some(&up(&[5]))).is_ok());
    }
}
