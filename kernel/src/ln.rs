//! The natural logarithm, four at once.

use crate::{exp::held, simd::F32x4};

/// `ln x` for positive, normal x; nothing is promised of other x, NaN among them.
///
/// `x = 2^n m` with m between sqrt(1/2) and sqrt(2); the polynomial for `ln m` is Cephes' `logf` (Moshier 1992,
/// <https://www.netlib.org/cephes/>). Its error is below 1e-7, relative to the larger of `|ln x|` and 1.
///
/// Its constants are made once a loop; see [`held`].
pub(crate) struct Ln {
    sqrt_half: F32x4,
    rounder: F32x4,
    one: F32x4,
    minus_half: F32x4,
    ln_2: [F32x4; 2],
    polynomial: [F32x4; 9],
}

impl Ln {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        const LN_2_HIGH: f32 = 355.0 / 512.0; // Nine bits, so that a product with n is exact.
        const LN_2_LOW: f32 = -2.121_944_4e-4;
        const POLYNOMIAL: [f32; 9] = [
            7.037_683_6e-2,
            -1.151_461e-1,
            1.167_699_9e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_8e-1,
            2.000_071_5e-1,
            -2.499_999_4e-1,
            3.333_333e-1,
        ];
        Self {
            sqrt_half: held(core::f32::consts::FRAC_1_SQRT_2),
            rounder: held(12_582_912.0), // 1.5 * 2^23
            one: held(1.0),
            minus_half: held(-0.5),
            ln_2: [held(LN_2_HIGH), held(LN_2_LOW)],
            polynomial: POLYNOMIAL.map(held),
        }
    }

    #[inline(always)]
    pub(crate) fn of(&self, x: F32x4) -> F32x4 {
        // How often sqrt(1/2) must be doubled to come next to x: the difference of the exponents, rounded down.
        let n = x.bits_minus(self.sqrt_half).bits_moved(23, 0);
        let f = x.bits_minus(n.bits_moved(0, 23)) - self.one;
        let n = self.rounder.bits_plus(n) - self.rounder;
        let mut p = self.polynomial[0];
        for c in &self.polynomial[1..] {
            p = c.plus_product(p, f);
        }
        let square = f * f;
        let tail = (p * f * square).plus_product(n, self.ln_2[1]).plus_product(self.minus_half, square);
        (f + tail).plus_product(n, self.ln_2[0])
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::simd::map;

    #[test]
    fn ln_is_ln() {
        let mut values: Vec<f32> = (0..=127).map(|n| f32::MIN_POSITIVE * 2_f32.powi(n)).collect();
        values.extend((1..20_000).map(|i| i as f32 / 10_000.0));
        values.extend([core::f32::consts::FRAC_1_SQRT_2, 1.0, core::f32::consts::SQRT_2, 3e38]);
        let mut got = values.clone();
        let ln = Ln::new();
        map(&mut got, |x| ln.of(x));
        for (x, got) in values.iter().zip(got) {
            let want = f64::from(*x).ln();
            let err = (f64::from(got) - want).abs();
            assert!(err <= 2e-7 * want.abs().max(1.0), "ln({x}) = {got}, not {want}");
        }
    }
}
