//! Non-linearities, entry by entry, four at once.

use core::f32::consts::FRAC_1_SQRT_2;

use crate::{
    exp::{Exp, held},
    simd::{F32x4, LANES, map},
};

/// `2 sqrt(2 / pi)`
const TWO_SQRT_2_OVER_PI: f32 = 1.595_769;
/// The cubic term of the tanh form.
const CUBIC: f32 = 0.044_715;

/// GELU, the tanh form: `x/2 (1 + tanh u)` with `u = sqrt(2/pi) (x + 0.044715 x³)`.
///
/// Hendrycks & Gimpel 2016, <https://arxiv.org/abs/1606.08415>.
pub fn gelu_new(values: &mut [f32]) {
    // Below this the exponential is too large for f32, and the result smaller than 2e-37.
    let (form, least) = (TanhForm::new(), held(-10.0));
    map(values, |x| (x / (form.one + form.exp.of(form.zero - form.two_u(x)))).zero_where_less(x, least));
}

/// `max(x, 0)`; a NaN stays.
pub fn relu(values: &mut [f32]) {
    let zero = held(0.0);
    map(values, |x| x.at_least(zero));
}

/// Multiplies each `dy` by the slope of [`gelu_new`] at its `x`, over as many as the shorter has.
pub fn gelu_new_dx(x: &[f32], dy: &mut [f32]) {
    let tanh_form = TanhForm::new();
    for (x, dy) in x.chunks(LANES).zip(dy.chunks_mut(LANES)) {
        (F32x4::of(dy, 0.0) * tanh_form.slope(F32x4::of(x, 0.0))).put(dy);
    }
}

/// Its constants, made once a loop.
struct TanhForm {
    exp: Exp,
    zero: F32x4,
    one: F32x4,
    three: F32x4,
    cubic: F32x4,
    two_sqrt_2_over_pi: F32x4,
}

impl TanhForm {
    #[inline(always)]
    fn new() -> Self {
        Self {
            exp: Exp::new(),
            zero: held(0.0),
            one: held(1.0),
            three: held(3.0),
            cubic: held(CUBIC),
            two_sqrt_2_over_pi: held(TWO_SQRT_2_OVER_PI),
        }
    }

    /// `2u`: as `(1 + tanh u) / 2 = 1 / (1 + exp(-2u))`, and nothing cancels there.
    #[inline(always)]
    fn two_u(&self, x: F32x4) -> F32x4 {
        let bracket = self.one.plus_product(self.cubic * x, x);
        self.two_sqrt_2_over_pi * x * bracket
    }

    /// `s + x s (1 - s) (2u)'` with `s = 1 / (1 + exp(-2u))`, all from `exp(-|2u|)`, which never overflows.
    #[inline(always)]
    fn slope(&self, x: F32x4) -> F32x4 {
        let e = self.exp.of(self.zero - self.two_u(x).abs());
        let large = self.one / (self.one + e);
        let small = e * large;
        let two_u_slope = self.two_sqrt_2_over_pi * self.one.plus_product(self.three * self.cubic * x, x);
        x.if_negative(small, large).plus_product(x, small * large * two_u_slope)
    }
}

/// GELU, the exact form: `x Φ(x)`.
pub fn gelu(values: &mut [f32]) {
    let normal = Normal::new();
    map(values, |x| x * normal.cdf(x));
}

/// The normal distribution; its constants, made once a loop.
struct Normal {
    exp: Exp,
    half: F32x4,
    one: F32x4,
    sqrt_half: F32x4,
    polynomial: [F32x4; 10],
}

impl Normal {
    #[inline(always)]
    fn new() -> Self {
        #[allow(clippy::excessive_precision, reason = "as printed there")]
        const POLYNOMIAL: [f32; 10] = [
            0.170_872_77,
            -0.822_152_23,
            1.488_515_87,
            -1.135_203_98,
            0.278_868_07,
            -0.186_288_06,
            0.096_784_18,
            0.374_091_96,
            1.000_023_68,
            -1.265_512_23,
        ];
        Self {
            exp: Exp::new(),
            half: held(0.5),
            one: held(1.0),
            sqrt_half: held(FRAC_1_SQRT_2),
            polynomial: POLYNOMIAL.map(held),
        }
    }

    /// Φ(x), from `erfc(|x| / sqrt 2)`, so that small probabilities keep their digits.
    #[inline(always)]
    fn cdf(&self, x: F32x4) -> F32x4 {
        let tail = self.half * self.erfc(x.abs() * self.sqrt_half);
        x.if_negative(tail, self.one - tail)
    }

