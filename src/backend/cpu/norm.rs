//! Norms over the last axis, in the two steps that have hook points of their own.

use super::{CpuTensor, Real};
use crate::op::NormKind;

/// sqrt(var + eps), var being the biased variance. `[.. d] -> [.. 1]`
pub(super) fn norm_scale<R: Real>(x: &CpuTensor<R>, kind: NormKind, eps: R) -> CpuTensor<R> {
    let n = R::from_f32(x.last() as f32);
    let scales = x.data.chunks_exact(x.last().max(1)).map(|row| {
        let mean = mean(row, kind);
        (R::sum_of_squares_around(row, mean) / n + eps).sqrt()
    });
    let scales = scales.collect();
    x.with_last(1, scales)
}

/// `(x - mean) / scale`
pub(super) fn normalize<R: Real>(x: &CpuTensor<R>, scale: &CpuTensor<R>, kind: NormKind) -> CpuTensor<R> {
    let mut y = Vec::with_capacity(x.data.len());
    for (row, scale) in x.data.chunks_exact(x.last().max(1)).zip(scale.data.iter()) {
        let mean = mean(row, kind);
        let at = y.len();
        y.extend_from_slice(row);
        R::normalise(&mut y[at..], mean, *scale);
    }
    CpuTensor::new(x.shape.clone(), y)
}

/// The reference: Σ (x - centre)²
pub(super) fn plain_sum_of_squares<R: Real>(row: &[R], centre: R) -> R {
    row.iter().map(|x| (*x - centre) * (*x - centre)).sum()
}

/// What the norm centres on.
fn mean<R: Real>(row: &[R], kind: NormKind) -> R {
    match kind {
        NormKind::LayerNorm => R::sum_of(row) / R::from_f32(row.len() as f32),
        NormKind::Rms => R::zero(),
    }
}

/// Of [`norm_scale`]: `ds (x - mean) / (d scale)`; the mean's own share sums to 0.
pub(super) fn norm_scale_dx<R: Real>(
    x: &CpuTensor<R>,
    scale: &CpuTensor<R>,
    ds: &CpuTensor<R>,
    kind: NormKind,
) -> CpuTensor<R> {
    let n = R::from_f32(x.last() as f32);
    let mut dx = Vec::with_capacity(x.data.len());
    let rows = x.data.chunks_exact(x.last().max(1));
    for ((row, scale), ds) in rows.zip(scale.data.iter()).zip(ds.data.iter()) {
        let mean = mean(row, kind);
        let by = *ds / (n * *scale);
        dx.extend(row.iter().map(|x| by * (*x - mean)));
    }
    CpuTensor::new(x.shape.clone(), dx)
}

/// Of [`normalize`], towards `x`: `(dy - mean(dy)) / scale`
pub(super) fn normalize_dx<R: Real>(dy: &CpuTensor<R>, scale: &CpuTensor<R>, kind: NormKind) -> CpuTensor<R> {
    // Centring is its own transpose.
    normalize(dy, scale, kind)
}

/// Of [`normalize`], towards `scale`: `-sum(dy y) / scale`
pub(super) fn normalize_dscale<R: Real>(
    dy: &CpuTensor<R>,
    y: &CpuTensor<R>,
    scale: &CpuTensor<R>,
) -> CpuTensor<R> {
    let last = y.last().max(1);
    let rows = dy.data.chunks_exact(last).zip(y.data.chunks_exact(last)).zip(scale.data.iter());
    let one = |((dy, y), scale): ((&[R], &[R]), &R)| -R::dot(dy, y) / *scale;
    CpuTensor::new(scale.shape.clone(), rows.map(one).collect())
}
