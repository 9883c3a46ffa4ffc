//! A cap that is reached slowly: scores and logits of Gemma 2.

use super::{CpuTensor, Real};

/// `cap tanh(x / cap)`; a masked score stays -inf.
pub(super) fn soft_cap<R: Real>(x: CpuTensor<R>, cap: R) -> CpuTensor<R> {
    let one = |x: R| if x == R::neg_infinity() { x } else { cap * (x / cap).tanh() };
    x.changed(|data| data.iter_mut().for_each(|x| *x = one(*x)))
}

/// Of [`soft_cap`], from its result: `dy (1 - (y / cap)^2)`, and 0 where `y` is masked.
pub(super) fn soft_cap_dx<R: Real>(y: &CpuTensor<R>, dy: &CpuTensor<R>, cap: R) -> CpuTensor<R> {
    let one = |(y, dy): (&R, &R)| {
        if *y == R::neg_infinity() { R::zero() } else { *dy * (R::one() - (*y / cap) * (*y / cap)) }
    };
    CpuTensor::new(y.shape.clone(), y.data.iter().zip(dy.data.iter()).map(one).collect())
}
