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
        match (w, b) {
            (Some(w), Some(b)) => {
                let entries = row.iter().zip(w.values()).zip(b.values());
                y.extend(entries.map(|((x, w), b)| *x * *w + *b));
            }
            (Some(w), None) => y.extend(row.iter().zip(w.values()).map(|(x, w)| *x * *w)),
            (None, Some(b)) => y.extend(row.iter().zip(b.values()).map(|(x, b)| *x + *b)),
            (None, None) => y.extend_from_slice(row),
        }
    }
    CpuTensor::new(x.shape.clone(), y)
}

/// `by * x`
pub(super) fn scale<R: Real>(x: &CpuTensor<R>, by: R) -> CpuTensor<R> {
    CpuTensor::new(x.shape.clone(), x.data.iter().map(|x| *x * by).collect())
}
