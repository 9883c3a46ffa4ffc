//! The exponential, four at once.

use crate::simd::F32x4;

/// `e^x` for each of the four, none of them above 88: 0 below -87.3, where results are no normal numbers, NaN for NaN.
///
/// Cody & Waite 1980: `x = n ln 2 + r` with |r| <= ln 2 / 2, `ln 2` in two parts; the polynomial for `e^r` has the
/// least largest error among those of its degree, 3e-9. With rounding, the relative error is below 2e-7.
///
/// Its constants are made once a loop; see [`held`].
#[derive(Clone, Copy)]
pub(crate) struct Exp {
    lowest: F32x4,
    rounder: F32x4,
    log_2_e: F32x4,
    minus_ln_2: [F32x4; 2],
    polynomial: [F32x4; 5],
    one: F32x4,
}

/// A constant for a whole loop.
///
/// A compiler of WebAssembly would make it anew for each use, in about five instructions: that took longer than the
/// arithmetic. It cannot do so with what it does not know to be constant.
#[inline(always)]
pub(crate) fn held(value: f32) -> F32x4 {
    F32x4::splat(core::hint::black_box(value))
}

impl Exp {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        const LN_2_HIGH: f32 = 355.0 / 512.0; // Nine bits, so that a product with n is exact.
        const LN_2_LOW: f32 = -2.121_944_4e-4;
        Self {
            lowest: held(-87.3),
            // 1.5 * 2^23: added to a small number, it leaves that number's whole part in the lowest bits.
            rounder: held(12_582_912.0),
            log_2_e: held(core::f32::consts::LOG2_E),
            minus_ln_2: [held(-LN_2_HIGH), held(-LN_2_LOW)],
            polynomial: [
                held(1.381_459_1e-3),
                held(8.368_718e-3),
                held(4.166_839e-2),
                held(1.666_652_1e-1),
                held(4.999_999_4e-1),
            ],
            one: held(1.0),
        }
    }

    #[inline(always)]
    pub(crate) fn of(&self, x: F32x4) -> F32x4 {
        let shifted = self.rounder.plus_product(x, self.log_2_e);
        let n = shifted - self.rounder;
        let r = x.plus_product(n, self.minus_ln_2[0]).plus_product(n, self.minus_ln_2[1]);
        let [c0, c1, c2, c3, c4] = self.polynomial;
        let square = r * r;
        let low = c4.plus_product(c3, r);
        let high = c2.plus_product(c1, r).plus_product(c0, square);
        let e_r = (self.one + r).plus_product(low.plus_product(high, square), square);
        // 2^n has the bits of 1, moved by as much: n stands in the lowest of `shifted`, and the others are moved out.
        let two_n = self.one.bits_plus(shifted.bits_left(23));
        (e_r * two_n).zero_where_less(x, self.lowest)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use super::*;
    use crate::simd::map;

    /// What every elementwise kernel promises, beside `floor` for results too small to matter.
    pub(crate) const REL_TOL: f64 = 2e-6;

    pub(crate) fn is_near(got: f32, want: f64, floor: f64) -> bool {
        if want.is_nan() || want.is_infinite() || got.is_nan() || got.is_infinite() {
            return f64::from(got) == want || (got.is_nan() && want.is_nan());
        }
        let err = (f64::from(got) - want).abs();
        err <= REL_TOL * want.abs() + floor
    }

    /// Values of every size and both signs, more of them near 0.
    pub(crate) fn sweep(max: f64) -> Vec<f32> {
        let mut values = vec![0.0, -0.0, 1e-30, -1e-30, f32::MIN_POSITIVE];
        for i in 0..20_001 {
            let t = f64::from(i) / 10_000.0 - 1.0;
            values.extend([(t * max) as f32, (t * t * t * max) as f32, t as f32]);
        }
        values
    }

    fn exps(mut values: Vec<f32>) -> Vec<f32> {
        let exp = Exp::new();
        map(&mut values, |x| exp.of(x));
        values
    }

    #[test]
    fn exp_is_exp() {
        let values: Vec<f32> = sweep(110.0).iter().map(|x| -x.abs()).collect();
        for (x, got) in values.iter().zip(exps(values.clone())) {
            let want = f64::from(*x).exp();
            let err = (f64::from(got) - want).abs();
            assert!(err <= 2e-7 * want + f64::from(f32::MIN_POSITIVE) * 1.1, "exp({x}) = {got}, not {want}");
        }
    }

    #[test]
    fn what_is_no_number_stays_so() {
        let got =
            exps(vec![f32::NEG_INFINITY, -3e38, 0.0, -0.0, f32::NAN, -f32::NAN, f32::from_bits(0x7fc0_01ff)]);
        assert_eq!(got[..4], [0.0, 0.0, 1.0, 1.0]);
        assert!(got[4..].iter().all(|e| e.is_nan()));
    }

    #[test]
    fn the_comparison_can_fail() {
        assert!(is_near(1.0, 1.0 + 1e-6, 0.0));
        assert!(!is_near(1.0, 1.0 + 3e-6, 0.0));
        assert!(!is_near(f32::NAN, 1.0, 1.0));
        assert!(!is_near(1.0, f64::NAN, 1.0));
        assert!(!is_near(f32::INFINITY, 1e30, 1.0));
        assert!(!is_near(f32::INFINITY, f64::NEG_INFINITY, 1.0));
    }
}
