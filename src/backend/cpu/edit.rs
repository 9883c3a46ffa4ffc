//! An intervention, applied.

use super::{CpuTensor, Real};

/// `keep * x + add`; where `keep` is 0 the result is `add`, so that a masked score (-inf) can be replaced.
pub(super) fn edit<R: Real>(x: &CpuTensor<R>, keep: &CpuTensor<R>, add: &CpuTensor<R>) -> CpuTensor<R> {
    let entries = x.data.iter().zip(keep.data.iter()).zip(add.data.iter());
    let y = entries.map(|((x, keep), add)| if *keep == R::zero() { *add } else { *keep * *x + *add });
    let y = y.collect();
    CpuTensor::new(x.shape.clone(), y)
}

/// `a * b`, entry by entry; where `a` is 0 the result is 0.
pub(super) fn multiply<R: Real>(a: &CpuTensor<R>, b: &CpuTensor<R>) -> CpuTensor<R> {
    let entries = a.data.iter().zip(b.data.iter());
    let y = entries.map(|(a, b)| if *a == R::zero() { R::zero() } else { *a * *b }).collect();
    CpuTensor::new(b.shape.clone(), y)
}
