//! `x * w + b` over the last axis.

use super::{CpuTensor, Real};

/// A missing `w` is 1, a missing `b` is 0.
pub(super) fn affine<R: Real>(
    x: &CpuTensor<R>,
    w: Option<&CpuTensor<R>>,
    b: Option<&CpuTensor<R>>,
) -> CpuTensor<R> {
    let mut y = Vec::with_capacity(x.data.len());
    for row in x.data.chunks_exact(x.last().max(1)) {
        let at = y.len();
        y.extend_from_slice(row);
        if let Some(w) = w {
            R::multiply_by(&mut y[at..], w.values());
        }
        if let Some(b) = b {
            R::add_to(&mut y[at..], b.values());
        }
    }
    CpuTensor::new(x.shape.clone(), y)
}

/// `by * x`
pub(super) fn scale<R: Real>(x: &CpuTensor<R>, by: R) -> CpuTensor<R> {
    CpuTensor::new(x.shape.clone(), x.data.iter().map(|x| *x * by).collect())
}
