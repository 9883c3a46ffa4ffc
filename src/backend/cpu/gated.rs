//! A gate on a product, entry by entry.

use super::{CpuTensor, Real};
use crate::op::Activation;

/// `f(gate) * up`
pub(super) fn gated<R: Real>(gate: &CpuTensor<R>, up: &CpuTensor<R>, activation: Activation) -> CpuTensor<R> {
    let mut y = gate.data.to_vec();
    R::activate(&mut y, activation);
    y.iter_mut().zip(up.data.iter()).for_each(|(y, up)| *y = *y * *up);
    CpuTensor::new(gate.shape.clone(), y)
}
