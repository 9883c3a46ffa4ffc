//! Norms over the last axis, in the two steps that have hook points of their own.

use super::{CpuTensor, Real};
use crate::op::NormKind;

/// sqrt(var + eps), var being the biased variance. `[.. d] -> [.. 1]`
pub(super) fn norm_scale<R: Real>(x: &CpuTensor<R>, kind: NormKind, eps: R) -> CpuTensor<R> {
    let n = R::from_f32(x.last() as f32);
    let scales = x.data.chunks_exact(x.last().max(1)).map(|row| {
        let mean = mean(row, kind);
        let var = row.iter().map(|x| (*x - mean) * (*x - mean)).sum::<R>() / n;
        (var + eps).sqrt()
    });
    let scales = scales.collect();
    x.with_last(1, scales)
}

/// `(x - mean) / scale`
pub(super) fn normalize<R: Real>(x: &CpuTensor<R>, scale: &CpuTensor<R>, kind: NormKind) -> CpuTensor<R> {
    let mut y = Vec::with_capacity(x.data.len());
    for (row, scale) in x.data.chunks_exact(x.last().max(1)).zip(scale.data.iter()) {
        let mean = mean(row, kind);
        y.extend(row.iter().map(|x| (*x - mean) / *scale));
    }
    CpuTensor::new(x.shape.clone(), y)
}

/// What the norm centres on.
fn mean<R: Real>(row: &[R], kind: NormKind) -> R {
    match kind {
        NormKind::LayerNorm => row.iter().copied().sum::<R>() / R::from_f32(row.len() as f32),
    }
}
