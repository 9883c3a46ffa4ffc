//! The CPU backend: one file per operation, plain loops that read as mathematics.
//!
//! Every operation is generic over f32 and f64: in f32 matrix products go to the kernels, in f64 they
//! are plain loops, which is the oracle that tolerances come from.

use std::{future::Future, rc::Rc};

use super::{Backend, BackendError, Sequence};
use crate::{
    op::{Activation, MatrixAxes, NormKind},
    tensor::HostTensor,
};

mod activate;
mod affine;
mod attn_mix;
mod attn_scores;
mod attn_sequences;
mod backward;
mod edit;
mod heads;
mod linear;
mod matrix;
mod norm;
mod real;
mod rows;
mod softmax;

pub use matrix::CpuMatrix;
pub use real::Real;

/// The CPU, in precision `R`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu<R = f32>(std::marker::PhantomData<R>);

/// Values on the CPU; clones share them.
#[derive(Clone, Debug)]
pub struct CpuTensor<R> {
    shape: Vec<usize>,
    data: Rc<Vec<R>>,
}

impl<R: Real> CpuTensor<R> {
    fn new(shape: Vec<usize>, data: Vec<R>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len(), "an operation filled its shape");
        Self { shape, data: Rc::new(data) }
    }

    /// All values, last axis fastest.
    pub fn values(&self) -> &[R] {
        &self.data
    }

    /// Size of the last axis.
    fn last(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Number of rows, seen as `[.., last]`.
    fn n_rows(&self) -> usize {
        self.data.len() / self.last().max(1)
    }

    fn with_last(&self, last: usize, data: Vec<R>) -> Self {
        let mut shape = self.shape.clone();
        shape.pop();
        shape.push(last);
        Self::new(shape, data)
    }
}

/// Σ aᵢ bᵢ
fn dot<R: Real>(a: &[R], b: &[R]) -> R {
    a.iter().zip(b).map(|(a, b)| *a * *b).sum()
}

type Op<R> = Result<CpuTensor<R>, BackendError>;

impl<R: Real> Backend for Cpu<R> {
    type Tensor = CpuTensor<R>;
    type Matrix = CpuMatrix<R>;

    fn name(&self) -> &'static str {
        "cpu"
    }

    fn adapter(&self) -> String {
        let instructions =
            if cfg!(target_feature = "simd128") { "WebAssembly SIMD" } else { std::env::consts::ARCH };
        format!("{instructions}, 1 thread, {}", R::NAME)
    }

    fn upload(&self, _label: &str, host: HostTensor) -> Op<R> {
        let shape = host.shape().to_vec();
        Ok(CpuTensor::new(shape, R::from_f32s(host.into_data())))
    }

    fn upload_matrix(
        &self,
        _label: &str,
        host: HostTensor,
        axes: MatrixAxes,
    ) -> Result<CpuMatrix<R>, BackendError> {
        Ok(CpuMatrix::new(host, axes)?)
    }

    fn read_matrix(&self, w: &CpuMatrix<R>) -> impl Future<Output = Result<HostTensor, BackendError>> {
        std::future::ready(w.unpacked().map_err(Into::into))
    }

    fn matrix_shape(&self, w: &CpuMatrix<R>) -> [usize; 2] {
        [w.n_in, w.n_out]
    }

    fn read(&self, x: &CpuTensor<R>) -> impl Future<Output = Result<HostTensor, BackendError>> {
        let data = x.data.iter().map(|v| v.as_f32()).collect();
        std::future::ready(HostTensor::new(x.shape.clone(), data).map_err(Into::into))
    }

    fn shape(&self, x: &CpuTensor<R>) -> Vec<usize> {
        x.shape.clone()
    }

    fn reshape(&self, x: &CpuTensor<R>, shape: &[usize]) -> Op<R> {
        Ok(CpuTensor { shape: shape.to_vec(), data: Rc::clone(&x.data) })
    }

    fn gather(&self, table: &CpuTensor<R>, rows: &[u32]) -> Op<R> {
        Ok(rows::gather(table, rows))
    }

    fn columns(&self, w: &CpuMatrix<R>, columns: &[u32]) -> Op<R> {
        Ok(linear::columns(w, columns))
    }

    fn append(&self, a: &CpuTensor<R>, b: &CpuTensor<R>) -> Op<R> {
        Ok(rows::append(a, b))
    }

    fn add(&self, a: &CpuTensor<R>, b: &CpuTensor<R>) -> Op<R> {
        let data = a.data.iter().zip(b.data.iter()).map(|(a, b)| *a + *b).collect();
        Ok(CpuTensor::new(a.shape.clone(), data))
    }

    fn repeat_heads(&self, x: &CpuTensor<R>, n_heads: usize) -> Op<R> {
        Ok(heads::repeat_heads(x, n_heads))
    }

    fn norm_scale(&self, x: &CpuTensor<R>, kind: NormKind, eps: f32) -> Op<R> {
        Ok(norm::norm_scale(x, kind, R::from_f32(eps)))
    }

    fn normalize(&self, x: &CpuTensor<R>, scale: &CpuTensor<R>, kind: NormKind) -> Op<R> {
        Ok(norm::normalize(x, scale, kind))
    }

    fn affine(&self, x: &CpuTensor<R>, w: Option<&CpuTensor<R>>, b: Option<&CpuTensor<R>>) -> Op<R> {
        Ok(affine::affine(x, w, b))
    }

    fn linear(&self, x: &CpuTensor<R>, w: &CpuMatrix<R>, b: Option<&CpuTensor<R>>) -> Op<R> {
        Ok(linear::linear(x, w, b))
    }

    fn linear_at(
        &self,
        x: &CpuTensor<R>,
        w: &CpuMatrix<R>,
        b: Option<&CpuTensor<R>>,
        columns: &[u32],
    ) -> Op<R> {
        Ok(linear::linear_at(x, w, b, columns))
    }

    fn heads_in(&self, x: &CpuTensor<R>, w: &CpuMatrix<R>) -> Op<R> {
        Ok(heads::heads_in(x, w))
    }

    fn heads_out(&self, z: &CpuTensor<R>, w: &CpuMatrix<R>) -> Op<R> {
        Ok(heads::heads_out(z, w))
    }

    fn sum_heads(&self, x: &CpuTensor<R>) -> Op<R> {
        Ok(heads::sum_heads(x))
    }

    fn attn_scores(&self, q: &CpuTensor<R>, k: &CpuTensor<R>, scale: f32) -> Op<R> {
        Ok(attn_scores::attn_scores(q, k, R::from_f32(scale)))
    }

    fn softmax(&self, x: &CpuTensor<R>) -> Op<R> {
        Ok(softmax::softmax(x))
    }

    fn attn_mix(&self, pattern: &CpuTensor<R>, v: &CpuTensor<R>) -> Op<R> {
        Ok(attn_mix::attn_mix(pattern, v))
    }

    fn attn_sequences(
        &self,
        q: &CpuTensor<R>,
        k: [&CpuTensor<R>; 2],
        v: [&CpuTensor<R>; 2],
        sequences: &[Sequence],
        scale: f32,
    ) -> Op<R> {
        Ok(attn_sequences::attn_sequences(q, k, v, sequences, R::from_f32(scale)))
    }

    fn activate(&self, x: &CpuTensor<R>, activation: Activation) -> Op<R> {
        Ok(activate::activate(x, activation))
    }

    fn edit(&self, x: &CpuTensor<R>, keep: &CpuTensor<R>, add: &CpuTensor<R>) -> Op<R> {
        Ok(edit::edit(x, keep, add))
    }
}
