//! `x * w + b` over the last axis.

use super::{CpuTensor, Real};

/// A missing `w` is 1, a missing `b` is 0.
pub(super) fn affine<R: Real>(
    x: CpuTensor<R>,
    w: Option<&CpuTensor<R>>,
    b: Option<&CpuTensor<R>>,
) -> CpuTensor<R> {
    let last = x.last().max(1);
    let of_row = |row: &mut [R]| {
        if let Some(w) = w {
            R::multiply_by(row, w.values());
        }
        if let Some(b) = b {
            R::add_to(row, b.values());
        }
    };
    x.changed(|data| data.chunks_exact_mut(last).for_each(of_row))
}

/// `by * x`
pub(super) fn scale<R: Real>(x: CpuTensor<R>, by: R) -> CpuTensor<R> {
    x.changed(|data| data.iter_mut().for_each(|x| *x = *x * by))
}