    /// `erfc(z)` for z >= 0: Press et al., Numerical Recipes, 1992, §6.2, whose own error is below 1.2e-7.
    #[inline(always)]
    fn erfc(&self, z: F32x4) -> F32x4 {
        let t = self.one / self.one.plus_product(self.half, z);
        let mut p = self.polynomial[0];
        for c in &self.polynomial[1..] {
            p = c.plus_product(p, t);
        }
        t * self.exp.of(p - z * z)
    }
}

/// SiLU: `x / (1 + exp(-x))`.
pub fn silu(values: &mut [f32]) {
    let (exp, zero, one) = (Exp::new(), held(0.0), held(1.0));
    map(values, |x| {
        let e = exp.of(zero - x.abs());
        x * x.if_negative(e, one) / (one + e)
    });
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec;

    use super::*;
    use crate::exp::tests::{is_near, sweep};

    /// Results below this have less than f32's precision in their exponent, and nobody adds them up.
    const FLOOR: f64 = 1e-11;

    fn plain_gelu_new(x: f64) -> f64 {
        let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
        x / (1.0 + (-2.0 * u).exp())
    }

    /// Φ by its Taylor series near 0, by its continued fraction far away: no libm here.
    fn plain_gelu(x: f64) -> f64 {
        let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if x.abs() < 3.0 {
            let (mut term, mut sum, mut n) = (x, x, 1.0);
            while term.abs() > 1e-18 * sum.abs() {
                n += 2.0;
                term *= x * x / n;
                sum += term;
            }
            return x * (0.5 + density * sum);
        }
        let mut fraction = x.abs();
        for i in (1..200).rev() {
            fraction = x.abs() + f64::from(i) / fraction;
        }
        let tail = density / fraction;
        x * if x < 0.0 { tail } else { 1.0 - tail }
    }

    fn check(kernel: fn(&mut [f32]), plain: fn(f64) -> f64) {
        let values = sweep(60.0);
        let mut got = values.clone();
        kernel(&mut got);
        for (x, got) in values.iter().zip(got) {
            let want = plain(f64::from(*x));
            assert!(is_near(got, want, FLOOR), "f({x}) = {got}, not {want}");
        }
        let mut ends = vec![1e30, f32::INFINITY, f32::NAN, -1e30, -200.0];
        kernel(&mut ends);
        assert_eq!((ends[0], ends[1], ends[3], ends[4]), (1e30, f32::INFINITY, 0.0, 0.0));
        assert!(ends[2].is_nan());
    }

    #[test]
    fn relu_keeps_what_is_positive() {
        check(relu, |x| x.max(0.0));
    }

    #[test]
    fn gelu_in_its_tanh_form() {
        check(gelu_new, plain_gelu_new);
    }

    #[test]
    fn the_slope_of_gelu_in_its_tanh_form() {
        let x = sweep(60.0);
        let mut slopes = vec![2.0; x.len()];
        gelu_new_dx(&x, &mut slopes);
        for (x, got) in x.iter().zip(slopes) {
            let wide = f64::from(*x);
            let s = plain_gelu_new(wide) / wide;
            let want = match *x {
                0.0 => 1.0,
                _ => {
                    let inner =
                        2.0 * (2.0 / std::f64::consts::PI).sqrt() * (1.0 + 3.0 * 0.044_715 * wide * wide);
                    2.0 * (s + wide * s * (1.0 - s) * inner)
                }
            };
            // It crosses 0 near -0.75, where its terms cancel.
            assert!(is_near(got, want, 5e-7), "f'({x}) = {got}, not {want}");
        }
        let mut slopes = [1.0; 5];
        gelu_new_dx(&[f32::NAN, 1e12, -1e12, 20.0, -20.0], &mut slopes);
        assert!(slopes[0].is_nan());
        assert_eq!(slopes[1..], [1.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn gelu_in_its_exact_form() {
        check(gelu, plain_gelu);
    }

    #[test]
    fn silu_is_x_times_its_sigmoid() {
        check(silu, |x| x / (1.0 + (-x).exp()));
    }

    #[test]
    fn one_form_of_gelu_is_not_the_other() {
        let mut x = [1.0];
        gelu(&mut x);
        assert!(!is_near(x[0], plain_gelu_new(1.0), FLOOR));
        // torch.nn.functional.gelu(1.0)
        assert!(is_near(x[0], 0.841_344_746_068_542_9, 0.0));
    }
}
