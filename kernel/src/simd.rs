//! Four f32 side by side: 128 bits, what WebAssembly has and what every CPU holds in a register.

#![allow(unsafe_code, reason = "loads and stores through pointers whose bounds the caller has checked")]

use core::ops::{Add, Div, Mul, Sub};

pub(crate) use imp::F32x4;

/// Values in a vector.
pub(crate) const LANES: usize = 4;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod imp {
    use core::arch::wasm32::*;

    /// Four values.
    #[derive(Clone, Copy)]
    pub(crate) struct F32x4(v128);

    impl F32x4 {
        #[inline(always)]
        pub(crate) fn splat(value: f32) -> Self {
            Self(f32x4_splat(value))
        }

        /// Safety: four values can be read from `from`.
        #[inline(always)]
        pub(crate) unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller's promise; v128.load needs no alignment.
            Self(unsafe { v128_load(from.cast()) })
        }

        /// Safety: four values can be written to `to`.
        #[inline(always)]
        pub(crate) unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller's promise; v128.store needs no alignment.
            unsafe { v128_store(to.cast(), self.0) }
        }

        /// `self + a b`, rounded once where relaxed SIMD is there and the machine can, else twice.
        #[inline(always)]
        pub(crate) fn plus_product(self, a: Self, b: Self) -> Self {
            #[cfg(target_feature = "relaxed-simd")]
            return Self(f32x4_relaxed_madd(a.0, b.0, self.0));
            #[cfg(not(target_feature = "relaxed-simd"))]
            Self(f32x4_add(self.0, f32x4_mul(a.0, b.0)))
        }

        #[inline(always)]
        pub(crate) fn plus(self, other: Self) -> Self {
            Self(f32x4_add(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn minus(self, other: Self) -> Self {
            Self(f32x4_sub(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn times(self, other: Self) -> Self {
            Self(f32x4_mul(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn over(self, other: Self) -> Self {
            Self(f32x4_div(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn abs(self) -> Self {
            Self(f32x4_abs(self.0))
        }

        /// `other` where that is larger; a NaN of `self` stays, one of `other` is passed over.
        #[inline(always)]
        pub(crate) fn at_least(self, other: Self) -> Self {
            Self(f32x4_pmax(self.0, other.0))
        }

        /// Whether every one of sixteen is at most `limit`; a NaN is not.
        #[inline(always)]
        pub(crate) fn all_at_most([a, b, c, d]: [Self; 4], limit: Self) -> bool {
            let le = |of: Self| f32x4_le(of.0, limit.0);
            i32x4_all_true(v128_and(v128_and(le(a), le(b)), v128_and(le(c), le(d))))
        }

        /// Whether every one of sixteen equals `to`; a NaN does not.
        #[inline(always)]
        pub(crate) fn all_equal([a, b, c, d]: [Self; 4], to: Self) -> bool {
            let eq = |of: Self| f32x4_eq(of.0, to.0);
            i32x4_all_true(v128_and(v128_and(eq(a), eq(b)), v128_and(eq(c), eq(d))))
        }

        /// `then` where `self` is below 0, `other` elsewhere.
        #[inline(always)]
        pub(crate) fn if_negative(self, then: Self, other: Self) -> Self {
            Self(v128_bitselect(then.0, other.0, f32x4_lt(self.0, f32x4_splat(0.0))))
        }

        /// The bits as whole numbers, shifted right, with the sign.
        #[inline(always)]
        pub(crate) fn bits_right(self, by: u32) -> Self {
            Self(i32x4_shr(self.0, by))
        }

        /// The bits as whole numbers, shifted left.
        #[inline(always)]
        pub(crate) fn bits_left(self, by: u32) -> Self {
            Self(i32x4_shl(self.0, by))
        }

        /// The bits, which are whole numbers with a sign, as floats of that value.
        #[inline(always)]
        pub(crate) fn bits_as_number(self) -> Self {
            Self(f32x4_convert_i32x4(self.0))
        }

        /// `self`, or 0 where `x` is less than `limit`.
        #[inline(always)]
        pub(crate) fn zero_where_less(self, x: Self, limit: Self) -> Self {
            Self(v128_andnot(self.0, f32x4_lt(x.0, limit.0)))
        }

        /// The sum of the bits as whole numbers.
        #[inline(always)]
        pub(crate) fn bits_plus(self, other: Self) -> Self {
            Self(i32x4_add(self.0, other.0))
        }

        /// The difference of the bits as whole numbers.
        #[inline(always)]
        pub(crate) fn bits_minus(self, other: Self) -> Self {
            Self(i32x4_sub(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn to_array(self) -> [f32; 4] {
            [
                f32x4_extract_lane::<0>(self.0),
                f32x4_extract_lane::<1>(self.0),
                f32x4_extract_lane::<2>(self.0),
                f32x4_extract_lane::<3>(self.0),
            ]
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod imp {
    /// Four values, which LLVM keeps in one register.
    #[derive(Clone, Copy)]
    pub(crate) struct F32x4([f32; 4]);

    impl F32x4 {
        #[inline(always)]
        pub(crate) fn splat(value: f32) -> Self {
            Self([value; 4])
        }

        /// Safety: four values can be read from `from`.
        #[inline(always)]
        pub(crate) unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller's promise.
            Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
        }

        /// Safety: four values can be written to `to`.
        #[inline(always)]
        pub(crate) unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller's promise.
            unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
        }

        #[inline(always)]
        fn with(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
            Self(core::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
        }

        /// `self + a b`, rounded twice.
        #[inline(always)]
        pub(crate) fn plus_product(self, a: Self, b: Self) -> Self {
            self.plus(a.times(b))
        }

        #[inline(always)]
        pub(crate) fn plus(self, other: Self) -> Self {
            self.with(other, |a, b| a + b)
        }

        #[inline(always)]
        pub(crate) fn minus(self, other: Self) -> Self {
            self.with(other, |a, b| a - b)
        }

        #[inline(always)]
        pub(crate) fn times(self, other: Self) -> Self {
            self.with(other, |a, b| a * b)
        }

        #[inline(always)]
        pub(crate) fn over(self, other: Self) -> Self {
            self.with(other, |a, b| a / b)
        }

        #[inline(always)]
        pub(crate) fn abs(self) -> Self {
            Self(self.0.map(f32::abs))
        }

        /// `other` where that is larger; a NaN of `self` stays, one of `other` is passed over.
        #[inline(always)]
        pub(crate) fn at_least(self, other: Self) -> Self {
            self.with(other, |a, b| if a < b { b } else { a })
        }

        /// Whether every one of sixteen is at most `limit`; a NaN is not.
        #[inline(always)]
        pub(crate) fn all_at_most(fours: [Self; 4], limit: Self) -> bool {
            // No branch between them, so that LLVM compares them together.
            fours.iter().flat_map(|four| four.0).fold(true, |all, value| all & (value <= limit.0[0]))
        }

        /// Whether every one of sixteen equals `to`; a NaN does not.
        #[inline(always)]
        pub(crate) fn all_equal(fours: [Self; 4], to: Self) -> bool {
            fours.iter().flat_map(|four| four.0).fold(true, |all, value| all & (value == to.0[0]))
        }

        /// `then` where `self` is below 0, `other` elsewhere.
        #[inline(always)]
        pub(crate) fn if_negative(self, then: Self, other: Self) -> Self {
            Self(core::array::from_fn(|lane| if self.0[lane] < 0.0 { then.0[lane] } else { other.0[lane] }))
        }

        /// The bits as whole numbers, shifted right, with the sign.
        #[inline(always)]
        pub(crate) fn bits_right(self, by: u32) -> Self {
            Self(self.0.map(|v| f32::from_bits(((v.to_bits() as i32) >> by) as u32)))
        }

        /// The bits as whole numbers, shifted left.
        #[inline(always)]
        pub(crate) fn bits_left(self, by: u32) -> Self {
            Self(self.0.map(|v| f32::from_bits(v.to_bits() << by)))
        }

        /// The bits, which are whole numbers with a sign, as floats of that value.
        #[inline(always)]
        pub(crate) fn bits_as_number(self) -> Self {
            Self(self.0.map(|v| v.to_bits() as i32 as f32))
        }

        /// `self`, or 0 where `x` is less than `limit`.
        #[inline(always)]
        pub(crate) fn zero_where_less(self, x: Self, limit: Self) -> Self {
            let kept = |lane: usize| if x.0[lane] < limit.0[lane] { 0.0 } else { self.0[lane] };
            Self(core::array::from_fn(kept))
        }

        /// The sum of the bits as whole numbers.
        #[inline(always)]
        pub(crate) fn bits_plus(self, other: Self) -> Self {
            self.with(other, |a, b| f32::from_bits(a.to_bits().wrapping_add(b.to_bits())))
        }

        /// The difference of the bits as whole numbers.
        #[inline(always)]
        pub(crate) fn bits_minus(self, other: Self) -> Self {
            self.with(other, |a, b| f32::from_bits(a.to_bits().wrapping_sub(b.to_bits())))
        }

        #[inline(always)]
        pub(crate) fn to_array(self) -> [f32; 4] {
            self.0
        }
    }
}

impl F32x4 {
    /// The sum of the four.
    #[inline(always)]
    pub(crate) fn sum(self) -> f32 {
        let [a, b, c, d] = self.to_array();
        (a + b) + (c + d)
    }

    /// The first four of `values`, with `fill` for those that are missing.
    #[inline(always)]
    pub(crate) fn of(values: &[f32], fill: f32) -> Self {
        if values.len() >= LANES {
            // SAFETY: there are four.
            return unsafe { Self::load(values.as_ptr()) };
        }
        let mut four = [fill; LANES];
        four[..values.len()].copy_from_slice(values);
        // SAFETY: an array of four.
        unsafe { Self::load(four.as_ptr()) }
    }

    /// Puts the first of the four into `to`, as many as it holds.
    #[inline(always)]
    pub(crate) fn put(self, to: &mut [f32]) {
        if to.len() >= LANES {
            // SAFETY: there is room for four.
            return unsafe { self.store(to.as_mut_ptr()) };
        }
        to.copy_from_slice(&self.to_array()[..to.len()]);
    }
}

impl Add for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.plus(other)
    }
}

impl Sub for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.minus(other)
    }
}

impl Mul for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.times(other)
    }
}

impl Div for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.over(other)
    }
}

/// `f` of every value, in place.
#[inline(always)]
pub(crate) fn map(values: &mut [f32], f: impl Fn(F32x4) -> F32x4) {
    let mut fours = values.chunks_exact_mut(LANES);
    for four in &mut fours {
        f(F32x4::of(four, 0.0)).put(four);
    }
    let tail = fours.into_remainder();
    if !tail.is_empty() {
        f(F32x4::of(tail, 0.0)).put(tail);
    }
}
