//! A gate on a product, entry by entry.

use super::{CpuTensor, Real};
use crate::op::Activation;

/// `f(gate) * up`
pub(super) fn gated<R: Real>(gate: CpuTensor<R>, up: &CpuTensor<R>, activation: Activation) -> CpuTensor<R> {
    gate.changed(|y| {
        R::activate(y, activation);
        R::multiply_by(y, &up.data);
    })
}
