//! Softmax over the last axis.

use super::{CpuTensor, Real};

/// A row that is masked throughout becomes 0, as in TransformerLens.
pub(super) fn softmax<R: Real>(x: &CpuTensor<R>) -> CpuTensor<R> {
    let mut y = x.data.to_vec();
    for row in y.chunks_exact_mut(x.last().max(1)) {
        // fold, not max_by: a NaN stays visible in the sum below.
        let max = row.iter().fold(R::neg_infinity(), |max, x| max.max(*x));
        if max == R::neg_infinity() && row.iter().all(|x| !x.is_nan()) {
            row.fill(R::zero());
            continue;
        }
        row.iter_mut().for_each(|x| *x = (*x - max).exp());
        let sum = row.iter().copied().sum::<R>();
        row.iter_mut().for_each(|x| *x = *x / sum);
    }
    CpuTensor::new(x.shape.clone(), y)
}
