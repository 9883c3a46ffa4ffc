//! `x * w + b` over the last axis.

use super::{CpuTensor, Real};

/// A missing `w` is 1, a missing `b` is 0.
pub(super) fn affine<R: Real>(
    x: &CpuTensor<R>,
    w: Option<&CpuTensor<R>>,
    b: Option<&CpuTensor<R>>,
) -> CpuTensor<R> {
    let mut y = x.data.to_vec();
    for row in y.chunks_exact_mut(x.last().max(1)) {
        if let Some(w) = w {
            row.iter_mut().zip(w.data.iter()).for_each(|(y, w)| *y = *y * *w);
        }
        if let Some(b) = b {
            row.iter_mut().zip(b.data.iter()).for_each(|(y, b)| *y += *b);
        }
    }
    CpuTensor::new(x.shape.clone(), y)
}

/// `by * x`
pub(super) fn scale<R: Real>(x: &CpuTensor<R>, by: R) -> CpuTensor<R> {
    CpuTensor::new(x.shape.clone(), x.data.iter().map(|x| *x * by).collect())
}
