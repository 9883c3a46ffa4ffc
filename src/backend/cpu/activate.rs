//! Non-linearities.

use super::{CpuTensor, Real};
use crate::op::Activation;

/// Entry by entry; the formulas are at [`Activation`].
pub(super) fn activate<R: Real>(x: &CpuTensor<R>, activation: Activation) -> CpuTensor<R> {
    let f = match activation {
        Activation::GeluNew => gelu_new,
        Activation::Gelu => gelu,
        Activation::Relu => relu,
        Activation::Silu => silu,
    };
    CpuTensor::new(x.shape.clone(), x.data.iter().map(|x| f(*x)).collect())
}

/// Hendrycks & Gimpel 2016, <https://arxiv.org/abs/1606.08415>, the tanh approximation.
fn gelu_new<R: Real>(x: R) -> R {
    let (half, one, cubic) = (R::from_f32(0.5), R::one(), R::from(0.044_715).unwrap_or_else(R::zero));
    let sqrt_2_over_pi = R::from(std::f64::consts::FRAC_2_PI.sqrt()).unwrap_or_else(R::zero);
    half * x * (one + (sqrt_2_over_pi * (x + cubic * x * x * x)).tanh())
}

/// The exact form: x Φ(x).
fn gelu<R: Real>(x: R) -> R {
    let (half, sqrt_half) =
        (R::from_f32(0.5), R::from(std::f64::consts::FRAC_1_SQRT_2).unwrap_or_else(R::zero));
    half * x * (R::one() + (x * sqrt_half).erf())
}

fn relu<R: Real>(x: R) -> R {
    // Not `max`, which would turn a NaN into 0.
    if x < R::zero() { R::zero() } else { x }
}

fn silu<R: Real>(x: R) -> R {
    x / (R::one() + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // torch.nn.functional.gelu(1.0), the same with approximate="tanh", and silu(1.0).
        for (got, want) in [
            (gelu(1.0_f64), 0.841_344_746_068_542_9),
            (gelu_new(1.0_f64), 0.841_191_990_607_745_9),
            (silu(1.0_f64), 0.731_058_578_630_004_9),
        ] {
            let err = (got - want).abs();
            assert!(err <= 1e-8, "{got} is not {want}");
        }
        assert_eq!((relu(-1.0_f32), relu(2.0_f32)), (0.0, 2.0));
        assert!(relu(f32::NAN).is_nan());
    }
}
