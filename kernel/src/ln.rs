//! The natural logarithm, four at once.

use crate::{exp::held, simd::F32x4};

/// `ln x` for positive, normal x; nothing is promised of other x, NaN among them.
///
/// `x = 2^n m` with m between sqrt(1/2) and sqrt(2), and `ln m = 2 artanh s` with `s = (m - 1) / (m + 1)`, an odd
/// function of a small s: three terms after the first are enough. The polynomial has the least largest error among
/// those of its degree, 1e-9 of `ln m`; with rounding it is below 2e-7, relative to the larger of `|ln x|` and 1.
///
/// Its constants are made once a loop; see [`held`].
pub(crate) struct Ln {
    sqrt_half: F32x4,
    one: F32x4,
    two: F32x4,
    ln_2: F32x4,
    polynomial: [F32x4; 3],
}

impl Ln {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            sqrt_half: held(core::f32::consts::FRAC_1_SQRT_2),
            one: held(1.0),
            two: held(2.0),
            ln_2: held(core::f32::consts::LN_2),
            polynomial: [0.666_667_76, 0.399_774_5, 0.298_744_02].map(held),
        }
    }

    #[inline(always)]
    pub(crate) fn of(&self, x: F32x4) -> F32x4 {
        // How often sqrt(1/2) must be doubled to come next to x: the difference of the exponents, rounded down.
        let n = x.bits_minus(self.sqrt_half).bits_right(23);
        let m = x.bits_minus(n.bits_left(23));
        let s = (m - self.one) / (m + self.one);
        let square = s * s;
        let [c0, c1, c2] = self.polynomial;
        let p = c0.plus_product(square, c1.plus_product(square, c2));
        (s * self.two.plus_product(square, p)).plus_product(n.bits_as_number(), self.ln_2)
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
