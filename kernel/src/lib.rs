//! Numeric kernels on plain slices, for the CPU backend.
//!
//! It knows matrices and nothing else: no tensors, no models, no allocation, no dependencies.
//! Every kernel has a plain reference beside it, in the tests, that it must agree with.
#![no_std]

mod gemm;
mod pack_rows;
mod packed;
mod simd;

pub use gemm::{Dims, gemm, gemm_nt};
pub use pack_rows::{pack_rows, pack_rows_t};
pub use packed::{PANEL, gemm_packed, gemm_packed_cols, pack, pack_t, packed_len, unpacked_at};
