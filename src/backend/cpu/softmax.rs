//! Softmax over the last axis.

use super::{CpuTensor, Real};

/// A row that is masked throughout becomes 0, as in TransformerLens.
pub(super) fn softmax<R: Real>(x: CpuTensor<R>) -> CpuTensor<R> {
    let last = x.last().max(1);
    x.changed(|data| data.chunks_exact_mut(last).for_each(R::softmax))
}

/// The reference, for one row.
pub(super) fn plain<R: Real>(row: &mut [R]) {
    // fold, not max_by: a NaN stays visible in the sum below.
    let max = row.iter().fold(R::neg_infinity(), |max, x| max.max(*x));
    if max == R::neg_infinity() && row.iter().all(|x| !x.is_nan()) {
        return row.fill(R::zero());
    }
    row.iter_mut().for_each(|x| *x = (*x - max).exp());
    let sum = row.iter().copied().sum::<R>();
    row.iter_mut().for_each(|x| *x = *x / sum);
}

/// Of [`softmax`], from its result: `y (dy - sum(dy y))`. A masked entry has y = 0 and gets 0.
pub(super) fn softmax_dx<R: Real>(y: &CpuTensor<R>, dy: &CpuTensor<R>) -> CpuTensor<R> {
    let last = y.last().max(1);
    let mut dx = Vec::with_capacity(y.data.len());
    for (y, dy) in y.data.chunks_exact(last).zip(dy.data.chunks_exact(last)) {
        let sum = R::dot(y, dy);
        dx.extend(y.iter().zip(dy).map(|(y, dy)| *y * (*dy - sum)));
    }
    CpuTensor::new(y.shape.clone(), dx)
}
