//! Non-linearities.

use std::rc::Rc;

use super::{CpuTensor, Kernel, Op, Place as _, Real, Values};
use crate::op::Activation;

/// Entry by entry; the formulas are at [`Activation`].
///
/// Where there is a kernel, always there: a value that somebody looked at gets the same bits.
pub(super) fn activate<R: Real>(
    kernel: Option<&Rc<Kernel>>,
    x: CpuTensor<R>,
    activation: Activation,
) -> Op<R> {
    let CpuTensor { shape, data } = x;
    match data.into_place(kernel)? {
        Ok(mut place) => {
            place.activate(activation);
            Ok(CpuTensor::of(shape, Values::there(place)))
        }
        Err(data) => Ok(CpuTensor { shape, data }.changed(|data| R::activate(data, activation))),
    }
}

/// The reference.
pub(super) fn plain<R: Real>(values: &mut [R], activation: Activation) {
    let f = match activation {
        Activation::GeluNew => gelu_new,
        Activation::Gelu => gelu,
        Activation::Relu => relu,
        Activation::Silu => silu,
    };
    values.iter_mut().for_each(|x| *x = f(*x));
}

/// Hendrycks & Gimpel 2016, <https://arxiv.org/abs/1606.08415>, the tanh approximation.
fn gelu_new<R: Real>(x: R) -> R {
    let (half, one, cubic) = (constant::<R>(0.5), R::one(), constant::<R>(0.044_715));
    let sqrt_2_over_pi = constant::<R>(std::f64::consts::FRAC_2_PI.sqrt());
    half * x * (one + (sqrt_2_over_pi * (x + cubic * x * x * x)).tanh())
}

/// The exact form: x Φ(x).
fn gelu<R: Real>(x: R) -> R {
    let (half, sqrt_half) = (constant::<R>(0.5), constant::<R>(std::f64::consts::FRAC_1_SQRT_2));
    half * x * (R::one() + (x * sqrt_half).erf())
}

fn relu<R: Real>(x: R) -> R {
    // Not `max`, which would turn a NaN into 0.
    if x < R::zero() { R::zero() } else { x }
}

fn silu<R: Real>(x: R) -> R {
    x / (R::one() + (-x).exp())
}

/// Of [`activate`]: `dy f'(x)`.
pub(super) fn activate_dx<R: Real>(
    x: &CpuTensor<R>,
    dy: &CpuTensor<R>,
    activation: Activation,
) -> CpuTensor<R> {
    let mut dx = dy.data.to_vec();
    R::activate_dx(&x.data, &mut dx, activation);
    CpuTensor::new(x.shape.clone(), dx)
}

/// The reference.
pub(super) fn plain_dx<R: Real>(x: &[R], dy: &mut [R], activation: Activation) {
    let slope = match activation {
        Activation::GeluNew => gelu_new_slope,
        Activation::Gelu => gelu_slope,
        Activation::Relu => relu_slope,
        Activation::Silu => silu_slope,
    };
    dy.iter_mut().zip(x).for_each(|(dy, x)| *dy = *dy * slope(*x));
}

fn gelu_new_slope<R: Real>(x: R) -> R {
    let (half, one, cubic) = (constant::<R>(0.5), R::one(), constant::<R>(0.044_715));
    let sqrt_2_over_pi = constant::<R>(std::f64::consts::FRAC_2_PI.sqrt());
    let tanh = (sqrt_2_over_pi * (x + cubic * x * x * x)).tanh();
    let inner_slope = sqrt_2_over_pi * (one + constant::<R>(3.0) * cubic * x * x);
    half * (one + tanh) + half * x * (one - tanh * tanh) * inner_slope
}

/// Φ(x) + x φ(x)
fn gelu_slope<R: Real>(x: R) -> R {
    let half = constant::<R>(0.5);
    let cdf = half * (R::one() + (x * constant::<R>(std::f64::consts::FRAC_1_SQRT_2)).erf());
    let inv_sqrt_2_pi =
        constant::<R>(std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2 / 2.0);
    cdf + x * inv_sqrt_2_pi * (-half * x * x).exp()
}

/// At 0 it is 0, as in torch.
fn relu_slope<R: Real>(x: R) -> R {
    if x > R::zero() { R::one() } else { R::zero() }
}

fn silu_slope<R: Real>(x: R) -> R {
    let sigmoid = R::one() / (R::one() + (-x).exp());
    sigmoid * (R::one() + x * (R::one() - sigmoid))
}

fn constant<R: Real>(value: f64) -> R {
    R::from(value).expect("f32 and f64 hold any constant")
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
        let slopes = [gelu_slope, gelu_new_slope, silu_slope];
        for (f, slope) in [gelu, gelu_new, silu].into_iter().zip(slopes) {
            for x in [-3.0_f64, -0.7, 0.0, 0.4, 2.5] {
                let err = ((f(x + 1e-5) - f(x - 1e-5)) / 2e-5 - slope(x)).abs();
                assert!(err <= 1e-8, "slope at {x}: error {err}");
            }
        }
        assert_eq!((relu_slope(-1.0_f32), relu_slope(0.0_f32), relu_slope(2.0_f32)), (0.0, 0.0, 1.0));
        assert_eq!((relu(-1.0_f32), relu(2.0_f32)), (0.0, 2.0));
        assert!(relu(f32::NAN).is_nan());
    }
}
