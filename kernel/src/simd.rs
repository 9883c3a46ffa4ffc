//! Four f32 side by side: 128 bits, what WebAssembly has and what every CPU holds in a register.

#![allow(unsafe_code, reason = "loads and stores through pointers whose bounds the caller has checked")]

pub(crate) use imp::F32x4;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod imp {
    use core::arch::wasm32::{f32x4_add, f32x4_splat, v128, v128_load, v128_store};

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
            return Self(core::arch::wasm32::f32x4_relaxed_madd(a.0, b.0, self.0));
            #[cfg(not(target_feature = "relaxed-simd"))]
            Self(f32x4_add(self.0, core::arch::wasm32::f32x4_mul(a.0, b.0)))
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

        /// `self + a b`, rounded twice.
        #[inline(always)]
        pub(crate) fn plus_product(self, a: Self, b: Self) -> Self {
            Self(core::array::from_fn(|lane| self.0[lane] + a.0[lane] * b.0[lane]))
        }
    }
}
